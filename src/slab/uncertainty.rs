//! Where a segmentation is in doubt.
use ndarray::{Array3, Zip};

use super::pipeline::SlabSegmentation;

/// Entropy of what each voxel may be, (z, y, x), as a share of the largest: 0 sure, 1 all kinds are alike.
///
/// Kinds are ground, membrane, molecule and filament where the model predicts structures, else ground and structure.
/// What the likelihoods leave of 1 is ground.
pub fn uncertainty(slab: &SlabSegmentation) -> Array3<f32> {
    let Some(maps) = &slab.structures else {
        return slab.score.mapv(|score| entropy(&[score]));
    };
    let mut doubt = Array3::zeros(slab.score.dim());
    Zip::from(&mut doubt)
        .and(&maps.membrane)
        .and(&maps.molecule)
        .and(&maps.filament)
        .for_each(|doubt, &membrane, &molecule, &filament| *doubt = entropy(&[membrane, molecule, filament]));
    doubt
}

/// Shannon entropy of `likelihoods` and of what they leave of 1, over that of as many kinds that are alike.
fn entropy(likelihoods: &[f32]) -> f32 {
    let sum: f32 = likelihoods.iter().sum();
    let whole = sum.max(1.0);
    let part = |likelihood: f32| {
        let share = (likelihood / whole).clamp(0.0, 1.0);
        if share > 0.0 {
            -share * share.ln()
        } else {
            0.0
        }
    };
    let entropy = part(1.0 - sum.min(1.0)) + likelihoods.iter().map(|l| part(*l)).sum::<f32>();
    (entropy / (likelihoods.len() as f32 + 1.0).ln()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubt_is_none_of_one_kind_and_whole_of_kinds_alike() {
        let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-6, "{a}, {b}");
        near(entropy(&[0.0]), 0.0);
        near(entropy(&[1.0]), 0.0);
        near(entropy(&[0.5]), 1.0);
        near(entropy(&[0.25, 0.25, 0.25]), 1.0);
        near(entropy(&[1.0, 0.0, 0.0]), 0.0);
        // Two of four kinds alike: one bit of two; also where likelihoods of two models exceed 1 together.
        near(entropy(&[0.5, 0.5, 0.0]), 0.5);
        near(entropy(&[0.8, 0.8, 0.0]), 0.5);
        assert!(entropy(&[0.9]) < entropy(&[0.7]));
    }
}
