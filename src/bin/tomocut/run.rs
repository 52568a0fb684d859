//! `tomocut run`: a data set in one command. Slabs are labelled by the diffusion model, a network learns from the
//! labels, and every tomogram is segmented with it.
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use serde_json::{json, Map, Value};
use tomocut::dataset::{
    run_data_set, DataSetOptions, DataSetReport, DataSetTomogram, NetworkReport, Recipe, TomogramOutcome,
};
use tomocut::segmenter::mean_dice;
use tomocut::volume::readable;

use crate::engine::{Engine, EngineArguments};
use crate::exit::{Exit, Failure, OrExit};
use crate::files::{self, Tomograms};
use crate::output::{make_folder, print, print_json};
use crate::placed::placed;
use crate::ranges::{bytes, number, slices};
use crate::sampling::SamplingArguments;
use crate::settings::{Given, SettingsArguments};

/// Segments a whole data set in one command, without annotation.
///
/// Slabs with most structure are found and segmented, networks learn from their labels and segment every tomogram.
/// Writes <stem>_membrane.mrc and so on, <stem>_labels.mrc, <stem>_points, network.safetensors, slabs/ and report.html.
/// A stopped run goes on when the same command is given again.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Tomograms, or folders of them
    #[arg(value_name = "TOMOGRAM|FOLDER", required_unless_present_any = ["help_settings", "print_settings"])]
    inputs: Vec<PathBuf>,
    /// Folder for the results, made where missing
    #[arg(long, value_name = "DIR", required_unless_present_any = ["help_settings", "print_settings"])]
    out: Option<PathBuf>,
    /// After a tomogram: label these slices of it, and look for no slab
    #[arg(long, value_name = "A:B", value_parser = slices)]
    z: Vec<Range<usize>>,
    /// After a tomogram: its true labels; or, for all, a table
    #[arg(long, value_name = "FILE|TABLE")]
    truth: Vec<PathBuf>,
    /// A whole run's settings: default, cvpr2026 or a JSON file
    #[arg(long, value_name = "NAME|FILE")]
    recipe: Option<String>,
    /// Slabs that are labelled [default: 3]
    #[arg(long, value_name = "N")]
    slabs: Option<u64>,
    /// Slices of a slab [default: 20]
    #[arg(long, value_name = "N")]
    thickness: Option<u64>,
    /// Share of a slab's slices to compare with, 0 to 0.5 [default: 0.2]
    #[arg(long, value_name = "X", value_parser = number, hide = true)]
    held_out: Option<f64>,
    /// The model that segments slabs [default: the built-in model]
    #[arg(long, alias = "diffusion", value_name = "PATH")]
    model: Option<PathBuf>,
    /// Molecules of the slabs are the instances of this CellPose network
    #[arg(long, value_name = "FILE")]
    cellpose: Option<PathBuf>,
    /// The network to start from [default: the built-in network]
    #[arg(long, value_name = "FILE", conflicts_with = "scratch")]
    start: Option<PathBuf>,
    /// Random weights of the built-in network
    #[arg(long)]
    scratch: bool,
    /// Random weights of another network
    #[arg(long, value_name = "JSON", hide = true)]
    network: Option<String>,
    /// Training steps [default: 600]
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Seed of every random draw [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Also masks of membranes, gaps closed, and numbered membranes
    #[arg(long)]
    membranes: bool,
    /// Least probability of a label [default: of the largest expected Dice]
    #[arg(long, value_name = "P", value_parser = number)]
    threshold: Option<f64>,
    /// What slabs, slices and tiles may take, such as 800M [default: 4G]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    memory: Option<u64>,
    /// Begin again where a run of other settings stands in DIR
    #[arg(long)]
    restart: bool,
    #[command(flatten)]
    sampling: SamplingArguments,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    engine: EngineArguments,
    #[command(flatten)]
    settings: SettingsArguments,
}

