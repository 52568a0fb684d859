//! Every bad input has an error that names it, every odd one a defined result.
use std::fmt::Debug;

use tch::{Device, Kind, Tensor};
use tomocut::runtime::{memory, CancelToken, Job, Logger};
use tomocut::spectral::{
    bipartition, graph_vectors, ncut_of, recursive_ncut, walk_graph, Adjacency, Criterion, CutOptions, FeatureForm,
    Graph, MinCut, Stop, Sweep,
};
use tomocut::{Error, Result};

use super::graphs::{named, path, square};

fn refused<T: Debug>(result: Result<T>, parts: &[&str]) {
    let text = result.unwrap_err().to_string();
    for part in parts {
        assert!(text.contains(part), "\"{text}\" does not say \"{part}\"");
    }
}

fn ones(n: i64) -> Tensor {
    Tensor::ones([n, n], (Kind::Float, Device::Cpu))
}

#[test]
fn matrices_that_are_no_graphs() {
    let with = |value: f64| {
        let matrix = ones(5);
        let _ = matrix.get(3).get(1).fill_(value);
        let _ = matrix.get(1).get(3).fill_(value);
        matrix
    };
    for make in [Graph::symmetric, Graph::walk] {
        refused(make(with(-0.5)), &["[1, 3] is -0.5", "must be finite and not negative"]);
        refused(make(with(f64::NAN)), &["[1, 3] is NaN"]);
        refused(make(with(f64::INFINITY)), &["[1, 3] is inf"]);
        refused(
            make(Tensor::ones([4, 5], (Kind::Float, Device::Cpu))),
            &["[4, 5]", "must be [n, n]"],
        );
        refused(
            make(Tensor::ones([0, 0], (Kind::Float, Device::Cpu))),
            &["[0, 0]", "at least one node"],
        );
        refused(make(Tensor::ones([3], (Kind::Float, Device::Cpu))), &["[3]"]);
    }
    refused(Graph::symmetric(ones(4) * 0.0), &["affinity is all zero"]);
    refused(
        Graph::symmetric(with(0.5).tril(0)),
        &["not symmetric", "must be symmetric"],
    );
    refused(
        Graph::walk(ones(4) / 3.9),
        &["sum of row 0 of the transition matrix is 1.02"],
    );
    refused(Graph::walk(ones(4) * 0.0), &["sum of row 0", "is 0"]);
    // Rounding is forgiven.
    let nearly = ones(4) + Tensor::arange(16, (Kind::Float, Device::Cpu)).reshape([4, 4]) * 1e-6;
    let averaged = Graph::symmetric(nearly).unwrap().to_tensor().unwrap();
    assert!(averaged == averaged.transpose(0, 1));
    assert_eq!(Graph::walk(ones(4) / 4.001).unwrap().degrees().unwrap(), [1.0; 4]);
}

#[test]
fn walks_and_features_out_of_range() {
    let job = Job::quiet();
    refused(
        walk_graph(&(ones(4) / 4.0), 0, Adjacency::Dot, &job),
        &["power is 0, must be at least 1"],
    );
    refused(walk_graph(&ones(4), 2, Adjacency::Dot, &job), &["sum of row 0"]);
    let features = |t: &Tensor, exponent: f64, form| Graph::from_features(t, exponent, form);
    let good = Tensor::ones([4, 3], (Kind::Float, Device::Cpu));
    refused(features(&good, 0.0, FeatureForm::Clamp), &["exponent is 0"]);
    refused(features(&(&good / 0.0), 1.0, FeatureForm::Clamp), &["features is inf"]);
    refused(features(&good.narrow(1, 0, 0), 1.0, FeatureForm::Clamp), &["[4, 0]"]);
    let tokencut = |tau: f64| FeatureForm::Threshold { tau, epsilon: 1e-5 };
    refused(features(&good, 1.0, tokencut(1.5)), &["tau is 1.5"]);
}

