//! What happens to a tomogram after its reconstruction. All but the last two steps are linear, so that signal and
//! noise are processed apart; the last two change the tomogram, and what they change counts as noise.
use ndarray::Array3;
use tch::{Kind, Tensor};

use super::options::PhantomOptions;
use super::processing_options::ProcessingOptions;
use crate::runtime::{Job, Result};

/// `volume` with zero mean and unit variance; a constant volume becomes zero.
pub(super) fn standardised(volume: &Tensor) -> Result<Tensor> {
    let centred = volume.f_sub(&volume.f_mean(None)?)?;
    let deviation = centred.f_square()?.f_mean(None)?.f_sqrt()?.f_clamp_min(1e-20)?;
    Ok(centred.f_div(&deviation)?)
}

impl ProcessingOptions {
    /// The linear steps on a reconstruction (z, y, x); `whole` is the specimen's density, from which the wedge is
    /// filled, or None for noise.
    pub(super) fn linear(
        &self,
        volume: Tensor,
        whole: Option<&Tensor>,
        options: &PhantomOptions,
        job: &Job,
    ) -> Result<Tensor> {
        let mut volume = volume;
        if let (Some(whole), true) = (whole, self.wedge_fill > 0.0) {
            job.check()?;
            let share = self.wedge_fill;
            volume = standardised(&volume)?
                .f_mul_scalar(1.0 - share)?
                .f_add(&standardised(whole)?.f_mul_scalar(share)?)?;
        }
        if self.blur > 0.0 || self.deconvolution > 0.0 {
            volume = self.filtered(&volume, options, job)?;
        }
        if self.border > 0.0 {
            volume = self.bordered(&volume)?;
        }
        Ok(volume)
    }

    /// The radial filters, in one Fourier transform.
    fn filtered(&self, volume: &Tensor, options: &PhantomOptions, job: &Job) -> Result<Tensor> {
        job.check()?;
        let (depth, height, width) = volume.size3()?;
        let device = volume.device();
        let axis = |n: i64| -> Result<Tensor> { Ok(Tensor::f_fft_fftfreq(n, 1.0, (Kind::Float, device))?) };
        let last = Tensor::f_fft_rfftfreq(width, 1.0, (Kind::Float, device))?;
        let square = axis(depth)?.f_square()?.f_view([depth, 1, 1])?;
        let square = square.f_add(&axis(height)?.f_square()?.f_view([1, height, 1])?)?;
        let frequency = square.f_add(&last.f_square()?.f_view([1, 1, -1])?)?.f_sqrt()?;
        // The gain is tabulated over the frequency, 0 to the corner's sqrt(3) / 2.
        const STEPS: i64 = 2048;
        let table: Vec<f32> = (0..=STEPS)
            .map(|step| self.gain(step as f64 / STEPS as f64, options) as f32)
            .collect();
        let index = frequency
            .f_mul_scalar(STEPS as f64)?
            .f_round()?
            .f_to_kind(Kind::Int64)?;
        let gain = Tensor::f_from_slice(&table)?.f_to_device(device)?.f_take(&index)?;
        let axes = [0i64, 1, 2];
        let spectrum = volume.f_fft_rfftn(None::<&[i64]>, axes.as_slice(), "backward")?;
        let extents = [depth, height, width];
        Ok(spectrum
            .f_mul(&gain)?
            .f_fft_irfftn(extents.as_slice(), axes.as_slice(), "backward")?)
    }

    /// Gain at `frequency` in cycles per voxel.
    fn gain(&self, frequency: f64, options: &PhantomOptions) -> f64 {
        let blur = (-2.0 * (std::f64::consts::PI * self.blur * frequency).powi(2)).exp();
        if self.deconvolution == 0.0 {
            return blur;
        }
        let pixel = 10.0 * options.voxel_nm;
        let transfer = options.transfer(frequency / pixel, 1e4 * options.defocus_um);
        // exp(-100 f / pixel) with f relative to Nyquist and the pixel in Angstrom: a fall-off of 1.
        let snr = (-200.0 * frequency / pixel).exp() * 10f64.powf(3.0 * self.deconvolution);
        blur * transfer / (transfer * transfer + 1.0 / snr)
    }

    /// `volume` with its border along y and x mirrored or set to its mean.
    fn bordered(&self, volume: &Tensor) -> Result<Tensor> {
        let (_, height, width) = volume.size3()?;
        let side = |n: i64| (self.border * n as f64).round() as i64;
        let (rows, cols) = (side(height), side(width));
        let inside = volume
            .f_narrow(1, rows, height - 2 * rows)?
            .f_narrow(2, cols, width - 2 * cols)?;
        let inside = inside.f_unsqueeze(0)?;
        let sides = [cols, cols, rows, rows];
        let padded = match self.border_mirrored {
            true => inside.f_pad(sides, "reflect", None)?,
            false => inside.f_pad(sides, "constant", f64::try_from(inside.f_mean(None::<Kind>)?)?)?,
        };
        Ok(padded.f_squeeze_dim(0)?)
    }

