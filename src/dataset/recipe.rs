//! Recipes of whole runs: settings that a name stands for. A recipe is a JSON object of the settings that differ from
//! the defaults, as a user's own file is.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::runtime::{Error, Result};

/// The slab paper's, `recipes/cvpr2026.json`.
const CVPR2026: &str = include_str!("../../recipes/cvpr2026.json");

/// A recipe by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    /// What measures best with the built-in model: one network for all.
    #[default]
    Default,
    /// The slab paper's (Uddin et al., CVPR 2026): 100 slices labelled by its pipeline, its 2D U-Net for membranes,
    /// DeepETPicker for molecules.
    Cvpr2026,
}

impl Recipe {
    /// Their names, the default first.
    pub const NAMES: &'static [&'static str] = &["default", "cvpr2026"];

    /// The recipe of that name; an unknown name is the default, as is the empty one.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "cvpr2026" => Self::Cvpr2026,
            _ => Self::Default,
        }
    }

    /// The settings that differ from the defaults.
    pub(super) fn settings(self) -> Result<Map<String, Value>> {
        let text = match self {
            Self::Default => return Ok(Map::new()),
            Self::Cvpr2026 => CVPR2026,
        };
        serde_json::from_str(text).map_err(|error| Error::Internal(format!("the recipe {self:?}: {error}")))
    }
}
