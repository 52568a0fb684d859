//! The default network: a small 3D residual U-Net made for CPUs and for tiles.
//!
//! All convolutions run on cells of 2 x 2 x 2 voxels or coarser: the input's cells become its channels (space to
//! depth), the outputs come back from channels. No layer looks at more than its own neighbourhood - there is no
//! normalisation over the window, residual branches are scaled instead (De and Smith 2020, "SkipInit") - so that tiles
//! with the halo that [`super::Reach::Halo`] tells give the numbers of the whole volume, and a tile knows nothing of
//! its brightest neighbour.
//!
//! stem: cells -> 3^3 convolution; levels: residual blocks, then 2^3 convolution of stride 2 to the next; back up: 1^3
//! convolution to eight times the width, spread over 2^3 finer cells, added to what the level had, residual blocks;
//! head: ReLU, 1^3 convolution to eight times the outputs, spread over voxels. Residual block: x + scale *
//! mix(relu(conv(relu(x)))), conv of 3^3 and mix of 1^3 cells: half the reach, and so half the halo, of two 3^3
//! convolutions at half their cost.

mod config;
mod network;

pub use config::CompactConfig;
pub use network::CompactUnet;
