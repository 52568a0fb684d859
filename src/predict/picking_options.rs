//! Settings of picks.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::objects::ObjectRules;
use super::outputs::output_named;
use crate::networks::NetworkConfig;
use crate::picks::PickFormat;
use crate::runtime::Result;
use crate::settings::Settings;
use crate::volume::{class_name, CENTRE, MOLECULE};

/// Least probability of a molecule, unless a network says otherwise.
const THRESHOLD: f64 = 0.3;

/// DeepETPicker's.
const PICKER_THRESHOLD: f64 = 0.5;

/// How molecules are found in a map.
///
/// Measured with the built-in network on four simulated tomograms (voxel SNR 0.8, three of 0.1, the last one crowded;
/// F1 within 10 nm, all above 0.3): objects of its molecules of at least 100 nm^3 0.93, 0.79, 0.72, 0.43; mean pooling
/// of the same map at 25 nm 0.94, 0.78, 0.72, 0.36 (above 0.5: 0.95, 0.71, 0.67, 0.28); peaks of its centres at 25 nm
/// 0.81, 0.73, 0.68, 0.43. Hence the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PickMethod {
    /// Mean-pooling non-maximum suppression ([`crate::picks::mean_pooling_nms`]): for maps of whole molecules, which
    /// may touch.
    MeanPooling,
    /// Local maxima with plain non-maximum suppression ([`crate::picks::peaks`]): for maps of centres.
    Peaks,
    /// Connected objects above the threshold (26 neighbours), each one pick with the diameter of a ball of its volume.
    /// One of more than twice the volume of a molecule is several that touch: one pick for each hill of mean pooling in
    /// it.
    Objects,
}

/// Which molecules are picked, and where they are written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PickingOptions {
    /// Output of the network that is searched; null: "molecule" where the network has it, else "centre".
    #[schemars(length(min = 1))]
    pub output: Option<String>,
    /// The method: objects measures best with the built-in network, mean_pooling (DeepETPicker's) is for molecules that
    /// touch, peaks for maps of centres; null: mean_pooling of DeepETPicker's network, peaks in an output "centre",
    /// else objects.
    pub method: Option<PickMethod>,
    /// Least probability; null: 0.5 of DeepETPicker's network, else 0.3.
    #[schemars(extend("exclusiveMinimum" = 0), extend("exclusiveMaximum" = 1))]
    pub threshold: Option<f64>,
    /// Diameter of the molecules in nm (a ribosome has 25): peaks are at least half of it apart, mean pooling makes one
    /// molecule of what is as large, and picks of both carry it. Objects have the diameter that their volume gives;
    /// those of more than twice a molecule's volume are taken apart.
    #[schemars(range(min = 0.1, max = 1000.0))]
    pub diameter_nm: f64,
    /// Least distance of a pick from the tomogram's ends along [z, y, x], in nm.
    #[schemars(inner(range(min = 0.0, max = 1e6)))]
    pub border_nm: [f64; 3],
    /// Least distance of a pick from what is excluded, in nm; 0: only picks within it are left out.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub exclusion_nm: f64,
    /// Least volume of an object in nm^3: smaller ones are noise (a ball of 6 nm has 100).
    #[schemars(range(min = 0.0))]
    pub least_nm3: f64,
    /// Largest volume of an object in nm^3; null: no limit.
    #[schemars(range(min = 0.0))]
    pub largest_nm3: Option<f64>,
    /// Files of picks, each NAME_points with its ending (eman2: NAME_info.json).
    pub formats: Vec<PickFormat>,
    /// Name of the tomogram in files of picks (rlnTomoName, run_name), as the other files of a project have it; null:
    /// that of its file without what programs add to it: rec_NAME, NAME_10.00Apx and NAME_Vol are NAME.
    #[schemars(length(min = 1))]
    pub tomogram: Option<String>,
    /// The stored number that is a probability of 1, in a map that is given; a prediction knows its own.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub certain: f64,
    /// Bytes that may be taken where a map is given; a prediction has its own limit.
    pub memory: u64,
}

impl Default for PickingOptions {
    fn default() -> Self {
        Self {
            output: None,
            method: None,
            threshold: None,
            diameter_nm: 25.0,
            border_nm: [0.0; 3],
            exclusion_nm: 0.0,
            least_nm3: 100.0,
            largest_nm3: None,
            formats: vec![PickFormat::Csv, PickFormat::Star],
            tomogram: None,
            certain: 1.0,
            memory: 1 << 30,
        }
    }
}

impl Settings for PickingOptions {
    const FAMILY: &'static str = "picking";

    fn of_preset(_: &str) -> Self {
        Self::default()
    }

    fn validate_together(&self) -> Result<()> {
        self.volumes().validate()
    }
}

impl PickingOptions {
    /// Volumes of objects that are kept.
    pub fn volumes(&self) -> ObjectRules {
        ObjectRules::new(self.least_nm3, self.largest_nm3)
    }

    /// The output that is searched, among `outputs` of a network.
    ///
    /// Errors: the output asked for is not among them; none is asked for and there is neither "molecule" nor "centre".
    pub fn output<'a>(&self, outputs: &'a [String]) -> Result<&'a str> {
        let molecule = class_name(MOLECULE).unwrap_or_default();
        match &self.output {
            Some(name) => output_named("picking.output", &[name], outputs),
            None => output_named("picking.output", &[molecule, CENTRE], outputs),
        }
    }

    /// The same with what its authors do with a map of `network` where nothing is said: DeepETPicker pools maps above
    /// 0.5.
    pub(super) fn suited_to(&self, network: &NetworkConfig) -> Self {
        let mut suited = self.clone();
        if matches!(network, NetworkConfig::Picker(_)) {
            suited.method = suited.method.or(Some(PickMethod::MeanPooling));
            suited.threshold = suited.threshold.or(Some(PICKER_THRESHOLD));
        }
        suited
    }

    /// Least probability of a molecule.
    pub fn threshold(&self) -> f64 {
        self.threshold.unwrap_or(THRESHOLD)
    }

    /// How `output` is searched.
    pub fn method(&self, output: &str) -> PickMethod {
        self.method.unwrap_or(match output {
            CENTRE => PickMethod::Peaks,
            _ => PickMethod::Objects,
        })
    }
}
