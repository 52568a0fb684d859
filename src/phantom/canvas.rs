//! The volume being drawn: density, labels and the objects so far.
use ndarray::Array3;

use super::instance::{Instance, BACKGROUND, MEMBRANE};
use super::options::PhantomOptions;
use crate::runtime::Generator;

/// Share of a body's peak density down to which a voxel belongs to it: a molecule's envelope, the clefts between its
/// domains included.
const ENVELOPE: f32 = 0.22;

/// A Gaussian of density.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blob {
    /// Centre (z, y, x) in nm.
    pub centre: [f64; 3],
    /// Standard deviation in nm, before the voxel's own blur.
    pub sigma: f64,
    /// Peak density.
    pub weight: f64,
}

impl Blob {
    /// A solid ball of `diameter` nm: its variance, radius^2 / 5 per axis, and about its mass.
    pub fn ball(centre: [f64; 3], diameter: f64) -> Self {
        Self {
            centre,
            sigma: diameter / 2.0 / 5f64.sqrt(),
            weight: 3.0,
        }
    }
}

/// The volume being drawn.
pub(super) struct Canvas {
    pub density: Array3<f32>,
    pub labels: Array3<u8>,
    pub instances: Vec<Instance>,
    /// nm per voxel.
    pub voxel: f64,
    /// Slices that the ice fills.
    pub ice: std::ops::Range<usize>,
}

impl Canvas {
    pub fn new(options: &PhantomOptions) -> Self {
        let depth = options.shape[0];
        let filled = ((depth as f64 * options.ice_fraction).round() as usize).clamp(1, depth);
        let first = (depth - filled) / 2;
        Self {
            density: Array3::zeros(options.shape),
            labels: Array3::zeros(options.shape),
            instances: Vec::new(),
            voxel: options.voxel_nm,
            ice: first..first + filled,
        }
    }

    /// Extents (z, y, x) in nm.
    pub fn extent(&self) -> [f64; 3] {
        let (z, y, x) = self.density.dim();
        [z as f64 * self.voxel, y as f64 * self.voxel, x as f64 * self.voxel]
    }

    /// A uniform point (z, y, x) in nm inside the ice.
    pub fn point(&self, gen: &mut Generator) -> [f64; 3] {
        let [_, height, width] = self.extent();
        let z = gen.uniform(self.ice.start as f64 * self.voxel, self.ice.end as f64 * self.voxel);
        [z, gen.uniform(0.0, height), gen.uniform(0.0, width)]
    }

    /// The centre, in nm, of a random membrane voxel, or None where 500 draws find none.
    pub fn membrane_point(&self, gen: &mut Generator) -> Option<[f64; 3]> {
        (0..500).find_map(|_| {
            let point = self.point(gen);
            let index = self.voxel_of(point)?;
            (self.labels[index] == MEMBRANE).then(|| index.map(|i| i as f64 * self.voxel))
        })
    }

    /// The direction (z, y, x) in which the membrane around `point` is thinnest: the smallest principal axis of the
    /// membrane voxels within `reach` nm, on the side where less of it lies; None where there are too few.
    pub fn membrane_normal(&self, point: [f64; 3], reach: f64) -> Option<[f64; 3]> {
        let centre = self.voxel_of(point)?;
        let radius = (reach / self.voxel).ceil().max(2.0) as isize;
        let (mut sum, mut products, mut count) = ([0f64; 3], [[0f64; 3]; 3], 0usize);
        let steps = || -radius..=radius;
        for (dz, dy, dx) in steps().flat_map(|z| steps().flat_map(move |y| steps().map(move |x| (z, y, x)))) {
            let offset = [dz, dy, dx];
            let index = [0, 1, 2].map(|axis| centre[axis].wrapping_add_signed(offset[axis]));
            let inside = offset.iter().map(|d| d * d).sum::<isize>() <= radius * radius;
            if inside && self.labels.get(index) == Some(&MEMBRANE) {
                let offset = offset.map(|d| d as f64);
                for a in 0..3 {
                    sum[a] += offset[a];
                    for b in 0..3 {
                        products[a][b] += offset[a] * offset[b];
                    }
                }
                count += 1;
            }
        }
        if count < 6 {
            return None;
        }
        let n = count as f64;
        let covariance = |a: usize, b: usize| products[a][b] / n - sum[a] * sum[b] / (n * n);
        let trace: f64 = (0..3).map(|a| covariance(a, a)).sum();
        // Power iteration on trace * I - C, whose largest axis is the smallest of C.
        let mut axis = [0.62, 0.55, 0.56];
        for _ in 0..60 {
            let next = [0, 1, 2].map(|a| trace * axis[a] - (0..3).map(|b| covariance(a, b) * axis[b]).sum::<f64>());
            let norm = next.iter().map(|v| v * v).sum::<f64>().sqrt();
            if norm < 1e-12 {
                return None;
            }
            axis = next.map(|v| v / norm);
        }
        let towards: f64 = (0..3).map(|a| axis[a] * sum[a]).sum();
        Some(axis.map(|v| if towards > 0.0 { -v } else { v }))
    }

    /// Standard deviation `sigma` after averaging over a voxel (variance of a box: voxel^2 / 12).
    pub fn blurred(&self, sigma: f64) -> f64 {
        (sigma * sigma + self.voxel * self.voxel / 12.0).sqrt()
    }

