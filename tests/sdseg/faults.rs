//! What goes wrong, and what it is called.
use std::path::PathBuf;

use ndarray::Array2;
use tch::Device;
use tomocut::networks::SdSegConfig;
use tomocut::runtime::Job;
use tomocut::segmenter::LabelledTraining;
use tomocut::Error;

use crate::{disc, options, tiny, write_png};

#[test]
fn pictures_that_cannot_be_learnt_from_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let png = |name: &str, of: &dyn Fn(usize, usize) -> u8| {
        write_png(folder.path(), name, &Array2::from_shape_fn((64, 64), |(r, c)| of(r, c)))
    };
    let image = png("image.png", &|r, c| (r + 2 * c) as u8);
    let good = png("good.png", &|r, _| if r < 20 { 255 } else { 0 });
    let grey = png("grey.png", &|r, _| 3 * r as u8);
    let small = write_png(folder.path(), "small.png", &Array2::zeros((32, 64)));
    let text = folder.path().join("text.png");
    std::fs::write(&text, "no picture").unwrap();
    let absent = folder.path().join("absent.png");
    let mut training = LabelledTraining::new(&options(tiny(), 2), Device::Cpu).unwrap();
    let mut refused = |images: &[&PathBuf], masks: &[&PathBuf]| {
        let list = |paths: &[&PathBuf]| paths.iter().map(|path| (*path).clone()).collect::<Vec<_>>();
        let added = training.add_pictures(&list(images), &list(masks), false, &Job::quiet());
        assert_eq!(training.counts(), (0, 0), "nothing is added");
        added.unwrap_err()
    };
    let told = |error: Error, words: &[&str]| {
        let text = error.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    };
    let error = refused(&[&image, &image], &[&good]);
    assert!(matches!(error, Error::InvalidArgument { .. }));
    told(error, &["number of masks is 1, must be as many as there are images, 2"]);
    let error = refused(&[&image, &image], &[&good, &grey]);
    assert!(matches!(error, Error::Format { .. }));
    told(error, &["grey.png", "a mask has two levels"]);
    told(
        refused(&[&image], &[&small]),
        &["small.png", "is 32 x 64, must be 64 x 64"],
    );
    let error = refused(&[&text], &[&good]);
    assert!(matches!(error, Error::Format { .. }));
    told(error, &["text.png"]);
    let error = refused(&[&absent], &[&good]);
    assert!(matches!(error, Error::Io { .. }));
    told(error, &["absent.png"]);
    told(refused(&[], &[]), &["number of images is 0"]);
    let images = [image];
    training.add_pictures(&images, &[good], false, &Job::quiet()).unwrap();
    assert_eq!(training.counts(), (1, 0));
}

#[test]
fn a_loss_that_is_no_number_leaves_the_weights_and_names_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.checkpoint");
    let mut options = options(tiny(), 60);
    options.adamw.rate = 1.0;
    options.warm_up = 1;
    options.adamw.epsilon = 1e-16;
    options.clip = 1e6;
    options.adamw.weight_decay = 10.0;
    let mut training = LabelledTraining::new(&options, Device::Cpu).unwrap();
    training.add_pairs(&[disc(0), disc(1)], false).unwrap();
    training.save(&path).unwrap();
    // Weights that grow ninefold with every step.
    let error = training.train(60, None, &Job::quiet()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::State(_)), "{text}");
    assert!(
        text.contains("run.checkpoint") && text.contains("lower the rate"),
        "{text}"
    );
}

#[test]
fn a_first_stage_that_nobody_trained_is_refused() {
    let mut config: SdSegConfig = tiny();
    config.first_stage.block_out_channels = vec![8, 8, 8, 8];
    let error = LabelledTraining::new(&options(config, 2), Device::Cpu).err().unwrap();
    assert!(error.to_string().contains("first_stage is another"), "{error}");
}
