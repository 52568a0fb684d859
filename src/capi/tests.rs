//! The boundary from inside: guard, handles, sized structs, volumes. The C programs in tests/c see it from outside.
use std::ffi::{c_void, CStr};
use std::ptr::{null, null_mut};
use std::sync::{Arc, Mutex};

use super::guard::{guard, log_panics_to};
use super::handle::{exclusive, free, shared, NewHandle, Opaque};
use super::sized::{self, SizedStruct};
use super::status::*;
use super::strings::put_text;
use super::volume::*;
use crate::runtime::{Level, Logger};
use crate::Error;

fn last_error() -> String {
    // SAFETY: tomocut_last_error answers a NUL-terminated string that is valid until the next call on this thread.
    unsafe { CStr::from_ptr(tomocut_last_error()) }
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
fn every_error_has_its_status_and_text() {
    let io = std::io::Error::from_raw_os_error(2);
    let path = std::path::Path::new("a.mrc");
    for (error, status, words) in [
        (
            Error::argument("n", 1, "must be 2..=255"),
            TOMOCUT_E_INVALID_ARGUMENT,
            "n is 1, must be 2..=255",
        ),
        (
            Error::Cancelled { stage: "read" },
            TOMOCUT_E_CANCELLED,
            "cancelled during read",
        ),
        (Error::OutOfMemory("1 GB".into()), TOMOCUT_E_OUT_OF_MEMORY, "1 GB"),
        (Error::Device("gone".into()), TOMOCUT_E_DEVICE, "gone"),
        (
            Error::io("reading", path, io),
            TOMOCUT_E_IO,
            "reading a.mrc: No such file",
        ),
        (Error::format("a.mrc", "short"), TOMOCUT_E_FORMAT, "a.mrc: short"),
        (Error::Unsupported("RGB".into()), TOMOCUT_E_UNSUPPORTED, "RGB"),
        (Error::Version("9".into()), TOMOCUT_E_VERSION, "9"),
        (Error::State("busy".into()), TOMOCUT_E_STATE, "busy"),
        (Error::Internal("odd".into()), TOMOCUT_E_INTERNAL, "odd"),
    ] {
        assert_eq!(guard(|| Err(error)), status);
        assert!(last_error().contains(words), "{}", last_error());
        // SAFETY: a static string.
        assert_ne!(unsafe { CStr::from_ptr(tomocut_status_name(status)) }, c"unknown");
    }
    assert_eq!(guard(|| Ok(())), TOMOCUT_OK);
    assert!(last_error().contains("odd"), "success leaves the text alone");
    assert_eq!(guard(|| Err(Error::State("a\0b".into()))), TOMOCUT_E_STATE);
    assert_eq!(last_error(), "state: a\u{fffd}b");
}

#[test]
fn texts_belong_to_their_thread() {
    guard(|| Err(Error::State("mine".into())));
    std::thread::spawn(|| {
        assert_eq!(last_error(), "");
        guard(|| Err(Error::State("theirs".into())));
    })
    .join()
    .unwrap();
    assert_eq!(last_error(), "state: mine");
}

#[test]
fn a_panic_is_a_status_a_text_and_a_log_record() {
    let records = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&records);
    let logger = Logger::new(move |level, _: &str, text: &str| sink.lock().unwrap().push((level, text.to_owned())));
    let status = guard(|| {
        log_panics_to(&logger);
        let empty: Vec<i32> = Vec::new();
        let index = records.lock().unwrap().len();
        Err(Error::State(format!("{}", empty[index])))
    });
    assert_eq!(status, TOMOCUT_E_INTERNAL);
    assert!(
        last_error().contains("index out of bounds") && last_error().contains("tests.rs"),
        "{}",
        last_error()
    );
    let records = records.lock().unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].0, Level::Error);
    assert!(records[0].1.contains("index out of bounds"));
}

