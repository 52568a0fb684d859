//! Projection over the tilts, contrast transfer, noise and weighted back-projection; all linear, so signal and noise
//! run apart.
//!
//! Geometry: the tilt axis is y through the volume's centre. At tilt t a voxel (z, y, x) falls on row y and column u =
//! (x - cx) cos t + (z - cz) sin t + cu. Row y of every projection depends on plane y alone, so the planes are the
//! channels of one two-dimensional `grid_sampler` over (z, x) and share its grid.
use std::f64::consts::PI;

use tch::{Device, Kind, Tensor};

use super::optics::critical_exposure;
use super::options::PhantomOptions;
use super::series::{Filter, TiltSeries};
use crate::runtime::{Generator, Job, Result};

/// Planes per libtorch call: small enough to cancel within milliseconds.
const PLANES: i64 = 16;
/// `grid_sampler`: bilinear, zeros or the edge outside.
const BILINEAR: i64 = 0;
const ZEROS: i64 = 0;
const EDGE: i64 = 1;

/// Line integrals of `density` (z, y, x) at every true tilt, turned by the error of the tilt axis: (tilt, row, column),
/// in voxels.
///
/// Rays are sampled on planes of constant z, subdivided at high tilt so that samples stay about a voxel apart. Beyond
/// the x faces the specimen is mirrored (a real specimen goes on); beyond the z faces is vacuum.
pub fn project(density: &Tensor, series: &TiltSeries, job: &Job) -> Result<Tensor> {
    let (depth, rows, width) = density.size3()?;
    let planes = density.f_permute([1, 0, 2])?.f_contiguous()?.f_unsqueeze(0)?;
    let mut projections = Vec::with_capacity(series.angles.len());
    for (angle, axis_error) in series.true_angles.iter().zip(&series.axis_errors) {
        let (grid, weight) = ray_grid(angle.to_radians(), depth, width, series.columns);
        let samples = grid.len() as i64 / (2 * series.columns as i64);
        let grid = Tensor::f_from_slice(&grid)?
            .f_view([1, samples, series.columns as i64, 2])?
            .f_to_device(density.device())?;
        let mut parts = Vec::new();
        for first in (0..rows).step_by(PLANES as usize) {
            job.check()?;
            let part = planes.f_narrow(1, first, PLANES.min(rows - first))?;
            let rays = part.f_grid_sampler(&grid, BILINEAR, ZEROS, true)?;
            parts.push(rays.f_sum_dim_intlist(2, false, Kind::Float)?.f_mul_scalar(weight)?);
        }
        projections.push(turned(&Tensor::f_cat(&parts, 1)?.f_squeeze_dim(0)?, *axis_error)?);
    }
    Ok(Tensor::f_stack(&projections, 0)?)
}

/// `image` (row, column) turned by `degrees` about its centre; the edge goes on outside.
fn turned(image: &Tensor, degrees: f64) -> Result<Tensor> {
    if degrees == 0.0 {
        return Ok(image.shallow_clone());
    }
    let (rows, columns) = image.size2()?;
    let (sine, cosine) = degrees.to_radians().sin_cos();
    let (cr, cc) = ((rows - 1) as f64 / 2.0, (columns - 1) as f64 / 2.0);
    let mut grid = Vec::with_capacity((2 * rows * columns) as usize);
    for row in 0..rows {
        for column in 0..columns {
            let (r, c) = (row as f64 - cr, column as f64 - cc);
            grid.push(((c * cosine - r * sine) / cc.max(0.5)) as f32);
            grid.push(((c * sine + r * cosine) / cr.max(0.5)) as f32);
        }
    }
    let grid = Tensor::f_from_slice(&grid)?
        .f_view([1, rows, columns, 2])?
        .f_to_device(image.device())?;
    let image = image.f_unsqueeze(0)?.f_unsqueeze(0)?;
    let turned = image.f_grid_sampler(&grid, BILINEAR, EDGE, true)?;
    Ok(turned.f_squeeze_dim(0)?.f_squeeze_dim(0)?)
}

