//! A tomogram as thin layers of coarse pixels: the mean of a few neighbouring slices, binned in the plane.
use ndarray::{Array2, Zip};

use crate::image::{box_mean, percentiles};
use crate::runtime::{Error, Job, Result};
use crate::volume::Tomogram;

/// Edge of a coarse pixel in nm, at most, unless the voxels are larger: half a bilayer.
const PIXEL_NM: f64 = 2.0;

/// Thickness of a layer in nm. Thicker layers average more noise away but see only what stands upright; 4 nm follows
/// the truth of the simulated tomograms best (correlation 0.9 to 0.98 with the share of foreground, 0.67 to 0.95 for 12
/// nm).
const LAYER_NM: f64 = 4.0;

/// Layers that are looked at even where fewer voxels may be read.
const FEWEST_LAYERS: usize = 16;

/// Coarse pixels along a side that binning leaves, at least.
const FEWEST_PIXELS: usize = 32;

/// Small slices are read together up to this many voxels.
const RUN_VOXELS: usize = 1 << 24;

/// Half the edge, in nm, of the window whose mean is taken off every layer: wider than what counts as structure.
/// Gradients of the ice go, and of the edge of a carbon film its neighbourhood alone is left, to be clipped.
const BACKGROUND_NM: f64 = 40.0;

/// Slices, and voxels of each, that the grey scale is taken from.
const SCALE_SLICES: usize = 16;
const SCALE_VOXELS: usize = 8192;

/// Voxels further than this from the median, in standard deviations, are clipped there: hot pixels.
const CLIP_VOXELS: f32 = 6.0;

/// The same for the coarse pixels of a layer, where noise is much weaker: a gold bead is then no stronger than a
/// membrane.
const CLIP_PIXELS: f32 = 3.0;

/// A single value that this share of the voxels has is padding: no more than 5 % of normal 8-bit voxels are equal where
/// their standard deviation is 8 grey levels.
const PADDING_SHARE: f64 = 0.1;

/// Median absolute deviation of a normal distribution in standard deviations.
const MAD_OF_NORMAL: f32 = 0.674_49;

/// Reads layers of a tomogram.
pub(super) struct LayerReader<'a> {
    tomogram: &'a Tomogram,
    /// Voxels along the edge of a coarse pixel.
    bin: usize,
    /// Edge of a coarse pixel in nm.
    pixel_nm: f64,
    /// Slices that a layer spans, and how many of them are read.
    span: usize,
    read: usize,
    /// First slice of every layer.
    starts: Vec<usize>,
    grey: GreyScale,
}

/// One layer.
pub(super) struct Layer {
    /// Grey levels in standard deviations of the tomogram's voxels, without slow background and outliers.
    pub pixels: Array2<f32>,
    /// Slices with voxels that are not finite.
    pub broken: Vec<usize>,
}

/// What most voxels look like.
#[derive(Clone, Copy, Debug)]
struct GreyScale {
    median: f32,
    deviation: f32,
    /// Value of voxels outside the reconstruction.
    padding: Option<f32>,
}

impl<'a> LayerReader<'a> {
    /// Plans the reading, and reads a few voxels for the grey scale.
    pub fn new(tomogram: &'a Tomogram, voxel_nm: f64, max_voxels: u64, job: &Job) -> Result<Self> {
        let [depth, rows, columns] = tomogram.geometry().shape;
        let most = (rows.min(columns) / FEWEST_PIXELS).max(1);
        // A voxel size of 0.66667 nm means three voxels.
        let bin = ((PIXEL_NM / voxel_nm + 1e-3) as usize).clamp(1, most);
        let span = ((LAYER_NM / voxel_nm).round() as usize).clamp(1, depth);
        let affordable = usize::try_from(max_voxels / (rows as u64 * columns as u64).max(1)).unwrap_or(usize::MAX);
        let affordable = affordable.max(FEWEST_LAYERS);
        let count = depth.div_ceil(span).min(affordable);
        let spacing = depth.div_ceil(count).max(span);
        let count = depth.div_ceil(spacing);
        // The last layer is as thick as the others, and so as noisy, and overlaps the one before.
        let starts = (0..count).map(|i| (i * spacing).min(depth - span)).collect();
        Ok(Self {
            tomogram,
            bin,
            pixel_nm: bin as f64 * voxel_nm,
            span,
            read: (affordable / count).clamp(1, span),
            starts,
            grey: GreyScale::of(tomogram, job)?,
        })
    }

    /// Number of layers.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Rows and columns of a layer.
    pub fn shape(&self) -> (usize, usize) {
        let [_, rows, columns] = self.tomogram.geometry().shape;
        (rows / self.bin, columns / self.bin)
    }

    /// Edge of a coarse pixel in nm.
    pub fn pixel_nm(&self) -> f64 {
        self.pixel_nm
    }

    /// The slice, not necessarily a whole number, that lies in the middle of layer `index`.
    pub fn place(&self, index: usize) -> f64 {
        self.starts[index] as f64 + (self.span - 1) as f64 / 2.0
    }

