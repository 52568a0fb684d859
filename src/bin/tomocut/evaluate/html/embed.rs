//! Pixels as PNG within the page.
use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use ndarray::{Array2, ArrayView2};
use tomocut::image::{gaussian_f32, percentiles, resize_linear_f32, resize_nearest, stretch_u8};
use tomocut::{Error, Result};

/// Longer side in pixels that larger slices are reduced to.
const LONGEST: usize = 1024;

/// Percent of the grey levels clipped at either end.
const CLIP: f64 = 0.5;

/// The shape that a picture is stored in.
fn stored((rows, cols): (usize, usize)) -> (usize, usize) {
    let longer = rows.max(cols);
    if longer <= LONGEST {
        return (rows, cols);
    }
    let side = |n: usize| ((n * LONGEST) as f64 / longer as f64).round().max(1.0) as usize;
    (side(rows), side(cols))
}

/// Grey levels between the percentiles.
pub fn grey(slice: ArrayView2<f32>) -> Result<String> {
    let clipped = match percentiles(slice, &[CLIP, 100.0 - CLIP]).as_deref() {
        Some(&[low, high]) if low <= high => slice.mapv(|v| v.clamp(low, high)),
        _ => slice.to_owned(),
    };
    let shape = stored(slice.dim());
    let levels = if shape == slice.dim() {
        stretch_u8(clipped.view())
    } else {
        // Smoothing before reduction: bilinear sampling alone would alias.
        let smooth = gaussian_f32(clipped.view(), 0.5 * slice.nrows() as f64 / shape.0 as f64);
        stretch_u8(resize_linear_f32(smooth.view(), shape).view())
    };
    let pixels: Vec<u8> = levels.iter().copied().collect();
    data_uri(&pixels, shape, ExtendedColorType::L8)
}

/// Colours over what lies below: `tints[kind - 1]` where the kind is above 0, with `opacity` of 255.
pub fn tint(kinds: ArrayView2<u8>, tints: &[[u8; 3]], opacity: u8) -> Result<String> {
    let shape = stored(kinds.dim());
    let kinds: Array2<u8> = resize_nearest(kinds, shape);
    let pixel = |kind: &u8| match kind.checked_sub(1).and_then(|n| tints.get(usize::from(n))) {
        Some([r, g, b]) => [*r, *g, *b, opacity],
        None => [0; 4],
    };
    let pixels: Vec<u8> = kinds.iter().flat_map(pixel).collect();
    data_uri(&pixels, shape, ExtendedColorType::Rgba8)
}

fn data_uri(pixels: &[u8], (rows, cols): (usize, usize), colour: ExtendedColorType) -> Result<String> {
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive)
        .write_image(pixels, cols as u32, rows as u32, colour)
        .map_err(|e| Error::Internal(format!("PNG of {rows} x {cols} pixels: {e}")))?;
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(png)))
}
