//! The prediction's options and report as C sees them, and their translation.
use std::ffi::{c_char, c_void};

use super::cancel::tomocut_cancel;
use super::picking_options::{
    tomocut_membrane_options, tomocut_picking_options, translate_membranes, translate_picking, Picking,
};
use super::picks::tomocut_picks;
use super::progress::tomocut_progress_fn;
use super::sized::{self, SizedStruct};
use super::slab_options::{flag, one_of, switch, to_usize, tomocut_switch};
use super::status::tomocut_status;
use super::strings::optional_text;
use super::volume::{tomocut_dtype, TOMOCUT_DTYPE_F16, TOMOCUT_DTYPE_U8};
use crate::networks::{Sampler, Sampling};
use crate::predict::{
    AfterNetwork, MembraneOptions, Output, PickingOptions, PredictOptions, PredictReport, ProbabilityType, Rank,
    VolumeFormat,
};
use crate::{Error, Result};

/// Probabilities, one volume for each output of the network: a bit of tomocut_predict_options.outputs.
pub const TOMOCUT_PREDICT_PROBABILITIES: u32 = 1;
/// Labels, one volume: 0 on the ground, else 1 + the number of the likeliest output.
pub const TOMOCUT_PREDICT_LABELS: u32 = 2;
/// With mirrors or several samples: the probabilities' standard deviation over them, one volume for each output.
pub const TOMOCUT_PREDICT_DEVIATIONS: u32 = 4;

/// Options of a prediction. Fill with tomocut_predict_options_init, then change what differs; zero means the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_predict_options {
    /// sizeof(tomocut_predict_options) of the caller's header.
    pub struct_size: usize,
    /// First voxel that is predicted, z y x.
    pub region_first: [u64; 3],
    /// Voxel after the last one, z y x; all three zero, and region_first too: the whole tomogram.
    pub region_end: [u64; 3],
    /// Edge of a voxel in nm, 0.01 to 100, where the tomogram's own is wrong or unknown; 0: the tomogram's own.
    pub voxel_nm: f64,
    /// Whether the data are brought to the network's voxel size where the two differ by more than a fifth,
    /// TOMOCUT_SWITCH_*; by default on.
    pub rescale: tomocut_switch,
    /// 1: structures are brighter than their surroundings; 0: darker, as IMOD and AreTomo leave them.
    pub bright: i32,
    /// 1: the mirrors of every window (8, of a network of slices 4) are predicted and averaged, at so many times the time.
    pub mirrors: i32,
    /// What is written, TOMOCUT_PREDICT_* joined by |; 0: probabilities and labels.
    pub outputs: u32,
    /// How probabilities and deviations are stored: TOMOCUT_DTYPE_F16 (0 to 1, MRC mode 12) or TOMOCUT_DTYPE_U8 (0 to 255
    /// for 0 to 1, mode 0); 0: TOMOCUT_DTYPE_F16.
    pub probability_dtype: tomocut_dtype,
    /// Whether a run of the same settings that was stopped is gone on with, TOMOCUT_SWITCH_*; by default on. Off: it is
    /// begun again.
    pub resume: tomocut_switch,
    /// Least probability of a label, above 0 to 1; 0: that of the largest expected Dice, found once the whole volume is predicted.
    pub threshold: f64,
    /// Bytes that slices and tiles may take, beside the network and libtorch themselves; 0: 1 GiB.
    pub memory: u64,
    /// Extents z y x of a core, the voxels that one tile answers for; all zero: what the memory allows.
    pub core: [u64; 3],
    /// This process's number, 0 to size - 1, where several processes share one prediction.
    pub rank: u64,
    /// Number of processes; 0: 1. Whoever finishes last puts the files in place.
    pub size: u64,
    /// Stops the call; may be NULL. Must live until the call returns.
    pub cancel: *const tomocut_cancel,
    /// Reports on the call; may be NULL.
    pub progress: tomocut_progress_fn,
    /// Handed to progress.
    pub progress_user_data: *mut c_void,
    /// Molecules that are picked in the volumes; NULL: none. Must live until the call returns, as the next two.
    pub picking: *const tomocut_picking_options,
    /// Membranes that are made a mask and numbered; NULL: none.
    pub membranes: *const tomocut_membrane_options,
    /// Receives the picks, to be freed by tomocut_picks_free; NULL where the call fails, where none are asked for, and where
    /// another process finishes. May be NULL.
    pub picks: *mut *mut tomocut_picks,
    /// Kind of the volumes: "mrc", or "zarr" (OME-Zarr 0.4 folders with several resolutions; labels and bytes as uint8; masks and
    /// numbers of membranes stay MRC); NULL: "mrc".
    pub format: *const c_char,
    /// How a network that draws its answers (SDSeg) goes from noise to one: "ddim" or "dpm-solver"; NULL: "ddim". With one step
    /// both are SDSeg's direct way. Networks that draw nothing take no notice of it.
    pub sampler: *const c_char,
    /// Seed of the noises; 0 stands for 1.
    pub seed: u64,
    /// Deviation, in slices, of the Gaussian that smooths the probabilities of a network of slices along z, up to 10; 0: none.
    pub z_smoothing: f64,
    /// Passes of such a network on the way, up to 1000; 0: 1.
    pub steps: u32,
    /// Answers, each from another noise, of which the mean is taken and, with TOMOCUT_PREDICT_DEVIATIONS, the deviation; up to
    /// 1000; 0: 1.
    pub samples: u32,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding (six numbers of 32 bits lie together); zero is