    /// The voxel that holds a point in nm, or None outside the ice.
    pub fn voxel_of(&self, point: [f64; 3]) -> Option<[usize; 3]> {
        let (depth, height, width) = self.density.dim();
        let index = point.map(|p| (p / self.voxel).round());
        let inside = index
            .iter()
            .zip([depth, height, width])
            .all(|(i, n)| *i >= 0.0 && *i < n as f64);
        let index = index.map(|i| i.max(0.0) as usize);
        (inside && self.ice.contains(&index[0])).then_some(index)
    }

    /// Whether the point is outside the volume or on an unlabelled voxel.
    pub fn is_free(&self, point: [f64; 3]) -> bool {
        self.voxel_of(point)
            .is_none_or(|index| self.labels[index] == BACKGROUND)
    }

    /// Draws blobs as one body: the sum s saturates as 1 - exp(-s), is scaled by `amplitude` and added; unlabelled
    /// voxels above [`ENVELOPE`] of the body's peak take `label`. Returns the voxels labelled.
    pub fn draw(&mut self, blobs: &[Blob], amplitude: f32, label: u8) -> usize {
        let (depth, height, width) = self.density.dim();
        let mut low = [usize::MAX; 3];
        let mut high = [0usize; 3];
        let spans: Vec<[(usize, usize); 3]> = blobs
            .iter()
            .map(|blob| {
                let reach = 3.2 * self.blurred(blob.sigma);
                let span = |axis: usize, first: usize, end: usize| {
                    let from = ((blob.centre[axis] - reach) / self.voxel).ceil().max(first as f64) as usize;
                    let to = ((blob.centre[axis] + reach) / self.voxel).floor().min(end as f64 - 1.0);
                    (from, if to < 0.0 { 0 } else { to as usize + 1 })
                };
                [
                    span(0, self.ice.start, self.ice.end),
                    span(1, 0, height),
                    span(2, 0, width),
                ]
            })
            .collect();
        for span in spans.iter().filter(|s| s.iter().all(|(a, b)| a < b)) {
            for axis in 0..3 {
                low[axis] = low[axis].min(span[axis].0);
                high[axis] = high[axis].max(span[axis].1);
            }
        }
        if low[0] == usize::MAX || depth == 0 {
            return 0;
        }
        let size = [high[0] - low[0], high[1] - low[1], high[2] - low[2]];
        let mut sum = vec![0f32; size[0] * size[1] * size[2]];
        for (blob, span) in blobs.iter().zip(&spans).filter(|(_, s)| s.iter().all(|(a, b)| a < b)) {
            let sigma = self.blurred(blob.sigma);
            let peak = blob.weight * (blob.sigma / sigma).powi(3);
            let profile = |axis: usize| -> Vec<f32> {
                (span[axis].0..span[axis].1)
                    .map(|i| (-0.5 * ((i as f64 * self.voxel - blob.centre[axis]) / sigma).powi(2)).exp() as f32)
                    .collect()
            };
            let (along_z, along_y, along_x) = (profile(0), profile(1), profile(2));
            for (iz, gz) in along_z.iter().enumerate() {
                for (iy, gy) in along_y.iter().enumerate() {
                    let gain = peak as f32 * gz * gy;
                    let row = (span[0].0 - low[0] + iz) * size[1] + span[1].0 - low[1] + iy;
                    let start = row * size[2] + span[2].0 - low[2];
                    for (value, gx) in sum[start..].iter_mut().zip(&along_x) {
                        *value += gain * gx;
                    }
                }
            }
        }
        let body = |s: f32| 1.0 - (-s).exp();
        let threshold = sum.iter().fold(0f32, |m, s| m.max(body(*s))) * ENVELOPE;
        let mut labelled = 0;
        for (index, s) in sum.iter().enumerate().filter(|(_, s)| **s > 1e-4) {
            let at = [
                low[0] + index / (size[1] * size[2]),
                low[1] + index / size[2] % size[1],
                low[2] + index % size[2],
            ];
            self.density[at] += amplitude * body(*s);
            if body(*s) > threshold && self.labels[at] == BACKGROUND {
                self.labels[at] = label;
                labelled += 1;
            }
        }
        labelled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_of_a_membrane_points_across_it_away_from_its_bend() {
        let options = PhantomOptions {
            shape: [48, 48, 48],
            ice_fraction: 1.0,
            ..PhantomOptions::default()
        };
        let mut canvas = Canvas::new(&options);
        let radius = |z: usize, y: usize, x: usize| {
            let [z, y, x] = [z, y, x].map(|i| i as f64 - 24.0);
            (z * z + y * y + x * x).sqrt()
        };
        for ((z, y, x), label) in canvas.labels.indexed_iter_mut() {
            *label = if (radius(z, y, x) - 18.0).abs() < 1.5 {
                MEMBRANE
            } else {
                BACKGROUND
            };
        }
        let diagonal = 24.0 + 18.0 / 2f64.sqrt();
        for point in [[24.0, 24.0, 42.0], [24.0, diagonal, diagonal], [6.0, 24.0, 24.0]] {
            let normal = canvas.membrane_normal(point, 6.0).unwrap();
            let outwards: f64 = (0..3).map(|a| normal[a] * (point[a] - 24.0) / 18.0).sum();
            assert!(outwards > 0.97, "{point:?}: {normal:?}");
        }
        assert!(canvas.membrane_normal([24.0; 3], 6.0).is_none());
    }
}
