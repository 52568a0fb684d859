//! The boundary: nothing unwinds into the host, a forked child is refused, and panics go to the host's log.
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{catch_unwind, AssertUnwindSafe, PanicHookInfo};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::Once;

use super::status::{fail, status_of, tomocut_status, TOMOCUT_E_INTERNAL, TOMOCUT_OK};
use crate::runtime::{Level, Logger};
use crate::{Error, Result};

/// Process that created the first engine; 0 before that.
static OWNER: AtomicI32 = AtomicI32::new(0);

/// Bytes of stack that libtorch and its kernels may need: a host's thread that has less left (some have 64 KiB) gets a
/// larger one for the call.
const STACK_NEEDED: usize = 1 << 20;

/// Bytes of that one: what Linux gives a program's first thread.
const STACK_GIVEN: usize = 8 << 20;

thread_local! {
    /// How many guarded calls this thread is in: a callback may call the library again.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// The log of the call that this thread is in.
    static LOGGER: RefCell<Logger> = RefCell::default();
    /// Message and place of a panic on its way to the guard.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs one exported function: `Ok` and `Err` become a status (and a text), a caught panic `TOMOCUT_E_INTERNAL`.
pub(super) fn guard(body: impl FnOnce() -> Result<()>) -> tomocut_status {
    guard_anywhere(|| {
        refuse_after_fork()?;
        body()
    })
}

/// [`guard`] for what a forked child may still do.
pub(super) fn guard_anywhere(body: impl FnOnce() -> Result<()>) -> tomocut_status {
    static HOOK: Once = Once::new();
    HOOK.call_once(install_hook);
    let _inside = Inside::enter();
    let grown = || stacker::maybe_grow(STACK_NEEDED, STACK_GIVEN, body);
    match catch_unwind(AssertUnwindSafe(grown)) {
        Ok(Ok(())) => TOMOCUT_OK,
        Ok(Err(error)) => fail(status_of(&error), &error.to_string()),
        Err(payload) => {
            let text = PANIC.try_with(RefCell::take).ok().flatten();
            let text = text.unwrap_or_else(|| message_of(payload.as_ref()).to_owned());
            // A payload whose own drop panics must not get past the guard either.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
            fail(TOMOCUT_E_INTERNAL, &format!("internal: {text}"))
        }
    }
}

/// Remembers the process that owns libtorch's threads and locks.
pub(super) fn claim_process() {
    let _ = OWNER.compare_exchange(0, own_pid(), Ordering::AcqRel, Ordering::Acquire);
}

/// Whether this process is a fork of the one that created the first engine.
pub(super) fn is_forked_child() -> bool {
    let owner = OWNER.load(Ordering::Acquire);
    owner != 0 && owner != own_pid()
}

/// From here to the end of this guarded call, a panic on this thread is reported to `logger`.
pub(super) fn log_panics_to(logger: &Logger) {
    let _ = LOGGER.try_with(|slot| slot.replace(logger.clone()));
}

fn own_pid() -> i32 {
    // SAFETY: getpid has no precondition.
    unsafe { libc::getpid() }
}

fn refuse_after_fork() -> Result<()> {
    if is_forked_child() {
        return Err(Error::State(format!(
            "process {} is a fork of {}, which made an engine: its threads and locks are not here; start the child \
             with exec (Python multiprocessing: \"spawn\"), or fork before the first engine",
            own_pid(),
            OWNER.load(Ordering::Acquire)
        )));
    }
    Ok(())
}

/// This thread is inside the library; what the outer call had is put back at the end.
struct Inside {
    outer_logger: Logger,
}

impl Inside {
    fn enter() -> Self {
        let _ = DEPTH.try_with(|depth| depth.set(depth.get() + 1));
        let outer_logger = LOGGER.try_with(RefCell::take).unwrap_or_default();
        Self { outer_logger }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = DEPTH.try_with(|depth| depth.set(depth.get().saturating_sub(1)));
        let _ = LOGGER.try_with(|slot| slot.replace(std::mem::take(&mut self.outer_logger)));
    }
}

/// Panics inside a guard go to the host's log; all others keep the hook that was there.
fn install_hook() {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        if DEPTH.try_with(Cell::get).unwrap_or(0) == 0 {
            return previous(info);
        }
        let place = info
            .location()
            .map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let text = format!("panic{place}: {}", message_of(info.payload()));
        let logger = LOGGER.try_with(|slot| slot.borrow().clone()).unwrap_or_default();
        logger.log(Level::Error, "capi", &text);
        let _ = PANIC.try_with(|slot| slot.replace(Some(text)));
    }));
}

fn message_of(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
