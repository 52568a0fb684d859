//! Picture files: PNG, JPEG and TIFF to planes of grey levels.
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use ::image::{DynamicImage, ImageError, ImageReader};
use ndarray::{Array3, ArrayView3};
use tiff::decoder::{Decoder, DecodingResult};
use tiff::ColorType;

use crate::{Error, Result};

/// A picture as its file has it.
#[derive(Clone, Debug)]
pub struct PictureFile {
    /// (channels, rows, columns), in the file's own levels: 1 channel (grey) or 3 (red, green, blue); transparency is
    /// dropped.
    pub pixels: Array3<f32>,
    /// Levels of black and white, where the type of the samples says them: 0 and 255 of bytes. Wider integers, as
    /// microscopes write them, seldom use their whole range.
    pub range: Option<[f32; 2]>,
}

impl PictureFile {
    /// Reads a PNG, JPEG or TIFF file; what it is, its first bytes say.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`] for a damaged file, other formats and a TIFF of several pictures;
    /// [`Error::Unsupported`] for TIFF samples and colours beyond grey and RGB of 8 or 16 bits or floats.
    pub fn read(path: &Path) -> Result<Self> {
        let mut start = [0_u8; 4];
        let mut file = File::open(path).map_err(|e| Error::io("reading", path, e))?;
        // A file too short for it is no TIFF; its own reader says what it is.
        let _ = std::io::Read::read(&mut file, &mut start).map_err(|e| Error::io("reading", path, e))?;
        match &start {
            b"II*\0" | b"MM\0*" | b"II+\0" | b"MM\0+" => read_tiff(path),
            _ => read_other(path),
        }
    }
}

fn read_other(path: &Path) -> Result<PictureFile> {
    let unfit = |e: ImageError| match e {
        ImageError::IoError(e) => Error::io("reading", path, e),
        e => Error::format(path.display(), e),
    };
    let reader = ImageReader::open(path).map_err(|e| Error::io("reading", path, e))?;
    let reader = reader
        .with_guessed_format()
        .map_err(|e| Error::io("reading", path, e))?;
    let picture = reader.decode().map_err(unfit)?;
    let size = (picture.height() as usize, picture.width() as usize);
    // 16-bit levels stay what they are: the 8-bit forms would divide them.
    let bytes = Some([0.0, 255.0]);
    match picture {
        DynamicImage::ImageLuma8(_) | DynamicImage::ImageLumaA8(_) => {
            planes(path, size, &picture.to_luma8().into_raw(), (1, 1), bytes)
        }
        DynamicImage::ImageLuma16(_) | DynamicImage::ImageLumaA16(_) => {
            planes(path, size, &picture.to_luma16().into_raw(), (1, 1), None)
        }
        DynamicImage::ImageRgb16(_) | DynamicImage::ImageRgba16(_) => {
            planes(path, size, &picture.to_rgb16().into_raw(), (3, 3), None)
        }
        _ => planes(path, size, &picture.to_rgb8().into_raw(), (3, 3), bytes),
    }
}

fn read_tiff(path: &Path) -> Result<PictureFile> {
    let file = File::open(path).map_err(|e| Error::io("reading", path, e))?;
    let unfit = |e: tiff::TiffError| match e {
        tiff::TiffError::IoError(e) => Error::io("reading", path, e),
        e => Error::format(path.display(), e),
    };
    let mut decoder = Decoder::new(BufReader::new(file)).map_err(unfit)?;
    let (width, height) = decoder.dimensions().map_err(unfit)?;
    let colour = decoder.colortype().map_err(unfit)?;
    let samples = match colour {
        ColorType::Gray(_) => (1, 1),
        ColorType::GrayA(_) => (2, 1),
        ColorType::RGB(_) => (3, 3),
        ColorType::RGBA(_) => (4, 3),
        other => {
            return Err(Error::Unsupported(format!(
                "{}: TIFF of colours {other:?}",
                path.display()
            )))
        }
    };
    let pixels = decoder.read_image().map_err(unfit)?;
    if decoder.more_images() {
        return Err(Error::format(path.display(), "has several pictures, must have one"));
    }
    let size = (height as usize, width as usize);
    match &pixels {
        DecodingResult::U8(v) => planes(path, size, v, samples, Some([0.0, 255.0])),
        DecodingResult::U16(v) => planes(path, size, v, samples, None),
        DecodingResult::I8(v) => planes(path, size, v, samples, None),
        DecodingResult::I16(v) => planes(path, size, v, samples, None),
        DecodingResult::F32(v) => planes(path, size, v, samples, None),
        DecodingResult::F16(v) => planes(path, size, v, samples, None),
        _ => {
            let text = format!("{}: TIFF samples of {} bits", path.display(), colour.bit_depth());
            Err(Error::Unsupported(text))
        }
    }
}

/// The first `used` of every `samples` interleaved values, as planes.
fn planes<T: Copy + Into<f32>>(
    path: &Path,
    (rows, cols): (usize, usize),
    values: &[T],
    (samples, used): (usize, usize),
    range: Option<[f32; 2]>,
) -> Result<PictureFile> {
    let view = ArrayView3::from_shape((rows, cols, samples), values).map_err(|_| {
        let text = format!("{} values are not {rows} x {cols} x {samples}", values.len());
        Error::format(path.display(), text)
    })?;
    let pixels = Array3::from_shape_fn((used, rows, cols), |(k, r, c)| view[[r, c, k]].into());
    Ok(PictureFile { pixels, range })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::image::{ImageFormat, Luma, Rgb};

    #[test]
    fn grey_and_colour_come_in_planes_of_the_file_s_levels() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let colour = ::image::RgbImage::from_fn(5, 3, |x, y| Rgb([x as u8 * 10, y as u8 * 20, 7]));
        colour.save_with_format(path("c.png"), ImageFormat::Png).unwrap();
        let read = PictureFile::read(&path("c.png")).unwrap();
        assert_eq!((read.pixels.dim(), read.range), ((3, 3, 5), Some([0.0, 255.0])));
        assert_eq!([0, 1, 2].map(|k| read.pixels[[k, 2, 4]]), [40.0, 40.0, 7.0]);

        let deep = ::image::ImageBuffer::<Luma<u16>, _>::from_fn(4, 2, |x, y| Luma([(1000 * x + y) as u16]));
        deep.save_with_format(path("d.png"), ImageFormat::Png).unwrap();
        let read = PictureFile::read(&path("d.png")).unwrap();
        assert_eq!((read.pixels.dim(), read.pixels[[0, 1, 3]]), ((1, 2, 4), 3001.0));

        let mut encoder = tiff::encoder::TiffEncoder::new(File::create(path("e.dat")).unwrap()).unwrap();
        let values = [0.5_f32, -1.0, 2.0, 3.0, 4.0, 5.0];
        encoder
            .write_image::<tiff::encoder::colortype::Gray32Float>(3, 2, &values)
            .unwrap();
        let read = PictureFile::read(&path("e.dat")).unwrap();
        assert_eq!(
            (read.pixels.dim(), read.pixels[[0, 1, 2]], read.range),
            ((1, 2, 3), 5.0, None)
        );

        assert!(matches!(PictureFile::read(&path("none.png")), Err(Error::Io { .. })));
        std::fs::write(path("bad.png"), b"no picture at all").unwrap();
        assert!(matches!(PictureFile::read(&path("bad.png")), Err(Error::Format { .. })));
        std::fs::write(path("empty"), b"").unwrap();
        assert!(PictureFile::read(&path("empty")).is_err());
    }
}
