//! From the model's own structure maps to labels and score.
use ndarray::{Array3, Zip};

use crate::diffusion::Structure;
use crate::image::{label_3d, Connectivity};
use crate::runtime::{Error, Job, Result};
use crate::volume::{FILAMENT, MEMBRANE, MOLECULE};

/// Likelihoods of a slab's structures, (z, y, x) each, 0..=1.
#[derive(Clone, Debug)]
pub struct StructureMaps {
    /// Lipid bilayers.
    pub membrane: Array3<f32>,
    /// Macromolecules.
    pub molecule: Array3<f32>,
    /// Filaments.
    pub filament: Array3<f32>,
    /// Nearness to a molecule's centre.
    pub centre: Array3<f32>,
}

impl StructureMaps {
    /// Sorts `maps`, in the order of `structures`, by what they are; a structure that the model does not know is
    /// nowhere.
    pub fn new(structures: &[Structure], maps: Vec<Array3<f32>>) -> Result<Self> {
        let shape = maps
            .first()
            .map(|map| map.dim())
            .ok_or_else(|| Error::Internal("no structure maps".into()))?;
        let nowhere = || Array3::zeros(shape);
        let mut sorted = Self {
            membrane: nowhere(),
            molecule: nowhere(),
            filament: nowhere(),
            centre: nowhere(),
        };
        for (structure, map) in structures.iter().zip(maps) {
            match structure {
                Structure::Membrane => sorted.membrane = map,
                Structure::Molecule => sorted.molecule = map,
                Structure::Filament => sorted.filament = map,
                Structure::MoleculeCentre => sorted.centre = map,
            }
        }
        Ok(sorted)
    }

    /// Likelihood of any structure: the structures exclude each other, so theirs add up, to at most 1.
    pub fn foreground(&self) -> Array3<f32> {
        let mut sum = self.membrane.clone();
        Zip::from(&mut sum)
            .and(&self.molecule)
            .and(&self.filament)
            .for_each(|sum, molecule, filament| *sum = (*sum + molecule + filament).min(1.0));
        sum
    }

    /// The likeliest structure of every foreground voxel; of equals membrane before molecule before filament.
    pub fn labels(&self, foreground: &Array3<bool>) -> Array3<i8> {
        let mut labels = Array3::zeros(foreground.dim());
        Zip::from(&mut labels)
            .and(foreground)
            .and(&self.membrane)
            .and(&self.molecule)
            .and(&self.filament)
            .for_each(|label, inside, membrane, molecule, filament| {
                if *inside {
                    *label = if membrane >= molecule && membrane >= filament {
                        MEMBRANE
                    } else if molecule >= filament {
                        MOLECULE
                    } else {
                        FILAMENT
                    };
                }
            });
        labels
    }
}

/// Takes the label off molecule bodies (26-connected) of less than the volume of a ball of `diameter` voxels.
pub fn remove_specks(labels: &mut Array3<i8>, diameter: f64, job: &Job) -> Result<()> {
    let bodies = label_3d(labels.mapv(|l| l == MOLECULE).view(), Connectivity::Full, || {
        job.check()
    })?;
    let least = std::f64::consts::PI / 6.0 * diameter.powi(3);
    // A slab may be thinner than the ball: the section of the ball through its middle is as good.
    let section = std::f64::consts::PI / 4.0 * diameter.powi(2) * labels.dim().0 as f64;
    let least = least.min(section);
    labels.zip_mut_with(&bodies.labels, |label, &body| {
        if body > 0 && (bodies.areas[body as usize - 1] as f64) < least {
            *label = 0;
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::s;

    use super::*;

    #[test]
    fn specks_lose_their_label() {
        let mut labels = Array3::from_elem((4, 20, 40), 0);
        labels.slice_mut(s![.., 4..14, 4..14]).fill(MOLECULE);
        labels.slice_mut(s![1..3, 4..6, 30..32]).fill(MOLECULE);
        labels.slice_mut(s![.., 18, ..]).fill(MEMBRANE);
        remove_specks(&mut labels, 8.0, &Job::quiet()).unwrap();
        assert_eq!(
            (labels[[2, 8, 8]], labels[[1, 4, 30]], labels[[0, 18, 3]]),
            (MOLECULE, 0, MEMBRANE)
        );
    }

    #[test]
    fn every_foreground_voxel_takes_its_likeliest_structure() {
        let one = |v: f32| Array3::from_elem((1, 1, 1), v);
        let maps = StructureMaps::new(
            &[Structure::Filament, Structure::Membrane, Structure::Molecule],
            vec![one(0.3), one(0.4), one(0.6)],
        )
        .unwrap();
        assert_eq!(maps.foreground()[[0, 0, 0]], 1.0);
        assert_eq!(maps.labels(&Array3::from_elem((1, 1, 1), true))[[0, 0, 0]], MOLECULE);
        assert_eq!(maps.labels(&Array3::from_elem((1, 1, 1), false))[[0, 0, 0]], 0);
        assert_eq!(maps.centre[[0, 0, 0]], 0.0);
    }
}
