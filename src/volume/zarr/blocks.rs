//! A finished block file as OME-Zarr.
use std::ops::Range;
use std::path::Path;

use half::f16;

use super::reduce::{Reduction, ZarrVoxel};
use super::write::{write_zarr, ZarrContent};
use crate::runtime::Job;
use crate::volume::{BlockFile, BlockType, Geometry};
use crate::Result;

/// Writes the voxels of `blocks`, all of which must be there, as an OME-Zarr folder at `path`: labels and bytes as
/// uint8, halves as float16. `geometry` is the one that the file was opened with, `name` goes into the metadata.
/// Errors: as [`write_zarr`].
pub fn write_blocks_as_zarr(blocks: &BlockFile, path: &Path, geometry: &Geometry, name: &str, job: &Job) -> Result<()> {
    let reduction = match blocks.stored() {
        BlockType::Label => Reduction::Mode,
        BlockType::Byte | BlockType::Half => Reduction::Mean,
    };
    let content = ZarrContent { name, reduction };
    match blocks.stored() {
        BlockType::Label | BlockType::Byte => convert::<u8, 1>(blocks, path, geometry, content, job, |[byte]| byte),
        BlockType::Half => convert::<f16, 2>(blocks, path, geometry, content, job, f16::from_le_bytes),
    }
}

fn convert<T: ZarrVoxel, const BYTES: usize>(
    blocks: &BlockFile,
    path: &Path,
    geometry: &Geometry,
    content: ZarrContent,
    job: &Job,
    decode: fn([u8; BYTES]) -> T,
) -> Result<()> {
    write_zarr(path, geometry, content, job, &mut |wanted: &[Range<usize>; 3]| {
        let [z, y, x] = wanted;
        let mut voxels = Vec::with_capacity(z.len() * y.len() * x.len());
        for slice in z.clone() {
            let bytes = blocks.rows(slice, y.clone())?;
            voxels.extend(bytes.as_chunks::<BYTES>().0.iter().map(|voxel| decode(*voxel)));
        }
        Ok(voxels)
    })
}