#[test]
fn a_call_from_a_callback_leaves_the_outer_call_its_log() {
    let records = Arc::new(Mutex::new(0));
    let sink = Arc::clone(&records);
    let logger = Logger::new(move |_, _: &str, _: &str| *sink.lock().unwrap() += 1);
    let status = guard(|| {
        log_panics_to(&logger);
        assert_eq!(guard(|| std::panic::panic_any(7_i32)), TOMOCUT_E_INTERNAL);
        assert_eq!(*records.lock().unwrap(), 0, "the inner call has no engine");
        panic!("outer")
    });
    assert_eq!((status, *records.lock().unwrap()), (TOMOCUT_E_INTERNAL, 1));
}

struct Probe;
impl Opaque for Probe {
    type Value = u32;
    const TAG: [u8; 8] = *b"probe...";
    const NAME: &'static str = "probe";
}
struct Other;
impl Opaque for Other {
    type Value = u32;
    const TAG: [u8; 8] = *b"other...";
    const NAME: &'static str = "other";
}

fn probe() -> *mut Probe {
    let mut handle = null_mut();
    // SAFETY: a valid place for the handle.
    unsafe { NewHandle::at(&mut handle) }.unwrap().set(5);
    handle
}

#[test]
fn handles_are_told_apart() {
    let handle = probe();
    // SAFETY: NULL, and a live handle, of the right and of another kind.
    unsafe {
        assert_eq!(*shared::<Probe>(handle).unwrap(), 5);
        assert!(shared::<Probe>(null())
            .err()
            .unwrap()
            .to_string()
            .starts_with("probe is NULL"));
        assert!(shared::<Other>(handle.cast())
            .err()
            .unwrap()
            .to_string()
            .contains("no live handle"));
        assert!(shared::<Probe>(handle.byte_add(1)).is_err());
        assert!(free::<Other>(handle.cast()).is_err());
        free(null_mut::<Probe>()).unwrap();
        free(handle).unwrap();
        assert!(NewHandle::<Probe>::at(null_mut()).is_err());
    }
}

#[test]
fn a_handle_serves_one_exclusive_call_at_a_time() {
    let handle = probe();
    // SAFETY: a live handle.
    unsafe {
        let first = exclusive(handle).unwrap();
        let text = exclusive(handle).err().unwrap().to_string();
        assert!(text.contains("in use by another thread"), "{text}");
        drop(first);
        let again = exclusive(handle).unwrap();
        // Freed while in use: the value lives as long as the call.
        free(handle).unwrap();
        assert_eq!(*again, 5);
    }
}

