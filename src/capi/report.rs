//! Reports: what a call found out, as JSON and by name.
use std::ffi::c_char;

use serde::Serialize;
use serde_json::Value;

use super::guard::guard_anywhere;
use super::handle::{free, shared, NewHandle, Opaque};
use super::status::tomocut_status;
use super::strings::{put_text, text};
use crate::{Error, Result};

/// What a call found out: a JSON document. Freed by tomocut_report_free.
pub struct tomocut_report {
    _opaque: [u8; 0],
}

impl Opaque for tomocut_report {
    type Value = Value;
    const TAG: [u8; 8] = *b"tmcrprt_";
    const NAME: &'static str = "report";
}

/// The report as JSON, with a final NUL. With buffer NULL and capacity 0 only *needed is written: the bytes that it
/// takes.
#[no_mangle]
pub unsafe extern "C" fn tomocut_report_json(
    report: *const tomocut_report,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> tomocut_status {
    guard_anywhere(|| {
        // SAFETY: as documented for C.
        unsafe {
            let report = shared(report)?;
            put_text(&report.to_string(), buffer, capacity, needed)
        }
    })
}

/// A number, count or flag (0 or 1) of the report by its path: "/tomograms/0/points". TOMOCUT_E_INVALID_ARGUMENT where
/// there is none.
#[no_mangle]
pub unsafe extern "C" fn tomocut_report_number(
    report: *const tomocut_report,
    path: *const c_char,
    number: *mut f64,
) -> tomocut_status {
    guard_anywhere(|| {
        // SAFETY: as documented for C.
        let (report, path) = unsafe { (shared(report)?, text(path, "path")?) };
        if number.is_null() {
            return Err(Error::argument("number", "NULL", "must point to a double"));
        }
        let value = number_at(&report, path)?;
        // SAFETY: not NULL; as documented for C.
        unsafe { number.write(value) };
        Ok(())
    })
}

/// Frees a report; NULL is fine.
#[no_mangle]
pub unsafe extern "C" fn tomocut_report_free(report: *mut tomocut_report) {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { free(report) });
}

/// Where a report goes; a host that wants none gives NULL.
pub(super) struct ReportTo(Option<NewHandle<tomocut_report>>);

impl ReportTo {
    /// # Safety
    /// `out` is NULL or valid for writing one pointer.
    pub(super) unsafe fn at(out: *mut *mut tomocut_report) -> Result<Self> {
        if out.is_null() {
            return Ok(Self(None));
        }
        // SAFETY: passed on.
        Ok(Self(Some(unsafe { NewHandle::at(out) }?)))
    }

    /// Hands the report over.
    pub(super) fn set(self, report: &impl Serialize) -> Result<()> {
        if let Some(out) = self.0 {
            let value = serde_json::to_value(report).map_err(|error| Error::Internal(format!("report: {error}")))?;
            out.set(value);
        }
        Ok(())
    }
}

fn number_at(report: &Value, path: &str) -> Result<f64> {
    let refused = |allowed: &str| Err(Error::argument("path", format!("\"{path}\""), allowed));
    match report.pointer(path) {
        Some(Value::Number(number)) => Ok(number.as_f64().unwrap_or(f64::NAN)),
        Some(Value::Bool(flag)) => Ok(f64::from(u8::from(*flag))),
        Some(_) => refused("must lead to a number"),
        None => refused("must be in the report"),
    }
}
