//! The default network's layers.
use tch::Tensor;

use super::CompactConfig;
use crate::networks::segmentation::{check_margin, crop};
use crate::networks::{Activation, Logits, Pass, Reach, SegmentationNetwork};
use crate::runtime::{Error, Job, Result};
use crate::tensors::term;
use crate::weights::{Conv3d, FetchTensor, Scope};

/// The network's weights.
pub struct CompactUnet {
    config: CompactConfig,
    stem: Conv3d,
    levels: Vec<Level>,
    head: Conv3d,
}

/// One level: its blocks, and the way to the next coarser one and back, where there is one.
struct Level {
    down: Vec<Block>,
    coarser: Option<(Conv3d, Conv3d)>,
    up: Vec<Block>,
}

impl CompactUnet {
    /// A network whose tensors are what `fetch(name, shape)` returns.
    ///
    /// Errors: a configuration out of range; whatever `fetch` fails with; a tensor of another shape.
    pub fn from_tensors(config: &CompactConfig, fetch: &mut FetchTensor) -> Result<Self> {
        Self::build(config, Scope::root(fetch))
    }

    pub(in crate::networks) fn build(config: &CompactConfig, mut root: Scope) -> Result<Self> {
        config.validate()?;
        let widths = &config.widths;
        let stem = Conv3d::new(root.enter("stem"), 8 * config.in_channels, widths[0], 3, 1, true)?;
        let mut levels = Vec::new();
        for (level, &width) in widths.iter().enumerate() {
            let mut scope = root.enter(format_args!("levels.{level}"));
            let mut blocks = |name: &str, count: usize| -> Result<Vec<Block>> {
                let block = |n| Block::new(scope.enter(format_args!("{name}.{n}")), width);
                (0..count).map(block).collect()
            };
            let down = blocks("down", config.blocks_down[level])?;
            let up = blocks("up", config.blocks_up.get(level).copied().unwrap_or(0))?;
            let coarser = match widths.get(level + 1) {
                Some(&next) => Some((
                    Conv3d::new(scope.enter("to_coarser"), width, next, 2, 2, true)?,
                    Conv3d::new(scope.enter("from_coarser"), next, 8 * width, 1, 1, true)?,
                )),
                None => None,
            };
            levels.push(Level { down, coarser, up });
        }
        let outputs = config.outputs.len() as i64;
        Ok(Self {
            stem,
            levels,
            head: Conv3d::new(root.enter("head"), widths[0], 8 * outputs, 1, 1, true)?,
            config: config.clone(),
        })
    }

    /// The hyper-parameters.
    pub fn config(&self) -> &CompactConfig {
        &self.config
    }

    fn inner(&self, x: &Tensor, margin: Margin, job: &Job) -> Result<Tensor> {
        let want = margin.map(|(before, after)| (before / 2, after / 2));
        // The stem needs one cell around what the first level needs.
        let first = spare(entry(&self.levels, want), 1);
        let x = crop(x, first.map(|(before, after)| (2 * before, 2 * after)))?;
        let cells = self.stem.forward(&gather(&x)?, job)?;
        let features = run(&self.levels, cells, first, want, job)?;
        let spread = spread(&self.head.forward(&relu(features)?, job)?)?;
        // What is left of odd margins.
        let rest = margin.map(|(before, after)| (before % 2, after % 2));
        Ok(crop(&spread, rest)?.f_contiguous()?)
    }
}

impl SegmentationNetwork for CompactUnet {
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
        self.config.divisor()
    }

    fn reach(&self) -> Reach {
        Reach::Halo(self.config.halo())
    }

    fn forward(&self, x: &Tensor, _pass: &mut Pass, job: &Job) -> Result<Logits> {
        self.check(x)?;
        Ok(Logits {
            main: self.inner(x, [(0, 0); 3], job)?,
            deep: Vec::new(),
        })
    }

    fn forward_inner(&self, x: &Tensor, margin: [(i64, i64); 3], job: &Job) -> Result<Tensor> {
        self.check(x)?;
        check_margin(x, margin)?;
        self.inner(x, margin, job)
    }
}

/// Cells, before and after along (z, y, x), that are left out.
type Margin = [(i64, i64); 3];

/// What of `margin` may be left out before something that looks `reach` cells around itself.
fn spare(margin: Margin, reach: i64) -> Margin {
    margin.map(|(before, after)| ((before - reach).max(0), (after - reach).max(0)))
}

fn less(margin: Margin, done: Margin) -> Margin {
    std::array::from_fn(|axis| (margin[axis].0 - done[axis].0, margin[axis].1 - done[axis].1))
}

/// Cells around themselves that residual blocks look at.
fn reach(blocks: &[Block]) -> i64 {
    blocks.len() as i64
}

/// What may be left out before the first of `levels` where `want` is to be left out after it, in cells of that level.
fn entry(levels: &[Level], want: Margin) -> Margin {
    let Some((level, coarser)) = levels.split_first() else {
        return want;
    };
    spare(after_down(level, coarser, want), reach(&level.down))
}

