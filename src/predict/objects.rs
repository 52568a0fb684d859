//! Connected objects of a mask, by their volume.
use ndarray::{ArrayView3, Ix3};

use crate::image::{label_3d, Components, Connectivity};
use crate::picks::Pick;
use crate::runtime::{Error, Job, Result};

/// Which objects are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObjectRules {
    /// Least volume, in cubic nanometres, at least 0.
    pub least_nm3: f64,
    /// Largest volume, in cubic nanometres; infinite for no limit.
    pub largest_nm3: f64,
}

impl Default for ObjectRules {
    /// Everything.
    fn default() -> Self {
        Self {
            least_nm3: 0.0,
            largest_nm3: f64::INFINITY,
        }
    }
}

impl ObjectRules {
    /// Volumes from `least_nm3` to `largest_nm3`, None for no limit.
    pub fn new(least_nm3: f64, largest_nm3: Option<f64>) -> Self {
        Self {
            least_nm3,
            largest_nm3: largest_nm3.unwrap_or(f64::INFINITY),
        }
    }

    /// Refuses limits that are negative, crossed or no numbers.
    pub fn validate(&self) -> Result<()> {
        let Self { least_nm3, largest_nm3 } = *self;
        if least_nm3 >= 0.0 && largest_nm3 >= least_nm3 {
            return Ok(());
        }
        Err(Error::argument(
            "least_nm3, largest_nm3",
            format!("{least_nm3}, {largest_nm3}"),
            "must be volumes in nm^3, the first not above the second",
        ))
    }

    /// Whether an object of `nm3` is kept.
    pub(super) fn keep(&self, nm3: f64) -> bool {
        (self.least_nm3..=self.largest_nm3).contains(&nm3)
    }

    /// Whether every object is kept.
    pub(super) fn keep_all(&self) -> bool {
        *self == Self::default()
    }
}

/// Objects of `mask` (z, y, x) whose voxels touch by faces, edges or corners (26 neighbours) and whose volume is within
/// `rules`, both limits included. They count from 1 in scan order of their first voxel. `voxel_nm` is the voxel's edges
/// (z, y, x).
///
/// Errors: limits that are negative, crossed or no numbers; edges that are not positive; cancel.
pub fn objects(mask: ArrayView3<bool>, rules: &ObjectRules, voxel_nm: [f64; 3], job: &Job) -> Result<Components<Ix3>> {
    rules.validate()?;
    let voxel = volume(voxel_nm)?;
    let mut components = label_3d(mask, Connectivity::Full, || job.check())?;
    let mut areas = Vec::new();
    let mut names = vec![0_u32];
    for &area in &components.areas {
        let kept = rules.keep(area as f64 * voxel);
        if kept {
            areas.push(area);
        }
        names.push(if kept { areas.len() as u32 } else { 0 });
    }
    components.labels.mapv_inplace(|label| names[label as usize]);
    components.areas = areas;
    Ok(components)
}

/// One pick for each of `objects`, in their order: the mean position weighted by `probability`, the diameter of a ball
/// of its volume, and as score its mean probability.
///
/// Errors: a probability of another shape; edges (z, y, x) that are not positive.
pub fn object_picks(objects: &Components<Ix3>, probability: ArrayView3<f32>, voxel_nm: [f64; 3]) -> Result<Vec<Pick>> {
    if probability.dim() != objects.labels.dim() {
        let allowed = format!("must be the objects' {:?}", objects.labels.dim());
        return Err(Error::argument(
            "probability",
            format!("{:?}", probability.dim()),
            &allowed,
        ));
    }
    let voxel = volume(voxel_nm)?;
    // Sum of probability, and of probability times z, y, x.
    let mut sums = vec![[0.0_f64; 4]; objects.areas.len()];
    for ((at, &label), &p) in objects.labels.indexed_iter().zip(&probability) {
        if label > 0 {
            // A voxel of no probability still says where the object is.
            let p = f64::from(p).max(1e-6);
            let sum = &mut sums[label as usize - 1];
            sum[0] += p;
            for (sum, v) in sum[1..].iter_mut().zip([at.0, at.1, at.2]) {
                *sum += p * v as f64;
            }
        }
    }
    let pick = |(sum, &area): (&[f64; 4], &usize)| Pick {
        position: [1, 2, 3].map(|k| sum[k] / sum[0]),
        diameter_nm: ball_diameter(area as f64 * voxel),
        score: sum[0] / area as f64,
    };
    Ok(sums.iter().zip(&objects.areas).map(pick).collect())
}

