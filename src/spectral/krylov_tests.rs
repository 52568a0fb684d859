use faer::{Mat, Side};
use proptest::prelude::*;

use super::super::adam::Adam;
use super::super::affinity::trace_of;
use super::super::attention::{AttentionLayer, AttentionSet, FixedAttention};
use super::super::testing::{blob_set, random_set, single};
use super::*;

type Grid = (usize, usize);

/// The affinity in float64, entry by entry from its definition; an independent route to M.
fn dense_affinity(set: &AttentionSet, grid: Grid) -> Mat<f64> {
    let n = grid.0 * grid.1;
    let mut sum = vec![0.0; n * n];
    let mut heads = 0.0;
    for layer in &set.layers {
        let (rows, cols) = layer.grid;
        let stride = |fine: usize, coarse: usize| fine.div_ceil(coarse).next_power_of_two();
        let (sy, sx) = (stride(grid.0, rows), stride(grid.1, cols));
        let bin = |i: usize| (i / grid.1 / sy) * cols + i % grid.1 / sx;
        let mut sizes = vec![0.0; rows * cols];
        (0..n).for_each(|i| sizes[bin(i)] += 1.0);
        let logits = layer
            .query
            .matmul(&layer.key.transpose(1, 2))
            .f_mul_scalar(layer.scale)
            .unwrap();
        let walk = logits
            .to_kind(Kind::Double)
            .softmax(-1, None)
            .sum_dim_intlist(0_i64, false, None);
        let walk: Vec<f64> = Vec::try_from(walk.view(-1)).unwrap();
        heads += layer.heads() as f64;
        for i in 0..n {
            for j in 0..n {
                let (a, b) = (bin(i), bin(j));
                let mean = 0.5 * (walk[a * rows * cols + b] + walk[b * rows * cols + a]);
                sum[i * n + j] += mean / (sizes[a] * sizes[b] as f64).sqrt();
            }
        }
    }
    Mat::from_fn(n, n, |i, j| sum[i * n + j] / heads)
}

/// Leading eigenvalues of the dense affinity, descending.
fn dense_values(set: &AttentionSet, grid: Grid, count: usize) -> Vec<f64> {
    let eigen = dense_affinity(set, grid).self_adjoint_eigen(Side::Lower).unwrap();
    eigen.S().column_vector().iter().rev().take(count).copied().collect()
}

fn solve(set: &AttentionSet, grid: Grid, n_vectors: usize) -> Eigenvectors {
    let krylov = Krylov {
        n_vectors,
        ..Krylov::default()
    };
    krylov
        .solve(&mut FixedAttention(set.shallow_clone()), grid, &Job::quiet())
        .unwrap()
}

fn check(result: &Eigenvectors, set: &AttentionSet, grid: Grid) {
    let count = result.values.len();
    assert!(result.residual <= 1e-5, "residual {}", result.residual);
    assert!(
        result.values.windows(2).all(|w| w[0] >= w[1] - 1e-6),
        "{:?}",
        result.values
    );
    for (value, expected) in result.values.iter().zip(dense_values(set, grid, count)) {
        assert!((value - expected).abs() < 2e-6, "{value} is not {expected}");
    }
    let flat = result.vectors.reshape([count as i64, -1]).to_kind(Kind::Double);
    let gram = flat.matmul(&flat.transpose(0, 1));
    let error = gram
        .f_sub(&Tensor::eye(count as i64, (Kind::Double, Device::Cpu)))
        .unwrap()
        .abs()
        .max();
    assert!(error.double_value(&[]) < 1e-5);
    assert!((result.trace - result.values.iter().sum::<f64>()).abs() < 1e-9);
    // The residual that is reported holds for the dense matrix too.
    let matrix = dense_affinity(set, grid);
    for c in 0..count {
        let v: Vec<f64> = Vec::try_from(flat.select(0, c as i64)).unwrap();
        let squares = (0..v.len()).map(|i| {
            let product: f64 = (0..v.len()).map(|j| matrix[(i, j)] * v[j]).sum();
            (product - result.values[c] * v[i]).powi(2)
        });
        assert!(squares.sum::<f64>().sqrt() < 1.5e-5);
    }
}

