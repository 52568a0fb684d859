//! The same bytes on repeated runs and for one or two threads.
use tch::{Device, Tensor};
use tomocut::runtime::Job;
use tomocut::spectral::{
    bipartition, recursive_ncut, walk_graph, Adjacency, Criterion, CutOptions, FeatureForm, Graph,
};

use super::graphs::{square, stochastic, LARGE};
use super::hashed::uniform;

/// Every number that a run gives, as bits.
fn bits() -> Vec<u64> {
    let n = 420_usize;
    let features = Tensor::from_slice(&uniform("threads", n * 24)).reshape([n as i64, 24]);
    let walk = square(&stochastic(LARGE.weights("threads walk", true))).constant_pad_nd([0, 20, 0, 20]);
    // Twenty nodes that stay in place are components of their own.
    let _ = walk.diagonal(0, 0, 1).narrow(0, 400, 20).fill_(1.0);
    let job = Job::quiet();
    let options = CutOptions {
        criterion: Criterion::Fixed(1.2),
        max_segments: 28,
        ..CutOptions::default()
    };
    let mut bits = Vec::new();
    for graph in [
        Graph::walk(walk.shallow_clone()).unwrap(),
        walk_graph(&walk, 3, Adjacency::Dot, &job).unwrap(),
        walk_graph(&walk, 1, Adjacency::Cosine, &job).unwrap(),
        Graph::from_features(&features, 4.0, FeatureForm::MinMax).unwrap(),
    ] {
        let weights: Vec<f32> = Vec::try_from(graph.to_tensor().unwrap().to_device(Device::Cpu).view(-1)).unwrap();
        bits.extend(weights.iter().map(|v| u64::from(v.to_bits())));
        let cut = bipartition(&graph, &options, &job).unwrap();
        bits.extend(cut.vector.iter().map(|v| v.to_bits()));
        bits.extend([cut.cut.ncut, cut.threshold, cut.cut.residual].map(f64::to_bits));
        let tree = recursive_ncut(&graph, &options, &job).unwrap();
        bits.extend(tree.labels().into_iter().map(u64::from));
        bits.extend(
            tree.nodes
                .iter()
                .filter_map(|node| node.cut)
                .map(|cut| cut.ncut.to_bits()),
        );
    }
    bits
}

#[test]
fn bytes_do_not_depend_on_the_run_or_the_threads() {
    let before = tch::get_num_threads();
    let runs = [1, 2, 2].map(|threads| {
        tch::set_num_threads(threads);
        bits()
    });
    tch::set_num_threads(before);
    assert!(runs.iter().all(|run| *run == runs[0]));
}
