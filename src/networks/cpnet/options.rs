//! Settings of CellPose, with cellpose's own defaults.
use crate::runtime::{Error, Result};

/// cellpose has two implementations of the dynamics, whose results differ by a few pixels (its issue 351).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DynamicsCode {
    /// As cellpose on a GPU, and version 4 everywhere: flows are read with `grid_sample`, whose pixel grid is
    /// stretched by L / (L - 1) about the middle; the ideal flows of all instances diffuse equally long.
    #[default]
    Gpu,
    /// As cellpose 3 without a GPU: flows are read between pixel centres; each instance's ideal flows diffuse for its
    /// own size.
    Cpu,
}

/// Settings of [`super::CellPose::segment`]. Lengths and areas are in pixels of the image given.
#[derive(Clone, Debug, PartialEq)]
pub struct CellPoseOptions {
    /// Diameter of what is looked for, 0.1..=10000; `None`: that of the model's training data.
    pub diameter: Option<f64>,
    /// Scale grey levels by their percentiles ([`super::normalise()`]); off for images that are 0..=1 already.
    pub normalise: bool,
    /// Pixels with a cell probability (logit) above this belong to an instance, -1000..=1000.
    pub cellprob_threshold: f32,
    /// Largest mean squared difference between an instance's flows and those of its shape; 0: no such test.
    pub flow_threshold: f64,
    /// Least area of an instance; 0: any.
    pub min_size: usize,
    /// Instances larger than this share of the image are dropped, 0..=1.
    pub largest_share: f64,
    /// Euler steps along the flows, at most 100000; `None`: 200 at the training diameter, in proportion elsewhere.
    pub steps: Option<usize>,
    /// The implementation of cellpose that is followed.
    pub dynamics: DynamicsCode,
}

impl Default for CellPoseOptions {
    fn default() -> Self {
        Self {
            diameter: None,
            normalise: true,
            cellprob_threshold: 0.0,
            flow_threshold: 0.4,
            min_size: 15,
            largest_share: 0.4,
            steps: None,
            dynamics: DynamicsCode::default(),
        }
    }
}

impl CellPoseOptions {
    /// Checks every range.
    pub fn validate(&self) -> Result<()> {
        let ranges = [
            ("diameter", self.diameter.unwrap_or(1.0), 0.1, 1e4),
            ("cellprob_threshold", f64::from(self.cellprob_threshold), -1e3, 1e3),
            ("flow_threshold", self.flow_threshold, 0.0, 1e3),
            ("largest_share", self.largest_share, 0.0, 1.0),
            ("steps", self.steps.unwrap_or(0) as f64, 0.0, 1e5),
        ];
        match ranges
            .iter()
            .find(|(_, value, low, high)| !(low..=high).contains(&value))
        {
            None => Ok(()),
            Some((name, value, low, high)) => Err(Error::argument(name, value, &format!("must be {low}..={high}"))),
        }
    }
}