    /// Reads layer `index`: all its slices, or as many of them, evenly spread, as may be read.
    pub fn read(&self, index: usize, job: &Job) -> Result<Layer> {
        let [_, rows, columns] = self.tomogram.geometry().shape;
        let mut sum = Sum {
            levels: Array2::zeros(self.shape()),
            voxels: Array2::zeros(self.shape()),
            broken: Vec::new(),
        };
        let start = self.starts[index];
        if self.read == self.span {
            let run = (RUN_VOXELS / (rows * columns).max(1)).max(1);
            let end = start + self.span;
            for first in (start..end).step_by(run) {
                self.add(first, (first + run).min(end), &mut sum, job)?;
            }
        } else {
            for k in 0..self.read {
                let z = start + (2 * k + 1) * self.span / (2 * self.read);
                self.add(z, z + 1, &mut sum, job)?;
            }
        }
        Ok(sum.layer((BACKGROUND_NM / self.pixel_nm).round().max(1.0) as usize))
    }

    /// Adds the slices `first..end`.
    fn add(&self, first: usize, end: usize, sum: &mut Sum, job: &Job) -> Result<()> {
        job.check()?;
        let slices = self.tomogram.read_slices_as_stored(first..end)?;
        let (rows, columns) = self.shape();
        for (offset, slice) in slices.outer_iter().enumerate() {
            let mut is_broken = false;
            for (r, line) in slice.outer_iter().take(rows * self.bin).enumerate() {
                let mut levels = sum.levels.row_mut(r / self.bin);
                let mut voxels = sum.voxels.row_mut(r / self.bin);
                for (c, &value) in line.iter().take(columns * self.bin).enumerate() {
                    is_broken |= !value.is_finite();
                    if let Some(level) = self.grey.level(value) {
                        levels[c / self.bin] += level;
                        voxels[c / self.bin] += 1.0;
                    }
                }
            }
            if is_broken {
                sum.broken.push(first + offset);
            }
        }
        Ok(())
    }
}

/// A layer being read.
struct Sum {
    /// Sum of the grey levels in every coarse pixel.
    levels: Array2<f32>,
    /// Number of voxels with a grey level.
    voxels: Array2<f32>,
    broken: Vec<usize>,
}

impl Sum {
    /// The mean of every pixel, less the mean of the window of `radius` around it; pixels without voxels become zero.
    fn layer(self, radius: usize) -> Layer {
        let (levels, voxels) = (
            box_mean(self.levels.view(), radius),
            box_mean(self.voxels.view(), radius),
        );
        let mut pixels = self.levels;
        Zip::from(&mut pixels)
            .and(&self.voxels)
            .and(&levels)
            .and(&voxels)
            .for_each(|pixel, &count, &level_around, &count_around| {
                *pixel = if count > 0.0 {
                    *pixel / count - level_around / count_around
                } else {
                    0.0
                };
            });
        let known = pixels.iter().zip(&self.voxels).filter(|(_, count)| **count > 0.0);
        if let Some((median, deviation)) = robust_moments(known.map(|(pixel, _)| *pixel).collect()) {
            let reach = CLIP_PIXELS * deviation;
            pixels.mapv_inplace(|v| v.clamp(median - reach, median + reach));
        }
        Layer {
            pixels,
            broken: self.broken,
        }
    }
}

impl GreyScale {
    /// Median, standard deviation and padding of some voxels of some slices.
    fn of(tomogram: &Tomogram, job: &Job) -> Result<Self> {
        let [depth, rows, columns] = tomogram.geometry().shape;
        let count = depth.min(SCALE_SLICES);
        // An odd step does not run along one column of an image of 2^n.
        let step = (rows * columns / SCALE_VOXELS) | 1;
        let mut values: Vec<f32> = Vec::new();
        for k in 0..count {
            job.check()?;
            let z = (2 * k + 1) * depth / (2 * count);
            let slice = tomogram.read_slices_as_stored(z..z + 1)?;
            values.extend(slice.iter().step_by(step).filter(|v| v.is_finite()));
        }
        values.sort_unstable_by(f32::total_cmp);
        let longest = values.chunk_by(|a, b| a == b).map(<[f32]>::len).max().unwrap_or(0);
        let padding = values
            .chunk_by(|a, b| a == b)
            .find(|run| run.len() == longest && longest as f64 > PADDING_SHARE * values.len() as f64)
            .and_then(|run| run.first().copied());
        values.retain(|v| Some(*v) != padding);
        let (median, deviation) = robust_moments(values)
            .ok_or_else(|| Error::format(tomogram.name(), "no two finite voxels of the slices looked at differ"))?;
        Ok(Self {
            median,
            deviation,
            padding,
        })
    }

    /// A voxel in standard deviations from the median; None for padding and what is not finite.
    fn level(&self, value: f32) -> Option<f32> {
        let counts = value.is_finite() && Some(value) != self.padding;
        counts.then(|| ((value - self.median) / self.deviation).clamp(-CLIP_VOXELS, CLIP_VOXELS))
    }
}

/// Median, and standard deviation from the median absolute deviation; the plain one where half of the values are equal.
/// None where all are, or are too large for float32.
fn robust_moments(values: Vec<f32>) -> Option<(f32, f32)> {
    let median = *percentiles(&values, &[50.0])?.first()?;
    let distances: Vec<f32> = values.iter().map(|v| (v - median).abs()).collect();
    let mut deviation = percentiles(&distances, &[50.0])?.first()? / MAD_OF_NORMAL;
    if deviation == 0.0 {
        let squares: f64 = distances.iter().map(|d| f64::from(*d).powi(2)).sum();
        deviation = (squares / distances.len() as f64).sqrt() as f32;
    }
    (deviation.is_finite() && deviation > 0.0).then_some((median, deviation))
}
