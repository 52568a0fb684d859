//! Molecules out of a map of their probability.
use ndarray::{Array3, ArrayView3, ArrayViewMut1, Axis, Zip};

use super::Pick;
use crate::image::local_maxima;
use crate::runtime::{Error, Job, Result};

/// Side of the windows of [`mean_pooling_nms`].
pub(super) const WINDOW: usize = 5;

/// What of a map [`mean_pooling_nms`] and [`peaks`] take, in voxels of the map.
#[derive(Clone, Debug, PartialEq)]
pub struct PeakOptions {
    /// Diameter of the largest particle, in voxels, 1..=1000.
    pub diameter: f64,
    /// Probability above which a voxel may belong to a particle, 0..1.
    pub threshold: f64,
    /// Least value of a maximum that counts, 0..=1: of the pooled map, or of the map.
    pub least: f64,
    /// Diameter that the picks are given, in nanometres; 0 where unknown.
    pub diameter_nm: f64,
}

impl Default for PeakOptions {
    /// A ribosome at 1.35 nm, and DeepETPicker's thresholds.
    fn default() -> Self {
        Self {
            diameter: 23.0,
            threshold: 0.5,
            least: 0.1,
            diameter_nm: 0.0,
        }
    }
}

impl PeakOptions {
    pub(super) fn validate(&self) -> Result<()> {
        let ranges = [
            ("diameter", self.diameter, 1.0, 1000.0),
            ("threshold", self.threshold, 0.0, 1.0),
            ("least", self.least, 0.0, 1.0),
            ("diameter_nm", self.diameter_nm, 0.0, 1e6),
        ];
        for (name, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                return Err(Error::argument(name, value, &format!("must be {low}..={high}")));
            }
        }
        Ok(())
    }

    /// Times that [`mean_pooling_nms`] pools: a particle of the largest diameter has one maximum then.
    pub fn rounds(&self) -> usize {
        (self.diameter / (WINDOW - 1) as f64 + 1.0) as usize
    }

    /// Voxels around a window that its picks depend on: a tile with this halo finds the picks of the whole.
    pub fn halo(&self) -> usize {
        (self.rounds() + 1) * (WINDOW / 2)
    }
}

/// Mean-pooling non-maximum suppression (DeepETPicker, Liu et al. 2024): the map above the threshold, as 0 and 1, is
/// averaged over 5^3 voxels again and again, zeros outside, until a particle is one hill; its top is the pick, its
/// height the score.
///
/// Picks are voxels that no other of the 5^3 around them exceeds, highest first, of equals the first in scan order. The
/// original keeps every voxel of a plateau; here it is the first. `job` is asked between lines.
///
/// Errors: options out of range, cancel.
pub fn mean_pooling_nms(probability: ArrayView3<f32>, options: &PeakOptions, job: &Job) -> Result<Vec<Pick>> {
    options.validate()?;
    let threshold = options.threshold as f32;
    let mut pooled = probability.mapv(|p| if p > threshold { 1.0_f32 } else { 0.0 });
    for _ in 0..options.rounds() {
        pool(&mut pooled, job)?;
    }
    let mut picks = Vec::new();
    for (position, value) in local_maxima(pooled.view(), options.least as f32) {
        job.check()?;
        if is_highest(pooled.view(), position, value) {
            picks.push(pick(position, value, options));
        }
    }
    Ok(picks)
}

/// Plain non-maximum suppression in 3D: local maxima of `score` above both thresholds, best first, each at least half a
/// diameter away from every better one. A pick's score is the map's value. Errors: options out of range, cancel.
pub fn peaks(score: ArrayView3<f32>, options: &PeakOptions, job: &Job) -> Result<Vec<Pick>> {
    options.validate()?;
    job.check()?;
    let above = options.threshold.max(options.least) as f32;
    let highest = local_maxima(score, above);
    let picks = highest
        .into_iter()
        .map(|(position, value)| pick(position, value, options));
    let mut set = super::PickSet {
        picks: picks.collect(),
        ..super::PickSet::default()
    };
    job.check()?;
    set.deduplicate(options.diameter / 2.0);
    Ok(set.picks)
}

fn pick(position: [usize; 3], value: f32, options: &PeakOptions) -> Pick {
    Pick {
        position: position.map(|v| v as f64),
        diameter_nm: options.diameter_nm,
        score: f64::from(value),
    }
}

/// Mean over 5^3 voxels in place, zeros outside: axis after axis.
fn pool(map: &mut Array3<f32>, job: &Job) -> Result<()> {
    for axis in 0..3 {
        let mut line = Vec::new();
        let mut since = 0;
        for lane in map.lanes_mut(Axis(axis)) {
            since += lane.len();
            if since > 1 << 15 {
                job.check()?;
                since = 0;
            }
            mean_along(lane, &mut line);
        }
    }
    Ok(())
}

/// Sums are taken afresh for every voxel, so that equal neighbourhoods give equal numbers.
fn mean_along(mut lane: ArrayViewMut1<f32>, line: &mut Vec<f32>) {
    let reach = WINDOW / 2;
    line.clear();
    line.resize(reach, 0.0);
    line.extend(lane.iter());
    line.resize(line.len() + reach, 0.0);
    if line[..].iter().all(|v| *v == 0.0) {
        return;
    }
    Zip::from(&mut lane)
        .and(ndarray::ArrayView1::from(&line[..]).windows(WINDOW))
        .for_each(|out, window| *out = window.sum() / WINDOW as f32);
}

