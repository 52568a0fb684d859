//! Labels that a network learns from: from files, or of a slab that is segmented here.
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use ndarray::Array3;
use tomocut::picks::{is_inside, Pick, PickFormat, PickSet};
use tomocut::segmenter::SlabLabels;
use tomocut::slab::{segment, Preset, SlabOptions, SuggestOptions};
use tomocut::volume::{Tomogram, CLASS_NAMES};

use super::Session;
use crate::exit::{Exit, Failure, OrExit};
use crate::placed::placed;
use crate::ranges::Slab;
use crate::suggest::richest;

/// A tomogram with what the user says of it.
pub struct LabelledInput {
    pub tomogram: PathBuf,
    z: Option<Slab>,
    labels: Option<PathBuf>,
    points: Option<PathBuf>,
    /// Its name in the file of points, where that is another one than its file's.
    name: Option<String>,
}

impl LabelledInput {
    /// All inputs; refuses what does not go together.
    pub fn all(inputs: &[PathBuf], matches: &ArgMatches) -> Result<Vec<Self>, Failure> {
        let mut z: BTreeMap<usize, Slab> = placed(matches, "inputs", "z")?;
        let mut labels: BTreeMap<usize, PathBuf> = placed(matches, "inputs", "labels")?;
        let mut points: BTreeMap<usize, PathBuf> = placed(matches, "inputs", "points")?;
        let mut names: BTreeMap<usize, String> = placed(matches, "inputs", "tomogram_name")?;
        let member = |(index, tomogram): (usize, &PathBuf)| {
            let input = Self {
                tomogram: tomogram.clone(),
                z: z.remove(&index),
                labels: labels.remove(&index),
                points: points.remove(&index),
                name: names.remove(&index),
            };
            let name = tomogram.display();
            match (&input.z, &input.labels, &input.points) {
                (Some(Slab::Auto), Some(_), _) => Err(Failure::usage(format!(
                    "--z auto of {name} stands with --labels, which are of slices of their own"
                ))),
                (Some(Slab::Auto), None, Some(_)) => Err(Failure::usage(format!(
                    "--z auto of {name} stands with --points alone, which are of slices of their own"
                ))),
                (None, None, None) => Err(Failure::usage(format!(
                    "{name} has neither --z nor --labels nor --points: --z must be A:B with A below B, such as 40:60, \
                     or auto"
                ))),
                (_, _, None) if input.name.is_some() => Err(Failure::usage(format!(
                    "--tomogram-name of {name} stands without --points"
                ))),
                _ => Ok(input),
            }
        };
        inputs.iter().enumerate().map(member).collect()
    }
}

