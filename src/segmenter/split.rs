//! A labelled volume in two: one part to learn from, one to be scored with.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{LabelledVolume, Plan};
use crate::runtime::{Error, Generator, Result};

/// Stream of the seed that shuffles slices.
const SHUFFLE: u64 = 15;

/// How a part of a labelled volume is held out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ValidationSplit {
    /// A region at one of the volume's faces: nothing learnt from lies around what is scored with, but at the cut.
    #[default]
    Region,
    /// Slices, shuffled by the seed, as the slab paper has it, of a network of slices: neighbours of what is scored
    /// with are learnt from.
    Slices,
}

/// Most of a part's thickness that the other's labels may take from it: a cut leaves at least this share of labels on
/// either side.
const LEAST: f64 = 0.02;

impl LabelledVolume {
    /// What `plan` learns from, and what it scores with where anything is held out.
    ///
    /// Errors: shuffled slices for a network that is not one of slices; [`Error::Format`] where labels are left on one
    /// side only.
    pub fn divided(self, plan: &Plan) -> Result<(Self, Option<Self>)> {
        let share = plan.settings.validation_share;
        if share <= 0.0 {
            return Ok((self, None));
        }
        let flat = plan.description.network.dimensions() == 2;
        let (learnt, scored) = match (plan.settings.validation_split, flat) {
            (ValidationSplit::Region, _) => self.split(share, flat)?,
            (ValidationSplit::Slices, true) => self.split_slices(share, plan.settings.seed)?,
            (ValidationSplit::Slices, false) => {
                let allowed = "must be region where the network is not one of slices";
                return Err(Error::argument("validation_split", "slices", allowed));
            }
        };
        Ok((learnt, Some(scored)))
    }

    /// Splits off `share` (0..=0.5) of the volume at one of its faces: (to learn from, to score with). No voxel is in
    /// both, seen or labelled. Of the faces across y and x (of a network of slices, `flat`: across z as well) it is the
    /// one whose part has the share of labels that is nearest to `share`, the first of equals.
    ///
    /// Errors: [`Error::Format`] where no such cut leaves labels on both sides.
    pub fn split(self, share: f64, flat: bool) -> Result<(Self, Self)> {
        let size = self.image.size();
        let all = self.labelled.len() as f64;
        let mut best: Option<(f64, usize, i64, bool)> = None;
        for axis in (usize::from(!flat)..3).rev() {
            let extent = size[axis + 1];
            let length = ((extent as f64 * share).round() as i64).clamp(1, (extent - 1).max(1));
            for low in [false, true] {
                let inside = |at: &&[i64; 3]| {
                    if low {
                        at[axis] < length
                    } else {
                        at[axis] >= extent - length
                    }
                };
                let held = self.labelled.iter().filter(inside).count() as f64 / all;
                let off = (held - share).abs();
                if extent > 1 && (LEAST..=1.0 - LEAST).contains(&held) && best.is_none_or(|(known, ..)| off < known) {
                    best = Some((off, axis, length, low));
                }
            }
        }
        let Some((_, axis, length, low)) = best else {
            let detail = format!(
                "no part of {share} of the volume has labels while the rest has too: add labels, or hold a \
                 whole slab out"
            );
            return Err(Error::format("validation share", detail));
        };
        let extent = size[axis + 1];
        let (scored, learnt) = match low {
            true => (0..length, length..extent),
            false => (extent - length..extent, 0..extent - length),
        };
        Ok((self.part(axis, learnt)?, self.part(axis, scored)?))
    }

    /// Shuffles the slices once, by `seed`, and takes the last `share` (0..=0.5) of them to be scored with: (to learn
    /// from, to score with).
    ///
    /// Errors: [`Error::Format`] where labels are left on one side only.
    pub fn split_slices(self, share: f64, seed: u64) -> Result<(Self, Self)> {
        let depth = self.image.size()[1];
        let mut slices: Vec<i64> = (0..depth).collect();
        let mut gen = Generator::new(seed, SHUFFLE);
        for last in (1..slices.len()).rev() {
            slices.swap(last, gen.integer(0, last as i64) as usize);
        }
        let learnt = depth - ((depth as f64 * share).round() as i64).clamp(1, (depth - 1).max(1));
        let (learnt, scored) = slices.split_at(learnt as usize);
        let (learnt, scored) = (self.slices(learnt)?, self.slices(scored)?);
        if learnt.labelled.is_empty() || scored.labelled.is_empty() {
            let detail = format!("{share} of {depth} slices leave one part without labels: label more slices");
            return Err(Error::format("validation share", detail));
        }
        Ok((learnt, scored))
    }

