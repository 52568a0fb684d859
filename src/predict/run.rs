//! A whole prediction: plan, read, compute, write.
use std::path::{Path, PathBuf};
use std::sync::mpsc::{channel, sync_channel};
use std::time::Instant;

use serde::Serialize;
use tch::Tensor;

use crate::networks::{GreyScale, SegmentationModel};
use crate::runtime::{Error, Job, MemoryReuse, Result, Stage};
use crate::settings::Settings;
use crate::volume::{warn_of_tomogram_contrast, BlockFile, BlockType, Tomogram};

use super::after::{after_network, AfterNetwork, AfterResults, MapSource};
use super::also::AlsoWritten;
use super::budget::{core_extents, memory_beside_reading};
use super::identity::{identity, source_of, tiles_identity, Inputs, Record};
use super::labels::cut_labels;
use super::options::{Output, PredictOptions, VolumeFormat};
use super::plan::{Needs, Plan};
use super::slices::{joined, SliceWindow};
use super::store::{Run, Store, CONTENT};
use super::tile::{predict_tile, Probabilities};
use super::volumes::{channels, classes, deviating, volume_name, volumes, LABELS};

/// What [`predict`] did.
#[derive(Clone, Debug, Serialize)]
pub struct PredictReport {
    /// Whether all tiles of all ranks are done and the files in place.
    pub finished: bool,
    /// The files.
    pub files: Vec<PathBuf>,
    /// Tiles of the whole plan.
    pub tiles: usize,
    /// Tiles that this call computed.
    pub computed: usize,
    /// Tiles of this rank's part that an earlier run had done.
    pub resumed: usize,
    /// Extents (z, y, x) of a core.
    pub core: [usize; 3],
    /// Voxels (z, y, x) of the tomogram at the network's voxel size.
    pub network_shape: [usize; 3],
    /// Voxels of the data that this call predicted, per second.
    pub voxels_per_second: f64,
    /// The threshold that labels were cut at, where it was found here and not given.
    pub threshold: Option<f32>,
    /// Seconds of each stage.
    pub seconds: Vec<(String, f64)>,
    /// Number of molecules that this call picked.
    pub n_picks: usize,
    /// Number of membranes that this call found.
    pub n_membranes: u32,
    /// The settings.
    pub settings: PredictOptions,
    /// Molecules and membranes of the volumes, by the process that finished.
    #[serde(skip)]
    pub after: AfterResults,
}

/// Share of a call that the network takes where something follows it.
const NETWORK_SHARE: f64 = 0.9;

/// Predicts `tomogram` with `model` and writes `FOLDER/NAME_*.mrc`: one file for each output ("membrane", ...),
/// `labels`, and `OUTPUT_std`.
///
/// The volume is never in memory: slices are read ahead by a thread and dropped when no window needs them any more,
/// finished tiles are written by another. Tiles of a network of finite reach give the numbers of the whole volume at
/// once. A killed run, called again with the same settings, computes what is missing and ends with the same bytes; with
/// several ranks whoever completes the plan puts the files in place.
///
/// Then molecules and membranes are found in the volumes, where the settings ask for them: the process that completes
/// the plan finds them and writes their files, just before the volumes are put in place. A run that was killed
/// meanwhile finds them anew.
///
/// Errors: settings out of range, outputs that the network does not have, slices that cannot be read, probabilities
/// that are not finite, a full disk (what is done is kept), cancel (the same), too little memory.
pub fn predict(
    model: &SegmentationModel,
    tomogram: &Tomogram,
    folder: &Path,
    options: &PredictOptions,
    job: &Job,
) -> Result<PredictReport> {
    let inputs = Inputs {
        model,
        tomogram,
        excluded: None,
    };
    predict_inputs(&inputs, folder, options, job)
}

