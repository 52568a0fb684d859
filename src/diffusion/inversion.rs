//! DDIM inversion: a latent carried to a timestep without drawing noise.
use tch::{Kind, Tensor};

use super::model::DiffusionModel;
use crate::runtime::{Error, Job, Result};

impl DiffusionModel {
    /// Carries the clean `latent` [B, C, h, w] to `timestep` in `steps` U-Net passes (Song et al. 2021 equation 12, run
    /// backwards), deterministic and without guidance.
    ///
    /// The passes are at the timesteps from 1 to `timestep` in equal strides, rounded: 10 steps to 181 visit 1, 21,
    /// ..., 181, as diffusers' inverse scheduler does with 50 steps of 1000 and offset 1. Each takes x from the
    /// timestep before (abar_0 before the first, as Stable Diffusion's `set_alpha_to_one = false`) to its own:
    /// x <- sqrt(abar_t) x0 + sqrt(1 - abar_t) eps, x0 and eps from the U-Net at t and the level before.
    /// `steps` must be 1..=max(timestep, 1); at timestep 0 the latent is returned.
    pub fn invert(&self, latent: &Tensor, timestep: i64, steps: i64, job: &Job) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        self.schedule.alpha_cumprod(timestep)?;
        if !(1..=timestep.max(1)).contains(&steps) {
            let allowed = format!("must be 1..={} to reach timestep {timestep}", timestep.max(1));
            return Err(Error::argument("steps", steps, &allowed));
        }
        // Channel counts alone do not tell: neighbours that come in may be as many as the structures that go out.
        let beside = self.cells().context != 0 || !self.config.structures.is_empty();
        if beside || self.config.unet.in_channels != self.config.unet.out_channels {
            return Err(Error::Unsupported(
                "DDIM inversion needs a U-Net that predicts the noise of all it sees and nothing else; \
                 this one has neighbours or structures beside (latent_mode clean goes without inversion)"
                    .into(),
            ));
        }
        let mut x = latent.f_to_device(self.options.device)?.f_to_kind(Kind::Float)?;
        if timestep == 0 {
            return Ok(x);
        }
        let mut before = 0;
        for i in 1..=steps {
            let t = if steps == 1 {
                timestep
            } else {
                1 + ((i - 1) as f64 * (timestep - 1) as f64 / (steps - 1) as f64).round() as i64
            };
            let output = self.predict(&x, t, None, job)?;
            let clean = self.schedule.clean(&x, &output, before)?;
            let noise = self.schedule.noise_of(&x, &output, before)?;
            x = self.schedule.noised(&clean, &noise, t)?;
            before = t;
        }
        Ok(x)
    }
}