    /// Clips and rounds grey values in place.
    pub(super) fn reduce(&self, tomogram: &mut Array3<f32>) {
        let n = tomogram.len().max(1) as f64;
        let mean = tomogram.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        let deviation = (tomogram.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n).sqrt();
        let (mean, deviation) = (mean as f32, deviation as f32);
        if self.clip > 0.0 {
            let reach = self.clip as f32 * deviation;
            tomogram.mapv_inplace(|v| v.clamp(mean - reach, mean + reach));
        }
        if self.eight_bit && deviation > 0.0 {
            let step = 8.0 * deviation / 255.0;
            let low = mean - 4.0 * deviation;
            tomogram.mapv_inplace(|v| low + step * ((v - low) / step).round().clamp(0.0, 255.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom::contrast_transfer;
    use crate::runtime::Generator;
    use crate::tensors::{from_array, to_array};
    use tch::Device;

    fn noise(shape: [usize; 3]) -> Array3<f32> {
        let mut gen = Generator::new(1, 0);
        Array3::from_shape_fn(shape, |_| gen.normal() as f32)
    }

    #[test]
    fn a_blur_is_a_gaussian_average_that_keeps_the_mean() {
        let settings = ProcessingOptions {
            blur: 1.5,
            ..ProcessingOptions::default()
        };
        let mut point = Array3::zeros((24, 20, 18));
        point[[12, 10, 9]] = 1.0;
        let volume = from_array(point.view()).unwrap();
        let options = PhantomOptions::default();
        let blurred = settings.linear(volume, None, &options, &Job::quiet()).unwrap();
        let blurred: Array3<f32> = to_array(&blurred).unwrap();
        assert!((blurred.sum() - 1.0).abs() < 1e-4);
        let gauss = |r2: f64| (-0.5 * r2 / 2.25).exp() / (2.0 * std::f64::consts::PI * 2.25).powf(1.5);
        for ([z, y, x], r2) in [([12, 10, 9], 0.0), ([14, 10, 9], 4.0), ([12, 11, 10], 2.0)] {
            let value = f64::from(blurred[[z, y, x]]);
            assert!((value - gauss(r2)).abs() < 3e-4, "{value} {}", gauss(r2));
        }
    }

    #[test]
    fn borders_are_mirrored_or_grey_and_the_inside_stays() {
        let volume = noise([4, 20, 20]);
        let tensor = || from_array(volume.view()).unwrap();
        let (options, job) = (PhantomOptions::default(), Job::quiet());
        for border_mirrored in [false, true] {
            let settings = ProcessingOptions {
                border: 0.25,
                border_mirrored,
                ..ProcessingOptions::default()
            };
            let result: Array3<f32> = to_array(&settings.linear(tensor(), None, &options, &job).unwrap()).unwrap();
            assert_eq!(result[[2, 9, 11]], volume[[2, 9, 11]]);
            match border_mirrored {
                true => assert_eq!(result[[1, 3, 10]], volume[[1, 7, 10]]),
                false => assert!(result[[1, 3, 10]] == result[[3, 19, 2]] && result[[1, 3, 10]].abs() < 0.2),
            }
        }
    }

    #[test]
    fn a_deconvolution_undoes_a_weak_transfer_and_holds_where_there_is_none() {
        let settings = ProcessingOptions {
            deconvolution: 1.0,
            ..ProcessingOptions::default()
        };
        let options = PhantomOptions {
            voxel_nm: 1.0,
            defocus_um: 4.0,
            ..PhantomOptions::default()
        };
        // gain * transfer tends to 1 where the assumed signal is strong, and to 0 where it is weak.
        let product = |frequency: f64| {
            let transfer = contrast_transfer(frequency / 10.0, 4e4, options.amplitude_contrast, 0.0).abs();
            settings.gain(frequency, &options) * transfer
        };
        assert!(
            product(0.05) > 0.9 && product(0.45) < 0.3,
            "{} {}",
            product(0.05),
            product(0.45)
        );
    }

    #[test]
    fn grey_values_are_clipped_and_counted() {
        let mut values = noise([16, 32, 32]);
        let settings = ProcessingOptions {
            clip: 2.0,
            eight_bit: true,
            ..ProcessingOptions::default()
        };
        settings.reduce(&mut values);
        let most = values.iter().fold(0f32, |most, v| most.max(v.abs()));
        assert!((1.9..2.1).contains(&most), "{most}");
        let mut levels: Vec<u32> = values.iter().map(|v| v.to_bits()).collect();
        levels.sort_unstable();
        levels.dedup();
        assert!((100..=256).contains(&levels.len()), "{} levels", levels.len());
    }

    #[test]
    fn a_filled_wedge_is_the_specimen() {
        let whole = noise([8, 8, 8]);
        let settings = ProcessingOptions {
            wedge_fill: 1.0,
            ..ProcessingOptions::default()
        };
        let reconstruction = Tensor::f_ones([8, 8, 8], (Kind::Float, Device::Cpu)).unwrap();
        let density = from_array(whole.view()).unwrap();
        let job = Job::quiet();
        let filled = settings.linear(reconstruction, Some(&density), &PhantomOptions::default(), &job);
        let filled: Array3<f32> = to_array(&filled.unwrap()).unwrap();
        let (mean, n) = (whole.mean().unwrap(), whole.len() as f32);
        let deviation = (whole.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt();
        assert!(((whole[[3, 4, 5]] - mean) / deviation - filled[[3, 4, 5]]).abs() < 1e-4);
    }
}
