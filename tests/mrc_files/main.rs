//! Reading and writing of MRC files: every mode, byte order and axis order, odd and damaged files, packed files.
#[path = "../development_data/mod.rs"]
mod development_data;
mod field;
mod imod_labels;
mod odd_files;
mod synthetic;
mod writing;
mod zarr_damage;

use ndarray::s;
use proptest::prelude::*;
use synthetic::{bzip, gzip, read_all, save, Synthetic, AXES};
use tomocut::runtime::{CancelToken, Job, Level, Logger};
use tomocut::volume::Tomogram;
use tomocut::Error;

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_mode_byte_order_and_axis_order_reads_the_same(
        stored in [1usize..7, 1usize..8, 1usize..9],
        axis in proptest::sample::select(&AXES[..]),
        mode in proptest::sample::select(vec![0, 1, 2, 6, 12]),
        big: bool,
        extended in proptest::sample::select(vec![0usize, 80, 1024, 1337]),
        packing in 0..3,
        cut in 0.0..1.0f64,
    ) {
        let file = Synthetic { stored, axis, mode, big, extended };
        let folder = tempfile::tempdir().unwrap();
        let bytes = file.bytes();
        let stored_bytes = match packing { 0 => bytes.clone(), 1 => gzip(&bytes), _ => bzip(&bytes) };
        let path = save(folder.path(), "volume.dat", &stored_bytes);
        let tomogram = Tomogram::open(&path, &Job::quiet()).unwrap();
        let expected = file.expected();
        let nz = expected.dim().0;
        prop_assert_eq!(tomogram.geometry().shape.as_slice(), expected.shape());
        prop_assert_eq!(tomogram.geometry().voxel_angstrom, [4.0, 3.0, 2.0]);
        prop_assert_eq!(tomogram.geometry().origin_angstrom, [2.5, 1.5, 0.5]);
        for (k, xyz) in axis.iter().enumerate() {
            prop_assert_eq!(tomogram.geometry().start[3 - *xyz as usize], 10 * (k as i32 + 1));
        }
        let first = ((nz as f64 * cut) as usize).min(nz - 1);
        let slices = tomogram.read_slices(first..nz).unwrap();
        prop_assert_eq!(slices, expected.slice(s![first..nz, .., ..]));
        // One byte less is an error that gives both lengths.
        let keep = (bytes.len() as f64 * cut) as usize;
        let path = save(folder.path(), "cut.mrc", &bytes[..keep]);
        let text = Tomogram::open(&path, &Job::quiet()).unwrap_err().to_string();
        let short = format!("found {keep}");
        prop_assert!(text.contains(&short), "{}", text);
        let path = save(folder.path(), "cut.mrc.gz", &gzip(&bytes[..keep]));
        prop_assert!(Tomogram::open(&path, &Job::quiet()).is_err());
        let path = save(folder.path(), "damaged.mrc", &stored_bytes[..(stored_bytes.len() as f64 * cut) as usize]);
        prop_assert!(Tomogram::open(&path, &Job::quiet()).is_err());
    }

    #[test]
    fn no_header_makes_it_panic(
        words in proptest::collection::vec(any::<i32>(), 256), at in 0usize..256, small in 0i32..5,
    ) {
        let mut words = words;
        words[at] = small;
        let mut bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let folder = tempfile::tempdir().unwrap();
        let _ = read_all(&save(folder.path(), "random.mrc", &bytes));
        // The same with a sane start: extent, mode and stamp.
        bytes[..1024].copy_from_slice(&Synthetic::plain([2, 2, 2], small).bytes()[..1024]);
        bytes[at * 4..at * 4 + 4].copy_from_slice(&words[(at + 1) % 256].to_le_bytes());
        bytes.extend([0u8; 64]);
        let _ = read_all(&save(folder.path(), "random.mrc", &bytes));
    }

}

#[test]
fn bytes_are_signed_or_not_as_the_file_tells() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = Synthetic::plain([4, 1, 1], 0).bytes();
    bytes[1024..].copy_from_slice(&[0, 100, 200, 255]);
    let first = |bytes: &[u8]| {
        read_all(&save(folder.path(), "bytes.mrc", bytes))
            .unwrap()
            .into_raw_vec_and_offset()
            .0
    };
    assert_eq!(first(&bytes), [0.0, 100.0, -56.0, -1.0]);
    bytes[152..156].copy_from_slice(b"IMOD");
    assert_eq!(first(&bytes), [0.0, 100.0, 200.0, 255.0]);
    bytes[156] = 1;
    assert_eq!(first(&bytes), [0.0, 100.0, -56.0, -1.0]);
    // Without a stamp the recorded range decides.
    bytes[152..160].fill(0);
    bytes[76..80].copy_from_slice(&0f32.to_le_bytes());
    bytes[80..84].copy_from_slice(&255f32.to_le_bytes());
    assert_eq!(first(&bytes), [0.0, 100.0, 200.0, 255.0]);
}

