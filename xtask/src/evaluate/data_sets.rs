//! The data sets with truth, and what is to be reached on them.
use std::path::{Path, PathBuf};
use std::process::Command;

/// One table of the page.
pub struct DataSet {
    /// Its name in the page.
    pub name: &'static str,
    /// What is to be known when reading its table.
    pub note: &'static str,
    pub source: Source,
    /// Column headings with the value that is to be reached.
    pub goals: &'static [(&'static str, f64)],
}

pub enum Source {
    Tomogram(TomogramSource),
    Pictures(PictureSource),
}

/// A tomogram with truth, in the folder of development data.
pub struct TomogramSource {
    /// Its folder.
    pub folder: &'static str,
    /// The tomogram's file.
    pub tomogram: &'static str,
    /// The file of true positions.
    pub points: &'static str,
    /// Labels of the positions that count, where the folder has `labels.mrc.gz` and `labels.csv`: its particles, not
    /// the proteins in its membranes. None where only positions are known.
    pub particles: Option<&'static str>,
    /// Diameter of a typical molecule in nm.
    pub diameter_nm: &'static str,
    /// How far a hit may be off: an option of `tomocut evaluate` and its value.
    pub reach: [&'static str; 2],
    /// Slices that are segmented.
    pub z: &'static str,
    /// What `tomocut slab` is told about the molecules, as a user who looks for one kind would.
    pub told: &'static [&'static str],
    /// Numbers of picks whose recall is a column. Where there are any, the engine is asked for the largest of them (in
    /// `told`), and what depends on a number of picks of its own choice is no column.
    pub at_picks: &'static [usize],
}

impl TomogramSource {
    /// Tells `tomocut evaluate` what is true, by the files of `folder`.
    pub fn truth(&self, folder: &Path, evaluate: &mut Command) {
        if let Some(particles) = self.particles {
            evaluate.arg("--truth-labels").arg(folder.join("labels.mrc.gz"));
            evaluate.arg("--label-table").arg(folder.join("labels.csv"));
            evaluate.args(["--truth-point-label", particles]);
        }
        evaluate.arg("--truth-points").arg(folder.join(self.points));
        evaluate.args(["--diameter-nm", self.diameter_nm]).args(self.reach);
        if !self.at_picks.is_empty() {
            let numbers: Vec<String> = self.at_picks.iter().map(usize::to_string).collect();
            evaluate.args(["--at-picks", &numbers.join(",")]);
        }
    }
}

/// Pictures with masks of their membranes, packed.
pub struct PictureSource {
    pub archive: &'static str,
    /// Voxel size that the engine is told, in nm.
    pub voxel_nm: f64,
}

impl DataSet {
    /// The file without which the set cannot be measured.
    pub fn file(&self, data: &Path) -> PathBuf {
        match &self.source {
            Source::Tomogram(source) => data.join(source.folder).join(source.tomogram),
            Source::Pictures(source) => data.join(source.archive),
        }
    }
}

/// The middle 20 slices: every one of these tomograms has 128.
const SLAB: &str = "54:74";
/// Others, nearer to where the ice ends.
const OTHER_SLAB: &str = "20:40";

const fn simulated(folder: &'static str, tomogram: &'static str, particles: &'static str) -> TomogramSource {
    TomogramSource {
        folder,
        tomogram,
        points: "particles.csv",
        particles: Some(particles),
        // From 12 nm (a small enzyme) to 27 nm (a ribosome).
        diameter_nm: "20",
        reach: ["--match-nm", "10"],
        z: SLAB,
        told: &[],
        at_picks: &[],
    }
}

const fn elsewhere(source: TomogramSource) -> TomogramSource {
    TomogramSource {
        z: OTHER_SLAB,
        ..source
    }
}

const fn ribosomes(folder: &'static str, tomogram: &'static str, particles: &'static str) -> TomogramSource {
    TomogramSource {
        diameter_nm: "27",
        reach: ["--match-nm", "12.5"],
        told: &["--diameter-nm", "27"],
        ..simulated(folder, tomogram, particles)
    }
}

const SIMULATED: &str = "Middle 20 of 128 slices; a hit is within 10 nm.";
const SIMULATED_ELSEWHERE: &str = "Slices 20 to 39 of 128, on which nothing was chosen; a hit is within 10 nm.";
const PARTICLES: &str = "3,4,5,6,7,8";

