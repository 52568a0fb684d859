//! The solver `adam`: grouped against plain, its losses, its read-out and its options.
use super::super::testing::{blob_set, golden_channels};
use super::*;

/// A stream of different sets.
struct Fresh(Generator);

impl AttentionStream for Fresh {
    fn draw(&mut self, _job: &Job) -> Result<AttentionSet> {
        Ok(blob_set(&[(8, 8), (4, 4), (8, 8)], 4, &mut self.0))
    }
}

fn small() -> Adam {
    Adam {
        n_vectors: 4,
        iterations: 60,
        hidden: 8,
        buffered_from: 1,
        ..Adam::default()
    }
}

fn run(adam: &Adam) -> Eigenvectors {
    let mut stream = Fresh(Generator::new(9, 0));
    adam.solve(&mut stream, (8, 8), &Job::quiet()).unwrap()
}

#[test]
fn grouped_equals_plain() {
    let cases = [
        (0.9, 1, NcutForm::LayerMeans),
        (0.75, 3, NcutForm::Frobenius),
        (0.0, 0, NcutForm::LayerMeans),
    ];
    for (reuse, buffer_size, form) in cases {
        let adam = Adam {
            reuse,
            buffer_size,
            form,
            ..small()
        };
        let grouped = run(&adam);
        let plain = run(&Adam { grouped: false, ..adam });
        let error = grouped
            .vectors
            .f_sub(&plain.vectors)
            .unwrap()
            .abs()
            .max()
            .double_value(&[]);
        assert!(error < 1e-5, "vectors differ by {error} with a buffer of {buffer_size}");
        for (a, b) in grouped.values.iter().zip(&plain.values) {
            assert!((a - b).abs() < 1e-5);
        }
    }
}

#[test]
fn training_lowers_the_loss_and_repeats() {
    let losses = std::cell::RefCell::new(Vec::new());
    let adam = Adam {
        iterations: 400,
        accumulate: 1,
        learning_rate: 1e-2,
        ..small()
    };
    let job = Job::quiet().with_every_report().with_progress(|p| {
        losses.borrow_mut().push(p.loss);
        true
    });
    let mut stream = Fresh(Generator::new(9, 0));
    let first = adam.solve(&mut stream, (8, 8), &job).unwrap();
    drop(job);
    let losses = losses.into_inner();
    assert!(losses.last() < losses.first(), "{losses:?}");
    let again = run(&adam);
    assert_eq!(
        Vec::<f32>::try_from(first.vectors.view(-1)).unwrap(),
        Vec::<f32>::try_from(again.vectors.view(-1)).unwrap()
    );
    assert!(first.values.windows(2).all(|w| w[0] >= w[1]));
}

#[test]
fn read_out_matches_the_golden_singular_values() {
    let x = golden_channels().reshape([3, 64]).transpose(0, 1);
    let (values, vectors) = singular_channels(&x).unwrap();
    for (value, expected) in values.iter().zip([1.68414462, 0.30563635, 0.26503307]) {
        // The golden numbers were computed in float32.
        assert!((value - expected).abs() < 3e-7);
    }
    assert_eq!(vectors.size(), [64, 3]);
}

#[test]
fn bad_options_are_named() {
    let cases = [
        (
            Adam {
                n_vectors: 65,
                ..small()
            },
            "n_vectors is 65, must be 1..=64",
        ),
        (
            Adam {
                accumulate: 0,
                ..small()
            },
            "accumulate is 0",
        ),
        (
            Adam {
                iterations: 3,
                ..small()
            },
            "iterations is 3",
        ),
        (
            Adam {
                learning_rate: f64::NAN,
                ..small()
            },
            "learning_rate is NaN",
        ),
        (Adam { reuse: 1.5, ..small() }, "reuse is 1.5"),
        (Adam { hidden: 0, ..small() }, "hidden is 0"),
    ];
    for (adam, text) in cases {
        let mut stream = Fresh(Generator::new(9, 0));
        let error = adam.solve(&mut stream, (8, 8), &Job::quiet()).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn a_cancel_stops_it() {
    let job = Job::quiet();
    job.cancel_token().request();
    let mut stream = Fresh(Generator::new(9, 0));
    let error = small().solve(&mut stream, (8, 8), &job).unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }));
}
