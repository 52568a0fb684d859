//! End to end on the built-in model and on matrices.
use ndarray::{Array2, Array3};

use super::*;
use crate::diffusion::LoadOptions;
use crate::ncut::{Method, NcutOptions, Preset};
use crate::runtime::{CancelToken, Generator, Logger};
use crate::volume::Geometry;

fn model() -> DiffusionModel {
    DiffusionModel::builtin(&LoadOptions::default()).unwrap()
}

/// A dark disc on a bright ground, with noise; `centre` moves it along.
fn disc(rows: usize, cols: usize, centre: f64, seed: u64) -> Array2<f32> {
    let mut generator = Generator::new(seed, 0);
    Array2::from_shape_fn((rows, cols), |(r, c)| {
        let inside = (r as f64 - rows as f64 / 2.0).hypot(c as f64 - centre) < rows as f64 / 4.0;
        (if inside { -2.0 } else { 1.0 }) + 0.3 * generator.normal() as f32
    })
}

fn small(preset: Preset) -> NcutOptions {
    NcutOptions {
        working_tokens: 16,
        timestep: Some(250),
        ..NcutOptions::new(preset)
    }
}

#[test]
fn every_preset_segments_an_image_the_same_way_twice() {
    let model = model();
    let image = disc(60, 90, 40.0, 1).insert_axis(Axis(0));
    let fits = |preset: &Preset| *preset != Preset::EmerDiff;
    for (name, preset) in Preset::ALL.into_iter().filter(|(_, preset)| fits(preset)) {
        let mut options = small(preset);
        options.clusters = 3;
        let run = || {
            let image = ImageInput::new(image.view(), None).unwrap();
            segment_image(&model, image, &options, &Job::quiet()).unwrap()
        };
        let whole = run();
        assert_eq!(whole.labels.dim(), (1, 60, 90), "{name}");
        let count = whole.segments.len() as u32;
        assert!(whole.labels.iter().all(|&label| label < count), "{name}");
        assert_eq!(whole.segments.iter().map(|s| s.pixels).sum::<u64>(), 5400);
        assert_eq!(whole.features.nrows(), whole.segments.len());
        assert_eq!(whole.report.preset, name);
        assert_eq!((whole.cells.len(), whole.cells[0].z), (1, [0, 1]));
        let walks = options.method == Method::Walk;
        assert!(!walks || whole.segments.len() == 8, "{name}: {}", whole.segments.len());
        let again = run();
        assert_eq!(whole.labels, again.labels, "{name}");
        assert_eq!(whole.cells[0].tree, again.cells[0].tree, "{name}");
    }
}

#[test]
fn colour_and_every_latent_mode_are_taken() {
    let model = model();
    let grey = disc(48, 48, 24.0, 2);
    let colour = Array3::from_shape_fn((3, 48, 48), |(_, r, c)| grey[[r, c]]);
    let run = |pixels: &Array3<f32>, options: &NcutOptions| {
        let image = ImageInput::new(pixels.view(), None).unwrap();
        segment_image(&model, image, options, &Job::quiet())
    };
    let mut options = small(Preset::WalkAndCut);
    let one = run(&grey.clone().insert_axis(Axis(0)), &options).unwrap();
    // Equal channels are grey, up to rounding of the weights.
    let same = one
        .labels
        .iter()
        .zip(&run(&colour, &options).unwrap().labels)
        .filter(|(a, b)| a == b)
        .count();
    assert!(same > 2200, "{same} of 2304");
    for mode in [LatentMode::Clean, LatentMode::Noised] {
        options.latent_mode = Some(mode);
        assert_eq!(run(&colour, &options).unwrap().labels.dim(), (1, 48, 48));
    }
    // The built-in model sees neighbours, whose noise it does not predict.
    options.latent_mode = Some(LatentMode::Inverted);
    assert!(matches!(run(&colour, &options), Err(Error::Unsupported(_))));
    let refused = run(&colour, &small(Preset::EmerDiff)).unwrap_err().to_string();
    assert!(
        refused.contains("emerdiff with") && refused.contains("Stable Diffusion"),
        "{refused}"
    );
    options.latent_mode = None;
    options.levels = vec![4];
    assert!(run(&colour, &options).unwrap_err().to_string().contains("level is 4"));
}

