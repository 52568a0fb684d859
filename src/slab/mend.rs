//! Morphological refinement of membranes, once molecules are told from them.
use ndarray::{Array2, Array3, ArrayView2};

use crate::image::{close, dilate, Element};
use crate::runtime::{Job, Result};
use crate::volume::MEMBRANE;

/// Closes the membranes of `labels` (z, y, x), slice by slice, by `closing` steps of the 4-neighbour cross, then
/// dilates them by `dilation` steps (the notes on the slab paper: 1 to 4 and 1; the released code has neither). Only
/// background becomes membrane: molecules and filaments keep their voxels. Errors: cancel.
pub fn mend_membranes(labels: &mut Array3<i8>, closing: usize, dilation: usize, job: &Job) -> Result<()> {
    if closing + dilation == 0 {
        return Ok(());
    }
    for mut slice in labels.outer_iter_mut() {
        job.check()?;
        let membrane = slice.mapv(|label| label == MEMBRANE);
        slice.zip_mut_with(&mended(membrane.view(), closing, dilation), |label, &inside| {
            if inside && *label == 0 {
                *label = MEMBRANE;
            }
        });
    }
    Ok(())
}

fn mended(mask: ArrayView2<bool>, closing: usize, dilation: usize) -> Array2<bool> {
    let closed = match closing {
        0 => mask.to_owned(),
        steps => close(mask, Element::Cross, steps),
    };
    dilate(closed.view(), Element::Cross, dilation)
}

#[cfg(test)]
mod tests {
    use ndarray::s;

    use super::*;
    use crate::volume::MOLECULE;

    #[test]
    fn a_gap_is_bridged_and_no_speck_becomes_part_of_a_molecule() {
        // A bar with a gap of one column, a molecule in the gap's middle and a molecule of one voxel elsewhere.
        let mut labels = Array3::<i8>::zeros((2, 20, 30));
        labels.slice_mut(s![1, 8..12, 5..25]).fill(MEMBRANE);
        labels.slice_mut(s![1, .., 15]).fill(0);
        labels[[1, 9, 15]] = MOLECULE;
        labels[[1, 2, 2]] = MOLECULE;
        let mut mended = labels.clone();
        mend_membranes(&mut mended, 1, 0, &Job::quiet()).unwrap();
        assert_eq!(mended.slice(s![1, 7..13, 15]).to_vec(), [0, 0, 2, 1, 0, 0]);
        let molecules = |labels: &Array3<i8>| labels.mapv(|label| label == MOLECULE);
        mend_membranes(&mut mended, 0, 1, &Job::quiet()).unwrap();
        assert_eq!(mended.slice(s![1, 6..14, 15]).to_vec(), [0, 0, 1, 2, 1, 1, 0, 0]);
        assert_eq!(molecules(&mended), molecules(&labels));
        assert!(mended.slice(s![0, .., ..]).iter().all(|&label| label == 0));
        let mut same = labels.clone();
        mend_membranes(&mut same, 0, 0, &Job::quiet()).unwrap();
        assert_eq!(same, labels);
    }
}
