//! What a training begins with.
use std::path::PathBuf;

use tch::Device;

use crate::networks::sdseg::Taken;
use crate::networks::{ModelDescription, SegmentationModel};
use crate::runtime::{Error, Generator, Result};
use crate::settings::{hash_bytes, hash_file};

/// Stream of the seed that draws what pretrained weights leave out.
const PRETRAINED: u64 = 14;

/// The weights that a training begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Random ones, of the network that the settings describe.
    #[default]
    Random,
    /// Those of the network that is compiled into the library; the settings' network is then not used.
    Builtin,
    /// Those of a model file; the settings' network is then not used.
    File(PathBuf),
    /// Those of a latent diffusion model, as far as files have them ([`SegmentationModel::from_latent_diffusion`]); of
    /// the network that the settings describe.
    LatentDiffusion(Vec<PathBuf>),
    /// Those of the built-in diffusion model, as far as they fit ([`SegmentationModel::from_builtin_diffusion`]).
    BuiltinDiffusion,
}

impl Start {
    /// Content hash of the files; none where there are none: what is in the library is of its version.
    pub(super) fn hash(&self) -> Result<Option<String>> {
        let files = match self {
            Self::File(file) => std::slice::from_ref(file),
            Self::LatentDiffusion(files) => files,
            Self::Random | Self::Builtin | Self::BuiltinDiffusion => return Ok(None),
        };
        let hashes: Vec<String> = files.iter().map(|file| hash_file(file)).collect::<Result<_>>()?;
        Ok(Some(hash_bytes(hashes.concat().as_bytes())))
    }

    /// The model, none where the network that is `described` begins at random, and what it took of pretrained weights.
    ///
    /// Errors: what opening a file fails with; pretrained weights for a network that is not SDSeg; random ones for an
    /// SDSeg network whose first stage nobody has trained.
    pub(super) fn open(
        &self,
        described: &ModelDescription,
        seed: u64,
        device: Device,
    ) -> Result<(Option<SegmentationModel>, Option<Taken>)> {
        let description = || described.clone();
        let mut gen = Generator::new(seed, PRETRAINED);
        let begun = |(model, taken): (SegmentationModel, Taken)| (Some(model), Some(taken));
        Ok(match self {
            Self::File(path) => (Some(SegmentationModel::open(path, device)?), None),
            Self::Builtin => (Some(SegmentationModel::builtin(device)?), None),
            Self::LatentDiffusion(files) => begun(SegmentationModel::from_latent_diffusion(
                description(),
                files,
                &mut gen,
                device,
            )?),
            Self::BuiltinDiffusion => begun(SegmentationModel::from_builtin_diffusion(
                description(),
                &mut gen,
                device,
            )?),
            Self::Random if described.network.can_begin_random() => (None, None),
            Self::Random => {
                let allowed =
                    "must be the library's mask autoencoder, or pretrained weights be given: it is not trained here";
                return Err(Error::argument("first_stage", "another", allowed));
            }
        })
    }
}
