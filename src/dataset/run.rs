//! A run from its beginning to its end.
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use super::choice::choose;
use super::failure::stops;
use super::identity::identity;
use super::journal::Journal;
use super::labels;
use super::member::{members, Member, Note};
use super::network::{networks, Role, RunNetwork};
use super::options::{DataSetOptions, DataSetTomogram};
use super::prediction::{is_predicted, is_seen, predict_member, Trained};
use super::report;
use super::state::{ChosenSlab, LabelledSlab, PredictedTomogram, RunState};
use super::training::train;
use super::truth_table::add_truths;
use crate::diffusion::DiffusionModel;
use crate::networks::SegmentationModel;
use crate::predict::check_other_source;
use crate::runtime::{Error, Job, Result};
use crate::segmenter::OutputScore;
use crate::settings::Settings;
use crate::volume::{readable, FileDescription};

/// Shares of the whole that looking for slabs, labelling, training and prediction begin at.
const LABELS_FROM: f64 = 0.03;
const TRAINING_FROM: f64 = 0.2;
const PREDICTION_FROM: f64 = 0.6;

/// What became of a tomogram.
#[derive(Debug)]
pub struct TomogramOutcome {
    /// The name that its files begin with.
    pub name: String,
    /// Why it has no prediction; None: it has one.
    pub failure: Option<Error>,
    /// Whether the prediction was there already.
    pub was_there: bool,
}

/// What became of a network.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkReport {
    /// The trained network, for [`crate::networks::SegmentationModel::open`].
    pub network: PathBuf,
    /// Why there is none: nothing in the labels teaches it; None: it is there.
    pub failure: Option<String>,
    /// Slabs that it learnt from.
    pub slabs: usize,
    /// Steps of the training.
    pub steps: u64,
    /// Scores after the last step, of what is held out where anything is.
    pub scores: Vec<OutputScore>,
    /// Mean loss of the latest steps.
    pub loss: Option<f64>,
}

/// What [`run_data_set`] did.
#[derive(Debug)]
pub struct DataSetReport {
    /// One outcome for each tomogram, in their order.
    pub tomograms: Vec<TomogramOutcome>,
    /// The page with pictures and scores.
    pub page: PathBuf,
    /// The network.
    pub network: NetworkReport,
    /// The network of the molecules, where the run has one.
    pub molecules: Option<NetworkReport>,
    /// The settings, as one JSON object.
    pub settings: Value,
}

impl NetworkReport {
    fn of(role: Role, state: &RunState, out: &Path) -> Self {
        let training = role.training(state);
        let last = training.scores.last();
        Self {
            network: role.file(out),
            failure: training.failure.clone(),
            slabs: training.slabs.len(),
            steps: training.steps,
            scores: last.map_or_else(Vec::new, |last| last.outputs.clone()),
            loss: training.losses.last().map(|record| f64::from(record.loss)),
        }
    }
}

/// Labels slabs of a data set, trains a network on them and predicts every tomogram, all into the folder `out`:
/// `NAME_membrane.mrc` and so on as [`crate::predict::predict`] writes them, `network.safetensors`, the slabs' files in
/// `slabs/`, and the page `report.html` with its pictures in `report/`. A network of the molecules' own learns from the
/// same labels and has its files in `molecules/`; where the labels teach one of the networks nothing, the others go on
/// without it.
///
/// A run that was stopped goes on where it was and ends with the same network and volumes; what is there already is not
/// computed again, and tomograms that are new to the list are predicted. A tomogram that fails is noted in the answer
/// and on the page, and tried again by the next call.
///
/// Errors: options out of range; two tomograms of one name, also where the other's results are in `out`; a run of other
/// settings or weights in `out`; a table of truths that does not fit; no slab that can be learnt from; cancel (what is
/// done is kept, to the training's last step); a full disk (the same).
pub fn run_data_set(
    model: &DiffusionModel,
    tomograms: &[DataSetTomogram],
    out: &Path,
    options: &DataSetOptions,
    job: &Job,
) -> Result<DataSetReport> {
    options.validate()?;
    options.slab.check_files()?;
    let mut members = members(tomograms)?;
    if let Some(table) = &options.truth {
        add_truths(Path::new(table), &mut members)?;
    }
    if !options.restart {
        for member in &members {
            check_other_source(&member.given.path, &member.name, out)?;
        }
    }
    let mut identity = identity(options, model)?;
    for member in &members {
        if let Some(z) = &member.given.slab {
            let slices = format!("{}:{}", z.start, z.end);
            identity = identity.with_setting(&format!("slab of {}", member.name), slices.into());
        }
    }
    let run = Run {
        model,
        members: &members,
        options,
        networks: &networks(options),
        job,
    };
    let mut journal = Journal::open(out, &identity, options.restart)?;
    journal.state.settings =
        serde_json::to_value(options).map_err(|error| Error::Internal(format!("settings as JSON: {error}")))?;
    run.tell_doubts();
    let mut notes = Vec::new();
    let done = run.all(&mut journal, &mut notes);
    // Also where the run failed.
    let written = journal.save().and_then(|()| report::write(&members, &journal, &notes));
    let tomograms = done?;
    written?;
    let report = |role| NetworkReport::of(role, &journal.state, out);
    Ok(DataSetReport {
        tomograms,
        page: report::page_file(out),
        network: report(Role::First),
        molecules: options.molecules.is_some().then(|| report(Role::Molecules)),
        settings: journal.state.settings.clone(),
    })
}

