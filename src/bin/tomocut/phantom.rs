//! `tomocut phantom`: a simulated tomogram with exact truth.
use std::path::PathBuf;

use serde_json::json;
use tomocut::phantom::{simulate_on, PhantomOptions};
use tomocut::runtime::Stage;

use crate::engine::{Engine, EngineArguments};
use crate::exit::{Exit, Failure, OrExit};
use crate::output::print;
use crate::ranges::{number, size};
use crate::settings::SettingsArguments;

/// Endings of the files.
const FILES: [&str; 7] = [
    ".mrc",
    "_signal.mrc",
    "_noise.mrc",
    "_labels.mrc",
    "_instances.csv",
    "_parameters.json",
    "_preview.png",
];

/// Simulates a tomogram of membranes, molecules and filaments, and writes it with its truth.
///
/// A drawn specimen is tilted, imaged and reconstructed. Writes <stem>.mrc, its parts <stem>_signal.mrc and
/// <stem>_noise.mrc, the truth <stem>_labels.mrc (0 background, 1 membrane, 2 molecule, 3 filament) and
/// <stem>_instances.csv, the settings <stem>_parameters.json, and the picture <stem>_preview.png.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder for the files, made where missing
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// How their names begin
    #[arg(long, value_name = "NAME", default_value = "phantom")]
    stem: String,
    /// Extents in voxels, 8 to 1024 each [default: 256x256x128]
    #[arg(long, value_name = "XxYxZ", value_parser = size)]
    size: Option<[usize; 3]>,
    /// Edge of a voxel in nm [default: 1]
    #[arg(long, value_name = "X", value_parser = number)]
    voxel_nm: Option<f64>,
    /// Variance of the signal over variance of the noise [default: 0.2]
    #[arg(long, value_name = "X", value_parser = number)]
    snr: Option<f64>,
    /// Seed of specimen, optics and noise [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Also place this molecule (MRC, bright). May be given again
    #[arg(long, value_name = "FILE")]
    density: Vec<PathBuf>,
    #[command(flatten)]
    engine: EngineArguments,
    #[command(flatten)]
    settings: SettingsArguments,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut given = arguments.settings.given()?;
    given.option("--size", "shape", arguments.size.map(|shape| json!(shape)))?;
    given.option("--voxel-nm", "voxel_nm", arguments.voxel_nm)?;
    given.option("--snr", "snr", arguments.snr)?;
    given.option("--seed", "seed", arguments.seed)?;
    if !arguments.density.is_empty() {
        let files = arguments
            .density
            .iter()
            .map(|path| json!({"path": path.display().to_string()}));
        given.option("--density", "densities", Some(files.collect::<Vec<_>>()))?;
    }
    let Some(settings) = arguments.settings.resolve::<PhantomOptions>(given)? else {
        return Ok(());
    };
    if arguments.stem.is_empty() || arguments.stem.contains('/') {
        let text = format!("--stem is \"{}\", must be a file name without folders", arguments.stem);
        return Err(Failure::usage(text));
    }
    let engine = Engine::start(&arguments.engine)?;
    // Before the work: a folder that cannot be made should not cost minutes.
    std::fs::create_dir_all(&arguments.out).map_err(|error| {
        let text = format!("making the folder {}: {error}", arguments.out.display());
        Failure::new(Exit::NotWritten, text)
    })?;
    let job = engine.job();
    engine
        .compute(|| {
            let phantom = simulate_on(&settings, engine.device, &job)?;
            job.enter(Stage::Write)?;
            phantom.write(&arguments.out, &arguments.stem)
        })
        .or_exit_of_work()?;
    if arguments.engine.quiet {
        return Ok(());
    }
    let name = |ending: &&str| {
        format!(
            "{}\n",
            arguments.out.join(format!("{}{ending}", arguments.stem)).display()
        )
    };
    print(&FILES.iter().map(name).collect::<String>())
}
