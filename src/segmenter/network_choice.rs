//! The network of a training, in the settings: a word or a description.
use std::borrow::Cow;

use schemars::{json_schema, JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::Preset;
use crate::networks::{ModelDescription, NetworkConfig};

/// A network by its name, which is that of the preset that trains it, or by its description.
#[derive(Clone, Debug, PartialEq)]
pub enum NetworkChoice {
    /// "sdseg" or "sdseg-small".
    Named(Preset),
    /// A description, as the member "model" of a model's report has it.
    Described(Box<ModelDescription>),
}

/// Presets whose names are networks' too.
const NAMED: [(&str, Preset); 2] = [("sdseg", Preset::Sdseg), ("sdseg-small", Preset::SdsegSmall)];

impl NetworkChoice {
    /// The preset whose network has that name.
    pub(super) fn preset_of(name: &str) -> Option<Preset> {
        NAMED
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, preset)| *preset)
    }

    /// The description.
    pub(super) fn description(&self) -> ModelDescription {
        match self {
            Self::Named(preset) => preset.network(),
            Self::Described(description) => description.as_ref().clone(),
        }
    }
}

impl From<ModelDescription> for NetworkChoice {
    fn from(description: ModelDescription) -> Self {
        Self::Described(Box::new(description))
    }
}

impl From<NetworkConfig> for NetworkChoice {
    fn from(network: NetworkConfig) -> Self {
        ModelDescription::new(network, None).into()
    }
}

impl Serialize for NetworkChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Named(preset) => preset.serialize(serializer),
            Self::Described(description) => description.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for NetworkChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let expected = || NAMED.map(|(name, _)| format!("\"{name}\"")).join(", ");
        match &value {
            Value::String(name) => {
                let preset = Self::preset_of(name);
                let refused = || D::Error::custom(format!("expected {} or a network's description", expected()));
                preset.map(Self::Named).ok_or_else(refused)
            }
            Value::Object(_) => ModelDescription::deserialize(value)
                .map(Into::into)
                .map_err(|error| D::Error::custom(format!("expected a network's description: {error}"))),
            _ => Err(D::Error::custom(format!(
                "expected {} or a network's description",
                expected()
            ))),
        }
    }
}

impl JsonSchema for NetworkChoice {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "NetworkChoice".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                {"type": "string", "enum": NAMED.map(|(name, _)| name)},
                {"type": "object"}
            ]
        })
    }
}
