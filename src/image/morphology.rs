//! Binary morphology on 2D masks.
use ndarray::{Array2, ArrayView2};

/// Structuring element of one step, 3 x 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// The pixel and its 4 neighbours; n steps give a diamond.
    Cross,
    /// The pixel and its 8 neighbours; n steps give a square.
    Box,
}

/// `steps` dilations; outside the image is background.
pub fn dilate(mask: ArrayView2<bool>, element: Element, steps: usize) -> Array2<bool> {
    grow(mask, element, steps, true)
}

/// `steps` erosions; outside the image counts as `outside`.
pub fn erode(mask: ArrayView2<bool>, element: Element, steps: usize, outside: bool) -> Array2<bool> {
    let mut padded = Array2::from_elem((mask.nrows() + 2, mask.ncols() + 2), outside);
    padded
        .slice_mut(ndarray::s![1..mask.nrows() + 1, 1..mask.ncols() + 1])
        .assign(&mask);
    let mut result = padded;
    for _ in 0..steps {
        result = grow(result.view(), element, 1, false);
        // The frame stays what lies outside.
        let (rows, cols) = result.dim();
        result.row_mut(0).fill(outside);
        result.row_mut(rows - 1).fill(outside);
        result.column_mut(0).fill(outside);
        result.column_mut(cols - 1).fill(outside);
    }
    result
        .slice(ndarray::s![1..mask.nrows() + 1, 1..mask.ncols() + 1])
        .to_owned()
}

/// Closing: `steps` dilations, then as many erosions. The image border closes nothing off: what lies outside never
/// erodes the result, so that the mask is always part of it.
pub fn close(mask: ArrayView2<bool>, element: Element, steps: usize) -> Array2<bool> {
    // Dilation runs on a margin, else a mask near the border would be cut by it before the erosion.
    let (rows, cols) = mask.dim();
    let inner = ndarray::s![steps..steps + rows, steps..steps + cols];
    let mut padded = Array2::from_elem((rows + 2 * steps, cols + 2 * steps), false);
    padded.slice_mut(inner).assign(&mask);
    let closed = erode(dilate(padded.view(), element, steps).view(), element, steps, true);
    closed.slice(inner).to_owned()
}

/// One value spreads over its neighbours: true for dilation, false for erosion.
fn grow(mask: ArrayView2<bool>, element: Element, steps: usize, value: bool) -> Array2<bool> {
    let (rows, cols) = mask.dim();
    let mut current = mask.to_owned();
    for _ in 0..steps {
        let mut next = current.clone();
        for ((r, c), _) in current.indexed_iter().filter(|(_, &v)| v == value) {
            let (top, bottom) = (r.saturating_sub(1), (r + 1).min(rows - 1));
            let (left, right) = (c.saturating_sub(1), (c + 1).min(cols - 1));
            match element {
                Element::Cross => {
                    for at in [[top, c], [bottom, c], [r, left], [r, right]] {
                        next[at] = value;
                    }
                }
                Element::Box => next.slice_mut(ndarray::s![top..=bottom, left..=right]).fill(value),
            }
        }
        current = next;
    }
    current
}
