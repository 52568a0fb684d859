//! One phantom as training data: signal, noise and truth on the same voxels.
use ndarray::Array3;
use tch::{Device, Tensor};

use super::STRUCTURES;
use crate::diffusion::Structure;
use crate::phantom::{simulate_on, Instance, Phantom, PhantomOptions, FILAMENT, MEMBRANE, MOLECULE};
use crate::runtime::{Generator, Job, Result};
use crate::tensors::from_array;
use crate::train::{mark_centre, CERTAIN};

/// Streams of the seed: phantom k has `PHANTOMS + k`.
const PHANTOMS: u64 = 1 << 32;

/// Signal, noise and truth of one phantom.
pub struct MatchedVolume {
    /// Noise-free reconstruction, (z, y, x), zero mean and unit variance.
    pub signal: Tensor,
    /// Reconstruction of pure noise, (z, y, x), zero mean and unit variance.
    pub noise: Tensor,
    /// How much of each of [`STRUCTURES`] a voxel is, 0 to `CERTAIN`, uint8, (structure, z, y, x).
    pub truth: Tensor,
}

impl MatchedVolume {
    /// Simulates the phantom number `index` of `seed`.
    pub fn simulate(seed: u64, index: u64, shape: [usize; 3], device: Device, job: &Job) -> Result<Self> {
        let mut gen = Generator::new(seed, PHANTOMS.wrapping_add(index));
        let options = PhantomOptions {
            shape,
            snr: 1.0,
            protein_dark: true,
            ..PhantomOptions::random(&mut gen)
        };
        Self::of(&simulate_on(&options, device, job)?, device)
    }

    /// The volumes of a phantom whose noise has unit variance (SNR 1).
    pub(super) fn of(phantom: &Phantom, device: Device) -> Result<Self> {
        let (z, y, x) = phantom.signal.dim();
        let float = |volume: &Array3<f32>| -> Result<Tensor> { Ok(from_array(volume.view())?.f_to_device(device)?) };
        let mut truth = Vec::with_capacity(STRUCTURES.len());
        for structure in STRUCTURES {
            let label = |class: u8| phantom.labels.mapv(|label| if label == class { CERTAIN } else { 0 });
            let bytes = match structure {
                Structure::Membrane => label(MEMBRANE),
                Structure::Molecule => label(MOLECULE),
                Structure::Filament => label(FILAMENT),
                Structure::MoleculeCentre => centres(&phantom.instances, (z, y, x), phantom.parameters.voxel_nm),
            };
            truth.push(from_array(bytes.view())?);
        }
        Ok(Self {
            signal: float(&phantom.signal)?,
            noise: float(&phantom.noise)?,
            truth: Tensor::f_stack(&truth, 0)?.f_to_device(device)?,
        })
    }
}

/// A Gaussian at every molecule's centre; where two overlap the larger value counts.
fn centres(instances: &[Instance], shape: (usize, usize, usize), voxel_nm: f64) -> Array3<u8> {
    let mut map = Array3::<u8>::zeros(shape);
    for instance in instances.iter().filter(|instance| instance.kind.label() == MOLECULE) {
        mark_centre(&mut map, instance.position, instance.diameter_nm / voxel_nm);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom::simulate;
    use tch::Kind;

    #[test]
    fn molecules_are_certain_at_their_centres_and_labels_become_planes() {
        let options = PhantomOptions {
            shape: [24, 64, 64],
            voxel_nm: 1.6,
            snr: 1.0,
            crowding: 0.1,
            ..PhantomOptions::default()
        };
        let phantom = simulate(&options, &Job::quiet()).unwrap();
        let volume = MatchedVolume::of(&phantom, Device::Cpu).unwrap();
        assert_eq!(volume.truth.size(), [4, 24, 64, 64]);
        let molecules = phantom.labels.iter().filter(|label| **label == MOLECULE).count() as f64;
        let plane = volume
            .truth
            .get(1)
            .to_kind(Kind::Double)
            .sum(Kind::Double)
            .double_value(&[]);
        assert_eq!(plane, molecules * f64::from(CERTAIN));
        let inside = phantom.instances.iter().filter(|instance| {
            instance.kind.label() == MOLECULE
                && instance
                    .position
                    .iter()
                    .zip([24.0, 64.0, 64.0])
                    .all(|(p, n)| *p >= 0.0 && *p < n - 1.0)
        });
        let mut seen = 0;
        for instance in inside {
            let at = instance.position.map(|p| p.round() as i64);
            assert!(volume.truth.get(3).int64_value(&at) > i64::from(CERTAIN) / 2);
            seen += 1;
        }
        assert!(seen > 3, "{seen} molecules");
    }
}
