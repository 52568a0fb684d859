//! How much structure the attention of a model sees: the table of models/README.md.
//!
//! Tiles of 128 x 128 voxels of a tomogram with truth go through each model once or more; every map is scored by its
//! area under the ROC curve (AUC) for "more than half of the 2 x 2 cell is foreground". Exit codes: 0 done, 1 failed, 2
//! wrong arguments.
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::*;
use ndarray::{s, Array2, Array3};
use tch::Tensor;
use tomocut::diffusion::{depth_to_space, DiffusionModel, LatentDraw, LoadOptions};
use tomocut::image::gaussian_f32;
use tomocut::metrics::auc;
use tomocut::runtime::{Generator, Job};
use tomocut::spectral::{AttentionLayer, AttentionSet, EigenSolver, FixedAttention, Krylov};
use tomocut::volume::{grey_scale, Tomogram};
use tomocut::{Error, Result};

const USAGE: &str = "usage: tomocut-measure-attention --tomogram FILE --truth-labels FILE [--snr X] [--tomogram ...]
       --model FILE [--model FILE ...] [--z A,B,...] [--draws N] [--layers A,B,...] [--offset T]
       [--vectors N] [--bright]
Prints, for the best of four blurs (the floor) and for each model, the mean AUC of the structure maps, of the one-step
denoised image, of the best single eigenvector (chosen with the truth), of the second one, which nobody chose, and of
the third and fourth.
  --tomogram    may be repeated: labels and signal-to-noise ratio that follow are of this one
  --snr X       signal-to-noise ratio (default: estimated by each model)
  --z A,B       slices (default: a third and two thirds of the depth)
  --draws N     passes at t, t - 60, t + 60, ... whose attention is summed (default: 1)
  --layers A,B  self-attention layers (default: all)
  --offset T    added to the timestep of the signal-to-noise ratio (default: 0)
  --vectors N   eigenvectors (default: 12)
  --bright      structures are brighter than their surroundings";

/// Side of a tile in voxels.
const TILE: usize = 128;
/// Standard deviations of the floor's blurs, voxels.
const BLURS: [f64; 4] = [1.0, 1.5, 2.0, 3.0];
/// Distance of the draws' timesteps (matched-noise recipe).
const SPREAD: i64 = 60;

/// A tomogram with truth.
#[derive(Default)]
struct Volume {
    tomogram: PathBuf,
    truth: Option<PathBuf>,
    snr: Option<f64>,
}

#[derive(Default)]
struct Arguments {
    volumes: Vec<Volume>,
    models: Vec<PathBuf>,
    z: Vec<usize>,
    draws: usize,
    layers: Vec<usize>,
    offset: i64,
    vectors: usize,
    bright: bool,
}

