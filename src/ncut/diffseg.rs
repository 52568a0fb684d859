//! DiffSeg (Tian, Aggarwal, Colaco, Kira, Gonzalez-Franco, CVPR 2024): attention maps merged by their divergence.
use tch::{Device, Kind, Tensor};

use crate::runtime::{Job, Result};

use super::kmeans::lloyd;

/// Probabilities below this count as this in logarithms.
const LEAST: f64 = 1e-12;

/// Natural logarithms of the thresholds between which a number of maps is searched for: 1e-7 and 50 nats.
const LOG_THRESHOLDS: [f64; 2] = [-16.1, 3.9];

/// Halvings of that range.
const BISECTIONS: usize = 20;

/// Settings of the merge, in the ranges of [`super::NcutOptions`].
#[derive(Clone, Debug, PartialEq)]
pub struct DiffSegOptions {
    /// Maps closer than this, in nats of the symmetric Kullback-Leibler divergence, are merged; positive. 1.1 on
    /// COCO-Stuff, 0.9 on Cityscapes.
    pub threshold: f64,
    /// Anchors along each axis of the grid: DiffSeg's M.
    pub anchors: usize,
    /// Rounds of merging: the first around the anchors, the others among the merged maps.
    pub rounds: usize,
    /// Refine the merged maps by k-means over all maps, as DiffSeg's demo does and its benchmark does not.
    pub refine: bool,
}

impl Default for DiffSegOptions {
    fn default() -> Self {
        Self {
            threshold: 1.1,
            anchors: 16,
            rounds: 3,
            refine: false,
        }
    }
}

/// The attention maps of one walk, ready to be merged at any threshold.
#[derive(Debug)]
pub struct AttentionMaps {
    /// `[N, N]`, one map per row.
    walk: Tensor,
    /// From every anchor to every map, `[anchors, N]`.
    divergence: Tensor,
}

impl AttentionMaps {
    /// The maps of the walk `[N, N]` over the tokens of `grid`, and their divergences from `anchors`^2 of them.
    pub fn new(walk: &Tensor, grid: (usize, usize), anchors: usize) -> Result<Self> {
        let walk = walk.f_to_kind(Kind::Float)?;
        let index = Tensor::f_from_slice(&anchor_tokens(grid, anchors))?.f_to_device(walk.device())?;
        let divergence = divergence(&walk.f_index_select(0, &index)?, &walk)?;
        Ok(Self { walk, divergence })
    }

    /// Merged maps `[K, N]`: a pixel belongs to the one that is largest there once all are enlarged.
    ///
    /// Round 1: around each anchor, the mean of all maps within `threshold`. Further rounds, in order: the first map
    /// that no earlier one has taken, and the mean of all maps (taken or not) within `threshold` of it.
    ///
    /// Differs from the published code in one thing: it computes divergences in half precision, where the logarithm of
    /// small probabilities is infinite and such maps never merge; here they are single precision and probabilities
    /// below 1e-12 count as 1e-12.
    pub fn merge(&self, options: &DiffSegOptions, job: &Job) -> Result<Tensor> {
        let mut maps = self.merge_rounds(options.threshold, options.rounds, job)?;
        if options.refine {
            maps = lloyd(&self.walk, &maps, job)?.centres;
        }
        Ok(maps)
    }

    /// [`AttentionMaps::merge`] at the threshold that leaves `count` maps or, where none does, the next larger number
    /// that bisection finds; all that there are where they are fewer.
    pub fn merge_to(&self, count: usize, options: &DiffSegOptions, job: &Job) -> Result<Tensor> {
        let maps_at = |log: f64| -> Result<i64> { Ok(self.merge_rounds(log.exp(), options.rounds, job)?.size2()?.0) };
        let [mut low, mut high] = LOG_THRESHOLDS;
        for _ in 0..BISECTIONS {
            let middle = 0.5 * (low + high);
            let maps = maps_at(middle)?;
            if maps >= count as i64 {
                low = middle;
            } else {
                high = middle;
            }
            if maps == count as i64 {
                break;
            }
        }
        let options = DiffSegOptions {
            threshold: low.exp(),
            ..options.clone()
        };
        self.merge(&options, job)
    }

    fn merge_rounds(&self, threshold: f64, rounds: usize, job: &Job) -> Result<Tensor> {
        job.check()?;
        let mut maps = mean_of(&self.divergence.f_lt(threshold)?, &self.walk)?;
        for _ in 1..rounds {
            job.check()?;
            maps = merge_once(&maps, threshold)?;
        }
        Ok(maps)
    }
}

/// Tokens of the grid of anchors, as the published code spaces them on 64 (1, 5, ..., 61 for 16).
fn anchor_tokens(grid: (usize, usize), count: usize) -> Vec<i64> {
    let places = |side: usize| -> Vec<usize> {
        let count = count.min(side);
        if count < 2 {
            return vec![side / 2];
        }
        let step = (side - 1) / (count - 1);
        let start = (side - 1 - step * (count - 1)) / 2;
        (0..count).map(|i| start + i * step).collect()
    };
    let columns = places(grid.1);
    places(grid.0)
        .into_iter()
        .flat_map(|r| columns.iter().map(move |c| (r * grid.1 + c) as i64))
        .collect()
}

