//! Handles: what C holds is a tagged, counted cell, so that wrong, freed, poisoned and busy handles are told apart.
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;

use super::guard::is_forked_child;
use crate::{Error, Result};

/// An opaque C type and the Rust value behind it.
pub(super) trait Opaque: Sized {
    /// What the handle holds.
    type Value;
    /// First eight bytes of a live handle; different for each type.
    const TAG: [u8; 8];
    /// How messages call it: "engine".
    const NAME: &'static str;
}

/// What a `tomocut_*` pointer points to.
#[repr(C)]
struct Held<T> {
    /// [`Opaque::TAG`] while alive, 0 once freed.
    tag: AtomicU64,
    poisoned: AtomicBool,
    busy: AtomicBool,
    value: T,
}

/// Where a new handle goes. NULL is written at once, the handle only on success.
pub(super) struct NewHandle<H>(*mut *mut H);

impl<H: Opaque> NewHandle<H> {
    /// # Safety
    /// `out` is NULL or valid for writing one pointer.
    pub(super) unsafe fn at(out: *mut *mut H) -> Result<Self> {
        if out.is_null() {
            return Err(Error::argument(
                &format!("out {}", H::NAME),
                "NULL",
                "must point to a variable for the new handle",
            ));
        }
        // SAFETY: not NULL, and the caller vouches for the rest.
        unsafe { out.write(std::ptr::null_mut()) };
        Ok(Self(out))
    }

    /// Hands `value` over to C.
    pub(super) fn set(self, value: H::Value) {
        let held = Arc::new(Held {
            tag: AtomicU64::new(u64::from_ne_bytes(H::TAG)),
            poisoned: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            value,
        });
        // SAFETY: `at` was given a valid place and the call is still running.
        unsafe { self.0.write(Arc::into_raw(held).cast_mut().cast::<H>()) };
    }
}

/// A handle in use by the present call. It stays alive even if the host frees it meanwhile, and is poisoned when the
/// call panics.
pub(super) struct InUse<H: Opaque> {
    held: Arc<Held<H::Value>>,
    exclusive: bool,
    was_panicking: bool,
}

/// Borrows a handle that may serve many calls at once.
///
/// # Safety
/// `handle` is NULL or came from [`NewHandle::set`] of the same type.
pub(super) unsafe fn shared<H: Opaque>(handle: *const H) -> Result<InUse<H>>
where
    H::Value: Send + Sync,
{
    // SAFETY: passed on.
    unsafe { in_use(handle) }
}

/// Borrows a handle that serves one call at a time; a second call gets `TOMOCUT_E_STATE`.
///
/// # Safety
/// As [`shared`].
pub(super) unsafe fn exclusive<H: Opaque>(handle: *mut H) -> Result<InUse<H>>
where
    H::Value: Send,
{
    // SAFETY: passed on.
    let mut handle = unsafe { in_use(handle.cast_const()) }?;
    if handle.held.busy.swap(true, Ordering::AcqRel) {
        return Err(Error::State(format!(
            "{} is in use by another thread, or by the call whose callback this is",
            H::NAME
        )));
    }
    handle.exclusive = true;
    Ok(handle)
}

/// Looks at a handle without counting, checking or reporting: safe in a signal handler.
///
/// # Safety
/// As [`shared`], and the handle stays alive while the answer is used.
pub(super) unsafe fn peek<'a, H>(handle: *const H) -> Option<&'a H::Value>
where
    H: Opaque + 'a,
    H::Value: Send + Sync,
{
    let held = handle.cast::<Held<H::Value>>();
    if held.is_null() || !held.is_aligned() {
        return None;
    }
    // SAFETY: not NULL and aligned; the caller vouches for the rest.
    unsafe { ((*held).tag.load(Ordering::Acquire) == u64::from_ne_bytes(H::TAG)).then(|| &(*held).value) }
}

/// Frees a handle; NULL is fine. In a forked child the memory is left alone: it belongs to the parent's libtorch.
///
/// # Safety
/// As [`shared`]; C must not use the handle afterwards.
pub(super) unsafe fn free<H: Opaque>(handle: *mut H) -> Result<()> {
    if handle.is_null() || is_forked_child() {
        return Ok(());
    }
    let held = held_pointer(handle.cast_const())?;
    // SAFETY: not NULL and aligned; the caller vouches that it is or was a handle. Whoever swaps the tag away owns
    // C's reference.
    unsafe {
        let tag = u64::from_ne_bytes(H::TAG);
        if (*held)
            .tag
            .compare_exchange(tag, 0, Ordering::AcqRel, Ordering::Acquire)
            .is_err()
        {
            return Err(not_a_handle::<H>());
        }
        drop(Arc::from_raw(held));
    }
    Ok(())
}

/// # Safety
/// As [`shared`].
unsafe fn in_use<H: Opaque>(handle: *const H) -> Result<InUse<H>> {
    if handle.is_null() {
        return Err(Error::argument(
            H::NAME,
            "NULL",
            &format!("must be a tomocut_{}", H::NAME),
        ));
    }
    let held = held_pointer(handle)?;
    // SAFETY: not NULL and aligned; the caller vouches that it is a handle; the tag is looked at before anything else.
    let held = unsafe {
        if (*held).tag.load(Ordering::Acquire) != u64::from_ne_bytes(H::TAG) {
            return Err(not_a_handle::<H>());
        }
        Arc::increment_strong_count(held);
        Arc::from_raw(held)
    };
    if held.poisoned.load(Ordering::Acquire) {
        return Err(Error::State(format!(
            "{} is poisoned by an internal error of an earlier call; it can only be freed",
            H::NAME
        )));
    }
    Ok(InUse {
        held,
        exclusive: false,
        was_panicking: std::thread::panicking(),
    })
}

fn held_pointer<H: Opaque>(handle: *const H) -> Result<*const Held<H::Value>> {
    let held = handle.cast::<Held<H::Value>>();
    if held.is_aligned() {
        Ok(held)
    } else {
        Err(not_a_handle::<H>())
    }
}

fn not_a_handle<H: Opaque>() -> Error {
    Error::argument(
        H::NAME,
        "no live handle of this kind",
        &format!("must be a tomocut_{} that has not been freed", H::NAME),
    )
}

impl<H: Opaque> Deref for InUse<H> {
    type Target = H::Value;

    fn deref(&self) -> &H::Value {
        &self.held.value
    }
}

impl<H: Opaque> Drop for InUse<H> {
    fn drop(&mut self) {
        if !self.was_panicking && std::thread::panicking() {
            self.held.poisoned.store(true, Ordering::Release);
        }
        if self.exclusive {
            self.held.busy.store(false, Ordering::Release);
        }
    }
}
