//! Golden numbers (OpenCV 5.0.0, scikit-image 0.26, scipy 1.17) and oracle fixtures of the operators.
use ndarray::{s, Array2, Array3};
use serde_json::Value;

use super::*;

/// The golden test image: (3 x^2 + 5 y^2 + 7 x y + 11 s) mod 251.
fn golden(rows: usize, cols: usize, seed: usize) -> Array2<u8> {
    Array2::from_shape_fn((rows, cols), |(y, x)| {
        ((3 * x * x + 5 * y * y + 7 * x * y + 11 * seed) % 251) as u8
    })
}

fn sum(image: &Array2<u8>) -> u64 {
    image.iter().map(|&v| u64::from(v)).sum()
}

fn head(image: &Array2<u8>) -> Vec<u8> {
    image.row(0).iter().copied().take(6).collect()
}

fn count(mask: &Array2<bool>) -> usize {
    mask.iter().filter(|&&v| v).count()
}

fn span(image: &Array2<u8>) -> f64 {
    let (low, high) = image.iter().fold((255, 0), |(l, h), &v| (v.min(l), v.max(h)));
    f64::from(high) - f64::from(low)
}

#[test]
fn golden_grey_operators() {
    let a = golden(64, 64, 1);
    assert_eq!((sum(&a), head(&a)), (505878, vec![11, 14, 23, 38, 59, 86]));
    let c = clahe(a.view(), 2.0, 8);
    assert_eq!((sum(&c), head(&c)), (536480, vec![16, 20, 32, 52, 84, 110]));
    assert_eq!(c.slice(s![33, 30..36]).to_vec(), [25, 186, 106, 31, 213, 145]);
    let g = gaussian_truncated_u8(a.view(), 1.25);
    assert_eq!((sum(&g), head(&g)), (501627, vec![20, 27, 40, 59, 83, 109]));
    let b = gaussian_blur_u8(a.view(), 7, 1.5);
    assert_eq!((sum(&b), head(&b)), (505612, vec![35, 40, 55, 76, 101, 121]));
    let cubic = resize_cubic_u8(a.view(), (512, 512));
    assert_eq!((sum(&cubic), head(&cubic)), (32377194, vec![10, 10, 10, 10, 11, 11]));
    let linear = resize_linear_u8(a.view(), (80, 96));
    assert_eq!((sum(&linear), head(&linear)), (948132, vec![11, 12, 15, 21, 30, 41]));
}

#[test]
fn golden_thresholds_and_contours() {
    let a = golden(64, 64, 1);
    let b = gaussian_blur_u8(a.view(), 7, 1.5);
    assert_eq!(count(&adaptive_threshold(b.view(), 15, 3)), 2655);
    assert_eq!((otsu_u8(a.view()), otsu_u8(b.view())), (123, 122));
    let (fa, fb) = (a.mapv(|v| v > 123), b.mapv(|v| v > 122));
    assert_eq!(count(&fa), 2042);
    assert_eq!((external_contours(fa.view()), external_contours(fb.view())), (6, 13));
    assert_eq!(label_2d(fb.view(), Connectivity::Full).areas.len(), 14);
    assert_eq!(label_2d(fb.view(), Connectivity::Face).areas.len(), 15);
    // A ring with an island in its hole, a block on the border, two diagonal pixels.
    let mut nest = Array2::from_elem((20, 20), false);
    nest.slice_mut(s![2..12, 2..12]).fill(true);
    nest.slice_mut(s![4..10, 4..10]).fill(false);
    nest.slice_mut(s![6..8, 6..8]).fill(true);
    nest.slice_mut(s![0..2, 17..20]).fill(true);
    nest[[15, 15]] = true;
    nest[[16, 16]] = true;
    assert_eq!(external_contours(nest.view()), 3);
}

#[test]
fn golden_similarity() {
    let (a, other) = (golden(64, 64, 1), golden(64, 64, 9));
    let b = gaussian_blur_u8(a.view(), 7, 1.5);
    assert!((ssim(a.view(), other.view(), span(&a)) - -0.34643428686625877).abs() < 1e-12);
    assert!((ssim(b.view(), a.view(), span(&b)) - 0.08818827250692651).abs() < 1e-12);
    assert!((psnr(a.view(), other.view(), span(&a)) - 6.451005439660161).abs() < 1e-12);
    assert!((ssim(a.view(), a.view(), span(&a)) - 1.0).abs() < 1e-12);
    assert_eq!(psnr(a.view(), a.view(), 255.0), f64::INFINITY);
}

