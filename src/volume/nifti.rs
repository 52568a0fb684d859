//! NIfTI volumes, in which CT and MR come.
use std::path::Path;

use ::nifti::{NiftiHeader, NiftiObject, NiftiVolume, RandomAccessNiftiVolume, ReaderOptions};
use ndarray::Array3;

use crate::runtime::memory;
use crate::{Error, Result};

/// Whether the name of `path` is that of a NIfTI file.
pub fn is_nifti(path: &Path) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    [".nii", ".nii.gz"].iter().any(|ending| name.ends_with(ending))
}

/// The values of a NIfTI file (.nii or .nii.gz), slope and intercept applied, such as Hounsfield units: (k, j, i) as
/// the file stores its axes, i fastest. Sizes of 1 beyond the third axis are dropped.
///
/// Errors: [`Error::Io`]; [`Error::Format`] for a damaged file and for other than three dimensions; a volume that the
/// memory does not hold.
pub fn read_nifti(path: &Path) -> Result<Array3<f32>> {
    let unfit = |error: ::nifti::NiftiError| match error {
        ::nifti::NiftiError::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            Error::io("reading", path, error)
        }
        error => Error::format(path.display(), error),
    };
    let header = NiftiHeader::from_file(path).map_err(unfit)?;
    let sizes = header.dim().map_err(unfit)?;
    let (axes, beyond) = sizes.split_at(sizes.len().min(3));
    let &[columns, rows, slices] = axes else {
        let detail = format!("has {} dimensions, must have 3", sizes.len());
        return Err(Error::format(path.display(), detail));
    };
    if beyond.iter().any(|size| *size > 1) {
        let sizes: Vec<String> = sizes.iter().map(u16::to_string).collect();
        let detail = format!("has {} dimensions ({}), must have 3", sizes.len(), sizes.join(" x "));
        return Err(Error::format(path.display(), detail));
    }
    let voxels = u64::from(columns) * u64::from(rows) * u64::from(slices);
    let bytes = u64::from(header.bitpix.unsigned_abs()).div_ceil(8) + 4;
    memory::ensure(voxels.checked_mul(bytes), &format!("the volume {}", path.display()))?;
    let volume = ReaderOptions::new().read_file(path).map_err(unfit)?.into_volume();
    let beyond = vec![0; volume.dim().len().saturating_sub(3)];
    let mut values = Array3::zeros((usize::from(slices), usize::from(rows), usize::from(columns)));
    let mut place = [vec![0; 3], beyond].concat();
    for ((k, j, i), value) in values.indexed_iter_mut() {
        (place[0], place[1], place[2]) = (i as u16, j as u16, k as u16);
        *value = volume.get_f32(&place).map_err(unfit)?;
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A NIfTI-1 file of int16 values with a slope of 2 and an intercept of -1000.
    fn file(sizes: &[u16], values: &[i16]) -> Vec<u8> {
        let mut bytes = vec![0_u8; 352];
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        put(0, &348_i32.to_le_bytes());
        let dims = [&[sizes.len() as u16], sizes].concat();
        for (n, size) in dims.iter().enumerate() {
            put(40 + 2 * n, &size.to_le_bytes());
        }
        put(70, &4_i16.to_le_bytes());
        put(72, &16_i16.to_le_bytes());
        put(108, &352_f32.to_le_bytes());
        put(112, &2_f32.to_le_bytes());
        put(116, &(-1000_f32).to_le_bytes());
        put(344, b"n+1\0");
        bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        bytes
    }

    #[test]
    fn values_are_scaled_and_lie_as_stored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ct.nii");
        let values: Vec<i16> = (0..24).collect();
        std::fs::write(&path, file(&[4, 3, 2], &values)).unwrap();
        let volume = read_nifti(&path).unwrap();
        assert_eq!(volume.dim(), (2, 3, 4));
        assert_eq!((volume[[0, 0, 1]], volume[[1, 2, 3]]), (-998.0, 2.0 * 23.0 - 1000.0));
        let packed = folder.path().join("ct.nii.gz");
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, &file(&[4, 3, 2, 1], &values)).unwrap();
        std::fs::write(&packed, encoder.finish().unwrap()).unwrap();
        assert_eq!(read_nifti(&packed).unwrap(), volume);
        assert!(is_nifti(&packed) && is_nifti(&path) && !is_nifti(Path::new("a.mrc")));
    }

    #[test]
    fn other_files_are_refused_with_a_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.nii");
        let text_of = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let error = read_nifti(&path).unwrap_err();
            assert!(matches!(error, Error::Format { .. } | Error::OutOfMemory(_)), "{error}");
            error.to_string()
        };
        let text = text_of(&file(&[2, 2, 2, 3], &[0; 24]));
        assert!(text.contains("has 4 dimensions (2 x 2 x 2 x 3), must have 3"), "{text}");
        assert!(text_of(&file(&[2, 2], &[0; 4])).contains("has 2 dimensions"));
        text_of(&file(&[4, 3, 2], &[0; 10]));
        text_of(b"no volume");
        text_of(&file(&[32767, 32767, 32767], &[]));
        assert!(matches!(read_nifti(Path::new("/none.nii")), Err(Error::Io { .. })));
    }
}
