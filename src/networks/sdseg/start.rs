//! SDSeg networks that begin with the weights of latent diffusion models.
use std::collections::HashMap;
use std::path::PathBuf;

use serde::Serialize;
use tch::{Device, Kind, Tensor};

use super::names::{ENCODER, FIRST_STAGE, SCALE, UNET};
use super::published::{plain_name, MARK};
use super::SdSegConfig;
use crate::diffusion::{builtin_model_bytes, unet_name};
use crate::networks::{ModelDescription, NetworkConfig, SegmentationModel};
use crate::runtime::{Error, Generator, Result};
use crate::weights::TensorFile;

/// The vision encoder but for its last convolution.
const TRUNK: &str = "cond_stage_model.encoder.";

/// Share of a network that came from pretrained weights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Tensors that were taken.
    pub tensors: usize,
    /// Tensors of the network.
    pub of_tensors: usize,
    /// Numbers in them.
    pub weights: usize,
    /// Numbers of the network.
    pub of_weights: usize,
    /// Whether the input convolution was widened by zeros.
    pub widened: bool,
}

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let widened = if self.widened {
            ", the input convolution widened by zeros"
        } else {
            ""
        };
        let Self {
            tensors,
            of_tensors,
            weights,
            of_weights,
            ..
        } = self;
        write!(
            f,
            "{tensors} of {of_tensors} tensors, {weights} of {of_weights} weights{widened}"
        )
    }
}

impl SegmentationModel {
    /// An SDSeg network of `description` with the weights of a latent diffusion model: `files` are searched in their
    /// order, as checkpoints of the whole (`model.diffusion_model.*`, `first_stage_model.*`) or of an autoencoder alone
    /// (`encoder.*`). U-Net, autoencoder and vision encoder are each taken whole or not at all; the vision encoder
    /// begins as the autoencoder's encoder where the files have none, and of an input convolution for fewer channels
    /// the others are zero. What is not taken is random as in [`SegmentationModel::random`]. The scale of another
    /// autoencoder's latents than the library's own is measured anew.
    ///
    /// Errors: a description of another network; what opening a file fails with; [`Error::Format`] where a file gives
    /// nothing, or none gives the autoencoder that the description asks for.
    pub fn from_latent_diffusion(
        description: ModelDescription,
        files: &[PathBuf],
        gen: &mut Generator,
        device: Device,
    ) -> Result<(Self, Taken)> {
        let config = sdseg(&description)?.clone();
        let files = files
            .iter()
            .map(|path| TensorFile::map(path))
            .collect::<Result<Vec<_>>>()?;
        // Where each tensor lies, by its name: number of the file, name in it.
        let mut places: HashMap<String, (usize, String)> = HashMap::new();
        let shapes = description.network.tensor_shapes()?;
        for (name, shape) in &shapes {
            let names = candidates(&config, name);
            let place = files.iter().enumerate().find_map(|(index, file)| {
                let fits = |stored: &&String| {
                    file.shape(stored)
                        .is_some_and(|size| fitting(&size, shape, name).is_some())
                };
                names.iter().find(fits).map(|stored| (index, stored.clone()))
            });
            if let Some(place) = place {
                places.insert(name.clone(), place);
            }
        }
        // It belongs to other latents.
        places.remove(SCALE);
        for part in [UNET, FIRST_STAGE, TRUNK] {
            let mut names = shapes
                .iter()
                .map(|(name, _)| name)
                .filter(|name| name.starts_with(part));
            if !names.all(|name| places.contains_key(name)) {
                places.retain(|name, _| !name.starts_with(part));
            }
        }
        if let Some((_, file)) = files
            .iter()
            .enumerate()
            .find(|(index, _)| !places.values().any(|(n, _)| n == index))
        {
            let detail = "has no U-Net, autoencoder or encoder of this network's names and shapes: it is no latent \
                          diffusion model of its size";
            return Err(Error::format(file.name(), detail));
        }
        let measured = places.keys().any(|name| name.starts_with(FIRST_STAGE));
        if !measured && !description.network.can_begin_random() {
            let detail = "have no autoencoder of this network's shapes, on which it stands";
            return Err(Error::format("the pretrained weights", detail));
        }
        begin(description, gen, device, |name, shape| {
            if name == SCALE && measured {
                return Ok(Some(Tensor::f_zeros(shape, (Kind::Float, device))?));
            }
            let Some((index, stored)) = places.get(name) else {
                return Ok(None);
            };
            let tensor = files[*index].any_shape(stored, Kind::Float, device, || format!("{shape:?}"))?;
            Ok(match fitting(&tensor.size(), shape, name) {
                Some(0) => Some(tensor.f_reshape(shape)?),
                Some(missing) => Some(tensor.f_constant_pad_nd([0, 0, 0, 0, 0, missing])?),
                None => None,
            })
        })
    }

