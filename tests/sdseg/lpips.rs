//! LPIPS on hashed weights, beside torch (tests/oracle/lpips_alex.py).
use ndarray::Array2;
use tch::Tensor;
use tomocut::predict::Lpips;
use tomocut::Error;

use crate::hashed::uniform;

fn weights() -> Vec<(String, Tensor)> {
    let layers: [(&str, i64, i64, i64); 5] = [
        ("net.slice1.0", 3, 64, 11),
        ("net.slice2.3", 64, 192, 5),
        ("net.slice3.6", 192, 384, 3),
        ("net.slice4.8", 384, 256, 3),
        ("net.slice5.10", 256, 256, 3),
    ];
    let hashed = |name: &str, shape: &[i64]| {
        let values = uniform(&format!("lpips/{name}"), shape.iter().product::<i64>() as usize);
        Tensor::from_slice(&values).reshape(shape)
    };
    let mut all = Vec::new();
    for (n, (name, from, to, kernel)) in layers.into_iter().enumerate() {
        let gain = (3.0 / (from * kernel * kernel) as f64).sqrt();
        let (weight, bias, line) = (
            format!("{name}.weight"),
            format!("{name}.bias"),
            format!("lin{n}.model.1.weight"),
        );
        let kernels = hashed(&weight, &[to, from, kernel, kernel]) * gain;
        let (shifts, line_values) = (hashed(&bias, &[to]) * 0.2, hashed(&line, &[1, to, 1, 1]).abs());
        all.extend([(weight, kernels), (bias, shifts), (line, line_values)]);
    }
    all
}

#[test]
fn distances_are_those_of_torch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lpips.safetensors");
    let mut weights = weights();
    Tensor::write_safetensors(&weights, &path).unwrap();
    let lpips = Lpips::open(&path).unwrap();
    let text = std::fs::read_to_string("tests/fixtures/sdseg/lpips.json").unwrap();
    let cases: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    for case in &cases {
        let side = |name: &str| case[name].as_u64().unwrap() as usize;
        let (rows, cols) = (side("rows"), side("cols"));
        let picture = |name: &str| {
            let values = uniform(&format!("lpips/{name}"), rows * cols);
            Array2::from_shape_vec((rows, cols), values)
                .unwrap()
                .mapv(|v| (v + 1.0) / 2.0)
        };
        let (a, b) = (picture("a"), picture("b"));
        let (own, expected) = (
            lpips.distance(&a, &b).unwrap().unwrap(),
            case["distance"].as_f64().unwrap(),
        );
        assert!((own - expected).abs() < 1e-4 * expected, "{own}, {expected}");
        assert_eq!(lpips.distance(&a, &a).unwrap(), Some(0.0));
    }
    assert_eq!(cases.len(), 2);
    let small = Array2::zeros((63, 80));
    assert_eq!(lpips.distance(&small, &small).unwrap(), None);

    weights.retain(|(name, _)| name != "lin3.model.1.weight");
    Tensor::write_safetensors(&weights, &path).unwrap();
    let error = Lpips::open(&path).err().unwrap();
    assert!(
        matches!(&error, Error::Format { .. }) && error.to_string().contains("lin3.model.1.weight"),
        "{error}"
    );
}
