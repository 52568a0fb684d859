//! The cost of splitting the nodes along a vector, for all thresholds at once.
use super::criterion::Sweep;
use super::graph::Graph;
use super::weights::Weights;
use crate::runtime::{Error, Result};

/// Neighbouring values of the vector closer than this share of its largest are one value: no threshold lies between.
const SAME_VALUE: f64 = 1e-7;
/// Costs closer than this are equal; the lowest threshold of them wins.
const SAME_COST: f64 = 1e-9;

/// The split that a [`Sweep`] chose.
#[derive(Clone, Debug)]
pub(super) struct Split {
    /// Nodes by ascending value, ties by index.
    pub order: Vec<u32>,
    /// Number of nodes at or below the threshold, 1..n.
    pub below: usize,
    /// The threshold.
    pub threshold: f64,
    /// NCut of the split.
    pub ncut: f64,
    /// Weight of the edges between the sides; of a walk, the mean of both directions.
    pub cut: f64,
}

/// Cost of every prefix of an order of the nodes.
pub(super) struct PrefixCosts {
    /// NCut of the first k + 1 nodes against the rest, for k = 0..n - 1.
    pub ncut: Vec<f64>,
    /// Weight between them.
    pub cut: Vec<f64>,
}

/// NCut of all n - 1 prefixes of `order`, in O(n^2) by prefix sums.
///
/// With the weights in that order, W(A, A) of the first k nodes grows by `sum_{j<k} (W_kj + W_jk) + W_kk` per node, and
/// cut_ab = vol(A) - W(A, A), where vol are row sums out of A and, for the other direction, column sums into A. NCut =
/// cut_ab / vol(A) + cut_ba / vol(B); for a symmetric graph that is Shi and Malik's, for a walk the volumes are the
/// numbers of nodes.
pub(super) fn prefix_costs(weights: &dyn Weights, symmetric: bool, order: &[u32]) -> Result<PrefixCosts> {
    let n = order.len();
    let mut rank = vec![0_u32; n];
    for (position, &node) in order.iter().enumerate() {
        rank[node as usize] = position as u32;
    }
    let diagonal = weights.diagonal()?;
    let rows = weights.row_sums()?;
    let within = weights.sums_before_in_row(&rank)?;
    let (columns, within_columns) = match symmetric {
        true => (rows.clone(), within.clone()),
        false => (weights.column_sums()?, weights.sums_before_in_column(&rank)?),
    };
    let total: f64 = order.iter().map(|&node| rows[node as usize]).sum();
    let (mut inside, mut out, mut into) = (0.0, 0.0, 0.0);
    let mut costs = PrefixCosts {
        ncut: Vec::with_capacity(n.saturating_sub(1)),
        cut: Vec::with_capacity(n.saturating_sub(1)),
    };
    for &node in order.iter().take(n.saturating_sub(1)) {
        let i = node as usize;
        inside += within[i] + within_columns[i] + diagonal[i];
        out += rows[i];
        into += columns[i];
        let (forth, back) = ((out - inside).max(0.0), (into - inside).max(0.0));
        costs.ncut.push(share(forth, out) + share(back, total - out));
        costs.cut.push(0.5 * (forth + back));
    }
    Ok(costs)
}

/// cut / volume, 0 where nothing is cut.
fn share(cut: f64, volume: f64) -> f64 {
    if cut <= 0.0 || volume <= 0.0 {
        0.0
    } else {
        cut / volume
    }
}

/// The split of the nodes along `vector` that `sweep` asks for, or None where no threshold separates the values.
pub(super) fn best_split(
    weights: &dyn Weights,
    symmetric: bool,
    vector: &[f64],
    sweep: Sweep,
) -> Result<Option<Split>> {
    let mut order: Vec<u32> = (0..vector.len() as u32).collect();
    let value = |node: u32| vector[node as usize];
    order.sort_by(|&a, &b| value(a).total_cmp(&value(b)).then(a.cmp(&b)));
    let candidates = candidates(&order, vector, sweep);
    if candidates.is_empty() {
        return Ok(None);
    }
    let costs = prefix_costs(weights, symmetric, &order)?;
    let least = (candidates.iter()).fold(f64::INFINITY, |least, &(below, _)| least.min(costs.ncut[below - 1]));
    let chosen = candidates
        .iter()
        .find(|(below, _)| costs.ncut[below - 1] <= least + SAME_COST);
    Ok(chosen.map(|&(below, threshold)| Split {
        below,
        threshold,
        ncut: costs.ncut[below - 1],
        cut: costs.cut[below - 1],
        order,
    }))
}

/// (nodes at or below the threshold, threshold), ascending, both sides occupied.
fn candidates(order: &[u32], vector: &[f64], sweep: Sweep) -> Vec<(usize, f64)> {
    let value = |position: usize| vector[order[position] as usize];
    let n = order.len();
    if n < 2 {
        return Vec::new();
    }
    let (low, high) = (value(0), value(n - 1));
    let largest = low.abs().max(high.abs());
    let at = |threshold: f64| {
        (
            order.partition_point(|&node| vector[node as usize] <= threshold),
            threshold,
        )
    };
    let occupied = |candidate: &(usize, f64)| candidate.0 > 0 && candidate.0 < n;
    match sweep {
        Sweep::All => (1..n)
            .filter(|&below| value(below) - value(below - 1) > SAME_VALUE * largest)
            .map(|below| (below, 0.5 * (value(below - 1) + value(below))))
            .collect(),
        Sweep::Linspace(count) => {
            let steps = count.max(2) - 1;
            let step = 0.99 * (high - low) / steps as f64;
            (0..count)
                .map(|i| at(0.99 * low + step * i as f64))
                .filter(occupied)
                .collect()
        }
        Sweep::Mean => Some(at(vector.iter().sum::<f64>() / n as f64))
            .filter(occupied)
            .into_iter()
            .collect(),
        Sweep::Zero => Some(at(0.0)).filter(occupied).into_iter().collect(),
    }
}

/// NCut and cut weight of the bipartition of `graph` into the nodes where `side` is true and the others; a walk is
/// taken as it is.
///
/// Errors: another number of nodes, an empty side.
pub fn ncut_of(graph: &Graph, side: &[bool]) -> Result<(f64, f64)> {
    let n = graph.nodes();
    let marked = side.iter().filter(|&&s| s).count();
    if side.len() != n || marked == 0 || marked == n {
        let value = format!("{marked} of {} nodes", side.len());
        let allowed = format!("must mark some but not all of {n} nodes");
        return Err(Error::argument("side", value, &allowed));
    }
    let vector: Vec<f64> = side.iter().map(|&s| if s { 1.0 } else { -1.0 }).collect();
    let split = best_split(graph.weights(), !graph.is_walk(), &vector, Sweep::Zero)?;
    let split = split.ok_or_else(|| Error::Internal("two values without a threshold".into()))?;
    Ok((split.ncut, split.cut))
}
