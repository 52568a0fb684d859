//! Turns, scalings and elastic deformations of a window about its middle.
use tch::{Device, Kind, Tensor};

use super::{AugmentOptions, Beyond, Example, Interpolation, TiltAxis};
use crate::networks::resample;
use crate::runtime::{Generator, Result};
use crate::tensors::from_slice;

/// Numbers of libtorch's enumerations for `grid_sampler`.
const LINEAR: i64 = 0;
const NEAREST: i64 = 1;
const ZEROS: i64 = 0;
const REFLECTION: i64 = 2;

/// A turn and a scaling about the middle of the window.
pub(super) struct Turn {
    /// Row-major, of (x, y, z): output positions to input positions.
    matrix: [[f64; 3]; 3],
}

/// Where the voxels of `image` [C, z, y, x] come from, as libtorch's grid: [1, z, y, x, 3], -1..=1 over the window;
/// none where no part of a turn is drawn.
pub(super) fn warp_of(options: &AugmentOptions, image: &Tensor, gen: &mut Generator) -> Result<Option<Tensor>> {
    let part = |gen: &mut Generator| options.part >= 1.0 || gen.chance(options.part);
    let deforms = options.elastic > 0.0 && part(gen);
    let field = match deforms {
        true => Some(deformation(options.elastic, image, gen)?),
        false => None,
    };
    let (rotates, scales) = (part(gen), part(gen));
    if !(deforms || rotates || scales) {
        return Ok(None);
    }
    let turn = Turn::draw(options, (rotates, scales), gen);
    let grid = turn.grid(&image.size(), image.device())?;
    Ok(Some(match field {
        Some(field) => grid.f_add(&field)?,
        None => grid,
    }))
}

/// `example` where `grid` says that its voxels come from; labels from the nearest, what lies outside of weight 0.
pub(super) fn warped(example: &Example, grid: &Tensor, options: &AugmentOptions) -> Result<Example> {
    let sample = |x: &Tensor, mode: i64, outside: i64| -> Result<Tensor> {
        let sampled = x.f_unsqueeze(0)?.f_grid_sampler_3d(grid, mode, outside, false)?;
        Ok(sampled.f_squeeze_dim(0)?)
    };
    let mode = match options.interpolation {
        Interpolation::Linear => LINEAR,
        Interpolation::Nearest => NEAREST,
    };
    let outside = match options.beyond {
        Beyond::Mirror => REFLECTION,
        Beyond::Zero => ZEROS,
    };
    Ok(Example {
        image: sample(&example.image, mode, outside)?,
        truth: sample(&example.truth, NEAREST, ZEROS)?,
        weight: sample(&example.weight, NEAREST, ZEROS)?,
    })
}

impl Turn {
    /// A rotation and a scaling, as far as each is wanted.
    fn draw(options: &AugmentOptions, (rotates, scales): (bool, bool), gen: &mut Generator) -> Self {
        let mut angle = |largest: f64| match rotates && largest > 0.0 {
            true => gen.uniform(-largest, largest).to_radians(),
            false => 0.0,
        };
        let angles = [options.tilt_degrees, options.across_degrees, options.plane_degrees].map(&mut angle);
        let factor = match scales {
            true => gen.uniform(-options.scale, options.scale).exp(),
            false => 1.0,
        };
        let about_x = match options.tilt_axis {
            TiltAxis::Y => false,
            TiltAxis::X => true,
            TiltAxis::Any => gen.chance(0.5),
        };
        Self::new(angles, factor, about_x)
    }

    /// First `tilt` about y (or x), then `across` about x (or y), then `plane` about z, in radians; things become
    /// `factor` times as large.
    pub fn new([tilt, across, plane]: [f64; 3], factor: f64, about_x: bool) -> Self {
        let about_y = |angle: f64| {
            let (s, c) = angle.sin_cos();
            [[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]]
        };
        let of_x = |angle: f64| {
            let (s, c) = angle.sin_cos();
            [[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]]
        };
        let about_z = |angle: f64| {
            let (s, c) = angle.sin_cos();
            [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]
        };
        let (first, second) = match about_x {
            false => (about_y(tilt), of_x(across)),
            true => (of_x(tilt), about_y(across)),
        };
        let whole = product(about_z(plane), product(second, first));
        // The inverse of a rotation is its transpose.
        Self {
            matrix: std::array::from_fn(|i| std::array::from_fn(|j| whole[j][i] / factor)),
        }
    }

    /// The grid of a window of `size` [C, z, y, x].
    pub fn grid(&self, size: &[i64], device: Device) -> Result<Tensor> {
        let extents = [size[3], size[2], size[1]];
        let mut theta = [0.0_f32; 12];
        for i in 0..3 {
            for j in 0..3 {
                // A unit of the grid is half an extent.
                theta[4 * i + j] = (self.matrix[i][j] * extents[j] as f64 / extents[i] as f64) as f32;
            }
        }
        let theta = Tensor::f_from_slice(&theta)?.f_view([1, 3, 4])?.f_to_device(device)?;
        Ok(Tensor::f_affine_grid_generator(
            &theta,
            [1, 1, size[1], size[2], size[3]],
            false,
        )?)
    }
}

fn product(a: [[f64; 3]; 3], b: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

/// What an elastic deformation of `image` [C, z, y, x] adds to a grid, [1, z, y, x, 3]: white noise for each axis,
/// smoothed by a Gaussian whose deviation is a share of up to `most` of each extent, and scaled to its largest
/// displacement, an eighth to a half of that deviation (as nnU-Net's batchgenerators, which DeepETPicker uses).
fn deformation(most: f64, image: &Tensor, gen: &mut Generator) -> Result<Tensor> {
    let size = image.size();
    let extents: [i64; 3] = [size[1], size[2], size[3]];
    let share = gen.uniform(0.0, most);
    let mut blurs = [None, None, None];
    for (blur, n) in blurs.iter_mut().zip(extents) {
        *blur = Some(gaussian(n, share * n as f64)?);
    }
    let mut parts = Vec::with_capacity(3);
    // The grid's order is x, y, z.
    for n in extents.into_iter().rev() {
        let deviation = share * n as f64;
        let largest = gen.uniform(deviation / 8.0, deviation / 2.0);
        let noise = gen.uniform_tensor(-1.0, 1.0, &[1, extents[0], extents[1], extents[2]], Device::Cpu)?;
        let smooth = resample(&noise, &blurs)?;
        let height = smooth.f_abs()?.f_max()?.f_double_value(&[])?.max(f64::MIN_POSITIVE);
        // A single slice stays one.
        let factor = if n > 1 {
            2.0 * largest / (height * n as f64)
        } else {
            0.0
        };
        parts.push(smooth.f_mul_scalar(factor)?);
    }
    Ok(Tensor::f_stack(&parts, -1)?
        .f_to_kind(Kind::Float)?
        .f_to_device(image.device())?)
}

/// Weights [n, n] of a Gaussian of this deviation along an axis of `n` voxels; rows sum to one.
fn gaussian(n: i64, deviation: f64) -> Result<Tensor> {
    let mut rows = Vec::with_capacity((n * n) as usize);
    for at in 0..n {
        let weight = |other: i64| (-0.5 * ((other - at) as f64 / deviation.max(1e-3)).powi(2)).exp();
        let total: f64 = (0..n).map(weight).sum();
        rows.extend((0..n).map(|other| (weight(other) / total) as f32));
    }
    from_slice(&rows, [n as usize, n as usize])
}
