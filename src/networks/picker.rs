//! DeepETPicker's residual U-Net (Liu et al. 2024): coordinates and a pyramid of the input beside the features.
//!
//! Every block sees, beside its features, three channels with the position x, y, z within the window, -1..=1; those on
//! the way down also the input averaged to their extent. Outputs hence depend on the window; the original runs windows
//! of 72 voxels and keeps the middle 48. Tensor names follow pytorch-3dunet, from which the original's layers come.
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::limits::{check_names, check_widths};
use super::{Activation, Logits, Pass, Reach, SegmentationNetwork};
use crate::runtime::{Error, Job, Result};
use crate::tensors::term;
use crate::weights::{BatchNorm, Conv3d, Doubling3d, FetchTensor, Scope};

/// Channels with coordinates.
const COORDINATES: i64 = 3;

/// Windows over the voxels at each end that are not kept: of 72 the middle 48 are.
const MARGIN: i64 = 6;

/// Hyper-parameters of a [`Picker`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PickerConfig {
    /// Channels of each level, 2 to 8 levels.
    pub maps: Vec<i64>,
    /// Names of the outputs: one class (sigmoid), or "background" and the classes (softmax).
    pub outputs: Vec<String>,
    /// Side of the training windows, in voxels.
    pub window: i64,
}

impl Default for PickerConfig {
    /// The published network: 24, 48, 72, 108 channels, one class, windows of 72.
    fn default() -> Self {
        Self {
            maps: vec![24, 48, 72, 108],
            outputs: vec!["molecule".into()],
            window: 72,
        }
    }
}

/// The network's weights.
pub struct Picker {
    config: PickerConfig,
    encoders: Vec<Block>,
    /// From the coarsest level to the finest.
    decoders: Vec<(Doubling3d, Block)>,
    head: Conv3d,
}

impl Picker {
    /// A network whose tensors are what `fetch(name, shape)` returns.
    ///
    /// Errors: a configuration out of range; whatever `fetch` fails with; a tensor of another shape.
    pub fn from_tensors(config: &PickerConfig, fetch: &mut FetchTensor) -> Result<Self> {
        Self::build(config, Scope::root(fetch))
    }

    pub(super) fn build(config: &PickerConfig, mut root: Scope) -> Result<Self> {
        check_widths("maps", &config.maps, 2..=8)?;
        check_widths("window", &[config.window], 1..=1)?;
        check_names(&config.outputs)?;
        let maps = &config.maps;
        let mut encoders = Vec::new();
        for (level, &to) in maps.iter().enumerate() {
            let from = if level == 0 { 0 } else { maps[level - 1] };
            let scope = root.enter(format_args!("encoders.{level}.basic_module"));
            encoders.push(Block::new(scope, from + 1 + COORDINATES, to)?);
        }
        let mut decoders = Vec::new();
        for (n, level) in (0..maps.len() - 1).rev().enumerate() {
            let mut scope = root.enter(format_args!("decoders.{n}"));
            let (from, to) = (maps[level + 1], maps[level]);
            let doubling = Doubling3d::new(scope.enter("upsampling.upsample"), from, to, 3, true)?;
            let block = Block::new(scope.enter("basic_module"), to + COORDINATES, to)?;
            decoders.push((doubling, block));
        }
        let outputs = config.outputs.len() as i64;
        Ok(Self {
            encoders,
            decoders,
            head: Conv3d::new(root.enter("final_conv"), maps[0], outputs, 1, 1, true)?,
            config: config.clone(),
        })
    }

    /// The hyper-parameters.
    pub fn config(&self) -> &PickerConfig {
        &self.config
    }
}

impl SegmentationNetwork for Picker {
    fn dimensions(&self) -> usize {
        3
    }

    fn input_channels(&self) -> i64 {
        1
    }

    fn outputs(&self) -> &[String] {
        &self.config.outputs
    }

    fn activation(&self) -> Activation {
        match self.config.outputs.len() {
            1 => Activation::Sigmoid,
            _ => Activation::Softmax,
        }
    }

