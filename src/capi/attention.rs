//! The self-attention of one slice, for hosts that cut it themselves.
use std::ffi::{c_char, CString};
use std::sync::Arc;

use ndarray::Array3;
use tch::Tensor;

use super::engine::{tomocut_engine, Engine};
use super::guard::{guard, guard_anywhere, log_panics_to};
use super::handle::{exclusive, free, InUse, NewHandle, Opaque};
use super::model::tomocut_model;
use super::numbers::to_usize;
use super::progress::compute;
use super::sized::{self, SizedStruct};
use super::slab_options::tomocut_slab_options;
use super::slice_call::SliceCall;
use super::status::{c_text, tomocut_status};
use super::tomogram::tomocut_tomogram;
use super::volume::{tomocut_volume, Dtype, Strided};
use crate::diffusion::AttentionTap;
use crate::slab::slice_features;
use crate::tensors::to_array;
use crate::{Error, Result};

/// Queries and keys of the self-attention layers of one slice. A handle of its own: it takes one call at a time.
pub struct tomocut_attention {
    _opaque: [u8; 0],
}

pub(super) struct Attention {
    pub(super) layers: Vec<Layer>,
    pub(super) engine: Arc<Engine>,
}

/// One layer of one tile.
pub(super) struct Layer {
    pub(super) tile: usize,
    pub(super) timestep: i64,
    pub(super) name: CString,
    pub(super) tap: AttentionTap,
}

impl Opaque for tomocut_attention {
    type Value = Attention;
    const TAG: [u8; 8] = *b"tmcatten";
    const NAME: &'static str = "attention";
}

/// A self-attention layer of one tile. Set struct_size before use.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_attention_layer {
    /// sizeof(tomocut_attention_layer) of the caller's header.
    pub struct_size: usize,
    /// Name of the layer in diffusers, such as "down_blocks.0.attentions.0.transformer_blocks.0.attn1"; "layer N" where
    /// the host brought the attention. Valid until the attention is freed.
    pub name: *const c_char,
    /// Number of the layer in order of execution, from 0.
    pub index: u32,
    /// Number of the tile that the slice was cut into, from 0.
    pub tile: u32,
    /// Attention heads.
    pub heads: u64,
    /// Tokens: rows * columns.
    pub tokens: u64,
    /// Length of a query.
    pub dim: u64,
    /// Rows of the token grid.
    pub rows: u64,
    /// Columns of the token grid.
    pub columns: u64,
    /// Timestep of the pass; 0 where the host brought the attention.
    pub timestep: i64,
}

// SAFETY: repr(C), struct_size first, numbers and a pointer only, no padding; zeros are a value.
unsafe impl SizedStruct for tomocut_attention_layer {
    const NAME: &'static str = "tomocut_attention_layer";
}

/// # Safety
/// `handle` is NULL or an attention.
pub(super) unsafe fn attention(handle: *mut tomocut_attention) -> Result<InUse<tomocut_attention>> {
    // SAFETY: passed on.
    let attention = unsafe { exclusive(handle) }?;
    log_panics_to(&attention.engine.logger);
    Ok(attention)
}

impl Attention {
    fn layer(&self, number: usize) -> Result<&Layer> {
        let count = self.layers.len();
        self.layers
            .get(number)
            .ok_or_else(|| Error::argument("layer", number, &format!("must be below {count}")))
    }
}

/// Sends one slice through the U-Net once and keeps queries and keys of the layers that the options name.
///
/// @param engine   Computes.
/// @param model    On the engine's device.
/// @param tomogram The tomogram.
/// @param z        The slice, counted from 0.
/// @param options  As for tomocut_slab_segment; z_first and z_end are not used.
/// @param out      Receives the attention.
#[no_mangle]
pub unsafe extern "C" fn tomocut_slab_attention_extract(
    engine: *mut tomocut_engine,
    model: *const tomocut_model,
    tomogram: *const tomocut_tomogram,
    z: u64,
    options: *const tomocut_slab_options,
    out: *mut *mut tomocut_attention,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (out, options) = unsafe { (NewHandle::at(out)?, sized::read(options)?) };
        // SAFETY: as documented for C.
        let call = unsafe { SliceCall::of_slab(engine, model, tomogram, &options) }?;
        let z = to_usize("z", z)?;
        let tiles = call.compute(|call| {
            let tomogram = &call.tomogram.tomogram;
            slice_features(&call.model.diffusion, tomogram, z, &call.settings, &call.job)
        })?;
        let mut layers = Vec::new();
        for (tile, features) in tiles.into_iter().enumerate() {
            layers.extend(features.taps.into_iter().map(|tap| Layer {
                tile,
                timestep: features.timestep,
                name: c_text(&tap.name),
                tap,
            }));
        }
        let engine = Arc::clone(&call.engine);
        out.set(Attention { layers, engine });
        Ok(())
    })
}

/// How many layers were kept, over all tiles: all layers of tile 0 first, then those of tile 1, and so on.
///
/// @param attention The attention.
/// @param count     Receives the number.
#[no_mangle]
pub unsafe extern "C" fn tomocut_attention_count(
    attention: *mut tomocut_attention,
    count: *mut usize,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let attention = unsafe { self::attention(attention) }?;
        if count.is_null() || !count.is_aligned() {
            return Err(Error::argument("count", format!("{count:p}"), "must point to a size_t"));
        }
        // SAFETY: not NULL, aligned, and writable by the caller's word.
        unsafe { count.write(attention.layers.len()) };
        Ok(())
    })
}

