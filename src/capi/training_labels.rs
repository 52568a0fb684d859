//! Labels to learn from: those of a segmented slab, and the host's own.
use std::ffi::c_char;

use ndarray::Array3;

use super::cancel::tomocut_cancel;
use super::guard::{guard, guard_anywhere};
use super::numbers::{flag, to_usize};
use super::sized::{self, SizedStruct};
use super::slab::{slab, tomocut_pick, tomocut_slab};
use super::status::tomocut_status;
use super::strings::optional_text;
use super::tomogram::{tomocut_tomogram, tomogram};
use super::trainer::{reading, tomocut_trainer, training};
use super::volume::{tomocut_volume, Dtype, Strided};
use crate::picks::Pick;
use crate::segmenter::SlabLabels;
use crate::volume::CLASS_NAMES;
use crate::{Error, Result};

/// Kinds of labels, at most.
const MOST_NAMES: usize = 127;

/// The host's own labels of some slices of a tomogram. Fill with tomocut_training_labels_init, set labels, then change
/// what differs. All arrays and strings are read during the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_training_labels {
    /// sizeof(tomocut_training_labels) of the caller's header.
    pub struct_size: usize,
    /// The labels, 0 for the ground: dtype TOMOCUT_DTYPE_I8 or TOMOCUT_DTYPE_U8, shape (number of slices, ny, nx).
    /// NULL: points alone teach, of all slices from z_first on (settings: point_labels).
    pub labels: *const tomocut_volume,
    /// How sure each label is, 0 (ignored) to 1: dtype TOMOCUT_DTYPE_F32 or TOMOCUT_DTYPE_F16, shape as labels; NULL:
    /// all are sure.
    pub confidence: *const tomocut_volume,
    /// Names of the labels from 1 on, separated by commas, by which the network's outputs find theirs, up to 127; NULL:
    /// "membrane,molecule,filament".
    pub names: *const c_char,
    /// Molecules, for an output "centre" and for point_labels: x, y, z in voxels of the whole tomogram and diameter_nm
    /// are read; NULL: none.
    pub points: *const tomocut_pick,
    /// Entries in points.
    pub n_points: usize,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding; zero is the default of every field.
unsafe impl SizedStruct for tomocut_training_labels {
    const NAME: &'static str = "tomocut_training_labels";
}

/// Sets all members to zero; size is sizeof(tomocut_training_labels), as the caller's header has it.
#[no_mangle]
pub unsafe extern "C" fn tomocut_training_labels_init(
    labels: *mut tomocut_training_labels,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(labels, size) })
}

/// Adds a segmented slab: its labels and points are what is learnt, every voxel alike. Voxels of other slices are seen
/// but teach nothing. TOMOCUT_E_INVALID_ARGUMENT also where no label teaches one of the network's outputs.
///
/// @param trainer  The trainer, before its first step.
/// @param tomogram The tomogram that the slab was cut from. Only what is needed is copied; it may be freed.
/// @param slab     The slab; may be freed.
/// @param held_out 1: the slab is not learnt from but scored with; 0: learnt from.
/// @param cancel   Stops the reading; may be NULL.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_add_slab(
    trainer: *mut tomocut_trainer,
    tomogram: *const tomocut_tomogram,
    slab: *const tomocut_slab,
    held_out: i32,
    cancel: *const tomocut_cancel,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let trainer = unsafe { super::trainer::trainer(trainer) }?;
        // SAFETY: as documented for C.
        let (tomogram, slab, job) =
            unsafe { (self::tomogram(tomogram)?, self::slab(slab)?, reading(&trainer, cancel)?) };
        let segmentation = &slab.segmentation;
        let labels = SlabLabels {
            z: segmentation.z.clone(),
            labels: Some(segmentation.labels.view()),
            confidence: None,
            points: &segmentation.points,
            names: &CLASS_NAMES.map(str::to_owned),
        };
        let held_out = flag("held_out", held_out)?;
        let mut training = training(&trainer)?;
        training.add(&tomogram.tomogram, &labels, held_out, &job)
    })
}

/// Adds the host's own labels of some slices of a tomogram. Voxels of other slices are seen but teach nothing.
///
/// @param trainer  The trainer, before its first step.
/// @param tomogram The tomogram. Only what is needed is copied; it may be freed.
/// @param z_first  First labelled slice, counted from 0.
/// @param labels   The labels.
/// @param held_out 1: the labels are not learnt from but scored with; 0: learnt from.
/// @param cancel   Stops the reading; may be NULL.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_add_labels(
    trainer: *mut tomocut_trainer,
    tomogram: *const tomocut_tomogram,
    z_first: u64,
    labels: *const tomocut_training_labels,
    held_out: i32,
    cancel: *const tomocut_cancel,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (trainer, given) = unsafe { (super::trainer::trainer(trainer)?, sized::read(labels)?) };
        // SAFETY: as documented for C.
        let (tomogram, job) = unsafe { (self::tomogram(tomogram)?, reading(&trainer, cancel)?) };
        // SAFETY: as documented for C.
        let (map, confidence, points, names) =
            unsafe { (label_map(&given)?, confidence(&given)?, points(&given)?, names(&given)?) };
        let first = to_usize("z_first", z_first)?;
        let labels = SlabLabels {
            z: first..match &map {
                Some(map) => first.saturating_add(map.dim().0),
                None => tomogram.tomogram.geometry().shape[0],
            },
            labels: map.as_ref().map(Array3::view),
            confidence: confidence.as_ref().map(Array3::view),
            points: &points,
            names: &names,
        };
        let held_out = flag("held_out", held_out)?;
        let mut training = training(&trainer)?;
        training.add(&tomogram.tomogram, &labels, held_out, &job)
    })
}

