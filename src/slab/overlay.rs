//! A picture of one slice: the tomogram, and beside it what was found in it.
use std::io::Write;
use std::path::Path;

use ndarray::ArrayView2;

use crate::image::{grey_panel, resize_nearest, Picture};
use crate::picks::Pick;
use crate::runtime::{Error, Result};
use crate::volume::write_atomically;

use super::split::MEMBRANE;

/// Longer side of a panel, in pixels: smaller slices are enlarged to the first, larger ones reduced to the second.
const PANEL: (usize, usize) = (768, 2048);

/// White pixels between the panels.
const GAP: usize = 8;

/// Orange and sky blue: told apart in every form of colour blindness, and from grey.
const MEMBRANE_COLOUR: [u8; 3] = [255, 150, 20];
const MOLECULE_COLOUR: [u8; 3] = [60, 190, 255];

/// Share of the membrane's colour over its area; the outline is solid.
const TINT: f32 = 0.3;

/// Diameter drawn for points that have none, in nm.
const UNKNOWN_NM: f64 = 10.0;

/// Writes a PNG of two panels: `slice` in grey, and the same with membranes (outlined and tinted orange) and molecules
/// (blue circles of their diameter, where the ball reaches this slice). `labels` has the slice's shape; `points` are in
/// voxels of the tomogram, of which the slice is number `z`. The file is whole or absent.
///
/// Errors: shapes that differ or are empty, and what the file system says.
pub fn write_overlay(
    path: &Path,
    slice: ArrayView2<f32>,
    labels: ArrayView2<i8>,
    points: &[Pick],
    z: usize,
    voxel_nm: f64,
) -> Result<()> {
    let png = draw(slice, labels, points, z, voxel_nm)?.png()?;
    write_atomically(path, |file| {
        file.write_all(&png).map_err(|error| Error::io("writing", path, error))
    })
}

fn draw(slice: ArrayView2<f32>, labels: ArrayView2<i8>, points: &[Pick], z: usize, voxel_nm: f64) -> Result<Picture> {
    if slice.is_empty() || slice.dim() != labels.dim() {
        let (found, wanted) = (
            format!("{:?}", labels.dim()),
            format!("must be that of the slice, {:?}", slice.dim()),
        );
        return Err(Error::argument("shape of the labels", found, &wanted));
    }
    let longer = slice.nrows().max(slice.ncols());
    let scale = longer.clamp(PANEL.0, PANEL.1) as f64 / longer as f64;
    let side = |pixels: usize| ((pixels as f64 * scale).round() as usize).max(1);
    let (rows, cols) = (side(slice.nrows()), side(slice.ncols()));
    let grey = grey_panel(slice, (rows, cols));
    let labels = resize_nearest(labels, (rows, cols));

    let mut picture = Picture::white(rows, 2 * cols + GAP);
    for left in [0, cols + GAP] {
        picture.paint_grey((0, left), grey.view());
    }
    for ((r, c), _) in labels.indexed_iter().filter(|(_, &label)| label == MEMBRANE) {
        let inside = |r: usize, c: usize| labels.get([r, c]).is_none_or(|&label| label == MEMBRANE);
        // Beyond the border counts as inside: the frame is no outline. Index -1 wraps, and is beyond it too.
        let around = [(r.wrapping_sub(1), c), (r + 1, c), (r, c.wrapping_sub(1)), (r, c + 1)];
        let edge = around.into_iter().any(|(r, c)| !inside(r, c));
        picture.paint(r, cols + GAP + c, MEMBRANE_COLOUR, if edge { 1.0 } else { TINT });
    }
    for point in points {
        circle(&mut picture, (cols + GAP, cols), point, z, voxel_nm, scale);
    }
    Ok(picture)
}

