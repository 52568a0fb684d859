//! From noise to the clean latent of a mask.
use std::collections::VecDeque;

use tch::{Kind, Tensor};

use super::network::{channels_last, Condition, SdSeg};
use crate::diffusion::NoiseSchedule;
use crate::networks::{Sampler, Sampling};
use crate::runtime::{Error, Generator, Job, Result};
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
        // Every image of the batch has the same noise, on the way too.
        let mut generator = Generator::new(sampling.seed, u64::from(sample));
        let mut noise = || -> Result<Tensor> {
            let noise = generator.normal_tensor(&[1, channels, rows, columns], device)?;
            channels_last(&noise.f_expand([batch, -1, -1, -1], false)?)
        };
        let x = noise()?;
        let mut predict = |x: &Tensor, t: i64| -> Result<Tensor> {
            job.check()?;
            let times = Tensor::f_full([batch], t, (Kind::Int64, device))?;
            self.predict(x, &times, condition, &mut Ok, job)
        };
        integrate(&self.schedule, sampling, x, &mut predict, &mut noise)
    }
}

/// A network's prediction for a noisy latent at a timestep.
type Predict<'a> = dyn FnMut(&Tensor, i64) -> Result<Tensor> + 'a;

/// Fresh noise of a latent's shape.
type Noise<'a> = dyn FnMut() -> Result<Tensor> + 'a;

/// Adams and Bashforth's weights of this noise and of the ones before it, by their number.
const MULTISTEP: [&[f64]; 4] = [
    &[1.0],
    &[3.0 / 2.0, -1.0 / 2.0],
    &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
    &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
];

