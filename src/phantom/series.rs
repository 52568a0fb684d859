//! The tilt series: angles, exposure, optics and errors of every projection, and how its images are filtered.
use tch::Tensor;

use super::options::PhantomOptions;
use crate::runtime::{Generator, Result};

/// Columns and rows on either side of the detector that only absorb the wrap-around of the filters.
const MARGIN: usize = 16;
/// No projection is taken beyond this tilt, whatever the errors.
const STEEPEST: f64 = 86.0;

/// Angles, optics and errors of every projection, and the detector's extents.
#[derive(Clone, Debug)]
pub struct TiltSeries {
    /// Tilt angles in degrees, as the reconstruction takes them.
    pub angles: Vec<f64>,
    /// Tilt angles in degrees at which the projections are really taken.
    pub true_angles: Vec<f64>,
    /// Rotation of every projection about its centre in degrees: how far the tilt axis is from where it is taken to be.
    pub axis_errors: Vec<f64>,
    /// Underfocus in Angstrom.
    pub defocus: Vec<f64>,
    /// Alignment error (row, column) in voxels.
    pub shifts: Vec<[f64; 2]>,
    /// Exposure before and during each projection, halfway, in electrons per square Angstrom.
    pub exposure: Vec<f64>,
    /// Detector rows, one per plane y.
    pub rows: usize,
    /// Rows of the Fourier transforms: the detector's and a margin.
    pub(super) padded_rows: usize,
    /// Detector columns, enough for every voxel at every tilt.
    pub columns: usize,
    pub(super) filter: Filter,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Filter {
    pub exponent: f64,
    pub cutoff: f64,
    /// Frequency, cycles per voxel, below which a Gaussian high-pass takes away; 0: none.
    pub high_pass: f64,
    pub radial: bool,
}

impl TiltSeries {
    /// Draws defocus, shifts, and errors of angle and axis; the exposure follows the dose-symmetric scheme (Hagen et
    /// al. 2017): lowest tilts first.
    pub fn new(options: &PhantomOptions, gen: &mut Generator) -> Self {
        let angles = options.tilt_angles();
        let [depth, rows, width] = options.shape;
        let mut order: Vec<usize> = (0..angles.len()).collect();
        order.sort_by(|&a, &b| angles[a].abs().total_cmp(&angles[b].abs()).then(a.cmp(&b)));
        let mut exposure = vec![0.0; angles.len()];
        for (turn, &index) in order.iter().enumerate() {
            exposure[index] = (turn as f64 + 0.5) * options.dose_per_tilt;
        }
        let mut defocus = Vec::with_capacity(angles.len());
        let mut shifts = Vec::with_capacity(angles.len());
        for _ in &angles {
            defocus.push(1e4 * (options.defocus_um + options.defocus_spread_um * gen.normal()).max(0.0));
            shifts.push([options.shift_error * gen.normal(), options.shift_error * gen.normal()]);
        }
        // Drawn last: the errors leave defocus and shifts of a seed as they are.
        let mut with_error = |error: f64, angle: f64| angle + error * gen.normal();
        let true_angles: Vec<f64> = angles
            .iter()
            .map(|angle| with_error(options.tilt_angle_error, *angle).clamp(-STEEPEST, STEEPEST))
            .collect();
        let axis_errors = angles
            .iter()
            .map(|_| with_error(options.tilt_axis_error, 0.0))
            .collect();
        let reach = angles.iter().chain(&true_angles).map(|a| {
            let t = a.to_radians();
            width as f64 * t.cos() + depth as f64 * t.sin().abs()
        });
        let columns = even_smooth(reach.fold(width as f64, f64::max).ceil() as usize + 2 * MARGIN);
        Self {
            angles,
            true_angles,
            axis_errors,
            defocus,
            shifts,
            exposure,
            rows,
            padded_rows: even_smooth(rows + 2 * MARGIN),
            columns,
            filter: Filter {
                exponent: options.filter_exponent,
                cutoff: options.filter_cutoff,
                high_pass: if options.high_pass_nm > 0.0 {
                    options.voxel_nm / options.high_pass_nm
                } else {
                    0.0
                },
                radial: options.filter_radial,
            },
        }
    }

    /// Extents of the real FFT of one projection.
    pub(super) fn spectrum(&self) -> [i64; 2] {
        [self.padded_rows as i64, self.columns as i64 / 2 + 1]
    }

    /// `image` (row, column) with its real FFT multiplied by `transfer`; the edge rows go on into the margin.
    pub(super) fn filtered(&self, image: &Tensor, transfer: &Tensor) -> Result<Tensor> {
        let (rows, padded) = (self.rows as i64, self.padded_rows as i64);
        let before = (padded - rows) / 2;
        let image = image.f_unsqueeze(0)?.f_unsqueeze(0)?;
        let image = image.f_replication_pad2d([0, 0, before, padded - rows - before])?;
        let image = image.f_squeeze_dim(0)?.f_squeeze_dim(0)?;
        let spectrum = image.f_fft_rfft2(None::<&[i64]>, [-2i64, -1].as_slice(), "backward")?;
        let extents = [padded, self.columns as i64];
        let result = spectrum
            .f_mul(transfer)?
            .f_fft_irfft2(extents.as_slice(), [-2i64, -1].as_slice(), "backward")?;
        Ok(result.f_narrow(0, before, rows)?)
    }
}

/// The next even number of the form 2^a 3^b 5^c, for the FFT.
fn even_smooth(least: usize) -> usize {
    let smooth = |mut n: usize| {
        for p in [2, 3, 5] {
            while n.is_multiple_of(p) {
                n /= p;
            }
        }
        n == 1
    };
    (least.max(2)..).find(|n| n % 2 == 0 && smooth(*n)).unwrap_or(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact() -> PhantomOptions {
        PhantomOptions {
            shape: [16, 16, 16],
            shift_error: 0.0,
            ..PhantomOptions::default()
        }
    }

    #[test]
    fn the_low_tilts_get_the_first_exposure() {
        let series = TiltSeries::new(&exact(), &mut Generator::new(1, 0));
        let first = series.exposure.iter().cloned().fold(f64::MAX, f64::min);
        let index = series.exposure.iter().position(|e| *e == first).unwrap();
        assert_eq!(series.angles[index], 0.0);
        assert_eq!(series.exposure[0].max(series.exposure[40]), 40.5 * 3.0);
    }

    #[test]
    fn errors_of_angle_and_axis_have_their_size_and_leave_the_rest_alone() {
        let plain = TiltSeries::new(&exact(), &mut Generator::new(1, 0));
        assert_eq!(plain.angles, plain.true_angles);
        assert!(plain.axis_errors.iter().all(|error| *error == 0.0));
        let options = PhantomOptions {
            tilt_step: 0.5,
            tilt_angle_error: 0.8,
            tilt_axis_error: 1.5,
            ..exact()
        };
        let series = TiltSeries::new(&options, &mut Generator::new(1, 0));
        let spread = |errors: &[f64]| (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
        let angles: Vec<f64> = series
            .angles
            .iter()
            .zip(&series.true_angles)
            .map(|(a, b)| a - b)
            .collect();
        assert!((spread(&angles) - 0.8).abs() < 0.15 && (spread(&series.axis_errors) - 1.5).abs() < 0.25);
        let same = TiltSeries::new(
            &PhantomOptions {
                tilt_step: 0.5,
                ..exact()
            },
            &mut Generator::new(1, 0),
        );
        assert_eq!(same.defocus, series.defocus);
    }
}
