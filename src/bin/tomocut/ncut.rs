//! `tomocut ncut`: an image, or slices of a tomogram, in segments, by cuts of a diffusion model's self-attention.
use std::ops::Range;
use std::path::{Path, PathBuf};

use tomocut::image::PictureFile;
use tomocut::ncut::{
    segment_image, segment_slices, tree_of, write_segmentation, ImageInput, LabelFormat, NcutOptions, Segmentation,
    Subject,
};
use tomocut::volume::{has_volume_ending, Tomogram};

use crate::engine::{Engine, EngineArguments};
use crate::exit::{Exit, Failure, OrExit};
use crate::output::{make_folder, print};
use crate::ranges::{number, slices};
use crate::settings::SettingsArguments;

/// Divides an image, or slices of a tomogram, into segments.
///
/// Cuts the self-attention of a diffusion model. Writes <name>_labels (PNG or TIFF; MRC for slices), <name>_overlay.png
/// and <name>_tree.json.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A PNG, JPEG or TIFF file, or a tomogram (.mrc, .rec, .map, .st, also .gz and .bz2, .zarr)
    #[arg(value_name = "IMAGE|TOMOGRAM", required_unless_present_any = ["help_settings", "print_settings"])]
    input: Option<PathBuf>,
    /// Slices A to B-1 of a tomogram, counted from 0 [default: the middle one]
    #[arg(long, value_name = "A:B", value_parser = slices)]
    z: Option<Range<usize>>,
    /// Folder for the results, made where missing
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// A paper's way [default: walk_and_cut; --help-settings lists all]
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// So many segments [default: the preset's rule; 8 with the built-in model]
    #[arg(long, value_name = "K")]
    segments: Option<u64>,
    /// NCut below which is cut (diffseg: divergence below which is merged)
    #[arg(long, value_name = "X", value_parser = number)]
    threshold: Option<f64>,
    /// fixed, manc_ncut, manc_mincut or manc_min_degree
    #[arg(long, value_name = "RULE")]
    criterion: Option<String>,
    /// A further segmentation at this threshold; may be given again
    #[arg(long, value_name = "X", value_parser = number, conflicts_with = "count")]
    level: Vec<f64>,
    /// A further segmentation into K segments; may be given again
    #[arg(long, value_name = "K")]
    count: Vec<u64>,
    /// Work on N x N attention tokens [default: 64]
    #[arg(long, value_name = "N")]
    tokens: Option<u64>,
    /// Levels of the U-Net whose attention is taken, 0 the finest [default: 0,1,2]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    levels: Vec<u64>,
    /// Resize to a square [default: as the paper, with Stable Diffusion]
    #[arg(long)]
    square: bool,
    /// Let borders follow the edges of the image
    #[arg(long)]
    pamr: bool,
    /// Labels of an image as TIFF
    #[arg(long)]
    tiff: bool,
    /// Stable Diffusion, a folder or .safetensors [default: built-in model]
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Variance of the signal over variance of the noise [default: estimated]
    #[arg(long, value_name = "X", value_parser = number)]
    snr: Option<f64>,
    /// Seed of noise and k-means
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Edge of a voxel in nm, where the tomogram's file is wrong or silent
    #[arg(long, value_name = "X", value_parser = number)]
    voxel_nm: Option<f64>,
    /// Structures are brighter than their surroundings
    #[arg(long)]
    bright: bool,
    /// Print the tree, with settings and sizes, as JSON on standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    engine: EngineArguments,
    #[command(flatten)]
    settings: SettingsArguments,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Some(settings) = settings(arguments)? else {
        return Ok(());
    };
    let Some(input) = &arguments.input else {
        return Ok(());
    };
    let is_tomogram = input.is_dir() || has_volume_ending(input);
    if !is_tomogram && arguments.z.is_some() {
        return Err(Failure::usage(format!(
            "--z is for tomograms; {} is an image",
            input.display()
        )));
    }
    let engine = Engine::start(&arguments.engine)?;
    let (segmentation, stem) = match is_tomogram {
        true => of_tomogram(arguments, input, &settings, &engine)?,
        false => of_image(arguments, input, &settings, &engine)?,
    };
    if !arguments.engine.quiet {
        let place = arguments.out.join(&stem);
        let text = format!(
            "{}: {} segments; {}_labels, _overlay.png, _tree.json",
            input.display(),
            segmentation.segments.len(),
            place.display()
        );
        match arguments.json {
            true => eprintln!("{text}"),
            false => print(&format!("{text}\n"))?,
        }
    }
    if arguments.json {
        let tree = serde_json::to_string(&tree_of(&segmentation));
        print(&(tree.map_err(|error| Failure::new(Exit::Failed, error.to_string()))? + "\n"))?;
    }
    Ok(())
}

