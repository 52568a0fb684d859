//! CellPose end to end: weights, image, flows, instances.
use std::path::Path;

use ndarray::{s, Array2, Array3, ArrayView2};
use tch::{Device, Kind, Tensor};

use super::finish::finish;
use super::flow::{follow, inside};
use super::network::{Cpnet, CpnetConfig};
use super::normalise::normalise;
use super::options::CellPoseOptions;
use super::quality::drop_inconsistent;
use super::seeds::gather;
use super::tiles;
use crate::image::resize_linear_f32;
use crate::runtime::{Error, Job, Result};
use crate::weights::TensorFile;

/// Most pixels of an image after rescaling: 1 GiB of float32.
const MOST_PIXELS: f64 = (1_u64 << 28) as f64;

/// Euler steps at the training diameter.
const STEPS: f64 = 200.0;

/// Share of [`CellPose::segment`] that the network takes.
const NETWORK_SHARE: f64 = 0.9;

/// Prefix of the levels of the way down in cellpose's state dict.
const LEVEL: &str = "downsample.down.res_down_";

/// The command that makes a safetensors file, of the second name, of cellpose's own, of the first. The last argument is
/// the training diameter for files that do not say it: 30 pixels, 17 for `nuclei`.
pub const CONVERT: &str = "python -c \"import sys, torch, safetensors.torch as s; \
    d = torch.load(sys.argv[1], map_location='cpu', weights_only=True); \
    [d.setdefault(k, torch.tensor([float(sys.argv[3])])) for k in ('diam_mean', 'diam_labels')]; \
    s.save_file({k.removeprefix('module.'): v.clone().contiguous() for k, v in d.items()}, sys.argv[2])\" \
    cyto3 cyto3.safetensors 30";

/// Output of the network for an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Flows {
    /// [2, y, x]: flow along y and along x, towards the middle of the instance a pixel belongs to; about 5 long.
    pub flows: Array3<f32>,
    /// Logit of the probability that the pixel belongs to an instance.
    pub cell_probability: Array2<f32>,
    /// Style of the image: as many numbers as the coarsest level is wide, of unit length.
    pub style: Vec<f32>,
    /// Euler steps that suit the image's scale.
    pub steps: usize,
}

/// A CPnet with the diameters it was trained on, on one device.
pub struct CellPose {
    network: Cpnet,
    diam_mean: f64,
    diam_labels: f64,
    device: Device,
}

