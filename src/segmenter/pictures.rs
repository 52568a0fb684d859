//! Pictures with masks: pairs of files, of which a network of slices learns.
use std::path::{Path, PathBuf};

use ndarray::{Array2, Axis};
use tch::{Kind, Tensor};

use super::{LabelledVolume, MaskLevel};
use crate::image::{resize_picture_nearest, PictureFile};
use crate::networks::ModelDescription;
use crate::runtime::{Error, Result};
use crate::settings::hash_bytes;
use crate::tensors::from_slice;
use crate::train::CERTAIN;
use crate::volume::BACKGROUND;

/// Least difference between the two levels of a mask of more than two: below it they are the noise of a lossy file.
const LEAST_CONTRAST: f32 = 32.0;

/// Share of the way from one level to the other that still counts as the one.
const NEAR: f32 = 0.125;

/// Share of the pixels of a mask that may be neither: the blurred edges of a lossy file.
const MOST_BETWEEN: f64 = 0.02;

/// A picture and where something is in it.
pub struct PicturePair {
    /// What it is called in errors.
    pub name: String,
    /// The picture.
    pub image: PictureFile,
    /// Its mask, of the same rows and columns.
    pub mask: Array2<bool>,
}

impl PicturePair {
    /// Reads a picture and its mask: black where nothing is, white where something is; or the levels `something`.
    ///
    /// Errors: as [`PictureFile::read`]; [`Error::Format`] for a mask of another size, or of more than two levels
    /// (edges that a lossy file has blurred are tolerated).
    pub fn read(image: &Path, mask: &Path, something: Option<&MaskLevel>) -> Result<Self> {
        let (picture, levels) = (PictureFile::read(image)?, PictureFile::read(mask)?);
        let ((_, rows, cols), (_, mask_rows, mask_cols)) = (picture.pixels.dim(), levels.pixels.dim());
        if (rows, cols) != (mask_rows, mask_cols) {
            let detail = format!(
                "is {mask_rows} x {mask_cols}, must be {rows} x {cols} as {}",
                image.display()
            );
            return Err(Error::format(mask.display(), detail));
        }
        let name = mask.display().to_string();
        Ok(Self {
            name: image.display().to_string(),
            image: picture,
            mask: match something {
                Some(level) => level.of(&name, &levels)?,
                None => two_levels(&name, &levels)?,
            },
        })
    }
}

impl PicturePair {
    /// Content hash.
    pub(super) fn hash(&self, held_out: bool) -> String {
        let mut bytes = format!("{:?} {held_out}", self.image.pixels.dim()).into_bytes();
        for level in &self.image.pixels {
            bytes.extend(level.to_le_bytes());
        }
        bytes.extend(self.mask.iter().map(|inside| u8::from(*inside)));
        hash_bytes(&bytes)
    }
}

/// Where the mask is nearer to its upper level than to its lower.
fn two_levels(name: &str, file: &PictureFile) -> Result<Array2<bool>> {
    let levels = file
        .pixels
        .mean_axis(Axis(0))
        .ok_or_else(|| Error::format(name, "has no channels"))?;
    if levels.iter().any(|v| !v.is_finite()) {
        return Err(Error::format(name, "has levels that are not finite"));
    }
    let low = levels.iter().copied().fold(f32::INFINITY, f32::min);
    let high = levels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut between, contrast) = (0usize, high - low);
    let two = levels.iter().all(|v| *v == low || *v == high);
    if low == high || (!two && contrast < LEAST_CONTRAST && file.range.is_some()) {
        // One level: all or nothing.
        let white = file.range.map_or(1.0, |[black, white]| 0.5 * (black + white));
        return Ok(levels.mapv(|v| v > white || (low == high && v == 1.0)));
    }
    let mask = levels.mapv(|v| {
        let share = (v - low) / contrast;
        between += usize::from(share > NEAR && share < 1.0 - NEAR);
        share > 0.5
    });
    let share = between as f64 / levels.len().max(1) as f64;
    if share > MOST_BETWEEN {
        let detail = format!(
            "has {between} pixels ({:.1} %) between its lowest level {low} and its highest {high}; a mask has \
             two levels, unless mask_level says which are something",
            100.0 * share
        );
        return Err(Error::format(name, detail));
    }
    Ok(mask)
}

