//! Connected components in 2D and 3D, and the count of outer contours.
use ndarray::{Array, Array2, Array3, ArrayView2, ArrayView3, Dimension, Ix2, Ix3};

use crate::runtime::Result;

/// Neighbourhood of a voxel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connectivity {
    /// Across faces only: 4 neighbours in 2D, 6 in 3D.
    Face,
    /// Across faces, edges and corners: 8 in 2D, 26 in 3D.
    Full,
}

/// Labelled components.
#[derive(Clone, Debug)]
pub struct Components<D: Dimension> {
    /// 0 for background; components count from 1 in scan order of their first pixel.
    pub labels: Array<u32, D>,
    /// Number of pixels of each component; `areas[i]` belongs to label `i + 1`.
    pub areas: Vec<usize>,
}

/// Connected components of the true pixels (at most 2^32 - 2 of them).
pub fn label_2d(mask: ArrayView2<bool>, connectivity: Connectivity) -> Components<Ix2> {
    let (rows, cols) = mask.dim();
    let mut labels = Array2::zeros((rows, cols));
    let cells = labels.as_slice_mut();
    // Never stopped, hence never an error.
    let areas = label([1, rows, cols], mask.iter().copied(), connectivity, cells, || Ok(())).unwrap_or_default();
    Components { labels, areas }
}

/// Connected components of the true voxels of a (z, y, x) volume.
///
/// `check` is asked every few thousand voxels and stops the work by its error: a slab takes longer than a cancel may.
pub fn label_3d(
    mask: ArrayView3<bool>,
    connectivity: Connectivity,
    check: impl Fn() -> Result<()>,
) -> Result<Components<Ix3>> {
    let (depth, rows, cols) = mask.dim();
    let mut labels = Array3::zeros((depth, rows, cols));
    let cells = labels.as_slice_mut();
    let areas = label([depth, rows, cols], mask.iter().copied(), connectivity, cells, check)?;
    Ok(Components { labels, areas })
}

fn offsets(connectivity: Connectivity) -> Vec<[isize; 3]> {
    let all = (0..27_isize).map(|i| [i / 9 - 1, i / 3 % 3 - 1, i % 3 - 1]);
    let reach = |offset: &[isize; 3]| offset.iter().map(|d| d.abs()).sum::<isize>();
    let most = match connectivity {
        Connectivity::Face => 1,
        Connectivity::Full => 3,
    };
    all.filter(|offset| (1..=most).contains(&reach(offset))).collect()
}

/// Voxels between two questions whether to stop: about a millisecond.
const CHECK_EVERY: usize = 1 << 15;

/// Not yet named, and to be. Names count from 1, so the largest number is free.
const WAITING: u32 = u32::MAX;

/// Flood fill with an explicit stack into `labels` (all 0 at first); a 2D image is a volume of one slice.
fn label(
    shape: [usize; 3],
    mask: impl Iterator<Item = bool>,
    connectivity: Connectivity,
    labels: Option<&mut [u32]>,
    check: impl Fn() -> Result<()>,
) -> Result<Vec<usize>> {
    let [depth, rows, cols] = shape;
    let offsets = offsets(connectivity);
    // A new array is always contiguous.
    let labels = labels.unwrap_or_default();
    for (label, foreground) in labels.iter_mut().zip(mask) {
        *label = if foreground { WAITING } else { 0 };
    }
    let mut areas = Vec::new();
    let mut stack = Vec::new();
    for start in 0..labels.len() {
        if start % CHECK_EVERY == 0 {
            check()?;
        }
        if labels[start] != WAITING {
            continue;
        }
        let name = areas.len() as u32 + 1;
        let mut area = 0;
        labels[start] = name;
        stack.push(start);
        while let Some(index) = stack.pop() {
            area += 1;
            if area % CHECK_EVERY == 0 {
                check()?;
            }
            let (z, r, c) = (index / (rows * cols), index / cols % rows, index % cols);
            for [dz, dr, dc] in &offsets {
                let (z, r, c) = (
                    z.wrapping_add_signed(*dz),
                    r.wrapping_add_signed(*dr),
                    c.wrapping_add_signed(*dc),
                );
                // A step below zero wraps to a huge index and fails these tests too.
                if z >= depth || r >= rows || c >= cols {
                    continue;
                }
                let neighbour = (z * rows + r) * cols + c;
                if labels[neighbour] == WAITING {
                    labels[neighbour] = name;
                    stack.push(neighbour);
                }
            }
        }
        areas.push(area);
    }
    Ok(areas)
}

/// Number of outer contours (OpenCV `findContours`, `RETR_EXTERNAL`): 8-connected components that the surrounding
/// background reaches. A component inside a hole of another does not count; one that touches the image border does.
pub fn external_contours(mask: ArrayView2<bool>) -> usize {
    // A frame of background around the image makes the surroundings one 4-connected region.
    let (rows, cols) = (mask.nrows() + 2, mask.ncols() + 2);
    let mut foreground = vec![false; rows * cols];
    for ((r, c), &v) in mask.indexed_iter() {
        foreground[(r + 1) * cols + c + 1] = v;
    }
    let mut seen = vec![false; rows * cols];
    let (mut outside, mut inside) = (vec![0], Vec::new());
    seen[0] = true;
    let mut count = 0;
    while let Some(index) = outside.pop() {
        let (r, c) = (index / cols, index % cols);
        let neighbours = [
            (r > 0).then(|| index - cols),
            (r + 1 < rows).then_some(index + cols),
            (c > 0).then(|| index - 1),
            (c + 1 < cols).then_some(index + 1),
        ];
        for next in neighbours.into_iter().flatten() {
            if seen[next] {
                continue;
            }
            seen[next] = true;
            if !foreground[next] {
                outside.push(next);
                continue;
            }
            // First touch of a component from outside: count it and mark all of it.
            count += 1;
            inside.push(next);
            while let Some(index) = inside.pop() {
                // Foreground never lies in the frame, so all eight neighbours exist.
                for start in [index - cols - 1, index - 1, index + cols - 1] {
                    for next in start..start + 3 {
                        if foreground[next] && !seen[next] {
                            seen[next] = true;
                            inside.push(next);
                        }
                    }
                }
            }
        }
    }
    count
}
