//! Losses of segmentation networks: Dice (Milletari et al. 2016), cross-entropy, focal (Lin et al. 2017), their weights
//! and what they leave out.
//!
//! Every term is an average over weighted voxels: a weight of 0 leaves a voxel out (outside the slab, beside a label
//! that nobody is sure of), any other is the confidence in its label. Numbers follow MONAI 1.6 where all weights are
//! one.
use tch::{Kind, Tensor};

use crate::networks::{Activation, Logits};
use crate::runtime::{Error, Result};
use crate::tensors::{from_slice, term, Term};

/// Which loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LossKind {
    /// `dice` times the Dice loss plus `cross_entropy` times the cross-entropy.
    DiceCrossEntropy {
        /// Factor of the Dice loss, 0..=1000.
        dice: f64,
        /// Factor of the cross-entropy, 0..=1000.
        cross_entropy: f64,
    },
    /// The Dice loss alone.
    Dice,
    /// Cross-entropy, in which voxels that are right already count little.
    Focal {
        /// Power of the probability that is missing, 0..=10; 2 in the paper.
        gamma: f64,
        /// Weight of the foreground, the background having 1 - alpha, 0..=1; none for equal weights of one.
        alpha: Option<f64>,
    },
}

/// Settings of [`segmentation_loss`].
#[derive(Clone, Debug, PartialEq)]
pub struct LossOptions {
    /// Which loss.
    pub kind: LossKind,
    /// Share of a label that cross-entropy spreads evenly over the classes, 0..1: for labels that are wrong now and
    /// then.
    pub label_smoothing: f64,
    /// Added to numerator and denominator of Dice, 1e-12..=1e3, so that an empty class that stays empty has loss 0.
    pub dice_smooth: f64,
    /// Dice over the whole batch, not per sample: for classes that many windows lack.
    pub dice_over_batch: bool,
    /// Squares of probabilities and truth in the denominator of Dice: as Milletari et al. and DeePiCt have it.
    pub dice_squared: bool,
    /// Whether the first output of a softmax counts in the Dice loss.
    pub background: bool,
    /// Factors of the main logits, then of the deep ones, finest first; missing ones are 0.
    pub deep_weights: Vec<f64>,
}

impl Default for LossOptions {
    /// Dice plus cross-entropy, Dice over the batch.
    fn default() -> Self {
        Self {
            kind: LossKind::DiceCrossEntropy {
                dice: 1.0,
                cross_entropy: 1.0,
            },
            label_smoothing: 0.0,
            dice_smooth: 1e-5,
            dice_over_batch: true,
            dice_squared: false,
            background: true,
            deep_weights: vec![1.0],
        }
    }
}

impl LossOptions {
    /// The slab paper's: half Dice, half cross-entropy, per slice and class, background included.
    pub fn slab_paper() -> Self {
        Self {
            kind: LossKind::DiceCrossEntropy {
                dice: 0.5,
                cross_entropy: 0.5,
            },
            dice_over_batch: false,
            ..Self::default()
        }
    }

    /// MemBrain-seg's: Dice plus cross-entropy per window, with deep supervision.
    pub fn membrain() -> Self {
        Self {
            dice_over_batch: false,
            deep_weights: vec![1.0, 0.5, 0.25, 0.125, 0.0675],
            ..Self::default()
        }
    }

    /// DeepETPicker's: Dice over the batch, smoothed by one voxel.
    pub fn picker() -> Self {
        Self {
            kind: LossKind::Dice,
            dice_smooth: 1.0,
            ..Self::default()
        }
    }

    /// DeePiCt's: Dice over the batch with squares in its denominator.
    pub fn deepict() -> Self {
        Self {
            kind: LossKind::Dice,
            dice_squared: true,
            ..Self::default()
        }
    }
}

