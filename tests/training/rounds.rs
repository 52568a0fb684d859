//! Validation, patience, best weights, rounds of self-training: what they do, and that a resumed run ends with the same
//! bytes.
use ndarray::s;
use tch::Device;
use tomocut::networks::{CompactConfig, NetworkConfig, SegmentationModel, Unet2dConfig};
use tomocut::runtime::{Error, Job, Progress};
use tomocut::segmenter::{mean_dice, LabelledTraining, OptimiserName, ScheduleName, SegmenterOptions, SlabLabels};

use super::segmenter::{names, options, scene, small, tomogram};

/// A training on slices 4 to 19 of the scene; with rounds, on the rest of them too.
fn training(settings: &SegmenterOptions) -> LabelledTraining {
    tch::set_num_threads(2);
    let mut training = LabelledTraining::new(settings, Device::Cpu).unwrap();
    let (labels, names) = (scene().1, names());
    let slab = SlabLabels {
        z: 4..20,
        labels: Some(labels.slice(s![4..20, .., ..])),
        confidence: None,
        points: &[],
        names: &names,
    };
    training.add(&tomogram(), &slab, false, &Job::quiet()).unwrap();
    if settings.rounds > 0 {
        training.add_unlabelled(&tomogram(), 0..24, &Job::quiet()).unwrap();
    }
    training
}

fn scored(network: NetworkConfig, steps: u64) -> SegmenterOptions {
    SegmenterOptions {
        window: Some([16, 16, 16]),
        validation_share: 0.3,
        validation_every: 2,
        validation_windows: 3,
        ..options(network, steps)
    }
}

fn bytes(model: &SegmentationModel) -> Vec<u8> {
    model.to_bytes().unwrap()
}

fn run(training: &mut LabelledTraining, until: u64) {
    training.train(until, None, &Job::quiet()).unwrap();
}

/// Stops after every step, with a checkpoint, and goes on in a new training: the same bytes, scores and losses as in
/// one go.
fn resumes_to_the_same(settings: &SegmenterOptions) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let mut whole = training(settings);
    run(&mut whole, u64::MAX);
    assert!(whole.is_finished());
    let mut stopped = training(settings);
    for until in 1..=whole.steps() {
        run(&mut stopped, until);
        stopped.save(&path).unwrap();
        stopped = training(settings);
        stopped.resume(&path).unwrap();
        if stopped.is_finished() {
            break;
        }
    }
    assert!(stopped.is_finished());
    assert_eq!(stopped.score_history(), whole.score_history());
    assert_eq!((stopped.best(), stopped.step()), (whole.best(), whole.step()));
    assert!(bytes(&stopped.model().unwrap()) == bytes(&whole.model().unwrap()));
    // Best weights, optimiser and all.
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    whole.save(&one).unwrap();
    stopped.save(&other).unwrap();
    assert!(std::fs::read(one).unwrap() == std::fs::read(other).unwrap());
}

#[test]
fn a_scored_run_resumes_to_the_same_bytes() {
    let mut settings = scored(small(), 5);
    settings.optimiser = OptimiserName::Sgd;
    settings.schedule = ScheduleName::Plateau;
    settings.curve.plateau_patience = 0;
    settings.validation_every = 1;
    resumes_to_the_same(&settings);
}

#[test]
fn rounds_resume_to_the_same_bytes() {
    let mut settings = scored(small(), 3);
    (settings.rounds, settings.sure, settings.sure_not) = (2, 0.5, 0.5);
    resumes_to_the_same(&settings);
    let flat = NetworkConfig::Unet2d(Unet2dConfig {
        widths: vec![4, 8],
        dropout: vec![0.1, 0.1],
        outputs: ["background", "membrane", "molecule"].map(str::to_owned).to_vec(),
        window: 32,
        ..Unet2dConfig::default()
    });
    let mut settings = scored(flat, 2);
    settings.window = Some([1, 16, 16]);
    settings.rounds = 1;
    settings.validation_share = 0.0;
    resumes_to_the_same(&settings);
}