#[test]
fn golden_circularity() {
    let round = |mask: &Array2<bool>| {
        let p = perimeter(mask.view());
        (
            (p * 1e4).round() / 1e4,
            (circularity(count(mask), p) * 1e4).round() / 1e4,
        )
    };
    let disc = |radius: isize| {
        Array2::from_shape_fn((25, 25), |(y, x)| {
            (x as isize - 12).pow(2) + (y as isize - 12).pow(2) <= radius * radius
        })
    };
    let discs = [
        (2, 11.3137, 1.2763),
        (3, 19.3137, 0.977),
        (4, 24.9706, 0.9875),
        (5, 32.9706, 0.9364),
        (6, 38.6274, 0.9517),
        (8, 52.2843, 0.9056),
        (10, 65.9411, 0.9161),
    ];
    for (radius, length, circ) in discs {
        assert_eq!(round(&disc(radius)), (length, circ), "disc of radius {radius}");
    }
    let block = |rows, cols| Array2::from_elem((rows, cols), true);
    for (side, length, circ) in [(3, 8.0, 1.7671), (5, 16.0, 1.2272), (7, 24.0, 1.069), (9, 32.0, 0.994)] {
        assert_eq!(round(&block(side, side)), (length, circ), "square of side {side}");
    }
    assert_eq!(round(&block(3, 20)).1, 0.4274);
    assert!((circularity(1, perimeter(block(1, 1).view())) - 12.566).abs() < 1e-3);
}

fn random_image(rows: usize, cols: usize, seed: u32) -> Array2<u8> {
    let mut state = seed;
    let mut draw = || {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 24) as u8
    };
    let pixels: Vec<u8> = (0..rows * cols).map(|_| draw()).collect();
    from_row_major((rows, cols), &pixels)
}

fn wave_image(rows: usize, cols: usize, seed: u32) -> Array2<u8> {
    let triangle = |t: i64| (t.rem_euclid(510) - 255).abs();
    let noise = random_image(rows, cols, seed);
    let seed = i64::from(seed);
    Array2::from_shape_fn((rows, cols), |(y, x)| {
        let noise = i64::from(noise[[y, x]]) / 16;
        let (x, y) = (x as i64, y as i64);
        ((triangle(17 * x + 5 * y + seed) + triangle(2 * x + 23 * y + 5 * seed)) / 2 + noise - 8).clamp(0, 255) as u8
    })
}

fn checksum<T: Copy + Into<u32>>(values: impl IntoIterator<Item = T>) -> u64 {
    values
        .into_iter()
        .fold(0_u32, |h, v| h.wrapping_mul(31).wrapping_add(v.into()))
        .into()
}

fn roll(mask: &Array2<bool>, rows: usize, cols: usize) -> Array2<bool> {
    let (h, w) = mask.dim();
    Array2::from_shape_fn((h, w), |(y, x)| mask[[(y + h * 9 - rows) % h, (x + w * 9 - cols) % w]])
}

fn stack(slices: &[&Array2<bool>]) -> Array3<bool> {
    let (h, w) = slices[0].dim();
    Array3::from_shape_fn((slices.len(), h, w), |(z, y, x)| slices[z][[y, x]])
}