/// What all parts of a run share.
struct Run<'a, 'j> {
    model: &'a DiffusionModel,
    members: &'a [Member],
    options: &'a DataSetOptions,
    networks: &'a [RunNetwork],
    job: &'a Job<'j>,
}

impl Run<'_, '_> {
    fn all(&self, journal: &mut Journal, notes: &mut Vec<Note>) -> Result<Vec<TomogramOutcome>> {
        if !self.networks.iter().all(|network| is_trained(network.role, journal)) {
            self.timed(journal, "slabs", |run, journal| run.label(journal, notes))?;
            self.timed(journal, "training", |run, journal| run.train(journal, notes))?;
            report::write(self.members, journal, notes)?;
        }
        self.timed(journal, "prediction", |run, journal| run.predict(journal, notes))
    }

    /// Trains the networks that are not trained yet. One that the labels teach nothing is noted, unless they teach
    /// none.
    fn train(&self, journal: &mut Journal, notes: &mut Vec<Note>) -> Result<()> {
        let mut failures = Vec::new();
        for (index, network) in self.networks.iter().enumerate() {
            let role = network.role;
            if is_trained(role, journal) {
                continue;
            }
            self.info(match role {
                Role::First => "training",
                Role::Molecules => "training the network of molecules",
            });
            role.training_mut(&mut journal.state).finished = false;
            let (from, length) = (TRAINING_FROM, PREDICTION_FROM - TRAINING_FROM);
            let share = |n: usize| from + length * n as f64 / self.networks.len() as f64;
            let part = self.job.part(share(index)..share(index + 1));
            if let Some(failure) = train(network, self.members, self.options, self.model.device(), journal, &part)? {
                role.training_mut(&mut journal.state).failure = Some(failure.clone());
                failures.push((role, failure));
            }
        }
        let any = self.networks.iter().any(|network| is_trained(network.role, journal));
        for (role, failure) in failures {
            if !any {
                return Err(Error::format("labelled slabs", failure));
            }
            self.note(notes, role.name(), failure);
        }
        Ok(())
    }

    /// Tells once what is doubtful about the tomograms. One that cannot be opened is told of where it is needed.
    fn tell_doubts(&self) {
        for member in self.members {
            let path = &member.given.path;
            let Ok(described) = FileDescription::read(path) else {
                continue;
            };
            for warning in described.warnings_where(self.options.voxel_nm.is_some()) {
                self.job
                    .logger()
                    .warn("volume", &format!("{}: {warning}", readable(path)));
            }
        }
    }

    /// Adds the time of `work`, which counts also where it fails, to that of a part of the run.
    fn timed<T>(
        &self,
        journal: &mut Journal,
        part: &str,
        work: impl FnOnce(&Self, &mut Journal) -> Result<T>,
    ) -> Result<T> {
        let began = Instant::now();
        let answer = work(self, journal);
        journal.spent(part, began.elapsed().as_secs_f64());
        journal.save()?;
        answer
    }

    fn info(&self, text: &str) {
        self.job.logger().info("dataset", text);
    }

    fn note(&self, notes: &mut Vec<Note>, name: &str, text: String) {
        self.job.logger().warn("dataset", &format!("{name}: {text}"));
        notes.push(Note {
            tomogram: name.to_owned(),
            text,
        });
    }

