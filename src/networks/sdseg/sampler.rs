//! From noise to the clean latent of a mask.
use tch::{Kind, Tensor};

use super::network::{channels_last, Condition, SdSeg};
use crate::diffusion::NoiseSchedule;
use crate::networks::{Sampler, Sampling};
use crate::runtime::{Generator, Job, Result};
use crate::tensors::term;

/// Timesteps of `steps` passes over T, from the last one down: round(T (steps - i) / steps) - 1. They begin where the
/// noise is pure, so that one step is SDSeg's direct one.
pub fn timesteps(total: i64, steps: u32) -> Vec<i64> {
    let steps = i64::from(steps).clamp(1, total);
    (0..steps)
        .map(|i| ((total * (steps - i)) as f64 / steps as f64).round() as i64 - 1)
        .collect()
}

impl SdSeg {
    /// The clean latent [B, c, h, w] that the noise of number `sample` becomes, the same noise for every image of the
    /// batch. All sums are in float32, because at the last timestep the error of an estimated noise counts 38.7-fold.
    pub(super) fn sampled(&self, condition: &Condition, sampling: &Sampling, sample: u32, job: &Job) -> Result<Tensor> {
        let (batch, _, rows, columns) = condition.latent.size4()?;
        let device = condition.latent.device();
        let channels = self.config.first_stage.latent_channels;
        let noise =
            Generator::new(sampling.seed, u64::from(sample)).normal_tensor(&[1, channels, rows, columns], device)?;
        let x = channels_last(&noise.f_expand([batch, -1, -1, -1], false)?)?;
        let mut predict = |x: &Tensor, t: i64| -> Result<Tensor> {
            job.check()?;
            let times = Tensor::f_full([batch], t, (Kind::Int64, device))?;
            self.predict(x, &times, condition, &mut Ok, job)
        };
        integrate(&self.schedule, sampling, x, &mut predict)
    }
}

/// A network's prediction for a noisy latent at a timestep.
type Predict<'a> = dyn FnMut(&Tensor, i64) -> Result<Tensor> + 'a;

