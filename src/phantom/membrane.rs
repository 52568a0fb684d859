//! Membranes: closed and open surfaces with slow curvature noise and a bilayer profile, by signed distance.
use super::canvas::Canvas;
use super::instance::{Instance, InstanceKind, BACKGROUND, MEMBRANE};
use super::rotation::{random_rotation, rotated};
use crate::runtime::{Generator, Job, Result};

/// Standard deviation of one leaflet's head groups across the bilayer, nm.
const LEAFLET_SIGMA: f64 = 0.75;
/// Largest half distance between the leaflets, nm.
const THICKEST_HALF: f64 = 2.3;
/// Density between the leaflets, relative to a leaflet (lipid tails are about as dense as ice).
const TAIL_DIP: f64 = -0.15;
/// Clearance between membranes, nm.
const CLEARANCE: f64 = 2.0;
/// Placements tried per membrane.
const TRIES: usize = 8;

/// A surface in its own axes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Sphere {
        radius: f64,
    },
    Ellipsoid {
        axes: [f64; 3],
    },
    Tube {
        radius: f64,
        half_length: f64,
    },
    /// A flat sac about its own z axis: a disc of `radius` whose rim is rounded by `half` its thickness.
    Disc {
        radius: f64,
        half: f64,
    },
    Sheet,
}

impl Shape {
    /// Signed distance (negative inside) of a point (z, y, x) in nm; for the ellipsoid to first order, k0 (k0 - 1) / k1
    /// with k0 = |p / a|, k1 = |p / a^2|.
    fn distance(&self, [z, y, x]: [f64; 3]) -> f64 {
        match *self {
            Self::Sphere { radius } => (x * x + y * y + z * z).sqrt() - radius,
            Self::Ellipsoid { axes: [a, b, c] } => {
                let k0 = ((z / a).powi(2) + (y / b).powi(2) + (x / c).powi(2)).sqrt();
                let k1 = ((z / (a * a)).powi(2) + (y / (b * b)).powi(2) + (x / (c * c)).powi(2)).sqrt();
                if k1 < 1e-9 {
                    -a.min(b).min(c)
                } else {
                    k0 * (k0 - 1.0) / k1
                }
            }
            Self::Tube { radius, half_length } => {
                let along = x - x.clamp(-half_length, half_length);
                (along * along + y * y + z * z).sqrt() - radius
            }
            Self::Disc { radius, half } => {
                let beyond = ((x * x + y * y).sqrt() - radius).max(0.0);
                (beyond * beyond + z * z).sqrt() - half
            }
            Self::Sheet => z,
        }
    }

    fn kind(&self) -> InstanceKind {
        match self {
            Self::Sphere { .. } => InstanceKind::Sphere,
            Self::Ellipsoid { .. } => InstanceKind::Ellipsoid,
            Self::Tube { .. } => InstanceKind::Tube,
            Self::Disc { .. } => InstanceKind::Disc,
            Self::Sheet => InstanceKind::Sheet,
        }
    }

    /// Largest extent in nm; `field` for the sheet, which has no end.
    fn extent(&self, field: f64) -> f64 {
        match *self {
            Self::Sphere { radius } => 2.0 * radius,
            Self::Ellipsoid { axes } => 2.0 * axes.iter().cloned().fold(0.0, f64::max),
            Self::Tube { radius, half_length } => 2.0 * (radius + half_length),
            Self::Disc { radius, half } => 2.0 * (radius + half),
            Self::Sheet => field,
        }
    }
}

/// One slow wave of the surface.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wave {
    /// Wave vector (z, y, x), radians per nm.
    vector: [f64; 3],
    phase: f64,
    amplitude: f64,
}

/// Five slow waves for a surface whose smallest radius is `size` nm, together about `roughness` of it high.
pub(super) fn waves(size: f64, roughness: f64, gen: &mut Generator) -> Vec<Wave> {
    let wave = |_| {
        let wavelength = size * gen.uniform(0.9, 3.0);
        let direction = rotated(random_rotation(gen), [1.0, 0.0, 0.0]);
        let k = std::f64::consts::TAU / wavelength;
        // A slope below 0.25 keeps the signed distance a distance.
        let amplitude = (roughness * size * gen.uniform(0.2, 0.6)).min(0.25 / k);
        Wave {
            vector: direction.map(|d| d * k),
            phase: gen.uniform(0.0, std::f64::consts::TAU),
            amplitude,
        }
    };
    (0..5).map(wave).collect()
}

/// A surface in the tomogram, with the depth profile of its one or two bilayers.
pub(super) struct Membrane {
    pub shape: Shape,
    /// Centre (z, y, x), nm.
    pub centre: [f64; 3],
    pub orientation: [f64; 4],
    pub waves: Vec<Wave>,
    /// Half the distance between the leaflets, nm.
    pub half: f64,
    /// Depths of the bilayers' middles: one or two.
    pub middles: Vec<f64>,
    /// Density of a leaflet against protein's.
    pub amplitude: f64,
}

