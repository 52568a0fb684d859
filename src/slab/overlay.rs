//! A picture of one slice: the tomogram, and beside it what was found in it.
use std::path::Path;

use ndarray::{Array2, ArrayView2};

use crate::image::{grey_panel, resize_nearest, Picture};
use crate::picks::Pick;
use crate::runtime::{write_whole, Error, Result};
use crate::volume::{FILAMENT, MEMBRANE, MOLECULE};

/// Longer side of a panel, in pixels: smaller slices are enlarged to the first, larger ones reduced to the second.
const PANEL: (usize, usize) = (768, 2048);

/// White pixels between the panels.
const GAP: usize = 8;

/// Orange, sky blue and green: told apart in every form of colour blindness, and from grey.
pub const MEMBRANE_COLOUR: [u8; 3] = [255, 150, 20];
/// Of molecules.
pub const MOLECULE_COLOUR: [u8; 3] = [60, 190, 255];
/// Of filaments, where they are drawn.
pub const FILAMENT_COLOUR: [u8; 3] = [0, 158, 115];

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
    let panel = PanelLabels {
        labels: labels.view(),
        points: Some(points),
    };
    write_panels(path, slice, &[panel], (z, voxel_nm), PANEL)
}

/// What one panel shows of a slice.
#[derive(Clone, Copy)]
pub struct PanelLabels<'a> {
    /// Labels of the slice's shape.
    pub labels: ArrayView2<'a, i8>,
    /// Molecules in voxels of the tomogram, drawn as circles; None: molecules and filaments are drawn as the labels
    /// have them.
    pub points: Option<&'a [Pick]>,
}

/// Writes a PNG: `slice`, number `z` of its tomogram, in grey, and beside it one panel for each of `panels`. Slices
/// whose longer side is outside `sides` pixels are enlarged or reduced to it.
///
/// Errors: shapes that differ or are empty, and what the file system says.
pub fn write_panels(
    path: &Path,
    slice: ArrayView2<f32>,
    panels: &[PanelLabels],
    (z, voxel_nm): (usize, f64),
    sides: (usize, usize),
) -> Result<()> {
    let png = draw(slice, panels, (z, voxel_nm), sides)?.png()?;
    write_whole(path, &png)
}

fn draw(
    slice: ArrayView2<f32>,
    panels: &[PanelLabels],
    (z, voxel_nm): (usize, f64),
    sides: (usize, usize),
) -> Result<Picture> {
    let differs = panels.iter().find(|panel| panel.labels.dim() != slice.dim());
    if let (true, _) | (_, Some(_)) = (slice.is_empty(), differs) {
        let (shape, allowed) = (
            format!("{:?}", differs.map_or(slice.dim(), |panel| panel.labels.dim())),
            format!("must be that of the slice, {:?}, and not empty", slice.dim()),
        );
        return Err(Error::argument("shape of the labels", shape, &allowed));
    }
    let longer = slice.nrows().max(slice.ncols());
    let scale = longer.clamp(sides.0, sides.1) as f64 / longer as f64;
    let side = |pixels: usize| ((pixels as f64 * scale).round() as usize).max(1);
    let (rows, cols) = (side(slice.nrows()), side(slice.ncols()));
    let grey = grey_panel(slice, (rows, cols));
    let mut picture = Picture::white(rows, cols + panels.len() * (cols + GAP));
    for column in 0..=panels.len() {
        picture.paint_grey((0, column * (cols + GAP)), grey.view());
    }
    for (column, panel) in panels.iter().enumerate() {
        let left = (column + 1) * (cols + GAP);
        let labels: Array2<i8> = resize_nearest(panel.labels, (rows, cols));
        let drawn: &[(i8, [u8; 3])] = match panel.points {
            Some(_) => &[(MEMBRANE, MEMBRANE_COLOUR)],
            None => &[
                (MEMBRANE, MEMBRANE_COLOUR),
                (MOLECULE, MOLECULE_COLOUR),
                (FILAMENT, FILAMENT_COLOUR),
            ],
        };
        for &(label, colour) in drawn {
            area(&mut picture, left, &labels, label, colour);
        }
        for point in panel.points.unwrap_or_default() {
            circle(&mut picture, (left, cols), point, z, voxel_nm, scale);
        }
    }
    Ok(picture)
}

/// What has `label`, tinted and outlined, in the panel that starts at column `left`.
fn area(picture: &mut Picture, left: usize, labels: &Array2<i8>, label: i8, colour: [u8; 3]) {
    for ((r, c), _) in labels.indexed_iter().filter(|(_, other)| **other == label) {
        let inside = |r: usize, c: usize| labels.get([r, c]).is_none_or(|other| *other == label);
        // Beyond the border counts as inside: the frame is no outline. Index -1 wraps, and is beyond it too.
        let around = [(r.wrapping_sub(1), c), (r + 1, c), (r, c.wrapping_sub(1)), (r, c + 1)];
        let edge = around.into_iter().any(|(r, c)| !inside(r, c));
        picture.paint(r, left + c, colour, if edge { 1.0 } else { TINT });
    }
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
    use super::*;

    fn point(position: [f64; 3], diameter_nm: f64) -> Pick {
        Pick {
            position,
            diameter_nm,
            score: 1.0,
        }
    }

    fn circled<'a>(labels: &'a Array2<i8>, points: &'a [Pick]) -> PanelLabels<'a> {
        PanelLabels {
            labels: labels.view(),
            points: Some(points),
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
        let picture = draw(slice.view(), &[circled(&labels, &points)], (7, 1.0), PANEL).unwrap();
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
        assert!(draw(nan.view(), &[circled(&Array2::zeros((9, 9)), &[])], (0, 0.0), PANEL).is_ok());
    }

    #[test]
    fn a_large_slice_is_reduced() {
        let (slice, labels) = scene(100, 4100);
        let picture = draw(slice.view(), &[circled(&labels, &[])], (0, 1.0), PANEL).unwrap();
        assert_eq!(picture.dim(), (50, 2 * 2048 + GAP));
    }
    #[test]
    fn labels_of_two_sources_stand_side_by_side() {
        let (slice, mut labels) = scene(40, 40);
        labels.slice_mut(ndarray::s![24..32, 8..16]).fill(MOLECULE);
        let panels = [
            circled(&labels, &[]),
            PanelLabels {
                points: None,
                ..circled(&labels, &[])
            },
        ];
        let picture = draw(slice.view(), &panels, (0, 1.0), (10, 20)).unwrap();
        assert_eq!(picture.dim(), (20, 3 * 20 + 2 * GAP));
        let at = |panel: usize, row: usize, col: usize| picture.colour(row, panel * (20 + GAP) + col).unwrap();
        assert_eq!([at(1, 6, 10), at(2, 6, 10)], [MEMBRANE_COLOUR; 2]);
        // The molecule of rows 24..32 is pixels 12..16, drawn only where no points stand for it.
        assert_eq!(at(2, 12, 5), MOLECULE_COLOUR);
        assert_eq!(at(1, 12, 5), at(0, 12, 5));
        assert!(draw(
            slice.view(),
            &[circled(&Array2::zeros((40, 41)), &[])],
            (0, 1.0),
            (10, 20)
        )
        .is_err());
    }
}
