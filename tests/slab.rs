//! The slab pipeline end to end on small volumes: what it finds, that it repeats, and what it refuses.
use std::ops::Range;
use std::sync::{Arc, Mutex};

use ndarray::Array3;
use tch::Device;
use tomocut::diffusion::{DiffusionModel, LatentMode, LoadOptions};
use tomocut::metrics;
use tomocut::networks::{GreyScale, SegmentationModel};
use tomocut::phantom::{simulate, PhantomOptions};
use tomocut::predict::predict_slices;
use tomocut::runtime::{CancelToken, Error, Generator, HostState, Job, Logger};
use tomocut::settings::resolve_text;
use tomocut::slab::{
    dump_slice, segment, slice_features, write_outputs, CanvasRule, Preset, SlabFileOptions, SlabOptions,
    SlabSegmentation, SolverKind, SplitRule, Tiling, TimestepRule,
};
use tomocut::volume::{Geometry, Tomogram, MEMBRANE, MOLECULE};

fn model() -> DiffusionModel {
    DiffusionModel::builtin(&LoadOptions::default()).unwrap()
}

/// Noise with a dark ball of radius 9 voxels at the centre of every slice.
fn ball(shape: (usize, usize, usize), noise: f64) -> Tomogram {
    let mut generator = Generator::new(5, 0);
    let (nz, ny, nx) = shape;
    let centre = [nz as f64 / 2.0, ny as f64 / 2.0, nx as f64 / 2.0];
    let voxels = Array3::from_shape_fn(shape, |(z, y, x)| {
        let d = [z as f64 - centre[0], y as f64 - centre[1], x as f64 - centre[2]];
        let inside = d.iter().map(|d| d * d).sum::<f64>() <= 81.0;
        (noise * generator.normal() - if inside { 2.0 } else { 0.0 }) as f32
    });
    Tomogram::from_array(voxels, Geometry::new([nz, ny, nx], 10.0)).unwrap()
}

/// Small tiles, so that a test takes seconds.
fn quick() -> SlabOptions {
    SlabOptions {
        tile_cells: 32,
        timestep_rule: TimestepRule::Fixed,
        timestep: Some(500),
        ..SlabOptions::new(Preset::Default)
    }
}

fn run(tomogram: &Tomogram, z: Range<usize>, options: &SlabOptions) -> SlabSegmentation {
    segment(&model(), tomogram, z, options, &Job::quiet()).unwrap()
}

#[test]
fn a_ball_in_noise_is_one_molecule_where_it_is() {
    let tomogram = ball((24, 80, 96), 1.0);
    let slab = run(&tomogram, 2..22, &quick());
    assert_eq!(slab.labels.dim(), (20, 80, 96));
    assert_eq!(slab.geometry.start, [2, 0, 0]);
    assert!(slab.score.iter().all(|s| (0.0..=1.0).contains(s)));
    let hit = |p: &&tomocut::picks::Pick| {
        let d = [p.position[0] - 12.0, p.position[1] - 40.0, p.position[2] - 48.0];
        d.iter().map(|d| d * d).sum::<f64>().sqrt() <= 4.0
    };
    let best = slab
        .points
        .iter()
        .max_by(|a, b| a.diameter_nm.total_cmp(&b.diameter_nm));
    assert!(best.as_ref().is_some_and(hit), "{:?}", slab.points);
    assert_eq!(slab.labels[[10, 40, 48]], MOLECULE);
    assert_eq!(slab.report.points, slab.points.len());
}

#[test]
fn bright_data_with_the_switch_gives_what_dark_data_gives() {
    let dark = ball((6, 64, 64), 0.5);
    let voxels = dark.read_slices(0..6).unwrap().mapv(|v| -v);
    let bright = Tomogram::from_array(voxels, dark.geometry().clone()).unwrap();
    let options = SlabOptions {
        bright: true,
        ..quick()
    };
    assert_eq!(run(&dark, 0..6, &quick()).labels, run(&bright, 0..6, &options).labels);
}