    fn divisor(&self) -> i64 {
        1 << (self.config.maps.len() - 1)
    }

    fn reach(&self) -> Reach {
        Reach::Window {
            side: self.config.window,
            margin: self.config.window / MARGIN,
        }
    }

    fn forward(&self, x: &Tensor, pass: &mut Pass, job: &Job) -> Result<Logits> {
        self.check(x)?;
        let training = pass.is_training();
        let mut image = x.shallow_clone();
        let mut skips: Vec<Tensor> = Vec::new();
        for block in &self.encoders {
            let parts = match skips.last() {
                None => vec![image.shallow_clone(), coordinates(&image)?],
                Some(finer) => {
                    image = halve(&image)?;
                    vec![halve(finer)?, image.shallow_clone(), coordinates(&image)?]
                }
            };
            skips.push(block.forward(&Tensor::f_cat(&parts, 1)?, training, job)?);
        }
        let Some(mut features) = skips.pop() else {
            return Err(Error::Internal("a picker without levels".into()));
        };
        for (doubling, block) in &self.decoders {
            let Some(skip) = skips.pop() else {
                return Err(Error::Internal("a picker with more ways up than down".into()));
            };
            let sum = (term(doubling.forward(&features, job)) + skip).tensor()?;
            let input = Tensor::f_cat(&[&sum, &coordinates(&sum)?], 1)?;
            features = block.forward(&input, training, job)?;
        }
        Ok(Logits {
            main: self.head.forward(&features, job)?,
            deep: Vec::new(),
        })
    }
}

/// Mean over cells of 2 x 2 x 2.
fn halve(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_avg_pool3d([2, 2, 2], [2, 2, 2], [0, 0, 0], false, true, None)?)
}

/// Positions x, y, z of the voxels of `x`, from -1 at the first to 1 at the last: [B, 3, z, y, x].
fn coordinates(x: &Tensor) -> Result<Tensor> {
    let (batch, _, depth, rows, cols) = x.size5()?;
    let line = |length: i64, shape: [i64; 5]| -> Result<Tensor> {
        let line = Tensor::f_linspace(-1.0, 1.0, length, (x.kind(), x.device()))?;
        Ok(line.f_view(shape)?.f_expand([batch, 1, depth, rows, cols], false)?)
    };
    let parts = [
        line(cols, [1, 1, 1, 1, cols])?,
        line(rows, [1, 1, 1, rows, 1])?,
        line(depth, [1, 1, depth, 1, 1])?,
    ];
    Ok(Tensor::f_cat(&parts, 1)?)
}

/// Three units; the first's output is the shortcut around the others.
struct Block {
    units: [Unit; 3],
}

impl Block {
    fn new(mut scope: Scope, from: i64, to: i64) -> Result<Self> {
        let mut unit = |n: usize, from: i64| Unit::new(scope.enter(format_args!("conv{n}")), from, to);
        Ok(Self {
            units: [unit(1, from)?, unit(2, to)?, unit(3, to)?],
        })
    }

    fn forward(&self, x: &Tensor, training: bool, job: &Job) -> Result<Tensor> {
        let [first, second, third] = &self.units;
        let start = first.forward(x, training, job)?.f_relu()?;
        let inner = second.forward(&start, training, job)?.f_relu()?;
        let end = third.forward(&inner, training, job)?;
        (term(end) + start).map(Tensor::f_elu).tensor()
    }
}

/// Convolution and batch normalisation.
struct Unit {
    conv: Conv3d,
    norm: BatchNorm,
}

impl Unit {
    fn new(mut scope: Scope, from: i64, to: i64) -> Result<Self> {
        Ok(Self {
            conv: Conv3d::new(scope.enter("conv"), from, to, 3, 1, true)?,
            norm: BatchNorm::new(scope.enter("batchnorm"), to)?,
        })
    }

    fn forward(&self, x: &Tensor, training: bool, job: &Job) -> Result<Tensor> {
        self.norm.forward(&self.conv.forward(x, job)?, training)
    }
}
