//! Passes become one segmentation: pixels labelled, segments numbered from slice to slice, features averaged.
use std::ops::Range;

use ndarray::{Array2, Array3};
use tch::Tensor;

use crate::image::resize_nearest;
use crate::runtime::{Error, Job, Result, Stage};
use crate::tensors::to_array;

use super::assign::argmax_enlarged;
use super::link::SegmentLinks;
use super::options::NcutOptions;
use super::pamr::{refine_labels, PamrOptions};
use super::partition::{Division, Partition};
use super::segmentation::{Cell, Level, NcutReport, Segment, Segmentation};

/// The slices of one pass.
pub(super) struct Place {
    /// Rows and columns of tokens.
    pub grid: (usize, usize),
    /// The slices that the pass is about.
    pub z: Range<usize>,
    /// For each slice the image along whose edges labels are refined.
    pub images: Vec<Option<Tensor>>,
}

/// How planes of labels are made and linked.
struct Planes {
    /// Rows and columns of the labels.
    shape: (usize, usize),
    refinement: Option<PamrOptions>,
    min_overlap: f64,
}

/// A segmentation while its cells come in.
pub(super) struct Assembly<'a> {
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
    sums: Vec<FeatureSum>,
}

/// The sums behind the mean feature of a segment.
#[derive(Clone)]
struct FeatureSum {
    /// Mean features times tokens.
    weighted: Vec<f64>,
    tokens: f64,
}

impl<'a> Assembly<'a> {
    pub fn new(options: &'a NcutOptions, shape: (usize, usize)) -> Self {
        Self {
            options,
            shape,
            main: Stack::default(),
            levels: options.levels_at().iter().map(|_| Stack::default()).collect(),
            cells: Vec::new(),
        }
    }

    /// Labels the slices of `place` by `partition`.
    pub fn add(&mut self, partition: &Partition, place: Place, job: &Job) -> Result<()> {
        job.enter(Stage::Canvas)?;
        let planes = Planes {
            shape: self.shape,
            refinement: self.options.refinement(),
            min_overlap: self.options.min_overlap,
        };
        let numbers = self.main.add(&partition.main, &place, &planes, job)?;
        for (stack, division) in self.levels.iter_mut().zip(&partition.levels) {
            stack.add(division, &place, &planes, job)?;
        }
        let mut tree = partition.tree.clone();
        for node in &mut tree {
            node.segment = node.segment.and_then(|segment| numbers.get(segment as usize).copied());
        }
        let eigenvectors = partition.eigenvectors.as_ref().map(to_array).transpose()?;
        self.cells.push(Cell {
            z: [place.z.start, place.z.end],
            grid: place.grid.into(),
            tree,
            eigenvectors,
        });
        Ok(())
    }

    /// The segmentation of all slices.
    pub fn finish(self, mut report: NcutReport) -> Result<Segmentation> {
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
    fn add(&mut self, division: &Division, place: &Place, planes: &Planes, job: &Job) -> Result<Vec<u32>> {
        if self.slices.is_empty() {
            self.first = place.z.start;
        }
        let means: Array2<f32> = to_array(&division.means)?;
        let grid = division.score_grid.unwrap_or(place.grid);
        let plain = argmax_enlarged(&division.scores, grid, planes.shape, job)?;
        let mut labelled = Vec::new();
        for image in &place.images {
            labelled.push(match (image, &planes.refinement) {
                (Some(image), Some(pamr)) => {
                    let (_, rows, cols) = image.size3()?;
                    let small = argmax_enlarged(&division.scores, grid, (rows as usize, cols as usize), job)?;
                    let small: Vec<i64> = small.iter().map(|&label| i64::from(label)).collect();
                    let small = Tensor::f_from_slice(&small)?.f_view([rows, cols])?;
                    let labels = refine_labels(image, &small, means.nrows(), pamr, job)?;
                    resize_nearest(labels.view(), planes.shape)
                }
                _ => plain.clone(),
            });
        }
        // One pass, one set of segments: its slices are numbered together, by the first of them.
        let numbers = match labelled.first() {
            Some(plane) => self.links.number(plane.view(), means.view(), planes.min_overlap)?,
            None => Vec::new(),
        };
        let nothing = FeatureSum {
            weighted: vec![0.0; means.ncols()],
            tokens: 0.0,
        };
        self.sums.resize(self.links.count() as usize, nothing);
        let mut sizes = vec![0.0_f64; means.nrows()];
        division.tokens.iter().for_each(|&token| sizes[token as usize] += 1.0);
        for ((&number, row), size) in numbers.iter().zip(means.rows()).zip(sizes) {
            let sum = &mut self.sums[number as usize];
            // A segment without tokens still has a mean.
            let weight = size.max(1e-6);
            let weighted = sum.weighted.iter_mut().zip(row);
            weighted.for_each(|(s, &v)| *s += weight * f64::from(v));
            sum.tokens += weight;
        }
        self.slices.extend(
            labelled
                .into_iter()
                .map(|plane| plane.mapv(|label| numbers[label as usize])),
        );
        Ok(numbers)
    }

    fn features(&self) -> Result<Array2<f32>> {
        let width = self.sums.first().map_or(0, |sum| sum.weighted.len());
        let values: Vec<f32> = (self.sums.iter())
            .flat_map(|sum| sum.weighted.iter().map(|v| (v / sum.tokens.max(1e-12)) as f32))
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
