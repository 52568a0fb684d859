//! Masks of one bit per voxel, and what balls make of them: 64 voxels at a time.
use std::ops::Range;

use ndarray::{Array3, ArrayView3};

use crate::runtime::Result;

/// A mask (z, y, x).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitMask {
    shape: [usize; 3],
    /// Words of a row; the bits beyond its last voxel are 0.
    words: usize,
    bits: Vec<u64>,
}

impl BitMask {
    /// A mask of `shape` (z, y, x) that is nowhere true.
    pub fn new(shape: [usize; 3]) -> Self {
        let words = shape[2].div_ceil(64);
        Self {
            shape,
            words,
            bits: vec![0; shape[0] * shape[1] * words],
        }
    }

    /// The same mask in bits.
    pub fn of(mask: ArrayView3<bool>) -> Self {
        let (nz, ny, nx) = mask.dim();
        let mut bits = Self::new([nz, ny, nx]);
        for ((z, y, x), _) in mask.indexed_iter().filter(|(_, inside)| **inside) {
            bits.set([z, y, x]);
        }
        bits
    }

    /// The same mask as an array.
    pub fn to_array(&self) -> Array3<bool> {
        let [nz, ny, nx] = self.shape;
        Array3::from_shape_fn((nz, ny, nx), |(z, y, x)| self.get([z, y, x]))
    }

    /// Extents (z, y, x).
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Words of one slice.
    pub fn words_per_slice(shape: [usize; 3]) -> usize {
        shape[1] * shape[2].div_ceil(64)
    }

    /// All words, slice by slice, row by row.
    pub fn words(&self) -> &[u64] {
        &self.bits
    }

    /// All words, to be written; bits beyond a row's last voxel must stay 0.
    pub fn words_mut(&mut self) -> &mut [u64] {
        &mut self.bits
    }

    /// Whether the voxel (z, y, x) is true. It must lie within the mask.
    pub fn get(&self, [z, y, x]: [usize; 3]) -> bool {
        self.bits[(z * self.shape[1] + y) * self.words + x / 64] >> (x % 64) & 1 == 1
    }

    /// Makes the voxel (z, y, x) true. It must lie within the mask.
    pub fn set(&mut self, [z, y, x]: [usize; 3]) {
        self.bits[(z * self.shape[1] + y) * self.words + x / 64] |= 1 << (x % 64);
    }

    /// The slices `z` as a mask of their own.
    pub fn slices(&self, z: Range<usize>) -> Self {
        let plane = self.shape[1] * self.words;
        Self {
            shape: [z.len(), self.shape[1], self.shape[2]],
            words: self.words,
            bits: self.bits[z.start * plane..z.end * plane].to_vec(),
        }
    }

    /// The pixels of slice `z`, row by row.
    pub fn pixels(&self, z: usize) -> Vec<bool> {
        let nx = self.shape[2];
        let mut pixels = Vec::with_capacity(self.shape[1] * nx);
        for y in 0..self.shape[1] {
            let row = self.row(z, y);
            pixels.extend((0..nx).map(|x| row[x / 64] >> (x % 64) & 1 == 1));
        }
        pixels
    }

    fn row(&self, z: usize, y: usize) -> &[u64] {
        let at = (z * self.shape[1] + y) * self.words;
        &self.bits[at..at + self.words]
    }

    /// Voxels at most `radius` from the mask, with distances as [`crate::image::distance_3d`] gives them. `check` is
    /// asked every few rows and stops the work by its error.
    pub fn grown(&self, radius: f64, check: impl Fn() -> Result<()>) -> Result<Self> {
        let mut grown = Self::new(self.shape);
        let filled: Vec<bool> = self.rows().map(|row| row.iter().any(|word| *word != 0)).collect();
        let (ball, mut near) = (Ball::new(radius, self.shape), Vec::new());
        for row in 0..filled.len() {
            if row % CHECK_EVERY == 0 {
                check()?;
            }
            let near = ball.near(self, row, |row| filled[row].then_some(0), &mut near);
            grown.bits[row * self.words..(row + 1) * self.words].copy_from_slice(near);
        }
        Ok(grown)
    }

    /// Voxels of the mask more than `radius` from every voxel outside it; what lies beyond the volume is not outside.
    /// `check` as for [`BitMask::grown`].
    pub fn eroded(&self, radius: f64, check: impl Fn() -> Result<()>) -> Result<Self> {
        let mut eroded = Self::new(self.shape);
        let (ball, mut near) = (Ball::new(radius, self.shape), Vec::new());
        for (row, before) in self.rows().enumerate() {
            if row % CHECK_EVERY == 0 {
                check()?;
            }
            if before.iter().all(|word| *word == 0) {
                continue;
            }
            let outside = ball.near(self, row, |_| Some(u64::MAX), &mut near);
            let target = &mut eroded.bits[row * self.words..(row + 1) * self.words];
            for ((target, before), outside) in target.iter_mut().zip(before).zip(outside) {
                *target = before & !outside;
            }
        }
        Ok(eroded)
    }

    /// Adds the voxels of `more` that are not in `less`, masks of the same shape.
    pub fn add_without(&mut self, more: &Self, less: &Self) {
        for ((word, more), less) in self.bits.iter_mut().zip(&more.bits).zip(&less.bits) {
            *word |= more & !less;
        }
    }

    fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.bits.chunks_exact(self.words.max(1))
    }
}

/// Rows between two questions whether to stop: at most some milliseconds.
const CHECK_EVERY: usize = 64;

/// A ball as rows: how far it reaches along x at each offset along z and y.
struct Ball {
    /// Reach along x, and the offsets (z, y) that have it.
    spans: Vec<(usize, Vec<[isize; 2]>)>,
    /// Bits of the last word that are voxels.
    last: u64,
}