impl CellPose {
    /// Opens the weights of a CPnet: the state dict of `cyto`, `cyto2`, `cyto3`, `nuclei` or a model trained from them,
    /// as safetensors. CellPose's own files are pickles, which are not opened; [`CONVERT`] converts one. The widths are
    /// read off the tensors' shapes; files of every width work.
    ///
    /// Errors: the operating system's; [`Error::Format`] that names the file and the tensor, where one is missing, of
    /// another shape or not float32, float16 or bfloat16, and for pickles; [`Error::Unsupported`] for Cellpose-SAM.
    pub fn open(path: &Path, device: Device) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let file = TensorFile::map(path)?;
        let config = read_config(&file)?;
        let network = Cpnet::from_tensors(&config, &mut |name, shape| {
            let tensor = file.tensor(name, shape, Kind::Float, device)?;
            channels_last(tensor)
        })?;
        let diameter = |name: &str| -> Result<f64> {
            let value = f64::try_from(file.tensor(name, &[1], Kind::Float, Device::Cpu)?.f_reshape([])?)?;
            if value.is_finite() && value > 0.0 {
                return Ok(value);
            }
            let detail = format!("is {value}, must be a positive number of pixels");
            Err(Error::format(format_args!("{}: tensor {name}", file.name()), detail))
        };
        Self::from_network(network, diameter("diam_mean")?, diameter("diam_labels")?, device)
    }

    /// Reads no weights but says whether `path` has those of a CPnet, all tensors in place. Errors: as
    /// [`CellPose::open`].
    pub fn check(path: &Path) -> Result<()> {
        let file = TensorFile::map(path)?;
        let config = read_config(&file)?;
        let diameters = ["diam_mean", "diam_labels"].map(|name| (name.to_owned(), vec![1]));
        for (name, shape) in super::cpnet_tensor_shapes(&config)?.into_iter().chain(diameters) {
            let subject = || format!("{}: tensor {name}", file.name());
            match file.shape(&name) {
                Some(actual) if actual == shape => {}
                Some(actual) => return Err(crate::weights::wrong_shape(&subject(), &shape, &actual)),
                None => {
                    return Err(Error::format(
                        subject(),
                        format_args!("is missing, expected shape {shape:?}"),
                    ))
                }
            }
        }
        Ok(())
    }

    /// A model from a network whose tensors are on `device`. `diam_mean` is the diameter, in pixels, that its training
    /// images were scaled to, `diam_labels` their own.
    ///
    /// Errors: diameters that are not positive; a network whose coarsest level is below 1/16 of the image.
    pub fn from_network(network: Cpnet, diam_mean: f64, diam_labels: f64, device: Device) -> Result<Self> {
        for (name, value) in [("diam_mean", diam_mean), ("diam_labels", diam_labels)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::argument(name, value, "must be positive"));
            }
        }
        let step = network.config().granularity();
        if 16 % step != 0 {
            let widths = &network.config().nbase;
            return Err(Error::Unsupported(format!(
                "a CPnet of widths {widths:?} halves its images to 1/{step}; 1/16 is the most"
            )));
        }
        Ok(Self {
            network,
            diam_mean,
            diam_labels,
            device,
        })
    }

    /// The network.
    pub fn network(&self) -> &Cpnet {
        &self.network
    }

    /// Diameter, in pixels, that images are scaled to for the network.
    pub fn diam_mean(&self) -> f64 {
        self.diam_mean
    }

    /// Device of the network.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Instances of `image` (y, x): 0 for none, else from 1 in scan order of their first pixels. `job` advances from 0
    /// to 1.
    ///
    /// Errors: settings out of range, an image that is empty, not finite or too large once scaled, cancel, out of
    /// memory. Memory: about 40 bytes for each pixel of the scaled image beside the activations of two tiles (eight on
    /// a GPU).
    pub fn segment(&self, image: ArrayView2<f32>, options: &CellPoseOptions, job: &Job) -> Result<Array2<u32>> {
        let flows = self.flows(image, options, job)?;
        instances(&flows, options, self.device, job)
    }

    /// Flows and cell probability of `image` (y, x), at its own size: what [`instances`] makes labels of.
    ///
    /// The image is normalised, scaled (bilinear) so that its diameter is the training's, run through the network in
    /// tiles and scaled back. Errors: as [`CellPose::segment`].
    pub fn flows(&self, image: ArrayView2<f32>, options: &CellPoseOptions, job: &Job) -> Result<Flows> {
        options.validate()?;
        let shape = image.dim();
        if image.is_empty() {
            return Err(Error::argument("image", format!("{shape:?}"), "must have pixels"));
        }
        if let Some(value) = image.iter().find(|v| !v.is_finite()) {
            return Err(Error::argument("image", value, "must be finite everywhere"));
        }
        let image = if options.normalise {
            normalise(image)
        } else {
            image.to_owned()
        };
        let scale = self.diam_mean / options.diameter.unwrap_or(self.diam_labels);
        let side = |length: usize| (length as f64 * scale) as usize;
        let scaled = (side(shape.0), side(shape.1));
        if scaled.0 == 0 || scaled.1 == 0 || scaled.0 as f64 * scaled.1 as f64 > MOST_PIXELS {
            return Err(Error::argument(
                "diameter",
                self.diam_mean / scale,
                &format!(
                    "scales the image to {} x {} pixels, must be 1 to 2^28 of them",
                    scaled.0, scaled.1
                ),
            ));
        }
        let resized = match scaled == shape {
            true => image,
            false => resize_linear_f32(image.view(), scaled),
        };
        let span = job.span();
        job.set_span(span.start..span.start + NETWORK_SHARE * (span.end - span.start));
        let run = tiles::run(&self.network, resized.view(), self.device, job);
        job.set_span(span);
        let (maps, style) = run?;
        let back = |channel: usize| {
            let map = maps.slice(s![channel, .., ..]);
            match scaled == shape {
                true => map.to_owned(),
                false => resize_linear_f32(map, shape),
            }
        };
        let mut flows = Array3::zeros((2, shape.0, shape.1));
        for axis in 0..2 {
            job.check()?;
            flows.slice_mut(s![axis, .., ..]).assign(&back(axis));
        }
        Ok(Flows {
            flows,
            cell_probability: back(2),
            style,
            steps: options.steps.unwrap_or((STEPS / scale) as usize),
        })
    }
}

