//! A finished block file as OME-Zarr.
use std::ops::Range;
use std::path::Path;

use half::f16;

use super::reduce::{Reduction, ZarrVoxel};
use super::write::{write_in_form, Form, ZarrContent};
use crate::runtime::Job;
use crate::volume::{BlockFile, BlockType, Geometry};
use crate::Result;

/// Writes the voxels of `blocks`, all of which must be there, as an OME-Zarr folder at `path`: labels and bytes as
/// uint8, halves as float16. `geometry` is the one that the file was opened with, `name` goes into the metadata.
/// Errors: as [`super::write_zarr`].
pub fn write_blocks_as_zarr(blocks: &BlockFile, path: &Path, geometry: &Geometry, name: &str, job: &Job) -> Result<()> {
    let reduction = match blocks.stored() {
        BlockType::Label => Reduction::Mode,
        BlockType::Byte | BlockType::Half => Reduction::Mean,
    };
    let content = ZarrContent { name, reduction };
    let to = (path, geometry, content, &Form::of(&content));
    match blocks.stored() {
        BlockType::Label | BlockType::Byte => convert::<u8, 1>(blocks, to, job, |[byte]| byte),
        BlockType::Half => convert::<f16, 2>(blocks, to, job, f16::from_le_bytes),
    }
}

/// Writes the labels of `blocks` in this form.
pub(super) fn put_labels(
    blocks: &BlockFile,
    path: &Path,
    geometry: &Geometry,
    name: &str,
    form: &Form,
    job: &Job,
) -> Result<()> {
    let reduction = Reduction::Mode;
    let to = (path, geometry, ZarrContent { name, reduction }, form);
    convert::<u8, 1>(blocks, to, job, |[byte]| byte)
}

fn convert<T: ZarrVoxel, const BYTES: usize>(
    blocks: &BlockFile,
    (path, geometry, content, form): (&Path, &Geometry, ZarrContent, &Form),
    job: &Job,
    decode: fn([u8; BYTES]) -> T,
) -> Result<()> {
    write_in_form(path, geometry, content, form, job, &mut |ranges: &[Range<usize>; 3]| {
        let [z, y, x] = ranges;
        let mut voxels = Vec::with_capacity(z.len() * y.len() * x.len());
        for slice in z.clone() {
            let bytes = blocks.rows(slice, y.clone())?;
            voxels.extend(bytes.as_chunks::<BYTES>().0.iter().map(|voxel| decode(*voxel)));
        }
        Ok(voxels)
    })
}