/// What a network should have said.
pub struct Target<'a> {
    /// Probability of each output, 0..=1, of the logits' shape [B, C, ..]; for a softmax they sum to one.
    pub truth: &'a Tensor,
    /// Confidence of each label, 0 to leave it out: [B, 1, ..], or [B, C, ..] for sigmoids. None for ones.
    pub weight: Option<&'a Tensor>,
}

/// The loss of `logits`, a scalar of the logits' graph.
///
/// Errors: shapes that do not fit, factors that are all 0. Where every weight is 0 the loss is 0.
pub fn segmentation_loss(
    logits: &Logits,
    activation: Activation,
    target: &Target,
    options: &LossOptions,
) -> Result<Tensor> {
    if activation == Activation::Picture {
        let text = "outputs that are pictures have no logits to be compared".to_owned();
        return Err(Error::Unsupported(text));
    }
    let mut sum: Option<Tensor> = None;
    let all = std::iter::once(&logits.main).chain(&logits.deep);
    for (logits, factor) in all.zip(&options.deep_weights).filter(|(_, factor)| **factor > 0.0) {
        let loss = Terms::new(logits, activation, target, options)?
            .loss()?
            .f_mul_scalar(*factor)?;
        sum = Some(match sum {
            Some(sum) => sum.f_add(&loss)?,
            None => loss,
        });
    }
    sum.ok_or_else(|| {
        Error::argument(
            "deep_weights",
            format!("{:?}", options.deep_weights),
            "must not be all 0",
        )
    })
}

/// One level's logits and its labels.
struct Terms<'a> {
    logits: &'a Tensor,
    truth: &'a Tensor,
    /// Broadcasts over the truth.
    weight: Option<&'a Tensor>,
    activation: Activation,
    options: &'a LossOptions,
    /// Axes after the channels.
    space: Vec<i64>,
    classes: i64,
}

impl<'a> Terms<'a> {
    fn new(logits: &'a Tensor, activation: Activation, target: &Target<'a>, options: &'a LossOptions) -> Result<Self> {
        let size = logits.size();
        if size.len() < 3 || target.truth.size() != size {
            let allowed = format!("must be the logits' {size:?}, [B, C, ..]");
            return Err(Error::argument("truth", format!("{:?}", target.truth.size()), &allowed));
        }
        if let Some(weight) = target.weight {
            let mut shared = size.clone();
            shared[1] = 1;
            let per_output = activation == Activation::Sigmoid && weight.size() == size;
            if weight.size() != shared && !per_output {
                let allowed = format!("must be {shared:?} (or {size:?} for sigmoids)");
                return Err(Error::argument("weight", format!("{:?}", weight.size()), &allowed));
            }
        }
        Ok(Self {
            logits,
            truth: target.truth,
            weight: target.weight,
            activation,
            options,
            space: (2..size.len() as i64).collect(),
            classes: size[1],
        })
    }

    fn loss(&self) -> Result<Tensor> {
        match self.options.kind {
            LossKind::Dice => self.dice(),
            LossKind::Focal { gamma, alpha } => self.focal(gamma, alpha),
            LossKind::DiceCrossEntropy { dice, cross_entropy } => {
                (dice * term(self.dice()) + cross_entropy * term(self.cross_entropy())).tensor()
            }
        }
    }

