//! Gain and offset of neighbouring tiles, so that their maps meet without a step in tone.
use ndarray::ArrayView2;

/// Pull of every tile towards gain 1 and offset 0, relative to the overlap with one neighbour. Small: it only settles
/// what the overlaps leave open, the tone of the whole.
const RIDGE: f64 = 1e-3;

/// A tile's contrast is changed at most by this factor, either way.
const MOST_GAIN: f64 = 4.0;

/// Below this spread, relative to the values' size, an overlap says nothing about contrast.
const FLAT: f64 = 1e-6;

/// What two tiles say about the same pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overlap {
    tiles: (usize, usize),
    pixels: f64,
    means: (f64, f64),
    spreads: (f64, f64),
}

impl Overlap {
    /// Moments of the pixels that both maps hold as finite values; `None` when there are none.
    pub fn between(a: usize, map_a: ArrayView2<f32>, b: usize, map_b: ArrayView2<f32>) -> Option<Self> {
        let pairs = || {
            map_a
                .iter()
                .zip(map_b.iter())
                .filter(|(a, b)| a.is_finite() && b.is_finite())
                .map(|(&a, &b)| (f64::from(a), f64::from(b)))
        };
        let (count, sum_a, sum_b) = pairs().fold((0.0, 0.0, 0.0), |(n, s, t), (a, b)| (n + 1.0, s + a, t + b));
        if count == 0.0 {
            return None;
        }
        let (mean_a, mean_b) = (sum_a / count, sum_b / count);
        let (square_a, square_b) = pairs().fold((0.0, 0.0), |(s, t), (a, b)| {
            (s + (a - mean_a).powi(2), t + (b - mean_b).powi(2))
        });
        Some(Self {
            tiles: (a, b),
            pixels: count,
            means: (mean_a, mean_b),
            spreads: ((square_a / count).sqrt(), (square_b / count).sqrt()),
        })
    }
}

/// A linear change of grey scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tone {
    gain: f64,
    offset: f64,
}

impl Tone {
    /// `gain * value + offset`.
    pub fn apply(self, value: f32) -> f32 {
        (self.gain * f64::from(value) + self.offset) as f32
    }
}

/// The tones of `count` tiles that agree best: least squares first over the logarithms of the gains (differences of
/// pixels would favour ever smaller gains), then over the offsets.
pub(super) fn level(overlaps: &[Overlap], count: usize) -> Vec<Tone> {
    let contrast = overlaps.iter().filter_map(|o| {
        let floor = FLAT * (o.means.0.abs() + o.means.1.abs() + f64::MIN_POSITIVE);
        (o.spreads.0 > floor && o.spreads.1 > floor)
            .then(|| (o.tiles.0, o.tiles.1, o.pixels, (o.spreads.1 / o.spreads.0).ln()))
    });
    let gains: Vec<f64> = settle(&contrast.collect::<Vec<_>>(), count)
        .iter()
        .map(|log| log.exp().clamp(1.0 / MOST_GAIN, MOST_GAIN))
        .collect();
    let shift = |o: &Overlap| {
        let (a, b) = o.tiles;
        (a, b, o.pixels, gains[b] * o.means.1 - gains[a] * o.means.0)
    };
    let offsets = settle(&overlaps.iter().map(shift).collect::<Vec<_>>(), count);
    gains
        .iter()
        .zip(offsets)
        .map(|(&gain, offset)| Tone { gain, offset })
        .collect()
}

/// Minimises `sum of w (u_a - u_b - d)^2 + ridge * sum of u^2` over the links (a, b, w, d).
///
/// Conjugate gradients on the links themselves: a slice of 8192 x 8192 has thousands of tiles, too many for a dense
/// solve.
fn settle(links: &[(usize, usize, f64, f64)], count: usize) -> Vec<f64> {
    let mut solution = vec![0.0; count];
    let total: f64 = links.iter().map(|link| link.2).sum();
    if links.is_empty() || total <= 0.0 {
        return solution;
    }
    let ridge = RIDGE * total / links.len() as f64;
    let apply = |u: &[f64]| -> Vec<f64> {
        let mut result: Vec<f64> = u.iter().map(|v| ridge * v).collect();
        for &(a, b, weight, _) in links {
            let pull = weight * (u[a] - u[b]);
            result[a] += pull;
            result[b] -= pull;
        }
        result
    };
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let mut residual = vec![0.0; count];
    for &(a, b, weight, difference) in links {
        residual[a] += weight * difference;
        residual[b] -= weight * difference;
    }
    let mut direction = residual.clone();
    let mut energy = dot(&residual, &residual);
    let enough = 1e-20 * energy;
    for _ in 0..10 * count + 50 {
        if energy <= enough || energy == 0.0 {
            break;
        }
        let image = apply(&direction);
        let step = energy / dot(&direction, &image);
        for i in 0..count {
            solution[i] += step * direction[i];
            residual[i] -= step * image[i];
        }
        let next = dot(&residual, &residual);
        for (direction, residual) in direction.iter_mut().zip(&residual) {
            *direction = residual + next / energy * *direction;
        }
        energy = next;
    }
    solution
}