/// Whether none of the 5^3 around `position` has more, nor as much earlier in the scan order.
fn is_highest(map: ArrayView3<f32>, position: [usize; 3], value: f32) -> bool {
    let reach = WINDOW / 2;
    let (nz, ny, nx) = map.dim();
    let span = |at: usize, n: usize| at.saturating_sub(reach)..(at + reach + 1).min(n);
    let [z, y, x] = position;
    !span(z, nz).any(|k| {
        span(y, ny).any(|j| {
            span(x, nx).any(|i| {
                let other = map[[k, j, i]];
                other > value || (other == value && [k, j, i] < position)
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{CancelToken, Logger};

    fn balls(shape: [usize; 3], radius: f64, centres: &[[f64; 3]]) -> Array3<f32> {
        Array3::from_shape_fn(shape, |(z, y, x)| {
            let at = [z, y, x].map(|v| v as f64);
            let inside = |c: &[f64; 3]| (0..3).map(|k| (at[k] - c[k]).powi(2)).sum::<f64>() <= radius * radius;
            f32::from(u8::from(centres.iter().any(inside)))
        })
    }

    fn positions(picks: &[Pick]) -> Vec<[f64; 3]> {
        let mut positions: Vec<_> = picks.iter().map(|p| p.position).collect();
        positions.sort_by(|a, b| a.partial_cmp(b).unwrap());
        positions
    }

    /// Golden numbers of the original: two balls of radius 4 in 24^3, their maxima after 2, 4 and 6 poolings.
    #[test]
    fn mean_pooling_finds_the_published_maxima() {
        let centres = [[8.0, 8.0, 8.0], [15.0, 14.0, 15.0]];
        let map = balls([24; 3], 4.0, &centres);
        for (diameter, rounds, expected) in [(4.0, 2, 0.69818), (12.0, 4, 0.39567), (20.0, 6, 0.26127)] {
            let options = PeakOptions {
                diameter,
                ..PeakOptions::default()
            };
            assert_eq!(options.rounds(), rounds);
            let picks = mean_pooling_nms(map.view(), &options, &Job::quiet()).unwrap();
            assert_eq!(positions(&picks), centres);
            for pick in &picks {
                assert!((pick.score - expected).abs() < 1e-5, "{} is not {expected}", pick.score);
            }
        }
    }

    #[test]
    fn tiles_with_the_halo_find_what_the_whole_has() {
        let centres = [
            [8.0, 9.0, 10.0],
            [22.0, 12.0, 11.0],
            [35.0, 10.0, 9.0],
            [20.0, 30.0, 12.0],
        ];
        let map = balls([44, 40, 22], 4.0, &centres);
        let options = PeakOptions {
            diameter: 9.0,
            ..PeakOptions::default()
        };
        let whole = mean_pooling_nms(map.view(), &options, &Job::quiet()).unwrap();
        assert_eq!(positions(&whole).len(), 4);
        let mut joined = Vec::new();
        for start in [0_usize, 15, 30] {
            let (low, high) = (
                start.saturating_sub(options.halo()),
                (start + 15 + options.halo()).min(44),
            );
            let tile = map.slice(ndarray::s![low..high, .., ..]);
            for mut pick in mean_pooling_nms(tile, &options, &Job::quiet()).unwrap() {
                pick.position[0] += low as f64;
                if (start..start + 15).contains(&(pick.position[0] as usize)) {
                    joined.push(pick);
                }
            }
        }
        assert_eq!(positions(&joined), positions(&whole));
    }

    #[test]
    fn plain_suppression_keeps_the_better_of_two() {
        let mut map = Array3::<f32>::zeros((20, 20, 20));
        for (at, value) in [
            ([5, 5, 5], 0.9),
            ([5, 5, 9], 0.8),
            ([5, 5, 11], 0.7),
            ([15, 15, 15], 0.4),
        ] {
            map[at] = value;
        }
        let options = PeakOptions {
            diameter: 12.0,
            diameter_nm: 25.0,
            ..PeakOptions::default()
        };
        let highest = peaks(map.view(), &options, &Job::quiet()).unwrap();
        assert_eq!(positions(&highest), [[5.0, 5.0, 5.0], [5.0, 5.0, 11.0]]);
        assert!((highest[0].score - 0.9).abs() < 1e-6 && highest[0].diameter_nm == 25.0);
    }

    #[test]
    fn empty_maps_cancels_and_wrong_options() {
        let options = PeakOptions::default();
        for shape in [[0, 0, 0], [1, 1, 1], [3, 40, 2]] {
            let empty = Array3::zeros(shape);
            assert!(mean_pooling_nms(empty.view(), &options, &Job::quiet())
                .unwrap()
                .is_empty());
        }
        let cancel = CancelToken::default();
        cancel.request();
        let job = Job::new(cancel, Logger::default());
        let map = Array3::ones((40, 40, 40));
        assert!(matches!(
            mean_pooling_nms(map.view(), &options, &job),
            Err(Error::Cancelled { .. })
        ));
        let wrong = PeakOptions {
            diameter: 0.0,
            ..options
        };
        assert!(peaks(map.view(), &wrong, &Job::quiet()).is_err());
    }
}
