use proptest::prelude::*;

use super::*;

fn image((rows, cols): (usize, usize)) -> Array2<f32> {
    Array2::from_shape_fn((rows, cols), |(r, c)| {
        ((r as f32) * 0.11).sin() * 3.0 + ((c as f32) * 0.07 + r as f32 * 0.03).cos() * 2.0 + (r * c % 7) as f32 * 0.1
    })
}

fn crops(plan: &TilePlan, image: &Array2<f32>) -> Vec<Array2<f32>> {
    (0..plan.len()).map(|i| plan.crop(image.view(), i).unwrap()).collect()
}

fn furthest(a: &Array2<f32>, b: &Array2<f32>) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn crops_of_an_image_blend_and_join_to_the_image(
        rows in 1_usize..200, cols in 1_usize..200, tile in 1_usize..70, overlap in 0.0..=0.75_f64,
    ) {
        let image = image((rows, cols));
        let overlapping = TilePlan::overlapping((rows, cols), tile, overlap).unwrap();
        for plan in [overlapping, TilePlan::whole((rows, cols), tile).unwrap()] {
            let maps = crops(&plan, &image);
            prop_assert!(maps.iter().all(|m| m.dim() == plan.tile_shape()));
            prop_assert!(furthest(&plan.blend(&maps).unwrap(), &image) < 1e-5);
            prop_assert_eq!(plan.join(&maps).unwrap(), image.clone());
        }
    }

    #[test]
    fn windows_sum_to_one_and_starts_end_flush(side in 1_usize..3000, tile in 1_usize..300, overlap in 0.0..=0.75_f64) {
        let plan = TilePlan::overlapping((side, 1), tile, overlap).unwrap();
        let starts = &plan.row_starts;
        prop_assert_eq!(starts[starts.len() - 1] + tile, side.max(tile));
        let least = (tile as f64 * overlap).floor() as usize;
        prop_assert!(starts.windows(2).all(|w| w[1] > w[0] && w[1] - w[0] + least <= tile));
        let mut sum = vec![0.0; plan.frame.0];
        for (weights, &start) in partition(starts, plan.frame.0, tile).iter().zip(starts) {
            for (i, weight) in weights.iter().enumerate() {
                prop_assert!(*weight > 0.0);
                sum[start + i] += weight;
            }
        }
        prop_assert!(sum.iter().all(|s: &f64| (s - 1.0).abs() < 1e-12));
    }

    #[test]
    fn a_constant_stays_that_constant(rows in 1_usize..90, cols in 1_usize..90, value in -1e3_f32..1e3) {
        let plan = TilePlan::overlapping((rows, cols), 17, 0.4).unwrap();
        let maps = vec![Array2::from_elem((17, 17), value); plan.len()];
        prop_assert!(plan.blend(&maps).unwrap().iter().all(|v| *v == value));
    }
}

#[test]
fn thin_and_large_slices() {
    let thin = TilePlan::overlapping((33, 500), 128, 0.25).unwrap();
    assert_eq!((thin.len(), thin.col_starts.clone()), (5, vec![0, 93, 186, 279, 372]));
    let whole = TilePlan::whole((33, 500), 16).unwrap();
    assert_eq!(whole.tile_shape(), (48, 512));
    let large = TilePlan::overlapping((8192, 8192), 128, 0.25).unwrap();
    assert_eq!(large.len(), 85 * 85);
    for bad in [
        TilePlan::quadrants((0, 5), 8),
        TilePlan::whole((5, 5), 0),
        TilePlan::overlapping((5, 5), 8, 0.8),
    ] {
        assert!(bad.is_err());
    }
    assert!(TilePlan::overlapping((5, 5), 8, f64::NAN).is_err());
    let maps = vec![Array2::<f32>::zeros((8, 8)); 3];
    assert!(TilePlan::quadrants((5, 5), 8).unwrap().blend(&maps).is_err());
    assert!(TilePlan::quadrants((5, 5), 8)
        .unwrap()
        .crop(Array2::zeros((5, 5)).view(), 4)
        .is_err());
    assert!(TilePlan::quadrants((5, 5), 8)
        .unwrap()
        .crop(Array2::zeros((5, 6)).view(), 0)
        .is_err());
}

