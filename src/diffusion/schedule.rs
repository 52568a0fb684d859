//! The diffusion process: how much signal is left at each timestep, and what a prediction says about the clean latent.
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::runtime::{Error, Result};
use crate::tensors::term;

/// Meaning of the U-Net's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionType {
    /// The noise eps.
    Epsilon,
    /// v = sqrt(abar) eps - sqrt(1 - abar) x0 (Salimans and Ho 2022; SD 2.x at 768).
    VPrediction,
}

/// Settings of the schedule, in the words of diffusers' `scheduler_config.json`; absent keys are Stable Diffusion's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScheduleConfig {
    /// Meaning of the U-Net's output.
    pub prediction_type: PredictionType,
    /// First beta.
    pub beta_start: f64,
    /// Last beta.
    pub beta_end: f64,
    /// Number of timesteps T.
    pub num_train_timesteps: i64,
    /// Only `scaled_linear`.
    pub beta_schedule: String,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            prediction_type: PredictionType::Epsilon,
            beta_start: 0.00085,
            beta_end: 0.012,
            num_train_timesteps: 1000,
            beta_schedule: "scaled_linear".to_owned(),
        }
    }
}

/// abar_t = product over s <= t of (1 - beta_s), with beta_s = (linspace(sqrt(beta_start), sqrt(beta_end), T)_s)^2
/// (Ho et al. 2020 equation 4; the scaled-linear betas of Stable Diffusion).
#[derive(Clone, Debug)]
pub struct NoiseSchedule {
    alphas_cumprod: Vec<f64>,
    prediction: PredictionType,
}

impl NoiseSchedule {
    /// The schedule of `config`. Errors: an unknown form of the betas, or values out of range.
    pub fn new(config: &ScheduleConfig) -> Result<Self> {
        if config.beta_schedule != "scaled_linear" {
            let form = &config.beta_schedule;
            return Err(Error::Unsupported(format!(
                "beta_schedule is {form}; only scaled_linear is supported"
            )));
        }
        let (first, last, count) = (config.beta_start, config.beta_end, config.num_train_timesteps);
        let rising = first > 0.0 && first <= last && last < 1.0;
        if !rising || !(2..=100_000).contains(&count) {
            return Err(Error::format(
                "noise schedule",
                format_args!("betas {first}..{last} over {count} steps; must be 0 < start <= end < 1 over 2..=100000"),
            ));
        }
        let step = (last.sqrt() - first.sqrt()) / (count - 1) as f64;
        let alphas_cumprod = (0..count)
            .scan(1.0, |product, i| {
                *product *= 1.0 - (first.sqrt() + step * i as f64).powi(2);
                Some(*product)
            })
            .collect();
        Ok(Self {
            alphas_cumprod,
            prediction: config.prediction_type,
        })
    }

    /// Number of timesteps T; valid ones are 0..T.
    pub fn len(&self) -> i64 {
        self.alphas_cumprod.len() as i64
    }

    /// Never: a schedule has at least two steps.
    pub fn is_empty(&self) -> bool {
        self.alphas_cumprod.is_empty()
    }

    /// Meaning of the U-Net's output.
    pub fn prediction(&self) -> PredictionType {
        self.prediction
    }

    /// abar_t, the share of signal variance at timestep `t` (0..T).
    pub fn alpha_cumprod(&self, t: i64) -> Result<f64> {
        usize::try_from(t)
            .ok()
            .and_then(|t| self.alphas_cumprod.get(t).copied())
            .ok_or_else(|| Error::argument("timestep", t, &format!("must be 0..={}", self.len() - 1)))
    }

    /// All abar_t, t = 0..T.
    pub fn alphas_cumprod(&self) -> &[f64] {
        &self.alphas_cumprod
    }

    /// The timestep at which unit-variance data of this signal-to-noise variance ratio are x_t as they stand:
    /// abar_t nearest SNR / (1 + SNR). Not a number and negative ratios count as 0 (pure noise).
    pub fn timestep_for_snr(&self, snr: f64) -> i64 {
        let share = if snr.is_infinite() && snr > 0.0 {
            1.0
        } else {
            let snr = snr.max(0.0);
            snr / (1.0 + snr)
        };
        let distance = |t: &usize| (self.alphas_cumprod[*t] - share).abs();
        (0..self.alphas_cumprod.len())
            .min_by(|a, b| distance(a).total_cmp(&distance(b)))
            .map_or(0, |t| t as i64)
    }

