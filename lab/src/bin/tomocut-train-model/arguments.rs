//! The command line.
use std::path::PathBuf;

use lexopt::prelude::*;
use tomocut::denoiser::{small_autoencoder, small_unet, AutoencoderOptions, DenoiserOptions};

/// Weight of the attention's loss in the built-in model.
const ATTENTION_WEIGHT: f64 = 0.3;

pub const HELP: &str = "\
usage: tomocut-train-model --out FILE [options]

Simulates tomograms, trains a denoising U-Net on them and writes one float16 model file. By default the model is a
matched-noise one, as the built-in model: it sees voxels, and the microscope's noise is the diffusion noise.

  --out FILE             the model
  --checkpoint FILE      goes on from there where it exists (of the options only --steps and those of time then count);
                         default: FILE.checkpoint for --out FILE.safetensors
  --seed S               of weights, phantoms and batches
  --steps N              of the U-Net's schedule
  --minutes M            stops early without changing the schedule; the checkpoint is left
  --volumes K            phantoms in memory
  --batch B              crops per step
  --width A,B,C,D        of the U-Net's levels, multiples of 8
  --start builtin|FILE   begins with the weights of this model instead of random ones
  --rate R               full learning rate of the U-Net
  --attention-weight W   of the loss that asks attention to follow objects; default 0.3, 0: none
  --attention-foreground its classes are background and foreground alone, not each structure
  --device cpu|cuda:N
  --name TEXT            what the model is called in reports
  --random               untrained weights, for comparison

