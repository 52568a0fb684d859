//! Checkpoints: everything a run needs to go on with the same numbers, in one safetensors file, written whole or not at
//! all.
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::optimiser::Optimiser;
use super::rate::Plateau;
use super::run::Run;
use super::validated::{Snapshot, Validated};
use super::{LossRecord, Parameters, TrainingSchedule};
use crate::runtime::{Error, Generator, Result};
use crate::settings::Identity;
use crate::weights::{metadata, write_tensors};

/// Key of the state in `__metadata__`.
const KEY: &str = "tomocut-checkpoint";

/// The settings of a run, as its checkpoint carries them.
pub(crate) trait RunOptions: Clone + Serialize + DeserializeOwned {
    /// Refuses settings out of their ranges.
    fn check(&self) -> Result<()>;

    /// Name and shape of everything that is trained.
    fn tensor_shapes(&self) -> Result<Vec<(String, Vec<i64>)>>;

    /// Name and shape of what batches move without gradients.
    fn statistic_shapes(&self) -> Result<Vec<(String, Vec<i64>)>> {
        Ok(Vec::new())
    }

    /// How the weights move.
    fn schedule(&self) -> TrainingSchedule;
}

/// A run that goes on, and what it is a run of.
pub(crate) struct Restored<O> {
    /// The settings.
    pub options: O,
    /// The settings again, with the hashes of what was read.
    pub identity: Identity,
    /// The run.
    pub run: Run,
}

/// What is not a tensor.
#[derive(Serialize, Deserialize)]
struct State {
    /// The settings and the hashes of what was read.
    identity: Identity,
    step: u64,
    optimiser_steps: u64,
    /// Seed, stream and position of the generator of batches; the position as text, because JSON has no 128-bit
    /// numbers.
    generator: ([u8; 32], u64, String),
    history: Vec<LossRecord>,
    /// Losses since the last record; f32, which JSON carries exactly.
    recent: Vec<f32>,
    /// Steps of the rounds before this one.
    earlier: u64,
    /// Round of self-training.
    round: u32,
    plateau: Plateau,
    validated: Validated,
    /// Which of the snapshots are in the file: the best weights, the teacher's.
    snapshots: (bool, bool),
}

impl State {
    fn generator(&self) -> Result<Generator> {
        let (seed, stream, position) = &self.generator;
        let position = position.parse().map_err(|e| Error::format("checkpoint generator", e))?;
        Ok(Generator::from_state(*seed, *stream, position))
    }
}

/// Name, tensor names and tensors of a group in the file.
type Group<'a> = (&'static str, &'a [String], &'a [Tensor]);

fn groups(run: &Run) -> Vec<Group<'_>> {
    let names = run.weights.names.as_slice();
    let mut groups = vec![
        ("weights", names, run.weights.tensors.as_slice()),
        ("average", names, &run.average.tensors),
    ];
    groups.extend(
        run.optimiser
            .state()
            .into_iter()
            .map(|(part, tensors)| (part, names, tensors)),
    );
    groups.push(("statistics", &run.statistics.names, &run.statistics.tensors));
    for (snapshot, weights, statistics) in [
        (&run.best, "best", "best_statistics"),
        (&run.teacher, "teacher", "teacher_statistics"),
    ] {
        if let Some(kept) = snapshot {
            groups.push((weights, &kept.weights.names, &kept.weights.tensors));
            groups.push((statistics, &kept.statistics.names, &kept.statistics.tensors));
        }
    }
    groups
}

/// Writes a checkpoint of a run of `identity`, made of its [`RunOptions`], to `path`: a temporary file beside it,
/// synced, then renamed.
pub(crate) fn save(path: &Path, identity: Identity, run: &Run) -> Result<()> {
    let (seed, stream, position) = run.gen.state();
    let state = State {
        identity,
        step: run.step,
        optimiser_steps: run.optimiser.taken(),
        generator: (seed, stream, position.to_string()),
        history: run.history.clone(),
        recent: run.recent.clone(),
        earlier: run.earlier,
        round: run.round,
        plateau: run.plateau,
        validated: run.validated.clone(),
        snapshots: (run.best.is_some(), run.teacher.is_some()),
    };
    let json = serde_json::to_string(&state).map_err(|e| Error::Internal(format!("checkpoint state: {e}")))?;
    let tensors = groups(run).into_iter().flat_map(|(group, names, tensors)| {
        let named = names.iter().zip(tensors);
        named.map(move |(name, tensor)| (format!("{group}.{name}"), tensor))
    });
    write_tensors(path, tensors, Kind::Float, metadata(KEY, json))
}

