//! Instances from the places where pixels gather.
use ndarray::Array2;

/// Frame of empty cells about the image, so that no window leaves the histogram.
const FRAME: usize = 20;

/// A seed holds more pixels than this, and at least as many as any other cell within two.
const SEED_ABOVE: u32 = 10;

/// An instance grows over cells with more pixels than this.
const GROW_ABOVE: u32 = 2;

/// Rounds of growth by one cell in all eight directions; also half the side of the window it stays in.
const ROUNDS: usize = 5;

/// Side of the window of growth.
const WINDOW: usize = 2 * ROUNDS + 1;

/// Labels of an image of `shape` whose `pixels` (y, x) end at `ends`: seeds are the peaks of the histogram of ends,
/// they grow over dense cells, the fullest last (and over the others); each pixel takes the label of the cell it ends
/// in. Instances larger than `largest_share` of the image are dropped. Labels may have gaps.
pub(super) fn gather(
    ends: &[[usize; 2]],
    pixels: &[[usize; 2]],
    shape: (usize, usize),
    largest_share: f64,
) -> Array2<u32> {
    let mut histogram = Array2::<u32>::zeros((shape.0 + 2 * FRAME, shape.1 + 2 * FRAME));
    for &[y, x] in ends {
        histogram[[y + FRAME, x + FRAME]] += 1;
    }
    let mut seeds = peaks(&histogram);
    // Stable: equal ones stay in scan order.
    seeds.sort_by_key(|&seed| histogram[seed]);
    let mut cells = Array2::<u32>::zeros(histogram.dim());
    for (label, seed) in (1..).zip(&seeds) {
        for cell in grow(&histogram, *seed) {
            cells[cell] = label;
        }
    }
    let mut labels = Array2::zeros(shape);
    let mut sizes = vec![0_usize; seeds.len() + 1];
    for (&[y, x], end) in pixels.iter().zip(ends) {
        let label = cells[[end[0] + FRAME, end[1] + FRAME]];
        labels[[y, x]] = label;
        sizes[label as usize] += 1;
    }
    let largest = largest_share * (shape.0 * shape.1) as f64;
    labels.mapv_inplace(|label| {
        if sizes[label as usize] as f64 > largest {
            0
        } else {
            label
        }
    });
    labels
}

/// Cells that no other within two cells in both directions exceeds and that hold more than [`SEED_ABOVE`], in scan
/// order.
fn peaks(histogram: &Array2<u32>) -> Vec<[usize; 2]> {
    let full = histogram.indexed_iter().filter(|(_, &count)| count > SEED_ABOVE);
    let highest = |(y, x): (usize, usize), count: u32| {
        let window = ndarray::s![
            y.saturating_sub(2)..(y + 3).min(histogram.nrows()),
            x.saturating_sub(2)..(x + 3).min(histogram.ncols())
        ];
        histogram.slice(window).iter().all(|other| *other <= count)
    };
    full.filter(|(at, count)| highest(*at, **count))
        .map(|((y, x), _)| [y, x])
        .collect()
}

/// The cells that `seed` grows over.
fn grow(histogram: &Array2<u32>, seed: [usize; 2]) -> Vec<[usize; 2]> {
    let corner = seed.map(|v| v - ROUNDS);
    let dense = |y: usize, x: usize| histogram[[corner[0] + y, corner[1] + x]] > GROW_ABOVE;
    let mut grown = [[false; WINDOW]; WINDOW];
    grown[ROUNDS][ROUNDS] = true;
    for _ in 0..ROUNDS {
        let before = grown;
        for (y, row) in grown.iter_mut().enumerate() {
            for (x, cell) in row.iter_mut().enumerate() {
                let (ys, xs) = (
                    y.saturating_sub(1)..(y + 2).min(WINDOW),
                    x.saturating_sub(1)..(x + 2).min(WINDOW),
                );
                *cell = dense(y, x) && before[ys].iter().any(|row| row[xs.clone()].contains(&true));
            }
        }
    }
    let all = (0..WINDOW).flat_map(|y| (0..WINDOW).map(move |x| (y, x)));
    all.filter(|&(y, x)| grown[y][x])
        .map(|(y, x)| [corner[0] + y, corner[1] + x])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_heaps_are_two_instances_and_a_thin_one_is_none() {
        let mut pixels = Vec::new();
        let mut ends = Vec::new();
        let mut heap = |row: usize, end: [usize; 2], count: usize| {
            for x in 0..count {
                pixels.push([row, x]);
                ends.push(end);
            }
        };
        heap(0, [0, 0], 11);
        heap(1, [0, 3], 12);
        heap(2, [9, 9], 10);
        // Reached from the first seed across three cells with three pixels each.
        heap(3, [1, 0], 3);
        heap(4, [2, 0], 3);
        heap(5, [3, 1], 3);
        // Two are too few to grow over.
        heap(6, [4, 1], 2);
        let labels = gather(&ends, &pixels, (10, 20), 1.0);
        let of = |row: usize| labels[[row, 0]];
        assert_eq!([of(0), of(1), of(2)], [1, 2, 0]);
        assert_eq!([of(3), of(4), of(5), of(6)], [1, 1, 1, 0]);
        // 12 of 200 are more than a twentieth.
        let labels = gather(&ends, &pixels, (10, 20), 0.05);
        assert!(labels.iter().all(|label| *label == 0));
    }

    #[test]
    fn of_two_seeds_the_fuller_takes_shared_cells() {
        let mut ends = vec![[5, 5]; 20];
        ends.extend(vec![[5, 8]; 30]);
        ends.extend([[5, 6]; 4]);
        ends.extend([[5, 7]; 4]);
        let pixels: Vec<[usize; 2]> = (0..ends.len()).map(|i| [i / 10, i % 10]).collect();
        let labels = gather(&ends, &pixels, (10, 10), 1.0);
        // Growth crosses the other seed as well: everything in reach goes to the fuller one.
        assert_eq!(labels.iter().filter(|label| **label == 2).count(), 58);
    }
}