/// Normalised (x, z) of every ray sample (sample, column), and the length of ray that one sample stands for.
fn ray_grid(tilt: f64, depth: i64, width: i64, columns: usize) -> (Vec<f32>, f64) {
    let subdivision = (1.0 / tilt.cos()).round().clamp(1.0, 12.0);
    let samples = (depth as f64 * subdivision) as usize;
    let (cz, cx) = ((depth - 1) as f64 / 2.0, (width - 1) as f64 / 2.0);
    let cu = (columns - 1) as f64 / 2.0;
    let mut grid = Vec::with_capacity(samples * columns * 2);
    for sample in 0..samples {
        // Samples are centred in their share of the voxel.
        let z = (sample as f64 + 0.5) / subdivision - 0.5 - cz;
        for column in 0..columns {
            let x = (column as f64 - cu - z * tilt.sin()) / tilt.cos();
            let x = mirrored(x + cx, width as f64 - 1.0) - cx;
            grid.push((x / cx.max(0.5)) as f32);
            grid.push((z / cz.max(0.5)) as f32);
        }
    }
    (grid, 1.0 / (tilt.cos() * subdivision))
}

/// `x` mirrored into 0..=last at both ends.
fn mirrored(x: f64, last: f64) -> f64 {
    let folded = x.rem_euclid(2.0 * last);
    folded.min(2.0 * last - folded)
}

/// Contrast transfer, exposure damping exp(-N / (2 Ne)) (Grant and Grigorieff 2015, eq. 5) and alignment error of every
/// projection.
pub(super) fn image_projections(
    clean: &Tensor,
    options: &PhantomOptions,
    series: &TiltSeries,
    job: &Job,
) -> Result<Tensor> {
    let (rows, columns) = (series.padded_rows, series.columns);
    let pixel = options.voxel_nm * 10.0;
    let mut imaged = Vec::with_capacity(series.angles.len());
    for index in 0..series.angles.len() {
        job.check()?;
        let [row_shift, column_shift] = series.shifts[index];
        let (mut real, mut imaginary) = (Vec::new(), Vec::new());
        for_frequencies(rows, columns, |ky, ku| {
            let q = ky.hypot(ku) / pixel;
            let transfer = options.transfer(q, series.defocus[index]);
            let gain = transfer * (-series.exposure[index] / (2.0 * critical_exposure(q))).exp();
            let (sine, cosine) = (-2.0 * PI * (ky * row_shift + ku * column_shift)).sin_cos();
            real.push((gain * cosine) as f32);
            imaginary.push((gain * sine) as f32);
        });
        let extents = series.spectrum();
        let transfer = Tensor::f_complex(
            &Tensor::f_from_slice(&real)?.f_view(extents)?,
            &Tensor::f_from_slice(&imaginary)?.f_view(extents)?,
        )?
        .f_to_device(clean.device())?;
        imaged.push(series.filtered(&clean.f_get(index as i64)?, &transfer)?);
    }
    Ok(Tensor::f_stack(&imaged, 0)?)
}

/// Noise of every projection: white shot noise, noise that passed the contrast transfer (ice) and slow noise, growing
/// with tilt.
pub(super) fn noise_projections(
    options: &PhantomOptions,
    series: &TiltSeries,
    gen: &mut Generator,
    device: Device,
    job: &Job,
) -> Result<Tensor> {
    let (rows, columns) = (series.padded_rows, series.columns);
    let pixel = options.voxel_nm * 10.0;
    let mut noise = Vec::with_capacity(series.angles.len());
    for (index, angle) in series.angles.iter().enumerate() {
        job.check()?;
        let (mut slow, mut ice) = (Vec::new(), Vec::new());
        for_frequencies(rows, columns, |ky, ku| {
            let q = ky.hypot(ku);
            slow.push(1.0 / (1.0 + (q / options.noise_colour_frequency).powi(2)));
            let transfer = options.transfer(q / pixel, series.defocus[index]);
            ice.push(transfer.powi(2));
        });
        // Each kind of noise has unit mean power, so that the shares are shares of the variance.
        let mean = |power: &[f64]| (power.iter().sum::<f64>() / power.len() as f64).max(1e-12);
        let (slow_mean, ice_mean) = (mean(&slow), mean(&ice));
        let growth = (0.5 * options.noise_tilt_growth * (1.0 / angle.to_radians().cos() - 1.0)).exp();
        let gain: Vec<f32> = slow
            .iter()
            .zip(&ice)
            .map(|(s, i)| {
                let fast = (1.0 - options.noise_ctf) + options.noise_ctf * i / ice_mean;
                let power = (1.0 - options.noise_colour) * fast + options.noise_colour * s / slow_mean;
                (growth * power.max(0.0).sqrt()) as f32
            })
            .collect();
        let gain = Tensor::f_from_slice(&gain)?
            .f_view(series.spectrum())?
            .f_to_device(device)?;
        let white = gen.normal_tensor(&[series.rows as i64, columns as i64], device)?;
        noise.push(series.filtered(&white, &gain)?);
    }
    Ok(Tensor::f_stack(&noise, 0)?)
}

