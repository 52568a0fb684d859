//! `tomocut train`: a segmentation network that learns from a few labelled slices, nobody's or one's own.
mod labels;

use std::path::{Path, PathBuf};

use clap::ArgMatches;
use serde_json::{json, Map, Value};
use tomocut::diffusion::DiffusionModel;
use tomocut::runtime::Job;
use tomocut::segmenter::{LabelledTraining, SegmenterOptions, TrainerState};

use crate::engine::{Engine, EngineArguments};
use crate::exit::{Exit, Failure, OrExit};
use crate::files;
use crate::output::{print, print_json};
use crate::ranges::{number, slab, Slab};
use crate::sampling::SamplingArguments;
use crate::settings::{Given, SettingsArguments};
use labels::LabelledInput;

/// Windows that the final score is taken on.
const SCORED_WINDOWS: usize = 16;

/// Trains a network on labelled slabs of tomograms, or on pictures with masks.
///
/// A slab without --labels is segmented first. A stopped run goes on from MODEL.checkpoint.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Tomograms, each followed by --z, --labels, --points and --tomogram-name of its own
    #[arg(value_name = "TOMOGRAM", required_unless_present_any = ["images", "help_settings", "print_settings"])]
    inputs: Vec<PathBuf>,
    /// Slices A to B-1, from 0; or auto: those with most structure
    #[arg(long, value_name = "A:B", value_parser = slab)]
    z: Vec<Slab>,
    /// Labels of these slices or of all: 0 ground, else a name's number
    #[arg(long, value_name = "FILE")]
    labels: Vec<PathBuf>,
    /// Molecules, in any format of tomocut picks
    #[arg(long, value_name = "FILE")]
    points: Vec<PathBuf>,
    /// The tomogram's name in its points, where that is not its file's
    #[arg(long, value_name = "NAME")]
    tomogram_name: Vec<String>,
    /// Pictures: a folder, or a text file with one path a line
    #[arg(long, value_name = "LIST", requires = "masks")]
    images: Option<PathBuf>,
    /// As many masks, in order; white is something, or --mask-level G=255
    #[arg(long, value_name = "LIST", requires = "images")]
    masks: Option<PathBuf>,
    /// Levels of the masks that are something: a level or LOW-HIGH, with R=, G= or B= of one channel
    #[arg(long, value_name = "LEVEL", requires = "masks", hide = true)]
    mask_level: Option<String>,
    /// The trained model (safetensors)
    #[arg(long, value_name = "MODEL", required_unless_present_any = ["help_settings", "print_settings"])]
    out: Option<PathBuf>,
    /// The model to start from [default: the built-in network]
    #[arg(long, value_name = "FILE", conflicts_with = "scratch")]
    start: Option<PathBuf>,
    /// Random weights of the built-in network
    #[arg(long)]
    scratch: bool,
    /// Random weights of another network: JSON, sdseg or sdseg-small
    #[arg(long, value_name = "NAME|JSON")]
    network: Option<String>,
    /// A paper's training: slab-paper, membrain-seg, deepetpicker or deepict
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Names of the labels from 1 on
    #[arg(
        long,
        value_name = "A,B,C",
        value_delimiter = ',',
        default_value = "membrane,molecule,filament"
    )]
    names: Vec<String>,
    /// The model that segments slabs [default: the built-in model]
    #[arg(long, value_name = "FILE")]
    diffusion: Option<PathBuf>,
    /// Training steps [default: 300; from random weights 2000]
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Stop after so many minutes; the checkpoint stays
    #[arg(long, value_name = "X", value_parser = number)]
    minutes: Option<f64>,
    /// Share of each slab, 0 to 0.5, to score with, not to learn from
    #[arg(long, value_name = "SHARE", value_parser = number)]
    validation: Option<f64>,
    /// Rounds of self-training: the network labels what it is sure of
    #[arg(long, value_name = "N")]
    rounds: Option<u64>,
    /// Rounds learn from all slices of the tomograms
    #[arg(long, requires = "rounds", hide = true)]
    whole: bool,
    /// Seed of every random draw [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Begin afresh, whatever checkpoint there is
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    sampling: SamplingArguments,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
    /// Minutes between checkpoints
    #[arg(long, value_name = "X", value_parser = number, default_value_t = 3.0, hide = true)]
    every: f64,
    #[command(flatten)]
    engine: EngineArguments,
    #[command(flatten)]
    settings: SettingsArguments,
}

