//! How far the network's labels are those that it learnt from, on slices that it learnt from and on slices that it did
//! not.
use std::ops::Range;

use ndarray::{s, Array3};

use super::groups::groups;
use super::held_out::divided;
use super::labels::SlabFiles;
use super::state::Agreement;
use crate::metrics::Overlap;
use crate::runtime::Result;

/// Compares `predicted`, the labels of the network in the slices `z` with those of the slab; for each of
/// `classes` that a slab can have, and for all of them together. `share` of the slices is held out.
pub(super) fn agreement(
    (stem, z): (&str, &Range<usize>),
    predicted: &Array3<i8>,
    slab: &SlabFiles,
    classes: &[String],
    share: f64,
) -> Result<Vec<Agreement>> {
    let (learnt, held) = divided(z, share);
    groups(classes)
        .into_iter()
        .map(|(class, numbers)| {
            let dice = |part: &Range<usize>| -> Result<Option<f64>> {
                if part.is_empty() {
                    return Ok(None);
                }
                let within = s![part.start - z.start..part.end - z.start, .., ..];
                let mask = |labels: &Array3<i8>| labels.slice(within).mapv(|label| numbers.contains(&label));
                Ok(Some(Overlap::of(&mask(predicted), &mask(&slab.labels), None)?.dice()))
            };
            Ok(Agreement {
                slab: stem.to_owned(),
                class,
                learnt: dice(&learnt)?.unwrap_or(0.0),
                held_out: dice(&held)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_learnt_from_and_held_out_are_compared_apart() {
        // Slices 10..20 of a row of four voxels; 18 and 19 are held out.
        let slab = SlabFiles {
            labels: Array3::from_shape_fn((10, 1, 4), |(_, _, x)| [1, 1, 2, 0][x]),
            points: Vec::new(),
        };
        // The same, but membrane is missed by half in the slices held out, and molecules are called membrane.
        let predicted = Array3::from_shape_fn(
            (10, 1, 4),
            |(z, _, x)| if z < 8 { [1, 1, 2, 0][x] } else { [1, 0, 1, 0][x] },
        );
        let classes = ["membrane", "spike", "molecule"].map(str::to_owned);
        let rows = agreement(("a", &(10..20)), &predicted, &slab, &classes, 0.2).unwrap();
        let of = |class: &str| {
            rows.iter()
                .find(|row| row.class == class)
                .map(|row| (row.learnt, row.held_out))
        };
        assert_eq!(of("membrane"), Some((1.0, Some(0.5))));
        assert_eq!(of("molecule"), Some((1.0, Some(0.0))));
        assert_eq!(of("structure"), Some((1.0, Some(0.8))));
        assert_eq!(of("spike"), None);
        let rows = agreement(("a", &(10..20)), &predicted, &slab, &classes[..1], 0.0).unwrap();
        assert_eq!((rows.len(), rows[0].held_out), (1, None));
    }
}