/// Name and sizes of a layer.
///
/// @param attention The attention.
/// @param layer     Which, below tomocut_attention_count.
/// @param info      Receives the answer; its struct_size must be set.
#[no_mangle]
pub unsafe extern "C" fn tomocut_attention_layer_info(
    attention: *mut tomocut_attention,
    layer: usize,
    info: *mut tomocut_attention_layer,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let attention = unsafe { self::attention(attention) }?;
        let layer = attention.layer(layer)?;
        let (heads, tokens, dim) = layer.tap.query.size3()?;
        let answer = tomocut_attention_layer {
            struct_size: size_of::<tomocut_attention_layer>(),
            name: layer.name.as_ptr(),
            index: layer.tap.index as u32,
            tile: layer.tile as u32,
            heads: heads as u64,
            tokens: tokens as u64,
            dim: dim as u64,
            rows: layer.tap.grid.0 as u64,
            columns: layer.tap.grid.1 as u64,
            timestep: layer.timestep,
        };
        // SAFETY: as documented for C.
        unsafe { sized::write(info, answer) }
    })
}

/// Copies the queries of a layer into the caller's volume.
///
/// @param attention The attention.
/// @param layer     Which, below tomocut_attention_count.
/// @param queries   Receives them: dtype TOMOCUT_DTYPE_F32, shape (heads, tokens, dim).
#[no_mangle]
pub unsafe extern "C" fn tomocut_attention_query(
    attention: *mut tomocut_attention,
    layer: usize,
    queries: *mut tomocut_volume,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let attention = unsafe { self::attention(attention) }?;
        // SAFETY: as documented for C.
        unsafe { put_tensor(&attention.layer(layer)?.tap.query, queries, "queries") }
    })
}

/// Copies the keys of a layer into the caller's volume.
///
/// @param attention The attention.
/// @param layer     Which, below tomocut_attention_count.
/// @param keys      Receives them: dtype TOMOCUT_DTYPE_F32, shape (heads, tokens, dim).
#[no_mangle]
pub unsafe extern "C" fn tomocut_attention_key(
    attention: *mut tomocut_attention,
    layer: usize,
    keys: *mut tomocut_volume,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let attention = unsafe { self::attention(attention) }?;
        // SAFETY: as documented for C.
        unsafe { put_tensor(&attention.layer(layer)?.tap.key, keys, "keys") }
    })
}

/// Computes rows of a layer's attention, softmax(Q K^T / sqrt(dim)) over the keys, of every head, into the caller's
/// volume. All rows of a fine layer are gigabytes: ask for some at a time, as many as the volume has.
///
/// @param attention     The attention.
/// @param layer         Which, below tomocut_attention_count.
/// @param first_row     First query token, from 0.
/// @param probabilities Receives them: dtype TOMOCUT_DTYPE_F32, shape (heads, number of rows, tokens).
#[no_mangle]
pub unsafe extern "C" fn tomocut_attention_probabilities(
    attention: *mut tomocut_attention,
    layer: usize,
    first_row: u64,
    probabilities: *mut tomocut_volume,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let attention = unsafe { self::attention(attention) }?;
        let tap = &attention.layer(layer)?.tap;
        let (heads, tokens, _) = tap.query.size3()?;
        // SAFETY: as documented for C.
        let n_rows = unsafe { Strided::input(probabilities, "probabilities") }?.shape[1];
        let first = to_usize("first_row", first_row)?;
        let end = first
            .checked_add(n_rows)
            .filter(|end| *end <= tokens as usize)
            .ok_or_else(|| {
                Error::argument(
                    "first_row",
                    first,
                    &format!("must leave the {n_rows} rows asked for within 0:{tokens}"),
                )
            })?;
        let shape = [heads as usize, n_rows, tokens as usize];
        // SAFETY: as documented for C. Checked before anything of this size is computed.
        unsafe { Strided::output(probabilities, "probabilities", &[Dtype::F32], shape) }?;
        let rows = compute(attention.engine.n_threads, || {
            tap.probabilities(first as i64..end as i64)
        })?;
        // SAFETY: as documented for C.
        unsafe { put_tensor(&rows, probabilities, "probabilities") }
    })
}

/// Frees an attention.
///
/// @param attention The attention; NULL is fine.
#[no_mangle]
pub unsafe extern "C" fn tomocut_attention_free(attention: *mut tomocut_attention) {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { free(attention) });
}

/// Copies a tensor of three axes into the caller's float32 volume of its shape.
///
/// # Safety
/// `target` is as documented for C.
pub(super) unsafe fn put_tensor(tensor: &Tensor, target: *mut tomocut_volume, name: &str) -> Result<()> {
    let (a, b, c) = tensor.size3()?;
    let shape = [a as usize, b as usize, c as usize];
    // SAFETY: passed on.
    let target = unsafe { Strided::output(target, name, &[Dtype::F32], shape) }?;
    let values: Array3<f32> = to_array(tensor)?;
    // SAFETY: `target` was checked against this shape and type.
    unsafe { target.write(values.view(), |value: f32| value) };
    Ok(())
}
