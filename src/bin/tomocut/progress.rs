//! Progress on standard error: a bar with the remaining time on a terminal, one line for each stage or tenth elsewhere.
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tomocut::runtime::{Level, Logger, Progress, Stage};

/// Positions of the bar.
const FULL: u64 = 1000;

/// Where progress, warnings and news go. Clones share the bar.
#[derive(Clone)]
pub struct Display(Arc<Shared>);

struct Shared {
    quiet: bool,
    terminal: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bar: Option<ProgressBar>,
    /// Furthest share that was reported: parts of a call may begin again.
    furthest: f64,
    stages: Vec<Stage>,
    tenth: Option<u64>,
}

impl Display {
    /// A display; a quiet one shows errors alone.
    pub fn new(quiet: bool) -> Self {
        Self(Arc::new(Shared {
            quiet,
            terminal: std::io::stderr().is_terminal(),
            state: Mutex::default(),
        }))
    }

    /// Shows a report.
    pub fn show(&self, report: &Progress) {
        if self.0.quiet {
            return;
        }
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.furthest = state.furthest.max(report.fraction);
        let thousandths = (state.furthest * FULL as f64) as u64;
        let percent = format!("{:5.1} %", state.furthest * 100.0);
        if self.0.terminal {
            let bar = state.bar.get_or_insert_with(bar);
            bar.set_message(format!("{percent}  {}", report.stage.name()));
            bar.set_position(thousandths);
            return;
        }
        let tenth = Some(thousandths / (FULL / 10));
        if !state.stages.contains(&report.stage) || state.tenth != tenth {
            eprintln!("{percent}  {}", report.stage.name());
            state.stages.push(report.stage);
            state.tenth = tenth;
        }
    }

    /// Takes the bar away and begins anew.
    pub fn end(&self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = std::mem::take(&mut *state).bar {
            bar.finish_and_clear();
        }
    }

    /// Prints a line to standard error, above the bar.
    pub fn line(&self, text: &str) {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &state.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// A log that prints warnings and errors (errors alone where quiet), and what `news` says of its own.
    pub fn logger(&self, news: Option<&'static str>) -> Logger {
        let display = self.clone();
        Logger::new(move |level, target, message| match level {
            Level::Error => display.line(&format!("error: {target}: {message}")),
            Level::Warning if !display.0.quiet => display.line(&format!("warning: {target}: {message}")),
            Level::Info if !display.0.quiet && news == Some(target) => display.line(message),
            _ => {}
        })
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(FULL), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("[{bar:32}] {msg:<22} {eta} left") {
        bar.set_style(style.progress_chars("##."));
    }
    bar
}
