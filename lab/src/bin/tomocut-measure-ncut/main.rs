//! Every preset of `tomocut::ncut` on pictures and slices with truth: docs/measured/ncut.md and its contact sheet. Exit
//! codes: 0 done, 1 failed, 2 wrong arguments.
mod data_sets;
mod floor;
mod mat;
mod page;
mod scores;
mod sheet;

use std::collections::btree_map::{BTreeMap, Entry};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use lexopt::prelude::*;
use ndarray::{Array2, Axis};
use tomocut::diffusion::{DiffusionModel, LatentMode, LoadOptions};
use tomocut::ncut::{segment_image, segment_slices, ImageInput, NcutOptions, Preset};
use tomocut::runtime::Job;
use tomocut::{Error, Result};

use data_sets::{Pixels, Sample};
use scores::Row;

const USAGE: &str = "usage: tomocut-measure-ncut --data FOLDER [--model FILE] [--page FILE] [--sheet FILE]
Runs every preset on pictures and slices with truth and prints a table for each data set.
  --data FOLDER  folder of development data
  --model FILE   a model (default: the built-in one)
  --page FILE    write the tables there as a page, in Markdown
  --sheet FILE   write the contact sheet there, as PNG";

struct Arguments {
    data: PathBuf,
    model: Option<PathBuf>,
    page: Option<PathBuf>,
    sheet: Option<PathBuf>,
}

/// The arguments; None where help was asked for.
fn arguments() -> std::result::Result<Option<Arguments>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let (mut data, mut model, mut page, mut sheet) = (None, None, None, None);
    while let Some(argument) = parser.next()? {
        let target = match argument {
            Long("data") => &mut data,
            Long("model") => &mut model,
            Long("page") => &mut page,
            Long("sheet") => &mut sheet,
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(argument.unexpected()),
        };
        *target = Some(PathBuf::from(parser.value()?));
    }
    let data = data.ok_or_else(|| lexopt::Error::from("--data is missing"))?;
    Ok(Some(Arguments {
        data,
        model,
        page,
        sheet,
    }))
}

/// One data set, measured.
pub struct Measured {
    pub name: &'static str,
    pub note: &'static str,
    pub images: usize,
    /// By preset, then the floors without a preset.
    pub rows: Vec<(String, Row)>,
}

fn segment(model: &DiffusionModel, sample: &Sample, preset: Preset) -> Result<(Array2<u32>, f64)> {
    let options = NcutOptions::new(preset);
    let job = Job::quiet();
    let start = Instant::now();
    let labels = match &sample.pixels {
        Pixels::Picture(picture) => {
            let image = ImageInput::new(picture.pixels.view(), picture.range)?;
            segment_image(model, image, &options, &job)?.labels
        }
        Pixels::Slice { tomogram, z } => segment_slices(model, tomogram, *z..*z + 1, &options, &job)?.labels,
    };
    Ok((labels.index_axis_move(Axis(0), 0), start.elapsed().as_secs_f64()))
}

/// The presets worth measuring: with the built-in model the clean run of walk-and-cut is walk-and-cut itself, and
/// EmerDiff's denoising is refused.
fn presets_of(model: &DiffusionModel) -> Vec<(&'static str, Preset)> {
    let matched = model.config().latent_mode == LatentMode::Matched;
    let differs = |preset: Preset| !matched || !matches!(preset, Preset::WalkAndCutClean | Preset::EmerDiff);
    Preset::ALL.into_iter().filter(|(_, preset)| differs(*preset)).collect()
}

/// Every preset on every sample of a set, with the floor of the same number of segments; strips of the sheet.
fn measure(model: &DiffusionModel, set: &data_sets::DataSet, strips: &mut Vec<sheet::Strip>) -> Result<Measured> {
    let presets = presets_of(model);
    let mut rows: Vec<(String, Row)> = presets
        .iter()
        .map(|(name, _)| ((*name).to_owned(), Row::default()))
        .collect();
    let (mut one, mut grid) = (Row::default(), Row::default());
    for (index, sample) in set.samples.iter().enumerate() {
        let mut floors: BTreeMap<usize, Array2<u32>> = BTreeMap::new();
        let mut shown = Vec::new();
        for ((name, preset), (_, row)) in presets.iter().zip(&mut rows) {
            eprintln!("{}: {}, {name}", set.name, sample.name);
            let (labels, seconds) = segment(model, sample, *preset)?;
            let count = scores::shown_segments(&labels);
            let floor = match floors.entry(count) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => place.insert(floor::clusters(sample, count)?),
            };
            row.add(sample, &labels, Some(floor), seconds)?;
            shown.push(labels);
        }
        let shape = sample.shape();
        one.add(sample, &Array2::zeros(shape), None, 0.0)?;
        grid.add(sample, &floor::cells(shape), None, 0.0)?;
        if index < set.shown {
            strips.push(sheet::Strip::new(sample, shown));
        }
    }
    rows.push(("one segment".to_owned(), one));
    rows.push(("a grid of 2 x 4 cells".to_owned(), grid));
    Ok(Measured {
        name: set.name,
        note: set.note,
        images: set.samples.len(),
        rows,
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|e| Error::io("writing", path, e))
}

fn run(a: &Arguments) -> Result<()> {
    let load = LoadOptions::default();
    let job = Job::quiet();
    let model = match &a.model {
        Some(path) => DiffusionModel::open(path, &load, &job)?,
        None => DiffusionModel::builtin(&load)?,
    };
    let sets = data_sets::read(&a.data)?;
    // The first pass pays for the start of the threads.
    if let Some(sample) = sets.iter().find_map(|set| set.samples.first()) {
        segment(&model, sample, Preset::DiffCut)?;
    }
    let (mut measured, mut strips) = (Vec::new(), Vec::new());
    for set in &sets {
        measured.push(measure(&model, set, &mut strips)?);
    }
    let tables = page::tables(&measured);
    println!("{tables}");
    if let Some(path) = &a.page {
        write(path, page::page(&tables).as_bytes())?;
    }
    if let Some(path) = &a.sheet {
        write(path, &sheet::draw(&strips).png()?)?;
    }
    Ok(())
}

fn main() -> ExitCode {
    tomocut_lab::run("tomocut-measure-ncut", USAGE, arguments, run)
}
