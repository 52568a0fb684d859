//! The matrix whose second eigenvector is sought, with its known first one taken out.
use super::weights::Weights;
use crate::runtime::Result;

/// M = D^-1/2 W D^-1/2 of a symmetric graph, or P itself of a walk, restricted to what is orthogonal to the known
/// eigenvector t of the eigenvalue 1: x -> (1 - t t^T) M x.
///
/// For a symmetric graph t = D^1/2 1 / |D^1/2 1|. For a walk t = 1 / sqrt(n); taking the mean out is Wielandt's
/// deflation of the right eigenvector 1, which keeps the other eigenvalues and shifts their eigenvectors by constants.
pub(super) struct Operator<'a> {
    weights: &'a dyn Weights,
    /// D^-1/2 of a symmetric graph, None for a walk.
    scale: Option<Vec<f64>>,
    /// t.
    top: Vec<f64>,
}

impl<'a> Operator<'a> {
    /// The operator of a graph (`symmetric`; rows of nodes without edges are 0) or of a walk.
    pub(super) fn new(weights: &'a dyn Weights, symmetric: bool) -> Result<Self> {
        let n = weights.nodes();
        if !symmetric {
            let top = vec![1.0 / (n as f64).sqrt(); n];
            return Ok(Self {
                weights,
                scale: None,
                top,
            });
        }
        let degrees = weights.row_sums()?;
        let length = degrees.iter().sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        let inverse_root = |d: &f64| if *d > 0.0 { 1.0 / d.sqrt() } else { 0.0 };
        Ok(Self {
            weights,
            top: degrees.iter().map(|d| d.sqrt() / length).collect(),
            scale: Some(degrees.iter().map(inverse_root).collect()),
        })
    }

    /// Number of nodes n.
    pub(super) fn nodes(&self) -> usize {
        self.weights.nodes()
    }

    /// Whether the operator is symmetric.
    pub(super) fn is_symmetric(&self) -> bool {
        self.scale.is_some()
    }

    /// The operator times `x`, which is orthogonal to the known eigenvector.
    pub(super) fn apply(&self, x: &[f64]) -> Result<Vec<f64>> {
        let mut product = match &self.scale {
            None => self.weights.multiply(x)?,
            Some(scale) => {
                let scaled: Vec<f64> = x.iter().zip(scale).map(|(x, s)| x * s).collect();
                let mut product = self.weights.multiply(&scaled)?;
                product.iter_mut().zip(scale).for_each(|(p, s)| *p *= s);
                product
            }
        };
        self.deflate(&mut product);
        Ok(product)
    }

    /// Takes the known eigenvector out of `x`.
    pub(super) fn deflate(&self, x: &mut [f64]) {
        let share = dot(x, &self.top);
        subtract(x, share, &self.top);
    }

    /// Entry (i, j) of M - 2 t t^T, given entry W_ij: the eigenvalue 1 of t becomes -1, the others stay.
    pub(super) fn reflected_entry(&self, i: usize, j: usize, weight: f32) -> f64 {
        let scale = self.scale.as_ref().map_or(1.0, |s| s[i] * s[j]);
        f64::from(weight) * scale - 2.0 * self.top[i] * self.top[j]
    }

    /// Row i of the weights.
    pub(super) fn weight_row(&self, i: usize) -> Result<Vec<f32>> {
        Ok(self.weights.row(i)?.into_owned())
    }

    /// What a threshold goes along: D^-1/2 u for a symmetric graph, u itself for a walk.
    pub(super) fn generalised(&self, u: &[f64]) -> Vec<f64> {
        match &self.scale {
            None => u.to_vec(),
            Some(scale) => u.iter().zip(scale).map(|(u, s)| u * s).collect(),
        }
    }

    /// A fixed start vector of unit length: a hash of the node's index, so that no symmetry of the graph hides what is
    /// sought.
    pub(super) fn start(&self) -> Vec<f64> {
        let mut x: Vec<f64> = (0..self.nodes() as u64).map(hashed).collect();
        self.deflate(&mut x);
        normalise(&mut x);
        x
    }
}

/// A number in -1..1 that looks random, the same for ever (SplitMix64, Steele, Lea and Flood, 2014).
pub(super) fn hashed(index: u64) -> f64 {
    let mut z = index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// a . b, summed in a fixed order.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (blocks, others) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = blocks
        .remainder()
        .iter()
        .zip(others.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in blocks.zip(others) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// x - factor y, in place.
pub(super) fn subtract(x: &mut [f64], factor: f64, y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x -= factor * y);
}

/// Euclidean length.
pub(super) fn length(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}

/// Scales to unit length; returns the length it had. A zero vector stays.
pub(super) fn normalise(x: &mut [f64]) -> f64 {
    let length = length(x);
    if length > 0.0 {
        x.iter_mut().for_each(|v| *v /= length);
    }
    length
}