A segmentation network instead, the 3D one that ships (membrane, molecule, molecule's centre):

  --network              trains that; --steps, --minutes, --batch (2), --volumes, --seed, --rate, --start, --device and
                         --checkpoint count
  --wide                 with a third level that sees twice as far

The autoencoder of masks that SDSeg's small network stands on, from shapes drawn at random:

  --mask-autoencoder     trains that; --steps, --minutes, --batch (8), --seed, --device and --checkpoint count

An ordinary latent diffusion model instead, of Stable Diffusion's shape: first an autoencoder that makes 4 numbers
of 8 x 8 pixels, then a U-Net on its latents under white noise. Both go into the one file.

  --autoencoder          trains that
  --autoencoder-steps N  of the autoencoder's schedule
  --autoencoder-minutes M
  --autoencoder-width A,B,C,D
  --autoencoder-checkpoint FILE   default: FILE.autoencoder for --out FILE.safetensors
  --autoencoder-folder DIR   also writes the autoencoder alone, as diffusers keeps it
  --crop P               side of the autoencoder's crops in pixels
  --tomogram FILE        also learns from this MRC file (labels are not needed); may be repeated
  --tomogram-share X     share of the images that are slices of those files, 0 to 1; default 0.75
  --bright               structures in those files are brighter than their surroundings
  --noise-free X         share of the phantoms without noise, 0 to 1; default 0.25
";

/// What `--autoencoder` and its companions say.
pub struct AutoencoderArguments {
    pub checkpoint: PathBuf,
    /// Where diffusers' form of it goes.
    pub folder: Option<PathBuf>,
    pub minutes: f64,
    pub steps: Option<u64>,
    pub options: AutoencoderOptions,
}

pub struct Arguments {
    pub out: PathBuf,
    pub checkpoint: PathBuf,
    pub minutes: f64,
    pub device: String,
    pub name: String,
    pub random: bool,
    pub steps: Option<u64>,
    pub options: DenoiserOptions,
    /// The model whose weights the run begins with.
    pub start: Option<PathBuf>,
    /// A segmentation network is wanted.
    pub network: bool,
    /// Windows per step of that.
    pub network_batch: Option<usize>,
    /// Full learning rate of that.
    pub network_rate: Option<f64>,
    /// That network has a third level.
    pub wide: bool,
    /// The mask autoencoder is wanted.
    pub masks: bool,
    /// A latent diffusion model is wanted; else a matched one.
    pub autoencoder: Option<AutoencoderArguments>,
}

/// None: help was asked for.
pub fn parse() -> Result<Option<Arguments>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut out: Option<PathBuf> = None;
    let (mut checkpoint, mut name) = (None, None);
    let mut minutes = f64::INFINITY;
    let (mut device, mut random) = ("cpu".to_owned(), false);
    let mut options = DenoiserOptions {
        attention_weight: ATTENTION_WEIGHT,
        ..DenoiserOptions::default()
    };
    let mut start = None;
    let mut steps = None;
    let (mut network, mut network_batch, mut network_rate, mut wide) = (false, None, None, false);
    let (mut with_autoencoder, mut masks) = (false, false);
    let mut vae = AutoencoderOptions::default();
    let (mut vae_checkpoint, mut folder, mut vae_minutes, mut vae_steps) = (None, None, f64::INFINITY, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("out") => out = Some(parser.value()?.into()),
            Long("checkpoint") => checkpoint = Some(PathBuf::from(parser.value()?)),
            Long("seed") => options.seed = parser.value()?.parse()?,
            Long("steps") => steps = Some(parser.value()?.parse()?),
            Long("minutes") => minutes = parser.value()?.parse()?,
            Long("volumes") => {
                options.volumes = parser.value()?.parse()?;
                vae.slices.stacks = options.volumes;
            }
            Long("batch") => {
                options.batch = parser.value()?.parse()?;
                network_batch = Some(options.batch);
            }
            Long("network") => network = true,
            Long("wide") => wide = true,
            Long("mask-autoencoder") => masks = true,
            Long("width") => options.unet = small_unet(widths(&parser.value()?.string()?)?),
            Long("start") => start = Some(PathBuf::from(parser.value()?)),
            Long("rate") => {
                options.adamw.rate = parser.value()?.parse()?;
                network_rate = Some(options.adamw.rate);
            }
            Long("attention-weight") => options.attention_weight = parser.value()?.parse()?,
            Long("attention-foreground") => options.attention_foreground = true,
            Long("device") => device = parser.value()?.string()?,
            Long("name") => name = Some(parser.value()?.string()?),
            Long("random") => random = true,
            Long("autoencoder") => with_autoencoder = true,
            Long("autoencoder-steps") => vae_steps = Some(parser.value()?.parse()?),
            Long("autoencoder-minutes") => vae_minutes = parser.value()?.parse()?,
            Long("autoencoder-width") => vae.vae = small_autoencoder(widths(&parser.value()?.string()?)?),
            Long("autoencoder-checkpoint") => vae_checkpoint = Some(PathBuf::from(parser.value()?)),
            Long("autoencoder-folder") => folder = Some(PathBuf::from(parser.value()?)),
            Long("crop") => vae.crop = parser.value()?.parse()?,
            Long("tomogram") => vae.slices.tomograms.push(parser.value()?.into()),
            Long("tomogram-share") => vae.slices.tomogram_share = parser.value()?.parse()?,
            Long("bright") => vae.slices.bright = true,
            Long("noise-free") => vae.slices.noise_free = parser.value()?.parse()?,
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(argument.unexpected()),
        }
    }
    let out = out.ok_or("--out FILE is missing")?;
    options.steps = steps.unwrap_or(options.steps);
    vae.seed = options.seed;
    vae.schedule.steps = vae_steps.unwrap_or(vae.schedule.steps);
    let autoencoder = with_autoencoder.then(|| AutoencoderArguments {
        checkpoint: vae_checkpoint.unwrap_or_else(|| out.with_extension("autoencoder")),
        folder,
        minutes: vae_minutes,
        steps: vae_steps,
        options: vae,
    });
    let kind = if network {
        "tomocut phantom-trained"
    } else if with_autoencoder {
        "tomocut latent"
    } else {
        "tomocut built-in"
    };
    Ok(Some(Arguments {
        checkpoint: checkpoint.unwrap_or_else(|| out.with_extension("checkpoint")),
        name: name.unwrap_or_else(|| kind.to_owned()),
        out,
        minutes,
        device,
        random,
        steps,
        options,
        start,
        network,
        network_batch,
        network_rate,
        wide,
        masks,
        autoencoder,
    }))
}

fn widths(text: &str) -> Result<[i64; 4], lexopt::Error> {
    let list: Vec<i64> = text.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    list.try_into()
        .map_err(|_| "widths are four numbers, as in 32,64,96,96".into())
}
