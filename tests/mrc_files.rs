//! Reading and writing of MRC files: every mode, byte order and axis order, odd and damaged files, packed files.
//!
//! The values of the odd files come from `tests/oracle/mrc_edge.py`, which reads them with mrcfile.
use std::io::Write;
use std::path::{Path, PathBuf};

use ndarray::{s, Array3};
use proptest::prelude::*;
use tomocut::runtime::{CancelToken, Job, Level, Logger};
use tomocut::volume::{write_atomically, write_f32, write_i16, write_labels, write_scores, Geometry, Tomogram};
use tomocut::Error;

/// A file to be: extents in the order of columns, rows and sections.
#[derive(Clone, Debug)]
struct Synthetic {
    stored: [usize; 3],
    axis: [i32; 3],
    mode: i32,
    big: bool,
    extended: usize,
}

impl Synthetic {
    fn plain(stored: [usize; 3], mode: i32) -> Self {
        Self {
            stored,
            axis: [1, 2, 3],
            mode,
            big: false,
            extended: 0,
        }
    }

    /// The value of the n-th stored voxel; every type holds it exactly.
    fn value(n: usize) -> i32 {
        ((n * 37 + 11) % 100) as i32
    }

    fn put(&self, bytes: &mut [u8], at: usize, word: [u8; 4]) {
        let mut word = word;
        if self.big {
            word.reverse();
        }
        bytes[at..at + 4].copy_from_slice(&word);
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0u8; 1024 + self.extended];
        let count: usize = self.stored.iter().product();
        for (k, n) in self.stored.iter().enumerate() {
            self.put(&mut bytes, 4 * k, (*n as i32).to_le_bytes());
            self.put(&mut bytes, 16 + 4 * k, (10 * (k as i32 + 1)).to_le_bytes());
            self.put(&mut bytes, 64 + 4 * k, self.axis[k].to_le_bytes());
            // CELLA, MX and ORIGIN go by x, y, z: voxels of 2, 3 and 4 Angstrom.
            let xyz = self.axis[k] as usize - 1;
            self.put(&mut bytes, 28 + 4 * xyz, (*n as i32).to_le_bytes());
            self.put(&mut bytes, 40 + 4 * xyz, (*n as f32 * (xyz + 2) as f32).to_le_bytes());
            self.put(&mut bytes, 196 + 4 * xyz, (xyz as f32 + 0.5).to_le_bytes());
        }
        self.put(&mut bytes, 12, self.mode.to_le_bytes());
        self.put(&mut bytes, 88, 1i32.to_le_bytes());
        self.put(&mut bytes, 92, (self.extended as i32).to_le_bytes());
        bytes[208..212].copy_from_slice(b"MAP ");
        bytes[212..214].copy_from_slice(if self.big { &[0x11, 0x11] } else { &[0x44, 0x44] });
        for n in 0..count {
            let v = Self::value(n);
            let mut word = match self.mode {
                0 => vec![v as u8],
                1 => (v as i16).to_le_bytes().to_vec(),
                6 => (v as u16).to_le_bytes().to_vec(),
                12 => half::f16::from_f32(v as f32).to_le_bytes().to_vec(),
                _ => (v as f32).to_le_bytes().to_vec(),
            };
            if self.big {
                word.reverse();
            }
            bytes.extend(word);
        }
        bytes
    }

    /// What the volume should look like as (z, y, x).
    fn expected(&self) -> Array3<f32> {
        let mut shape = [0; 3];
        for (k, n) in self.stored.iter().enumerate() {
            shape[3 - self.axis[k] as usize] = *n;
        }
        let [nc, nr, _] = self.stored;
        Array3::from_shape_fn(shape, |(z, y, x)| {
            let xyz = [x, y, z];
            let [c, r, s] = self.axis.map(|a| xyz[a as usize - 1]);
            Self::value((s * nr + r) * nc + c) as f32
        })
    }
}

