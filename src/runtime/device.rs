//! Devices: the same binary runs on the CPU and, once libtorch's CUDA library is loaded, on a GPU.
use once_cell::sync::OnceCell;
use tch::Device;

use super::{Error, Result};

static CUDA: OnceCell<()> = OnceCell::new();

/// The device named by `name`: `cpu`, `cuda` (the first GPU) or `cuda:N`.
///
/// CUDA is loaded on the first request for it. Errors: an unknown name, no CUDA build of libtorch, no such GPU.
pub fn open_device(name: &str) -> Result<Device> {
    let ordinal = match name {
        "" | "cpu" => return Ok(Device::Cpu),
        "cuda" => 0,
        other => other
            .strip_prefix("cuda:")
            .and_then(|n| n.parse::<usize>().ok())
            .ok_or_else(|| Error::argument("device", format!("\"{other}\""), "must be cpu, cuda or cuda:N"))?,
    };
    load_cuda()?;
    let count = tch::Cuda::device_count();
    if count <= 0 {
        return Err(Error::Device(
            "libtorch_cuda is loaded but sees no GPU (driver, CUDA_VISIBLE_DEVICES?)".into(),
        ));
    }
    if ordinal >= count as usize {
        return Err(Error::argument("device", name, &format!("must be below cuda:{count}")));
    }
    Ok(Device::Cuda(ordinal))
}

/// Loads `libtorch_cuda.so` before the first CUDA query of the process, because libtorch caches the answer.
fn load_cuda() -> Result<()> {
    CUDA.get_or_try_init(|| {
        // SAFETY: the name is a NUL-terminated literal; dlopen and dlerror have no other precondition, and the
        // text that dlerror returns is copied before any other call on this thread.
        unsafe {
            let handle = libc::dlopen(c"libtorch_cuda.so".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL);
            if handle.is_null() {
                let text = libc::dlerror();
                let reason = if text.is_null() {
                    "unknown reason".into()
                } else {
                    std::ffi::CStr::from_ptr(text).to_string_lossy().into_owned()
                };
                return Err(Error::Device(format!(
                    "no CUDA in this libtorch ({reason}); put a CUDA build of libtorch 2.11 on the library path"
                )));
            }
        }
        Ok(())
    })
    .map(|_| ())
}
