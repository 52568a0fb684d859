//! Standard output, and folders for results.
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use crate::exit::{Exit, Failure};

/// Prints to standard output at once.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::new(Exit::NotWritten, format!("writing to standard output: {error}")))
}

/// Prints one JSON object.
pub fn print_json(value: &Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    print(&(text + "\n"))
}

/// Makes the folder for results where it is missing; its parent must exist.
pub fn make_folder(folder: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        let text = format!("making the folder {}: {error}", folder.display());
        Err(Failure::new(Exit::NotWritten, text))
    };
    match std::fs::create_dir(folder) {
        Ok(()) => Ok(()),
        Err(_) if folder.is_dir() => Ok(()),
        Err(error) => failed(error),
    }
}
