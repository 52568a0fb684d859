//! Picture files in, segmentations to files out.
use std::ffi::c_char;

use super::call_options::tomocut_call_options;
use super::guard::guard;
use super::ncut::{image_of, ncut, tomocut_ncut};
use super::progress::job;
use super::sized;
use super::status::tomocut_status;
use super::strings::{optional_text, path, text};
use super::tomogram::{tomocut_tomogram, tomogram};
use super::volume::{tomocut_volume, Dtype, Strided};
use crate::image::PictureFile;
use crate::ncut::{write_segmentation, ImageInput, LabelFormat, Subject};
use crate::{Error, Result};

/// Reads a PNG, JPEG or TIFF picture: first its shape, then its pixels.
///
/// @param shape  Receives channels (1: grey, 3: red, green, blue), rows and columns; may be NULL where pixels is given.
/// @param range  Receives the values of black and white, two zeros where the file's type does not say them, or NULL.
/// @param pixels Receives the pixels: dtype TOMOCUT_DTYPE_F32, that shape; may be NULL where shape is given.
#[no_mangle]
pub unsafe extern "C" fn tomocut_picture_read(
    path: *const c_char,
    shape: *mut u64,
    range: *mut f64,
    pixels: *mut tomocut_volume,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let file = unsafe { self::path(path, "path") }?;
        if shape.is_null() && pixels.is_null() {
            return Err(Error::argument("shape", "NULL", "must be given where pixels is NULL"));
        }
        let picture = PictureFile::read(&file)?;
        let extents: [usize; 3] = picture.pixels.dim().into();
        if !pixels.is_null() {
            // SAFETY: as documented for C.
            let target = unsafe { Strided::output(pixels, "pixels", &[Dtype::F32], extents) }?;
            // SAFETY: `target` was checked against this shape and type.
            unsafe { target.write(picture.pixels.view(), |value: f32| value) };
        }
        // SAFETY: not NULL where written, and as long as documented for C.
        unsafe {
            if !shape.is_null() {
                for (axis, side) in extents.into_iter().enumerate() {
                    shape.add(axis).write_unaligned(side as u64);
                }
            }
            if !range.is_null() {
                for (end, value) in picture.range.unwrap_or_default().into_iter().enumerate() {
                    range.add(end).write_unaligned(value.into());
                }
            }
        }
        Ok(())
    })
}

/// Writes a segmentation for other programs into folder, which is made where it is missing. Of an image or a matrix:
/// STEM_labels.png (grey levels are the numbers, 8 bits up to 256 segments, else 16) or .tif; of a slab:
/// STEM_labels.mrc (int16), with start and origin set so that it overlays the tomogram. STEM_overlay.png, the image or
/// the middle slice with its segments in colours; STEM_tree.json. Further segmentations are STEM_level0_labels... and
/// so on. After a failure the files written before it are there, whole.
///
/// @param image    The image that was segmented; NULL for slabs and matrices.
/// @param tomogram The tomogram that was segmented; NULL for images and matrices.
/// @param format   Of an image's labels: "png" or "tiff"; NULL: "png".
/// @param options  For progress and cancel; its settings must be NULL.
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_write(
    ncut: *const tomocut_ncut,
    image: *const tomocut_volume,
    tomogram: *const tomocut_tomogram,
    folder: *const c_char,
    stem: *const c_char,
    format: *const c_char,
    options: *const tomocut_call_options,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (ncut, folder, stem) = unsafe { (self::ncut(ncut)?, path(folder, "folder")?, text(stem, "stem")?) };
        // SAFETY: as documented for C.
        let (options, format) = unsafe { (sized::read_or_default(options)?, optional_text(format, "format")?) };
        if !options.settings.is_null() {
            return Err(Error::argument("settings", "given", "must be NULL: this call has none"));
        }
        let format = match format.unwrap_or("png") {
            "png" => LabelFormat::Png,
            "tiff" => LabelFormat::Tiff,
            other => return Err(Error::argument("format", format!("\"{other}\""), "must be png or tiff")),
        };
        let (logger, user_data) = (&ncut.engine.logger, options.progress_user_data);
        // SAFETY: as documented for C.
        let job = unsafe { job(logger, options.cancel, options.progress, user_data) }?;
        let segmentation = &ncut.segmentation;
        let write = |subject: Subject| -> Result<()> {
            write_segmentation(segmentation, subject, format, &folder, stem, &job).map(|_| ())
        };
        match (image.is_null(), tomogram.is_null()) {
            (true, true) => write(Subject::Matrix),
            (false, true) => {
                // SAFETY: as documented for C.
                let (pixels, range) = unsafe { image_of(image, &segmentation.settings) }?;
                write(Subject::Image(ImageInput::new(pixels.view(), range)?))
            }
            (true, false) => {
                // SAFETY: as documented for C.
                let tomogram = unsafe { self::tomogram(tomogram) }?;
                let first = segmentation.cells.first().map_or(0, |cell| cell.z[0]);
                write(Subject::Slices(&tomogram.tomogram, first))
            }
            (false, false) => {
                let allowed = "must be the only one of both";
                Err(Error::argument("image", "given beside a tomogram", allowed))
            }
        }
    })
}
