//! Voxel sizes that tomograms hardly have, looked for when a file is opened.
use super::Geometry;

/// Edges of a tomogram's voxels in Angstrom, least and largest: 0.05 to 10 nm.
const USUAL: [f64; 2] = [0.5, 100.0];
/// Edges of one voxel that differ by more than this share are told.
const UNEQUAL: f64 = 0.03;

/// What is odd about the voxel size, in words with axis and value; nothing where it is unknown.
///
/// Looked for are edges that differ, edges outside 0.05 to 10 nm, the 1.0 Angstrom that denoisers leave, and a cell
/// that is as long as one voxel where there are many.
pub(super) fn doubts(geometry: &Geometry) -> Vec<String> {
    let [z, y, x] = geometry.voxel_angstrom;
    let [nz, ny, nx] = geometry.shape;
    let axes = [("x", x, nx), ("y", y, ny), ("z", z, nz)];
    if axes.iter().any(|(_, edge, _)| !(edge.is_finite() && *edge > 0.0)) {
        return Vec::new();
    }
    let (least, most) = (x.min(y).min(z), x.max(y).max(z));
    let mut doubts = Vec::new();
    if axes.iter().all(|(_, edge, _)| (edge - 1.0).abs() < 1e-3) {
        doubts.push(
            "the voxel size is 1.0 Angstrom along x, y and z, which many programs write where they do not know it"
                .to_owned(),
        );
        return doubts;
    }
    for (name, edge, count) in axes {
        let cell = edge * count as f64;
        let is_one_voxel =
            count > 1 && most / least > 1.0 + UNEQUAL && (is_same_size(cell, 1.0) || is_same_size(cell, most));
        let is_usual = (USUAL[0]..=USUAL[1]).contains(&edge);
        if is_one_voxel {
            doubts.push(format!(
                "the cell along {name} is {} Angstrom long, as one voxel may be, for {count} voxels: the voxel size \
                 along {name} is {} Angstrom",
                short(cell),
                short(edge)
            ));
        } else if !is_usual {
            let whole = edge / count as f64;
            let hint = if edge > USUAL[1] && (USUAL[0]..=USUAL[1]).contains(&whole) {
                format!(" ({} if that is the whole cell)", short(whole))
            } else {
                String::new()
            };
            doubts.push(format!(
                "the voxel size along {name} is {} Angstrom, tomograms have 0.5 to 100{hint}",
                short(edge)
            ));
        }
    }
    if most / least > 1.0 + UNEQUAL {
        doubts.push(format!(
            "the edges of a voxel differ: {} x {} x {} Angstrom (x, y, z)",
            short(x),
            short(y),
            short(z)
        ));
    }
    doubts
}

/// Whether two sizes are the same but for the rounding of headers.
pub fn is_same_size(a: f64, b: f64) -> bool {
    (a / b - 1.0).abs() < 0.01
}

/// At most four decimals.
fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(shape: [usize; 3], voxel_angstrom: [f64; 3]) -> String {
        let geometry = Geometry {
            voxel_angstrom,
            ..Geometry::new(shape, 0.0)
        };
        doubts(&geometry).join("; ")
    }

    #[test]
    fn odd_sizes_are_told_with_axis_and_value() {
        let shape = [24, 40, 56];
        for sound in [
            [10.0; 3],
            [0.5; 3],
            [100.0; 3],
            [10.2, 10.0, 10.0],
            [0.0; 3],
            [0.0, 10.0, 10.0],
        ] {
            assert_eq!(of(shape, sound), "", "{sound:?}");
        }
        for (edges, words) in [
            ([1.0; 3], "is 1.0 Angstrom along x, y and z"),
            ([0.4; 3], "along x is 0.4 Angstrom, tomograms have 0.5 to 100"),
            (
                [240.0, 400.0, 560.0],
                "along x is 560 Angstrom, tomograms have 0.5 to 100 (10 if that is",
            ),
            (
                [10.0 / 24.0, 10.0, 10.0],
                "the cell along z is 10 Angstrom long, as one voxel may be, for 24 voxels",
            ),
            ([1.0 / 24.0, 10.0, 10.0], "the cell along z is 1 Angstrom long"),
            (
                [10.4, 10.0, 10.0],
                "the edges of a voxel differ: 10 x 10 x 10.4 Angstrom (x, y, z)",
            ),
        ] {
            let text = of(shape, edges);
            assert!(text.contains(words), "{edges:?}: {text}");
        }
    }
}