/// Compares one case of the fixture; every operator that disagrees is named.
fn compare(case: &Value) -> Vec<String> {
    let number = |key: &str| case[key].as_u64().unwrap();
    let (rows, cols, seed) = (number("rows") as usize, number("cols") as usize, number("seed") as u32);
    let random = case["kind"] == "random";
    let image = if random {
        random_image(rows, cols, seed)
    } else {
        wave_image(rows, cols, seed)
    };
    let other = random_image(rows, cols, seed + 1);
    let values = image.mapv(|v| f32::from(v) * 0.37 - 20.0);
    let blur = gaussian_blur_u8(image.view(), 7, 1.5);
    let adaptive = adaptive_threshold(blur.view(), 15, 3);
    let threshold = otsu_u8(blur.view());
    let mask = blur.mapv(|v| v > threshold);
    let volume = stack(&[&mask, &roll(&mask, 3, 0), &roll(&mask, 0, 5)]);
    let mut dark = other.mapv(|v| v < 12);
    dark[[rows / 2, cols / 2]] = true;
    let empty = Array2::from_elem((rows, cols), false);
    let dark3 = stack(&[&dark, &empty, &empty, &roll(&dark, 0, 7)]);
    let levels = percentiles(&values, &[25.0, 90.0]).unwrap();
    let labels = label_2d(mask.view(), Connectivity::Full);

    let mut wrong = Vec::new();
    let bytes = |image: &Array2<u8>| checksum(image.iter().copied());
    let bits = |mask: &Array2<bool>| checksum(mask.iter().copied());
    let exact = [
        ("image", bytes(&image)),
        ("stretch", bytes(&stretch_u8(values.view()))),
        ("clahe", bytes(&clahe(image.view(), 2.0, 8))),
        ("clahe_4_grid_5", bytes(&clahe(image.view(), 4.0, 5))),
        ("gaussian_1.25", bytes(&gaussian_truncated_u8(image.view(), 1.25))),
        ("gaussian_0.6", bytes(&gaussian_truncated_u8(image.view(), 0.6))),
        ("gaussian_9", bytes(&gaussian_truncated_u8(image.view(), 9.0))),
        ("blur_7_1.5", bytes(&blur)),
        ("blur_5_1.1", bytes(&gaussian_blur_u8(image.view(), 5, 1.1))),
        ("blur_13_2.4", bytes(&gaussian_blur_u8(image.view(), 13, 2.4))),
        ("adaptive", bits(&adaptive)),
        ("adaptive_7_-2", bits(&adaptive_threshold(image.view(), 7, -2))),
        ("otsu", bits(&mask)),
        ("hysteresis", bits(&hysteresis(values.view(), levels[0], levels[1]))),
        ("label8", checksum(labels.labels.iter().copied())),
        ("label4", checksum(label_2d(mask.view(), Connectivity::Face).labels)),
        (
            "label26",
            checksum(label_3d(volume.view(), Connectivity::Full, || Ok(())).unwrap().labels),
        ),
        (
            "label6",
            checksum(label_3d(volume.view(), Connectivity::Face, || Ok(())).unwrap().labels),
        ),
        ("dilate_cross_2", bits(&dilate(mask.view(), Element::Cross, 2))),
        ("dilate_box_1", bits(&dilate(mask.view(), Element::Box, 1))),
        ("erode_cross_1", bits(&erode(mask.view(), Element::Cross, 1, false))),
        ("erode_box_1_outside", bits(&erode(mask.view(), Element::Box, 1, true))),
        ("close_cross_4", bits(&close(mask.view(), Element::Cross, 4))),
        ("close_box_2", bits(&close(mask.view(), Element::Box, 2))),
        ("linear_up", bytes(&resize_linear_u8(image.view(), (80, 128)))),
        (
            "linear_down",
            bytes(&resize_linear_u8(image.view(), (rows / 2, cols / 2))),
        ),
        ("linear_odd", bytes(&resize_linear_u8(image.view(), (111, 37)))),
        ("nearest", bytes(&resize_nearest(image.view(), (45, 71)))),
    ];
    for (name, value) in exact {
        if case["exact"][name].as_u64() != Some(value) {
            wrong.push(name.to_owned());
        }
    }

    let wide = |a: Array2<f32>| a.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    let guide = other.mapv(f32::from);
    let perimeters: Vec<f64> = (1..=labels.areas.len() as u32)
        .map(|l| perimeter(labels.labels.mapv(|v| v == l).view()))
        .collect();
    let quantiles = percentiles(&values, &[0.0, 1.0, 37.3, 50.0, 99.0, 100.0]).unwrap();
    let floats = [
        ("gaussian_f32_0.7", wide(gaussian_f32(values.view(), 0.7)), 1e-5),
        ("gaussian_f32_20", wide(gaussian_f32(values.view(), 20.0)), 1e-5),
        ("linear_f32", wide(resize_linear_f32(values.view(), (75, 96))), 1e-4),
        ("cubic_f32", wide(resize_cubic_f32(values.view(), (75, 96))), 1e-4),
        ("distance", distance_2d(dark.view()).iter().copied().collect(), 1e-9),
        (
            "distance_3d",
            distance_3d(dark3.view(), || Ok(()))
                .unwrap()
                .iter()
                .map(|&v| f64::from(v))
                .collect(),
            1e-5,
        ),
        (
            "guided",
            wide(guided_filter(guide.view(), values.view(), 3, 50.0)),
            1e-4,
        ),
        ("local_std", wide(local_mean_std(values.view(), 4).1), 1e-4),
        ("percentiles", quantiles.iter().map(|&v| f64::from(v)).collect(), 1e-4),
        ("perimeters", perimeters, 1e-9),
    ];
    for (name, values, tolerance) in floats {
        let expected = case["floats"][name].as_array().unwrap();
        for (i, expected) in expected.iter().enumerate() {
            let value = values[i * 7919 % values.len()];
            if (value - expected.as_f64().unwrap()).abs() > tolerance {
                wrong.push(format!("{name}[{i}] = {value}, expected {expected}"));
            }
        }
    }

    let white = |image: &Array2<bool>| external_contours(image.view()) as f64;
    let numbers = [
        ("otsu", f64::from(threshold)),
        ("contours", white(&mask)),
        ("contours_adaptive", white(&adaptive)),
        ("ssim", ssim(image.view(), other.view(), span(&image))),
        ("ssim_blur", ssim(blur.view(), image.view(), span(&image))),
        ("psnr", psnr(image.view(), other.view(), span(&image))),
    ];
    for (name, value) in numbers {
        let expected = case["numbers"][name].as_f64().unwrap();
        if (value - expected).abs() > 1e-9 {
            wrong.push(format!("{name} = {value}, expected {expected}"));
        }
    }

    let cubic = resize_cubic_u8(image.view(), (99, 150));
    let expected = case["cubic"].as_array().unwrap();
    let pairs = || {
        cubic
            .iter()
            .step_by(97)
            .zip(expected)
            .map(|(&f, e)| (i64::from(f), e.as_i64().unwrap()))
    };
    // IPP's float32 rounds a few near-ties the other way.
    let off = pairs().filter(|(own, expected)| own != expected).count();
    if off > 1 || pairs().any(|(own, expected)| (own - expected).abs() > 1) {
        wrong.push(format!("cubic: {off} of {} samples", expected.len()));
    }
    wrong
}

