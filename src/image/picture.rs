//! Small colour pictures for people: panels of grey slices, painted over, as PNG.
use ::image::codecs::png::{CompressionType, FilterType, PngEncoder};
use ::image::{ExtendedColorType, ImageEncoder};
use ndarray::{Array2, ArrayView2};

use super::{gaussian_f32, percentiles, resize_linear_f32, stretch_u8};
use crate::{Error, Result};

/// Percent of the grey levels clipped at either end of a panel.
const CLIP: f64 = 0.5;

/// 8-bit RGB.
#[derive(Clone, Debug)]
pub struct Picture {
    width: usize,
    height: usize,
    /// Row by row.
    pixels: Vec<u8>,
}

impl Picture {
    /// A white picture of `height` rows.
    pub fn white(height: usize, width: usize) -> Self {
        Self {
            width,
            height,
            pixels: vec![255; 3 * width * height],
        }
    }

    /// Rows and columns.
    pub fn dim(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// The colour of a pixel; None outside.
    pub fn colour(&self, row: usize, col: usize) -> Option<[u8; 3]> {
        if row >= self.height || col >= self.width {
            return None;
        }
        let start = 3 * (row * self.width + col);
        self.pixels.get(start..start + 3)?.try_into().ok()
    }

    /// Mixes `share` (0..=1) of `colour` into a pixel; outside the picture nothing happens.
    pub fn paint(&mut self, row: usize, col: usize, colour: [u8; 3], share: f32) {
        if row >= self.height || col >= self.width {
            return;
        }
        let start = 3 * (row * self.width + col);
        for (pixel, colour) in self.pixels[start..start + 3].iter_mut().zip(colour) {
            *pixel = (f32::from(*pixel) * (1.0 - share) + f32::from(colour) * share).round() as u8;
        }
    }

    /// Paints a grey panel whose first pixel is (`top`, `left`).
    pub fn paint_grey(&mut self, (top, left): (usize, usize), panel: ArrayView2<u8>) {
        for ((r, c), &level) in panel.indexed_iter() {
            self.paint(top + r, left + c, [level; 3], 1.0);
        }
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// [`Error::Internal`] where the encoder fails: a picture without pixels.
    pub fn png(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive)
            .write_image(
                &self.pixels,
                self.width as u32,
                self.height as u32,
                ExtendedColorType::Rgb8,
            )
            .map_err(|error| Error::Internal(format!("PNG: {error}")))?;
        Ok(bytes)
    }
}

/// Grey levels as a PNG file.
///
/// # Errors
/// [`Error::Internal`] where the encoder fails: a picture without pixels.
pub fn grey_png(levels: ArrayView2<u8>) -> Result<Vec<u8>> {
    let (rows, cols) = levels.dim();
    let (pixels, mut bytes): (Vec<u8>, _) = (levels.iter().copied().collect(), Vec::new());
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
        .write_image(&pixels, cols as u32, rows as u32, ExtendedColorType::L8)
        .map_err(|error| Error::Internal(format!("PNG: {error}")))?;
    Ok(bytes)
}

/// A slice as grey levels of `shape` (rows, columns): clipped at the outer half percent, stretched, and resized;
/// smoothed first where that reduces it, since bilinear sampling alone would alias.
pub fn grey_panel(slice: ArrayView2<f32>, shape: (usize, usize)) -> Array2<u8> {
    let clipped = match percentiles(slice, &[CLIP, 100.0 - CLIP]).as_deref() {
        Some(&[low, high]) if low <= high => slice.mapv(|v| v.clamp(low, high)),
        _ => slice.to_owned(),
    };
    let scale = shape.1 as f64 / slice.ncols().max(1) as f64;
    let smooth = if scale < 1.0 {
        gaussian_f32(clipped.view(), 0.5 / scale)
    } else {
        clipped
    };
    stretch_u8(resize_linear_f32(smooth.view(), shape).view())
}
