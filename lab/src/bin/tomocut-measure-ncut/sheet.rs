//! The contact sheet: one strip for each image, its truth and every preset's segments beside it.
use ndarray::{Array2, Array3, Axis};
use tomocut::image::{resize_nearest, Picture};
use tomocut::ncut::segment_colour;

use crate::data_sets::{resized, Sample};

/// Width of a panel and the white between panels, in pixels.
const PANEL: usize = 112;
const GAP: usize = 3;

/// Share of a segment's colour, and grey levels of the image under it: few, so that the file stays small.
const TINT: f32 = 0.7;
const LEVELS: f32 = 6.0;

/// One image: itself, the truth and the presets.
pub struct Strip {
    image: Array3<f32>,
    labels: Vec<Array2<u32>>,
}

impl Strip {
    /// The panels of `sample`: the truth of the first person, then `shown`.
    pub fn new(sample: &Sample, shown: Vec<Array2<u32>>) -> Self {
        let (rows, cols) = sample.shape();
        let shape = ((rows * PANEL / cols.max(1)).max(1), PANEL);
        let all = sample.truths.first().into_iter().chain(&shown);
        Self {
            image: resized(&sample.unit, shape),
            labels: all.map(|labels| resize_nearest(labels.view(), shape)).collect(),
        }
    }

    fn paint(&self, picture: &mut Picture, top: usize) {
        let (channels, rows, cols) = self.image.dim();
        let grey = self.image.sum_axis(Axis(0)) / channels as f32;
        for (r, c) in (0..rows).flat_map(|r| (0..cols).map(move |c| (r, c))) {
            let level = |k: usize| (255.0 * self.image[[k.min(channels - 1), r, c]]).round() as u8;
            picture.paint(top + r, c, [level(0), level(1), level(2)], 1.0);
            let shade = (255.0 / LEVELS * (grey[[r, c]] * LEVELS).round()) as u8;
            for (index, labels) in self.labels.iter().enumerate() {
                let left = (index + 1) * (PANEL + GAP);
                picture.paint(top + r, left + c, [shade; 3], 1.0);
                picture.paint(top + r, left + c, segment_colour(labels[[r, c]] % 1024), TINT);
            }
        }
    }
}

/// All strips, one below the other.
pub fn draw(strips: &[Strip]) -> Picture {
    let height = strips.iter().map(|strip| strip.image.len_of(Axis(1)) + GAP).sum();
    let panels = strips.first().map_or(0, |strip| strip.labels.len() + 1);
    let mut picture = Picture::white(height, panels * (PANEL + GAP));
    let mut top = 0;
    for strip in strips {
        strip.paint(&mut picture, top);
        top += strip.image.len_of(Axis(1)) + GAP;
    }
    picture
}
