//! A mask that need not fit the memory: one bit per voxel in a file without a name.
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::image::BitMask;
use crate::runtime::{Error, Result};

/// Slices of a mask on the disk. The file has no name: it is gone with the process, however that ends.
pub struct MaskFile {
    file: File,
    folder: PathBuf,
    shape: [usize; 3],
}

impl MaskFile {
    /// A mask of `shape` (z, y, x) that is nowhere true, in a file on the disk of `folder`.
    pub fn new(folder: &Path, shape: [usize; 3]) -> Result<Self> {
        let failed = |e| Error::io("writing", folder, e);
        let file = tempfile::tempfile_in(folder).map_err(failed)?;
        let words = shape[0] as u64 * BitMask::words_per_slice(shape) as u64;
        file.set_len(8 * words).map_err(failed)?;
        Ok(Self {
            file,
            folder: folder.to_path_buf(),
            shape,
        })
    }

    /// Extents (z, y, x).
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Writes `slices` from slice `z` on.
    pub fn put(&self, z: usize, slices: &BitMask) -> Result<()> {
        let bytes: Vec<u8> = slices.words().iter().flat_map(|word| word.to_le_bytes()).collect();
        let failed = |e| Error::io("writing", &self.folder, e);
        self.file.write_all_at(&bytes, self.offset(z)).map_err(failed)
    }

    /// Reads the slices `z`, a range within the mask.
    pub fn get(&self, z: Range<usize>) -> Result<BitMask> {
        let mut slices = BitMask::new([z.len(), self.shape[1], self.shape[2]]);
        let mut bytes = vec![0; 8 * slices.words().len()];
        let failed = |e| Error::io("reading", &self.folder, e);
        self.file
            .read_exact_at(&mut bytes, self.offset(z.start))
            .map_err(failed)?;
        for (word, bytes) in slices.words_mut().iter_mut().zip(bytes.chunks_exact(8)) {
            *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        Ok(slices)
    }

    fn offset(&self, z: usize) -> u64 {
        8 * (z * BitMask::words_per_slice(self.shape)) as u64
    }
}
