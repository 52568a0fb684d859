use super::super::warp::Turn;
use super::*;
use tch::Device;

/// `example` turned by `turn`.
fn moved(example: &Example, turn: &Turn) -> Example {
    let grid = turn.grid(&example.image.size(), Device::Cpu).unwrap();
    warped(example, &grid, &AugmentOptions::default()).unwrap()
}

fn noise(shape: &[i64], seed: u64) -> Tensor {
    Generator::new(seed, 0).normal_tensor(shape, Device::Cpu).unwrap()
}

/// A window of noise with labels where it is high, all of them sure.
fn example(shape: &[i64]) -> Example {
    let image = noise(shape, 7);
    Example {
        truth: image.gt(0.5).to_kind(Kind::Float),
        weight: image.ones_like(),
        image,
    }
}

/// Frequencies -0.5..0.5 of the three axes of a cube of `side`, broadcastable.
fn frequencies(side: i64) -> [Tensor; 3] {
    let line = Tensor::fft_fftfreq(side, 1.0, (Kind::Double, Device::Cpu));
    [line.view([-1, 1, 1]), line.view([1, -1, 1]), line.view([1, 1, -1])]
}

/// Share of the power within the wedge that tilts up to 45 degrees about y leave empty, the zero frequency and the
/// highest ones (which have no mirror image on an even grid) aside.
fn in_the_wedge(volume: &Tensor) -> f64 {
    let side = volume.size()[0];
    let [z, y, x] = frequencies(side);
    let wedge = z.abs().ge_tensor(&(x.abs() + 1e-9)) + (&y * 0.0);
    let inner = (z.abs().maximum(&y.abs())).maximum(&x.abs()).lt(0.45);
    let power = Tensor::fft_fftn(
        &volume.to_kind(Kind::Double),
        None::<&[i64]>,
        None::<&[i64]>,
        "backward",
    )
    .abs()
    .square();
    let sum = |mask: &Tensor| (&power * mask).sum(Kind::Double).double_value(&[]);
    sum(&(wedge.gt(0.0).to_kind(Kind::Double) * inner.to_kind(Kind::Double)))
        / power.sum(Kind::Double).double_value(&[])
}

/// Noise without that wedge.
fn tilted_about_y(side: i64) -> Tensor {
    let [z, y, x] = frequencies(side);
    let keep = z.abs().lt_tensor(&(x.abs() + 1e-9)).to_kind(Kind::Double) + (&y * 0.0);
    let spectrum = Tensor::fft_fftn(
        &noise(&[side; 3], 5).to_kind(Kind::Double),
        None::<&[i64]>,
        None::<&[i64]>,
        "backward",
    );
    let volume = Tensor::fft_ifftn(&(spectrum * keep), None::<&[i64]>, None::<&[i64]>, "backward");
    volume.real().to_kind(Kind::Float)
}

#[test]
fn mirrors_keep_the_wedge_and_quarter_turns_are_asked_for() {
    let volume = tilted_about_y(24);
    assert!(in_the_wedge(&volume) < 1e-9);
    assert!(in_the_wedge(&noise(&[24; 3], 5)) > 0.2);
    let mut moved = [0, 0];
    for (n, tilt_axis) in [TiltAxis::Y, TiltAxis::Any].into_iter().enumerate() {
        let options = AugmentOptions {
            tilt_axis,
            turn: 0.0,
            grey: 0.0,
            ..AugmentOptions::default()
        };
        for seed in 0..24 {
            let image = volume.unsqueeze(0);
            let example = Example {
                truth: image.shallow_clone(),
                weight: image.ones_like(),
                image,
            };
            let augmented = augment(&example, &options, &mut Generator::new(seed, 0)).unwrap();
            assert_eq!(augmented.image, augmented.truth);
            let sorted = |x: &Tensor| x.reshape([-1]).sort(0, false).0;
            assert_eq!(sorted(&augmented.image), sorted(&example.image));
            moved[n] += i32::from(in_the_wedge(&augmented.image.squeeze_dim(0)) > 1e-6);
        }
    }
    assert!(moved[0] == 0 && moved[1] > 4, "{moved:?}");
}