#[test]
fn agrees_with_the_dense_problem() {
    let mut generator = Generator::new(11, 0);
    // Iterated, restarted, not square, sizes that round up, and small enough for the dense path.
    let cases: [(&[Grid], usize); 4] = [
        (&[(16, 16), (8, 8), (16, 16), (4, 4)], 6),
        (&[(20, 14), (10, 7)], 4),
        (&[(13, 11), (7, 6), (4, 3)], 3),
        (&[(4, 4), (2, 2)], 3),
    ];
    for (grids, n_vectors) in cases {
        let set = single(&random_set(grids, 2, 4, 3.0, &mut generator));
        check(&solve(&set, grids[0], n_vectors), &set, grids[0]);
    }
    let blobs = blob_set(&[(18, 18), (9, 9)], 5, &mut generator);
    check(&solve(&blobs, (18, 18), 5), &blobs, (18, 18));
}

/// Tokens attend, exactly and evenly, only to their own group.
fn groups(grid: Grid, group_of: impl Fn(usize) -> usize, count: usize) -> AttentionSet {
    let n = grid.0 * grid.1;
    let mut features = vec![0.0_f32; n * count];
    (0..n).for_each(|i| features[i * count + group_of(i)] = 200.0);
    let features = Tensor::from_slice(&features).reshape([1, n as i64, count as i64]);
    AttentionSet {
        layers: vec![AttentionLayer {
            query: features.shallow_clone(),
            key: features,
            grid,
            scale: 1.0,
        }],
    }
}

#[test]
fn disconnected_groups_are_all_found() {
    // Seven groups: eigenvalue 1 seven times, then 0; the vectors are constant on every group.
    let set = groups((12, 12), |i| i * 7 / 144, 7);
    let result = solve(&set, (12, 12), 7);
    check(&result, &set, (12, 12));
    assert!(
        result.values.iter().all(|v| (v - 1.0).abs() < 1e-5),
        "{:?}",
        result.values
    );
    let flat: Vec<Vec<f32>> = Vec::try_from(result.vectors.reshape([7, 144])).unwrap();
    for vector in &flat {
        for i in 1..144 {
            if i * 7 / 144 == (i - 1) * 7 / 144 {
                assert!((vector[i] - vector[i - 1]).abs() < 1e-4);
            }
        }
    }
    // More vectors than groups: the rest belongs to the eigenvalue 0, of multiplicity 137.
    let more = solve(&set, (12, 12), 10);
    assert!(more.values[7..].iter().all(|v| v.abs() < 1e-5) && more.residual <= 1e-5);
}

#[test]
fn identity_attention_is_fully_degenerate() {
    let set = groups((11, 11), |i| i, 121);
    let result = solve(&set, (11, 11), 4);
    assert!(result.values.iter().all(|v| (v - 1.0).abs() < 1e-5) && result.residual <= 1e-5);
}

#[test]
fn constant_vector_leads_a_symmetric_walk() {
    // Equal queries and keys of equal length give a symmetric A; on a ring its degrees are equal too.
    let ring: Vec<f32> = (0..100)
        .flat_map(|i| [(i as f32 * 0.0628318).cos() * 3.0, (i as f32 * 0.0628318).sin() * 3.0])
        .collect();
    let features = Tensor::from_slice(&ring).reshape([1, 100, 2]);
    let set = AttentionSet {
        layers: vec![AttentionLayer {
            query: features.shallow_clone(),
            key: features,
            grid: (10, 10),
            scale: 1.0,
        }],
    };
    let result = solve(&set, (10, 10), 3);
    assert!((result.values[0] - 1.0).abs() < 1e-5);
    let first = result.vectors.select(0, 0);
    assert!(
        first.f_sub_scalar(0.1).unwrap().abs().max().double_value(&[]) < 1e-3,
        "constant and positive"
    );
}

