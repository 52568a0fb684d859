//! The settings of every family: the generated pages are current, presets are valid, and a setting survives JSON ->
//! struct -> JSON.
use std::fs;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value};
use tomocut::families::{self, Family, FAMILIES};

/// Compares a generated file with the one in the repository; with TOMOCUT_RECORD=1 writes it.
fn is_current(path: &str, text: &str) {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("TOMOCUT_RECORD").is_some() {
        fs::write(&path, text).unwrap();
    }
    let stands = fs::read_to_string(&path).unwrap_or_default();
    assert!(stands == text, "{path} is not current: run cargo xtask settings");
}

#[test]
fn the_pages_are_current() {
    is_current("docs/settings.md", &families::page().unwrap());
    let schema = serde_json::to_string_pretty(&families::schema()).unwrap() + "\n";
    is_current("docs/settings.schema.json", &schema);
}

#[test]
fn every_preset_resolves_and_its_resolved_text_gives_the_same() {
    for family in FAMILIES {
        let presets: Vec<String> = match family.presets {
            [] => vec!["{}".to_owned()],
            names => names.iter().map(|name| format!("{{\"preset\": \"{name}\"}}")).collect(),
        };
        for text in presets {
            let resolved = (family.resolve)(&text).unwrap_or_else(|error| panic!("{} {text}: {error}", family.name));
            assert_eq!(
                (family.resolve)(&resolved.to_string()).unwrap(),
                resolved,
                "{} {text}",
                family.name
            );
        }
    }
}

/// A value that the schema allows.
fn allowed(schema: &Value, root: &Value) -> BoxedStrategy<Value> {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return allowed(root.pointer(target.trim_start_matches('#')).unwrap(), root);
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return prop::sample::select(words.clone()).boxed();
    }
    if let Some(constant) = schema.get("const") {
        return Just(constant.clone()).boxed();
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(choices) = schema.get(key).and_then(Value::as_array) {
            let choices: Vec<_> = choices.iter().map(|choice| allowed(choice, root)).collect();
            return prop::strategy::Union::new(choices).boxed();
        }
    }
    let limit = |key: &str| schema.get(key).and_then(Value::as_f64);
    let low = limit("minimum")
        .or(limit("exclusiveMinimum").map(|low| low + 1e-3))
        .unwrap_or(0.0);
    let high = limit("maximum")
        .or(limit("exclusiveMaximum").map(|high| high - 1e-3))
        .unwrap_or(low + 1000.0);
    let of_type = |kind: &str| -> BoxedStrategy<Value> {
        match kind {
            "null" => Just(Value::Null).boxed(),
            "boolean" => any::<bool>().prop_map(Value::from).boxed(),
            "integer" => (low.ceil() as i64..=high.floor().min(9e15) as i64)
                .prop_map(Value::from)
                .boxed(),
            "number" => (low..=high).prop_map(Value::from).boxed(),
            "string" => "[a-z]{1,8}".prop_map(Value::from).boxed(),
            "array" => {
                let length =
                    |key: &str, default: usize| schema.get(key).and_then(Value::as_u64).map_or(default, |n| n as usize);
                let least = length("minItems", 0);
                let each = schema
                    .get("items")
                    .map_or(Just(Value::Null).boxed(), |each| allowed(each, root));
                prop::collection::vec(each, least..=length("maxItems", least + 3))
                    .prop_map(Value::from)
                    .boxed()
            }
            _ => {
                let members = schema
                    .get("properties")
                    .and_then(Value::as_object)
                    .cloned()
                    .unwrap_or_default();
                let members: Vec<_> = members
                    .iter()
                    .map(|(name, schema)| (Just(name.clone()), allowed(schema, root)))
                    .collect();
                members
                    .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
                    .boxed()
            }
        }
    };
    match schema.get("type") {
        Some(Value::String(kind)) => of_type(kind),
        Some(Value::Array(kinds)) => {
            prop::strategy::Union::new(kinds.iter().filter_map(Value::as_str).map(of_type).collect::<Vec<_>>()).boxed()
        }
        _ => Just(Value::Null).boxed(),
    }
}

/// Every setting of a family, alone over the defaults, survives; what does not fit the others is refused by its name.
fn survives(family: &Family) {
    let schema = (family.schema)();
    let properties = schema["properties"].as_object().unwrap().clone();
    for (name, property) in properties.iter().filter(|(name, _)| *name != "preset") {
        let mut runner = TestRunner::new(Config::with_cases(32));
        let outcome = runner.run(&allowed(property, &schema), |value| {
            let given = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
            match (family.resolve)(&given.to_string()) {
                Ok(resolved) => {
                    prop_assert_eq!(&(family.resolve)(&resolved.to_string()).unwrap(), &resolved);
                    if !value.is_object() {
                        prop_assert_eq!(&resolved[name.as_str()], &value);
                    }
                }
                // Two settings may not fit each other; the text then says which.
                Err(error) => prop_assert!(error.to_string().contains(" is "), "{}", error),
            }
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{}.{name}: {error}", family.name));
    }
}

#[test]
fn every_setting_survives_json_to_struct_to_json() {
    FAMILIES.iter().for_each(survives);
}

#[test]
fn unknown_names_wrong_types_and_values_out_of_range_are_named_in_every_family() {
    for family in FAMILIES {
        let refused = |text: String| (family.resolve)(&text).unwrap_err().to_string();
        assert!(
            refused("{\"zeal\": 1}".into()).starts_with("settings.zeal is 1, but there is no such setting"),
            "{}",
            family.name
        );
        let schema = (family.schema)();
        for (name, property) in schema["properties"].as_object().unwrap() {
            let text = refused(format!("{{\"{name}\": {{\"zeal\": 1}}}}"));
            assert!(text.starts_with(&format!("settings.{name}")), "{}: {text}", family.name);
            for (key, step) in [("minimum", -1.0), ("maximum", 1.0)] {
                if let Some(limit) = property.get(key).and_then(Value::as_f64) {
                    let text = refused(format!("{{\"{name}\": {}}}", limit + step));
                    let said = format!("settings.{name} is {}, must be ", limit + step);
                    assert!(text.starts_with(&said), "{}: {text}", family.name);
                }
            }
        }
    }
}
