//! Images and slices of tomograms as the model's encoder wants them.
use std::ops::Range;

use ndarray::{s, Array2, Array3, ArrayView2, ArrayView3, Axis};
use tch::Tensor;

use crate::diffusion::{CellShape, DiffusionModel, LatentEncoder};
use crate::image::{enhance, gaussian_f32, percentiles, resize_linear_f32, EnhanceOptions};
use crate::runtime::{Error, Result};
use crate::tensors::from_array;
use crate::volume::{grey_scale, Tomogram, CLIP_SIGMA};

/// Percent of the grey levels clipped at either end where an image says no range.
const CLIP_PERCENT: f64 = 0.5;

/// Weights of red, green and blue in luminance (ITU-R BT.601).
const LUMINANCE: [f32; 3] = [0.299, 0.587, 0.114];

/// An image of the host, (channels, rows, columns), any strides: 1 channel (grey) or 3 (red, green, blue).
#[derive(Clone, Copy, Debug)]
pub struct ImageInput<'a> {
    pixels: ArrayView3<'a, f32>,
    range: Option<[f32; 2]>,
}

impl<'a> ImageInput<'a> {
    /// An image whose black and white are at `range`, such as 0 and 255; None: at its outer half percents.
    ///
    /// Errors: another number of channels, no pixels, pixels or a range that are not finite.
    pub fn new(pixels: ArrayView3<'a, f32>, range: Option<[f32; 2]>) -> Result<Self> {
        let (channels, rows, cols) = pixels.dim();
        if !matches!(channels, 1 | 3) || rows == 0 || cols == 0 {
            let shape = format!("of shape ({channels}, {rows}, {cols})");
            let allowed = "must be (1 or 3 channels, rows, columns)";
            return Err(Error::argument("image", shape, allowed));
        }
        if let Some((place, value)) = pixels.indexed_iter().find(|(_, v)| !v.is_finite()) {
            return Err(Error::format("image", format_args!("pixel {place:?} is {value}")));
        }
        if let Some([low, high]) = range.filter(|[low, high]| !(low < high && (high - low).is_finite())) {
            return Err(Error::argument(
                "range",
                format!("{low}..{high}"),
                "must be two finite numbers, black below white",
            ));
        }
        Ok(Self { pixels, range })
    }

    /// Rows and columns.
    pub fn shape(&self) -> (usize, usize) {
        (self.pixels.len_of(Axis(1)), self.pixels.len_of(Axis(2)))
    }

    /// The image in 0..=1, resized to `shape`, (channels, rows, columns).
    pub(super) fn unit(&self, shape: (usize, usize)) -> Array3<f32> {
        let [low, high] = self.range.unwrap_or_else(|| {
            match percentiles(self.pixels.iter(), &[CLIP_PERCENT, 100.0 - CLIP_PERCENT]).as_deref() {
                Some(&[low, high]) if high > low => [low, high],
                // A constant image: half grey.
                Some(&[low, _]) => [low - 0.5, low + 0.5],
                _ => [0.0, 1.0],
            }
        });
        let mut unit = Array3::zeros((self.pixels.len_of(Axis(0)), shape.0, shape.1));
        for (plane, mut target) in self.pixels.outer_iter().zip(unit.outer_iter_mut()) {
            let scaled = plane.mapv(|v| ((v - low) / (high - low)).clamp(0.0, 1.0));
            target.assign(&resample(scaled.view(), shape));
        }
        unit
    }

    fn luminance(&self) -> Array2<f32> {
        if self.pixels.len_of(Axis(0)) == 1 {
            return self.pixels.index_axis(Axis(0), 0).to_owned();
        }
        let mut grey = Array2::zeros(self.shape());
        for (plane, weight) in self.pixels.outer_iter().zip(LUMINANCE) {
            grey.scaled_add(weight, &plane);
        }
        grey
    }

    /// What the model's encoder takes for this image resized to `shape`, [1, slices or channels, rows, columns].
    ///
    /// Autoencoders take 0..=1. Cells of slices take luminance of zero mean and unit variance in every slice: an image
    /// is as thick as the model looks. Errors: a constant image, for cells.
    pub(super) fn for_model(&self, model: &DiffusionModel, shape: (usize, usize), bright: bool) -> Result<Tensor> {
        match model.encoder() {
            LatentEncoder::Vae(_) => {
                let mut unit = self.unit(shape);
                if bright {
                    unit.mapv_inplace(|v| 1.0 - v);
                }
                to_tensor(unit.view())
            }
            LatentEncoder::SpaceToDepth(cells) => {
                let slice = resample(self.luminance().view(), shape).insert_axis(Axis(0));
                let slice = standardise(slice, bright, "image")?;
                let seen = (cells.slices_seen() as usize, shape.0, shape.1);
                let stack = slice
                    .broadcast(seen)
                    .ok_or_else(|| Error::Internal("one slice does not repeat".into()))?;
                to_tensor(stack)
            }
        }
    }
}

