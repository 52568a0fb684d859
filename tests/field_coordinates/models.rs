//! Models of IMOD.
use super::*;

/// The bytes of a model that tomocut writes of picks at `positions` (z, y, x) in the volume `drawn_on`.
fn model(positions: &[[f64; 3]], drawn_on: &Geometry, change: impl Fn(&mut Vec<u8>)) -> (tempfile::TempDir, PathBuf) {
    let picks = positions.iter().map(|position| Pick {
        position: *position,
        diameter_nm: 20.0,
        score: 0.5,
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.mod");
    PickSet::new(picks.collect(), drawn_on, "TS_01")
        .write(&path, PickFormat::Imod)
        .unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// Bytes before the flags of the first object and of the model.
const OBJECT_FLAGS: usize = 8 + 232 + 4 + 132;
const MODEL_FLAGS: usize = 8 + 128 + 16;

#[test]
fn models_are_placed_by_the_volume_that_they_were_drawn_on() {
    let mut tomogram = geometry();
    tomogram.origin_angstrom = [-70.0, 30.0, 500.0];
    let read = |path: &Path| read_as(path, &tomogram, "TS_01");
    // On a slab, and on a binned copy of it: pixel edges, not centres, stay in place in x and y.
    let slab = tomogram.slab(8..20).unwrap();
    let (_folder, path) = model(
        &[[-3.0, 20.0, 10.0], [10.0, 12.25, 30.5], [4.0, 35.0, 50.0]],
        &slab,
        |_| (),
    );
    let set = read(&path).unwrap();
    assert_at(&set, &POINTS, "slab");
    assert!((set.picks[0].diameter_nm - 20.0).abs() < 1e-3 && set.warnings.is_empty());
    let mut binned = slab.clone();
    (binned.shape, binned.voxel_angstrom) = ([6, 20, 28], [20.0; 3]);
    let (_folder, path) = model(
        &[[-1.5, 9.75, 4.75], [5.0, 5.875, 15.0], [2.0, 17.25, 24.75]],
        &binned,
        |_| (),
    );
    let set = read(&path).unwrap();
    assert_at(&set, &POINTS, "binned slab");
    assert!((set.picks[0].diameter_nm - 20.0).abs() < 1e-3);
    // The same volume: its header's size was corrected since, its origin has the other sign.
    let mut wrong = tomogram.clone();
    wrong.voxel_angstrom = [1.0; 3];
    let (_folder, path) = model(&[[5.0, 20.0, 10.0]], &wrong, |_| ());
    let set = read(&path).unwrap();
    assert_at(&set, &POINTS[..1], "corrected");
    assert!(
        set.warnings[0].contains("the size is taken for corrected"),
        "{:?}",
        set.warnings
    );
    let mut mirrored = tomogram.clone();
    mirrored.origin_angstrom = tomogram.origin_angstrom.map(|origin| -origin);
    let (_folder, path) = model(&[[5.0, 20.0, 10.0]], &mirrored, |_| ());
    assert_at(&read(&path).unwrap(), &POINTS[..1], "sign");
    // Turned, and drawn on something without a size.
    let turn = |bytes: &mut Vec<u8>| {
        let end = bytes.len() - 4;
        bytes[end - 12..end - 8].copy_from_slice(&90.0_f32.to_be_bytes());
    };
    let (_folder, path) = model(&[[-3.0, 20.0, 10.0]], &slab, turn);
    assert_refused(read(&path), &["turned by [0.0, 0.0, 90.0] degrees"]);
    let (_folder, path) = model(&[[5.0, 20.0, 10.0]], &tomogram, turn);
    assert_at(&read(&path).unwrap(), &POINTS[..1], "turned, the same volume");
    let mut unsized_copy = Geometry::new([12, 20, 28], 1.0);
    unsized_copy.origin_angstrom = [0.0; 3];
    let (_folder, path) = model(&[[2.5, 9.75, 4.75]], &unsized_copy, |_| ());
    assert_refused(read(&path), &["drawn on pixels of 1 A"]);
    let swap = |bytes: &mut Vec<u8>| bytes[MODEL_FLAGS + 1] |= 1;
    let (_folder, path) = model(&[[5.0, 20.0, 10.0]], &tomogram, swap);
    assert_refused(read(&path), &["y and z swapped"]);
    // A tomogram without a size takes its own models and no others.
    let unknown = Geometry::new([24, 40, 56], 0.0);
    let (_folder, path) = model(&[[5.0, 20.0, 10.0]], &unknown, |_| ());
    assert_at(&read_as(&path, &unknown, "").unwrap(), &POINTS[..1], "unknown");
    assert_at(&read(&path).unwrap(), &POINTS[..1], "no reference");
    let (_folder, path) = model(&[[-3.0, 20.0, 10.0]], &slab, |_| ());
    assert_refused(
        read_as(&path, &unknown, ""),
        &["voxel_angstrom is 0", "drawn on pixels of 10 A"],
    );
}

#[test]
fn points_of_open_and_closed_contours_are_picks_where_no_others_are() {
    let flags = |flags: u32| {
        move |bytes: &mut Vec<u8>| bytes[OBJECT_FLAGS..OBJECT_FLAGS + 4].copy_from_slice(&flags.to_be_bytes())
    };
    let positions = [[5.0, 20.0, 10.0], [18.0, 12.25, 30.5], [12.0, 35.0, 50.0]];
    for (kind, warned) in [(1 << 9, false), (1 << 3, false), (0, true)] {
        let (_folder, path) = model(&positions, &geometry(), flags(kind));
        let set = read_as(&path, &geometry(), "TS_01").unwrap();
        assert_at(&set, &POINTS, "kinds");
        assert_eq!(
            set.warnings.iter().any(|warning| warning.contains("closed contours")),
            warned,
            "{kind}"
        );
    }
}
