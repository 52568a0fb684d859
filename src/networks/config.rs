//! Which network, with all its hyper-parameters.
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use super::initial::Initial;
use super::{
    sdseg, CompactConfig, CompactUnet, DynUnet, DynUnetConfig, Picker, PickerConfig, SdSeg, SdSegConfig,
    SegmentationNetwork, Unet2d, Unet2dConfig,
};
use crate::runtime::{Generator, Result};
use crate::weights::{FetchTensor, Scope};

/// A network and its hyper-parameters; in a weight file's header as JSON, tagged by `network`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "network", rename_all = "kebab-case")]
pub enum NetworkConfig {
    /// The project's own small 3D network.
    Compact(CompactConfig),
    /// MONAI's DynUNet, of which MemBrain-seg's network is one.
    DynUnet(DynUnetConfig),
    /// DeepETPicker's residual U-Net.
    Picker(PickerConfig),
    /// The slab paper's 2D U-Net.
    Unet2d(Unet2dConfig),
    /// SDSeg, a latent diffusion model.
    #[serde(rename = "sdseg")]
    SdSeg(Box<SdSegConfig>),
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self::Compact(CompactConfig::default())
    }
}

impl NetworkConfig {
    /// Name and shape of every tensor, running statistics of batch norms included, in the order of execution.
    ///
    /// Errors: hyper-parameters out of range, by name.
    pub fn tensor_shapes(&self) -> Result<Vec<(String, Vec<i64>)>> {
        let mut list = Vec::new();
        let mut record = |name: &str, shape: &[i64]| {
            list.push((name.to_owned(), shape.to_vec()));
            Ok(Tensor::new())
        };
        self.build_in(Scope::listing(&mut record))?;
        Ok(list)
    }

    /// Name and shape of the tensors that gradients move.
    pub fn weight_shapes(&self) -> Result<Vec<(String, Vec<i64>)>> {
        let shapes = self.tensor_shapes()?.into_iter();
        Ok(shapes.filter(|(name, _)| self.is_trained(name)).collect())
    }

    /// Name and shape of what gradients do not move: running statistics of batch norms, frozen weights.
    pub fn statistic_shapes(&self) -> Result<Vec<(String, Vec<i64>)>> {
        let shapes = self.tensor_shapes()?.into_iter();
        Ok(shapes.filter(|(name, _)| !self.is_trained(name)).collect())
    }

    /// 2 for a network of slices, else 3.
    pub fn dimensions(&self) -> usize {
        match self {
            Self::Unet2d(_) | Self::SdSeg(_) => 2,
            Self::Compact(_) | Self::DynUnet(_) | Self::Picker(_) => 3,
        }
    }

    /// Names of the outputs, in their order.
    pub fn outputs(&self) -> &[String] {
        match self {
            Self::Compact(config) => &config.outputs,
            Self::DynUnet(config) => &config.outputs,
            Self::Picker(config) => &config.outputs,
            Self::Unet2d(config) => &config.outputs,
            Self::SdSeg(config) => &config.outputs,
        }
    }

    /// Channels of the input.
    pub fn input_channels(&self) -> i64 {
        match self {
            Self::Compact(config) => config.in_channels,
            Self::DynUnet(config) => config.in_channels,
            Self::Picker(_) => 1,
            Self::Unet2d(config) => config.in_channels,
            Self::SdSeg(config) => config.encoder.in_channels,
        }
    }

    /// Takes `side` for the side of the windows, in pixels, that a network of slices is trained on and run with.
    pub fn set_window(&mut self, side: i64) {
        match self {
            Self::Unet2d(config) => config.window = side,
            Self::SdSeg(config) => config.window = side,
            Self::Compact(_) | Self::DynUnet(_) | Self::Picker(_) => {}
        }
    }

    /// Whether gradients move the tensor `name`, not batches, nor nothing.
    pub fn is_trained(&self, name: &str) -> bool {
        match self {
            Self::SdSeg(config) => sdseg::is_trained(config, name),
            _ => !(name.ends_with(".running_mean") || name.ends_with(".running_var")),
        }
    }

    /// Whether what ships is the moving average of the tensor `name`, not its last value: of SDSeg the U-Net alone.
    pub fn is_averaged(&self, name: &str) -> bool {
        !matches!(self, Self::SdSeg(_)) || name.starts_with(sdseg::UNET)
    }

    /// Whether random weights are a beginning: the first stage of SDSeg has to be trained before.
    pub fn can_begin_random(&self) -> bool {
        match self {
            Self::SdSeg(config) => config.first_stage == sdseg::mask_autoencoder(),
            _ => true,
        }
    }

    /// The network whose tensors are what `fetch(name, shape)` returns. It holds them, not copies: changes in place are
    /// seen.
    ///
    /// Errors: hyper-parameters out of range; whatever `fetch` fails with; a tensor of another shape.
    pub fn build(&self, fetch: &mut FetchTensor) -> Result<Box<dyn SegmentationNetwork>> {
        self.build_in(Scope::root(fetch))
    }

    fn build_in(&self, root: Scope) -> Result<Box<dyn SegmentationNetwork>> {
        Ok(match self {
            Self::Compact(config) => Box::new(CompactUnet::build(config, root)?),
            Self::DynUnet(config) => Box::new(DynUnet::build(config, root)?),
            Self::Picker(config) => Box::new(Picker::build(config, root)?),
            Self::Unet2d(config) => Box::new(Unet2d::build(config, root)?),
            Self::SdSeg(config) => Box::new(SdSeg::build(config, root)?),
        })
    }

    /// How its weights begin: as the originals' do.
    fn initial(&self) -> Initial {
        match self {
            Self::Compact(_) => Initial::Normal { slope: 0.0 },
            Self::DynUnet(_) => Initial::Normal { slope: 0.01 },
            Self::Picker(_) | Self::Unet2d(_) => Initial::Uniform,
            Self::SdSeg(_) => Initial::Diffusion,
        }
    }

    /// Tensors of these names and shapes, all of the network's, as it begins.
    pub(super) fn random_tensors(
        &self,
        shapes: &[(String, Vec<i64>)],
        gen: &mut Generator,
        device: Device,
    ) -> Result<Vec<Tensor>> {
        let mut tensors = self.initial().draw(shapes, gen, device)?;
        if let Self::SdSeg(config) = self {
            for ((name, shape), tensor) in shapes.iter().zip(&mut tensors) {
                if let Some(known) = sdseg::first_stage_tensors(&config.first_stage, name, shape, device)? {
                    *tensor = known;
                }
            }
        }
        Ok(tensors)
    }
}
