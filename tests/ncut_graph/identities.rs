//! Identities that hold for every graph.
use proptest::prelude::*;
use tch::{Kind, Tensor};
use tomocut::runtime::Job;
use tomocut::spectral::{
    bipartition, graph_vectors, ncut_of, recursive_ncut, walk_graph, Adjacency, Criterion, CutOptions, FeatureForm,
    Graph,
};

use super::graphs::{square, stochastic};
use super::hashed::uniform;

/// Symmetric weights with about a third of the edges missing, none of the loops.
fn sparse(name: &str, n: usize) -> Vec<f32> {
    let u = uniform(name, n * n);
    let weight = |i: usize, j: usize| {
        let v = u[i.min(j) * n + i.max(j)];
        if v < -0.3 && i != j {
            0.0
        } else {
            v + 1.1
        }
    };
    (0..n * n).map(|k| weight(k / n, k % n)).collect()
}

/// NCut and cut from their definitions.
fn by_definition(weights: &[f32], side: &[bool]) -> (f64, f64) {
    let n = side.len();
    let between = |a: bool, b: Option<bool>| -> f64 {
        let mut sum = 0.0;
        for i in (0..n).filter(|&i| side[i] == a) {
            sum += (0..n)
                .filter(|&j| b.is_none_or(|b| side[j] == b))
                .map(|j| f64::from(weights[i * n + j]))
                .sum::<f64>();
        }
        sum
    };
    let (forth, back) = (between(true, Some(false)), between(false, Some(true)));
    (
        forth / between(true, None) + back / between(false, None),
        0.5 * (forth + back),
    )
}

fn fixed(threshold: f64) -> CutOptions {
    CutOptions {
        criterion: Criterion::Fixed(threshold),
        ..CutOptions::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn prefix_sums_give_the_cost_by_definition(n in 2_usize..70, seed in 0_u32..1000, walk in any::<bool>()) {
        let name = format!("sides {seed}");
        let weights = if walk { stochastic(sparse(&name, n)) } else { sparse(&name, n) };
        let graph = if walk { Graph::walk(square(&weights)) } else { Graph::symmetric(square(&weights)) }.unwrap();
        let mut side: Vec<bool> = uniform(&format!("{name} marks"), n).iter().map(|&v| v > 0.0).collect();
        (side[0], side[n - 1]) = (true, false);
        let (ncut, cut) = ncut_of(&graph, &side).unwrap();
        let (expected, expected_cut) = by_definition(&weights, &side);
        prop_assert!((ncut - expected).abs() < 1e-6, "{} {}", ncut, expected);
        prop_assert!((cut - expected_cut).abs() <= 1e-5 * expected_cut, "{} {}", cut, expected_cut);
        if !walk {
            // DiffCut's form: z = (1 + x) - b (1 - x), x = +-1, b = k / (1 - k), NCut = z' L z / z' D z.
            let degree = |i: usize| -> f64 { weights[i * n..][..n].iter().map(|&w| f64::from(w)).sum() };
            let total: f64 = (0..n).map(degree).sum();
            let k = (0..n).filter(|&i| side[i]).map(degree).sum::<f64>() / total;
            let z = |i: usize| if side[i] { 2.0 } else { -2.0 * k / (1.0 - k) };
            let (mut top, mut bottom) = (0.0, 0.0);
            for i in 0..n {
                bottom += z(i) * z(i) * degree(i);
                top += (0..n).map(|j| 0.5 * f64::from(weights[i * n + j]) * (z(i) - z(j)).powi(2)).sum::<f64>();
            }
            prop_assert!((ncut - top / bottom).abs() < 1e-6);
        }
    }

    #[test]
    fn a_cut_is_what_it_says(n in 3_usize..220, seed in 0_u32..1000, walk in any::<bool>()) {
        let name = format!("cut {seed}");
        let weights = if walk { stochastic(sparse(&name, n)) } else { sparse(&name, n) };
        let graph = if walk { Graph::walk(square(&weights)) } else { Graph::symmetric(square(&weights)) }.unwrap();
        let halves = bipartition(&graph, &fixed(0.5), &Job::quiet()).unwrap();
        let (ncut, cut) = by_definition(&weights, &halves.side);
        prop_assert!((halves.cut.ncut - ncut).abs() < 1e-6 && (halves.cut.cut - cut).abs() < 1e-5 * cut.max(1.0));
        prop_assert!(halves.cut.converged && halves.cut.residual <= 1e-5);
        let sorted = halves.order.windows(2).all(|w| halves.vector[w[0] as usize] <= halves.vector[w[1] as usize]);
        prop_assert!(sorted);
        let upper = (0..n).all(|i| halves.side[i] == (halves.vector[i] > halves.threshold));
        prop_assert!(upper);
        // No other threshold is cheaper.
        for below in 1..n {
            let mut side = vec![false; n];
            halves.order[below..].iter().for_each(|&i| side[i as usize] = true);
            prop_assert!(ncut_of(&graph, &side).unwrap().0 > ncut - 1e-6);
        }
    }

    #[test]
    fn names_and_scale_of_nodes_do_not_matter(seed in 0_u32..1000, factor in 0.01_f32..50.0) {
        let weights = super::graphs::TWO_LEVEL.weights(&format!("renamed {seed}"), false);
        let n = 160;
        let keys = uniform(&format!("order {seed}"), n);
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| keys[a].total_cmp(&keys[b]));
        let renamed: Vec<f32> = (0..n * n).map(|k| factor * weights[order[k / n] * n + order[k % n]]).collect();
        let labels = |w: &[f32]| {
            recursive_ncut(&Graph::symmetric(square(w)).unwrap(), &fixed(0.6), &Job::quiet()).unwrap().labels()
        };
        let (plain, renamed) = (labels(&weights), labels(&renamed));
        let blocks = super::graphs::TWO_LEVEL.blocks();
        prop_assert!(plain.iter().zip(&blocks).all(|(&a, &b)| a as usize == b));
        for i in 0..n {
            prop_assert_eq!(renamed[i] == renamed[0], plain[order[i]] == plain[order[0]]);
        }
    }

    #[test]
    fn dot_products_sum_to_squared_column_sums(n in 1_usize..90, seed in 0_u32..1000, power in 1_u32..4) {
        let walk = stochastic(sparse(&format!("dot {seed}"), n));
        let walk = square(&walk);
        let powered = (1..power).fold(walk.to_kind(Kind::Double), |q, _| q.matmul(&walk.to_kind(Kind::Double)));
        let rows = (powered.sum_dim_intlist(1_i64, false, None) - 1.0).abs().max().double_value(&[]);
        prop_assert!(rows < 1e-5);
        let dot = walk_graph(&walk, power, Adjacency::Dot, &Job::quiet()).unwrap().to_tensor().unwrap();
        let columns = powered.sum_dim_intlist(0_i64, false, None).square().sum(Kind::Double).double_value(&[]);
        let sum = dot.sum(Kind::Double).double_value(&[]);
        prop_assert!((sum - columns).abs() < 1e-5 * columns, "{} {}", sum, columns);
        prop_assert!(sum >= n as f64 * (1.0 - 1e-5), "MAN-C's bound is at least 1/2");
        let expected = powered.matmul(&powered.transpose(0, 1));
        prop_assert!((dot.to_kind(Kind::Double) - expected).abs().max().double_value(&[]) < 1e-6);
        let cosine = walk_graph(&walk, power, Adjacency::Cosine, &Job::quiet()).unwrap().to_tensor().unwrap();
        prop_assert!((cosine.diagonal(0, 0, 1) - 1.0).abs().max().double_value(&[]) < 1e-5);
        let same = walk_graph(&walk, power, Adjacency::Walk, &Job::quiet()).unwrap().to_tensor().unwrap();
        prop_assert!((same.to_kind(Kind::Double) - powered).abs().max().double_value(&[]) < 1e-6);
    }
}

