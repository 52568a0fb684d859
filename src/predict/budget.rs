//! How large a core the memory allows.
use std::ops::Range;

use crate::networks::{Axis, NetworkConfig};
use crate::runtime::{Error, Result};
use crate::volume::Tomogram;

use super::plan::Needs;
use super::slices::CHUNK;

/// Least extent of a core that is tried, in voxels of the data.
const LEAST: usize = 8;

/// Copies of its finest feature map that a network holds at once: the map, the branch, the convolution's work space and
/// what waits for the way up. Measured with peaks of the default network and of the DynUNet.
const COPIES: u64 = 6;

/// Voxels that the default network computes on two CPU cores while one run of voxels is written to all volumes: 2
/// microseconds each.
const VOXELS_PER_WRITE: f64 = 40.0;

/// Bytes that a window of one voxel takes in `network`.
fn bytes_per_voxel(network: &NetworkConfig) -> u64 {
    let (features, outputs) = match network {
        // Its finest features lie on cells of 8 voxels.
        NetworkConfig::Compact(c) => (c.widths.first().copied().unwrap_or(8) / 8, c.outputs.len()),
        NetworkConfig::DynUnet(c) => (c.filters.first().copied().unwrap_or(1), c.outputs.len()),
        NetworkConfig::Picker(c) => (c.maps.first().copied().unwrap_or(1), c.outputs.len()),
        NetworkConfig::Unet2d(c) => (c.widths.first().copied().unwrap_or(1), c.outputs.len()),
        // Windows go through one by one, whatever the tile.
        NetworkConfig::SdSeg(c) => (0, c.outputs.len()),
    };
    // The input twice, and logits, probabilities and their sums over mirrors.
    4 * (COPIES * features.max(1) as u64 + 2 + 4 * outputs as u64)
}

/// Share of the halo that `network` computes: the compact one leaves out, layer by layer, what the core does not need.
fn halo_share(network: &NetworkConfig) -> f64 {
    match network {
        NetworkConfig::Compact(_) => 0.5,
        _ => 1.0,
    }
}

/// What is left of `memory` bytes for slices and tiles while `tomogram` is read. Errors: [`Error::OutOfMemory`] where
/// reading alone takes more, such as of a zarr array of few large chunks, with what it takes.
pub fn memory_beside_reading(tomogram: &Tomogram, memory: u64) -> Result<u64> {
    let reading = tomogram.reading_bytes();
    memory.checked_sub(reading).ok_or_else(|| {
        Error::OutOfMemory(format!(
            "{}: reading its voxels takes {} MiB beside slices and tiles (a chunk is unpacked whole), {} MiB \
             are allowed",
            tomogram.name(),
            reading.div_ceil(1 << 20),
            memory >> 20
        ))
    })
}

/// The core (z, y, x) of the least work per voxel whose slices and window fit `memory` bytes.
///
/// Errors: [`Error::OutOfMemory`] that says what the smallest core takes.
pub fn core_extents(
    network: &NetworkConfig,
    needs: &Needs,
    axes: &[Axis; 3],
    region: &[Range<usize>; 3],
    memory: u64,
) -> Result<[usize; 3]> {
    let voxel = bytes_per_voxel(network);
    let tried: [Vec<usize>; 3] = std::array::from_fn(|axis| match needs.window_along(axis) {
        // A window of fixed side has a core of what its margins leave, in voxels of the data.
        Some(window) => {
            let kept = window.saturating_sub(2 * needs.halo[axis]) * axes[axis].data;
            vec![kept.div_ceil(axes[axis].network).clamp(1, region[axis].len().max(1))]
        }
        None if needs.whole && axis > 0 => vec![region[axis].len()],
        None => even_parts(region[axis].len()),
    });
    // Bytes that a core takes, and its work for each of its voxels, in voxels computed.
    let cost = |core: [usize; 3]| -> (f64, f64) {
        // Extents in the network's voxels of the core and so much of its halo.
        let extents = |share: f64| -> [f64; 3] {
            std::array::from_fn(|axis| {
                let core = core[axis] as f64 * axes[axis].network as f64 / axes[axis].data as f64;
                let grown = core + share * 2.0 * needs.halo[axis] as f64 + needs.divisor[axis] as f64;
                grown.min(axes[axis].network.next_multiple_of(needs.divisor[axis]) as f64)
            })
        };
        let window = extents(1.0);
        // Another chunk is on its way while the writer holds one tile.
        let depth = window[0] * axes[0].data as f64 / axes[0].network as f64 + 2.0 * CHUNK as f64;
        let slice = (axes[1].data * axes[2].data * 4) as f64;
        let bytes = depth * slice + voxel as f64 * window.iter().product::<f64>();
        let computed: f64 = extents(halo_share(network)).iter().product();
        // Whole rows of a slice are written at once.
        let writes = if core[2] == region[2].len() {
            core[0]
        } else {
            core[0] * core[1]
        };
        let work = computed + VOXELS_PER_WRITE * writes as f64;
        (bytes, work / core.iter().product::<usize>() as f64)
    };
    let [depths, rows, cols] = &tried;
    let cores = cols
        .iter()
        .flat_map(|x| rows.iter().flat_map(move |y| depths.iter().map(move |z| [*z, *y, *x])));
    let mut best: Option<(f64, [usize; 3])> = None;
    let mut least = f64::INFINITY;
    for core in cores {
        let (bytes, work) = cost(core);
        least = least.min(bytes);
        if bytes <= memory as f64 && best.is_none_or(|(least, _)| work < least * 0.999) {
            best = Some((work, core));
        }
    }
    best.map(|(_, core)| core).ok_or_else(|| {
        Error::OutOfMemory(format!(
            "slices of {} x {} and the smallest tile of this network take {} MiB, {} MiB are allowed",
            axes[1].data,
            axes[2].data,
            least as u64 >> 20,
            memory >> 20
        ))
    })
}

/// The extents, descending, of the parts that a length is cut into evenly: a core between two of them would be cut to
/// the smaller.
fn even_parts(length: usize) -> Vec<usize> {
    let mut extents: Vec<usize> = (1..=length.div_ceil(LEAST).max(1))
        .map(|parts| length.div_ceil(parts))
        .collect();
    extents.dedup();
    extents
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::CompactConfig;

    #[test]
    fn less_memory_means_smaller_cores() {
        let config = NetworkConfig::Compact(CompactConfig::default());
        let needs = Needs {
            halo: [20; 3],
            divisor: [4; 3],
            window: None,
            flat: false,
            whole: false,
        };
        let axes = [1024; 3].map(|n| Axis { data: n, network: n });
        let region = [0..1024, 0..1024, 0..1024];
        let size = |memory: u64| -> usize {
            core_extents(&config, &needs, &axes, &region, memory << 20)
                .unwrap()
                .iter()
                .product()
        };
        assert!(size(8192) > size(1200) && size(1200) > size(600));
        let refused = core_extents(&config, &needs, &axes, &region, 1 << 20).unwrap_err();
        assert!(refused.to_string().contains("1 MiB are allowed"), "{refused}");
    }
}
