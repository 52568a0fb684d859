//! Random phantoms beside slices of tomograms: looked at before any training. Exit codes: 0 done, 1 failed, 2 wrong
//! arguments.
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::*;
use ndarray::{s, Array2, ArrayView2};
use tomocut::image::{grey_panel, resize_nearest, Picture};
use tomocut::phantom::{simulate, PhantomOptions};
use tomocut::runtime::{Generator, Job};
use tomocut::volume::Tomogram;
use tomocut::Result;

const USAGE: &str = "usage: tomocut-contact-sheet --out FILE.png [--phantoms N] [--seed N] [--side VOXELS]
       [TOMOGRAM ...]
Draws N random phantoms (24), each its middle slice beside its labels, then the middle slices of the tomograms;
prints what each phantom is.";

/// Pixels of a panel's side, and white pixels between panels.
const PANEL: usize = 256;
const GAP: usize = 6;
/// Panels in a row.
const COLUMNS: usize = 8;
/// Slices of a phantom.
const DEPTH: usize = 48;
/// Colours of labels 1, 2 and 3: orange, sky blue, yellow.
const COLOURS: [[u8; 3]; 3] = [[255, 150, 20], [60, 190, 255], [240, 228, 66]];

struct Arguments {
    out: PathBuf,
    phantoms: u64,
    seed: u64,
    side: usize,
    tomograms: Vec<PathBuf>,
}

fn arguments() -> std::result::Result<Option<Arguments>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut out = None;
    let (mut phantoms, mut seed, mut side, mut tomograms) = (24, 1, 192, Vec::new());
    while let Some(argument) = parser.next()? {
        match argument {
            Long("out") => out = Some(parser.value()?.into()),
            Long("phantoms") => phantoms = parser.value()?.parse()?,
            Long("seed") => seed = parser.value()?.parse()?,
            Long("side") => side = parser.value()?.parse()?,
            Value(path) => tomograms.push(path.into()),
            Long("help") | Short('h') => {
                return Ok(None);
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(Arguments {
        out: out.ok_or("--out is missing")?,
        phantoms,
        seed,
        side,
        tomograms,
    }))
}

fn main() -> ExitCode {
    tomocut_lab::run("tomocut-contact-sheet", USAGE, arguments, sheet)
}

/// A panel: grey values, or labels.
enum Panel {
    Grey(Array2<u8>),
    Labels(Array2<u8>),
}

fn sheet(arguments: &Arguments) -> Result<()> {
    let job = Job::quiet();
    let mut gen = Generator::new(arguments.seed, 0);
    let mut panels = Vec::new();
    for index in 0..arguments.phantoms {
        let options = PhantomOptions {
            shape: [DEPTH, arguments.side, arguments.side],
            ..PhantomOptions::random(&mut gen)
        };
        let phantom = simulate(&options, &job)?;
        panels.push(grey(phantom.tomogram.slice(s![DEPTH / 2, .., ..])));
        let labels = phantom.labels.slice(s![DEPTH / 2, .., ..]);
        panels.push(Panel::Labels(resize_nearest(labels, (PANEL, PANEL))));
        println!(
            "{index}: {:.2} nm, SNR {:.2}, crowd {:.2}, {} membranes, {} objects, lamella {:.2}, {:?}",
            options.voxel_nm,
            options.snr,
            options.cell.crowd,
            options.membranes,
            phantom.instances.len(),
            options.lamella.thickness,
            options.processing
        );
    }
    for path in &arguments.tomograms {
        let tomogram = Tomogram::open(path, &job)?;
        let [depth, height, width] = tomogram.geometry().shape;
        let slice = tomogram.read_slices(depth / 2..depth / 2 + 1)?;
        let (rows, cols) = (height.min(arguments.side), width.min(arguments.side));
        let (top, left) = ((height - rows) / 2, (width - cols) / 2);
        panels.push(grey(slice.slice(s![0, top..top + rows, left..left + cols])));
    }
    let rows = panels.len().div_ceil(COLUMNS);
    let mut picture = Picture::white(rows * (PANEL + GAP), COLUMNS * (PANEL + GAP));
    for (index, panel) in panels.iter().enumerate() {
        let corner = (index / COLUMNS * (PANEL + GAP), index % COLUMNS * (PANEL + GAP));
        match panel {
            Panel::Grey(levels) => picture.paint_grey(corner, levels.view()),
            Panel::Labels(labels) => {
                for ((row, col), label) in labels.indexed_iter() {
                    let colour = usize::from(*label).checked_sub(1).and_then(|label| COLOURS.get(label));
                    let colour = colour.copied().unwrap_or([24; 3]);
                    picture.paint(corner.0 + row, corner.1 + col, colour, 1.0);
                }
            }
        }
    }
    std::fs::write(&arguments.out, picture.png()?).map_err(|error| tomocut::Error::io("writing", &arguments.out, error))
}

fn grey(slice: ArrayView2<f32>) -> Panel {
    Panel::Grey(grey_panel(slice, (PANEL, PANEL)))
}