impl Session<'_> {
    /// Adds a tomogram's labels.
    pub(super) fn add(&mut self, input: &LabelledInput) -> Result<(), Failure> {
        let tomogram = self.engine.tomogram(&input.tomogram, self.voxel_nm)?;
        match (&input.labels, &input.points) {
            (None, None) => self.add_segmented(input, &tomogram)?,
            _ => self.add_files(input, &tomogram)?,
        }
        if self.arguments.whole {
            let whole = 0..tomogram.geometry().shape[0];
            let job = self.engine.silent_job();
            let training = &mut self.training;
            let add = || training.add_unlabelled(&tomogram, whole, &job);
            self.engine.compute(add).or_exit(Exit::BadInput)?;
        }
        Ok(())
    }

    /// Adds labels and points from files; either may be missing.
    fn add_files(&mut self, input: &LabelledInput, tomogram: &Tomogram) -> Result<(), Failure> {
        let depth = tomogram.geometry().shape[0];
        let z = match &input.z {
            Some(Slab::Slices(z)) => z.clone(),
            _ => 0..depth,
        };
        let map = match &input.labels {
            Some(path) => Some(self.label_map(path, &z, input, depth)?),
            None => None,
        };
        let points = self.points(input, tomogram)?;
        let labels = SlabLabels {
            z,
            labels: map.as_ref().map(Array3::view),
            confidence: None,
            points: &points,
            names: &self.arguments.names,
        };
        let job = self.engine.silent_job();
        let training = &mut self.training;
        let add = || training.add(tomogram, &labels, false, &job);
        self.engine.compute(add).or_exit(Exit::BadInput)
    }

    /// Labels of the slices `z`, from a file of these slices or of all `depth`.
    fn label_map(
        &self,
        path: &Path,
        z: &Range<usize>,
        input: &LabelledInput,
        depth: usize,
    ) -> Result<Array3<i8>, Failure> {
        let file = self.engine.tomogram(path, None)?;
        let given = file.geometry().shape[0];
        let is_whole = given == depth;
        if (!is_whole && given != z.len()) || z.end > depth {
            let text = format!(
                "{} has {given} slices, must have those of the slab {}:{} or all {depth} of {}",
                path.display(),
                z.start,
                z.end,
                input.tomogram.display()
            );
            return Err(Failure::new(Exit::BadInput, text));
        }
        let seen: Range<usize> = if is_whole { z.clone() } else { 0..given };
        let values = file.read_labels(seen).or_exit(Exit::BadInput)?;
        let map = values.mapv(|value| value.round_ties_even());
        if let Some(label) = map.iter().find(|label| **label > 127.0) {
            let text = format!("{}: holds the label {label}, labels must be 0 to 127", path.display());
            return Err(Failure::new(Exit::BadInput, text));
        }
        Ok(map.mapv(|label| label as i8))
    }

    /// Molecules within the tomogram; none where no file is given.
    fn points(&self, input: &LabelledInput, tomogram: &Tomogram) -> Result<Vec<Pick>, Failure> {
        let Some(path) = &input.points else {
            return Ok(Vec::new());
        };
        let format = PickFormat::of(path).or_exit(Exit::BadInput)?;
        let name = input.name.as_deref().unwrap_or(tomogram.name());
        let set = PickSet::read(path, format, tomogram.geometry(), name).or_exit(Exit::BadInput)?;
        if !self.arguments.engine.quiet {
            let warn = |warning: &String| self.engine.display.line(&format!("warning: {warning}"));
            set.warnings.iter().for_each(warn);
        }
        let mut picks = set.picks;
        picks.retain(|pick| is_inside(pick, tomogram.geometry().shape));
        Ok(picks)
    }

    /// Segments the slab and adds what was found.
    fn add_segmented(&mut self, input: &LabelledInput, tomogram: &Tomogram) -> Result<(), Failure> {
        let (arguments, engine) = (self.arguments, &self.engine);
        let z = match &input.z {
            Some(Slab::Slices(z)) => z.clone(),
            _ => {
                let options = SuggestOptions {
                    voxel_nm: self.voxel_nm,
                    ..SuggestOptions::default()
                };
                let z = richest(engine, tomogram, &options)?;
                if !arguments.engine.quiet {
                    let text = format!("{}: --z {}:{}", input.tomogram.display(), z.start, z.end);
                    engine.display.line(&text);
                }
                z
            }
        };
        let model = match self.diffusion.take() {
            Some(model) => model,
            None => engine.diffusion_model(arguments.diffusion.as_deref())?,
        };
        let settings = SlabOptions {
            voxel_nm: self.voxel_nm,
            bright: arguments.sampling.bright,
            ..SlabOptions::new(Preset::Default)
        };
        let job = engine.job();
        let segmentation = engine
            .compute(|| segment(&model, tomogram, z.clone(), &settings, &job))
            .or_exit(Exit::BadInput)?;
        self.diffusion = Some(model);
        let labels = SlabLabels {
            z: segmentation.z.clone(),
            labels: Some(segmentation.labels.view()),
            confidence: None,
            points: &segmentation.points,
            names: &CLASS_NAMES.map(str::to_owned),
        };
        let job = engine.silent_job();
        let training = &mut self.training;
        let add = || training.add(tomogram, &labels, false, &job);
        engine.compute(add).or_exit(Exit::BadInput)
    }
}