    /// x_t = sqrt(abar_t) z + sqrt(1 - abar_t) eps (Ho et al. 2020 equation 4); `z` and `eps` of one shape.
    pub fn noised(&self, z: &Tensor, eps: &Tensor, t: i64) -> Result<Tensor> {
        let alpha = self.alpha_cumprod(t)?;
        if z.size() != eps.size() {
            let allowed = format!("must have the latent's shape {:?}", z.size());
            return Err(Error::argument("noise", format_args!("{:?}", eps.size()), &allowed));
        }
        (alpha.sqrt() * term(z) + (1.0 - alpha).sqrt() * term(eps)).tensor()
    }

    /// One-step estimate of the clean latent from `x` = x_t and the U-Net's `output` at `t`:
    /// x0 = (x - sqrt(1 - abar) eps) / sqrt(abar), or sqrt(abar) x - sqrt(1 - abar) v.
    pub fn clean(&self, x: &Tensor, output: &Tensor, t: i64) -> Result<Tensor> {
        let alpha = self.alpha_cumprod(t)?;
        let (a, s) = (alpha.sqrt(), (1.0 - alpha).sqrt());
        match self.prediction {
            PredictionType::Epsilon => (term(x) * (1.0 / a) - term(output) * (s / a)).tensor(),
            PredictionType::VPrediction => (a * term(x) - s * term(output)).tensor(),
        }
    }

    /// The noise in `x` = x_t that the U-Net's `output` implies: itself, or sqrt(abar) v + sqrt(1 - abar) x.
    pub fn noise_of(&self, x: &Tensor, output: &Tensor, t: i64) -> Result<Tensor> {
        let alpha = self.alpha_cumprod(t)?;
        match self.prediction {
            PredictionType::Epsilon => Ok(output.shallow_clone()),
            PredictionType::VPrediction => (alpha.sqrt() * term(output) + (1.0 - alpha).sqrt() * term(x)).tensor(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(prediction_type: PredictionType) -> NoiseSchedule {
        NoiseSchedule::new(&ScheduleConfig {
            prediction_type,
            ..Default::default()
        })
        .unwrap()
    }

    #[test]
    fn cumulative_alphas_are_those_of_diffusers() {
        let schedule = schedule(PredictionType::Epsilon);
        // diffusers 0.42, whose running product is in float32.
        for (t, expected) in [(0, 0.99914998), (10, 0.99043131), (50, 0.95157665), (250, 0.67379230)] {
            assert!((schedule.alpha_cumprod(t).unwrap() - expected).abs() < 2e-6, "t = {t}");
        }
        assert!(schedule.alpha_cumprod(1000).is_err());
        assert!(schedule.alpha_cumprod(-1).is_err());
    }

    #[test]
    fn snr_picks_the_nearest_timestep() {
        let schedule = schedule(PredictionType::Epsilon);
        for t in [0, 1, 388, 710, 999] {
            let alpha = schedule.alpha_cumprod(t).unwrap();
            assert_eq!(schedule.timestep_for_snr(alpha / (1.0 - alpha)), t);
        }
        // The two ratios of the matched-noise experiments.
        assert_eq!(schedule.timestep_for_snr(0.083), 710);
        assert!((schedule.timestep_for_snr(0.8) - 388).abs() <= 1);
        assert_eq!(schedule.timestep_for_snr(f64::INFINITY), 0);
        assert_eq!(schedule.timestep_for_snr(f64::NAN), 999);
        assert_eq!(schedule.timestep_for_snr(-1.0), 999);
    }

    #[test]
    fn clean_and_noise_invert_noised() {
        let z = Tensor::from_slice(&[0.5f32, -1.0, 2.0]);
        let eps = Tensor::from_slice(&[1.5f32, 0.3, -0.7]);
        let t = 300;
        for prediction in [PredictionType::Epsilon, PredictionType::VPrediction] {
            let schedule = schedule(prediction);
            let alpha = schedule.alpha_cumprod(t).unwrap();
            let x = schedule.noised(&z, &eps, t).unwrap();
            let output = match prediction {
                PredictionType::Epsilon => eps.shallow_clone(),
                PredictionType::VPrediction => &eps * alpha.sqrt() - &z * (1.0 - alpha).sqrt(),
            };
            assert!(schedule.clean(&x, &output, t).unwrap().allclose(&z, 1e-5, 1e-6, false));
            assert!(schedule
                .noise_of(&x, &output, t)
                .unwrap()
                .allclose(&eps, 1e-5, 1e-6, false));
        }
    }
}