/// Adds slices of a tomogram without labels: rounds of self-training learn from what the network is sure of in them.
/// They are kept in memory, in some ten bytes for each voxel.
///
/// @param trainer  The trainer, before its first step, with rounds in its settings (else TOMOCUT_E_STATE).
/// @param tomogram The tomogram. Only what is needed is copied; it may be freed.
/// @param z_first  First slice, counted from 0.
/// @param z_end    One past the last slice; 0: all from z_first on.
/// @param cancel   Stops the reading; may be NULL.
#[no_mangle]
pub unsafe extern "C" fn tomocut_trainer_add_unlabelled(
    trainer: *mut tomocut_trainer,
    tomogram: *const tomocut_tomogram,
    z_first: u64,
    z_end: u64,
    cancel: *const tomocut_cancel,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let trainer = unsafe { super::trainer::trainer(trainer) }?;
        // SAFETY: as documented for C.
        let (tomogram, job) = unsafe { (self::tomogram(tomogram)?, reading(&trainer, cancel)?) };
        let first = to_usize("z_first", z_first)?;
        let end = match z_end {
            0 => tomogram.tomogram.geometry().shape[0],
            end => to_usize("z_end", end)?,
        };
        let mut training = training(&trainer)?;
        training.add_unlabelled(&tomogram.tomogram, first..end, &job)
    })
}

fn refuse_dtype(volume: &Strided, name: &str, allowed: &[Dtype]) -> Result<()> {
    if allowed.contains(&volume.dtype) {
        return Ok(());
    }
    let words: Vec<String> = allowed.iter().map(|dtype| format!("{dtype:?}")).collect();
    Err(Error::argument(
        &format!("{name}.dtype"),
        format!("{:?}", volume.dtype),
        &format!("must be {}", words.join(" or ")),
    ))
}

/// # Safety
/// The struct's volume is as documented for C.
unsafe fn label_map(given: &tomocut_training_labels) -> Result<Option<Array3<i8>>> {
    if given.labels.is_null() {
        return Ok(None);
    }
    // SAFETY: passed on.
    let volume = unsafe { Strided::input(given.labels, "labels") }?;
    refuse_dtype(&volume, "labels", &[Dtype::I8, Dtype::U8])?;
    // SAFETY: passed on.
    let values = unsafe { volume.read_slices(0..volume.shape[0]) }?;
    if let Some(label) = values.iter().find(|label| !(0.0..=MOST_NAMES as f32).contains(*label)) {
        return Err(Error::argument("labels", label, &format!("must be 0..={MOST_NAMES}")));
    }
    Ok(Some(values.mapv(|label| label as i8)))
}

/// # Safety
/// As [`label_map`].
unsafe fn confidence(given: &tomocut_training_labels) -> Result<Option<Array3<f32>>> {
    if given.confidence.is_null() {
        return Ok(None);
    }
    // SAFETY: passed on.
    let volume = unsafe { Strided::input(given.confidence, "confidence") }?;
    refuse_dtype(&volume, "confidence", &[Dtype::F32, Dtype::F16])?;
    // SAFETY: passed on.
    let values = unsafe { volume.read_slices(0..volume.shape[0]) }?;
    match values.iter().find(|value| !(0.0..=1.0).contains(*value)) {
        Some(value) => Err(Error::argument("confidence", value, "must be 0..=1")),
        None => Ok(Some(values)),
    }
}

/// # Safety
/// The struct's strings are as documented for C.
unsafe fn names(given: &tomocut_training_labels) -> Result<Vec<String>> {
    // SAFETY: passed on.
    let Some(list) = (unsafe { optional_text(given.names, "names") })? else {
        return Ok(CLASS_NAMES.map(str::to_owned).to_vec());
    };
    let names: Vec<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
    if names.len() > MOST_NAMES || names.iter().any(String::is_empty) {
        let allowed = format!("must be 1 to {MOST_NAMES} names separated by commas");
        return Err(Error::argument("names", format!("\"{list}\""), &allowed));
    }
    Ok(names)
}

/// # Safety
/// The struct's arrays are as documented for C.
unsafe fn points(given: &tomocut_training_labels) -> Result<Vec<Pick>> {
    if given.n_points == 0 {
        return Ok(Vec::new());
    }
    if given.points.is_null() || !given.points.is_aligned() {
        let allowed = "must be 0, or points an array of so many";
        return Err(Error::argument("n_points", given.n_points, allowed));
    }
    // SAFETY: not NULL, aligned, and as long as the caller says.
    let points = unsafe { std::slice::from_raw_parts(given.points, given.n_points) };
    let picks: Vec<Pick> = points
        .iter()
        .map(|point| Pick {
            position: [point.z, point.y, point.x],
            diameter_nm: point.diameter_nm,
            score: point.score,
        })
        .collect();
    let is_sound =
        |pick: &&Pick| pick.position.iter().all(|v| v.is_finite()) && (0.0..=1e4).contains(&pick.diameter_nm);
    match picks.iter().find(|pick| !is_sound(pick)) {
        Some(pick) => {
            let allowed = "must have finite positions and diameters of 0..=10000 nm";
            Err(Error::argument("points", format!("{pick:?}"), allowed))
        }
        None => Ok(picks),
    }
}
