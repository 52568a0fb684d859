//! What follows the network, on volumes whose truth is known: molecules, membranes, places, and any amount of memory.
use std::fs;
use std::path::Path;

use ndarray::Array3;
use tomocut::image::{label_3d, Connectivity};
use tomocut::picks::{Pick, PickFormat, PickSet};
use tomocut::predict::{
    after_network, close_membranes, find_picks, write_membranes, AfterNetwork, ClosingOptions, MapSource, MembraneFile,
    MembraneOptions, PickMethod, PickingOptions, ProbabilityMap,
};
use tomocut::runtime::{Generator, Job};
use tomocut::volume::{Geometry, Tomogram};
use tomocut::Error;

const SHAPE: [usize; 3] = [52, 60, 71];
/// Bytes that give slabs of one slice, of some slices, and all slices at once.
const BUDGETS: [u64; 3] = [1_200_000, 6_000_000, 1 << 30];

/// Centres (z, y, x), the first two 10 voxels apart.
const CENTRES: [[f64; 3]; 5] = [
    [10.0, 12.0, 14.0],
    [10.0, 12.0, 24.0],
    [25.0, 40.0, 35.0],
    [40.0, 30.0, 60.0],
    [47.0, 8.0, 8.0],
];

fn squared(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// The centres as balls of radius 4, 0.9 inside, or as Gaussians that fall from 0.9, 0.8, ...
fn map(of_centres: bool) -> Array3<f32> {
    Array3::from_shape_fn(SHAPE, |(z, y, x)| {
        let at = [z, y, x].map(|v| v as f64);
        let values = CENTRES.iter().enumerate().map(|(n, centre)| {
            let d = squared(at, *centre);
            match of_centres {
                true => (0.9 - 0.1 * n as f64) * (-d / 8.0).exp(),
                false => f64::from(u8::from(d <= 16.0)) * 0.9,
            }
        });
        values.fold(0.0, f64::max) as f32
    })
}

fn tomogram(voxels: Array3<f32>, voxel_angstrom: f64) -> Tomogram {
    let (nz, ny, nx) = voxels.dim();
    Tomogram::from_array(voxels, Geometry::new([nz, ny, nx], voxel_angstrom)).unwrap()
}

fn options(method: PickMethod) -> PickingOptions {
    PickingOptions {
        method: Some(method),
        threshold: Some(0.4),
        diameter_nm: 16.0,
        ..PickingOptions::default()
    }
}

fn find(map: &ProbabilityMap, options: &PickingOptions, memory: u64) -> Vec<Pick> {
    find_picks(map, "molecule", options, None, memory, &Job::quiet())
        .unwrap()
        .picks
}

fn places(picks: &[Pick]) -> Vec<[f64; 3]> {
    let mut places: Vec<[f64; 3]> = picks.iter().map(|pick| pick.position).collect();
    places.sort_by(|a, b| a.partial_cmp(b).unwrap());
    places
}

#[test]
fn every_method_finds_the_centres_in_any_memory() {
    // Voxels of 2 nm: 16 nm are 8 voxels.
    for method in [PickMethod::Peaks, PickMethod::MeanPooling, PickMethod::Objects] {
        let volume = tomogram(map(method == PickMethod::Peaks), 20.0);
        let map = ProbabilityMap::of(&volume);
        let picks = find(&map, &options(method), BUDGETS[0]);
        assert_eq!(places(&picks), CENTRES, "{method:?}");
        for memory in BUDGETS {
            assert_eq!(find(&map, &options(method), memory), picks, "{method:?} {memory}");
        }
        match method {
            PickMethod::Peaks => {
                for (n, pick) in picks.iter().enumerate() {
                    assert!((pick.score - (0.9 - 0.1 * n as f64)).abs() < 1e-6 && pick.position == CENTRES[n]);
                }
            }
            // A ball of radius 4 has 257 voxels of 8 nm^3.
            PickMethod::Objects => assert!(picks.iter().all(|pick| {
                let nm3 = std::f64::consts::PI / 6.0 * pick.diameter_nm.powi(3);
                (nm3 - 8.0 * 257.0).abs() < 1e-6 && (pick.score - 0.9).abs() < 1e-6
            })),
            PickMethod::MeanPooling => assert!(picks.iter().all(|pick| pick.diameter_nm == 16.0)),
        }
    }
    // Peaks of a larger particle: of the two that are 10 voxels apart the better one.
    let volume = tomogram(map(true), 20.0);
    let larger = PickingOptions {
        diameter_nm: 42.0,
        ..options(PickMethod::Peaks)
    };
    let picks = find(&ProbabilityMap::of(&volume), &larger, 1 << 30);
    assert!(picks.len() == 4 && !places(&picks).contains(&CENTRES[1]));
}

#[test]
fn an_object_of_several_molecules_is_taken_apart() {
    // Balls of radius 4 in a chain, 8 voxels from one to the next, and a pair, which has no more than twice the volume.
    let chain = [14.0, 22.0, 30.0].map(|x| [20.0, 30.0, x]);
    let pair = [52.0, 60.0].map(|x| [20.0, 30.0, x]);
    let voxels = Array3::from_shape_fn(SHAPE, |(z, y, x)| {
        let at = [z, y, x].map(|v| v as f64);
        let inside = chain.iter().chain(&pair).any(|centre| squared(at, *centre) <= 16.0);
        if inside {
            0.8
        } else {
            0.0
        }
    });
    let volume = tomogram(voxels, 20.0);
    let map = ProbabilityMap::of(&volume);
    let picks = find(&map, &options(PickMethod::Objects), 1 << 30);
    let places = places(&picks);
    assert_eq!(places.len(), 4, "{places:?}");
    for (place, centre) in places.iter().zip([chain[0], chain[1], chain[2], [20.0, 30.0, 56.0]]) {
        assert!(squared(*place, centre) <= 3.0, "{place:?}, not {centre:?}");
    }
    // Of a molecule twice as wide all of it is one.
    let wider = PickingOptions {
        diameter_nm: 32.0,
        ..options(PickMethod::Objects)
    };
    assert_eq!(find(&map, &wider, 1 << 30).len(), 2);
    for memory in BUDGETS {
        assert_eq!(find(&map, &options(PickMethod::Objects), memory), picks, "{memory}");
    }
    // Too little memory for mean pooling leaves objects whole; these need none of it.
    let narrow = find(&map, &options(PickMethod::Objects), 300_000);
    assert_eq!(narrow.len(), 2, "{narrow:?}");
}

#[test]
fn places_are_those_of_the_whole_tomogram() {
    let part = tomogram(map(true).mapv(|p| (p * 255.0).round()), 20.0);
    let whole = Geometry::new([100, 90, 80], 20.0);
    let map = ProbabilityMap {
        volume: &part,
        certain: 255.0,
        whole: &whole,
        first: [30, 20, 5],
        name: "TS_01",
    };
    let moved = CENTRES.map(|[z, y, x]| [z + 30.0, y + 20.0, x + 5.0]);
    let mut options = options(PickMethod::Peaks);
    assert_eq!(places(&find(&map, &options, 1 << 30)), moved);
    // Borders are the tomogram's: x = 65 is 14.5 voxels from its end, 29 nm.
    options.border_nm = [0.0, 0.0, 29.0];
    let kept = places(&find(&map, &options, 1 << 30));
    assert_eq!(kept, moved[..4]);
    options.border_nm = [0.0, 0.0, 29.5];
    assert_eq!(places(&find(&map, &options, 1 << 30)), moved[..3]);
    // What is excluded has the extents of the tomogram as well.
    options.border_nm = [0.0; 3];
    options.exclusion_nm = 10.0;
    let mut carbon = Array3::zeros((100, 90, 80));
    // Five voxels from the first two: 10 nm are far enough.
    carbon[[40, 32, 24]] = 3.0;
    let carbon = tomogram(carbon, 20.0);
    let picks_with =
        |options: &PickingOptions| find_picks(&map, "centre", options, Some(&carbon), 1 << 30, &Job::quiet());
    assert_eq!(places(&picks_with(&options).unwrap().picks), moved);
    options.exclusion_nm = 10.1;
    let set = picks_with(&options).unwrap();
    assert_eq!(places(&set.picks), moved[2..]);
    assert_eq!((set.tomogram.as_str(), set.geometry.shape), ("TS_01", [100, 90, 80]));
    let error = find_picks(&map, "centre", &options, Some(&part), 1 << 30, &Job::quiet()).unwrap_err();
    assert!(error.to_string().contains("must be the tomogram's"), "{error}");
}

/// Two sheets with holes and a sphere, some specks.
fn membranes() -> Array3<f32> {
    let mut gen = Generator::new(11, 0);
    Array3::from_shape_fn(SHAPE, |(z, y, x)| {
        let hole = (20..24).contains(&y) && (30..34).contains(&x);
        let first = (8..11).contains(&z) && !hole;
        let second = (18..21).contains(&z) && y > 5 && !(y == 40 && (20..24).contains(&x));
        let radius = squared([z as f64, y as f64, x as f64], [40.0, 30.0, 30.0]).sqrt();
        let sphere = (radius - 9.0).abs() < 1.5 && y > 22;
        let speck = !(4..=24).contains(&z) && gen.chance(0.0005);
        match first || second || sphere || speck {
            true => 0.9,
            false => 0.1,
        }
    })
}

fn read(path: &Path) -> Array3<f32> {
    let volume = Tomogram::open(path, &Job::quiet()).unwrap();
    volume.read_slices(0..volume.geometry().shape[0]).unwrap()
}

#[test]
fn membranes_are_those_of_the_whole_volume_in_any_memory() {
    let voxels = membranes();
    let volume = tomogram(voxels.clone(), 10.0);
    let map = ProbabilityMap::of(&volume);
    let closing = ClosingOptions {
        gap_nm: 6.0,
        thickness_nm: 5.0,
    };
    for closing in [None, Some(closing)] {
        let options = MembraneOptions {
            gap_nm: closing.map_or(0.0, |closing: ClosingOptions| closing.gap_nm),
            thickness_nm: closing.map_or(9.0, |closing| closing.thickness_nm),
            least_nm3: 20.0,
            largest_nm3: Some(12_000.0),
            ..MembraneOptions::default()
        };
        // The plain way: everything in memory.
        let above = voxels.mapv(|p| p >= 0.5);
        let closed = match &closing {
            Some(closing) => close_membranes(above.view(), closing, 1.0, &Job::quiet()).unwrap(),
            None => above.clone(),
        };
        assert_eq!(closed != above, closing.is_some());
        let whole = label_3d(closed.view(), Connectivity::Full, || Ok(())).unwrap();
        let mut count = 0;
        let numbers: Vec<f32> = std::iter::once(0.0)
            .chain(whole.areas.iter().map(|area| match (20..=12_000).contains(area) {
                true => {
                    count += 1;
                    count as f32
                }
                false => 0.0,
            }))
            .collect();
        let large: Vec<usize> = whole.areas.iter().copied().filter(|area| *area > 9).collect();
        assert!(count == 2 && large.len() == 3 && count < whole.areas.len(), "{large:?}");
        let expected = whole.labels.mapv(|label| numbers[label as usize]);
        let mut bytes: Vec<[Vec<u8>; 2]> = Vec::new();
        for memory in [40_000, 400_000, 1 << 30] {
            let folder = tempfile::tempdir().unwrap();
            let written = write_membranes(&map, "membrane", &options, folder.path(), memory, &Job::quiet()).unwrap();
            assert_eq!((written.count as usize, written.files.len()), (count, 2));
            assert_eq!(read(&written.files[1]), expected, "{memory}");
            assert_eq!(read(&written.files[0]), expected.mapv(|v| v.min(1.0)), "{memory}");
            bytes.push([0, 1].map(|n| fs::read(&written.files[n]).unwrap()));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
        }
        assert!(bytes.iter().all(|files| *files == bytes[0]));
        // int8, mode 0, and int16, mode 1.
        assert_eq!((bytes[0][0][12], bytes[0][1][12]), (0, 1));
    }
}

#[test]
fn many_objects_are_float32() {
    let dots = Array3::from_shape_fn((64, 64, 80), |(z, y, x)| {
        f32::from(u8::from(z % 2 + y % 2 + x % 2 == 0))
    });
    let volume = tomogram(dots, 0.0);
    let folder = tempfile::tempdir().unwrap();
    let options = MembraneOptions {
        files: vec![MembraneFile::Objects],
        gap_nm: 0.0,
        least_nm3: 0.0,
        ..MembraneOptions::default()
    };
    let map = ProbabilityMap::of(&volume);
    let written = write_membranes(&map, "membrane", &options, folder.path(), 1 << 30, &Job::quiet()).unwrap();
    assert_eq!(written.count, 32 * 32 * 40);
    assert_eq!(fs::read(&written.files[0]).unwrap()[12], 2);
    assert_eq!(
        read(&written.files[0]).iter().fold(0.0, |most: f32, v| most.max(*v)),
        40960.0
    );
    // In less memory than the names of the dots take.
    let failed = write_membranes(&map, "membrane", &options, folder.path(), 100_000, &Job::quiet()).unwrap_err();
    assert!(
        matches!(&failed, Error::OutOfMemory(text) if text.contains("higher threshold")),
        "{failed}"
    );
}

#[test]
fn all_that_was_asked_for_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let outputs = ["membrane", "molecule", "centre"].map(str::to_owned);
    let whole = Geometry::new(SHAPE, 20.0);
    let open = |name: &str| {
        Ok(tomogram(
            match name {
                "membrane" => membranes(),
                "molecule" => map(false),
                other => panic!("{other} is not needed"),
            },
            20.0,
        ))
    };
    let maps = MapSource {
        open: &open,
        certain: 1.0,
        whole: &whole,
        first: [0; 3],
        name: "TS_01",
    };
    let after = AfterNetwork {
        picking: Some(PickingOptions {
            formats: PickFormat::ALL.to_vec(),
            ..PickingOptions::default()
        }),
        membranes: Some(MembraneOptions::default()),
        excluded: None,
    };
    let results = after_network(&after, &outputs, &maps, folder.path(), 1 << 30, &Job::quiet()).unwrap();
    let picks = results.picks.unwrap();
    // Objects of the molecules: balls of 2056 nm^3.
    assert_eq!(places(&picks.picks), CENTRES);
    assert!(results.membranes.is_some());
    let mut names = after.files(&outputs, "TS_01").unwrap();
    names.sort();
    let mut seen: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    seen.sort();
    assert_eq!(seen, names);
    for format in PickFormat::ALL {
        let path = folder.path().join(format.file_name("TS_01"));
        assert_eq!(PickFormat::of(&path).unwrap(), format);
        let read = PickSet::read(&path, format, &whole, "TS_01").unwrap();
        for (read, pick) in read.picks.iter().zip(&picks.picks) {
            assert!(squared(read.position, pick.position) < 1e-6, "{format:?}");
        }
        assert_eq!(read.picks.len(), 5, "{format:?}");
    }
}

