//! Molecules of tiles and slices into the points of a slab.
//!
//! The papers' rules (area, distance to membrane, close pairs, uniqueness across slices) work on detections slice by
//! slice; [`link_z`] makes one point of the slices of one particle instead.
use ndarray::Axis;

use crate::image::distance_2d;
use crate::picks::Pick;
use crate::runtime::Result;
use crate::volume::MEMBRANE;

use super::split::{Object, Split};
use super::tiles::TilePlan;

/// The papers' rules; the defaults are the released code's.
#[derive(Clone, Debug, PartialEq)]
pub struct PointRules {
    /// Least area in pixels times the voxel size in nm (the released code asks `area >= 30 / voxel_nm`, 22.3 pixels at
    /// 1.348 nm).
    pub area: f64,
    /// A point must be further than this from the membrane of its tile, in tile pixels.
    pub membrane_distance: f64,
    /// Points of one tile and slice that lie this close, in tile pixels, are all dropped.
    pub pair_distance: f64,
    /// Of points of the whole slab within this distance, rounded up to voxels, the first stays; in nm.
    pub unique_nm: f64,
}

impl Default for PointRules {
    fn default() -> Self {
        Self {
            area: 30.0,
            membrane_distance: 10.0,
            pair_distance: 32.0,
            unique_nm: 15.0,
        }
    }
}

impl PointRules {
    /// For instances that a network has told apart: neighbours may touch each other and lie on a membrane.
    pub fn instances() -> Self {
        Self {
            membrane_distance: 0.0,
            pair_distance: 0.0,
            ..Self::default()
        }
    }
}

/// A molecule in one slice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Centre (z, y, x) in voxels, of the slab or of the tomogram as the caller counts z.
    pub position: [f64; 3],
    /// Tile it was found in.
    pub tile: usize,
    /// Number of the object in its tile and slice.
    pub label: u32,
    /// Pixels of the object.
    pub area: usize,
    /// Diameter in nm.
    pub diameter_nm: f64,
    /// Mean score.
    pub score: f64,
}

/// Detections in `split`, the slices of tile number `tile` of `plan` (objects per slice), after the rules that look at
/// one tile and slice: area, distance to membrane, close pairs. Positions are in slice pixels, cut to whole ones as the
/// released code does; z counts within the slab. Errors: a tile that the plan does not have.
pub fn tile_detections(
    split: &Split,
    plan: &TilePlan,
    tile: usize,
    rules: &PointRules,
    voxel_nm: f64,
) -> Result<Vec<Detection>> {
    let mut detections = Vec::new();
    for (z, labels) in split.labels.axis_iter(Axis(0)).enumerate() {
        let here = |object: &&Object| object.centroid[0].round() as usize == z;
        let objects: Vec<&Object> = split.objects.iter().filter(here).collect();
        if objects.is_empty() {
            continue;
        }
        let distance = distance_2d(labels.mapv(|label| label == MEMBRANE).view());
        let clear = |object: &&Object| {
            let [_, y, x] = object.centroid.map(|v| v as usize);
            // Without any membrane the distance is infinite: the point stays.
            distance.get([y, x]).is_some_and(|&d| d > rules.membrane_distance)
        };
        let large = |object: &&Object| object.size as f64 >= rules.area / voxel_nm;
        let objects: Vec<&Object> = objects.into_iter().filter(large).filter(clear).collect();
        let centres: Vec<[f64; 2]> = objects.iter().map(|o| [o.centroid[1], o.centroid[2]]).collect();
        for (object, single) in objects.iter().zip(single(&centres, rules.pair_distance)) {
            if single {
                let [y, x] = plan
                    .to_slice(tile, [object.centroid[1], object.centroid[2]])?
                    .map(f64::trunc);
                detections.push(Detection {
                    position: [z as f64, y, x],
                    tile,
                    label: object.label,
                    area: object.size,
                    diameter_nm: object.diameter_nm,
                    score: object.score,
                });
            }
        }
    }
    Ok(detections)
}

/// Which points have no other within `distance` (`remove_all_close_pairs`: a point with a close neighbour goes together
/// with all of these, so only points without any are left).
pub fn single(points: &[[f64; 2]], distance: f64) -> Vec<bool> {
    let close = |a: &[f64; 2], b: &[f64; 2]| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2) <= distance * distance;
    let alone = |(i, a): (usize, &[f64; 2])| points.iter().enumerate().all(|(j, b)| i == j || !close(a, b));
    points.iter().enumerate().map(alone).collect()
}

