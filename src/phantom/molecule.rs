//! Macromolecules: random globular assemblies, rings and barrels of Gaussian blobs; every instance of a species is the
//! same body.
use super::canvas::{Blob, Canvas};
use super::crowding::Crowding;
use super::instance::{Instance, InstanceKind, BACKGROUND, MOLECULE};
use super::rotation::{random_rotation, rotated};
use crate::runtime::{Generator, Job, Result};

/// Failed placements in a row after which the specimen counts as full.
const PATIENCE: usize = 400;
/// Share of the molecules that sit beside a membrane, as ribosomes on the endoplasmic reticulum do.
const DOCKED: f64 = 0.15;
/// Gap between a docked molecule's ball and the middle of its membrane, nm.
const DOCKING_GAP: [f64; 2] = [2.5, 6.0];

/// The body that all instances of a species share.
pub(super) struct Species {
    pub kind: InstanceKind,
    /// Blob centres relative to the body's own, nm.
    pub blobs: Vec<Blob>,
    /// Largest extent, nm.
    pub diameter: f64,
    /// Density against protein's.
    pub amplitude: f64,
    /// Blobs, the last ones, that lie in a membrane and need no room.
    pub rooted: usize,
}

impl Species {
    fn draw(gen: &mut Generator) -> Self {
        let diameter = 8.0 + 27.0 * gen.uniform(0.0, 1.0).powf(1.4);
        let (kind, blobs) = match gen.integer(0, 9) {
            0..=6 => (InstanceKind::Globular, globular(diameter, gen)),
            7..=8 => (InstanceKind::Ring, rings(diameter, 1 + gen.integer(0, 1) as usize, gen)),
            _ => (InstanceKind::Barrel, rings(diameter, 4, gen)),
        };
        Self {
            kind,
            blobs,
            diameter,
            amplitude: gen.uniform(0.6, 1.5),
            rooted: 0,
        }
    }

    /// A globular body of `diameter` nm.
    pub fn globular(diameter: f64, amplitude: f64, gen: &mut Generator) -> Self {
        Self {
            kind: InstanceKind::Globular,
            blobs: globular(diameter, gen),
            diameter,
            amplitude,
            rooted: 0,
        }
    }

    /// Its blobs with its centre at `centre` (z, y, x) in nm, turned by `orientation`.
    fn placed(&self, centre: [f64; 3], orientation: [f64; 4]) -> Vec<Blob> {
        let place = |blob: &Blob| {
            let turned = rotated(orientation, blob.centre);
            Blob {
                centre: [centre[0] + turned[0], centre[1] + turned[1], centre[2] + turned[2]],
                ..*blob
            }
        };
        self.blobs.iter().map(place).collect()
    }
}

/// Blobs spread through an ellipsoid with axes 1 : 0.7..1 : 0.6..1, one of them at the centre.
///
/// Few wide blobs make a smooth body, many narrow ones a body of domains and clefts, as large complexes have.
fn globular(diameter: f64, gen: &mut Generator) -> Vec<Blob> {
    let count = gen.integer(12, 40 + (6.0 * diameter) as i64);
    let sigma = gen.uniform(0.2, 0.36) * diameter / (count as f64).cbrt();
    let reach = diameter / 2.0 - 1.3 * sigma;
    let axes = [reach * gen.uniform(0.6, 1.0), reach * gen.uniform(0.7, 1.0), reach];
    let mut blobs = vec![Blob {
        centre: [0.0; 3],
        sigma,
        weight: 1.6,
    }];
    while blobs.len() < count as usize {
        let p = [gen.uniform(-1.0, 1.0), gen.uniform(-1.0, 1.0), gen.uniform(-1.0, 1.0)];
        if p.iter().map(|v| v * v).sum::<f64>() <= 1.0 {
            let centre = [p[0] * axes[0], p[1] * axes[1], p[2] * axes[2]];
            blobs.push(Blob {
                centre,
                sigma: sigma * gen.uniform(0.75, 1.25),
                weight: gen.uniform(0.4, 2.0),
            });
        }
    }
    blobs
}

/// `layers` rings of 5..=9 subunits about the z axis, each of two blobs; `diameter` is the largest extent.
fn rings(diameter: f64, layers: usize, gen: &mut Generator) -> Vec<Blob> {
    let fold = gen.integer(5, 9);
    let width = if layers > 2 { 0.75 * diameter } else { diameter };
    let sigma = 0.11 * width;
    let radius = width / 2.0 - 1.6 * sigma;
    let spacing = if layers > 2 {
        (diameter - 3.0 * sigma) / layers as f64
    } else {
        2.1 * sigma
    };
    let twist = gen.uniform(0.0, 0.6);
    let mut blobs = Vec::new();
    for layer in 0..layers {
        let z = (layer as f64 - (layers as f64 - 1.0) / 2.0) * spacing;
        for subunit in 0..fold {
            let angle = std::f64::consts::TAU * subunit as f64 / fold as f64 + twist * layer as f64;
            let at = |r: f64, dz: f64, weight: f64| Blob {
                centre: [z + dz, r * angle.sin(), r * angle.cos()],
                sigma,
                weight,
            };
            blobs.push(at(radius, 0.0, 1.3));
            blobs.push(at(0.75 * radius, 0.5 * sigma, 0.6));
        }
    }
    blobs
}

