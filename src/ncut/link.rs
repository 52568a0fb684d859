//! Segments of neighbouring slices that are one and the same keep one number.
use std::collections::BTreeMap;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::metrics::best_assignment;
use crate::runtime::{Error, Result};

/// Numbers given out so far, and the slice before.
#[derive(Debug, Default)]
pub struct SegmentLinks {
    next: u32,
    previous: Option<Slice>,
}

/// Numbered segments of one slice.
#[derive(Debug)]
struct Slice {
    labels: Array2<u32>,
    /// Mean feature by number.
    features: BTreeMap<u32, Array1<f32>>,
}

impl SegmentLinks {
    /// Number of different segments so far.
    pub fn count(&self) -> u32 {
        self.next
    }

    /// Numbers of the segments of the next slice, `numbers[k]` that of segment k: `labels` (rows, columns), below K,
    /// and
    /// `features` (K, D), the mean feature of each.
    ///
    /// A segment takes over the number of one in the slice before where their intersection over union is at least
    /// `min_overlap` (and not zero); of all such one-to-one pairs those with the largest sum of IoU and cosine of mean
    /// features win. Others get new numbers, in order. Errors: slices or features of another shape than before.
    pub fn number(&mut self, labels: ArrayView2<u32>, features: ArrayView2<f32>, min_overlap: f64) -> Result<Vec<u32>> {
        let count = features.nrows();
        if let Some(label) = labels.iter().find(|label| **label as usize >= count) {
            return Err(Error::argument("label", label, &format!("must be below {count}")));
        }
        let matched = match &self.previous {
            None => vec![None; count],
            Some(previous) => previous.match_to(labels, features, min_overlap)?,
        };
        let numbers: Vec<u32> = matched
            .into_iter()
            .map(|number| {
                number.unwrap_or_else(|| {
                    self.next += 1;
                    self.next - 1
                })
            })
            .collect();
        self.previous = Some(Slice {
            labels: labels.mapv(|label| numbers[label as usize]),
            features: (numbers.iter().copied())
                .zip(features.rows().into_iter().map(|row| row.to_owned()))
                .collect(),
        });
        Ok(numbers)
    }
}

impl Slice {
    fn match_to(&self, labels: ArrayView2<u32>, features: ArrayView2<f32>, least: f64) -> Result<Vec<Option<u32>>> {
        if labels.dim() != self.labels.dim() {
            let allowed = format!("must be that of the slice before, {:?}", self.labels.dim());
            return Err(Error::argument(
                "shape of the labels",
                format!("{:?}", labels.dim()),
                &allowed,
            ));
        }
        let count = features.nrows();
        let mut before: BTreeMap<u32, u64> = BTreeMap::new();
        let mut here = vec![0_u64; count];
        let mut common: BTreeMap<(u32, u32), u64> = BTreeMap::new();
        for (&old, &new) in self.labels.iter().zip(&labels) {
            *before.entry(old).or_default() += 1;
            here[new as usize] += 1;
            *common.entry((new, old)).or_default() += 1;
        }
        let olds: Vec<u32> = before.keys().copied().collect();
        let mut weights = Array2::<f64>::zeros((count, olds.len()));
        for (&(new, old), &both) in &common {
            let iou = both as f64 / (here[new as usize] + before[&old] - both) as f64;
            if iou >= least {
                let likeness = cosine(features.row(new as usize), self.features[&old].view())?;
                weights[[new as usize, olds.binary_search(&old).unwrap_or(0)]] = iou + likeness.max(0.0);
            }
        }
        let pairs = best_assignment(weights.view())?;
        let allowed = |new: usize, old: usize| (weights[[new, old]] > 0.0).then(|| olds[old]);
        Ok(pairs
            .into_iter()
            .enumerate()
            .map(|(new, old)| old.and_then(|old| allowed(new, old)))
            .collect())
    }
}

/// 0 where either is zero.
fn cosine(a: ArrayView1<f32>, b: ArrayView1<f32>) -> Result<f64> {
    if a.len() != b.len() {
        let allowed = format!("must be that of the slice before, {}", b.len());
        return Err(Error::argument("length of the features", a.len(), &allowed));
    }
    let product = |x: ArrayView1<f32>, y: ArrayView1<f32>| -> f64 {
        x.iter().zip(y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
    };
    let lengths = (product(a, a) * product(b, b)).sqrt();
    Ok(if lengths > 0.0 { product(a, b) / lengths } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// A disc of radius 5 that moves by three pixels a slice over a striped ground, numbered differently in every
    /// slice.
    #[test]
    fn a_moving_shape_keeps_its_number() {
        let mut links = SegmentLinks::default();
        let feature = [
            array![1.0_f32, 0.0, 0.2],
            array![0.0_f32, 1.0, 0.2],
            array![0.0_f32, 0.2, 1.0],
        ];
        let mut disc_numbers = Vec::new();
        for slice in 0..6_usize {
            let centre = 10.0 + 3.0 * slice as f64;
            let kind = Array2::from_shape_fn((32, 40), |(r, c)| {
                if (r as f64 - 16.0).hypot(c as f64 - centre) <= 5.0 {
                    0
                } else {
                    1 + usize::from(r < 16)
                }
            });
            // Turns the segment numbers round from slice to slice.
            let turned = |k: usize| ((k + slice) % 3) as u32;
            let mut features = Array2::zeros((3, 3));
            (0..3).for_each(|k| features.row_mut(turned(k) as usize).assign(&feature[k]));
            let labels = kind.mapv(turned);
            let numbers = links.number(labels.view(), features.view(), 0.1).unwrap();
            disc_numbers.push(numbers[turned(0) as usize]);
            assert_eq!(links.count(), 3, "slice {slice}");
        }
        assert_eq!(disc_numbers, [disc_numbers[0]; 6]);
    }

    #[test]
    fn new_segments_get_new_numbers_and_old_numbers_do_not_return() {
        let mut links = SegmentLinks::default();
        let unit = Array2::from_shape_fn((2, 2), |(i, j)| f32::from(u8::from(i == j)));
        let one = Array2::<f32>::ones((1, 2));
        let ground = Array2::<u32>::zeros((4, 4));
        let mut spot = ground.clone();
        spot[[0, 0]] = 1;
        assert_eq!(links.number(ground.view(), one.view(), 0.1).unwrap(), [0]);
        assert_eq!(links.number(spot.view(), unit.view(), 0.1).unwrap(), [0, 1]);
        assert_eq!(links.number(ground.view(), one.view(), 0.1).unwrap(), [0]);
        assert_eq!(links.number(spot.view(), unit.view(), 0.1).unwrap(), [0, 2]);
        assert_eq!(links.count(), 3);
        assert!(links
            .number(ground.slice(ndarray::s![..2, ..]), one.view(), 0.1)
            .is_err());
        assert!(links.number(spot.view(), one.view(), 0.1).is_err());
    }

    #[test]
    fn of_two_halves_the_larger_keeps_the_number() {
        let mut links = SegmentLinks::default();
        let whole = Array2::<u32>::zeros((1, 10));
        let halves = Array2::from_shape_fn((1, 10), |(_, c)| u32::from(c < 7));
        links.number(whole.view(), Array2::ones((1, 3)).view(), 0.1).unwrap();
        let numbers = links.number(halves.view(), Array2::ones((2, 3)).view(), 0.1).unwrap();
        assert_eq!(numbers, [1, 0]);
    }
}