#[test]
fn quadrants_follow_the_papers_order_and_coordinates() {
    // 960 x 928 (x, y), as in the paper.
    let plan = TilePlan::quadrants((928, 960), 512).unwrap();
    assert_eq!(plan.len(), 4);
    assert_eq!(plan.to_slice(0, [0.0, 0.0]).unwrap(), [0.0, 0.0]);
    assert_eq!(plan.to_slice(1, [0.0, 0.0]).unwrap(), [0.0, 480.0]);
    assert_eq!(plan.to_slice(2, [256.0, 128.0]).unwrap(), [464.0 + 232.0, 120.0]);
    let ramp = Array2::from_shape_fn((928, 960), |(r, c)| (r * 1000 + c) as f32);
    let maps = crops(&plan, &ramp);
    assert!(maps[0][[0, 0]] < maps[1][[0, 0]] && maps[1][[0, 0]] < maps[2][[0, 0]]);
    assert!(maps[2][[0, 0]] < maps[3][[0, 0]]);
    let back = plan.blend(&maps).unwrap();
    assert!(furthest(&back, &ramp) < 800.0);
    assert_eq!(plan.join(&maps).unwrap().dim(), (928, 960));
    // Odd sizes: the released code halves with integers.
    assert_eq!(
        TilePlan::quadrants((7, 9), 512)
            .unwrap()
            .to_slice(3, [0.0, 0.0])
            .unwrap(),
        [3.0, 4.0]
    );
}

#[test]
fn levelling_takes_out_random_gains_and_offsets() {
    let image = image((150, 210));
    let plan = TilePlan::overlapping(image.dim(), 64, 0.3).unwrap();
    let clean = crops(&plan, &image);
    let toned: Vec<Array2<f32>> = clean
        .iter()
        .enumerate()
        .map(|(i, m)| m.mapv(|v| v * (1.0 + 0.15 * ((i * 5 % 7) as f32 - 3.0) / 3.0) + (i * 3 % 5) as f32 - 2.0))
        .collect();
    let error = |maps: &[Array2<f32>]| {
        // Up to one gain and offset of the whole, which the overlaps cannot know.
        let blend = plan.blend(maps).unwrap();
        let n = image.len() as f32;
        let (mi, mb) = (image.sum() / n, blend.sum() / n);
        let cov: f32 = image.iter().zip(&blend).map(|(i, b)| (i - mi) * (b - mb)).sum();
        let var: f32 = blend.iter().map(|b| (b - mb).powi(2)).sum();
        let total: f32 = image.iter().map(|i| (i - mi).powi(2)).sum();
        (1.0 - cov * cov / (var * total)).max(0.0).sqrt()
    };
    let levelled = plan.level(&toned).unwrap();
    assert!(error(&toned) > 0.2, "{}", error(&toned));
    assert!(error(&levelled) < 0.01, "{}", error(&levelled));
    // Tiles that agree stay as they are; a single tile too; constants do not divide by zero.
    assert!(plan
        .level(&clean)
        .unwrap()
        .iter()
        .zip(&clean)
        .all(|(a, b)| furthest(a, b) < 1e-3));
    let whole = TilePlan::whole((10, 10), 16).unwrap();
    let one = vec![Array2::from_elem((16, 16), 3.0)];
    assert_eq!(whole.level(&one).unwrap(), one);
    let flat = vec![Array2::from_elem((64, 64), 3.0); plan.len()];
    assert!(plan
        .level(&flat)
        .unwrap()
        .iter()
        .flatten()
        .all(|v| (v - 3.0).abs() < 1e-4));
}
