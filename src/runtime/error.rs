//! The one error type of the crate. A message names the thing, its value and what is allowed.
use std::path::{Path, PathBuf};

/// Result of every fallible function of the crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. Each variant is one status of the C ABI.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An argument outside its allowed range.
    #[error("{name} is {value}, {allowed}")]
    InvalidArgument {
        /// Name of the argument as the caller knows it.
        name: String,
        /// The value it had.
        value: String,
        /// What is allowed, as the end of a sentence: "must be 1..=64".
        allowed: String,
    },
    /// The host asked to stop, by a cancel token or by its progress callback.
    #[error("cancelled during {stage}")]
    Cancelled {
        /// Name of the stage that was interrupted.
        stage: &'static str,
    },
    /// Not enough memory on the host or on the device.
    #[error("out of memory: {0}")]
    OutOfMemory(String),
    /// A device that is absent, busy or failing.
    #[error("device: {0}")]
    Device(String),
    /// An operating-system error on a file.
    #[error("{action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried: "reading", "writing", "opening".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's own error.
        source: std::io::Error,
    },
    /// A file or buffer whose contents are not what they should be.
    #[error("{subject}: {detail}")]
    Format {
        /// The file or tensor.
        subject: String,
        /// What was found and what was expected.
        detail: String,
    },
    /// A valid request that this build or this model cannot serve.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// An ABI or file version that does not fit.
    #[error("version: {0}")]
    Version(String),
    /// A call that the object's state does not allow.
    #[error("state: {0}")]
    State(String),
    /// A defect of the engine or of libtorch.
    #[error("internal: {0}")]
    Internal(String),
}

impl Error {
    /// An [`Error::InvalidArgument`]; `allowed` ends the sentence, as in "must be 1..=64".
    pub fn argument(name: &str, value: impl ToString, allowed: &str) -> Self {
        Self::InvalidArgument {
            name: name.to_owned(),
            value: value.to_string(),
            allowed: allowed.to_owned(),
        }
    }

    /// An [`Error::Format`] about `subject`.
    pub fn format(name: impl ToString, detail: impl ToString) -> Self {
        Self::Format {
            subject: name.to_string(),
            detail: detail.to_string(),
        }
    }

    /// An [`Error::Io`] for `path`; `action` is "reading", "writing" and the like.
    pub fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_path_buf(),
            source,
        }
    }
}

impl From<tch::TchError> for Error {
    /// libtorch reports everything as text; memory and device failures are told apart by their fixed wording.
    fn from(error: tch::TchError) -> Self {
        let text = error.to_string();
        // The first line is the message; what follows is a C++ back trace.
        let message = text.lines().next().unwrap_or("unknown").to_owned();
        if text.contains("out of memory") || text.contains("can't allocate memory") {
            Self::OutOfMemory(message)
        } else if text.contains("CUDA error") || text.contains("cuDNN error") {
            Self::Device(message)
        } else {
            Self::Internal(format!("libtorch: {message}"))
        }
    }
}