#[test]
fn the_same_input_gives_the_same_bytes_and_host_scale_does_not_matter() {
    let tomogram = ball((6, 64, 70), 1.0);
    let first = run(&tomogram, 1..5, &quick());
    let second = run(&tomogram, 1..5, &quick());
    assert_eq!(first.labels, second.labels);
    assert_eq!(first.score, second.score);
    assert_eq!(first.points, second.points);
    let voxels = tomogram.read_slices(0..6).unwrap().mapv(|v| 512.0 * v + 4096.0);
    let scaled = Tomogram::from_array(voxels, tomogram.geometry().clone()).unwrap();
    let difference = (&run(&scaled, 1..5, &quick()).score - &first.score).mapv(f32::abs);
    assert!(difference.iter().all(|d| *d < 2e-2));
}

#[test]
fn the_number_of_threads_does_not_change_a_byte() {
    let tomogram = ball((6, 64, 150), 1.0);
    let on = |threads: usize, preset: Preset| {
        let _host = HostState::enter(threads);
        let options = SlabOptions {
            tile_cells: 32,
            ..SlabOptions::new(preset)
        };
        let slab = run(&tomogram, 0..6, &options);
        assert!(slab.report.tiles_per_slice > 1);
        (slab.labels, slab.score, slab.points)
    };
    for preset in [Preset::Default, Preset::Spectral] {
        let one = on(1, preset);
        assert!(one == on(2, preset) && one == on(3, preset), "{preset:?}");
    }
}

#[test]
fn odd_and_narrow_slices_and_every_tiling_work() {
    let tomogram = ball((3, 33, 150), 1.0);
    for tiling in [Tiling::Overlapping, Tiling::Whole, Tiling::Quadrants] {
        let options = SlabOptions {
            tiling,
            tile_cells: 16,
            ..quick()
        };
        assert_eq!(run(&tomogram, 0..3, &options).labels.dim(), (3, 33, 150), "{tiling:?}");
    }
}

#[test]
fn the_spectral_preset_has_one_sign_in_all_tiles() {
    let mut generator = Generator::new(6, 0);
    let inside = |y: usize, x: usize| {
        let from = |cx: f64| (y as f64 - 32.0).hypot(x as f64 - cx) <= 10.0;
        from(25.0) || from(118.0)
    };
    let voxels = Array3::from_shape_fn((4, 64, 144), |(_, y, x)| {
        (generator.normal() - if inside(y, x) { 2.0 } else { 0.0 }) as f32
    });
    let tomogram = Tomogram::from_array(voxels, Geometry::new([4, 64, 144], 10.0)).unwrap();
    let options = SlabOptions {
        tile_cells: 32,
        ..SlabOptions::new(Preset::Spectral)
    };
    let slab = run(&tomogram, 0..4, &options);
    assert!(slab.report.tiles_per_slice > 1, "one tile has one sign");
    for half in [0..72, 72..144] {
        let mut means = [(0.0, 0.0); 2];
        for ((_, y, x), score) in slab.score.indexed_iter().filter(|((_, _, x), _)| half.contains(x)) {
            let mean = &mut means[usize::from(inside(y, x))];
            *mean = (mean.0 + f64::from(*score), mean.1 + 1.0);
        }
        let [ground, disc] = means.map(|(sum, count)| sum / count);
        assert!(disc > ground + 0.4, "{half:?}: {disc} in the disc, {ground} beside it");
    }
    assert_ne!(slab.labels[[1, 32, 25]], 0);
    assert_ne!(slab.labels[[1, 32, 118]], 0);
}

#[test]
fn the_papers_presets_run_on_the_builtin_model() {
    let tomogram = ball((3, 64, 64), 1.0);
    for (preset, solver) in [
        (Preset::Cvpr2026Code, SolverKind::Krylov),
        (Preset::Cvpr2026Paper, SolverKind::Krylov),
        (Preset::Cvpr2026Paper, SolverKind::Adam),
    ] {
        let options = SlabOptions {
            tile_cells: 16,
            solver,
            adam_iterations: 40,
            split: SplitRule::Circularity,
            ..SlabOptions::new(preset)
        };
        let slab = run(&tomogram, 0..3, &options);
        assert_eq!(slab.labels.dim(), (3, 64, 64));
        assert_eq!(slab.report.tiles_per_slice, 4);
        assert!(slab.labels.iter().all(|l| [0, MEMBRANE, MOLECULE].contains(l)));
    }
}