// the default of every field.
unsafe impl SizedStruct for tomocut_predict_options {
    const NAME: &'static str = "tomocut_predict_options";
}

/// What a prediction did. Set struct_size, by tomocut_predict_report_init, before use.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_predict_report {
    /// sizeof(tomocut_predict_report) of the caller's header.
    pub struct_size: usize,
    /// 1: all tiles of all processes are done and the files in place; 0: other processes have not ended yet.
    pub finished: i32,
    /// Zero.
    pub reserved: u32,
    /// Tiles of the whole plan.
    pub tiles: u64,
    /// Tiles that this call computed.
    pub computed: u64,
    /// Tiles of this process's part that an earlier call had done.
    pub resumed: u64,
    /// Extents z y x of a core.
    pub core: [u64; 3],
    /// Voxels of the tomogram, z y x, at the network's voxel size.
    pub network_shape: [u64; 3],
    /// Voxels of the tomogram that this call predicted, per second.
    pub voxels_per_second: f64,
    /// Number of molecules picked by this call.
    pub n_picks: u64,
    /// Number of membranes found by this call.
    pub n_membranes: u64,
}

// SAFETY: repr(C), struct_size first, numbers only, no padding.
unsafe impl SizedStruct for tomocut_predict_report {
    const NAME: &'static str = "tomocut_predict_report";
}

impl From<&PredictReport> for tomocut_predict_report {
    fn from(report: &PredictReport) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            finished: i32::from(report.finished),
            reserved: 0,
            tiles: report.tiles as u64,
            computed: report.computed as u64,
            resumed: report.resumed as u64,
            core: report.core.map(|n| n as u64),
            network_shape: report.network_shape.map(|n| n as u64),
            voxels_per_second: report.voxels_per_second,
            n_picks: report.found.picks.as_ref().map_or(0, |set| set.picks.len() as u64),
            n_membranes: report.found.membranes.map_or(0, u64::from),
        }
    }
}

/// Sets all options to their defaults.
///
/// @param options The struct to fill.
/// @param size    sizeof(tomocut_predict_options), as the caller's header has it.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where options is NULL or size is no size of this struct.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_predict_options_init(
    options: *mut tomocut_predict_options,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    super::guard::guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// Sets all members to zero.
///
/// @param report The struct to fill.
/// @param size   sizeof(tomocut_predict_report), as the caller's header has it.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where report is NULL or size is no size of this struct.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_predict_report_init(
    report: *mut tomocut_predict_report,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    super::guard::guard_anywhere(|| unsafe { sized::init(report, size) })
}

/// What follows the network, in the engine's words.
pub(super) struct After {
    picking: Option<Picking>,
    membranes: Option<MembraneOptions>,
}

impl After {
    pub(super) fn asked(&self) -> AfterNetwork<'_> {
        let excluded = self.picking.as_ref().and_then(|picking| picking.excluded.as_ref());
        AfterNetwork {
            picking: self.picking.as_ref().map(|picking| picking.options.clone()),
            membranes: self.membranes.clone(),
            excluded: excluded.map(|excluded| &excluded.tomogram),
        }
    }
}

impl After {
    /// The same without a volume of what is excluded, which is one tomogram's. Errors: there is one.
    pub(super) fn of_many(self) -> Result<(Option<PickingOptions>, Option<MembraneOptions>)> {
        let picking = match self.picking {
            Some(Picking { excluded: Some(_), .. }) => {
                return Err(Error::argument(
                    "excluded",
                    "given",
                    "must be NULL: it is one tomogram's",
                ));
            }
            Some(picking) => Some(picking.options),
            None => None,
        };
        Ok((picking, self.membranes))
    }
}

