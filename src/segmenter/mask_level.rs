//! Which levels of a mask's picture are something, where it has more than black and white.
use std::str::FromStr;

use ndarray::{Array2, Axis};

use crate::image::PictureFile;
use crate::runtime::{Error, Result};

/// Levels of one channel, or of the mean of all, such as "G=255", "0-128" or "128".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaskLevel {
    /// Red, green or blue by number; none: the mean of the channels.
    channel: Option<usize>,
    /// Smallest and largest level, in the file's own.
    levels: [f32; 2],
}

impl FromStr for MaskLevel {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = || {
            let allowed =
                "must be LEVEL or LOW-HIGH of the file's levels, 0 or more, with R=, G= or B= before it for one \
                           channel, such as G=255";
            Error::argument("mask_level", format!("\"{text}\""), allowed)
        };
        let (channel, levels) = match text.split_once('=') {
            Some((name, levels)) => {
                let channel = ["R", "G", "B"].iter().position(|known| *known == name.trim());
                (Some(channel.ok_or_else(refused)?), levels)
            }
            None => (None, text),
        };
        let (low, high) = levels.split_once('-').unwrap_or((levels, levels));
        let level = |word: &str| -> Result<f32> {
            let level: f32 = word.trim().parse().map_err(|_| refused())?;
            match level.is_finite() && level >= 0.0 {
                true => Ok(level),
                false => Err(refused()),
            }
        };
        let levels = [level(low)?, level(high)?];
        match levels[0] <= levels[1] {
            true => Ok(Self { channel, levels }),
            false => Err(refused()),
        }
    }
}

impl MaskLevel {
    /// Where `file`, called `name` in errors, has these levels. Errors: a channel that a grey picture lacks.
    pub(super) fn of(&self, name: &str, file: &PictureFile) -> Result<Array2<bool>> {
        let channels = file.pixels.dim().0;
        let plane = match self.channel {
            Some(channel) if channel >= channels => {
                let detail = "is grey: mask_level must be a level without R=, G= or B=";
                return Err(Error::format(name, detail));
            }
            Some(channel) => file.pixels.index_axis(Axis(0), channel).to_owned(),
            None => file
                .pixels
                .mean_axis(Axis(0))
                .ok_or_else(|| Error::format(name, "has no channels"))?,
        };
        let [low, high] = self.levels;
        Ok(plane.mapv(|level| (low..=high).contains(&level)))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    #[test]
    fn cup_and_disc_are_levels_of_one_mask() {
        let file = PictureFile {
            pixels: Array3::from_shape_vec((1, 1, 4), vec![0.0, 128.0, 255.0, 0.0]).unwrap(),
            range: Some([0.0, 255.0]),
        };
        let of = |text: &str| -> Vec<bool> {
            let level: MaskLevel = text.parse().unwrap();
            level.of("m.png", &file).unwrap().into_iter().collect()
        };
        assert_eq!(of("0"), [true, false, false, true]);
        assert_eq!(of("0-128"), [true, true, false, true]);
        assert_eq!(of("255"), [false, false, true, false]);
        let colour = PictureFile {
            pixels: Array3::from_shape_fn((3, 1, 2), |(k, _, x)| if k == 1 && x == 0 { 255.0 } else { 40.0 }),
            range: Some([0.0, 255.0]),
        };
        let green: MaskLevel = "G=255".parse().unwrap();
        assert_eq!(
            green.of("m.png", &colour).unwrap().into_raw_vec_and_offset().0,
            [true, false]
        );
        let text = green.of("m.png", &file).unwrap_err().to_string();
        assert!(text.contains("m.png") && text.contains("grey"), "{text}");
        for wrong in ["", "A=3", "G=", "9-3", "-1", "G=x", "nan"] {
            let text = wrong.parse::<MaskLevel>().unwrap_err().to_string();
            assert!(text.starts_with("mask_level is") && text.contains("G=255"), "{text}");
        }
    }
}
