//! How a slice of any size is cut into the squares that a U-Net sees, and how their maps become one again.
use ndarray::{s, Array2, Array3, ArrayView2};

use crate::image::{reflect, resize_linear_f32, resize_nearest};
use crate::runtime::{Error, Result};

use super::seams::{level, Overlap};

/// How slice pixels and tile pixels belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sampling {
    /// The frame is the slice resized.
    Resized,
    /// The frame is the slice, continued by reflection at the bottom and the right where it is larger.
    Padded,
}

/// Where the tiles of one slice lie.
///
/// Tiles form a grid of `starts` in a frame, which is the slice resized or padded; tile `i` is row `i / columns`,
/// column `i % columns` of the grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TilePlan {
    slice: (usize, usize),
    frame: (usize, usize),
    tile: (usize, usize),
    row_starts: Vec<usize>,
    col_starts: Vec<usize>,
    sampling: Sampling,
}

impl TilePlan {
    /// The papers' plan: the slice resized (bilinear) to two tiles by two, in the order top left, top right, bottom
    /// left, bottom right, without overlap. Any `slice` (rows, columns) down to 1 x 1. Errors: an empty slice or tile.
    pub fn quadrants(slice: (usize, usize), tile: usize) -> Result<Self> {
        check(slice, tile)?;
        let side = tile
            .checked_mul(2)
            .ok_or_else(|| Error::argument("tile", tile, "is too large"))?;
        Ok(Self {
            slice,
            frame: (side, side),
            tile: (tile, tile),
            row_starts: vec![0, tile],
            col_starts: vec![0, tile],
            sampling: Sampling::Resized,
        })
    }

    /// One tile: the slice, each side continued by reflection to a multiple of `granularity`.
    pub fn whole(slice: (usize, usize), granularity: usize) -> Result<Self> {
        check(slice, granularity)?;
        let padded = |side: usize| {
            side.checked_next_multiple_of(granularity)
                .ok_or_else(|| Error::argument("slice", side, "is too large"))
        };
        let frame = (padded(slice.0)?, padded(slice.1)?);
        Ok(Self {
            slice,
            frame,
            tile: frame,
            row_starts: vec![0],
            col_starts: vec![0],
            sampling: Sampling::Padded,
        })
    }

    /// Square tiles at the slice's own sampling that overlap by at least the share `overlap` (0.0..=0.75) of a tile,
    /// evenly spread, the last flush with the end. A side shorter than a tile is continued by reflection.
    pub fn overlapping(slice: (usize, usize), tile: usize, overlap: f64) -> Result<Self> {
        check(slice, tile)?;
        if !(0.0..=0.75).contains(&overlap) {
            return Err(Error::argument("overlap", overlap, "must be 0..=0.75"));
        }
        let stride = ((tile as f64 * (1.0 - overlap)).floor() as usize).max(1);
        let starts = |side: usize| -> Vec<usize> {
            let room = side.saturating_sub(tile);
            let steps = room.div_ceil(stride);
            (0..=steps).map(|i| (room * i + steps / 2) / steps.max(1)).collect()
        };
        Ok(Self {
            slice,
            frame: (slice.0.max(tile), slice.1.max(tile)),
            tile: (tile, tile),
            row_starts: starts(slice.0),
            col_starts: starts(slice.1),
            sampling: Sampling::Padded,
        })
    }

    /// Number of tiles.
    pub fn len(&self) -> usize {
        self.row_starts.len() * self.col_starts.len()
    }

    /// Never true: a plan has at least one tile.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows and columns of every tile.
    pub fn tile_shape(&self) -> (usize, usize) {
        self.tile
    }

    /// Rows and columns of the slice.
    pub fn slice_shape(&self) -> (usize, usize) {
        self.slice
    }

    /// Rows and columns of the frame that the tiles lie in: the slice, resized or padded.
    pub fn frame_shape(&self) -> (usize, usize) {
        self.frame
    }

    /// Top and left of tile `index` in the frame.
    fn start(&self, index: usize) -> Result<(usize, usize)> {
        let columns = self.col_starts.len();
        match (
            self.row_starts.get(index / columns),
            self.col_starts.get(index % columns),
        ) {
            (Some(&top), Some(&left)) => Ok((top, left)),
            _ => Err(Error::argument("tile", index, &format!("must be below {}", self.len()))),
        }
    }

