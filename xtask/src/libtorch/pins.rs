//! Which wheels make up libtorch, and what is kept of them.

/// The version that torch-sys 0.24.0 is written for; also the text of `build-version`, which torch-sys reads.
pub const BUILD_VERSION: &str = "2.11.0+cu130";

/// One wheel: its requirement and its hash.
pub struct Pin {
    /// The name on the package index.
    pub name: &'static str,
    /// The exact version.
    pub version: &'static str,
    /// SHA-256 of the wheel in lower-case hexadecimal.
    pub sha256: &'static str,
}

const fn pin(name: &'static str, version: &'static str, sha256: &'static str) -> Pin {
    Pin { name, version, sha256 }
}

/// What every machine needs: torch itself (Python 3.11's wheel, so that one hash serves every Python) and the two
/// small CUDA libraries that `libtorch_cpu.so` names as dependencies even without a GPU.
const BASE: [Pin; 3] = [
    pin(
        "torch",
        "2.11.0",
        "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
    ),
    pin(
        "nvidia-cuda-runtime",
        "13.0.96",
        "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
    ),
    pin(
        "nvidia-cuda-cupti",
        "13.0.85",
        "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
    ),
];

/// What `libtorch_cuda.so` needs beside them.
const CUDA: [Pin; 13] = [
    pin(
        "nvidia-cublas",
        "13.1.0.3",
        "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171",
    ),
    pin(
        "nvidia-cudnn-cu13",
        "9.19.0.56",
        "d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf",
    ),
    pin(
        "nvidia-cufft",
        "12.0.0.61",
        "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3",
    ),
    pin(
        "nvidia-cufile",
        "1.15.1.6",
        "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44",
    ),
    pin(
        "nvidia-curand",
        "10.4.0.35",
        "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc",
    ),
    pin(
        "nvidia-cusolver",
        "12.0.4.66",
        "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112",
    ),
    pin(
        "nvidia-cusparse",
        "12.6.3.3",
        "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b",
    ),
    pin(
        "nvidia-cusparselt-cu13",
        "0.8.0",
        "25e30a8a7323935d4ad0340b95a0b69926eee755767e8e0b1cf8dd85b197d3fd",
    ),
    pin(
        "nvidia-nccl-cu13",
        "2.28.9",
        "e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42",
    ),
    pin(
        "nvidia-nvjitlink",
        "13.0.88",
        "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b",
    ),
    pin(
        "nvidia-nvshmem-cu13",
        "3.4.5",
        "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80",
    ),
    pin(
        "nvidia-cuda-nvrtc",
        "13.0.88",
        "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
    ),
    pin(
        "nvidia-nvtx",
        "13.0.85",
        "4936d1d6780fbe68db454f5e72a42ff64d1fd6397df9f363ae786930fd5c1cd4",
    ),
];

/// The wheels of the CPU set or of the CUDA set.
pub fn wanted(cuda: bool) -> Vec<&'static Pin> {
    BASE.iter().chain(CUDA.iter().filter(|_| cuda)).collect()
}

/// The pins as text: what `.libtorch/.complete` holds once a set is unpacked.
pub fn marker(cuda: bool) -> String {
    let mut text = format!("{}\n", if cuda { "cuda" } else { "cpu" });
    for pin in wanted(cuda) {
        text += &format!("{}=={} {}\n", pin.name, pin.version, pin.sha256);
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
            assert!(pin.sha256.len() == 64 && pin.sha256.bytes().all(|b| b.is_ascii_hexdigit()));
        }
        assert_ne!(marker(false), marker(true));
    }
}