/// The same between the way down of `level` and what follows it.
fn after_down(level: &Level, coarser: &[Level], want: Margin) -> Margin {
    if level.coarser.is_none() {
        return want;
    }
    let below = spare(want, reach(&level.up)).map(|(before, after)| (before / 2, after / 2));
    entry(coarser, below).map(|(before, after)| (2 * before, 2 * after))
}

/// `x`, which lacks `done`, through `blocks`, without `want`: each block leaves out what those after it do not need.
fn through(blocks: &[Block], mut x: Tensor, mut done: Margin, want: Margin, job: &Job) -> Result<Tensor> {
    for (n, block) in blocks.iter().enumerate() {
        let now = spare(want, reach(&blocks[n..]));
        x = block.forward(crop(&x, less(now, done))?, job)?;
        done = now;
    }
    crop(&x, less(want, done))
}

/// `x`, which lacks the margin `done`, through `levels`, of which the first is its own, without the margin `want`. All
/// margins are counted from the whole window in cells of that level, so that halving them says where a coarser cell
/// begins.
fn run(levels: &[Level], x: Tensor, done: Margin, want: Margin, job: &Job) -> Result<Tensor> {
    let Some((level, coarser_levels)) = levels.split_first() else {
        return Err(Error::Internal("a compact U-Net without levels".into()));
    };
    let down = after_down(level, coarser_levels, want);
    let x = through(&level.down, x, done, down, job)?;
    let Some((to_coarser, from_coarser)) = &level.coarser else {
        return Ok(x);
    };
    let half = |margin: Margin| margin.map(|(before, after)| (before / 2, after / 2));
    let before_up = spare(want, reach(&level.up));
    let below = half(before_up);
    let coarse = run(coarser_levels, to_coarser.forward(&x, job)?, half(down), below, job)?;
    let odd = before_up.map(|(before, after)| (before % 2, after % 2));
    let returned = crop(&spread(&from_coarser.forward(&coarse, job)?)?, odd)?;
    drop(coarse);
    let sum = (term(crop(&x, less(before_up, down))) + returned).tensor()?;
    drop(x);
    through(&level.up, sum, before_up, want, job)
}

/// x + scale * second(relu(first(relu(x)))).
struct Block {
    first: Conv3d,
    second: Conv3d,
    scale: Tensor,
}

impl Block {
    fn new(mut scope: Scope, width: i64) -> Result<Self> {
        Ok(Self {
            first: Conv3d::new(scope.enter("first"), width, width, 3, 1, true)?,
            second: Conv3d::new(scope.enter("second"), width, width, 1, 1, true)?,
            scale: scope.tensor("scale", &[width])?,
        })
    }

    /// `x`, whole or a part of a tensor, is written over where no gradients are asked for.
    fn forward(&self, mut x: Tensor, job: &Job) -> Result<Tensor> {
        let inner = self.first.forward(&x.f_relu()?, job)?;
        let branch = self.second.forward(&relu(inner)?, job)?;
        let scale = self.scale.f_view([1, -1, 1, 1, 1])?;
        if x.requires_grad() || branch.requires_grad() || scale.requires_grad() {
            return Ok(x.f_addcmul(&branch, &scale)?);
        }
        // Both are this network's own: no third volume is needed.
        let _ = x.f_addcmul_(&branch, &scale)?;
        Ok(x)
    }
}

/// ReLU of a tensor that nobody else needs.
fn relu(mut x: Tensor) -> Result<Tensor> {
    Ok(if x.requires_grad() { x.f_relu()? } else { x.f_relu_()? })
}

/// Cells of 2 x 2 x 2 voxels into channels: [B, C, 2z, 2y, 2x] to [B, 8 C, z, y, x], channel 8 c + 4 dz + 2 dy + dx.
/// Channels lie innermost in memory, which the CPU's convolutions are fastest with and pass on.
fn gather(x: &Tensor) -> Result<Tensor> {
    let (batch, channels, depth, rows, cols) = x.size5()?;
    let (depth, rows, cols) = (depth / 2, rows / 2, cols / 2);
    Ok(x.f_reshape([batch, channels, depth, 2, rows, 2, cols, 2])?
        .f_permute([0, 2, 4, 6, 1, 3, 5, 7])?
        .f_reshape([batch, depth, rows, cols, 8 * channels])?
        .f_permute([0, 4, 1, 2, 3])?)
}

/// Channels out to 2 x 2 x 2 finer cells: [B, 8 C, z, y, x] to [B, C, 2z, 2y, 2x], from channel (4 dz + 2 dy + dx) C +
/// c.
fn spread(x: &Tensor) -> Result<Tensor> {
    let (batch, channels, depth, rows, cols) = x.size5()?;
    let channels = channels / 8;
    Ok(x.f_permute([0, 2, 3, 4, 1])?
        .f_reshape([batch, depth, rows, cols, 2, 2, 2, channels])?
        .f_permute([0, 1, 4, 2, 5, 3, 6, 7])?
        .f_reshape([batch, 2 * depth, 2 * rows, 2 * cols, channels])?
        .f_permute([0, 4, 1, 2, 3])?)
}