    /// An SDSeg network of `description` whose U-Net takes what it can of the built-in diffusion model's: tensors in
    /// the same place and of the same shape. That one halves by convolutions and adds the time without scaling, so that
    /// no block is taken whole.
    ///
    /// Errors: a description of another network.
    pub fn from_builtin_diffusion(
        description: ModelDescription,
        gen: &mut Generator,
        device: Device,
    ) -> Result<(Self, Taken)> {
        sdseg(&description)?;
        let file = TensorFile::from_bytes("built-in model", builtin_model_bytes())?;
        let mut names: Vec<String> = file.names().collect();
        names.sort();
        let mut known = HashMap::new();
        for name in names {
            // Two residual blocks per level, and attention on the way up at every level but the coarsest.
            let plain = name.strip_prefix("unet.").unwrap_or(&name);
            if let Some(theirs) = unet_name(plain, 2, &|block| block > 0) {
                known.insert(format!("{UNET}{theirs}"), name);
            }
        }
        begin(description, gen, device, |name, shape| match known.get(name) {
            Some(theirs) if file.shape(theirs).as_deref() == Some(shape) => {
                Ok(Some(file.tensor(theirs, shape, Kind::Float, device)?))
            }
            _ => Ok(None),
        })
    }
}

fn sdseg(description: &ModelDescription) -> Result<&SdSegConfig> {
    match &description.network {
        NetworkConfig::SdSeg(config) => Ok(config),
        other => Err(Error::argument(
            "network",
            format!("{other:?}"),
            "must be an SDSeg network",
        )),
    }
}

/// Names that checkpoints may have for the tensor `name`.
fn candidates(config: &SdSegConfig, name: &str) -> Vec<String> {
    let levels = config.first_stage.block_out_channels.len() as i64;
    let stored = plain_name(name, levels);
    let mut names = vec![stored.clone()];
    for prefix in [FIRST_STAGE, ENCODER] {
        if let Some(rest) = stored.strip_prefix(prefix).filter(|rest| !rest.starts_with("out.")) {
            // The autoencoder's own, in a checkpoint of the whole and by itself.
            names.push(format!("{FIRST_STAGE}{rest}"));
            names.push(rest.to_owned());
        }
    }
    names
}

/// How many input channels of zeros a tensor of `size` lacks to be the network's `name` of `shape`; none where it does
/// not fit. A 1x1 convolution serves as a matrix, and the U-Net's first convolution may see more channels than it was
/// trained on.
fn fitting(size: &[i64], shape: &[i64], name: &str) -> Option<i64> {
    match (size, shape) {
        (stored, expected) if stored == expected => Some(0),
        ([a, b, 1, 1], [c, d]) if (a, b) == (c, d) => Some(0),
        ([a, from, k, l], [b, to, m, n]) if name == MARK && from < to && (a, k, l) == (b, m, n) => Some(to - from),
        _ => None,
    }
}

/// The network with what `find(name, shape)` gives, else random.
fn begin(
    description: ModelDescription,
    gen: &mut Generator,
    device: Device,
    mut find: impl FnMut(&str, &[i64]) -> Result<Option<Tensor>>,
) -> Result<(SegmentationModel, Taken)> {
    let shapes = description.network.tensor_shapes()?;
    let random = description.network.random_tensors(&shapes, gen, device)?;
    let mut taken = Taken {
        of_tensors: shapes.len(),
        of_weights: random.iter().map(Tensor::numel).sum(),
        ..Taken::default()
    };
    let mut tensors = HashMap::new();
    for ((name, shape), random) in shapes.into_iter().zip(random) {
        let pretrained = find(&name, &shape)?;
        if let Some(tensor) = pretrained.as_ref().filter(|_| name != SCALE) {
            taken.tensors += 1;
            taken.weights += tensor.numel();
            taken.widened |= name == MARK && shape[1] > 1 && is_zero(tensor, shape[1] - 1)?;
        }
        tensors.insert(name, pretrained.unwrap_or(random));
    }
    let lacking = |name: &str| Error::Internal(format!("tensor {name} is asked for twice"));
    let model = SegmentationModel::from_tensors(description, device, &mut |name, _| {
        tensors.remove(name).ok_or_else(|| lacking(name))
    })?;
    Ok((model, taken))
}

/// Whether the input channel `channel` of a convolution is all zero.
fn is_zero(weight: &Tensor, channel: i64) -> Result<bool> {
    Ok(weight.f_select(1, channel)?.f_abs()?.f_max()?.f_double_value(&[])? == 0.0)
}
