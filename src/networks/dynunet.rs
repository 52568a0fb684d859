//! DynUNet: the U-Net of nnU-Net (Isensee et al. 2021) in MONAI's form, in three dimensions with kernels of 3^3.
//!
//! Level 0 keeps the extent, every further one halves it by a strided convolution; back up by transposed convolutions
//! of kernel 2, concatenated with the skip. Tensor names are MONAI's. Instance normalisation makes every output depend
//! on the whole window.
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::limits::{check_names, check_widths};
use super::{Activation, Logits, Pass, Reach, SegmentationNetwork};
use crate::runtime::{Error, Job, Result};
use crate::tensors::term;
use crate::weights::{Conv3d, Doubling3d, FetchTensor, InstanceNorm, Scope};

/// Hyper-parameters of a [`DynUnet`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DynUnetConfig {
    /// Channels of the input.
    pub in_channels: i64,
    /// Channels of each level, 3 to 8 levels.
    pub filters: Vec<i64>,
    /// Residual blocks on the way down (`res_block`).
    pub residual: bool,
    /// Heads on coarser levels for deep supervision, 0 to two less than the levels.
    pub deep_heads: usize,
    /// Names of the outputs, one sigmoid each.
    pub outputs: Vec<String>,
    /// Side of the training windows, in voxels.
    pub window: i64,
}

impl Default for DynUnetConfig {
    /// MemBrain-seg's: six levels of 32 to 1024 channels, two deep heads, one membrane logit, windows of 160.
    fn default() -> Self {
        Self {
            in_channels: 1,
            filters: vec![32, 64, 128, 256, 512, 1024],
            residual: true,
            deep_heads: 2,
            outputs: vec!["membrane".into()],
            window: 160,
        }
    }
}

impl DynUnetConfig {
    fn validate(&self) -> Result<()> {
        check_widths("filters", &self.filters, 3..=8)?;
        check_widths("in_channels", &[self.in_channels], 1..=1)?;
        check_widths("window", &[self.window], 1..=1)?;
        check_names(&self.outputs)?;
        let most = self.filters.len() - 2;
        if self.deep_heads > most {
            return Err(Error::argument(
                "deep_heads",
                self.deep_heads,
                &format!("must be 0..={most}"),
            ));
        }
        Ok(())
    }
}

/// The network's weights.
pub struct DynUnet {
    config: DynUnetConfig,
    /// From the finest level to the bottleneck.
    down: Vec<Block>,
    /// From the coarsest to the finest.
    up: Vec<Up>,
    head: Conv3d,
    /// For levels 1, 2, ..
    deep: Vec<Conv3d>,
}

impl DynUnet {
    /// A network whose tensors are what `fetch(name, shape)` returns, by MONAI's names.
    ///
    /// Errors: a configuration out of range; whatever `fetch` fails with; a tensor of another shape.
    pub fn from_tensors(config: &DynUnetConfig, fetch: &mut FetchTensor) -> Result<Self> {
        Self::build(config, Scope::root(fetch))
    }

    pub(super) fn build(config: &DynUnetConfig, mut root: Scope) -> Result<Self> {
        config.validate()?;
        let filters = &config.filters;
        let last = filters.len() - 1;
        let mut down = Vec::new();
        for (level, &to) in filters.iter().enumerate() {
            let scope = match level {
                0 => root.enter("input_block"),
                level if level == last => root.enter("bottleneck"),
                level => root.enter(format_args!("downsamples.{}", level - 1)),
            };
            let (from, stride) = match level {
                0 => (config.in_channels, 1),
                level => (filters[level - 1], 2),
            };
            down.push(Block::new(scope, from, to, stride, config.residual)?);
        }
        let mut up = Vec::new();
        for n in 0..last {
            let (from, to) = (filters[last - n], filters[last - n - 1]);
            up.push(Up::new(root.enter(format_args!("upsamples.{n}")), from, to)?);
        }
        let outputs = config.outputs.len() as i64;
        let mut head =
            |name: String, from: i64| Conv3d::new(root.enter(name + ".conv.conv"), from, outputs, 1, 1, true);
        Ok(Self {
            down,
            up,
            head: head("output_block".into(), filters[0])?,
            deep: (0..config.deep_heads)
                .map(|n| head(format!("deep_supervision_heads.{n}"), filters[n + 1]))
                .collect::<Result<_>>()?,
            config: config.clone(),
        })
    }

    /// The hyper-parameters.
    pub fn config(&self) -> &DynUnetConfig {
        &self.config
    }
}

