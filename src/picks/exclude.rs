//! Picks where no molecule should be counted.
use ndarray::{Array2, ArrayView3, Axis};

use super::{Pick, PickSet};
use crate::runtime::{Error, Job, Result};

/// Where [`PickSet::exclude`] wants no picks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Exclusion {
    /// Least distance of a pick's centre from the outside of the volume, along (z, y, x), in nanometres.
    pub border_nm: [f64; 3],
    /// Least distance of a pick's centre from the mask, in nanometres; at 0 the mask itself is excluded.
    pub mask_nm: f64,
}

impl PickSet {
    /// Drops the picks that are too close to a border of the volume or to `mask` (carbon, contamination), a volume of
    /// the tomogram's shape. The volume ends half a voxel beyond the centres of its outermost voxels. What is kept
    /// stays in its order.
    ///
    /// Errors: distances that are negative or not finite, a voxel size that is unknown where a distance is given, a
    /// mask of another shape, cancel.
    pub fn exclude(&mut self, exclusion: &Exclusion, mask: Option<ArrayView3<bool>>, job: &Job) -> Result<()> {
        self.exclude_border(exclusion.border_nm)?;
        self.check_distance("mask_nm", exclusion.mask_nm)?;
        let shape = self.geometry.shape;
        match mask {
            Some(mask) if mask.dim() != (shape[0], shape[1], shape[2]) => {
                let allowed = format!("must be the tomogram's {shape:?}");
                Err(Error::argument("mask", format!("{:?}", mask.dim()), &allowed))
            }
            Some(mask) => self.exclude_slices(exclusion.mask_nm, |z| {
                job.check()?;
                Ok(mask.index_axis(Axis(0), z).to_owned())
            }),
            None => Ok(()),
        }
    }

    /// The first half of [`PickSet::exclude`]: `border_nm` is the least distance from the volume's ends along (z, y,
    /// x).
    pub fn exclude_border(&mut self, border_nm: [f64; 3]) -> Result<()> {
        for value in border_nm {
            self.check_distance("border_nm", value)?;
        }
        let shape = self.geometry.shape;
        let edge_nm = self
            .geometry
            .voxel_angstrom
            .map(|edge| if edge > 0.0 { edge / 10.0 } else { 1.0 });
        let inside = |position: [f64; 3]| {
            (0..3).all(|k| {
                let margin = border_nm[k] / edge_nm[k];
                position[k] + 0.5 >= margin && shape[k] as f64 - 0.5 - position[k] >= margin
            })
        };
        self.picks.retain(|pick| inside(pick.position));
        Ok(())
    }

    /// The second half of [`PickSet::exclude`] for a mask that need not fit the memory: `slice` gives slice z of it, of
    /// the tomogram's rows and columns, and is asked in ascending order for those that are near a pick.
    ///
    /// Errors: as [`PickSet::exclude`]; what `slice` fails with.
    pub fn exclude_slices(&mut self, mask_nm: f64, mut slice: impl FnMut(usize) -> Result<Array2<bool>>) -> Result<()> {
        self.check_distance("mask_nm", mask_nm)?;
        // Distances are in voxels of the mean edge: the edges of one tomogram's voxels hardly differ.
        let reach = mask_nm / self.geometry.voxel_nm().unwrap_or(1.0);
        let [nz, ny, nx] = self.geometry.shape;
        let voxel = |pick: &Pick| -> [i64; 3] {
            std::array::from_fn(|k| {
                let last = self.geometry.shape[k].saturating_sub(1) as f64;
                pick.position[k].round().clamp(0.0, last) as i64
            })
        };
        let voxels: Vec<[i64; 3]> = self.picks.iter().map(voxel).collect();
        let near = |squared: i64| squared == 0 || (squared as f64).sqrt() < reach;
        let span = reach.ceil() as i64;
        let mut keep = vec![true; voxels.len()];
        for z in 0..nz {
            let open = |n: &usize| keep[*n] && near((voxels[*n][0] - z as i64).pow(2));
            let open: Vec<usize> = (0..voxels.len()).filter(open).collect();
            if open.is_empty() {
                continue;
            }
            let mask = slice(z)?;
            if mask.dim() != (ny, nx) {
                let allowed = format!("must be {ny} x {nx}");
                return Err(Error::argument("mask", format!("{:?}", mask.dim()), &allowed));
            }
            for n in open {
                let [at_z, at_y, at_x] = voxels[n];
                let along_z = (at_z - z as i64).pow(2);
                let range = |at: i64, extent: usize| (at - span).max(0)..(at + span + 1).min(extent as i64);
                keep[n] = !range(at_y, ny).any(|y| {
                    let across = along_z + (at_y - y).pow(2);
                    range(at_x, nx).any(|x| near(across + (at_x - x).pow(2)) && mask[[y as usize, x as usize]])
                });
            }
        }
        let mut kept = keep.into_iter();
        self.picks.retain(|_| kept.next().unwrap_or(true));
        Ok(())
    }

