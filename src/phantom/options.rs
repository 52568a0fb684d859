//! Settings of a simulated tomogram, and the wide random draw that training uses.
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cell_options::CellOptions;
use super::lamella_options::LamellaOptions;
use super::optics::contrast_transfer;
use super::processing_options::ProcessingOptions;
use crate::runtime::{Error, Generator, Result};
use crate::settings::{finite, Settings};

/// Specimen, tilt series and reconstruction of a simulated tomogram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhantomOptions {
    /// Extents (z, y, x) in voxels.
    #[schemars(inner(range(min = 8, max = 1024)))]
    pub shape: [usize; 3],
    /// Edge of a voxel in nm.
    #[schemars(range(min = 0.2, max = 10.0))]
    pub voxel_nm: f64,
    /// Seed of specimen, optics, noise and what makes the specimen like a cell (four independent streams).
    pub seed: u64,
    /// Variance of the signal over variance of the noise, per voxel.
    #[schemars(range(min = 1e-4, max = 1e4))]
    pub snr: f64,
    /// First tilt angle in degrees; the tilt axis is y.
    #[schemars(range(min = -85.0, max = 85.0))]
    pub tilt_min: f64,
    /// Last tilt angle in degrees, above `tilt_min`.
    #[schemars(range(min = -85.0, max = 85.0))]
    pub tilt_max: f64,
    /// Angle between projections in degrees.
    #[schemars(range(min = 0.2, max = 30.0))]
    pub tilt_step: f64,
    /// Mean underfocus in micrometres.
    #[schemars(range(min = 0.0, max = 20.0))]
    pub defocus_um: f64,
    /// Standard deviation of the underfocus between projections in micrometres.
    #[schemars(range(min = 0.0, max = 5.0))]
    pub defocus_spread_um: f64,
    /// Share of amplitude contrast.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub amplitude_contrast: f64,
    /// Exposure per projection in electrons per square Angstrom.
    #[schemars(range(min = 0.0, max = 50.0))]
    pub dose_per_tilt: f64,
    /// Standard deviation of each projection's alignment error in voxels.
    #[schemars(range(min = 0.0, max = 5.0))]
    pub shift_error: f64,
    /// Standard deviation of each projection's error of the tilt angle in degrees.
    #[schemars(range(min = 0.0, max = 5.0))]
    pub tilt_angle_error: f64,
    /// Standard deviation of each projection's error of the tilt axis, a rotation in its plane, in degrees.
    #[schemars(range(min = 0.0, max = 5.0))]
    pub tilt_axis_error: f64,
    /// Number of membranes to try to place.
    #[schemars(range(min = 0, max = 64))]
    pub membranes: usize,
    /// Number of small proteins embedded in the membranes; part of the density, not of the truth.
    #[schemars(range(min = 0, max = 4096))]
    pub membrane_proteins: usize,
    /// Share of the specimen's volume that molecules fill.
    #[schemars(range(min = 0.0, max = 0.35))]
    pub crowding: f64,
    /// Share of the specimen's volume that small unlabelled proteins fill.
    #[schemars(range(min = 0.0, max = 0.35))]
    pub debris: f64,
    /// Number of molecule species that are drawn; 0 only where `densities` are given.
    #[schemars(range(min = 0, max = 32))]
    pub species: usize,
    /// Further species, read from density files. A list replaces the default list.
    #[schemars(length(max = 32))]
    pub densities: Vec<DensityOptions>,
    /// Number of filaments.
    #[schemars(range(min = 0, max = 64))]
    pub filaments: usize,
    /// Number of gold beads.
    #[schemars(range(min = 0, max = 64))]
    pub gold_beads: usize,
    /// Share of z that the ice fills; objects lie inside it.
    #[schemars(range(min = 0.2, max = 1.0))]
    pub ice_fraction: f64,
    /// Strength of the slow density gradient of the ice, in units of protein density.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub gradient: f64,
    /// Share of the noise power that is slow (coloured); applied after `noise_ctf`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub noise_colour: f64,
    /// Half-power frequency of the slow noise, cycles per voxel.
    #[schemars(range(min = 0.005, max = 0.5))]
    pub noise_colour_frequency: f64,
    /// Share of the noise power that passes the contrast transfer (structure of the ice).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub noise_ctf: f64,
    /// Growth of the noise with the thickness seen at high tilt: variance exp(k (1 / cos - 1)).
    #[schemars(range(min = 0.0, max = 3.0))]
    pub noise_tilt_growth: f64,
    /// Power of the ramp in the weighted back-projection; 1 is the exact filter, less looks like SIRT.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub filter_exponent: f64,
    /// Cut-off of the reconstruction filter, cycles per voxel.
    #[schemars(range(min = 0.05, max = 0.5))]
    pub filter_cutoff: f64,
    /// Wavelength, nm, beyond which a Gaussian high-pass takes slow density away, as many pipelines do; 0: none; else
    /// 10..=2000.
    #[schemars(range(min = 0.0, max = 2000.0))]
    pub high_pass_nm: f64,
    /// Whether the cut-off is on the radial frequency of the projections (also along the tilt axis) or across the axis
    /// only.
    pub filter_radial: bool,
    /// Whether protein is darker than ice (as in most deposited tomograms).
    pub protein_dark: bool,
    /// Phase shift of a phase plate in degrees; 0: none.
    #[schemars(range(min = 0.0, max = 180.0))]
    pub phase_shift: f64,
    /// Whether the phases of the contrast transfer are flipped before the reconstruction.
    pub phases_flipped: bool,
    /// What makes the specimen like a cell.
    pub cell: CellOptions,
    /// The lamella that the specimen is cut to.
    pub lamella: LamellaOptions,
    /// Processing after the reconstruction.
    pub processing: ProcessingOptions,
}

