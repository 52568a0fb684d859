//! Segmentation by cuts of images, slabs and matrices.
use std::sync::Arc;

use ndarray::Array3;
use tch::Tensor;

use super::engine::{engine_to_compute, tomocut_engine, Engine};
use super::guard::{guard, guard_anywhere, log_panics_to};
use super::handle::{free, shared, InUse, NewHandle, Opaque};
use super::model::{model, tomocut_model};
use super::ncut_options::{ncut_call, tomocut_ncut_options};
use super::numbers::{slices, to_usize};
use super::progress::compute;
use super::slice_call::check_device;
use super::status::tomocut_status;
use super::tomogram::{tomocut_tomogram, tomogram};
use super::volume::{tomocut_volume, Dtype, Strided};
use crate::ncut::{segment_image, segment_matrix, segment_slices, ImageInput, MatrixInput, NcutOptions, Segmentation};
use crate::{Error, Result};

/// Kinds of matrices, TOMOCUT_MATRIX_*.
pub type tomocut_matrix_kind = i32;

/// Symmetric edge weights N x N, finite and not negative.
pub const TOMOCUT_MATRIX_AFFINITY: tomocut_matrix_kind = 0;
/// Transition probabilities N x N: not negative, rows sum to 1.
pub const TOMOCUT_MATRIX_TRANSITION: tomocut_matrix_kind = 1;
/// One feature vector per token, N x D, finite.
pub const TOMOCUT_MATRIX_FEATURES: tomocut_matrix_kind = 2;

/// An image, a slab or a matrix in segments, with their tree. Immutable; independent of what it was made from.
pub struct tomocut_ncut {
    _opaque: [u8; 0],
}

pub(super) struct Ncut {
    pub(super) segmentation: Segmentation,
    pub(super) engine: Arc<Engine>,
}

impl Opaque for tomocut_ncut {
    type Value = Ncut;
    const TAG: [u8; 8] = *b"tmcncut_";
    const NAME: &'static str = "ncut";
}

/// The segmentation behind a handle.
///
/// # Safety
/// `handle` is NULL or a segmentation.
pub(super) unsafe fn ncut(handle: *const tomocut_ncut) -> Result<InUse<tomocut_ncut>> {
    // SAFETY: passed on.
    let ncut = unsafe { shared(handle) }?;
    log_panics_to(&ncut.engine.logger);
    Ok(ncut)
}

/// Pixels of an image volume and the values of its black and white.
///
/// # Safety
/// `image` is NULL or as documented for C.
pub(super) unsafe fn image_of(
    image: *const tomocut_volume,
    settings: &NcutOptions,
) -> Result<(Array3<f32>, Option<[f32; 2]>)> {
    // SAFETY: passed on.
    let image = unsafe { Strided::input(image, "image") }?;
    let of_bytes = (image.dtype == Dtype::U8).then_some([0.0, 255.0]);
    // SAFETY: passed on.
    let pixels = unsafe { image.read_slices(0..image.shape[0]) }?;
    Ok((pixels, settings.grey_range().or(of_bytes)))
}

/// Segments an image by the self-attention of a model. The image has shape (channels, rows, columns): 1 channel (grey)
/// or 3 (red, green, blue); any strides, so that interleaved colours are strides (1, 3 * columns, 3). Same input,
/// options and device: same result, to the byte. out is to be freed by tomocut_ncut_free.
///
/// TOMOCUT_E_FORMAT: pixels that are not finite, an image of one value for a model of matched noise.
/// TOMOCUT_E_UNSUPPORTED: settings that do not go together; the text says why.
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_segment_image(
    engine: *mut tomocut_engine,
    model: *const tomocut_model,
    image: *const tomocut_volume,
    options: *const tomocut_ncut_options,
    out: *mut *mut tomocut_ncut,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (out, engine, model) = unsafe { (NewHandle::at(out)?, engine_to_compute(engine)?, self::model(model)?) };
        check_device(&engine, &model)?;
        // SAFETY: as documented for C.
        let (settings, job) = unsafe { ncut_call(&engine, options) }?;
        // SAFETY: as documented for C.
        let (pixels, range) = unsafe { image_of(image, &settings) }?;
        let image = ImageInput::new(pixels.view(), range)?;
        let run = || segment_image(&model.diffusion, image, &settings, &job);
        let segmentation = compute(engine.n_threads, run)?;
        let engine = Arc::clone(&engine);
        out.set(Ncut { segmentation, engine });
        Ok(())
    })
}

