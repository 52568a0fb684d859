//! Which file provides what libtorch needs: the answer to "why is it 30 times slower in my host?".
use std::ffi::{c_void, CStr};
use std::path::Path;

/// Symbols that decide speed and ABI, with what they stand for.
const SYMBOLS: [(&CStr, &str); 6] = [
    (c"dgemm_", "BLAS"),
    (c"dsyevd_", "LAPACK"),
    (c"GOMP_parallel", "OpenMP"),
    (c"_ZNSt6localeC1Ev", "libstdc++"),
    (c"cudaGetDeviceCount", "CUDA runtime"),
    (c"_ZN2at15get_num_threadsEv", "libtorch"),
];

/// The file that provides `symbol` to the engine, or None where nothing in the process does.
fn provider(symbol: &CStr) -> Option<String> {
    // SAFETY: symbol is NUL-terminated; RTLD_DEFAULT searches what is loaded; dladdr only reads the address and fills
    // the struct, whose file name stays valid while the object is loaded and is copied at once.
    unsafe {
        let address = libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr());
        file_of(address)
    }
}

/// # Safety
/// `address` is any address; only the loader's tables are read.
unsafe fn file_of(address: *mut c_void) -> Option<String> {
    if address.is_null() {
        return None;
    }
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    // SAFETY: info is a valid out parameter.
    let status = unsafe { libc::dladdr(address, &mut info) };
    if status == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: dladdr returned a NUL-terminated name owned by the loader.
    Some(unsafe { CStr::from_ptr(info.dli_fname) }.to_string_lossy().into_owned())
}

/// One line per library the engine leans on: `BLAS (dgemm_): /path/of/file`.
pub fn runtime_report() -> String {
    let mut text = format!("tomocut {}\n", env!("CARGO_PKG_VERSION"));
    for (symbol, meaning) in SYMBOLS {
        let file = provider(symbol).unwrap_or_else(|| "not loaded".into());
        text.push_str(&format!("{meaning} ({}): {file}\n", symbol.to_string_lossy()));
    }
    text.push_str(&format!("threads: {}\n", tch::get_num_threads()));
    text
}

/// A warning when the host's own BLAS stands before libtorch's: dense algebra then runs up to 33 times slower.
pub fn foreign_blas() -> Option<String> {
    let torch = provider(c"_ZN2at15get_num_threadsEv")?;
    let blas = provider(c"dgemm_")?;
    let folder = |file: &str| Path::new(file).parent().map(Path::to_path_buf);
    if folder(&torch) == folder(&blas) {
        return None;
    }
    Some(format!(
        "BLAS comes from {blas}, not from libtorch ({torch}): dense algebra can be 30 times slower; \
         load the engine with dlopen(RTLD_LOCAL | RTLD_DEEPBIND)"
    ))
}
