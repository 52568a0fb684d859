//! The loop around any training run: what is printed, when it is saved, when the time is over.
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tomocut::denoiser::{AutoencoderTrainer, BatchSource, DenoiserTrainer, MaskAutoencoderTrainer};
use tomocut::runtime::Job;
use tomocut::train::LossRecord;
use tomocut::Result;

/// Steps between two lines.
const LINE: u64 = 25;
/// Steps between two looks at phantoms that are never trained on.
const LOOK: u64 = 200;
/// Time between two checkpoints.
const SAVE: Duration = Duration::from_secs(240);

/// How long a run may take and where its checkpoint lies.
pub struct Pace {
    checkpoint: PathBuf,
    start: Instant,
    budget: Duration,
}

impl Pace {
    /// The clock starts now.
    pub fn new(checkpoint: &Path, minutes: f64) -> Self {
        Self {
            checkpoint: checkpoint.to_owned(),
            start: Instant::now(),
            budget: Duration::from_secs_f64((minutes * 60.0).clamp(0.0, 1e9)),
        }
    }

    fn minutes(&self) -> f64 {
        self.start.elapsed().as_secs_f64() / 60.0
    }
}

/// What the loop needs of a training run.
pub trait Training {
    fn weights(&self) -> usize;
    fn step(&self) -> u64;
    fn steps(&self) -> u64;
    fn history(&self) -> &[LossRecord];
    fn train_until(&mut self, step: u64, job: &Job) -> Result<()>;
    fn save(&self, path: &Path) -> Result<()>;
    /// Lines about phantoms that are never trained on.
    fn look(&self, job: &Job) -> Result<Vec<String>>;
}

impl<S: BatchSource> Training for DenoiserTrainer<S> {
    fn weights(&self) -> usize {
        self.averaged().count()
    }

    fn step(&self) -> u64 {
        self.step()
    }

    fn steps(&self) -> u64 {
        self.options().steps
    }

    fn history(&self) -> &[LossRecord] {
        self.history()
    }

    fn train_until(&mut self, step: u64, job: &Job) -> Result<()> {
        self.train(step, job, &mut |_, _| true)
    }

    fn save(&self, path: &Path) -> Result<()> {
        self.save(path)
    }

    fn look(&self, job: &Job) -> Result<Vec<String>> {
        let losses = self.held_out(3, 24, &[250, 388, 550, 710, 800], job)?;
        let line = |loss: &tomocut::denoiser::HeldOutLoss| {
            let attention = match loss.attention_error {
                Some(error) => format!(", attention {error:.4}"),
                None => String::new(),
            };
            format!(
                "held out, t {}: noise {:.4}, clean {:.4}, structures {:.4}{attention}",
                loss.timestep, loss.noise_error, loss.clean_error, loss.structure_error
            )
        };
        Ok(losses.iter().map(line).collect())
    }
}

impl Training for AutoencoderTrainer {
    fn weights(&self) -> usize {
        self.averaged().count()
    }

    fn step(&self) -> u64 {
        self.step()
    }

    fn steps(&self) -> u64 {
        self.options().schedule.steps
    }

    fn history(&self) -> &[LossRecord] {
        self.history()
    }

    fn train_until(&mut self, step: u64, job: &Job) -> Result<()> {
        self.train(step, job, &mut |_, _| true)
    }

    fn save(&self, path: &Path) -> Result<()> {
        self.save(path)
    }

    fn look(&self, job: &Job) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for (kind, noise_free) in [("without noise", 1.0), ("with noise", 0.0)] {
            let scores = self.held_out(4, 48, noise_free, job)?;
            lines.push(format!(
                "held out {kind}: {:.3} of the variance unexplained, correlation with the signal {:.3} (input {:.3}), \
                 contrast of \
                 membranes {:.2} of the signal's",
                scores.unexplained, scores.signal_correlation, scores.input_correlation, scores.membrane_contrast
            ));
        }
        Ok(lines)
    }
}

impl Training for MaskAutoencoderTrainer {
    fn weights(&self) -> usize {
        self.averaged().count()
    }

    fn step(&self) -> u64 {
        self.step()
    }

    fn steps(&self) -> u64 {
        self.options().schedule.steps
    }

    fn history(&self) -> &[LossRecord] {
        self.history()
    }

    fn train_until(&mut self, step: u64, job: &Job) -> Result<()> {
        self.train(step, job)
    }

    fn save(&self, path: &Path) -> Result<()> {
        self.save(path)
    }

    fn look(&self, job: &Job) -> Result<Vec<String>> {
        let (dice, deviation) = self.held_out(32, job)?;
        Ok(vec![format!(
            "held out: Dice {dice:.4}, deviation of latents {deviation:.3}"
        )])
    }
}

/// Trains to the end of the schedule or of the time; checkpoint and model are written now and then, and at the end.
pub fn drive<T: Training>(trainer: &mut T, pace: &Pace, job: &Job, export: &dyn Fn(&T) -> Result<()>) -> Result<()> {
    println!(
        "{} weights, step {} of {}; data after {:.1} min",
        trainer.weights(),
        trainer.step(),
        trainer.steps(),
        pace.minutes()
    );
    let (mut saved, first, begun) = (Instant::now(), Instant::now(), trainer.step());
    while trainer.step() < trainer.steps() && pace.start.elapsed() < pace.budget {
        let until = trainer.step() + LINE - trainer.step() % LINE;
        trainer.train_until(until, job)?;
        let each = first.elapsed().as_secs_f64() / (trainer.step() - begun).max(1) as f64;
        let loss = trainer.history().last().map_or(f32::NAN, |record| record.loss);
        let (step, minutes) = (trainer.step(), pace.minutes());
        println!("step {step:5}  loss {loss:.4}  {each:.2} s per step  {minutes:.1} min");
        if trainer.step().is_multiple_of(LOOK) {
            for line in trainer.look(job)? {
                println!("  {line}");
            }
        }
        if saved.elapsed() > SAVE {
            trainer.save(&pace.checkpoint)?;
            export(trainer)?;
            saved = Instant::now();
        }
    }
    trainer.save(&pace.checkpoint)?;
    export(trainer)?;
    println!("step {} saved after {:.1} min", trainer.step(), pace.minutes());
    Ok(())
}
