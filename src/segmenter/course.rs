//! The course of a training, as its settings have it: loss, augmentation, rates, epochs and validations.
use super::{OptimiserName, SegmenterOptions};
use crate::train::{AdamWOptions, AugmentOptions, LossOptions, SgdOptions, TrainingSchedule, UpdateRule};

impl SegmenterOptions {
    /// The loss.
    pub(super) fn loss(&self) -> LossOptions {
        self.loss_terms.of(self.loss, self.label_smoothing)
    }

    /// What windows are varied by.
    pub(super) fn augmentation(&self) -> AugmentOptions {
        match self.augment {
            true => self.augmentation.clone(),
            false => AugmentOptions::none(),
        }
    }

    /// How the weights move.
    pub(super) fn schedule(&self) -> TrainingSchedule {
        let with_rate = |own: SgdOptions| SgdOptions {
            rate: self.rate.unwrap_or(own.rate),
            ..own
        };
        let rule = match self.optimiser {
            OptimiserName::Adamw => UpdateRule::AdamW(AdamWOptions {
                rate: self.rate.unwrap_or(self.adamw.rate),
                ..self.adamw
            }),
            OptimiserName::Sgd => UpdateRule::Sgd(with_rate(self.sgd)),
            OptimiserName::Nesterov => UpdateRule::Nesterov(with_rate(self.nesterov)),
        };
        TrainingSchedule {
            steps: self.steps,
            rule,
            curve: self.curve.of(self.schedule, self.steps),
            warm_up: self.warm_up,
            cool_down: self.cool_down,
            clip: self.clip,
            ema_decay: self.ema_decay,
            spike: self.spike,
        }
    }

    /// Counts steps where epochs are asked for, now that `windows` are known to be in one; a rate that goes by epochs
    /// stays the same over one.
    pub(super) fn settle_epochs(&mut self, windows: u64) {
        if let Some(epochs) = self.epochs {
            let every = windows.div_ceil(self.batch as u64).max(1);
            self.steps = epochs.saturating_mul(every);
            self.curve.one_cycle_every = every;
        }
    }

    /// Whether a round is scored once `step` of its steps are done.
    pub(super) fn is_validation_due(&self, step: u64) -> bool {
        let every = self.validation_every;
        step > 0 && (step == self.steps || (every > 0 && step.is_multiple_of(every)))
    }

    /// The first step after `step` at which a round is scored.
    pub(super) fn next_validation(&self, step: u64) -> u64 {
        match self.validation_every {
            0 => self.steps,
            every => ((step / every + 1) * every).min(self.steps),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_become_steps() {
        let mut settings = SegmenterOptions {
            epochs: Some(60),
            batch: 8,
            ..SegmenterOptions::default()
        };
        settings.settle_epochs(88);
        assert_eq!((settings.steps, settings.curve.one_cycle_every), (660, 11));
        settings.settle_epochs(89);
        assert_eq!(settings.steps, 720);
        settings.epochs = None;
        settings.settle_epochs(8);
        assert_eq!(settings.steps, 720);
    }

    #[test]
    fn scores_are_due_at_multiples_and_at_the_end() {
        let of = |validation_every| SegmenterOptions {
            validation_every,
            steps: 10,
            ..SegmenterOptions::default()
        };
        let due = |every| {
            (0..=10)
                .filter(|step| of(every).is_validation_due(*step))
                .collect::<Vec<u64>>()
        };
        assert_eq!(due(4), [4, 8, 10]);
        assert_eq!(due(0), [10]);
        let next = |every, step| of(every).next_validation(step);
        assert_eq!((next(4, 0), next(4, 4), next(4, 8), next(0, 3)), (4, 8, 10, 10));
    }
}
