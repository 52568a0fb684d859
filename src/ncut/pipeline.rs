//! Image, slab or matrix in, segments out.
use std::ops::Range;

use ndarray::Axis;
use tch::Tensor;

use crate::diffusion::{DiffusionModel, LatentMode};
use crate::image::percentiles;
use crate::runtime::{Error, Job, Result, Stage};
use crate::settings::Settings;
use crate::tensors::from_array;
use crate::volume::Tomogram;

use super::assembly::{Assembly, Place};
use super::choices::Method;
use super::input::{working_shape, ImageInput, Slices};
use super::modulate::{check_model, modulate};
use super::options::{NcutOptions, BUILTIN_SEGMENTS};
use super::partition::divide;
use super::pass::{source_of, PassPlan};
use super::segmentation::{NcutReport, Segmentation};
use super::source::MatrixInput;

/// Share of a call that its passes take; labelling takes the rest.
const PASSES_SHARE: f64 = 0.95;

/// Segments `image` with the attention of `model`.
///
/// Errors: settings out of range or that do not go together, a constant image for a model of matched noise, cancel, out
/// of memory, device failures. Memory beyond the model's own need: about three N x N float32 matrices, N being the
/// tokens of the finest attention grid, and a few planes of the image.
pub fn segment_image(
    model: &DiffusionModel,
    image: ImageInput,
    options: &NcutOptions,
    job: &Job,
) -> Result<Segmentation> {
    let _guard = tch::no_grad_guard();
    options.validate()?;
    let options = &for_model(model, options)?;
    let shape = working_shape(
        model,
        image.shape(),
        options.working_tokens,
        options.square == Some(true),
    );
    let tensor = image.for_model(model, shape, options.bright)?;
    let plan = PassPlan::resolve(model, &tensor, options, job)?;
    job.set_span(0.0..PASSES_SHARE);
    let (source, grid) = source_of(model, &tensor, &plan, options, 0, job)?;
    let mut partition = divide(&source, grid, options, job)?;
    drop(source);
    if options.method == Method::Modulate {
        modulate(model, &tensor, &mut partition.main, options, 0, job)?;
    }
    let refined = match options.refinement() {
        Some(pamr) => Some(from_array(image.unit(pamr.working_shape(image.shape())).view())?),
        None => None,
    };
    let mut whole = Assembly::new(options, image.shape());
    let place = Place {
        grid,
        z: 0..1,
        images: vec![refined],
    };
    whole.add(&partition, place, job)?;
    let passes = Passes { model, plan, shape };
    whole.finish(report(job, options, Some(passes)))
}

/// Segments the slices `z` of `tomogram` with the attention of `model`, each with the neighbours that the model sees;
/// segments keep their numbers from slice to slice.
///
/// Errors: as [`segment_image`]; slices outside the tomogram or that are not finite.
pub fn segment_slices(
    model: &DiffusionModel,
    tomogram: &Tomogram,
    z: Range<usize>,
    options: &NcutOptions,
    job: &Job,
) -> Result<Segmentation> {
    let _guard = tch::no_grad_guard();
    options.validate()?;
    let options = &for_model(model, options)?;
    job.enter(Stage::Read)?;
    let [_, rows, cols] = tomogram.geometry().shape;
    let shape = working_shape(
        model,
        (rows, cols),
        options.working_tokens,
        options.square == Some(true),
    );
    let slices = Slices::read(model, tomogram, z, shape, options.bright)?;
    let cells = slices.cells();
    let middle = cells.get(cells.len() / 2).map_or(0, |cell| cell.start);
    let plan = PassPlan::resolve(model, &slices.for_model(middle)?, options, job)?;
    let (mut whole, pamr) = (Assembly::new(options, (rows, cols)), options.refinement());
    for (index, cell) in cells.iter().enumerate() {
        let share = PASSES_SHARE / cells.len() as f64;
        job.set_span(index as f64 * share..(index + 1) as f64 * share);
        let tensor = slices.for_model(cell.start)?;
        let (source, grid) = source_of(model, &tensor, &plan, options, cell.start as u64, job)?;
        let mut partition = divide(&source, grid, options, job)?;
        drop(source);
        if options.method == Method::Modulate {
            modulate(model, &tensor, &mut partition.main, options, cell.start as u64, job)?;
        }
        let mut images = Vec::new();
        for z in cell.clone() {
            images.push(match &pamr {
                Some(pamr) => Some(slice_tensor(tomogram, z, pamr.working_shape((rows, cols)))?),
                None => None,
            });
        }
        let place = Place {
            grid,
            z: cell.clone(),
            images,
        };
        whole.add(&partition, place, job)?;
        job.advance(1.0)?;
    }
    let passes = Passes { model, plan, shape };
    whole.finish(report(job, options, Some(passes)))
}

