//! Log records go to the host's callback or nowhere; the library never prints.
use std::sync::Arc;

/// Severity of a log record, in the numbering of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The result may be wrong or the call failed.
    Error = 1,
    /// Worth the user's attention: a doubtful input, a slow configuration.
    Warning = 2,
    /// What is being done.
    Info = 3,
    /// Figures for developers.
    Debug = 4,
}

type Sink = dyn Fn(Level, &str, &str) + Send + Sync;

/// Where log records go. Cheap to clone; the default drops everything.
#[derive(Clone, Default)]
pub struct Logger(Option<Arc<Sink>>);

impl Logger {
    /// A logger that calls `sink(level, target, message)`; `target` is the module's name.
    pub fn new(sink: impl Fn(Level, &str, &str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(sink)))
    }

    /// Sends one record.
    pub fn log(&self, level: Level, target: &str, message: &str) {
        if let Some(sink) = &self.0 {
            sink(level, target, message);
        }
    }

    /// Sends a warning.
    pub fn warn(&self, target: &str, message: &str) {
        self.log(Level::Warning, target, message);
    }

    /// Sends an information record.
    pub fn info(&self, target: &str, message: &str) {
        self.log(Level::Info, target, message);
    }
}

impl std::fmt::Debug for Logger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() {
            "Logger(host)"
        } else {
            "Logger(none)"
        })
    }
}