impl Membrane {
    fn draw(canvas: &Canvas, gen: &mut Generator) -> Self {
        let [thickness, height, width] = canvas.extent();
        let field = height.min(width);
        // Radii suit the field: whole vesicles in coarse tomograms, pieces of them in fine ones.
        let largest = (0.9 * field).clamp(20.0, 350.0);
        let radius = |gen: &mut Generator| gen.uniform(14f64.ln(), largest.ln()).exp();
        let shape = match gen.integer(0, 9) {
            0..=2 => Shape::Sphere { radius: radius(gen) },
            3..=5 => {
                let r = radius(gen);
                Shape::Ellipsoid {
                    axes: [0, 1, 2].map(|_| r * gen.uniform(0.55, 1.6)),
                }
            }
            6..=7 => Shape::Tube {
                radius: gen.uniform(12.0, 50.0),
                half_length: gen.uniform(10.0, field),
            },
            _ => Shape::Sheet,
        };
        let centre = canvas.point(gen);
        let orientation = match shape {
            // Mostly upright, as membranes in thin ice are; a sheet parallel to the slices falls into the missing
            // wedge.
            Shape::Sheet => upright(gen, std::f64::consts::FRAC_PI_2),
            Shape::Tube { .. } => upright(gen, 0.0),
            _ => random_rotation(gen),
        };
        let size = match shape {
            Shape::Sphere { radius } | Shape::Tube { radius, .. } => radius,
            Shape::Ellipsoid { axes } => axes.iter().cloned().fold(f64::MAX, f64::min),
            Shape::Disc { half, .. } => half,
            Shape::Sheet => 0.5 * thickness.max(60.0),
        };
        let roughness = gen.uniform(0.0, 0.16);
        let waves = waves(size, roughness, gen);
        let mut middles = vec![0.0];
        if gen.chance(0.25) && size > 35.0 {
            middles.push(-gen.uniform(14.0, 28.0).min(0.5 * size));
        }
        Self {
            shape,
            centre,
            orientation,
            waves,
            half: half(gen),
            middles,
            amplitude: amplitude(gen),
        }
    }

    /// Signed distance from the outer bilayer's middle, and from the nearest bilayer's middle, both in nm. The waves
    /// are left out where even they cannot bring the point within `reach` of a bilayer.
    fn depth(&self, point: [f64; 3], reach: f64) -> f64 {
        let [w, a, b, c] = self.orientation;
        let offset = [
            point[0] - self.centre[0],
            point[1] - self.centre[1],
            point[2] - self.centre[2],
        ];
        let local = rotated([w, -a, -b, -c], offset);
        let base = self.shape.distance(local);
        let slack: f64 = self.waves.iter().map(|wave| wave.amplitude).sum::<f64>() + reach;
        if self.nearest(base).abs() > slack {
            return base;
        }
        let wave = |w: &Wave| {
            let phase = w.vector[0] * local[0] + w.vector[1] * local[1] + w.vector[2] * local[2] + w.phase;
            w.amplitude * phase.sin()
        };
        base + self.waves.iter().map(wave).sum::<f64>()
    }

    /// Signed distance to the nearest bilayer's middle.
    fn nearest(&self, depth: f64) -> f64 {
        let gaps = self.middles.iter().map(|middle| depth - middle);
        gaps.fold(f64::MAX, |best, gap| if gap.abs() < best.abs() { gap } else { best })
    }
}

/// Half the distance between the leaflets, nm.
pub(super) fn half(gen: &mut Generator) -> f64 {
    gen.uniform(1.4, THICKEST_HALF)
}

/// Density of a leaflet against protein's: from bilayers drawn faint, as some simulations have them, to stained ones.
pub(super) fn amplitude(gen: &mut Generator) -> f64 {
    gen.uniform(0.2f64.ln(), 1.2f64.ln()).exp()
}

/// A rotation about z by any angle, after a tilt about x by `tilt` give or take 0.35 rad.
pub(super) fn upright(gen: &mut Generator, tilt: f64) -> [f64; 4] {
    let (half_tilt, half_turn) = (
        (tilt + 0.35 * gen.normal()) / 2.0,
        gen.uniform(0.0, std::f64::consts::PI),
    );
    let ((st, ct), (sz, cz)) = (half_tilt.sin_cos(), half_turn.sin_cos());
    // Quaternion product (turn about z) * (tilt about x).
    [cz * ct, cz * st, sz * st, sz * ct]
}

/// Least distance in nm between the middles of two bilayers, so that the second one is drawn.
pub(super) fn least_gap(canvas: &Canvas) -> f64 {
    2.0 * THICKEST_HALF + LEAFLET_SIGMA + CLEARANCE + 3.0 * canvas.voxel
}

