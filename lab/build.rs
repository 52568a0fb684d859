//! Run path of the programs to libtorch.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let libtorch_lib = std::env::var("DEP_TCH_LIBTORCH_LIB").unwrap_or_default();
    println!("cargo:rustc-link-arg=-Wl,--enable-new-dtags");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{libtorch_lib}");
}