/// Goes from `x`, noise at the last timestep, to a clean latent.
///
/// DDIM (Song, Meng and Ermon 2021, equation 12 with sigma 0): x' = a' x0 + s' eps with a = sqrt(abar), s = sqrt(1 -
/// abar). DPM-Solver++ (Lu et al. 2022, algorithm 2, data prediction): with lambda = log(a / s), h the step in it and r
/// the last step over this one, D = (1 + 1 / 2r) x0 - x0_before / 2r and x' = (s' / s) x - a' (e^-h - 1) D. Both end
/// with the x0 of the last timestep.
fn integrate(schedule: &NoiseSchedule, sampling: &Sampling, mut x: Tensor, predict: &mut Predict) -> Result<Tensor> {
    let grid = timesteps(schedule.len(), sampling.steps);
    let parts = |t: i64| -> Result<(f64, f64)> {
        let alpha = schedule.alpha_cumprod(t)?;
        Ok((alpha.sqrt(), (1.0 - alpha).sqrt()))
    };
    // The clean latent of the step before, and the length of that step.
    let mut before: Option<(Tensor, f64)> = None;
    for (index, &t) in grid.iter().enumerate() {
        let output = predict(&x, t)?;
        let clean = schedule.clean(&x, &output, t)?;
        let Some(&next) = grid.get(index + 1) else {
            return Ok(clean);
        };
        let ((a, s), (a_next, s_next)) = (parts(t)?, parts(next)?);
        x = match sampling.sampler {
            Sampler::Ddim => {
                let noise = schedule.noise_of(&x, &output, t)?;
                (a_next * term(clean) + s_next * term(noise)).tensor()?
            }
            Sampler::DpmSolver => {
                let h = (a_next / s_next).ln() - (a / s).ln();
                let direction = match &before {
                    Some((earlier, last)) => {
                        let half = h / (2.0 * last);
                        ((1.0 + half) * term(&clean) - half * term(earlier)).tensor()?
                    }
                    None => clean.shallow_clone(),
                };
                before = Some((clean, h));
                let pull = -a_next * ((-h).exp() - 1.0);
                ((s_next / s) * term(&x) + pull * term(direction)).tensor()?
            }
        };
    }
    Ok(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::{PredictionType, ScheduleConfig};
    use crate::runtime::Error;
    use tch::Device;

    fn schedule(prediction_type: PredictionType) -> NoiseSchedule {
        NoiseSchedule::new(&ScheduleConfig {
            prediction_type,
            beta_start: 0.0015,
            beta_end: 0.0155,
            ..ScheduleConfig::default()
        })
        .unwrap()
    }

    #[test]
    fn the_schedule_is_the_paper_s() {
        let alpha = schedule(PredictionType::Epsilon).alpha_cumprod(999).unwrap();
        assert!((alpha - 6.6867e-4).abs() < 1e-8, "{alpha}");
        assert!((alpha.sqrt().recip() - 38.6719).abs() < 1e-3);
        assert!(((1.0 / alpha - 1.0).sqrt() - 38.6590).abs() < 1e-3);
    }

    #[test]
    fn grids_begin_in_pure_noise() {
        assert_eq!(timesteps(1000, 1), [999]);
        assert_eq!(timesteps(1000, 4), [999, 749, 499, 249]);
        let fifty = timesteps(1000, 50);
        assert_eq!((fifty.len(), fifty[49]), (50, 19));
        assert_eq!(timesteps(1000, 1000)[999], 0);
    }

    /// Data that are normal of deviation `d` have the optimal x0 = a d^2 / (a^2 d^2 + s^2) x. The probability flow
    /// carries x along with the deviation sqrt(a^2 d^2 + s^2) of all x at a timestep, and the last of the grid is left
    /// by its x0: any sampler must come near that, the second order nearer than the first.
    #[test]
    fn normal_data_are_reached_and_the_second_order_is_nearer() {
        let d = 0.3f64;
        for prediction in [PredictionType::Epsilon, PredictionType::VPrediction] {
            let schedule = schedule(prediction);
            let error = |sampler: Sampler, steps: u32| -> f64 {
                let sampling = Sampling {
                    sampler,
                    steps,
                    ..Sampling::default()
                };
                let noise = Tensor::from_slice(&[1.0f32, -0.5]);
                let mut predict = |x: &Tensor, t: i64| -> Result<Tensor> {
                    let alpha = schedule.alpha_cumprod(t)?;
                    let (a, s) = (alpha.sqrt(), (1.0 - alpha).sqrt());
                    let clean = x * (a * d * d / (a * a * d * d + s * s));
                    let noise = (x - &clean * a) / s;
                    Ok::<_, Error>(match prediction {
                        PredictionType::Epsilon => noise,
                        PredictionType::VPrediction => noise * a - clean * s,
                    })
                };
                let reached = integrate(&schedule, &sampling, noise, &mut predict).unwrap();
                let grid = timesteps(1000, steps);
                let (first, last) = (grid[0], grid[grid.len() - 1]);
                let deviation = |t: i64| {
                    let alpha = schedule.alpha_cumprod(t).unwrap();
                    (alpha * d * d + 1.0 - alpha).sqrt()
                };
                let exact = schedule.alpha_cumprod(last).unwrap().sqrt() * d * d / (deviation(last) * deviation(first));
                (reached.double_value(&[0]) - exact)
                    .abs()
                    .max((reached.double_value(&[1]) + 0.5 * exact).abs())
            };
            let (first, second) = (error(Sampler::Ddim, 50), error(Sampler::DpmSolver, 50));
            assert!(first < 0.02 && second < 0.5 * first, "{first} {second}");
            // The first order gains slowly where timesteps are even and noise levels are not.
            assert!(error(Sampler::Ddim, 400) < 0.6 * first);
            // One step is the same either way.
            assert_eq!(error(Sampler::Ddim, 1), error(Sampler::DpmSolver, 1));
        }
        assert_eq!(Device::Cpu, Tensor::from_slice(&[1.0f32]).device());
    }
}