#[test]
fn operators_agree_with_their_originals() {
    let fixture: Value = serde_json::from_str(include_str!("../../tests/fixtures/image/operators.json")).unwrap();
    for case in fixture["cases"].as_array().unwrap() {
        let wrong = compare(case);
        assert!(
            wrong.is_empty(),
            "{} {}x{}: {wrong:#?}",
            case["kind"],
            case["rows"],
            case["cols"]
        );
    }
}

#[test]
fn constant_empty_and_non_finite_images_are_harmless() {
    let flat = Array2::from_elem((9, 5), 3.5_f32);
    assert!(stretch_u8(flat.view()).iter().all(|&v| v == 0));
    assert!(stretch_f32(flat.view()).iter().all(|&v| v == 0.0));
    assert!(gaussian_f32(flat.view(), 30.0).iter().all(|&v| (v - 3.5).abs() < 1e-5));
    assert!(guided_filter(flat.view(), flat.view(), 2, 0.1)
        .iter()
        .all(|&v| (v - 3.5).abs() < 1e-5));
    assert!(local_normalise(flat.view(), 2, 0.1).iter().all(|&v| v.abs() < 1e-5));
    assert_eq!(otsu_f32(flat.view()), None);
    let mut odd = flat.clone();
    odd[[0, 0]] = f32::NAN;
    odd[[1, 1]] = f32::INFINITY;
    odd[[2, 2]] = 1.0;
    let grey = stretch_u8(odd.view());
    assert_eq!(
        (grey[[0, 0]], grey[[1, 1]], grey[[2, 2]], grey[[3, 3]]),
        (0, 255, 0, 255)
    );
    assert!(distance_2d(Array2::from_elem((4, 4), false).view())
        .iter()
        .all(|v| v.is_infinite()));
    let (none, nothing) = (Array2::<u8>::zeros((0, 7)), Array2::<f32>::zeros((0, 7)));
    assert!(percentiles(&nothing, &[50.0]).is_none());
    for image in [
        clahe(none.view(), 2.0, 8),
        gaussian_truncated_u8(none.view(), 1.0),
        gaussian_blur_u8(none.view(), 7, 1.5),
    ] {
        assert_eq!(image.dim(), (0, 7));
    }
    assert_eq!(resize_linear_u8(none.view(), (3, 3)).dim(), (3, 3));
    assert_eq!(external_contours(Array2::default((0, 7)).view()), 0);
    assert_eq!(close(Array2::default((0, 7)).view(), Element::Box, 2).dim(), (0, 7));
    assert_eq!(perimeter(Array2::default((0, 0)).view()), 0.0);
    let dot = Array2::from_elem((1, 1), 200_u8);
    assert_eq!(gaussian_blur_u8(dot.view(), 7, 1.5)[[0, 0]], 200);
    assert_eq!(clahe(dot.view(), 2.0, 8).dim(), (1, 1));
    assert!(ssim(dot.view(), dot.view(), 10.0).is_finite());
}

#[test]
fn closing_contains_the_mask_and_a_transposed_layout_is_the_same_image() {
    let image = wave_image(40, 31, 3);
    let mask = image.mapv(|v| v > 140);
    let closed = close(mask.view(), Element::Cross, 3);
    assert!(mask.iter().zip(&closed).all(|(&m, &c)| !m || c));
    assert!(count(&closed) > count(&mask));
    // Column-major memory, same logical image.
    let turned = image.t().as_standard_layout().to_owned().reversed_axes();
    assert!(!turned.is_standard_layout());
    assert_eq!(clahe(turned.view(), 2.0, 8), clahe(image.view(), 2.0, 8));
    assert_eq!(
        resize_linear_u8(turned.view(), (50, 50)),
        resize_linear_u8(image.view(), (50, 50))
    );
}

#[test]
fn long_work_on_volumes_can_be_stopped() {
    let volume = Array3::from_elem((4, 80, 80), true);
    let stop = || Err(crate::Error::Cancelled { stage: "split" });
    assert!(label_3d(volume.view(), Connectivity::Full, stop).is_err());
    assert!(distance_3d(volume.view(), stop).is_err());
}
