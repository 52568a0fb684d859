//! What is made of a network's probabilities.
use crate::picks::PickFormat;
use crate::predict::{ClosingOptions, ObjectRules};
use crate::runtime::{Error, Result};

/// How molecules are found in a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PickMethod {
    /// Mean-pooling non-maximum suppression ([`crate::picks::mean_pooling_nms`]): for maps of whole molecules.
    MeanPooling,
    /// Local maxima with plain non-maximum suppression ([`crate::picks::peaks`]): for maps of centres.
    Peaks,
    /// Objects of the map above the threshold, each one pick ([`crate::predict::object_picks`]): for molecules that do not touch.
    Objects,
}

/// Which molecules are picked, and where they are written.
#[derive(Clone, Debug, PartialEq)]
pub struct PickingOptions {
    /// Output of the network that is searched; None: "centre" where the network has it, else "molecule".
    pub output: Option<String>,
    /// How; None: peaks in a map of centres, else mean pooling.
    pub method: Option<PickMethod>,
    /// Least probability, above 0, below 1; None: [`CENTRE_THRESHOLD`] in a map of centres, else 0.5.
    pub threshold: Option<f64>,
    /// Diameter of the molecules in nm, 0.1..=1000: peaks are at least half of it apart, mean pooling makes one hill of what is as large, and
    /// picks of both carry it.
    pub diameter_nm: f64,
    /// Least distance of a pick from the tomogram's ends along (z, y, x), in nm.
    pub border_nm: [f64; 3],
    /// Least distance of a pick from what is excluded, in nm; at 0 the excluded voxels themselves.
    pub exclusion_nm: f64,
    /// Volumes of molecules, for objects.
    pub volumes: ObjectRules,
    /// Files that are written, each as NAME_points with its ending (EMAN2's as NAME_info.json).
    pub formats: Vec<PickFormat>,
}

/// Least value of a peak in a map of centres. A certain centre has 1, one that lies between two voxels or is less certain has less.
pub const CENTRE_THRESHOLD: f64 = 0.3;

impl Default for PickingOptions {
    /// Ribosomes: 25 nm. CSV and RELION 5 files; nothing excluded.
    fn default() -> Self {
        Self {
            output: None,
            method: None,
            threshold: None,
            diameter_nm: 25.0,
            border_nm: [0.0; 3],
            exclusion_nm: 0.0,
            volumes: ObjectRules::default(),
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
    /// Errors: the output asked for is not among them; none is asked for and there is neither "centre" nor "molecule".
    pub fn output<'a>(&self, outputs: &'a [String]) -> Result<&'a str> {
        let wanted: &[&str] = match &self.output {
            Some(name) => &[name.as_str()],
            None => &["centre", "molecule"],
        };
        find_output("picking output", wanted, outputs)
    }

    /// How `output` is searched.
    pub fn method(&self, output: &str) -> PickMethod {
        self.method.unwrap_or(match output {
            "centre" => PickMethod::Peaks,
            _ => PickMethod::MeanPooling,
        })
    }

    /// The least probability in `output`.
    pub fn threshold(&self, output: &str) -> f64 {
        self.threshold.unwrap_or(match output {
            "centre" => CENTRE_THRESHOLD,
            _ => 0.5,
        })
    }
}

/// What is made of the map of membranes.
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
    /// The mask and the objects of what has 0.5 or more, nothing closed, nothing left out.
    fn default() -> Self {
        Self {
            output: None,
            threshold: 0.5,
            closing: None,
            volumes: ObjectRules::default(),
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
