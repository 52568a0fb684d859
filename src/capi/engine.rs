//! The engine: a device, a thread count, and the host's log.
use std::ffi::{c_char, c_void};
use std::sync::Arc;

use tch::Device;

use super::guard::{claim_process, guard, guard_anywhere, log_panics_to};
use super::handle::{exclusive, free, shared, InUse, NewHandle, Opaque};
use super::sized::{self, SizedStruct};
use super::status::{c_text, tomocut_status};
use super::strings::optional_text;
use crate::runtime::report::foreign_blas;
use crate::runtime::{open_device, HostState, Level, Logger};
use crate::{Error, Result};

/// A device, a number of threads and a log. Models and tomograms of one device may be used with any engine of that
/// device. An engine computes one thing at a time; for two at once, create two.
pub struct tomocut_engine {
    _opaque: [u8; 0],
}

/// What an engine handle holds; tomograms, models and slabs keep a reference, so the order of freeing is free.
pub(super) struct Engine {
    pub(super) device: Device,
    pub(super) n_threads: usize,
    pub(super) logger: Logger,
}

impl Opaque for tomocut_engine {
    type Value = Arc<Engine>;
    const TAG: [u8; 8] = *b"tmcengin";
    const NAME: &'static str = "engine";
}

/// Severity of a log record, TOMOCUT_LOG_*.
pub type tomocut_log_level = i32;

/// The result may be wrong, or the call failed.
pub const TOMOCUT_LOG_ERROR: tomocut_log_level = 1;
/// Worth the user's attention: a doubtful input, a slow configuration.
pub const TOMOCUT_LOG_WARNING: tomocut_log_level = 2;
/// What is being done.
pub const TOMOCUT_LOG_INFO: tomocut_log_level = 3;
/// Figures for developers.
pub const TOMOCUT_LOG_DEBUG: tomocut_log_level = 4;

/// The host's log callback. Called on whichever thread is inside a call of the engine or of a handle made with it; with
/// several such threads it must be safe to run on all of them at once.
///
/// It must not throw a C++ exception, longjmp, or call any tomocut function but tomocut_cancel_request.
///
/// @param level     TOMOCUT_LOG_*.
/// @param target    Part of the library that speaks, such as "volume"; valid during the callback.
/// @param message   NUL-terminated UTF-8, one record; valid during the callback.
/// @param user_data What the engine's options gave.
pub type tomocut_log_fn = Option<
    unsafe extern "C" fn(
        level: tomocut_log_level,
        target: *const c_char,
        message: *const c_char,
        user_data: *mut c_void,
    ),
>;

/// Options of an engine. Fill with tomocut_engine_options_init, then change what differs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_engine_options {
    /// sizeof(tomocut_engine_options) of the caller's header.
    pub struct_size: usize,
    /// "cpu", "cuda" (the first GPU) or "cuda:N"; NULL: "cpu". Copied.
    pub device: *const c_char,
    /// Threads of one call, 1 to 1024; 0: as many as the host lets libtorch use. The host's own count is put back.
    pub n_threads: u32,
    /// Least severe level that reaches the log, TOMOCUT_LOG_*; 0: TOMOCUT_LOG_INFO.
    pub log_level: tomocut_log_level,
    /// Receives the log; NULL: no log. The library never prints.
    pub log: tomocut_log_fn,
    /// Handed to log. Must stay valid until the engine and everything made with it are freed.
    pub log_user_data: *mut c_void,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding; zero is the default of every field.
unsafe impl SizedStruct for tomocut_engine_options {
    const NAME: &'static str = "tomocut_engine_options";
}

/// The host's pointer, which it has promised to be usable on every thread that calls the library.
struct HostPointer(*mut c_void);
// SAFETY: the pointer is only handed back to the host's own callback, whose documentation demands this.
unsafe impl Send for HostPointer {}
// SAFETY: as above.
unsafe impl Sync for HostPointer {}

impl HostPointer {
    fn get(&self) -> *mut c_void {
        self.0
    }
}

