//! Molecules as points: compact dark bodies that the model, too, holds to be molecules.
use std::collections::HashMap;
use std::f64::consts::SQRT_2;

use ndarray::{Array3, ArrayView3};

use crate::image::{gaussian_3d, local_maxima};
use crate::picks::Pick;
use crate::runtime::{Job, Result};

/// What is looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct BlobRules {
    /// Diameters at which molecules are sought, in nm, at least one.
    pub diameters_nm: Vec<f64>,
    /// How many are taken.
    pub count: PointCount,
}

/// How many molecules are taken, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointCount {
    /// As many as promise the best F1.
    BestF1,
    /// Every candidate.
    All,
}

impl BlobRules {
    /// One diameter where it is known; else an octave, in half steps, about the geometric mean of the diameters
    /// accepted.
    pub fn new(known_nm: Option<f64>, accepted_nm: (f64, f64), count: PointCount) -> Self {
        let middle = (accepted_nm.0 * accepted_nm.1).sqrt();
        let diameters_nm = match known_nm {
            Some(diameter) => vec![diameter],
            None => vec![middle / SQRT_2, middle, middle * SQRT_2],
        };
        Self { diameters_nm, count }
    }
}

/// Where densities are cut, in standard deviations: gold and ice crystals are far darker than any molecule and would
/// outrank them all.
const DENSITY_CLIP: f32 = 3.0;

/// Two molecules are at least this share of their mean diameter apart: bodies of no ball's shape can touch closer than
/// balls.
const APART: f64 = 0.75;

/// Candidates that the model gives less are left out: they would change neither the best points nor their number.
const LEAST_LIKELIHOOD: f32 = 0.02;

/// Response of -sigma^2 LoG in the middle of a ball of height 1 at its best scale, sigma = radius / sqrt(3):
/// 4 pi 3^(3/2) (2 pi)^(-3/2) exp(-3/2).
const BALL_RESPONSE: f32 = 0.9251;

/// Share of a Gaussian of sigma = radius / sqrt(3) that lies within the radius: erf(sqrt(3/2)) - sqrt(6/pi) exp(-3/2).
const BALL_SHARE: f32 = 0.6084;

/// A place that might be a molecule.
struct Candidate {
    response: f32,
    likelihood: f32,
    at: [usize; 3],
    diameter_nm: f64,
}

/// One point for each molecule, the best first. Both `density` (structures dark, zero mean and unit variance) and the
/// model's likelihood of `molecule` (0..=1), (z, y, x) of one shape, are searched for balls of each diameter by the
/// scale-normalised Laplacian of a Gaussian (Lindeberg 1998); a candidate's response is the product of the two, the
/// density's in standard deviations. What is dark but no molecule to the model (gold, membranes, filaments) falls out
/// by the one, what the model merely suspects by the other.
///
/// The score is 1 - exp(-response), 0..=1; the model's mean likelihood over the ball settles how many are taken: as
/// many as give the largest expected F1.
pub fn molecule_points(
    density: ArrayView3<f32>,
    molecule: &Array3<f32>,
    rules: &BlobRules,
    voxel_nm: f64,
    job: &Job,
) -> Result<Vec<Pick>> {
    let dark = density.mapv(|v| -v.clamp(-DENSITY_CLIP, DENSITY_CLIP));
    let mut candidates = Vec::new();
    for &diameter_nm in &rules.diameters_nm {
        let sigma = diameter_nm / voxel_nm / 12f64.sqrt();
        let mut response = ball_response(&gaussian_3d(dark.view(), sigma, || job.check())?, sigma);
        let deviation = (response.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / response.len() as f64).sqrt();
        let likelihood = gaussian_3d(molecule.view(), sigma, || job.check())?;
        let seen = ball_response(&likelihood, sigma);
        let scale = 1.0 / (deviation.max(f64::MIN_POSITIVE) as f32);
        response.zip_mut_with(&seen, |v, seen| *v = (*v * scale).max(0.0) * seen.max(0.0));
        job.check()?;
        let peaks = local_maxima(response.view(), 0.0).into_iter();
        let likely = peaks.filter(|(at, _)| likelihood[*at] >= LEAST_LIKELIHOOD);
        candidates.extend(likely.map(|(at, response)| Candidate {
            response,
            likelihood: (likelihood[at] / BALL_SHARE).min(1.0),
            at,
            diameter_nm,
        }));
    }
    candidates.sort_by(|a, b| b.response.total_cmp(&a.response));
    let kept = apart(candidates, voxel_nm);
    let count = match rules.count {
        PointCount::BestF1 => expected_f1_count(&kept),
        PointCount::All => kept.len(),
    };
    let points = kept.iter().take(count).map(|candidate| Pick {
        position: candidate.at.map(|v| v as f64),
        diameter_nm: candidate.diameter_nm,
        score: 1.0 - f64::from(-candidate.response).exp(),
    });
    Ok(points.collect())
}

