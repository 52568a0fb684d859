//! Link settings of the library and its programs: run path to libtorch, soname, hidden foreign symbols.
use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for source in ["aten.rs", "aten.h", "aten.cc", "reuse.h", "reuse.cc"] {
        println!("cargo:rerun-if-changed=src/runtime/{source}");
    }

    let libtorch_lib = env::var("DEP_TCH_LIBTORCH_LIB").unwrap_or_default();
    let libtorch = std::path::Path::new(&libtorch_lib).join("..");
    cxx_build::bridge("src/runtime/aten.rs")
        .file("src/runtime/aten.cc")
        .file("src/runtime/reuse.cc")
        .std("c++20")
        .include("src/runtime")
        // System headers: their warnings are not ours to mend.
        .flag(format!("-isystem{}", libtorch.join("include").display()))
        .compile("tomocut_aten");

    // $ORIGIN first: a moved installation prefix keeps working; the build's own libtorch last.
    println!("cargo:rustc-link-arg=-Wl,--enable-new-dtags");
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN:$ORIGIN/../torch/lib:{libtorch_lib}");
    let major = env::var("CARGO_PKG_VERSION_MAJOR").unwrap_or_default();
    let minor = env::var("CARGO_PKG_VERSION_MINOR").unwrap_or_default();
    let soname = if major == "0" {
        format!("libtomocut.so.0.{minor}")
    } else {
        format!("libtomocut.so.{major}")
    };
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,{soname}");
    println!("cargo:rustc-cdylib-link-arg=-Wl,--exclude-libs,ALL");
    // The engine keeps thread-local and process-wide state: it must not be unloaded under its threads.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