    /// 1 - (2 sum w p t + s) / (sum w p + sum w t + s), averaged over classes and, unless over the batch, samples; p^2
    /// and t^2 in the denominator where squares are asked for.
    fn dice(&self) -> Result<Tensor> {
        let mut p = self.activation.probabilities(self.logits)?;
        let mut t = self.truth.shallow_clone();
        if self.activation == Activation::Softmax && !self.options.background && self.classes > 1 {
            p = p.f_narrow(1, 1, self.classes - 1)?;
            t = t.f_narrow(1, 1, self.classes - 1)?;
        }
        let truth = t.shallow_clone();
        if let Some(weight) = self.weight {
            // Each of the sums has the weight once.
            t = t.f_mul(weight)?;
        }
        let mut axes = self.space.clone();
        if self.options.dice_over_batch {
            axes.insert(0, 0);
        }
        let sum = |x: Term<'static>| x.map(|x| x.f_sum_dim_intlist(axes.as_slice(), false, None::<Kind>));
        let overlap = sum(term(&p) * &t);
        if self.options.dice_squared {
            (p, t) = (p.f_square()?, (term(t) * truth).tensor()?);
        }
        let predicted = match self.weight {
            Some(weight) => sum(term(p) * weight),
            None => sum(term(p)),
        };
        let smooth = self.options.dice_smooth;
        let dice = (2.0 * overlap + smooth) / (predicted + sum(term(t)) + smooth);
        (1.0 - dice).map(|x| x.f_mean(None::<Kind>)).tensor()
    }

    fn cross_entropy(&self) -> Result<Tensor> {
        let smoothing = self.options.label_smoothing;
        let classes = match self.activation {
            Activation::Sigmoid | Activation::Picture => 2,
            Activation::Softmax => self.classes,
        };
        let truth = (term(self.truth) * (1.0 - smoothing) + smoothing / classes as f64).tensor()?;
        match self.activation {
            Activation::Sigmoid | Activation::Picture => self.average(&binary_cross_entropy(self.logits, &truth)?),
            Activation::Softmax => {
                let log = term(self.logits.f_log_softmax(1, None::<Kind>));
                self.average(&(-(log * truth).sum_along(1)).tensor()?)
            }
        }
    }

    fn focal(&self, gamma: f64, alpha: Option<f64>) -> Result<Tensor> {
        let t = self.truth;
        let per_output = match self.activation {
            Activation::Sigmoid | Activation::Picture => {
                // log of the probability that is missing: of -x where the label is one, of x where it is zero.
                let sign = -2.0 * term(t) + 1.0;
                let missing = (term(self.logits) * sign).map(Tensor::f_log_sigmoid);
                let loss = (gamma * missing).exp() * binary_cross_entropy(self.logits, t);
                match alpha {
                    Some(alpha) => loss * ((2.0 * alpha - 1.0) * term(t) + (1.0 - alpha)),
                    None => loss,
                }
            }
            Activation::Softmax => {
                let log = self.logits.f_log_softmax(1, None::<Kind>)?;
                // Above zero, where powers below one have no finite slope.
                let missing = (1.0 - term(&log).exp()).tensor()?.f_clamp_min(1e-9)?;
                let loss = -(term(missing.f_pow_tensor_scalar(gamma)) * log * t);
                match alpha {
                    Some(alpha) => {
                        let factor = |class: i64| if class == 0 { 1.0 - alpha } else { alpha } as f32;
                        let factors: Vec<f32> = (0..self.classes).map(factor).collect();
                        let mut shape = vec![1; self.space.len() + 2];
                        shape[1] = factors.len();
                        loss * from_slice(&factors, shape)?.f_to_device(self.logits.device())
                    }
                    None => loss,
                }
            }
        };
        self.average(&per_output.tensor()?)
    }

    /// sum w x / sum w over all of `x`.
    fn average(&self, x: &Tensor) -> Result<Tensor> {
        let Some(weight) = self.weight else {
            return Ok(x.f_mean(None::<Kind>)?);
        };
        let weight = weight.f_expand_as(x)?;
        // Weights come from outside: none at all must not make the loss NaN.
        let total = weight.f_sum(None::<Kind>)?.f_clamp_min(1e-12)?;
        let sum = (term(x) * weight).map(|x| x.f_sum(None::<Kind>));
        (sum / total).tensor()
    }
}

/// -t log p - (1 - t) log(1 - p) of the logits `x`, without overflow.
fn binary_cross_entropy(x: &Tensor, t: &Tensor) -> Result<Tensor> {
    // (1 - t) x - log p.
    ((1.0 - term(t)) * x - x.f_log_sigmoid()).tensor()
}
