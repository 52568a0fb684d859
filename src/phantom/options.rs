//! Every setting of a simulated tomogram, with ranges, and the wide random draw that training uses.
use serde::{Deserialize, Serialize};

use super::DensityOptions;
use crate::runtime::{Error, Generator, Result};

/// What to simulate and how to image it. Lengths in nm unless the name says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PhantomOptions {
    /// Extents (z, y, x) in voxels, 8..=1024 each.
    pub shape: [usize; 3],
    /// Voxel size, 0.2..=10 nm.
    pub voxel_nm: f64,
    /// Seed of specimen, optics and noise (three independent streams).
    pub seed: u64,
    /// Variance of the signal over variance of the noise, per voxel, 1e-4..=1e4.
    pub snr: f64,
    /// First tilt angle in degrees, -85..=85; the tilt axis is y.
    pub tilt_min: f64,
    /// Last tilt angle in degrees, above `tilt_min`.
    pub tilt_max: f64,
    /// Angle between projections in degrees, 0.2..=30.
    pub tilt_step: f64,
    /// Mean underfocus in micrometres, 0..=20.
    pub defocus_um: f64,
    /// Standard deviation of the underfocus between projections in micrometres.
    pub defocus_spread_um: f64,
    /// Share of amplitude contrast, 0..=1.
    pub amplitude_contrast: f64,
    /// Exposure per projection in electrons per square Angstrom, 0..=50.
    pub dose_per_tilt: f64,
    /// Standard deviation of each projection's alignment error in voxels, 0..=5.
    pub shift_error: f64,
    /// Standard deviation of each projection's error of the tilt angle in degrees, 0..=5.
    pub tilt_angle_error: f64,
    /// Standard deviation of each projection's error of the tilt axis, a rotation in its plane, in degrees, 0..=5.
    pub tilt_axis_error: f64,
    /// Number of membranes to try to place, 0..=64.
    pub membranes: usize,
    /// Number of small proteins embedded in the membranes, 0..=4096; part of the density, not of the truth.
    pub membrane_proteins: usize,
    /// Share of the specimen's volume that molecules fill, 0..=0.35.
    pub crowding: f64,
    /// Share of the specimen's volume that small unlabelled proteins fill, 0..=0.35.
    pub debris: f64,
    /// Number of molecule species that are drawn, 1..=32, or 0 where `densities` are given.
    pub species: usize,
    /// Densities of further species, at most 32, read from files.
    pub densities: Vec<DensityOptions>,
    /// Number of filaments, 0..=64.
    pub filaments: usize,
    /// Number of gold beads, 0..=64.
    pub gold_beads: usize,
    /// Share of z that the ice fills, 0.2..=1; objects lie inside it.
    pub ice_fraction: f64,
    /// Strength of the slow density gradient of the ice, in units of protein density.
    pub gradient: f64,
    /// Share of the noise power that is slow (coloured), 0..=1; applied after `noise_ctf`.
    pub noise_colour: f64,
    /// Half-power frequency of the slow noise, cycles per voxel, 0.005..=0.5.
    pub noise_colour_frequency: f64,
    /// Share of the noise power that passes the contrast transfer (structure of the ice), 0..=1.
    pub noise_ctf: f64,
    /// Growth of the noise with the thickness seen at high tilt: variance exp(k (1 / cos - 1)), 0..=3.
    pub noise_tilt_growth: f64,
    /// Power of the ramp in the weighted back-projection, 0..=1; 1 is the exact filter, less looks like SIRT.
    pub filter_exponent: f64,
    /// Cut-off of the reconstruction filter, cycles per voxel, 0.05..=0.5.
    pub filter_cutoff: f64,
    /// Wavelength, nm, beyond which a Gaussian high-pass takes slow density away, as many pipelines do; 0: none; else 10..=2000.
    pub high_pass_nm: f64,
    /// Whether the cut-off is on the radial frequency of the projections (also along the tilt axis) or across the axis only.
    pub filter_radial: bool,
    /// Whether protein is darker than ice (as in most deposited tomograms).
    pub protein_dark: bool,
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
        }
    }
}

