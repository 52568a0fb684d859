//! What every family of settings shares: words and numbers from JSON, ranges, a schema, a canonical text and its hash.
//!
//! A family (slab, ncut, predict ...) is one struct. A field is one setting: its name is the name in JSON, in C's
//! `settings` text, in `--set`, in MEX structs and in reports; its doc comment is its documentation; its range stands
//! once, in `#[schemars(range(...))]`, from where [`check`] and the generated pages take it. A choice is an enum
//! without data, written as words. [`resolve`] turns what a user gives into a whole struct.
mod check;
mod identity;
mod overlay;
mod page;
mod range;

pub use check::check;
pub use identity::{hash_bytes, hash_file, Identity};
pub use overlay::{canonical, group_base, laid_over, over, resolve, resolve_text};
pub use page::{markdown, rows, Row};
pub use range::{finite, within};

use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::runtime::{Error, Result};

/// One family of settings.
///
/// Implementors derive `Serialize`, `Deserialize` and `JsonSchema` with `#[serde(deny_unknown_fields)]`, serialise
/// every field, and take `Option` (JSON null) for "not given".
pub trait Settings: Serialize + DeserializeOwned + JsonSchema + Clone + 'static {
    /// The family's name: "slab".
    const FAMILY: &'static str;

    /// Names of the presets, the default first; empty where the family has none. A family with presets has a setting
    /// `preset`.
    const PRESETS: &'static [&'static str] = &[];

    /// Names of settings whose JSON objects replace the default as a whole instead of changing members of it.
    const WHOLE: &'static [&'static str] = &[];

    /// The preset of settings that do not name one; `given` are the members that they have.
    fn preset_of(_given: &Map<String, Value>) -> &'static str {
        Self::PRESETS.first().copied().unwrap_or("")
    }

    /// The settings of `preset`, one of [`Settings::PRESETS`]; without presets, the defaults.
    fn of_preset(preset: &str) -> Self;

    /// The settings that `given` changes members of: those of `preset`. A family of groups takes each group by
    /// [`group_base`], so that a group's own preset is its beginning.
    fn base(preset: &str, _given: &Map<String, Value>) -> Result<Self> {
        Ok(Self::of_preset(preset))
    }

    /// Refuses combinations that no single range can: called after [`check`].
    fn validate_together(&self) -> Result<()> {
        Ok(())
    }

    /// Refuses settings out of their ranges and combinations that do not fit, by name.
    fn validate(&self) -> Result<()> {
        check(self)?;
        self.validate_together()
    }
}

/// The JSON Schema of a family.
pub fn schema<S: Settings>() -> Schema {
    schemars::schema_for!(S)
}

/// The name of a preset as it is known: "" stands for the first. Errors: a family without presets, an unknown name.
pub(crate) fn preset_named<S: Settings>(name: &str) -> Result<&'static str> {
    match S::PRESETS {
        [] => Ok(""),
        [first, ..] if name.is_empty() => Ok(first),
        all => all.iter().find(|known| **known == name).copied().ok_or_else(|| {
            Error::argument(
                "settings.preset",
                format!("\"{name}\""),
                &format!("must be {}", words(all)),
            )
        }),
    }
}

/// "a, b or c".
pub(crate) fn words(all: &[&str]) -> String {
    match all {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests;
