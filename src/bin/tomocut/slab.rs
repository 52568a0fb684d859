//! `tomocut slab`: membranes and molecules of a slab of a tomogram, without any annotation.
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::{json, Map, Value};
use tomocut::settings::resolve;
use tomocut::slab::{dump_slice, segment, write_outputs, OutputFiles, SlabFileOptions, SlabOptions, SuggestOptions};
use tomocut::volume::Tomogram;

use crate::engine::{Engine, EngineArguments};
use crate::exit::{Exit, Failure, OrExit};
use crate::output::{make_folder, print, print_json};
use crate::ranges::{number, slab, Slab};
use crate::sampling::SamplingArguments;
use crate::settings::SettingsArguments;
use crate::suggest;

/// Most slabs that --suggest names.
const MOST_SUGGESTIONS: u64 = 1000;

/// Segments slices of a tomogram into membranes, molecules and filaments, without any annotation.
///
/// Writes <stem>_labels.mrc (0 background, 1 membrane, 2 molecule, 3 filament), <stem>_score.mrc, likelihoods
/// <stem>_membrane.mrc and <stem>_molecule.mrc, <stem>_points in several formats and <stem>_overlay.png.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The tomogram: MRC (.mrc, .rec, .map, also .gz and .bz2) or an OME-Zarr folder
    #[arg(required_unless_present_any = ["help_settings", "print_settings"])]
    tomogram: Option<PathBuf>,
    /// Slices A to B-1, counted from 0; or auto: those that hold most structure
    #[arg(long, value_name = "A:B", value_parser = slab, conflicts_with = "suggest",
          required_unless_present_any = ["suggest", "help_settings", "print_settings"])]
    z: Option<Slab>,
    /// Segment nothing; print the N slabs that hold most structure
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1",
          value_parser = clap::value_parser!(u64).range(1..=MOST_SUGGESTIONS))]
    suggest: Option<u64>,
    /// Slices of a suggested slab [default: 20]
    #[arg(long, value_name = "N")]
    thickness: Option<u64>,
    /// Folder for the results, made where missing
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Stable Diffusion, a folder or .safetensors [default: built-in model]
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// default, spectral, or a paper's, which split by CellPose: cvpr2026_code, cvpr2026_paper
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    #[command(flatten)]
    sampling: SamplingArguments,
    /// Diameter of the molecules in nm, where they are of one kind
    #[arg(long, value_name = "D", value_parser = number)]
    diameter_nm: Option<f64>,
    /// The N best molecules [default: as many as promise the best balance]
    #[arg(long, value_name = "N")]
    picks: Option<u64>,
    /// Variance of the signal over variance of the noise [default: estimated]
    #[arg(long, value_name = "X", value_parser = number)]
    snr: Option<f64>,
    /// Molecules are the instances of this CellPose network
    #[arg(long, value_name = "FILE")]
    cellpose: Option<PathBuf>,
    /// Scores as float32 instead of float16
    #[arg(long)]
    float32: bool,
    /// Also write <stem>_uncertainty.mrc: 0 sure, 1 all kinds alike
    #[arg(long)]
    uncertainty: bool,
    /// Also keep what the model computes of the middle slice (safetensors)
    #[arg(long, value_name = "FILE")]
    dump: Option<PathBuf>,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    engine: EngineArguments,
    #[command(flatten)]
    settings: SettingsArguments,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(count) = arguments.suggest {
        return print_suggestions(arguments, count as usize);
    }
    let Some(settings) = settings(arguments)? else {
        return Ok(());
    };
    let (Some(input), Some(z)) = (&arguments.tomogram, &arguments.z) else {
        return Ok(());
    };
    let engine = Engine::start(&arguments.engine)?;
    let tomogram = engine.tomogram(input, settings.voxel_nm)?;
    let model = engine.diffusion_model(arguments.model.as_deref())?;
    let z = match z {
        Slab::Slices(z) => z.clone(),
        Slab::Auto => suggest::richest(&engine, &tomogram, &suggest_options(arguments))?,
    };
    make_folder(&arguments.out)?;
    let job = engine.job();
    let segmentation = engine
        .compute(|| segment(&model, &tomogram, z.clone(), &settings, &job))
        .or_exit(Exit::BadInput)?;
    let mut file_settings = Map::new();
    file_settings.insert("float32_scores".into(), arguments.float32.into());
    file_settings.insert("uncertainty".into(), arguments.uncertainty.into());
    let file_settings: SlabFileOptions = resolve(file_settings).or_exit(Exit::Usage)?;
    let write = |job: &_| {
        let stem = tomogram.name();
        write_outputs(&segmentation, &tomogram, &arguments.out, stem, &file_settings, job)
    };
    let files = write(&engine.silent_job()).or_exit(Exit::NotWritten)?;
    if let Some(path) = &arguments.dump {
        let job = engine.job();
        let middle = z.start + z.len() / 2;
        engine
            .compute(|| dump_slice(&model, &tomogram, middle, &settings, path, &job))
            .or_exit(Exit::NotWritten)?;
    }
    let files = named(&files, arguments.dump.as_deref());
    report(arguments, &z, segmentation.points.len(), &files)?;
    if !arguments.json {
        return Ok(());
    }
    print_json(&json!({
        "input": input.display().to_string(),
        "report": serde_json::to_value(&segmentation.report).unwrap_or_default(),
        "files": Value::Object(files.into_iter().map(|(name, path)| (name, path.into())).collect()),
    }))
}