fn arguments() -> std::result::Result<Option<Arguments>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut a = Arguments {
        draws: 1,
        vectors: 12,
        ..Arguments::default()
    };
    let list = |text: String| -> std::result::Result<Vec<usize>, lexopt::Error> {
        text.split(',')
            .map(|n| {
                n.trim()
                    .parse()
                    .map_err(|_| lexopt::Error::from(format!("{n:?} is no number")))
            })
            .collect()
    };
    let first = "must follow a --tomogram";
    while let Some(argument) = parser.next()? {
        match argument {
            Long("tomogram") => a.volumes.push(Volume {
                tomogram: parser.value()?.into(),
                ..Volume::default()
            }),
            Long("truth-labels") => a.volumes.last_mut().ok_or(first)?.truth = Some(parser.value()?.into()),
            Long("model") => a.models.push(parser.value()?.into()),
            Long("snr") => a.volumes.last_mut().ok_or(first)?.snr = Some(parser.value()?.parse()?),
            Long("z") => a.z = list(parser.value()?.string()?)?,
            Long("layers") => a.layers = list(parser.value()?.string()?)?,
            Long("draws") => a.draws = parser.value()?.parse::<usize>()?.max(1),
            Long("offset") => a.offset = parser.value()?.parse()?,
            Long("vectors") => a.vectors = parser.value()?.parse()?,
            Long("bright") => a.bright = true,
            Long("help") | Short('h') => {
                return Ok(None);
            }
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(Some(a))
}

/// Means over the tiles.
#[derive(Default)]
struct Scores {
    structures: f64,
    denoised: f64,
    best: f64,
    /// Of the second, third and fourth eigenvector.
    single: [f64; 3],
    snr: f64,
}

/// One tile: what the model sees (slices, rows, columns), and the truth of its cells.
struct Tile {
    seen: Array3<f32>,
    truth: Vec<bool>,
}

/// Mean of every 2 x 2 cell, row by row.
fn cells(map: &Array2<f32>) -> Vec<f32> {
    let (rows, cols) = (map.nrows() / 2, map.ncols() / 2);
    let mean = |i: usize| {
        let (row, col) = (2 * (i / cols), 2 * (i % cols));
        map.slice(s![row..row + 2, col..col + 2]).sum() / 4.0
    };
    (0..rows * cols).map(mean).collect()
}

fn image(tensor: &Tensor) -> Result<Array2<f32>> {
    let (rows, cols) = tensor.size2()?;
    let values = Vec::<f32>::try_from(&tensor.f_contiguous()?.f_view([-1])?)?;
    Array2::from_shape_vec((rows as usize, cols as usize), values).map_err(|e| Error::Internal(e.to_string()))
}

/// Tiles of slice `z` in the four corners, with `before` and `after` slices of context.
fn tiles(a: &Arguments, tomogram: &Tomogram, truth: &Tomogram, z: usize, context: [usize; 2]) -> Result<Vec<Tile>> {
    let [depth, rows, cols] = tomogram.geometry().shape;
    let [before, after] = context;
    let read = z.saturating_sub(before)..(z + after + 1).min(depth);
    let slices = tomogram.read_slices(read.clone())?;
    let labels = truth.read_slices(z..z + 1)?;
    let (mean, deviation) = grey_scale(slices.view())?;
    let sign = if a.bright { -1.0 } else { 1.0 };
    let mut corners = vec![(0, 0), (0, cols - TILE), (rows - TILE, 0), (rows - TILE, cols - TILE)];
    corners.dedup();
    Ok(corners
        .into_iter()
        .map(|(y, x)| {
            let mut seen = Array3::zeros((before + after + 1, TILE, TILE));
            for k in read.clone() {
                let part = slices.slice(s![k - read.start, y..y + TILE, x..x + TILE]);
                seen.slice_mut(s![k + before - z, .., ..])
                    .assign(&part.mapv(|v| (sign * (v - mean) / deviation).clamp(-6.0, 6.0)));
            }
            let inside = labels
                .slice(s![0, y..y + TILE, x..x + TILE])
                .mapv(|v| f32::from(u8::from(v > 0.5)));
            Tile {
                seen,
                truth: cells(&inside).iter().map(|share| *share > 0.5).collect(),
            }
        })
        .filter(|tile| tile.truth.iter().any(|t| *t) && tile.truth.iter().any(|t| !*t))
        .collect())
}

fn measure(a: &Arguments, snr: Option<f64>, model: &DiffusionModel, tile: &Tile, scores: &mut Scores) -> Result<()> {
    let job = Job::quiet();
    let (slices, rows, cols) = tile.seen.dim();
    let values: Vec<f32> = tile.seen.iter().copied().collect();
    let input = Tensor::f_from_slice(&values)?.f_view([1, slices as i64, rows as i64, cols as i64])?;
    let latent = model.encode(&input, LatentDraw::Mean, &mut Generator::new(0, 0), &job)?;
    let snr = match snr {
        Some(snr) => snr,
        None => model.estimate_snr(std::slice::from_ref(&latent), &job)?,
    };
    scores.snr += snr;
    let middle = model.schedule().timestep_for_snr(snr) + a.offset;
    let layers = if a.layers.is_empty() {
        (0..model.config().unet.attention_layers()).collect()
    } else {
        a.layers.clone()
    };
    let mut attention = Vec::new();
    for draw in 0..a.draws as i64 {
        let side = if draw % 2 == 1 { -1 } else { 1 };
        let t = (middle + side * SPREAD * ((draw + 1) / 2)).clamp(0, 999);
        let pass = model.extract(&latent, t, None, &layers, &job)?;
        if draw == 0 {
            let clean = depth_to_space(&pass.clean, 2)?.f_get(0)?.f_get(0)?;
            scores.denoised += auc(&cells(&image(&clean.f_neg()?)?), &tile.truth)?;
            if let Some(maps) = &pass.structures {
                // Membrane, molecule and filament exclude each other: their likelihoods add up.
                let sum = maps
                    .f_narrow(0, 0, 3)?
                    .f_sum_dim_intlist([0i64].as_slice(), false, None)?;
                scores.structures += auc(&cells(&image(&sum.f_get(0)?)?), &tile.truth)?;
            }
        }
        for tap in pass.taps {
            let (_, _, width) = tap.query.size3()?;
            attention.push(AttentionLayer {
                query: tap.query,
                key: tap.key,
                grid: tap.grid,
                scale: 1.0 / (width as f64).sqrt(),
            });
        }
    }
    let solver = Krylov {
        n_vectors: a.vectors,
        ..Krylov::default()
    };
    let grid = (rows / 2, cols / 2);
    let eigenvectors = solver.solve(&mut FixedAttention(AttentionSet { layers: attention }), grid, &job)?;
    let mut best = 0f64;
    for c in 0..a.vectors {
        let map = Vec::<f32>::try_from(&eigenvectors.vectors.f_get(c as i64)?.f_contiguous()?.f_view([-1])?)?;
        let area = auc(&map, &tile.truth)?;
        let area = area.max(1.0 - area);
        best = best.max(area);
        if let Some(score) = c.checked_sub(1).and_then(|place| scores.single.get_mut(place)) {
            *score += area;
        }
    }
    scores.best += best;
    Ok(())
}

/// The rows of one tomogram.
fn rows(a: &Arguments, volume: &Volume, models: &[DiffusionModel]) -> Result<()> {
    let job = Job::quiet();
    let path = &volume.tomogram;
    let missing = || Error::argument("--truth-labels", "missing", "must be given for each tomogram");
    let tomogram = Tomogram::open(path, &job)?;
    let truth = Tomogram::open(volume.truth.as_deref().ok_or_else(missing)?, &job)?;
    let [depth, rows, cols] = tomogram.geometry().shape;
    if rows < TILE || cols < TILE {
        return Err(Error::argument(
            "slice",
            format!("{rows}x{cols}"),
            "must be at least 128x128",
        ));
    }
    let z = if a.z.is_empty() {
        vec![depth / 3, 2 * depth / 3]
    } else {
        a.z.clone()
    };
    let (mut floor, mut count) = (0.0, 0.0);
    for &z in &z {
        for tile in tiles(a, &tomogram, &truth, z, [0, 0])? {
            let slice = tile.seen.index_axis(ndarray::Axis(0), 0);
            let mut best = 0f64;
            for sigma in BLURS {
                let blurred = gaussian_f32(slice, sigma).mapv(|v| -v);
                best = best.max(auc(&cells(&blurred), &tile.truth)?);
            }
            floor += best;
            count += 1.0;
        }
    }
    let folder = path.parent().and_then(|folder| folder.file_name()).unwrap_or_default();
    let name = std::path::Path::new(folder).join(path.file_name().unwrap_or_default());
    let name = name.display();
    println!(
        "| {name} | best blur of one slice | - | - | {:.3} | - | - | - | - |",
        floor / count
    );
    for model in models {
        let cells = model.cells();
        let before = (cells.context * cells.slices) as usize;
        let after = cells.slices_seen() as usize - before - 1;
        let (mut scores, mut count) = (Scores::default(), 0.0);
        for &z in &z {
            for tile in tiles(a, &tomogram, &truth, z, [before, after])? {
                measure(a, volume.snr, model, &tile, &mut scores)?;
                count += 1.0;
            }
        }
        let [second, third, fourth] = scores.single.map(|sum| sum / count);
        println!(
            "| {name} | {} | {:.3} | {:.3} | {:.3} | {:.3} | {second:.3} | {third:.3} | {fourth:.3} |",
            model.config().name,
            scores.snr / count,
            scores.structures / count,
            scores.denoised / count,
            scores.best / count,
        );
    }
    Ok(())
}

fn run(a: &Arguments) -> Result<()> {
    let models = a
        .models
        .iter()
        .map(|path| DiffusionModel::open(path, &LoadOptions::default(), &Job::quiet()))
        .collect::<Result<Vec<_>>>()?;
    println!("| tomogram | model | SNR | structures | denoised | best vector | second | third | fourth |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for volume in &a.volumes {
        rows(a, volume, &models)?;
    }
    Ok(())
}

fn main() -> ExitCode {
    tomocut_lab::run("tomocut-measure-attention", USAGE, arguments, run)
}