impl Default for PhantomOptions {
    fn default() -> Self {
        Self {
            shape: [128, 256, 256],
            voxel_nm: 1.0,
            seed: 1,
            snr: 0.2,
            tilt_min: -60.0,
            tilt_max: 60.0,
            tilt_step: 3.0,
            defocus_um: 3.5,
            defocus_spread_um: 0.15,
            amplitude_contrast: 0.1,
            dose_per_tilt: 3.0,
            shift_error: 0.4,
            tilt_angle_error: 0.0,
            tilt_axis_error: 0.0,
            membranes: 5,
            membrane_proteins: 0,
            crowding: 0.08,
            debris: 0.0,
            species: 6,
            densities: Vec::new(),
            filaments: 3,
            gold_beads: 0,
            ice_fraction: 0.9,
            gradient: 0.1,
            noise_colour: 0.3,
            noise_colour_frequency: 0.1,
            noise_ctf: 0.2,
            noise_tilt_growth: 0.3,
            filter_exponent: 1.0,
            filter_cutoff: 0.45,
            high_pass_nm: 0.0,
            filter_radial: false,
            protein_dark: true,
            phase_shift: 0.0,
            phases_flipped: true,
            cell: CellOptions::default(),
            lamella: LamellaOptions::default(),
            processing: ProcessingOptions::default(),
        }
    }
}

impl PhantomOptions {
    /// Settings drawn widely: voxel 0.4..3.2 nm, SNR 0.03..2, in focus or 1..8 um underfocus, empty to crowded, thin or
    /// full ice.
    ///
    /// Few settings are correlated: fine voxels go with small fields, so membranes and filaments are fewer there.
    pub fn random(gen: &mut Generator) -> Self {
        let log_uniform = |gen: &mut Generator, low: f64, high: f64| gen.uniform(low.ln(), high.ln()).exp();
        // More of them coarse than chance would give: whole cells are looked at so.
        let voxel_nm = if gen.chance(0.35) {
            log_uniform(gen, 1.4, 3.2)
        } else {
            log_uniform(gen, 0.4, 3.2)
        };
        let tilt_max = gen.uniform(45.0, 68.0);
        // In focus: the same as a full correction of the contrast transfer, or as none in a simulation.
        let defocus_um = if gen.chance(0.35) { 0.0 } else { gen.uniform(1.0, 8.0) };
        Self {
            voxel_nm,
            seed: gen.integer(0, i64::MAX) as u64,
            snr: log_uniform(gen, 0.03, 2.0),
            tilt_min: -(tilt_max + gen.uniform(-8.0, 4.0)),
            tilt_max,
            tilt_step: gen.uniform(1.5, 4.0),
            defocus_um,
            defocus_spread_um: if defocus_um > 0.0 { gen.uniform(0.0, 0.4) } else { 0.0 },
            amplitude_contrast: gen.uniform(0.05, 0.3),
            dose_per_tilt: gen.uniform(1.0, 4.0),
            shift_error: gen.uniform(0.0, 0.9),
            membranes: gen.integer(1, (4.0 + 5.0 * voxel_nm) as i64) as usize,
            membrane_proteins: if gen.chance(0.5) {
                0
            } else {
                gen.integer(5, 120) as usize
            },
            crowding: if gen.chance(0.1) {
                0.0
            } else {
                log_uniform(gen, 0.01, 0.25)
            },
            debris: if gen.chance(0.5) { 0.0 } else { gen.uniform(0.0, 0.2) },
            species: gen.integer(2, 8) as usize,
            filaments: if gen.chance(0.4) {
                gen.integer(1, (2.0 + 3.0 * voxel_nm) as i64) as usize
            } else {
                0
            },
            gold_beads: if gen.chance(0.15) {
                gen.integer(1, 4) as usize
            } else {
                0
            },
            ice_fraction: gen.uniform(0.6, 1.0),
            gradient: gen.uniform(0.0, 0.3),
            noise_colour: if gen.chance(0.3) { 0.0 } else { gen.uniform(0.0, 0.8) },
            noise_colour_frequency: log_uniform(gen, 0.02, 0.35),
            noise_ctf: if gen.chance(0.5) { 0.0 } else { gen.uniform(0.0, 0.7) },
            noise_tilt_growth: gen.uniform(0.0, 0.8),
            filter_exponent: if gen.chance(0.6) { 1.0 } else { gen.uniform(0.5, 1.0) },
            filter_cutoff: gen.uniform(0.22, 0.5),
            high_pass_nm: if gen.chance(0.6) {
                0.0
            } else {
                log_uniform(gen, 40.0, 300.0)
            },
            filter_radial: gen.chance(0.5),
            phase_shift: if gen.chance(0.1) { gen.uniform(30.0, 120.0) } else { 0.0 },
            phases_flipped: gen.chance(0.75),
            cell: CellOptions::random(gen, voxel_nm),
            lamella: LamellaOptions::random(gen),
            processing: ProcessingOptions::random(gen),
            ..Self::default()
        }
    }

