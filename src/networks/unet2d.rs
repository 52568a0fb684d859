//! The slab paper's membrane network: a 2D U-Net over whole slices, 1,813,474 parameters.
//!
//! Tensor names are those of the authors' checkpoints (their `net`). Coming back up is bilinear with aligned corners,
//! which stretches differently in windows of different sides: outputs depend on the window.
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::limits::{check_names, check_widths};
use super::{Activation, Logits, Pass, Reach, SegmentationNetwork};
use crate::runtime::{Error, Job, Result};
use crate::weights::{BatchNorm, Conv2d, FetchTensor, Scope};

/// Hyper-parameters of a [`Unet2d`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unet2dConfig {
    /// Channels of the input.
    pub in_channels: i64,
    /// Channels of each level, 2 to 8 levels.
    pub widths: Vec<i64>,
    /// Dropout rate of each level on the way down, 0..1; none on the way up.
    pub dropout: Vec<f64>,
    /// Names of the outputs, the background first.
    pub outputs: Vec<String>,
    /// Side of the windows, in pixels.
    pub window: i64,
    /// Pixels at each end of a window that are not kept, where the slice goes on there; None: a quarter of the window.
    #[serde(default)]
    pub margin: Option<i64>,
}

impl Default for Unet2dConfig {
    /// The authors' network, run on quadrants of 512 pixels that do not overlap.
    fn default() -> Self {
        Self {
            in_channels: 1,
            widths: vec![16, 32, 64, 128, 256],
            dropout: vec![0.05, 0.1, 0.2, 0.3, 0.5],
            outputs: ["background", "membrane"].map(str::to_owned).to_vec(),
            window: 512,
            margin: Some(0),
        }
    }
}

impl Unet2dConfig {
    fn validate(&self) -> Result<()> {
        check_widths("widths", &self.widths, 2..=8)?;
        check_widths("in_channels", &[self.in_channels], 1..=1)?;
        check_widths("window", &[self.window], 1..=1)?;
        if self
            .margin
            .is_some_and(|margin| margin < 0 || 2 * margin >= self.window)
        {
            let allowed = format!("must be 0 or more and below half of the window, {}", self.window);
            return Err(Error::argument("margin", self.margin.unwrap_or(0), &allowed));
        }
        check_names(&self.outputs)?;
        let rates = &self.dropout;
        if rates.len() == self.widths.len() && rates.iter().all(|rate| (0.0..1.0).contains(rate)) {
            return Ok(());
        }
        let allowed = format!("must be {} rates, each at least 0 and below 1", self.widths.len());
        Err(Error::argument("dropout", format!("{rates:?}"), &allowed))
    }
}

/// The network's weights.
pub struct Unet2d {
    config: Unet2dConfig,
    down: Vec<Block>,
    /// From the coarsest level to the finest: 1x1 convolution, block.
    up: Vec<(Conv2d, Block)>,
    head: Conv2d,
}

impl Unet2d {
    /// A network whose tensors are what `fetch(name, shape)` returns.
    ///
    /// Errors: a configuration out of range; whatever `fetch` fails with; a tensor of another shape.
    pub fn from_tensors(config: &Unet2dConfig, fetch: &mut FetchTensor) -> Result<Self> {
        Self::build(config, Scope::root(fetch))
    }

