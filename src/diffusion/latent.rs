//! From an image to the U-Net's latent.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::vae_config::VaeConfig;
use crate::runtime::{Error, Result};

/// Preparation of a slice for the U-Net.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LatentMode {
    /// The latent itself, at whatever timestep.
    Clean,
    /// sqrt(abar_t) z + sqrt(1 - abar_t) eps: the slab paper's way.
    #[default]
    Noised,
    /// Carried to timestep t along the DDIM trajectory, without drawing noise.
    Inverted,
    /// The slice is x_t as it stands: its own noise is the diffusion noise, and t follows from its signal-to-noise
    /// ratio.
    Matched,
}

/// Latent taken from a variational encoder's posterior.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LatentDraw {
    /// The mean of the posterior.
    #[default]
    Mean,
    /// One draw of the posterior.
    Sample,
}

/// Voxels as the channels of a latent, without anything learnt: `factor` x `factor` pixels of `slices` neighbouring
/// slices make one cell, and the `context` cells above and below it come along as further channels.
///
/// A U-Net on such cells takes `(2 context + 1) slices factor^2` channels (slice by slice from the lowest, row by row
/// within the cell) and predicts the noise of the middle cell's `slices factor^2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellShape {
    /// Pixels per latent pixel along each side, 1..=16.
    pub factor: i64,
    /// Slices per cell, 1..=16: one pass denoises that many.
    #[serde(default = "one")]
    pub slices: i64,
    /// Cells above and below that the network also sees, 0..=8.
    #[serde(default)]
    pub context: i64,
}

fn one() -> i64 {
    1
}

impl CellShape {
    /// One slice, 2 x 2 pixels, no neighbours.
    pub const SINGLE: Self = Self {
        factor: 2,
        slices: 1,
        context: 0,
    };

    /// Channels of one cell.
    pub fn cell_channels(&self) -> i64 {
        self.slices * self.factor * self.factor
    }

    /// Slices that come in: the cell's own and its neighbours'.
    pub fn slices_seen(&self) -> i64 {
        (2 * self.context + 1) * self.slices
    }

    /// Channels that come in.
    pub fn input_channels(&self) -> i64 {
        self.slices_seen() * self.factor * self.factor
    }

    /// The middle cell's channels of `latent` [B, input channels, h, w].
    pub fn middle(&self, latent: &Tensor) -> Result<Tensor> {
        Ok(latent.f_narrow(1, self.context * self.cell_channels(), self.cell_channels())?)
    }

    /// Refuses sizes out of their documented ranges.
    pub fn validate(&self) -> Result<()> {
        for (name, value, low, high) in [
            ("factor", self.factor, 1, 16),
            ("slices", self.slices, 1, 16),
            ("context", self.context, 0, 8),
        ] {
            if !(low..=high).contains(&value) {
                let allowed = format!("must be {low}..={high}");
                return Err(Error::argument(&format!("space_to_depth {name}"), value, &allowed));
            }
        }
        Ok(())
    }
}

/// The encoder's kind and its settings, as the built-in file writes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EncoderConfig {
    /// Voxels as they are, gathered into cells: nothing is learned, nothing is scaled.
    SpaceToDepth(CellShape),
    /// An autoencoder in the same file: encoder, `quant_conv`, `post_quant_conv` and decoder.
    Autoencoder(VaeConfig),
}

/// A structure whose probability per voxel a model may predict beside the noise.
///
/// Learned from simulated tomograms, whose truth is known; no one has to annotate anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Structure {
    /// Lipid bilayers.
    Membrane,
    /// Macromolecules.
    Molecule,
    /// Actin filaments and microtubules.
    Filament,
    /// Nearness to the centre of a macromolecule: 1 there, falling as a Gaussian.
    MoleculeCentre,
}

impl Structure {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Membrane => "membrane",
            Self::Molecule => "molecule",
            Self::Filament => "filament",
            Self::MoleculeCentre => "molecule_centre",
        }
    }
}

/// Pixel unshuffle of `image` [B, S, H, W] to [B, S factor^2, H/factor, W/factor]; channel = (slice * factor + row) *
/// factor + column within the cell. H and W must be multiples of `factor`.
pub fn space_to_depth(image: &Tensor, factor: i64) -> Result<Tensor> {
    let size = image.size();
    match size[..] {
        [_, slices, rows, columns]
            if factor > 0 && slices > 0 && rows > 0 && columns > 0 && rows % factor == 0 && columns % factor == 0 =>
        {
            Ok(image.f_pixel_unshuffle(factor)?)
        }
        _ => {
            let allowed = format!("must be [B, slices, H, W] with H and W multiples of {factor}");
            Err(Error::argument("image", format_args!("{size:?}"), &allowed))
        }
    }
}

/// The inverse of [`space_to_depth`]: `latent` [B, S factor^2, h, w] to [B, S, h factor, w factor].
pub fn depth_to_space(latent: &Tensor, factor: i64) -> Result<Tensor> {
    let size = latent.size();
    let cell = factor.checked_mul(factor).filter(|cell| *cell > 0);
    match (cell, &size[..]) {
        (Some(cell), [_, channels, _, _]) if *channels > 0 && channels % cell == 0 => {
            Ok(latent.f_pixel_shuffle(factor)?)
        }
        _ => {
            let allowed = format!("must be [B, S x {factor} x {factor}, h, w]");
            Err(Error::argument("latent", format_args!("{size:?}"), &allowed))
        }
    }
}