    /// Labels slabs until there are as many as are wanted. Once the training has begun, those it began with are the
    /// ones.
    fn label(&self, journal: &mut Journal, notes: &mut Vec<Note>) -> Result<()> {
        if journal.state.chosen.is_none() {
            let part = self.job.part(0.0..LABELS_FROM);
            let mut note = |member: &Member, text| self.note(notes, &member.name, text);
            let out = journal.out().to_path_buf();
            let chosen = choose(self.members, self.options, &out, &mut note, &part)?;
            if chosen.is_empty() {
                return Err(Error::format(
                    "tomograms",
                    "no slab can be labelled: none of those that were looked at can be read",
                ));
            }
            journal.state.chosen = Some(chosen);
            journal.save()?;
        }
        let out = journal.out().to_path_buf();
        let chosen = journal.state.chosen.clone().unwrap_or_default();
        let named = self.members.iter().any(|member| member.given.slab.is_some());
        let count = if named {
            chosen.len()
        } else {
            self.options.slabs.min(chosen.len())
        };
        let mut kept: Vec<LabelledSlab> = Vec::new();
        let begun = [Role::First, Role::Molecules]
            .iter()
            .any(|role| !role.training(&journal.state).slabs.is_empty());
        for slab in &chosen {
            if kept.len() == count {
                break;
            }
            let known = journal.state.slabs.iter().find(|known| known.slab == *slab);
            match known {
                Some(known) if labels::are_there(&out, known) => {
                    kept.push(known.clone());
                    continue;
                }
                // The training began without this one.
                None if begun => continue,
                _ => {}
            }
            let text = format!("labelling {} {}:{}", slab.tomogram, slab.z.start, slab.z.end);
            self.info(&format!("{text} ({} of {count})", kept.len() + 1));
            let share = |n: usize| LABELS_FROM + (TRAINING_FROM - LABELS_FROM) * n as f64 / count as f64;
            let part = self.job.part(share(kept.len())..share(kept.len() + 1));
            match self.label_one(slab, &out, &part) {
                Ok(labelled) => {
                    kept.push(labelled.clone());
                    journal.state.slabs.retain(|known| known.slab != *slab);
                    journal.state.slabs.push(labelled);
                    journal.save()?;
                }
                Err(error) if stops(&error, &out) => return Err(error),
                Err(error) => self.note(notes, &slab.tomogram, format!("{text} failed: {error}")),
            }
        }
        journal.state.slabs = kept;
        journal.save()
    }

    fn label_one(&self, slab: &ChosenSlab, out: &Path, job: &Job) -> Result<LabelledSlab> {
        let member = self.members.iter().find(|member| member.name == slab.tomogram);
        let member = member.ok_or_else(|| Error::format(&slab.tomogram, "is not among the tomograms"))?;
        let tomogram = member.open(self.options, job)?;
        labels::label(self.model, &tomogram, slab, self.options, out, job)
    }

    /// Predicts what is not there yet; one outcome for each tomogram.
    fn predict(&self, journal: &mut Journal, notes: &mut Vec<Note>) -> Result<Vec<TomogramOutcome>> {
        let out = journal.out().to_path_buf();
        let mut networks = Vec::with_capacity(self.networks.len());
        for network in self.networks.iter().filter(|network| is_trained(network.role, journal)) {
            let model = SegmentationModel::open(&network.role.file(&out), self.model.device())?;
            networks.push(Trained { network, model });
        }
        let mut outcomes = Vec::with_capacity(self.members.len());
        for (index, member) in self.members.iter().enumerate() {
            let known = journal.state.predictions.get(&member.name);
            let known = match known {
                Some(known) if is_predicted(&networks, member, known, self.options, &out, self.job)? => {
                    Some(known.clone())
                }
                _ => None,
            };
            let mut failure = None;
            if !known.as_ref().is_some_and(|known| is_seen(&out, member, known)) {
                self.info(&format!(
                    "predicting {} ({} of {})",
                    member.name,
                    index + 1,
                    self.members.len()
                ));
                let share = |n: usize| PREDICTION_FROM + (1.0 - PREDICTION_FROM) * n as f64 / self.members.len() as f64;
                let part = self.job.part(share(index)..share(index + 1));
                match self.predict_one(&networks, (member, known.as_ref()), journal, &part) {
                    Ok(seen) => {
                        journal.state.predictions.insert(member.name.clone(), seen);
                        journal.save()?;
                        report::write(self.members, journal, notes)?;
                    }
                    Err(error) if stops(&error, &out) => return Err(error),
                    Err(error) => {
                        journal.state.predictions.remove(&member.name);
                        self.note(notes, &member.name, format!("failed: {error}"));
                        failure = Some(error);
                    }
                }
            }
            outcomes.push(TomogramOutcome {
                name: member.name.clone(),
                failure,
                was_there: known.is_some(),
            });
        }
        Ok(outcomes)
    }

    fn predict_one(
        &self,
        networks: &[Trained],
        (member, known): (&Member, Option<&PredictedTomogram>),
        journal: &Journal,
        job: &Job,
    ) -> Result<PredictedTomogram> {
        let learnt = |slab: &LabelledSlab| {
            let roles = networks.iter().map(|trained| trained.network.role);
            roles
                .into_iter()
                .any(|role| role.training(&journal.state).slabs.contains(&slab.stem))
        };
        let slabs: Vec<&LabelledSlab> = journal
            .state
            .slabs
            .iter()
            .filter(|slab| slab.slab.tomogram == member.name && learnt(slab))
            .collect();
        predict_member(networks, member, (&slabs, known), self.options, journal.out(), job)
    }
}

/// Whether the training of a network is at its end, and the network there.
fn is_trained(role: Role, journal: &Journal) -> bool {
    role.training(&journal.state).finished && role.file(journal.out()).exists()
}
