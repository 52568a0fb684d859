//! A picture of the segments: the image, and beside it the same in colours.
use ndarray::{Array3, ArrayView2, Axis};

use crate::image::{resize_nearest, Picture};
use crate::runtime::{Error, Result};

use super::input::ImageInput;

/// Longer side of a panel, in pixels: smaller images are enlarged to the first, larger ones reduced to the second.
const PANEL: (usize, usize) = (512, 1536);

/// White pixels between the panels.
const GAP: usize = 8;

/// Share of a segment's colour over its area.
const TINT: f32 = 0.45;

/// The picture: `image` on the left; on the right the same, each segment of `labels` (of the image's rows and columns)
/// tinted and its border drawn. Errors: shapes that differ.
pub(super) fn draw(image: ImageInput, labels: ArrayView2<u32>) -> Result<Picture> {
    let shape = image.shape();
    if shape != labels.dim() {
        let allowed = format!("must be that of the labels, {:?}", labels.dim());
        return Err(Error::argument("shape of the image", format!("{shape:?}"), &allowed));
    }
    let longer = shape.0.max(shape.1);
    let scale = longer.clamp(PANEL.0, PANEL.1) as f64 / longer as f64;
    let side = |pixels: usize| ((pixels as f64 * scale).round() as usize).max(1);
    let (rows, cols) = (side(shape.0), side(shape.1));
    let unit: Array3<f32> = image.unit((rows, cols));
    let labels = resize_nearest(labels, (rows, cols));
    let mut picture = Picture::white(rows, 2 * cols + GAP);
    let level = |k: usize, r: usize, c: usize| (unit[[k.min(unit.len_of(Axis(0)) - 1), r, c]] * 255.0).round() as u8;
    for ((r, c), &label) in labels.indexed_iter() {
        let colour = [level(0, r, c), level(1, r, c), level(2, r, c)];
        picture.paint(r, c, colour, 1.0);
        let right = cols + GAP + c;
        picture.paint(r, right, colour, 1.0);
        let differs = |r: usize, c: usize| labels.get([r, c]).is_some_and(|&other| other != label);
        let border = differs(r + 1, c) || differs(r, c + 1);
        picture.paint(r, right, segment_colour(label), if border { 1.0 } else { TINT });
    }
    Ok(picture)
}

/// Colours that differ most from those of nearby numbers: hues a golden angle apart, two brightnesses.
pub fn segment_colour(label: u32) -> [u8; 3] {
    let hue = (f64::from(label) * 0.618_033_988_75).fract() * 6.0;
    let value = if label.is_multiple_of(2) { 1.0 } else { 0.75 };
    let channel = |shift: f64| {
        let distance = ((hue + shift) % 6.0 - 3.0).abs() - 1.0;
        (255.0 * value * (0.15 + 0.85 * distance.clamp(0.0, 1.0))).round() as u8
    };
    [channel(0.0), channel(4.0), channel(2.0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn segments_have_colours_of_their_own_and_the_left_panel_is_the_image() {
        let pixels = Array3::from_elem((3, 20, 30), 0.5);
        let image = ImageInput::new(pixels.view(), Some([0.0, 1.0])).unwrap();
        let labels = Array2::from_shape_fn((20, 30), |(_, c)| u32::from(c >= 15));
        let picture = draw(image, labels.view()).unwrap();
        assert_eq!(picture.dim(), (341, 2 * 512 + 8));
        assert_eq!(picture.colour(100, 100), Some([128; 3]));
        let (left, right) = (picture.colour(100, 620), picture.colour(100, 920));
        assert!(left.is_some() && left != right);
        assert!(draw(image, labels.slice(ndarray::s![..10, ..])).is_err());
        let mut colours: Vec<_> = (0..64).map(segment_colour).collect();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!(colours.len(), 64);
    }
}