pub fn run(arguments: &Arguments, matches: &ArgMatches) -> Result<(), Failure> {
    let inputs = LabelledInput::all(&arguments.inputs, matches)?;
    if arguments.names.iter().any(String::is_empty) || arguments.names.len() > 127 {
        return Err(Failure::usage(
            "--names must be 1 to 127 names with commas between them",
        ));
    }
    if arguments.every <= 0.0 || arguments.minutes.is_some_and(|minutes| minutes < 0.0) {
        return Err(Failure::usage("--minutes must be 0 or more and --every above 0"));
    }
    let Some(settings) = arguments.settings.resolve::<SegmenterOptions>(given(arguments)?)? else {
        return Ok(());
    };
    let Some(out) = &arguments.out else {
        return Ok(());
    };
    let engine = Engine::start(&arguments.engine)?;
    let training = engine
        .compute(|| LabelledTraining::new(&settings, engine.device))
        .or_exit(Exit::BadInput)?;
    if let (Some(taken), false) = (training.taken(), arguments.engine.quiet) {
        engine.display.line(&format!("pretrained weights: {taken}"));
    }
    let mut checkpoint = out.clone().into_os_string();
    checkpoint.push(".checkpoint");
    let mut session = Session {
        arguments,
        voxel_nm: settings.voxel_nm,
        engine,
        training,
        checkpoint: checkpoint.into(),
        diffusion: None,
    };
    for input in &inputs {
        session.add(input).map_err(|failure| failure.of_file(&input.tomogram))?;
    }
    if let (Some(images), Some(masks)) = (&arguments.images, &arguments.masks) {
        session.add_pictures(images, masks)?;
    }
    let state = session.train()?;
    session.export(out, &state)
}

fn given(arguments: &Arguments) -> Result<Given, Failure> {
    let mut given = arguments.settings.given()?;
    given.option("--preset", "preset", arguments.preset.clone())?;
    given.option(
        "--start",
        "start",
        arguments.start.as_ref().map(|path| path.display().to_string()),
    )?;
    given.flag("--scratch", "scratch", arguments.scratch)?;
    if let Some(network) = &arguments.network {
        let network = match network.trim_start().starts_with('{') {
            true => serde_json::from_str(network).map_err(|error| {
                Failure::usage(format!("--network is \"{network}\", must be a name or JSON: {error}"))
            })?,
            false => Value::String(network.clone()),
        };
        given.option("--network", "network", Some(network))?;
    }
    given.option("--mask-level", "mask_level", arguments.mask_level.clone())?;
    given.option("--steps", "steps", arguments.steps)?;
    given.option("--validation", "validation_share", arguments.validation)?;
    given.option("--rounds", "rounds", arguments.rounds)?;
    given.option("--seed", "seed", arguments.seed)?;
    arguments.sampling.give(&mut given)?;
    Ok(given)
}

/// A training with what it learns from.
struct Session<'a> {
    arguments: &'a Arguments,
    /// Edge of the tomograms' voxels, where it is given.
    voxel_nm: Option<f64>,
    engine: Engine,
    training: LabelledTraining,
    checkpoint: PathBuf,
    /// The model that segments slabs, once one has to be.
    diffusion: Option<DiffusionModel>,
}

