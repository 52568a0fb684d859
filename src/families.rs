//! Every family of settings by its name: its schema, its page, and the resolved form of what a user gives.
use serde_json::Value;

use crate::dataset::DataSetOptions;
use crate::denoiser::AdaptOptions;
use crate::diffusion::ModelSettings;
use crate::ncut::NcutOptions;
use crate::phantom::PhantomOptions;
use crate::predict::{MembraneOptions, PickingOptions, PredictOptions};
use crate::segmenter::SegmenterOptions;
use crate::settings::{self, Settings};
use crate::slab::{DenoiseOptions, SlabFileOptions, SlabOptions, SuggestOptions};
use crate::{Error, Result};

/// A family of settings, whatever its struct.
pub struct Family {
    /// Its name: "slab".
    pub name: &'static str,
    /// What it is for, one sentence.
    pub about: &'static str,
    /// Names of its presets, the default first.
    pub presets: &'static [&'static str],
    /// Its JSON Schema.
    pub schema: fn() -> Value,
    /// Its documentation in Markdown, below the sentence.
    pub page: fn(&str) -> Result<String>,
    /// The whole of the settings that a JSON text gives, validated.
    pub resolve: fn(&str) -> Result<Value>,
}

impl Family {
    const fn of<S: Settings>(about: &'static str) -> Self {
        Self {
            name: S::FAMILY,
            about,
            presets: S::PRESETS,
            schema: || settings::schema::<S>().to_value(),
            page: settings::markdown::<S>,
            resolve: resolved::<S>,
        }
    }
}

fn resolved<S: Settings>(text: &str) -> Result<Value> {
    let settings: S = settings::resolve_text(text)?;
    serde_json::to_value(settings).map_err(|error| Error::Internal(format!("settings as JSON: {error}")))
}

/// All families, in the order of the page.
pub const FAMILIES: &[Family] = &[
    Family::of::<SlabOptions>("How a slab is segmented."),
    Family::of::<SuggestOptions>("Which slabs of a tomogram are suggested."),
    Family::of::<SlabFileOptions>("Which files a segmented slab is written to."),
    Family::of::<DenoiseOptions>("How a tomogram is denoised."),
    Family::of::<SegmenterOptions>("How a segmentation network is trained."),
    Family::of::<AdaptOptions>("How a diffusion model is adapted to a data set."),
    Family::of::<ModelSettings>("How a diffusion model is loaded."),
    Family::of::<NcutOptions>("Images, slices and matrices in segments, by cuts of attention or features."),
    Family::of::<PhantomOptions>("Simulated tomograms with their truth."),
    Family::of::<PredictOptions>("How a network segments a whole tomogram, or pictures."),
    Family::of::<PickingOptions>("How molecules are found in a map of probabilities."),
    Family::of::<MembraneOptions>("How a map of membranes is made a mask and numbered objects."),
    Family::of::<DataSetOptions>("How a data set is labelled, learnt from and segmented in one run."),
];

/// docs/settings.md.
pub fn page() -> Result<String> {
    let mut page = String::from(
        "# Settings\n\nGenerated from the engine's own structs by `cargo xtask settings`; the \
         tests prove it current.\n\n\
         The same names hold in C (`settings`, a JSON text), C++ (`options.set(name, value)`), MATLAB and Octave \
         (members of the options struct) and for the program (`--set NAME=VALUE`, `--settings FILE.json`). A name \
         with a dot is a member of a group. A dash stands for \"not given\" (JSON null).\n\n",
    );
    for family in FAMILIES {
        page.push_str(&(family.page)(family.about)?);
    }
    Ok(page)
}

/// docs/settings.schema.json: one JSON Schema with a definition for each family.
pub fn schema() -> Value {
    let families = FAMILIES
        .iter()
        .map(|family| (family.name.to_owned(), (family.schema)()));
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tomocut settings",
        "type": "object",
        "properties": Value::Object(families.collect()),
    })
}