/// The released code's last rule (`retain_unique`): in the order z, tile, label, a detection stays unless an earlier
/// one that stayed is within `ceil(unique_nm / voxel_nm)` voxels. (The released order is that of a directory listing.)
pub fn unique(mut detections: Vec<Detection>, rules: &PointRules, voxel_nm: f64) -> Vec<Pick> {
    let radius = (rules.unique_nm / voxel_nm).ceil();
    sort(&mut detections);
    let mut kept: Vec<Detection> = Vec::new();
    let mut recent = 0;
    for detection in detections {
        // Sorted by z: what lies further back than the radius is out of reach for good.
        while kept
            .get(recent)
            .is_some_and(|first| detection.position[0] - first.position[0] > radius)
        {
            recent += 1;
        }
        if kept[recent..]
            .iter()
            .all(|other| squared(&detection.position, &other.position) > radius * radius)
        {
            kept.push(detection);
        }
    }
    kept.iter().map(Detection::pick).collect()
}

/// How detections of neighbouring slices become one particle.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkRules {
    /// Largest step in the plane from one slice to the next, in nm.
    pub step_nm: f64,
    /// Most slices that a particle may be missed in.
    pub gap: usize,
    /// Longest particle along z, in nm: a longer chain is two on top of each other.
    pub length_nm: f64,
}

impl Default for LinkRules {
    /// A quarter of a ribosome's 30 nm from slice to slice, one missed slice, and a ribosome drawn out by the missing
    /// wedge.
    fn default() -> Self {
        Self {
            step_nm: 7.5,
            gap: 1,
            length_nm: 45.0,
        }
    }
}

/// A particle being followed through z.
struct Track {
    first: f64,
    last: [f64; 3],
    weight: f64,
    sum: [f64; 3],
    score: f64,
    diameter_nm: f64,
}

