//! Settings of a prediction.
use std::ops::Range;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::membrane_options::MembraneOptions;
use super::picking_options::PickingOptions;
use crate::networks::{Sampler, Sampling};
use crate::runtime::{Error, Result};
use crate::settings::Settings;

/// How probabilities are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProbabilityType {
    /// 0..=1 as float16, MRC mode 12.
    #[default]
    Half,
    /// 0..=255 for 0..=1, unsigned bytes, MRC mode 0.
    Byte,
}

impl ProbabilityType {
    /// The stored number that is a probability of 1.
    pub fn certain(self) -> f32 {
        match self {
            Self::Half => 1.0,
            Self::Byte => 255.0,
        }
    }
}

/// The kind of file that volumes are written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeFormat {
    /// MRC files.
    #[default]
    Mrc,
    /// OME-Zarr 0.4 folders with several resolutions; labels and bytes as uint8.
    Zarr,
}

impl VolumeFormat {
    /// The ending of file names, with its dot.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Mrc => ".mrc",
            Self::Zarr => ".zarr",
        }
    }
}

/// A kind of volume that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// One volume of probabilities for each output of the network.
    Probabilities,
    /// One volume of labels: 0 on the ground, else 1 + the number of the likeliest class.
    Labels,
    /// With mirrors or several samples: one volume for each output of the probabilities' standard deviation over them.
    Deviations,
}

/// How a network is run over a tomogram. Same settings and model, same bytes on a CPU, whatever the ranks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PredictOptions {
    /// First voxel that is predicted, [z, y, x], counted from 0; null: the tomogram's first.
    pub region_first: Option<[usize; 3]>,
    /// Voxel after the last one that is predicted, [z, y, x]; null: the tomogram's end.
    pub region_end: Option<[usize; 3]>,
    /// Edge of a voxel in nm where the file is wrong or silent; null: the file's.
    #[schemars(range(min = 0.01, max = 100.0))]
    pub voxel_nm: Option<f64>,
    /// Whether the data are brought to the network's voxel size first, where the two differ by more than a fifth.
    pub rescale: bool,
    /// Whether structures are brighter than their surroundings in the data; IMOD and AreTomo leave them darker.
    pub bright: bool,
    /// Whether the mirrors of every window (8, of a network of slices 4) are predicted and averaged, at so many times
    /// the time.
    pub mirrors: bool,
    /// How a network that draws its answers (SDSeg) goes from noise to one. With one step all are SDSeg's direct step.
    pub sampler: Sampler,
    /// Passes of such a network from noise to an answer.
    #[schemars(range(min = 1, max = 1000))]
    pub steps: u32,
    /// Noise that the sampler "ddim" adds on the way, as a share of that of "ddpm".
    #[schemars(range(min = 0.0, max = 1.0))]
    pub eta: f64,
    /// Answers of such a network, each from another noise, that are averaged.
    #[schemars(range(min = 1, max = 1000))]
    pub samples: u32,
    /// Weights of LPIPS on AlexNet (safetensors), with which the answers of pictures are also compared; null: they are
    /// not. Made of the package lpips by the command in docs/training.md.
    pub lpips: Option<PathBuf>,
    /// Seed of the noises.
    pub seed: u64,
    /// Deviation, in slices, of the Gaussian that smooths the probabilities of a network of slices along z; 0: none.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub z_smoothing: f64,
    /// Voxels at each end of a window that are not kept, of networks whose windows have a fixed side; null: the
    /// network's own (12 of DeepETPicker's 72, none of the slab paper's quadrants, else a quarter).
    #[schemars(range(max = 1024))]
    pub margin: Option<usize>,
    /// Volumes that are written.
    #[schemars(length(min = 1))]
    pub outputs: Vec<Output>,
    /// How probabilities and deviations are stored: half, 0 to 1 as float16 (MRC mode 12), or byte, 0 to 255 (mode 0).
    pub probability: ProbabilityType,
    /// Kind of the volumes' files. Masks and numbers of membranes stay MRC.
    pub format: VolumeFormat,
    /// Name of an image of labels in the tomogram's own OME-Zarr folder, `TOMOGRAM.zarr/labels/NAME`, where the labels
    /// are also written, so that viewers show them over the tomogram; null: none.
    pub labels_image: Option<String>,
    /// Folder or JSON file of a copick project where labels, as a segmentation of user tomocut, and picked molecules
    /// are also written; null: none.
    pub copick: Option<String>,
    /// Least probability of the likeliest class where there is a label; of a picture, of its mask (null: 0.5). Null:
    /// the sum of all classes is at least the threshold of the largest expected Dice, which is known once the whole
    /// volume is predicted: networks differ in how sure they are.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: Option<f64>,
    /// Bytes that slices and tiles may take, beside the network and libtorch.
    pub memory: u64,
    /// Extents [z, y, x] of a core, the voxels that one tile answers for; null: what the memory allows.
    #[schemars(inner(range(min = 1)))]
    pub core: Option<[usize; 3]>,
    /// Number of this process, from 0, where several share one prediction.
    pub rank: usize,
    /// Number of processes. The one that finishes last puts the files in place.
    #[schemars(range(min = 1))]
    pub size: usize,
    /// Whether a stopped run of the same settings is continued; otherwise its tiles are computed again.
    pub resume: bool,
    /// Molecules that are picked in the volumes (family picking); null: none.
    pub picking: Option<PickingOptions>,
    /// Membranes that are made a mask and numbered (family membranes); null: none.
    pub membranes: Option<MembraneOptions>,
}