impl LabelledVolume {
    /// A picture in the scale and with the channels of `description`, resized to `side` (rows, columns) as PIL
    /// does it: linearly over the source's footprint, its mask by the nearest pixel.
    ///
    /// Errors: those of [`ModelDescription::picture_input`]; a network of other than one output beside "background".
    pub fn of_picture(pair: &PicturePair, description: &ModelDescription, side: (usize, usize)) -> Result<Self> {
        let image = description
            .picture_input(&pair.name, &pair.image, side)?
            .f_unsqueeze(1)?;
        let small = resize_picture_nearest(pair.mask.view(), side);
        let outputs = description.network.outputs();
        let named = outputs.iter().filter(|name| *name != BACKGROUND).count();
        if named != 1 {
            let allowed = "must be one beside \"background\": a mask is of one thing";
            return Err(Error::argument("outputs", format!("{outputs:?}"), allowed));
        }
        let plane = |inside: bool| -> Result<Tensor> {
            let values: Vec<u8> = small.iter().map(|m| if *m == inside { CERTAIN } else { 0 }).collect();
            from_slice(&values, [1, side.0, side.1])
        };
        let planes = outputs
            .iter()
            .map(|name| plane(name != BACKGROUND))
            .collect::<Result<Vec<_>>>()?;
        let places = |(at, _): (usize, &bool)| [0, (at / side.1) as i64, (at % side.1) as i64];
        let mut labelled: Vec<[i64; 3]> = small.iter().enumerate().filter(|(_, m)| **m).map(places).collect();
        if labelled.is_empty() {
            // That nothing is in it is worth learning too.
            labelled.push([0; 3]);
        }
        Ok(Self {
            truth: Tensor::f_stack(&planes, 0)?,
            weight: Tensor::f_ones([1, 1, side.0 as i64, side.1 as i64], (Kind::Float, image.device()))?,
            image,
            labelled,
        })
    }
}

/// Pairs up two lists. Errors: [`Error::InvalidArgument`] where one is longer than the other, or both are empty.
pub(super) fn paired<'a>(images: &'a [PathBuf], masks: &'a [PathBuf]) -> Result<Vec<(&'a Path, &'a Path)>> {
    if images.len() != masks.len() {
        let allowed = format!("must be as many as there are images, {}", images.len());
        return Err(Error::argument("number of masks", masks.len(), &allowed));
    }
    if images.is_empty() {
        return Err(Error::argument("number of images", 0, "must be at least 1"));
    }
    let pairs = images.iter().zip(masks);
    Ok(pairs.map(|(image, mask)| (image.as_path(), mask.as_path())).collect())
}

/// Whether the pair of number `index` is scored with and not learnt from: `share` of them are, evenly.
pub(super) fn is_held_out(index: usize, share: f64) -> bool {
    ((index + 1) as f64 * share).floor() > (index as f64 * share).floor()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    fn file(values: &[f32]) -> PictureFile {
        let pixels = Array3::from_shape_vec((1, 1, values.len()), values.to_vec()).unwrap();
        PictureFile {
            pixels,
            range: Some([0.0, 255.0]),
        }
    }

    #[test]
    fn masks_have_two_levels_whatever_they_are() {
        let of = |values: &[f32]| two_levels("m.png", &file(values)).map(|m| m.into_raw_vec_and_offset().0);
        assert_eq!(of(&[0.0, 255.0, 0.0]).unwrap(), [false, true, false]);
        assert_eq!(of(&[0.0, 1.0]).unwrap(), [false, true]);
        assert_eq!(of(&[3.0, 250.0, 255.0, 0.0]).unwrap(), [false, true, true, false]);
        assert_eq!(of(&[0.0, 0.0]).unwrap(), [false, false]);
        assert_eq!(of(&[255.0, 255.0]).unwrap(), [true, true]);
        // The noise of a lossy file about black, and about white.
        assert_eq!(of(&[0.0, 2.0, 1.0]).unwrap(), [false; 3]);
        assert_eq!(of(&[255.0, 252.0, 254.0]).unwrap(), [true; 3]);
        let error = of(&[0.0, 128.0, 255.0]).unwrap_err().to_string();
        assert!(error.contains("m.png") && error.contains("two levels"), "{error}");
    }

    #[test]
    fn lists_pair_up_and_a_share_is_held_out() {
        let list = |n: usize| -> Vec<PathBuf> { (0..n).map(|i| PathBuf::from(i.to_string())).collect() };
        let error = paired(&list(3), &list(2)).unwrap_err().to_string();
        assert_eq!(error, "number of masks is 2, must be as many as there are images, 3");
        assert!(paired(&[], &[]).is_err());
        let held: Vec<usize> = (0..10).filter(|n| is_held_out(*n, 0.2)).collect();
        assert_eq!(held, [4, 9]);
        assert!(!(0..10).any(|n| is_held_out(n, 0.0)));
    }
}
