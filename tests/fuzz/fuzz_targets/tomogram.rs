//! The readers of MRC files, plain and compressed, and of OME-Zarr.
#![no_main]
use libfuzzer_sys::fuzz_target;
use tomocut::runtime::Job;
use tomocut::volume::Tomogram;

/// Voxels of the slices that are read: a header may be right to claim many.
const MOST: usize = 1 << 22;

fn read(path: &std::path::Path) {
    if let Ok(tomogram) = Tomogram::open(path, &Job::quiet()) {
        let [depth, rows, cols] = tomogram.geometry().shape;
        if rows.saturating_mul(cols) <= MOST {
            let _ = tomogram.read_slices(depth - 1..depth);
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&which, rest)) = data.split_first() else {
        return;
    };
    if which % 4 != 3 {
        tomocut_fuzz::in_file(rest, ".mrc", read);
        return;
    }
    // A zarr folder: its files lie between bytes that no text has.
    let folder = tomocut_fuzz::folder().join("volume.zarr");
    let _ = std::fs::create_dir_all(folder.join("0/0/0"));
    let mut parts = rest.split(|byte| *byte == 0xff);
    let version = which / 4 % 2;
    let names: [&str; 4] = match version {
        0 => [".zattrs", ".zgroup", "0/.zarray", "0/0/0/0"],
        _ => ["zarr.json", "0/zarr.json", "0/c", "0/0/0/0"],
    };
    for other in [".zattrs", ".zgroup", "0/.zarray", "zarr.json", "0/zarr.json", "0/c"] {
        let _ = std::fs::remove_file(folder.join(other));
    }
    for name in names {
        let _ = std::fs::write(folder.join(name), parts.next().unwrap_or_default());
    }
    read(&folder);
});
