//! The documentation of a family, made from its schema.
use serde_json::Value;

use super::check::allowed_range;
use super::overlay::to_value;
use super::{schema, Settings};
use crate::runtime::Result;

/// One line of a family's documentation.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Name of the setting, with dots where it is a member of a group.
    pub name: String,
    /// The default as JSON, words without quotes; empty for a group, "-" where nothing is given.
    pub default: String,
    /// What is allowed, in a few words; empty for a group.
    pub allowed: String,
    /// The meaning, on one line.
    pub meaning: String,
}

/// The documentation of a family's settings, in their order; defaults are those of the first preset.
pub fn rows<S: Settings>() -> Result<Vec<Row>> {
    let root = schema::<S>().to_value();
    let preset = S::PRESETS.first().copied().unwrap_or("");
    let mut rows = Vec::new();
    gather("", &root, &to_value(&S::of_preset(preset))?, &root, &mut rows);
    Ok(rows)
}

/// A Markdown table of a family's settings: name, default, what is allowed, meaning; `about` is the sentence above it.
pub fn markdown<S: Settings>(about: &str) -> Result<String> {
    let mut page = format!("## {}\n\n{about}\n\n", S::FAMILY);
    if !S::PRESETS.is_empty() {
        page.push_str(&format!("Presets: {}.\n\n", S::PRESETS.join(", ")));
    }
    page.push_str("| setting | default | allowed | meaning |\n| --- | --- | --- | --- |\n");
    for row in rows::<S>()? {
        let (name, meaning) = (&row.name, row.meaning.replace('|', "\\|"));
        page.push_str(&match row.default.as_str() {
            "" => format!("| **{name}** | | | {meaning} |\n"),
            "-" => format!("| `{name}` | - | {} | {meaning} |\n", row.allowed),
            default => format!("| `{name}` | `{default}` | {} | {meaning} |\n", row.allowed),
        });
    }
    page.push('\n');
    Ok(page)
}

fn gather(prefix: &str, schema: &Value, defaults: &Value, root: &Value, rows: &mut Vec<Row>) {
    for (name, field) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        let default = defaults.get(name).unwrap_or(&Value::Null);
        let target = resolved(field, root);
        let meaning = text(field).or_else(|| text(target)).unwrap_or_default();
        let is_group = target.get("properties").is_some() && default.is_object();
        rows.push(Row {
            name: path.clone(),
            default: match default {
                _ if is_group => String::new(),
                Value::Null => "-".to_owned(),
                Value::String(word) if word.is_empty() => "\"\"".to_owned(),
                Value::String(word) => word.clone(),
                value => value.to_string(),
            },
            allowed: if is_group {
                String::new()
            } else {
                allowed(field, target, root)
            },
            meaning,
        });
        if is_group {
            gather(&path, target, default, root, rows);
        }
    }
}

/// A description on one line.
fn text(schema: &Value) -> Option<String> {
    let text = schema.get("description")?.as_str()?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The schema that a reference, or an optional value, stands for.
fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return root
            .pointer(target.trim_start_matches('#'))
            .map_or(schema, |target| resolved(target, root));
    }
    let choices = schema.get("anyOf").and_then(Value::as_array);
    let some = choices.and_then(|all| all.iter().find(|one| one.get("type").is_none_or(|kind| kind != "null")));
    some.map_or(schema, |one| resolved(one, root))
}

/// What is allowed, in a few words.
fn allowed(field: &Value, target: &Value, root: &Value) -> String {
    if let Some(words) = choices(target) {
        return words;
    }
    if let Some(range) = allowed_range(field).or_else(|| allowed_range(target)) {
        return range;
    }
    if let Some(each) = target.get("items") {
        return format!("list of {}", allowed(each, resolved(each, root), root));
    }
    let kind = match target.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().find(|kind| *kind != "null"),
        other => other,
    };
    match kind.and_then(Value::as_str) {
        Some("boolean") => "true, false".to_owned(),
        Some("string") => "text".to_owned(),
        Some("integer") => "whole number".to_owned(),
        Some(kind) => kind.to_owned(),
        None => String::new(),
    }
}

/// The words of a choice.
fn choices(schema: &Value) -> Option<String> {
    let word = |value: &Value| value.as_str().map(|word| format!("`{word}`"));
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return Some(words.iter().filter_map(word).collect::<Vec<_>>().join(", "));
    }
    let all = schema.get("oneOf")?.as_array()?;
    let words: Vec<String> = all.iter().filter_map(|one| word(one.get("const")?)).collect();
    (words.len() == all.len()).then(|| words.join(", "))
}
