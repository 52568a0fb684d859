//! One long call of the host: cancel, progress, log and stage times travel together.
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::time::{Duration, Instant};

use super::{CancelToken, Error, Logger, Result};

/// Shortest time between two progress reports, unless told otherwise.
const REPORT_EVERY: Duration = Duration::from_millis(50);

/// What a long call is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Not begun.
    Start = 0,
    /// Reading the tomogram.
    Read,
    /// Loading a model.
    Load,
    /// Contrast enhancement of slices.
    Enhance,
    /// Encoding tiles into latents.
    Encode,
    /// The U-Net and its attention.
    Attention,
    /// Eigenvectors of the attention.
    Eigenvectors,
    /// Aggregation of eigenvectors to canvases.
    Canvas,
    /// Consistency across z.
    ZCorrection,
    /// Binarisation.
    Binarise,
    /// Membranes from molecules.
    Split,
    /// Molecule positions.
    Points,
    /// Writing files.
    Write,
    /// Simulating a tomogram.
    Simulate,
    /// Training a network.
    Train,
    /// A network over a tomogram.
    Predict,
    /// Cutting a graph into segments.
    Cut,
}

impl Stage {
    /// Lower-case name, as in JSON reports and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Read => "read",
            Self::Load => "load",
            Self::Enhance => "enhance",
            Self::Encode => "encode",
            Self::Attention => "attention",
            Self::Eigenvectors => "eigenvectors",
            Self::Canvas => "canvas",
            Self::ZCorrection => "z-correction",
            Self::Binarise => "binarise",
            Self::Split => "split",
            Self::Points => "points",
            Self::Write => "write",
            Self::Simulate => "simulate",
            Self::Train => "train",
            Self::Predict => "predict",
            Self::Cut => "cut",
        }
    }
}

/// One progress report.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Share of the whole call that is done, 0..=1.
    pub fraction: f64,
    /// Loss of the last training step, or NaN.
    pub loss: f64,
    /// Latest validation score of a training, 0..=1, or NaN.
    pub score: f64,
}

type Sink<'a> = Box<dyn FnMut(&Progress) -> bool + 'a>;

/// Cancel, progress, log and stage times of one call. Lives on the calling thread.
pub struct Job<'a> {
    cancel: CancelToken,
    logger: Logger,
    sink: RefCell<Option<Sink<'a>>>,
    report_every: Duration,
    last_report: Cell<Option<Instant>>,
    stage: Cell<(Stage, Instant)>,
    span: Cell<(f64, f64)>,
    score: Cell<f64>,
    times: RefCell<Vec<(Stage, Duration)>>,
}

impl<'a> Job<'a> {
    /// A job without progress; `cancel` and `logger` may be defaults.
    pub fn new(cancel: CancelToken, logger: Logger) -> Self {
        Self {
            cancel,
            logger,
            sink: RefCell::new(None),
            report_every: REPORT_EVERY,
            last_report: Cell::new(None),
            stage: Cell::new((Stage::Start, Instant::now())),
            span: Cell::new((0.0, 1.0)),
            score: Cell::new(f64::NAN),
            times: RefCell::new(Vec::new()),
        }
    }

    /// A job that nobody watches.
    pub fn quiet() -> Self {
        Self::new(CancelToken::default(), Logger::default())
    }

    /// Reports go to `sink`, at most every 50 ms or as [`Job::with_every_report`] says; it returns false to cancel.
    pub fn with_progress(self, sink: impl FnMut(&Progress) -> bool + 'a) -> Self {
        *self.sink.borrow_mut() = Some(Box::new(sink));
        self
    }

    /// Passes every report on, however soon after the one before.
    pub fn with_every_report(mut self) -> Self {
        self.report_every = Duration::ZERO;
        self
    }

