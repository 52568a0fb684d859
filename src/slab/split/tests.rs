use ndarray::{s, Array3, Axis};

use super::*;
use crate::runtime::Job;
use crate::volume::{MEMBRANE, MOLECULE};

fn ball(volume: &mut Array3<bool>, centre: [f64; 3], radius: f64) {
    for ((z, y, x), v) in volume.indexed_iter_mut() {
        let d = [z as f64 - centre[0], y as f64 - centre[1], x as f64 - centre[2]];
        *v |= d.iter().map(|d| d * d).sum::<f64>() <= radius * radius;
    }
}

fn split(splitter: &dyn Splitter, volume: &Array3<bool>) -> Split {
    splitter.split(volume.view(), None, 1.0, &Job::quiet()).unwrap()
}

fn share(split: &Split, volume: &Array3<bool>, label: i8) -> f64 {
    let pairs = split.labels.iter().zip(volume).filter(|(_, &v)| v);
    let (hits, all) = pairs.fold((0.0, 0.0), |(h, n), (&l, _)| {
        (h + f64::from(u8::from(l == label)), n + 1.0)
    });
    hits / all
}

fn near(objects: &[Object], centre: [f64; 3], within: f64) -> bool {
    let distance = |o: &Object| {
        o.centroid
            .iter()
            .zip(centre)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f64>()
            .sqrt()
    };
    objects.iter().any(|o| distance(o) <= within)
}

#[test]
fn per_slice_follows_the_circularity_table() {
    // One slice: discs of radius 4 (0.9875), 5 (0.9364) and 6 (0.9517), a bar of 3 x 20 (0.427).
    let mut volume = Array3::from_elem((2, 40, 90), false);
    for (radius, x) in [(4, 10), (5, 30), (6, 50)] {
        for ((_, y, c), v) in volume.indexed_iter_mut().filter(|((z, ..), _)| *z == 1) {
            let (dy, dx) = (y as i64 - 15, c as i64 - x);
            *v |= dy * dy + dx * dx <= radius * radius;
        }
    }
    volume.slice_mut(s![1, 34..37, 60..80]).fill(true);
    let split_slab = split(&ShapePerSlice::default(), &volume);
    let centres: Vec<[f64; 3]> = split_slab.objects.iter().map(|o| o.centroid).collect();
    assert_eq!(centres, [[1.0, 15.0, 50.0], [1.0, 15.0, 10.0]]);
    assert_eq!((split_slab.objects[0].label, split_slab.objects[0].size), (1, 113));
    assert_eq!(
        (
            split_slab.labels[[1, 15, 30]],
            split_slab.labels[[1, 35, 70]],
            split_slab.labels[[1, 15, 10]]
        ),
        (1, 1, 2)
    );
    assert!(split_slab.labels.index_axis(Axis(0), 0).iter().all(|&l| l == 0));
    let large = ShapePerSlice {
        diameter_nm: Some((10.0, 45.0)),
        ..ShapePerSlice::default()
    };
    assert_eq!(split(&large, &volume).objects.len(), 1);
}

#[test]
fn balls_are_molecules_and_sheets_and_vesicles_membranes() {
    let mut volume = Array3::from_elem((44, 90, 90), false);
    ball(&mut volume, [20.0, 20.0, 20.0], 10.0);
    let balls = volume.clone();
    let mut shell = Array3::from_elem(volume.dim(), false);
    ball(&mut shell, [21.0, 60.0, 60.0], 18.0);
    let mut hollow = Array3::from_elem(volume.dim(), false);
    ball(&mut hollow, [21.0, 60.0, 60.0], 14.0);
    shell.zip_mut_with(&hollow, |s, &h| *s &= !h);
    shell.slice_mut(s![5..40, 84..88, 2..88]).fill(true);
    volume.zip_mut_with(&shell, |v, &s| *v |= s);
    let split_slab = split(&Shape3d::default(), &volume);
    assert_eq!(split_slab.objects.len(), 1);
    assert!(near(&split_slab.objects, [20.0; 3], 0.1));
    assert!((split_slab.objects[0].diameter_nm - 20.0).abs() < 0.5);
    assert_eq!(
        (
            share(&split_slab, &balls, MOLECULE),
            share(&split_slab, &shell, MEMBRANE)
        ),
        (1.0, 1.0)
    );
}

