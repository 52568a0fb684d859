//! Rankings of picks, box overlap and calibration against values worked out by hand.
use tomocut::metrics::{Calibration, MatchRule, PickRanking, PointMatch};

/// Cubes of side 10 shifted along x, along two axes, along three: intersection over union by hand.
#[test]
fn boxes_overlap_as_worked_out_by_hand() {
    let fits = |shift: [f64; 3], iou: f64| {
        let rule = MatchRule::Box { side: 10.0, iou };
        PointMatch::new(&[shift], &[], &[[0.0; 3]], rule).detection(false).found == 1
    };
    for (shift, shared) in [
        ([0.0, 0.0, 0.0], 1000.0),
        ([0.0, 0.0, -5.0], 500.0),
        ([2.0, 4.0, 0.0], 8.0 * 6.0 * 10.0),
        ([1.0, -2.0, 5.0], 9.0 * 8.0 * 5.0),
    ] {
        let iou: f64 = shared / (2000.0 - shared);
        assert!(fits(shift, iou - 1e-9) && !fits(shift, iou + 1e-9), "{shift:?}: {iou}");
    }
    // 500 shared of 1500: one third. Boxes that only touch share nothing, whatever is asked.
    assert!(fits([5.0, 0.0, 0.0], 1.0 / 3.0) && !fits([10.0, 0.0, 0.0], 0.0));
    // A box rule and a distance rule part on the diagonal: 0.227 sides along every axis are 3.9 voxels away.
    let diagonal = [2.3, 2.3, 2.3];
    let near = MatchRule::Distance(4.0);
    assert!(!fits(diagonal, 0.3) && PointMatch::new(&[diagonal], &[], &[[0.0; 3]], near).truth_of[0].is_some());
}

#[test]
fn the_best_picks_are_counted_at_every_number() {
    let truths = [[0.0, 0.0, 0.0], [0.0, 0.0, 20.0], [0.0, 0.0, 40.0], [0.0, 0.0, 60.0]];
    // By score: right, redundant, right and wrong together, right.
    let picks = [
        ([0.0, 0.0, 41.0], 0.5),
        ([0.0, 0.0, 1.0], 0.9),
        ([0.0, 9.0, 90.0], 0.5),
        ([0.0, 0.0, 2.0], 0.7),
        ([0.0, 0.0, 19.0], 0.1),
    ];
    let positions = picks.map(|pick| pick.0);
    let ranking = PickRanking::new(&positions, &picks.map(|p| p.1), &truths, MatchRule::Distance(4.0));
    let counts: Vec<[usize; 3]> = [0, 1, 2, 3, 4, 5, 99]
        .map(|n| ranking.at(n))
        .iter()
        .map(|d| [d.found, d.wrong, d.missed])
        .collect();
    let expected = [
        [0, 0, 4],
        [1, 0, 3],
        [1, 1, 3],
        [2, 1, 2],
        [2, 2, 2],
        [3, 2, 1],
        [3, 2, 1],
    ];
    assert_eq!(counts, expected);
    let curve: Vec<(f64, usize, f64, f64)> = ranking
        .curve()
        .iter()
        .map(|p| (p.score, p.picks, p.precision, p.recall))
        .collect();
    let expected = [
        (0.9, 1, 1.0, 0.25),
        (0.7, 2, 0.5, 0.25),
        (0.5, 4, 0.5, 0.5),
        (0.1, 5, 0.6, 0.75),
    ];
    assert_eq!(curve, expected);
    // 0.25 * 1 + 0 + 0.25 * 0.5 + 0.25 * 0.6.
    assert!((ranking.average_precision().unwrap() - 0.525).abs() < 1e-12);
    assert_eq!(ranking.picks(), 5);
    let nothing = PickRanking::new(&[], &[], &truths, MatchRule::Distance(4.0));
    assert_eq!((nothing.average_precision(), nothing.curve().len()), (Some(0.0), 0));
    let untrue = PickRanking::new(&positions, &[], &[], MatchRule::Distance(4.0));
    assert_eq!(untrue.average_precision(), None);
}

#[test]
fn calibration_of_a_few_scores() {
    let mut table = Calibration::new(4).unwrap();
    assert_eq!((table.expected_error(), table.maximum_error()), (None, None));
    // Edges belong to the bin below them, 0 to the first.
    let scores = [0.0, 0.25, 0.5, 0.5, 0.625, 1.0];
    table.add(&scores, &[false, true, false, true, true, true]).unwrap();
    let rows: Vec<(u64, u64, Option<f64>, Option<f64>)> = table
        .bins()
        .iter()
        .map(|bin| (bin.count, bin.positives, bin.mean_score(), bin.share_positive()))
        .collect();
    let expected = [
        (2, 1, Some(0.125), Some(0.5)),
        (2, 1, Some(0.5), Some(0.5)),
        (1, 1, Some(0.625), Some(1.0)),
        (1, 1, Some(1.0), Some(1.0)),
    ];
    assert_eq!(rows, expected);
    assert_eq!((table.bins()[1].low, table.bins()[1].high), (0.25, 0.5));
    assert_eq!(table.expected_error(), Some((2.0 * 0.375 + 0.375) / 6.0));
    assert_eq!(table.maximum_error(), Some(0.375));
    for unfit in [1.001, -0.001, f32::NAN, f32::INFINITY] {
        assert!(table.add(&[0.5, unfit], &[true, true]).is_err(), "{unfit}");
    }
    assert!(table.add(&[0.5], &[]).is_err() && Calibration::new(0).is_err());
    // What is refused leaves nothing behind.
    assert_eq!(table.count(), 6);
    // A constant score at the share of positives: no error, and no use.
    let mut constant = Calibration::new(15).unwrap();
    constant
        .add(&[0.25; 8], &[true, false, false, false, true, false, false, false])
        .unwrap();
    assert_eq!(constant.expected_error(), Some(0.0));
}
