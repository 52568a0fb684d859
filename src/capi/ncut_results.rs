//! Results of a segmentation by cuts.
use ndarray::{Array3, ArrayView3, Axis};

use super::guard::guard;
use super::ncut::{ncut, tomocut_ncut};
use super::report::{tomocut_report, ReportTo};
use super::status::tomocut_status;
use super::strings::put_items;
use super::volume::{tomocut_volume, Dtype, Strided};
use crate::ncut::{tree_of, Cell, Level};
use crate::{Error, Result};

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

/// The segmentation as a report: "/settings", "/report" (shape of the labels: slices, rows, columns; segments; dim, the
/// length of a segment's mean feature; cells, the passes; grid, the rows and columns of tokens; eigenvectors; levels;
/// model, latent_mode, timestep and snr, null where there was none; seconds), "/segments", "/cells" (the trees) and
/// "/levels" (the further segmentations). To be freed by tomocut_report_free.
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_report(
    ncut: *const tomocut_ncut,
    report: *mut *mut tomocut_report,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (ncut, report) = unsafe { (self::ncut(ncut)?, ReportTo::at(report)?) };
        report.set(&tree_of(&ncut.segmentation))
    })
}

/// Copies the labels, the segment of every pixel, into the caller's volume: dtype TOMOCUT_DTYPE_U8, _I16, _U16, _U32 or
/// _F32 that holds every number; shape (slices, rows, columns), one slice for images and matrices.
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_labels(ncut: *const tomocut_ncut, labels: *mut tomocut_volume) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let ncut = unsafe { self::ncut(ncut) }?;
        // SAFETY: as documented for C.
        unsafe { put_labels(&ncut.segmentation.labels, labels) }
    })
}

/// The same of one of the further segmentations, whose numbers are its own; level is its place in the settings
/// thresholds or counts. labels or segments, the number of segments, may be NULL.
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
        let level: &Level = at(&ncut.segmentation.levels, level, "level")?;
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

/// Copies the segments, in the order of their numbers, into the caller's array; NULL and capacity 0 ask for their
/// number.
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
        let items: Vec<tomocut_ncut_segment> = (ncut.segmentation.segments.iter())
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

/// Copies the mean feature of every segment (of the rows of the walk or of the affinity, or of the features that were
/// cut) into the caller's volume: dtype TOMOCUT_DTYPE_F32, shape (1, segments, dim).
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_features(
    ncut: *const tomocut_ncut,
    features: *mut tomocut_volume,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let ncut = unsafe { self::ncut(ncut) }?;
        let source = ncut.segmentation.features.view().insert_axis(Axis(0));
        // SAFETY: as documented for C.
        unsafe { put_floats(source, features, "features") }
    })
}

/// Copies the leading eigenvectors of the graph of the pass number cell into the caller's volume: those after the
/// constant one, largest eigenvalue first; the first cut went along the first of them. dtype TOMOCUT_DTYPE_F32, shape
/// (eigenvectors, rows of tokens, columns of tokens). TOMOCUT_E_UNSUPPORTED where the settings ask for none.
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_eigenvectors(
    ncut: *const tomocut_ncut,
    cell: usize,
    eigenvectors: *mut tomocut_volume,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let ncut = unsafe { self::ncut(ncut) }?;
        let cell: &Cell = at(&ncut.segmentation.cells, cell, "cell")?;
        let vectors = cell
            .eigenvectors
            .as_ref()
            .ok_or_else(|| Error::Unsupported("there are no eigenvectors: set settings.eigenvectors".into()))?;
        let maps = vectors
            .view()
            .into_shape_with_order((vectors.nrows(), cell.grid[0], cell.grid[1]))
            .map_err(|error| Error::Internal(format!("eigenvectors: {error}")))?;
        // SAFETY: as documented for C.
        unsafe { put_floats(maps, eigenvectors, "eigenvectors") }
    })
}

/// Copies the tree of the pass number cell, the whole first, into the caller's array; NULL and capacity 0 ask for its
/// number of nodes.
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
        let cell: &Cell = at(&ncut.segmentation.cells, cell, "cell")?;
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
