//! One pass of an image through the U-Net, and the attention or features that a method takes from it.
use tch::Tensor;

use crate::diffusion::{DiffusionModel, LatentDraw, LatentMode, TapParts, UnetConfig};
use crate::runtime::{Error, Generator, HostState, Job, Result, Stage};

use super::aggregate::aggregate;
use super::choices::Method;
use super::options::NcutOptions;
use super::source::Source;

/// libtorch's sums depend on the number of threads in their last bits, and a cut can turn on these; a pass is a small
/// part of a run, so that the same labels for any number of threads cost little.
const ONE_THREAD: usize = 1;

/// How images enter the U-Net, resolved for one model and one image or slab.
#[derive(Clone, Copy, Debug)]
pub(super) struct PassPlan {
    pub mode: LatentMode,
    pub timestep: i64,
    /// Given or estimated; None where the mode does not need it.
    pub snr: Option<f64>,
}

impl PassPlan {
    /// The plan for `image` (as the encoder takes it): given modes and timesteps first, then the model's matched noise,
    /// then the paper's. Estimating the signal-to-noise ratio takes about six passes over the middle of the image.
    pub fn resolve(model: &DiffusionModel, image: &Tensor, options: &NcutOptions, job: &Job) -> Result<Self> {
        let _threads = HostState::enter(ONE_THREAD);
        let matched = model.config().latent_mode == LatentMode::Matched;
        let mode = options.latent_mode.unwrap_or(if matched {
            LatentMode::Matched
        } else {
            options.published_mode()
        });
        if mode != LatentMode::Matched || options.timestep.is_some() {
            return Ok(Self {
                mode,
                timestep: options.timestep.unwrap_or(options.published_timestep()),
                snr: None,
            });
        }
        let snr = match options.snr {
            Some(snr) => snr,
            None => {
                job.enter(Stage::Encode)?;
                // The mean of the posterior: nothing is drawn.
                let tile = central_tile(image, model.config().tile_pixels())?;
                let latent = model.encode(&tile, LatentDraw::Mean, &mut Generator::new(0, 0), job)?;
                model.estimate_snr(std::slice::from_ref(&latent), job)?
            }
        };
        Ok(Self {
            mode,
            timestep: model.schedule().timestep_for_snr(snr),
            snr: Some(snr),
        })
    }
}

/// Sends `image` through the U-Net once and gives the matrix that the method of `options` cuts, with its token grid.
/// `stream` numbers the image, so that each has its own noise.
pub(super) fn source_of(
    model: &DiffusionModel,
    image: &Tensor,
    plan: &PassPlan,
    options: &NcutOptions,
    stream: u64,
    job: &Job,
) -> Result<(Source, (usize, usize))> {
    let _threads = HostState::enter(ONE_THREAD);
    let (layers, parts) = layers_of(model, options)?;
    job.enter(Stage::Encode)?;
    let mut generator = Generator::new(options.seed, stream);
    let latent = model.encode(image, LatentDraw::Mean, &mut generator, job)?;
    job.enter(Stage::Attention)?;
    let noise = match plan.mode {
        LatentMode::Noised => Some(generator.normal_tensor(&latent.size(), model.device())?),
        _ => None,
    };
    let latent = match plan.mode {
        LatentMode::Inverted => {
            let steps = options.inversion_steps.clamp(1, plan.timestep.max(1));
            model.invert(&latent, plan.timestep, steps, job)?
        }
        _ => latent,
    };
    let taps = model
        .extract_parts(&latent, plan.timestep, noise.as_ref(), &layers, parts, job)?
        .taps;
    if options.method.takes_attention() {
        let (walk, grid) = aggregate(&taps, job)?;
        return Ok((Source::Walk(walk), grid));
    }
    let tap = taps
        .into_iter()
        .next()
        .ok_or_else(|| Error::Internal("the pass left no attention".into()))?;
    let grid = tap.grid;
    let features = match options.method {
        Method::FeatureCut => tap
            .output
            .ok_or_else(|| Error::Internal("the pass left no output".into()))?,
        Method::KMeans | Method::Modulate => joined_heads(tap.cross_query.as_ref().unwrap_or(&tap.query))?,
        _ => joined_heads(&tap.key)?,
    };
    Ok((Source::Features(features), grid))
}

/// The middle of `image` [1, S, H, W], at most `side` pixels high and wide.
fn central_tile(image: &Tensor, side: i64) -> Result<Tensor> {
    let (_, _, rows, cols) = image.size4()?;
    let (height, width) = (rows.min(side), cols.min(side));
    let start = |length: i64, part: i64| (length - part) / 2;
    Ok(image
        .f_narrow(2, start(rows, height), height)?
        .f_narrow(3, start(cols, width), width)?)
}

/// [heads, N, d] as [N, heads d].
fn joined_heads(heads: &Tensor) -> Result<Tensor> {
    let (count, n, width) = heads.size3()?;
    Ok(heads.f_transpose(0, 1)?.f_reshape([n, count * width])?)
}

/// The layers that are tapped, in execution order, and the parts that are kept of each.
fn layers_of(model: &DiffusionModel, options: &NcutOptions) -> Result<(Vec<usize>, TapParts)> {
    let unet = &model.config().unet;
    let (count, down) = (unet.attention_layers(), unet.down_attention_layers());
    let levels = unet.attention_levels();
    let one = |preset: usize| match options.layer {
        Some(layer) if layer >= count => Err(Error::argument("layer", layer, &format!("must be below {count}"))),
        Some(layer) => Ok(vec![layer]),
        None => Ok(vec![preset.min(count.saturating_sub(1))]),
    };
    let parts = |output: bool, cross_query: bool| TapParts { output, cross_query };
    match options.method {
        Method::Walk | Method::Merge => {
            let deepest = levels.iter().max().copied().unwrap_or(0);
            if let Some(level) = options.levels.iter().find(|level| **level > deepest) {
                return Err(Error::argument("level", level, &format!("must be 0..={deepest}")));
            }
            let first = if options.all_layers { 0 } else { down };
            let layers: Vec<usize> = (first..count)
                .filter(|&layer| options.levels.contains(&levels[layer]))
                .collect();
            if layers.is_empty() {
                let allowed = "must name levels with attention in the layers read";
                return Err(Error::argument("levels", format!("{:?}", options.levels), allowed));
            }
            Ok((layers, TapParts::default()))
        }
        // The last layer on the way down: down_blocks.2.attentions.1 in Stable Diffusion, as DiffCut takes it there.
        Method::FeatureCut => Ok((one(down.saturating_sub(1))?, parts(true, false))),
        Method::TokenCut | Method::MaskCut => Ok((one(down.saturating_sub(1))?, TapParts::default())),
        Method::KMeans | Method::Modulate => Ok((one(query_layer(unet))?, parts(false, true))),
    }
}

/// The first layer on the way up: up_blocks.1.attentions.0 in Stable Diffusion, EmerDiff's block of 16x16 at 512
/// pixels.
pub(super) fn query_layer(unet: &UnetConfig) -> usize {
    let deepest = unet.block_out_channels.len().saturating_sub(1);
    unet.down_attention_layers() + unet.transformer_depth(deepest).max(0) as usize
}
