//! What a segmentation by cuts found, taken out.
use std::ffi::c_char;

use ndarray::{Array3, ArrayView3, Axis};

use super::guard::guard;
use super::ncut::{ncut, tomocut_ncut};
use super::sized::{self, SizedStruct};
use super::status::tomocut_status;
use super::strings::{put_items, put_text};
use super::volume::{tomocut_volume, Dtype, Strided};
use crate::ncut::{tree_json, Cell, Level, Segmentation};
use crate::{Error, Result};

/// Sizes of a segmentation. Set struct_size before use.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_ncut_info {
    /// sizeof(tomocut_ncut_info) of the caller's header.
    pub struct_size: usize,
    /// Shape of the labels: slices (1 for images and matrices), rows, columns.
    pub shape: [u64; 3],
    /// Number of segments; labels are below it.
    pub segments: u64,
    /// Length of a segment's mean feature.
    pub dim: u64,
    /// Passes through the model, each with a tree of its own: one for an image or a matrix.
    pub cells: u64,
    /// Rows and columns of tokens of a pass.
    pub grid: [u64; 2],
    /// Eigenvectors kept for each pass.
    pub eigenvectors: u64,
    /// Further segmentations: entries of thresholds or counts.
    pub levels: u64,
    /// Timestep of the passes; -1 for matrices.
    pub timestep: i64,
    /// Signal-to-noise ratio given or estimated; NaN where none was needed.
    pub snr: f64,
}

// SAFETY: repr(C), struct_size first, numbers only, no padding; zeros are a value.
unsafe impl SizedStruct for tomocut_ncut_info {
    const NAME: &'static str = "tomocut_ncut_info";
}

/// One segment of all slices. This struct never changes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_ncut_segment {
    /// Pixels labelled with it.
    pub pixels: u64,
    /// First slice that shows it, of the whole tomogram.
    pub z_first: u64,
    /// Slice after the last one.
    pub z_end: u64,
}

/// One node of the tree of a pass. This struct never changes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_ncut_node {
    /// Index of the node that it is part of; -1 for the first, the whole. Parents come before their parts.
    pub parent: i64,
    /// Number of its label; -1 for a node that was cut further.
    pub segment: i64,
    /// Tokens in it.
    pub tokens: u64,
    /// Cuts above it.
    pub depth: u64,
    /// NCut of the best cut through it, made or not, 0 to 2; NaN where none was looked for.
    pub ncut: f64,
    /// Weight of the edges that this cut severs; NaN as above.
    pub cut: f64,
    /// What the stopping rule compared: the cut was made where value is below limit; NaN as above.
    pub value: f64,
    /// See value.
    pub limit: f64,
}

/// Sizes of a segmentation.
///
/// @param ncut The segmentation.
/// @param info Receives the answer; its struct_size must be set.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT; TOMOCUT_E_STATE.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_get_info(
    ncut: *const tomocut_ncut,
    info: *mut tomocut_ncut_info,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let ncut = unsafe { self::ncut(ncut) }?;
        let found = &ncut.found;
        let (slices, rows, columns) = found.labels.dim();
        let answer = tomocut_ncut_info {
            struct_size: size_of::<tomocut_ncut_info>(),
            shape: [slices as u64, rows as u64, columns as u64],
            segments: found.segments.len() as u64,
            dim: found.features.ncols() as u64,
            cells: found.cells.len() as u64,
            grid: found.report.grid.map(|side| side as u64),
            eigenvectors: vectors(found) as u64,
            levels: found.levels.len() as u64,
            timestep: found.report.timestep.unwrap_or(-1),
            snr: found.report.snr.unwrap_or(f64::NAN),
        };
        // SAFETY: as documented for C.
        unsafe { sized::write(info, answer) }
    })
}

fn vectors(found: &Segmentation) -> usize {
    let first = found.cells.first().and_then(|cell| cell.eigenvectors.as_ref());
    first.map_or(0, |vectors| vectors.nrows())
}

