//! Densities: place, orientation and label of their copies.
use std::path::PathBuf;

use ndarray::Array3;

use super::*;
use crate::phantom::Specimen;
use crate::settings::{resolve_text, Settings};
use crate::volume::{write_f32, Geometry};

/// Voxels of 0.5 nm: background 10, 14 in a bar of 12 nm along +x from the centre voxel and a ball of 2 nm radius at
/// it.
fn bar_voxels() -> Array3<f32> {
    Array3::from_shape_fn((40, 40, 60), |(z, y, x)| {
        let [z, y, x] = [z as f64 - 20.0, y as f64 - 20.0, x as f64 - 30.0].map(|v| 0.5 * v);
        let in_bar = z.hypot(y) < 1.5 && (0.0..=12.0).contains(&x);
        let in_ball = (z * z + y * y + x * x).sqrt() < 2.0;
        10.0 + if in_bar || in_ball { 4.0 } else { 0.0 }
    })
}

fn bar(folder: &std::path::Path) -> PathBuf {
    let path = folder.join("bar.mrc");
    write_f32(&path, &bar_voxels(), &Geometry::new([40, 40, 60], 5.0)).unwrap();
    path
}

fn only(density: DensityOptions) -> PhantomOptions {
    PhantomOptions {
        shape: [48, 64, 64],
        membranes: 0,
        filaments: 0,
        species: 0,
        gradient: 0.0,
        ice_fraction: 1.0,
        crowding: 0.02,
        densities: vec![density],
        ..PhantomOptions::default()
    }
}

fn draw(options: &PhantomOptions) -> Specimen {
    options.validate().unwrap();
    Specimen::draw(options, &mut Generator::new(5, 0), &Job::quiet()).unwrap()
}

#[test]
fn a_copy_lies_where_and_as_its_instance_says() {
    let folder = tempfile::tempdir().unwrap();
    for voxel_nm in [0.6, 1.0, 1.5] {
        let options = PhantomOptions {
            voxel_nm,
            ..only(DensityOptions {
                copies: Some(1),
                ..DensityOptions::new(bar(folder.path()))
            })
        };
        let specimen = draw(&options);
        let [instance] = &specimen.instances[..] else {
            panic!("{} instances", specimen.instances.len())
        };
        assert_eq!((instance.kind, instance.species), (InstanceKind::Density, 1));
        assert!((instance.diameter_nm - 14.5).abs() < 1.0, "{}", instance.diameter_nm);
        // Points of the file, turned and moved as the instance says, against the drawn density.
        let value = |point: [f64; 3]| {
            let turned = rotated(instance.orientation, point);
            let at = [0, 1, 2].map(|a| (instance.position[a] + turned[a] / voxel_nm).round());
            let shape = options.shape;
            let inside = (0..3).all(|a| at[a] >= 0.0 && at[a] < shape[a] as f64);
            inside.then(|| {
                let index = at.map(|v| v as usize);
                (specimen.density[index], specimen.labels[index])
            })
        };
        let mut seen = 0;
        for along in [0.0, 3.0, 6.0, 9.0, 11.0] {
            if let Some((density, label)) = value([0.0, 0.0, along]) {
                assert!(
                    density > 0.35 && label == MOLECULE,
                    "{along} nm along the bar: {density}, {label}"
                );
                seen += 1;
            }
        }
        assert!(seen > 1, "{instance:?}");
        for beside in [[0.0, 0.0, -4.5], [0.0, 5.0, 6.0], [5.0, 0.0, 6.0], [0.0, 0.0, 16.0]] {
            if let Some((density, label)) = value(beside) {
                assert!(density < 0.05 && label == BACKGROUND, "{beside:?}: {density}, {label}");
            }
        }
    }
}

#[test]
fn copies_hold_the_files_volume_at_any_voxel_size() {
    let folder = tempfile::tempdir().unwrap();
    let exact = 0.125 * bar_voxels().iter().filter(|v| **v > 12.0).count() as f64;
    for voxel_nm in [0.5, 1.0, 2.0] {
        let side = (60.0 / voxel_nm) as usize;
        let options = PhantomOptions {
            voxel_nm,
            shape: [side; 3],
            ..only(DensityOptions {
                copies: Some(1),
                ..DensityOptions::new(bar(folder.path()))
            })
        };
        let draw = |seed| Specimen::draw(&options, &mut Generator::new(seed, 0), &Job::quiet()).unwrap();
        // A copy that is whole.
        let inner = 16.0 / voxel_nm..44.0 / voxel_nm;
        let is_whole = |s: &Specimen| s.instances[0].position.iter().all(|p| inner.contains(p));
        let specimen = (0..200).map(draw).find(is_whole).unwrap();
        let volume = specimen.density.iter().map(|v| f64::from(*v)).sum::<f64>() * voxel_nm.powi(3) / BODY_DENSITY;
        assert!(
            (volume / exact - 1.0).abs() < 0.03,
            "voxel {voxel_nm}: {volume} nm^3 of {exact}"
        );
    }
}

