//! Large complexes of real shape, by their published extents: ribosomes, proteasomes, chaperonins and ATP synthases.
use std::f64::consts::TAU;

use super::canvas::{Blob, Canvas};
use super::cell_options::CellOptions;
use super::crowding::Crowding;
use super::instance::InstanceKind;
use super::molecule::{self, Species};
use super::rotation::{from_z_to, random_rotation};
use crate::runtime::{Generator, Job, Result};

/// Draws of a place before a complex is given up.
const TRIES: usize = 60;
/// Share of the ribosomes that sit on a membrane.
const ON_MEMBRANE: f64 = 1.0 / 3.0;
/// Membrane around a point that its normal is taken from, nm.
const PATCH_NM: f64 = 12.0;

/// Places the complexes that `options` ask for; their species count on from `first_species`.
pub(super) fn place(
    canvas: &mut Canvas,
    options: &CellOptions,
    first_species: usize,
    crowding: Option<&Crowding>,
    gen: &mut Generator,
    job: &Job,
) -> Result<()> {
    type Draw = fn(&mut Generator) -> Species;
    let kinds: [(usize, Draw); 4] = [
        (options.proteasomes, proteasome),
        (options.ribosomes, ribosome),
        (options.synthases, synthase),
        (options.chaperonins, chaperonin),
    ];
    for (index, (count, body)) in kinds.into_iter().enumerate().filter(|(_, (count, _))| *count > 0) {
        let body = body(gen);
        for _ in 0..count {
            job.check()?;
            place_one(canvas, &body, first_species + index, crowding, gen);
        }
    }
    Ok(())
}

/// One copy of `body` where it fits, or none.
fn place_one(canvas: &mut Canvas, body: &Species, species: usize, crowding: Option<&Crowding>, gen: &mut Generator) {
    for _ in 0..TRIES {
        let on_membrane = match body.kind {
            InstanceKind::Synthase => true,
            InstanceKind::Ribosome => gen.chance(ON_MEMBRANE),
            _ => false,
        };
        let Some((centre, orientation)) = pose(canvas, body, on_membrane, crowding, gen) else {
            continue;
        };
        if molecule::put(canvas, body, species, (centre, orientation)).is_some() {
            return;
        }
    }
}

/// A centre and an orientation: anywhere in the crowd, or with the body's own z axis along a membrane's normal.
fn pose(
    canvas: &Canvas,
    body: &Species,
    on_membrane: bool,
    crowding: Option<&Crowding>,
    gen: &mut Generator,
) -> Option<([f64; 3], [f64; 4])> {
    if !on_membrane {
        let centre = canvas.point(gen);
        let admitted = crowding.is_none_or(|crowding| crowding.admits(canvas, centre, gen));
        return admitted.then(|| (centre, random_rotation(gen)));
    }
    let surface = canvas.membrane_point(gen)?;
    let normal = canvas.membrane_normal(surface, PATCH_NM)?;
    let normal = if gen.chance(0.5) { normal } else { normal.map(|v| -v) };
    let height = match body.kind {
        InstanceKind::Synthase => HEAD_HEIGHT_NM,
        _ => body.diameter / 2.0 + gen.uniform(2.5, 5.0),
    };
    let centre = [0, 1, 2].map(|axis| surface[axis] + height * normal[axis]);
    Some((centre, from_z_to(normal)))
}

/// Blobs that fill the ellipsoid of half axes `axes` (z, y, x) nm about `centre`: domains with clefts between them.
fn filled(centre: [f64; 3], axes: [f64; 3], count: usize, gen: &mut Generator) -> Vec<Blob> {
    let volume = axes.iter().product::<f64>();
    let sigma = 0.62 * (volume / count as f64).cbrt();
    let mut blobs = vec![Blob {
        centre,
        sigma,
        weight: 1.4,
    }];
    while blobs.len() < count {
        let p = [gen.uniform(-1.0, 1.0), gen.uniform(-1.0, 1.0), gen.uniform(-1.0, 1.0)];
        if p.iter().map(|v| v * v).sum::<f64>() <= 1.0 {
            blobs.push(Blob {
                centre: [0, 1, 2].map(|a| centre[a] + p[a] * (axes[a] - sigma).max(0.2 * axes[a])),
                sigma: sigma * gen.uniform(0.8, 1.2),
                weight: gen.uniform(0.6, 1.6),
            });
        }
    }
    blobs
}

/// A ring of `fold` blobs of `sigma` at `radius` in the plane `z`, nm.
fn ring(z: f64, radius: f64, sigma: f64, (fold, turn): (usize, f64)) -> impl Iterator<Item = Blob> {
    (0..fold).map(move |subunit| {
        let angle = TAU * subunit as f64 / fold as f64 + turn;
        Blob {
            centre: [z, radius * angle.sin(), radius * angle.cos()],
            sigma,
            weight: 1.3,
        }
    })
}

/// Two unequal subunits with a cleft between them: 21 (bacterial) to 28 nm (eukaryotic) across (Ban et al. 2000, Ben-
/// Shem et al. 2011). RNA makes it denser than protein.
fn ribosome(gen: &mut Generator) -> Species {
    let scale = gen.uniform(21.0, 28.0) / 25.0;
    let large = filled([-3.2 * scale, 0.0, 0.0], [8.2, 11.0, 11.5].map(|a| a * scale), 90, gen);
    let small = filled(
        [7.0 * scale, 0.0, 0.5 * scale],
        [4.4, 6.5, 10.5].map(|a| a * scale),
        45,
        gen,
    );
    Species {
        kind: InstanceKind::Ribosome,
        blobs: large.into_iter().chain(small).collect(),
        diameter: 25.0 * scale,
        amplitude: gen.uniform(1.1, 1.6),
        rooted: 0,
    }
}

