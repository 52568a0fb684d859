//! The tomograms of a run by their names.
use super::options::DataSetTomogram;
use crate::runtime::{Error, Result};
use crate::volume::Tomogram;

/// A tomogram of the data set by the name that its files have.
pub(super) struct Member {
    pub given: DataSetTomogram,
    pub name: String,
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
    let mut members: Vec<Member> = Vec::with_capacity(tomograms.len());
    let mut seen = std::collections::HashMap::new();
    for given in tomograms {
        let name = Tomogram::name_of(&given.path);
        if let Some(other) = seen.insert(name.clone(), &given.path) {
            let allowed = format!(
                "must not have the name of {}: their results would be the same files",
                other.display()
            );
            return Err(Error::argument("tomogram", given.path.display(), &allowed));
        }
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