impl Default for PredictOptions {
    fn default() -> Self {
        Self {
            region_first: None,
            region_end: None,
            voxel_nm: None,
            rescale: true,
            bright: false,
            mirrors: false,
            sampler: Sampler::default(),
            steps: 1,
            eta: 0.0,
            samples: 1,
            lpips: None,
            seed: 1,
            z_smoothing: 0.0,
            margin: None,
            outputs: vec![Output::Probabilities, Output::Labels],
            probability: ProbabilityType::Half,
            format: VolumeFormat::Mrc,
            labels_image: None,
            copick: None,
            threshold: None,
            memory: 1 << 30,
            core: None,
            rank: 0,
            size: 1,
            resume: true,
            picking: None,
            membranes: None,
        }
    }
}

impl Settings for PredictOptions {
    const FAMILY: &'static str = "predict";

    fn of_preset(_: &str) -> Self {
        Self::default()
    }

    fn validate_together(&self) -> Result<()> {
        if self.outputs.contains(&Output::Deviations) && !self.mirrors && self.samples == 1 {
            let allowed = "must come with mirrors or several samples";
            return Err(Error::argument("outputs", "deviations", allowed));
        }
        if self.rank >= self.size {
            return Err(Error::argument(
                "rank",
                self.rank,
                &format!("must be below size, {}", self.size),
            ));
        }
        if self.size > 1 && !self.resume {
            let allowed = "must be true with several processes: one would undo the others";
            return Err(Error::argument("resume", "false", allowed));
        }
        if let Some(picking) = &self.picking {
            picking.validate_together()?;
        }
        self.membranes.as_ref().map_or(Ok(()), Settings::validate_together)
    }
}

impl PredictOptions {
    /// How a network that draws its answers is asked for them.
    pub fn sampling(&self) -> Sampling {
        Sampling {
            sampler: self.sampler,
            eta: self.eta,
            steps: self.steps,
            samples: self.samples,
            seed: self.seed,
        }
    }

    /// Slices on either side that smoothing along z reaches: three deviations.
    pub fn z_radius(&self) -> usize {
        (3.0 * self.z_smoothing).ceil() as usize
    }

    /// The voxels (z, y, x) that are predicted of a tomogram of `shape`. Errors: none, or some that it does not have.
    pub fn region(&self, shape: [usize; 3]) -> Result<[Range<usize>; 3]> {
        let (first, end) = (self.region_first.unwrap_or([0; 3]), self.region_end.unwrap_or(shape));
        for (axis, name) in ["z", "y", "x"].into_iter().enumerate() {
            if first[axis] >= end[axis] || end[axis] > shape[axis] {
                return Err(Error::argument(
                    &format!("region_first, region_end along {name}"),
                    format!("{}, {}", first[axis], end[axis]),
                    &format!("must be a non-empty range within 0..{}", shape[axis]),
                ));
            }
        }
        Ok(std::array::from_fn(|axis| first[axis]..end[axis]))
    }
}
