//! Where molecules go: compartments between membranes, denser and thinner regions, and the crowd of all sizes.
use std::f64::consts::{PI, TAU};

use ndarray::Array3;

use super::canvas::{Blob, Canvas};
use super::cell_options::CellOptions;
use super::instance::{Instance, InstanceKind, BACKGROUND, MEMBRANE, MOLECULE};
use super::molecule::{self, Species};
use super::rotation::{random_rotation, rotated};
use crate::image::{label_3d, Connectivity};
use crate::runtime::{Generator, Job, Result};

/// Draws of a place before a body of the crowd is given up.
const TRIES: usize = 12;
/// Share of the compartments that hold nothing: vacuoles, the outside.
const EMPTY: f64 = 0.25;
/// Waves that make up the denser and thinner regions.
const WAVES: usize = 6;

/// How crowded each voxel is, 0..=1 of the densest.
pub(super) struct Crowding {
    weight: Array3<f32>,
    /// Mean over the ice.
    mean: f64,
}

impl Crowding {
    /// The crowding of a canvas whose membranes are drawn; None where it is the same everywhere.
    pub fn draw(canvas: &Canvas, options: &CellOptions, gen: &mut Generator, job: &Job) -> Result<Option<Self>> {
        if !options.compartments && options.unevenness == 0.0 {
            return Ok(None);
        }
        let mut weight = Array3::<f32>::ones(canvas.labels.dim());
        if options.compartments {
            let ice = canvas.ice.clone();
            let between = Array3::from_shape_fn(canvas.labels.dim(), |(z, y, x)| {
                ice.contains(&z) && canvas.labels[[z, y, x]] != MEMBRANE
            });
            let regions = label_3d(between.view(), Connectivity::Face, || job.check())?;
            let own = |_: &usize| {
                if gen.chance(EMPTY) {
                    0.0
                } else {
                    gen.uniform(0.3, 1.0) as f32
                }
            };
            let mut shares: Vec<f32> = regions.areas.iter().map(own).collect();
            // Somewhere there must be something.
            if let Some((largest, _)) = regions.areas.iter().enumerate().max_by_key(|(_, area)| **area) {
                if shares.iter().all(|share| *share == 0.0) {
                    shares[largest] = 1.0;
                }
            }
            weight.zip_mut_with(&regions.labels, |weight, region| {
                *weight = region.checked_sub(1).map_or(0.0, |index| shares[index as usize]);
            });
        }
        if options.unevenness > 0.0 {
            uneven(&mut weight, canvas.voxel, options, gen);
        }
        let most = weight.iter().fold(0f32, |most, w| most.max(*w)).max(1e-6);
        weight.mapv_inplace(|w| w / most);
        let ice = weight.slice(ndarray::s![canvas.ice.clone(), .., ..]);
        let mean = f64::from(ice.mean().unwrap_or(0.0)).max(1e-6);
        Ok(Some(Self { weight, mean }))
    }

    /// Mean crowding, 0..=1 of the densest, where `crowding` is None everywhere 1.
    fn mean(crowding: Option<&Self>) -> f64 {
        crowding.map_or(1.0, |crowding| crowding.mean)
    }

    /// Whether a body is let stand at `point`, by chance in proportion to the crowding there.
    pub fn admits(&self, canvas: &Canvas, point: [f64; 3], gen: &mut Generator) -> bool {
        canvas
            .voxel_of(point)
            .is_some_and(|index| gen.chance(f64::from(self.weight[index])))
    }
}

/// Multiplies `weight` by exp(s f), with f of unit variance: a sum of waves about `uneven_nm` long.
fn uneven(weight: &mut Array3<f32>, voxel: f64, options: &CellOptions, gen: &mut Generator) {
    let waves: Vec<([f64; 3], f64)> = (0..WAVES)
        .map(|_| {
            let k = TAU * voxel / (2.0 * options.uneven_nm * gen.uniform(0.6, 1.6));
            let direction = rotated(random_rotation(gen), [1.0, 0.0, 0.0]);
            (direction.map(|d| d * k), gen.uniform(0.0, TAU))
        })
        .collect();
    let scale = options.unevenness * (2.0 / WAVES as f64).sqrt();
    for ((z, y, x), weight) in weight.indexed_iter_mut() {
        let wave = |([a, b, c], phase): &([f64; 3], f64)| (a * z as f64 + b * y as f64 + c * x as f64 + phase).cos();
        *weight *= (scale * waves.iter().map(wave).sum::<f64>()).exp() as f32;
    }
}