/// [`predict`] of inputs that may hold a volume of what is excluded from picks.
pub fn predict_inputs(inputs: &Inputs, folder: &Path, options: &PredictOptions, job: &Job) -> Result<PredictReport> {
    options.validate()?;
    let tomogram = &inputs.tomogram.with_voxel_nm(options.voxel_nm, job)?;
    let inputs = &Inputs { tomogram, ..*inputs };
    let (model, geometry) = (inputs.model, tomogram.geometry());
    let region = options.region(geometry.shape)?;
    let after = AfterNetwork::of(options, &model.description().network, inputs.excluded);
    let outputs = model.network().outputs();
    after.validate(outputs, geometry)?;
    let also = AlsoWritten::of(options, tomogram)?;
    job.enter(Stage::Read)?;
    let description = model.description();
    let data_nm = geometry.voxel_nm();
    if let Some(text) = data_nm.and_then(|edge| description.doubt(edge, options.rescale)) {
        job.logger().warn("predict", &format!("{}: {text}", tomogram.name()));
    }
    let axes = description.axes(geometry.shape, data_nm, options.rescale);
    options.sampling().validate(model.network().draws())?;
    if options.z_smoothing > 0.0 && model.network().dimensions() != 2 {
        let allowed = "must be 0 for a network of three dimensions";
        return Err(Error::argument("z_smoothing", options.z_smoothing, allowed));
    }
    let needs = Needs::of(model.network())
        .with_margin(options.margin)?
        .smoothed(options.z_radius());
    let core = match options.core {
        Some([z, ..]) if needs.whole => [z, region[1].len(), region[2].len()],
        Some(core) => core,
        None => {
            let memory = memory_beside_reading(tomogram, options.memory)?;
            core_extents(&description.network, &needs, &axes, &region, memory)?
        }
    };
    let plan = Plan::new(axes, region.clone(), core, &needs);
    warn_of_tomogram_contrast(tomogram, options.bright, job)?;
    let scale = GreyScale::of(tomogram, description.input, options.bright != description.bright, job)?;
    let cuts_labels = options.threshold.is_none() && options.outputs.contains(&Output::Labels);
    let mut needed = after.maps(outputs)?;
    if cuts_labels {
        needed.extend(classes(outputs).map(|index| outputs[index].as_str()));
    }
    let channels = channels(model, options, &needed);
    let volumes = volumes(model, tomogram.name(), options, &channels);
    let names: Vec<&str> = volumes.iter().map(|volume| volume.name.as_str()).collect();
    let whole_identity = identity(inputs, options, job)?;
    let tiles_identity = tiles_identity(&whole_identity, core, &names);
    let part_geometry = BlockFile::geometry_of(geometry, &region)?;
    let (store, done) = Store::open(&Run {
        folder,
        name: tomogram.name(),
        identity: &tiles_identity,
        tiles: plan.tiles().len(),
        volumes: &volumes,
        geometry: &part_geometry,
        rank: options.rank,
        resume: options.resume,
        as_zarr: options.format == VolumeFormat::Zarr,
    })?;
    let part = plan.part(options.rank, options.size);
    let mine = part.len();
    let open: Vec<usize> = part.filter(|index| done.binary_search(index).is_err()).collect();

    let began = Instant::now();
    let work = Work {
        model,
        plan: &plan,
        options,
        channels: &channels,
        open: &open,
        mine,
    };
    let span = job.span();
    if !after.is_nothing() {
        job.set_span(span.start..span.start + NETWORK_SHARE * (span.end - span.start));
    }
    let store = work.compute(tomogram, scale, store, job)?;
    let seconds = began.elapsed().as_secs_f64();
    job.set_span(job.span().end..span.end);
    job.enter(Stage::Write)?;
    let mut after_results = AfterResults::default();
    let as_zarr = (options.format == VolumeFormat::Zarr).then_some(&part_geometry);
    let mut threshold = None;
    let certain = options.probability.certain();
    let kept = volumes
        .iter()
        .filter(|volume| volume.is_kept)
        .map(|volume| volume.placed_name(as_zarr.is_some()));
    let record = Record {
        source: tomogram.path().and_then(source_of),
        identity: whole_identity,
        files: kept
            .chain(after.files(outputs, tomogram.name())?)
            .chain(also.names())
            .collect(),
    };
    let finished = store.finish(as_zarr, &record.text()?, job, |work| {
        let open = |output: &str| Tomogram::open_again(&work.join(volume_name(tomogram.name(), output)), None, job);
        if cuts_labels {
            let maps = classes(outputs)
                .map(|index| open(&outputs[index]))
                .collect::<Result<Vec<_>>>()?;
            let path = work.join(volume_name(tomogram.name(), LABELS));
            let file = BlockFile::open(&path, &part_geometry, BlockType::Label, CONTENT)?;
            threshold = Some(cut_labels(&maps, certain, (&file, &path), job)?);
        }
        let maps = MapSource {
            open: &open,
            certain,
            whole: geometry,
            first: region.clone().map(|range| range.start),
            name: tomogram.name(),
        };
        if !after.is_nothing() {
            after_results = after_network(&after, outputs, &maps, folder, options.memory, job)?;
        }
        job.enter(Stage::Write)?;
        if also.files().is_empty() {
            return Ok(());
        }
        let path = work.join(volume_name(tomogram.name(), LABELS));
        let file = BlockFile::open(&path, &part_geometry, BlockType::Label, CONTENT)?;
        let names: Vec<String> = classes(outputs).map(|index| outputs[index].clone()).collect();
        also.write((&file, &part_geometry), &names, &after_results, job)
    })?;
    job.set_span(span);
    let voxels: usize = open
        .iter()
        .map(|index| {
            plan.tiles()[*index]
                .core
                .iter()
                .map(|range| range.len())
                .product::<usize>()
        })
        .sum();
    Ok(PredictReport {
        finished,
        files: record.files.iter().map(|name| folder.join(name)).collect(),
        tiles: plan.tiles().len(),
        computed: open.len(),
        resumed: mine - open.len(),
        core,
        threshold,
        network_shape: axes.map(|axis| axis.network),
        voxels_per_second: voxels as f64 / seconds.max(1e-9),
        seconds: job
            .stage_times()
            .into_iter()
            .map(|(stage, time)| (stage.name().to_owned(), time.as_secs_f64()))
            .collect(),
        n_picks: after_results.picks.as_ref().map_or(0, |set| set.picks.len()),
        n_membranes: after_results.membranes.unwrap_or(0),
        settings: options.clone(),
        after: after_results,
    })
}

