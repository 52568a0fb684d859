//! Suggestions on volumes whose richest slices are known.
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use ndarray::{s, Array3};

use super::*;
use crate::phantom::{simulate, PhantomOptions};
use crate::runtime::{CancelToken, Generator, Logger};
use crate::volume::{Geometry, SliceSource};

const SHAPE: [usize; 3] = [96, 168, 192];

/// White noise of unit variance.
fn noise(seed: u64) -> Array3<f32> {
    let mut generator = Generator::new(seed, 0);
    Array3::from_shape_simple_fn(SHAPE, || generator.normal() as f32)
}

/// Adds membranes that stand upright and columns of 12 nm to the slices `z`, dark.
fn add_structure(voxels: &mut Array3<f32>, z: Range<usize>, contrast: f32) {
    for slice in z {
        for y in 0..SHAPE[1] {
            for x in 0..SHAPE[2] {
                let (row, column) = ((y % 84) as f64, (x % 96) as f64);
                let wall = (column - 24.0 - 8.0 * (row / 13.0).sin()).abs() < 2.5;
                let round = [(20.0, 60.0), (45.0, 80.0), (70.0, 55.0)];
                if wall || round.iter().any(|(r, c)| (row - r).hypot(column - c) < 6.0) {
                    voxels[[slice, y, x]] -= contrast;
                }
            }
        }
    }
}

fn tomogram(voxels: Array3<f32>, voxel_angstrom: f64) -> Tomogram {
    let shape = voxels.dim();
    Tomogram::from_array(voxels, Geometry::new(shape.into(), voxel_angstrom)).unwrap()
}

