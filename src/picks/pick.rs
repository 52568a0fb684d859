//! Molecule positions.
use crate::volume::Geometry;

/// One molecule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pick {
    /// Centre (z, y, x) in voxels of the whole tomogram; the centre of the first voxel is (0, 0, 0).
    pub position: [f64; 3],
    /// Diameter in nanometres; 0 where unknown.
    pub diameter_nm: f64,
    /// Confidence, higher is better; comparable within one set only.
    pub score: f64,
}

/// The molecules of one tomogram.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct PickSet {
    /// The molecules, in the order of detection or of the file.
    pub picks: Vec<Pick>,
    /// Geometry of the whole tomogram, not of the slab that was searched.
    pub geometry: Geometry,
    /// Name of the tomogram, as in rlnTomoName.
    pub tomogram: String,
    /// What a user should know of the file that the set was read from: picks outside of the tomogram, points that were
    /// left out.
    pub warnings: Vec<String>,
}

impl PickSet {
    /// The picks of the tomogram `name` with this `geometry`.
    pub fn new(picks: Vec<Pick>, geometry: &Geometry, name: &str) -> Self {
        Self {
            picks,
            geometry: geometry.clone(),
            tomogram: name.to_owned(),
            warnings: Vec::new(),
        }
    }

    /// Keeps of any two picks closer than `radius` voxels the one with the higher score (the earlier one if equal).
    ///
    /// Greedy in order of score, hence independent of the order of the picks apart from ties. What is kept stays in its
    /// order. Picks at exactly `radius` are both kept; a radius of 0 or less keeps everything.
    pub fn deduplicate(&mut self, radius: f64) {
        let keep = spaced(&self.picks, radius);
        let mut kept = keep.into_iter();
        self.picks.retain(|_| kept.next().unwrap_or(true));
    }
}

/// Which picks [`PickSet::deduplicate`] keeps. Kept picks are sorted into cubes of `radius`: each looks at 27 of them.
fn spaced(picks: &[Pick], radius: f64) -> Vec<bool> {
    if radius.is_nan() || radius <= 0.0 {
        return vec![true; picks.len()];
    }
    let mut order: Vec<usize> = (0..picks.len()).collect();
    order.sort_by(|&a, &b| picks[b].score.total_cmp(&picks[a].score).then(a.cmp(&b)));
    let cube = |position: [f64; 3]| position.map(|v| (v / radius).floor() as i64);
    let mut kept: std::collections::HashMap<[i64; 3], Vec<[f64; 3]>> = std::collections::HashMap::new();
    let mut keep = vec![false; picks.len()];
    for index in order {
        let here = picks[index].position;
        let [z, y, x] = cube(here);
        let free = (0..27).all(|n| {
            let near = [
                z.saturating_add(n / 9 - 1),
                y.saturating_add(n / 3 % 3 - 1),
                x.saturating_add(n % 3 - 1),
            ];
            let others = kept.get(&near).map(Vec::as_slice).unwrap_or_default();
            others
                .iter()
                .all(|other| squared_distance(here, *other) >= radius * radius)
        });
        if free {
            keep[index] = true;
            kept.entry([z, y, x]).or_default().push(here);
        }
    }
    keep
}

fn squared_distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pick(position: [f64; 3], score: f64) -> Pick {
        Pick {
            position,
            diameter_nm: 0.0,
            score,
        }
    }

    #[test]
    fn the_better_of_two_close_picks_stays() {
        let picks = vec![
            pick([0.0; 3], 0.5),
            pick([0.0, 0.0, 3.0], 0.9),
            pick([0.0, 0.0, 8.0], 0.1),
        ];
        let mut set = PickSet::new(picks, &Geometry::default(), "t");
        set.deduplicate(5.0);
        assert_eq!(set.picks.iter().map(|p| p.score).collect::<Vec<_>>(), [0.9, 0.1]);
    }

    proptest! {
        #[test]
        fn kept_picks_are_apart_and_dropped_ones_are_close_to_a_better_one(
            points in proptest::collection::vec((prop::array::uniform3(-9.0..9.0f64), 0u8..9), 0..60),
            radius in 0.5..8.0f64,
        ) {
            let all: Vec<Pick> = points.iter().map(|(p, s)| pick(*p, f64::from(*s))).collect();
            let mut set = PickSet::new(all.clone(), &Geometry::default(), "t");
            set.deduplicate(radius);
            for (n, a) in set.picks.iter().enumerate() {
                for b in &set.picks[..n] {
                    prop_assert!(squared_distance(a.position, b.position) >= radius * radius);
                }
            }
            for a in all.iter().filter(|a| !set.picks.contains(a)) {
                let close = |b: &&Pick| {
                    squared_distance(a.position, b.position) < radius * radius && b.score >= a.score
                };
                prop_assert!(set.picks.iter().find(close).is_some());
            }
        }
    }
}
