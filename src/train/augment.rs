//! Augmentation of training windows in three dimensions, by which the missing wedge stays where real data have it.
//!
//! Tilting about the y axis leaves a wedge around z empty in the x-z plane of Fourier space, whatever lies in the
//! tomogram. A window that is turned takes its wedge along, so that only these look like data: mirrors in x, y and z
//! (the wedge is symmetric in each), half turns, scaling of all axes alike, small turns about the tilt axis (a tilt
//! range that is off centre, a lamella milled at an angle) and smaller ones about z (a tilt axis that is not quite y).
//! Quarter turns about z are for data of both tilt axes only.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::Example;
use crate::runtime::{Generator, Result};
use crate::settings::check;

/// The axis that the specimen was tilted about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TiltAxis {
    /// y, as most programs reconstruct.
    Y,
    /// x.
    X,
    /// Either, from tomogram to tomogram or within one: quarter turns about z are drawn too.
    Any,
}

/// What [`augment`] draws from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentOptions {
    /// The axis that the specimen was tilted about: it says where the missing wedge is.
    pub tilt_axis: TiltAxis,
    /// Probability of a mirror, of each axis by itself.
    #[schemars(range(min = 0, max = 1))]
    pub mirror: f64,
    /// Probability of a turn and a scaling, which cost resolution: they interpolate.
    #[schemars(range(min = 0, max = 1))]
    pub turn: f64,
    /// Largest turn about the tilt axis, in degrees.
    #[schemars(range(min = 0, max = 45))]
    pub tilt_degrees: f64,
    /// Largest turn about z, in degrees.
    #[schemars(range(min = 0, max = 45))]
    pub plane_degrees: f64,
    /// Largest change of the scale: factors of exp(-scale)..exp(scale).
    #[schemars(range(min = 0, max = 0.7))]
    pub scale: f64,
    /// Probability of a change of the grey values.
    #[schemars(range(min = 0, max = 1))]
    pub grey: f64,
    /// Largest change of contrast: factors of exp(-contrast)..exp(contrast).
    #[schemars(range(min = 0, max = 2))]
    pub contrast: f64,
    /// Largest change of brightness, in units of the input's deviation.
    #[schemars(range(min = 0, max = 2))]
    pub brightness: f64,
    /// Largest deviation of added white noise, in the same units.
    #[schemars(range(min = 0, max = 2))]
    pub noise: f64,
}

impl Default for AugmentOptions {
    fn default() -> Self {
        Self {
            tilt_axis: TiltAxis::Y,
            mirror: 0.5,
            turn: 0.3,
            tilt_degrees: 10.0,
            plane_degrees: 5.0,
            scale: 0.15,
            grey: 0.5,
            contrast: 0.25,
            brightness: 0.2,
            noise: 0.3,
        }
    }
}

impl AugmentOptions {
    /// Nothing changes.
    pub fn none() -> Self {
        Self {
            mirror: 0.0,
            turn: 0.0,
            grey: 0.0,
            ..Self::default()
        }
    }
}

/// `example` as another that could have been: mirrored, turned, with other grey values. What a turn brings in from
/// outside the window has weight 0. The same generator state gives the same numbers; no gradients are kept.
///
/// Errors: extents that differ.
pub fn augment(example: &Example, options: &AugmentOptions, gen: &mut Generator) -> Result<Example> {
    let _guard = tch::no_grad_guard();
    check(options)?;
    example.check()?;
    let mut example = mirrored(example, options, gen)?;
    if gen.chance(options.turn) {
        example = turned(&example, &draw_turn(options, gen))?;
    }
    if gen.chance(options.grey) {
        example.image = regreyed(&example.image, options, gen)?;
    }
    Ok(example)
}