/// What `options` ask for after the network.
///
/// # Safety
/// The pointers in `options` are as documented for C.
pub(super) unsafe fn translate_after(options: &tomocut_predict_options) -> Result<After> {
    let picking = match options.picking.is_null() {
        true => None,
        // SAFETY: passed on.
        false => Some(unsafe { translate_picking(&sized::read(options.picking)?) }?),
    };
    let membranes = match options.membranes.is_null() {
        true => None,
        // SAFETY: passed on.
        false => Some(unsafe { translate_membranes(&sized::read(options.membranes)?) }?),
    };
    Ok(After { picking, membranes })
}

/// The options in the engine's words; ranges are checked there.
///
/// # Safety
/// The pointers in `options` are as documented for C.
pub(super) unsafe fn translate(options: &tomocut_predict_options) -> Result<PredictOptions> {
    let defaults = PredictOptions::default();
    // SAFETY: passed on.
    let format = match unsafe { optional_text(options.format, "format") }? {
        None | Some("mrc") => VolumeFormat::Mrc,
        Some("zarr") => VolumeFormat::Zarr,
        Some(other) => return Err(Error::argument("format", format!("\"{other}\""), "must be mrc or zarr")),
    };
    let triple = |name: &str, values: [u64; 3]| -> Result<[usize; 3]> {
        let [z, y, x] = values;
        Ok([to_usize(name, z)?, to_usize(name, y)?, to_usize(name, x)?])
    };
    let (first, end) = (
        triple("region_first", options.region_first)?,
        triple("region_end", options.region_end)?,
    );
    let region = (first != [0; 3] || end != [0; 3]).then(|| std::array::from_fn(|axis| first[axis]..end[axis]));
    let core = triple("core", options.core)?;
    let probability = match options.probability_dtype {
        0 | TOMOCUT_DTYPE_F16 => ProbabilityType::Half,
        TOMOCUT_DTYPE_U8 => ProbabilityType::Byte,
        other => {
            let allowed = "must be 0, TOMOCUT_DTYPE_F16 or TOMOCUT_DTYPE_U8";
            return Err(Error::argument("probability_dtype", other, allowed));
        }
    };
    // SAFETY: passed on.
    let sampler = match unsafe { optional_text(options.sampler, "sampler") }? {
        None => Sampler::default(),
        Some(name) => one_of(
            "sampler",
            name,
            &[("ddim", Sampler::Ddim), ("dpm-solver", Sampler::DpmSolver)],
        )?,
    };
    Ok(PredictOptions {
        sampling: Sampling {
            sampler,
            steps: options.steps.max(1),
            samples: options.samples.max(1),
            seed: options.seed.max(1),
        },
        z_smoothing: options.z_smoothing,
        region,
        voxel_nm: (options.voxel_nm != 0.0).then_some(options.voxel_nm),
        rescale: switch("rescale", options.rescale, defaults.rescale)?,
        bright: flag("bright", options.bright)?,
        mirrors: flag("mirrors", options.mirrors)?,
        outputs: outputs(options.outputs, defaults.outputs)?,
        probability,
        format,
        threshold: (options.threshold != 0.0).then_some(options.threshold as f32),
        memory: match options.memory {
            0 => defaults.memory,
            given => given,
        },
        core: (core != [0; 3]).then_some(core),
        rank: Rank {
            rank: to_usize("rank", options.rank)?,
            size: to_usize("size", options.size.max(1))?,
        },
        resume: switch("resume", options.resume, defaults.resume)?,
    })
}

fn outputs(bits: u32, preset: Vec<Output>) -> Result<Vec<Output>> {
    let known = [
        (TOMOCUT_PREDICT_PROBABILITIES, Output::Probabilities),
        (TOMOCUT_PREDICT_LABELS, Output::Labels),
        (TOMOCUT_PREDICT_DEVIATIONS, Output::Deviations),
    ];
    if bits == 0 {
        return Ok(preset);
    }
    if bits & !known.iter().fold(0, |all, (bit, _)| all | bit) != 0 {
        return Err(Error::argument(
            "outputs",
            bits,
            "must be TOMOCUT_PREDICT_* joined by |, 0..=7",
        ));
    }
    let chosen = known.into_iter().filter(|(bit, _)| bits & bit != 0);
    Ok(chosen.map(|(_, output)| output).collect())
}