    /// A job for a call within this one: the same cancel and log, its whole the share `span` of this one's whole, stage
    /// times of its own.
    pub fn part(&self, span: Range<f64>) -> Job<'_> {
        let mut part = Job::new(self.cancel.clone(), self.logger.clone());
        part.report_every = self.report_every;
        part.stage.set(self.stage.get());
        part.with_progress(move |report: &Progress| {
            let fraction = span.start + (span.end - span.start) * report.fraction;
            self.report(&Progress { fraction, ..*report })
        })
    }

    /// The host's log.
    pub fn logger(&self) -> &Logger {
        &self.logger
    }

    /// The token that cancels this job.
    pub fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    /// Fails with [`Error::Cancelled`] once a stop has been asked for. Cheap: call it in every loop.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_requested() {
            return Err(Error::Cancelled {
                stage: self.stage.get().0.name(),
            });
        }
        Ok(())
    }

    /// Switches to `stage`; its times add up over the call.
    pub fn enter(&self, stage: Stage) -> Result<()> {
        let (old, since) = self.stage.replace((stage, Instant::now()));
        let mut times = self.times.borrow_mut();
        match times.iter_mut().find(|(s, _)| *s == old) {
            Some((_, time)) => *time += since.elapsed(),
            None => times.push((old, since.elapsed())),
        }
        drop(times);
        self.check()
    }

    /// The share of the whole call, within 0..=1, that [`Job::advance`] runs through from now on.
    pub fn set_span(&self, span: Range<f64>) {
        self.span.set((span.start, span.end));
    }

    /// The share of the whole call that [`Job::advance`] runs through at present.
    pub fn span(&self) -> Range<f64> {
        let (start, end) = self.span.get();
        start..end
    }

    /// The validation score that reports carry from now on.
    pub fn set_score(&self, score: f64) {
        self.score.set(score);
    }

    /// Checks for cancel and reports that `fraction` (0..=1) of the current span is done.
    pub fn advance(&self, fraction: f64) -> Result<()> {
        self.advance_with_loss(fraction, f64::NAN)
    }

    /// [`Job::advance`] with the loss of the last training step.
    pub fn advance_with_loss(&self, fraction: f64, loss: f64) -> Result<()> {
        self.check()?;
        let (start, end) = self.span.get();
        let report = Progress {
            stage: self.stage.get().0,
            fraction: (start + (end - start) * fraction).clamp(0.0, 1.0),
            loss,
            score: self.score.get(),
        };
        if self.report(&report) {
            Ok(())
        } else {
            Err(Error::Cancelled {
                stage: report.stage.name(),
            })
        }
    }

    /// Tells the sink, unless it was told just before; whether to go on.
    fn report(&self, report: &Progress) -> bool {
        let due = self
            .last_report
            .get()
            .is_none_or(|last| last.elapsed() >= self.report_every);
        if !due {
            return true;
        }
        self.last_report.set(Some(Instant::now()));
        // A sink that re-enters the job finds it borrowed and is simply not called again.
        match self.sink.try_borrow_mut() {
            Ok(mut sink) => sink.as_mut().is_none_or(|sink| sink(report)),
            Err(_) => true,
        }
    }

    /// Time spent in each stage so far, in order of first entry.
    pub fn stage_times(&self) -> Vec<(Stage, Duration)> {
        let mut times = self.times.borrow().clone();
        let (stage, since) = self.stage.get();
        match times.iter_mut().find(|(s, _)| *s == stage) {
            Some((_, time)) => *time += since.elapsed(),
            None => times.push((stage, since.elapsed())),
        }
        times.retain(|(stage, _)| *stage != Stage::Start);
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_reports_its_share_and_is_cancelled_with_the_whole() {
        let seen = RefCell::new(Vec::new());
        let whole = Job::quiet().with_progress(|report| {
            seen.borrow_mut().push((report.stage, report.fraction));
            seen.borrow().len() < 2
        });
        let part = whole.part(0.5..0.75);
        part.enter(Stage::Predict).unwrap();
        part.set_span(0.5..1.0);
        part.advance(0.5).unwrap();
        // Too soon for another report.
        whole.part(0.8..0.9).advance(1.0).unwrap();
        std::thread::sleep(REPORT_EVERY);
        let refused = whole.part(0.8..0.9).advance(1.0).unwrap_err();
        assert!(matches!(refused, Error::Cancelled { .. }), "{refused}");
        assert_eq!(*seen.borrow(), [(Stage::Predict, 0.6875), (Stage::Start, 0.9)]);
        assert!(whole.stage_times().is_empty());
        whole.cancel_token().request();
        assert!(part.check().is_err());
    }
}