    fn check_distance(&self, name: &str, value: f64) -> Result<()> {
        if !(value.is_finite() && value >= 0.0) {
            return Err(Error::argument(name, value, "must be a distance in nm, 0 or more"));
        }
        if value > 0.0 && self.geometry.voxel_nm().is_none() {
            return Err(Error::argument(
                name,
                value,
                "must be 0 where the voxel size is unknown",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::image::distance_3d;
    use crate::volume::Geometry;

    fn set(positions: &[[f64; 3]]) -> PickSet {
        let pick = |position: &[f64; 3]| Pick {
            position: *position,
            diameter_nm: 20.0,
            score: 1.0,
        };
        PickSet::new(
            positions.iter().map(pick).collect(),
            &Geometry::new([20, 30, 40], 20.0),
            "t",
        )
    }

    #[test]
    fn borders_and_masks_drop_what_is_near() {
        let job = Job::quiet();
        let positions = [
            [10.0, 15.0, 20.0],
            [4.4, 15.0, 20.0],
            [4.5, 15.0, 20.0],
            [10.0, 15.0, 39.0],
            [10.0, 15.0, 10.0],
        ];
        // 10 nm are 5 voxels: the border is at -0.5, so 4.5 is the first that stays.
        let border = Exclusion {
            border_nm: [10.0, 0.0, 2.0],
            mask_nm: 0.0,
        };
        let mut tested = set(&positions);
        tested.exclude(&border, None, &job).unwrap();
        assert_eq!(tested.picks.len(), 3);
        let mut carbon = Array3::from_elem((20, 30, 40), false);
        carbon.slice_mut(ndarray::s![.., .., 8..11]).fill(true);
        let near = Exclusion {
            mask_nm: 20.0,
            ..Exclusion::default()
        };
        // 20 nm are 10 voxels: column 20 is 10 from column 10, column 10 within.
        let mut tested = set(&positions);
        tested.exclude(&near, Some(carbon.view()), &job).unwrap();
        assert_eq!(tested.picks.len(), 4);
        let nearer = Exclusion {
            mask_nm: 20.1,
            ..Exclusion::default()
        };
        tested.exclude(&nearer, Some(carbon.view()), &job).unwrap();
        assert_eq!(tested.picks.len(), 1);
        let mut tested = set(&positions);
        tested
            .exclude(&Exclusion::default(), Some(carbon.view()), &job)
            .unwrap();
        assert_eq!(tested.picks.len(), 4);
    }

    #[test]
    fn unknown_voxel_sizes_and_wrong_masks_are_named() {
        let job = Job::quiet();
        let near = Exclusion {
            mask_nm: 1.0,
            ..Exclusion::default()
        };
        let mut tested = set(&[[1.0; 3]]);
        let wrong = Array3::from_elem((20, 30, 41), true);
        assert!(tested.exclude(&near, Some(wrong.view()), &job).is_err());
        tested.geometry.voxel_angstrom = [0.0; 3];
        assert!(tested.exclude(&near, None, &job).is_err());
        assert!(tested.exclude(&Exclusion::default(), None, &job).is_ok());
        assert_eq!(tested.picks.len(), 1);
    }

    #[test]
    fn distances_from_a_mask_are_euclidean() {
        let mut gen = crate::runtime::Generator::new(2, 0);
        let mask = Array3::from_shape_fn((20, 30, 40), |_| gen.chance(0.002));
        let positions: Vec<[f64; 3]> = (0..300)
            .map(|_| [20, 30, 40].map(|n| gen.uniform(-0.4, f64::from(n) - 0.6)))
            .collect();
        let distance = distance_3d(mask.view(), || Ok(())).unwrap();
        for nm in [0.0, 2.0, 6.0, 9.3, 20.0] {
            let near = Exclusion {
                mask_nm: nm,
                ..Exclusion::default()
            };
            let mut tested = set(&positions);
            tested.exclude(&near, Some(mask.view()), &Job::quiet()).unwrap();
            let expected = positions.iter().filter(|position| {
                let at = position.map(|v| v.round() as usize);
                // Voxels of 2 nm.
                distance[at] > 0.0 && f64::from(distance[at]) >= nm / 2.0
            });
            let expected: Vec<[f64; 3]> = expected.copied().collect();
            assert_eq!(
                tested.picks.iter().map(|p| p.position).collect::<Vec<_>>(),
                expected,
                "{nm}"
            );
            assert!(nm > 0.0 || expected.len() > 250);
        }
    }
}
