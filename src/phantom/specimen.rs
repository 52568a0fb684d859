//! The specimen: density, labels and the list of objects, drawn on one canvas in a fixed order.
use ndarray::Array3;
use serde::Serialize;

use super::{density, filament, membrane, molecule, PhantomOptions};
use crate::runtime::{Generator, Job, Result};

/// Label of ice, vacuum and gold.
pub const BACKGROUND: u8 = 0;
/// Label of lipid bilayers.
pub const MEMBRANE: u8 = 1;
/// Label of macromolecules.
pub const MOLECULE: u8 = 2;
/// Label of filaments.
pub const FILAMENT: u8 = 3;
/// Label of gold while objects are being placed; background in the result.
const GOLD: u8 = 255;
/// Density of a gold bead in units of protein.
const GOLD_DENSITY: f32 = 7.0;

/// Share of a body's peak density down to which a voxel belongs to it: a molecule's envelope, the clefts between its domains included.
const ENVELOPE: f32 = 0.22;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceKind {
    /// Closed membrane around a point.
    Sphere,
    /// Closed membrane with three different axes.
    Ellipsoid,
    /// Membrane tube with rounded ends.
    Tube,
    /// Open membrane.
    Sheet,
    /// Molecule: blobs in a ball or ellipsoid; its centre is filled.
    Globular,
    /// Molecule: a ring of subunits with a hole.
    Ring,
    /// Molecule: stacked rings.
    Barrel,
    /// Molecule: a density from a file.
    Density,
    /// Actin-like filament.
    Actin,
    /// Microtubule.
    Microtubule,
    /// Gold bead; labelled background.
    Gold,
}

impl InstanceKind {
    /// The name in CSV files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sphere => "sphere",
            Self::Ellipsoid => "ellipsoid",
            Self::Tube => "tube",
            Self::Sheet => "sheet",
            Self::Globular => "globular",
            Self::Ring => "ring",
            Self::Barrel => "barrel",
            Self::Density => "density",
            Self::Actin => "actin",
            Self::Microtubule => "microtubule",
            Self::Gold => "gold",
        }
    }

    /// The label of its voxels.
    pub fn label(self) -> u8 {
        match self {
            Self::Sphere | Self::Ellipsoid | Self::Tube | Self::Sheet => MEMBRANE,
            Self::Globular | Self::Ring | Self::Barrel | Self::Density => MOLECULE,
            Self::Actin | Self::Microtubule => FILAMENT,
            Self::Gold => BACKGROUND,
        }
    }
}

/// One object of the specimen.
#[derive(Clone, Debug, Serialize)]
pub struct Instance {
    /// What it is.
    pub kind: InstanceKind,
    /// Number of its species among those of its kind's label; 0 for membranes, filaments and gold.
    pub species: usize,
    /// Centre (z, y, x) in 0-based voxels; may lie outside the volume for membranes.
    pub position: [f64; 3],
    /// Unit quaternion (w, x, y, z) that turns the object's own (x, y, z) axes into the tomogram's.
    pub orientation: [f64; 4],
    /// Largest extent; for filaments the width.
    pub diameter_nm: f64,
}

/// Density (protein 1, ice 0), labels and objects.
#[derive(Clone, Debug)]
pub struct Specimen {
    /// (z, y, x), dense C order.
    pub density: Array3<f32>,
    /// (z, y, x).
    pub labels: Array3<u8>,
    /// In the order of drawing: gold, membranes, filaments, densities, molecules.
    pub instances: Vec<Instance>,
}

impl Specimen {
    /// Draws a specimen; large objects first, so that small ones find the gaps.
    pub fn draw(options: &PhantomOptions, gen: &mut Generator, job: &Job) -> Result<Self> {
        let densities = density::load(options, job)?;
        let mut canvas = Canvas::new(options);
        gold(&mut canvas, options.gold_beads, gen);
        membrane::place(&mut canvas, options.membranes, gen, job)?;
        molecule::embed(&mut canvas, options.membrane_proteins, gen);
        filament::place(&mut canvas, options.filaments, gen, job)?;
        let crowding = density::place(&mut canvas, &densities, options, gen, job)?;
        molecule::place(&mut canvas, options.species, crowding, gen, job)?;
        molecule::scatter(&mut canvas, options.debris, gen, job)?;
        gradient(&mut canvas, options.gradient, gen);
        canvas
            .labels
            .mapv_inplace(|label| if label == GOLD { BACKGROUND } else { label });
        Ok(Self {
            density: canvas.density,
            labels: canvas.labels,
            instances: canvas.instances,
        })
    }
}

