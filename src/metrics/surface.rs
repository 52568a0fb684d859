//! How far the surfaces of two masks lie apart.
use ndarray::Array3;

use super::overlap::check_shapes;
use crate::image::{distance_3d, percentiles};
use crate::runtime::Job;
use crate::Result;

/// Percentile of the robust Hausdorff distance.
const ROBUST_PERCENTILE: f64 = 95.0;

/// Distances between two surfaces, in the unit of the voxel's edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SurfaceDistances {
    /// 95th percentile of the distances of each surface voxel to the other surface, both directions together (HD95).
    pub hausdorff_95: f64,
    /// Mean of the same distances: the average symmetric surface distance.
    pub average: f64,
}

impl SurfaceDistances {
    /// Distances between the surfaces of two masks (z, y, x) with cubic voxels of `edge`; None where just one of them
    /// is empty, 0 where both are.
    ///
    /// A surface voxel is a true voxel of which a face neighbour is false or outside; axes of one voxel have no
    /// neighbours. Both figures are of the distances of all surface voxels of both masks in one list: the percentile
    /// as MedPy's `hd95` (numpy's interpolation), the mean as the average symmetric surface distance of Heimann et al.
    /// 2009 (IEEE TMI 28, equation 2). Programs that take the larger of two percentiles or the mean of two means
    /// differ.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] where the shapes differ; cancel.
    pub fn between(a: &Array3<bool>, b: &Array3<bool>, edge: f64, job: &Job) -> Result<Option<Self>> {
        check_shapes("truth", a.shape(), b.shape())?;
        let (a, b) = (surface(a), surface(b));
        match (a.iter().any(|v| *v), b.iter().any(|v| *v)) {
            (false, false) => {
                return Ok(Some(Self {
                    hausdorff_95: 0.0,
                    average: 0.0,
                }))
            }
            (true, true) => {}
            _ => return Ok(None),
        }
        let mut distances = distances_from(&a, &b, job)?;
        distances.extend(distances_from(&b, &a, job)?);
        let sum: f64 = distances.iter().map(|d| f64::from(*d)).sum();
        let percentile = percentiles(&distances, &[ROBUST_PERCENTILE]).and_then(|values| values.first().copied());
        Ok(percentile.map(|percentile| Self {
            hausdorff_95: f64::from(percentile) * edge,
            average: sum / distances.len() as f64 * edge,
        }))
    }
}

/// Distance in voxels of each voxel of `from` to the nearest one of `to`.
fn distances_from(from: &Array3<bool>, to: &Array3<bool>, job: &Job) -> Result<Vec<f32>> {
    let field = distance_3d(to.view(), || job.check())?;
    let of = from.iter().zip(&field).filter(|(is_surface, _)| **is_surface);
    Ok(of.map(|(_, distance)| *distance).collect())
}

fn surface(mask: &Array3<bool>) -> Array3<bool> {
    let shape: [usize; 3] = mask.dim().into();
    Array3::from_shape_fn(mask.dim(), |(z, y, x)| {
        let at = [z, y, x];
        let is_open = |axis: usize| {
            if shape[axis] == 1 {
                return false;
            }
            if at[axis] == 0 || at[axis] + 1 == shape[axis] {
                return true;
            }
            let (mut before, mut after) = (at, at);
            before[axis] -= 1;
            after[axis] += 1;
            !(mask[before] && mask[after])
        };
        mask[at] && (0..3).any(is_open)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cube(low: usize, high: usize) -> Array3<bool> {
        Array3::from_shape_fn((12, 12, 12), |(z, y, x)| {
            [z, y, x].iter().all(|v| (low..high).contains(v))
        })
    }

    #[test]
    fn equal_masks_are_at_no_distance_and_shifted_planes_at_their_shift() {
        let job = Job::quiet();
        let of = |a: &Array3<bool>, b: &Array3<bool>| SurfaceDistances::between(a, b, 2.0, &job).unwrap();
        let same = of(&cube(3, 7), &cube(3, 7)).unwrap();
        assert_eq!((same.hausdorff_95, same.average), (0.0, 0.0));
        let plane = |x: usize| Array3::from_shape_fn((4, 9, 12), |(_, _, column)| column == x);
        let shifted = of(&plane(2), &plane(7)).unwrap();
        assert_eq!((shifted.hausdorff_95, shifted.average), (10.0, 10.0));
    }

    #[test]
    fn empty_masks_have_no_surface() {
        let job = Job::quiet();
        let none = Array3::from_elem((12, 12, 12), false);
        let of = |a: &Array3<bool>, b: &Array3<bool>| SurfaceDistances::between(a, b, 1.0, &job).unwrap();
        assert_eq!(of(&none, &none).unwrap().hausdorff_95, 0.0);
        assert_eq!(of(&none, &cube(2, 4)), None);
        assert_eq!(of(&cube(2, 4), &none), None);
        let other = Array3::from_elem((12, 12, 11), false);
        let text = SurfaceDistances::between(&none, &other, 1.0, &job)
            .unwrap_err()
            .to_string();
        assert!(text.contains("[12, 12, 11]"), "{text}");
    }

    #[test]
    fn the_inside_is_no_surface_and_a_slice_is_a_plane() {
        let count = |mask: &Array3<bool>| surface(mask).iter().filter(|v| **v).count();
        assert_eq!(count(&cube(3, 7)), 64 - 8);
        let disc = Array3::from_shape_fn((1, 6, 6), |(_, y, x)| (1..5).contains(&y) && (1..5).contains(&x));
        assert_eq!(count(&disc), 16 - 4);
    }
}
