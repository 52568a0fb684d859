//! Walks whose second eigenvector is hard to come by.
use tch::Kind;
use tomocut::runtime::Job;
use tomocut::spectral::{bipartition, graph_vectors, recursive_ncut, Criterion, CutOptions, Graph};

use super::graphs::{square, stochastic, TWO_LEVEL};
use super::hashed::uniform;

/// Three groups that mostly send to the next one: the second eigenvalues are a complex pair.
fn cycle(n: usize) -> Vec<f32> {
    let u = uniform("cycle", n * n);
    let group = |i: usize| 3 * i / n;
    let weight = |k: usize| {
        let (from, to) = (group(k / n), group(k % n));
        let base = if to == (from + 1) % 3 { 1.0 } else { 0.05 };
        base * (1.0 + 0.3 * u[k])
    };
    stochastic((0..n * n).map(weight).collect())
}

/// Two groups that mostly send to the other one: the eigenvalue of the largest modulus is negative.
fn seesaw(n: usize) -> Vec<f32> {
    let u = uniform("seesaw", n * n);
    let weight = |k: usize| {
        let across = (k / n < n / 2) != (k % n < n / 2);
        let close = (k / n) % 5 == (k % n) % 5;
        (if across { 1.0 } else { 0.1 }) * (if close { 1.0 } else { 0.4 }) * (1.0 + 0.3 * u[k])
    };
    stochastic((0..n * n).map(weight).collect())
}

#[test]
fn oscillating_walks_give_the_rightmost_eigenvalue() {
    for (name, make) in [("cycle", cycle as fn(usize) -> Vec<f32>), ("seesaw", seesaw)] {
        for n in [30, 300] {
            let values = make(n);
            let graph = Graph::walk(square(&values)).unwrap();
            let cut = bipartition(&graph, &CutOptions::default(), &Job::quiet()).unwrap();
            assert!(cut.cut.converged, "{name}, {n}: {}", cut.cut.residual);
            let p = faer::Mat::from_fn(n, n, |i, j| f64::from(values[i * n + j]));
            let mut expected: Vec<f64> = p.eigenvalues().unwrap().iter().map(|z: &faer::c64| z.re).collect();
            expected.sort_by(|a, b| b.total_cmp(a));
            assert!(
                (cut.cut.eigenvalue - expected[1]).abs() < 1e-4,
                "{name}, {n}: {} {}",
                cut.cut.eigenvalue,
                expected[1]
            );
        }
    }
}

#[test]
fn iterations_and_dense_solvers_agree_up_to_a_constant() {
    let values = stochastic(TWO_LEVEL.weights("agree", true));
    let n = 160;
    let graph = Graph::walk(square(&values)).unwrap();
    let vectors = graph_vectors(&graph, 1, &CutOptions::default(), &Job::quiet()).unwrap();
    let p = faer::Mat::from_fn(n, n, |i, j| f64::from(values[i * n + j]));
    let eigen = p.eigen().unwrap();
    let second = (0..n)
        .filter(|&j| eigen.S()[j].re < 0.999)
        .max_by(|&a, &b| eigen.S()[a].re.total_cmp(&eigen.S()[b].re));
    let expected: Vec<f64> = eigen.U().col(second.unwrap()).iter().map(|z| z.re).collect();
    let mean = expected.iter().sum::<f64>() / n as f64;
    let expected = tch::Tensor::from_slice(&expected) - mean;
    let y = vectors.vectors.get(0).to_kind(Kind::Double);
    let cosine = (&y * &expected).sum(Kind::Double) / (y.norm() * expected.norm());
    assert!(cosine.double_value(&[]).abs() > 1.0 - 1e-7);
}

#[test]
fn nodes_that_the_walk_always_leaves_do_no_harm() {
    // Node 5 sends everything to the other half; alone with its own half it stays in place.
    let n = 12;
    let mut values = vec![0.0_f32; n * n];
    for i in 0..n {
        for j in 0..n {
            values[i * n + j] = if (i < n / 2) == (j < n / 2) { 1.0 } else { 0.01 };
        }
    }
    for j in 0..n {
        values[5 * n + j] = if j < n / 2 { 0.0 } else { 1.0 };
    }
    let options = CutOptions {
        criterion: Criterion::Fixed(2.0),
        ..CutOptions::default()
    };
    let tree = recursive_ncut(
        &Graph::walk(square(&stochastic(values))).unwrap(),
        &options,
        &Job::quiet(),
    )
    .unwrap();
    assert!(tree
        .nodes
        .iter()
        .filter_map(|node| node.cut)
        .all(|cut| cut.ncut.is_finite() && cut.residual.is_finite()));
}