/// A Gaussian of density.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blob {
    /// Centre (z, y, x) in nm.
    pub centre: [f64; 3],
    /// Standard deviation in nm, before the voxel's own blur.
    pub sigma: f64,
    /// Peak density.
    pub weight: f64,
}

/// The volume being drawn.
pub(super) struct Canvas {
    pub density: Array3<f32>,
    pub labels: Array3<u8>,
    pub instances: Vec<Instance>,
    /// nm per voxel.
    pub voxel: f64,
    /// Slices that the ice fills.
    pub ice: std::ops::Range<usize>,
}

impl Canvas {
    fn new(options: &PhantomOptions) -> Self {
        let depth = options.shape[0];
        let filled = ((depth as f64 * options.ice_fraction).round() as usize).clamp(1, depth);
        let first = (depth - filled) / 2;
        Self {
            density: Array3::zeros(options.shape),
            labels: Array3::zeros(options.shape),
            instances: Vec::new(),
            voxel: options.voxel_nm,
            ice: first..first + filled,
        }
    }

    /// Extents (z, y, x) in nm.
    pub fn extent(&self) -> [f64; 3] {
        let (z, y, x) = self.density.dim();
        [z as f64 * self.voxel, y as f64 * self.voxel, x as f64 * self.voxel]
    }

    /// A uniform point (z, y, x) in nm inside the ice.
    pub fn point(&self, gen: &mut Generator) -> [f64; 3] {
        let [_, height, width] = self.extent();
        let z = gen.uniform(self.ice.start as f64 * self.voxel, self.ice.end as f64 * self.voxel);
        [z, gen.uniform(0.0, height), gen.uniform(0.0, width)]
    }

    /// The centre, in nm, of a random membrane voxel, or None where 500 draws find none.
    pub fn membrane_point(&self, gen: &mut Generator) -> Option<[f64; 3]> {
        (0..500).find_map(|_| {
            let point = self.point(gen);
            let index = self.voxel_of(point)?;
            (self.labels[index] == MEMBRANE).then(|| index.map(|i| i as f64 * self.voxel))
        })
    }

    /// Standard deviation `sigma` after averaging over a voxel (variance of a box: voxel^2 / 12).
    pub fn blurred(&self, sigma: f64) -> f64 {
        (sigma * sigma + self.voxel * self.voxel / 12.0).sqrt()
    }

    /// The voxel that holds a point in nm, or None outside the ice.
    pub fn voxel_of(&self, point: [f64; 3]) -> Option<[usize; 3]> {
        let (depth, height, width) = self.density.dim();
        let index = point.map(|p| (p / self.voxel).round());
        let inside = index
            .iter()
            .zip([depth, height, width])
            .all(|(i, n)| *i >= 0.0 && *i < n as f64);
        let index = index.map(|i| i.max(0.0) as usize);
        (inside && self.ice.contains(&index[0])).then_some(index)
    }

    /// Whether the point is outside the volume or on an unlabelled voxel.
    pub fn is_free(&self, point: [f64; 3]) -> bool {
        self.voxel_of(point)
            .is_none_or(|index| self.labels[index] == BACKGROUND)
    }

