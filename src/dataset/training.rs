//! A network learns from the labelled slabs, between checkpoints.
use std::path::Path;

use tch::Device;

use super::failure::stops;
use super::held_out::divided;
use super::journal::Journal;
use super::labels;
use super::member::Member;
use super::network::RunNetwork;
use super::options::DataSetOptions;
use super::state::{LabelledSlab, ScoresAt, TrainingState};
use crate::networks::ModelDescription;
use crate::runtime::{Error, Job, Result, Stage};
use crate::segmenter::{LabelledTraining, SlabLabels};
use crate::volume::{is_class, Geometry, CLASS_NAMES};

/// Windows that a score is taken on.
const WINDOWS: usize = 16;

/// Share of the training's progress that reading the labels is.
const READ_SHARE: f64 = 0.05;

/// Trains until all steps are done and writes the network; goes on from the checkpoint where there is one of the same
/// slabs.
///
/// Why there is no network, where no slab can be learnt from; None: there is one.
///
/// Errors: those of [`LabelledTraining`]; cancel, after which the checkpoint holds every whole step.
pub(super) fn train(
    network: &RunNetwork,
    members: &[Member],
    options: &DataSetOptions,
    device: Device,
    journal: &mut Journal,
    job: &Job,
) -> Result<Option<String>> {
    let role = network.role;
    let mut training = LabelledTraining::new(&network.training, device)?;
    let learnt = add_slabs(&mut training, members, options, journal, &job.part(0.0..READ_SHARE))?;
    if learnt.is_empty() {
        return Ok(Some(
            "none of the slabs can be learnt from; the log says what is wrong with each".into(),
        ));
    }
    let checkpoint = journal.checkpoint(role);
    if learnt != role.training(&journal.state).slabs {
        journal.remove_checkpoint(role)?;
        *role.training_mut(&mut journal.state) = TrainingState {
            slabs: learnt,
            ..TrainingState::default()
        };
    }
    if checkpoint.exists() {
        training.resume(&checkpoint)?;
    }
    let done = training.step();
    let state = role.training_mut(&mut journal.state);
    state.failure = None;
    state.held_out = training.holds_out();
    state.voxel_nm = training.description().voxel_nm;
    state.scores.retain(|scores| scores.step <= done);
    journal.save()?;
    let steps = training.steps();
    let part = job.part(READ_SHARE..1.0);
    let minutes = Some(options.checkpoint_seconds / 60.0);
    loop {
        let (step, finished) = (training.step(), training.is_finished());
        let known = &role.training(&journal.state).scores;
        if (is_scored(step, steps, options.scores) || finished) && known.iter().all(|s| s.step != step) {
            let mut outputs = training.scores(WINDOWS, &part)?;
            // How near a centre is is no mask: its Dice says nothing.
            outputs.retain(|score| is_class(&score.output));
            role.training_mut(&mut journal.state)
                .scores
                .push(ScoresAt { step, outputs });
        }
        let state = role.training_mut(&mut journal.state);
        state.losses = training.history().to_vec();
        state.steps = step;
        journal.save()?;
        if finished {
            break;
        }
        let next = (step + 1..steps)
            .find(|step| is_scored(*step, steps, options.scores))
            .unwrap_or(steps);
        let trained = training.train(next, minutes, &part);
        if trained.is_ok() || matches!(trained, Err(Error::Cancelled { .. })) {
            training.save(&checkpoint)?;
        }
        trained?;
    }
    let file = role.file(journal.out());
    let folder = role.folder(journal.out());
    std::fs::create_dir_all(&folder).map_err(|error| Error::io("creating", &folder, error))?;
    training.model()?.save(&file)?;
    role.training_mut(&mut journal.state).finished = true;
    journal.save()?;
    journal.remove_checkpoint(role)?;
    Ok(None)
}

/// Whether the network is scored after `step` of `steps`, which is done `times` times.
fn is_scored(step: u64, steps: u64, times: u64) -> bool {
    step > 0 && (1..=times).any(|k| step == (steps * k).div_ceil(times))
}

