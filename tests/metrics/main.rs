//! Metrics against hand-made cases and invariants, and the trivial floors against those measured for the development
//! data.
mod oracle;
mod ranking;
mod segments;

#[path = "../development_data/mod.rs"]
mod development_data;

use development_data::data_folder;
use ndarray::Array3;
use proptest::prelude::*;
use tomocut::metrics::{auc, blob_peaks, mean_slice_dice, BlurFloor, MatchRule, Overlap, PointMatch};
use tomocut::picks::read_labelled_csv;
use tomocut::runtime::Job;
use tomocut::volume::Tomogram;

fn mask(shape: [usize; 3], ones: &[usize]) -> Array3<bool> {
    let mut mask = Array3::from_elem(shape, false);
    ones.iter().for_each(|n| *mask.iter_mut().nth(*n).unwrap() = true);
    mask
}

#[test]
fn overlaps_of_small_masks() {
    let a = mask([2, 1, 4], &[0, 1, 2]);
    let b = mask([2, 1, 4], &[1, 2, 3]);
    let overlap = Overlap::of(&a, &b, None).unwrap();
    assert_eq!((overlap.dice(), overlap.iou()), (2.0 / 3.0, 0.5));
    // The second slice is empty in both: 1.
    assert_eq!(mean_slice_dice(&a, &b).unwrap(), (2.0 / 3.0 + 1.0) / 2.0);
    assert_eq!(mean_slice_dice(&a, &mask([2, 1, 4], &[0, 1, 2, 4])).unwrap(), 0.5);
    let none = mask([2, 1, 4], &[]);
    let empty = Overlap::of(&none, &none, None).unwrap();
    assert_eq!((empty.dice(), empty.iou()), (1.0, 1.0));
    let counted = mask([2, 1, 4], &[1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(Overlap::of(&a, &b, Some(&counted)).unwrap().dice(), 0.8);
    assert!(Overlap::of(&a, &mask([1, 2, 4], &[]), None).is_err());
}

#[test]
fn auc_of_small_lists() {
    assert_eq!(auc(&[1.0, 2.0, 3.0, 4.0], &[false, false, true, true]).unwrap(), 1.0);
    // sklearn.metrics.roc_auc_score([0, 1, 0, 1, 1, 0], [0.1, 0.4, 0.4, 0.8, 0.2, 0.3]) = 0.7222222222222222
    let value = auc(
        &[0.1, 0.4, 0.4, 0.8, 0.2, 0.3],
        &[false, true, false, true, true, false],
    )
    .unwrap();
    assert!((value - 0.7222222222222222).abs() < 1e-12, "{value}");
    assert_eq!(auc(&[0.0, -0.0], &[true, false]).unwrap(), 0.5);
    assert!(auc(&[1.0], &[true]).is_err());
    assert!(auc(&[f32::NAN, 1.0], &[true, false]).is_err());
    assert!(auc(&[1.0], &[true, false]).is_err());
}

#[test]
fn matching_follows_the_score_and_is_one_to_one() {
    let truths = [[0.0, 0.0, 0.0], [0.0, 0.0, 10.0]];
    let predictions = [[0.0, 0.0, 4.0], [0.0, 0.0, 1.0], [0.0, 0.0, 2.0], [50.0, 0.0, 0.0]];
    let matched = PointMatch::new(&predictions, &[0.1, 0.9, 0.8, 0.7], &truths, MatchRule::Distance(6.0));
    // The second takes the first truth; the third fits only that one; the first is left with the second truth.
    assert_eq!(matched.truth_of, [Some(1), Some(0), None, None]);
    assert_eq!(matched.redundant, [false, false, true, false]);
    let strict = matched.detection(false);
    assert_eq!((strict.found, strict.wrong, strict.missed), (2, 2, 0));
    assert_eq!(
        (strict.precision(), strict.recall(), strict.f1()),
        (0.5, 1.0, 4.0 / 6.0)
    );
    assert_eq!(matched.detection(true).wrong, 1);
    let nothing = PointMatch::new(&[], &[], &[], MatchRule::Distance(1.0)).detection(false);
    assert_eq!((nothing.precision(), nothing.recall(), nothing.f1()), (1.0, 1.0, 1.0));
}

#[test]
fn boxes_match_at_the_shifts_of_the_specification() {
    // Equal cubes at IoU 0.3: a shift of 0.538 sides along one axis, of 0.227 sides along all three (section 13).
    let fits = |shift: [f64; 3]| {
        let rule = MatchRule::Box { side: 22.0, iou: 0.3 };
        PointMatch::new(&[shift], &[1.0], &[[0.0; 3]], rule)
            .detection(false)
            .found
            == 1
    };
    assert!(fits([0.538 * 22.0, 0.0, 0.0]) && !fits([0.540 * 22.0, 0.0, 0.0]));
    assert!(fits([0.226 * 22.0; 3]) && !fits([0.229 * 22.0; 3]));
}

#[test]
fn blob_peaks_find_dark_balls_of_their_size() {
    let centres = [[8usize, 9, 10], [20, 30, 12], [15, 12, 33]];
    let volume = Array3::from_shape_fn([30, 40, 44], |(z, y, x)| {
        let inside = |c: &[usize; 3]| {
            [z, y, x]
                .iter()
                .zip(c)
                .map(|(a, b)| (*a as f64 - *b as f64).powi(2))
                .sum::<f64>()
                <= 16.5
        };
        if centres.iter().any(inside) {
            -1.0
        } else {
            0.0
        }
    });
    let peaks = blob_peaks(&volume, 0..30, 8.0, true, 3, &Job::quiet()).unwrap();
    let mut positions: Vec<[usize; 3]> = peaks.iter().map(|p| p.position.map(|v| v as usize)).collect();
    positions.sort_unstable();
    let mut expected = centres;
    expected.sort_unstable();
    assert_eq!(positions, expected);
    let slab = blob_peaks(&volume, 14..18, 8.0, true, 1, &Job::quiet()).unwrap();
    assert_eq!(slab[0].position, [15.0, 12.0, 33.0]);
    assert!(blob_peaks(&volume, 0..30, 0.0, true, 3, &Job::quiet()).is_err());
}

#[test]
fn blur_floor_of_a_noise_free_volume_is_high() {
    let truth = Array3::from_shape_fn([7, 8, 9], |(z, y, x)| (z, y, x) == (2, 3, 4));
    let volume = truth.mapv(|t| f32::from(u8::from(t)));
    let floor = BlurFloor::new(&volume, 0..7, false, &Job::quiet()).unwrap();
    let best = floor.dice(&truth, None).unwrap();
    assert_eq!((best.value, best.sigma), (1.0, 1.0));
    assert_eq!(floor.auc(&truth, None).unwrap().value, 1.0);
    let dark = BlurFloor::new(&volume, 0..7, true, &Job::quiet()).unwrap();
    assert!(dark.auc(&truth, None).unwrap().value < 0.5);
    assert!(BlurFloor::new(&volume, 5..9, true, &Job::quiet()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn auc_counts_pairs(pairs in proptest::collection::vec((-3i8..4, any::<bool>()), 2..40)) {
        let scores: Vec<f32> = pairs.iter().map(|p| f32::from(p.0)).collect();
        let positive: Vec<bool> = pairs.iter().map(|p| p.1).collect();
        let (mut sum, mut count) = (0.0, 0.0);
        for (a, _) in pairs.iter().filter(|p| p.1) {
            for (b, _) in pairs.iter().filter(|p| !p.1) {
                sum += if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 };
                count += 1.0;
            }
        }
        match auc(&scores, &positive) {
            Ok(value) => prop_assert!((value - sum / count).abs() < 1e-12),
            Err(_) => prop_assert_eq!(count, 0.0),
        }
    }

    #[test]
    fn matching_is_one_to_one_and_within_reach(
        predictions in proptest::collection::vec(prop::array::uniform3(0.0..20.0f64), 0..25),
        truths in proptest::collection::vec(prop::array::uniform3(0.0..20.0f64), 0..25),
        radius in 0.5..10.0f64,
    ) {
        let matched = PointMatch::new(&predictions, &[], &truths, MatchRule::Distance(radius));
        let mut taken = vec![false; truths.len()];
        for (n, truth) in matched.truth_of.iter().enumerate() {
            if let Some(k) = truth {
                prop_assert!(!taken[*k]);
                taken[*k] = true;
                let d: f64 = (0..3).map(|a| (predictions[n][a] - truths[*k][a]).powi(2)).sum();
                prop_assert!(d.sqrt() <= radius);
            }
        }
        // No prediction without a truth has a free one in reach.
        for (n, p) in predictions.iter().enumerate().filter(|(n, _)| matched.truth_of[*n].is_none()) {
            for (k, t) in truths.iter().enumerate().filter(|(k, _)| !taken[*k]) {
                let d: f64 = (0..3).map(|a| (p[a] - t[a]).powi(2)).sum();
                prop_assert!(d.sqrt() > radius, "{} {}", n, k);
            }
        }
    }
}

/// The floors that the data's README states: 0.70, 0.57, 0.54 and 0.57, and 0.29 / 0.71 / 0.93 of the ribosomes.
#[test]
fn floors_on_the_development_data() {
    let Some(data) = data_folder() else { return };
    let whole = |name: &str| {
        let tomogram = Tomogram::open(&data.join(name), &Job::quiet()).unwrap();
        tomogram.read_slices(0..tomogram.geometry().shape[0]).unwrap()
    };
    let mut cases = vec![("sim_pn_dev1", "tomo_easy", 0.70)];
    // All four take half a minute in the dev profile.
    if std::env::var_os("TOMOCUT_TEST_FLOORS").is_some() {
        cases.extend([
            ("sim_pn_dev1", "tomo_hard", 0.57),
            ("sim_pn_dev2", "tomo_hard", 0.54),
            ("sim_semi_TE1", "tomo_hard", 0.57),
        ]);
    }
    for (set, tomogram, expected) in cases {
        let truth = whole(&format!("{set}/labels.mrc.gz")).mapv(|v| v > 0.0);
        let volume = whole(&format!("{set}/{tomogram}.mrc.gz"));
        let floor = BlurFloor::new(&volume, 0..volume.dim().0, true, &Job::quiet()).unwrap();
        let dice = floor.dice(&truth, None).unwrap();
        eprintln!("{set} {tomogram}: Dice {:.3} (sigma {})", dice.value, dice.sigma);
        assert!((dice.value - expected).abs() < 0.011, "{set} {tomogram}");
    }
    let truths: Vec<[f64; 3]> = read_labelled_csv(&data.join("real_empiar11658_tomo9/ribosomes_80S.csv"))
        .unwrap()
        .iter()
        .map(|row| row.pick.position)
        .collect();
    let volume = whole("real_empiar11658_tomo9/tomo9.mrc.gz");
    let peaks = blob_peaks(&volume, 0..volume.dim().0, 27.0 / 3.136, true, 550, &Job::quiet()).unwrap();
    for (count, expected) in [(55, 0.29), (165, 0.71), (550, 0.93)] {
        let positions: Vec<[f64; 3]> = peaks.iter().take(count).map(|p| p.position).collect();
        let matched = PointMatch::new(&positions, &[], &truths, MatchRule::Distance(4.0));
        let recall = matched.detection(false).recall();
        eprintln!("tomo9, {count} blobs: recall {recall:.2}");
        assert!((recall - expected).abs() < 0.08, "{count}");
    }
}
