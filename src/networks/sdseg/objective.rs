//! The loss: L1 error of the estimated noise plus that of the latent that follows from it and, where wanted, the loss
//! of the mask that is drawn of that latent.
use tch::{Kind, Tensor};

use super::network::SdSeg;
use crate::diffusion::PredictionType;
use crate::networks::{Activation, Pass};
use crate::runtime::{Error, Generator, Job, Result};
use crate::tensors::{from_slice, term, Term};

/// Factor from a drawn mask, black -1 and white 1, to logits.
const STEEPNESS: f64 = 4.0;

/// Added to numerator and denominator of Dice, so that an empty mask that stays empty loses nothing.
const SMOOTH: f64 = 1e-5;

/// Random draws of a training step: one timestep per image, noise and the posterior's normal numbers.
pub struct Draws {
    /// Timesteps.
    pub t: Vec<i64>,
    /// eps [B, c, h, w].
    pub noise: Tensor,
    /// The normal numbers of the autoencoder's posterior, [B, c, h, w].
    pub posterior: Tensor,
}

impl SdSeg {
    /// The autoencoder's reconstruction of `mask` [B, 1, H, W] (above one half in the foreground): probabilities [B, 1,
    /// H, W]. No prediction of the network can be better.
    ///
    /// Errors: sides that the autoencoder's factor does not divide; cancel.
    pub fn redrawn(&self, mask: &Tensor, job: &Job) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        let (mean, _) = self.mask_posterior(mask, job)?;
        let drawn = self.mask_decoder.reconstruct(&mean, job)?;
        Ok(Activation::Picture
            .probabilities(&drawn)?
            .f_mean_dim([1].as_slice(), true, Kind::Float)?)
    }

    /// Mean and logarithm of the variance of the latent of `mask`, not scaled.
    fn mask_posterior(&self, mask: &Tensor, job: &Job) -> Result<(Tensor, Tensor)> {
        let signs = (2.0 * term(mask.f_gt(0.5)?.f_to_kind(Kind::Float)) - 1.0).tensor()?;
        let channels = self.config.first_stage.in_channels;
        self.mask_encoder
            .posterior(&signs.f_expand([-1, channels, -1, -1], false)?, job)
    }

    /// The latent of `mask` [B, 1, H, W], above one half where there is something: scaled posterior sample [B, c, h,
    /// w], no graph. The first batch of a training measures the scale, 1 / deviation of its latents.
    fn mask_latent(&self, mask: &Tensor, normal: &Tensor, job: &Job) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        let (mean, log_variance) = self.mask_posterior(mask, job)?;
        let deviation = (0.5 * term(log_variance)).exp();
        let latent = (term(mean) + deviation * normal).tensor()?.f_to_kind(Kind::Float)?;
        if self.scale.f_double_value(&[])? == 0.0 {
            let scale = latent.f_std(true)?.f_reciprocal()?;
            self.scale.shallow_clone().f_copy_(&scale)?;
        }
        (self.scale_factor()? * term(latent)).tensor()
    }

    /// The loss of a batch: images [B, channels, H, W], truths [B, 1, H, W] and their weights [B, 1, H, W], 0..=1; a
    /// latent counts as the mean weight of its pixels.
    pub(super) fn loss(
        &self,
        image: &Tensor,
        truth: &Tensor,
        weight: &Tensor,
        pass: &mut Pass,
        job: &Job,
    ) -> Result<Tensor> {
        let (batch, _, rows, columns) = image.size4()?;
        let (factor, device) = (self.config.first_stage.factor(), image.device());
        let shape = [
            batch,
            self.config.first_stage.latent_channels,
            rows / factor,
            columns / factor,
        ];
        let draw = |generator: &mut Generator| -> Result<Draws> {
            let last = self.schedule.len() - 1;
            let t = (0..batch)
                .map(|_| match generator.chance(self.config.last_step_share) {
                    true => last,
                    false => generator.integer(0, last),
                })
                .collect();
            Ok(Draws {
                t,
                noise: generator.normal_tensor(&shape, device)?,
                posterior: generator.normal_tensor(&shape, device)?,
            })
        };
        let draws = match pass {
            Pass::Training(generator) => draw(generator)?,
            Pass::Inference => {
                return Err(Error::Unsupported("the objective of SDSeg is one of training".into()));
            }
        };
        self.loss_of((image, truth, weight), &draws, pass, job)
    }

    /// The loss of a batch with given draws, a scalar of the weights' graph; dropout as `pass` says.
    ///
    /// z_t = a z0 + s eps with a = sqrt(abar_t), s = sqrt(1 - abar_t); of a network that predicts the noise
    /// z0' = (z_t - s eps') / a; of one that predicts v, eps' = a v + s z_t and z0' = a z_t - s v.
    ///
    /// Errors: shapes that do not fit; timesteps that are none; cancel.
    pub fn loss_of(
        &self,
        (image, truth, weight): (&Tensor, &Tensor, &Tensor),
        draws: &Draws,
        pass: &mut Pass,
        job: &Job,
    ) -> Result<Tensor> {
        let device = image.device();
        let (mut signal, mut noise) = (Vec::new(), Vec::new());
        for t in &draws.t {
            let alpha = self.schedule.alpha_cumprod(*t)?;
            signal.push(alpha.sqrt() as f32);
            noise.push((1.0 - alpha).sqrt() as f32);
        }
        let column = |values: &[f32]| -> Result<Tensor> {
            Ok(from_slice(values, [values.len(), 1, 1, 1])?.f_to_device(device)?)
        };
        let (a, s) = (column(&signal)?, column(&noise)?);
        let clean = self.mask_latent(truth, &draws.posterior, job)?;
        let eps = &draws.noise;
        let noisy = (term(&clean) * &a + term(eps) * &s).tensor()?;
        let times = Tensor::f_from_slice(&draws.t)?.f_to_device(device)?;

        let (unet_rate, encoder_rate) = (self.config.unet.dropout, self.config.encoder_dropout);
        let condition = {
            let _guard = self.config.frozen_encoder.then(tch::no_grad_guard);
            self.conditioned(image, &mut |h| pass.dropout(h, encoder_rate), job)?
        };
        let output = self.predict(&noisy, &times, &condition, &mut |h| pass.dropout(h, unet_rate), job)?;
        let (predicted_eps, predicted_clean) = match self.schedule.prediction() {
            PredictionType::Epsilon => {
                let clean = ((term(&noisy) - term(&output) * &s) / &a).tensor()?;
                (output, clean)
            }
            PredictionType::VPrediction => (
                (term(&output) * &a + term(&noisy) * &s).tensor()?,
                (term(&noisy) * &a - term(&output) * &s).tensor()?,
            ),
        };
        let factor = self.config.first_stage.factor();
        let pixels = weight;
        let weight = weight.f_avg_pool2d([factor; 2], [factor; 2], [0; 2], false, true, None::<i64>)?;
        let weights = weight.f_sum(Kind::Float)?.f_mul_scalar(clean.size()[1] as f64)?;
        let total = weights.f_clamp_min(1e-12)?;
        // Mean absolute error.
        let error = |predicted: &Tensor, truth: &Tensor| {
            let weighted = (term(predicted) - truth).map(Tensor::f_abs) * &weight;
            weighted.map(|x| x.f_sum(Kind::Float)) / &total
        };
        let mut loss = error(&predicted_eps, eps);
        if self.config.latent_loss > 0.0 {
            loss = loss + self.config.latent_loss * error(&predicted_clean, &clean);
        }
        if self.config.mask_loss > 0.0 {
            let drawn = self.draw(&predicted_clean, job)?;
            loss = loss + self.config.mask_loss * term(mask_loss(&drawn, truth, pixels));
        }
        loss.tensor()
    }
}