/// Segments a matrix of the host's own over a grid of (rows, columns) tokens. Labels come on the grid itself or,
/// where `shape` is given, enlarged to that image.
///
/// Errors: a matrix that does not fit the grid or the method, whose values are not allowed, or that is too large for
/// the memory; PAMR, which needs an image.
pub fn segment_matrix(
    matrix: MatrixInput,
    grid: (usize, usize),
    shape: Option<(usize, usize)>,
    options: &NcutOptions,
    job: &Job,
) -> Result<Segmentation> {
    let _guard = tch::no_grad_guard();
    options.validate()?;
    if options.method == Method::Modulate {
        let name = options.preset.name();
        return Err(Error::Unsupported(format!("{name} of a matrix: it denoises the image")));
    }
    if options.pamr {
        return Err(Error::Unsupported("pamr of a matrix: it needs the image".into()));
    }
    let source = matrix.into_source(grid)?;
    job.set_span(0.0..PASSES_SHARE);
    let partition = divide(&source, grid, options, job)?;
    drop(source);
    let mut whole = Assembly::new(options, shape.unwrap_or(grid));
    let place = Place {
        grid,
        z: 0..1,
        images: vec![None],
    };
    whole.add(&partition, place, job)?;
    whole.finish(report(job, options, None))
}

/// The options with the number of segments and the shape settled for `model`: see [`NcutOptions::segments`] and
/// [`NcutOptions::square`].
fn for_model(model: &DiffusionModel, options: &NcutOptions) -> Result<NcutOptions> {
    if options.method == Method::Modulate {
        check_model(model, options)?;
    }
    let matched = model.config().latent_mode == LatentMode::Matched;
    let too_even = matched && options.method.takes_attention() && options.stops_as_published();
    Ok(NcutOptions {
        segments: options.segments.or(too_even.then_some(BUILTIN_SEGMENTS)),
        square: options.square.or(Some(!matched && options.published_square())),
        ..options.clone()
    })
}

/// How images passed a model.
struct Passes<'a> {
    model: &'a DiffusionModel,
    plan: PassPlan,
    /// Rows and columns that images were resized to.
    shape: (usize, usize),
}

fn report(job: &Job, options: &NcutOptions, passes: Option<Passes>) -> NcutReport {
    let mode = |mode: LatentMode| match mode {
        LatentMode::Clean => "clean",
        LatentMode::Noised => "noised",
        LatentMode::Inverted => "inverted",
        LatentMode::Matched => "matched",
    };
    NcutReport {
        preset: options.preset.name(),
        model: passes.as_ref().map(|passes| passes.model.config().name.clone()),
        latent_mode: passes.as_ref().map(|passes| mode(passes.plan.mode)),
        timestep: passes.as_ref().map(|passes| passes.plan.timestep),
        snr: passes.as_ref().and_then(|passes| passes.plan.snr),
        working_shape: passes.as_ref().map(|passes| passes.shape.into()),
        seconds: (job.stage_times().into_iter())
            .map(|(stage, time)| (stage.name().to_owned(), time.as_secs_f64()))
            .collect(),
        ..NcutReport::default()
    }
}

/// Slice `z` in 0..=1, resized, `[1, rows, cols]`.
fn slice_tensor(tomogram: &Tomogram, z: usize, shape: (usize, usize)) -> Result<Tensor> {
    let slice = tomogram.read_slices(z..z + 1)?;
    debug_assert_eq!(slice.len_of(Axis(0)), 1);
    let range = match percentiles(slice.iter(), &[0.5, 99.5]).as_deref() {
        Some(&[low, high]) if low < high => Some([low, high]),
        _ => None,
    };
    from_array(ImageInput::new(slice.view(), range)?.unit(shape).view())
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;