/// -sigma^2 times the Laplacian of `smooth` by central differences (borders repeat), 1 in the middle of a fitting ball
/// of height 1.
fn ball_response(smooth: &Array3<f32>, sigma: f64) -> Array3<f32> {
    let (depth, rows, cols) = smooth.dim();
    let scale = (sigma * sigma) as f32 / BALL_RESPONSE;
    Array3::from_shape_fn(smooth.dim(), |(z, y, x)| {
        let around = smooth[[z.saturating_sub(1), y, x]]
            + smooth[[(z + 1).min(depth - 1), y, x]]
            + smooth[[z, y.saturating_sub(1), x]]
            + smooth[[z, (y + 1).min(rows - 1), x]]
            + smooth[[z, y, x.saturating_sub(1)]]
            + smooth[[z, y, (x + 1).min(cols - 1)]];
        scale * (6.0 * smooth[[z, y, x]] - around)
    })
}

/// From the best down, the candidates that no better one is too close to.
fn apart(candidates: Vec<Candidate>, voxel_nm: f64) -> Vec<Candidate> {
    let largest = candidates.iter().map(|c| c.diameter_nm).fold(0.0, f64::max);
    let reach = |a: &Candidate, b: &Candidate| APART * 0.5 * (a.diameter_nm + b.diameter_nm) / voxel_nm;
    // Blocks as wide as the farthest reach: only the 27 around a candidate need a look.
    let side = (APART * largest / voxel_nm).max(1.0);
    let block = |at: [usize; 3]| at.map(|v| (v as f64 / side) as i64);
    let mut blocks: HashMap<[i64; 3], Vec<usize>> = HashMap::new();
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        let [z, y, x] = block(candidate.at);
        let near = (-1..=1).flat_map(|k| (-1..=1).flat_map(move |j| (-1..=1).map(move |i| [z + k, y + j, x + i])));
        let beaten = near.filter_map(|block| blocks.get(&block)).flatten().any(|&other| {
            let other = &kept[other];
            let squared: f64 = (0..3)
                .map(|axis| (candidate.at[axis] as f64 - other.at[axis] as f64).powi(2))
                .sum();
            squared < reach(&candidate, other).powi(2)
        });
        if !beaten {
            blocks.entry(block(candidate.at)).or_default().push(kept.len());
            kept.push(candidate);
        }
    }
    kept
}