/// Half the sum of both Kullback-Leibler divergences between every row of `a` `[m, N]` and of `b` `[n, N]`, `[m, n]`,
/// nats: 1/2 sum (x - y) (log x - log y).
fn divergence(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let log = |x: &Tensor| x.f_clamp_min(LEAST)?.f_log();
    let (log_a, log_b) = (log(a)?, log(b)?);
    let own = |x: &Tensor, log: &Tensor| x.f_mul(log)?.f_sum_dim_intlist([1_i64].as_slice(), true, Kind::Float);
    let crossed = a
        .f_matmul(&log_b.f_transpose(0, 1)?)?
        .f_add(&log_a.f_matmul(&b.f_transpose(0, 1)?)?)?;
    Ok(own(a, &log_a)?
        .f_add(&own(b, &log_b)?.f_transpose(0, 1)?)?
        .f_sub(&crossed)?
        .f_mul_scalar(0.5)?)
}

/// Means of the rows of `maps` that each row of `chosen` (bool, `[m, n]`) names.
fn mean_of(chosen: &Tensor, maps: &Tensor) -> Result<Tensor> {
    let weights = chosen.f_to_kind(Kind::Float)?;
    let counts = weights
        .f_sum_dim_intlist([1_i64].as_slice(), true, Kind::Float)?
        .f_clamp_min(1.0)?;
    Ok(weights.f_div(&counts)?.f_matmul(maps)?)
}

fn merge_once(maps: &Tensor, threshold: f64) -> Result<Tensor> {
    let (count, _) = maps.size2()?;
    let near = divergence(maps, maps)?
        .f_lt(threshold)?
        .f_to_kind(Kind::Uint8)?
        .f_to_device(Device::Cpu)?
        .f_contiguous()?
        .f_view([-1])?;
    let near: Vec<u8> = Vec::try_from(&near)?;
    let n = count as usize;
    let mut taken = vec![false; n];
    let mut chosen: Vec<i64> = Vec::new();
    for i in 0..n {
        if taken[i] {
            continue;
        }
        chosen.push(i as i64);
        // A map is within any positive threshold of itself; rounding shall not lose it.
        taken[i] = true;
        for (taken, &near) in taken.iter_mut().zip(&near[i * n..(i + 1) * n]) {
            *taken |= near != 0;
        }
    }
    let index = Tensor::f_from_slice(&chosen)?;
    let rows = Tensor::f_from_slice(&near)?
        .f_view([count, count])?
        .f_index_select(0, &index)?
        .f_to_device(maps.device())?;
    mean_of(&rows, maps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ncut::assign::argmax_enlarged;
    use crate::ncut::fixtures::{fixture, labels, tensor};

    #[test]
    fn maps_and_labels_are_those_of_the_published_steps() {
        let fixture = fixture("diffseg.json");
        let walk = tensor(&fixture["walk"]);
        for refine in [false, true] {
            let options = DiffSegOptions {
                threshold: 0.6,
                anchors: 4,
                refine,
                ..DiffSegOptions::default()
            };
            let all = AttentionMaps::new(&walk, (8, 8), options.anchors).unwrap();
            let maps = all.merge(&options, &Job::quiet()).unwrap();
            let expected = &fixture[if refine { "refined" } else { "merged" }];
            let published = tensor(&expected["maps"]);
            assert_eq!(maps.size(), published.size());
            assert!(maps.allclose(&published, 1e-3, 1e-6, false));
            let pixels = argmax_enlarged(&maps, (8, 8), (32, 32), &Job::quiet()).unwrap();
            assert_eq!(pixels.into_raw_vec_and_offset().0, labels(&expected["labels"]));
        }
    }

    #[test]
    fn anchors_are_spaced_as_in_the_code() {
        let places = anchor_tokens((64, 64), 16);
        assert_eq!(places.len(), 256);
        assert_eq!((places[0], places[1], places[255]), (65, 69, 61 * 64 + 61));
        assert_eq!(anchor_tokens((3, 2), 16), [0, 1, 2, 3, 4, 5]);
        assert_eq!(anchor_tokens((3, 3), 1), [4]);
    }

    #[test]
    fn zeros_neither_divide_nor_spread() {
        // Two halves that never see each other: infinite divergence by the book, finite and large here.
        let mut rows = vec![0.0_f32; 64];
        for i in 0..8 {
            for j in 0..4 {
                rows[i * 8 + j + if i < 4 { 0 } else { 4 }] = 0.25;
            }
        }
        let walk = Tensor::from_slice(&rows).reshape([8, 8]);
        let all = AttentionMaps::new(&walk, (2, 4), 16).unwrap();
        let merge = |options: &DiffSegOptions| all.merge(options, &Job::quiet());
        assert_eq!(merge(&DiffSegOptions::default()).unwrap().size(), [2, 8]);
        let two = all.merge_to(2, &DiffSegOptions::default(), &Job::quiet()).unwrap();
        assert_eq!(two.size(), [2, 8]);
        assert_eq!(
            all.merge_to(1, &DiffSegOptions::default(), &Job::quiet())
                .unwrap()
                .size(),
            [1, 8]
        );
        // There are only two different maps.
        assert_eq!(
            all.merge_to(5, &DiffSegOptions::default(), &Job::quiet())
                .unwrap()
                .size(),
            [2, 8]
        );
    }
}
