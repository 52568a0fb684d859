//! Options of any numbers, texts and sizes through the C ABI, with a tomogram of a few voxels. The calls are cancelled
//! before they begin, so that what is tried is how options are read and refused.
#![no_main]
use std::ffi::CString;
use std::mem::size_of;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use tomocut::capi::*;
use tomocut_fuzz::{fields, Field};

struct Host {
    engine: *mut tomocut_engine,
    model: *mut tomocut_model,
    predictor: *mut tomocut_predictor,
    tomogram: *mut tomocut_tomogram,
    cancel: *mut tomocut_cancel,
}

// SAFETY: handles may be used from any thread.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| {
        let mut host = Host {
            engine: null_mut(),
            model: null_mut(),
            predictor: null_mut(),
            tomogram: null_mut(),
            cancel: null_mut(),
        };
        let path =
            CString::new(tomocut_fuzz::folder().join("host.mrc").to_string_lossy().as_bytes()).unwrap_or_default();
        write_volume();
        // SAFETY: every pointer is valid for the call.
        let made = unsafe {
            [
                tomocut_engine_create(null(), &mut host.engine),
                tomocut_model_builtin(host.engine, null(), &mut host.model),
                tomocut_predictor_builtin(host.engine, &mut host.predictor),
                tomocut_tomogram_open(host.engine, path.as_ptr(), null(), &mut host.tomogram),
                tomocut_cancel_create(&mut host.cancel),
            ]
        };
        assert!(made.iter().all(|status| *status == 0), "{made:?}");
        // SAFETY: a token of the call above.
        unsafe { tomocut_cancel_request(host.cancel) };
        host
    })
}

/// 8 x 64 x 64 voxels of 1 nm.
fn write_volume() {
    use tomocut::volume::{BlockFile, BlockType, Geometry};
    let geometry = Geometry::new([8, 64, 64], 10.0);
    let path = tomocut_fuzz::folder().join("host.mrc");
    let file = BlockFile::open(&path, &geometry, BlockType::Byte, "fuzz").expect("a file in memory");
    let values: Vec<f32> = (0..8 * 64 * 64).map(|n| (n % 7) as f32 / 7.0).collect();
    let sums = file.write([0; 3], [8, 64, 64], &values).expect("a file in memory");
    file.finish(sums).expect("a file in memory");
}

/// The struct `name` of defaults, some of its members replaced by `data`; `texts` keeps the strings alive.
fn filled<T>(name: &str, mut value: T, data: &mut &[u8], texts: &mut Vec<CString>) -> T {
    static TABLES: OnceLock<std::sync::Mutex<std::collections::HashMap<String, Vec<(usize, usize, Field)>>>> =
        OnceLock::new();
    let tables = TABLES.get_or_init(Default::default);
    let mut tables = tables.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let members = tables.entry(name.to_owned()).or_insert_with(|| fields(name));
    assert!(!members.is_empty(), "{name} has no members");
    let start = (&raw mut value).cast::<u8>();
    for &(offset, size, kind) in members.iter() {
        assert!(offset + size <= size_of::<T>(), "{name} at {offset}");
        if kind == Field::Cancel {
            // SAFETY: the member is a pointer to a token, within the struct.
            unsafe {
                start
                    .add(offset)
                    .cast::<*const tomocut_cancel>()
                    .write_unaligned(host().cancel)
            };
        }
        let Some((&told, rest)) = data.split_first() else {
            continue;
        };
        *data = rest;
        // Most members stay as they are, so that what follows them is reached.
        if told % 4 != 0 {
            continue;
        }
        match kind {
            Field::Scalar => {
                let taken = size.min(data.len());
                // SAFETY: plain numbers of any bits, within the struct.
                unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), start.add(offset), taken) };
                *data = &data[taken..];
            }
            Field::Text => {
                let length = (told as usize / 4).min(data.len());
                let text: Vec<u8> = data[..length].iter().copied().filter(|byte| *byte != 0).collect();
                *data = &data[length..];
                texts.push(CString::new(text).unwrap_or_default());
                let pointer = texts.last().map_or(null(), |text| text.as_ptr());
                // SAFETY: the member is a pointer to a string, which `texts` keeps.
                unsafe {
                    start
                        .add(offset)
                        .cast::<*const std::ffi::c_char>()
                        .write_unaligned(pointer)
                };
            }
            Field::Cancel | Field::Pointer => {}
        }
    }
    value
}

macro_rules! options {
    ($name:ident, $init:ident, $data:expr, $texts:expr) => {{
        // All members are numbers or pointers; the function, whose header this is, fills them.
        let mut value: $name = std::mem::zeroed();
        $init(&mut value, size_of::<$name>());
        filled(stringify!($name), value, $data, $texts)
    }};
}

fuzz_target!(init: { host(); }, |data: &[u8]| {
    let Some((&which, mut rest)) = data.split_first() else { return };
    let host = host();
    let mut texts = Vec::new();
    let (data, texts) = (&mut rest, &mut texts);
    let folder = CString::new(tomocut_fuzz::folder().join("out").to_string_lossy().as_bytes()).unwrap_or_default();
    // SAFETY: every pointer is valid for the call; what a call made is freed.
    unsafe {
        match which % 6 {
            0 => {
                let options = options!(tomocut_slab_options, tomocut_slab_options_init, data, texts);
                let mut out = null_mut();
                tomocut_slab_segment(host.engine, host.model, host.tomogram, &options, &mut out);
                tomocut_slab_free(out);
            }
            1 => {
                let options = options!(tomocut_ncut_options, tomocut_ncut_options_init, data, texts);
                let mut out = null_mut();
                tomocut_ncut_segment_slices(host.engine, host.model, host.tomogram, 0, 1, &options, &mut out);
                tomocut_ncut_free(out);
            }
            2 => {
                let options = options!(tomocut_predict_options, tomocut_predict_options_init, data, texts);
                tomocut_predictor_run(
                    host.engine, host.predictor, host.tomogram, &options, folder.as_ptr(), null_mut(),
                );
            }
            3 => {
                let options = options!(tomocut_picking_options, tomocut_picking_options_init, data, texts);
                let mut out = null_mut();
                tomocut_picks_find(host.engine, host.tomogram, &options, &mut out);
                tomocut_picks_free(out);
            }
            4 => {
                let options = options!(tomocut_call_options, tomocut_call_options_init, data, texts);
                tomocut_phantom_simulate(host.engine, &options, folder.as_ptr(), c"a".as_ptr());
            }
            _ => {
                let options = options!(tomocut_trainer_options, tomocut_trainer_options_init, data, texts);
                let mut out = null_mut();
                tomocut_trainer_create(host.engine, &options, &mut out);
                tomocut_trainer_free(out);
            }
        }
    }
});
