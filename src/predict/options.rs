//! Every setting of a prediction.
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::networks::Sampling;
use crate::runtime::{Error, Result};

/// How probabilities are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbabilityType {
    /// 0..=1 as float16, MRC mode 12.
    #[default]
    Half,
    /// 0..=255 for 0..=1, unsigned bytes, MRC mode 0.
    Byte,
}

/// The kind of file that volumes are written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeFormat {
    /// MRC files.
    #[default]
    Mrc,
    /// OME-Zarr folders with several resolutions; labels and bytes as uint8.
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

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// One volume of probabilities for each output of the network.
    Probabilities,
    /// One volume of labels: 0 on the ground, else 1 + the number of the likeliest class.
    Labels,
    /// With mirrors or several samples: one volume for each output of the probabilities' standard deviation over them.
    Deviations,
}

/// Which part of a plan a process computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rank {
    /// 0..size.
    pub rank: usize,
    /// Number of processes, at least 1.
    pub size: usize,
}

impl Default for Rank {
    fn default() -> Self {
        Self { rank: 0, size: 1 }
    }
}

/// Largest deviation of the smoothing along z, in slices.
const MOST_Z_SMOOTHING: f64 = 10.0;

/// How a network is run over a tomogram. Same options and model, same bytes on a CPU, whatever the ranks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PredictOptions {
    /// Voxels (z, y, x) that are predicted; None: all.
    pub region: Option<[Range<usize>; 3]>,
    /// Edge of the data's voxels in nm where the file is wrong or silent.
    pub voxel_nm: Option<f64>,
    /// Whether the data are brought to the network's voxel size first, where the two differ by more than a fifth.
    pub rescale: bool,
    /// Whether structures are brighter than their surroundings in the data.
    pub bright: bool,
    /// Whether the eight mirrors of every window are predicted and averaged.
    pub mirrors: bool,
    /// How a network that draws its answers is asked for them.
    pub sampling: Sampling,
    /// Deviation, in slices, of the Gaussian that smooths the probabilities of a network of slices along z, 0..=10; 0: none.
    pub z_smoothing: f64,
    /// What is written, at least one.
    pub outputs: Vec<Output>,
    /// How probabilities and deviations are stored.
    pub probability: ProbabilityType,
    /// The kind of file.
    pub format: VolumeFormat,
    /// Least probability of the likeliest class where there is a label, 0..=1. None: the sum of all classes is at least the threshold of
    /// the largest expected Dice, which is found once the whole volume is predicted: networks differ in how sure they are.
    pub threshold: Option<f32>,
    /// Memory that slices and tiles may take, in bytes, beside the network and libtorch themselves.
    pub memory: u64,
    /// Extents (z, y, x) of a core in voxels instead of what the memory allows.
    pub core: Option<[usize; 3]>,
    /// This process's part.
    pub rank: Rank,
    /// Goes on where an earlier run of the same settings was stopped; otherwise such a run's tiles are thrown away.
    pub resume: bool,
}

impl Default for PredictOptions {
    fn default() -> Self {
        Self {
            region: None,
            voxel_nm: None,
            rescale: true,
            bright: false,
            mirrors: false,
            sampling: Sampling::default(),
            z_smoothing: 0.0,
            outputs: vec![Output::Probabilities, Output::Labels],
            probability: ProbabilityType::Half,
            format: VolumeFormat::Mrc,
            threshold: None,
            memory: 1 << 30,
            core: None,
            rank: Rank::default(),
            resume: true,
        }
    }
}

impl PredictOptions {
    /// Refuses settings out of their ranges, by name; `shape` (z, y, x) is the tomogram's.
    pub fn validate(&self, shape: [usize; 3]) -> Result<()> {
        for ((range, extent), axis) in self.region(shape).iter().zip(shape).zip(["z", "y", "x"]) {
            if range.start >= range.end || range.end > extent {
                return Err(Error::argument(
                    &format!("region {axis}"),
                    format!("{}:{}", range.start, range.end),
                    &format!("must be a non-empty range within 0:{extent}"),
                ));
            }
        }
        if let Some(voxel) = self.voxel_nm.filter(|v| !(0.01..=100.0).contains(v)) {
            return Err(Error::argument("voxel_nm", voxel, "must be 0.01..=100"));
        }
        if let Some(threshold) = self.threshold.filter(|t| !(0.0..=1.0).contains(t)) {
            return Err(Error::argument("threshold", threshold, "must be 0..=1"));
        }
        if self.outputs.is_empty() {
            return Err(Error::argument("outputs", "empty", "must name at least one output"));
        }
        if self.outputs.contains(&Output::Deviations) && !self.mirrors && self.sampling.samples == 1 {
            let allowed = "must come with mirrors or several samples";
            return Err(Error::argument("outputs", "deviations", allowed));
        }
        if !(0.0..=MOST_Z_SMOOTHING).contains(&self.z_smoothing) {
            let allowed = format!("must be 0..={MOST_Z_SMOOTHING}");
            return Err(Error::argument("z_smoothing", self.z_smoothing, &allowed));
        }
        if self.core.is_some_and(|core| core.contains(&0)) {
            return Err(Error::argument(
                "core",
                format!("{:?}", self.core),
                "must have no zero extent",
            ));
        }
        let Rank { rank, size } = self.rank;
        if size == 0 || rank >= size {
            return Err(Error::argument(
                "rank",
                format!("{rank} of {size}"),
                "must be below a size of at least 1",
            ));
        }
        Ok(())
    }

    /// Slices on either side that smoothing along z reaches: three deviations.
    pub fn z_radius(&self) -> usize {
        (3.0 * self.z_smoothing).ceil() as usize
    }

    /// The voxels that are predicted of a tomogram of `shape`.
    pub fn region(&self, shape: [usize; 3]) -> [Range<usize>; 3] {
        self.region.clone().unwrap_or(shape.map(|extent| 0..extent))
    }
}
