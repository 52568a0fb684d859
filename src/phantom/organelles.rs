//! Membranes in company: stacks of flat sacs, organelles with cristae, vesicles in contact; and dense bodies without a
//! membrane.
use super::canvas::{Blob, Canvas};
use super::cell_options::CellOptions;
use super::instance::{Instance, InstanceKind};
use super::membrane::{self, Membrane, Shape};
use super::rotation::{random_rotation, rotated};
use crate::runtime::{Generator, Job, Result};

/// Places tried per object.
const TRIES: usize = 8;

/// Stacks, mitochondria and contacts; earlier membranes are drawn already.
pub(super) fn place(canvas: &mut Canvas, options: &CellOptions, gen: &mut Generator, job: &Job) -> Result<()> {
    for _ in 0..options.mitochondria {
        mitochondrion(canvas, gen, job)?;
    }
    for _ in 0..options.stacks {
        stack(canvas, gen, job)?;
    }
    for _ in 0..options.contacts {
        contact(canvas, gen, job)?;
    }
    Ok(())
}

/// Three to seven flat sacs, each 14 to 30 nm thick, 8 to 20 nm apart.
fn stack(canvas: &mut Canvas, gen: &mut Generator, job: &Job) -> Result<()> {
    let [_, height, width] = canvas.extent();
    let (half, gap) = (
        gen.uniform(7.0, 15.0),
        gen.uniform(8.0, 20.0).max(membrane::least_gap(canvas)),
    );
    let radius = gen.uniform(40.0, (0.5 * height.min(width)).clamp(45.0, 250.0));
    let (amplitude, leaflets) = (membrane::amplitude(gen), membrane::half(gen));
    let orientation = membrane::upright(gen, std::f64::consts::FRAC_PI_2);
    let (middle, axis) = (canvas.point(gen), rotated(orientation, [1.0, 0.0, 0.0]));
    let sacs = gen.integer(3, 7);
    for sac in 0..sacs {
        let height = (sac as f64 - (sacs - 1) as f64 / 2.0) * (2.0 * half + gap);
        let radius = radius * gen.uniform(0.75, 1.0);
        let sac = Membrane {
            shape: Shape::Disc { radius, half },
            centre: [0, 1, 2].map(|a| middle[a] + height * axis[a]),
            orientation,
            waves: membrane::waves(half, gen.uniform(0.0, 0.15), gen),
            half: leaflets,
            middles: vec![0.0],
            amplitude,
        };
        membrane::place_one(canvas, &sac, job)?;
    }
    Ok(())
}

/// An ellipsoid of two membranes with flat cristae across its longest axis.
fn mitochondrion(canvas: &mut Canvas, gen: &mut Generator, job: &Job) -> Result<()> {
    let [_, height, width] = canvas.extent();
    let radius = gen.uniform(60.0, (0.45 * height.min(width)).clamp(70.0, 250.0));
    let long = gen.uniform(1.1, 1.8);
    let gap = gen.uniform(12.0, 20.0).max(membrane::least_gap(canvas));
    let (amplitude, leaflets) = (membrane::amplitude(gen), membrane::half(gen));
    for _ in 0..TRIES {
        let outer = Membrane {
            shape: Shape::Ellipsoid {
                axes: [radius * long, radius, radius],
            },
            centre: canvas.point(gen),
            orientation: random_rotation(gen),
            waves: Vec::new(),
            half: leaflets,
            middles: vec![0.0, -gap],
            amplitude,
        };
        if !membrane::place_one(canvas, &outer, job)? {
            continue;
        }
        let axis = rotated(outer.orientation, [1.0, 0.0, 0.0]);
        let half = gen.uniform(6.0, 11.0);
        let inner = radius - gap;
        let mut at = -0.75 * inner * long;
        while at < 0.75 * inner * long {
            // The inner membrane's own radius at this height, less a gap.
            let room =
                inner * (1.0 - (at / (inner * long)).powi(2)).max(0.0).sqrt() - half - membrane::least_gap(canvas);
            if room > 10.0 {
                let crista = Membrane {
                    shape: Shape::Disc {
                        radius: room * gen.uniform(0.7, 1.0),
                        half,
                    },
                    centre: [0, 1, 2].map(|a| outer.centre[a] + at * axis[a]),
                    orientation: outer.orientation,
                    waves: Vec::new(),
                    half: leaflets,
                    middles: vec![0.0],
                    amplitude,
                };
                membrane::place_one(canvas, &crista, job)?;
            }
            at += 2.0 * half + gen.uniform(8.0, 40.0).max(membrane::least_gap(canvas));
        }
        break;
    }
    Ok(())
}