#[test]
fn reruns_give_the_same_bytes() {
    let set = blob_set(&[(16, 16), (8, 8)], 5, &mut Generator::new(4, 0));
    let bits = |e: &Eigenvectors| -> Vec<u32> {
        let values: Vec<f32> = Vec::try_from(e.vectors.view(-1)).unwrap();
        values.iter().map(|v| v.to_bits()).collect()
    };
    assert_eq!(bits(&solve(&set, (16, 16), 6)), bits(&solve(&set, (16, 16), 6)));
}

#[test]
fn rows_formed_anew_equal_stored_matrices() {
    let set = blob_set(&[(16, 16), (8, 8), (16, 16)], 5, &mut Generator::new(4, 0));
    let options = |stored_tokens| AffinityOptions {
        layer_weights: vec![1.0, 0.5, 2.0],
        stored_tokens,
    };
    let job = Job::quiet();
    let v = Generator::new(1, 0).normal_tensor(&[256, 3], Device::Cpu).unwrap();
    let product = |stored_tokens| {
        let mut affinity = Affinity::new((16, 16), options(stored_tokens));
        affinity.add(&set, &job).unwrap();
        affinity.add(&set, &job).unwrap();
        affinity.apply(&v, &job).unwrap()
    };
    let stored = product(1 << 14);
    for limit in [0, 100] {
        let error = stored.f_sub(&product(limit)).unwrap().abs().max().double_value(&[]);
        assert!(error < 1e-5, "{error}");
    }
}

#[test]
fn at_least_the_trace_of_adam() {
    let set = blob_set(&[(12, 12), (6, 6), (12, 12)], 4, &mut Generator::new(21, 0));
    let job = Job::quiet();
    let adam = Adam {
        n_vectors: 4,
        iterations: 1000,
        hidden: 16,
        ..Adam::default()
    };
    let trained = adam
        .solve(&mut FixedAttention(set.shallow_clone()), (12, 12), &job)
        .unwrap();
    let direct = solve(&set, (12, 12), 4);
    let trace = |e: &Eigenvectors| trace_of(&set, (12, 12), &e.vectors, &job).unwrap();
    assert!((trace(&direct) - direct.trace).abs() < 1e-5 && (trace(&trained) - trained.trace).abs() < 1e-5);
    assert!(
        direct.trace >= trained.trace,
        "{} is below {}",
        direct.trace,
        trained.trace
    );
    // Ky Fan: no four orthonormal vectors do better; the recipe must at least beat random ones.
    let random = Generator::new(3, 0).normal_tensor(&[4, 12, 12], Device::Cpu).unwrap();
    assert!(trained.trace > trace_of(&set, (12, 12), &random, &job).unwrap());
}

