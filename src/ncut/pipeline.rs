//! Image, slab or matrix in, segments out.
use std::ops::Range;

use ndarray::{Array2, Array3, ArrayView3, Axis};
use tch::{Device, Kind, Tensor};

use crate::diffusion::{DiffusionModel, LatentMode};
use crate::image::{percentiles, resize_nearest};
use crate::runtime::{Error, Job, Result, Stage};
use crate::settings::Settings;
use crate::volume::Tomogram;

use super::assign::argmax_enlarged;
use super::input::{working_shape, ImageInput, Slices};
use super::link::SegmentLinks;
use super::options::{NcutOptions, BUILTIN_SEGMENTS};
use super::pamr::{refine_labels, PamrOptions};
use super::partition::{divide, Division, Partition};
use super::pass::{source_of, PassPlan};
use super::segmentation::{Cell, Level, NcutReport, Segment, Segmentation};
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
    let options = &for_model(model, options);
    let shape = working_shape(model, image.shape(), options.working_tokens, options.square);
    let tensor = image.for_model(model, shape, options.bright)?;
    let plan = PassPlan::resolve(model, &tensor, options, job)?;
    job.set_span(0.0..PASSES_SHARE);
    let (source, grid) = source_of(model, &tensor, &plan, options, 0, job)?;
    let partition = divide(&source, grid, options, job)?;
    drop(source);
    let refined = match options.refinement() {
        Some(pamr) => Some(planes_tensor(image.unit(pamr.working_shape(image.shape())).view())?),
        None => None,
    };
    let mut whole = Assembly::new(options, image.shape());
    whole.add(&partition, grid, 0..1, &[refined], job)?;
    let report = report(options, job, Some((model, &plan, shape)));
    whole.finish(report)
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
    let options = &for_model(model, options);
    job.enter(Stage::Read)?;
    let [_, rows, cols] = tomogram.geometry().shape;
    let shape = working_shape(model, (rows, cols), options.working_tokens, options.square);
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
        let partition = divide(&source, grid, options, job)?;
        drop(source);
        let mut refined = Vec::new();
        for z in cell.clone() {
            refined.push(match &pamr {
                Some(pamr) => Some(slice_tensor(tomogram, z, pamr.working_shape((rows, cols)))?),
                None => None,
            });
        }
        whole.add(&partition, grid, cell.clone(), &refined, job)?;
        job.advance(1.0)?;
    }
    whole.finish(report(options, job, Some((model, &plan, shape))))
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
    if options.pamr {
        return Err(Error::Unsupported("pamr of a matrix: it needs the image".into()));
    }
    let source = matrix.into_source(grid)?;
    job.set_span(0.0..PASSES_SHARE);
    let partition = divide(&source, grid, options, job)?;
    drop(source);
    let mut whole = Assembly::new(options, shape.unwrap_or(grid));
    whole.add(&partition, grid, 0..1, &[None], job)?;
    whole.finish(report(options, job, None))
}

/// The options with the number of segments settled for `model`: see [`NcutOptions::segments`].
fn for_model(model: &DiffusionModel, options: &NcutOptions) -> NcutOptions {
    let matched = model.config().latent_mode == LatentMode::Matched;
    let too_even = matched && options.method.takes_attention() && options.stops_as_published();
    NcutOptions {
        segments: options.segments.or(too_even.then_some(BUILTIN_SEGMENTS)),
        ..options.clone()
    }
}

/// A segmentation while its cells come in.
struct Assembly<'a> {
    options: &'a NcutOptions,
    shape: (usize, usize),
    main: Stack,
    levels: Vec<Stack>,
    cells: Vec<Cell>,
}

/// Labelled slices, and the segments in them.
#[derive(Default)]
struct Stack {
    links: SegmentLinks,
    slices: Vec<Array2<u32>>,
    first: usize,
    /// Sum of mean feature times tokens, and tokens, of each segment.
    sums: Vec<(Vec<f64>, f64)>,
}

impl<'a> Assembly<'a> {
    fn new(options: &'a NcutOptions, shape: (usize, usize)) -> Self {
        Self {
            options,
            shape,
            main: Stack::default(),
            levels: options.levels_at().iter().map(|_| Stack::default()).collect(),
            cells: Vec::new(),
        }
    }