    /// Draws blobs as one body: the sum s saturates as 1 - exp(-s), is scaled by `amplitude` and added; unlabelled voxels above
    /// [`ENVELOPE`] of the body's peak take `label`. Returns the voxels labelled.
    pub fn draw(&mut self, blobs: &[Blob], amplitude: f32, label: u8) -> usize {
        let (depth, height, width) = self.density.dim();
        let mut low = [usize::MAX; 3];
        let mut high = [0usize; 3];
        let spans: Vec<[(usize, usize); 3]> = blobs
            .iter()
            .map(|blob| {
                let reach = 3.2 * self.blurred(blob.sigma);
                let span = |axis: usize, first: usize, end: usize| {
                    let from = ((blob.centre[axis] - reach) / self.voxel).ceil().max(first as f64) as usize;
                    let to = ((blob.centre[axis] + reach) / self.voxel).floor().min(end as f64 - 1.0);
                    (from, if to < 0.0 { 0 } else { to as usize + 1 })
                };
                [
                    span(0, self.ice.start, self.ice.end),
                    span(1, 0, height),
                    span(2, 0, width),
                ]
            })
            .collect();
        for span in spans.iter().filter(|s| s.iter().all(|(a, b)| a < b)) {
            for axis in 0..3 {
                low[axis] = low[axis].min(span[axis].0);
                high[axis] = high[axis].max(span[axis].1);
            }
        }
        if low[0] == usize::MAX || depth == 0 {
            return 0;
        }
        let size = [high[0] - low[0], high[1] - low[1], high[2] - low[2]];
        let mut sum = vec![0f32; size[0] * size[1] * size[2]];
        for (blob, span) in blobs.iter().zip(&spans).filter(|(_, s)| s.iter().all(|(a, b)| a < b)) {
            let sigma = self.blurred(blob.sigma);
            let peak = blob.weight * (blob.sigma / sigma).powi(3);
            let profile = |axis: usize| -> Vec<f32> {
                (span[axis].0..span[axis].1)
                    .map(|i| (-0.5 * ((i as f64 * self.voxel - blob.centre[axis]) / sigma).powi(2)).exp() as f32)
                    .collect()
            };
            let (along_z, along_y, along_x) = (profile(0), profile(1), profile(2));
            for (iz, gz) in along_z.iter().enumerate() {
                for (iy, gy) in along_y.iter().enumerate() {
                    let gain = peak as f32 * gz * gy;
                    let row = (span[0].0 - low[0] + iz) * size[1] + span[1].0 - low[1] + iy;
                    let start = row * size[2] + span[2].0 - low[2];
                    for (value, gx) in sum[start..].iter_mut().zip(&along_x) {
                        *value += gain * gx;
                    }
                }
            }
        }
        let body = |s: f32| 1.0 - (-s).exp();
        let threshold = sum.iter().fold(0f32, |m, s| m.max(body(*s))) * ENVELOPE;
        let mut labelled = 0;
        for (index, s) in sum.iter().enumerate().filter(|(_, s)| **s > 1e-4) {
            let at = [
                low[0] + index / (size[1] * size[2]),
                low[1] + index / size[2] % size[1],
                low[2] + index % size[2],
            ];
            self.density[at] += amplitude * body(*s);
            if body(*s) > threshold && self.labels[at] == BACKGROUND {
                self.labels[at] = label;
                labelled += 1;
            }
        }
        labelled
    }
}

/// A uniform rotation as a unit quaternion (w, x, y, z): four normal draws, normalised (Muller 1959), w >= 0.
pub(super) fn random_rotation(gen: &mut Generator) -> [f64; 4] {
    let q = [gen.normal(), gen.normal(), gen.normal(), gen.normal()];
    let norm = q.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12).copysign(q[0]);
    q.map(|v| v / norm)
}

/// `offset` (z, y, x) turned by the quaternion `q` (w, x, y, z).
pub(super) fn rotated(q: [f64; 4], [z, y, x]: [f64; 3]) -> [f64; 3] {
    let [w, a, b, c] = q;
    [
        2.0 * (a * c - w * b) * x + 2.0 * (b * c + w * a) * y + (1.0 - 2.0 * (a * a + b * b)) * z,
        2.0 * (a * b + w * c) * x + (1.0 - 2.0 * (a * a + c * c)) * y + 2.0 * (b * c - w * a) * z,
        (1.0 - 2.0 * (b * b + c * c)) * x + 2.0 * (a * b - w * c) * y + 2.0 * (a * c + w * b) * z,
    ]
}

/// Gold beads of 5 or 10 nm anywhere in the ice.
fn gold(canvas: &mut Canvas, count: usize, gen: &mut Generator) {
    for _ in 0..count {
        let centre = canvas.point(gen);
        let diameter = if gen.chance(0.5) { 5.0 } else { 10.0 };
        // A Gaussian of a solid ball's variance: radius^2 / 5 per axis.
        let blob = Blob {
            centre,
            sigma: diameter / 2.0 / 5f64.sqrt(),
            weight: 3.0,
        };
        canvas.draw(&[blob], GOLD_DENSITY, GOLD);
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