impl PhantomOptions {
    /// Settings drawn widely: voxel 0.4..3.2 nm, SNR 0.03..2, in focus or 1..8 um underfocus, empty to crowded, thin or full ice.
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
        // In focus: what a full correction of the contrast transfer, or none in a simulation, comes to.
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
            ..Self::default()
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

    /// Refuses settings out of their documented ranges, by name.
    pub fn validate(&self) -> Result<()> {
        for (axis, n) in ["z", "y", "x"].iter().zip(self.shape) {
            if !(8..=1024).contains(&n) {
                return Err(Error::argument(&format!("shape.{axis}"), n, "must be 8..=1024"));
            }
        }
        let ranges = [
            ("voxel_nm", self.voxel_nm, 0.2, 10.0),
            ("snr", self.snr, 1e-4, 1e4),
            ("tilt_min", self.tilt_min, -85.0, 85.0),
            ("tilt_max", self.tilt_max, -85.0, 85.0),
            ("tilt_step", self.tilt_step, 0.2, 30.0),
            ("defocus_um", self.defocus_um, 0.0, 20.0),
            ("defocus_spread_um", self.defocus_spread_um, 0.0, 5.0),
            ("amplitude_contrast", self.amplitude_contrast, 0.0, 1.0),
            ("dose_per_tilt", self.dose_per_tilt, 0.0, 50.0),
            ("shift_error", self.shift_error, 0.0, 5.0),
            ("tilt_angle_error", self.tilt_angle_error, 0.0, 5.0),
            ("tilt_axis_error", self.tilt_axis_error, 0.0, 5.0),
            ("membranes", self.membranes as f64, 0.0, 64.0),
            ("membrane_proteins", self.membrane_proteins as f64, 0.0, 4096.0),
            ("crowding", self.crowding, 0.0, 0.35),
            ("debris", self.debris, 0.0, 0.35),
            (
                "species",
                self.species as f64,
                if self.densities.is_empty() { 1.0 } else { 0.0 },
                32.0,
            ),
            ("number of densities", self.densities.len() as f64, 0.0, 32.0),
            ("filaments", self.filaments as f64, 0.0, 64.0),
            ("gold_beads", self.gold_beads as f64, 0.0, 64.0),
            ("ice_fraction", self.ice_fraction, 0.2, 1.0),
            ("gradient", self.gradient, 0.0, 10.0),
            ("noise_colour", self.noise_colour, 0.0, 1.0),
            ("noise_colour_frequency", self.noise_colour_frequency, 0.005, 0.5),
            ("noise_ctf", self.noise_ctf, 0.0, 1.0),
            ("noise_tilt_growth", self.noise_tilt_growth, 0.0, 3.0),
            ("filter_exponent", self.filter_exponent, 0.0, 1.0),
            ("filter_cutoff", self.filter_cutoff, 0.05, 0.5),
            ("high_pass_nm", self.high_pass_nm, 0.0, 2000.0),
        ];
        for (name, value, low, high) in ranges {
            // NaN is refused too.
            if !(low..=high).contains(&value) {
                return Err(Error::argument(name, value, &format!("must be {low}..={high}")));
            }
        }
        if self.high_pass_nm > 0.0 && self.high_pass_nm < 10.0 {
            return Err(Error::argument(
                "high_pass_nm",
                self.high_pass_nm,
                "must be 0 or 10..=2000",
            ));
        }
        for (index, density) in self.densities.iter().enumerate() {
            density.validate(index)?;
        }
        if self.tilt_max <= self.tilt_min {
            return Err(Error::argument("tilt_max", self.tilt_max, "must be above tilt_min"));
        }
        Ok(())
    }
}