    /// Labels the slices `z` by `partition`; `refined` holds, for each, the image that PAMR goes by.
    fn add(
        &mut self,
        partition: &Partition,
        grid: (usize, usize),
        z: Range<usize>,
        refined: &[Option<Tensor>],
        job: &Job,
    ) -> Result<()> {
        job.enter(Stage::Canvas)?;
        let (shape, options) = (self.shape, self.options);
        let numbers = self
            .main
            .add(&partition.main, grid, shape, z.start, refined, options, job)?;
        for (stack, division) in self.levels.iter_mut().zip(&partition.levels) {
            stack.add(division, grid, shape, z.start, refined, options, job)?;
        }
        let mut tree = partition.tree.clone();
        for node in &mut tree {
            node.segment = node.segment.and_then(|segment| numbers.get(segment as usize).copied());
        }
        let eigenvectors = partition.eigenvectors.as_ref().map(matrix).transpose()?;
        self.cells.push(Cell {
            z: [z.start, z.end],
            grid: grid.into(),
            tree,
            eigenvectors,
        });
        Ok(())
    }

    fn finish(self, mut report: NcutReport) -> Result<Segmentation> {
        let first = self.main.first;
        let features = self.main.features()?;
        let (labels, count) = self.main.labels(self.shape)?;
        let mut segments = vec![Segment { pixels: 0, z: [0, 0] }; count];
        for (slice, plane) in labels.outer_iter().enumerate() {
            for &label in plane {
                let segment = &mut segments[label as usize];
                if segment.pixels == 0 {
                    segment.z[0] = first + slice;
                }
                segment.z[1] = first + slice + 1;
                segment.pixels += 1;
            }
        }
        let mut levels = Vec::new();
        for (at, stack) in self.options.levels_at().into_iter().zip(self.levels) {
            let (labels, segments) = stack.labels(self.shape)?;
            levels.push(Level { at, labels, segments });
        }
        report.grid = self.cells.first().map_or([0, 0], |cell| cell.grid);
        report.segments = count;
        report.shape = labels.dim().into();
        report.dim = features.ncols();
        report.cells = self.cells.len();
        report.levels = levels.len();
        let vectors = self.cells.first().and_then(|cell| cell.eigenvectors.as_ref());
        report.eigenvectors = vectors.map_or(0, |vectors| vectors.nrows());
        let nodes = self.cells.iter().flat_map(|cell| &cell.tree);
        report.unconverged = nodes.filter(|node| node.converged == Some(false)).count();
        Ok(Segmentation {
            labels,
            segments,
            features,
            cells: self.cells,
            levels,
            report,
            settings: self.options.clone(),
        })
    }
}

impl Stack {
    /// Adds the slices of one pass, which share their segments; returns the number of each.
    #[allow(clippy::too_many_arguments)]
    fn add(
        &mut self,
        division: &Division,
        grid: (usize, usize),
        shape: (usize, usize),
        first: usize,
        refined: &[Option<Tensor>],
        options: &NcutOptions,
        job: &Job,
    ) -> Result<Vec<u32>> {
        if self.slices.is_empty() {
            self.first = first;
        }
        let means = matrix(&division.means)?;
        let plain = argmax_enlarged(&division.scores, grid, shape, job)?;
        let (mut planes, pamr): (_, Option<PamrOptions>) = (Vec::new(), options.refinement());
        for image in refined {
            planes.push(match (image, &pamr) {
                (Some(image), Some(pamr)) => {
                    let (_, rows, cols) = image.size3()?;
                    let small = argmax_enlarged(&division.scores, grid, (rows as usize, cols as usize), job)?;
                    let small: Vec<i64> = small.iter().map(|&label| i64::from(label)).collect();
                    let small = Tensor::f_from_slice(&small)?.f_view([rows, cols])?;
                    let labels = refine_labels(image, &small, means.nrows(), pamr, job)?;
                    resize_nearest(labels.view(), shape)
                }
                _ => plain.clone(),
            });
        }
        // One pass, one set of segments: its slices are numbered together, by the first of them.
        let numbers = match planes.first() {
            Some(plane) => self.links.number(plane.view(), means.view(), options.min_overlap)?,
            None => Vec::new(),
        };
        self.sums
            .resize_with(self.links.count() as usize, || (vec![0.0; means.ncols()], 0.0));
        let mut sizes = vec![0.0_f64; means.nrows()];
        division.tokens.iter().for_each(|&token| sizes[token as usize] += 1.0);
        for ((&number, row), size) in numbers.iter().zip(means.rows()).zip(sizes) {
            let (sum, tokens) = &mut self.sums[number as usize];
            // A segment without tokens still has a mean.
            let weight = size.max(1e-6);
            sum.iter_mut().zip(row).for_each(|(s, &v)| *s += weight * f64::from(v));
            *tokens += weight;
        }
        self.slices.extend(
            planes
                .into_iter()
                .map(|plane| plane.mapv(|label| numbers[label as usize])),
        );
        Ok(numbers)
    }

