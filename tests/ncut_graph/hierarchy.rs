//! One run holds the segmentations of lower thresholds and of fewer segments.
use tomocut::runtime::Job;
use tomocut::spectral::{recursive_ncut, Criterion, CutOptions, Stop};

use super::graphs::named;

fn fixed(threshold: f64, max_segments: usize) -> CutOptions {
    CutOptions {
        criterion: Criterion::Fixed(threshold),
        max_segments,
        ..CutOptions::default()
    }
}

#[test]
fn thresholds_and_counts_equal_runs_of_their_own() {
    for name in ["two", "large", "apart", "isolated", "walk", "dot 1"] {
        let graph = named(name);
        let run = |options: CutOptions| recursive_ncut(&graph, &options, &Job::quiet()).unwrap();
        let tree = run(fixed(0.7, 256));
        assert!(tree.threshold_limit() >= 0.7);
        for threshold in [0.01, 0.1, 0.13, 0.2, 0.4, 0.45, 0.6, 0.7] {
            let own = run(fixed(threshold, 256)).labels();
            assert_eq!(tree.at_threshold(threshold).unwrap(), own, "{name}, {threshold}");
        }
        assert!(tree.at_threshold(0.0).is_err() && tree.at_threshold(f64::NAN).is_err());
        assert!(tree.at_threshold(tree.threshold_limit() + 1e-9).is_err() || tree.threshold_limit() == 2.0);
        let most = tree.leaves().len();
        for count in 1..=most {
            assert_eq!(
                tree.at_count(count).unwrap(),
                run(fixed(0.7, count)).labels(),
                "{name}, {count}"
            );
        }
        let text = tree.at_count(0).unwrap_err().to_string();
        assert!(text.contains(&format!("count is 0, must be 1..={most}")), "{text}");
        assert!(tree.at_count(most + 1).is_err());
    }
}

#[test]
fn a_tree_that_the_number_of_segments_stopped_says_how_far_it_holds() {
    let tree = recursive_ncut(&named("two"), &fixed(0.9, 3), &Job::quiet()).unwrap();
    let stopped: Vec<f64> = (tree.nodes.iter())
        .filter(|node| node.stop == Some(Stop::MaxSegments))
        .map(|node| node.cut.map_or(0.0, |cut| cut.ncut))
        .collect();
    assert_eq!(tree.threshold_limit(), stopped.into_iter().fold(2.0, f64::min));
    assert_eq!(tree.leaves().len(), 3);
    // Parts of a segment are ranges of one order, and the leaves cover it once.
    let mut all: Vec<u32> = tree.leaves().iter().flat_map(|&leaf| tree.members(leaf)).collect();
    all.sort_unstable();
    assert_eq!(all, (0..160).collect::<Vec<u32>>());
}