#[test]
fn bad_files_are_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let good = Synthetic::plain([4, 3, 2], 2).bytes();
    let with = |at: usize, word: i32| {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        bytes
    };
    let nan = f32::NAN.to_bits() as i32;
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "an MRC header has 1024 bytes, found 0"),
        (good[..1000].to_vec(), "found 1000"),
        (good[..1024].to_vec(), "need 1120 bytes, found 1024"),
        (good[..1119].to_vec(), "found 1119"),
        (with(0, 0), "extent is 0 x 3 x 2"),
        (with(8, -2), "extent is 4 x 3 x -2"),
        (with(0, i32::MAX), "found 1120"),
        (with(12, 3), "complex voxels (mode 3)"),
        (with(12, 4), "complex voxels (mode 4)"),
        (with(12, 101), "4-bit voxels (mode 101)"),
        (with(12, 16), "RGB voxels (mode 16)"),
        (with(12, 7), "mode is 7"),
        (with(64, 2), "axis order (MAPC, MAPR, MAPS) is [2, 2, 3]"),
        (with(68, -2), "axis order"),
        (with(92, -1), "extended header of -1 bytes"),
        (with(92, 200), "need 1320 bytes, found 1120"),
        (
            with(1024 + 20, nan),
            "1 voxels of slices 0:2 are not finite, the first is NaN at z 0, y 1, x 1",
        ),
    ];
    for (bytes, reason) in cases {
        let error = read_all(&save(folder.path(), "bad.mrc", &bytes)).unwrap_err();
        assert!(error.to_string().contains(reason), "{error} lacks {reason:?}");
    }
    let mut huge = good.clone();
    for at in [0, 4, 8] {
        huge[at..at + 4].copy_from_slice(&i32::MAX.to_le_bytes());
    }
    let text = read_all(&save(folder.path(), "huge.mrc", &huge))
        .unwrap_err()
        .to_string();
    assert!(text.contains("overflow"), "{text}");
    // A packed header that claims 1 TiB, and one that claims more than so few bytes can hold.
    huge[4..12].copy_from_slice(&[64, 0, 0, 0, 2, 0, 0, 0]);
    let text = read_all(&save(folder.path(), "bomb.mrc", &gzip(&huge)))
        .unwrap_err()
        .to_string();
    assert!(text.contains("GiB"), "{text}");
    let text = read_all(&save(folder.path(), "boast.mrc", &gzip(&with(0, 1 << 24))))
        .unwrap_err()
        .to_string();
    assert!(text.contains("truncated"), "{text}");
    assert!(matches!(
        read_all(&folder.path().join("absent.mrc")),
        Err(Error::Io { .. })
    ));
    assert!(matches!(read_all(folder.path()), Err(Error::Format { .. })));
    let mut stack = with(36, 1);
    stack[88..92].copy_from_slice(&401i32.to_le_bytes());
    assert!(matches!(
        read_all(&save(folder.path(), "stack.mrc", &stack)),
        Err(Error::Unsupported(_))
    ));
}

#[test]
fn doubtful_headers_are_read_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = Synthetic::plain([4, 3, 2], 2).bytes();
    bytes[40..44].copy_from_slice(&f32::NAN.to_le_bytes());
    bytes[44..48].copy_from_slice(&(-40f32).to_le_bytes());
    bytes[204..208].copy_from_slice(&f32::INFINITY.to_le_bytes());
    bytes[208..224].fill(0);
    let path = save(folder.path(), "old.rec", &bytes);
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = told.clone();
    let logger = Logger::new(move |level, _, text| log.lock().unwrap().push((level, text.to_owned())));
    let tomogram = Tomogram::open(&path, &Job::new(CancelToken::default(), logger)).unwrap();
    assert_eq!(tomogram.geometry().voxel_angstrom, [4.0, 0.0, 0.0]);
    assert_eq!(tomogram.geometry().origin_angstrom, [0.0, 1.5, 0.5]);
    assert_eq!(tomogram.name(), "old");
    assert!(tomogram.geometry().voxel_nm().is_none());
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 3);
    assert!(told
        .iter()
        .all(|(level, text)| *level == Level::Warning && text.contains("old.rec")));
}