/// Mirrors, and quarter turns where the wedge allows them.
fn mirrored(example: &Example, options: &AugmentOptions, gen: &mut Generator) -> Result<Example> {
    // Every draw is made whatever the shape, so that the numbers after it do not depend on it.
    let axes: Vec<i64> = (1..=3).filter(|_| gen.chance(options.mirror)).collect();
    let quarter = gen.chance(options.mirror);
    let mut example = example.map(|x| Ok(x.f_flip(axes.as_slice())?))?;
    let size = example.image.size();
    if options.tilt_axis == TiltAxis::Any && quarter && size[2] == size[3] {
        // With the mirrors these are all eight symmetries of the square.
        example = example.map(|x| Ok(x.f_transpose(2, 3)?))?;
    }
    example.map(|x| Ok(x.f_contiguous()?))
}

/// A turn and a scaling about the middle of the window.
struct Turn {
    /// Row-major, of (x, y, z): output positions to input positions.
    matrix: [[f64; 3]; 3],
}

fn draw_turn(options: &AugmentOptions, gen: &mut Generator) -> Turn {
    let mut angle = |largest: f64| gen.uniform(-largest, largest).to_radians();
    let (tilt, plane) = (angle(options.tilt_degrees), angle(options.plane_degrees));
    let factor = gen.uniform(-options.scale, options.scale).exp();
    let about_x = match options.tilt_axis {
        TiltAxis::Y => false,
        TiltAxis::X => true,
        TiltAxis::Any => gen.chance(0.5),
    };
    Turn::new(tilt, plane, factor, about_x)
}

impl Turn {
    /// First `tilt` about y (or x), then `plane` about z, in radians; things become `factor` times as large.
    fn new(tilt: f64, plane: f64, factor: f64, about_x: bool) -> Self {
        let ((st, ct), (sp, cp)) = (tilt.sin_cos(), plane.sin_cos());
        let first = match about_x {
            false => [[ct, 0.0, st], [0.0, 1.0, 0.0], [-st, 0.0, ct]],
            true => [[1.0, 0.0, 0.0], [0.0, ct, -st], [0.0, st, ct]],
        };
        let second = [[cp, -sp, 0.0], [sp, cp, 0.0], [0.0, 0.0, 1.0]];
        // The inverse of second * first is its transpose.
        let entry = |i: usize, j: usize| (0..3).map(|k| second[j][k] * first[k][i]).sum::<f64>() / factor;
        Self {
            matrix: std::array::from_fn(|i| std::array::from_fn(|j| entry(i, j))),
        }
    }

    /// Where the voxels of a window of `size` [C, z, y, x] come from, as libtorch's grid: [1, z, y, x, 3], -1..=1 over
    /// the window.
    fn grid(&self, size: &[i64], device: Device) -> Result<Tensor> {
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

/// Numbers of libtorch's enumerations for `grid_sampler`.
const LINEAR: i64 = 0;
const NEAREST: i64 = 1;
const ZEROS: i64 = 0;
const REFLECTION: i64 = 2;

fn turned(example: &Example, turn: &Turn) -> Result<Example> {
    let grid = turn.grid(&example.image.size(), example.image.device())?;
    let sample = |x: &Tensor, mode: i64, outside: i64| -> Result<Tensor> {
        let sampled = x.f_unsqueeze(0)?.f_grid_sampler_3d(&grid, mode, outside, false)?;
        Ok(sampled.f_squeeze_dim(0)?)
    };
    Ok(Example {
        image: sample(&example.image, LINEAR, REFLECTION)?,
        truth: sample(&example.truth, NEAREST, ZEROS)?,
        weight: sample(&example.weight, NEAREST, ZEROS)?,
    })
}

fn regreyed(image: &Tensor, options: &AugmentOptions, gen: &mut Generator) -> Result<Tensor> {
    let contrast = gen.uniform(-options.contrast, options.contrast).exp();
    let brightness = gen.uniform(-options.brightness, options.brightness);
    let deviation = gen.uniform(0.0, options.noise);
    let noise = gen
        .normal_tensor(&image.size(), image.device())?
        .f_to_kind(Kind::Float)?;
    Ok(image
        .f_mul_scalar(contrast)?
        .f_add_scalar(brightness)?
        .f_add(&noise.f_mul_scalar(deviation)?)?)
}

#[cfg(test)]
#[path = "augment/tests.rs"]
mod tests;