#[test]
fn bad_input_is_named() {
    let set = || blob_set(&[(8, 8), (4, 4)], 3, &mut Generator::new(4, 0));
    let attempt = |change: &dyn Fn(&mut AttentionSet), krylov: Krylov, grid: Grid| {
        let mut set = set();
        change(&mut set);
        let error = krylov.solve(&mut FixedAttention(set), grid, &Job::quiet()).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
        error.to_string()
    };
    let four = || Krylov {
        n_vectors: 4,
        ..Krylov::default()
    };
    let keep = |_: &mut AttentionSet| ();
    let text = attempt(
        &|s| s.layers[1].query = s.layers[1].query.f_mul_scalar(f64::NAN).unwrap(),
        four(),
        (8, 8),
    );
    assert!(text.contains("layers[1].query is not finite"), "{text}");
    let text = attempt(
        &|s| s.layers[0].query = Tensor::zeros([0, 64, 3], (Kind::Float, Device::Cpu)),
        four(),
        (8, 8),
    );
    assert!(text.contains("layers[0].query") && text.contains("8*8"), "{text}");
    let text = attempt(&|s| s.layers[0].key = s.layers[0].key.narrow(1, 0, 60), four(), (8, 8));
    assert!(text.contains("layers[0].key"), "{text}");
    let text = attempt(&|s| s.layers[0].scale = 0.0, four(), (8, 8));
    assert!(text.contains("layers[0].scale"), "{text}");
    let text = attempt(&|s| s.layers[0].grid = (0, 8), four(), (8, 8));
    assert!(text.contains("layers[0].grid"), "{text}");
    let text = attempt(
        &|s| s.layers[0].query = s.layers[0].query.to_kind(Kind::Int64),
        four(),
        (8, 8),
    );
    assert!(text.contains("float type"), "{text}");
    assert!(attempt(&|s| s.layers.clear(), four(), (8, 8)).contains("at least one"));
    assert!(attempt(&keep, four(), (4, 8)).contains("4x8"));
    assert!(attempt(
        &keep,
        Krylov {
            n_vectors: 65,
            ..four()
        },
        (8, 8)
    )
    .contains("must be 1..=64"));
    assert!(attempt(&keep, Krylov { n_vectors: 0, ..four() }, (8, 8)).contains("n_vectors is 0"));
    assert!(attempt(&keep, Krylov { draws: 0, ..four() }, (8, 8)).contains("draws is 0"));
    assert!(attempt(
        &keep,
        Krylov {
            tolerance: 0.0,
            ..four()
        },
        (8, 8)
    )
    .contains("tolerance"));
    assert!(attempt(&keep, four(), (usize::MAX, 2)).contains("grid"));
    let weights = Krylov {
        affinity: AffinityOptions {
            layer_weights: vec![1.0],
            ..AffinityOptions::default()
        },
        ..four()
    };
    assert!(attempt(&keep, weights, (8, 8)).contains("layer_weights"));
    let empty = Affinity::new((8, 8), AffinityOptions::default());
    assert!(matches!(
        four().solve_affinity(&empty, (8, 8), &Job::quiet()).unwrap_err(),
        Error::State(_)
    ));
}

#[test]
fn a_cancel_stops_it() {
    let job = Job::quiet();
    job.cancel_token().request();
    let mut stream = FixedAttention(blob_set(&[(8, 8)], 3, &mut Generator::new(4, 0)));
    let error = Krylov::default().solve(&mut stream, (8, 8), &job).unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }));
    // During accumulation: raised between two row blocks of one layer.
    let set = blob_set(&[(40, 40)], 3, &mut Generator::new(4, 0));
    let job = Job::quiet();
    let mut blocks = 0;
    let result = set.layers[0].for_each_block(&job, |_, _| {
        blocks += 1;
        job.cancel_token().request();
        Ok(())
    });
    assert!(matches!(result, Err(Error::Cancelled { .. })) && blocks == 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_attention(
        rows in 3_usize..15,
        cols in 3_usize..15,
        halve in any::<bool>(),
        strength in 0.1_f64..8.0,
        seed in any::<u64>(),
    ) {
        let grid = (rows, cols);
        let coarse = if halve { (rows.div_ceil(2), cols.div_ceil(2)) } else { grid };
        let set = single(&random_set(&[grid, coarse], 2, 3, strength, &mut Generator::new(seed, 0)));
        check(&solve(&set, grid, 3), &set, grid);
    }

    #[test]
    fn moving_all_logits_of_a_row_changes_nothing(seed in any::<u64>(), shift in -5.0_f32..5.0) {
        // softmax(q k^T + c_i): a key component of 1 everywhere adds a constant to each row.
        let set = single(&random_set(&[(12, 10)], 2, 3, 1.0, &mut Generator::new(seed, 0)));
        let layer = &set.layers[0];
        let ones = Tensor::ones([2, 120, 1], (Kind::Float, Device::Cpu));
        let moved = AttentionSet {
            layers: vec![AttentionLayer {
                query: Tensor::cat(&[&layer.query, &ones.f_mul_scalar(shift as f64).unwrap()], 2),
                key: Tensor::cat(&[&layer.key, &ones], 2),
                grid: layer.grid,
                scale: layer.scale,
            }],
        };
        let (a, b) = (solve(&set, (12, 10), 3), solve(&moved, (12, 10), 3));
        for (a, b) in a.values.iter().zip(&b.values) {
            prop_assert!((a - b).abs() < 1e-5);
        }
    }
}
