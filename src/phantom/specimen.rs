//! The specimen: density, labels and the list of objects, drawn on one canvas in a fixed order.
use ndarray::Array3;

use super::canvas::{Blob, Canvas};
use super::crowding::Crowding;
use super::instance::{Instance, InstanceKind, BACKGROUND};
use super::options::PhantomOptions;
use super::{complexes, crowd, density, filament, lamella, membrane, molecule, organelles};
use crate::runtime::{Generator, Job, Result};

/// Label of gold, granules and droplets while objects are being placed; background in the result.
const UNLABELLED: u8 = 255;
/// Density of a gold bead in units of protein.
const GOLD_DENSITY: f32 = 7.0;

/// Density (protein 1, ice 0), labels and objects.
#[derive(Clone, Debug)]
pub struct Specimen {
    /// (z, y, x), dense C order.
    pub density: Array3<f32>,
    /// (z, y, x).
    pub labels: Array3<u8>,
    /// In the order of drawing: gold, membranes, granules and droplets, filaments, densities, complexes, molecules, the
    /// crowd.
    pub instances: Vec<Instance>,
}

impl Specimen {
    /// Draws a specimen; large objects first, so that small ones find the gaps.
    pub fn draw(options: &PhantomOptions, gen: &mut Generator, job: &Job) -> Result<Self> {
        let densities = density::load(options, job)?;
        let mut canvas = Canvas::new(options);
        gold(&mut canvas, options.gold_beads, gen);
        membrane::place(&mut canvas, options.membranes, gen, job)?;
        // A stream of its own: what is like a cell leaves the rest of a seed as it is.
        let mut cell_gen = Generator::new(options.seed, 3);
        organelles::place(&mut canvas, &options.cell, &mut cell_gen, job)?;
        molecule::embed(&mut canvas, options.membrane_proteins, gen);
        organelles::bodies(&mut canvas, &options.cell, UNLABELLED, &mut cell_gen);
        let crowding = Crowding::draw(&canvas, &options.cell, &mut cell_gen, job)?;
        let crowding = crowding.as_ref();
        filament::place(&mut canvas, options.filaments, gen, job)?;
        let share = density::place(&mut canvas, &densities, options, gen, job)?;
        let species = options.species + densities.len();
        complexes::place(&mut canvas, &options.cell, species + 1, crowding, &mut cell_gen, job)?;
        molecule::place(&mut canvas, (options.species, share), crowding, gen, job)?;
        molecule::scatter(&mut canvas, options.debris, gen, job)?;
        crowd::place(&mut canvas, &options.cell, crowding, &mut cell_gen, job)?;
        gradient(&mut canvas, options.gradient, gen);
        lamella::mill(&mut canvas, &options.lamella, &mut cell_gen);
        canvas
            .labels
            .mapv_inplace(|label| if label == UNLABELLED { BACKGROUND } else { label });
        Ok(Self {
            density: canvas.density,
            labels: canvas.labels,
            instances: canvas.instances,
        })
    }
}

/// Gold beads of 5 or 10 nm anywhere in the ice.
fn gold(canvas: &mut Canvas, count: usize, gen: &mut Generator) {
    for _ in 0..count {
        let centre = canvas.point(gen);
        let diameter = if gen.chance(0.5) { 5.0 } else { 10.0 };
        canvas.draw(&[Blob::ball(centre, diameter)], GOLD_DENSITY, UNLABELLED);
        let position = centre.map(|p| p / canvas.voxel);
        canvas.instances.push(Instance {
            kind: InstanceKind::Gold,
            species: 0,
            position,
            orientation: [1.0, 0.0, 0.0, 0.0],
            diameter_nm: diameter,
        });
    }
}

/// A slow change of the ice: a tilted plane and one wave across the field.
fn gradient(canvas: &mut Canvas, strength: f64, gen: &mut Generator) {
    let slope = [gen.uniform(-1.0, 1.0), gen.uniform(-1.0, 1.0)];
    let (phase, turn) = (
        gen.uniform(0.0, std::f64::consts::TAU),
        gen.uniform(0.0, std::f64::consts::TAU),
    );
    let (_, height, width) = canvas.density.dim();
    let ice = canvas.ice.clone();
    let plane = ndarray::Array2::from_shape_fn((height, width), |(y, x)| {
        let (v, u) = (y as f64 / height as f64 - 0.5, x as f64 / width as f64 - 0.5);
        let wave = (std::f64::consts::TAU * (turn.cos() * u + turn.sin() * v) + phase).cos();
        (strength * (slope[0] * u + slope[1] * v + 0.5 * wave)) as f32
    });
    for z in ice {
        let mut slice = canvas.density.index_axis_mut(ndarray::Axis(0), z);
        slice += &plane;
    }
}