impl Session<'_> {
    fn add_pictures(&mut self, images: &Path, masks: &Path) -> Result<(), Failure> {
        let (images, masks) = (files::pictures(images)?, files::pictures(masks)?);
        let job = self.engine.silent_job();
        let training = &mut self.training;
        let add = || training.add_pictures(&images, &masks, false, &job);
        self.engine.compute(add).or_exit(Exit::BadInput)
    }

    /// Trains between checkpoints until the steps or the minutes are over.
    fn train(&mut self) -> Result<TrainerState, Failure> {
        if !self.arguments.again && self.checkpoint.exists() {
            let (training, checkpoint) = (&mut self.training, &self.checkpoint);
            let resumed = self
                .engine
                .compute(|| training.resume(checkpoint))
                .or_exit(Exit::BadInput);
            resumed.map_err(|failure| Failure {
                text: format!("{}\n--again begins afresh and writes over the checkpoint", failure.text),
                ..failure
            })?;
        }
        let mut left = self
            .arguments
            .minutes
            .filter(|minutes| *minutes > 0.0)
            .unwrap_or(f64::INFINITY);
        while !self.training.is_finished() && left > 0.0 {
            let minutes = left.min(self.arguments.every);
            left -= minutes;
            let outcome = self.stretch(minutes);
            // Steps of a stretch that was cancelled are whole: they are kept.
            let saved = match &outcome {
                Ok(())
                | Err(Failure {
                    exit: Exit::Cancelled, ..
                }) => self.save(),
                Err(_) => Ok(()),
            };
            outcome.and(saved).map_err(|failure| self.with_way_on(failure))?;
            self.tell(&self.training.state());
        }
        Ok(self.training.state())
    }

    fn stretch(&mut self, minutes: f64) -> Result<(), Failure> {
        let job = self.engine.job();
        let training = &mut self.training;
        self.engine
            .compute(|| training.train(u64::MAX, Some(minutes), &job))
            .or_exit_of_work()
    }

    fn save(&mut self) -> Result<(), Failure> {
        let (training, checkpoint) = (&mut self.training, &self.checkpoint);
        self.engine
            .compute(|| training.save(checkpoint))
            .or_exit(Exit::NotWritten)
    }

    /// A failure that says how to go on, where there is something to go on from.
    fn with_way_on(&self, failure: Failure) -> Failure {
        let step = self.training.step();
        if step == 0 || !self.checkpoint.exists() {
            return failure;
        }
        let place = self.checkpoint.display();
        let text = format!(
            "{}\n{place} holds step {step}; the same command goes on from there",
            failure.text
        );
        Failure { text, ..failure }
    }

    fn tell(&self, state: &TrainerState) {
        if self.arguments.engine.quiet {
            return;
        }
        let mut text = format!("step {} of {}", state.step, state.steps);
        if let Some(loss) = state.loss {
            text += &format!(", loss {loss:.4}");
        }
        if let (Some(score), Some(best), Some(step)) = (state.score, state.best_score, state.best_step) {
            text += &format!(", score {score:.3} (best {best:.3} at step {step})");
        }
        if state.round > 0 {
            text += &format!(", round {} of self-training", state.round);
        }
        self.engine.display.line(&text);
    }

    /// Writes the model and says how well the labels are fitted.
    fn export(&mut self, out: &Path, state: &TrainerState) -> Result<(), Failure> {
        let training = &mut self.training;
        self.engine
            .compute(|| training.model()?.save(out))
            .or_exit(Exit::NotWritten)?;
        if state.finished && self.checkpoint.exists() {
            // The model is there: a checkpoint that cannot be removed does no harm.
            let _ = std::fs::remove_file(&self.checkpoint);
        }
        // The model is in place and this takes a moment: Ctrl-C no longer makes a stopped training of it.
        let scores = self
            .engine
            .compute(|| training.scores(SCORED_WINDOWS, &Job::quiet()))
            .or_exit(Exit::Failed)?;
        if self.arguments.json {
            let mut fit = Map::new();
            for score in &scores {
                fit.insert(score.output.clone(), serde_json::to_value(score).unwrap_or_default());
            }
            return print_json(&json!({
                "model": out.display().to_string(),
                "step": state.step,
                "steps": state.steps,
                "slabs": state.learnt,
                "loss": state.loss,
                "best_score": state.best_score,
                "best_step": state.best_step,
                "fit": fit,
                "settings": serde_json::to_value(&state.settings).unwrap_or_default(),
            }));
        }
        if self.arguments.engine.quiet {
            return Ok(());
        }
        let of = match state.score {
            Some(_) => "held out",
            None => "learnt from",
        };
        let line = |name: &str, dice: f64| format!("{name}: Dice {dice:.3} with the labels {of}\n");
        let lines: String = scores.iter().map(|score| line(&score.output, score.dice)).collect();
        print(&format!("{lines}{}\n", out.display()))
    }
}