/// Rows and columns in pixels to which an image of `shape` is resized for `model`: the area of `tokens` squared on the
/// finest attention grid, sides that halve evenly at every level, the image's aspect or a square.
pub(super) fn working_shape(
    model: &DiffusionModel,
    shape: (usize, usize),
    tokens: usize,
    square: bool,
) -> (usize, usize) {
    let step = model.config().granularity().max(1) as f64;
    let side = tokens as f64 * model.config().pixels_per_token() as f64;
    let aspect = if square {
        1.0
    } else {
        // Beyond 16:1 a side would round to nothing.
        (shape.0 as f64 / shape.1 as f64).sqrt().clamp(0.25, 4.0)
    };
    let round = |pixels: f64| ((pixels / step).round().max(1.0) * step) as usize;
    (round(side * aspect), round(side / aspect))
}

/// A plane at another size: bilinear, smoothed first where it shrinks, since bilinear sampling alone would alias.
fn resample(plane: ArrayView2<f32>, shape: (usize, usize)) -> Array2<f32> {
    if plane.dim() == shape {
        return plane.to_owned();
    }
    let scale = (shape.0 as f64 / plane.nrows() as f64).min(shape.1 as f64 / plane.ncols() as f64);
    if scale < 1.0 {
        resize_linear_f32(gaussian_f32(plane, 0.5 / scale).view(), shape)
    } else {
        resize_linear_f32(plane, shape)
    }
}

/// Zero mean, unit variance, clipped at six sigma; `bright` inverts grey levels.
fn standardise(mut slices: Array3<f32>, bright: bool, source: &str) -> Result<Array3<f32>> {
    let (mean, deviation) = grey_scale(slices.view()).map_err(|error| match error {
        Error::Format { detail, .. } => Error::format(source, detail),
        other => other,
    })?;
    let sign = if bright { -1.0 } else { 1.0 };
    slices.mapv_inplace(|v| (sign * (v - mean) / deviation).clamp(-CLIP_SIGMA, CLIP_SIGMA));
    Ok(slices)
}

/// `[1, planes, rows, cols]`.
fn to_tensor(stack: ArrayView3<f32>) -> Result<Tensor> {
    from_array(stack.insert_axis(Axis(0)))
}

/// The slices of a slab and those around it that the model also sees, resized for it.
pub(super) struct Slices {
    /// At the working size, in the grey scale of the model's encoder.
    prepared: Array3<f32>,
    read: Range<usize>,
    z: Range<usize>,
    cells: CellShape,
}

impl Slices {
    /// Reads the slices `z` of `tomogram` and their neighbours and resizes them to `shape`.
    ///
    /// Errors: slices outside the tomogram, voxels that are not finite, a constant slab.
    pub fn read(
        model: &DiffusionModel,
        tomogram: &Tomogram,
        z: Range<usize>,
        shape: (usize, usize),
        bright: bool,
    ) -> Result<Self> {
        let depth = tomogram.geometry().shape[0];
        if z.start >= z.end || z.end > depth {
            return Err(Error::argument(
                "z",
                format!("{z:?}"),
                &format!("must be one or more slices within 0..{depth}"),
            ));
        }
        let cells = model.cells();
        let (slices, context) = (cells.slices as usize, (cells.context * cells.slices) as usize);
        let read = z.start.saturating_sub(context)..(z.end + slices - 1 + context).min(depth);
        let mut small = Array3::zeros((read.len(), shape.0, shape.1));
        for (index, mut target) in read.clone().zip(small.outer_iter_mut()) {
            let slice = tomogram.read_slices(index..index + 1)?;
            let slice = slice.index_axis(Axis(0), 0);
            if let Some((place, value)) = slice.indexed_iter().find(|(_, v)| !v.is_finite()) {
                return Err(Error::format(
                    "tomogram",
                    format_args!("voxel {place:?} of slice {index} is {value}"),
                ));
            }
            target.assign(&resample(slice, shape));
        }
        let prepared = match model.encoder() {
            LatentEncoder::SpaceToDepth(_) => standardise(small, bright, "tomogram")?,
            LatentEncoder::Vae(_) => {
                for mut slice in small.outer_iter_mut() {
                    let dark = slice.mapv(|v| if bright { -v } else { v });
                    slice.assign(&enhance(dark.view(), &EnhanceOptions::default()).mapv(|v| f32::from(v) / 255.0));
                }
                small
            }
        };
        Ok(Self {
            prepared,
            read,
            z,
            cells,
        })
    }

