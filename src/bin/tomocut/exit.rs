//! Exit codes, and the failures that lead to them.
use std::path::Path;

use tomocut::volume::readable;
use tomocut::Error;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Failed for another reason than those below: the device, a defect of the engine, some of several tomograms.
    Failed = 1,
    /// Wrong arguments or settings.
    Usage = 2,
    /// An input cannot be read, or the request does not fit it.
    BadInput = 3,
    /// Out of memory.
    NoMemory = 4,
    /// A result cannot be written.
    NotWritten = 5,
    /// Stopped by Ctrl-C.
    Cancelled = 130,
}

/// What `--help` says about them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed for another reason: the device, a defect of the engine, some of several tomograms
  2    wrong arguments or settings; nothing was read
  3    an input cannot be read, or the request does not fit it
  4    out of memory
  5    a result cannot be written; no file is half-written
  130  stopped by Ctrl-C; no file is half-written";

/// Why a subcommand ends before its end.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What is printed to standard error; empty where it has been printed already.
    pub text: String,
}

impl Failure {
    /// Wrong arguments.
    pub fn usage(text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, text)
    }

    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self {
            exit,
            text: text.into(),
        }
    }

    /// The same, with the file or folder that it is about, unless the text names it.
    pub fn of_file(self, path: &Path) -> Self {
        let name = readable(path);
        let is_named = [name.clone(), path.display().to_string()]
            .iter()
            .any(|name| self.text.contains(name));
        match is_named {
            true => self,
            false => Self::new(self.exit, format!("{name}: {}", self.text)),
        }
    }

    /// The failure for `error`; `otherwise` is the exit code for wrong values, files and formats.
    pub fn of(error: &Error, otherwise: Exit) -> Self {
        let exit = match error {
            Error::Cancelled { .. } => Exit::Cancelled,
            Error::OutOfMemory(_) => Exit::NoMemory,
            Error::InvalidArgument { .. }
            | Error::Io { .. }
            | Error::Format { .. }
            | Error::Unsupported(_)
            | Error::Version(_) => otherwise,
            Error::Device(_) | Error::State(_) | Error::Internal(_) => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

/// Results of the engine as results of a subcommand.
pub trait OrExit<T> {
    /// With this exit code for wrong values, files and formats.
    fn or_exit(self, otherwise: Exit) -> Result<T, Failure>;

    /// Of work that reads and writes: an input that cannot be read is a bad input, an output that cannot be written is
    /// not written.
    fn or_exit_of_work(self) -> Result<T, Failure>;
}

impl<T> OrExit<T> for tomocut::Result<T> {
    fn or_exit(self, otherwise: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure::of(&error, otherwise))
    }

    fn or_exit_of_work(self) -> Result<T, Failure> {
        self.map_err(|error| Failure::of(&error, exit_of_work(&error)))
    }
}

/// The exit code for wrong values, files and formats during work that reads and writes.
pub fn exit_of_work(error: &Error) -> Exit {
    match error {
        Error::Io { action, .. } if !matches!(*action, "reading" | "opening") => Exit::NotWritten,
        _ => Exit::BadInput,
    }
}