    /// The slices of these numbers, in order of z.
    fn slices(&self, numbers: &[i64]) -> Result<Self> {
        let mut numbers = numbers.to_vec();
        numbers.sort_unstable();
        let index = Tensor::f_from_slice(&numbers)?;
        let of = |at: &[i64; 3]| Some([numbers.binary_search(&at[0]).ok()? as i64, at[1], at[2]]);
        Ok(Self {
            image: self.image.f_index_select(1, &index)?,
            truth: self.truth.f_index_select(1, &index)?,
            weight: self.weight.f_index_select(1, &index)?,
            labelled: self.labelled.iter().filter_map(of).collect(),
        })
    }

    /// The voxels `range` of `axis` (z, y, x). They share memory with the whole.
    fn part(&self, axis: usize, range: std::ops::Range<i64>) -> Result<Self> {
        let cut = |x: &tch::Tensor| x.f_narrow(axis as i64 + 1, range.start, range.end - range.start);
        let within = self.labelled.iter().filter(|at| range.contains(&at[axis]));
        Ok(Self {
            image: cut(&self.image)?,
            truth: cut(&self.truth)?,
            weight: cut(&self.weight)?,
            labelled: within
                .map(|at| {
                    let mut at = *at;
                    at[axis] -= range.start;
                    at
                })
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    /// Every voxel's image is its number; `labelled` carry labels.
    fn volume([z, y, x]: [i64; 3], labelled: Vec<[i64; 3]>) -> LabelledVolume {
        let image = Tensor::arange(z * y * x, (Kind::Float, Device::Cpu)).view([1, z, y, x]);
        let truth = Tensor::zeros([2, z, y, x], (Kind::Uint8, Device::Cpu));
        for at in &labelled {
            let _ = truth.get(1).get(at[0]).get(at[1]).get(at[2]).fill_(250);
        }
        LabelledVolume {
            weight: image.ones_like(),
            image,
            truth,
            labelled,
        }
    }

    #[test]
    fn no_voxel_is_in_both_parts_and_labels_stay_with_their_voxels() {
        let labels: Vec<[i64; 3]> = (0..40).map(|n| [n % 3, n % 10, (7 * n) % 20]).collect();
        for (flat, shape) in [(false, [3, 10, 20]), (true, [3, 10, 20])] {
            let (learnt, scored) = volume(shape, labels.clone()).split(0.2, flat).unwrap();
            let numbers = |v: &LabelledVolume| -> Vec<f32> { Vec::try_from(v.image.contiguous().view([-1])).unwrap() };
            let mut all = [numbers(&learnt), numbers(&scored)].concat();
            all.sort_by(f32::total_cmp);
            assert!(all.iter().enumerate().all(|(n, index)| *index == n as f32) && all.len() == 600);
            assert_eq!(learnt.labelled.len() + scored.labelled.len(), 40);
            for part in [&learnt, &scored] {
                assert!(part.labelled.iter().all(|at| part.truth.get(1).int64_value(at) == 250));
            }
        }
    }

    #[test]
    fn slices_are_shuffled_once_and_keep_their_labels() {
        let labels: Vec<[i64; 3]> = (0..20).map(|z| [z, z % 4, z % 5]).collect();
        let split = |seed| volume([20, 4, 5], labels.clone()).split_slices(0.2, seed).unwrap();
        let (learnt, scored) = split(1);
        assert_eq!((learnt.labelled.len(), scored.labelled.len()), (16, 4));
        let first = |v: &LabelledVolume| -> Vec<f32> {
            Vec::try_from(v.image.select(2, 0).select(2, 0).contiguous().view([-1])).unwrap()
        };
        let mut all = [first(&learnt), first(&scored)].concat();
        all.sort_by(f32::total_cmp);
        assert_eq!(all, (0..20).map(|z| 20.0 * z as f32).collect::<Vec<_>>());
        for part in [&learnt, &scored] {
            assert!(part.labelled.iter().all(|at| part.truth.get(1).int64_value(at) == 250));
        }
        // Neighbours are parted, and by another seed others.
        assert!(first(&scored) != first(&split(2).1) && first(&scored) == first(&split(1).1));
        assert!(first(&scored).windows(2).any(|pair| pair[1] - pair[0] > 20.0));
        let one = volume([4, 4, 5], vec![[1, 2, 3]]).split_slices(0.25, 1);
        assert!(one.err().unwrap().to_string().contains("without labels"));
    }

    #[test]
    fn the_cut_looks_for_labels_and_needs_some_on_both_sides() {
        // All labels at low x; only cuts across y have them on both sides.
        let labels = (0..10).map(|y| [0, y, 0]).collect();
        let (learnt, scored) = volume([2, 10, 10], labels).split(0.3, false).unwrap();
        assert_eq!((scored.image.size(), scored.labelled.len()), (vec![1, 2, 3, 10], 3));
        assert_eq!(learnt.image.size(), [1, 2, 7, 10]);
        let one = volume([4, 8, 8], vec![[1, 2, 3]]).split(0.2, false);
        assert!(one.err().unwrap().to_string().contains("validation share"));
    }
}