#[test]
fn many_vectors_are_generalised_eigenvectors() {
    for n in [40_usize, 300] {
        let weights = square(&sparse("many", n));
        let vectors = graph_vectors(
            &Graph::symmetric(weights.shallow_clone()).unwrap(),
            6,
            &fixed(0.5),
            &Job::quiet(),
        )
        .unwrap();
        assert!(vectors.residual <= 1e-5 && vectors.values.windows(2).all(|w| w[0] >= w[1] - 1e-6));
        let w = weights.to_kind(Kind::Double);
        let degree = w.sum_dim_intlist(1_i64, false, None);
        for (c, &value) in vectors.values.iter().enumerate() {
            let y = vectors.vectors.get(c as i64).to_kind(Kind::Double);
            let dy = &degree * &y;
            let residual: Tensor = (w.matmul(&y) - &dy * value) / degree.sqrt();
            let relative = residual.norm().double_value(&[]) / (&y * degree.sqrt()).norm().double_value(&[]);
            assert!(relative < 1.2e-5, "{n}, {c}: {relative}");
            // Orthogonal to the constant.
            assert!(dy.sum(Kind::Double).double_value(&[]).abs() < 1e-5 * dy.abs().sum(Kind::Double).double_value(&[]));
        }
    }
}

#[test]
fn features_become_the_published_weights() {
    let features = Tensor::from_slice(&uniform("features", 30 * 5)).reshape([30, 5]);
    let unit = features.to_kind(Kind::Double);
    let unit = &unit / unit.square().sum_dim_intlist(1_i64, true, None).sqrt();
    let cosine = unit.matmul(&unit.transpose(0, 1));
    let (low, high) = (cosine.min(), cosine.max());
    let spread = ((&cosine - &low) / (&high - &low)).pow_tensor_scalar(10);
    let clamped = cosine.clamp_min(0.0).pow_tensor_scalar(2.5);
    let edges = cosine.gt(0.2).to_kind(Kind::Double);
    let threshold = &edges + (1.0 - &edges) * 1e-5;
    for (exponent, form, expected) in [
        (10.0, FeatureForm::MinMax, spread),
        (2.5, FeatureForm::Clamp, clamped),
        (
            1.0,
            FeatureForm::Threshold {
                tau: 0.2,
                epsilon: 1e-5,
            },
            threshold,
        ),
    ] {
        let graph = Graph::from_features(&features, exponent, form).unwrap();
        let difference = (graph.to_tensor().unwrap().to_kind(Kind::Double) - expected)
            .abs()
            .max();
        assert!(difference.double_value(&[]) < 5e-6, "{form:?}");
    }
}