/// Links detections slice by slice, nearest pairs first, and gives one pick per particle: the mean position weighted by
/// score times area, the mean score so weighted, the largest diameter. Order: first slice, then position.
pub fn link_z(mut detections: Vec<Detection>, rules: &LinkRules, voxel_nm: f64) -> Vec<Pick> {
    sort(&mut detections);
    let (step, length) = (rules.step_nm / voxel_nm, rules.length_nm / voxel_nm);
    let mut tracks: Vec<Track> = Vec::new();
    for slice in detections.chunk_by(|a, b| a.position[0] == b.position[0]) {
        let z = slice[0].position[0];
        let mut pairs = Vec::new();
        for (t, track) in tracks.iter().enumerate() {
            if z - track.last[0] > rules.gap as f64 + 1.0 || z - track.first >= length {
                continue;
            }
            for (d, detection) in slice.iter().enumerate() {
                let distance = squared(
                    &[0.0, track.last[1], track.last[2]],
                    &[0.0, detection.position[1], detection.position[2]],
                );
                if distance <= step * step {
                    pairs.push((distance, t, d));
                }
            }
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let mut linked = vec![None; slice.len()];
        let mut taken = vec![false; tracks.len()];
        for (_, track, detection) in pairs {
            if linked[detection].is_none() && !taken[track] {
                linked[detection] = Some(track);
                taken[track] = true;
            }
        }
        for (detection, track) in slice.iter().zip(linked) {
            match track.and_then(|track| tracks.get_mut(track)) {
                Some(track) => track.add(detection),
                None => tracks.push(Track::start(detection)),
            }
        }
    }
    tracks.iter().map(Track::pick).collect()
}

impl Track {
    fn start(detection: &Detection) -> Self {
        let mut track = Self {
            first: detection.position[0],
            last: detection.position,
            weight: 0.0,
            sum: [0.0; 3],
            score: 0.0,
            diameter_nm: 0.0,
        };
        track.add(detection);
        track
    }

    fn add(&mut self, detection: &Detection) {
        // A score of zero still says where the particle is.
        let weight = detection.score.max(1e-6) * detection.area.max(1) as f64;
        self.last = detection.position;
        self.weight += weight;
        for (sum, v) in self.sum.iter_mut().zip(detection.position) {
            *sum += weight * v;
        }
        self.score += weight * detection.score;
        self.diameter_nm = self.diameter_nm.max(detection.diameter_nm);
    }

    fn pick(&self) -> Pick {
        Pick {
            position: self.sum.map(|sum| sum / self.weight),
            diameter_nm: self.diameter_nm,
            score: self.score / self.weight,
        }
    }
}

impl Detection {
    /// The detection as a point.
    fn pick(&self) -> Pick {
        Pick {
            position: self.position,
            diameter_nm: self.diameter_nm,
            score: self.score,
        }
    }
}

/// Bodies of a split across slices as points: every object is one particle already.
pub fn body_points(objects: &[Object]) -> Vec<Pick> {
    let pick = |object: &Object| Pick {
        position: object.centroid,
        diameter_nm: object.diameter_nm,
        score: object.score,
    };
    objects.iter().map(pick).collect()
}

fn sort(detections: &mut [Detection]) {
    detections.sort_by(|a, b| {
        a.position[0]
            .total_cmp(&b.position[0])
            .then((a.tile, a.label).cmp(&(b.tile, b.label)))
    });
}

fn squared(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
mod tests {
    use ndarray::{s, Array3};

    use super::*;

    fn object(label: u32, centroid: [f64; 3], size: usize) -> Object {
        Object {
            label,
            centroid,
            size,
            diameter_nm: 12.0,
            score: 1.0,
        }
    }

    fn detection(position: [f64; 3], tile: usize, label: u32, score: f64) -> Detection {
        Detection {
            position,
            tile,
            label,
            area: 50,
            diameter_nm: 10.0 + score,
            score,
        }
    }

    #[test]
    fn rules_of_one_tile() {
        let mut labels = Array3::zeros((2, 512, 512));
        labels.slice_mut(s![0, .., 100..104]).fill(MEMBRANE);
        let objects = vec![
            object(1, [0.0, 200.5, 113.9], 60), // column 113 is exactly 10 from 103: too close
            object(2, [0.0, 300.0, 114.0], 60), // 11: clear
            object(3, [0.0, 400.0, 300.0], 22), // below 30 / 1.348 = 22.26
            object(4, [0.0, 100.0, 300.0], 60), // a pair, 32 apart: both go
            object(5, [0.0, 132.0, 300.0], 60),
            object(6, [1.0, 200.5, 101.0], 60), // no membrane in this slice
        ];
        let split = Split { labels, objects };
        let plan = TilePlan::quadrants((928, 960), 512).unwrap();
        let detections = tile_detections(&split, &plan, 3, &PointRules::default(), 1.348).unwrap();
        let labels: Vec<u32> = detections.iter().map(|d| d.label).collect();
        assert_eq!(labels, [2, 6]);
        // y = 300 * 464 / 512 + 464 = 735.875, x = 114 * 480 / 512 + 480 = 586.875, truncated.
        assert_eq!(detections[0].position, [0.0, 735.0, 586.0]);
        assert!(tile_detections(&split, &plan, 4, &PointRules::default(), 1.348).is_err());
    }

    #[test]
    fn close_pairs_vanish_together() {
        let points = [[0.0, 0.0], [0.0, 32.0], [0.0, 64.0], [0.0, 100.0]];
        assert_eq!(single(&points, 32.0), [false, false, false, true]);
        assert!(single(&[], 32.0).is_empty());
    }

    #[test]
    fn the_first_in_order_stays_within_twelve_voxels() {
        let detections = vec![
            detection([5.0, 50.0, 50.0], 0, 1, 0.1),
            detection([0.0, 50.0, 50.0], 1, 1, 0.2),
            detection([0.0, 50.0, 62.0], 0, 9, 0.3),
            detection([4.0, 50.0, 62.0], 0, 2, 0.6),
            detection([13.0, 50.0, 62.0], 0, 1, 0.4),
            detection([12.0, 50.0, 90.0], 0, 1, 0.5),
        ];
        // ceil(15 / 1.348) = 12: exactly 12 is within. Tile 0 comes before tile 1.
        let picks = unique(detections, &PointRules::default(), 1.348);
        let scores: Vec<f64> = picks.iter().map(|p| p.score).collect();
        assert_eq!(scores, [0.3, 0.1, 0.5, 0.4]);
    }

    #[test]
    fn a_particle_through_z_becomes_one_point() {
        let mut detections = Vec::new();
        for z in [3, 4, 6, 7] {
            // Drifts by less than the step; one slice is missed.
            detections.push(detection([z as f64, 20.0, 30.0 + z as f64], 0, 1, 1.0));
        }
        detections.push(detection([4.0, 20.0, 60.0], 0, 2, 0.5));
        detections.push(detection([12.0, 20.0, 33.0], 0, 1, 0.25));
        let picks = link_z(detections.clone(), &LinkRules::default(), 1.0);
        assert_eq!(picks.len(), 3);
        assert_eq!(picks[0].position, [5.0, 20.0, 35.0]);
        assert_eq!((picks[1].score, picks[2].position), (0.5, [12.0, 20.0, 33.0]));
        detections.reverse();
        assert_eq!(link_z(detections, &LinkRules::default(), 1.0), picks);
        // Two particles on top of each other: the chain is cut at the longest length.
        let column = (0..60).map(|z| detection([z as f64, 9.0, 9.0], 0, 1, 1.0)).collect();
        let rules = LinkRules {
            length_nm: 30.0,
            ..LinkRules::default()
        };
        let heights: Vec<f64> = link_z(column, &rules, 1.0).iter().map(|p| p.position[0]).collect();
        assert_eq!(heights, [14.5, 44.5]);
        assert!(link_z(Vec::new(), &rules, 1.0).is_empty());
    }
}
