//! What a user gives, laid over a preset.
use serde::Serialize;
use serde_json::{Map, Value};

use super::{preset_named, words, Settings};
use crate::runtime::{Error, Result};

/// The settings that the JSON object `text` gives, over those of its preset; "" gives none.
///
/// Errors, each naming `settings.NAME`, the value and what is allowed: text that is no JSON object, an unknown name, a
/// wrong type, an unknown word, a value out of its range.
pub fn resolve_text<S: Settings>(text: &str) -> Result<S> {
    if text.trim().is_empty() {
        return resolve(Map::new());
    }
    let given: Value = serde_json::from_str(text).map_err(|error| {
        Error::argument(
            "settings",
            format!("\"{text}\""),
            &format!("must be a JSON object: {error}"),
        )
    })?;
    match given {
        Value::Object(members) => resolve(members),
        other => Err(Error::argument("settings", other, "must be a JSON object")),
    }
}

/// The settings that `given` names, over those of its preset. A name with dots is a member of a group:
/// "schedule.steps".
///
/// Errors: as [`resolve_text`].
pub fn resolve<S: Settings>(given: Map<String, Value>) -> Result<S> {
    let given = nested(given)?;
    let mut whole = to_value(&base_of::<S>(&given)?)?;
    let names: Vec<String> = given.keys().cloned().collect();
    lay_over(&mut whole, Value::Object(given), "settings", S::WHOLE)?;
    let settings: S = serde_path_to_error::deserialize(&whole).map_err(|error| mistyped::<S>(&whole, &error))?;
    settings.validate().map_err(|error| in_settings(error, &names))?;
    Ok(settings)
}

/// The settings of the group `group` before its members in `given` change them: those of the preset that it names.
pub fn group_base<S: Settings>(given: &Map<String, Value>, group: &str) -> Result<S> {
    match given.get(group).and_then(Value::as_object) {
        Some(members) => base_of(members),
        None => base_of(&Map::new()),
    }
}

/// `settings` with the members that `changes` has, of any depth, and without a check of their ranges.
pub fn laid_over<S: Settings>(settings: &S, changes: Map<String, Value>) -> Result<S> {
    let mut whole = to_value(settings)?;
    lay_over(&mut whole, Value::Object(changes), "settings", S::WHOLE)?;
    serde_path_to_error::deserialize(&whole).map_err(|error| mistyped::<S>(&whole, &error))
}

/// The members of both, those of `changes` in the place of others of their name; groups are merged, but for those that
/// are replaced as a `whole`.
pub fn over(mut base: Map<String, Value>, changes: &Map<String, Value>, whole: &[&str]) -> Map<String, Value> {
    for (name, value) in changes {
        match (base.get_mut(name), value) {
            (Some(Value::Object(members)), Value::Object(more)) if !whole.contains(&name.as_str()) => {
                *members = over(std::mem::take(members), more, whole);
            }
            _ => {
                base.insert(name.clone(), value.clone());
            }
        }
    }
    base
}

fn base_of<S: Settings>(given: &Map<String, Value>) -> Result<S> {
    let preset = match given.get("preset") {
        Some(Value::String(name)) if !S::PRESETS.is_empty() => preset_named::<S>(name)?,
        _ => S::preset_of(given),
    };
    S::base(preset, given)
}

/// The one text of these settings: JSON, members in the order of their names, no spaces.
pub fn canonical(settings: &impl Serialize) -> Result<String> {
    Ok(sorted(to_value(settings)?).to_string())
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        plain => plain,
    }
}

pub(super) fn to_value(settings: &impl Serialize) -> Result<Value> {
    serde_json::to_value(settings).map_err(|error| Error::Internal(format!("settings as JSON: {error}")))
}

/// Members whose names have dots, as members of members.
fn nested(given: Map<String, Value>) -> Result<Map<String, Value>> {
    let mut whole = Map::new();
    for (name, value) in given {
        let mut parts: Vec<&str> = name.split('.').collect();
        let last = parts.pop().unwrap_or_default().to_owned();
        let mut group = &mut whole;
        for part in parts {
            let member = group.entry(part).or_insert_with(|| Value::Object(Map::new()));
            group = member.as_object_mut().ok_or_else(|| {
                Error::argument(
                    &format!("settings.{name}"),
                    &value,
                    &format!("but {part} is no group of settings"),
                )
            })?;
        }
        match (group.get_mut(&last), value) {
            (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
            (Some(there), value) => {
                let text = format!("{there} and {value}");
                return Err(Error::argument(&format!("settings.{name}"), text, "must be given once"));
            }
            (None, value) => {
                group.insert(last, value);
            }
        }
    }
    Ok(whole)
}

/// Changes members of `base` to those of `given`; `path` names `base`.
fn lay_over(base: &mut Value, given: Value, path: &str, whole: &[&str]) -> Result<()> {
    let (Value::Object(members), Value::Object(changes)) = (&mut *base, &given) else {
        *base = given;
        return Ok(());
    };
    for (name, value) in changes {
        let path = format!("{path}.{name}");
        let Some(member) = members.get_mut(name) else {
            let known: Vec<&str> = members.keys().map(String::as_str).collect();
            return Err(unknown(&path, name, value, &known));
        };
        if whole.contains(&name.as_str()) {
            *member = value.clone();
        } else {
            lay_over(member, value.clone(), &path, whole)?;
        }
    }
    Ok(())
}

fn unknown(path: &str, name: &str, value: &Value, known: &[&str]) -> Error {
    let near = known
        .iter()
        .map(|known| (distance(name, known), *known))
        .min()
        .filter(|(distance, known)| *distance <= 2.max(known.len() / 3));
    let allowed = match near {
        Some((_, near)) => format!("but there is no such setting; do you mean {near}?"),
        None => format!("but there is no such setting: there are {}", words(known)),
    };
    Error::argument(path, value, &allowed)
}

/// Levenshtein's distance of two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// serde's "invalid type: string "x", expected u64" in this project's words.
fn mistyped<S: Settings>(whole: &Value, error: &serde_path_to_error::Error<serde_json::Error>) -> Error {
    let path = error.path().to_string();
    let pointer = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
    let value = whole.pointer(&pointer).unwrap_or(&Value::Null);
    let mut text = error.inner().to_string();
    if text.ends_with("expected string or map") {
        // A choice: what serde says of an unknown word has the words.
        let mut with_a_word = whole.clone();
        if let Some(place) = with_a_word.pointer_mut(&pointer) {
            *place = Value::from("");
        }
        if let Err(error) = serde_json::from_value::<S>(with_a_word) {
            text = error.to_string();
        }
    }
    let expected = text
        .split_once("expected ")
        .map_or(text.as_str(), |(_, expected)| expected);
    let choices = expected.trim_start_matches("one of ").replace('`', "");
    let allowed = match choices.as_str() {
        "f32" | "f64" => "a number",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "a boolean" => "true or false",
        other => other,
    };
    Error::argument(&format!("settings.{path}"), value, &format!("must be {allowed}"))
}

/// An error about a setting that was given names it as it was given.
fn in_settings(error: Error, given: &[String]) -> Error {
    match error {
        Error::InvalidArgument { name, value, allowed }
            if given.iter().any(|known| name.split(['.', '[']).next() == Some(known)) =>
        {
            Error::InvalidArgument {
                name: format!("settings.{name}"),
                value,
                allowed,
            }
        }
        other => other,
    }
}
