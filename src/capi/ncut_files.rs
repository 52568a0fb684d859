//! Picture files in, segmentations to files out.
use std::ffi::c_char;

use super::guard::guard;
use super::ncut::{image_of, ncut, tomocut_ncut};
use super::ncut_options::tomocut_ncut_options;
use super::progress::job;
use super::sized;
use super::slab_options::flag;
use super::status::tomocut_status;
use super::strings::{path, text};
use super::tomogram::{tomocut_tomogram, tomogram};
use super::volume::{tomocut_volume, Dtype, Strided};
use crate::image::PictureFile;
use crate::ncut::{write_segmentation, ImageInput, LabelFormat, Subject};
use crate::{Error, Result};

/// Reads a PNG, JPEG or TIFF picture. Ask for its shape first, then for its pixels.
///
/// @param path   The file.
/// @param shape  Receives channels (1: grey, 3: red, green, blue), rows and columns; may be NULL when pixels is given.
/// @param range  Receives the values of black and white, two zeros where the type of the file does not say them; may be
///               NULL.
/// @param pixels Receives the pixels: dtype TOMOCUT_DTYPE_F32, that shape; NULL: only the shape is wanted.
/// @return TOMOCUT_OK; TOMOCUT_E_IO; TOMOCUT_E_FORMAT; TOMOCUT_E_UNSUPPORTED; TOMOCUT_E_INVALID_ARGUMENT (an unfit volume).
///
/// Threads: any.
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
        let found: [usize; 3] = picture.pixels.dim().into();
        if !pixels.is_null() {
            // SAFETY: as documented for C.
            let target = unsafe { Strided::output(pixels, "pixels", &[Dtype::F32], found) }?;
            // SAFETY: `target` was checked against this shape and type.
            unsafe { target.write(picture.pixels.view(), |value: f32| value) };
        }
        // SAFETY: not NULL where written, and as long as documented for C.
        unsafe {
            if !shape.is_null() {
                for (axis, side) in found.into_iter().enumerate() {
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

/// Writes a segmentation for other programs. Of an image or a matrix: STEM_labels.png (grey levels are the numbers, 8 bits
/// up to 256 segments, else 16) or .tif; of a slab: STEM_labels.mrc (int16), with start and origin set so that it overlays
/// the tomogram. STEM_overlay.png, the image or the middle slice with its segments in colours; STEM_tree.json. Further
/// segmentations are STEM_level0_labels... and so on. Each file is written under a temporary name and renamed when it is whole.
///
/// @param ncut     The segmentation.
/// @param image    The image that was segmented; NULL for slabs and matrices.
/// @param tomogram The tomogram that was segmented; NULL for images and matrices.
/// @param folder   Where the files go; made where it is missing.
/// @param stem     How their names begin; no slashes.
/// @param tiff     1: label images as TIFF; 0: as PNG.
/// @param options  Of the segmentation: black and white, for the picture, and cancel and progress; NULL: defaults.
/// @return TOMOCUT_OK; TOMOCUT_E_IO (the text names the file); TOMOCUT_E_CANCELLED; TOMOCUT_E_INVALID_ARGUMENT;
///         TOMOCUT_E_STATE. After a failure the files written before it are there, whole.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_write(
    ncut: *const tomocut_ncut,
    image: *const tomocut_volume,
    tomogram: *const tomocut_tomogram,
    folder: *const c_char,
    stem: *const c_char,
    tiff: i32,
    options: *const tomocut_ncut_options,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let ncut = unsafe { self::ncut(ncut) }?;
        // SAFETY: as documented for C.
        let (folder, stem) = unsafe { (path(folder, "folder")?, text(stem, "stem")?) };
        // SAFETY: as documented for C.
        let options = unsafe { sized::read_or_default(options) }?;
        let format = match flag("tiff", tiff)? {
            true => LabelFormat::Tiff,
            false => LabelFormat::Png,
        };
        let logger = &ncut.engine.logger;
        let user_data = options.progress_user_data;
        // SAFETY: as documented for C.
        let job = unsafe { job(logger, options.cancel, options.progress, user_data) }?;
        let write = |subject: Subject| -> Result<()> {
            write_segmentation(&ncut.found, subject, format, &folder, stem, &job).map(|_| ())
        };
        match (image.is_null(), tomogram.is_null()) {
            (true, true) => write(Subject::Matrix),
            (false, true) => {
                // SAFETY: as documented for C.
                let (pixels, range) = unsafe { image_of(image, &options) }?;
                write(Subject::Image(ImageInput::new(pixels.view(), range)?))
            }
            (true, false) => {
                // SAFETY: as documented for C.
                let tomogram = unsafe { self::tomogram(tomogram) }?;
                let first = ncut.found.cells.first().map_or(0, |cell| cell.z[0]);
                write(Subject::Slices(&tomogram.tomogram, first))
            }
            (false, false) => Err(Error::argument(
                "image",
                "given beside a tomogram",
                "must be the only one of both",
            )),
        }
    })
}