#[test]
fn a_disc_that_moves_through_a_slab_keeps_its_number() {
    let model = model();
    let mut voxels = Array3::zeros((6, 64, 64));
    for (z, mut slice) in voxels.outer_iter_mut().enumerate() {
        slice.assign(&disc(64, 64, 26.0 + 2.0 * z as f64, z as u64));
    }
    let tomogram = Tomogram::from_array(voxels, Geometry::new([6, 64, 64], 10.0)).unwrap();
    let mut options = small(Preset::WalkAndCut);
    options.counts = vec![2];
    options.pamr = true;
    options.working_tokens = 32;
    let whole = segment_slices(&model, &tomogram, 1..6, &options, &Job::quiet()).unwrap();
    assert_eq!((whole.labels.dim(), whole.cells.len()), ((5, 64, 64), 3));
    assert_eq!(whole.cells[2].z, [5, 6]);
    let level = &whole.levels[0];
    let at_centre: Vec<u32> = (0..5).map(|z| level.labels[[z, 32, 28 + 2 * z]]).collect();
    let corner: Vec<u32> = (0..5).map(|z| level.labels[[z, 2, 2]]).collect();
    assert!(at_centre.iter().all(|label| *label == at_centre[0]), "{at_centre:?}");
    assert!(
        corner.iter().all(|label| *label == corner[0] && *label != at_centre[0]),
        "{corner:?}"
    );
    assert!(segment_slices(&model, &tomogram, 4..8, &options, &Job::quiet()).is_err());
}

#[test]
fn matrices_of_the_host_are_cut_on_their_grid_or_enlarged() {
    let features = Tensor::from_slice(&[1.0_f32, 0.0, 1.0, 0.1, 0.0, 1.0, 0.1, 1.0]).reshape([4, 2]);
    let cut = |matrix: MatrixInput, grid, shape, options: &NcutOptions| {
        segment_matrix(matrix, grid, shape, options, &Job::quiet())
    };
    let options = NcutOptions::new(Preset::DiffCut);
    let copy = || MatrixInput::Features(features.shallow_clone());
    let whole = cut(copy(), (2, 2), None, &options).unwrap();
    assert_eq!(whole.labels.iter().copied().collect::<Vec<u32>>(), [0, 0, 1, 1]);
    let whole = cut(copy(), (2, 2), Some((6, 4)), &options).unwrap();
    assert_eq!(
        (whole.labels.dim(), whole.labels[[0, 0, 0]], whole.labels[[0, 5, 3]]),
        ((1, 6, 4), 0, 1)
    );

    let text = |result: Result<Segmentation>| result.unwrap_err().to_string();
    assert!(text(cut(copy(), (2, 3), None, &options)).contains("N = 2 x 3"));
    assert!(text(cut(copy(), (0, 4), None, &options)).contains("N = 0 x 4"));
    assert!(text(cut(copy(), (usize::MAX, 2), None, &options)).contains("must be N x D"));
    let nan = Tensor::from_slice(&[f32::NAN, 1.0]).reshape([2, 1]);
    assert!(text(cut(MatrixInput::Features(nan), (1, 2), None, &options)).contains("finite"));
    let walk = NcutOptions::new(Preset::RandomWalk);
    let rows = Tensor::from_slice(&[0.5_f32, 0.6, 0.5, 0.5]).reshape([2, 2]);
    assert!(text(cut(MatrixInput::Transition(rows), (1, 2), None, &walk)).contains("row 0"));
    let negative = Tensor::from_slice(&[1.0_f32, -1.0, -1.0, 1.0]).reshape([2, 2]);
    let affinity = NcutOptions::new(Preset::WalkAndCut);
    assert!(text(cut(MatrixInput::Affinity(negative), (1, 2), None, &affinity)).contains("not negative"));
    let refined = NcutOptions { pamr: true, ..options };
    assert!(text(cut(copy(), (2, 2), None, &refined)).contains("needs the image"));
}

#[test]
fn a_cancelled_call_stops() {
    let cancel = CancelToken::default();
    cancel.request();
    let job = Job::new(cancel, Logger::default());
    let image = disc(32, 32, 16.0, 1).insert_axis(Axis(0));
    let image = ImageInput::new(image.view(), None).unwrap();
    let error = segment_image(&model(), image, &small(Preset::WalkAndCut), &job).unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
}
