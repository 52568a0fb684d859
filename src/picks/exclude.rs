//! Picks where no molecule should be counted.
use ndarray::ArrayView3;

use super::PickSet;
use crate::image::distance_3d;
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
    /// Drops the picks that are too close to a border of the volume or to `mask` (carbon, contamination), a volume of the
    /// tomogram's shape. The volume ends half a voxel beyond the centres of its outermost voxels. What is kept stays in its order.
    ///
    /// Errors: distances that are negative or not finite, a voxel size that is unknown where a distance is given, a mask of
    /// another shape, cancel.
    pub fn exclude(&mut self, exclusion: &Exclusion, mask: Option<ArrayView3<bool>>, job: &Job) -> Result<()> {
        let [z, y, x] = exclusion.border_nm;
        for (name, value) in [
            ("border_nm", z),
            ("border_nm", y),
            ("border_nm", x),
            ("mask_nm", exclusion.mask_nm),
        ] {
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
        }
        let shape = self.geometry.shape;
        let edge_nm = self
            .geometry
            .voxel_angstrom
            .map(|edge| if edge > 0.0 { edge / 10.0 } else { 1.0 });
        let inside = |position: [f64; 3]| {
            (0..3).all(|k| {
                let margin = exclusion.border_nm[k] / edge_nm[k];
                position[k] + 0.5 >= margin && shape[k] as f64 - 0.5 - position[k] >= margin
            })
        };
        let distance = match mask {
            Some(mask) if mask.dim() != (shape[0], shape[1], shape[2]) => {
                let allowed = format!("must be the tomogram's {shape:?}");
                return Err(Error::argument("mask", format!("{:?}", mask.dim()), &allowed));
            }
            Some(mask) => Some(distance_3d(mask, || job.check())?),
            None => None,
        };
        // Distances are in voxels of the mean edge: the edges of one tomogram's voxels hardly differ.
        let reach = exclusion.mask_nm / self.geometry.voxel_nm().unwrap_or(1.0);
        let clear = |position: [f64; 3]| {
            distance.as_ref().is_none_or(|distance| {
                let at: [usize; 3] =
                    std::array::from_fn(|k| position[k].round().clamp(0.0, shape[k].saturating_sub(1) as f64) as usize);
                distance.get(at).is_none_or(|&d| d > 0.0 && f64::from(d) >= reach)
            })
        };
        self.picks.retain(|pick| inside(pick.position) && clear(pick.position));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::picks::Pick;
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
        let mut found = set(&positions);
        found.exclude(&border, None, &job).unwrap();
        assert_eq!(found.picks.len(), 3);
        let mut carbon = Array3::from_elem((20, 30, 40), false);
        carbon.slice_mut(ndarray::s![.., .., 8..11]).fill(true);
        let near = Exclusion {
            mask_nm: 20.0,
            ..Exclusion::default()
        };
        // 20 nm are 10 voxels: column 20 is 10 from column 10, column 10 within.
        let mut found = set(&positions);
        found.exclude(&near, Some(carbon.view()), &job).unwrap();
        assert_eq!(found.picks.len(), 4);
        let nearer = Exclusion {
            mask_nm: 20.1,
            ..Exclusion::default()
        };
        found.exclude(&nearer, Some(carbon.view()), &job).unwrap();
        assert_eq!(found.picks.len(), 1);
        let mut found = set(&positions);
        found.exclude(&Exclusion::default(), Some(carbon.view()), &job).unwrap();
        assert_eq!(found.picks.len(), 4);
    }

    #[test]
    fn unknown_voxel_sizes_and_wrong_masks_are_named() {
        let job = Job::quiet();
        let near = Exclusion {
            mask_nm: 1.0,
            ..Exclusion::default()
        };
        let mut found = set(&[[1.0; 3]]);
        let wrong = Array3::from_elem((20, 30, 41), true);
        assert!(found.exclude(&near, Some(wrong.view()), &job).is_err());
        found.geometry.voxel_angstrom = [0.0; 3];
        assert!(found.exclude(&near, None, &job).is_err());
        assert!(found.exclude(&Exclusion::default(), None, &job).is_ok());
        assert_eq!(found.picks.len(), 1);
    }
}