/// The settings; None where only they were to be printed.
fn settings(arguments: &Arguments) -> Result<Option<SlabOptions>, Failure> {
    let mut given = arguments.settings.given()?;
    given.option("--preset", "preset", arguments.preset.clone())?;
    arguments.sampling.give(&mut given)?;
    given.option("--snr", "snr", arguments.snr)?;
    given.option("--picks", "n_points", arguments.picks)?;
    given.option("--diameter-nm", "diameter_nm", arguments.diameter_nm)?;
    if let Some(diameter) = arguments.diameter_nm {
        // Detected outlines vary about the true diameter.
        for (name, factor) in [("molecule_min_nm", 0.6), ("molecule_max_nm", 1.6)] {
            if !given.has(name) {
                given.option("--diameter-nm", name, Some(diameter * factor))?;
            }
        }
    }
    if let Some(path) = &arguments.cellpose {
        if !given.has("split") {
            given.option("--cellpose", "split", Some("cellpose"))?;
        }
        given.option("--cellpose", "cellpose_weights", Some(path.display().to_string()))?;
    }
    arguments.settings.resolve(given)
}

fn suggest_options(arguments: &Arguments) -> SuggestOptions {
    SuggestOptions {
        thickness: arguments.thickness.map(|slices| slices as usize),
        voxel_nm: arguments.sampling.voxel_nm,
        ..SuggestOptions::default()
    }
}

/// What --suggest does.
fn print_suggestions(arguments: &Arguments, count: usize) -> Result<(), Failure> {
    let mut given = arguments.settings.given()?;
    given.option("--thickness", "thickness", arguments.thickness)?;
    given.option("--voxel-nm", "voxel_nm", arguments.sampling.voxel_nm)?;
    let Some(options) = arguments.settings.resolve::<SuggestOptions>(given)? else {
        return Ok(());
    };
    let Some(input) = &arguments.tomogram else {
        return Ok(());
    };
    let engine = Engine::start(&arguments.engine)?;
    let tomogram: Tomogram = engine.tomogram(input, options.voxel_nm)?;
    let suggestions = suggest::suggest(&engine, &tomogram, &options, count)?;
    match arguments.json {
        true => print_json(&suggest::json(&suggestions, &input.display().to_string(), &options)),
        false => print(&suggest::text(&suggestions)),
    }
}

/// The files by what they hold, in the order in which they are told.
fn named(files: &OutputFiles, dump: Option<&Path>) -> Vec<(String, String)> {
    let mut named = Vec::new();
    let mut add = |name: &str, path: &Path| named.push((name.to_owned(), path.display().to_string()));
    add("labels", &files.labels);
    add("score", &files.score);
    for path in &files.points {
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        add(&format!("points_{ending}"), path);
    }
    add("overlay", &files.overlay);
    for (name, path) in ["membrane", "molecule"].into_iter().zip(&files.likelihoods) {
        add(name, path);
    }
    if let Some(path) = &files.uncertainty {
        add("uncertainty", path);
    }
    if let Some(path) = dump {
        add("dump", path);
    }
    named
}

/// What was found, and the files.
fn report(arguments: &Arguments, z: &Range<usize>, points: usize, files: &[(String, String)]) -> Result<(), Failure> {
    if arguments.engine.quiet {
        return Ok(());
    }
    let mut text = format!("Slices {} to {}: {points} molecules\n", z.start, z.end - 1);
    for (_, path) in files {
        text += &format!("  {path}\n");
    }
    match arguments.json {
        true => {
            eprint!("{text}");
            Ok(())
        }
        false => print(&text),
    }
}
