//! A network of slices over pictures: masks, probabilities and, of a network that draws, how much its answers differ.
use std::path::{Path, PathBuf};
use std::time::Instant;

use ndarray::{Array2, ArrayView2};
use serde::Serialize;
use tch::{Kind, Tensor};

use super::lpips::Lpips;
use super::options::{Output, PredictOptions};
use super::stability::{stability, Stability};
use crate::image::{grey_png, PictureFile};
use crate::networks::{Activation, Reach, Sampling, SegmentationModel};
use crate::runtime::{write_whole, Error, Job, MemoryReuse, Result, Stage};
use crate::settings::Settings;
use crate::volume::BACKGROUND;

/// What a network says of a picture, of its own rows and columns.
pub struct PictureAnswer {
    /// Probabilities of each output, 0..=1: means over the samples.
    pub mean: Vec<Array2<f32>>,
    /// Their standard deviations over the samples, where there are several.
    pub deviation: Option<Vec<Array2<f32>>>,
    /// How much the samples of the last output differ, where there are several.
    pub stability: Option<Stability>,
}

/// What [`predict_pictures`] did.
#[derive(Clone, Debug, Serialize)]
pub struct PicturesReport {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Mean over the pictures of what their samples' stability is; none where one sample was asked for.
    pub stability: Option<Stability>,
    /// Seconds of the network for each picture.
    pub seconds_per_picture: f64,
    /// The settings.
    pub settings: PredictOptions,
}

/// Side of the pictures that `model` sees. Errors: [`Error::Unsupported`] for a network that is not one of slices.
pub fn picture_side(model: &SegmentationModel) -> Result<usize> {
    match (model.network().dimensions(), model.network().reach()) {
        (2, Reach::Window { side, .. } | Reach::Slice(side)) => Ok(side.max(1) as usize),
        _ => Err(Error::Unsupported(
            "pictures are for networks of slices with a window of their own".into(),
        )),
    }
}

/// What `model` says of `picture`, which is resized to its window, as its training resizes them, and the answer back.
/// Of `options` the sampling counts. `name` names the picture in errors.
///
/// Errors: [`Error::Unsupported`] for a network that is not one of slices; those of
/// [`crate::networks::ModelDescription::picture_input`]; cancel.
pub fn predict_picture(
    model: &SegmentationModel,
    (name, picture): (&str, &PictureFile),
    options: &PredictOptions,
    job: &Job,
) -> Result<PictureAnswer> {
    let _guard = tch::no_grad_guard();
    let _kept = MemoryReuse::start();
    let (network, side) = (model.network(), picture_side(model)?);
    options.sampling().validate(network.draws())?;
    let input = model.description().picture_input(name, picture, (side, side))?;
    let input = input.f_unsqueeze(0)?.f_to_device(model.device())?;
    let lpips = match (&options.lpips, options.samples) {
        (Some(path), 2..) => Some(Lpips::open(path)?),
        _ => None,
    };
    let (_, rows, cols) = picture.pixels.dim();
    let (mut sum, mut squares): (Option<Tensor>, Option<Tensor>) = (None, None);
    let mut answers = Vec::new();
    let samples = options.samples;
    for sample in 0..samples {
        // One by one, so that they can be compared.
        let one = Sampling {
            samples: 1,
            seed: options.seed.wrapping_add(u64::from(sample)),
            ..options.sampling()
        };
        let drawn = network
            .sample(&input, [(0, 0); 3], &one, job)?
            .mean
            .f_to_kind(Kind::Float)?;
        let drawn = drawn
            .f_upsample_bilinear2d([rows as i64, cols as i64], false, None, None)?
            .f_squeeze_dim(0)?;
        let drawn = drawn.f_to_device(tch::Device::Cpu)?;
        if !bool::try_from(drawn.f_isfinite()?.f_all()?)? {
            return Err(Error::format(
                name,
                "has probabilities that are not finite: the model's weights are damaged",
            ));
        }
        if samples > 1 {
            answers.extend(planes(&drawn, (rows, cols))?.pop());
            squares = Some(added(squares, drawn.f_square()?)?);
        }
        sum = Some(added(sum, drawn)?);
    }
    let count = f64::from(samples.max(1));
    let mean = sum
        .ok_or_else(|| Error::argument("samples", 0, "must be 1..=1000"))?
        .f_div_scalar(count)?;
    let deviation = match squares {
        Some(squares) => {
            let variance = squares.f_div_scalar(count)?.f_sub(&mean.f_square()?)?;
            Some(planes(&variance.f_clamp_min(0.0)?.f_sqrt()?, (rows, cols))?)
        }
        None => None,
    };
    Ok(PictureAnswer {
        mean: planes(&mean, (rows, cols))?,
        deviation,
        stability: stability(&answers, lpips.as_ref())?,
    })
}

