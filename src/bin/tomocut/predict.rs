//! `tomocut predict`: a trained network over whole tomograms, one, several or all of a folder; or over pictures.
use std::path::{Path, PathBuf};

use serde_json::{json, Map, Value};
use tomocut::networks::SegmentationModel;
use tomocut::predict::{
    check_other_source, finished_files, predict_inputs, predict_pictures, Inputs, PredictOptions, PredictReport,
};
use tomocut::volume::{readable, Tomogram};

use crate::engine::{Engine, EngineArguments};
use crate::exit::{exit_of_work, Exit, Failure, OrExit};
use crate::files;
use crate::output::{make_folder, print, print_json};
use crate::ranges::{bytes, number, region, Region};
use crate::sampling::SamplingArguments;
use crate::settings::{Given, SettingsArguments};

/// Segments whole tomograms with a trained network, never wholly in memory.
///
/// Writes <stem>_membrane.mrc and so on, and <stem>_labels.mrc. A stopped run goes on where it was; results that are
/// there already stay; a tomogram that fails is told, and the others go on.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Tomograms, folders of them, or copick projects
    #[arg(value_name = "TOMOGRAM|FOLDER",
          required_unless_present_any = ["pictures", "help_settings", "print_settings"], conflicts_with = "pictures")]
    inputs: Vec<PathBuf>,
    /// Instead of tomograms: pictures; a folder or a list, one path a line
    #[arg(long, value_name = "LIST")]
    pictures: Option<PathBuf>,
    /// Folder for the results, made where missing
    #[arg(long, value_name = "DIR", required_unless_present_any = ["help_settings", "print_settings"])]
    out: Option<PathBuf>,
    /// The network (safetensors) [default: the built-in one]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Only labels
    #[arg(long, conflicts_with = "probabilities")]
    labels: bool,
    /// Only probabilities
    #[arg(long)]
    probabilities: bool,
    /// mrc, or zarr: OME-Zarr with coarser copies [default: mrc]
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// Also labels as labels/NAME within the tomogram's own OME-Zarr folder
    #[arg(long, value_name = "NAME", conflicts_with = "probabilities")]
    labels_image: Option<String>,
    /// Also write labels and molecules into a copick project (folder or JSON)
    #[arg(long, value_name = "PROJECT", conflicts_with = "probabilities")]
    copick: Option<PathBuf>,
    /// Least probability of a label [default: of the largest expected Dice]
    #[arg(long, value_name = "P", value_parser = number)]
    threshold: Option<f64>,
    /// Average the mirrors of every window (8 times the time)
    #[arg(long)]
    mirrors: bool,
    /// Part of the tomogram, such as 40:60,:,100:400
    #[arg(long, value_name = "Z,Y,X", value_parser = region)]
    region: Option<Region>,
    /// Pick molecules: auto, objects, peaks or mean_pooling
    #[arg(long, value_name = "METHOD")]
    picks: Option<String>,
    /// csv, star, tbl, mod, coords, json or eman2 [default: csv,star]
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires = "picks")]
    formats: Vec<String>,
    /// Diameter of the molecules: what is larger is several
    #[arg(long, value_name = "X", value_parser = number, requires = "picks")]
    diameter_nm: Option<f64>,
    /// No picks where this volume is not 0 (carbon); a folder: its <stem>.mrc
    #[arg(long, value_name = "PATH", requires = "picks")]
    exclude: Option<PathBuf>,
    /// Also masks of membranes, gaps closed, and numbered membranes
    #[arg(long)]
    membranes: bool,
    /// What slices and tiles may take, such as 800M [default: 1G]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    memory: Option<u64>,
    /// This is process R of the --size N that share each tomogram
    #[arg(long, value_name = "R", requires = "size", hide = true)]
    rank: Option<u64>,
    /// Processes that share each tomogram
    #[arg(long, value_name = "N", conflicts_with = "again", hide = true)]
    size: Option<u64>,
    /// Also tomograms whose results are there already
    #[arg(long)]
    again: bool,
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

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Some(settings) = arguments.settings.resolve::<PredictOptions>(given(arguments)?)? else {
        return Ok(());
    };
    let Some(out) = &arguments.out else {
        return Ok(());
    };
    let engine = Engine::start(&arguments.engine)?;
    let model = match &arguments.model {
        Some(path) => engine.compute(|| SegmentationModel::open(path, engine.device)),
        None => engine.compute(|| SegmentationModel::builtin(engine.device)),
    }
    .or_exit(Exit::BadInput)?;
    let prediction = Prediction {
        arguments,
        settings,
        engine,
        model,
        out,
    };
    match &arguments.pictures {
        Some(list) => prediction.of_pictures(list),
        None => prediction.of_tomograms(),
    }
}