pub fn run(arguments: &Arguments, matches: &ArgMatches) -> Result<(), Failure> {
    let (tomograms, listing) = tomograms(arguments, matches)?;
    let resolved = arguments.settings.resolve::<DataSetOptions>(given(arguments)?);
    let Some(settings) = resolved.map_err(|failure| of_recipe(failure, arguments.recipe.as_deref()))? else {
        return Ok(());
    };
    let Some(out) = &arguments.out else {
        return Ok(());
    };
    let engine = Engine::start_with_news(&arguments.engine, Some("dataset"))?;
    if !arguments.engine.quiet {
        listing.told().iter().for_each(|line| engine.display.line(line));
    }
    let model = engine.diffusion_model(arguments.model.as_deref())?;
    make_folder(out)?;
    let job = engine.job();
    let report = engine
        .compute(|| run_data_set(&model, &tomograms, out, &settings, &job))
        .or_exit_of_work();
    let report = report.map_err(|failure| match failure.exit {
        Exit::Cancelled => {
            let way_on = format!("what is done is kept in {}; the same command goes on", out.display());
            Failure::new(Exit::Cancelled, format!("{}\n{way_on}", failure.text))
        }
        _ => failure,
    })?;
    if arguments.json {
        print_json(&answer(&report, &tomograms, &listing, out))?;
    } else if !arguments.engine.quiet {
        print(&text(&report, &tomograms))?;
    }
    let mut failed = 0;
    for (tomogram, outcome) in tomograms.iter().zip(&report.tomograms) {
        if let Some(error) = &outcome.failure {
            failed += 1;
            eprintln!("tomocut run: {}: {error}", readable(&tomogram.path));
        }
    }
    match failed {
        0 => Ok(()),
        _ => {
            let text = format!("{failed} of {} tomograms failed", tomograms.len());
            Err(Failure::new(Exit::Failed, text))
        }
    }
}

fn given(arguments: &Arguments) -> Result<Given, Failure> {
    let mut given = match &arguments.recipe {
        None => arguments.settings.given()?,
        Some(name) if Recipe::NAMES.contains(&name.as_str()) => {
            let mut given = arguments.settings.given()?;
            given.option("--recipe", "preset", Some(name.as_str()))?;
            given
        }
        Some(file) => {
            let known = Recipe::NAMES.join(", ");
            let path = Path::new(file);
            if !path.is_file() {
                let text = format!("--recipe is \"{file}\", must be {known} or a JSON file");
                return Err(Failure::usage(text));
            }
            arguments.settings.given_over::<DataSetOptions>(path)?
        }
    };
    if let Some(table) = table(arguments)? {
        given.option("--truth", "truth", Some(table.display().to_string()))?;
    }
    if let Some(path) = &arguments.cellpose {
        if !given.has("slab.split") {
            given.option("--cellpose", "slab.split", Some("cellpose"))?;
        }
        given.option("--cellpose", "slab.cellpose_weights", Some(path.display().to_string()))?;
    }
    given.option("--slabs", "slabs", arguments.slabs)?;
    given.option("--thickness", "thickness", arguments.thickness)?;
    given.option("--held-out", "held_out", arguments.held_out)?;
    given.option("--memory", "memory", arguments.memory)?;
    arguments.sampling.give(&mut given)?;
    given.flag("--restart", "restart", arguments.restart)?;
    let start = arguments.start.as_ref().map(|path| path.display().to_string());
    given.option("--start", "training.start", start)?;
    given.flag("--scratch", "training.scratch", arguments.scratch)?;
    if let Some(network) = &arguments.network {
        let network: Value = serde_json::from_str(network)
            .map_err(|error| Failure::usage(format!("--network is \"{network}\", must be JSON: {error}")))?;
        given.option("--network", "training.network", Some(network))?;
    }
    given.option("--steps", "training.steps", arguments.steps)?;
    given.option("--seed", "training.seed", arguments.seed)?;
    given.option("--threshold", "prediction.threshold", arguments.threshold)?;
    given.option(
        "--membranes",
        "prediction.membranes",
        arguments.membranes.then(|| json!({})),
    )?;
    Ok(given)
}

