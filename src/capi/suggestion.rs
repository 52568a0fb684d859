//! Which slabs of a tomogram are worth segmenting.
use super::call_options::{call, tomocut_call_options};
use super::guard::{guard, log_panics_to};
use super::status::tomocut_status;
use super::strings::put_items;
use super::tomogram::{tomocut_tomogram, tomogram};
use crate::slab::{suggest_slabs, SuggestOptions, SuggestedSlab};
use crate::{Error, Result};

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

impl From<&SuggestedSlab> for tomocut_suggested_slab {
    fn from(slab: &SuggestedSlab) -> Self {
        Self {
            z_first: slab.z.start as u64,
            z_end: slab.z.end as u64,
            score: slab.score,
        }
    }
}

/// Finds the slabs that hold most structure, without any model: those whose local contrast at the scales of membranes
/// and molecules most exceeds that of noise. Dark and bright structures count alike; gold beads, padding and single
/// damaged slices count little. Voxels that are not finite are passed over, but slabs with such voxels, which
/// tomocut_slab_segment refuses, come after all others. Takes memory for one slice, or 64 MiB of smaller ones.
///
/// @param tomogram         The tomogram.
/// @param options          Settings of the family "suggest"; NULL: the defaults.
/// @param slabs            Receives up to capacity slabs that do not overlap, the best first; NULL where only the
///                         profile is wanted.
/// @param capacity         Entries in slabs: how many are looked for.
/// @param count            Receives the number of slabs found; may be NULL. Fewer than capacity where no more fit.
/// @param profile          Receives the structure of every slice: about 0 where there is only noise, 1 where every
///                         place certainly holds structure; or NULL.
/// @param profile_capacity Entries in profile, at least the tomogram's number of slices; 0 where profile is NULL.
#[no_mangle]
pub unsafe extern "C" fn tomocut_tomogram_suggest_slabs(
    tomogram: *const tomocut_tomogram,
    options: *const tomocut_call_options,
    slabs: *mut tomocut_suggested_slab,
    capacity: usize,
    count: *mut usize,
    profile: *mut f64,
    profile_capacity: usize,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let tomogram = unsafe { self::tomogram(tomogram) }?;
        log_panics_to(&tomogram.engine.logger);
        // SAFETY: as documented for C.
        let (given, job) = unsafe { call(&tomogram.engine, options) }?;
        let settings: SuggestOptions = given.resolve()?;
        let depth = tomogram.tomogram.geometry().shape[0];
        check_array("slabs", slabs, capacity)?;
        check_array("profile", profile, profile_capacity)?;
        if capacity == 0 && profile_capacity == 0 {
            return Err(Error::argument("capacity", 0, "must be above 0 where profile is NULL"));
        }
        // Before the work: a short array should not cost minutes.
        if profile_capacity != 0 && profile_capacity < depth {
            return Err(Error::argument(
                "profile_capacity",
                profile_capacity,
                &format!("must be at least {depth}, the tomogram's slices"),
            ));
        }
        let suggestions = suggest_slabs(&tomogram.tomogram, &settings, capacity.max(1), &job)?;
        let answer: Vec<_> = suggestions.slabs.iter().take(capacity).map(Into::into).collect();
        // SAFETY: as documented for C; an absent array is not asked for its size here.
        unsafe {
            if capacity != 0 {
                put_items(&answer, slabs, capacity, count, "slabs")?;
            } else if !count.is_null() {
                count.write(0);
            }
            if profile_capacity != 0 {
                let profile_needed = std::ptr::null_mut();
                put_items(
                    &suggestions.profile,
                    profile,
                    profile_capacity,
                    profile_needed,
                    "profile",
                )?;
            }
        }
        Ok(())
    })
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
