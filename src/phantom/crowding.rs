//! Where molecules go: compartments between membranes, denser and thinner regions.
use std::f64::consts::TAU;

use ndarray::Array3;

use super::canvas::Canvas;
use super::cell_options::CellOptions;
use super::instance::MEMBRANE;
use super::rotation::{random_rotation, rotated};
use crate::image::{label_3d, Connectivity};
use crate::runtime::{Generator, Job, Result};

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
    pub fn mean(crowding: Option<&Self>) -> f64 {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom::PhantomOptions;

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
            ..CellOptions::default()
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
