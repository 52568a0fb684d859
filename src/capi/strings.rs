//! Strings across the boundary: NUL-terminated UTF-8 in; static, or into the caller's buffer, out.
use std::ffi::{c_char, CStr};
use std::path::PathBuf;

use crate::{Error, Result};

/// The text at `pointer`; `name` is the argument's.
///
/// # Safety
/// `pointer` is NULL or points to a NUL-terminated string that outlives the call.
pub(super) unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str> {
    // SAFETY: passed on.
    unsafe { optional_text(pointer, name) }?.ok_or_else(|| Error::argument(name, "NULL", "must be a string"))
}

/// The text at `pointer`, None for NULL.
///
/// # Safety
/// As [`text`].
pub(super) unsafe fn optional_text<'a>(pointer: *const c_char, name: &str) -> Result<Option<&'a str>> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL; the caller vouches for the NUL.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str()
        .map(Some)
        .map_err(|_| Error::argument(name, format!("\"{}\"", text.to_string_lossy()), "must be UTF-8"))
}

/// A path: any bytes the file system takes, but not empty.
///
/// # Safety
/// As [`text`].
pub(super) unsafe fn path(pointer: *const c_char, name: &str) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    if pointer.is_null() {
        return Err(Error::argument(name, "NULL", "must be a path"));
    }
    // SAFETY: not NULL; the caller vouches for the NUL.
    let bytes = unsafe { CStr::from_ptr(pointer) }.to_bytes();
    if bytes.is_empty() {
        return Err(Error::argument(name, "\"\"", "must be a path"));
    }
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(bytes)))
}

/// Copies `text` and a NUL into `buffer`; with no buffer (NULL, capacity 0) only says how much is needed.
///
/// # Safety
/// `buffer` is NULL or has `capacity` writable bytes; `needed` is NULL or writable.
pub(super) unsafe fn put_text(text: &str, buffer: *mut c_char, capacity: usize, needed: *mut usize) -> Result<()> {
    let text = super::status::c_text(text);
    let bytes = text.as_bytes_with_nul();
    // SAFETY: passed on.
    unsafe { put_items(bytes, buffer.cast::<u8>(), capacity, needed, "buffer") }
}

/// Copies `items` into the caller's array `name`; with no array (NULL, capacity 0) only says how many there are.
///
/// # Safety
/// `array` is NULL or has room for `capacity` items; `needed` is NULL or writable.
pub(super) unsafe fn put_items<T: Copy>(
    items: &[T],
    array: *mut T,
    capacity: usize,
    needed: *mut usize,
    name: &str,
) -> Result<()> {
    if !needed.is_null() {
        // SAFETY: not NULL; the caller vouches for the rest.
        unsafe { needed.write(items.len()) };
    }
    match (array.is_null(), capacity) {
        (true, 0) if !needed.is_null() => return Ok(()),
        (true, 0) => {
            return Err(Error::argument(
                "needed",
                "NULL",
                &format!("must be given where {name} is NULL"),
            ))
        }
        (true, _) => {
            return Err(Error::argument(
                name,
                "NULL",
                "must be given where its capacity is not 0",
            ))
        }
        _ => {}
    }
    if !array.is_aligned() {
        return Err(Error::argument(
            name,
            format!("{array:p}"),
            "must be aligned as C aligns its items",
        ));
    }
    if capacity < items.len() {
        return Err(Error::argument(
            &format!("capacity of {name}"),
            capacity,
            &format!("must be at least {}", items.len()),
        ));
    }
    // SAFETY: not NULL, aligned, and large enough by the caller's word.
    unsafe { std::ptr::copy_nonoverlapping(items.as_ptr(), array, items.len()) };
    Ok(())
}
