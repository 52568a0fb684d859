//! How the solver "adam" draws attention and steps.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spectral::NcutForm;

/// The published recipe beside its number of iterations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdamOptions {
    /// Iterations whose gradients are summed for one step. The released code steps every 20, so that its 2000
    /// iterations are 100 steps; the paper speaks of 2000 steps. The first step sums one iteration more.
    #[schemars(range(min = 1, max = 100_000))]
    pub accumulate: usize,
    /// Step size.
    #[schemars(range(min = 1e-8, max = 10.0))]
    pub learning_rate: f64,
    /// Probability that an iteration looks at buffered attention and not at that of a fresh U-Net pass.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub reuse: f64,
    /// U-Net passes whose attention the buffer holds; 0: every iteration makes a pass.
    #[schemars(range(max = 64))]
    pub buffer: usize,
    /// First attention layer, by its place in the network, that is kept in the buffer. The released code keeps the 10
    /// of 16 from the middle block on; the paper speaks of all. Where `layers` chooses earlier ones only, all are kept.
    #[schemars(range(max = 15))]
    pub first_buffered_layer: usize,
    /// The objective.
    pub objective: AdamObjective,
}

/// What the solver "adam" minimises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdamObjective {
    /// The released code: twice the mean of |z' P z - 1| and twice the mean square of z' w over all pairs of channels,
    /// both on the channels pooled to each layer.
    LayerMeans,
    /// The paper: the mean of |z' P z - 1| and the Frobenius norm of X' X - 1 on the channels of the finest grid, each
    /// of unit length.
    Frobenius,
}

impl Default for AdamOptions {
    /// The released code's.
    fn default() -> Self {
        Self {
            accumulate: 20,
            learning_rate: 2e-3,
            reuse: 0.9,
            buffer: 1,
            first_buffered_layer: 6,
            objective: AdamObjective::LayerMeans,
        }
    }
}

impl AdamOptions {
    /// The paper's words: a step in every iteration, all layers, its own objective.
    pub fn paper() -> Self {
        Self {
            accumulate: 1,
            first_buffered_layer: 0,
            objective: AdamObjective::Frobenius,
            ..Self::default()
        }
    }

    /// The objective as the solver has it.
    pub fn form(&self) -> NcutForm {
        match self.objective {
            AdamObjective::LayerMeans => NcutForm::LayerMeans,
            AdamObjective::Frobenius => NcutForm::Frobenius,
        }
    }
}