    /// Slices of each pass: cells of the model, from the slab's first slice on; the last may be cut short.
    pub fn cells(&self) -> Vec<Range<usize>> {
        let step = self.cells.slices.max(1) as usize;
        (self.z.clone().step_by(step))
            .map(|first| first..(first + step).min(self.z.end))
            .collect()
    }

    /// What the model sees of the cell that starts at slice `first`, [1, slices seen, rows, columns]; zeros beyond the
    /// tomogram.
    pub fn for_model(&self, first: usize) -> Result<Tensor> {
        let (_, rows, cols) = self.prepared.dim();
        let mut seen = Array3::zeros((self.cells.slices_seen() as usize, rows, cols));
        let lowest = first as i64 - self.cells.context * self.cells.slices;
        for (offset, mut target) in seen.outer_iter_mut().enumerate() {
            let inside = usize::try_from(lowest + offset as i64).ok();
            if let Some(z) = inside.filter(|z| self.read.contains(z)) {
                target.assign(&self.prepared.slice(s![z - self.read.start, .., ..]));
            }
        }
        to_tensor(seen.view())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::LoadOptions;
    use crate::volume::Geometry;

    #[test]
    fn images_are_checked_and_views_are_read_through_their_strides() {
        let interleaved = Array3::from_shape_fn((20, 30, 3), |(r, c, k)| (r * c + 50 * k) as f32);
        let view = interleaved.view().permuted_axes([2, 0, 1]);
        let image = ImageInput::new(view, Some([0.0, 1000.0])).unwrap();
        assert_eq!(image.shape(), (20, 30));
        let unit = image.unit((20, 30));
        assert_eq!(unit[[2, 4, 5]], 0.12);
        assert!((image.luminance()[[4, 5]] - (20.0 + 50.0 * 0.587 + 100.0 * 0.114)).abs() < 1e-3);

        let refused = |shape: (usize, usize, usize), value: f32, range| {
            ImageInput::new(Array3::from_elem(shape, value).view(), range)
                .unwrap_err()
                .to_string()
        };
        assert!(refused((2, 4, 4), 0.0, None).contains("1 or 3 channels"));
        assert!(refused((1, 0, 4), 0.0, None).contains("(1, 0, 4)"));
        assert!(refused((1, 4, 4), f32::NAN, None).contains("pixel (0, 0, 0) is NaN"));
        assert!(refused((1, 4, 4), 0.0, Some([1.0, 1.0])).contains("black below white"));
    }

    #[test]
    fn working_sizes_keep_aspect_and_halve_evenly() {
        let model = DiffusionModel::builtin(&LoadOptions::default()).unwrap();
        assert_eq!(working_shape(&model, (300, 300), 64, false), (128, 128));
        assert_eq!(working_shape(&model, (321, 481), 64, false), (112, 160));
        assert_eq!(working_shape(&model, (321, 481), 64, true), (128, 128));
        assert_eq!(working_shape(&model, (1, 100_000), 64, false), (32, 512));
    }

    #[test]
    fn an_image_fills_every_slice_and_a_slab_has_its_neighbours() {
        let model = DiffusionModel::builtin(&LoadOptions::default()).unwrap();
        let pixels = Array3::from_shape_fn((1, 40, 40), |(_, r, c)| (r * 3 + c) as f32);
        let image = ImageInput::new(pixels.view(), None).unwrap();
        let tensor = image.for_model(&model, (32, 32), false).unwrap();
        assert_eq!(tensor.size(), [1, 10, 32, 32]);
        assert!(tensor.select(1, 0).equal(&tensor.select(1, 9)));
        assert!(tensor.mean(tch::Kind::Double).double_value(&[]).abs() < 1e-4);
        let turned = image.for_model(&model, (32, 32), true).unwrap();
        assert!(turned.equal(&-&tensor));
        let flat = Array3::<f32>::ones((1, 8, 8));
        let flat = ImageInput::new(flat.view(), None).unwrap();
        assert!(flat
            .for_model(&model, (16, 16), false)
            .unwrap_err()
            .to_string()
            .starts_with("image"));

        let voxels = Array3::from_shape_fn((9, 32, 32), |(z, r, c)| (z * 100 + r * c % 7) as f32);
        let tomogram = Tomogram::from_array(voxels, Geometry::new([9, 32, 32], 10.0)).unwrap();
        let slices = Slices::read(&model, &tomogram, 1..6, (32, 32), false).unwrap();
        assert_eq!(slices.cells(), [1..3, 3..5, 5..6]);
        let seen = slices.for_model(1).unwrap();
        // Slices -3 to -1 are not there, 0 to 6 are.
        let level = |k: i64| seen.select(1, k).abs().max().double_value(&[]);
        assert_eq!((level(0), level(2)), (0.0, 0.0));
        assert!(level(3) > 0.0 && level(9) > 0.0);
        assert!(Slices::read(&model, &tomogram, 8..10, (32, 32), false).is_err());
    }
}