/// Places molecules of `species` kinds until they fill the share `share` of the ice or no gap is left; more of them
/// where `crowding` is high.
pub(super) fn place(
    canvas: &mut Canvas,
    (species, share): (usize, f64),
    crowding: Option<&Crowding>,
    gen: &mut Generator,
    job: &Job,
) -> Result<()> {
    let bodies: Vec<Species> = (0..species).map(|_| Species::draw(gen)).collect();
    let (_, height, width) = canvas.labels.dim();
    let target = share * (canvas.ice.len() * height * width) as f64;
    let (mut filled, mut failures) = (0usize, 0usize);
    while (filled as f64) < target && failures < PATIENCE && !bodies.is_empty() {
        job.check()?;
        let index = gen.integer(0, bodies.len() as i64 - 1) as usize;
        let body = &bodies[index];
        let docked = gen.chance(DOCKED).then(|| canvas.membrane_point(gen)).flatten();
        let centre = match docked {
            None => canvas.point(gen),
            Some(surface) => {
                let step = body.diameter / 2.0 + gen.uniform(DOCKING_GAP[0], DOCKING_GAP[1]);
                let offset = rotated(random_rotation(gen), [step, 0.0, 0.0]);
                [0, 1, 2].map(|axis| surface[axis] + offset[axis])
            }
        };
        let orientation = random_rotation(gen);
        let admitted = docked.is_some() || crowding.is_none_or(|crowding| crowding.admits(canvas, centre, gen));
        let labelled = match admitted {
            true => put(canvas, body, index + 1, (centre, orientation)),
            false => None,
        };
        match labelled {
            Some(labelled) => (filled, failures) = (filled + labelled, 0),
            None => failures += 1,
        }
    }
    Ok(())
}

/// Draws a copy of `body` with its centre (z, y, x) in nm and its orientation, and counts it as one of `species`, where
/// it touches nothing labelled; the voxels labelled, or None where it has no room.
pub(super) fn put(
    canvas: &mut Canvas,
    body: &Species,
    species: usize,
    (centre, orientation): ([f64; 3], [f64; 4]),
) -> Option<usize> {
    let blobs = body.placed(centre, orientation);
    if !fits(canvas, centre, &blobs[..blobs.len() - body.rooted]) {
        return None;
    }
    let labelled = canvas.draw(&blobs, body.amplitude as f32, MOLECULE);
    canvas.instances.push(Instance {
        kind: body.kind,
        species,
        position: centre.map(|p| p / canvas.voxel),
        orientation,
        diameter_nm: body.diameter,
    });
    Some(labelled)
}

/// Draws `count` small proteins of 4 to 9 nm into the membranes. They change the density alone: their voxels stay
/// membrane or background, because at a tomogram's resolution they are part of the bilayer.
pub(super) fn embed(canvas: &mut Canvas, count: usize, gen: &mut Generator) {
    for _ in 0..count {
        let Some(centre) = canvas.membrane_point(gen) else {
            continue;
        };
        let blob = Blob {
            centre,
            sigma: gen.uniform(4.0, 9.0) / 4.0,
            weight: gen.uniform(0.4, 1.2),
        };
        canvas.draw(&[blob], 1.0, BACKGROUND);
    }
}

/// Diameters of the debris, nm.
const DEBRIS_NM: [f64; 2] = [2.5, 7.0];

/// Fills the share `share` of the ice with small proteins, anywhere: the crowd of a cell besides the labelled
/// molecules. They change the density alone and carry no label.
pub(super) fn scatter(canvas: &mut Canvas, share: f64, gen: &mut Generator, job: &Job) -> Result<()> {
    let (_, height, width) = canvas.labels.dim();
    let target = share * (canvas.ice.len() * height * width) as f64 * canvas.voxel.powi(3);
    let amplitude = gen.uniform(0.3, 1.0) as f32;
    let mut filled = 0.0;
    while filled < target {
        job.check()?;
        let diameter = gen.uniform(DEBRIS_NM[0], DEBRIS_NM[1]);
        let blob = Blob {
            centre: canvas.point(gen),
            sigma: diameter / 4.0,
            weight: 1.0,
        };
        canvas.draw(&[blob], amplitude, BACKGROUND);
        filled += std::f64::consts::PI / 6.0 * diameter.powi(3);
    }
    Ok(())
}

/// Whether the centre is in the ice and no blob touches a labelled voxel, seen at its centre and six points around it.
fn fits(canvas: &Canvas, centre: [f64; 3], blobs: &[Blob]) -> bool {
    if canvas.voxel_of(centre).is_none() {
        return false;
    }
    blobs.iter().all(|blob| {
        let reach = 1.6 * canvas.blurred(blob.sigma);
        canvas.is_free(blob.centre)
            && (0..3).all(|axis| {
                [-reach, reach].iter().all(|step| {
                    let mut point = blob.centre;
                    point[axis] += step;
                    canvas.is_free(point)
                })
            })
    })
}
