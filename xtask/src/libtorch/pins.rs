//! Which wheels make up libtorch, and what is kept of them.

/// The version that torch-sys 0.24.0 is written for; also the text of `build-version`, which torch-sys reads.
pub const BUILD_VERSION: &str = "2.11.0+cu130";

/// One wheel: its requirement and, where it is known, its hash.
pub struct Pin {
    /// The name on the package index.
    pub name: &'static str,
    /// The exact version.
    pub version: &'static str,
    /// SHA-256 of the wheel in lower-case hexadecimal; None leaves the check to pip and the index's own hash.
    pub sha256: Option<&'static str>,
}

const fn pin(name: &'static str, version: &'static str, sha256: Option<&'static str>) -> Pin {
    Pin { name, version, sha256 }
}

/// What every machine needs: torch itself (Python 3.11's wheel, so that one hash serves every Python) and the two
/// small CUDA libraries that `libtorch_cpu.so` names as dependencies even without a GPU.
const BASE: [Pin; 3] = [
    pin(
        "torch",
        "2.11.0",
        Some("7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a"),
    ),
    pin(
        "nvidia-cuda-runtime",
        "13.0.96",
        Some("7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548"),
    ),
    pin(
        "nvidia-cuda-cupti",
        "13.0.85",
        Some("4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8"),
    ),
];

/// What `libtorch_cuda.so` needs beside them.
const CUDA: [Pin; 13] = [
    pin("nvidia-cublas", "13.1.0.3", None),
    pin("nvidia-cudnn-cu13", "9.19.0.56", None),
    pin("nvidia-cufft", "12.0.0.61", None),
    pin("nvidia-cufile", "1.15.1.6", None),
    pin("nvidia-curand", "10.4.0.35", None),
    pin("nvidia-cusolver", "12.0.4.66", None),
    pin("nvidia-cusparse", "12.6.3.3", None),
    pin("nvidia-cusparselt-cu13", "0.8.0", None),
    pin("nvidia-nccl-cu13", "2.28.9", None),
    pin("nvidia-nvjitlink", "13.0.88", None),
    pin("nvidia-nvshmem-cu13", "3.4.5", None),
    pin("nvidia-cuda-nvrtc", "13.0.88", None),
    pin("nvidia-nvtx", "13.0.85", None),
];

/// The wheels of the CPU set or of the CUDA set.
pub fn wanted(cuda: bool) -> Vec<&'static Pin> {
    BASE.iter().chain(CUDA.iter().filter(|_| cuda)).collect()
}

/// The pins as text: what `.libtorch/.complete` holds once a set is unpacked.
pub fn marker(cuda: bool) -> String {
    let mut text = format!("{}\n", if cuda { "cuda" } else { "cpu" });
    for pin in wanted(cuda) {
        text += &format!("{}=={} {}\n", pin.name, pin.version, pin.sha256.unwrap_or("-"));
    }
    text
}

/// The pin that a wheel's file name belongs to (wheel names write `-` as `_`).
pub fn of_wheel<'a>(file_name: &str, pins: &[&'a Pin]) -> Option<&'a Pin> {
    pins.iter()
        .find(|pin| file_name.starts_with(&format!("{}-{}-", pin.name.replace('-', "_"), pin.version)))
        .copied()
}

/// Whether an entry of a wheel is unpacked.
pub fn kept(entry: &str, cuda: bool) -> bool {
    if entry.ends_with('/') {
        return false;
    }
    let file = entry.rsplit('/').next().unwrap_or(entry);
    if entry.starts_with("torch/include/") || entry.starts_with("torch/share/cmake/") || entry == "torch/version.py" {
        return true;
    }
    if let Some(library) = entry.strip_prefix("torch/lib/") {
        // `libgomp.so.1`, or `libgomp-<hash>.so.1` where the wheel's repair tool renamed it.
        let stem = file.split(['.', '-']).next().unwrap_or(file);
        return if cuda {
            !library.contains('/') && library.contains(".so") && !matches!(stem, "libtorch_python" | "libshm")
        } else {
            library.contains(".so") && matches!(stem, "libc10" | "libtorch_cpu" | "libtorch" | "libgomp")
        };
    }
    if entry.starts_with("nvidia/") && entry.contains("/lib/") {
        return cuda || matches!(file, "libcudart.so.13" | "libcupti.so.13");
    }
    let upper = file.to_ascii_uppercase();
    entry.contains(".dist-info/") && (upper.starts_with("LICENSE") || upper.starts_with("NOTICE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheels_are_recognised_by_name_and_version() {
        let pins = wanted(true);
        let name = |file| of_wheel(file, &pins).map(|pin| pin.name);
        assert_eq!(
            name("torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl"),
            Some("torch")
        );
        assert_eq!(
            name("nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.whl"),
            Some("nvidia-cuda-runtime")
        );
        assert_eq!(name("torch-2.11.1-cp311-cp311-manylinux_2_28_x86_64.whl"), None);
        assert_eq!(name("torchvision-2.11.0-cp311.whl"), None);
    }

    #[test]
    fn the_cpu_set_keeps_what_linking_and_running_need() {
        for entry in [
            "torch/include/ATen/ATen.h",
            "torch/share/cmake/Torch/TorchConfig.cmake",
            "torch/version.py",
            "torch/lib/libc10.so",
            "torch/lib/libgomp.so.1",
            "torch/lib/libgomp-24e2ab19.so.1.0.0",
            "torch/lib/libtorch_cpu.so",
            "torch/lib/libtorch.so",
            "nvidia/cu13/lib/libcudart.so.13",
            "torch-2.11.0.dist-info/licenses/LICENSE",
            "nvidia_cuda_runtime-13.0.96.dist-info/licenses/License.txt",
        ] {
            assert!(kept(entry, false), "{entry}");
        }
        for entry in [
            "torch/lib/libtorch_cuda.so",
            "torch/lib/libc10_cuda.so",
            "torch/lib/libtorch_python.so",
            "torch/nn/modules/linear.py",
            "torch/include/",
            "nvidia/cu13/lib/libnvrtc.so.13",
            "nvidia/cu13/include/cuda.h",
        ] {
            assert!(!kept(entry, false), "{entry}");
        }
    }

    #[test]
    fn the_cuda_set_keeps_every_library_but_pythons() {
        assert!(kept("torch/lib/libtorch_cuda.so", true) && kept("nvidia/cu13/lib/libcublas.so.13", true));
        assert!(!kept("torch/lib/libtorch_python.so", true) && !kept("torch/lib/libshm.so", true));
    }

    #[test]
    fn hashes_are_hashes_and_the_two_markers_differ() {
        for pin in wanted(true) {
            assert!(pin
                .sha256
                .is_none_or(|h| h.len() == 64 && h.bytes().all(|b| b.is_ascii_hexdigit())));
        }
        assert_ne!(marker(false), marker(true));
    }
}