/// A vesicle 8 to 25 nm from a membrane that is there already.
fn contact(canvas: &mut Canvas, gen: &mut Generator, job: &Job) -> Result<()> {
    for _ in 0..TRIES {
        let radius = gen.uniform(15.0, 60.0);
        let Some(surface) = canvas.membrane_point(gen) else {
            return Ok(());
        };
        let Some(normal) = canvas.membrane_normal(surface, 12.0) else {
            continue;
        };
        let step = radius + gen.uniform(8.0, 25.0).max(membrane::least_gap(canvas));
        let vesicle = Membrane {
            shape: Shape::Sphere { radius },
            centre: [0, 1, 2].map(|a| surface[a] + step * normal[a]),
            orientation: random_rotation(gen),
            waves: Vec::new(),
            half: membrane::half(gen),
            middles: vec![0.0],
            amplitude: membrane::amplitude(gen),
        };
        if membrane::place_one(canvas, &vesicle, job)? {
            break;
        }
    }
    Ok(())
}

/// Granules, denser than the crowd, and lipid droplets, smooth and between ice and protein; `label` keeps others out
/// until the specimen is done.
pub(super) fn bodies(canvas: &mut Canvas, options: &CellOptions, label: u8, gen: &mut Generator) {
    let granules = (options.granules, InstanceKind::Granule, [20.0, 90.0], [0.8, 2.0]);
    let droplets = (options.droplets, InstanceKind::Droplet, [30.0, 200.0], [0.25, 0.8]);
    for (count, kind, size, density) in [granules, droplets] {
        for _ in 0..count {
            let diameter = gen.uniform(f64::ln(size[0]), f64::ln(size[1])).exp();
            let amplitude = gen.uniform(density[0], density[1]);
            let centre = (0..TRIES)
                .map(|_| canvas.point(gen))
                .find(|centre| is_free_ball(canvas, *centre, diameter));
            let Some(centre) = centre else { continue };
            solid_ball(canvas, (centre, diameter), amplitude as f32, label);
            if kind == InstanceKind::Granule {
                // Granules are rough within.
                for _ in 0..(diameter as usize) {
                    let offset = rotated(
                        random_rotation(gen),
                        [0.45 * diameter * gen.uniform(0.0, 1.0).cbrt(), 0.0, 0.0],
                    );
                    let grain = Blob::ball([0, 1, 2].map(|a| centre[a] + offset[a]), gen.uniform(4.0, 9.0));
                    canvas.draw(&[grain], 0.4 * amplitude as f32, label);
                }
            }
            canvas.instances.push(Instance {
                kind,
                species: 0,
                position: centre.map(|p| p / canvas.voxel),
                orientation: [1.0, 0.0, 0.0, 0.0],
                diameter_nm: diameter,
            });
        }
    }
}

/// Whether the ball meets nothing labelled, seen at its centre and along 26 directions.
fn is_free_ball(canvas: &Canvas, centre: [f64; 3], diameter: f64) -> bool {
    (0..27).all(|index| {
        let direction = [index / 9, index / 3 % 3, index % 3].map(|step: i32| f64::from(step - 1));
        let norm = direction.iter().map(|v| v * v).sum::<f64>().sqrt().max(1.0);
        let at = |share: f64| [0, 1, 2].map(|a| centre[a] + share * diameter * direction[a] / norm);
        canvas.is_free(at(0.35)) && canvas.is_free(at(0.55))
    })
}

