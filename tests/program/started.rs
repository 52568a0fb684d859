//! Starting the program, watching it, ending it; and a small tomogram for it.
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use ndarray::Array3;
use tomocut::volume::{write_f32, write_labels, Geometry};

/// Longest time that a program is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program with a subcommand.
pub fn program(subcommand: &str) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_tomocut"));
    command.arg(subcommand);
    command
}

/// What an ended program said.
pub struct Answer {
    pub out: String,
    pub err: String,
}

impl Answer {
    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {}", self.out))
    }
}

/// Runs a subcommand to its end, which must have this exit code.
pub fn run(code: i32, subcommand: &str, arguments: &[&str]) -> Answer {
    let output = program(subcommand).args(arguments).output().unwrap();
    let answer = Answer {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    let status = output.status.code();
    assert_eq!(
        status,
        Some(code),
        "tomocut {subcommand} {arguments:?}\n{}\n{}",
        answer.out,
        answer.err
    );
    answer
}

/// A program at work, whose standard error goes to a file.
pub struct Running {
    child: Child,
    said: tempfile::NamedTempFile,
}

impl Running {
    /// Starts a subcommand.
    pub fn start(subcommand: &str, arguments: &[&str]) -> Self {
        let said = tempfile::NamedTempFile::new().unwrap();
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_tomocut"))
            .arg(subcommand)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(said.path()).unwrap())
            .spawn()
            .unwrap();
        Self { child, said }
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.said.path()).unwrap()
    }

    /// Waits until it says these words; false where it ended before.
    pub fn says(&mut self, words: &str) -> bool {
        let start = Instant::now();
        loop {
            if self.said().contains(words) {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return self.said().contains(words);
            }
            assert!(
                start.elapsed() < PATIENCE,
                "it did not say \"{words}\" but:\n{}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = std::process::Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end: the exit code (none where a signal ended it) and what it said.
    pub fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        (status.code(), self.said())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder of its own.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The path as an argument.
    pub fn at(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Names of what a folder within holds, hidden files left out, in order; empty where it is missing.
    pub fn names(&self, name: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path(name)) else {
            return Vec::new();
        };
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = entries.map(name).filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    }
}

/// Slices, rows and columns of the sample.
pub const SAMPLE: [usize; 3] = [16, 128, 128];

/// Dark shells and balls in noise, voxels of 1 nm.
pub fn write_sample(path: &Path) {
    let mut state = 1_u32;
    let mut noise = || {
        let mut sum = 0.0_f32;
        for _ in 0..4 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            sum += (state >> 8) as f32 / 16_777_216.0 - 0.5;
        }
        sum * 1.7
    };
    let voxels = Array3::from_shape_fn(SAMPLE, |(z, y, x)| {
        let squares =
            |cz: f32, cy: f32, cx: f32| (z as f32 - cz).powi(2) + (y as f32 - cy).powi(2) + (x as f32 - cx).powi(2);
        let shell = ((x as f32 - 40.0).powi(2) + (y as f32 - 44.0).powi(2)).sqrt() - 26.0;
        let mut value = 0.7 * noise();
        if shell.abs() < 3.0 {
            value -= 1.5;
        }
        for (cy, cx) in [(84.0, 90.0), (84.0, 112.0), (108.0, 90.0), (108.0, 112.0)] {
            if squares(8.0, cy, cx) < 49.0 {
                value -= 1.8;
            }
        }
        value
    });
    write_f32(path, &voxels, &Geometry::new(SAMPLE, 10.0)).unwrap();
}

/// A sheet of label 1 across the sample.
pub fn write_sample_labels(path: &Path) {
    let labels = Array3::from_shape_fn(SAMPLE, |(_, y, _)| i8::from((40..44).contains(&y)));
    write_labels(path, &labels, &Geometry::new(SAMPLE, 10.0)).unwrap();
}

/// Whether two files hold the same bytes.
pub fn same_bytes(a: &Path, b: &Path) -> bool {
    std::fs::read(a).unwrap() == std::fs::read(b).unwrap()
}