/// The 20S barrel of four seven-fold rings, 11.5 nm wide and 15 nm long, with no, one or two 19S caps (Lander et al.
/// 2012): up to 45 nm long.
fn proteasome(gen: &mut Generator) -> Species {
    let caps = gen.integer(0, 2);
    let mut blobs: Vec<Blob> = [-5.4, -1.8, 1.8, 5.4]
        .into_iter()
        .flat_map(|z| ring(z, 4.1, 1.35, (7, 0.0)))
        .collect();
    for side in [1.0, -1.0].into_iter().take(caps as usize) {
        blobs.extend(filled([side * 14.0, 1.5 * side, 0.0], [6.5, 5.5, 7.5], 36, gen));
    }
    Species {
        kind: InstanceKind::Proteasome,
        blobs,
        diameter: 15.0 + 15.0 * caps as f64,
        amplitude: gen.uniform(0.8, 1.2),
        rooted: 0,
    }
}

/// Two rings back to back, seven-fold (GroEL: 14 nm wide, 15 nm long; Braig et al. 1994) or eight-fold (TRiC: 16 nm),
/// each of an equatorial and an apical belt around a cavity.
fn chaperonin(gen: &mut Generator) -> Species {
    let (fold, width) = if gen.chance(0.5) { (7, 14.0) } else { (8, 16.0) };
    let radius = width / 2.0 - 2.4;
    let half = 0.5 * width;
    let belts = [-0.72 * half, -0.24 * half, 0.24 * half, 0.72 * half];
    Species {
        kind: InstanceKind::Chaperonin,
        blobs: belts
            .into_iter()
            .flat_map(|z| ring(z, radius, 1.5, (fold, 0.0)))
            .collect(),
        diameter: width,
        amplitude: gen.uniform(0.8, 1.2),
        rooted: 0,
    }
}

/// Height of the head's centre above the middle of the membrane, nm.
const HEAD_HEIGHT_NM: f64 = 13.0;

/// The head of an ATP synthase, six subunits in a ball of 10 nm, on a stalk into the membrane (Abrahams et al. 1994);
/// its own centre is the head's.
fn synthase(gen: &mut Generator) -> Species {
    let turn = gen.uniform(0.0, TAU);
    let mut blobs: Vec<Blob> = ring(1.6, 2.9, 1.35, (6, turn))
        .chain(ring(-1.6, 2.9, 1.35, (6, turn)))
        .collect();
    blobs.push(Blob {
        centre: [2.0, 0.0, 0.0],
        sigma: 1.2,
        weight: 1.2,
    });
    let stalk = [-5.0, -7.0, -9.0, -11.0, -13.0];
    blobs.extend(stalk.map(|z| Blob {
        centre: [z, 0.0, 0.0],
        sigma: 0.9,
        weight: 1.0,
    }));
    Species {
        kind: InstanceKind::Synthase,
        blobs,
        diameter: 10.0,
        amplitude: gen.uniform(0.9, 1.3),
        rooted: stalk.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom::{PhantomOptions, MEMBRANE};

    /// Extent of a body along z, y and x, from the outermost half maxima.
    fn extents(body: &Species) -> [f64; 3] {
        [0, 1, 2].map(|axis| {
            let edge = |sign: f64| {
                let ends = body.blobs.iter().map(|b| sign * b.centre[axis] + 1.18 * b.sigma);
                ends.fold(f64::MIN, f64::max)
            };
            edge(1.0) + edge(-1.0)
        })
    }

    #[test]
    fn bodies_have_their_published_extents() {
        let mut gen = Generator::new(3, 0);
        for _ in 0..6 {
            for body in [ribosome(&mut gen), proteasome(&mut gen), chaperonin(&mut gen)] {
                let longest = extents(&body).into_iter().fold(0.0, f64::max);
                assert!(
                    (longest / body.diameter - 1.0).abs() < 0.2,
                    "{:?}: {longest} nm of {}",
                    body.kind,
                    body.diameter
                );
            }
            let [length, width, _] = extents(&synthase(&mut gen));
            assert!(
                (8.0..11.0).contains(&width) && (17.0..21.0).contains(&length),
                "{length} x {width}"
            );
        }
    }

    #[test]
    fn synthases_stand_on_their_membrane_and_keep_their_distance() {
        let options = PhantomOptions {
            shape: [64, 64, 64],
            ice_fraction: 1.0,
            ..PhantomOptions::default()
        };
        let mut canvas = Canvas::new(&options);
        canvas.labels.slice_mut(ndarray::s![.., .., 30..34]).fill(MEMBRANE);
        let cell = CellOptions {
            synthases: 12,
            ..CellOptions::default()
        };
        place(&mut canvas, &cell, 1, None, &mut Generator::new(1, 0), &Job::quiet()).unwrap();
        assert!(canvas.instances.len() >= 8, "{} placed", canvas.instances.len());
        for instance in &canvas.instances {
            assert_eq!((instance.kind, instance.species), (InstanceKind::Synthase, 3));
            let height = (instance.position[2] - 31.5).abs();
            assert!((height - HEAD_HEIGHT_NM).abs() < 3.0, "{height}");
        }
    }
}
