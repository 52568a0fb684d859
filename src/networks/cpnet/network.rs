//! CPnet, CellPose's residual U-Net with a style vector (Stringer et al. 2021, figure 1), at inference.
use tch::Tensor;

use crate::runtime::{Error, Job, Result};
use crate::tensors::term;
use crate::weights::{BatchNorm, Conv2d, FetchTensor, Linear, Scope};

/// Channels of the output: flow down, flow right, cell probability.
const OUTPUTS: i64 = 3;

/// Widths of a [`Cpnet`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpnetConfig {
    /// Channels of the image, then of each level from the finest to the coarsest (cellpose's `nbase`).
    pub nbase: Vec<i64>,
}

impl Default for CpnetConfig {
    /// The published models: two image channels, four levels.
    fn default() -> Self {
        Self {
            nbase: vec![2, 32, 64, 128, 256],
        }
    }
}

impl CpnetConfig {
    fn validate(&self) -> Result<()> {
        let allowed = "must be the channels of the image and of 1 to 8 levels, each 1..=65536";
        if (2..=9).contains(&self.nbase.len()) && self.nbase.iter().all(|width| (1..=65536).contains(width)) {
            Ok(())
        } else {
            Err(Error::argument("nbase", format!("{:?}", self.nbase), allowed))
        }
    }

    /// Levels of the network.
    fn levels(&self) -> usize {
        self.nbase.len() - 1
    }

    /// Multiple of pixels that both sides of an image must be: every level but the first halves it.
    pub fn granularity(&self) -> i64 {
        1 << (self.levels() - 1)
    }
}

/// Output of a [`Cpnet`] for a batch of images.
#[derive(Debug)]
pub struct CpnetOutput {
    /// [B, 3, h, w]: flow along y, flow along x (both five times the unit vector that was trained), logit of the cell
    /// probability.
    pub maps: Tensor,
    /// [B, width of the coarsest level], of unit length: the style of the image.
    pub style: Tensor,
}

/// The network's weights.
pub struct Cpnet {
    config: CpnetConfig,
    down: Vec<Down>,
    /// From the finest level to the coarsest, as the file counts them.
    up: Vec<Up>,
    output: Unit,
}

/// Every tensor of a CPnet of this configuration: its name in cellpose's state dict and its shape. The counters
/// `num_batches_tracked` and the diameters, which are no part of the network, are left out.
pub fn cpnet_tensor_shapes(config: &CpnetConfig) -> Result<Vec<(String, Vec<i64>)>> {
    let mut list = Vec::new();
    let mut record = |name: &str, shape: &[i64]| {
        list.push((name.to_owned(), shape.to_vec()));
        Ok(Tensor::new())
    };
    Cpnet::build(config, Scope::listing(&mut record))?;
    Ok(list)
}

impl Cpnet {
    /// A CPnet whose tensors are what `fetch(name, shape)` returns, as [`cpnet_tensor_shapes`] lists them.
    ///
    /// Errors: widths out of range; whatever `fetch` fails with; a tensor of another shape.
    pub fn from_tensors(config: &CpnetConfig, fetch: &mut FetchTensor) -> Result<Self> {
        Self::build(config, Scope::root(fetch))
    }

    fn build(config: &CpnetConfig, mut root: Scope) -> Result<Self> {
        config.validate()?;
        let nbase = &config.nbase;
        let style = nbase[config.levels()];
        let mut down = Vec::new();
        for level in 0..config.levels() {
            let scope = root.enter(format_args!("downsample.down.res_down_{level}"));
            down.push(Down::new(scope, nbase[level], nbase[level + 1])?);
        }
        let mut up = Vec::new();
        for level in 0..config.levels() {
            let scope = root.enter(format_args!("upsample.up.res_up_{level}"));
            let from = nbase[(level + 2).min(config.levels())];
            up.push(Up::new(scope, from, nbase[level + 1], style)?);
        }
        Ok(Self {
            down,
            up,
            output: Unit::rectified(root.enter("output"), nbase[1], OUTPUTS, 1)?,
            config: config.clone(),
        })
    }

    /// The widths.
    pub fn config(&self) -> &CpnetConfig {
        &self.config
    }

