//! Molecules out of maps that come slice by slice, so that no map need fit the memory.
use std::collections::VecDeque;

use ndarray::{Array2, ArrayView2};

use super::peaks::{PeakOptions, WINDOW};
use super::{Pick, PickSet};
use crate::runtime::{Error, Result};

/// One slice; None where it is zero throughout.
type Slice = Option<Array2<f32>>;

/// [`super::mean_pooling_nms`] or [`super::peaks`] of a map whose slices are handed over one after the other: the same
/// picks to the bit, in the memory of a few slices ([`PeakSlices::slices`]).
pub struct PeakSlices {
    options: PeakOptions,
    /// Means along z on their way, one for each round; none without pooling.
    pools: Vec<Pool>,
    maxima: Maxima,
    /// Whether picks are pooled maxima.
    pooling: bool,
    shape: (usize, usize),
}

impl PeakSlices {
    /// For slices of `shape` (y, x); with `pooling` as [`super::mean_pooling_nms`], else as [`super::peaks`]. More than
    /// `most` maxima are refused.
    ///
    /// Errors: options out of range.
    pub fn new(shape: (usize, usize), pooling: bool, options: &PeakOptions, most: usize) -> Result<Self> {
        options.validate()?;
        let rounds = if pooling { options.rounds() } else { 0 };
        let (reach, above) = match pooling {
            true => (WINDOW / 2, options.least),
            false => (1, options.threshold.max(options.least)),
        };
        Ok(Self {
            options: options.clone(),
            pools: (0..rounds).map(|_| Pool::default()).collect(),
            maxima: Maxima {
                reach,
                above: above as f32,
                window: VecDeque::new(),
                next: 0,
                peaks: Vec::new(),
                most,
            },
            pooling,
            shape,
        })
    }

    /// Slices of float32 that are held at most.
    pub fn slices(pooling: bool, options: &PeakOptions) -> usize {
        match pooling {
            true => WINDOW * (options.rounds() + 1) + 2,
            false => 4,
        }
    }

    /// Takes the next slice (y, x).
    ///
    /// Errors: another shape than the first one's; [`Error::OutOfMemory`] where there are too many maxima.
    pub fn push(&mut self, slice: ArrayView2<f32>) -> Result<()> {
        if slice.dim() != self.shape {
            let allowed = format!("must be {:?}", self.shape);
            return Err(Error::argument("slice", format!("{:?}", slice.dim()), &allowed));
        }
        let slice = match self.pooling {
            true => {
                let threshold = self.options.threshold as f32;
                slice.mapv(|p| if p > threshold { 1.0 } else { 0.0 })
            }
            false => slice.to_owned(),
        };
        let slice = if slice.iter().any(|v| *v != 0.0) {
            Some(slice)
        } else {
            None
        };
        self.pass(0, slice)
    }

    /// Hands `slice` to the round `first` and what comes out to the next.
    fn pass(&mut self, first: usize, mut slice: Slice) -> Result<()> {
        for pool in self.pools.iter_mut().skip(first) {
            match pool.push(slice) {
                Some(pooled) => slice = pooled,
                None => return Ok(()),
            }
        }
        self.maxima.push(slice)
    }

    /// The picks, best first, once all slices were handed over.
    pub fn finish(mut self) -> Result<Vec<Pick>> {
        for round in 0..self.pools.len() {
            // Beyond the last slice lie zeros, as before the first one.
            for _ in 0..WINDOW / 2 {
                if let Some(pooled) = self.pools[round].push(None) {
                    self.pass(round + 1, pooled)?;
                }
            }
        }
        let mut maxima = self.maxima.finish()?;
        maxima.sort_by(|a, b| b.1.total_cmp(&a.1));
        let picks = maxima.into_iter().map(|(position, value)| Pick {
            position: position.map(|v| v as f64),
            diameter_nm: self.options.diameter_nm,
            score: f64::from(value),
        });
        let mut set = PickSet {
            picks: picks.collect(),
            ..PickSet::default()
        };
        if !self.pooling {
            set.deduplicate(self.options.diameter / 2.0);
        }
        Ok(set.picks)
    }
}

/// The last slices of one round of mean pooling.
struct Pool(VecDeque<Slice>);

impl Default for Pool {
    fn default() -> Self {
        Self(std::iter::repeat_n(None, WINDOW / 2).collect())
    }
}

impl Pool {
    /// Takes a slice; gives the pooled slice two before it, once there is one.
    fn push(&mut self, slice: Slice) -> Option<Slice> {
        self.0.push_back(slice);
        if self.0.len() < WINDOW {
            return None;
        }
        let pooled = mean(&self.0);
        self.0.pop_front();
        Some(pooled)
    }
}

/// Mean over 5^3 voxels about the middle one of five slices, zeros outside: along z, y, x. Sums run in the order of the
/// voxels, as those of the whole map do.
fn mean(slices: &VecDeque<Slice>) -> Slice {
    let shape = slices.iter().flatten().next()?.dim();
    let mut along_z = Array2::<f32>::zeros(shape);
    for slice in slices.iter().flatten() {
        along_z.zip_mut_with(slice, |sum, v| *sum += v);
    }
    along_z.mapv_inplace(|sum| sum / WINDOW as f32);
    let (rows, cols) = shape;
    let mut out = Array2::<f32>::zeros(shape);
    let mut line = vec![0.0_f32; cols + WINDOW - 1];
    let mut sums = vec![0.0_f32; cols];
    for y in 0..rows {
        sums.fill(0.0);
        for near in y.saturating_sub(WINDOW / 2)..(y + WINDOW / 2 + 1).min(rows) {
            for (sum, v) in sums.iter_mut().zip(along_z.row(near)) {
                *sum += v;
            }
        }
        for (to, sum) in line[WINDOW / 2..].iter_mut().zip(&sums) {
            *to = sum / WINDOW as f32;
        }
        for (to, window) in out.row_mut(y).iter_mut().zip(line.windows(WINDOW)) {
            *to = window.iter().fold(0.0, |sum, v| sum + v) / WINDOW as f32;
        }
    }
    Some(out)
}