#[test]
fn unstamped_big_endian_bytes_are_recognised() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [0, 2] {
        let file = Synthetic {
            big: true,
            ..Synthetic::plain([4, 3, 2], mode)
        };
        let mut bytes = file.bytes();
        bytes[208..216].fill(0);
        assert_eq!(
            read_all(&save(folder.path(), "old.mrc", &bytes)).unwrap(),
            file.expected()
        );
    }
}

#[test]
fn a_file_that_shrinks_is_an_error_and_no_signal() {
    let folder = tempfile::tempdir().unwrap();
    let path = save(
        folder.path(),
        "shrinking.mrc",
        &Synthetic::plain([64, 64, 16], 2).bytes(),
    );
    let tomogram = Tomogram::open(&path, &Job::quiet()).unwrap();
    assert!(tomogram.read_slices(12..16).is_ok());
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(5000)
        .unwrap();
    let text = tomogram.read_slices(12..16).unwrap_err().to_string();
    assert!(text.contains("no longer holds"), "{text}");
}

#[test]
fn unpacking_can_be_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let path = save(
        folder.path(),
        "v.mrc.gz",
        &gzip(&Synthetic::plain([128, 128, 64], 2).bytes()),
    );
    let token = CancelToken::default();
    token.request();
    assert!(matches!(
        Tomogram::open(&path, &Job::new(token, Logger::default())),
        Err(Error::Cancelled { .. })
    ));
}

fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Reading a slice of a zarr array of one chunk takes what is said beforehand, and no more.
#[test]
fn a_zarr_array_of_one_chunk_takes_the_memory_that_it_says() {
    let this = "a_zarr_array_of_one_chunk_takes_the_memory_that_it_says";
    if std::env::var_os("TOMOCUT_TEST_CHUNK").is_none() {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", this, "--nocapture"]);
        let output = again.env("TOMOCUT_TEST_CHUNK", "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.zarr");
    std::fs::create_dir(&path).unwrap();
    let metadata = r#"{"zarr_format": 2, "shape": [96, 512, 512], "chunks": [96, 512, 512], "dtype": "<f4",
        "fill_value": 0, "order": "C", "filters": null, "compressor": null}"#;
    std::fs::write(path.join(".zarray"), metadata).unwrap();
    let chunk = std::fs::File::create(path.join("0.0.0")).unwrap();
    chunk.set_len(96 << 20).unwrap();
    let before = peak_kb();
    let tomogram = Tomogram::open(&path, &Job::quiet()).unwrap();
    for z in [0, 40, 95] {
        assert_eq!(tomogram.read_slices(z..z + 1).unwrap().dim(), (1, 512, 512));
    }
    let (grown, said) = (peak_kb() - before, tomogram.reading_bytes() >> 10);
    eprintln!("slices of one chunk of 96 MiB grew the peak by {grown} kB, {said} kB were said");
    assert!(grown < said + 8_000, "{grown} kB, {said} kB were said");
}

/// A peak is a process's own: the test runs itself in a process of its own.
#[test]
fn a_slab_of_a_sparse_8_gb_file_takes_little_memory() {
    if std::env::var_os("TOMOCUT_TEST_SPARSE").is_none() {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.args([
            "--exact",
            "a_slab_of_a_sparse_8_gb_file_takes_little_memory",
            "--nocapture",
        ]);
        let output = again.env("TOMOCUT_TEST_SPARSE", "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut head = Synthetic::plain([1, 1, 1], 2).bytes()[..1024].to_vec();
    for (at, n) in [(0, 1024), (4, 1024), (8, 2048)] {
        head[at..at + 4].copy_from_slice(&i32::to_le_bytes(n));
    }
    let path = save(folder.path(), "sparse.mrc", &head);
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(1024 + (8 << 30))
        .unwrap();
    let before = peak_kb();
    let tomogram = Tomogram::open(&path, &Job::quiet()).unwrap();
    let slab = tomogram.read_slices(1500..1520).unwrap();
    let grown = peak_kb() - before;
    assert_eq!(slab.dim(), (20, 1024, 1024));
    eprintln!("20 slices of 1024 x 1024 float32 (80 MiB) grew the peak by {grown} kB");
    assert!(grown < 120_000, "{grown} kB");
}