    /// Tile `index` of `slice`. Errors: an index or a slice that is not the plan's.
    pub fn crop(&self, slice: ArrayView2<f32>, index: usize) -> Result<Array2<f32>> {
        let (top, left) = self.start(index)?;
        expect("slice", slice.dim(), self.slice)?;
        let (rows, cols) = self.tile;
        Ok(match self.sampling {
            Sampling::Resized => {
                let frame = resize_linear_f32(slice, self.frame);
                frame.slice(s![top..top + rows, left..left + cols]).to_owned()
            }
            Sampling::Padded => {
                let row: Vec<usize> = (top..top + rows).map(|r| reflect(r as isize, self.slice.0)).collect();
                let col: Vec<usize> = (left..left + cols).map(|c| reflect(c as isize, self.slice.1)).collect();
                Array2::from_shape_fn((rows, cols), |(r, c)| slice[[row[r], col[c]]])
            }
        })
    }

    /// Tile `index` of every slice of `seen`, (slices, rows, columns); a missing slice is 0. Errors: as
    /// [`TilePlan::crop`].
    pub fn crop_seen(&self, seen: &[Option<ArrayView2<f32>>], index: usize) -> Result<Array3<f32>> {
        let mut tile = Array3::zeros((seen.len(), self.tile.0, self.tile.1));
        for (slice, mut target) in seen.iter().zip(tile.outer_iter_mut()) {
            if let Some(slice) = slice {
                target.assign(&self.crop(slice.view(), index)?);
            }
        }
        Ok(tile)
    }

    /// Position (row, column) in the slice, in pixels, of a position in tile `index`. On quadrants this is the released
    /// code's formula, `y (H / 2) / T + row (H / 2)` with integer H / 2.
    pub fn to_slice(&self, index: usize, position: [f64; 2]) -> Result<[f64; 2]> {
        let (top, left) = self.start(index)?;
        Ok(match self.sampling {
            Sampling::Resized => {
                let half = [(self.slice.0 / 2) as f64, (self.slice.1 / 2) as f64];
                let tile = [self.tile.0 as f64, self.tile.1 as f64];
                [
                    (position[0] + top as f64) * half[0] / tile[0],
                    (position[1] + left as f64) * half[1] / tile[1],
                ]
            }
            Sampling::Padded => [position[0] + top as f64, position[1] + left as f64],
        })
    }

    /// Joins maps of all tiles without mixing values: each pixel is that of the tile whose centre is nearest; quadrants
    /// are resized to the slice by nearest neighbour. For masks and labels.
    pub fn join<T: Copy + Default>(&self, maps: &[Array2<T>]) -> Result<Array2<T>> {
        self.check_maps(maps)?;
        let nearest = |starts: &[usize], side: usize, tile: usize| -> Vec<(usize, usize)> {
            let distance = |pixel: usize, start: usize| (2 * pixel + 1).abs_diff(2 * start + tile);
            let owner = |pixel: usize| {
                (0..starts.len())
                    .min_by_key(|&i| distance(pixel, starts[i]))
                    .map_or((0, 0), |i| (i, pixel - starts[i]))
            };
            (0..side).map(owner).collect()
        };
        let rows = nearest(&self.row_starts, self.frame.0, self.tile.0);
        let cols = nearest(&self.col_starts, self.frame.1, self.tile.1);
        let frame = Array2::from_shape_fn(self.frame, |(r, c)| {
            let ((tile_row, r), (tile_col, c)) = (rows[r], cols[c]);
            maps[tile_row * self.col_starts.len() + tile_col][[r, c]]
        });
        Ok(match self.sampling {
            Sampling::Resized => resize_nearest(frame.view(), self.slice),
            Sampling::Padded => frame.slice(s![..self.slice.0, ..self.slice.1]).to_owned(),
        })
    }

