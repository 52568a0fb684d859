//! Checkpoints: everything a run needs to go on with the same numbers, in one safetensors file, written whole or not at all.
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::{AdamW, DenoiserOptions, LossRecord, Parameters};
use crate::runtime::{Error, Generator, Result};
use crate::volume::write_atomically;

/// Key of the state in `__metadata__`.
const KEY: &str = "tomocut-checkpoint";

/// What is not a tensor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub options: DenoiserOptions,
    pub step: u64,
    pub optimiser_steps: u64,
    /// Seed, stream and position of the generator of batches; the position as text, because JSON has no 128-bit numbers.
    pub generator: ([u8; 32], u64, String),
    pub history: Vec<LossRecord>,
    /// Losses since the last record; f32, which JSON carries exactly.
    #[serde(default)]
    pub recent: Vec<f32>,
}

impl State {
    pub fn generator(&self) -> Result<Generator> {
        let (seed, stream, position) = &self.generator;
        let position = position.parse().map_err(|e| Error::format("checkpoint generator", e))?;
        Ok(Generator::from_state(*seed, *stream, position))
    }
}

/// Weights, their average and the optimiser, as a checkpoint holds them.
pub(super) struct Tensors {
    pub weights: Parameters,
    pub average: Parameters,
    pub optimiser: AdamW,
}

/// Groups of tensors in the file.
fn groups<'t>(
    weights: &'t Parameters,
    average: &'t Parameters,
    optimiser: &'t AdamW,
) -> [(&'static str, &'t [Tensor]); 4] {
    [
        ("weights", &weights.tensors),
        ("average", &average.tensors),
        ("first", &optimiser.first),
        ("second", &optimiser.second),
    ]
}

/// Writes a checkpoint to `path`: a temporary file beside it, synced, then renamed.
pub(super) fn save(
    path: &Path,
    state: &State,
    weights: &Parameters,
    average: &Parameters,
    optimiser: &AdamW,
) -> Result<()> {
    let mut data = Vec::new();
    for (group, tensors) in groups(weights, average, optimiser) {
        for (name, tensor) in weights.names.iter().zip(tensors) {
            let tensor = tensor
                .f_detach()?
                .f_to_device(Device::Cpu)?
                .f_to_kind(Kind::Float)?
                .f_contiguous()?;
            let count = tensor.numel();
            let mut bytes = vec![0u8; 4 * count];
            tensor.f_copy_data_u8(&mut bytes, count)?;
            let shape: Vec<usize> = tensor.size().iter().map(|n| *n as usize).collect();
            data.push((format!("{group}.{name}"), shape, bytes));
        }
    }
    let defect = |e: safetensors::SafeTensorError| Error::Internal(format!("safetensors: {e}"));
    let mut views = Vec::with_capacity(data.len());
    for (name, shape, bytes) in &data {
        views.push((
            name.as_str(),
            TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(defect)?,
        ));
    }
    let json = serde_json::to_string(state).map_err(|e| Error::Internal(format!("checkpoint state: {e}")))?;
    let bytes = safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), json)]))).map_err(defect)?;
    write_atomically(path, |file| {
        file.write_all(&bytes).map_err(|e| Error::io("writing", path, e))
    })
}

/// Reads a checkpoint. Errors: the operating system's; [`Error::Format`] that names what is missing or misshapen.
pub(super) fn load(path: &Path, device: Device) -> Result<(State, Tensors)> {
    let what = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|e| Error::io("reading", path, e))?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| Error::format(&what, e))?;
    let text = metadata.metadata().as_ref().and_then(|map| map.get(KEY));
    let text = text.ok_or_else(|| Error::format(&what, "is not a checkpoint: its metadata has no state"))?;
    let state: State = serde_json::from_str(text).map_err(|e| Error::format(&what, e))?;
    state.options.validate()?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| Error::format(&what, e))?;
    let shapes = crate::diffusion::unet_tensor_shapes(&state.options.unet)?;
    let group = |group: &str| -> Result<Vec<Tensor>> {
        let mut tensors = Vec::with_capacity(shapes.len());
        for (name, shape) in &shapes {
            let full = format!("{group}.{name}");
            let view = file
                .tensor(&full)
                .map_err(|e| Error::format(format!("{what}: {full}"), e))?;
            let found: Vec<i64> = view.shape().iter().map(|n| *n as i64).collect();
            if found != *shape || view.dtype() != Dtype::F32 {
                let detail = format!("is {:?} {found:?}, expected F32 {shape:?}", view.dtype());
                return Err(Error::format(format!("{what}: {full}"), detail));
            }
            tensors.push(Tensor::f_from_data_size(view.data(), shape, Kind::Float)?.f_to_device(device)?);
        }
        Ok(tensors)
    };
    let names: Vec<String> = shapes.iter().map(|(name, _)| name.clone()).collect();
    let weights = Parameters {
        names: names.clone(),
        tensors: group("weights")?,
    };
    let average = Parameters {
        names,
        tensors: group("average")?,
    };
    let mut optimiser = AdamW::new(state.options.adamw, &weights.tensors)?;
    optimiser.first = group("first")?;
    optimiser.second = group("second")?;
    optimiser.taken = state.optimiser_steps;
    Ok((
        state,
        Tensors {
            weights,
            average,
            optimiser,
        },
    ))
}
