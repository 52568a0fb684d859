//! Labels in signed bytes: IMOD's are 128 below, others are as they stand, and none is negative.
use tomocut::runtime::Job;
use tomocut::volume::Tomogram;

use crate::synthetic::{save, Synthetic};

/// Labels of a file of 4 x 1 x 1 signed bytes, with IMOD's stamp and flags or without, and this recorded range.
fn labels(stored: [i8; 4], flags: Option<u8>, range: [f32; 2]) -> tomocut::Result<Vec<f32>> {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = Synthetic::plain([4, 1, 1], 0).bytes();
    if let Some(flags) = flags {
        bytes[152..156].copy_from_slice(b"IMOD");
        bytes[156] = flags;
    }
    bytes[76..80].copy_from_slice(&range[0].to_le_bytes());
    bytes[80..84].copy_from_slice(&range[1].to_le_bytes());
    bytes[1024..].copy_from_slice(&stored.map(|v| v as u8));
    let path = save(folder.path(), "labels.mrc", &bytes);
    let read = Tomogram::open(&path, &Job::quiet())?.read_labels(0..1)?;
    Ok(read.into_raw_vec_and_offset().0)
}

#[test]
fn labels_of_imod_are_shifted_and_negative_ones_refused() {
    for (stored, range) in [
        ([-128, -127, -126, 127], [-128.0, 127.0]),
        ([-128, -127, -126, 127], [0.0, 0.0]),
    ] {
        assert_eq!(
            labels(stored, Some(1), range).unwrap(),
            [0.0, 1.0, 2.0, 255.0],
            "{range:?}"
        );
    }
    // As this library writes them, whatever a careless program left of the range.
    for range in [[0.0, 3.0], [0.0, 0.0], [-1.0, 3.0]] {
        assert_eq!(
            labels([0, 1, 2, 3], Some(1), range).unwrap(),
            [0.0, 1.0, 2.0, 3.0],
            "{range:?}"
        );
    }
    for (stored, flags, range) in [
        ([-1, 0, 1, 2], Some(1), [-1.0, 2.0]),
        ([-128, -127, 0, 0], None, [-128.0, 0.0]),
        ([-128, -127, 0, 0], Some(1), [0.0, 2.0]),
    ] {
        let text = labels(stored, flags, range).unwrap_err().to_string();
        assert!(
            text.contains(&format!("the label {} at z 0, y 0, x 0 is negative", stored[0])),
            "{text}"
        );
    }
}