#[test]
fn eigenvectors_are_computed_where_the_canvas_mixes_them_in() {
    let tomogram = ball((2, 64, 64), 1.0);
    let options = SlabOptions {
        canvas: CanvasRule::Mixed,
        ..quick()
    };
    let mixed = run(&tomogram, 0..2, &options);
    assert!(mixed.report.worst_residual > 0.0 && mixed.report.worst_residual <= 1e-5);
    assert_eq!(run(&tomogram, 0..2, &quick()).report.worst_residual, 0.0);
}

#[test]
fn cellpose_splits_where_it_is_asked_for_and_given() {
    let tomogram = ball((16, 80, 96), 0.5);
    let weights = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cellpose/narrow.safetensors");
    let options = SlabOptions {
        split: SplitRule::CellPose,
        cellpose_weights: Some(weights),
        ..quick()
    };
    let slab = run(&tomogram, 2..14, &options);
    assert_eq!(slab.labels[[6, 40, 48]], MOLECULE);
    let near = |p: &&tomocut::picks::Pick| (p.position[1] - 40.0).hypot(p.position[2] - 48.0) <= 3.0;
    let ball: Vec<_> = slab.points.iter().filter(near).collect();
    // Twelve sections of one ball are one point.
    assert_eq!(ball.len(), 1, "{:?}", slab.points);
    assert!((ball[0].position[0] - 8.0).abs() <= 2.0, "{:?}", ball[0]);
    assert!((ball[0].diameter_nm - 18.0).abs() <= 6.0, "{:?}", ball[0]);

    let released = SlabOptions {
        tile_cells: 16,
        solver: SolverKind::Krylov,
        cellpose_weights: options.cellpose_weights.clone(),
        ..SlabOptions::new(Preset::Cvpr2026Code)
    };
    let slab = run(&tomogram, 7..9, &released);
    assert!(slab.labels.iter().all(|l| [0, MEMBRANE, MOLECULE].contains(l)));

    for (weights, text) in [
        (None, "cellpose_weights is not given"),
        (Some("no/such.safetensors".into()), "opening no/such.safetensors"),
    ] {
        let options = SlabOptions {
            cellpose_weights: weights,
            ..options.clone()
        };
        let error = segment(&model(), &tomogram, 2..14, &options, &Job::quiet()).unwrap_err();
        assert!(error.to_string().starts_with(text), "{error}");
    }
}

#[test]
fn the_papers_presets_refuse_to_split_without_cellpose_and_name_the_stand_in() {
    let tomogram = ball((3, 64, 64), 1.0);
    for preset in [Preset::Cvpr2026Code, Preset::Cvpr2026Paper] {
        let options = SlabOptions {
            tile_cells: 16,
            ..SlabOptions::new(preset)
        };
        let error = segment(&model(), &tomogram, 0..3, &options, &Job::quiet()).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("cellpose_weights is not given"), "{text}");
        assert!(
            text.contains("torch.load") && text.contains("\"circularity\""),
            "{text}"
        );
        // Attention needs no CellPose.
        let tiles = slice_features(&model(), &tomogram, 1, &options, &Job::quiet()).unwrap();
        assert_eq!(tiles.len(), 4);
    }
    // A segmentation network is no CellPose; a number for nm does not fit one for pixels.
    let wrong = SlabOptions {
        cellpose_weights: Some(
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models/segmentation.safetensors"),
        ),
        ..SlabOptions::new(Preset::Cvpr2026Code)
    };
    let other = tempfile::tempdir().unwrap().path().join("other.safetensors");
    for (options, text) in [
        (
            SlabOptions {
                diameter_nm: Some(12.0),
                ..wrong.clone()
            },
            "diameter_nm is 12, must be null where cellpose.diameter_pixels is given, 10",
        ),
        (
            SlabOptions {
                cellpose_weights: Some(other),
                ..wrong.clone()
            },
            "opening",
        ),
        (wrong.clone(), "no CPnet"),
    ] {
        let error = segment(&model(), &tomogram, 0..3, &options, &Job::quiet()).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
    let mut options = quick();
    options.solver = SolverKind::Adam;
    options.adam_iterations = 10;
    let error = segment(&model(), &tomogram, 0..3, &options, &Job::quiet()).unwrap_err();
    assert!(error
        .to_string()
        .starts_with("adam_iterations is 10, must be at least adam.accumulate, 20"));
    for (name, value) in [
        ("adam.reuse", 1.5),
        ("adam.first_buffered_layer", 16.0),
        ("cellpose.circularity", -1.0),
        ("cellpose.foreground_share", 2.0),
        ("z_consistency.alike", 1.5),
    ] {
        let text = format!("{{\"{name}\": {value}}}");
        let error = resolve_text::<SlabOptions>(&text).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("settings.{name} is {value}, must be ")),
            "{error}"
        );
    }
}

