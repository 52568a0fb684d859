//! Graphs from a random walk: powers of its transition matrix and the similarity of their rows.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::graph::{checked, Graph, GraphKind};
use super::host_weights::HostWeights;
use super::products::{gram, multiply_in_place};
use super::weights::check_fits;
use crate::runtime::{Error, Job, Result};

/// How a (power) walk P^k becomes a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Adjacency {
    /// P^k itself; not symmetric.
    Walk,
    /// A = P^k (P^k)^T.
    #[default]
    Dot,
    /// The same with the rows of P^k scaled to unit length first.
    Cosine,
}

/// The graph of P^k (`power` k >= 1) for the transition matrix `transition` (`[n, n]`, rows that sum to one within
/// 1e-3): the walk itself, the dot products of its rows, or their cosines ("Unsupervised Segmentation by Diffusing,
/// Walking and Cutting", section 3).
///
/// At most three n x n float32 matrices exist at a time, `transition` included. Errors: k = 0, whatever
/// [`Graph::walk`] refuses, cancel, out of memory.
pub fn walk_graph(transition: &Tensor, power: u32, adjacency: Adjacency, job: &Job) -> Result<Graph> {
    let _guard = tch::no_grad_guard();
    if power == 0 {
        return Err(Error::argument("power", 0, "must be at least 1: P^0 is no graph"));
    }
    let walk = Graph::walk(transition.shallow_clone())?;
    if adjacency == Adjacency::Walk && power == 1 {
        return Ok(walk);
    }
    let n = walk.nodes();
    if transition.device() == Device::Cpu {
        check_fits(n)?;
    }
    let matrix = checked(walk.to_tensor()?, "transition")?;
    drop(walk);
    if matrix.device() == Device::Cpu {
        on_host(matrix, n, power, adjacency, job)
    } else {
        on_device(&matrix, power, adjacency, job)
    }
}

fn kind_of(adjacency: Adjacency) -> GraphKind {
    match adjacency {
        Adjacency::Walk => GraphKind::Walk,
        Adjacency::Dot => GraphKind::Dot,
        Adjacency::Cosine => GraphKind::Cosine,
    }
}

fn on_host(matrix: Tensor, n: usize, power: u32, adjacency: Adjacency, job: &Job) -> Result<Graph> {
    let walk: Vec<f32> = Vec::try_from(matrix.f_reshape([-1])?)?;
    drop(matrix);
    let steps = f64::from(power);
    let powered = if power == 1 {
        walk
    } else {
        check_fits(n)?;
        let mut powered = walk.clone();
        for step in 1..power {
            let share = f64::from(step - 1) / steps..f64::from(step) / steps;
            multiply_in_place(&mut powered, &walk, n, share, job)?;
        }
        drop(walk);
        powered
    };
    let share = (steps - 1.0) / steps..1.0;
    let values = match adjacency {
        Adjacency::Walk => powered,
        Adjacency::Dot => gram(&powered, n, n, share, job)?,
        Adjacency::Cosine => gram(&unit_rows(powered, n), n, n, share, job)?,
    };
    Ok(Graph::from_weights(
        Box::new(HostWeights::new(n, values)),
        kind_of(adjacency),
    ))
}

/// Every row of `width` values divided by its Euclidean length; rows of zeros stay.
pub(super) fn unit_rows(mut rows: Vec<f32>, width: usize) -> Vec<f32> {
    for row in rows.chunks_mut(width.max(1)) {
        let length = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|v| *v = (f64::from(*v) / length) as f32);
        }
    }
    rows
}

fn on_device(matrix: &Tensor, power: u32, adjacency: Adjacency, job: &Job) -> Result<Graph> {
    let steps = f64::from(power);
    let mut powered = matrix.shallow_clone();
    for step in 1..power {
        job.advance(f64::from(step - 1) / steps)?;
        powered = powered.f_mm(matrix)?;
    }
    job.advance((steps - 1.0) / steps)?;
    if adjacency == Adjacency::Walk {
        return Graph::trusted(powered, GraphKind::Walk);
    }
    if adjacency == Adjacency::Cosine {
        let length = powered
            .f_square()?
            .f_sum_dim_intlist(1_i64, true, Kind::Double)?
            .f_sqrt()?
            .f_clamp_min(f64::MIN_POSITIVE)?
            .f_to_kind(Kind::Float)?;
        powered = powered.f_div(&length)?;
    }
    Graph::trusted(powered.f_mm(&powered.f_transpose(0, 1)?)?, kind_of(adjacency))
}