impl SegmentationNetwork for DynUnet {
    fn dimensions(&self) -> usize {
        3
    }

    fn input_channels(&self) -> i64 {
        self.config.in_channels
    }

    fn outputs(&self) -> &[String] {
        &self.config.outputs
    }

    fn activation(&self) -> Activation {
        Activation::Sigmoid
    }

    fn divisor(&self) -> i64 {
        1 << (self.config.filters.len() - 1)
    }

    fn reach(&self) -> Reach {
        Reach::Window {
            side: self.config.window,
            // Outputs are best in the middle.
            margin: self.config.window / 4,
        }
    }

    fn forward(&self, x: &Tensor, pass: &mut Pass, job: &Job) -> Result<Logits> {
        self.check(x)?;
        let mut skips = Vec::new();
        let mut features = x.shallow_clone();
        for (level, block) in self.down.iter().enumerate() {
            features = block.forward(&features, job)?;
            if level + 1 < self.down.len() {
                skips.push(features.shallow_clone());
            }
        }
        let mut deep = Vec::new();
        for block in &self.up {
            let Some(skip) = skips.pop() else {
                return Err(Error::Internal("a DynUNet with more ways up than down".into()));
            };
            features = block.forward(&features, &skip, job)?;
            // The level that this came back to.
            let level = skips.len();
            if pass.is_training() && level > 0 && level <= self.deep.len() {
                let coarse = self.deep[level - 1].forward(&features, job)?;
                let (_, _, depth, rows, cols) = x.size5()?;
                deep.insert(0, coarse.f_upsample_nearest3d([depth, rows, cols], None, None, None)?);
            }
        }
        Ok(Logits {
            main: self.head.forward(&features, job)?,
            deep,
        })
    }
}

/// Convolution without bias, then normalisation: tensors `conv{n}.conv` and `norm{n}`.
struct Unit {
    conv: Conv3d,
    norm: InstanceNorm,
}

impl Unit {
    fn new(scope: &mut Scope, n: usize, from: i64, to: i64, kernel: i64, stride: i64) -> Result<Self> {
        let conv = scope.enter(format_args!("conv{n}.conv"));
        Ok(Self {
            conv: Conv3d::new(conv, from, to, kernel, stride, false)?,
            norm: InstanceNorm::new(scope.enter(format_args!("norm{n}")), to)?,
        })
    }

    fn forward(&self, x: &Tensor, job: &Job) -> Result<Tensor> {
        self.norm.forward(&self.conv.forward(x, job)?)
    }
}

/// Two units, with a shortcut around them where the network is residual.
struct Block {
    first: Unit,
    second: Unit,
    shortcut: Option<Shortcut>,
}

enum Shortcut {
    /// Same channels, same extent.
    Plain,
    Projection(Unit),
}

impl Block {
    fn new(mut scope: Scope, from: i64, to: i64, stride: i64, residual: bool) -> Result<Self> {
        Ok(Self {
            first: Unit::new(&mut scope, 1, from, to, 3, stride)?,
            second: Unit::new(&mut scope, 2, to, to, 3, 1)?,
            shortcut: match residual {
                false => None,
                true if from == to && stride == 1 => Some(Shortcut::Plain),
                true => Some(Shortcut::Projection(Unit::new(&mut scope, 3, from, to, 1, stride)?)),
            },
        })
    }

    fn forward(&self, x: &Tensor, job: &Job) -> Result<Tensor> {
        // libtorch's slope below zero is 0.01, which is MONAI's.
        let inner = self.first.forward(x, job)?.f_leaky_relu()?;
        let out = term(self.second.forward(&inner, job));
        let out = match &self.shortcut {
            None => out,
            Some(Shortcut::Plain) => out + x,
            Some(Shortcut::Projection(unit)) => out + unit.forward(x, job),
        };
        out.map(Tensor::f_leaky_relu).tensor()
    }
}

/// Doubling, concatenation with the skip, a block without shortcut.
struct Up {
    doubling: Doubling3d,
    block: Block,
}

impl Up {
    fn new(mut scope: Scope, from: i64, to: i64) -> Result<Self> {
        Ok(Self {
            doubling: Doubling3d::new(scope.enter("transp_conv.conv"), from, to, 2, false)?,
            block: Block::new(scope.enter("conv_block"), 2 * to, to, 1, false)?,
        })
    }

    fn forward(&self, x: &Tensor, skip: &Tensor, job: &Job) -> Result<Tensor> {
        let doubled = self.doubling.forward(x, job)?;
        self.block.forward(&Tensor::f_cat(&[&doubled, skip], 1)?, job)
    }
}
