//! `tomocut adapt`: a diffusion model, trained on for some minutes on a data set's own voxels.
use std::path::PathBuf;

use tomocut::denoiser::{adapt, AdaptOptions};
use tomocut::diffusion::{write_model, ModelFile};
use tomocut::runtime::Stage;

use crate::engine::{Engine, EngineArguments};
use crate::exit::{Exit, Failure, OrExit};
use crate::output::print;
use crate::ranges::number;
use crate::sampling::SamplingArguments;
use crate::settings::SettingsArguments;

/// Adapts a diffusion model to tomograms of one kind: microscope, voxel size, sample.
///
/// Nothing has to be annotated. The result is for --model of tomocut slab, ncut and denoise, and --diffusion of run and
/// train.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Tomograms of one kind: MRC or OME-Zarr folders
    #[arg(value_name = "TOMOGRAM", required_unless_present_any = ["help_settings", "print_settings"])]
    tomograms: Vec<PathBuf>,
    /// The adapted model (safetensors)
    #[arg(long, value_name = "FILE", required_unless_present_any = ["help_settings", "print_settings"])]
    out: Option<PathBuf>,
    /// The model to start from [default: the built-in model]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Training steps [default: 200]
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Crops per step [default: 12]
    #[arg(long, value_name = "N")]
    batch: Option<u64>,
    /// Seed of every random draw [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Variance of the signal over variance of the noise [default: estimated]
    #[arg(long, value_name = "X", value_parser = number)]
    snr: Option<f64>,
    #[command(flatten)]
    sampling: SamplingArguments,
    #[command(flatten)]
    engine: EngineArguments,
    #[command(flatten)]
    settings: SettingsArguments,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut given = arguments.settings.given()?;
    given.option("--steps", "steps", arguments.steps)?;
    given.option("--batch", "batch", arguments.batch)?;
    given.option("--seed", "seed", arguments.seed)?;
    given.option("--snr", "snr", arguments.snr)?;
    arguments.sampling.give(&mut given)?;
    let Some(settings) = arguments.settings.resolve::<AdaptOptions>(given)? else {
        return Ok(());
    };
    let Some(out) = &arguments.out else {
        return Ok(());
    };
    let engine = Engine::start(&arguments.engine)?;
    let opened = arguments
        .tomograms
        .iter()
        .map(|path| engine.tomogram(path, settings.voxel_nm));
    let opened = opened.collect::<Result<Vec<_>, _>>()?;
    let tomograms: Vec<_> = opened.iter().collect();
    let model = match &arguments.model {
        Some(path) => ModelFile::open(path),
        None => ModelFile::builtin(),
    }
    .or_exit(Exit::BadInput)?;
    let job = engine.job();
    engine
        .compute(|| {
            let adapted = adapt(&model, &tomograms, &settings, engine.device, &job, &mut |_, _| true)?;
            job.enter(Stage::Write)?;
            write_model(out, &adapted.config, &adapted.tensors, tch::Kind::Half)
        })
        .or_exit_of_work()?;
    match arguments.engine.quiet {
        true => Ok(()),
        false => print(&format!("{}\n", out.display())),
    }
}