/// Segments the slices z_first to z_end - 1 (from 0) of a tomogram by the self-attention of a model, each with the
/// neighbours that the model sees; only these are read. A segment keeps its number from slice to slice. Otherwise as
/// tomocut_ncut_segment_image.
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_segment_slices(
    engine: *mut tomocut_engine,
    model: *const tomocut_model,
    tomogram: *const tomocut_tomogram,
    z_first: u64,
    z_end: u64,
    options: *const tomocut_ncut_options,
    out: *mut *mut tomocut_ncut,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (out, engine, model) = unsafe { (NewHandle::at(out)?, engine_to_compute(engine)?, self::model(model)?) };
        // SAFETY: as documented for C.
        let tomogram = unsafe { self::tomogram(tomogram) }?;
        check_device(&engine, &model)?;
        // SAFETY: as documented for C.
        let (settings, job) = unsafe { ncut_call(&engine, options) }?;
        let z = slices(z_first, z_end)?;
        let run = || segment_slices(&model.diffusion, &tomogram.tomogram, z, &settings, &job);
        let segmentation = compute(engine.n_threads, run)?;
        let engine = Arc::clone(&engine);
        out.set(Ncut { segmentation, engine });
        Ok(())
    })
}

/// Segments a matrix of the host's own: an affinity, a transition or a feature matrix (TOMOCUT_MATRIX_*) over a grid of
/// tokens, row by row. Its shape is (1, N, N) or, for features, (1, N, D), N = grid_rows * grid_columns. Labels have
/// rows x columns pixels; 0 and 0: those of the grid. Methods by cuts of walks take affinities or transitions, diffseg
/// transitions, all others features (diffcut affinities too). TOMOCUT_E_INVALID_ARGUMENT names a wrong entry or row of
/// the matrix.
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_segment_matrix(
    engine: *mut tomocut_engine,
    kind: tomocut_matrix_kind,
    matrix: *const tomocut_volume,
    grid_rows: u64,
    grid_columns: u64,
    rows: u64,
    columns: u64,
    options: *const tomocut_ncut_options,
    out: *mut *mut tomocut_ncut,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (out, engine) = unsafe { (NewHandle::at(out)?, engine_to_compute(engine)?) };
        // SAFETY: as documented for C.
        let (settings, job) = unsafe { ncut_call(&engine, options) }?;
        let wrap = match kind {
            TOMOCUT_MATRIX_AFFINITY => MatrixInput::Affinity,
            TOMOCUT_MATRIX_TRANSITION => MatrixInput::Transition,
            TOMOCUT_MATRIX_FEATURES => MatrixInput::Features,
            other => return Err(Error::argument("kind", other, "must be TOMOCUT_MATRIX_*, 0..=2")),
        };
        let grid = (
            to_usize("grid_rows", grid_rows)?,
            to_usize("grid_columns", grid_columns)?,
        );
        let shape = match (to_usize("rows", rows)?, to_usize("columns", columns)?) {
            (0, 0) => None,
            (0, _) | (_, 0) => {
                let sides = format!("{rows} and {columns}");
                return Err(Error::argument("rows and columns", sides, "must both be 0 or neither"));
            }
            shape => Some(shape),
        };
        // SAFETY: as documented for C.
        let matrix = unsafe { Strided::input(matrix, "matrix") }?;
        let [depth, height, width] = matrix.shape;
        if depth != 1 {
            let shape = format!("{:?}", matrix.shape);
            return Err(Error::argument("matrix.shape", shape, "must be (1, rows, columns)"));
        }
        // SAFETY: as documented for C.
        let values = unsafe { matrix.read_slices(0..1) }?.into_raw_vec_and_offset().0;
        let segmentation = compute(engine.n_threads, || {
            let matrix = Tensor::f_from_slice(&values)?.f_view([height as i64, width as i64])?;
            drop(values);
            let matrix = matrix.f_to_device(engine.device)?;
            segment_matrix(wrap(matrix), grid, shape, &settings, &job)
        })?;
        let engine = Arc::clone(&engine);
        out.set(Ncut { segmentation, engine });
        Ok(())
    })
}

/// Frees a segmentation; NULL is fine.
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_free(ncut: *mut tomocut_ncut) {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { free(ncut) });
}
