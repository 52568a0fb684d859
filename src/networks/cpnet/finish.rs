//! Last touches: small instances go, holes are filled, labels count from 1.
use ndarray::{Array2, ArrayView2};

use super::quality::{collect, Instance};

/// Drops instances below `min_size` pixels, fills the holes of the others, drops those that another's hole has
/// swallowed up to less than `min_size`, and numbers the rest from 1 in scan order of their first pixels.
///
/// cellpose 3.1 takes the wrong instances for small ones where the test of flows has left a gap in the numbers; here
/// each goes by its own size.
pub(super) fn finish(mut labels: Array2<u32>, min_size: usize) -> Array2<u32> {
    drop_small(&mut labels, min_size);
    renumber(&mut labels);
    for instance in collect(labels.view()) {
        fill(&mut labels, &instance);
    }
    drop_small(&mut labels, min_size);
    renumber(&mut labels);
    labels
}

fn drop_small(labels: &mut Array2<u32>, min_size: usize) {
    let mut sizes = vec![0_usize; labels.iter().max().map_or(1, |most| *most as usize + 1)];
    labels.iter().for_each(|label| sizes[*label as usize] += 1);
    labels.mapv_inplace(|label| if sizes[label as usize] < min_size { 0 } else { label });
}

fn renumber(labels: &mut Array2<u32>) {
    let mut names = vec![0; labels.iter().max().map_or(1, |most| *most as usize + 1)];
    let mut next = 0;
    labels.mapv_inplace(|label| {
        if label > 0 && names[label as usize] == 0 {
            next += 1;
            names[label as usize] = next;
        }
        names[label as usize]
    });
}

/// Gives the instance everything that it cuts off from the border of its box, across faces. What it has lost to the
/// hole of an earlier one is no longer its own.
fn fill(labels: &mut Array2<u32>, instance: &Instance) {
    let [rows, cols] = instance.extent();
    let (rows, cols) = (rows + 2, cols + 2);
    let [top, left] = instance.low;
    let mut wall = Array2::from_elem((rows, cols), false);
    for &[y, x] in &instance.pixels {
        wall[[y - top + 1, x - left + 1]] = labels[[y, x]] == instance.label;
    }
    let outside = outside(wall.view());
    for ((y, x), _) in outside.indexed_iter().filter(|(_, outside)| !**outside) {
        labels[[y + top - 1, x + left - 1]] = instance.label;
    }
}

/// Pixels that can be reached from the first corner without crossing `wall`, whose frame is free.
fn outside(wall: ArrayView2<bool>) -> Array2<bool> {
    let (rows, cols) = wall.dim();
    let mut reached = Array2::from_elem((rows, cols), false);
    let mut open = vec![[0, 0]];
    reached[[0, 0]] = true;
    while let Some([y, x]) = open.pop() {
        let neighbours = [
            (y > 0).then(|| [y - 1, x]),
            (y + 1 < rows).then(|| [y + 1, x]),
            (x > 0).then(|| [y, x - 1]),
            (x + 1 < cols).then(|| [y, x + 1]),
        ];
        for at in neighbours.into_iter().flatten() {
            if !wall[at] && !reached[at] {
                reached[at] = true;
                open.push(at);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn holes_are_filled_and_gaps_closed() {
        let labels = array![
            [0, 7, 7, 7, 0, 0],
            [7, 0, 0, 7, 0, 9],
            [7, 0, 2, 7, 0, 9],
            [0, 7, 7, 7, 0, 9],
            [4, 0, 0, 0, 9, 0],
        ];
        // The ring is closed across corners; 2 lies in its hole, 4 is alone, 9 bends.
        let expected = array![
            [0, 1, 1, 1, 0, 0],
            [1, 1, 1, 1, 0, 2],
            [1, 1, 1, 1, 0, 2],
            [0, 1, 1, 1, 0, 2],
            [3, 0, 0, 0, 2, 0],
        ];
        assert_eq!(finish(labels.clone(), 0), expected);
        assert_eq!(
            finish(labels, 2),
            expected.mapv(|label| if label == 3 { 0 } else { label })
        );
        assert_eq!(finish(Array2::zeros((3, 4)), 15), Array2::<u32>::zeros((3, 4)));
    }
}
