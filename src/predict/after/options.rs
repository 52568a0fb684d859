//! What is made of a network's probabilities.
use crate::picks::PickFormat;
use crate::predict::{ClosingOptions, ObjectRules};
use crate::runtime::{Error, Result};

/// How molecules are found in a map.
///
/// Measured with the built-in network on four simulated tomograms (voxel SNR 0.8, three of 0.1, the last one crowded; F1 within 10 nm, all
/// above 0.3): objects of its molecules of at least 100 nm^3 0.93, 0.79, 0.72, 0.43; mean pooling of the same map at 25 nm 0.94, 0.78, 0.72,
/// 0.36 (above 0.5: 0.95, 0.71, 0.67, 0.28); peaks of its centres at 25 nm 0.81, 0.73, 0.68, 0.43. Hence the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PickMethod {
    /// Mean-pooling non-maximum suppression ([`crate::picks::mean_pooling_nms`]): for maps of whole molecules.
    MeanPooling,
    /// Local maxima with plain non-maximum suppression ([`crate::picks::peaks`]): for maps of centres.
    Peaks,
    /// Objects of the map above the threshold, each one pick ([`crate::predict::object_picks`]): for molecules that hardly touch. Each has the
    /// diameter of a ball of its volume.
    Objects,
}

/// Which molecules are picked, and where they are written.
#[derive(Clone, Debug, PartialEq)]
pub struct PickingOptions {
    /// Output of the network that is searched; None: "molecule" where the network has it, else "centre".
    pub output: Option<String>,
    /// How; None: peaks in a map of centres, else objects.
    pub method: Option<PickMethod>,
    /// Least probability, above 0, below 1; None: 0.3.
    pub threshold: Option<f64>,
    /// Diameter of the molecules in nm, 0.1..=1000: peaks are at least half of it apart, mean pooling makes one hill of what is as large, and
    /// picks of both carry it.
    pub diameter_nm: f64,
    /// Least distance of a pick from the tomogram's ends along (z, y, x), in nm.
    pub border_nm: [f64; 3],
    /// Least distance of a pick from what is excluded, in nm; at 0 the excluded voxels themselves.
    pub exclusion_nm: f64,
    /// Volumes of molecules, for objects: what is smaller is noise.
    pub volumes: ObjectRules,
    /// Files that are written, each as NAME_points with its ending (EMAN2's as NAME_info.json).
    pub formats: Vec<PickFormat>,
}

impl Default for PickingOptions {
    /// Objects of at least 100 nm^3, a ball of 6 nm; ribosomes, 25 nm, for the other methods. CSV and RELION 5 files; nothing excluded.
    fn default() -> Self {
        Self {
            output: None,
            method: None,
            threshold: None,
            diameter_nm: 25.0,
            border_nm: [0.0; 3],
            exclusion_nm: 0.0,
            volumes: ObjectRules {
                least_nm3: 100.0,
                ..ObjectRules::default()
            },
            formats: vec![PickFormat::Csv, PickFormat::Star],
        }
    }
}

impl PickingOptions {
    /// Refuses settings out of their ranges, by name.
    pub fn validate(&self) -> Result<()> {
        if !(0.1..=1000.0).contains(&self.diameter_nm) {
            return Err(Error::argument("diameter_nm", self.diameter_nm, "must be 0.1..=1000"));
        }
        check_threshold(self.threshold)?;
        let [z, y, x] = self.border_nm;
        let distances = [
            ("border_nm", z),
            ("border_nm", y),
            ("border_nm", x),
            ("exclusion_nm", self.exclusion_nm),
        ];
        for (name, value) in distances {
            if !(0.0..=1e6).contains(&value) {
                return Err(Error::argument(name, value, "must be 0..=1000000"));
            }
        }
        self.volumes.validate()
    }

