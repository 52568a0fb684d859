//! Labels drawn about points, for networks that learn from coordinates alone (DeepETPicker, Liu et al. 2024).
use ndarray::Array3;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runtime::{Error, Result};
use crate::train::CERTAIN;

/// Which voxels about a point are its label. With the diameter d, s = (d - 1) / 2 and the template
/// h = exp(-r^2 / (2 s^2)) in a cube of d^3 voxels these are the voxels where h exceeds a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PointShape {
    /// h above 0.60653: a ball of radius s.
    Ball,
    /// h above 0.367879: a ball of radius 1.41 s, cut by the cube; DeepETPicker's TBall, its default.
    #[default]
    TruncatedBall,
    /// h above 0.223: the whole cube but for its corners where d is large.
    Cube,
}

impl PointShape {
    /// What the template has to exceed.
    fn threshold(self) -> f64 {
        match self {
            Self::Ball => 0.60653,
            Self::TruncatedBall => 0.367_879,
            Self::Cube => 0.223,
        }
    }
}

/// Labels drawn about points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PointLabels {
    /// Which voxels about a point are its label.
    pub shape: PointShape,
    /// Diameter d of the label in voxels of the network, odd; less than the molecule's (11 for a ribosome of 23).
    #[schemars(range(min = 3, max = 101))]
    pub diameter: usize,
}

impl Default for PointLabels {
    fn default() -> Self {
        Self {
            shape: PointShape::default(),
            diameter: 11,
        }
    }
}

impl PointLabels {
    /// Refuses an even diameter: such a template has no middle voxel.
    pub(super) fn check_odd(&self) -> Result<()> {
        match self.diameter % 2 {
            1 => Ok(()),
            _ => Err(Error::argument("point_labels.diameter", self.diameter, "must be odd")),
        }
    }

    /// Marks the label about the voxel nearest to `centre` (z, y, x) in `map`, as far as it lies within.
    pub(super) fn mark(&self, map: &mut Array3<u8>, centre: [f64; 3]) {
        let reach = (self.diameter / 2) as i64;
        let two_squares = 2.0 * (reach * reach) as f64;
        let threshold = self.shape.threshold();
        let (depth, rows, cols) = map.dim();
        let middle = centre.map(|at| at.round() as i64);
        let span = |axis: usize, n: usize| (middle[axis] - reach).max(0)..(middle[axis] + reach + 1).min(n as i64);
        for z in span(0, depth) {
            for y in span(1, rows) {
                for x in span(2, cols) {
                    let squares: i64 = [z, y, x].iter().zip(middle).map(|(i, m)| (i - m).pow(2)).sum();
                    if (-(squares as f64) / two_squares).exp() > threshold {
                        map[[z as usize, y as usize, x as usize]] = CERTAIN;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(shape: PointShape, diameter: usize) -> usize {
        let mut map = Array3::zeros((25, 25, 25));
        PointLabels { shape, diameter }.mark(&mut map, [12.2, 11.8, 12.0]);
        map.iter().filter(|v| **v == CERTAIN).count()
    }

    /// Sizes that DeepETPicker's own templates have.
    #[test]
    fn labels_have_the_published_sizes() {
        for (diameter, ball, truncated, cube) in [
            (7, 123, 287, 343),
            (9, 257, 625, 729),
            (11, 515, 1203, 1331),
            (13, 925, 1989, 2197),
            (23, 5575, 11351, 12167),
        ] {
            assert_eq!(size(PointShape::Ball, diameter), ball);
            assert_eq!(size(PointShape::TruncatedBall, diameter), truncated);
            assert_eq!(size(PointShape::Cube, diameter), cube);
        }
    }

    #[test]
    fn labels_are_cut_by_the_map_and_even_diameters_refused() {
        let labels = PointLabels {
            shape: PointShape::Cube,
            diameter: 3,
        };
        let mut map = Array3::zeros((4, 4, 4));
        labels.mark(&mut map, [0.0, 0.0, 3.0]);
        labels.mark(&mut map, [9.0, 0.0, 0.0]);
        assert_eq!(map.iter().filter(|v| **v > 0).count(), 8);
        let even = PointLabels { diameter: 8, ..labels };
        let text = even.check_odd().unwrap_err().to_string();
        assert_eq!(text, "point_labels.diameter is 8, must be odd");
    }
}