/// Where the probabilities of `answer` say that output `index` is: above `threshold` or, of classes that exclude each
/// other, above all others.
pub fn picture_mask(model: &SegmentationModel, answer: &PictureAnswer, index: usize, threshold: f32) -> Array2<bool> {
    let own = &answer.mean[index];
    let excludes = model.network().activation() == Activation::Softmax;
    Array2::from_shape_fn(own.dim(), |at| {
        let most = || {
            answer
                .mean
                .iter()
                .enumerate()
                .all(|(n, other)| n == index || other[at] < own[at])
        };
        own[at] > threshold || (excludes && most())
    })
}

/// Predicts pictures and writes, for each output of the network but "background", `FOLDER/NAME_OUTPUT.png` (0 and 255),
/// and as the options' outputs say `NAME_OUTPUT_probability.png` and `NAME_OUTPUT_std.png` (0 to 255 for 0 to 1).
///
/// Errors: as [`predict_picture`]; no pictures; two of one name; the operating system's.
pub fn predict_pictures(
    model: &SegmentationModel,
    images: &[PathBuf],
    folder: &Path,
    options: &PredictOptions,
    job: &Job,
) -> Result<PicturesReport> {
    options.validate()?;
    if images.is_empty() {
        return Err(Error::argument("number of images", 0, "must be at least 1"));
    }
    let mut names: Vec<String> = Vec::with_capacity(images.len());
    for path in images {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if names.contains(&stem) {
            let allowed = "must be another: two pictures of one name would be written to one file";
            return Err(Error::argument("image", path.display(), allowed));
        }
        names.push(stem);
    }
    std::fs::create_dir_all(folder).map_err(|e| Error::io("creating", folder, e))?;
    let outputs = model.network().outputs();
    let threshold = options.threshold.unwrap_or(0.5) as f32;
    let (mut files, mut compared, mut seconds) = (Vec::new(), Vec::new(), 0.0);
    for (count, (path, name)) in images.iter().zip(&names).enumerate() {
        job.enter(Stage::Read)?;
        let picture = PictureFile::read(path)?;
        job.enter(Stage::Predict)?;
        let began = Instant::now();
        let answer = predict_picture(model, (&path.display().to_string(), &picture), options, job)?;
        seconds += began.elapsed().as_secs_f64();
        job.enter(Stage::Write)?;
        compared.extend(answer.stability);
        let mut put = |ending: &str, bytes: Array2<u8>| -> Result<()> {
            let path = folder.join(format!("{name}_{ending}.png"));
            let png = grey_png(bytes.view())?;
            write_whole(&path, &png)?;
            files.push(path);
            Ok(())
        };
        for (index, output) in outputs.iter().enumerate().filter(|(_, output)| *output != BACKGROUND) {
            let mask = picture_mask(model, &answer, index, threshold);
            put(output, mask.mapv(|inside| if inside { 255 } else { 0 }))?;
            if options.outputs.contains(&Output::Probabilities) {
                put(&format!("{output}_probability"), bytes(answer.mean[index].view()))?;
            }
            if let (true, Some(deviation)) = (options.outputs.contains(&Output::Deviations), &answer.deviation) {
                put(&format!("{output}_std"), bytes(deviation[index].view()))?;
            }
        }
        job.advance((count + 1) as f64 / images.len() as f64)?;
    }
    Ok(PicturesReport {
        files,
        stability: Stability::mean(&compared),
        seconds_per_picture: seconds / images.len() as f64,
        settings: options.clone(),
    })
}

fn added(sum: Option<Tensor>, term: Tensor) -> Result<Tensor> {
    match sum {
        Some(sum) => Ok(sum.f_add(&term)?),
        None => Ok(term),
    }
}

/// The planes of [C, rows, columns].
fn planes(maps: &Tensor, (rows, cols): (usize, usize)) -> Result<Vec<Array2<f32>>> {
    (0..maps.size()[0])
        .map(|channel| {
            let values: Vec<f32> = Vec::try_from(&maps.f_get(channel)?.f_contiguous()?.f_view([-1])?)?;
            Array2::from_shape_vec((rows, cols), values).map_err(|e| Error::Internal(format!("a map's shape: {e}")))
        })
        .collect()
}

/// 0..=1 as 0..=255.
fn bytes(map: ArrayView2<f32>) -> Array2<u8> {
    map.mapv(|p| (255.0 * p.clamp(0.0, 1.0)).round() as u8)
}