/// The table of docs/papers.md.
#[test]
fn the_two_presets_differ_where_the_papers_text_and_code_do() {
    let [code, paper] = [Preset::Cvpr2026Code, Preset::Cvpr2026Paper]
        .map(|preset| flat(&serde_json::to_value(SlabOptions::new(preset)).unwrap(), String::new()));
    let differ: Vec<&str> = code
        .iter()
        .filter(|(name, value)| paper[*name] != **value)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        differ,
        [
            "adam.accumulate",
            "adam.first_buffered_layer",
            "adam.objective",
            "aggregate.eigenvectors",
            "cellpose.foreground_share",
            "closing_steps",
            "dilation_steps",
            "enhance.clahe",
            "preset",
            "z_consistency.both_neighbours",
            "z_consistency.stretch",
            "z_correction",
        ]
    );
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/papers.md")).unwrap();
    for name in differ.iter().filter(|name| **name != "preset") {
        assert!(
            page.contains(&format!("`{name}`")),
            "docs/papers.md does not name {name}"
        );
    }
}

/// Settings by their dotted names.
fn flat(value: &serde_json::Value, name: String) -> std::collections::BTreeMap<String, serde_json::Value> {
    match value.as_object() {
        None => [(name, value.clone())].into(),
        Some(members) => members
            .iter()
            .flat_map(|(member, value)| {
                flat(
                    value,
                    if name.is_empty() {
                        member.clone()
                    } else {
                        format!("{name}.{member}")
                    },
                )
            })
            .collect(),
    }
}

#[test]
fn the_papers_ablations_are_settings() {
    let tomogram = ball((3, 64, 64), 0.5);
    let whole = SlabOptions {
        tile_cells: 16,
        solver: SolverKind::Krylov,
        split: SplitRule::Circularity,
        ..SlabOptions::new(Preset::Cvpr2026Paper)
    };
    let all = run(&tomogram, 0..3, &whole);
    let change = |change: &dyn Fn(&mut SlabOptions)| {
        let mut options = whole.clone();
        change(&mut options);
        run(&tomogram, 0..3, &options)
    };
    assert_ne!(change(&|o| o.layers = vec![15]).score, all.score);
    assert_ne!(
        change(&|o| o.layers = vec![15]).score,
        change(&|o| o.layers = vec![0]).score
    );
    assert_ne!(change(&|o| o.z_correction = false).score, all.score);
    // Without a split all foreground is membrane; without mending it is the foreground itself.
    let one_class = change(&|o| {
        o.split = SplitRule::None;
        (o.closing_steps, o.dilation_steps) = (0, 0);
    });
    let split = change(&|o| (o.closing_steps, o.dilation_steps) = (0, 0));
    assert!(one_class.points.is_empty() && one_class.labels.iter().any(|l| *l == MEMBRANE));
    assert_eq!(
        one_class.labels,
        split.labels.mapv(|l| if l > 0 { MEMBRANE } else { 0 })
    );
    for canvas in [CanvasRule::Structures, CanvasRule::Denoised] {
        let options = SlabOptions {
            canvas,
            split: SplitRule::None,
            ..quick()
        };
        let slab = run(&tomogram, 0..3, &options);
        assert!(
            slab.points.is_empty() && slab.labels.iter().all(|l| [0, MEMBRANE].contains(l)),
            "{canvas:?}"
        );
    }
}

