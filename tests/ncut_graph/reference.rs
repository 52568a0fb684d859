//! Partitions, trees and costs are those of dense eigensolvers with every threshold tried by itself
//! (tests/oracle/ncut_reference.py).
use serde_json::Value;
use tomocut::runtime::Job;
use tomocut::spectral::{recursive_ncut, Criterion, CutOptions, Graph, MinCut, SegmentTree, Sweep};

use super::graphs::named;

fn reference() -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ncut/reference.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn labels(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_u64().unwrap() as u32)
        .collect()
}

/// The options of a run of the reference.
fn options(value: &Value) -> CutOptions {
    let number = |name: &str| value[name].as_u64().map(|v| v as usize);
    let default = CutOptions::default();
    CutOptions {
        criterion: match value["criterion"].as_str().unwrap() {
            "fixed" => Criterion::Fixed(value["threshold"].as_f64().unwrap()),
            "manc_ncut" => Criterion::MancNcut,
            "manc_mincut" => Criterion::MancMinCut(MinCut::Bipartition),
            "manc_min_degree" => Criterion::MancMinCut(MinCut::MinDegree),
            other => panic!("no criterion {other}"),
        },
        sweep: match value["sweep_kind"].as_str() {
            None => Sweep::All,
            Some("mean") => Sweep::Mean,
            Some("zero") => Sweep::Zero,
            Some(count) => Sweep::Linspace(count.parse().unwrap()),
        },
        min_nodes: number("min_nodes").unwrap_or(default.min_nodes),
        max_segments: number("max_segments").unwrap_or(default.max_segments),
        max_depth: number("max_depth").unwrap_or(default.max_depth),
        tolerance: 2e-6,
        ..default
    }
}

#[test]
fn graphs_are_those_of_the_reference() {
    for (name, sums) in reference()["checks"].as_object().unwrap() {
        let tensor = named(name).to_tensor().unwrap().to_kind(tch::Kind::Double);
        let n = tensor.size()[0];
        let weighted =
            (tensor.get(0) * tch::Tensor::arange(n, (tch::Kind::Double, tch::Device::Cpu))).sum(tch::Kind::Double);
        for (actual, expected) in [(tensor.sum(tch::Kind::Double), &sums[0]), (weighted, &sums[1])] {
            let (actual, expected) = (actual.double_value(&[]), expected.as_f64().unwrap());
            assert!(
                (actual - expected).abs() < 1e-5 * expected.abs(),
                "{name}: {actual}, not {expected}"
            );
        }
    }
}

#[test]
fn partitions_trees_and_costs_are_those_of_the_reference() {
    let reference = reference();
    for run in reference["runs"].as_array().unwrap() {
        let name = run["graph"].as_str().unwrap();
        let case = format!("{name} {}", run["options"]);
        let tree = recursive_ncut(&named(name), &options(&run["options"]), &Job::quiet()).unwrap();
        assert_eq!(tree.labels(), labels(&run["labels"]), "{case}");
        if run["unique_tree"].as_bool().unwrap() {
            compare(&tree, run["nodes"].as_array().unwrap(), &case);
        }
    }
}

fn compare(tree: &SegmentTree, expected: &[Value], label: &str) {
    assert_eq!(tree.nodes.len(), expected.len(), "{label}");
    for (index, (node, expected)) in tree.nodes.iter().zip(expected).enumerate() {
        let label = format!("{label}, segment {index}");
        assert_eq!(
            node.parent.map_or(-1, |p| p as i64),
            expected["parent"].as_i64().unwrap(),
            "{label}"
        );
        assert_eq!(node.depth as u64, expected["depth"].as_u64().unwrap(), "{label}");
        assert_eq!(node.range.len() as u64, expected["count"].as_u64().unwrap(), "{label}");
        assert_eq!(
            u64::from(tree.members(index)[0]),
            expected["first"].as_u64().unwrap(),
            "{label}"
        );
        assert_eq!(node.stop.map(|s| s.name()), expected["stop"].as_str(), "{label}");
        let children = node.children.map(|c| c.map(|c| c as u64).to_vec());
        let expected_children = expected["children"].as_array();
        assert_eq!(
            children,
            expected_children.map(|c| c.iter().filter_map(Value::as_u64).collect()),
            "{label}"
        );
        let Some(cut) = node.cut else {
            assert!(expected["ncut"].is_null(), "{label}");
            continue;
        };
        assert!(cut.converged, "{label}: residual {}", cut.residual);
        // A cut that is made is pronounced. Vectors of a whole block are noise with close eigenvalues, and their cost
        // feels the tolerance.
        let close = if node.stop.is_none() { 2e-6 } else { 2e-3 };
        for (name, actual, slack) in [
            ("ncut", cut.ncut, close),
            ("eigenvalue", cut.eigenvalue, 2e-6),
            ("cut", cut.cut, close * 1e4),
            ("value", cut.judgement.value, close),
            ("limit", cut.judgement.limit, 2e-6),
        ] {
            // Between components the reference states the cost alone.
            if let Some(expected) = expected[name].as_f64() {
                assert!(
                    (actual - expected).abs() < slack,
                    "{label}: {name} is {actual}, not {expected}"
                );
            }
        }
    }
}

#[test]
fn planted_blocks_are_those_of_scikit_learn() {
    for (name, clusters) in reference()["spectral_clustering"].as_object().unwrap() {
        let graph: Graph = named(name);
        let options = CutOptions {
            criterion: Criterion::Fixed(2.0),
            max_segments: clusters["k"].as_u64().unwrap() as usize,
            ..CutOptions::default()
        };
        let tree = recursive_ncut(&graph, &options, &Job::quiet()).unwrap();
        assert_eq!(tree.labels(), labels(&clusters["labels"]), "{name}");
    }
}
