//! Which of the three ways a slab takes.
use crate::diffusion::{DiffusionModel, LatentEncoder};

use super::choices::CanvasRule;
use super::options::SlabOptions;
use super::ways::{Denoised, Paper, Structures};

/// The way from a slab to its labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    /// By what the model says each voxel is.
    Structures(Structures),
    /// By the model's denoised image.
    Denoised(Denoised),
    /// By the eigenvectors of the model's attention, as the papers do.
    Paper(Paper),
}

impl Way {
    /// The way that the settings ask for, as far as the model can go it: models that predict no structures give a
    /// denoised image; the denoised latent of an autoencoder is no image, which leaves the papers' way.
    pub fn choose(model: &DiffusionModel, options: &SlabOptions) -> Self {
        let has_structures = !model.config().structures.is_empty();
        match (options.canvas, model.encoder()) {
            (_, LatentEncoder::Vae(_)) | (CanvasRule::Greedy, _) => Self::Paper(Paper),
            (CanvasRule::Structures, _) if has_structures => Self::Structures(Structures),
            (CanvasRule::Mixed, _) => Self::Denoised(Denoised {
                eigenvector_weight: options.eigenvector_weight as f32,
            }),
            (CanvasRule::Structures | CanvasRule::Denoised, _) => Self::Denoised(Denoised {
                eigenvector_weight: 0.0,
            }),
        }
    }

    /// Slices beyond the slab, on either side, that are looked at too. Where the model says itself what is structure,
    /// one cell: a molecule whose centre lies beyond the slab is then seen to.
    pub fn margin(&self, model: &DiffusionModel) -> usize {
        match self {
            Self::Structures(_) => model.cells().slices as usize,
            Self::Denoised(_) | Self::Paper(_) => 0,
        }
    }
}