/// Diameter of a ball of `nm3`.
pub(super) fn ball_diameter(nm3: f64) -> f64 {
    (6.0 * nm3 / std::f64::consts::PI).cbrt()
}

/// Volume of a ball of `diameter_nm`, in cubic nanometres.
pub(super) fn ball_volume(diameter_nm: f64) -> f64 {
    std::f64::consts::PI / 6.0 * diameter_nm.powi(3)
}

/// Volume of a voxel in cubic nanometres.
pub(super) fn volume(voxel_nm: [f64; 3]) -> Result<f64> {
    if voxel_nm.iter().all(|edge| edge.is_finite() && *edge > 0.0) {
        return Ok(voxel_nm.iter().product());
    }
    Err(Error::argument(
        "voxel_nm",
        format!("{voxel_nm:?}"),
        "must be three positive edges",
    ))
}

#[cfg(test)]
mod tests {
    use ndarray::{s, Array3};

    use super::*;

    /// A corner-joined pair of blocks, a lone voxel, a large block.
    fn mask() -> Array3<bool> {
        let mut mask = Array3::from_elem((10, 12, 14), false);
        mask.slice_mut(s![0..2, 0..2, 0..2]).fill(true);
        mask.slice_mut(s![2..4, 2..4, 2..4]).fill(true);
        mask[[0, 11, 13]] = true;
        mask.slice_mut(s![5..9, 5..10, 5..11]).fill(true);
        mask
    }

    #[test]
    fn volumes_are_in_cubic_nanometres_and_corners_join() {
        let job = Job::quiet();
        // A voxel has 2 * 1 * 0.5 = 1 nm^3.
        let voxel_nm = [2.0, 1.0, 0.5];
        let all = objects(mask().view(), &ObjectRules::default(), voxel_nm, &job).unwrap();
        assert_eq!(all.areas, [16, 1, 120]);
        let rules = ObjectRules {
            least_nm3: 16.0,
            largest_nm3: 119.9,
        };
        let some = objects(mask().view(), &rules, voxel_nm, &job).unwrap();
        assert_eq!(some.areas, [16]);
        assert_eq!(some.labels.iter().filter(|v| **v == 1).count(), 16);
        assert!(some.labels.iter().all(|v| *v < 2));
        let larger = ObjectRules {
            least_nm3: 16.1,
            ..ObjectRules::default()
        };
        let components = objects(mask().view(), &larger, voxel_nm, &job).unwrap();
        assert_eq!((components.areas.clone(), components.labels[[6, 6, 6]]), (vec![120], 1));
        for rules in [
            ObjectRules {
                least_nm3: f64::NAN,
                ..rules
            },
            ObjectRules {
                least_nm3: 2.0,
                largest_nm3: 1.0,
            },
        ] {
            assert!(objects(mask().view(), &rules, voxel_nm, &job).is_err());
        }
        assert!(objects(mask().view(), &rules, [1.0, 0.0, 1.0], &job).is_err());
    }

    #[test]
    fn picks_are_weighted_by_probability() {
        let job = Job::quiet();
        let components = objects(mask().view(), &ObjectRules::default(), [1.0; 3], &job).unwrap();
        let mut probability = Array3::from_elem((10, 12, 14), 0.5_f32);
        probability.slice_mut(s![0..2, 0..2, 0..2]).fill(1.0);
        let picks = object_picks(&components, probability.view(), [1.0; 3]).unwrap();
        assert_eq!(picks.len(), 3);
        // Blocks centred on 0.5 and 2.5, weights 8 and 4.
        assert!(picks[0].position.iter().all(|v| (v - 14.0 / 12.0).abs() < 1e-9));
        assert!((picks[0].score - 0.75).abs() < 1e-9);
        assert_eq!(picks[1].position, [0.0, 11.0, 13.0]);
        let radius = picks[2].diameter_nm / 2.0;
        assert!((4.0 / 3.0 * std::f64::consts::PI * radius.powi(3) - 120.0).abs() < 1e-9);
        assert!(object_picks(&components, Array3::zeros((1, 1, 1)).view(), [1.0; 3]).is_err());
    }
}
