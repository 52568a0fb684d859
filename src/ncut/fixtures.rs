//! Fixtures of the tests: the output of `tests/oracle/ncut_methods.py`.
use serde_json::Value;
use tch::Tensor;

/// One file of `tests/fixtures/ncut_methods`.
pub(super) fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/ncut_methods/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// `{"shape": [..], "values": [..]}` as a float32 tensor.
pub(super) fn tensor(value: &Value) -> Tensor {
    let list = |key: &str| value[key].as_array().unwrap().iter();
    let values: Vec<f32> = list("values").map(|v| v.as_f64().unwrap() as f32).collect();
    let shape: Vec<i64> = list("shape").map(|v| v.as_i64().unwrap()).collect();
    Tensor::from_slice(&values).reshape(shape)
}

/// A list of whole numbers.
pub(super) fn labels(value: &Value) -> Vec<u32> {
    let numbers = value.as_array().unwrap().iter();
    numbers.map(|v| v.as_u64().unwrap() as u32).collect()
}