#[test]
fn scaling_keeps_the_wedge_and_a_turn_about_the_tilt_axis_turns_it() {
    let volume = tilted_about_y(48);
    let share = |turn: Turn| {
        let image = volume.unsqueeze(0);
        let example = Example {
            truth: image.shallow_clone(),
            weight: image.ones_like(),
            image,
        };
        let inner = moved(&example, &turn).image.squeeze_dim(0);
        // Away from what comes from outside, and from the edges that leak into every frequency.
        let part = inner.narrow(0, 8, 32).narrow(1, 8, 32).narrow(2, 8, 32);
        let hann = Tensor::hann_window(32, (Kind::Float, Device::Cpu));
        let windowed = part * hann.view([-1, 1, 1]) * hann.view([1, -1, 1]) * hann.view([1, 1, -1]);
        in_the_wedge(&windowed)
    };
    let still = share(Turn::new([0.0, 0.0, 0.0], 1.0, false));
    assert!(still < 0.05, "{still}");
    let scaled = share(Turn::new([0.0, 0.0, 0.0], 1.2, false));
    assert!(scaled < 0.08, "{scaled}");
    let quarter = share(Turn::new([0.0, 0.0, std::f64::consts::FRAC_PI_2], 1.0, false));
    assert!(quarter > 0.15, "{quarter}");
}

#[test]
fn turns_bring_things_where_they_should() {
    // A ball off the middle of a window of three different extents.
    let (shape, ball) = ([20.0, 26.0, 32.0], [3.0, -4.0, 6.0]);
    let [z, y, x]: [Tensor; 3] = std::array::from_fn(|axis| {
        let mut view = [1_i64; 3];
        view[axis] = -1;
        let middle = (shape[axis] - 1.0) / 2.0 + ball[axis];
        (Tensor::arange(shape[axis] as i64, (Kind::Float, Device::Cpu)) - middle).view(view)
    });
    let image = ((z.square() + y.square() + x.square()) / -3.0).exp().unsqueeze(0);
    let example = Example {
        truth: image.gt(0.5).to_kind(Kind::Float),
        weight: image.ones_like(),
        image,
    };
    let centre = |x: &Tensor| -> [f64; 3] {
        std::array::from_fn(|axis| {
            let others: Vec<i64> = (0..4).filter(|a| *a != axis as i64 + 1).collect();
            let line = x.sum_dim_intlist(others.as_slice(), false, Kind::Double);
            let at = Tensor::arange(line.size()[0], (Kind::Double, Device::Cpu)) - (shape[axis] - 1.0) / 2.0;
            (&line * at).sum(Kind::Double).double_value(&[]) / line.sum(Kind::Double).double_value(&[])
        })
    };
    let (s, c) = 0.4_f64.sin_cos();
    let [bz, by, bx] = ball;
    for (turn, [ez, ey, ex]) in [
        (Turn::new([0.0, 0.0, 0.0], 1.0, false), ball),
        (Turn::new([0.0, 0.0, 0.0], 1.3, false), ball.map(|v| 1.3 * v)),
        (
            Turn::new([0.0, 0.0, 0.4], 1.0, false),
            [bz, s * bx + c * by, c * bx - s * by],
        ),
        (
            Turn::new([0.4, 0.0, 0.0], 1.0, false),
            [c * bz - s * bx, by, c * bx + s * bz],
        ),
        (
            Turn::new([0.4, 0.0, 0.0], 1.0, true),
            [s * by + c * bz, c * by - s * bz, bx],
        ),
        (
            Turn::new([0.0, 0.4, 0.0], 1.0, false),
            [s * by + c * bz, c * by - s * bz, bx],
        ),
    ] {
        let turned_example = moved(&example, &turn);
        for (name, tensor, tolerance) in [
            ("image", &turned_example.image, 0.05),
            ("truth", &turned_example.truth, 0.3),
        ] {
            for (turned_example, expected) in centre(tensor).into_iter().zip([ez, ey, ex]) {
                assert!(
                    (turned_example - expected).abs() < tolerance,
                    "{name}: {turned_example} is not {expected}"
                );
            }
        }
    }
    // What comes from outside is left out, what stays is not.
    let weight = moved(&example, &Turn::new([0.0, 0.0, 0.4], 1.0, false)).weight;
    assert_eq!(weight.double_value(&[0, 10, 13, 16]), 1.0);
    assert_eq!(weight.double_value(&[0, 10, 0, 0]), 0.0);
}

#[test]
fn draws_depend_on_the_seed_alone() {
    let example = example(&[1, 8, 12, 16]);
    let options = AugmentOptions {
        turn: 1.0,
        grey: 1.0,
        ..AugmentOptions::default()
    };
    let run = |seed: u64| augment(&example, &options, &mut Generator::new(seed, 0)).unwrap();
    let (first, again, other) = (run(1), run(1), run(2));
    assert!(first.image == again.image && first.truth == again.truth && first.weight == again.weight);
    assert!(first.image != other.image);
    assert_eq!(first.image.size(), [1, 8, 12, 16]);
    let still = augment(&example, &AugmentOptions::none(), &mut Generator::new(1, 0)).unwrap();
    assert!(still.image == example.image && still.truth == example.truth);
}

