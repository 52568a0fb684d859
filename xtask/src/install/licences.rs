//! The licences of what an installation holds: tomocut's own, of the Rust packages within the library, of libtorch.
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::failure::{Failure, Result};
use crate::layout::{self, Layout};
use crate::{library, process};

/// Names, versions and licence texts of all Rust packages that are compiled into the library.
pub fn of_packages(layout: &Layout) -> Result<String> {
    let mut cargo = process::command(layout, library::cargo());
    // Not offline: the manifests of what only tests need are read too, and a build alone does not fetch them.
    cargo.args(["metadata", "--format-version", "1", "--locked"]);
    // Packages for other platforms need not be here.
    cargo.args([
        "--filter-platform",
        &format!("{}-unknown-linux-gnu", std::env::consts::ARCH),
    ]);
    let text = process::capture(&mut cargo, "cargo metadata")?;
    let metadata: Value =
        serde_json::from_str(&text).map_err(|e| Failure::new(format!("what cargo metadata printed: {e}")))?;
    let packages = compiled_in(&metadata, "tomocut")
        .ok_or_else(|| Failure::new("cargo metadata names no package tomocut with its dependencies"))?;
    let mut notice = String::from("Rust packages within libtomocut, with their licences.\n");
    for package in packages {
        notice += &format!(
            "\n==== {} {} ({})\n",
            text_of(&package["name"]),
            text_of(&package["version"]),
            package["license"].as_str().unwrap_or("see its own text")
        );
        let manifest = Path::new(text_of(&package["manifest_path"]));
        for path in texts(manifest.parent().unwrap_or(manifest))? {
            notice += &format!("\n{}\n", layout::read(&path)?.trim());
        }
    }
    Ok(notice)
}

/// The packages that `root` is built of, itself not among them, sorted by name and version: dependencies that are
/// neither for building nor for testing.
fn compiled_in<'a>(metadata: &'a Value, root: &str) -> Option<Vec<&'a Value>> {
    let packages: BTreeMap<&str, &Value> = metadata["packages"]
        .as_array()?
        .iter()
        .map(|package| (text_of(&package["id"]), package))
        .collect();
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()?
        .iter()
        .map(|node| (text_of(&node["id"]), node))
        .collect();
    let (root, _) = packages.iter().find(|(_, package)| package["name"] == root)?;
    let mut seen = BTreeSet::from([*root]);
    let mut open = vec![*root];
    while let Some(id) = open.pop() {
        for dependency in nodes.get(id)?["deps"].as_array()? {
            let kinds = dependency["dep_kinds"].as_array()?;
            let id = text_of(&dependency["pkg"]);
            if kinds.iter().any(|kind| kind["kind"].is_null()) && seen.insert(id) {
                open.push(id);
            }
        }
    }
    seen.remove(root);
    let mut used: Vec<&Value> = seen.iter().filter_map(|id| packages.get(id).copied()).collect();
    used.sort_by_key(|package| (text_of(&package["name"]), text_of(&package["version"])));
    Some(used)
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The files of a package's folder that are licences or notices, sorted.
fn texts(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|e| Failure::io("reading", folder, &e))?;
    let mut texts: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
            let licence = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"]
                .iter()
                .any(|word| name.starts_with(word));
            licence && path.is_file()
        })
        .collect();
    texts.sort();
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_compiled_in_is_listed() {
        let metadata = serde_json::json!({
            "packages": [
                {"id": "t", "name": "tomocut"}, {"id": "b", "name": "beta", "version": "1"},
                {"id": "a", "name": "alpha", "version": "1"}, {"id": "x", "name": "for tests"},
                {"id": "y", "name": "for building"}
            ],
            "resolve": {"nodes": [
                {"id": "t", "deps": [
                    {"pkg": "b", "dep_kinds": [{"kind": null}]}, {"pkg": "x", "dep_kinds": [{"kind": "dev"}]},
                                     {"pkg": "y", "dep_kinds": [{"kind": "build"}]}]},
                {"id": "b", "deps": [{"pkg": "a", "dep_kinds": [{"kind": "build"}, {"kind": null}]}]},
                {"id": "a", "deps": []}, {"id": "x", "deps": []}, {"id": "y", "deps": []}
            ]}
        });
        let names: Vec<&str> = compiled_in(&metadata, "tomocut")
            .unwrap()
            .iter()
            .map(|package| text_of(&package["name"]))
            .collect();
        assert_eq!(names, ["alpha", "beta"]);
        assert!(compiled_in(&metadata, "other").is_none());
    }
}
