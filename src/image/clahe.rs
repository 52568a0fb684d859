//! Contrast-limited adaptive histogram equalisation, as OpenCV computes it for 8-bit images.
use ndarray::{Array2, ArrayView2};

use super::border::reflect_101;
use super::row_major;

/// Number of grey levels.
const BINS: usize = 256;

/// CLAHE on `grid` x `grid` tiles (8 in the papers) with `clip_limit` (2.0 in the papers) in units of the mean bin.
///
/// Sides that the grid does not divide are padded at the right and the bottom (reflect-101) by `grid - side % grid`; as
/// in OpenCV a side that it does divide then gets a full `grid` too, unless both do. The clipped excess is spread over
/// all bins, its remainder in even steps; look-up tables are joined bilinearly. `grid` 0 returns the image.
pub fn clahe(image: ArrayView2<u8>, clip_limit: f64, grid: usize) -> Array2<u8> {
    let (rows, cols) = image.dim();
    if image.is_empty() || grid == 0 {
        return image.to_owned();
    }
    let (padded_rows, padded_cols) = if rows % grid == 0 && cols % grid == 0 {
        (rows, cols)
    } else {
        (rows + grid - rows % grid, cols + grid - cols % grid)
    };
    let (tile_rows, tile_cols) = (padded_rows / grid, padded_cols / grid);
    let pixels = row_major(image);
    let mut tables = Vec::with_capacity(grid * grid);
    for tile in 0..grid * grid {
        let (top, left) = (tile / grid * tile_rows, tile % grid * tile_cols);
        let mut histogram = [0_usize; BINS];
        for r in top..top + tile_rows {
            let start = reflect_101(r as isize, rows) * cols;
            for c in left..left + tile_cols {
                histogram[usize::from(pixels[start + reflect_101(c as isize, cols)])] += 1;
            }
        }
        tables.push(equalise(histogram, tile_rows * tile_cols, clip_limit));
    }

    let across: Vec<Neighbours> = (0..cols).map(|c| Neighbours::of(c, tile_cols, grid)).collect();
    Array2::from_shape_fn((rows, cols), |(r, c)| {
        let (down, across) = (Neighbours::of(r, tile_rows, grid), &across[c]);
        let level = usize::from(pixels[r * cols + c]);
        let value = |tile_row: usize, tile_col: usize| f32::from(tables[tile_row * grid + tile_col][level]);
        let mix = |tile_row: usize| {
            value(tile_row, across.first) * (1.0 - across.share) + value(tile_row, across.second) * across.share
        };
        let result = mix(down.first) * (1.0 - down.share) + mix(down.second) * down.share;
        result.round_ties_even() as u8
    })
}

/// The two tiles whose centres lie around a pixel, and the share of the second. float32, as in OpenCV.
struct Neighbours {
    first: usize,
    second: usize,
    share: f32,
}

impl Neighbours {
    fn of(pixel: usize, tile: usize, grid: usize) -> Self {
        let position = pixel as f32 * (1.0 / tile as f32) - 0.5;
        let below = position.floor();
        Self {
            first: (below.max(0.0) as usize).min(grid - 1),
            second: ((below + 1.0) as usize).min(grid - 1),
            share: position - below,
        }
    }
}

/// Look-up table of one tile.
fn equalise(mut histogram: [usize; BINS], area: usize, clip_limit: f64) -> [u8; BINS] {
    if clip_limit > 0.0 {
        let limit = ((clip_limit * area as f64 / BINS as f64) as usize).max(1);
        let mut excess = 0;
        for count in &mut histogram {
            excess += count.saturating_sub(limit);
            *count = (*count).min(limit);
        }
        let (batch, rest) = (excess / BINS, excess % BINS);
        for count in &mut histogram {
            *count += batch;
        }
        for bin in (0..BINS).step_by((BINS / rest.max(1)).max(1)).take(rest) {
            histogram[bin] += 1;
        }
    }
    let scale = 255.0_f32 / area as f32;
    let mut sum = 0;
    histogram.map(|count| {
        sum += count;
        (sum as f32 * scale).round_ties_even() as u8
    })
}