#[test]
fn copies_keep_apart_fill_their_part_and_are_numbered_after_the_drawn_species() {
    let folder = tempfile::tempdir().unwrap();
    let path = bar(folder.path());
    let mut options = only(DensityOptions::new(&path));
    options.species = 3;
    options.crowding = 0.1;
    options.densities.push(DensityOptions {
        copies: Some(4),
        threshold: Some(12.0),
        ..DensityOptions::new(&path)
    });
    let specimen = draw(&options);
    let of = |species: usize| specimen.instances.iter().filter(move |i| i.species == species).count();
    assert_eq!(of(5), 4);
    assert!(of(4) > 5 && (1..=3).all(|species| of(species) > 0));
    let share = specimen.labels.iter().filter(|l| **l == MOLECULE).count() as f64 / specimen.labels.len() as f64;
    assert!((0.08..=0.12).contains(&share), "molecules fill {share}");
    // Bodies do not lie in each other: nowhere is twice the density of one.
    let copies = draw(&only(DensityOptions::new(&path)));
    assert!(copies.density.iter().all(|v| *v < 1.3 * BODY_DENSITY as f32));
    assert_eq!(copies.density, draw(&only(DensityOptions::new(&path))).density);
}

#[test]
fn the_diameter_cuts_and_the_voxel_size_scales() {
    let folder = tempfile::tempdir().unwrap();
    let with = |diameter_nm, voxel_nm| {
        let options = only(DensityOptions {
            diameter_nm,
            voxel_nm,
            copies: Some(1),
            ..DensityOptions::new(bar(folder.path()))
        });
        draw(&options).instances[0].diameter_nm
    };
    assert!((with(Some(8.0), None) - 6.5).abs() < 0.8, "{}", with(Some(8.0), None));
    assert!((with(None, Some(1.0)) - 29.0).abs() < 2.0, "{}", with(None, Some(1.0)));
}

#[test]
fn bad_densities_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = bar(folder.path());
    let refused = |density: DensityOptions| {
        let options = only(density);
        options
            .validate()
            .and_then(|()| Specimen::draw(&options, &mut Generator::new(5, 0), &Job::quiet()))
            .unwrap_err()
            .to_string()
    };
    let absent = refused(DensityOptions::new(folder.path().join("absent.mrc")));
    assert!(absent.contains("absent.mrc"), "{absent}");
    for threshold in [9.0, 99.0] {
        let threshold = Some(threshold);
        let text = refused(DensityOptions {
            threshold,
            ..DensityOptions::new(&path)
        });
        assert!(text.starts_with("densities[0].threshold is "), "{text}");
    }
    let text = refused(DensityOptions {
        copies: Some(0),
        ..DensityOptions::new(&path)
    });
    assert_eq!(text, "densities[0].copies is 0, must be 1..=10000");
    let voxel_nm = Some(f64::NAN);
    assert!(refused(DensityOptions {
        voxel_nm,
        ..DensityOptions::new(&path)
    })
    .starts_with("densities[0].voxel_nm"));
    let unsized_file = folder.path().join("unsized.mrc");
    write_f32(&unsized_file, &Array3::zeros((4, 4, 4)), &Geometry::new([4, 4, 4], 0.0)).unwrap();
    assert!(refused(DensityOptions::new(&unsized_file)).contains("has no voxel size"));
    let json = r#"{"species": 0, "densities": [{"path": "a.mrc", "colour": 1}]}"#;
    let error = resolve_text::<PhantomOptions>(json).unwrap_err().to_string();
    assert!(
        error.starts_with("settings.densities[0]") && error.contains("must be path, threshold"),
        "{error}"
    );
    let none = PhantomOptions {
        species: 0,
        ..PhantomOptions::default()
    };
    assert!(none.validate().unwrap_err().to_string().starts_with("species is 0"));
}

#[test]
fn macromolecules_of_known_structure_are_placed() {
    let beside = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("TOMOCUT_DATA")
        .map_or(beside, PathBuf::from)
        .join("polnet_10A");
    if !folder.is_dir() {
        eprintln!("skipped: no {}; TOMOCUT_DATA names the data folder", folder.display());
        return;
    }
    // Ribosome, proteasome and rubisco: about 27, 45 and 11 nm across.
    let names = ["4v4r.mrc", "4cr2.mrc", "1bxn.mrc"];
    let options = PhantomOptions {
        shape: [64, 128, 128],
        crowding: 0.08,
        densities: names
            .iter()
            .map(|name| DensityOptions::new(folder.join(name)))
            .collect(),
        ..only(DensityOptions::new("unused"))
    };
    let specimen = draw(&options);
    for (species, (low, high)) in [(20.0, 40.0), (20.0, 50.0), (9.0, 16.0)].into_iter().enumerate() {
        let copies: Vec<_> = specimen.instances.iter().filter(|i| i.species == species + 1).collect();
        assert!(!copies.is_empty(), "no {}", names[species]);
        let diameter = copies[0].diameter_nm;
        assert!(
            (low..high).contains(&diameter),
            "{} is {diameter} nm wide",
            names[species]
        );
    }
    let share = specimen.labels.iter().filter(|l| **l == MOLECULE).count() as f64 / specimen.labels.len() as f64;
    assert!((0.06..=0.1).contains(&share), "molecules fill {share}");
    let mean = specimen
        .density
        .iter()
        .zip(&specimen.labels)
        .filter(|(_, l)| **l == MOLECULE)
        .map(|(v, _)| f64::from(*v));
    let mean = mean.clone().sum::<f64>() / mean.count() as f64;
    assert!(
        (mean - BODY_DENSITY).abs() < 0.15,
        "labelled voxels have density {mean}"
    );
}
