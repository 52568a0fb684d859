//! Which slabs of a tomogram are worth segmenting.
use std::ffi::c_void;

use super::cancel::tomocut_cancel;
use super::guard::{guard, guard_anywhere, log_panics_to};
use super::progress::{job, tomocut_progress_fn};
use super::sized::{self, SizedStruct};
use super::slab_options::to_usize;
use super::status::tomocut_status;
use super::strings::put_items;
use super::tomogram::{tomocut_tomogram, tomogram};
use crate::slab::{suggest_slabs, SuggestOptions};
use crate::{Error, Result};

/// Options of suggesting slabs. Fill with tomocut_suggest_options_init, then change what differs; zero and NULL mean the
/// default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_suggest_options {
    /// sizeof(tomocut_suggest_options) of the caller's header.
    pub struct_size: usize,
    /// Slices of a slab, at most the tomogram's; 0: 20, or all of a thinner tomogram.
    pub thickness: u64,
    /// Edge of a voxel in nm, 0.01 to 100, where the tomogram's own is wrong or unknown; 0: the tomogram's own.
    pub voxel_nm: f64,
    /// Voxels that may be read; 0: 2^30. Of a larger tomogram, fewer of the slices that lie within 4 nm of each other are
    /// read, then only every second, third ... such group.
    pub max_voxels: u64,
    /// Stops the call; may be NULL. Must live until the call returns.
    pub cancel: *const tomocut_cancel,
    /// Reports on the call; may be NULL.
    pub progress: tomocut_progress_fn,
    /// Handed to progress.
    pub progress_user_data: *mut c_void,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding; zero is the default of every field.
unsafe impl SizedStruct for tomocut_suggest_options {
    const NAME: &'static str = "tomocut_suggest_options";
}

/// A slab worth segmenting. This struct never changes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_suggested_slab {
    /// Its first slice, counted from 0.
    pub z_first: u64,
    /// The slice after its last one.
    pub z_end: u64,
    /// How much structure it holds: the mean of the profile over its slices; comparable within one tomogram only.
    pub score: f64,
}

/// Sets all options to their defaults.
///
/// @param options The struct to fill.
/// @param size    sizeof(tomocut_suggest_options), as the caller's header has it.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where options is NULL or size is no size of this struct.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_suggest_options_init(
    options: *mut tomocut_suggest_options,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// Finds the slabs that hold most structure, without any model: those whose local contrast at the scales of membranes and
/// molecules most exceeds that of noise. Dark and bright structures count alike; gold beads, padding and single damaged
/// slices count little. Voxels that are not finite are passed over, but slabs with such voxels, which
/// tomocut_slab_segment refuses, come after all others. Takes memory for one slice, or 64 MiB of smaller ones.
///
/// @param tomogram         The tomogram.
/// @param options          What differs from the defaults; NULL: nothing.
/// @param slabs            Receives up to capacity slabs that do not overlap, the best first; NULL where only the
///                         profile is wanted.
/// @param capacity         Entries in slabs: how many are looked for.
/// @param found            Receives the number of slabs found; may be NULL. Fewer than capacity where no more fit.
/// @param profile          Receives the structure of every slice: about 0 where there is only noise, 1 where every
///                         place certainly holds structure; or NULL.
/// @param profile_capacity Entries in profile, at least the tomogram's number of slices; 0 where profile is NULL.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT (a thickness above the number of slices, neither slabs nor profile, a
///         profile that is too short); TOMOCUT_E_FORMAT (no two finite voxels differ); TOMOCUT_E_IO;
///         TOMOCUT_E_CANCELLED; TOMOCUT_E_OUT_OF_MEMORY; TOMOCUT_E_STATE.
///
/// Same tomogram and options: same answer. Threads: any, several at once.
#[no_mangle]
pub unsafe extern "C" fn tomocut_tomogram_suggest_slabs(
    tomogram: *const tomocut_tomogram,
    options: *const tomocut_suggest_options,
    slabs: *mut tomocut_suggested_slab,
    capacity: usize,
    found: *mut usize,
    profile: *mut f64,
    profile_capacity: usize,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (tomogram, options) = unsafe { (self::tomogram(tomogram)?, sized::read_or_default(options)?) };
        log_panics_to(&tomogram.engine.logger);
        let settings = translate(&options)?;
        let tomogram_depth = tomogram.tomogram.geometry().shape[0];
        check_array("slabs", slabs, capacity)?;
        check_array("profile", profile, profile_capacity)?;
        if capacity == 0 && profile_capacity == 0 {
            return Err(Error::argument("capacity", 0, "must be above 0 where profile is NULL"));
        }
        // Before the work: a short array should not cost minutes.
        if profile_capacity != 0 && profile_capacity < tomogram_depth {
            return Err(Error::argument(
                "profile_capacity",
                profile_capacity,
                &format!("must be at least {tomogram_depth}, the tomogram's slices"),
            ));
        }
        let logger = &tomogram.engine.logger;
        // SAFETY: as documented for C.
        let job = unsafe { job(logger, options.cancel, options.progress, options.progress_user_data) }?;
        let suggestions = suggest_slabs(&tomogram.tomogram, &settings, capacity.max(1), &job)?;
        let answer: Vec<tomocut_suggested_slab> = suggestions
            .slabs
            .iter()
            .take(capacity)
            .map(|slab| tomocut_suggested_slab {
                z_first: slab.z.start as u64,
                z_end: slab.z.end as u64,
                score: slab.score,
            })
            .collect();
        // SAFETY: as documented for C; an absent array is not asked for its size here.
        unsafe {
            if capacity != 0 {
                put_items(&answer, slabs, capacity, found, "slabs")?;
            } else if !found.is_null() {
                found.write(0);
            }
            if profile_capacity != 0 {
                put_items(
                    &suggestions.profile,
                    profile,
                    profile_capacity,
                    std::ptr::null_mut(),
                    "profile",
                )?;
            }
        }
        Ok(())
    })
}

fn translate(options: &tomocut_suggest_options) -> Result<SuggestOptions> {
    let mut settings = SuggestOptions::default();
    if options.thickness != 0 {
        settings.thickness = Some(to_usize("thickness", options.thickness)?);
    }
    if options.voxel_nm != 0.0 {
        settings.voxel_nm = Some(options.voxel_nm);
    }
    if options.max_voxels != 0 {
        settings.max_voxels = options.max_voxels;
    }
    Ok(settings)
}

/// Refuses an array that is missing where its capacity says that it is there, and the reverse, or is misaligned.
fn check_array<T>(name: &str, array: *const T, capacity: usize) -> Result<()> {
    match (array.is_null(), capacity) {
        (true, 0) => Ok(()),
        (true, _) => Err(Error::argument(
            name,
            "NULL",
            "must be given where its capacity is not 0",
        )),
        (false, 0) => Err(Error::argument(
            &format!("capacity of {name}"),
            0,
            "must be above 0 where it is given",
        )),
        _ if !array.is_aligned() => Err(Error::argument(
            name,
            format!("{array:p}"),
            "must be aligned as C aligns its items",
        )),
        _ => Ok(()),
    }
}