/// Weighted back-projection of (tilt, row, column) to a volume (z, y, x): the ramp |k|^exponent with a smooth cut-off,
/// then the sum over tilts of every projection at u(z, x). The scale is arbitrary, the mean zero.
pub fn reconstruct(projections: &Tensor, series: &TiltSeries, shape: [usize; 3], job: &Job) -> Result<Tensor> {
    let [depth, rows, width] = shape.map(|n| n as i64);
    let device = projections.device();
    let filter = reconstruction_filter(series)?.f_to_device(device)?;
    let mut rows_of_tilt = Vec::with_capacity(series.angles.len());
    let mut grids = Vec::with_capacity(series.angles.len());
    for (index, angle) in series.angles.iter().enumerate() {
        job.check()?;
        let weighted = series.filtered(&projections.f_get(index as i64)?, &filter)?;
        rows_of_tilt.push(weighted.f_reshape([1, rows, 1, series.columns as i64])?);
        let grid = column_grid(angle.to_radians(), shape, series.columns);
        grids.push(
            Tensor::f_from_slice(&grid)?
                .f_view([1, depth, width, 2])?
                .f_to_device(device)?,
        );
    }
    let mut parts = Vec::new();
    for first in (0..rows).step_by(PLANES as usize) {
        let planes = PLANES.min(rows - first);
        let mut sum = Tensor::f_zeros([1, planes, depth, width], (Kind::Float, device))?;
        for (weighted, grid) in rows_of_tilt.iter().zip(&grids) {
            job.check()?;
            let smear = weighted
                .f_narrow(1, first, planes)?
                .f_grid_sampler(grid, BILINEAR, ZEROS, true)?;
            let _ = sum.f_add_(&smear)?;
        }
        parts.push(sum.f_squeeze_dim(0)?);
    }
    Ok(Tensor::f_cat(&parts, 0)?.f_permute([1, 0, 2])?.f_contiguous()?)
}

/// Normalised (column, 0) of every (z, x).
fn column_grid(tilt: f64, [depth, _, width]: [usize; 3], columns: usize) -> Vec<f32> {
    let (cz, cx, cu) = (
        (depth - 1) as f64 / 2.0,
        (width - 1) as f64 / 2.0,
        (columns - 1) as f64 / 2.0,
    );
    let mut grid = Vec::with_capacity(depth * width * 2);
    for z in 0..depth {
        for x in 0..width {
            let u = (x as f64 - cx) * tilt.cos() + (z as f64 - cz) * tilt.sin();
            grid.push((u / cu) as f32);
            grid.push(0.0);
        }
    }
    grid
}

/// Ramp with a raised-cosine fall from 80 % to 120 % of the cut-off and, where asked for, without the slowest waves,
/// (row, column) frequencies of the real FFT.
fn reconstruction_filter(series: &TiltSeries) -> Result<Tensor> {
    let Filter {
        exponent,
        cutoff,
        high_pass,
        radial,
    } = series.filter;
    let mut gain = Vec::new();
    for_frequencies(series.padded_rows, series.columns, |ky, ku| {
        let q = if radial { ky.hypot(ku) } else { ku.abs() };
        let fall = ((q / cutoff - 0.8) / 0.4).clamp(0.0, 1.0);
        let ramp = if ku == 0.0 { 0.0 } else { ku.abs().powf(exponent) };
        let kept = if high_pass > 0.0 {
            1.0 - (-0.5 * (ky.hypot(ku) / high_pass).powi(2)).exp()
        } else {
            1.0
        };
        gain.push((ramp * kept * 0.5 * (1.0 + (PI * fall).cos())) as f32);
    });
    Ok(Tensor::f_from_slice(&gain)?.f_view(series.spectrum())?)
}