#[test]
fn wrong_settings_are_named() {
    let volume = tomogram(map(true), 0.0);
    let map = ProbabilityMap::of(&volume);
    let refused = |change: fn(&mut PickingOptions), text: &str| {
        let mut options = options(PickMethod::Peaks);
        change(&mut options);
        let error = find_picks(&map, "centre", &options, None, 1 << 30, &Job::quiet()).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    };
    refused(|_| (), "voxel_nm is unknown");
    refused(|o| o.diameter_nm = 0.0, "diameter_nm is 0");
    refused(|o| o.threshold = Some(1.0), "threshold is 1");
    refused(|o| o.border_nm = [0.0, -1.0, 0.0], "border_nm[1] is -1");
    refused(|o| o.exclusion_nm = f64::NAN, "exclusion_nm is not finite");
    refused(|o| o.least_nm3 = -1.0, "least_nm3 is -1");
    refused(|o| o.largest_nm3 = Some(1.0), "least_nm3");
    let outputs = ["background".to_owned(), "brain".to_owned()];
    let refused = PickingOptions::default().output(&outputs).unwrap_err().to_string();
    assert!(
        refused.contains("molecule or centre") && refused.contains("background, brain"),
        "{refused}"
    );
    let known = tomogram(crate::map(false), 10.0);
    let little = find_picks(
        &ProbabilityMap::of(&known),
        "molecule",
        &options(PickMethod::MeanPooling),
        None,
        1000,
        &Job::quiet(),
    );
    assert!(matches!(little, Err(Error::OutOfMemory(_))));
}