    pub(super) fn build(config: &Unet2dConfig, mut root: Scope) -> Result<Self> {
        config.validate()?;
        let widths = &config.widths;
        let mut down = Vec::new();
        for (level, &to) in widths.iter().enumerate() {
            let (scope, from) = match level {
                0 => (root.enter("encoder.in_conv"), config.in_channels),
                level => {
                    let scope = root.enter(format_args!("encoder.down{level}.maxpool_conv.1"));
                    (scope, widths[level - 1])
                }
            };
            down.push(Block::new(scope, from, to, config.dropout[level])?);
        }
        let mut up = Vec::new();
        for (n, level) in (0..widths.len() - 1).rev().enumerate() {
            let mut scope = root.enter(format_args!("decoder.up{}", n + 1));
            let (from, to) = (widths[level + 1], widths[level]);
            let narrow = Conv2d::new(scope.enter("conv1x1"), from, to, 1, 1, 0)?;
            up.push((narrow, Block::new(scope.enter("conv"), 2 * to, to, 0.0)?));
        }
        let outputs = config.outputs.len() as i64;
        Ok(Self {
            down,
            up,
            head: Conv2d::new(root.enter("decoder.out_conv"), widths[0], outputs, 3, 1, 1)?,
            config: config.clone(),
        })
    }

    /// The hyper-parameters.
    pub fn config(&self) -> &Unet2dConfig {
        &self.config
    }
}

impl SegmentationNetwork for Unet2d {
    fn dimensions(&self) -> usize {
        2
    }

    fn input_channels(&self) -> i64 {
        self.config.in_channels
    }

    fn outputs(&self) -> &[String] {
        &self.config.outputs
    }

    fn activation(&self) -> Activation {
        Activation::Softmax
    }

    fn divisor(&self) -> i64 {
        1 << (self.config.widths.len() - 1)
    }

    fn reach(&self) -> Reach {
        Reach::Window {
            side: self.config.window,
            margin: self.config.margin.unwrap_or(self.config.window / 4),
        }
    }

    fn forward(&self, x: &Tensor, pass: &mut Pass, job: &Job) -> Result<Logits> {
        self.check(x)?;
        let mut skips: Vec<Tensor> = Vec::new();
        for block in &self.down {
            let input = match skips.last() {
                None => x.shallow_clone(),
                Some(finer) => finer.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?,
            };
            skips.push(block.forward(&input, pass, job)?);
        }
        let Some(mut features) = skips.pop() else {
            return Err(Error::Internal("a 2D U-Net without levels".into()));
        };
        for (narrow, block) in &self.up {
            let Some(skip) = skips.pop() else {
                return Err(Error::Internal("a 2D U-Net with more ways up than down".into()));
            };
            let (_, _, rows, cols) = skip.size4()?;
            let doubled = narrow
                .forward(&features, job)?
                .f_upsample_bilinear2d([rows, cols], true, None, None)?;
            features = block.forward(&Tensor::f_cat(&[&skip, &doubled], 1)?, pass, job)?;
        }
        Ok(Logits {
            main: self.head.forward(&features, job)?,
            deep: Vec::new(),
        })
    }
}

/// Twice convolution, batch normalisation and rectifier, with dropout in the middle: tensors `conv_conv.{0,1,4,5}`.
struct Block {
    convolutions: [Conv2d; 2],
    norms: [BatchNorm; 2],
    dropout: f64,
}

impl Block {
    fn new(mut scope: Scope, from: i64, to: i64, dropout: f64) -> Result<Self> {
        let mut conv = |n: usize, from: i64| Conv2d::new(scope.enter(format_args!("conv_conv.{n}")), from, to, 3, 1, 1);
        let convolutions = [conv(0, from)?, conv(4, to)?];
        let mut norm = |n: usize| BatchNorm::new(scope.enter(format_args!("conv_conv.{n}")), to);
        Ok(Self {
            convolutions,
            norms: [norm(1)?, norm(5)?],
            dropout,
        })
    }

    fn forward(&self, x: &Tensor, pass: &mut Pass, job: &Job) -> Result<Tensor> {
        let mut x = x.shallow_clone();
        for (n, (conv, norm)) in self.convolutions.iter().zip(&self.norms).enumerate() {
            x = norm.forward(&conv.forward(&x, job)?, pass.is_training())?;
            // libtorch's slope below zero is 0.01, which is the authors'.
            x = x.f_leaky_relu()?;
            if n == 0 {
                x = pass.dropout(x, self.dropout)?;
            }
        }
        Ok(x)
    }
}
