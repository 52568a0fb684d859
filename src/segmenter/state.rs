//! How far a training is, and how well its network does: what hosts are told.
use serde::Serialize;

use super::{mean_dice, LabelledTraining, OutputScore, SegmenterOptions};
use crate::runtime::{Job, Result};

/// How far a training is.
#[derive(Clone, Debug, Serialize)]
pub struct TrainerState {
    /// Steps done, of all rounds together. A round that ends early counts as whole once the next has begun.
    pub step: u64,
    /// Steps of all rounds together.
    pub steps: u64,
    /// Round of self-training, from 0 on.
    pub round: u32,
    /// Whether nothing is left to do: all steps are done, or the patience is at an end.
    pub finished: bool,
    /// Slabs or pictures that are learnt from.
    pub learnt: usize,
    /// Slabs or pictures that are held out, to be scored with.
    pub held_out: usize,
    /// Mean loss of the latest 25 steps that are done together; none before the first.
    pub loss: Option<f64>,
    /// Latest validation score: mean Dice of the outputs, 0..=1; none before the first.
    pub score: Option<f64>,
    /// The best of them; its weights are what is exported.
    pub best_score: Option<f64>,
    /// Step of the best score.
    pub best_step: Option<u64>,
    /// Edge of the voxels that the network is for, in nm; none where unknown.
    pub voxel_nm: Option<f64>,
    /// Extents (z, y, x) of a window in voxels.
    pub window: [usize; 3],
    /// The settings.
    pub settings: SegmenterOptions,
}

/// How well a network does.
#[derive(Clone, Debug, Serialize)]
pub struct ScoreReport {
    /// Mean Dice of the outputs, except "background".
    pub mean_dice: f64,
    /// Each output.
    pub outputs: Vec<OutputScore>,
}

impl LabelledTraining {
    /// How far it is.
    pub fn state(&self) -> TrainerState {
        let (learnt, held_out) = self.counts();
        let best = self.best();
        TrainerState {
            step: self.step(),
            steps: self.steps(),
            round: self.round(),
            finished: self.is_finished(),
            learnt,
            held_out,
            loss: self.loss(),
            score: self.score_history().last().map(|record| record.score),
            best_score: best.map(|record| record.score),
            best_step: best.map(|record| record.step),
            voxel_nm: self.description().voxel_nm,
            window: self.window(),
            settings: self.settings().clone(),
        }
    }

    /// [`LabelledTraining::scores`] with their mean.
    pub fn score_report(&mut self, windows: usize, job: &Job) -> Result<ScoreReport> {
        let outputs = self.scores(windows, job)?;
        Ok(ScoreReport {
            mean_dice: mean_dice(&outputs),
            outputs,
        })
    }
}
