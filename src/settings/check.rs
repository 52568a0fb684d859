//! Values against the ranges of their schema, so that a range is written once: at its field.
use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use schemars::{schema_for, JsonSchema};
use serde::Serialize;
use serde_json::Value;

use super::overlay::to_value;
use crate::runtime::{Error, Result};

/// Refuses the first setting of a family, or of a group of one, that is out of the range in its schema, by name.
///
/// Read of the schema: type, minimum, maximum and their exclusive forms, minLength, minItems, maxItems, items,
/// properties, $ref, anyOf and oneOf.
pub fn check<S: Serialize + JsonSchema + 'static>(settings: &S) -> Result<()> {
    let schema = schema_of::<S>();
    Checker { root: &schema }.value("", &to_value(settings)?, &schema)
}

/// The schema of a type, made once: trainings check a group for every window.
fn schema_of<S: JsonSchema + 'static>() -> Arc<Value> {
    static SCHEMAS: Mutex<BTreeMap<TypeId, Arc<Value>>> = Mutex::new(BTreeMap::new());
    let mut schemas = SCHEMAS.lock().unwrap_or_else(PoisonError::into_inner);
    let made = || Arc::new(schema_for!(S).to_value());
    Arc::clone(schemas.entry(TypeId::of::<S>()).or_insert_with(made))
}

struct Checker<'a> {
    root: &'a Value,
}

impl Checker<'_> {
    fn value(&self, name: &str, value: &Value, schema: &Value) -> Result<()> {
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let target = self.root.pointer(target.trim_start_matches('#'));
            return target.map_or(Ok(()), |target| self.value(name, value, target));
        }
        if let Some(choices) = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key)?.as_array()) {
            return self.any_of(name, value, choices);
        }
        match value {
            // NaN and infinity have no JSON of their own.
            Value::Null if !allows(schema, "null") => Err(Error::argument(name, "not finite", "must be a number")),
            Value::Number(number) => in_range(name, number.as_f64().unwrap_or(f64::NAN), schema),
            Value::String(text) => {
                let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0) as usize;
                if text.chars().count() < least {
                    return Err(Error::argument(name, format!("\"{text}\""), "must not be empty"));
                }
                Ok(())
            }
            Value::Array(items) => self.items(name, items, schema),
            Value::Object(members) => {
                let properties = schema.get("properties").and_then(Value::as_object);
                let known = |member: &str| properties.and_then(|all| all.get(member));
                members.iter().try_for_each(|(member, value)| {
                    let path = if name.is_empty() {
                        member.clone()
                    } else {
                        format!("{name}.{member}")
                    };
                    known(member).map_or(Ok(()), |schema| self.value(&path, value, schema))
                })
            }
            _ => Ok(()),
        }
    }

    /// One of the choices must take the value; the error is that of the first of its type.
    fn any_of(&self, name: &str, value: &Value, choices: &[Value]) -> Result<()> {
        let mut first = None;
        for choice in choices.iter().filter(|choice| self.is_of_type(value, choice)) {
            match self.value(name, value, choice) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    first.get_or_insert(error);
                }
            }
        }
        first.map_or(Ok(()), Err)
    }

    fn is_of_type(&self, value: &Value, schema: &Value) -> bool {
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let target = self.root.pointer(target.trim_start_matches('#'));
            return target.is_none_or(|target| self.is_of_type(value, target));
        }
        // A tagged object is the choice whose constants it has.
        let tags = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        let fits = |(member, schema): (&String, &Value)| {
            schema
                .get("const")
                .is_none_or(|constant| value.get(member) == Some(constant))
        };
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        (schema.get("type").is_none() || allows(schema, kind) || (kind == "number" && allows(schema, "integer")))
            && tags.into_iter().all(fits)
    }

    fn items(&self, name: &str, items: &[Value], schema: &Value) -> Result<()> {
        let limit = |key: &str| schema.get(key).and_then(Value::as_u64).map(|n| n as usize);
        let (least, most) = (limit("minItems").unwrap_or(0), limit("maxItems").unwrap_or(usize::MAX));
        if items.len() < least {
            let allowed = format!("must have at least {least} of them");
            return Err(Error::argument(name, format!("{} items", items.len()), &allowed));
        }
        if items.len() > most {
            let allowed = format!("must have at most {most} of them");
            return Err(Error::argument(name, format!("{} items", items.len()), &allowed));
        }
        let Some(each) = schema.get("items") else {
            return Ok(());
        };
        items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| self.value(&format!("{name}[{index}]"), item, each))
    }
}

/// Whether the schema takes values of JSON type `kind`; a schema without a type takes all.
fn allows(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        None => true,
        Some(Value::String(only)) => only == kind,
        Some(Value::Array(all)) => all.iter().any(|one| one == kind),
        Some(_) => false,
    }
}

fn in_range(name: &str, value: f64, schema: &Value) -> Result<()> {
    let limit = |key: &str| schema.get(key).and_then(Value::as_f64);
    let outside = limit("minimum").is_some_and(|low| value < low)
        || limit("maximum").is_some_and(|high| value > high)
        || limit("exclusiveMinimum").is_some_and(|low| value <= low)
        || limit("exclusiveMaximum").is_some_and(|high| value >= high);
    if outside {
        let allowed = allowed_range(schema).unwrap_or_default();
        return Err(Error::argument(name, value, &format!("must be {allowed}")));
    }
    Ok(())
}

/// The range of a number's schema in words: "1..=64", "above 0, up to 1"; none where it has no limit.
pub(super) fn allowed_range(schema: &Value) -> Option<String> {
    let limit = |key: &str| schema.get(key).and_then(Value::as_f64);
    let low = limit("exclusiveMinimum")
        .map(|low| (low, true))
        .or(limit("minimum").map(|low| (low, false)));
    let high = limit("exclusiveMaximum")
        .map(|high| (high, true))
        .or(limit("maximum").map(|high| (high, false)));
    Some(match (low, high) {
        (None, None) => return None,
        (Some((low, false)), Some((high, false))) => format!("{low}..={high}"),
        (Some((low, false)), Some((high, true))) => format!("{low} or more, below {high}"),
        (Some((low, true)), Some((high, false))) => format!("above {low}, up to {high}"),
        (Some((low, true)), Some((high, true))) => format!("above {low}, below {high}"),
        (Some((low, false)), None) => format!("{low} or more"),
        (Some((low, true)), None) => format!("above {low}"),
        (None, Some((high, false))) => format!("at most {high}"),
        (None, Some((high, true))) => format!("below {high}"),
    })
}
