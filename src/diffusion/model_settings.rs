//! How a model is loaded.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Kind;

use crate::settings::Settings;

/// Type of weights in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WeightType {
    /// 32 bits: the fast one on a CPU.
    #[default]
    Float32,
    /// 16 bits, IEEE 754.
    Float16,
    /// 16 bits with the range of 32.
    Bfloat16,
}

impl WeightType {
    /// libtorch's own word for it.
    pub fn kind(self) -> Kind {
        match self {
            Self::Float32 => Kind::Float,
            Self::Float16 => Kind::Half,
            Self::Bfloat16 => Kind::BFloat16,
        }
    }
}

/// Settings of loading a diffusion model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// Type of the weights in memory; the file may have another.
    pub dtype: WeightType,
}

impl Settings for ModelSettings {
    const FAMILY: &'static str = "model";

    fn of_preset(_: &str) -> Self {
        Self::default()
    }
}
