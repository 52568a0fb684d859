//! Which slabs are labelled.
use std::path::Path;

use super::failure::stops;
use super::member::Member;
use super::options::DataSetOptions;
use super::state::ChosenSlab;
use crate::runtime::{Job, Result};
use crate::slab::{suggest_slabs, SuggestOptions};

/// Tomograms that are looked at for each slab that is wanted, spread evenly over the data set: looking means reading.
const LOOKED_AT: usize = 4;

/// Voxels of a tomogram that are read at most, 1 GiB as float32.
const MAX_VOXELS: u64 = 1 << 28;

/// Slabs to label, the best first, more than are wanted where there are more: one that cannot be labelled gives way to
/// the next. Those that the host names are taken as they are. A tomogram that cannot be read is handed to `note` and
/// skipped.
///
/// Errors: cancel and what stops a whole run.
pub(super) fn choose(
    members: &[Member],
    options: &DataSetOptions,
    out: &Path,
    note: &mut dyn FnMut(&Member, String),
    job: &Job,
) -> Result<Vec<ChosenSlab>> {
    let given = |member: &Member| {
        member.given.slab.clone().map(|z| ChosenSlab {
            tomogram: member.name.clone(),
            z,
            score: None,
        })
    };
    let named: Vec<ChosenSlab> = members.iter().filter_map(given).collect();
    if !named.is_empty() {
        return Ok(named);
    }
    let looked_at = spread(members.len(), options.slabs * LOOKED_AT);
    // One more than needed, should one of them hold nothing.
    let each = options.slabs.div_ceil(looked_at.len().max(1)) + 1;
    let mut candidates = Vec::new();
    for (done, &index) in looked_at.iter().enumerate() {
        let member = &members[index];
        let share = |n: usize| n as f64 / looked_at.len() as f64;
        let part = job.part(share(done)..share(done + 1));
        match suggested(member, options, each, &part) {
            Ok(slabs) => candidates.extend(slabs.into_iter().enumerate()),
            Err(error) if stops(&error, out) => return Err(error),
            Err(error) => note(member, format!("no slab was looked for: {error}")),
        }
    }
    Ok(ranked(candidates))
}

fn suggested(member: &Member, options: &DataSetOptions, count: usize, job: &Job) -> Result<Vec<ChosenSlab>> {
    let tomogram = member.open(options, job)?;
    let thickness = options.thickness.map(|n| n.min(tomogram.geometry().shape[0]));
    let how = SuggestOptions {
        thickness,
        voxel_nm: options.voxel_nm,
        max_voxels: MAX_VOXELS,
    };
    let suggestion = suggest_slabs(&tomogram, &how, count, job)?;
    Ok(suggestion
        .slabs
        .into_iter()
        .map(|slab| ChosenSlab {
            tomogram: member.name.clone(),
            z: slab.z,
            score: Some(slab.score),
        })
        .collect())
}

/// Each tomogram's best slab before any tomogram's second, the richer first; different tomograms teach more than more
/// of one.
fn ranked(mut candidates: Vec<(usize, ChosenSlab)>) -> Vec<ChosenSlab> {
    let score = |slab: &ChosenSlab| slab.score.unwrap_or(0.0);
    candidates
        .sort_by(|(rank, slab), (other_rank, other)| rank.cmp(other_rank).then(score(other).total_cmp(&score(slab))));
    candidates.into_iter().map(|(_, slab)| slab).collect()
}

/// At most `most` of 0..n, evenly spread.
fn spread(n: usize, most: usize) -> Vec<usize> {
    let most = most.clamp(1, n.max(1)).min(n);
    (0..most).map(|k| (2 * k + 1) * n / (2 * most)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_of_many_are_spread() {
        assert_eq!(spread(3, 12), [0, 1, 2]);
        assert_eq!(spread(100, 4), [12, 37, 62, 87]);
        assert_eq!(spread(1, 4), [0]);
        assert!(spread(0, 4).is_empty());
    }

    #[test]
    fn every_tomogram_gives_its_best_before_any_gives_its_second() {
        let slab = |rank: usize, tomogram: &str, score: f64| {
            let slab = ChosenSlab {
                tomogram: tomogram.into(),
                z: 0..1,
                score: Some(score),
            };
            (rank, slab)
        };
        let candidates = vec![
            slab(0, "a", 0.9),
            slab(1, "a", 0.8),
            slab(0, "b", 0.1),
            slab(0, "c", 0.3),
        ];
        let order: Vec<String> = ranked(candidates).into_iter().map(|slab| slab.tomogram).collect();
        assert_eq!(order, ["a", "c", "b", "a"]);
    }
}