/// Copies the labels, the segment of every pixel, into the caller's volume.
///
/// @param ncut   The segmentation.
/// @param labels Receives them: dtype TOMOCUT_DTYPE_U8, _I16, _U16, _U32 or _F32 that holds every number; shape as
///               tomocut_ncut_get_info says.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT (an unfit volume, more segments than its type counts); TOMOCUT_E_STATE.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_labels(ncut: *const tomocut_ncut, labels: *mut tomocut_volume) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let ncut = unsafe { self::ncut(ncut) }?;
        // SAFETY: as documented for C.
        unsafe { put_labels(&ncut.found.labels, labels) }
    })
}

/// Copies the labels of one of the further segmentations into the caller's volume; its numbers are its own.
///
/// @param ncut     The segmentation.
/// @param level    Which: the place in thresholds or counts.
/// @param labels   As for tomocut_ncut_labels; NULL: only the number of segments is wanted.
/// @param segments Receives the number of segments; may be NULL.
/// @return As tomocut_ncut_labels.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_level_labels(
    ncut: *const tomocut_ncut,
    level: usize,
    labels: *mut tomocut_volume,
    segments: *mut u64,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let ncut = unsafe { self::ncut(ncut) }?;
        let level: &Level = at(&ncut.found.levels, level, "level")?;
        if !labels.is_null() {
            // SAFETY: as documented for C.
            unsafe { put_labels(&level.labels, labels) }?;
        }
        if !segments.is_null() {
            // SAFETY: not NULL, and writable by the caller's word.
            unsafe { segments.write_unaligned(level.segments as u64) };
        }
        Ok(())
    })
}

/// Copies the segments, in the order of their numbers, into the array of the caller.
///
/// @param ncut     The segmentation.
/// @param segments Receives them, or NULL to ask for their number.
/// @param capacity Entries in segments.
/// @param needed   Receives the number of segments; may be NULL when segments is given.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where capacity is too small; TOMOCUT_E_STATE.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_segments(
    ncut: *const tomocut_ncut,
    segments: *mut tomocut_ncut_segment,
    capacity: usize,
    needed: *mut usize,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let ncut = unsafe { self::ncut(ncut) }?;
        let items: Vec<tomocut_ncut_segment> = (ncut.found.segments.iter())
            .map(|segment| tomocut_ncut_segment {
                pixels: segment.pixels,
                z_first: segment.z[0] as u64,
                z_end: segment.z[1] as u64,
            })
            .collect();
        // SAFETY: as documented for C.
        unsafe { put_items(&items, segments, capacity, needed, "segments") }
    })
}

/// Copies the mean feature of every segment into the caller's volume: of the rows of the walk or of the affinity, or of
/// the features that were cut.
///
/// @param ncut     The segmentation.
/// @param features Receives them: dtype TOMOCUT_DTYPE_F32, shape (1, segments, dim).
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT (an unfit volume); TOMOCUT_E_STATE.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_features(
    ncut: *const tomocut_ncut,
    features: *mut tomocut_volume,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let ncut = unsafe { self::ncut(ncut) }?;
        let source = ncut.found.features.view().insert_axis(Axis(0));
        // SAFETY: as documented for C.
        unsafe { put_floats(source, features, "features") }
    })
}

/// Copies the leading eigenvectors of the graph of one pass into the caller's volume: those after the constant one, largest
/// eigenvalue first. The first is what the first cut went along.
///
/// @param ncut         The segmentation.
/// @param cell         Which pass, below the number of cells.
/// @param eigenvectors Receives them: dtype TOMOCUT_DTYPE_F32, shape (eigenvectors, rows of tokens, columns of tokens).
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT (an unfit volume); TOMOCUT_E_UNSUPPORTED where none were asked for;
///         TOMOCUT_E_STATE.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_eigenvectors(
    ncut: *const tomocut_ncut,
    cell: usize,
    eigenvectors: *mut tomocut_volume,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let ncut = unsafe { self::ncut(ncut) }?;
        let cell: &Cell = at(&ncut.found.cells, cell, "cell")?;
        let vectors = cell
            .eigenvectors
            .as_ref()
            .ok_or_else(|| Error::Unsupported("no eigenvectors were asked for: set options.eigenvectors".into()))?;
        let maps = vectors
            .view()
            .into_shape_with_order((vectors.nrows(), cell.grid[0], cell.grid[1]))
            .map_err(|error| Error::Internal(format!("eigenvectors: {error}")))?;
        // SAFETY: as documented for C.
        unsafe { put_floats(maps, eigenvectors, "eigenvectors") }
    })
}

