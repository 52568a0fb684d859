//! Rotations as unit quaternions.
use crate::runtime::Generator;

/// A uniform rotation as a unit quaternion (w, x, y, z): four normal draws, normalised (Muller 1959), w >= 0.
pub(super) fn random_rotation(gen: &mut Generator) -> [f64; 4] {
    let q = [gen.normal(), gen.normal(), gen.normal(), gen.normal()];
    let norm = q.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12).copysign(q[0]);
    q.map(|v| v / norm)
}

/// `offset` (z, y, x) turned by the quaternion `q` (w, x, y, z).
pub(super) fn rotated(q: [f64; 4], [z, y, x]: [f64; 3]) -> [f64; 3] {
    let [w, a, b, c] = q;
    [
        2.0 * (a * c - w * b) * x + 2.0 * (b * c + w * a) * y + (1.0 - 2.0 * (a * a + b * b)) * z,
        2.0 * (a * b + w * c) * x + (1.0 - 2.0 * (a * a + c * c)) * y + 2.0 * (b * c - w * a) * z,
        (1.0 - 2.0 * (b * b + c * c)) * x + 2.0 * (a * b - w * c) * y + 2.0 * (a * c + w * b) * z,
    ]
}

/// The shortest rotation (w, x, y, z) from +z to `tangent` (z, y, x).
pub(super) fn from_z_to([z, y, x]: [f64; 3]) -> [f64; 4] {
    let q = [1.0 + z, -y, x, 0.0];
    let norm = q.iter().map(|v| v * v).sum::<f64>().sqrt();
    if norm < 1e-9 {
        return [0.0, 1.0, 0.0, 0.0];
    }
    q.map(|v| v / norm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_orientation_turns_z_into_the_tangent() {
        for tangent in [[0.6, 0.0, 0.8], [0.0, 1.0, 0.0], [-0.48, 0.6, 0.64]] {
            let turned = rotated(from_z_to(tangent), [1.0, 0.0, 0.0]);
            for axis in 0..3 {
                assert!(
                    (turned[axis] - tangent[axis]).abs() < 1e-12,
                    "{turned:?} is not {tangent:?}"
                );
            }
        }
    }
}