/// The settings; None where only they were to be printed.
fn settings(arguments: &Arguments) -> Result<Option<NcutOptions>, Failure> {
    let mut given = arguments.settings.given()?;
    given.option("--preset", "preset", arguments.preset.clone())?;
    given.option("--segments", "segments", arguments.segments)?;
    given.option("--threshold", "threshold", arguments.threshold)?;
    given.option("--criterion", "criterion", arguments.criterion.clone())?;
    let some = |is_empty: bool| (!is_empty).then_some(());
    given.option(
        "--level",
        "thresholds",
        some(arguments.level.is_empty()).map(|()| arguments.level.clone()),
    )?;
    given.option(
        "--count",
        "counts",
        some(arguments.count.is_empty()).map(|()| arguments.count.clone()),
    )?;
    given.option("--tokens", "working_tokens", arguments.tokens)?;
    let levels = some(arguments.levels.is_empty()).map(|()| arguments.levels.clone());
    given.option("--levels", "levels", levels)?;
    given.flag("--square", "square", arguments.square)?;
    given.flag("--pamr", "pamr", arguments.pamr)?;
    given.option("--snr", "snr", arguments.snr)?;
    given.option("--seed", "seed", arguments.seed)?;
    given.flag("--bright", "bright", arguments.bright)?;
    arguments.settings.resolve(given)
}

/// What is segmented, and the name of its files.
type Segmented = (Segmentation, String);

fn of_tomogram(
    arguments: &Arguments,
    input: &Path,
    settings: &NcutOptions,
    engine: &Engine,
) -> Result<Segmented, Failure> {
    let tomogram: Tomogram = engine.tomogram(input, arguments.voxel_nm)?;
    let middle = tomogram.geometry().shape[0] / 2;
    let z = arguments.z.clone().unwrap_or(middle..middle + 1);
    let model = engine.diffusion_model(arguments.model.as_deref())?;
    make_folder(&arguments.out)?;
    let job = engine.job();
    let segmentation = engine
        .compute(|| segment_slices(&model, &tomogram, z.clone(), settings, &job))
        .or_exit(Exit::BadInput)?;
    let stem = tomogram.name().to_owned();
    write(
        arguments,
        &segmentation,
        Subject::Slices(&tomogram, z.start),
        &stem,
        engine,
    )?;
    Ok((segmentation, stem))
}

fn of_image(
    arguments: &Arguments,
    input: &Path,
    settings: &NcutOptions,
    engine: &Engine,
) -> Result<Segmented, Failure> {
    let picture = PictureFile::read(input).or_exit(Exit::BadInput)?;
    let asked = settings
        .black
        .zip(settings.white)
        .map(|(black, white)| [black as f32, white as f32]);
    let range = asked.or(picture.range);
    let image = || ImageInput::new(picture.pixels.view(), range).or_exit(Exit::BadInput);
    let model = engine.diffusion_model(arguments.model.as_deref())?;
    make_folder(&arguments.out)?;
    let job = engine.job();
    let seen = image()?;
    let segmentation = engine
        .compute(|| segment_image(&model, seen, settings, &job))
        .or_exit(Exit::BadInput)?;
    let stem = input.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    write(arguments, &segmentation, Subject::Image(image()?), &stem, engine)?;
    Ok((segmentation, stem))
}

fn write(
    arguments: &Arguments,
    segmentation: &Segmentation,
    subject: Subject,
    stem: &str,
    engine: &Engine,
) -> Result<(), Failure> {
    let format = match arguments.tiff {
        true => LabelFormat::Tiff,
        false => LabelFormat::Png,
    };
    let job = engine.silent_job();
    write_segmentation(segmentation, subject, format, &arguments.out, stem, &job).or_exit(Exit::NotWritten)?;
    Ok(())
}
