//! Sized structs: `struct_size` first, grown only at the end, zero for "the default".
use std::mem::size_of;

use crate::{Error, Result};

/// A `repr(C)` struct that begins with `struct_size` and may grow in later versions.
///
/// # Safety
/// `repr(C)`, first field `struct_size: usize`, every bit pattern of every field valid (numbers, raw pointers,
/// `Option` of function pointers), all bytes zero is the value that means "all defaults", no implicit padding.
pub(super) unsafe trait SizedStruct: Copy {
    /// Name of the C type, for messages.
    const NAME: &'static str;
}

/// Beyond this a size is a variable that was never set.
const LARGEST: usize = 4096;

fn check_size<T: SizedStruct>(size: usize) -> Result<()> {
    // Every version of every struct is a multiple of 8 and holds more than its size.
    if (16..=LARGEST).contains(&size) && size.is_multiple_of(8) {
        return Ok(());
    }
    Err(Error::argument(
        &format!("{}.struct_size", T::NAME),
        size,
        &format!("must be sizeof({}): call {}_init first", T::NAME, T::NAME),
    ))
}

/// # Safety
/// `pointer` is NULL or points to at least a `size_t`.
unsafe fn size_at<T: SizedStruct>(pointer: *const T) -> Result<usize> {
    if pointer.is_null() {
        return Err(Error::argument(T::NAME, "NULL", "must point to a struct of that type"));
    }
    if !pointer.is_aligned() {
        return Err(Error::argument(
            T::NAME,
            format!("{pointer:p}"),
            "must be aligned as C aligns the struct",
        ));
    }
    // SAFETY: not NULL, aligned, and the first field is a size_t.
    let size = unsafe { pointer.cast::<usize>().read() };
    check_size::<T>(size)?;
    Ok(size)
}

/// Reads a struct that the caller's version of the header may have made shorter or longer than ours.
///
/// # Safety
/// `pointer` is NULL or points to `struct_size` readable bytes.
pub(super) unsafe fn read<T: SizedStruct>(pointer: *const T) -> Result<T> {
    // SAFETY: passed on.
    let size = unsafe { size_at(pointer) }?;
    let ours = size_of::<T>();
    // SAFETY: the caller vouches for `size` readable bytes.
    let bytes = unsafe { std::slice::from_raw_parts(pointer.cast::<u8>(), size) };
    if bytes.iter().skip(ours).any(|&byte| byte != 0) {
        return Err(Error::argument(
            T::NAME,
            format!("{size} bytes long"),
            &format!("sets a field that this library does not know (it knows {ours} bytes)"),
        ));
    }
    // SAFETY: zero is a valid T, and so is any bit pattern in its first `size` bytes.
    unsafe {
        let mut value: T = std::mem::zeroed();
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), (&raw mut value).cast::<u8>(), size.min(ours));
        (&raw mut value).cast::<usize>().write(ours);
        Ok(value)
    }
}

/// [`read`], where NULL means all defaults.
///
/// # Safety
/// As [`read`].
pub(super) unsafe fn read_or_default<T: SizedStruct>(pointer: *const T) -> Result<T> {
    if pointer.is_null() {
        // SAFETY: the trait promises that all zeros is a value.
        return Ok(unsafe { std::mem::zeroed() });
    }
    // SAFETY: passed on.
    unsafe { read(pointer) }
}

/// Fills an answer of which the caller may know less (it gets the part it knows) or more (the rest is zeroed).
///
/// # Safety
/// `pointer` is NULL or points to `struct_size` readable and writable bytes.
pub(super) unsafe fn write<T: SizedStruct>(pointer: *mut T, value: T) -> Result<()> {
    // SAFETY: passed on.
    let size = unsafe { size_at(pointer.cast_const()) }?;
    // SAFETY: the caller vouches for `size` writable bytes.
    unsafe {
        put(pointer, &value, size);
        pointer.cast::<usize>().write(size);
    }
    Ok(())
}

/// The `_init` functions: all defaults, for a struct of the caller's size.
///
/// # Safety
/// `pointer` is NULL or points to `size` writable bytes.
pub(super) unsafe fn init<T: SizedStruct>(pointer: *mut T, size: usize) -> Result<()> {
    if pointer.is_null() {
        return Err(Error::argument(T::NAME, "NULL", "must point to a struct of that type"));
    }
    if check_size::<T>(size).is_err() {
        return Err(Error::argument("size", size, &format!("must be sizeof({})", T::NAME)));
    }
    // SAFETY: the caller vouches for `size` writable bytes; zero means default everywhere.
    unsafe {
        pointer.cast::<u8>().write_bytes(0, size);
        pointer.cast::<usize>().write_unaligned(size);
    }
    Ok(())
}

/// # Safety
/// `pointer` points to `size` writable bytes.
unsafe fn put<T: SizedStruct>(pointer: *mut T, value: &T, size: usize) {
    // SAFETY: at most `size` bytes are written, at most size_of::<T>() are read.
    unsafe {
        pointer.cast::<u8>().write_bytes(0, size);
        std::ptr::copy_nonoverlapping(
            (&raw const *value).cast::<u8>(),
            pointer.cast::<u8>(),
            size.min(size_of::<T>()),
        );
    }
}