#[test]
fn a_panic_poisons_the_handles_of_its_call() {
    let (used, unused) = (probe(), probe());
    let status = guard(|| {
        // SAFETY: a live handle.
        let _used = unsafe { exclusive(used) }?;
        panic!("on purpose")
    });
    assert_eq!(status, TOMOCUT_E_INTERNAL);
    // SAFETY: live handles.
    unsafe {
        assert!(shared::<Probe>(used).err().unwrap().to_string().contains("poisoned"));
        assert!(exclusive(used).is_err());
        assert!(exclusive(unused).is_ok());
        free(used).unwrap();
        free(unused).unwrap();
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Options {
    struct_size: usize,
    a: u64,
    b: f64,
}
// SAFETY: repr(C), struct_size first, numbers only, no padding.
unsafe impl SizedStruct for Options {
    const NAME: &'static str = "options";
}

#[test]
fn options_of_other_versions() {
    // SAFETY: `words` is larger than any size it claims.
    let read = |words: [u64; 6]| unsafe { sized::read(words.as_ptr().cast::<Options>()) };
    let two = 2.0_f64.to_bits();
    assert_eq!(
        read([24, 7, two, 9, 9, 9]).unwrap(),
        Options {
            struct_size: 24,
            a: 7,
            b: 2.0
        }
    );
    assert_eq!(
        read([16, 7, two, 9, 9, 9]).unwrap(),
        Options {
            struct_size: 24,
            a: 7,
            b: 0.0
        },
        "older: default tail"
    );
    assert_eq!(
        read([40, 7, two, 0, 0, 9]).unwrap().b,
        2.0,
        "newer, but nothing new is used"
    );
    let text = read([40, 7, two, 0, 1, 9]).unwrap_err().to_string();
    assert!(text.contains("sets a field that this library does not know"), "{text}");
    for size in [0, 1, 8, 23, 1 << 40, u64::MAX] {
        let text = read([size, 0, 0, 0, 0, 0]).unwrap_err().to_string();
        assert!(text.contains("call options_init first"), "{size}: {text}");
    }
    // SAFETY: NULL and places large enough.
    unsafe {
        assert!(sized::read(null::<Options>()).is_err());
        assert_eq!(sized::read_or_default(null::<Options>()).unwrap().a, 0);
        let mut words = [9_u64; 6];
        let place = words.as_mut_ptr().cast::<Options>();
        assert!(sized::init(place, 0).is_err());
        sized::init(place, 40).unwrap();
        assert_eq!(words, [40, 0, 0, 0, 0, 9]);
        words = [16, 9, 9, 9, 9, 9];
        sized::write(
            words.as_mut_ptr().cast(),
            Options {
                struct_size: 24,
                a: 3,
                b: 1.0,
            },
        )
        .unwrap();
        assert_eq!(words, [16, 3, 9, 9, 9, 9], "an older caller gets what it knows");
        words = [32, 9, 9, 9, 9, 9];
        sized::write(
            words.as_mut_ptr().cast(),
            Options {
                struct_size: 24,
                a: 3,
                b: 2.0,
            },
        )
        .unwrap();
        assert_eq!(words, [32, 3, two, 0, 9, 9]);
    }
}

#[test]
fn text_goes_into_the_callers_buffer() {
    let mut buffer = [1 as std::ffi::c_char; 8];
    let mut needed = 0;
    // SAFETY: sizes are those of the buffer.
    unsafe {
        put_text("abc", null_mut(), 0, &mut needed).unwrap();
        assert_eq!(needed, 4);
        assert!(put_text("abc", buffer.as_mut_ptr(), 3, &mut needed).is_err());
        assert_eq!(buffer[0], 1);
        put_text("abc", buffer.as_mut_ptr(), 4, null_mut()).unwrap();
        assert_eq!(CStr::from_ptr(buffer.as_ptr()), c"abc");
        assert!(put_text("abc", null_mut(), 9, null_mut()).is_err());
        assert!(put_text("abc", null_mut(), 0, null_mut()).is_err());
    }
}

fn volume(data: *mut c_void, dtype: tomocut_dtype, shape: [u64; 3], strides: [i64; 3]) -> tomocut_volume {
    tomocut_volume {
        data,
        dtype,
        reserved: 0,
        shape,
        strides,
    }
}

#[test]
fn unfit_volumes_are_refused_by_name() {
    let mut data = [0.0_f32; 64];
    let place: *mut c_void = data.as_mut_ptr().cast();
    let huge = u64::MAX;
    for (volume, words) in [
        (
            volume(null_mut(), TOMOCUT_DTYPE_F32, [2, 2, 2], [0; 3]),
            "v.data is NULL",
        ),
        (volume(place, 0, [2, 2, 2], [0; 3]), "v.dtype is 0"),
        (volume(place, 8, [2, 2, 2], [0; 3]), "v.dtype is 8"),
        (
            volume(place.wrapping_byte_add(2), TOMOCUT_DTYPE_F32, [2, 2, 2], [0; 3]),
            "must be aligned to the 4 bytes",
        ),
        (volume(place, TOMOCUT_DTYPE_F32, [2, 0, 2], [0; 3]), "at least 1"),
        (volume(place, TOMOCUT_DTYPE_F32, [huge, 2, 2], [0; 3]), "can address"),
        (
            volume(place, TOMOCUT_DTYPE_U8, [1 << 32, 1 << 31, 1], [0; 3]),
            "can address",
        ),
        (
            volume(place, TOMOCUT_DTYPE_U8, [2, 2, 2], [i64::MAX, 2, 1]),
            "can address",
        ),
        (
            volume(place, TOMOCUT_DTYPE_U8, [2, 2, 2], [i64::MIN, 2, 1]),
            "can address",
        ),
        (
            volume(place, TOMOCUT_DTYPE_F32, [3, 2, 2], [i64::MAX / 8, 2, 1]),
            "can address",
        ),
    ] {
        // SAFETY: a valid struct; its memory is not touched.
        let text = unsafe { Strided::input(&volume, "v") }.err().unwrap().to_string();
        assert!(text.contains(words), "{text}");
    }
}