/// Copies the tree of one pass, the whole first, into the array of the caller.
///
/// @param ncut     The segmentation.
/// @param cell     Which pass, below the number of cells.
/// @param nodes    Receives them, or NULL to ask for their number.
/// @param capacity Entries in nodes.
/// @param needed   Receives the number of nodes; may be NULL when nodes is given.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where capacity is too small; TOMOCUT_E_STATE.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_tree(
    ncut: *const tomocut_ncut,
    cell: usize,
    nodes: *mut tomocut_ncut_node,
    capacity: usize,
    needed: *mut usize,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let ncut = unsafe { self::ncut(ncut) }?;
        let cell: &Cell = at(&ncut.found.cells, cell, "cell")?;
        let number = |value: Option<f64>| value.unwrap_or(f64::NAN);
        let items: Vec<tomocut_ncut_node> = (cell.tree.iter())
            .map(|node| tomocut_ncut_node {
                parent: node.parent.map_or(-1, |parent| parent as i64),
                segment: node.segment.map_or(-1, i64::from),
                tokens: node.tokens as u64,
                depth: node.depth as u64,
                ncut: number(node.ncut),
                cut: number(node.cut),
                value: number(node.value),
                limit: number(node.limit),
            })
            .collect();
        // SAFETY: as documented for C.
        unsafe { put_items(&items, nodes, capacity, needed, "nodes") }
    })
}

/// Report, segments, trees of all passes and further segmentations as one JSON object.
///
/// @param ncut     The segmentation.
/// @param buffer   Receives NUL-terminated UTF-8, or NULL to ask for the size.
/// @param capacity Bytes in buffer.
/// @param needed   Receives the bytes needed, NUL included; may be NULL when buffer is given.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where capacity is too small; TOMOCUT_E_STATE.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_tree_json(
    ncut: *const tomocut_ncut,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let ncut = unsafe { self::ncut(ncut) }?;
        // SAFETY: as documented for C.
        unsafe { put_text(&tree_json(&ncut.found)?, buffer, capacity, needed) }
    })
}

fn at<'a, T>(list: &'a [T], index: usize, name: &str) -> Result<&'a T> {
    list.get(index)
        .ok_or_else(|| Error::argument(name, index, &format!("must be below {}", list.len())))
}

/// # Safety
/// `target` is NULL or as documented for C.
unsafe fn put_labels(labels: &Array3<u32>, target: *mut tomocut_volume) -> Result<()> {
    let types = [Dtype::U8, Dtype::I16, Dtype::U16, Dtype::U32, Dtype::F32];
    // SAFETY: passed on.
    let target = unsafe { Strided::output(target, "labels", &types, labels.dim().into()) }?;
    let most = labels.iter().max().copied().unwrap_or(0);
    let limit = match target.dtype {
        Dtype::U8 => u32::from(u8::MAX),
        Dtype::I16 => i16::MAX as u32,
        Dtype::U16 => u32::from(u16::MAX),
        Dtype::F32 => 1 << 24,
        _ => u32::MAX,
    };
    if most > limit {
        let allowed = format!("must count to {most}, the largest label");
        return Err(Error::argument("labels.dtype", format!("{:?}", target.dtype), &allowed));
    }
    // SAFETY: `target` was checked against this shape and type; every label fits.
    unsafe {
        match target.dtype {
            Dtype::U8 => target.write(labels.view(), |label| label as u8),
            Dtype::I16 => target.write(labels.view(), |label| label as i16),
            Dtype::U16 => target.write(labels.view(), |label| label as u16),
            Dtype::F32 => target.write(labels.view(), |label| label as f32),
            _ => target.write(labels.view(), |label| label),
        }
    }
    Ok(())
}

/// # Safety
/// `target` is NULL or as documented for C.
unsafe fn put_floats(source: ArrayView3<f32>, target: *mut tomocut_volume, name: &str) -> Result<()> {
    // SAFETY: passed on.
    let target = unsafe { Strided::output(target, name, &[Dtype::F32], source.dim().into()) }?;
    // SAFETY: `target` was checked against this shape and type.
    unsafe { target.write(source, |value: f32| value) };
    Ok(())
}
