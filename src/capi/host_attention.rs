//! Attention that the host brings, and the slab's eigenvectors of any attention.
use std::sync::Arc;

use super::attention::{attention, put_tensor, tomocut_attention, Attention, Layer};
use super::engine::{engine_to_compute, tomocut_engine};
use super::guard::guard;
use super::handle::NewHandle;
use super::numbers::to_usize;
use super::progress::{compute, job};
use super::sized;
use super::slab_options::{tomocut_slab_options, translate};
use super::status::{c_text, tomocut_status};
use super::volume::{tomocut_volume, Dtype, Strided};
use crate::slab::{attention_eigenvectors, finest_grid, host_layer};
use crate::{Error, Result};

/// Most layers of one network.
const MOST_LAYERS: usize = 1 << 10;

/// Takes attention that the host's own network computed, of one image, so that tomocut_attention_eigenvectors solves
/// for it. Layers count from 0; all belong to tile 0.
///
/// @param engine   Computes, on its device.
/// @param queries  One volume for each layer: shape (heads, tokens, dim), tokens row by row. Copied.
/// @param keys     The same of the keys, of the queries' shapes.
/// @param rows     Rows of the token grid of each layer; coarser grids are those of the finest pooled.
/// @param n_layers Entries in queries, keys and rows.
/// @param out      Receives the attention.
#[no_mangle]
pub unsafe extern "C" fn tomocut_attention_create(
    engine: *mut tomocut_engine,
    queries: *const tomocut_volume,
    keys: *const tomocut_volume,
    rows: *const u64,
    n_layers: usize,
    out: *mut *mut tomocut_attention,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (out, engine) = unsafe { (NewHandle::at(out)?, engine_to_compute(engine)?) };
        if queries.is_null() || keys.is_null() || rows.is_null() || !rows.is_aligned() {
            return Err(Error::argument(
                "queries, keys and rows",
                "NULL",
                "must be arrays of n_layers entries",
            ));
        }
        if !(1..=MOST_LAYERS).contains(&n_layers) {
            return Err(Error::argument(
                "n_layers",
                n_layers,
                &format!("must be 1..={MOST_LAYERS}"),
            ));
        }
        let layer = |index: usize| -> Result<Layer> {
            // SAFETY: the arrays have n_layers entries, as the caller says; volumes are as documented for C.
            let (query, key, rows) = unsafe {
                let read = |volume, name: String| {
                    let volume = Strided::input(volume, &name)?;
                    volume.read_slices(0..volume.shape[0])
                };
                (
                    read(queries.add(index), format!("queries[{index}]"))?,
                    read(keys.add(index), format!("keys[{index}]"))?,
                    to_usize("rows", *rows.add(index))?,
                )
            };
            let tap = host_layer(index, query.view(), key.view(), rows, engine.device)?;
            Ok(Layer {
                tile: 0,
                timestep: 0,
                name: c_text(&tap.name),
                tap,
            })
        };
        let layers = compute(engine.n_threads, || (0..n_layers).map(layer).collect())?;
        out.set(Attention {
            layers,
            engine: Arc::clone(&engine),
        });
        Ok(())
    })
}

/// Solves for the eigenvectors that the attention layers of one tile share, as tomocut_slab_segment does, by the solver
/// of the options (settings solver, n_eigenvectors, layers, adam, seed).
///
/// @param attention    The attention: of tomocut_slab_attention_extract, or the host's own.
/// @param tile         Which tile.
/// @param options      As for tomocut_slab_segment; z_first and z_end are not used.
/// @param eigenvectors Receives them, orthonormal, leading first: dtype TOMOCUT_DTYPE_F32, shape (n_eigenvectors, rows,
///                     columns) of the finest layer used.
#[no_mangle]
pub unsafe extern "C" fn tomocut_attention_eigenvectors(
    attention: *mut tomocut_attention,
    tile: u32,
    options: *const tomocut_slab_options,
    eigenvectors: *mut tomocut_volume,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (attention, options) = unsafe { (self::attention(attention)?, sized::read(options)?) };
        // SAFETY: as documented for C.
        let job = unsafe {
            job(
                &attention.engine.logger,
                options.cancel,
                options.progress,
                options.progress_user_data,
            )
        }?;
        // SAFETY: as documented for C.
        let settings = unsafe { translate(&options) }?;
        let layers: Vec<_> = attention
            .layers
            .iter()
            .filter(|l| l.tile == tile as usize)
            .map(|l| &l.tap)
            .collect();
        if layers.is_empty() {
            return Err(Error::argument("tile", tile, "must be a tile of the attention"));
        }
        let (rows, columns) = finest_grid(&layers, &settings)?;
        let shape = [settings.n_eigenvectors, rows, columns];
        // SAFETY: as documented for C. Checked before anything is computed.
        unsafe { Strided::output(eigenvectors, "eigenvectors", &[Dtype::F32], shape) }?;
        let solved = compute(attention.engine.n_threads, || {
            attention_eigenvectors(&layers, &settings, &job)
        })?;
        // SAFETY: as documented for C.
        unsafe { put_tensor(&solved, eigenvectors, "eigenvectors") }
    })
}