impl Ball {
    /// Of `radius`, no larger than `shape` has use for.
    fn new(radius: f64, shape: [usize; 3]) -> Self {
        // Squares of distances are whole numbers; the root has float32, as in distance maps.
        let inside = |n: usize| f64::from((n as f32).sqrt()) <= radius;
        let most = |extent: usize| (0..extent).take_while(|d| inside(d * d)).count().saturating_sub(1) as isize;
        let [z_most, y_most, x_most] = shape.map(most);
        let mut spans: Vec<(usize, Vec<[isize; 2]>)> = Vec::new();
        for dz in -z_most..=z_most {
            for dy in -y_most..=y_most {
                let squared = (dz * dz + dy * dy) as usize;
                if !inside(squared) {
                    continue;
                }
                let span = (0..=x_most as usize).take_while(|dx| inside(squared + dx * dx)).count() - 1;
                match spans.iter_mut().find(|(known, _)| *known == span) {
                    Some((_, offsets)) => offsets.push([dz, dy]),
                    None => spans.push((span, vec![[dz, dy]])),
                }
            }
        }
        let last = match shape[2] % 64 {
            0 => u64::MAX,
            used => (1 << used) - 1,
        };
        Self { spans, last }
    }

    /// Voxels of row number `row` within the ball of a voxel of `mask`, each word of it turned over by `flip(row)`
    /// first; rows of which that is None are left out.
    fn near<'a>(
        &self,
        mask: &BitMask,
        row: usize,
        flip: impl Fn(usize) -> Option<u64>,
        space: &'a mut Vec<u64>,
    ) -> &'a [u64] {
        let [nz, ny, _] = mask.shape;
        let words = mask.words;
        space.clear();
        space.resize(3 * words, 0);
        let (near, rest) = space.split_at_mut(words);
        let (joined, spread) = rest.split_at_mut(words);
        let (z, y) = ((row / ny) as isize, (row % ny) as isize);
        for (span, offsets) in &self.spans {
            joined.fill(0);
            for [dz, dy] in offsets {
                let (z, y) = (z + dz, y + dy);
                if (0..nz as isize).contains(&z) && (0..ny as isize).contains(&y) {
                    if let Some(flip) = flip(z as usize * ny + y as usize) {
                        for (to, from) in joined.iter_mut().zip(mask.row(z as usize, y as usize)) {
                            *to |= from ^ flip;
                        }
                    }
                }
            }
            if let Some(word) = joined.last_mut() {
                *word &= self.last;
            }
            if joined.iter().all(|word| *word == 0) {
                continue;
            }
            for (to, from) in near.iter_mut().zip(joined.iter()) {
                *to |= from;
            }
            for shift in [shift_up, shift_down] {
                spread.copy_from_slice(joined);
                let mut reached = 0;
                while reached < *span {
                    let by = (reached + 1).min(span - reached).min(63);
                    shift(spread, by);
                    reached += by;
                }
                for (to, from) in near.iter_mut().zip(spread.iter()) {
                    *to |= from;
                }
            }
        }
        if let Some(word) = near.last_mut() {
            *word &= self.last;
        }
        near
    }
}

/// Joins `row` with itself `by` voxels on, 1..=63.
fn shift_up(row: &mut [u64], by: usize) {
    let mut carried = 0;
    for word in row {
        let next = *word >> (64 - by);
        *word |= *word << by | carried;
        carried = next;
    }
}

/// Joins `row` with itself `by` voxels back, 1..=63.
fn shift_down(row: &mut [u64], by: usize) {
    let mut carried = 0;
    for word in row.iter_mut().rev() {
        let next = *word << (64 - by);
        *word |= *word >> by | carried;
        carried = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::distance_3d;
    use crate::runtime::Generator;

    #[test]
    fn balls_are_those_of_the_distance_transform() {
        let mut gen = Generator::new(3, 0);
        for (shape, density) in [
            ((7, 9, 140), 0.02),
            ((12, 11, 64), 0.1),
            ((5, 30, 65), 0.9),
            ((1, 1, 1), 1.0),
        ] {
            let mask = Array3::from_shape_fn(shape, |_| gen.chance(density));
            let bits = BitMask::of(mask.view());
            assert_eq!(bits.to_array(), mask);
            assert!((0..shape.0).flat_map(|z| bits.pixels(z)).eq(mask.iter().copied()));
            for radius in [0.0, 0.5, 1.0, 1.5, 2.0, 3.0_f64.sqrt(), 4.5, 7.79, 70.0] {
                let distance = distance_3d(mask.view(), || Ok(())).unwrap();
                let grown = distance.mapv(|d| f64::from(d) <= radius);
                assert!(
                    bits.grown(radius, || Ok(())).unwrap().to_array() == grown,
                    "{shape:?} {radius}"
                );
                let distance = distance_3d(mask.mapv(|v| !v).view(), || Ok(())).unwrap();
                let eroded = distance.mapv(|d| f64::from(d) > radius);
                assert!(
                    bits.eroded(radius, || Ok(())).unwrap().to_array() == eroded,
                    "{shape:?} {radius}"
                );
            }
        }
    }

    #[test]
    fn slices_and_sums() {
        let mut mask = BitMask::new([4, 2, 70]);
        mask.set([2, 1, 69]);
        mask.set([0, 0, 0]);
        let part = mask.slices(1..3);
        assert!(part.shape() == [2, 2, 70] && part.get([1, 1, 69]) && !part.get([0, 0, 0]));
        let mut sum = BitMask::new([4, 2, 70]);
        let mut less = BitMask::new([4, 2, 70]);
        less.set([0, 0, 0]);
        sum.add_without(&mask, &less);
        assert!(sum.get([2, 1, 69]) && !sum.get([0, 0, 0]));
    }
}
