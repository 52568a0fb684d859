//! From a tile of a slice to the attention that the eigenvector solvers draw.
use ndarray::ArrayView3;
use tch::{Kind, Tensor};

use crate::diffusion::{AttentionTap, Extraction, LatentMode};
use crate::runtime::{Error, Generator, Job, Result, Stage};
use crate::spectral::{AttentionLayer, AttentionSet, AttentionStream};

use super::context::SlabContext;
use super::tile_tensor::tile_tensor;
use super::timesteps::Timesteps;

/// Timesteps of the draws of a matched model lie this far apart (matched-noise recipe: t-60, t, t+60).
const MATCHED_SPREAD: i64 = 60;

/// Steps of DDIM inversion, as diffusers takes by default.
const INVERSION_STEPS: i64 = 50;

/// Draws attention sets of one tile: noise, timestep, U-Net, taps.
pub struct TileAttention<'a> {
    context: &'a SlabContext<'a>,
    latent: Tensor,
    generator: Generator,
    noise_file: Option<Tensor>,
    layers: Vec<usize>,
    drawn: usize,
    last: Option<(i64, Extraction)>,
}

impl<'a> TileAttention<'a> {
    /// Encodes `tile` and prepares the draws; `stream` numbers the tile, so that tiles have their own random numbers.
    /// Queries and keys are kept where `tapped`.
    pub fn new(
        context: &'a SlabContext<'a>,
        tile: ArrayView3<f32>,
        stream: u64,
        tapped: bool,
        job: &Job,
    ) -> Result<Self> {
        job.enter(Stage::Encode)?;
        let (model, options) = (context.model, context.options);
        let mut generator = Generator::new(options.seed, stream);
        let image = tile_tensor(tile, model.device())?;
        let latent = model.encode(&image, options.latent_draw, &mut generator, job)?;
        let noise_file = match &options.noise_file {
            Some(path) => Some(read_noise(path, &latent)?),
            None => None,
        };
        let all = 0..model.config().unet.attention_layers();
        let layers = match tapped {
            true => all.filter(|layer| options.uses_layer(*layer)).collect(),
            false => Vec::new(),
        };
        Ok(Self {
            context,
            latent,
            generator,
            noise_file,
            layers,
            drawn: 0,
            last: None,
        })
    }

    /// The encoded tile [1, channels, h, w].
    pub fn latent(&self) -> &Tensor {
        &self.latent
    }

    /// The layers that are tapped, in order of execution.
    pub fn layers(&self) -> &[usize] {
        &self.layers
    }

    /// Rows and columns of the finest attention grid.
    pub fn grid(&self) -> Result<(usize, usize)> {
        let (_, _, rows, cols) = self.latent.size4()?;
        Ok((rows as usize, cols as usize))
    }

    /// Timestep and result of the last pass.
    pub fn into_last(self) -> Option<(i64, Extraction)> {
        self.last
    }

    /// One pass through the U-Net with fresh noise.
    pub fn pass(&mut self, job: &Job) -> Result<&(i64, Extraction)> {
        job.enter(Stage::Attention)?;
        let timestep = self.next_timestep();
        let noise = match (self.context.mode, &self.noise_file) {
            (LatentMode::Clean | LatentMode::Matched | LatentMode::Inverted, _) => None,
            (LatentMode::Noised, Some(noise)) => Some(noise.shallow_clone()),
            (LatentMode::Noised, None) if self.context.options.no_noise => None,
            (LatentMode::Noised, None) => Some(
                self.generator
                    .normal_tensor(&self.latent.size(), self.context.model.device())?
                    .f_to_kind(self.latent.kind())?,
            ),
        };
        let inverted;
        let latent = if self.context.mode == LatentMode::Inverted {
            inverted = self
                .context
                .model
                .invert(&self.latent, timestep, INVERSION_STEPS.min(timestep.max(1)), job)?;
            &inverted
        } else {
            &self.latent
        };
        let extraction = self
            .context
            .model
            .extract(latent, timestep, noise.as_ref(), &self.layers, job)?;
        self.drawn += 1;
        Ok(self.last.insert((timestep, extraction)))
    }

    fn next_timestep(&mut self) -> i64 {
        match self.context.timesteps {
            Timesteps::UniformUpTo(most) => self.generator.integer(0, most),
            Timesteps::Around(t) => {
                // 0, -60, +60, -120, ... around t.
                let step = (self.drawn % self.context.options.noise_draws.max(1)).div_ceil(2) as i64;
                let side = if self.drawn % 2 == 1 { -1 } else { 1 };
                (t + side * step * MATCHED_SPREAD).clamp(0, 999)
            }
        }
    }
}

impl AttentionStream for TileAttention<'_> {
    fn draw(&mut self, job: &Job) -> Result<AttentionSet> {
        let (_, extraction) = self.pass(job)?;
        let layers = extraction.taps.iter().map(attention_layer).collect::<Result<_>>()?;
        job.enter(Stage::Eigenvectors)?;
        Ok(AttentionSet { layers })
    }
}

/// The mathematics sees queries and keys only; the fixed scale is 1 / sqrt(head dimension).
pub(super) fn attention_layer(tap: &AttentionTap) -> Result<AttentionLayer> {
    let (_, _, dim) = tap.query.size3()?;
    Ok(AttentionLayer {
        query: tap.query.f_to_kind(Kind::Float)?,
        key: tap.key.f_to_kind(Kind::Float)?,
        grid: tap.grid,
        scale: 1.0 / (dim as f64).sqrt(),
    })
}

fn read_noise(path: &std::path::Path, latent: &Tensor) -> Result<Tensor> {
    let noise = crate::diffusion::read_tensor(path, "noise")?;
    if noise.size() != latent.size() {
        return Err(Error::format(
            path.display(),
            format!(
                "tensor noise has shape {:?}, expected {:?}",
                noise.size(),
                latent.size()
            ),
        ));
    }
    Ok(noise.f_to_device(latent.device())?.f_to_kind(latent.kind())?)
}
