//! The crowd of a cell: bodies of all sizes beside the species.
use std::f64::consts::PI;

use super::canvas::{Blob, Canvas};
use super::cell_options::CellOptions;
use super::crowding::Crowding;
use super::instance::BACKGROUND;
use super::molecule::{self, Species};
use super::rotation::random_rotation;
use crate::runtime::{Generator, Job, Result};

/// Draws of a place before a body of the crowd is given up.
const TRIES: usize = 12;

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
            if molecule::put(canvas, &body, 0, (centre, orientation)).is_some() {
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

    #[test]
    fn diameters_fill_the_volume_with_equal_shares_of_every_octave() {
        let all = diameters(&CellOptions::default(), 1e7, &mut Generator::new(1, 0));
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
}