#[test]
fn a_simulated_tomogram_is_segmented_better_than_chance() {
    let options = PhantomOptions {
        shape: [32, 96, 96],
        voxel_nm: 1.0,
        snr: 1.0,
        seed: 11,
        ..PhantomOptions::default()
    };
    let phantom = simulate(&options, &Job::quiet()).unwrap();
    let truth: Vec<bool> = phantom
        .labels
        .slice(ndarray::s![8..24, .., ..])
        .iter()
        .map(|l| *l > 0)
        .collect();
    let tomogram = Tomogram::from_array(phantom.tomogram.clone(), Geometry::new([32, 96, 96], 10.0)).unwrap();
    let slab = run(
        &tomogram,
        8..24,
        &SlabOptions {
            tile_cells: 32,
            ..SlabOptions::new(Preset::Default)
        },
    );
    let scores: Vec<f32> = slab.score.iter().copied().collect();
    let auc = metrics::auc(&scores, &truth).unwrap();
    assert!(auc > 0.75, "AUC {auc}");
    let snr = slab.report.snr.unwrap();
    assert!((0.1..10.0).contains(&snr), "estimated SNR {snr}, simulated 1.0");
}

#[test]
fn membranes_are_the_mean_of_both_networks_where_there_are_slices_enough() {
    let deep = |slices: usize| {
        let tomogram = ball((slices, 64, 64), 0.5);
        let maps = |network_membranes: bool| {
            let options = SlabOptions {
                network_membranes,
                ..quick()
            };
            run(&tomogram, 2..8, &options).structures.unwrap()
        };
        (maps(false), maps(true), tomogram)
    };
    let (own, mean, tomogram) = deep(48);
    let network = SegmentationModel::builtin(Device::Cpu).unwrap();
    let job = Job::quiet();
    let scale = GreyScale::of(&tomogram, network.description().input, false, &job).unwrap();
    let maps = predict_slices(&network, &tomogram, 2..8, scale, 1 << 30, &job).unwrap();
    let mut differ = 0;
    for (at, mean) in mean.membrane.indexed_iter() {
        let expected = 0.5 * (own.membrane[at] + maps[0][at]);
        assert!((mean - expected).abs() < 1e-5, "{at:?}: {mean}, {expected}");
        differ += usize::from((own.membrane[at] - mean).abs() > 1e-3);
    }
    assert!(differ > 0, "both networks say the same");
    assert_eq!(own.molecule, mean.molecule);
    let (own, mean, _) = deep(10);
    assert_eq!(own.membrane, mean.membrane);
}

#[test]
fn outputs_are_written_whole_and_overlay_the_tomogram() {
    let tomogram = ball((8, 64, 64), 1.0);
    let slab = run(&tomogram, 3..7, &quick());
    let folder = tempfile::tempdir().unwrap();
    let files = write_outputs(
        &slab,
        &tomogram,
        folder.path(),
        "ball",
        &SlabFileOptions::default(),
        &Job::quiet(),
    )
    .unwrap();
    let labels = Tomogram::open(&files.labels, &Job::quiet()).unwrap();
    assert_eq!(labels.geometry().shape, [4, 64, 64]);
    assert_eq!(labels.geometry().start, [3, 0, 0]);
    assert!((labels.geometry().origin_angstrom[0] - 30.0).abs() < 1e-3);
    assert_eq!(labels.read_slices(0..4).unwrap().mapv(|v| v as i8), slab.labels);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 10);
    let doubtful = SlabFileOptions {
        uncertainty: true,
        ..SlabFileOptions::default()
    };
    let files = write_outputs(&slab, &tomogram, folder.path(), "ball", &doubtful, &Job::quiet()).unwrap();
    let doubt = Tomogram::open(&files.uncertainty.unwrap(), &Job::quiet()).unwrap();
    let doubt = doubt.read_slices(0..4).unwrap();
    assert!(doubt.iter().all(|d| (0.0..=1.0).contains(d)) && doubt.iter().any(|d| *d > 0.1));
    let missing = write_outputs(
        &slab,
        &tomogram,
        folder.path(),
        "a/b",
        &SlabFileOptions::default(),
        &Job::quiet(),
    );
    assert!(matches!(missing, Err(Error::InvalidArgument { .. })));
}