fn save(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn read_all(path: &Path) -> tomocut::Result<Array3<f32>> {
    let tomogram = Tomogram::open(path, &Job::quiet())?;
    tomogram.read_slices(0..tomogram.geometry().shape[0])
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const AXES: [[i32; 3]; 6] = [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

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
    fn no_header_makes_it_panic(words in proptest::collection::vec(any::<i32>(), 256), at in 0usize..256, small in 0i32..5) {
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

    #[test]
    fn what_is_written_is_read_back(
        shape in [1usize..6, 1usize..7, 1usize..8], seed: u32, voxel in 0.0..20.0f64, start in -5i32..50,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.mrc");
        let mut geometry = Geometry::new(shape, voxel);
        geometry.start = [start, 1, -2];
        geometry.origin_angstrom = [-3.5, 0.25, 1e4];
        geometry.labels = vec!["first".into(), "second".into()];
        let code = |z: usize, y: usize, x: usize| {
            (seed.wrapping_mul(2_654_435_761).wrapping_add((z * 64 + y * 8 + x) as u32 * 40_503) >> 7) % 127
        };
        let labels = Array3::from_shape_fn(shape, |(z, y, x)| code(z, y, x) as i8 - 60);
        write_labels(&path, &labels, &geometry).unwrap();
        let back = Tomogram::open(&path, &Job::quiet()).unwrap();
        prop_assert_eq!(back.read_slices(0..shape[0]).unwrap(), labels.mapv(f32::from));
        let read = back.geometry();
        prop_assert_eq!(&read.labels[..2], &geometry.labels[..]);
        prop_assert!(read.labels[2].starts_with("tomocut "));
        prop_assert_eq!(read.start, geometry.start);
        for k in 0..3 {
            prop_assert!((read.origin_angstrom[k] - geometry.origin_angstrom[k]).abs() < 1e-3);
            prop_assert!((read.voxel_angstrom[k] - voxel).abs() < 1e-5 * voxel);
        }
        let scores = labels.mapv(|v| f32::from(v) / 64.0);
        for half in [false, true] {
            write_scores(&path, &scores, &geometry, half).unwrap();
            prop_assert_eq!(read_all(&path).unwrap(), scores.clone());
        }
        write_i16(&path, &labels.mapv(|v| i16::from(v) * 200), &geometry).unwrap();
        prop_assert_eq!(read_all(&path).unwrap(), labels.mapv(|v| f32::from(v) * 200.0));
        prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn statistics_and_labels_of_written_files_are_right() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.mrc");
    let mut geometry = Geometry::new([2, 1, 2], 10.0);
    geometry.labels = (0..10).map(|n| format!("label {n}")).collect();
    write_f32(
        &path,
        &Array3::from_shape_vec([2, 1, 2], vec![1.0, 2.0, 3.0, 6.0]).unwrap(),
        &geometry,
    )
    .unwrap();
    let (header, _) = mrc::read_as::<f32, _>(&path).unwrap();
    assert_eq!((header.dmin, header.dmax, header.dmean), (1.0, 6.0, 3.0));
    assert!((header.rms - 3.5f32.sqrt()).abs() < 1e-6);
    assert_eq!((header.ispg, header.map, header.nlabl), (1, *b"MAP ", 10));
    let labels = header.get_labels();
    assert_eq!((labels[0].as_str(), labels[8].as_str()), ("label 1", "label 9"));
    assert!(labels[9].starts_with("tomocut "));
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

#[test]
fn failed_writes_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let volume = Array3::<f32>::zeros([4, 8, 8]);
    let geometry = Geometry::new([4, 8, 8], 10.0);
    let kept = save(folder.path(), "kept.mrc", b"old");
    let broken = write_atomically(&kept, |file| {
        file.write_all(b"half").map_err(|e| Error::io("writing", &kept, e))?;
        Err(Error::Internal("on purpose".into()))
    });
    assert!(broken.is_err());
    assert_eq!(std::fs::read(&kept).unwrap(), b"old");
    let shape = write_f32(&kept, &volume, &Geometry::new([4, 8, 9], 10.0)).unwrap_err();
    assert!(matches!(shape, Error::InvalidArgument { .. }));
    let nowhere = write_f32(&folder.path().join("no/such/folder.mrc"), &volume, &geometry).unwrap_err();
    assert!(matches!(nowhere, Error::Io { .. }));
    assert!(matches!(
        write_f32(folder.path(), &volume, &geometry),
        Err(Error::Io { .. })
    ));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Needs the right to mount: skipped, saying so, without it.
#[test]
fn a_full_disk_is_an_error_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(folder.path())
        .output();
    if !mounted.is_ok_and(|out| out.status.success()) {
        eprintln!("skipped: a small tmpfs cannot be mounted here");
        return;
    }
    let result = write_f32(
        &folder.path().join("out.mrc"),
        &Array3::zeros([16, 64, 64]),
        &Geometry::new([16, 64, 64], 1.0),
    );
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    std::process::Command::new("umount")
        .arg(folder.path())
        .status()
        .unwrap();
    let text = result.unwrap_err().to_string();
    assert!(text.contains("out.mrc") && text.contains("space"), "{text}");
    assert_eq!(left, 0);
}

fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
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

fn data_folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("TOMOCUT_DATA").map_or(beside, PathBuf::from);
    let found = folder.join("mrc_edge").is_dir();
    if !found {
        eprintln!(
            "skipped: no mrc_edge in {}; TOMOCUT_DATA names the data folder",
            folder.display()
        );
    }
    found.then_some(folder)
}

#[test]
fn odd_files_read_as_mrcfile_reads_them_or_give_an_error() {
    let Some(data) = data_folder() else { return };
    let fixture = include_str!("fixtures/volume/mrc_edge.json");
    let rows: Vec<serde_json::Value> = serde_json::from_str(fixture).unwrap();
    let listed = |entry: &std::fs::DirEntry| {
        let name = format!("mrc_edge/{}", entry.file_name().to_string_lossy());
        rows.iter().any(|row| row["file"] == name.as_str())
    };
    for entry in std::fs::read_dir(data.join("mrc_edge")).unwrap() {
        let entry = entry.unwrap();
        assert!(listed(&entry), "{:?} is not in the fixture", entry.path());
    }
    for row in &rows {
        let path = data.join(row["file"].as_str().unwrap());
        let opened = Tomogram::open(&path, &Job::quiet());
        if row["readable"] == false {
            let error = opened.expect_err(&path.display().to_string());
            assert!(matches!(error, Error::Format { .. }), "{error}");
            assert!(error.to_string().contains(path.file_name().unwrap().to_str().unwrap()));
            eprintln!("{error}");
            continue;
        }
        let tomogram = opened.unwrap();
        let triple = |key: &str| -> [f64; 3] { std::array::from_fn(|k| row[key][k].as_f64().unwrap()) };
        let geometry = tomogram.geometry();
        assert_eq!(geometry.shape.map(|n| n as f64), triple("shape"), "{}", path.display());
        assert_eq!(geometry.start.map(f64::from), triple("start"), "{}", path.display());
        for (voxel, expected) in geometry.voxel_angstrom.iter().zip(triple("voxel")) {
            assert!(
                (voxel - expected.max(0.0)).abs() <= 1e-5 * expected.abs(),
                "{}",
                path.display()
            );
        }
        let voxels = tomogram.read_slices(0..geometry.shape[0]).unwrap();
        let mean = voxels.iter().map(|v| f64::from(*v)).sum::<f64>() / voxels.len() as f64;
        let scale = row["max"].as_f64().unwrap() - row["min"].as_f64().unwrap() + 1e-6;
        assert!(
            (mean - row["mean"].as_f64().unwrap()).abs() < 1e-5 * scale,
            "{}",
            path.display()
        );
        for sample in row["samples"].as_array().unwrap() {
            let at: [usize; 3] = std::array::from_fn(|k| sample[k].as_u64().unwrap() as usize);
            assert_eq!(
                voxels[at],
                sample[3].as_f64().unwrap() as f32,
                "{} {at:?}",
                path.display()
            );
            // One slice alone gives the same voxels.
            let slice = tomogram.read_slices(at[0]..at[0] + 1).unwrap();
            assert_eq!(slice[[0, at[1], at[2]]], voxels[at]);
        }
    }
}