/// Gives the training the slabs that it learns from, and the slices of them that are held out. The stems of the slabs
/// that have anything to learn from are returned.
///
/// A slab that can no longer be read, or for which the memory does not reach, is logged and skipped.
fn add_slabs(
    training: &mut LabelledTraining,
    members: &[Member],
    options: &DataSetOptions,
    journal: &Journal,
    job: &Job,
) -> Result<Vec<String>> {
    job.enter(Stage::Read)?;
    let mut stems = Vec::new();
    let (mut taken, mut done) = (0, 0);
    for slab in &journal.state.slabs {
        let bytes = match members.iter().find(|member| member.name == slab.slab.tomogram) {
            Some(member) => add_slab(training, member, slab, (options, taken), journal.out(), job),
            None => Err(Error::format(&slab.slab.tomogram, "is not among the tomograms")),
        };
        match bytes {
            Ok(bytes) => {
                taken += bytes;
                stems.push(slab.stem.clone());
            }
            Err(error) if stops(&error, journal.out()) => return Err(error),
            Err(error) => job
                .logger()
                .warn("dataset", &format!("{} is not learnt from: {error}", slab.stem)),
        }
        done += 1;
        job.advance(f64::from(done) / journal.state.slabs.len() as f64)?;
    }
    Ok(stems)
}

/// Adds a slab unless its voxels and the `taken` bytes together are more than is allowed; what it takes.
fn add_slab(
    training: &mut LabelledTraining,
    member: &Member,
    slab: &LabelledSlab,
    (options, taken): (&DataSetOptions, u64),
    out: &Path,
    job: &Job,
) -> Result<u64> {
    let tomogram = member.open(options, job)?;
    let geometry = tomogram.geometry();
    let margin = training.window()[0].saturating_sub(1);
    let bytes = bytes_of(geometry, &slab.slab.z, margin, training.description());
    let needed = bytes + tomogram.reading_bytes();
    if taken + needed > options.memory {
        return Err(Error::OutOfMemory(format!(
            "its slices and reading them take {} MiB, {} MiB of {} MiB are left",
            needed >> 20,
            options.memory.saturating_sub(taken) >> 20,
            options.memory >> 20
        )));
    }
    let files = labels::read(out, slab, geometry, job)?;
    let (learnt, held) = divided(&slab.slab.z, options.held_out);
    let names = CLASS_NAMES.map(str::to_owned);
    let first = slab.slab.z.start;
    for (z, held_out) in [(learnt, false), (held, true)] {
        let within = ndarray::s![z.start - first..z.end - first, .., ..];
        let labels = files.labels.slice(within);
        // Slices of ground alone teach nothing, and their Dice says nothing.
        if held_out && labels.iter().all(|label| *label == 0) {
            continue;
        }
        let labels = SlabLabels {
            z,
            labels: Some(labels),
            confidence: None,
            points: &files.points,
            names: &names,
        };
        training.add(&tomogram, &labels, held_out, job)?;
    }
    Ok(bytes)
}

/// Bytes that a labelled slab takes: input and weight as float32 and a byte for each output, twice where the two parts'
/// margins meet; of resized slices as many as they then have.
fn bytes_of(geometry: &Geometry, z: &std::ops::Range<usize>, margin: usize, network: &ModelDescription) -> u64 {
    let [depth, rows, cols] = geometry.shape;
    let [rows, cols] = network.slice_side.unwrap_or([rows, cols]);
    let slices = (z.len() + 4 * margin).min(2 * depth);
    (slices * rows * cols * (8 + network.network.outputs().len())) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_come_at_even_distances_and_at_the_end() {
        let at = |steps: u64, times: u64| (0..=steps).filter(|s| is_scored(*s, steps, times)).collect::<Vec<_>>();
        assert_eq!(at(600, 6), [100, 200, 300, 400, 500, 600]);
        assert_eq!(at(7, 2), [4, 7]);
        assert_eq!(at(2, 6), [1, 2]);
    }
}
