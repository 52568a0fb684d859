//! The network learns from the labelled slabs, between checkpoints.
use std::path::{Path, PathBuf};

use tch::Device;

use super::failure::stops;
use super::held_out::divided;
use super::journal::Journal;
use super::labels;
use super::member::Member;
use super::options::DataSetOptions;
use super::state::{LabelledSlab, ScoresAt, TrainingState};
use crate::networks::NetworkConfig;
use crate::runtime::{Error, Job, Result, Stage};
use crate::segmenter::{LabelledTraining, SlabLabels};
use crate::volume::{is_class, CLASS_NAMES};

/// Windows that a score is taken on.
const WINDOWS: usize = 16;

/// Share of the training's progress that reading the labels is.
const READ_SHARE: f64 = 0.05;

/// The trained network within the folder of the results.
pub(super) fn network_file(out: &Path) -> PathBuf {
    out.join("network.safetensors")
}

/// Trains until all steps are done and writes the network; goes on from the checkpoint where there is one of the same
/// slabs.
///
/// Errors: no slab that can be learnt from; those of [`LabelledTraining`]; cancel, after which the checkpoint holds
/// every whole step.
pub(super) fn train(
    members: &[Member],
    options: &DataSetOptions,
    device: Device,
    journal: &mut Journal,
    job: &Job,
) -> Result<()> {
    let mut training = LabelledTraining::new(&options.training_options(), device)?;
    let learnt = add_slabs(&mut training, members, options, journal, &job.part(0.0..READ_SHARE))?;
    let checkpoint = journal.checkpoint();
    if learnt != journal.state.training.slabs {
        journal.remove_checkpoint()?;
        journal.state.training = TrainingState {
            slabs: learnt,
            ..TrainingState::default()
        };
    }
    if checkpoint.exists() {
        training.resume(&checkpoint)?;
    }
    let done = training.step();
    let state = &mut journal.state.training;
    state.held_out = training.counts().1 > 0;
    state.voxel_nm = training.description().voxel_nm;
    state.scores.retain(|scores| scores.step <= done);
    journal.save()?;
    let steps = training.settings().steps;
    let part = job.part(READ_SHARE..1.0);
    let minutes = Some(options.checkpoint_seconds / 60.0);
    loop {
        let step = training.step();
        if is_scored(step, steps, options.scores) && journal.state.training.scores.iter().all(|s| s.step != step) {
            let mut outputs = training.scores(WINDOWS, &part)?;
            // How near a centre is is no mask: its Dice says nothing.
            outputs.retain(|score| is_class(&score.output));
            journal.state.training.scores.push(ScoresAt { step, outputs });
        }
        journal.state.training.losses = training.history().to_vec();
        journal.state.training.steps = step;
        journal.save()?;
        if step >= steps {
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
    training.model()?.save(&network_file(journal.out()))?;
    journal.state.training.finished = true;
    journal.save()?;
    journal.remove_checkpoint()
}

/// Whether the network is scored after `step` of `steps`, which is done `times` times.
fn is_scored(step: u64, steps: u64, times: u64) -> bool {
    step > 0 && (1..=times).any(|k| step == (steps * k).div_ceil(times))
}

/// Gives the training the slabs that it learns from, and the slices of them that are held out. The stems of the slabs
/// are returned.
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
    if stems.is_empty() {
        return Err(Error::format(
            "labelled slabs",
            "none can be learnt from; the log says what is wrong with each",
        ));
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
    let bytes = bytes_of(geometry.shape, &slab.slab.z, margin, &training.description().network);
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
            labels,
            confidence: None,
            points: &files.points,
            names: &names,
        };
        training.add(&tomogram, &labels, held_out, job)?;
    }
    Ok(bytes)
}

/// Bytes that a labelled slab takes: input and weight as float32 and a byte for each output, twice where the two parts'
/// margins meet.
fn bytes_of(
    [depth, rows, cols]: [usize; 3],
    z: &std::ops::Range<usize>,
    margin: usize,
    network: &NetworkConfig,
) -> u64 {
    let slices = (z.len() + 4 * margin).min(2 * depth);
    (slices * rows * cols * (8 + network.outputs().len())) as u64
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
