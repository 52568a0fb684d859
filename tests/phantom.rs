//! Phantoms: the same bytes for the same options, labels that match the objects, optics and noise as asked for.
use ndarray::{s, Array3};
use tomocut::phantom::{
    simulate, CellOptions, InstanceKind, LamellaOptions, Phantom, PhantomOptions, ProcessingOptions, Specimen,
    FILAMENT, MEMBRANE, MOLECULE,
};
use tomocut::runtime::{CancelToken, Error, Generator, Job, Logger};
use tomocut::settings::Settings;

fn small() -> PhantomOptions {
    PhantomOptions {
        shape: [40, 72, 80],
        voxel_nm: 1.6,
        seed: 7,
        snr: 0.3,
        membranes: 3,
        crowding: 0.1,
        filaments: 2,
        gold_beads: 1,
        ..PhantomOptions::default()
    }
}

fn make(options: &PhantomOptions) -> Phantom {
    simulate(options, &Job::quiet()).unwrap()
}

fn moments(volume: &Array3<f32>) -> (f64, f64) {
    let n = volume.len() as f64;
    let mean = volume.iter().map(|v| *v as f64).sum::<f64>() / n;
    (mean, volume.iter().map(|v| (*v as f64 - mean).powi(2)).sum::<f64>() / n)
}

#[test]
fn the_same_options_give_the_same_bytes_and_other_seeds_do_not() {
    let (first, second) = (make(&small()), make(&small()));
    assert_eq!(first.tomogram, second.tomogram);
    assert_eq!(first.labels, second.labels);
    assert_eq!(first.instances_csv(), second.instances_csv());
    let other = make(&PhantomOptions { seed: 8, ..small() });
    assert_ne!(first.labels, other.labels);
    // Another SNR leaves specimen and signal as they are.
    let cleaner = make(&PhantomOptions { snr: 1.0, ..small() });
    assert_eq!(first.signal, cleaner.signal);
    assert_eq!(first.labels, cleaner.labels);
}

