//! The loss of a training, in the settings: a word, and numbers over that word's own.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::train::{LossKind, LossOptions};

/// A loss by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LossName {
    /// Dice plus cross-entropy, Dice over the batch.
    #[default]
    DiceCrossEntropy,
    /// Dice alone.
    Dice,
    /// Focal loss (Lin et al. 2017).
    Focal,
    /// The slab paper's: half Dice, half cross-entropy, per slice and class.
    SlabPaper,
    /// MemBrain-seg's: Dice plus cross-entropy per window, with deep supervision.
    Membrain,
    /// DeepETPicker's: Dice over the batch, smoothed by one voxel.
    Picker,
    /// DeePiCt's: Dice over the batch with squares in its denominator.
    Deepict,
}

/// Numbers of the loss; null: those of the loss named.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LossTerms {
    /// Factor of the Dice loss where there is cross-entropy beside it.
    #[schemars(range(min = 0, max = 1000))]
    pub dice: Option<f64>,
    /// Factor of the cross-entropy beside the Dice loss.
    #[schemars(range(min = 0, max = 1000))]
    pub cross_entropy: Option<f64>,
    /// Focal loss: power of the probability that is missing; 2 in the paper.
    #[schemars(range(min = 0, max = 10))]
    pub gamma: Option<f64>,
    /// Focal loss: weight of the foreground, the background having 1 - alpha; null: equal weights of one.
    #[schemars(range(min = 0, max = 1))]
    pub alpha: Option<f64>,
    /// Added to numerator and denominator of Dice, so that an empty class that stays empty has loss 0.
    #[schemars(range(min = 1e-12, max = 1000))]
    pub dice_smooth: Option<f64>,
    /// Whether Dice is taken over the whole batch, not per sample: for classes that many windows lack.
    pub dice_over_batch: Option<bool>,
    /// Whether probabilities and truth are squared in the denominator of Dice (Milletari et al. 2016).
    pub dice_squared: Option<bool>,
    /// Whether the first output of a softmax counts in the Dice loss.
    pub background: Option<bool>,
    /// Factors of the main logits, then of the deep ones, finest first; missing ones are 0.
    #[schemars(inner(range(min = 0, max = 1000)))]
    pub deep_weights: Option<Vec<f64>>,
}

impl LossTerms {
    /// The loss `name` with these numbers; cross-entropy spreads the share `label_smoothing` of a label over the
    /// classes.
    pub(super) fn of(&self, name: LossName, label_smoothing: f64) -> LossOptions {
        let mut loss = match name {
            LossName::DiceCrossEntropy | LossName::Dice | LossName::Focal => LossOptions::default(),
            LossName::SlabPaper => LossOptions::slab_paper(),
            LossName::Membrain => LossOptions::membrain(),
            LossName::Picker => LossOptions::picker(),
            LossName::Deepict => LossOptions::deepict(),
        };
        match name {
            LossName::Dice => loss.kind = LossKind::Dice,
            LossName::Focal => {
                loss.kind = LossKind::Focal {
                    gamma: self.gamma.unwrap_or(2.0),
                    alpha: self.alpha,
                };
            }
            _ => {}
        }
        if let LossKind::DiceCrossEntropy { dice, cross_entropy } = &mut loss.kind {
            *dice = self.dice.unwrap_or(*dice);
            *cross_entropy = self.cross_entropy.unwrap_or(*cross_entropy);
        }
        LossOptions {
            kind: loss.kind,
            label_smoothing,
            dice_smooth: self.dice_smooth.unwrap_or(loss.dice_smooth),
            dice_over_batch: self.dice_over_batch.unwrap_or(loss.dice_over_batch),
            dice_squared: self.dice_squared.unwrap_or(loss.dice_squared),
            background: self.background.unwrap_or(loss.background),
            deep_weights: self.deep_weights.clone().unwrap_or(loss.deep_weights),
        }
    }
}