/// The outline of a molecule that reaches slice `z`, two pixels wide, within the panel of `width` that starts at column
/// `left`.
fn circle(picture: &mut Picture, (left, width): (usize, usize), point: &Pick, z: usize, voxel_nm: f64, scale: f64) {
    let diameter_nm = if point.diameter_nm > 0.0 {
        point.diameter_nm
    } else {
        UNKNOWN_NM
    };
    let voxel_nm = if voxel_nm > 0.0 { voxel_nm } else { 1.0 };
    let radius = (0.5 * diameter_nm / voxel_nm).max(1.0);
    let [pz, y, x] = point.position;
    let centre = [(y + 0.5) * scale - 0.5, (x + 0.5) * scale - 0.5];
    if (pz - z as f64).abs() > radius || !centre.iter().all(|v| v.is_finite()) {
        return;
    }
    let radius = (radius * scale).clamp(4.0, PANEL.1 as f64);
    let range = |centre: f64, end: usize| {
        let low = (centre - radius - 1.0).max(0.0) as usize;
        low..((centre + radius + 2.0).max(0.0) as usize).min(end)
    };
    for row in range(centre[0], picture.dim().0) {
        for col in range(centre[1], width) {
            let distance = (row as f64 - centre[0]).hypot(col as f64 - centre[1]);
            // Fades over half a pixel: a smooth line.
            let share = (1.5 - (distance - radius).abs()).clamp(0.0, 1.0);
            if share > 0.0 {
                picture.paint(row, left + col, MOLECULE_COLOUR, share as f32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::super::split::MOLECULE;
    use super::*;

    fn point(position: [f64; 3], diameter_nm: f64) -> Pick {
        Pick {
            position,
            diameter_nm,
            score: 1.0,
        }
    }

    fn scene(rows: usize, cols: usize) -> (Array2<f32>, Array2<i8>) {
        let slice = Array2::from_shape_fn((rows, cols), |(r, c)| ((r * 13 + c * 7) % 50) as f32);
        let label = |(r, _): (usize, usize)| if r / 4 == 3 { MEMBRANE } else { 0 };
        (slice, Array2::from_shape_fn((rows, cols), label))
    }

    #[test]
    fn panels_show_slice_membrane_and_circle() {
        let (slice, mut labels) = scene(96, 64);
        labels[[80, 32]] = MOLECULE;
        let points = [
            point([5.0, 60.0, 32.0], 20.0),
            point([30.0, 30.0, 32.0], 20.0),
            point([5.0, f64::NAN, 1.0], 9.0),
        ];
        let picture = draw(slice.view(), labels.view(), &points, 7, 1.0).unwrap();
        assert_eq!(picture.dim(), (768, 2 * 512 + GAP));
        let at = |row: usize, col: usize| picture.colour(row, col).unwrap();
        let right = 512 + GAP;
        // Membrane rows 12..16 are pixels 96..128; the molecule's circle has a radius of 10 voxels = 80 pixels.
        assert_eq!(at(96, right + 300), MEMBRANE_COLOUR);
        let tint = at(110, right + 300);
        assert!(tint[0] > tint[2] && tint != MEMBRANE_COLOUR);
        assert_eq!(at(483, right + 259 + 80), MOLECULE_COLOUR);
        // The second point is too far in z; the left panel is grey.
        assert_ne!(at(243, right + 259 + 80), MOLECULE_COLOUR);
        assert!((0..768).all(|r| (0..512).all(|c| at(r, c)[0] == at(r, c)[2])));
    }

    #[test]
    fn writes_a_png_of_any_shape_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for (rows, cols, size) in [(33, 500, (1544, 51)), (1, 1, (1544, 768)), (900, 300, (608, 900))] {
            let (slice, labels) = scene(rows, cols);
            let path = folder.path().join("o.png");
            write_overlay(&path, slice.view(), labels.view(), &[point([0.0; 3], 0.0)], 0, 1.3).unwrap();
            assert_eq!(::image::image_dimensions(&path).unwrap(), size);
        }
        let (slice, labels) = scene(20, 20);
        let missing = folder.path().join("none").join("o.png");
        assert!(write_overlay(&missing, slice.view(), labels.view(), &[], 0, 1.0).is_err());
        let other = Array2::zeros((20, 21));
        assert!(write_overlay(&folder.path().join("x.png"), slice.view(), other.view(), &[], 0, 1.0).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let nan = Array2::from_elem((9, 9), f32::NAN);
        assert!(draw(nan.view(), Array2::zeros((9, 9)).view(), &[], 0, 0.0).is_ok());
    }

    #[test]
    fn a_large_slice_is_reduced() {
        let (slice, labels) = scene(100, 4100);
        let picture = draw(slice.view(), labels.view(), &[], 0, 1.0).unwrap();
        assert_eq!(picture.dim(), (50, 2 * 2048 + GAP));
    }
}