#[test]
fn the_tomogram_is_signal_plus_noise_at_the_ratio_asked_for() {
    for snr in [0.05, 0.3, 2.0] {
        let phantom = make(&PhantomOptions { snr, ..small() });
        let ((_, signal), (mean, noise)) = (moments(&phantom.signal), moments(&phantom.noise));
        assert!(
            (signal / noise / snr - 1.0).abs() < 1e-3,
            "SNR {} instead of {snr}",
            signal / noise
        );
        assert!((signal - 1.0).abs() < 1e-4 && mean.abs() < 1e-3);
        let sum = &phantom.signal + &phantom.noise;
        assert!(sum.iter().zip(&phantom.tomogram).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}

#[test]
fn labels_match_the_objects() {
    let phantom = make(&small());
    let labels = &phantom.labels;
    let inside = |p: [f64; 3]| {
        let index = p.map(|v| v.round() as usize);
        p.iter()
            .zip(labels.shape())
            .all(|(v, n)| v.round() >= 0.0 && v.round() < *n as f64)
            .then_some(index)
    };
    let mut seen = 0;
    for instance in phantom.instances.iter().filter(|i| i.kind == InstanceKind::Globular) {
        let index = inside(instance.position).unwrap();
        assert_eq!(labels[index], MOLECULE, "centre of {instance:?}");
        // Nothing of a lone molecule reaches beyond its diameter: the label set around it is bounded by it.
        assert!((8.0..=35.0).contains(&instance.diameter_nm));
        seen += 1;
    }
    assert!(seen > 5, "only {seen} globular molecules");
    for label in [MEMBRANE, MOLECULE, FILAMENT] {
        assert!(labels.iter().any(|l| *l == label), "no voxel has label {label}");
        assert!(phantom.instances.iter().any(|i| i.kind.label() == label));
    }
    assert!(labels.iter().all(|l| *l <= FILAMENT));
    let share = labels.iter().filter(|l| **l == MOLECULE).count() as f64 / labels.len() as f64;
    assert!((0.06..=0.12).contains(&share), "molecules fill {share}");
}

#[test]
fn labelled_voxels_are_dense_and_dark_in_the_tomogram() {
    let options = PhantomOptions {
        gold_beads: 0,
        gradient: 0.0,
        ..small()
    };
    let specimen = Specimen::draw(&options, &mut Generator::new(options.seed, 0), &Job::quiet()).unwrap();
    let phantom = make(&options);
    let mean = |of: &Array3<f32>, labelled: bool| {
        let picked: Vec<f32> = of
            .iter()
            .zip(&phantom.labels)
            .filter(|(_, l)| (**l > 0) == labelled)
            .map(|(v, _)| *v)
            .collect();
        picked.iter().sum::<f32>() / picked.len() as f32
    };
    assert_eq!(specimen.labels, phantom.labels);
    assert!(mean(&specimen.density, true) > 0.4 && mean(&specimen.density, false) < 0.1);
    assert!(mean(&phantom.signal, true) < -0.5 && mean(&phantom.signal, false) > 0.0);
    let bright = make(&PhantomOptions {
        protein_dark: false,
        ..options
    });
    assert!(bright
        .signal
        .iter()
        .zip(&phantom.signal)
        .all(|(a, b)| (a + b).abs() < 1e-4));
}

/// Share of the power of planes y = const in the wedge that no projection covers, measured with a window against
/// leakage.
fn power_in_wedge(volume: &Array3<f32>, half_opening: f64) -> f64 {
    let (depth, height, width) = volume.dim();
    let hann = |i: usize, n: usize| 0.5 - 0.5 * (std::f64::consts::TAU * (i as f64 + 0.5) / n as f64).cos();
    let (mut wedge, mut all) = (0.0, 0.0);
    for y in (4..height).step_by(16) {
        let plane = volume.slice(s![.., y, ..]);
        let values: Vec<f64> = (0..depth)
            .flat_map(|z| (0..width).map(move |x| (z, x)))
            .map(|(z, x)| plane[[z, x]] as f64 * hann(z, depth) * hann(x, width))
            .collect();
        let spectrum = tch::Tensor::from_slice(&values)
            .view([depth as i64, width as i64])
            .fft_fft2(None::<&[i64]>, [0, 1].as_slice(), "backward");
        let power = spectrum.abs().square();
        let power: Vec<f64> = Vec::try_from(power.view([-1])).unwrap();
        let signed = |i: usize, n: usize| if i <= n / 2 { i as f64 } else { i as f64 - n as f64 } / n as f64;
        for z in 0..depth {
            for x in 0..width {
                let (kz, kx) = (signed(z, depth).abs(), signed(x, width).abs());
                // Away from the origin and the Nyquist frequency, where window and interpolation leak.
                if kz.hypot(kx) < 0.1 || kz.hypot(kx) > 0.35 {
                    continue;
                }
                all += power[z * width + x];
                if kx.atan2(kz).to_degrees() < half_opening {
                    wedge += power[z * width + x];
                }
            }
        }
    }
    wedge / all
}

#[test]
fn the_missing_wedge_is_empty() {
    let options = PhantomOptions {
        shape: [64, 64, 96],
        ice_fraction: 1.0,
        ..small()
    };
    let specimen = Specimen::draw(&options, &mut Generator::new(options.seed, 0), &Job::quiet()).unwrap();
    let phantom = make(&options);
    let (density, signal, noise) = (
        power_in_wedge(&specimen.density, 24.0),
        power_in_wedge(&phantom.signal, 24.0),
        power_in_wedge(&phantom.noise, 24.0),
    );
    assert!(density > 0.1, "the specimen itself has power there: {density}");
    assert!(
        signal < 0.02 && noise < 0.02,
        "wedge has {signal} of the signal and {noise} of the noise"
    );
}

#[test]
fn files_read_back_with_the_voxel_size() {
    let folder = tempfile::tempdir().unwrap();
    let phantom = make(&PhantomOptions {
        shape: [16, 32, 40],
        filaments: 0,
        ..small()
    });
    let written = phantom.write(folder.path(), "ph").unwrap();
    assert_eq!(written.len(), 7);
    let tomogram = tomocut::volume::Tomogram::open(&written[0], &Job::quiet()).unwrap();
    assert_eq!(tomogram.geometry().shape, [16, 32, 40]);
    assert!((tomogram.geometry().voxel_angstrom[0] - 16.0).abs() < 1e-4);
    assert_eq!(
        tomogram.read_slices(3..5).unwrap(),
        phantom.tomogram.slice(s![3..5, .., ..])
    );
    let rows = std::fs::read_to_string(&written[4]).unwrap().lines().count();
    assert_eq!(rows, phantom.instances.len() + 1);
    let settings: PhantomOptions = serde_json::from_str(&std::fs::read_to_string(&written[5]).unwrap()).unwrap();
    assert_eq!(settings, phantom.parameters);
}

#[test]
fn random_options_are_always_valid_and_bad_ones_are_named() {
    let mut gen = Generator::new(11, 0);
    for _ in 0..500 {
        PhantomOptions::random(&mut gen).validate().unwrap();
    }
    let refused = |options: PhantomOptions| simulate(&options, &Job::quiet()).unwrap_err().to_string();
    assert!(refused(PhantomOptions {
        snr: f64::NAN,
        ..small()
    })
    .starts_with("snr is not finite"));
    assert!(refused(PhantomOptions {
        shape: [4, 64, 64],
        ..small()
    })
    .starts_with("shape[0] is 4"));
    assert!(refused(PhantomOptions {
        tilt_max: -70.0,
        ..small()
    })
    .starts_with("tilt_max is -70"));
}

#[test]
fn what_is_like_a_cell_comes_on_top_and_leaves_the_rest_of_a_seed_as_it_is() {
    let plain = make(&small());
    let options = PhantomOptions {
        cell: CellOptions {
            compartments: true,
            crowd: 0.2,
            ribosomes: 6,
            ..CellOptions::default()
        },
        ..small()
    };
    let crowded = make(&options);
    assert_eq!(crowded.labels, make(&options).labels);
    let of = |phantom: &Phantom, label: u8| -> Vec<[f64; 3]> {
        let same = phantom.instances.iter().filter(|i| i.kind.label() == label);
        same.map(|i| i.position).collect()
    };
    assert_eq!(of(&plain, MEMBRANE), of(&crowded, MEMBRANE));
    let ribosomes = crowded.instances.iter().filter(|i| i.kind == InstanceKind::Ribosome);
    assert!(ribosomes.clone().count() >= 3);
    for ribosome in ribosomes {
        let at = ribosome.position.map(|p| p.round() as usize);
        assert_eq!(crowded.labels.get(at), Some(&MOLECULE), "{at:?}");
    }
}

#[test]
fn a_crowd_fills_its_share_of_the_ice_with_protein() {
    let alone = |crowd: f64| PhantomOptions {
        membranes: 0,
        filaments: 0,
        gold_beads: 0,
        crowding: 0.0,
        gradient: 0.0,
        ice_fraction: 1.0,
        cell: CellOptions {
            crowd,
            crowd_largest_nm: 16.0,
            ..CellOptions::default()
        },
        ..small()
    };
    let draw = |crowd: f64| {
        let options = alone(crowd);
        Specimen::draw(&options, &mut Generator::new(options.seed, 0), &Job::quiet()).unwrap()
    };
    let density = |specimen: &Specimen| f64::from(specimen.density.mean().unwrap());
    assert_eq!(density(&draw(0.0)), 0.0);
    let (thin, dense) = (draw(0.1), draw(0.2));
    // Twice the bodies, of one density; the larger ones find less room.
    let ratio = density(&dense) / density(&thin);
    assert!((1.6..2.1).contains(&ratio), "{ratio}");
    // At power 4 every octave of diameters has the same volume: those of 8 to 16 nm have ln(16 / 8) / ln(16 / 3).
    let balls: f64 = thin
        .instances
        .iter()
        .map(|i| std::f64::consts::PI / 6.0 * i.diameter_nm.powi(3))
        .sum();
    let ice = 1.6f64.powi(3) * thin.density.len() as f64;
    let share = balls / ice / (0.1 * (16f64 / 8.0).ln() / (16f64 / 3.0).ln());
    assert!((0.7..1.15).contains(&share), "{share} of the labelled bodies are there");
}

#[test]
fn a_lamella_has_no_labels_outside_and_a_clipped_tomogram_no_outliers() {
    let phantom = make(&PhantomOptions {
        lamella: LamellaOptions {
            thickness: 0.5,
            ..LamellaOptions::default()
        },
        processing: ProcessingOptions {
            clip: 2.0,
            ..ProcessingOptions::default()
        },
        ..small()
    });
    let labelled = |z: usize| phantom.labels.slice(s![z, .., ..]).iter().any(|label| *label != 0);
    assert!((0..9).chain(31..40).all(|z| !labelled(z)) && (12..28).any(labelled));
    let (mean, variance) = moments(&phantom.tomogram);
    let most = phantom
        .tomogram
        .iter()
        .fold(0f64, |most, v| most.max((f64::from(*v) - mean).abs()));
    assert!(most < 2.4 * variance.sqrt(), "{most}");
    let sum = &phantom.signal + &phantom.noise;
    assert!(sum.iter().zip(&phantom.tomogram).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn a_cancel_stops_the_simulation() {
    let token = CancelToken::default();
    token.request();
    let error = simulate(&small(), &Job::new(token, Logger::default())).unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }));
}
