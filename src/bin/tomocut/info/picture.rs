//! What a picture is.
use std::path::Path;

use tomocut::image::PictureFile;

use super::Description;
use crate::exit::{Exit, Failure, OrExit};

pub fn describe(path: &Path) -> Result<Description, Failure> {
    let picture = PictureFile::read(path).or_exit(Exit::BadInput)?;
    let mut description = Description::new("picture");
    let (channels, rows, columns) = picture.pixels.dim();
    description.fact("shape", format!("{columns} x {rows} (x, y), {channels} channels"));
    if let Some([black, white]) = picture.range {
        description.fact("grey_levels", format!("{black} to {white}"));
    }
    let limits = picture
        .pixels
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), &value| {
            (least.min(value), most.max(value))
        });
    description.fact("values", format!("{} to {}", limits.0, limits.1));
    if limits.0 == limits.1 {
        description.odd("all pixels have the same value");
    }
    Ok(description)
}
