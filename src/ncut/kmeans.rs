//! Lloyd's k-means on tensors, from given or seeded centres.
use tch::{Device, Kind, Tensor};

use crate::runtime::{Error, Generator, Job, Result};

use super::assign::segment_means;

/// Rounds after which Lloyd's iteration stops unfinished, as scikit-learn's default.
const MOST_ROUNDS: usize = 300;

/// What k-means clusters.
#[derive(Debug)]
pub struct Clusters {
    /// Cluster of every row of the data.
    pub labels: Vec<u32>,
    /// Means of the clusters, `[K, D]`; a cluster that lost all its rows keeps its last centre.
    pub centres: Tensor,
}

/// Lloyd's iteration on `data` `[N, D]` from `centres` `[K, D]` until no row changes its cluster (Euclidean distance,
/// the lowest number wins a tie).
pub fn lloyd(data: &Tensor, centres: &Tensor, job: &Job) -> Result<Clusters> {
    let (count, _) = centres.size2()?;
    let mut centres = centres.f_to_kind(Kind::Float)?;
    let mut labels: Vec<u32> = Vec::new();
    for _ in 0..MOST_ROUNDS {
        job.check()?;
        let next = nearest(data, &centres)?;
        if next == labels {
            break;
        }
        labels = next;
        let means = segment_means(data, &labels, count as usize)?;
        let mut sizes = vec![0_i64; count as usize];
        labels.iter().for_each(|&label| sizes[label as usize] += 1);
        let filled = Tensor::f_from_slice(&sizes)?
            .f_gt(0)?
            .f_unsqueeze(1)?
            .f_to_device(centres.device())?;
        centres = means.f_where_self(&filled, &centres)?;
    }
    Ok(Clusters { labels, centres })
}

/// `count` rows of `data` `[N, D]` as first centres by k-means++ (Arthur and Vassilvitskii 2007): each is drawn with
/// the
/// probability of its squared distance to the nearest one before. Errors: more centres than rows, or none.
pub fn seeded_centres(data: &Tensor, count: usize, generator: &mut Generator) -> Result<Tensor> {
    let (n, _) = data.size2()?;
    if count == 0 || count as i64 > n {
        return Err(Error::argument("clusters", count, &format!("must be 1..={n}")));
    }
    let data = data.f_to_kind(Kind::Float)?;
    let mut chosen = vec![generator.integer(0, n - 1)];
    let mut nearest: Option<Tensor> = None;
    while chosen.len() < count {
        let last = data.f_narrow(0, chosen.last().copied().unwrap_or(0), 1)?;
        let distance = data
            .f_sub(&last)?
            .f_square()?
            .f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Double)?;
        let least = match nearest {
            Some(old) => old.f_minimum(&distance)?,
            None => distance,
        };
        let weights: Vec<f64> = Vec::try_from(least.f_to_device(Device::Cpu)?.f_contiguous()?)?;
        let total: f64 = weights.iter().sum();
        let mut left = generator.uniform(0.0, 1.0) * total;
        let drawn = weights.iter().position(|&w| {
            left -= w;
            left < 0.0
        });
        // All rows are centres already (equal rows): any row will do.
        chosen.push(drawn.map_or(0, |i| i as i64));
        nearest = Some(least);
    }
    let index = Tensor::f_from_slice(&chosen)?.f_to_device(data.device())?;
    Ok(data.f_index_select(0, &index)?)
}

/// Planes whose argmax is the nearest centre, `[K, N]`: 2 x c - |c|^2, linear in x, so that they may be enlarged.
pub fn nearness(data: &Tensor, centres: &Tensor) -> Result<Tensor> {
    let lengths = centres
        .f_square()?
        .f_sum_dim_intlist([1_i64].as_slice(), true, Kind::Float)?;
    Ok(centres
        .f_matmul(&data.f_to_kind(Kind::Float)?.f_transpose(0, 1)?)?
        .f_mul_scalar(2.0)?
        .f_sub(&lengths)?)
}

fn nearest(data: &Tensor, centres: &Tensor) -> Result<Vec<u32>> {
    let labels = nearness(data, centres)?
        .f_argmax(0, false)?
        .f_to_device(Device::Cpu)?
        .f_contiguous()?;
    let labels: Vec<i64> = Vec::try_from(&labels)?;
    Ok(labels.into_iter().map(|label| label as u32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ncut::fixtures::{fixture, labels, tensor};

    #[test]
    fn clusters_are_those_of_scikit_learn() {
        let fixture = fixture("kmeans.json");
        let clusters = lloyd(&tensor(&fixture["data"]), &tensor(&fixture["init"]), &Job::quiet()).unwrap();
        assert_eq!(clusters.labels, labels(&fixture["labels"]));
        assert!(clusters
            .centres
            .allclose(&tensor(&fixture["centres"]), 1e-4, 1e-5, false));
    }

    #[test]
    fn seeded_centres_are_rows_and_spread() {
        // Three far groups: one centre of each, whatever the seed.
        let data: Vec<f32> = (0..30).map(|i| (i % 3 * 100) as f32 + i as f32 / 100.0).collect();
        let data = Tensor::from_slice(&data).reshape([30, 1]);
        for seed in 0..5 {
            let centres = seeded_centres(&data, 3, &mut Generator::new(seed, 0)).unwrap();
            let clusters = lloyd(&data, &centres, &Job::quiet()).unwrap();
            assert!(
                (0..30).all(|i| clusters.labels[i] == clusters.labels[i % 3]),
                "seed {seed}"
            );
        }
        assert!(seeded_centres(&data, 0, &mut Generator::new(1, 0)).is_err());
        assert!(seeded_centres(&data, 31, &mut Generator::new(1, 0)).is_err());
        // More centres than different rows: no panic, and no empty answer.
        let equal = Tensor::ones([4, 2], (Kind::Float, Device::Cpu));
        let centres = seeded_centres(&equal, 3, &mut Generator::new(1, 0)).unwrap();
        let clusters = lloyd(&equal, &centres, &Job::quiet()).unwrap();
        assert_eq!(clusters.labels, [0; 4]);
        assert_eq!(centres.size(), [3, 2]);
    }
}
