//! Modulated denoising (EmerDiff: Namekata et al., ICLR 2024): how an image changes where its tokens are pushed.
use tch::{Kind, Tensor};

use super::model::DiffusionModel;
use super::taps::{Push, QueriesAndKeys, Taps};
use crate::runtime::{Error, Job, Result, Stage};
use crate::tensors::term;

/// Latents that pass the U-Net together.
const AT_ONCE: i64 = 8;

/// When, where and how hard tokens are pushed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Modulation {
    /// Timestep from which is denoised and at which is pushed: EmerDiff's t_m, 281.
    pub timestep: i64,
    /// Timesteps of the whole process, of which those up to `timestep` are taken: 50.
    pub steps: i64,
    /// What is added to the layer's output at the tokens of a mask, and subtracted from it: EmerDiff's lambda, 10.
    pub strength: f64,
    /// Layer whose attention to the text is pushed, in execution order from 0.
    pub layer: usize,
}

impl DiffusionModel {
    /// Denoises the clean `latent` [1, C, h, w] twice for each of `masks` [K, N] (0 or 1 at every token of the layer),
    /// its tokens pushed down and pushed up: clean latents [2 K, C, h, w], those pushed down first.
    ///
    /// The process is DDPM inversion (Huberman-Spiegelglas et al., CVPR 2024): every x_t is the latent with noise of
    /// its own, and the step from t to the next timestep s is x_s = mu(x_t) + r_t, mu the mean of DDIM's step of
    /// eta = 1 (Song et al. 2021, equations 12 and 16) and r_t what the latent's own step lacks. A latent that is not
    /// pushed comes back exactly. At `timestep` the output f of the layer's attention to the text, after its
    /// projection, becomes f + c M, M the mask and c plus or minus the strength; in every step all attention, to the
    /// text and to itself, is that of the latent's own pass (EmerDiff section 3.2). Prompt empty, no guidance. `noise`
    /// draws the normal noise of a timestep, of the latent's shape, the smallest timestep's first.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a U-Net without attention to a text; a timestep, number of steps or layer out of
    /// range; masks of another number of tokens than the layer has; cancel.
    pub fn modulated(
        &self,
        latent: &Tensor,
        masks: &Tensor,
        modulation: &Modulation,
        noise: &mut dyn FnMut() -> Result<Tensor>,
        job: &Job,
    ) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        let timesteps = self.check_modulation(modulation)?;
        let device = self.options.device;
        let latent = latent.f_to_device(device)?.f_to_kind(Kind::Float)?;
        let masks = masks.f_to_device(device)?.f_to_kind(Kind::Float)?.f_unsqueeze(-1)?;
        let down = (-modulation.strength * term(&masks)).tensor()?;
        let pushes = Tensor::f_cat(&[down, (modulation.strength * term(&masks)).tensor()?], 0)?;
        let mut path = vec![latent.shallow_clone()];
        for &t in timesteps.iter().rev() {
            path.push(self.schedule.noised(&latent, &noise()?.f_to_device(device)?, t)?);
        }
        let count = pushes.size3()?.0;
        let mut pushed = path[timesteps.len()].f_repeat([count, 1, 1, 1])?;
        job.enter(Stage::Attention)?;
        for (step, &t) in timesteps.iter().enumerate() {
            let next = timesteps.get(step + 1).copied();
            let (own, own_next) = (&path[timesteps.len() - step], &path[timesteps.len() - step - 1]);
            let mut taps = Taps::recording();
            let output = self.predict(own, t, Some(&mut taps), job)?;
            let maps = taps.into_recorded();
            let lacking = (term(own_next) - self.step_mean(own, &output, t, next)?).tensor()?;
            let mut stepped = Vec::new();
            for first in (0..count).step_by(AT_ONCE as usize) {
                let some = AT_ONCE.min(count - first);
                let values = pushes.f_narrow(0, first, some)?;
                let push = Push {
                    layer: modulation.layer,
                    values: &values,
                };
                let x = pushed.f_narrow(0, first, some)?;
                let output = self.predict_with(&x, t, &maps, (step == 0).then_some(push), job)?;
                stepped.push((term(self.step_mean(&x, &output, t, next)?) + &lacking).tensor()?);
                let done = step as f64 + (first + some) as f64 / count as f64;
                job.advance(done / timesteps.len() as f64)?;
            }
            pushed = Tensor::f_cat(&stepped, 0)?;
        }
        Ok(pushed)
    }

    /// The timesteps of the process, the noisiest first, once the modulation fits the model.
    fn check_modulation(&self, modulation: &Modulation) -> Result<Vec<i64>> {
        if self.config.unet.cross_attention_dim.is_none() {
            return Err(Error::Unsupported(
                "modulated denoising needs a U-Net that attends to a text, as Stable Diffusion's does".into(),
            ));
        }
        let (all, layers) = (self.schedule.len(), self.config.unet.attention_layers());
        let whole_range = |name: &str, value: i64, last: i64| match (1..=last).contains(&value) {
            true => Ok(()),
            false => Err(Error::argument(name, value, &format!("must be 1..={last}"))),
        };
        whole_range("modulation timestep", modulation.timestep, all - 1)?;
        whole_range("modulation steps", modulation.steps, all)?;
        if modulation.layer >= layers {
            let allowed = format!("must be below {layers}");
            return Err(Error::argument("modulation layer", modulation.layer, &allowed));
        }
        let stride = all / modulation.steps;
        let mut timesteps: Vec<i64> = (1..=modulation.timestep).rev().step_by(stride as usize).collect();
        timesteps.truncate(modulation.steps as usize);
        Ok(timesteps)
    }

    /// The U-Net's output where every image attends as `maps` say.
    fn predict_with(&self, x: &Tensor, t: i64, maps: &QueriesAndKeys, push: Option<Push>, job: &Job) -> Result<Tensor> {
        self.predict(x, t, Some(&mut Taps::fixed(maps, push)), job)
    }

    /// Mean of DDIM's step of eta = 1 from `t` to `next`, or to the clean latent, whose abar is abar_0 (Stable
    /// Diffusion's `set_alpha_to_one = false`): sqrt(abar_s) x0 + sqrt(1 - abar_s - sigma^2) eps.
    fn step_mean(&self, x: &Tensor, output: &Tensor, t: i64, next: Option<i64>) -> Result<Tensor> {
        let (here, there) = (
            self.schedule.alpha_cumprod(t)?,
            self.schedule.alpha_cumprod(next.unwrap_or(0))?,
        );
        let variance = (1.0 - there) / (1.0 - here) * (1.0 - here / there);
        let clean = self.schedule.clean(x, output, t)?;
        let noise = self.schedule.noise_of(x, output, t)?;
        (there.sqrt() * term(clean) + (1.0 - there - variance).max(0.0).sqrt() * term(noise)).tensor()
    }
}
