//! The tomograms of a run by their names.
use super::options::{DataSetOptions, DataSetTomogram};
use crate::runtime::{Error, Job, Result};
use crate::volume::{names_of, Tomogram};

/// A tomogram of the data set by the name that its files have.
pub(super) struct Member {
    pub given: DataSetTomogram,
    pub name: String,
}

impl Member {
    /// The tomogram, with the voxel size that the options give; what is doubtful about it was told when the run began.
    pub fn open(&self, options: &DataSetOptions, job: &Job) -> Result<Tomogram> {
        Tomogram::open_again(&self.given.path, options.voxel_nm, job)
    }
}

/// What went wrong with a tomogram.
pub(super) struct Note {
    /// Name of the tomogram.
    pub tomogram: String,
    pub text: String,
}

/// The tomograms by name. Errors: none; two of one name, whose files would be the same; empty ranges of slices.
pub(super) fn members(tomograms: &[DataSetTomogram]) -> Result<Vec<Member>> {
    if tomograms.is_empty() {
        return Err(Error::argument("tomograms", "none", "must be at least one"));
    }
    let names = names_of(tomograms.iter().map(|given| given.path.as_path()))?;
    let mut members: Vec<Member> = Vec::with_capacity(tomograms.len());
    for (given, name) in tomograms.iter().zip(names) {
        if let Some(z) = given.slab.as_ref().filter(|z| z.is_empty()) {
            let slices = format!("{}:{} of {name}", z.start, z.end);
            return Err(Error::argument("slab", slices, "must be a non-empty range"));
        }
        members.push(Member {
            given: given.clone(),
            name,
        });
    }
    Ok(members)
}
