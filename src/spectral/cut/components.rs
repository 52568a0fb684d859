//! Connected components: cuts that cost nothing.
use super::weights::Weights;
use crate::runtime::{Job, Result};

/// The connected components of a graph (of a walk: weakly connected) as lists of ascending nodes, heaviest first by
/// row sums, ties by the smallest node. Nodes without any edge, not even to themselves, form one list, the last.
pub(super) fn components(weights: &dyn Weights, symmetric: bool, job: &Job) -> Result<Vec<Vec<u32>>> {
    let n = weights.nodes();
    let mut unseen: Vec<u32> = (0..n as u32).collect();
    let mut parts: Vec<Vec<u32>> = Vec::new();
    let mut isolated = Vec::new();
    while let Some(&seed) = unseen.first() {
        let mut component = vec![seed];
        unseen.remove(0);
        let mut next = 0;
        while let Some(&node) = component.get(next) {
            next += 1;
            if unseen.is_empty() {
                break;
            }
            job.check()?;
            let row = weights.row(node as usize)?;
            let column = if symmetric {
                Vec::new()
            } else {
                weights.column(node as usize)?
            };
            unseen.retain(|&other| {
                let j = other as usize;
                let tied = row[j] > 0.0 || column.get(j).is_some_and(|&w| w > 0.0);
                if tied {
                    component.push(other);
                }
                !tied
            });
        }
        let lone = component.len() == 1 && weights.row(seed as usize)?[seed as usize] <= 0.0;
        if lone {
            isolated.push(seed);
        } else {
            component.sort_unstable();
            parts.push(component);
        }
    }
    if parts.len() > 1 {
        let sums = weights.row_sums()?;
        let volume = |component: &Vec<u32>| -> f64 { component.iter().map(|&i| sums[i as usize]).sum() };
        let mut keyed: Vec<(f64, Vec<u32>)> = parts.into_iter().map(|c| (volume(&c), c)).collect();
        keyed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        parts = keyed.into_iter().map(|(_, component)| component).collect();
    }
    if !isolated.is_empty() {
        parts.push(isolated);
    }
    Ok(parts)
}