/// Labels of the pixels that follow `flows` to the same place: 0 for none, else from 1 in scan order of their first
/// pixels.
///
/// `device` computes the steps of [`super::DynamicsCode::Gpu`]. Of `options` only the diameter, the normalisation and
/// the steps are not used. Errors: settings out of range, flows of another shape than the cell probability, cancel.
pub fn instances(flows: &Flows, options: &CellPoseOptions, device: Device, job: &Job) -> Result<Array2<u32>> {
    options.validate()?;
    let shape = flows.cell_probability.dim();
    if flows.flows.dim() != (2, shape.0, shape.1) {
        let allowed = format!("must be [2, {}, {}]", shape.0, shape.1);
        return Err(Error::argument("flows", format!("{:?}", flows.flows.dim()), &allowed));
    }
    let pixels = inside(flows.cell_probability.view(), options.cellprob_threshold);
    if pixels.is_empty() {
        job.advance(1.0)?;
        return Ok(Array2::zeros(shape));
    }
    let ends = follow(flows.flows.view(), &pixels, flows.steps, options.dynamics, device, job)?;
    let mut labels = gather(&ends, &pixels, shape, options.largest_share);
    if options.flow_threshold > 0.0 {
        drop_inconsistent(
            &mut labels,
            flows.flows.view(),
            options.flow_threshold,
            options.dynamics,
            job,
        )?;
    }
    let labels = finish(labels, options.min_size);
    job.advance(1.0)?;
    Ok(labels)
}

/// Widths of the network in `file`, off the shapes of its convolutions.
fn read_config(file: &TensorFile) -> Result<CpnetConfig> {
    if file.contains("W2") || file.contains("encoder.patch_embed.proj.weight") {
        return Err(Error::Unsupported(format!(
            "{} is Cellpose-SAM (cellpose 4); give a CPnet: cyto, cyto2, cyto3, nuclei",
            file.name()
        )));
    }
    let level = |name: String| name.strip_prefix(LEVEL)?.split('.').next()?.parse::<usize>().ok();
    let Some(last) = file.names().filter_map(level).max() else {
        let detail = format!("is no CPnet of cellpose 1 to 3: no tensor begins with {LEVEL}");
        return Err(Error::format(file.name(), detail));
    };
    let mut nbase = Vec::new();
    for level in 0..=last.min(8) {
        let name = format!("{LEVEL}{level}.conv.conv_0.2.weight");
        let subject = || format!("{}: tensor {name}", file.name());
        match file.shape(&name).as_deref() {
            Some(&[to, from, 3, 3]) => {
                if level == 0 {
                    nbase.push(from);
                }
                nbase.push(to);
            }
            Some(actual) => {
                let detail = format!("has shape {actual:?}, expected that of a 3x3 convolution");
                return Err(Error::format(subject(), detail));
            }
            None => return Err(Error::format(subject(), "is missing, expected a 3x3 convolution")),
        }
    }
    Ok(CpnetConfig { nbase })
}

/// Kernels as the tiles lie in memory, so that no convolution turns them.
fn channels_last(tensor: Tensor) -> Result<Tensor> {
    if tensor.dim() != 4 {
        return Ok(tensor);
    }
    Ok(tensor
        .f_permute([0, 2, 3, 1])?
        .f_contiguous()?
        .f_permute([0, 3, 1, 2])?)
}