    /// `images` (B, first of `nbase`, h, w), both sides multiples of [`CpnetConfig::granularity`].
    ///
    /// Errors: other shapes, cancel, out of memory.
    pub fn forward(&self, images: &Tensor, job: &Job) -> Result<CpnetOutput> {
        let (_, channels, rows, cols) = images.size4()?;
        let step = self.config.granularity();
        if channels != self.config.nbase[0] || rows < step || cols < step || rows % step != 0 || cols % step != 0 {
            return Err(Error::argument(
                "images",
                format!("{:?}", images.size()),
                &format!(
                    "must be [B, {}, h, w] with sides that {step} divides",
                    self.config.nbase[0]
                ),
            ));
        }
        let mut levels: Vec<Tensor> = Vec::new();
        for block in &self.down {
            let level = match levels.last() {
                Some(finer) => block.forward(&finer.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?, job)?,
                None => block.forward(images, job)?,
            };
            levels.push(level);
        }
        let Some(coarsest) = levels.last() else {
            return Err(Error::Internal("a CPnet without levels".into()));
        };
        let mean = coarsest.f_mean_dim([2_i64, 3].as_slice(), false, None)?;
        let length = term(&mean).square().sum_along(1).sqrt();
        let style = (term(&mean) / length).tensor()?;
        let mut x = coarsest.shallow_clone();
        for (level, block) in self.up.iter().enumerate().rev() {
            let skip = &levels[level];
            let (_, _, rows, cols) = skip.size4()?;
            if x.size4()?.2 != rows {
                x = x.f_upsample_nearest2d([rows, cols], None, None)?;
            }
            x = block.forward(&x, skip, &style, job)?;
            // The finer skips are still needed, this one is not.
            levels.truncate(level);
        }
        Ok(CpnetOutput {
            maps: self.output.forward(&x, job)?,
            style,
        })
    }
}

/// Batch normalisation, ReLU (not in projections), convolution.
struct Unit {
    norm: BatchNorm,
    rectified: bool,
    conv: Conv2d,
}

impl Unit {
    /// cellpose's `batchconv`: tensors `0` and `2`.
    fn rectified(mut scope: Scope, from: i64, to: i64, kernel: i64) -> Result<Self> {
        Ok(Self {
            norm: BatchNorm::new(scope.enter(0), from)?,
            rectified: true,
            conv: Conv2d::new(scope.enter(2), from, to, kernel, 1, kernel / 2)?,
        })
    }

    /// cellpose's `batchconv0`: a 1x1 convolution without ReLU, tensors `0` and `1`.
    fn projection(mut scope: Scope, from: i64, to: i64) -> Result<Self> {
        Ok(Self {
            norm: BatchNorm::new(scope.enter(0), from)?,
            rectified: false,
            conv: Conv2d::new(scope.enter(1), from, to, 1, 1, 0)?,
        })
    }

    fn forward(&self, x: &Tensor, job: &Job) -> Result<Tensor> {
        let mut x = self.norm.forward(x, false)?;
        if self.rectified {
            x = x.f_relu_()?;
        }
        self.conv.forward(&x, job)
    }
}

/// Residual block of the way down: two pairs of units, each with a shortcut.
struct Down {
    projection: Unit,
    units: [Unit; 4],
}

impl Down {
    fn new(mut scope: Scope, from: i64, to: i64) -> Result<Self> {
        let mut unit = |k: usize, from: i64| Unit::rectified(scope.enter(format_args!("conv.conv_{k}")), from, to, 3);
        let units = [unit(0, from)?, unit(1, to)?, unit(2, to)?, unit(3, to)?];
        Ok(Self {
            units,
            projection: Unit::projection(scope.enter("proj"), from, to)?,
        })
    }

    fn forward(&self, x: &Tensor, job: &Job) -> Result<Tensor> {
        let [a, b, c, d] = &self.units;
        let first = b.forward(&a.forward(x, job)?, job)?;
        let x = (term(self.projection.forward(x, job)) + first).tensor()?;
        let second = d.forward(&c.forward(&x, job)?, job)?;
        (term(x) + second).tensor()
    }
}

/// A unit that the style shifts.
struct StyledUnit {
    unit: Unit,
    shift: Linear,
}

impl StyledUnit {
    fn new(mut scope: Scope, channels: i64, style: i64) -> Result<Self> {
        Ok(Self {
            unit: Unit::rectified(scope.enter("conv"), channels, channels, 3)?,
            shift: Linear::new(scope.enter("full"), style, channels, true)?,
        })
    }

    fn forward(&self, x: &Tensor, style: &Tensor, job: &Job) -> Result<Tensor> {
        let shift = self.shift.forward(style)?.f_unsqueeze(-1)?.f_unsqueeze(-1)?;
        self.unit.forward(&(term(x) + shift).tensor()?, job)
    }
}

/// Residual block of the way up: the skip connection is added, the style shifts the last three units.
struct Up {
    projection: Unit,
    first: Unit,
    styled: [StyledUnit; 3],
}

impl Up {
    fn new(mut scope: Scope, from: i64, to: i64, style: i64) -> Result<Self> {
        let first = Unit::rectified(scope.enter("conv.conv_0"), from, to, 3)?;
        let mut unit = |k: usize| StyledUnit::new(scope.enter(format_args!("conv.conv_{k}")), to, style);
        let styled = [unit(1)?, unit(2)?, unit(3)?];
        Ok(Self {
            first,
            styled,
            projection: Unit::projection(scope.enter("proj"), from, to)?,
        })
    }

    fn forward(&self, x: &Tensor, skip: &Tensor, style: &Tensor, job: &Job) -> Result<Tensor> {
        let [a, b, c] = &self.styled;
        let joined = (term(self.first.forward(x, job)) + skip).tensor()?;
        let x = (term(self.projection.forward(x, job)) + a.forward(&joined, style, job)).tensor()?;
        let second = c.forward(&b.forward(&x, style, job)?, style, job)?;
        (term(x) + second).tensor()
    }
}