    fn features(&self) -> Result<Array2<f32>> {
        let width = self.sums.first().map_or(0, |(sum, _)| sum.len());
        let values: Vec<f32> = (self.sums.iter())
            .flat_map(|(sum, tokens)| sum.iter().map(move |v| (v / tokens.max(1e-12)) as f32))
            .collect();
        Array2::from_shape_vec((self.sums.len(), width), values)
            .map_err(|error| Error::Internal(format!("segment features: {error}")))
    }

    /// The labels, and the number of segments.
    fn labels(self, shape: (usize, usize)) -> Result<(Array3<u32>, usize)> {
        let mut labels = Array3::zeros((self.slices.len(), shape.0, shape.1));
        for (slice, mut target) in self.slices.iter().zip(labels.outer_iter_mut()) {
            target.assign(slice);
        }
        Ok((labels, self.links.count() as usize))
    }
}

fn report(options: &NcutOptions, job: &Job, pass: Option<(&DiffusionModel, &PassPlan, (usize, usize))>) -> NcutReport {
    let mode = |mode: LatentMode| match mode {
        LatentMode::Clean => "clean",
        LatentMode::Noised => "noised",
        LatentMode::Inverted => "inverted",
        LatentMode::Matched => "matched",
    };
    NcutReport {
        preset: options.preset.name(),
        model: pass.map(|(model, _, _)| model.config().name.clone()),
        latent_mode: pass.map(|(_, plan, _)| mode(plan.mode)),
        timestep: pass.map(|(_, plan, _)| plan.timestep),
        snr: pass.and_then(|(_, plan, _)| plan.snr),
        working_shape: pass.map(|(_, _, shape)| shape.into()),
        seconds: (job.stage_times().into_iter())
            .map(|(stage, time)| (stage.name().to_owned(), time.as_secs_f64()))
            .collect(),
        ..NcutReport::default()
    }
}

/// A tensor of two axes as an array.
fn matrix(tensor: &Tensor) -> Result<Array2<f32>> {
    let (rows, cols) = tensor.size2()?;
    let flat = tensor
        .f_to_device(Device::Cpu)?
        .f_to_kind(Kind::Float)?
        .f_contiguous()?
        .f_view([-1])?;
    Array2::from_shape_vec((rows as usize, cols as usize), Vec::try_from(&flat)?)
        .map_err(|error| Error::Internal(format!("tensor to matrix: {error}")))
}

fn planes_tensor(planes: ArrayView3<f32>) -> Result<Tensor> {
    let (count, rows, cols) = planes.dim();
    let values: Vec<f32> = planes.iter().copied().collect();
    Ok(Tensor::f_from_slice(&values)?.f_view([count as i64, rows as i64, cols as i64])?)
}

/// Slice `z` in 0..=1, resized, `[1, rows, cols]`.
fn slice_tensor(tomogram: &Tomogram, z: usize, shape: (usize, usize)) -> Result<Tensor> {
    let slice = tomogram.read_slices(z..z + 1)?;
    debug_assert_eq!(slice.len_of(Axis(0)), 1);
    let range = match percentiles(slice.iter(), &[0.5, 99.5]).as_deref() {
        Some(&[low, high]) if low < high => Some([low, high]),
        _ => None,
    };
    planes_tensor(ImageInput::new(slice.view(), range)?.unit(shape).view())
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;