#[test]
fn the_dump_holds_every_intermediate() {
    let tomogram = ball((3, 64, 64), 1.0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slice.safetensors");
    let options = SlabOptions {
        tiling: Tiling::Whole,
        ..quick()
    };
    dump_slice(&model(), &tomogram, 1, &options, &path, &Job::quiet()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let taps = tensors.names().iter().filter(|name| name.ends_with(".to_q")).count();
    assert_eq!(taps, 16);
    for name in [
        "image",
        "latent",
        "unet_input",
        "unet_output",
        "clean",
        "eigenvectors",
        "membrane",
        "molecule",
        "filament",
        "molecule_centre",
    ] {
        assert!(tensors.tensor(name).is_ok(), "{name} is missing");
    }
    assert_eq!(tensors.tensor("eigenvectors").unwrap().shape(), [12, 32, 32]);
    // Ten slices seen, two of them said something about.
    assert_eq!(tensors.tensor("image").unwrap().shape(), [1, 10, 64, 64]);
    assert_eq!(tensors.tensor("membrane").unwrap().shape(), [2, 64, 64]);
    assert!(dump_slice(&model(), &tomogram, 3, &options, &path, &Job::quiet()).is_err());
}

#[test]
fn bad_input_is_refused_with_a_reason() {
    let model = model();
    let tomogram = ball((4, 64, 64), 1.0);
    let fails = |tomogram: &Tomogram, z: Range<usize>, options: &SlabOptions| {
        segment(&model, tomogram, z, options, &Job::quiet())
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default()
    };
    assert!(fails(&tomogram, 2..9, &quick()).contains("2:9"));
    assert!(fails(&tomogram, 2..2, &quick()).contains("non-empty"));
    let flat = Tomogram::from_array(Array3::from_elem((4, 64, 64), 7.0), Geometry::new([4, 64, 64], 10.0)).unwrap();
    assert!(fails(&flat, 0..4, &quick()).contains("every voxel is 7"));
    let mut voxels = tomogram.read_slices(0..4).unwrap();
    voxels[[1, 2, 3]] = f32::NAN;
    let broken =
        Tomogram::from_array(voxels, tomogram.geometry().clone()).and_then(|t| t.read_slices(0..4).map(|_| ()));
    assert!(broken.is_err());
    let odd = SlabOptions {
        tile_cells: 33,
        ..quick()
    };
    assert!(fails(&tomogram, 0..4, &odd).contains("multiple of 8"));
    let layer = SlabOptions {
        layers: vec![16],
        ..quick()
    };
    assert!(fails(&tomogram, 0..4, &layer).contains("0..=15"));
    let snr = SlabOptions {
        snr: Some(f64::NAN),
        ..quick()
    };
    assert!(fails(&tomogram, 0..4, &snr).contains("snr"));
}

#[test]
fn a_cancel_stops_the_call_and_names_the_stage() {
    let token = CancelToken::default();
    token.request();
    let job = Job::new(token, Logger::default());
    let result = segment(&model(), &ball((4, 64, 64), 1.0), 0..4, &quick(), &job);
    assert!(matches!(result, Err(Error::Cancelled { .. })));
    let mut reports = 0;
    let job = Job::quiet().with_every_report().with_progress(|_| {
        reports += 1;
        reports < 3
    });
    let result = segment(&model(), &ball((40, 64, 64), 1.0), 0..40, &quick(), &job);
    assert!(matches!(result, Err(Error::Cancelled { .. })));
}

#[test]
fn a_voxel_size_far_from_the_models_is_a_warning_with_both_numbers() {
    let records = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = records.clone();
    let logger = Logger::new(move |_, _, message| sink.lock().unwrap().push(message.to_owned()));
    let job = Job::new(CancelToken::default(), logger);
    let options = SlabOptions {
        voxel_nm: Some(25.0),
        ..quick()
    };
    segment(&model(), &ball((2, 64, 64), 1.0), 0..1, &options, &job).unwrap();
    let records = records.lock().unwrap();
    assert!(
        records
            .iter()
            .any(|r| r.contains("25.00 nm are shown to the model as 12.50 nm")),
        "{records:?}"
    );
    assert!(
        records
            .iter()
            .any(|r| r.contains("the file says 1.0000 x 1.0000 x 1.0000 nm")),
        "{records:?}"
    );
}

/// The same voxels, said to be of another size; 0: of none.
fn said_to_be(tomogram: &Tomogram, angstrom: f64) -> Tomogram {
    let shape = tomogram.geometry().shape;
    Tomogram::from_array(
        tomogram.read_slices(0..shape[0]).unwrap(),
        Geometry::new(shape, angstrom),
    )
    .unwrap()
}

#[test]
fn coarse_voxels_are_shown_finer_and_the_answer_has_the_files_own() {
    let tomogram = said_to_be(&ball((24, 48, 60), 0.5), 40.0);
    let slab = run(&tomogram, 4..20, &quick());
    assert_eq!((slab.report.voxel_nm, slab.report.model_voxel_nm), (4.0, 2.0));
    assert_eq!((slab.labels.dim(), slab.score.dim()), ((16, 48, 60), (16, 48, 60)));
    assert_eq!(
        (slab.geometry.start, slab.geometry.voxel_angstrom),
        ([4, 0, 0], [40.0; 3])
    );
    assert_eq!(slab.labels[[8, 24, 30]], MOLECULE);
    // Where the molecule's voxels lie on the mean: the ball's centre is (12, 24, 30), the slab begins at 4.
    let (mut sum, mut count) = ([0.0; 3], 0.0);
    for ((z, y, x), label) in slab.labels.indexed_iter() {
        if *label == MOLECULE {
            sum = [sum[0] + z as f64, sum[1] + y as f64, sum[2] + x as f64];
            count += 1.0;
        }
    }
    let off = [sum[0] / count - 8.0, sum[1] / count - 24.0, sum[2] / count - 30.0];
    assert!(off.iter().all(|d| d.abs() < 2.0), "{off:?} of {count}");
    let as_sampled = SlabOptions {
        working_voxel_nm: None,
        ..quick()
    };
    let plain = run(&tomogram, 4..20, &as_sampled);
    assert_eq!(plain.report.model_voxel_nm, 4.0);
    assert_ne!(plain.score, slab.score);
}

#[test]
fn voxels_that_the_model_knows_are_left_as_they_are() {
    let tomogram = ball((6, 48, 48), 0.5);
    let as_sampled = SlabOptions {
        working_voxel_nm: None,
        ..quick()
    };
    assert_eq!(
        run(&tomogram, 0..6, &quick()).score,
        run(&tomogram, 0..6, &as_sampled).score
    );
}

#[test]
fn a_voxel_size_that_nobody_gives_is_read_from_membranes() {
    let options = PhantomOptions {
        shape: [24, 128, 128],
        voxel_nm: 1.2,
        snr: 0.5,
        membranes: 4,
        ..PhantomOptions::default()
    };
    let phantom = simulate(&options, &Job::quiet()).unwrap();
    let said = Arc::new(Mutex::new(Vec::new()));
    let sink = said.clone();
    let logger = Logger::new(move |_, _, message| sink.lock().unwrap().push(message.to_owned()));
    let nameless = Tomogram::from_array(phantom.tomogram, Geometry::new([24, 128, 128], 0.0)).unwrap();
    let settings = SlabOptions {
        network_membranes: false,
        ..SlabOptions::new(Preset::Default)
    };
    let job = Job::new(CancelToken::default(), logger);
    let slab = segment(&model(), &nameless, 11..13, &settings, &job).unwrap();
    let ratio = slab.report.voxel_nm / 1.2;
    let said = said.lock().unwrap().join("; ");
    // Membranes of tomograms differ by as much in width, and so does what is read from one.
    assert!((0.5..2.0).contains(&ratio), "{said}");
    assert!(slab.report.model_voxel_nm < 1.3, "{said}");
    assert!(said.contains("no voxel size") && said.contains("membranes"), "{said}");
}

#[test]
fn noised_mode_depends_on_the_seed_and_clean_mode_does_not() {
    let tomogram = ball((1, 64, 64), 1.0);
    let with = |mode: LatentMode, seed: u64| {
        let options = SlabOptions {
            latent_mode: Some(mode),
            seed,
            ..quick()
        };
        run(&tomogram, 0..1, &options).score
    };
    assert_ne!(with(LatentMode::Noised, 1), with(LatentMode::Noised, 2));
    assert_eq!(with(LatentMode::Clean, 1), with(LatentMode::Clean, 2));
}
