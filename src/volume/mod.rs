//! Tomograms: what a file says about its voxels, reading any range of slices, and atomic writing.
//!
//! Arrays are (z, y, x), x fastest, whatever the axis order of the file. Reading takes just the bytes of the
//! slices asked for; writing goes to a temporary file that is renamed once it is whole.

mod blocks;
mod bytes;
mod classes;
mod contrast;
mod copick;
mod describe;
mod geometry;
mod grey_scale;
mod header;
mod labels;
mod members;
mod name;
mod nifti;
mod sections;
mod slice_source;
mod strided;
mod tomogram;
mod voxel_size;
mod write;
mod zarr;

pub use blocks::{BlockFile, BlockType, Moments};
pub use classes::{
    class_label, class_name, is_class, BACKGROUND, CENTRE, CLASS_NAMES, FILAMENT, FOREGROUND, GROUND, MEMBRANE,
    MOLECULE,
};
pub use contrast::{contrast_skewness, warn_of_contrast, warn_of_tomogram_contrast};
pub use copick::{CopickProject, CopickRun};
pub use describe::{is_result, FileDescription};
pub use geometry::Geometry;
pub use grey_scale::{grey_scale, tomogram_scale, CLIP_SIGMA};
pub use name::{has_volume_ending, names_of, readable};
pub use nifti::{is_nifti, read_nifti};
pub use slice_source::SliceSource;
pub use strided::{Dtype, Strided};
pub use tomogram::Tomogram;
pub use voxel_size::is_same_size;
pub use write::{write_f32, write_i16, write_labels, write_scores, write_slices, SliceType};
pub use zarr::{
    label_image_path, write_blocks_as_zarr, write_label_image, write_zarr, ReadBox, Reduction, ZarrContent, ZarrVoxel,
};