#[test]
fn patience_ends_a_run_and_the_best_weights_are_the_result() {
    let mut settings = scored(small(), 400);
    // After a good start the rate is far too high.
    settings.warm_up = 300;
    settings.adamw.rate = 0.5;
    settings.clip = 1e6;
    settings.ema_decay = 0.0;
    settings.validation_every = 5;
    settings.patience = 4;
    let mut training = training(&settings);
    let mut seen = Vec::new();
    let job = Job::quiet().with_every_report().with_progress(|progress: &Progress| {
        seen.push(progress.score);
        true
    });
    training.train(u64::MAX, None, &job).unwrap();
    drop(job);
    assert!(
        training.is_finished() && training.step() < 400,
        "step {}",
        training.step()
    );
    let (best, scores) = (training.best().unwrap(), training.score_history().to_vec());
    assert_eq!(scores.len() as u64 * 5, training.step());
    assert_eq!(best.step + 4 * 5, training.step());
    assert!(scores.iter().all(|record| record.score <= best.score));
    assert!(seen
        .iter()
        .any(|score| scores.iter().any(|record| record.score == *score)));
    // What is exported has the best score, not the last.
    let result = mean_dice(&training.scores(3, &Job::quiet()).unwrap());
    assert!((result - best.score).abs() < 1e-12, "{result} is not {}", best.score);
    // Nothing is left to do.
    run(&mut training, u64::MAX);
    assert_eq!(training.score_history(), scores);
}

#[test]
fn a_round_teaches_what_lies_outside_the_slab() {
    let network = NetworkConfig::Compact(CompactConfig {
        widths: vec![16],
        blocks_down: vec![1],
        blocks_up: vec![],
        outputs: names(),
        ..CompactConfig::default()
    });
    let mut settings = options(network, 80);
    settings.rounds = 1;
    let mut training = training(&settings);
    run(&mut training, 80);
    assert_eq!((training.round(), training.step(), training.steps()), (0, 80, 160));
    let before = mean_dice(&training.scores(8, &Job::quiet()).unwrap());
    run(&mut training, u64::MAX);
    assert_eq!((training.round(), training.step()), (1, 160));
    assert!(training.is_finished());
    // Scored on the labels of the round, which are those of the whole tomogram by now: the network agrees with them.
    let after = mean_dice(&training.scores(8, &Job::quiet()).unwrap());
    assert!(before > 0.8 && after > 0.8, "{before} {after}");
}

#[test]
fn what_has_no_sense_without_its_other_half_is_refused() {
    let mut settings = scored(small(), 4);
    settings.validation_share = 0.0;
    settings.schedule = ScheduleName::Plateau;
    settings.curve.plateau_patience = 1;
    let error = training(&settings).train(u64::MAX, None, &Job::quiet()).unwrap_err();
    assert!(error.to_string().contains("plateau"), "{error}");
    let mut plain = training(&scored(small(), 4));
    let error = plain.add_unlabelled(&tomogram(), 0..4, &Job::quiet()).unwrap_err();
    assert!(matches!(error, Error::State(_)), "{error}");
}

#[test]
fn a_cancel_in_any_step_changes_nothing() {
    let flat = NetworkConfig::Unet2d(Unet2dConfig {
        widths: vec![4, 8],
        dropout: vec![0.1, 0.1],
        outputs: ["background", "membrane", "molecule"].map(str::to_owned).to_vec(),
        window: 32,
        ..Unet2dConfig::default()
    });
    let mut settings = scored(flat, 6);
    settings.window = Some([1, 16, 16]);
    settings.validation_share = 0.0;
    let mut whole = training(&settings);
    run(&mut whole, u64::MAX);
    let mut cancelled = training(&settings);
    let mut cancels = 0;
    while !cancelled.is_finished() {
        // From another thread: at any point of a step.
        let token = tomocut::runtime::CancelToken::default();
        let job = Job::new(token.clone(), tomocut::runtime::Logger::default());
        let at = std::time::Duration::from_secs_f64(1e-3 * 1.4_f64.powi(cancels));
        let raise = std::thread::spawn(move || {
            std::thread::sleep(at);
            token.request();
        });
        if let Err(error) = cancelled.train(u64::MAX, None, &job) {
            assert!(matches!(error, Error::Cancelled { .. }), "{error}");
        }
        raise.join().unwrap();
        cancels += 1;
    }
    assert!(cancels > 2);
    assert!(bytes(&cancelled.model().unwrap()) == bytes(&whole.model().unwrap()));
}
