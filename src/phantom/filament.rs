//! Filaments: worm-like paths dressed with actin subunits or with the protofilaments of a microtubule.
use std::f64::consts::{PI, TAU};

use super::canvas::{Blob, Canvas};
use super::instance::{Instance, InstanceKind, FILAMENT};
use super::rotation::from_z_to;
use crate::runtime::{Generator, Job, Result};

/// Paths tried per filament.
const TRIES: usize = 10;
/// Shortest path worth drawing, nm.
const SHORTEST: f64 = 40.0;

/// How subunits lie around a path.
struct Lattice {
    /// Rise per subunit or ring, nm.
    rise: f64,
    /// Radius of the subunits' centres, nm.
    radius: f64,
    /// Standard deviation of a subunit, nm.
    sigma: f64,
    /// Width of the filament, nm.
    width: f64,
}

/// Actin: one subunit a step.
const ACTIN: Lattice = Lattice {
    rise: 2.75,
    radius: 1.7,
    sigma: 1.7,
    width: 7.0,
};
/// Turn of actin per subunit: -166.6 degrees.
const ACTIN_TURN: f64 = -166.6 / 180.0 * PI;
/// Microtubule: one ring of 13 subunits a step.
const MICROTUBULE: Lattice = Lattice {
    rise: 4.1,
    radius: 10.7,
    sigma: 1.55,
    width: 25.0,
};

/// Draws up to `count` filaments, each until it leaves the field or meets something.
pub(super) fn place(canvas: &mut Canvas, count: usize, gen: &mut Generator, job: &Job) -> Result<()> {
    if count == 0 {
        return Ok(());
    }
    // One kind dominates a field, as in cells.
    let tubes = gen.uniform(0.0, 1.0);
    for _ in 0..count {
        let microtubule = gen.chance(tubes);
        for _ in 0..TRIES {
            job.check()?;
            let Lattice { rise, width, .. } = if microtubule { MICROTUBULE } else { ACTIN };
            let path = path(canvas, rise, width, gen);
            if (path.len() as f64) * rise < SHORTEST {
                continue;
            }
            let blobs: Vec<Blob> = path
                .iter()
                .enumerate()
                .flat_map(|(i, frame)| if microtubule { tube(i, frame) } else { actin(i, frame) })
                .collect();
            canvas.draw(&blobs, if microtubule { 1.0 } else { 0.9 }, FILAMENT);
            let middle = &path[path.len() / 2];
            canvas.instances.push(Instance {
                kind: if microtubule {
                    InstanceKind::Microtubule
                } else {
                    InstanceKind::Actin
                },
                species: 0,
                position: middle.point.map(|p| p / canvas.voxel),
                orientation: from_z_to(middle.tangent),
                diameter_nm: width,
            });
            break;
        }
    }
    Ok(())
}

/// A point of the path (z, y, x) in nm with its tangent and two normals.
struct Frame {
    point: [f64; 3],
    tangent: [f64; 3],
    normal: [f64; 3],
    binormal: [f64; 3],
}

/// A path from a random point with a persistent bend, in steps of `rise`, cut where it leaves the field or comes too
/// close.
fn path(canvas: &Canvas, rise: f64, width: f64, gen: &mut Generator) -> Vec<Frame> {
    let extent = canvas.extent();
    let mut point = canvas.point(gen);
    let heading = gen.uniform(0.0, TAU);
    let mut tangent = unit([0.25 * gen.normal(), heading.sin(), heading.cos()]);
    // Radians per nm: microtubules are stiffer.
    let stiffness = if width > 10.0 { 4e-4 } else { 2.5e-3 };
    let bend = [
        gen.normal() * stiffness * 0.2,
        gen.normal() * stiffness,
        gen.normal() * stiffness,
    ];
    let mut frames = Vec::new();
    let longest = (2.0 * (extent[1] + extent[2]) / rise) as usize;
    let margin = width;
    for _ in 0..longest {
        let inside = (1..3).all(|a| point[a] > -margin && point[a] < extent[a] + margin);
        let (low, high) = (
            canvas.ice.start as f64 * canvas.voxel,
            canvas.ice.end as f64 * canvas.voxel,
        );
        if !inside || point[0] < low - margin || point[0] > high + margin {
            break;
        }
        let normal = unit(cross(
            tangent,
            if tangent[0].abs() < 0.9 {
                [1.0, 0.0, 0.0]
            } else {
                [0.0, 1.0, 0.0]
            },
        ));
        let binormal = cross(tangent, normal);
        let clear = (0..8).all(|i| {
            let (s, c) = (TAU * i as f64 / 8.0).sin_cos();
            let reach = width / 2.0 + canvas.voxel;
            canvas.is_free([0, 1, 2].map(|a| point[a] + reach * (c * normal[a] + s * binormal[a])))
        });
        if !clear || !canvas.is_free(point) {
            break;
        }
        frames.push(Frame {
            point,
            tangent,
            normal,
            binormal,
        });
        point = [0, 1, 2].map(|a| point[a] + rise * tangent[a]);
        tangent = unit([0, 1, 2].map(|a| tangent[a] + rise * (bend[a] + 0.3 * stiffness * gen.normal())));
    }
    frames
}

/// One subunit of the two-start helix.
fn actin(index: usize, frame: &Frame) -> Vec<Blob> {
    vec![around(frame, &ACTIN, ACTIN_TURN * index as f64, 1.3)]
}

/// One ring of thirteen protofilaments.
fn tube(index: usize, frame: &Frame) -> Vec<Blob> {
    let alternate = if index.is_multiple_of(2) { 1.15 } else { 0.95 };
    (0..13)
        .map(|i| around(frame, &MICROTUBULE, TAU * i as f64 / 13.0, alternate))
        .collect()
}

fn around(frame: &Frame, lattice: &Lattice, angle: f64, weight: f64) -> Blob {
    let (s, c) = angle.sin_cos();
    let centre = [0, 1, 2].map(|a| frame.point[a] + lattice.radius * (c * frame.normal[a] + s * frame.binormal[a]));
    Blob {
        centre,
        sigma: lattice.sigma,
        weight,
    }
}

fn unit(v: [f64; 3]) -> [f64; 3] {
    let norm = v.iter().map(|c| c * c).sum::<f64>().sqrt().max(1e-12);
    v.map(|c| c / norm)
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}