fn suggest(tomogram: &Tomogram, thickness: usize, count: usize) -> Suggestions {
    let options = SuggestOptions {
        thickness: Some(thickness),
        ..SuggestOptions::default()
    };
    suggest_slabs(tomogram, &options, count, &Job::quiet()).unwrap()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn noise_alone_has_no_structure() {
    let profile = suggest(&tomogram(noise(1), 10.0), 20, 1).profile;
    assert_eq!(profile.len(), SHAPE[0]);
    assert!(profile.iter().all(|bits| bits.abs() < 0.06), "{profile:?}");
}

#[test]
fn the_slices_with_structure_are_found_bright_or_dark_and_repeatably() {
    for contrast in [0.7, -0.7] {
        let mut voxels = noise(2);
        add_structure(&mut voxels, 52..72, contrast);
        let volume = tomogram(voxels, 10.0);
        let suggestion = suggest(&volume, 20, 3);
        let best = &suggestion.slabs[0];
        assert!(best.z.start.abs_diff(52) <= 3, "{:?}", suggestion.slabs);
        let (inside, outside) = (mean(&suggestion.profile[54..70]), mean(&suggestion.profile[..48]));
        assert!(
            inside > 0.1 && outside.abs() < 0.03,
            "{inside} inside, {outside} outside"
        );
        assert!((best.score - mean(&suggestion.profile[best.z.clone()])).abs() < 1e-12);
        assert_eq!(suggestion, suggest(&volume, 20, 3));
    }
}

#[test]
fn beads_edges_hot_pixels_and_padding_draw_no_slab() {
    let mut voxels = noise(3);
    add_structure(&mut voxels, 36..56, 0.7);
    // Gold in the lower slices, with its bright fringe.
    for (z, y, x) in [(8usize, 40usize, 40usize), (12, 90, 20), (10, 60, 100)] {
        for ((k, j, i), voxel) in voxels.indexed_iter_mut() {
            let distance = ((k.abs_diff(z).pow(2) + j.abs_diff(y).pow(2) + i.abs_diff(x).pow(2)) as f64).sqrt();
            *voxel += match distance {
                d if d < 5.0 => -60.0,
                d if d < 7.0 => 10.0,
                _ => 0.0,
            };
        }
    }
    // The edge of a carbon film in the upper ones.
    voxels.slice_mut(s![66..82, .., 100..]).mapv_inplace(|v| v - 3.0);
    // Hot pixels everywhere, a damaged slice, padding.
    let mut generator = Generator::new(4, 0);
    for _ in 0..400 {
        let at = SHAPE.map(|n| generator.integer(0, n as i64 - 1) as usize);
        voxels[at] = 1e7;
    }
    voxels.slice_mut(s![24, .., ..]).mapv_inplace(|v| 20.0 * v);
    voxels.slice_mut(s![84.., .., ..]).fill(-17.0);
    voxels.slice_mut(s![.., .., ..9]).fill(-17.0);
    let suggestion = suggest(&tomogram(voxels, 10.0), 20, 1);
    let layers: Vec<f64> = suggestion.profile.iter().step_by(4).copied().collect();
    assert!(
        suggestion.slabs[0].z.start.abs_diff(36) <= 3,
        "{:?}, {layers:.2?}",
        suggestion.slabs
    );
}

#[test]
fn slabs_that_cannot_be_segmented_come_last() {
    let mut voxels = noise(5);
    add_structure(&mut voxels, 36..56, 0.7);
    let clean = suggest(&tomogram(voxels.clone(), 10.0), 20, 1);
    voxels[[46, 7, 9]] = f32::NAN;
    voxels[[46, 8, 9]] = f32::INFINITY;
    let suggestion = suggest(&tomogram(voxels, 10.0), 20, 9);
    assert!(
        suggestion.slabs[0].z.end <= 46 || suggestion.slabs[0].z.start > 46,
        "{:?}",
        suggestion.slabs
    );
    assert!(suggestion.slabs.windows(2).all(|pair| {
        let holds = |slab: &SuggestedSlab| slab.z.contains(&46);
        !holds(&pair[0])
    }));
    // The broken voxels themselves count as ordinary ones.
    let difference = suggestion
        .profile
        .iter()
        .zip(&clean.profile)
        .map(|(a, b)| (a - b).abs());
    assert!(difference.fold(0.0, f64::max) < 0.02);
}

/// Structure in the slices 200..260 of 400 slices of 0.4 nm, made when read.
struct Generated {
    voxels_read: Arc<AtomicUsize>,
}

impl SliceSource for Generated {
    fn read(&self, z: Range<usize>) -> Result<Array3<f32>> {
        self.voxels_read.fetch_add(z.len() * 160 * 160, Ordering::Relaxed);
        let mut slices = Array3::zeros((z.len(), 160, 160));
        for (k, mut slice) in z.zip(slices.outer_iter_mut()) {
            let mut generator = Generator::new(6, k as u64);
            for ((y, x), voxel) in slice.indexed_iter_mut() {
                let wall = (x as f64 - 80.0 + 0.3 * y as f64).abs() < 7.0 && (200..260).contains(&k);
                *voxel = generator.normal() as f32 - if wall { 1.5 } else { 0.0 };
            }
        }
        Ok(slices)
    }
}

#[test]
fn a_large_tomogram_is_read_in_part_and_answers_alike() {
    let slice = 160 * 160;
    for max_slices in [400, 80, 30, 1] {
        let voxels_read = Arc::new(AtomicUsize::new(0));
        let source = Box::new(Generated {
            voxels_read: Arc::clone(&voxels_read),
        });
        let volume = Tomogram::from_source(source, Geometry::new([400, 160, 160], 4.0), "large").unwrap();
        let options = SuggestOptions {
            thickness: Some(60),
            max_voxels: (max_slices * slice) as u64,
            ..SuggestOptions::default()
        };
        let suggestion = suggest_slabs(&volume, &options, 1, &Job::quiet()).unwrap();
        let read = voxels_read.load(Ordering::Relaxed) / slice;
        // 16 slices for the grey scale, and 16 layers in any case.
        assert!(read <= max_slices.max(16) + 16, "{read} slices read of {max_slices}");
        // Layers may be 25 slices apart.
        assert!(
            suggestion.slabs[0].z.start.abs_diff(200) <= 14,
            "{max_slices}: {:?}",
            suggestion.slabs
        );
        assert_eq!(suggestion.profile.len(), 400);
    }
}

#[test]
fn a_phantom_in_thin_ice_is_found_in_its_ice() {
    let phantom = simulate(
        &PhantomOptions {
            shape: [96, 96, 96],
            voxel_nm: 1.6,
            ice_fraction: 0.3,
            snr: 0.3,
            membranes: 2,
            crowding: 0.15,
            tilt_step: 4.0,
            ..PhantomOptions::default()
        },
        &Job::quiet(),
    )
    .unwrap();
    let volume = tomogram(phantom.tomogram, 16.0);
    let suggestion = suggest(&volume, 20, 2);
    // The ice fills slices 34 to 62; its faces are blurred by the missing wedge.
    let best = &suggestion.slabs[0].z;
    assert!(best.start >= 31 && best.end <= 66, "{:?}", suggestion.slabs);
    assert!(
        suggestion.slabs[0].score > 2.0 * suggestion.slabs[1].score,
        "{:?}",
        suggestion.slabs
    );
}

#[test]
fn windows_do_not_overlap_and_ties_go_to_the_middle() {
    let flat = richest(&[1.0; 10], &[false; 10], 4, 9);
    let starts: Vec<usize> = flat.iter().map(|slab| slab.z.start).collect();
    assert_eq!(starts, [3]);
    let profile = [0.0, 5.0, 5.0, 0.0, 1.0, 1.0, 9.5, 1.0];
    let ranges = richest(&profile, &[false; 8], 2, 9);
    let starts: Vec<usize> = ranges.iter().map(|slab| slab.z.start).collect();
    assert_eq!(starts, [5, 1, 3]);
    assert_eq!(richest(&profile, &[false; 8], 8, 3).len(), 1);
    let mut broken = [false; 8];
    broken[6] = true;
    let ranges = richest(&profile, &broken, 2, 9);
    assert_eq!(ranges[0].z, 1..3);
    assert!(ranges.last().unwrap().z.contains(&6));
}

#[test]
fn profiles_are_smooth_between_layers_and_ignore_one_bad_one() {
    assert_eq!(
        interpolated(&[1.0, 3.0], &[2.0, 4.0], 6),
        [2.0, 2.0, 3.0, 4.0, 4.0, 4.0]
    );
    assert_eq!(interpolated(&[0.5], &[7.0], 2), [7.0, 7.0]);
    assert_eq!(
        without_single_peaks(&[9.0, 1.0, 2.0, 50.0, 3.0]),
        [2.0, 2.0, 2.0, 3.0, 3.0]
    );
    assert_eq!(without_single_peaks(&[5.0, 1.0]), [5.0, 1.0]);
}

#[test]
fn wrong_requests_are_named_and_a_cancel_stops() {
    let volume = tomogram(noise(7), 10.0);
    let ask = |volume: &Tomogram, options: &SuggestOptions, count: usize, job: &Job| {
        suggest_slabs(volume, options, count, job).unwrap_err()
    };
    let with = |thickness: usize, voxel_nm: Option<f64>| SuggestOptions {
        thickness: Some(thickness),
        voxel_nm,
        ..SuggestOptions::default()
    };
    let quiet = Job::quiet();
    assert_eq!(
        ask(&volume, &with(97, None), 1, &quiet).to_string(),
        "thickness is 97, must be 1..=96, the tomogram's slices"
    );
    assert!(ask(&volume, &with(20, Some(f64::NAN)), 1, &quiet)
        .to_string()
        .starts_with("voxel_nm is NaN"));
    assert!(ask(&volume, &with(20, None), 0, &quiet)
        .to_string()
        .starts_with("count is 0"));
    let constant = tomogram(Array3::from_elem((24, 64, 64), 3.0), 10.0);
    assert!(matches!(
        ask(&constant, &with(20, None), 1, &quiet),
        Error::Format { .. }
    ));
    let token = CancelToken::default();
    token.request();
    let error = ask(&volume, &with(20, None), 1, &Job::new(token, Logger::default()));
    assert!(matches!(error, Error::Cancelled { .. }));
    // Small volumes of any shape have an answer; an unknown voxel size too.
    let tiny = tomogram(noise(8).slice(s![..3, ..9, ..7]).to_owned(), 0.0);
    assert_eq!(
        suggest_slabs(&tiny, &SuggestOptions::default(), 5, &quiet)
            .unwrap()
            .slabs[0]
            .z,
        0..3
    );
}

/// The development data's folder `name`, or None after saying that the test is skipped.
fn data(name: &str) -> Option<PathBuf> {
    let beside = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("TOMOCUT_DATA").map_or(beside, PathBuf::from);
    let data = folder.join(name);
    if !data.is_dir() {
        eprintln!(
            "skipped: no {name} in {}; TOMOCUT_DATA names the data folder",
            folder.display()
        );
        return None;
    }
    Some(data)
}

/// The best slab of 20 slices, and the sum of `truth` over it and over the median slab of 20.
fn against_truth(volume: &Tomogram, truth: &[f64]) -> (Range<usize>, f64, f64) {
    let best = suggest(volume, 20, 1).slabs.remove(0).z;
    let mut windows: Vec<f64> = truth.windows(20).map(|window| window.iter().sum()).collect();
    let best_sum = windows[best.start];
    windows.sort_unstable_by(f64::total_cmp);
    (best, best_sum, windows[windows.len() / 2])
}

#[test]
fn simulated_cells_hold_more_than_the_median_slab_where_suggested() {
    let set = "sim_pn_dev1";
    for name in ["tomo_easy", "tomo_hard"] {
        let Some(folder) = data(set) else { return };
        let open = |name: &str| Tomogram::open(&folder.join(format!("{name}.mrc.gz")), &Job::quiet()).unwrap();
        let labels = open("labels").read_slices(0..128).unwrap();
        let share = |slice: ndarray::ArrayView2<f32>| slice.mapv(|label| f64::from(label > 0.0)).mean().unwrap();
        let truth: Vec<f64> = labels.outer_iter().map(share).collect();
        let (best, held, median) = against_truth(&open(name), &truth);
        eprintln!(
            "{set}/{name}: slices {best:?} hold {:.3} of the median slab's foreground",
            held / median
        );
        assert!(
            held >= median,
            "{set}/{name}: {best:?} holds {held}, the median slab {median}"
        );
    }
}

#[test]
fn a_real_tomogram_is_suggested_where_its_ribosomes_are() {
    let Some(folder) = data("real_empiar11658_tomo9") else {
        return;
    };
    let volume = Tomogram::open(&folder.join("tomo9.mrc.gz"), &Job::quiet()).unwrap();
    let table = std::fs::read_to_string(folder.join("ribosomes_80S.csv")).unwrap();
    let mut truth = vec![0.0; 128];
    for line in table.lines().skip(1) {
        let z: f64 = line.split(',').nth(2).unwrap().parse().unwrap();
        truth[z.round() as usize] += 1.0;
    }
    let (best, held, median) = against_truth(&volume, &truth);
    eprintln!("tomo9: slices {best:?} hold {held} ribosomes, the median slab {median}");
    assert!(held >= 2.0 * median, "{best:?} holds {held}, the median slab {median}");
}