#[test]
fn options_out_of_range() {
    let graph = named("two");
    let job = Job::quiet();
    let default = CutOptions::default();
    for (options, parts) in [
        (
            CutOptions {
                criterion: Criterion::Fixed(0.0),
                ..default.clone()
            },
            ["threshold is 0", "above 0"],
        ),
        (
            CutOptions {
                criterion: Criterion::Fixed(f64::NAN),
                ..default.clone()
            },
            ["threshold is NaN", "at most 2"],
        ),
        (
            CutOptions {
                sweep: Sweep::Linspace(0),
                ..default.clone()
            },
            ["sweep", "at least 1"],
        ),
        (
            CutOptions {
                min_nodes: 1,
                ..default.clone()
            },
            ["min_nodes is 1", "at least 2"],
        ),
        (
            CutOptions {
                max_segments: 0,
                ..default.clone()
            },
            ["max_segments is 0", "at least 1"],
        ),
        (
            CutOptions {
                max_iterations: 0,
                ..default.clone()
            },
            ["max_iterations is 0", "at least 1"],
        ),
        (
            CutOptions {
                tolerance: 1e-9,
                ..default.clone()
            },
            ["tolerance is 0.000000001", "1e-6..1"],
        ),
    ] {
        refused(recursive_ncut(&graph, &options, &job), &parts);
        refused(bipartition(&graph, &options, &job), &parts);
    }
    refused(graph_vectors(&graph, 0, &default, &job), &["count is 0"]);
    refused(
        graph_vectors(&graph, 160, &default, &job),
        &["count is 160", "below the number of nodes"],
    );
    refused(ncut_of(&graph, &[true; 160]), &["side is 160 of 160 nodes"]);
}

#[test]
fn manc_on_cosines_is_refused_with_its_reason() {
    let job = Job::quiet();
    let features = Tensor::ones([4, 3], (Kind::Float, Device::Cpu));
    let features = Graph::from_features(&features, 1.0, FeatureForm::Clamp).unwrap();
    for criterion in [Criterion::MancNcut, Criterion::MancMinCut(MinCut::Bipartition)] {
        let options = CutOptions {
            criterion,
            ..CutOptions::default()
        };
        refused(
            recursive_ncut(&named("cosine 1"), &options, &job),
            &["criterion is MAN-C", "never stop"],
        );
        refused(recursive_ncut(&features, &options, &job), &["never stop"]);
        assert!(recursive_ncut(&named("dot small"), &options, &job).is_ok());
    }
}

#[test]
fn one_and_two_nodes() {
    let job = Job::quiet();
    let options = CutOptions {
        criterion: Criterion::Fixed(2.0),
        ..CutOptions::default()
    };
    for single in [ones(1), ones(1) * 0.0] {
        let single = Graph::symmetric(single).unwrap();
        let tree = recursive_ncut(&single, &options, &job).unwrap();
        assert_eq!((tree.labels(), tree.nodes[0].stop), (vec![0], Some(Stop::MinNodes)));
        refused(bipartition(&single, &options, &job), &["graph is 1 node"]);
    }
    let two = Graph::symmetric(ones(2)).unwrap();
    let cut = bipartition(&two, &options, &job).unwrap();
    assert_eq!((cut.vector, cut.side), (vec![1.0, -1.0], vec![true, false]));
    assert!((cut.cut.ncut - 1.0).abs() < 1e-12);
    assert_eq!(recursive_ncut(&two, &options, &job).unwrap().labels(), [0, 1]);
    let walk = Graph::walk(square(&[0.9, 0.1, 0.2, 0.8])).unwrap();
    assert!((bipartition(&walk, &options, &job).unwrap().cut.ncut - 0.3).abs() < 1e-6);
}

