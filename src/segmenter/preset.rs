//! Names of trainings: the project's own, and those of papers as far as this project's pieces allow.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::networks::{
    CompactConfig, DynUnetConfig, InputScale, ModelDescription, NetworkConfig, PickerConfig, SdSegConfig, Unet2dConfig,
};

/// A training by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// AdamW, 2000 steps.
    #[default]
    Default,
    /// The default for weights that are trained already: 300 steps at half the rate.
    Adapt,
    /// The slab paper's 2D U-Net, SGD.
    SlabPaper,
    /// MemBrain-seg's DynUNet, Nesterov.
    MembrainSeg,
    /// DeepETPicker's residual U-Net, one cycle.
    Deepetpicker,
    /// DeePiCt's training (Adam, plateau) of the compact network.
    Deepict,
    /// SDSeg, latent diffusion of masks, 413 million weights.
    Sdseg,
    /// The same at 4 million weights.
    SdsegSmall,
}

impl Preset {
    /// All of them.
    pub const ALL: [(&'static str, Self); 8] = [
        ("default", Self::Default),
        ("adapt", Self::Adapt),
        ("slab-paper", Self::SlabPaper),
        ("membrain-seg", Self::MembrainSeg),
        ("deepetpicker", Self::Deepetpicker),
        ("deepict", Self::Deepict),
        ("sdseg", Self::Sdseg),
        ("sdseg-small", Self::SdsegSmall),
    ];

    /// The preset `name`; none where there is no such.
    pub fn named(name: &str) -> Option<Self> {
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, preset)| *preset)
    }

    /// Whether it is a paper's.
    pub fn is_of_a_paper(self) -> bool {
        ![Self::Default, Self::Adapt].contains(&self)
    }

    /// The network that it trains from random weights.
    pub fn network(self) -> ModelDescription {
        let of = |network, input| ModelDescription {
            network,
            input,
            ..ModelDescription::default()
        };
        match self {
            Self::Default | Self::Adapt => ModelDescription::default(),
            // Training resizes slices as its settings say.
            Self::SlabPaper => of(NetworkConfig::Unet2d(Unet2dConfig::default()), InputScale::Slice),
            Self::MembrainSeg => ModelDescription::new(NetworkConfig::DynUnet(DynUnetConfig::default()), Some(1.0)),
            Self::Deepetpicker => ModelDescription::new(NetworkConfig::Picker(PickerConfig::default()), None),
            Self::Deepict => ModelDescription::new(NetworkConfig::Compact(CompactConfig::default()), None),
            Self::Sdseg => of(NetworkConfig::SdSeg(Box::default()), InputScale::Picture),
            Self::SdsegSmall => of(
                NetworkConfig::SdSeg(Box::new(SdSegConfig::small())),
                InputScale::Picture,
            ),
        }
    }

    /// The window of a paper's training, (z, y, x) in voxels.
    pub fn window(self) -> Option<[usize; 3]> {
        match self {
            Self::Default | Self::Adapt => None,
            Self::SlabPaper => Some([1, 512, 512]),
            Self::MembrainSeg => Some([160; 3]),
            Self::Deepetpicker => Some([72; 3]),
            Self::Deepict => Some([64; 3]),
            Self::Sdseg | Self::SdsegSmall => Some([1, 256, 256]),
        }
    }
}