/// How many of the candidates, best first, give the largest expected F1: 2 sum(taken) / (number taken + sum(all)).
fn expected_f1_count(candidates: &[Candidate]) -> usize {
    let total: f64 = candidates.iter().map(|c| f64::from(c.likelihood)).sum();
    let (mut inside, mut best, mut count) = (0.0, 0.0, 0);
    for (index, candidate) in candidates.iter().enumerate() {
        inside += f64::from(candidate.likelihood);
        let expected = 2.0 * inside / ((index + 1) as f64 + total);
        if expected > best {
            (best, count) = (expected, index + 1);
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dark balls of 12 voxels at (12, 12, 10) and (12, 12, 24), the second of which the model does not believe in, and
    /// a bright one.
    fn scene() -> (Array3<f32>, Array3<f32>) {
        let shape = (24, 24, 56);
        let inside = |at: (usize, usize, usize), x: f64| {
            (at.0 as f64 - 12.0).powi(2) + (at.1 as f64 - 12.0).powi(2) + (at.2 as f64 - x).powi(2) <= 36.0
        };
        let density = Array3::from_shape_fn(shape, |at| match at {
            at if inside(at, 10.0) || inside(at, 24.0) => -2.0,
            at if inside(at, 42.0) => 2.0,
            _ => 0.1,
        });
        let molecule = Array3::from_shape_fn(shape, |at| match at {
            at if inside(at, 10.0) || inside(at, 42.0) => 0.9,
            at if inside(at, 24.0) => 0.3,
            _ => 0.01,
        });
        (density, molecule)
    }

    fn points(diameters_nm: &[f64], count: Option<usize>) -> Vec<Pick> {
        let (density, molecule) = scene();
        let rules = BlobRules {
            diameters_nm: diameters_nm.to_vec(),
            count: count.map_or(PointCount::BestF1, |_| PointCount::All),
        };
        let mut points = molecule_points(density.view(), &molecule, &rules, 1.0, &Job::quiet()).unwrap();
        points.truncate(count.unwrap_or(points.len()));
        points
    }

    #[test]
    fn a_molecule_is_dark_and_believed() {
        let best = points(&[12.0], Some(1));
        assert_eq!(best[0].position, [12.0, 12.0, 10.0]);
        let two = points(&[12.0], Some(2));
        assert_eq!(two[1].position, [12.0, 12.0, 24.0]);
        assert!(two[0].score > two[1].score && two[0].score <= 1.0);
        assert!(
            points(&[12.0], Some(9))
                .iter()
                .all(|p| (p.position[2] - 42.0).abs() > 5.0),
            "bright"
        );
        assert_eq!(
            points(&[12.0], None).len(),
            1,
            "a likelihood of 0.3 is not worth a point here"
        );
    }

    #[test]
    fn the_fitting_diameter_wins() {
        let detections = points(&[7.0, 12.0, 21.0], Some(1));
        assert_eq!(
            (detections[0].position, detections[0].diameter_nm),
            ([12.0, 12.0, 10.0], 12.0)
        );
    }

    #[test]
    fn a_fitting_ball_answers_one() {
        let ball = Array3::from_shape_fn((61, 61, 61), |(z, y, x)| {
            let squared = [z, y, x].iter().map(|v| (*v as f64 - 30.0).powi(2)).sum::<f64>();
            f32::from(u8::from(squared <= 144.0))
        });
        let sigma = 12.0 / 3f64.sqrt();
        let smooth = gaussian_3d(ball.view(), sigma, || Job::quiet().check()).unwrap();
        let middle = ball_response(&smooth, sigma)[[30, 30, 30]];
        assert!((middle - 1.0).abs() < 0.02, "{middle}");
    }

    #[test]
    fn as_many_points_as_promise_the_best_f1() {
        let of = |likelihoods: &[f32]| -> Vec<Candidate> {
            let candidate = |likelihood: &f32| Candidate {
                response: 1.0,
                likelihood: *likelihood,
                at: [0; 3],
                diameter_nm: 1.0,
            };
            likelihoods.iter().map(candidate).collect()
        };
        // Two sure ones and a crowd of unlikely ones: 2 x 1.8 / (2 + 2.8) beats taking more.
        let crowd = [&[0.9, 0.9][..], &[0.05; 20][..]].concat();
        assert_eq!(expected_f1_count(&of(&crowd)), 2);
        assert_eq!(expected_f1_count(&[]), 0);
        assert_eq!(expected_f1_count(&of(&[0.6, 0.5])), 2);
    }
}