/// Calls `visit(ky, ku)` in cycles per pixel for every entry of a real FFT, rows first.
fn for_frequencies(rows: usize, columns: usize, mut visit: impl FnMut(f64, f64)) {
    for row in 0..rows {
        let signed = if row <= rows / 2 {
            row as f64
        } else {
            row as f64 - rows as f64
        };
        for column in 0..=columns / 2 {
            visit(signed / rows as f64, column as f64 / columns as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(shape: [usize; 3]) -> PhantomOptions {
        PhantomOptions {
            shape,
            shift_error: 0.0,
            ..PhantomOptions::default()
        }
    }

    #[test]
    fn a_point_projects_to_where_the_geometry_says() {
        let options = exact([32, 12, 48]);
        let series = TiltSeries::new(&options, &mut Generator::new(1, 0));
        let density = Tensor::zeros([32, 12, 48], (Kind::Float, Device::Cpu));
        let (z, y, x) = (22i64, 5i64, 17i64);
        let _ = density.get(z).get(y).get(x).fill_(1.0);
        let stack = project(&density, &series, &Job::quiet()).unwrap();
        let columns = Tensor::arange(series.columns as i64, (Kind::Float, Device::Cpu));
        for (index, angle) in series.angles.iter().enumerate() {
            let image = stack.get(index as i64);
            let row = image.sum_dim_intlist(1, false, Kind::Float);
            assert_eq!(row.argmax(None, false).int64_value(&[]), y);
            let t = angle.to_radians();
            let expected =
                (x as f64 - 23.5) * t.cos() + (z as f64 - 15.5) * t.sin() + (series.columns as f64 - 1.0) / 2.0;
            // The specimen goes on mirrored beyond its faces: the mirror images fall at least 17 columns away.
            let near = (&columns - expected).abs().lt(8.0).to_kind(Kind::Float);
            let line = image.get(y) * near;
            let seen = line.sum(Kind::Float).double_value(&[]);
            let centre = (&line * &columns).sum(Kind::Float).double_value(&[]) / seen;
            assert!(seen > 0.5, "tilt {angle}: {seen} of the point is seen");
            assert!(
                (centre - expected).abs() < 0.35,
                "tilt {angle}: column {centre}, expected {expected}"
            );
        }
    }

    #[test]
    fn errors_of_angle_and_axis_move_points_as_a_rotation_does() {
        let options = exact([32, 40, 48]);
        let mut series = TiltSeries::new(&options, &mut Generator::new(1, 0));
        series.true_angles = series.angles.iter().map(|a| a + 2.0).collect();
        series.axis_errors = vec![5.0; series.angles.len()];
        let density = Tensor::zeros([32, 40, 48], (Kind::Float, Device::Cpu));
        let _ = density.get(20).get(30).get(30).fill_(1.0);
        let stack = project(&density, &series, &Job::quiet()).unwrap();
        let index = 20;
        assert_eq!(series.angles[index], 0.0);
        let t = 2f64.to_radians();
        let (u, v) = ((30.0 - 23.5) * t.cos() + (20.0 - 15.5) * t.sin(), 30.0 - 19.5);
        // Sampling at R p turns the image by the inverse of R.
        let (s, c) = 5f64.to_radians().sin_cos();
        let expected = [
            v * c - u * s + 19.5,
            u * c + v * s + (series.columns as f64 - 1.0) / 2.0,
        ];
        let peak = stack.get(index as i64).argmax(None, false).int64_value(&[]);
        let place = [peak / series.columns as i64, peak % series.columns as i64];
        assert!(
            (0..2).all(|a| (place[a] as f64 - expected[a]).abs() <= 0.8),
            "{place:?}, expected {expected:?}"
        );
    }

    #[test]
    fn a_point_is_reconstructed_where_it_was() {
        let options = exact([24, 8, 40]);
        let series = TiltSeries::new(&options, &mut Generator::new(1, 0));
        let density = Tensor::zeros([24, 8, 40], (Kind::Float, Device::Cpu));
        let _ = density.get(15).get(3).get(28).fill_(1.0);
        let job = Job::quiet();
        let stack = project(&density, &series, &job).unwrap();
        let volume = reconstruct(&stack, &series, options.shape, &job).unwrap();
        assert_eq!(volume.argmax(None, false).int64_value(&[]), (15 * 8 + 3) * 40 + 28);
    }

    #[test]
    fn mirroring_folds_at_both_faces() {
        assert_eq!(mirrored(-2.0, 9.0), 2.0);
        assert_eq!(mirrored(11.0, 9.0), 7.0);
        assert_eq!(mirrored(4.0, 9.0), 4.0);
    }
}
