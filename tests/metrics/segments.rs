//! Assignment and matched segmentations against scipy (tests/oracle/ncut_methods.py).
use ndarray::Array2;
use serde_json::Value;
use tomocut::metrics::{best_assignment, SegmentMatch, SegmentScores};

fn fixture() -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ncut_methods/matching.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn matrix(value: &Value) -> Array2<f64> {
    let list = |key: &str| value[key].as_array().unwrap().iter();
    let shape: Vec<usize> = list("shape").map(|v| v.as_u64().unwrap() as usize).collect();
    let values = list("values").map(|v| v.as_f64().unwrap()).collect();
    Array2::from_shape_vec((shape[0], shape[1]), values).unwrap()
}

#[test]
fn assignments_weigh_what_scipy_s_do() {
    for case in fixture()["cases"].as_array().unwrap() {
        let weights = matrix(&case["weights"]);
        let columns = best_assignment(weights.view()).unwrap();
        let pairs: Vec<(usize, usize)> = columns
            .iter()
            .enumerate()
            .filter_map(|(r, c)| Some((r, (*c)?)))
            .collect();
        let (rows, cols) = weights.dim();
        assert_eq!(pairs.len(), rows.min(cols));
        let mut used: Vec<usize> = pairs.iter().map(|pair| pair.1).collect();
        used.sort_unstable();
        used.dedup();
        assert_eq!(used.len(), pairs.len(), "a column twice");
        let total: f64 = pairs.iter().map(|&(r, c)| weights[[r, c]]).sum();
        let expected = case["total"].as_f64().unwrap();
        assert!(
            (total - expected).abs() < 1e-9,
            "{rows}x{cols}: {total}, not {expected}"
        );
    }
}

#[test]
fn figures_per_image_are_those_of_scipy_s_assignment() {
    let fixture = fixture();
    let mut scores = SegmentScores::new(SegmentMatch::PerImage, None);
    for image in fixture["images"].as_array().unwrap() {
        let labels = |key: &str| matrix(&image[key]).mapv(|v| v as u32);
        scores.add(labels("segments").view(), labels("truth").view()).unwrap();
    }
    let figures = scores.figures().unwrap().unwrap();
    for (own, key) in [
        (figures.over_pixels.accuracy, "accuracy"),
        (figures.over_classes.iou, "mean_iou"),
        (figures.over_classes.f1, "mean_f1"),
    ] {
        let expected = fixture["per_image"][key].as_f64().unwrap();
        assert!((own - expected).abs() < 1e-12, "{key}: {own}, not {expected}");
    }
}
