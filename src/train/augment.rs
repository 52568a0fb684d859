//! Augmentation of training windows in three dimensions, by which the missing wedge stays where real data have it.
//!
//! Tilting about the y axis leaves a wedge around z empty in the x-z plane of Fourier space, whatever lies in the
//! tomogram. A window that is turned takes its wedge along, so that only these look like data: mirrors in x, y and z
//! (the wedge is symmetric in each), half turns, scaling of all axes alike, small turns about the tilt axis (a tilt
//! range that is off centre, a lamella milled at an angle) and smaller ones about z (a tilt axis that is not quite y).
//! Quarter turns about z are for data of both tilt axes only. The papers' own ways are settings.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::warp::{warp_of, warped};
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

/// Which mirrors and turns a window gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AugmentDraw {
    /// Mirrors, each axis by its own chance, and then a turn by its own.
    #[default]
    Both,
    /// By the chance of a mirror any number of quarter turns about z and a mirror of y or x; else by its chance a turn:
    /// the slab paper's.
    MirrorElseTurn,
    /// By its chance a turn; else mirrors, each axis by its own chance: DeepETPicker's.
    TurnElseMirror,
}

/// Where a turned window takes a value from that lies between voxels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// From the voxels around it.
    #[default]
    Linear,
    /// From the nearest voxel.
    Nearest,
}

/// What a turned window shows where it reaches beyond itself; there it teaches nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Beyond {
    /// Its mirror image.
    #[default]
    Mirror,
    /// Zero, the mean grey.
    Zero,
}

/// What [`augment`] draws from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentOptions {
    /// Which mirrors and turns a window gets.
    pub draw: AugmentDraw,
    /// The axis that the specimen was tilted about: it says where the missing wedge is.
    pub tilt_axis: TiltAxis,
    /// Probability of a mirror, of each axis by itself.
    #[schemars(range(min = 0, max = 1))]
    pub mirror: f64,
    /// Probability of a turn with its scaling and deformation, which cost resolution: they interpolate.
    #[schemars(range(min = 0, max = 1))]
    pub turn: f64,
    /// Probability of each of the three parts of a turn: rotation, scaling, elastic deformation.
    #[schemars(range(min = 0, max = 1))]
    pub part: f64,
    /// Largest deviation of the Gaussian that smooths an elastic deformation, as a share of the window's extents; the
    /// largest displacement is an eighth to a half of the deviation. 0: no deformation.
    #[schemars(range(min = 0, max = 0.25))]
    pub elastic: f64,
    /// Largest turn about the tilt axis, in degrees.
    #[schemars(range(min = 0, max = 45))]
    pub tilt_degrees: f64,
    /// Largest turn about the axis across the tilt axis and z, in degrees: it takes the missing wedge to where no data
    /// have it.
    #[schemars(range(min = 0, max = 45))]
    pub across_degrees: f64,
    /// Largest turn about z, in degrees.
    #[schemars(range(min = 0, max = 45))]
    pub plane_degrees: f64,
    /// Largest change of the scale: factors of exp(-scale)..exp(scale).
    #[schemars(range(min = 0, max = 0.7))]
    pub scale: f64,
    /// Where a turned image takes a value from that lies between voxels; its labels take the nearest.
    pub interpolation: Interpolation,
    /// What a turned window shows where it reaches beyond itself.
    pub beyond: Beyond,
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
            draw: AugmentDraw::default(),
            tilt_axis: TiltAxis::Y,
            mirror: 0.5,
            turn: 0.3,
            part: 1.0,
            elastic: 0.0,
            tilt_degrees: 10.0,
            across_degrees: 0.0,
            plane_degrees: 5.0,
            scale: 0.15,
            interpolation: Interpolation::default(),
            beyond: Beyond::default(),
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
    let still = |example: &Example| example.map(|x| Ok(x.shallow_clone()));
    let mut example = match options.draw {
        AugmentDraw::Both => {
            let example = mirrored(example, options, gen)?;
            match gen.chance(options.turn) {
                true => turned(&example, options, gen)?,
                false => example,
            }
        }
        AugmentDraw::MirrorElseTurn if gen.chance(options.mirror) => quarter_turned(example, gen)?,
        AugmentDraw::MirrorElseTurn if gen.chance(options.turn) => turned(example, options, gen)?,
        AugmentDraw::MirrorElseTurn => still(example)?,
        AugmentDraw::TurnElseMirror if gen.chance(options.turn) => turned(example, options, gen)?,
        AugmentDraw::TurnElseMirror => mirrored(example, options, gen)?,
    };
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

/// Any number of quarter turns about z (half turns where the window is no square), and a mirror of y or x.
fn quarter_turned(example: &Example, gen: &mut Generator) -> Result<Example> {
    let (quarters, axis) = (gen.integer(0, 3), gen.integer(2, 3));
    let size = example.image.size();
    let quarters = if size[2] == size[3] { quarters } else { quarters / 2 * 2 };
    example.map(|x| Ok(x.f_rot90(quarters, [2, 3])?.f_flip([axis])?.f_contiguous()?))
}

/// A turn, a scaling and a deformation about the middle of the window, as far as they are drawn.
fn turned(example: &Example, options: &AugmentOptions, gen: &mut Generator) -> Result<Example> {
    match warp_of(options, &example.image, gen)? {
        Some(grid) => warped(example, &grid, options),
        None => example.map(|x| Ok(x.shallow_clone())),
    }
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
