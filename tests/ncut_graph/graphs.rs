//! The graphs of tests/oracle/ncut_reference.py, by the same arithmetic.
use tch::Tensor;
use tomocut::runtime::Job;
use tomocut::spectral::{walk_graph, Adjacency, Graph};

use super::hashed::uniform;

/// Blocks of nodes: weight `inside` a block, `group` between blocks of one group, `outside` between groups, each times
/// 1 + noise u.
pub struct Planted {
    pub sizes: &'static [usize],
    pub groups: &'static [usize],
    pub inside: f64,
    pub group: f64,
    pub outside: f64,
    pub noise: f64,
}

pub const TWO_LEVEL: Planted = planted(&[30, 50, 20, 60], &[0, 0, 1, 1], [1.0, 0.25, 0.05, 0.5]);
pub const LARGE: Planted = planted(&[60, 90, 100, 70, 80], &[0, 0, 1, 1, 2], [0.9, 0.2, 0.03, 0.75]);
pub const SMALL: Planted = planted(&[7, 9, 5], &[0, 0, 1], [1.0, 0.2, 0.02, 0.4]);
pub const APART: Planted = planted(&[40, 30, 25, 45], &[0, 0, 1, 2], [1.0, 0.1, 0.0, 0.6]);
pub const EQUAL: Planted = planted(&[50, 50, 50], &[0, 1, 2], [1.0, 1.0, 0.125, 0.0]);

const fn planted(sizes: &'static [usize], groups: &'static [usize], weights: [f64; 4]) -> Planted {
    let [inside, group, outside, noise] = weights;
    Planted {
        sizes,
        groups,
        inside,
        group,
        outside,
        noise,
    }
}

impl Planted {
    /// The block of every node.
    pub fn blocks(&self) -> Vec<usize> {
        let repeated = self
            .sizes
            .iter()
            .enumerate()
            .flat_map(|(b, &size)| std::iter::repeat_n(b, size));
        repeated.collect()
    }

    /// The weights, row by row; `asymmetric` draws (i, j) and (j, i) apart.
    pub fn weights(&self, name: &str, asymmetric: bool) -> Vec<f32> {
        let blocks = self.blocks();
        let n = blocks.len();
        let u = uniform(name, n * n);
        let mut values = Vec::with_capacity(n * n);
        for i in 0..n {
            for j in 0..n {
                let base = if blocks[i] == blocks[j] {
                    self.inside
                } else if self.groups[blocks[i]] == self.groups[blocks[j]] {
                    self.group
                } else {
                    self.outside
                };
                let at = if asymmetric { i * n + j } else { i.min(j) * n + i.max(j) };
                values.push((base * (1.0 + self.noise * f64::from(u[at]))) as f32);
            }
        }
        values
    }
}

/// A square tensor of row-major values.
pub fn square(values: &[f32]) -> Tensor {
    let n = (values.len() as f64).sqrt() as i64;
    Tensor::from_slice(values).reshape([n, n])
}

/// Rows divided by their sums.
pub fn stochastic(mut values: Vec<f32>) -> Vec<f32> {
    let n = (values.len() as f64).sqrt() as usize;
    for row in values.chunks_mut(n) {
        let sum: f64 = row.iter().map(|&v| f64::from(v)).sum();
        row.iter_mut().for_each(|v| *v = (f64::from(*v) / sum) as f32);
    }
    values
}

/// The path with n nodes.
pub fn path(n: usize) -> Vec<f32> {
    let edge = |k: usize| if (k / n).abs_diff(k % n) == 1 { 1.0 } else { 0.0 };
    (0..n * n).map(edge).collect()
}

/// The matrix of a named graph: affinities, or the transition matrix that the graph is made of.
fn matrix(name: &str) -> Vec<f32> {
    match name {
        "two" => TWO_LEVEL.weights(name, false),
        "large" => LARGE.weights(name, false),
        "small" => SMALL.weights(name, false),
        "apart" => APART.weights(name, false),
        "equal" => EQUAL.weights(name, false),
        "isolated" => {
            let mut values = TWO_LEVEL.weights(name, false);
            let n = 160;
            for node in [3, 77, 159] {
                (0..n).for_each(|j| (values[node * n + j], values[j * n + node]) = (0.0, 0.0));
            }
            values
        }
        "path" => path(9),
        "pair" => path(2),
        "walk" | "dot 1" | "dot 3" | "cosine 1" => stochastic(TWO_LEVEL.weights("walk", true)),
        "small walk" | "dot small" => stochastic(SMALL.weights("small walk", true)),
        other => panic!("no graph {other}"),
    }
}

/// A graph of the reference by its name.
pub fn named(name: &str) -> Graph {
    let matrix = square(&matrix(name));
    let made = |power, adjacency| walk_graph(&matrix, power, adjacency, &Job::quiet());
    let graph = match name {
        "walk" | "small walk" => Graph::walk(matrix),
        "dot 1" | "dot small" => made(1, Adjacency::Dot),
        "dot 3" => made(3, Adjacency::Dot),
        "cosine 1" => made(1, Adjacency::Cosine),
        _ => Graph::symmetric(matrix),
    };
    graph.unwrap()
}
