//! `tomocut info`: what a file is, and what is odd about it.
mod picture;
mod points;
mod tomogram;
mod weights;

use std::path::{Path, PathBuf};

use serde_json::{json, Map, Value};

use crate::exit::{Exit, Failure};
use crate::output::{print, print_json};

/// Says what a tomogram, a file of weights or a coordinate file is, and what is odd about it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Tomograms, weights (safetensors, or a folder of diffusers), coordinate files, pictures
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The tomogram of the coordinate files
    #[arg(long, value_name = "FILE")]
    tomogram: Option<PathBuf>,
    /// The tomogram's name in the coordinate files [default: its file's]
    #[arg(long, value_name = "NAME")]
    tomogram_name: Option<String>,
    /// Read headers only, no voxels
    #[arg(long)]
    header: bool,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// What is known of one file.
#[derive(Default)]
pub struct Description {
    /// "tomogram, MRC".
    pub kind: String,
    /// What it says, by name, in order.
    pub facts: Map<String, Value>,
    /// What is odd about it.
    pub odd: Vec<String>,
}

impl Description {
    pub fn new(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            ..Self::default()
        }
    }

    pub fn fact(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.insert(name.to_owned(), value.into());
    }

    pub fn odd(&mut self, text: impl Into<String>) {
        self.odd.push(text.into());
    }

    fn text(&self, file: &Path) -> String {
        let mut text = format!("{}: {}\n", file.display(), self.kind);
        for (name, value) in &self.facts {
            let value = match value {
                Value::String(words) => words.clone(),
                Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
                other => plain(other),
            };
            text += &format!("  {:<14} {value}\n", name.replace('_', " "));
        }
        for odd in &self.odd {
            text += &format!("  ! {odd}\n");
        }
        text
    }

    fn json(&self, file: &Path) -> Value {
        let mut members = Map::new();
        members.insert("file".into(), json!(file.display().to_string()));
        members.insert("kind".into(), json!(self.kind));
        members.extend(self.facts.clone());
        members.insert("odd".into(), json!(self.odd));
        Value::Object(members)
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(words) => words.clone(),
        Value::Number(number) => match number.as_f64() {
            Some(number) if number.fract() != 0.0 => significant(number),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// Five significant digits.
fn significant(value: f64) -> String {
    let digits = 4 - value.abs().log10().floor().clamp(-6.0, 4.0) as i32;
    let text = format!("{value:.*}", digits.max(0) as usize);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut failed = 0;
    let mut answers = Vec::new();
    for file in &arguments.files {
        match describe(file, arguments) {
            Ok(description) if arguments.json => answers.push(description.json(file)),
            Ok(description) => print(&description.text(file))?,
            Err(error) => {
                failed += 1;
                eprintln!("tomocut info: {}", error.text);
                answers.push(json!({"file": file.display().to_string(), "error": error.text}));
            }
        }
    }
    if arguments.json {
        print_json(&json!({"files": answers}))?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::new(Exit::BadInput, "")),
    }
}

fn describe(file: &Path, arguments: &Arguments) -> Result<Description, Failure> {
    let name = file.to_string_lossy().to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if file.is_dir() {
        return match weights::is_folder_of_weights(file) {
            true => weights::describe(file),
            false => tomogram::describe(file, arguments.header),
        };
    }
    if ends(&[".safetensors", ".checkpoint", ".pt", ".pth", ".ckpt", ".pkl"]) {
        weights::describe(file)
    } else if ends(&[".csv", ".star", ".tbl", ".mod", ".coords", ".json"]) {
        points::describe(file, arguments.tomogram.as_deref(), arguments.tomogram_name.as_deref())
    } else if ends(&[".png", ".jpg", ".jpeg", ".tif", ".tiff"]) {
        picture::describe(file)
    } else {
        tomogram::describe(file, arguments.header)
    }
}

#[cfg(test)]
mod tests {
    use super::significant;

    #[test]
    fn numbers_are_short() {
        assert_eq!(significant(1.0 / 3.0), "0.33333");
        assert_eq!(significant(12345.678), "12346");
        assert_eq!(significant(0.5), "0.5");
    }
}