/// A ball of even density with an edge of one voxel.
fn solid_ball(canvas: &mut Canvas, (centre, diameter): ([f64; 3], f64), amplitude: f32, label: u8) {
    let (_, height, width) = canvas.density.dim();
    let (radius, voxel) = (diameter / 2.0, canvas.voxel);
    let span = |axis: usize, first: usize, end: usize| {
        let low = ((centre[axis] - radius) / voxel - 1.0).floor().max(first as f64) as usize;
        let high = ((centre[axis] + radius) / voxel + 2.0).ceil().clamp(0.0, end as f64) as usize;
        low..high
    };
    for z in span(0, canvas.ice.start, canvas.ice.end) {
        for y in span(1, 0, height) {
            for x in span(2, 0, width) {
                let offset = [z, y, x].map(|i| i as f64 * voxel);
                let distance = (0..3).map(|a| (offset[a] - centre[a]).powi(2)).sum::<f64>().sqrt();
                let share = (0.5 + (radius - distance) / voxel).clamp(0.0, 1.0);
                canvas.density[[z, y, x]] += amplitude * share as f32;
                if share >= 0.5 {
                    canvas.labels[[z, y, x]] = label;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom::{PhantomOptions, BACKGROUND, MEMBRANE};

    fn canvas(side: usize) -> Canvas {
        Canvas::new(&PhantomOptions {
            shape: [side, side, side],
            voxel_nm: 2.0,
            ice_fraction: 1.0,
            ..PhantomOptions::default()
        })
    }

    #[test]
    fn balls_have_their_volume_and_density() {
        let mut canvas = canvas(40);
        solid_ball(&mut canvas, ([40.0; 3], 50.0), 0.5, 254);
        let voxels = canvas.labels.iter().filter(|label| **label == 254).count() as f64;
        let exact = std::f64::consts::PI / 6.0 * 25f64.powi(3);
        assert!((voxels / exact - 1.0).abs() < 0.02, "{voxels} of {exact}");
        assert!((f64::from(canvas.density.sum()) / (0.5 * exact) - 1.0).abs() < 0.02);
        assert!(!is_free_ball(&canvas, [40.0, 40.0, 70.0], 30.0) && is_free_ball(&canvas, [10.0; 3], 12.0));
    }

    #[test]
    fn cristae_lie_within_their_organelle_and_sacs_beside_each_other() {
        let (mut gen, job) = (Generator::new(2, 0), Job::quiet());
        let mut inside = canvas(80);
        mitochondrion(&mut inside, &mut gen, &job).unwrap();
        let outer = inside.instances[0].clone();
        assert_eq!(outer.kind, InstanceKind::Ellipsoid);
        let cristae = &inside.instances[1..];
        assert!(!cristae.is_empty());
        for crista in cristae {
            let away = (0..3)
                .map(|a| (crista.position[a] - outer.position[a]).powi(2))
                .sum::<f64>()
                .sqrt();
            assert_eq!(crista.kind, InstanceKind::Disc);
            assert!(2.0 * away < outer.diameter_nm / 2.0, "{away}");
        }
        let mut stacked = canvas(80);
        stack(&mut stacked, &mut gen, &job).unwrap();
        let axes: Vec<[f64; 4]> = stacked.instances.iter().map(|sac| sac.orientation).collect();
        assert!(
            axes.len() >= 2 && axes.windows(2).all(|pair| pair[0] == pair[1]),
            "{axes:?}"
        );
    }

    #[test]
    fn vesicles_come_close_to_what_is_there() {
        let (mut gen, job) = (Generator::new(4, 0), Job::quiet());
        let mut canvas = canvas(80);
        canvas.labels.slice_mut(ndarray::s![.., .., 10..13]).fill(MEMBRANE);
        contact(&mut canvas, &mut gen, &job).unwrap();
        let vesicle = &canvas.instances[0];
        let gap = 2.0 * (vesicle.position[2] - 11.0).abs() - vesicle.diameter_nm / 2.0;
        assert!((5.0..30.0).contains(&gap), "{gap} nm");
        assert!(canvas.labels.iter().any(|label| *label == BACKGROUND));
    }
}