/// Dice over the batch plus cross-entropy of drawn masks [B, channels, H, W], black -1 and white 1, with `truth` [B, 1,
/// H, W], pixels counting as `weight` [B, 1, H, W] says. In the place of the cut at black and white, which stops
/// gradients, stands a logistic function; what is fully drawn has a probability of 0.982 there.
fn mask_loss(drawn: &Tensor, truth: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let logits = drawn
        .f_mean_dim([1].as_slice(), true, Kind::Float)?
        .f_mul_scalar(STEEPNESS)?;
    let truth = truth.f_gt(0.5)?.f_to_kind(Kind::Float)?;
    let total = |x: Term<'static>| (x * weight).map(|x| x.f_sum(Kind::Float));
    let p = logits.f_sigmoid()?;
    let both = total(term(&p) * &truth);
    let dice = (2.0 * both + SMOOTH) / (total(term(&p) + &truth) + SMOOTH);
    // -y log p - (1 - y) log(1 - p) = softplus(x) - x y.
    let cross_entropy = total(term(logits.f_softplus()) - term(&logits) * &truth);
    let mean = cross_entropy / weight.f_sum(Kind::Float)?.f_clamp_min(1e-12);
    (mean - dice + 1.0).tensor()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_of_a_mask_is_least_for_the_mask() {
        let truth = Tensor::from_slice(&[1.0f32, 0.0, 1.0, 0.0]).view([1, 1, 2, 2]);
        let all = truth.ones_like();
        let of = |values: [f32; 4], weight: &Tensor| {
            let drawn = Tensor::from_slice(&values).view([1, 1, 2, 2]);
            mask_loss(&drawn, &truth, weight).unwrap().double_value(&[])
        };
        // p = 0.98201, log(1 + e^-4) = 0.01815; 1 - 2 p 2 / (2 + 2) + 0.01815 but for the smoothing.
        let right = of([1.0, -1.0, 1.0, -1.0], &all);
        assert!((right - (1.0 - 0.98201 + 0.01815)).abs() < 1e-4, "{right}");
        let empty = of([-1.0; 4], &all);
        assert!(empty > of([0.0; 4], &all) && of([0.0; 4], &all) > right);
        // A wrong pixel that does not count.
        let some = Tensor::from_slice(&[1.0f32, 1.0, 1.0, 0.0]).view([1, 1, 2, 2]);
        assert!(of([1.0, -1.0, 1.0, 1.0], &some) < right + 1e-6);
        // White beyond white that should be black still pulls.
        let drawn = Tensor::from_slice(&[3.0f32; 4])
            .view([1, 1, 2, 2])
            .set_requires_grad(true);
        mask_loss(&drawn, &truth, &all).unwrap().backward();
        assert!(drawn.grad().double_value(&[0, 0, 0, 1]) > 0.5);
    }
}
