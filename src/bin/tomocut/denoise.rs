//! `tomocut denoise`: a tomogram with its noise taken out, in one step of a matched-noise model.
use std::ops::Range;
use std::path::PathBuf;

use ndarray::ArrayView2;
use tomocut::runtime::Stage;
use tomocut::slab::{denoise, DenoiseOptions};
use tomocut::volume::{write_slices, SliceType};

use crate::engine::{Engine, EngineArguments};
use crate::exit::{Exit, Failure, OrExit};
use crate::output::print;
use crate::ranges::{number, slices};
use crate::sampling::SamplingArguments;
use crate::settings::SettingsArguments;

/// Removes the noise of a tomogram.
///
/// The tomogram's own noise is taken for the noise of a diffusion model of matched noise and removed in one step.
/// Writes float32 in the tomogram's grey scale, so that the result overlays it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The tomogram: MRC or an OME-Zarr folder
    #[arg(required_unless_present_any = ["help_settings", "print_settings"])]
    tomogram: Option<PathBuf>,
    /// The denoised tomogram (MRC)
    #[arg(long, value_name = "FILE", required_unless_present_any = ["help_settings", "print_settings"])]
    out: Option<PathBuf>,
    /// Slices A to B-1, counted from 0 [default: all]
    #[arg(long, value_name = "A:B", value_parser = slices)]
    z: Option<Range<usize>>,
    /// A model of matched noise [default: the built-in model]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
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
    given.option("--snr", "snr", arguments.snr)?;
    arguments.sampling.give(&mut given)?;
    let Some(settings) = arguments.settings.resolve::<DenoiseOptions>(given)? else {
        return Ok(());
    };
    let (Some(input), Some(out)) = (&arguments.tomogram, &arguments.out) else {
        return Ok(());
    };
    let engine = Engine::start(&arguments.engine)?;
    let tomogram = engine.tomogram(input, settings.voxel_nm)?;
    let model = engine.diffusion_model(arguments.model.as_deref())?;
    let z = arguments.z.clone().unwrap_or(0..tomogram.geometry().shape[0]);
    let job = engine.job();
    let geometry = tomogram.geometry().slab(z.clone()).or_exit(Exit::BadInput)?;
    engine
        .compute(|| {
            write_slices(out, &geometry, SliceType::Float, |write| {
                let mut put = |_: usize, slice: ArrayView2<f32>| write(slice);
                denoise(&model, &tomogram, z.clone(), &settings, &job, &mut put)?;
                job.enter(Stage::Write)
            })
        })
        .or_exit_of_work()?;
    match arguments.engine.quiet {
        true => Ok(()),
        false => print(&format!("{}\n", out.display())),
    }
}