    /// Joins maps of all tiles smoothly: the mean, weighted by windows that fall off towards the tile's edges and sum
    /// to one everywhere. A constant stays that constant; crops of one image give the image back.
    pub fn blend(&self, maps: &[Array2<f32>]) -> Result<Array2<f32>> {
        self.check_maps(maps)?;
        let rows = partition(&self.row_starts, self.frame.0, self.tile.0);
        let cols = partition(&self.col_starts, self.frame.1, self.tile.1);
        let mut sum = Array2::<f64>::zeros(self.frame);
        for (index, map) in maps.iter().enumerate() {
            let (row, col) = (index / self.col_starts.len(), index % self.col_starts.len());
            let (top, left) = self.start(index)?;
            for (r, values) in map.rows().into_iter().enumerate() {
                let mut out = sum.slice_mut(s![top + r, left..left + self.tile.1]);
                for ((out, &v), weight) in out.iter_mut().zip(values).zip(&cols[col]) {
                    *out += f64::from(v) * weight * rows[row][r];
                }
            }
        }
        let frame = sum.mapv(|v| v as f32);
        Ok(match self.sampling {
            Sampling::Resized => resize_linear_f32(frame.view(), self.slice),
            Sampling::Padded => frame.slice(s![..self.slice.0, ..self.slice.1]).to_owned(),
        })
    }

    /// Brings the maps to one tone before they are blended: each becomes `gain * map + offset` such that neighbours
    /// agree in mean and spread where they overlap. Tiles that overlap nothing stay as they are.
    pub fn level(&self, maps: &[Array2<f32>]) -> Result<Vec<Array2<f32>>> {
        self.check_maps(maps)?;
        let columns = self.col_starts.len();
        let mut overlaps = Vec::new();
        for index in 0..maps.len() {
            let (row, col) = (index / columns, index % columns);
            let right = (col + 1 < columns).then_some(index + 1);
            let below = (row + 1 < self.row_starts.len()).then_some(index + columns);
            for other in [right, below].into_iter().flatten() {
                let (a, b) = (self.start(index)?, self.start(other)?);
                let (down, across) = (b.0 - a.0, b.1 - a.1);
                if down < self.tile.0 && across < self.tile.1 {
                    let mine = maps[index].slice(s![down.., across..]);
                    let theirs = maps[other].slice(s![..self.tile.0 - down, ..self.tile.1 - across]);
                    overlaps.extend(Overlap::between(index, mine, other, theirs));
                }
            }
        }
        let tones = level(&overlaps, maps.len());
        Ok(maps
            .iter()
            .zip(tones)
            .map(|(map, tone)| map.mapv(|v| tone.apply(v)))
            .collect())
    }

    fn check_maps<T>(&self, maps: &[Array2<T>]) -> Result<()> {
        if maps.len() != self.len() {
            return Err(Error::argument(
                "tile maps",
                maps.len(),
                &format!("must be {}", self.len()),
            ));
        }
        maps.iter().try_for_each(|map| expect("tile map", map.dim(), self.tile))
    }
}

fn check(slice: (usize, usize), tile: usize) -> Result<()> {
    if slice.0 == 0 || slice.1 == 0 {
        return Err(Error::argument(
            "slice",
            format!("{}x{}", slice.0, slice.1),
            "must not be empty",
        ));
    }
    if tile == 0 {
        return Err(Error::argument("tile", tile, "must be positive"));
    }
    Ok(())
}

fn expect(name: &str, actual: (usize, usize), expected: (usize, usize)) -> Result<()> {
    if actual == expected {
        return Ok(());
    }
    let actual = format!("{}x{}", actual.0, actual.1);
    Err(Error::argument(
        name,
        actual,
        &format!("must be {}x{}", expected.0, expected.1),
    ))
}

/// Weights of the tiles along one axis: sine-squared windows, positive up to the edge pixel, divided by their sum.
/// Windows of a grid are products, so normalising each axis normalises the whole.
fn partition(starts: &[usize], side: usize, tile: usize) -> Vec<Vec<f64>> {
    let window: Vec<f64> = (0..tile)
        .map(|i| (std::f64::consts::PI * (i as f64 + 0.5) / tile as f64).sin().powi(2))
        .collect();
    let mut sum = vec![0.0; side];
    for &start in starts {
        for (sum, weight) in sum[start..start + tile].iter_mut().zip(&window) {
            *sum += weight;
        }
    }
    let normalised = |&start: &usize| -> Vec<f64> {
        window
            .iter()
            .zip(&sum[start..start + tile])
            .map(|(weight, sum)| weight / sum)
            .collect()
    };
    starts.iter().map(normalised).collect()
}

#[cfg(test)]
mod tests;
