//! The settings that a host gives: the `settings` text of an options struct and the struct's own fields, as one JSON
//! object.
use std::ffi::c_char;

use serde_json::{Map, Value};

use super::strings::optional_text;
use crate::settings::{resolve, Settings};
use crate::{Error, Result};

/// What the host gave, by the settings' names. What is said twice, in the text and in a field, is refused.
pub(super) struct Given(Map<String, Value>);

impl Given {
    /// The members of the `settings` text; NULL gives none.
    ///
    /// # Safety
    /// `settings` is NULL or points to a NUL-terminated string.
    pub(super) unsafe fn text(settings: *const c_char) -> Result<Self> {
        // SAFETY: passed on.
        let text = unsafe { optional_text(settings, "settings") }?.unwrap_or("").trim();
        if text.is_empty() {
            return Ok(Self(Map::new()));
        }
        let refused = |why: String| {
            Error::argument(
                "settings",
                format!("\"{text}\""),
                &format!("must be a JSON object{why}"),
            )
        };
        match serde_json::from_str(text) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(refused(String::new())),
            Err(error) => Err(refused(format!(": {error}"))),
        }
    }

    /// The setting `name`, from a field that was set.
    pub(super) fn set(&mut self, name: &str, value: impl Into<Value>) -> Result<()> {
        let value = value.into();
        match self.0.insert(name.to_owned(), value) {
            None => Ok(()),
            Some(also) => Err(Error::argument(
                &format!("settings.{name}"),
                also,
                "must not be given where the struct's own field is set",
            )),
        }
    }

    /// A number where 0 stands for the default.
    pub(super) fn number(&mut self, name: &str, value: f64) -> Result<()> {
        if !value.is_finite() {
            return Err(Error::argument(name, value, "must be a number"));
        }
        if value == 0.0 {
            return Ok(());
        }
        self.set(name, value)
    }

    /// A count where 0 stands for the default.
    pub(super) fn count(&mut self, name: &str, value: u64) -> Result<()> {
        if value == 0 {
            return Ok(());
        }
        self.set(name, value)
    }

    /// A yes (1) where 0 stands for the default.
    pub(super) fn flag(&mut self, name: &str, value: impl Into<i64>) -> Result<()> {
        match value.into() {
            0 => Ok(()),
            1 => self.set(name, true),
            other => Err(Error::argument(name, other, "must be 0 or 1")),
        }
    }

    /// A word where NULL stands for the default.
    ///
    /// # Safety
    /// `word` is NULL or points to a NUL-terminated string.
    pub(super) unsafe fn word(&mut self, name: &str, word: *const c_char) -> Result<()> {
        // SAFETY: passed on.
        match unsafe { optional_text(word, name) }? {
            None => Ok(()),
            Some(word) => self.set(name, word),
        }
    }

    /// All of it over the preset's.
    pub(super) fn resolve<S: Settings>(self) -> Result<S> {
        resolve(self.0)
    }
}
