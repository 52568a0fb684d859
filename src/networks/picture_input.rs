//! From a picture file to a network's input.
use ndarray::{Array2, Axis};
use tch::Tensor;

use super::{InputScale, ModelDescription};
use crate::image::{resize_picture, PictureFile, PictureLevels};
use crate::runtime::{Error, Result};
use crate::tensors::from_slice;
use crate::volume::CLIP_SIGMA;

/// Weights of red, green and blue in grey (ITU-R BT.601), in 65536ths, as PIL has them.
const LUMA: [f64; 3] = [19595.0, 38470.0, 7471.0];

impl ModelDescription {
    /// `picture` as the network's input [channels, rows, columns] of `side` pixels: brought to that size as PIL
    /// does it ([`resize_picture`]), to the network's number of channels (colours to grey, grey repeated) and to its
    /// grey scale. `name` names the picture in errors.
    ///
    /// Errors: [`Error::Unsupported`] for a network of three dimensions or of other than 1 or 3 channels;
    /// [`Error::Format`] for levels that are not finite or all the same.
    pub fn picture_input(&self, name: &str, picture: &PictureFile, side: (usize, usize)) -> Result<Tensor> {
        let channels = self.network.input_channels();
        if self.network.dimensions() != 2 || ![1, 3].contains(&channels) {
            let text = format!("pictures are for networks of slices with 1 or 3 channels; this one has {channels}");
            return Err(Error::Unsupported(text));
        }
        let levels = match picture.range {
            Some([0.0, 255.0]) => PictureLevels::Bytes,
            _ => PictureLevels::Exact,
        };
        let planes: Vec<Array2<f32>> = match (picture.pixels.dim().0, channels) {
            (3, 1) => vec![grey(picture, levels)],
            (available, needed) => (0..needed as usize)
                .map(|k| picture.pixels.index_axis(Axis(0), k.min(available - 1)).to_owned())
                .collect(),
        };
        let values: Vec<f32> = planes
            .iter()
            .flat_map(|plane| resize_picture(plane.view(), side, levels).into_iter())
            .collect();
        let values = scaled(name, &values, picture.range, self.input)?;
        from_slice(&values, [planes.len(), side.0, side.1])
    }
}

/// The grey of three colours; of bytes a byte, as PIL's `convert("L")`.
fn grey(picture: &PictureFile, levels: PictureLevels) -> Array2<f32> {
    let (_, rows, cols) = picture.pixels.dim();
    Array2::from_shape_fn((rows, cols), |(row, col)| {
        let part = |k: usize| LUMA[k] * f64::from(picture.pixels[[k, row, col]]);
        let sum = (part(0) + part(1) + part(2)) / 65536.0;
        match levels {
            PictureLevels::Bytes => (sum + 0.5).floor() as f32,
            PictureLevels::Exact => sum as f32,
        }
    })
}

/// Levels in the grey scale `input`; `range` is black and white, where the file says them, else the smallest and
/// largest level.
fn scaled(name: &str, values: &[f32], range: Option<[f32; 2]>, input: InputScale) -> Result<Vec<f32>> {
    if values.iter().any(|v| !v.is_finite()) {
        return Err(Error::format(name, "has levels that are not finite"));
    }
    let least = values.iter().copied().fold(f32::INFINITY, f32::min);
    let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if most <= least {
        return Err(Error::format(
            name,
            format_args!("is {least} everywhere; there is nothing to see"),
        ));
    }
    if input == InputScale::Picture {
        let [black, white] = range.unwrap_or([least, most]);
        let scale = 2.0 / (white - black);
        return Ok(values
            .iter()
            .map(|v| ((v - black) * scale - 1.0).clamp(-1.0, 1.0))
            .collect());
    }
    let count = values.len() as f64;
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
    let variance = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count;
    let (mean, deviation) = (mean as f32, variance.sqrt() as f32);
    let standard = |v: &f32| ((v - mean) / deviation).clamp(-CLIP_SIGMA, CLIP_SIGMA);
    Ok(values.iter().map(standard).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{NetworkConfig, SdSegConfig, Unet2dConfig};
    use ndarray::Array3;

    fn picture(channels: usize) -> PictureFile {
        PictureFile {
            pixels: Array3::from_shape_fn((channels, 4, 6), |(k, r, c)| (50 * k + 10 * r + c) as f32),
            range: Some([0.0, 255.0]),
        }
    }

    #[test]
    fn channels_size_and_scale_are_the_network_s() {
        let of = |network, input| ModelDescription {
            input,
            ..ModelDescription::new(network, None)
        };
        let diffusion = of(
            NetworkConfig::SdSeg(Box::new(SdSegConfig::small())),
            InputScale::Picture,
        );
        for channels in [1, 3] {
            let input = diffusion.picture_input("p", &picture(channels), (4, 6)).unwrap();
            assert_eq!(input.size(), [3, 4, 6]);
            let last = 50 * (channels - 1);
            let expected = (last as f64 + 35.0) / 127.5 - 1.0;
            assert!((input.double_value(&[2, 3, 5]) - expected).abs() < 1e-6);
        }
        let unet = of(NetworkConfig::Unet2d(Unet2dConfig::default()), InputScale::Slice);
        let input = unet.picture_input("p", &picture(3), (8, 12)).unwrap();
        assert_eq!(input.size(), [1, 8, 12]);
        assert!(input.mean(tch::Kind::Double).double_value(&[]).abs() < 1e-5);
        let flat = PictureFile {
            pixels: Array3::ones((1, 3, 3)),
            range: None,
        };
        let error = unet.picture_input("flat.png", &flat, (8, 8)).unwrap_err().to_string();
        assert!(error.contains("flat.png") && error.contains("everywhere"), "{error}");
    }
}