    /// Contrast transfer that is in the projections, for a frequency in 1/Angstrom and an underfocus in Angstrom:
    /// without its sign where phases are flipped.
    pub(super) fn transfer(&self, frequency: f64, defocus_angstrom: f64) -> f64 {
        let transfer = contrast_transfer(frequency, defocus_angstrom, self.amplitude_contrast, self.phase_shift);
        if self.phases_flipped {
            transfer.abs()
        } else {
            transfer
        }
    }

    /// The tilt angles in degrees, lowest first.
    pub fn tilt_angles(&self) -> Vec<f64> {
        let count = ((self.tilt_max - self.tilt_min) / self.tilt_step + 1e-6)
            .floor()
            .max(0.0) as usize
            + 1;
        (0..count).map(|i| self.tilt_min + i as f64 * self.tilt_step).collect()
    }
}

impl Settings for PhantomOptions {
    const FAMILY: &'static str = "phantom";

    fn of_preset(_: &str) -> Self {
        Self::default()
    }

    fn validate_together(&self) -> Result<()> {
        if self.species == 0 && self.densities.is_empty() {
            return Err(Error::argument("species", 0, "must be 1..=32 without densities"));
        }
        if self.high_pass_nm > 0.0 && self.high_pass_nm < 10.0 {
            let allowed = "must be 0 or 10..=2000";
            return Err(Error::argument("high_pass_nm", self.high_pass_nm, allowed));
        }
        if self.tilt_max <= self.tilt_min {
            return Err(Error::argument("tilt_max", self.tilt_max, "must be above tilt_min"));
        }
        let cell = &self.cell;
        if cell.crowd_largest_nm < cell.crowd_smallest_nm {
            let allowed = "must not be below cell.crowd_smallest_nm";
            return Err(Error::argument("cell.crowd_largest_nm", cell.crowd_largest_nm, allowed));
        }
        let clip = self.processing.clip;
        if clip > 0.0 && clip < 1.0 {
            return Err(Error::argument("processing.clip", clip, "must be 0 or 1..=20"));
        }
        let densities = self.densities.iter().enumerate();
        densities
            .into_iter()
            .try_for_each(|(index, density)| density.validate(index))
    }
}

/// A density to place copies of. Its species number is that of the drawn species, counted on in the order of the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DensityOptions {
    /// MRC file with bright protein, at most 512 voxels along a side; it is turned about its voxel n / 2, as RELION,
    /// IMOD and Dynamo do.
    #[schemars(length(min = 1))]
    pub path: PathBuf,
    /// Level above which the molecule is labelled, in the file's units; null: Otsu's.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// Density beyond a ball of this diameter is left out; null: everything is kept.
    #[serde(default)]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub diameter_nm: Option<f64>,
    /// Voxel size, where the file's own is wrong or empty.
    #[serde(default)]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub voxel_nm: Option<f64>,
    /// Number of copies to try to place; null: as many as its part of `crowding` takes, every species having an equal
    /// part.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10000))]
    pub copies: Option<usize>,
}

impl DensityOptions {
    /// Everything in `path`, with the file's own voxel size.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            threshold: None,
            diameter_nm: None,
            voxel_nm: None,
            copies: None,
        }
    }

    /// Refuses NaN and infinity, which JSON would drop as "not given".
    fn validate(&self, index: usize) -> Result<()> {
        let numbers = [
            ("threshold", self.threshold),
            ("diameter_nm", self.diameter_nm),
            ("voxel_nm", self.voxel_nm),
        ];
        let mut numbers = numbers.into_iter();
        numbers.try_for_each(|(name, value)| finite(&format!("densities[{index}].{name}"), value))
    }
}