fn given(arguments: &Arguments) -> Result<Given, Failure> {
    let mut given = arguments.settings.given()?;
    let mut outputs: Vec<&str> = match (arguments.labels, arguments.probabilities) {
        (true, false) => vec!["labels"],
        (false, true) => vec!["probabilities"],
        _ => vec!["probabilities", "labels"],
    };
    let several = arguments.mirrors || given.is("mirrors", &json!(true)) || given.number("samples") > 1.0;
    if several && outputs.contains(&"probabilities") {
        outputs.push("deviations");
    }
    if !given.has("outputs") || arguments.labels || arguments.probabilities {
        given.option("--labels or --probabilities", "outputs", Some(json!(outputs)))?;
    }
    given.option("--format", "format", arguments.format.clone())?;
    given.option("--labels-image", "labels_image", arguments.labels_image.clone())?;
    let copick = arguments.copick.as_ref().map(|path| path.display().to_string());
    given.option("--copick", "copick", copick)?;
    given.option("--threshold", "threshold", arguments.threshold)?;
    given.flag("--mirrors", "mirrors", arguments.mirrors)?;
    given.option("--memory", "memory", arguments.memory)?;
    given.option("--rank", "rank", arguments.rank)?;
    given.option("--size", "size", arguments.size)?;
    arguments.sampling.give(&mut given)?;
    if let Some(method) = &arguments.picks {
        given.group("picking");
        given.option("--picks", "picking.method", (method != "auto").then(|| method.clone()))?;
    }
    let formats = (!arguments.formats.is_empty()).then(|| arguments.formats.clone());
    given.option("--formats", "picking.formats", formats)?;
    given.option("--diameter-nm", "picking.diameter_nm", arguments.diameter_nm)?;
    if arguments.membranes {
        given.group("membranes");
    }
    Ok(given)
}

struct Prediction<'a> {
    arguments: &'a Arguments,
    settings: PredictOptions,
    engine: Engine,
    model: SegmentationModel,
    out: &'a Path,
}

/// What became of a tomogram.
enum Outcome {
    ThereAlready(Vec<PathBuf>),
    Predicted(Box<PredictReport>),
}