/// The voxels of a core (z, y, x) in each of the volumes.
type Blocks = Vec<Vec<f32>>;

/// The tiles that a call computes.
struct Work<'a> {
    model: &'a SegmentationModel,
    plan: &'a Plan,
    options: &'a PredictOptions,
    /// Outputs whose probabilities are written.
    channels: &'a [usize],
    /// Their numbers, ascending.
    open: &'a [usize],
    /// Tiles of this rank's part.
    mine: usize,
}

impl Work<'_> {
    /// Reads, computes and writes, each on a thread of its own; this one computes and reports.
    fn compute(&self, tomogram: &Tomogram, scale: GreyScale, mut store: Store, job: &Job) -> Result<Store> {
        let tiles = self.open.iter().map(|index| &self.plan.tiles()[*index]);
        let needed = joined(tiles.map(|tile| self.plan.slices(tile)));
        job.enter(Stage::Predict)?;
        std::thread::scope(|scope| {
            let mut slices = SliceWindow::start(scope, tomogram, scale, needed);
            let (sender, receiver) = sync_channel::<(usize, Blocks)>(1);
            // What was written is filled anew: the system need not clear its pages again.
            let (empty, emptied) = channel::<Blocks>();
            let plan = self.plan;
            let writer = scope.spawn(move || -> Result<Store> {
                for (index, blocks) in receiver {
                    let core = &plan.tiles()[index].core;
                    let start = std::array::from_fn(|axis| core[axis].start - plan.region[axis].start);
                    let extents = std::array::from_fn(|axis| core[axis].len());
                    store.put(index, start, extents, &blocks)?;
                    // After the last tile nobody takes it.
                    let _ = empty.send(blocks);
                }
                Ok(store)
            });
            let computed = self.tiles(&mut slices, job, &mut |index, probabilities| {
                let blocks = self.blocks(probabilities, emptied.try_recv().unwrap_or_default())?;
                // Where the writer is gone its own error is told below.
                Ok(sender.send((index, blocks)).is_ok())
            });
            drop((sender, slices));
            let written = writer
                .join()
                .map_err(|_| Error::Internal("the writing thread panicked".into()))?;
            computed.and(written)
        })
    }

    /// Computes tile by tile until `put` says that nobody listens.
    fn tiles(
        &self,
        slices: &mut SliceWindow,
        job: &Job,
        put: &mut dyn FnMut(usize, &Probabilities) -> Result<bool>,
    ) -> Result<()> {
        let _kept = MemoryReuse::start();
        let before = self.mine - self.open.len();
        for (count, &index) in self.open.iter().enumerate() {
            let tile = &self.plan.tiles()[index];
            slices.advance(&self.plan.slices(tile))?;
            let probabilities = predict_tile(self.model, self.plan, tile, slices, self.options, job)?;
            if !put(index, &probabilities)? {
                break;
            }
            job.advance((before + count + 1) as f64 / self.mine.max(1) as f64)?;
        }
        Ok(())
    }

    /// The voxels of each volume, in the order of [`volumes`], written into the buffers `spare`.
    fn blocks(&self, probabilities: &Probabilities, spare: Blocks) -> Result<Blocks> {
        let mut spare = spare.into_iter();
        let mut block = |tensor: &Tensor| -> Result<Vec<f32>> {
            let mut block = spare.next().unwrap_or_default();
            block.resize(tensor.numel(), 0.0);
            tensor.f_contiguous()?.f_copy_data(&mut block, tensor.numel())?;
            Ok(block)
        };
        let outputs = self.options.outputs.as_slice();
        let mut blocks = Blocks::new();
        // Of values in 0..=1 the sum is finite where all of them are.
        if !f64::try_from(probabilities.mean.f_sum(tch::Kind::Float)?)?.is_finite() {
            return Err(Error::format(
                "prediction",
                "probabilities are not finite: the model's weights are damaged",
            ));
        }
        for &index in self.channels {
            blocks.push(block(&probabilities.mean.f_get(index as i64)?)?);
        }
        if let (true, Some(deviation)) = (outputs.contains(&Output::Deviations), &probabilities.deviation) {
            for index in deviating(self.model) {
                blocks.push(block(&deviation.f_get(index as i64)?)?);
            }
        }
        if outputs.contains(&Output::Labels) {
            blocks.push(block(&self.labels(&probabilities.mean)?)?);
        }
        Ok(blocks)
    }

    /// 1 + the number, among the classes, of the likeliest (the first of equals), 0 where that does not reach the
    /// threshold; where there is none yet every voxel has its label.
    fn labels(&self, probabilities: &Tensor) -> Result<Tensor> {
        let classes: Vec<i64> = classes(self.model.network().outputs())
            .map(|index| index as i64)
            .collect();
        let chosen = probabilities.f_index_select(0, &Tensor::f_from_slice(&classes)?)?;
        let (likeliest, label) = chosen.f_max_dim(0, false)?;
        let inside = likeliest.f_ge(f64::from(self.options.threshold.unwrap_or(0.0) as f32))?;
        Ok(label.f_add_scalar(1)?.f_mul(&inside)?.f_to_kind(tch::Kind::Float)?)
    }
}