/// What is said of the tomograms that are named themselves, and all tomograms of files and folders.
fn tomograms(arguments: &Arguments, matches: &ArgMatches) -> Result<(Vec<DataSetTomogram>, Tomograms), Failure> {
    let z: BTreeMap<usize, Range<usize>> = placed(matches, "inputs", "z")?;
    let truth: BTreeMap<usize, PathBuf> = match table(arguments)? {
        Some(_) => BTreeMap::new(),
        None => placed(matches, "inputs", "truth")?,
    };
    for (option, index) in z.keys().map(|n| ("--z", n)).chain(truth.keys().map(|n| ("--truth", n))) {
        let input = &arguments.inputs[*index];
        if !files::is_tomogram_itself(input) {
            let text = format!(
                "{option} of {}: must stand after a tomogram, not a folder",
                input.display()
            );
            return Err(Failure::usage(text));
        }
    }
    let all = files::all_tomograms(&arguments.inputs)?;
    let of = |path: &PathBuf| {
        let mut places = arguments
            .inputs
            .iter()
            .enumerate()
            .filter(|(_, input)| *input == path)
            .map(|(n, _)| n);
        DataSetTomogram {
            path: path.clone(),
            slab: places.clone().find_map(|n| z.get(&n).cloned()),
            truth: places.find_map(|n| truth.get(&n).cloned()),
            true_points: None,
        }
    };
    Ok((all.paths.iter().map(of).collect(), all))
}

/// A failure of settings that says which recipe they were in, where one was given.
fn of_recipe(failure: Failure, recipe: Option<&str>) -> Failure {
    match recipe {
        Some(recipe) => Failure {
            text: format!("recipe {recipe}: {}", failure.text),
            ..failure
        },
        None => failure,
    }
}

/// The table of truths, where --truth names one; a table stands for all.
fn table(arguments: &Arguments) -> Result<Option<&PathBuf>, Failure> {
    let is_table = |path: &&PathBuf| {
        path.extension()
            .is_some_and(|ending| ending == "csv" || ending == "tsv")
    };
    match (arguments.truth.iter().find(is_table), arguments.truth.len()) {
        (None, _) => Ok(None),
        (Some(table), 1) => Ok(Some(table)),
        (Some(table), _) => Err(Failure::usage(format!(
            "--truth {} is a table, which stands for all: must be given once and alone",
            table.display()
        ))),
    }
}

fn word(outcome: &TomogramOutcome) -> &'static str {
    match (&outcome.failure, outcome.was_there) {
        (Some(_), _) => "failed",
        (None, true) => "there already",
        (None, false) => "done",
    }
}

/// How a network was trained, in a line.
fn line_of(name: &str, network: &NetworkReport) -> String {
    match &network.failure {
        Some(failure) => format!("{name}none: {failure}\n"),
        None => format!(
            "{name}{} slabs, {} steps, mean Dice {:.3} with the slabs' labels\n",
            network.slabs,
            network.steps,
            mean_dice(&network.scores)
        ),
    }
}

fn text(report: &DataSetReport, tomograms: &[DataSetTomogram]) -> String {
    let line = |(tomogram, outcome): (&DataSetTomogram, &TomogramOutcome)| {
        format!("{}: {}\n", readable(&tomogram.path), word(outcome))
    };
    let lines: String = tomograms.iter().zip(&report.tomograms).map(line).collect();
    let networks = match &report.molecules {
        None => line_of("", &report.network),
        Some(molecules) => line_of("membranes: ", &report.network) + &line_of("molecules: ", molecules),
    };
    format!("{lines}{networks}{}\n", report.page.display())
}

fn answer(report: &DataSetReport, tomograms: &[DataSetTomogram], listing: &Tomograms, out: &Path) -> Value {
    let member = |(tomogram, outcome): (&DataSetTomogram, &TomogramOutcome)| {
        let mut member = Map::new();
        member.insert("input".into(), json!(readable(&tomogram.path)));
        member.insert("outcome".into(), json!(word(outcome)));
        if let Some(error) = &outcome.failure {
            member.insert("error".into(), json!(error.to_string()));
        }
        Value::Object(member)
    };
    json!({
        "out": out.display().to_string(),
        "slabs": report.network.slabs,
        "steps": report.network.steps,
        "dice": mean_dice(&report.network.scores),
        "loss": report.network.loss,
        "molecules": report.molecules,
        "settings": report.settings,
        "tomograms": tomograms.iter().zip(&report.tomograms).map(member).collect::<Vec<_>>(),
        "left_out": files::left_out(listing),
    })
}
