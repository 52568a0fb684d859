//! Timesteps of the U-Net's passes, and how slices enter it.
use crate::diffusion::{DiffusionModel, LatentMode};

use super::choices::TimestepRule;
use super::options::SlabOptions;

/// The released code's rule: uniform timesteps up to this length over the voxel size, both in nm.
const TIMESTEP_NM: f64 = 68.0;

/// The timestep of each pass, resolved for one model and data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timesteps {
    /// The same for every pass, spread over neighbours where several are drawn.
    Around(i64),
    /// A fresh uniform draw on 0..=this for every pass.
    UniformUpTo(i64),
}

/// Resolves the timestep rule. `snr` is needed by matched models only.
pub fn resolve_timesteps(model: &DiffusionModel, options: &SlabOptions, voxel_nm: f64, snr: f64) -> Timesteps {
    match options.timestep_rule {
        TimestepRule::Fixed => Timesteps::Around(options.timestep.unwrap_or(0)),
        TimestepRule::UpTo => Timesteps::UniformUpTo(options.timestep.unwrap_or(0)),
        TimestepRule::Auto => match latent_mode(model, options) {
            LatentMode::Matched => Timesteps::Around(model.schedule().timestep_for_snr(snr)),
            LatentMode::Clean => Timesteps::Around(0),
            _ => Timesteps::UniformUpTo(((TIMESTEP_NM / voxel_nm).floor() as i64).clamp(0, 999)),
        },
    }
}

/// How slices enter the U-Net: the host's choice or the model's own.
pub fn latent_mode(model: &DiffusionModel, options: &SlabOptions) -> LatentMode {
    options.latent_mode.unwrap_or(model.config().latent_mode)
}