pub const DATA_SETS: [DataSet; 6] = [
    DataSet {
        name: "sim_pn_dev1, SNR 0.8",
        note: SIMULATED,
        source: Source::Tomogram(simulated("sim_pn_dev1", "tomo_easy.mrc.gz", PARTICLES)),
        goals: &[("foreground Dice", 0.85)],
    },
    DataSet {
        name: "sim_pn_dev1, SNR 0.1",
        note: SIMULATED,
        source: Source::Tomogram(simulated("sim_pn_dev1", "tomo_hard.mrc.gz", PARTICLES)),
        goals: &[
            ("foreground Dice", 0.70),
            ("membrane Dice", 0.60),
            ("molecule F1", 0.60),
        ],
    },
    DataSet {
        name: "sim_pn_dev2, SNR 0.1",
        note: SIMULATED,
        source: Source::Tomogram(simulated("sim_pn_dev2", "tomo_hard.mrc.gz", PARTICLES)),
        goals: &[
            ("foreground Dice", 0.68),
            ("membrane Dice", 0.60),
            ("molecule F1", 0.60),
        ],
    },
    DataSet {
        name: "sim_semi_TE1, SNR 0.1",
        note:
            "Middle 20 of 128 slices; the molecules are its ribosomes, most of the other particles are of 5 nm, four \
               voxels, so the engine is told to look for 27 nm; a hit is within 12.5 nm.",
        source: Source::Tomogram(ribosomes("sim_semi_TE1", "tomo_hard.mrc.gz", "4")),
        goals: &[
            ("foreground Dice", 0.68),
            ("membrane Dice", 0.60),
            ("molecule F1", 0.60),
        ],
    },
    DataSet {
        name: "EMPIAR-11658 tomogram 9, real",
        note: "The whole tomogram with its 55 published ribosomes, a list that may be incomplete; the engine is \
               asked for 165 molecules of 27 nm; a hit is within 4 voxels.",
        source: Source::Tomogram(TomogramSource {
            folder: "real_empiar11658_tomo9",
            tomogram: "tomo9.mrc.gz",
            points: "ribosomes_80S.csv",
            particles: None,
            diameter_nm: "27",
            reach: ["--match-voxels", "4"],
            z: "0:128",
            told: &["--diameter-nm", "27", "--picks", "165"],
            at_picks: &[55, 165],
        }),
        goals: &[("recall of the best 55", 0.55), ("recall of the best 165", 0.90)],
    },
    DataSet {
        name: "48 slices of cryo-electron tomograms, real",
        note:
            "Hand-made membrane masks, in which some membranes are unmarked; one slice at a time, so that the engine \
               sees no neighbours. The pixel size is not published, 1.5 nm is assumed.",
        source: Source::Pictures(PictureSource {
            archive: "real_dlcryotomo_2d.tar.gz",
            voxel_nm: 1.5,
        }),
        goals: &[("mean AUC", 0.85)],
    },
];

/// Other slices of the same tomograms: rows of the quality tables alone, no data of their own.
pub const OTHER_SLICES: [DataSet; 4] = [
    DataSet {
        name: "sim_pn_dev1, SNR 0.8, slices 20 to 39",
        note: SIMULATED_ELSEWHERE,
        source: Source::Tomogram(elsewhere(simulated("sim_pn_dev1", "tomo_easy.mrc.gz", PARTICLES))),
        goals: &[],
    },
    DataSet {
        name: "sim_pn_dev1, SNR 0.1, slices 20 to 39",
        note: SIMULATED_ELSEWHERE,
        source: Source::Tomogram(elsewhere(simulated("sim_pn_dev1", "tomo_hard.mrc.gz", PARTICLES))),
        goals: &[],
    },
    DataSet {
        name: "sim_pn_dev2, SNR 0.1, slices 20 to 39",
        note: SIMULATED_ELSEWHERE,
        source: Source::Tomogram(elsewhere(simulated("sim_pn_dev2", "tomo_hard.mrc.gz", PARTICLES))),
        goals: &[],
    },
    DataSet {
        name: "sim_semi_TE1, SNR 0.1, slices 20 to 39",
        note: "Slices 20 to 39 of 128; molecules and reach as in the middle.",
        source: Source::Tomogram(elsewhere(ribosomes("sim_semi_TE1", "tomo_hard.mrc.gz", "4"))),
        goals: &[],
    },
];