/// Goes from `x`, noise at the last timestep, to a clean latent.
///
/// DDIM (Song, Meng and Ermon 2021, equation 12): x' = a' x0 + sqrt(s'^2 - sigma^2) eps + sigma z with a = sqrt(abar),
/// s = sqrt(1 - abar), sigma = eta (s' / s) sqrt(1 - a^2 / a'^2) and fresh noise z; DDPM is that with eta 1. PLMS (Liu
/// et al. 2022, algorithm 2): DDIM with eta 0 and, in the place of eps, a sum over the last four of them, in the first
/// step the mean with that of the next timestep. DPM-Solver++ (Lu et al. 2022, algorithm 2, data prediction): with
/// lambda = log(a / s), h the step in it and r the last step over this one, D = (1 + 1 / 2r) x0 - x0_before / 2r and x'
/// = (s' / s) x - a' (e^-h - 1) D. All end with the x0 of the last timestep.
fn integrate(
    schedule: &NoiseSchedule,
    sampling: &Sampling,
    mut x: Tensor,
    predict: &mut Predict,
    noise: &mut Noise,
) -> Result<Tensor> {
    let grid = timesteps(schedule.len(), sampling.steps);
    let parts = |t: i64| -> Result<(f64, f64)> {
        let alpha = schedule.alpha_cumprod(t)?;
        Ok((alpha.sqrt(), (1.0 - alpha).sqrt()))
    };
    // The clean latent of the step before, and the length of that step.
    let mut before: Option<(Tensor, f64)> = None;
    // The latest noises, newest first.
    let mut noises: VecDeque<Tensor> = VecDeque::new();
    for (index, &t) in grid.iter().enumerate() {
        let output = predict(&x, t)?;
        let clean = schedule.clean(&x, &output, t)?;
        let Some(&next) = grid.get(index + 1) else {
            return Ok(clean);
        };
        let ((a, s), (a_next, s_next)) = (parts(t)?, parts(next)?);
        x = match sampling.sampler {
            Sampler::Plms => {
                noises.push_front(schedule.noise_of(&x, &output, t)?);
                noises.truncate(MULTISTEP.len());
                let mut eps = weighted(&noises)?;
                if index == 0 {
                    let ahead = (a_next * term(&clean) + s_next * term(&eps)).tensor()?;
                    let output = predict(&ahead, next)?;
                    let there = schedule.noise_of(&ahead, &output, next)?;
                    eps = (0.5 * term(eps) + 0.5 * term(there)).tensor()?;
                }
                ((a_next / a) * term(&x) + (s_next - a_next * s / a) * term(eps)).tensor()?
            }
            Sampler::Ddim | Sampler::Ddpm => {
                let eta = match sampling.sampler {
                    Sampler::Ddpm => 1.0,
                    _ => sampling.eta,
                };
                let sigma = eta * (s_next / s) * (1.0 - (a / a_next).powi(2)).max(0.0).sqrt();
                let kept = (s_next * s_next - sigma * sigma).max(0.0).sqrt();
                let eps = schedule.noise_of(&x, &output, t)?;
                let x = (a_next * term(clean) + kept * term(eps)).tensor()?;
                match sigma > 0.0 {
                    true => (term(x) + sigma * term(noise()?)).tensor()?,
                    false => x,
                }
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

/// The multistep sum of `noises`, newest first, at least one.
fn weighted(noises: &VecDeque<Tensor>) -> Result<Tensor> {
    let weights = MULTISTEP[noises.len().clamp(1, MULTISTEP.len()) - 1];
    let mut sum: Option<Tensor> = None;
    for (noise, &weight) in noises.iter().zip(weights) {
        let part = weight * term(noise);
        sum = Some(match sum {
            Some(sum) => (term(sum) + part).tensor()?,
            None => part.tensor()?,
        });
    }
    sum.ok_or_else(|| Error::Internal("a multistep of no noise".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::{PredictionType, ScheduleConfig};
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
                let reached = integrate(&schedule, &sampling, noise, &mut predict, &mut || unreachable!()).unwrap();
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
            let multistep = error(Sampler::Plms, 50);
            assert!(multistep < 0.5 * first, "{first} {multistep}");
            // One step is the same either way.
            for sampler in [Sampler::DpmSolver, Sampler::Plms, Sampler::Ddpm] {
                assert_eq!(error(Sampler::Ddim, 1), error(sampler, 1));
            }
        }
        assert_eq!(Device::Cpu, Tensor::from_slice(&[1.0f32]).device());
    }
    /// Whatever noise is added on the way, normal data come out with their own deviation; and the same noise gives the
    /// same answer.
    #[test]
    fn noise_on_the_way_keeps_the_distribution() {
        let d = 0.3f64;
        let schedule = schedule(PredictionType::Epsilon);
        let deviation = |sampler: Sampler, eta: f64, seed: u64| -> (f64, f64) {
            let sampling = Sampling {
                sampler,
                eta,
                steps: 1000,
                ..Sampling::default()
            };
            let mut generator = Generator::new(seed, 0);
            let mut noise = || generator.normal_tensor(&[5_000], Device::Cpu);
            let mut predict = |x: &Tensor, t: i64| -> Result<Tensor> {
                let alpha = schedule.alpha_cumprod(t)?;
                let (a, s) = (alpha.sqrt(), (1.0 - alpha).sqrt());
                let clean = x * (a * d * d / (a * a * d * d + s * s));
                Ok((x - clean * a) / s)
            };
            let x = noise().unwrap();
            let reached = integrate(&schedule, &sampling, x, &mut predict, &mut noise).unwrap();
            (reached.std(true).double_value(&[]), reached.double_value(&[7]))
        };
        let alpha = schedule.alpha_cumprod(4).unwrap();
        let expected = alpha.sqrt() * d * d / (alpha * d * d + 1.0 - alpha).sqrt();
        for (sampler, eta) in [(Sampler::Ddim, 0.5), (Sampler::Ddim, 1.0), (Sampler::Ddpm, 0.0)] {
            let (found, one) = deviation(sampler, eta, 3);
            assert!(
                (found / expected - 1.0).abs() < 0.04,
                "{sampler:?} {eta}: {found}, {expected}"
            );
            assert_eq!(one, deviation(sampler, eta, 3).1);
            assert_ne!(one, deviation(sampler, eta, 4).1);
        }
        assert_eq!(deviation(Sampler::Ddim, 1.0, 3), deviation(Sampler::Ddpm, 0.0, 3));
        assert_ne!(deviation(Sampler::Ddim, 0.0, 3).1, deviation(Sampler::Ddpm, 0.0, 3).1);
    }
}
