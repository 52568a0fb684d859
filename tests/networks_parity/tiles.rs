//! What tiles rely on: the reach of a network, and windows without their margins.
use tch::{Kind, Tensor};
use tomocut::networks::{NetworkConfig, Reach, SegmentationModel};
use tomocut::runtime::{Error, Job};

use super::{compact, hashed_model, hashed_tensor, infer, input, small};

/// The halo is what the outputs depend on: not less, and not a whole cell more.
#[test]
fn the_reach_is_true() {
    let configs = [
        compact(&[4, 8], &[1, 1], &[1], &["a"]),
        compact(&[4], &[1], &[], &["a"]),
        compact(&[3, 4, 5], &[1, 0, 1], &[0, 1], &["a"]),
    ];
    for config in configs {
        let model = hashed_model(NetworkConfig::Compact(config.clone()));
        let cell = model.network().divisor();
        let Reach::Halo(halo) = model.network().reach() else {
            panic!("no halo");
        };
        assert_eq!(halo % cell, 0);
        let side = (2 * halo + 3 * cell).min(96);
        let x = hashed_tensor("input/reach", &[1, 1, side, 16, 16]).set_requires_grad(true);
        let middle = side / 2 / cell * cell;
        // A whole coarsest cell in the middle.
        let sum = infer(&model, &x).narrow(2, middle, cell).abs().sum(Kind::Float);
        let gradient = Tensor::run_backward(&[&sum], &[&x], false, false).remove(0);
        let lines = gradient.abs().amax([0, 1, 3, 4].as_slice(), false);
        let seen: Vec<f64> = Vec::try_from(lines.to_kind(Kind::Double)).unwrap();
        let first = seen.iter().position(|v| *v > 0.0).unwrap() as i64;
        let last = seen.iter().rposition(|v| *v > 0.0).unwrap() as i64;
        let reach = (middle - first).max(last - (middle + cell - 1));
        println!("{:?}: halo {halo}, seen {reach}", config.widths);
        assert!(reach <= halo && reach > halo - cell, "{reach} of {halo}");
    }
}

/// The largest difference between the tiles of `model` and the whole of `x`, each tile with the network's halo or what
/// the volume has of it.
fn tiled_difference(model: &SegmentationModel, x: &Tensor, tile: [i64; 3]) -> f64 {
    let Reach::Halo(halo) = model.network().reach() else {
        panic!("no halo");
    };
    let shape = &x.size()[2..];
    let whole = infer(model, x);
    let joined = whole.full_like(f64::NAN);
    let starts = |axis: usize| (0..shape[axis]).step_by(tile[axis] as usize);
    for z in starts(0) {
        for y in starts(1) {
            for col in starts(2) {
                let (mut window, mut target) = (x.shallow_clone(), joined.shallow_clone());
                let mut margin = [(0, 0); 3];
                for (axis, start) in [z, y, col].into_iter().enumerate() {
                    let end = (start + tile[axis]).min(shape[axis]);
                    let (low, high) = ((start - halo).max(0), (end + halo).min(shape[axis]));
                    window = window.narrow(axis as i64 + 2, low, high - low);
                    target = target.narrow(axis as i64 + 2, start, end - start);
                    margin[axis] = (start - low, high - end);
                }
                let inner = model.network().forward_inner(&window, margin, &Job::quiet()).unwrap();
                target.copy_(&inner);
            }
        }
    }
    (&joined - &whole).abs().max().double_value(&[])
}

#[test]
fn tiles_with_the_halo_give_the_numbers_of_the_whole() {
    let shallow = compact(&[4, 8], &[1, 1], &[1], &["a", "b"]);
    let deep = compact(&[3, 4, 5], &[1, 0, 1], &[0, 1], &["a"]);
    for (config, shape, tiles) in [
        (shallow, [1, 1, 48, 52, 64], [[16, 52, 24], [20, 20, 20], [48, 12, 40]]),
        (deep, [1, 1, 88, 16, 24], [[8, 16, 24], [16, 8, 8], [40, 16, 16]]),
    ] {
        let model = hashed_model(NetworkConfig::Compact(config));
        let x = hashed_tensor("input/tiles", &shape);
        for tile in tiles {
            let error = tiled_difference(&model, &x, tile);
            println!("tiles of {tile:?}: largest difference {error:.1e}");
            assert!(error < 1e-5, "{tile:?}: {error}");
        }
    }
}

/// Whatever is left out on the way, the rest keeps its numbers: margins of every parity, far beyond the halo and below
/// it.
#[test]
fn margins_of_the_compact_network_cost_no_accuracy() {
    let configs = [
        compact(&[4, 8], &[1, 2], &[1], &["a"]),
        compact(&[3, 4, 5], &[1, 0, 1], &[0, 1], &["a"]),
        compact(&[4], &[2], &[], &["a", "b"]),
    ];
    for config in configs {
        let model = hashed_model(NetworkConfig::Compact(config));
        let x = hashed_tensor("input/margins", &[1, 1, 48, 64, 56]);
        let whole = infer(&model, &x);
        for n in 0..24 {
            let margin = [(n, 2 * n % 23), ((3 * n) % 31, n + 7), (5 * n % 29, 7 * n % 26)];
            let inner = model.network().forward_inner(&x, margin, &Job::quiet()).unwrap();
            let mut expected = whole.shallow_clone();
            for (axis, (before, after)) in (2..).zip(margin) {
                expected = expected.narrow(axis, before, expected.size()[axis as usize] - before - after);
            }
            assert_eq!(inner.size(), expected.size());
            let error = (&inner - &expected).abs().max().double_value(&[]);
            assert!(error < 1e-5, "{margin:?}: {error}");
        }
    }
}

#[test]
fn inner_parts_are_parts_of_the_whole() {
    for network in small() {
        let model = hashed_model(network);
        let flat = model.network().dimensions() == 2;
        let x = if flat {
            hashed_tensor("input/2d", &[2, 1, 48, 64])
        } else {
            input()
        };
        let whole = infer(&model, &x);
        for margin in [[(0, 0), (3, 5), (0, 1)], [(0, 0), (8, 8), (16, 3)], [(0, 0); 3]] {
            let inner = model.network().forward_inner(&x, margin, &Job::quiet()).unwrap();
            let rank = whole.dim() as i64;
            let mut expected = whole.shallow_clone();
            for (axis, (before, after)) in [(rank - 2, margin[1]), (rank - 1, margin[2])] {
                expected = expected.narrow(axis, before, expected.size()[axis as usize] - before - after);
            }
            assert_eq!(inner.size(), expected.size());
            assert!(inner.allclose(&expected, 1e-5, 1e-5, false));
        }
        for margin in [[(0, 0), (-1, 0), (0, 0)], [(0, 0), (0, 0), (40, 24)]] {
            let refused = model.network().forward_inner(&x, margin, &Job::quiet());
            assert!(matches!(refused, Err(Error::InvalidArgument { .. })));
        }
    }
}