#[test]
fn identical_rows_and_single_edges() {
    let job = Job::quiet();
    let options = CutOptions {
        criterion: Criterion::Fixed(0.9),
        ..CutOptions::default()
    };
    for n in [6, 150, 400] {
        // Every bipartition of equal weights costs 1.
        let graph = Graph::symmetric(ones(n)).unwrap();
        let tree = recursive_ncut(&graph, &options, &job).unwrap();
        assert_eq!(tree.leaves().len(), 1, "{n}");
        let cut = bipartition(&graph, &options, &job).unwrap().cut;
        assert!(
            (cut.ncut - 1.0).abs() < 1e-6 && cut.converged && cut.eigenvalue.abs() < 1e-6,
            "{n}: {cut:?}"
        );
        let walk = Graph::walk(ones(n) / n as f64).unwrap();
        assert_eq!(recursive_ncut(&walk, &options, &job).unwrap().leaves().len(), 1, "{n}");
    }
    // One edge among ten nodes: its ends, and the nodes without edges as one segment.
    let mut lonely = vec![0.0; 100];
    (lonely[12], lonely[21]) = (1.0, 1.0);
    let tree = recursive_ncut(&Graph::symmetric(square(&lonely)).unwrap(), &options, &job).unwrap();
    assert_eq!(tree.labels(), [0, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
    // Loops alone: every node is a component.
    let loops = Tensor::eye(5, (Kind::Float, Device::Cpu));
    let tree = recursive_ncut(&Graph::symmetric(loops).unwrap(), &options, &job).unwrap();
    assert_eq!(tree.labels(), [0, 1, 2, 3, 4]);
    let apart = bipartition(&named("apart"), &options, &job).unwrap();
    assert_eq!((apart.cut.ncut, apart.cut.eigenvalue), (0.0, 1.0));
    let (ncut, cut) = ncut_of(&named("apart"), &apart.side).unwrap();
    assert!(ncut < 1e-9 && cut < 1e-6);
}

#[test]
fn a_long_path_is_cut_in_the_middle() {
    // Its second eigenvalue is 1 - 1e-4: many restarts.
    let graph = Graph::symmetric(square(&path(300))).unwrap();
    let cut = bipartition(&graph, &CutOptions::default(), &Job::quiet()).unwrap();
    assert!(cut.cut.converged, "{}", cut.cut.residual);
    assert_eq!(cut.side.iter().filter(|&&s| s).count(), 150);
    // Too few products: the best so far, and it says so.
    let options = CutOptions {
        max_iterations: 20,
        ..CutOptions::default()
    };
    let cut = bipartition(&graph, &options, &Job::quiet()).unwrap();
    assert!(!cut.cut.converged && cut.cut.residual > 1e-5);
}

#[test]
fn graphs_beyond_the_memory_are_refused_before_anything_is_allocated() {
    let n = 100_000;
    let features = Tensor::ones([n, 2], (Kind::Float, Device::Cpu));
    let needed = 4 * (n as u64) * (n as u64);
    if memory::available().is_none_or(|bytes| bytes > needed) {
        eprintln!("skipped: there is memory for {n} nodes, or nobody knows");
    } else {
        let result = Graph::from_features(&features, 1.0, FeatureForm::Clamp);
        assert!(matches!(result, Err(Error::OutOfMemory(_))));
        refused(result, &["100000 nodes", "takes 37.3 GiB", "available"]);
    }
    let many = Tensor::ones([3_000_000, 1], (Kind::Float, Device::Cpu));
    refused(
        Graph::from_features(&many, 1.0, FeatureForm::Clamp),
        &["3000000 nodes", "GiB"],
    );
}

#[test]
fn a_request_to_stop_is_obeyed() {
    let cancel = CancelToken::default();
    cancel.request();
    let job = Job::new(cancel, Logger::default());
    let graph = named("large");
    let cancelled = |text: String| assert!(text.contains("cancelled"), "{text}");
    cancelled(
        recursive_ncut(&graph, &CutOptions::default(), &job)
            .unwrap_err()
            .to_string(),
    );
    cancelled(
        bipartition(&graph, &CutOptions::default(), &job)
            .unwrap_err()
            .to_string(),
    );
    cancelled(
        walk_graph(&(ones(64) / 64.0), 3, Adjacency::Dot, &job)
            .unwrap_err()
            .to_string(),
    );
    // A progress callback stops a single eigenvector too.
    let refusing = Job::quiet().with_progress(|_| false);
    cancelled(
        graph_vectors(&graph, 1, &CutOptions::default(), &refusing)
            .unwrap_err()
            .to_string(),
    );
    let mut reports = Vec::new();
    let watched = Job::quiet().with_every_report().with_progress(|progress| {
        reports.push(progress.fraction);
        true
    });
    recursive_ncut(
        &graph,
        &CutOptions {
            criterion: Criterion::Fixed(2.0),
            ..CutOptions::default()
        },
        &watched,
    )
    .unwrap();
    drop(watched);
    assert!(reports.iter().all(|f| (0.0..=1.0).contains(f)) && reports.is_sorted());
}
