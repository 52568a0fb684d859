//! What settles the bytes of a result: settings in their canonical text, and hashes of what was read.
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::Xxh3;

use super::overlay::to_value;
use crate::runtime::{Error, Result};

/// The identity of a run: runs of the same identity write the same bytes. A run that was stopped goes on, and a result
/// that stands there is kept, only where the identities are equal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Version of the engine.
    pub version: String,
    /// The resolved settings that settle the result, as one JSON object.
    pub settings: Value,
    /// Content hashes of weights and inputs by what they are: "model", "tomogram".
    pub inputs: BTreeMap<String, String>,
}

impl Identity {
    /// The identity of a run with these settings of this version of the engine; inputs are added by
    /// [`Identity::with_input`].
    ///
    /// `left_out` names settings, with dots, that change nothing in the result: memory, ranks.
    pub fn new(settings: &impl Serialize, left_out: &[&str]) -> Result<Self> {
        let mut settings = to_value(settings)?;
        for name in left_out {
            remove(&mut settings, name);
        }
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings,
            inputs: BTreeMap::new(),
        })
    }

    /// Adds what settles the result like a setting, though it is none: the extents of a tile that the memory allowed.
    pub fn with_setting(mut self, name: &str, value: Value) -> Self {
        if let Some(members) = self.settings.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
        self
    }

    /// The identity of a part of the run that these settings do not touch.
    pub fn without(&self, left_out: &[&str]) -> Self {
        let mut part = self.clone();
        left_out.iter().for_each(|name| remove(&mut part.settings, name));
        part
    }

    /// Adds an input by the hash of its content.
    pub fn with_input(mut self, name: &str, hash: String) -> Self {
        self.inputs.insert(name.to_owned(), hash);
        self
    }

    /// One hash of it all, as 32 hexadecimal digits.
    pub fn hash(&self) -> Result<String> {
        Ok(hash_bytes(super::canonical(self)?.as_bytes()))
    }

    /// Refuses another identity than `theirs`, naming the first setting or input that differs; `place` says where
    /// theirs stands.
    pub fn check_equals(&self, theirs: &Self, place: &str) -> Result<()> {
        let (ours, theirs) = (to_value(self)?, to_value(theirs)?);
        let Some((name, our, their)) = first_difference("", &ours, &theirs) else {
            return Ok(());
        };
        let name = name.trim_start_matches("settings.");
        let allowed =
            format!("must be {their} as in the run that stands in {place}: give the same, another folder, or restart");
        Err(Error::argument(name, our, &allowed))
    }
}

/// The hash of `bytes` (XXH3, 128 bits), as 32 hexadecimal digits.
pub fn hash_bytes(bytes: &[u8]) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(bytes))
}

/// The hash of a file's bytes, or of the names and bytes of all files in a folder, in the order of their names.
pub fn hash_file(path: &Path) -> Result<String> {
    let mut hasher = Xxh3::new();
    add(path, &mut hasher)?;
    Ok(format!("{:032x}", hasher.digest128()))
}

fn add(path: &Path, hasher: &mut Xxh3) -> Result<()> {
    let failed = |error| Error::io("reading", path, error);
    if path.is_dir() {
        let mut members = fs::read_dir(path)
            .and_then(|entries| {
                entries
                    .map(|entry| entry.map(|entry| entry.file_name()))
                    .collect::<std::io::Result<Vec<_>>>()
            })
            .map_err(failed)?;
        members.sort();
        return members.iter().try_for_each(|name| {
            hasher.update(name.as_encoded_bytes());
            hasher.update(&[0]);
            add(&path.join(name), hasher)
        });
    }
    let mut file = File::open(path).map_err(failed)?;
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece).map_err(failed)? {
            0 => return Ok(()),
            n => hasher.update(&piece[..n]),
        }
    }
}

fn remove(settings: &mut Value, name: &str) {
    match name.split_once('.') {
        Some((group, rest)) => {
            if let Some(group) = settings.get_mut(group) {
                remove(group, rest);
            }
        }
        None => {
            if let Some(members) = settings.as_object_mut() {
                members.remove(name);
            }
        }
    }
}

/// Name and both values of the first member that differs.
fn first_difference(name: &str, ours: &Value, theirs: &Value) -> Option<(String, String, String)> {
    if let (Value::Object(our), Value::Object(their)) = (ours, theirs) {
        let absent = Value::Null;
        let mut names: Vec<&String> = our.keys().chain(their.keys()).collect();
        names.sort();
        names.dedup();
        return names.into_iter().find_map(|member| {
            let path = if name.is_empty() {
                member.clone()
            } else {
                format!("{name}.{member}")
            };
            let (our, their) = (our.get(member).unwrap_or(&absent), their.get(member).unwrap_or(&absent));
            first_difference(&path, our, their)
        });
    }
    let text = |value: &Value| match value {
        Value::Null => "not given".to_owned(),
        value => value.to_string(),
    };
    (ours != theirs).then(|| (name.to_owned(), text(ours), text(theirs)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_setting_or_input_that_differs_is_named() {
        let identity = |steps: u64| {
            Identity::new(
                &json!({"training": {"steps": steps, "rate": 0.5}, "memory": steps}),
                &["memory"],
            )
        };
        let (six, seven) = (identity(6).unwrap(), identity(7).unwrap());
        six.check_equals(&six.clone(), "out").unwrap();
        let text = seven.check_equals(&six, "out").unwrap_err().to_string();
        assert!(
            text.starts_with("training.steps is 7, must be 6 as in the run"),
            "{text}"
        );
        let with_model = six.clone().with_input("model", hash_bytes(b"weights"));
        let text = with_model.check_equals(&six, "out").unwrap_err().to_string();
        assert!(
            text.starts_with("inputs.model is \"") && text.contains("must be not given"),
            "{text}"
        );
        assert_ne!(six.hash().unwrap(), seven.hash().unwrap());
    }

    #[test]
    fn a_files_hash_is_that_of_its_bytes_and_a_folders_that_of_names_and_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, b"weights").unwrap();
        assert_eq!(hash_file(&file).unwrap(), hash_bytes(b"weights"));
        let before = hash_file(folder.path()).unwrap();
        fs::rename(&file, folder.path().join("b")).unwrap();
        assert_ne!(hash_file(folder.path()).unwrap(), before);
        assert!(hash_file(&file).is_err());
    }
}
