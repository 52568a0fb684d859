//! A picture of a phantom: the tomogram, its noise-free part, and the labels.
use ndarray::{s, ArrayView2};

use super::instance::{FILAMENT, MEMBRANE, MOLECULE};
use super::simulate::Phantom;
use crate::image::{grey_panel, resize_nearest, Picture};
use crate::runtime::Result;

/// Width of a panel in pixels: smaller volumes are enlarged to the first, larger ones reduced to the second.
const PANEL: (usize, usize) = (384, 768);
/// White pixels between the panels.
const GAP: usize = 8;
/// What is neither labelled nor grey.
const EMPTY: [u8; 3] = [24, 24, 24];
/// Orange, sky blue and yellow: told apart in every form of colour blindness.
const COLOURS: [(u8, [u8; 3]); 3] = [
    (MEMBRANE, [255, 150, 20]),
    (MOLECULE, [60, 190, 255]),
    (FILAMENT, [240, 228, 66]),
];

impl Phantom {
    /// Two rows of three panels, as a PNG file: the middle slice (x to the right, y downwards) and the middle section
    /// across y (x to the right, z downwards), in which the missing wedge smears along z; each of the tomogram, of its
    /// noise-free part, and of the labels (membranes orange, molecules blue, filaments yellow).
    pub fn preview_png(&self) -> Result<Vec<u8>> {
        let (depth, height, width) = self.tomogram.dim();
        let scale = width.clamp(PANEL.0, PANEL.1) as f64 / width as f64;
        let side = |voxels: usize| ((voxels as f64 * scale).round() as usize).max(1);
        let (across, tops) = (side(width), [0, side(height) + GAP]);
        let mut picture = Picture::white(tops[1] + side(depth), 3 * across + 2 * GAP);
        let (slice, section) = (s![depth / 2, .., ..], s![.., height / 2, ..]);
        for (column, volume) in [&self.tomogram, &self.signal].into_iter().enumerate() {
            for (top, view) in tops.into_iter().zip([volume.slice(slice), volume.slice(section)]) {
                let panel = grey_panel(view, (side(view.nrows()), across));
                picture.paint_grey((top, column * (across + GAP)), panel.view());
            }
        }
        for (top, view) in tops
            .into_iter()
            .zip([self.labels.slice(slice), self.labels.slice(section)])
        {
            paint_labels(
                &mut picture,
                (top, 2 * (across + GAP)),
                view,
                (side(view.nrows()), across),
            );
        }
        picture.png()
    }
}

fn paint_labels(picture: &mut Picture, (top, left): (usize, usize), labels: ArrayView2<u8>, shape: (usize, usize)) {
    for ((r, c), label) in resize_nearest(labels, shape).indexed_iter() {
        let colour = COLOURS
            .iter()
            .find(|(of, _)| of == label)
            .map_or(EMPTY, |(_, colour)| *colour);
        picture.paint(top + r, left + c, colour, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use crate::phantom::PhantomOptions;

    #[test]
    fn panels_have_their_places_and_colours() {
        let mut labels = Array3::zeros((40, 60, 96));
        labels.slice_mut(super::s![.., .., ..32]).fill(super::MEMBRANE);
        labels.slice_mut(super::s![.., .., 64..]).fill(super::FILAMENT);
        let ramp = Array3::from_shape_fn((40, 60, 96), |(z, _, x)| (x + z) as f32);
        let phantom = super::Phantom {
            tomogram: ramp.clone(),
            signal: -ramp.clone(),
            noise: ramp,
            labels,
            instances: Vec::new(),
            parameters: PhantomOptions::default(),
        };
        let png = phantom.preview_png().unwrap();
        let picture = image::load_from_memory(&png).unwrap().to_rgb8();
        // Four pixels per voxel: three panels of 384, of 240 rows and of 160.
        assert_eq!(picture.dimensions(), (3 * 384 + 16, 240 + 8 + 160));
        let at = |row: u32, col: u32| picture.get_pixel(col, row).0;
        // The tomogram brightens with x, and downwards, with z, in the section; the signal is its negative.
        assert!(at(100, 300)[0] > at(100, 80)[0] + 100 && at(390, 190)[0] > at(260, 190)[0] + 50);
        assert!(at(100, 392 + 300)[0] + 100 < at(100, 392 + 80)[0]);
        assert_eq!(at(244, 100), [255; 3]);
        for row in [100, 300] {
            let labels: Vec<[u8; 3]> = [40, 190, 340].iter().map(|x| at(row, 784 + x)).collect();
            assert_eq!(labels, [super::COLOURS[0].1, super::EMPTY, super::COLOURS[2].1]);
        }
    }
}
