//! Lamellae: what a focused ion beam leaves of a specimen between two tilted, uneven faces, and what lies on them.
use super::canvas::{Blob, Canvas};
use super::instance::{InstanceKind, BACKGROUND};
use super::lamella_options::LamellaOptions;
use super::membrane::upright;
use super::rotation::{random_rotation, rotated};
use crate::runtime::Generator;

/// One face: z in nm over the field.
struct Face {
    middle: f64,
    /// Rise per nm along y and x.
    slope: [f64; 2],
    bend: f64,
    /// Depth, wave number and phase of each groove pattern, across the beam's direction.
    grooves: Vec<[f64; 3]>,
    /// Direction across the beam (y, x).
    across: [f64; 2],
    /// Centre and half extent (y, x) of the field, nm.
    field: [f64; 2],
}

impl Face {
    /// z of the face above (y, x), nm.
    fn height(&self, y: f64, x: f64) -> f64 {
        let [v, u] = [y - self.field[0], x - self.field[1]];
        let bend = self.bend * ((v / self.field[0]).powi(2) + (u / self.field[1]).powi(2)) / 2.0;
        let along = self.across[0] * v + self.across[1] * u;
        let groove = |[depth, k, phase]: &[f64; 3]| depth * (k * along + phase).sin();
        self.middle + self.slope[0] * v + self.slope[1] * u + bend + self.grooves.iter().map(groove).sum::<f64>()
    }
}

/// Cuts the specimen to a lamella: outside is vacuum without a label, and objects whose centre is cut away are no
/// longer counted; membranes are, since they go on.
pub(super) fn mill(canvas: &mut Canvas, options: &LamellaOptions, gen: &mut Generator) {
    if options.thickness >= 1.0 {
        return;
    }
    let faces = faces(canvas, options, gen);
    let (depth, height, width) = canvas.density.dim();
    let voxel = canvas.voxel;
    for y in 0..height {
        for x in 0..width {
            let [low, high] = [0, 1].map(|face| faces[face].height(y as f64 * voxel, x as f64 * voxel));
            for z in 0..depth {
                let at = z as f64 * voxel;
                // Share of the voxel within the lamella.
                let share = (0.5 + (at - low).min(high - at) / voxel).clamp(0.0, 1.0);
                let density = &mut canvas.density[[z, y, x]];
                *density = (*density * share as f32) - (options.vacuum * (1.0 - share)) as f32;
                if share < 0.5 {
                    canvas.labels[[z, y, x]] = BACKGROUND;
                }
            }
        }
    }
    canvas.instances.retain(|instance| {
        let [z, y, x] = instance.position.map(|p| p * voxel);
        let is_membrane = instance.kind.label() == InstanceKind::Sphere.label();
        is_membrane || (faces[0].height(y, x)..faces[1].height(y, x)).contains(&z)
    });
    for _ in 0..options.crystals {
        crystal(canvas, &faces[gen.integer(0, 1) as usize], gen);
    }
}

/// The lower and the upper face.
fn faces(canvas: &Canvas, options: &LamellaOptions, gen: &mut Generator) -> [Face; 2] {
    let [depth, height, width] = canvas.extent();
    let across = rotated(upright(gen, 0.0), [0.0, 0.0, 1.0]);
    let norm = across[1].hypot(across[2]).max(1e-6);
    let across = [across[1] / norm, across[2] / norm];
    let bend = options.bend_nm * gen.uniform(-1.0, 1.0);
    // Both faces lean alike, with a wedge between them.
    let lean = [gen.uniform(-1.0, 1.0), gen.uniform(-1.0, 1.0)];
    [-0.5, 0.5].map(|side| {
        let slope = lean.map(|l| {
            (options.tilt * (0.8 * l + 0.2 * gen.uniform(-1.0, 1.0)))
                .to_radians()
                .tan()
        });
        let groove = |_| {
            let length = gen.uniform(8.0, 120.0);
            [
                options.curtain_nm * gen.uniform(0.1, 0.5),
                std::f64::consts::TAU / length,
                gen.uniform(0.0, std::f64::consts::TAU),
            ]
        };
        let grooves = match options.curtain_nm > 0.0 {
            true => (0..4).map(groove).collect(),
            false => Vec::new(),
        };
        Face {
            middle: depth * (0.5 + side * options.thickness),
            slope,
            bend,
            grooves,
            across,
            field: [height / 2.0, width / 2.0],
        }
    })
}

/// A dense, grainy body of 30 to 150 nm that sits on a face, outside or half sunk.
fn crystal(canvas: &mut Canvas, face: &Face, gen: &mut Generator) {
    let [_, height, width] = canvas.extent();
    let (y, x) = (gen.uniform(0.0, height), gen.uniform(0.0, width));
    let radius = gen.uniform(15.0, 75.0);
    let centre = [face.height(y, x), y, x];
    let grains: Vec<Blob> = (0..24)
        .map(|_| {
            let offset = rotated(random_rotation(gen), [radius * gen.uniform(0.0, 0.8), 0.0, 0.0]);
            Blob::ball([0, 1, 2].map(|a| centre[a] + offset[a]), radius * gen.uniform(0.3, 0.8))
        })
        .collect();
    canvas.draw(&grains, gen.uniform(0.5, 2.0) as f32, BACKGROUND);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom::{Instance, PhantomOptions, MOLECULE};

    fn full() -> Canvas {
        let mut canvas = Canvas::new(&PhantomOptions {
            shape: [40, 32, 32],
            ice_fraction: 1.0,
            ..PhantomOptions::default()
        });
        canvas.labels.fill(MOLECULE);
        canvas.density.fill(1.0);
        for z in [3.0, 20.0] {
            canvas.instances.push(Instance {
                kind: InstanceKind::Globular,
                species: 1,
                position: [z, 16.0, 16.0],
                orientation: [1.0, 0.0, 0.0, 0.0],
                diameter_nm: 10.0,
            });
        }
        canvas
    }

    #[test]
    fn a_lamella_has_its_thickness_and_vacuum_around_it() {
        let mut canvas = full();
        let options = LamellaOptions {
            thickness: 0.5,
            tilt: 8.0,
            curtain_nm: 3.0,
            vacuum: 1.5,
            ..LamellaOptions::default()
        };
        mill(&mut canvas, &options, &mut Generator::new(5, 0));
        let kept = canvas.labels.iter().filter(|label| **label == MOLECULE).count() as f64;
        assert!((kept / (20.0 * 32.0 * 32.0) - 1.0).abs() < 0.1, "{kept}");
        for ((z, y, x), density) in canvas.density.indexed_iter() {
            let label = canvas.labels[[z, y, x]];
            assert_eq!(label == MOLECULE, *density >= -0.25, "{density} at {z}, {y}, {x}");
        }
        assert_eq!((canvas.density[[0, 0, 0]], canvas.density[[39, 31, 31]]), (-1.5, -1.5));
        assert_eq!(canvas.instances.len(), 1);
        assert_eq!(canvas.instances[0].position[0], 20.0);
    }

    #[test]
    fn nothing_is_cut_by_default() {
        let mut canvas = full();
        mill(&mut canvas, &LamellaOptions::default(), &mut Generator::new(5, 0));
        assert!(canvas.labels.iter().all(|label| *label == MOLECULE) && canvas.instances.len() == 2);
    }
}
