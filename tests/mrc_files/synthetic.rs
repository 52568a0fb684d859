//! MRC files made to order, byte by byte, without the code under test.
use std::io::Write;
use std::path::{Path, PathBuf};

use ndarray::Array3;
use tomocut::runtime::Job;
use tomocut::volume::Tomogram;

/// A file to be: extents in the order of columns, rows and sections.
#[derive(Clone, Debug)]
pub struct Synthetic {
    pub stored: [usize; 3],
    pub axis: [i32; 3],
    pub mode: i32,
    pub big: bool,
    pub extended: usize,
}

impl Synthetic {
    pub fn plain(stored: [usize; 3], mode: i32) -> Self {
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

    pub fn bytes(&self) -> Vec<u8> {
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
    pub fn expected(&self) -> Array3<f32> {
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

pub fn save(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

pub fn read_all(path: &Path) -> tomocut::Result<Array3<f32>> {
    let tomogram = Tomogram::open(path, &Job::quiet())?;
    tomogram.read_slices(0..tomogram.geometry().shape[0])
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn bzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub const AXES: [[i32; 3]; 6] = [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]];