/// Draws up to `count` membranes that do not cross earlier objects.
pub(super) fn place(canvas: &mut Canvas, count: usize, gen: &mut Generator, job: &Job) -> Result<()> {
    for _ in 0..count {
        for _ in 0..TRIES {
            job.check()?;
            let membrane = Membrane::draw(canvas, gen);
            if place_one(canvas, &membrane, job)? {
                break;
            }
        }
    }
    Ok(())
}

/// Draws `membrane` where it meets the volume and crosses nothing; false where it does not.
pub(super) fn place_one(canvas: &mut Canvas, membrane: &Membrane, job: &Job) -> Result<bool> {
    let fits = fits(canvas, membrane, job)?;
    if fits {
        draw(canvas, membrane, job)?;
        let [_, height, width] = canvas.extent();
        canvas.instances.push(Instance {
            kind: membrane.shape.kind(),
            species: 0,
            position: membrane.centre.map(|p| p / canvas.voxel),
            orientation: membrane.orientation,
            diameter_nm: membrane.shape.extent(height.max(width)),
        });
    }
    Ok(fits)
}

/// Whether the membrane meets the volume and keeps clear of everything labelled, seen on every second voxel.
fn fits(canvas: &Canvas, membrane: &Membrane, job: &Job) -> Result<bool> {
    let (_, height, width) = canvas.labels.dim();
    let reach = membrane.half + CLEARANCE + 2.0 * canvas.voxel;
    let mut met = 0usize;
    for z in canvas.ice.clone().step_by(2) {
        job.check()?;
        for y in (0..height).step_by(2) {
            for x in (0..width).step_by(2) {
                let point = [z, y, x].map(|i| i as f64 * canvas.voxel);
                if membrane.nearest(membrane.depth(point, reach)).abs() < reach {
                    if canvas.labels[[z, y, x]] != BACKGROUND {
                        return Ok(false);
                    }
                    met += 1;
                }
            }
        }
    }
    Ok(met >= 20)
}

/// Two leaflets and the dip between them, each a Gaussian averaged over the voxel; labelled out to half a leaflet
/// beyond the heads.
fn draw(canvas: &mut Canvas, membrane: &Membrane, job: &Job) -> Result<()> {
    let (_, height, width) = canvas.labels.dim();
    let sigma = canvas.blurred(LEAFLET_SIGMA);
    let gain = membrane.amplitude * LEAFLET_SIGMA / sigma;
    let gauss = |d: f64| (-0.5 * (d / sigma).powi(2)).exp();
    let edge = (membrane.half + LEAFLET_SIGMA).max(0.5 * canvas.voxel);
    let reach = membrane.half + 4.0 * sigma;
    for z in canvas.ice.clone() {
        job.check()?;
        for y in 0..height {
            for x in 0..width {
                let point = [z, y, x].map(|i| i as f64 * canvas.voxel);
                let depth = membrane.depth(point, reach);
                let gap = membrane.nearest(depth);
                if gap.abs() >= reach {
                    continue;
                }
                let profile = |d: f64| gauss(d - membrane.half) + gauss(d + membrane.half) + TAIL_DIP * gauss(d);
                let value: f64 = membrane.middles.iter().map(|middle| profile(depth - middle)).sum();
                canvas.density[[z, y, x]] += (gain * value) as f32;
                if gap.abs() <= edge && canvas.labels[[z, y, x]] == BACKGROUND {
                    canvas.labels[[z, y, x]] = MEMBRANE;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_vanish_on_the_surfaces_and_count_outwards() {
        let ellipsoid = Shape::Ellipsoid {
            axes: [10.0, 20.0, 30.0],
        };
        assert!(ellipsoid.distance([0.0, 20.0, 0.0]).abs() < 1e-9);
        assert!((ellipsoid.distance([0.0, 0.0, 31.0]) - 1.0).abs() < 0.1);
        let tube = Shape::Tube {
            radius: 5.0,
            half_length: 10.0,
        };
        assert!(tube.distance([5.0, 0.0, 3.0]).abs() < 1e-9);
        assert!((tube.distance([0.0, 0.0, 17.0]) - 2.0).abs() < 1e-9);
        let disc = Shape::Disc {
            radius: 20.0,
            half: 6.0,
        };
        assert!(disc.distance([6.0, 0.0, 11.0]).abs() < 1e-9 && disc.distance([0.0, 26.0, 0.0]).abs() < 1e-9);
        assert!((disc.distance([0.0, 0.0, 5.0]) + 6.0).abs() < 1e-9);
        assert_eq!(Shape::Sphere { radius: 4.0 }.distance([0.0; 3]), -4.0);
    }

    #[test]
    fn upright_sheets_stand_across_the_slices() {
        let mut gen = Generator::new(3, 0);
        let normal_z: f64 = (0..50)
            .map(|_| rotated(upright(&mut gen, std::f64::consts::FRAC_PI_2), [1.0, 0.0, 0.0])[0].abs())
            .sum();
        assert!(normal_z / 50.0 < 0.4, "mean |z| of sheet normals {}", normal_z / 50.0);
    }
}