    /// The output that is searched, among `outputs` of a network.
    ///
    /// Errors: the output asked for is not among them; none is asked for and there is neither "molecule" nor "centre".
    pub fn output<'a>(&self, outputs: &'a [String]) -> Result<&'a str> {
        let wanted: &[&str] = match &self.output {
            Some(name) => &[name.as_str()],
            None => &["molecule", "centre"],
        };
        find_output("picking output", wanted, outputs)
    }

    /// How `output` is searched.
    pub fn method(&self, output: &str) -> PickMethod {
        self.method.unwrap_or(match output {
            "centre" => PickMethod::Peaks,
            _ => PickMethod::Objects,
        })
    }
}

/// What is made of the map of membranes.
///
/// Measured with the built-in network on four simulated tomograms (voxel SNR 0.8, three of 0.1, the last one crowded; Dice of the mask):
/// above 0.5 as it is 0.70, 0.57, 0.58, 0.69; above 0.3 0.69, 0.56, 0.59, 0.74; with gaps of 8 nm closed and without what is below 1000 nm^3
/// 0.69, 0.59, 0.63, 0.77. Hence the defaults. (A vesicle of 30 nm has 14000 nm^3.)
#[derive(Clone, Debug, PartialEq)]
pub struct MembraneOptions {
    /// Output of the network; None: "membrane".
    pub output: Option<String>,
    /// Least probability, above 0, below 1.
    pub threshold: f64,
    /// Closes gaps; None: none.
    pub closing: Option<ClosingOptions>,
    /// Membranes of other volumes are left out.
    pub volumes: ObjectRules,
    /// Whether NAME_OUTPUT_mask.mrc is written: 1 in membranes, else 0 (int8, mode 0).
    pub mask: bool,
    /// Whether NAME_OUTPUT_objects.mrc is written: the number of the membrane, counted from 1 in scan order of its first voxel, else 0. int16
    /// (mode 1) up to 32767 membranes, else float32 (mode 2), which holds whole numbers up to 16777216.
    pub objects: bool,
}

impl Default for MembraneOptions {
    /// The mask and the objects of what has 0.3 or more, gaps of 8 nm closed, of at least 1000 nm^3.
    fn default() -> Self {
        Self {
            output: None,
            threshold: 0.3,
            closing: Some(ClosingOptions::default()),
            volumes: ObjectRules {
                least_nm3: 1000.0,
                ..ObjectRules::default()
            },
            mask: true,
            objects: true,
        }
    }
}

impl MembraneOptions {
    /// Refuses settings out of their ranges, by name; `voxel_nm` is the data's, None where unknown.
    pub fn validate(&self, voxel_nm: Option<f64>) -> Result<()> {
        check_threshold(Some(self.threshold))?;
        self.volumes.validate()?;
        if !self.mask && !self.objects {
            return Err(Error::argument(
                "membranes",
                "neither mask nor objects",
                "must ask for one of them",
            ));
        }
        match (&self.closing, voxel_nm) {
            (Some(closing), Some(voxel_nm)) => closing.validate(voxel_nm),
            _ => Ok(()),
        }
    }

    /// The output that is taken, among `outputs` of a network. Errors: it is not among them.
    pub fn output<'a>(&self, outputs: &'a [String]) -> Result<&'a str> {
        find_output(
            "membrane output",
            &[self.output.as_deref().unwrap_or("membrane")],
            outputs,
        )
    }
}

fn check_threshold(threshold: Option<f64>) -> Result<()> {
    match threshold.filter(|value| !(*value > 0.0 && *value < 1.0)) {
        Some(value) => Err(Error::argument("threshold", value, "must be above 0 and below 1")),
        None => Ok(()),
    }
}

fn find_output<'a>(what: &str, wanted: &[&str], outputs: &'a [String]) -> Result<&'a str> {
    let found = wanted
        .iter()
        .find_map(|name| outputs.iter().find(|output| output == name));
    found.map(String::as_str).ok_or_else(|| {
        let allowed = format!("must be one of the network's: {}", outputs.join(", "));
        Error::argument(what, wanted.join(" or "), &allowed)
    })
}