/// Voxels that nothing around them exceeds, nor equals earlier in the scan order.
struct Maxima {
    /// How far around.
    reach: usize,
    above: f32,
    /// The slices around the next one that is searched, from `reach` before it on.
    window: VecDeque<Slice>,
    /// Number of the slice that is searched next.
    next: usize,
    peaks: Vec<([usize; 3], f32)>,
    most: usize,
}

impl Maxima {
    fn push(&mut self, slice: Slice) -> Result<()> {
        self.window.push_back(slice);
        let before = self.next.min(self.reach);
        if self.window.len() > before + self.reach {
            self.search(before)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<([usize; 3], f32)>> {
        while self.window.len() > self.next.min(self.reach) {
            self.search(self.next.min(self.reach))?;
        }
        Ok(self.peaks)
    }

    /// Searches slice number `middle` of the window and lets the one go that is not needed any more.
    fn search(&mut self, middle: usize) -> Result<()> {
        if let Some(Some(slice)) = self.window.get(middle) {
            for ((y, x), &value) in slice.indexed_iter().filter(|(_, v)| **v > self.above) {
                if self.is_highest([middle, y, x], value) {
                    if self.peaks.len() >= self.most {
                        return Err(Error::OutOfMemory(format!(
                            "the map has more than {} maxima: it is noise, a higher threshold leaves fewer",
                            self.most
                        )));
                    }
                    self.peaks.push(([self.next, y, x], value));
                }
            }
        }
        self.next += 1;
        if self.next > self.reach {
            self.window.pop_front();
        }
        Ok(())
    }

    fn is_highest(&self, at: [usize; 3], value: f32) -> bool {
        let reach = self.reach;
        let beats = |k: usize, slice: &Array2<f32>| {
            let (rows, cols) = slice.dim();
            (at[1].saturating_sub(reach)..(at[1] + reach + 1).min(rows)).any(|j| {
                (at[2].saturating_sub(reach)..(at[2] + reach + 1).min(cols)).any(|i| {
                    let other = slice[[j, i]];
                    other > value || (other == value && [k, j, i] < at)
                })
            })
        };
        let first = at[0].saturating_sub(reach);
        let near = self
            .window
            .iter()
            .enumerate()
            .skip(first)
            .take(at[0] + reach + 1 - first);
        !near
            .filter_map(|(k, slice)| Some((k, slice.as_ref()?)))
            .any(|(k, slice)| beats(k, slice))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::picks::{mean_pooling_nms, peaks};
    use crate::runtime::{Generator, Job};

    fn streamed(map: &Array3<f32>, pooling: bool, options: &PeakOptions) -> Vec<Pick> {
        let (_, ny, nx) = map.dim();
        let mut slices = PeakSlices::new((ny, nx), pooling, options, 1 << 20).unwrap();
        for slice in map.outer_iter() {
            slices.push(slice).unwrap();
        }
        slices.finish().unwrap()
    }

    #[test]
    fn slices_give_the_picks_of_the_whole_map() {
        let mut gen = Generator::new(6, 0);
        for shape in [(1, 1, 1), (2, 9, 3), (3, 20, 17), (31, 24, 29)] {
            // Blobs with plateaus: values in steps of a tenth.
            let noise = Array3::from_shape_fn(shape, |_| {
                if gen.chance(0.01) {
                    60.0
                } else {
                    gen.uniform(0.0, 0.2) as f32
                }
            });
            let map = crate::image::gaussian_3d(noise.view(), 1.3, || Ok::<(), crate::Error>(())).unwrap();
            let map = map.mapv(|v| (v * 10.0).round().min(10.0) / 10.0);
            for diameter in [1.0, 5.0, 11.0] {
                let options = PeakOptions {
                    diameter,
                    threshold: 0.3,
                    least: 0.05,
                    diameter_nm: 3.0,
                };
                let whole = mean_pooling_nms(map.view(), &options, &Job::quiet()).unwrap();
                assert_eq!(streamed(&map, true, &options), whole, "{shape:?} {diameter}");
                let whole = peaks(map.view(), &options, &Job::quiet()).unwrap();
                assert_eq!(streamed(&map, false, &options), whole, "{shape:?} {diameter}");
                assert!(shape.0 < 30 || whole.len() > 5, "nothing to compare: {}", whole.len());
            }
        }
    }

    #[test]
    fn too_many_maxima_are_refused() {
        let map = Array3::from_shape_fn((3, 8, 8), |(z, y, x)| ((z + 1) * y * x % 3) as f32);
        let mut slices = PeakSlices::new((8, 8), false, &PeakOptions::default(), 2).unwrap();
        let failed = map.outer_iter().try_for_each(|slice| slices.push(slice)).unwrap_err();
        assert!(matches!(failed, Error::OutOfMemory(_)), "{failed}");
        assert!(slices.push(ndarray::Array2::zeros((8, 9)).view()).is_err());
    }
}
