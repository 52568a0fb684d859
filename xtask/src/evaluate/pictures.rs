//! Single pictures with masks: each becomes a tomogram of one slice.
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tiff::decoder::{Decoder, DecodingResult};

use super::data_sets::PictureSource;
use super::models::Model;
use super::{json, Bench};
use crate::failure::{Failure, Result};
use crate::layout;
use crate::process;

/// Scores the membrane likelihood of every picture, or the structure score where the model gives no other.
pub fn measure(bench: &Bench, source: &PictureSource, model: &Model) -> Result<Value> {
    let set = source.archive.split('.').next().unwrap_or(source.archive);
    let (images, masks) = unpack(bench, source, set)?;
    let out = bench.fresh(set, model)?;
    let scores = out.join("scores");
    layout::fresh_folder(&scores)?;
    for image in files(&images)? {
        let files = bench.segment(model, &image, "0:1", &[], &out)?;
        let score = match files.find("membrane") {
            Some(score) => score,
            None => files.get("score")?,
        };
        let kept = scores.join(image.file_name().unwrap_or_default());
        fs::rename(score, &kept).map_err(|e| Failure::io("writing", &kept, &e))?;
    }
    let mut evaluate = bench.evaluate();
    evaluate
        .arg("--json")
        .arg("--truth-masks")
        .arg(masks)
        .arg("--scores")
        .arg(scores);
    evaluate
        .arg("--images")
        .arg(images)
        .arg("--html")
        .arg(out.join("page.html"));
    json(&mut evaluate, "tomocut evaluate")
}

/// The pictures as MRC files of one slice, and their masks as they are, each in one folder. The archive has a folder
/// for every kind of specimen, and in it `images` and `masks`.
fn unpack(bench: &Bench, source: &PictureSource, set: &str) -> Result<(PathBuf, PathBuf)> {
    let folder = bench.folder.join(set).join("data");
    layout::fresh_folder(&folder)?;
    let packed = folder.join("packed");
    layout::fresh_folder(&packed)?;
    process::require("tar", "tar")?;
    let mut tar = Command::new("tar");
    tar.arg("-xzf")
        .arg(bench.data.join(source.archive))
        .arg("-C")
        .arg(&packed);
    process::run(&mut tar, "unpacking the pictures")?;

    let (images, masks) = (folder.join("images"), folder.join("masks"));
    layout::fresh_folder(&images)?;
    layout::fresh_folder(&masks)?;
    for group in files(&packed)? {
        for mask in files(&group.join("masks"))? {
            let place = masks.join(mask.file_name().unwrap_or_default());
            fs::rename(&mask, &place).map_err(|e| Failure::io("writing", &place, &e))?;
        }
        for image in files(&group.join("images"))? {
            let name = image.with_extension("mrc");
            let picture = read_grey(&image)?;
            write_slice(
                &images.join(name.file_name().unwrap_or_default()),
                &picture,
                source.voxel_nm,
            )?;
        }
    }
    Ok((images, masks))
}

/// What a folder holds, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: std::io::Error| Failure::io("reading", folder, &e);
    let entries = fs::read_dir(folder).map_err(failed)?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|e| e.path()))
        .collect::<std::io::Result<_>>()
        .map_err(failed)?;
    paths.sort();
    Ok(paths)
}

/// Grey levels, row by row.
#[derive(Debug, PartialEq)]
struct Grey {
    width: usize,
    height: usize,
    pixels: Vec<f32>,
}

/// An 8-bit TIFF file, grey or in colours, which are averaged.
fn read_grey(path: &Path) -> Result<Grey> {
    let unfit = |e: tiff::TiffError| Failure::new(format!("reading {}: {e}", path.display()));
    let file = File::open(path).map_err(|e| Failure::io("reading", path, &e))?;
    let mut decoder = Decoder::new(BufReader::new(file)).map_err(unfit)?;
    let (width, height) = decoder.dimensions().map_err(unfit)?;
    let samples = usize::from(decoder.colortype().map_err(unfit)?.num_samples());
    let DecodingResult::U8(values) = decoder.read_image().map_err(unfit)? else {
        return Err(Failure::new(format!("{} is no 8-bit picture", path.display())));
    };
    let mean = |pixel: &[u8]| pixel.iter().map(|v| f32::from(*v)).sum::<f32>() / samples as f32;
    Ok(Grey {
        width: width as usize,
        height: height as usize,
        pixels: values.chunks_exact(samples).map(mean).collect(),
    })
}

/// Writes float32, mode 2; the first row is y = 0.
fn write_slice(path: &Path, picture: &Grey, voxel_nm: f64) -> Result<()> {
    let failed = |e: mrc::Error| Failure::new(format!("writing {}: {e}", path.display()));
    let (width, height) = (picture.width, picture.height);
    let edge = |voxels: usize| (10.0 * voxel_nm * voxels as f64) as f32;
    let mut writer = mrc::create(path)
        .shape([width, height, 1])
        .mode::<f32>()
        .cell_lengths(edge(width), edge(height), edge(1))
        .finish()
        .map_err(failed)?;
    let block = mrc::VoxelBlock {
        offset: [0, 0, 0],
        shape: [width, height, 1],
        data: picture.pixels.clone(),
    };
    writer.write_block_as(&block).map_err(failed)?;
    writer.update_header_stats().map_err(failed)?;
    writer.finalize().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiff::encoder::{colortype, TiffEncoder};

    #[test]
    fn colours_are_averaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tif");
        let mut encoder = TiffEncoder::new(File::create(&path).unwrap()).unwrap();
        let pixels = [10, 20, 30, 0, 0, 3, 255, 255, 255, 1, 1, 1, 7, 8, 9, 0, 0, 0];
        encoder.write_image::<colortype::RGB8>(3, 2, &pixels).unwrap();
        let expected = Grey {
            width: 3,
            height: 2,
            pixels: vec![20.0, 1.0, 255.0, 1.0, 8.0, 0.0],
        };
        assert_eq!(read_grey(&path).unwrap(), expected);
        assert!(read_grey(&folder.path().join("b.tif")).is_err());
    }

    #[test]
    fn a_picture_becomes_one_slice_with_its_voxel_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mrc");
        let picture = Grey {
            width: 3,
            height: 2,
            pixels: vec![1.5, 2.0, 3.0, 4.0, 5.0, 6.0],
        };
        write_slice(&path, &picture, 1.5).unwrap();
        let bytes = fs::read(&path).unwrap();
        let word = |n: usize| [bytes[4 * n], bytes[4 * n + 1], bytes[4 * n + 2], bytes[4 * n + 3]];
        let header = [0, 1, 2, 3, 7, 8, 9].map(|n| i32::from_le_bytes(word(n)));
        assert_eq!(header, [3, 2, 1, 2, 3, 2, 1]);
        assert_eq!([10, 11, 12].map(|n| f32::from_le_bytes(word(n))), [45.0, 30.0, 15.0]);
        assert_eq!((bytes.len(), &bytes[208..212]), (1024 + 24, &b"MAP "[..]));
        let voxels: Vec<f32> = (256..262).map(|n| f32::from_le_bytes(word(n))).collect();
        assert_eq!(voxels, picture.pixels);
    }
}