#[test]
fn touching_molecules_and_one_on_a_membrane_come_apart() {
    let mut volume = Array3::from_elem((40, 80, 100), false);
    let (a, b, c) = ([18.0, 20.0, 20.0], [20.0, 20.0, 38.5], [20.0, 50.0, 70.0]);
    for (centre, radius) in [(a, 10.0), (b, 10.0), (c, 9.0)] {
        ball(&mut volume, centre, radius);
    }
    // A bilayer under the third one.
    volume.slice_mut(s![.., 58..63, ..]).fill(true);
    let split_slab = split(&Shape3d::default(), &volume);
    assert_eq!(split_slab.objects.len(), 3, "{:?}", split_slab.objects);
    for centre in [a, b, c] {
        assert!(
            near(&split_slab.objects, centre, 1.5),
            "{centre:?}: {:?}",
            split_slab.objects
        );
    }
    assert_eq!(split_slab.labels[[5, 60, 10]], MEMBRANE);
    assert_eq!(split_slab.labels[[20, 48, 70]], MOLECULE);
    assert!(split_slab
        .objects
        .windows(2)
        .all(|w| w[0].centroid[0] <= w[1].centroid[0]));
    assert_eq!(
        split_slab.objects.iter().map(|o| o.label).collect::<Vec<_>>(),
        [1, 2, 3]
    );
}

#[test]
fn a_vesicle_cut_by_the_slab_is_membrane_and_a_barrel_is_a_molecule() {
    // Both run from the first slice to the last, so the outline alone would pass either.
    let mut volume = Array3::from_elem((8, 60, 100), false);
    for ((_, y, x), v) in volume.indexed_iter_mut() {
        let vesicle = (y as f64 - 30.0).hypot(x as f64 - 30.0);
        let barrel = (y as f64 - 30.0).hypot(x as f64 - 75.0);
        *v = (9.0..=15.0).contains(&vesicle) || (3.0..=8.0).contains(&barrel);
    }
    let split_slab = split(&Shape3d::default(), &volume);
    assert_eq!(split_slab.objects.len(), 1, "{:?}", split_slab.objects);
    assert!(near(&split_slab.objects, [3.5, 30.0, 75.0], 0.5));
    assert_eq!(
        (split_slab.labels[[4, 30, 18]], split_slab.labels[[4, 30, 70]]),
        (MEMBRANE, MOLECULE)
    );
}

#[test]
fn rods_stay_whole_and_debris_goes() {
    let mut volume = Array3::from_elem((30, 40, 100), false);
    for x in 5..95 {
        for ((z, y, _), v) in volume.slice_mut(s![.., .., x..=x]).indexed_iter_mut() {
            *v |= (z as f64 - 15.0).powi(2) + (y as f64 - 12.0).powi(2) <= 36.0;
        }
    }
    ball(&mut volume, [15.0, 33.0, 30.0], 2.0);
    let split_slab = split(&Shape3d::default(), &volume);
    assert!(split_slab.objects.is_empty(), "{:?}", split_slab.objects);
    assert_eq!(
        (split_slab.labels[[15, 12, 50]], split_slab.labels[[15, 33, 30]]),
        (MEMBRANE, 0)
    );
}

#[test]
fn a_slab_of_one_slice_and_bodies_cut_by_its_ends() {
    let mut volume = Array3::from_elem((6, 60, 60), false);
    ball(&mut volume, [-2.0, 20.0, 20.0], 9.0);
    volume.slice_mut(s![.., 40..45, ..]).fill(true);
    let split_slab = split(&Shape3d::default(), &volume);
    assert_eq!(split_slab.objects.len(), 1);
    assert!(
        (split_slab.objects[0].diameter_nm - 17.3).abs() < 1.0,
        "{:?}",
        split_slab.objects
    );
    assert_eq!(split_slab.labels[[3, 42, 30]], MEMBRANE);
    let one = volume.slice(s![0..1, .., ..]).to_owned();
    assert_eq!(split(&Shape3d::default(), &one).objects.len(), 1);
}

#[test]
fn empty_full_and_bad_input() {
    for splitter in [&Shape3d::default() as &dyn Splitter, &ShapePerSlice::default()] {
        assert!(split(splitter, &Array3::from_elem((3, 20, 20), false))
            .objects
            .is_empty());
        let full = split(splitter, &Array3::from_elem((3, 70, 70), true));
        assert!(full.objects.is_empty() && full.labels.iter().all(|&l| l == MEMBRANE));
        let volume = Array3::from_elem((1, 4, 4), true);
        let score = Array3::zeros((1, 4, 5));
        assert!(splitter
            .split(volume.view(), Some(score.view()), 1.0, &Job::quiet())
            .is_err());
        assert!(splitter.split(volume.view(), None, f64::NAN, &Job::quiet()).is_err());
        let none = Array3::from_elem((0, 4, 4), true);
        assert!(splitter
            .split(none.view(), None, 1.0, &Job::quiet())
            .unwrap()
            .objects
            .is_empty());
    }
    let mut volume = Array3::from_elem((24, 30, 30), false);
    ball(&mut volume, [12.0, 14.0, 14.0], 8.0);
    let score = volume.mapv(|v| if v { 0.75 } else { 0.0 });
    let split_slab = Shape3d::default()
        .split(volume.view(), Some(score.view()), 1.0, &Job::quiet())
        .unwrap();
    assert!((split_slab.objects[0].score - 0.75).abs() < 1e-9);
}