#[test]
fn grey_values_stay_within_what_is_asked_for() {
    let options = AugmentOptions {
        grey: 1.0,
        ..AugmentOptions::default()
    };
    let flat = Tensor::ones([1, 32, 32, 32], (Kind::Float, Device::Cpu));
    for seed in 0..20 {
        let changed = regreyed(&flat, &options, &mut Generator::new(seed, 0)).unwrap();
        let (mean, deviation) = (
            changed.mean(Kind::Double).double_value(&[]),
            changed.std(false).double_value(&[]),
        );
        assert!((0.55..1.52).contains(&mean) && deviation < 0.31, "{mean} {deviation}");
    }
}

#[test]
fn wrong_settings_and_shapes_are_named() {
    let options = AugmentOptions {
        tilt_degrees: 60.0,
        ..AugmentOptions::default()
    };
    let mut gen = Generator::new(1, 0);
    let mut example = example(&[1, 8, 8, 8]);
    let text = |result: Result<Example>| result.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(text(augment(&example, &options, &mut gen)).contains("tilt_degrees is 60"));
    example.weight = example.weight.narrow(1, 0, 7);
    assert!(text(augment(&example, &AugmentOptions::default(), &mut gen)).contains("same extents"));
}

#[test]
fn the_papers_draw_mirrors_or_turns_and_never_both() {
    let example = example(&[1, 12, 12, 12]);
    let voxels = |x: &Tensor| x.reshape([-1]).sort(0, false).0;
    for (draw, first, second) in [
        (AugmentDraw::MirrorElseTurn, (1.0, 1.0), (0.0, 1.0)),
        (AugmentDraw::TurnElseMirror, (1.0, 0.0), (1.0, 1.0)),
    ] {
        let run = |(mirror, turn): (f64, f64), seed| {
            let options = AugmentOptions {
                draw,
                tilt_axis: TiltAxis::Any,
                mirror,
                turn,
                plane_degrees: 20.0,
                grey: 0.0,
                ..AugmentOptions::default()
            };
            augment(&example, &options, &mut Generator::new(seed, 0)).unwrap()
        };
        let same = |changed: &Example| voxels(&changed.image) == voxels(&example.image);
        // Mirrors move voxels and change none; what is turned is interpolated.
        let mirrored: Vec<Example> = (0..12).map(|seed| run(first, seed)).collect();
        assert!(mirrored.iter().all(same) && mirrored.iter().any(|one| one.image != example.image));
        assert!((0..12).all(|seed| !same(&run(second, seed))));
        assert!((0..12).all(|seed| run((0.0, 0.0), seed).image == example.image));
    }
}

#[test]
fn deformations_are_smooth_and_no_larger_than_asked_for() {
    let size = [1, 20, 24, 28];
    let places: [Tensor; 3] = std::array::from_fn(|axis| {
        let n = size[axis + 1];
        let mut view = [1_i64; 4];
        view[axis + 1] = n;
        Tensor::arange(n, (Kind::Float, Device::Cpu))
            .view(view)
            .expand(size, false)
    });
    let options = AugmentOptions {
        draw: AugmentDraw::TurnElseMirror,
        turn: 1.0,
        elastic: 0.2,
        tilt_degrees: 0.0,
        plane_degrees: 0.0,
        scale: 0.0,
        grey: 0.0,
        ..AugmentOptions::default()
    };
    let mut most: f64 = 0.0;
    for seed in 0..8 {
        for (axis, image) in places.iter().enumerate() {
            let example = Example {
                image: image.contiguous(),
                truth: image.ones_like(),
                weight: image.ones_like(),
            };
            let changed = augment(&example, &options, &mut Generator::new(seed, 0)).unwrap();
            let inner = |x: &Tensor| x.narrow(1, 4, 12).narrow(2, 4, 16).narrow(3, 4, 20);
            let moved = (inner(&changed.image) - inner(image)).abs().max().double_value(&[]);
            // Half of the largest deviation, in voxels of this axis.
            assert!(moved <= 0.5 * 0.2 * size[axis + 1] as f64 + 1e-3, "{moved}");
            most = most.max(moved);
        }
    }
    assert!(most > 0.5, "{most}");
    let rarely = AugmentOptions { part: 0.0, ..options };
    let example = example(&[1, 8, 8, 8]);
    let still = augment(&example, &rarely, &mut Generator::new(1, 0)).unwrap();
    assert!(still.image == example.image);
}