fn logger(options: &tomocut_engine_options) -> Result<Logger> {
    let least = match options.log_level {
        0 => TOMOCUT_LOG_INFO,
        level @ TOMOCUT_LOG_ERROR..=TOMOCUT_LOG_DEBUG => level,
        other => return Err(Error::argument("log_level", other, "must be 0 or TOMOCUT_LOG_*, 1..=4")),
    };
    let Some(callback) = options.log else {
        return Ok(Logger::default());
    };
    let user_data = HostPointer(options.log_user_data);
    Ok(Logger::new(move |level: Level, target: &str, message: &str| {
        if level as i32 <= least {
            let (target, message) = (c_text(target), c_text(message));
            // SAFETY: the host vouches for its callback; the texts outlive it.
            unsafe { callback(level as i32, target.as_ptr(), message.as_ptr(), user_data.get()) };
        }
    }))
}

/// The engine of a call that computes: this call alone uses it.
///
/// # Safety
/// `handle` is NULL or an engine.
pub(super) unsafe fn engine_to_compute(handle: *mut tomocut_engine) -> Result<InUse<tomocut_engine>> {
    // SAFETY: passed on.
    let engine = unsafe { exclusive(handle) }?;
    log_panics_to(&engine.logger);
    Ok(engine)
}

/// The engine of a call that only looks at it.
///
/// # Safety
/// `handle` is NULL or an engine.
pub(super) unsafe fn engine_to_read(handle: *const tomocut_engine) -> Result<InUse<tomocut_engine>> {
    // SAFETY: passed on.
    let engine = unsafe { shared(handle) }?;
    log_panics_to(&engine.logger);
    Ok(engine)
}

/// Sets all options to their defaults.
///
/// @param options The struct to fill.
/// @param size    sizeof(tomocut_engine_options), as the caller's header has it.
#[no_mangle]
pub unsafe extern "C" fn tomocut_engine_options_init(
    options: *mut tomocut_engine_options,
    size: usize,
) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// Creates an engine. The first CUDA engine of a process loads libtorch's CUDA library. Warns in the log where the
/// host's BLAS stands before libtorch's (see tomocut_runtime_report).
///
/// @param options What differs from the defaults; NULL: nothing. Read during the call only; log and log_user_data are
///                kept until the engine and everything made with it are freed.
#[no_mangle]
pub unsafe extern "C" fn tomocut_engine_create(
    options: *const tomocut_engine_options,
    out: *mut *mut tomocut_engine,
) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let (out, options) = unsafe { (NewHandle::at(out)?, sized::read_or_default(options)?) };
        let logger = logger(&options)?;
        log_panics_to(&logger);
        if options.n_threads > 1024 {
            return Err(Error::argument("n_threads", options.n_threads, "must be 0..=1024"));
        }
        // SAFETY: as documented for C.
        let device = unsafe { optional_text(options.device, "device") }?.unwrap_or("cpu");
        claim_process();
        let _host = HostState::enter(0);
        let device = open_device(device)?;
        if let Some(warning) = foreign_blas() {
            logger.warn("runtime", &warning);
        }
        logger.info(
            "runtime",
            &format!("engine on {device:?}, {} threads", described(options.n_threads)),
        );
        out.set(Arc::new(Engine {
            device,
            n_threads: options.n_threads as usize,
            logger,
        }));
        Ok(())
    })
}

fn described(n_threads: u32) -> String {
    match n_threads {
        0 => format!("{} (the host's)", tch::get_num_threads()),
        n => n.to_string(),
    }
}

/// Frees an engine. Models, tomograms and slabs made with it stay usable.
///
/// @param engine The engine; NULL is fine.
#[no_mangle]
pub unsafe extern "C" fn tomocut_engine_free(engine: *mut tomocut_engine) {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { free(engine) });
}

/// Fails on purpose inside the library, so that a host can test its own handling of TOMOCUT_E_INTERNAL. For tests of
/// the boundary only.
///
/// @param engine The engine; poisoned afterwards.
#[no_mangle]
pub unsafe extern "C" fn tomocut_debug_panic(engine: *mut tomocut_engine) -> tomocut_status {
    guard(|| {
        // SAFETY: as documented for C.
        let _engine = unsafe { engine_to_compute(engine) }?;
        std::panic::panic_any(String::from("forced by tomocut_debug_panic"));
    })
}
