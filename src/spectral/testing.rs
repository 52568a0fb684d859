//! Attention for tests.
use tch::{Device, Kind, Tensor};

use super::attention::{AttentionLayer, AttentionSet};
use crate::runtime::Generator;

/// The layer of spec section 9 on `side` x `side` tokens: the logits are the queries, the keys the identity.
pub(super) fn golden_layer(side: usize) -> AttentionLayer {
    let n = (side * side) as i64;
    let logits: Vec<f64> = (0..2 * n * n)
        .map(|k| {
            let (h, i, j) = (k / (n * n), k / n % n, k % n);
            ((13 * h + 7 * i + 3 * j + i * j) % 17) as f64 / 4.0
        })
        .collect();
    AttentionLayer {
        query: Tensor::from_slice(&logits).reshape([2, n, n]),
        key: Tensor::eye(n, (Kind::Double, Device::Cpu))
            .unsqueeze(0)
            .repeat([2, 1, 1]),
        grid: (side, side),
        scale: 1.0,
    }
}

/// The softmax channels of spec section 9, `[3, 8, 8]`.
pub(super) fn golden_channels() -> Tensor {
    let features: Vec<f64> = (0..192)
        .map(|k| {
            let (c, y, x) = (k / 64, k / 8 % 8, k % 8);
            ((7 * c + 3 * y + 5 * x + c * x * y) % 11) as f64 / 11.0
        })
        .collect();
    Tensor::from_slice(&features).reshape([3, 8, 8]).softmax(0, None)
}

/// Random float64 attention on the given grids; `strength` scales the logits.
pub(super) fn random_set(
    grids: &[(usize, usize)],
    heads: i64,
    width: i64,
    strength: f64,
    generator: &mut Generator,
) -> AttentionSet {
    let layer = |&grid: &(usize, usize)| {
        let shape = [heads, (grid.0 * grid.1) as i64, width];
        let mut draw = || {
            generator
                .normal_tensor(&shape, Device::Cpu)
                .unwrap()
                .to_kind(Kind::Double)
        };
        AttentionLayer {
            query: draw(),
            key: draw(),
            grid,
            scale: strength / (width as f64).sqrt(),
        }
    };
    AttentionSet {
        layers: grids.iter().map(layer).collect(),
    }
}

/// The set in float32.
pub(super) fn single(set: &AttentionSet) -> AttentionSet {
    let mut set = set.shallow_clone();
    for layer in &mut set.layers {
        layer.query = layer.query.to_kind(Kind::Float);
        layer.key = layer.key.to_kind(Kind::Float);
    }
    set
}

/// Float32 attention with structure: `groups` regions of the grid attend to themselves, with some noise.
pub(super) fn blob_set(grids: &[(usize, usize)], groups: i64, generator: &mut Generator) -> AttentionSet {
    let layer = |&(rows, cols): &(usize, usize)| {
        let mut features = Vec::new();
        for y in 0..rows {
            for x in 0..cols {
                let (v, u) = ((y as f64 + 0.5) / rows as f64, (x as f64 + 0.5) / cols as f64);
                for g in 0..groups {
                    let angle = 2.4 * g as f64;
                    let radius = 0.45 * ((g as f64 + 0.5) / groups as f64).sqrt();
                    let (cy, cx) = (0.5 + radius * angle.sin(), 0.5 + radius * angle.cos());
                    let distance = (v - cy).powi(2) + (u - cx).powi(2);
                    features.push(3.0 * (-distance * groups as f64 * 6.0).exp());
                }
            }
        }
        let features = Tensor::from_slice(&features)
            .reshape([1, -1, groups])
            .to_kind(Kind::Float);
        let mut draw = || {
            let noise = generator
                .normal_tensor(&[2, (rows * cols) as i64, groups], Device::Cpu)
                .unwrap();
            features.f_add(&noise.f_mul_scalar(0.2).unwrap()).unwrap()
        };
        AttentionLayer {
            query: draw(),
            key: draw(),
            grid: (rows, cols),
            scale: 1.0,
        }
    };
    AttentionSet {
        layers: grids.iter().map(layer).collect(),
    }
}
