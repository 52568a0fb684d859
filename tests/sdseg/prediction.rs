//! Prediction: whole slices beyond the window, smoothing along z, samples, pictures.
use ndarray::{Array2, Array3};
use tch::Device;
use tomocut::networks::{Sampler, Sampling, SegmentationModel};
use tomocut::predict::{predict, predict_pictures, Output, PredictOptions};
use tomocut::runtime::{Generator, Job};
use tomocut::volume::{Geometry, Tomogram};

use crate::{description, tiny, training, write_png};

const SHAPE: [usize; 3] = [5, 90, 100];

fn tomogram() -> Tomogram {
    let noise = crate::hashed::uniform("tomogram", SHAPE.iter().product());
    let voxels = Array3::from_shape_vec(SHAPE, noise).unwrap();
    Tomogram::from_array(voxels, Geometry::new(SHAPE, 10.0)).unwrap()
}

fn model() -> SegmentationModel {
    let mut training = training(tiny(), 2);
    training.train(2, None, &Job::quiet()).unwrap();
    training.model().unwrap()
}

fn volume(model: &SegmentationModel, options: &PredictOptions, output: &str) -> Array3<f32> {
    let folder = tempfile::tempdir().unwrap();
    let tomogram = tomogram();
    let report = predict(model, &tomogram, folder.path(), options, &Job::quiet()).unwrap();
    assert!(report.finished);
    let path = folder.path().join(format!("{}_{output}.mrc", tomogram.name()));
    Tomogram::open(&path, &Job::quiet())
        .unwrap()
        .read_slices(0..SHAPE[0])
        .unwrap()
}

fn largest(a: &Array3<f32>, b: &Array3<f32>) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn tiles_and_smoothing_do_not_show() {
    let model = model();
    let of = |core: [usize; 3], z_smoothing: f64| {
        let options = PredictOptions {
            core: Some(core),
            z_smoothing,
            outputs: vec![Output::Probabilities],
            ..PredictOptions::default()
        };
        volume(&model, &options, "foreground")
    };
    let whole = of(SHAPE, 0.0);
    // Cores of a slice, and of part of one: the network is given whole slices whatever is asked for.
    assert!(largest(&whole, &of([1, 30, 30], 0.0)) < 2e-3);
    let smooth = of(SHAPE, 1.0);
    assert!(largest(&smooth, &of([2, 90, 100], 1.0)) < 2e-3);
    let weight: Vec<f32> = (-2..=2).map(|d: i32| (-0.5 * (d * d) as f32).exp()).collect();
    for at in [[2, 10, 20], [2, 50, 70]] {
        let expected: f32 =
            (0..5).map(|z| weight[z] * whole[[z, at[1], at[2]]]).sum::<f32>() / weight.iter().sum::<f32>();
        assert!((smooth[at] - expected).abs() < 2e-3, "{} {expected}", smooth[at]);
    }
}

#[test]
fn samples_have_a_deviation_and_samplers_their_own_answers() {
    let model = model();
    let of = |sampling: Sampling, output: &str| {
        let several = sampling.samples > 1;
        let options = PredictOptions {
            sampler: sampling.sampler,
            steps: sampling.steps,
            samples: sampling.samples,
            seed: sampling.seed,
            outputs: match several {
                true => vec![Output::Probabilities, Output::Deviations],
                false => vec![Output::Probabilities],
            },
            ..PredictOptions::default()
        };
        volume(&model, &options, output)
    };
    let one = Sampling::default();
    let first = of(one, "foreground");
    let second = of(Sampling { seed: 2, ..one }, "foreground");
    assert!(largest(&first, &second) > 1e-3, "another noise, another answer");
    let several = Sampling { samples: 3, ..one };
    let deviation = of(several, "foreground_std");
    assert!(deviation.iter().all(|d| (0.0..=0.51).contains(d)) && deviation.iter().any(|d| *d > 1e-3));
    let steps = |sampler| {
        of(
            Sampling {
                sampler,
                steps: 4,
                ..one
            },
            "foreground",
        )
    };
    let (ddim, solver) = (steps(Sampler::Ddim), steps(Sampler::DpmSolver));
    assert!(largest(&ddim, &first) > 1e-3 && largest(&ddim, &solver) > 1e-4);
    assert!(ddim.iter().chain(&solver).all(|p| (0.0..=1.0).contains(p)));
}

#[test]
fn settings_that_do_not_fit_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |model: &SegmentationModel, options: PredictOptions| {
        let error = predict(model, &tomogram(), folder.path(), &options, &Job::quiet());
        error.err().unwrap().to_string()
    };
    let steps = |steps| PredictOptions {
        steps,
        ..PredictOptions::default()
    };
    let drawn = model();
    assert_eq!(refused(&drawn, steps(0)), "steps is 0, must be 1..=1000");
    let plain = SegmentationModel::builtin(Device::Cpu).unwrap();
    assert!(refused(&plain, steps(2)).contains("steps is 2, must be 1"));
    let smooth = PredictOptions {
        z_smoothing: 1.0,
        ..PredictOptions::default()
    };
    assert!(refused(&plain, smooth).contains("z_smoothing is 1"));
    let untrained = SegmentationModel::random(
        {
            let mut config = tiny();
            config.first_stage.block_out_channels = vec![8, 8, 8, 8];
            description(config)
        },
        &mut Generator::new(1, 0),
        Device::Cpu,
    );
    assert!(refused(&untrained.unwrap(), PredictOptions::default()).contains("has not been trained"));
}

#[test]
fn pictures_come_back_in_their_own_size() {
    let folder = tempfile::tempdir().unwrap();
    let levels = Array2::from_shape_fn((70, 50), |(r, c)| ((3 * r + 2 * c) % 251) as u8);
    let image = write_png(folder.path(), "one.png", &levels);
    let options = PredictOptions {
        samples: 2,
        outputs: vec![Output::Probabilities, Output::Deviations],
        ..PredictOptions::default()
    };
    let out = folder.path().join("out");
    let report = predict_pictures(&model(), std::slice::from_ref(&image), &out, &options, &Job::quiet()).unwrap();
    let names: Vec<_> = report
        .files
        .iter()
        .map(|path| path.file_name().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "one_foreground.png",
            "one_foreground_probability.png",
            "one_foreground_std.png"
        ]
    );
    for path in &report.files {
        let read = tomocut::image::PictureFile::read(path).unwrap();
        assert_eq!(read.pixels.dim(), (1, 70, 50));
    }
    let stability = report.stability.unwrap();
    assert!((0.0..=1.0).contains(&stability.dice) && stability.psnr > 0.0);
    let twice = predict_pictures(&model(), &[image.clone(), image], &out, &options, &Job::quiet());
    assert!(twice.err().unwrap().to_string().contains("two pictures of one name"));
}
