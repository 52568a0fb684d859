//! How much of a layer is structure: local contrast at the scales of membranes and molecules, beyond that of noise.
use ndarray::{Array2, ArrayView2};

use crate::image::gaussian_f32;
use crate::runtime::{Error, Generator, Job, Result};

/// Number of octaves.
const BANDS: usize = 3;

/// Standard deviation of the finest blur in nm. The differences of 1.5, 3, 6 and 12 nm pass what is some 4 to 40 nm
/// wide: bilayers, and molecules up to large complexes; gradients of the ice and of thickness do not pass.
const FINEST_NM: f64 = 1.5;

/// The same in pixels, at least: below, the sampled Gaussian is no low-pass.
const FINEST_PIXELS: f64 = 0.6;

/// Edge of a place in nm. Smaller places follow the share of structure better, larger ones know their contrast better;
/// from 16 to 60 nm the difference is small.
const PLACE_NM: f64 = 25.0;

/// Places along a side, at least, where the pixels allow it.
const FEWEST_PLACES: usize = 4;

/// Share of the places that are taken for noise. In a crowded tomogram all scores are then too low, alike.
const NOISE_SHARE: f64 = 0.1;

/// A place has at most this many bits, those of three times as much structure as noise. A gold bead or the edge of a
/// carbon film is then no more than any place that certainly holds structure, and a mean over places is a share of
/// places.
const MOST_BITS: f64 = 1.0;

/// Layers of pure noise that tell how contrast of noise scatters.
const NOISE_LAYERS: usize = 4;

/// Mean square of every band (outer) in every place of a layer.
pub(super) type Contrast = [Vec<f64>; BANDS];

/// Blurs and places for layers of one shape and pixel size.
pub(super) struct ContrastBands {
    shape: (usize, usize),
    /// Standard deviations in pixels, each twice the one before.
    sigmas: [f64; BANDS + 1],
    /// Number of places down and across.
    places: (usize, usize),
}

impl ContrastBands {
    pub fn new(shape: (usize, usize), pixel_nm: f64) -> Self {
        let finest = (FINEST_NM / pixel_nm).max(FINEST_PIXELS);
        let along = |pixels: usize| {
            let fitting = (pixels as f64 * pixel_nm / PLACE_NM) as usize;
            // A place of fewer than four pixels across says nothing.
            fitting.max(FEWEST_PLACES).min(pixels / 4).max(1)
        };
        Self {
            shape,
            sigmas: std::array::from_fn(|k| finest * f64::from(1 << k)),
            places: (along(shape.0), along(shape.1)),
        }
    }

    /// Differences of Gaussians of a layer, squared and averaged over each place.
    pub fn contrast(&self, layer: ArrayView2<f32>, job: &Job) -> Result<Contrast> {
        let mut contrast: Contrast = std::array::from_fn(|_| Vec::new());
        let mut fine = gaussian_f32(layer, self.sigmas[0]);
        for (k, band) in contrast.iter_mut().enumerate() {
            job.check()?;
            // A blurred image blurred again: the squares of the standard deviations add up.
            let further = (self.sigmas[k + 1].powi(2) - self.sigmas[k].powi(2)).sqrt();
            let coarse = gaussian_f32(fine.view(), further);
            *band = self.mean_squares((&fine - &coarse).view());
            fine = coarse;
        }
        Ok(contrast)
    }

    fn mean_squares(&self, image: ArrayView2<f32>) -> Vec<f64> {
        let (down, across) = self.places;
        let mut sums = vec![(0.0, 0usize); down * across];
        for ((r, c), value) in image.indexed_iter() {
            let place = r * down / self.shape.0 * across + c * across / self.shape.1;
            sums[place].0 += f64::from(*value).powi(2);
            sums[place].1 += 1;
        }
        sums.into_iter().map(|(sum, n)| sum / n.max(1) as f64).collect()
    }
}

/// What noise alone shows, per band.
pub(super) struct StructureScale {
    /// Mean contrast of noise.
    noise: [f64; BANDS],
    /// Bits that noise alone would get.
    expected: [f64; BANDS],
}

impl StructureScale {
    /// Takes the quietest tenth of all places of all `layers` for noise.
    ///
    /// The contrast of noise scatters from place to place, so that its mean is not that of the quietest tenth: white
    /// noise sent through the same bands says how far they are apart. Places without any contrast are padding and left
    /// out.
    ///
    /// # Errors
    /// [`Error::Format`] where no layer has any contrast.
    pub fn of(bands: &ContrastBands, layers: &[Contrast], job: &Job) -> Result<Self> {
        let mut generator = Generator::new(0, 0);
        let mut pure: Contrast = std::array::from_fn(|_| Vec::new());
        for _ in 0..NOISE_LAYERS {
            let white = Array2::from_shape_simple_fn(bands.shape, || generator.normal() as f32);
            for (all, band) in pure.iter_mut().zip(bands.contrast(white.view(), job)?) {
                all.extend(band);
            }
        }
        let mut scale = Self {
            noise: [0.0; BANDS],
            expected: [0.0; BANDS],
        };
        for (k, pure) in pure.iter().enumerate() {
            let mean = pure.iter().sum::<f64>() / pure.len().max(1) as f64;
            let responses: Vec<f64> = layers.iter().flat_map(|layer| layer[k].iter().copied()).collect();
            let strongest = responses.iter().copied().fold(0.0, f64::max);
            let responses: Vec<f64> = responses.into_iter().filter(|v| *v > 1e-6 * strongest).collect();
            let (Some(quiet), Some(of_pure)) = (quantile(responses, NOISE_SHARE), quantile(pure.clone(), NOISE_SHARE))
            else {
                return Err(Error::format("tomogram", "no contrast between voxels of one slice"));
            };
            scale.noise[k] = quiet * mean / of_pure.max(f64::MIN_POSITIVE);
            scale.expected[k] = pure.iter().map(|v| capacity(v / mean)).sum::<f64>() / pure.len().max(1) as f64;
        }
        Ok(scale)
    }

    /// Bits per place and band of a layer, less those of noise alone: 1/2 log2(contrast / noise), the capacity of a
    /// Gaussian channel (Shannon 1948), up to one.
    pub fn bits(&self, layer: &Contrast) -> f64 {
        let band = |k: usize| {
            let sum: f64 = layer[k].iter().map(|v| capacity(v / self.noise[k])).sum();
            sum / layer[k].len().max(1) as f64 - self.expected[k]
        };
        (0..BANDS).map(band).sum::<f64>() / BANDS as f64
    }
}

fn capacity(ratio: f64) -> f64 {
    (0.5 * ratio.max(1.0).log2()).min(MOST_BITS)
}

/// The value below which `share` of the values lie; None where there are none.
fn quantile(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let rank = (share * values.len().saturating_sub(1) as f64).round() as usize;
    values.get(rank).copied()
}