/// Fills the specimen with bodies of all sizes, the largest first. Those below `texture_nm` change the density alone;
/// the others are molecules of no species.
pub(super) fn place(
    canvas: &mut Canvas,
    options: &CellOptions,
    crowding: Option<&Crowding>,
    gen: &mut Generator,
    job: &Job,
) -> Result<()> {
    if options.crowd == 0.0 {
        return Ok(());
    }
    let (_, height, width) = canvas.labels.dim();
    let ice = (canvas.ice.len() * height * width) as f64 * canvas.voxel.powi(3);
    let amplitude = gen.uniform(0.5, 1.1);
    for diameter in diameters(options, options.crowd * Crowding::mean(crowding) * ice, gen) {
        job.check()?;
        for _ in 0..TRIES {
            let centre = canvas.point(gen);
            if crowding.is_some_and(|crowding| !crowding.admits(canvas, centre, gen)) {
                continue;
            }
            if diameter < options.texture_nm {
                if canvas.is_free(centre) {
                    let blob = Blob::ball(centre, diameter);
                    canvas.draw(&[blob], amplitude as f32, BACKGROUND);
                    break;
                }
                continue;
            }
            let body = Species::globular(diameter, amplitude * gen.uniform(0.8, 1.2), gen);
            let orientation = random_rotation(gen);
            let blobs = body.placed(centre, orientation);
            if molecule::fits(canvas, centre, &blobs) {
                canvas.draw(&blobs, body.amplitude as f32, MOLECULE);
                canvas.instances.push(Instance {
                    kind: InstanceKind::Globular,
                    species: 0,
                    position: centre.map(|p| p / canvas.voxel),
                    orientation,
                    diameter_nm: diameter,
                });
                break;
            }
        }
    }
    Ok(())
}

/// Diameters with number ~ diameter^-power whose balls fill `volume` nm^3, largest first.
fn diameters(options: &CellOptions, volume: f64, gen: &mut Generator) -> Vec<f64> {
    let (low, high) = (options.crowd_smallest_nm, options.crowd_largest_nm);
    // The inverse of the distribution of d^(1 - power), or of log d at power 1.
    let power = 1.0 - options.crowd_power;
    let drawn = |u: f64| match power.abs() < 1e-6 {
        true => low * (high / low).powf(u),
        false => (low.powf(power) + u * (high.powf(power) - low.powf(power))).powf(1.0 / power),
    };
    let (mut all, mut filled) = (Vec::new(), 0.0);
    while filled < volume {
        let diameter = drawn(gen.uniform(0.0, 1.0));
        filled += PI / 6.0 * diameter.powi(3);
        all.push(diameter);
    }
    all.sort_by(|a, b| b.total_cmp(a));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom::PhantomOptions;

    fn options() -> CellOptions {
        CellOptions {
            crowd: 0.2,
            ..CellOptions::default()
        }
    }

    #[test]
    fn diameters_fill_the_volume_with_equal_shares_of_every_octave() {
        let all = diameters(&options(), 1e7, &mut Generator::new(1, 0));
        let volume = |from: f64, to: f64| -> f64 {
            let inside = all.iter().filter(|d| (from..to).contains(*d));
            inside.map(|d| PI / 6.0 * d.powi(3)).sum()
        };
        let total = volume(0.0, 100.0);
        assert!((1e7..1.01e7).contains(&total), "{total}");
        assert!(all.windows(2).all(|pair| pair[0] >= pair[1]));
        assert!(all.iter().all(|d| (3.0..=40.0).contains(d)));
        // At power 4 volume per unit of log diameter is the same everywhere.
        let (low, high) = (volume(5.0, 10.0), volume(10.0, 20.0));
        assert!((low / high - 1.0).abs() < 0.15, "{low} {high}");
    }

    #[test]
    fn closed_regions_have_crowdings_of_their_own() {
        let phantom = PhantomOptions {
            shape: [16, 48, 48],
            ice_fraction: 1.0,
            ..PhantomOptions::default()
        };
        let mut canvas = Canvas::new(&phantom);
        canvas.labels.slice_mut(ndarray::s![.., .., 16]).fill(MEMBRANE);
        canvas.labels.slice_mut(ndarray::s![.., .., 32]).fill(MEMBRANE);
        let settings = CellOptions {
            compartments: true,
            ..options()
        };
        let job = Job::quiet();
        let draw = |seed: u64| Crowding::draw(&canvas, &settings, &mut Generator::new(seed, 0), &job);
        let mut differ = 0;
        for seed in 0..8 {
            let crowding = draw(seed).unwrap().unwrap();
            let at = |x: usize| crowding.weight[[8, 20, x]];
            assert_eq!(at(16), 0.0, "membranes are no compartment");
            assert!([8, 24, 40].iter().any(|x| at(*x) == 1.0), "the densest is 1");
            assert_eq!(at(2), at(14));
            differ += usize::from(at(8) != at(24) && at(24) != at(40));
        }
        assert!(differ >= 5, "{differ} of 8");
    }
}
