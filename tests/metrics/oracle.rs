//! Calibration, average precision and line strength against scikit-learn and scipy (tests/oracle/metrics_oracle.py).
use ndarray::{Array2, Array3};
use serde_json::Value;
use tomocut::metrics::{auc, line_strength, Calibration, MatchRule, PickRanking, SurfaceDistances};
use tomocut::runtime::Job;

fn oracle() -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/metrics/oracle.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn close(actual: f64, expected: &Value, name: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((actual - expected).abs() < 1e-12, "{name}: {actual}, not {expected}");
}

#[test]
fn reliability_tables_are_those_of_scikit_learn() {
    for case in oracle()["calibration"].as_array().unwrap() {
        let scores: Vec<f32> = numbers(&case["scores"]).iter().map(|v| *v as f32).collect();
        let positive: Vec<bool> = numbers(&case["labels"]).iter().map(|v| *v == 1.0).collect();
        let bins = case["bins"].as_u64().unwrap() as usize;
        let mut table = Calibration::new(bins).unwrap();
        // In two portions.
        table.add(&scores[..50], &positive[..50]).unwrap();
        table.add(&scores[50..], &positive[50..]).unwrap();
        let counts: Vec<f64> = table.bins().iter().map(|bin| bin.count as f64).collect();
        assert_eq!(counts, numbers(&case["counts"]), "{bins} bins");
        // scikit-learn leaves empty bins out.
        let means: Vec<f64> = table.bins().iter().filter_map(|bin| bin.mean_score()).collect();
        let shares: Vec<f64> = table.bins().iter().filter_map(|bin| bin.share_positive()).collect();
        for (own, expected) in [(means, &case["mean_score"]), (shares, &case["share_positive"])] {
            assert_eq!(own.len(), expected.as_array().unwrap().len());
            for (own, expected) in own.iter().zip(expected.as_array().unwrap()) {
                close(*own, expected, "bin");
            }
        }
        close(
            table.expected_error().unwrap(),
            &case["expected_error"],
            "expected error",
        );
        close(table.maximum_error().unwrap(), &case["maximum_error"], "maximum error");
        close(auc(&scores, &positive).unwrap(), &case["auc"], "AUC");
    }
}

#[test]
fn average_precision_is_that_of_scikit_learn() {
    for case in oracle()["rankings"].as_array().unwrap() {
        let scores = numbers(&case["scores"]);
        let right: Vec<bool> = numbers(&case["right"]).iter().map(|v| *v == 1.0).collect();
        // Right picks lie on a truth of their own, wrong ones far away; no truth is without a pick, then half are.
        let place = |n: usize| [0.0, 0.0, 10.0 * n as f64];
        let picks: Vec<[f64; 3]> = (0..scores.len())
            .map(|n| {
                if right[n] {
                    place(n)
                } else {
                    [50.0, 0.0, 10.0 * n as f64]
                }
            })
            .collect();
        let mut truths: Vec<[f64; 3]> = (0..scores.len()).filter(|n| right[*n]).map(place).collect();
        let all = PickRanking::new(&picks, &scores, &truths, MatchRule::Distance(1.0));
        let expected = case["average_precision"].as_f64().unwrap();
        let precision = all.average_precision().unwrap();
        assert!((precision - expected).abs() < 1e-12, "{precision}, not {expected}");
        truths.extend(truths.clone().iter().map(|[_, y, x]| [-90.0, *y, *x]));
        let half = PickRanking::new(&picks, &scores, &truths, MatchRule::Distance(1.0));
        assert!((half.average_precision().unwrap() - expected / 2.0).abs() < 1e-12);
    }
}

#[test]
fn line_strength_is_the_larger_eigenvalue() {
    let case = &oracle()["lines"];
    let shape = numbers(&case["shape"]);
    let pixels = numbers(&case["image"]).iter().map(|v| *v as f32).collect();
    let image = Array2::from_shape_vec((shape[0] as usize, shape[1] as usize), pixels).unwrap();
    for expected in case["strength"].as_array().unwrap() {
        let sigma = expected["sigma"].as_f64().unwrap();
        let strength = line_strength(image.view(), sigma, true);
        let bright = line_strength(image.mapv(|v| -v).view(), sigma, false);
        assert_eq!(strength, bright);
        for (n, expected) in numbers(&expected["samples"]).iter().enumerate() {
            let strength = f64::from(*strength.iter().nth(n * 53 % strength.len()).unwrap());
            // scipy blurs in double, the crate stores float32.
            assert!(
                (strength - expected).abs() < 2e-5,
                "sigma {sigma}: {strength}, not {expected}"
            );
        }
    }
}

#[test]
fn surface_distances_are_those_of_all_pairs_of_voxels() {
    for case in oracle()["surfaces"].as_array().unwrap() {
        let shape = numbers(&case["shape"]);
        let shape = [shape[0] as usize, shape[1] as usize, shape[2] as usize];
        let masks: Vec<Array3<bool>> = (case["masks"].as_array().unwrap().iter())
            .map(|bytes| {
                // numpy.packbits: the first voxel is the highest bit.
                let bytes = numbers(bytes);
                let bit = |n: usize| bytes[n / 8] as u8 >> (7 - n % 8) & 1 == 1;
                Array3::from_shape_fn(shape, |(z, y, x)| bit((z * shape[1] + y) * shape[2] + x))
            })
            .collect();
        let edge = 1.348;
        let own = SurfaceDistances::between(&masks[0], &masks[1], edge, &Job::quiet()).unwrap();
        let own = own.unwrap();
        for (value, key) in [(own.hausdorff_95, "hausdorff_95"), (own.average, "average")] {
            let expected = case[key].as_f64().unwrap() * edge;
            // Roots of whole numbers in float32.
            assert!(
                (value - expected).abs() < 1e-6 * expected,
                "{key}: {value}, not {expected}"
            );
        }
    }
}