/// Reads a checkpoint. Errors: the operating system's; [`Error::Version`] for one of another version of the engine;
/// [`Error::Format`] that names what is missing or misshapen.
pub(crate) fn load<O: RunOptions>(path: &Path, device: Device) -> Result<Restored<O>> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|e| Error::io("reading", path, e))?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| Error::format(&name, e))?;
    let text = metadata.metadata().as_ref().and_then(|map| map.get(KEY));
    let text = text.ok_or_else(|| Error::format(&name, "is not a checkpoint: its metadata has no state"))?;
    let refused = |e: serde_json::Error| Error::format(&name, e);
    let value: serde_json::Value = serde_json::from_str(text).map_err(refused)?;
    let version = value.pointer("/identity/version").and_then(serde_json::Value::as_str);
    if version != Some(env!("CARGO_PKG_VERSION")) {
        return Err(Error::Version(format!(
            "{name} is a checkpoint of version {}, this is {}: begin the training again",
            version.unwrap_or("0.1"),
            env!("CARGO_PKG_VERSION")
        )));
    }
    let state: State = serde_json::from_value(value).map_err(refused)?;
    let options: O = serde_json::from_value(state.identity.settings.clone()).map_err(refused)?;
    options.check()?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| Error::format(&name, e))?;
    let shapes = options.tensor_shapes()?;
    let statistics = options.statistic_shapes()?;
    let read = |group: &str, shapes: &[(String, Vec<i64>)]| -> Result<Vec<Tensor>> {
        let mut tensors = Vec::with_capacity(shapes.len());
        for (name, shape) in shapes {
            let full = format!("{group}.{name}");
            let view = file
                .tensor(&full)
                .map_err(|e| Error::format(format!("{name}: {full}"), e))?;
            let stored: Vec<i64> = view.shape().iter().map(|n| *n as i64).collect();
            if stored != *shape || view.dtype() != Dtype::F32 {
                let detail = format!("is {:?} {stored:?}, expected F32 {shape:?}", view.dtype());
                return Err(Error::format(format!("{name}: {full}"), detail));
            }
            tensors.push(Tensor::f_from_data_size(view.data(), shape, Kind::Float)?.f_to_device(device)?);
        }
        Ok(tensors)
    };
    let named = |group: &str, shapes: &[(String, Vec<i64>)]| -> Result<Parameters> {
        Ok(Parameters {
            names: shapes.iter().map(|(name, _)| name.clone()).collect(),
            tensors: read(group, shapes)?,
        })
    };
    let snapshot = |kept: bool, group: &str| -> Result<Option<Snapshot>> {
        if !kept {
            return Ok(None);
        }
        Ok(Some(Snapshot {
            weights: named(group, &shapes)?,
            statistics: named(&format!("{group}_statistics"), &statistics)?,
        }))
    };
    let mut weights = named("weights", &shapes)?;
    let mut optimiser = Optimiser::new(options.schedule().rule, &weights.tensors)?;
    optimiser.restore(state.optimiser_steps, |part| read(part, &shapes))?;
    weights.require_gradients()?;
    let run = Run {
        gen: state.generator()?,
        weights,
        average: named("average", &shapes)?,
        unaveraged: Vec::new(),
        statistics: named("statistics", &statistics)?,
        optimiser,
        plateau: state.plateau,
        step: state.step,
        earlier: state.earlier,
        history: state.history,
        recent: state.recent,
        idle: 0,
        validated: state.validated,
        best: snapshot(state.snapshots.0, "best")?,
        teacher: snapshot(state.snapshots.1, "teacher")?,
        round: state.round,
    };
    Ok(Restored {
        options,
        identity: state.identity,
        run,
    })
}