impl Prediction<'_> {
    fn of_pictures(&self, list: &Path) -> Result<(), Failure> {
        let images = files::pictures(list)?;
        let job = self.engine.job();
        let report = self
            .engine
            .compute(|| predict_pictures(&self.model, &images, self.out, &self.settings, &job))
            .or_exit_of_work()?;
        let stability = report.stability;
        if self.arguments.json {
            let mut answer = json!({
                "pictures": images.len(),
                "files": report.files.len(),
                "seconds_per_picture": report.seconds_per_picture,
                "settings": settings_value(&report.settings),
            });
            if let Some(s) = stability {
                answer["stability"] = serde_json::to_value(s).unwrap_or_default();
            }
            return print_json(&answer);
        }
        if self.arguments.engine.quiet {
            return Ok(());
        }
        let mut text = format!("{} pictures, {:.2} s each\n", images.len(), report.seconds_per_picture);
        if let Some(s) = stability {
            let scales = s
                .ms_ssim
                .map_or(String::new(), |scales| format!(", MS-SSIM {scales:.3}"));
            let lpips = s
                .lpips
                .map_or(String::new(), |distance| format!(", LPIPS {distance:.3}"));
            text += &format!(
                "first sample against the others: Dice {:.3}, IoU {:.3}, PSNR {:.1} dB, SSIM {:.3}{scales}{lpips}\n",
                s.dice, s.iou, s.psnr, s.ssim
            );
        }
        print(&text)
    }

    fn of_tomograms(&self) -> Result<(), Failure> {
        let tomograms = files::all_tomograms(&self.arguments.inputs)?;
        let paths = &tomograms.paths;
        if !self.arguments.engine.quiet {
            tomograms.told().iter().for_each(|line| self.engine.display.line(line));
        }
        make_folder(self.out)?;
        let mut answers = Vec::new();
        let mut failures = Vec::new();
        for path in paths {
            let outcome = self.take(path).map_err(|failure| failure.of_file(path));
            answers.push(answer(path, &outcome));
            match outcome {
                Ok(outcome) if !self.arguments.json && !self.arguments.engine.quiet => {
                    print(&format!("{}: {}\n", readable(path), word(&outcome)))?;
                }
                Ok(_) => {}
                Err(failure) => {
                    let is_last = failure.exit == Exit::Cancelled;
                    if paths.len() > 1 {
                        eprintln!("tomocut predict: {}", failure.text);
                    }
                    failures.push(failure);
                    if is_last {
                        break;
                    }
                }
            }
        }
        if self.arguments.json {
            let model = self
                .arguments
                .model
                .as_ref()
                .map_or("built-in".into(), |path| path.display().to_string());
            print_json(&json!({
                "model": model,
                "settings": settings_value(&self.settings),
                "tomograms": answers,
                "left_out": files::left_out(&tomograms),
            }))?;
        }
        let n_failed = failures.len();
        match failures.pop() {
            None => Ok(()),
            Some(failure) if paths.len() == 1 => Err(failure),
            Some(failure) if failure.exit == Exit::Cancelled => Err(Failure::new(Exit::Cancelled, "")),
            Some(_) => {
                let text = format!("{n_failed} of {} tomograms failed", paths.len());
                Err(Failure::new(Exit::Failed, text))
            }
        }
    }

    /// Predicts one tomogram, unless its results are there.
    fn take(&self, path: &Path) -> Result<Outcome, Failure> {
        let tomogram = self.engine.tomogram(path, self.settings.voxel_nm)?;
        let excluded = self.excluded(tomogram.name())?;
        let inputs = Inputs {
            model: &self.model,
            tomogram: &tomogram,
            excluded: excluded.as_ref(),
        };
        let settings = self.with_region(tomogram.geometry().shape);
        let job = self.engine.job();
        let work = || {
            if !self.arguments.again {
                if let Some(files) = finished_files(&inputs, self.out, &settings, &self.engine.silent_job())? {
                    return Ok(Outcome::ThereAlready(files));
                }
                check_other_source(path, tomogram.name(), self.out)?;
            }
            let report = predict_inputs(&inputs, self.out, &settings, &job)?;
            Ok(Outcome::Predicted(Box::new(report)))
        };
        let done = self.engine.compute(work);
        done.map_err(|error| Failure::of(&error, exit_of_work(&error)))
    }

    fn with_region(&self, shape: [usize; 3]) -> PredictOptions {
        let mut settings = self.settings.clone();
        if let Some(Region(axes)) = &self.arguments.region {
            settings.region_first = Some(axes.map(|(first, _)| first));
            settings.region_end = Some(std::array::from_fn(|axis| axes[axis].1.unwrap_or(shape[axis])));
        }
        settings
    }

    /// The volume of --exclude; None where its folder has nothing for this tomogram.
    fn excluded(&self, stem: &str) -> Result<Option<Tomogram>, Failure> {
        let Some(path) = &self.arguments.exclude else {
            return Ok(None);
        };
        if files::is_tomogram_itself(path) {
            return self.engine.tomogram(path, None).map(Some);
        }
        match files::named(path, stem)?.as_slice() {
            [] => Ok(None),
            [file] => self.engine.tomogram(file, None).map(Some),
            [first, second, ..] => Err(Failure::new(
                Exit::BadInput,
                format!(
                    "--exclude: {} and {} are both named {stem}",
                    readable(first),
                    readable(second)
                ),
            )),
        }
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::ThereAlready(_) => "there already",
        Outcome::Predicted(report) if report.finished => "done",
        Outcome::Predicted(_) => "part done",
    }
}

/// One tomogram's member of the JSON answer.
fn answer(path: &Path, outcome: &Result<Outcome, Failure>) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("input", json!(readable(path)));
    let files = match outcome {
        Err(failure) => {
            put("outcome", json!("failed"));
            put("error", json!(failure.text));
            Vec::new()
        }
        Ok(outcome) => {
            put("outcome", json!(word(outcome)));
            match outcome {
                Outcome::ThereAlready(files) => files.clone(),
                Outcome::Predicted(report) => {
                    put("finished", json!(report.finished));
                    put("tiles", json!(report.tiles));
                    put("computed", json!(report.computed));
                    put("resumed", json!(report.resumed));
                    put("core", json!(report.core));
                    put("voxels_per_second", json!(report.voxels_per_second));
                    put("threshold", json!(report.threshold));
                    put("picks", json!(report.n_picks));
                    put("membranes", json!(report.n_membranes));
                    report.files.clone()
                }
            }
        }
    };
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    put("files", json!(names));
    Value::Object(members)
}

fn settings_value(settings: &PredictOptions) -> Value {
    serde_json::to_value(settings).unwrap_or_default()
}
