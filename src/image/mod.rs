//! 2D operators with the exact semantics that the papers rely on, on plain arrays; nothing here knows a tomogram.
//!
//! The published pipelines lean on OpenCV, scikit-image and scipy, and their thresholds (circularity 0.95, SSIM 0.35,
//! "local mean minus 3") only mean something with those libraries' own rounding, borders and estimators. The operators
//! are written here because no kept crate reproduces them: `imageproc` has other border rules and perimeter, and
//! `fast_image_resize` other coefficients. Every operator is held against the original by fixtures
//! (`tests/oracle/image_operators.py`). Images are (row, column), row-major; other layouts are accepted and copied.

mod bit_mask;
mod border;
pub mod clahe;
pub mod components;
pub mod distance;
pub mod enhance;
mod expected_dice;
pub mod gaussian;
mod gaussian_similarity;
pub mod guided;
mod guided3d;
mod line_width;
pub mod morphology;
pub mod peaks;
mod picture;
mod picture_file;
mod picture_resize;
mod resample;
pub mod resize;
pub mod shape;
pub mod similarity;
mod slice_components;
pub mod stretch;
pub mod threshold;

pub use bit_mask::BitMask;
pub use border::reflect;
pub use clahe::clahe;
pub use components::{external_contours, label_2d, label_3d, Components, Connectivity};
pub use distance::{distance_2d, distance_3d};
pub use enhance::{enhance, EnhanceOptions};
pub use expected_dice::{expected_dice_threshold, LikelihoodCounts};
pub use gaussian::{gaussian_3d, gaussian_blur_u8, gaussian_f32, gaussian_truncated_u8};
pub use gaussian_similarity::{gaussian_ssim, multiscale_ssim};
pub use guided::{box_mean, guided_filter, local_mean_std, local_normalise};
pub use guided3d::guided_filter_3d;
pub use line_width::dark_line_width;
pub use morphology::{close, dilate, erode, Element};
pub use peaks::local_maxima;
pub use picture::{grey_panel, grey_png, Picture};
pub use picture_file::PictureFile;
pub use picture_resize::{resize_picture, resize_picture_nearest, PictureLevels};
pub use resample::{resample_linear, resample_nearest};
pub use resize::{resize_cubic_f32, resize_cubic_u8, resize_linear_f32, resize_linear_u8, resize_nearest};
pub use shape::{circularity, perimeter};
pub use similarity::{psnr, ssim};
pub use slice_components::SliceComponents;
pub use stretch::{finite_range, percentiles, percentiles_f64, stretch_f32, stretch_u8};
pub use threshold::{adaptive_threshold, hysteresis, hysteresis_3d, otsu_f32, otsu_u8};

use ndarray::{Array2, ArrayView2};

/// The pixels in row-major order: what the inner loops run on, whatever the layout of the array.
fn row_major<T: Copy>(image: ArrayView2<T>) -> Vec<T> {
    image.iter().copied().collect()
}

/// An image of `rows` x `cols` from row-major pixels.
fn from_row_major<T: Copy>((rows, cols): (usize, usize), pixels: &[T]) -> Array2<T> {
    Array2::from_shape_fn((rows, cols), |(r, c)| pixels[r * cols + c])
}

#[cfg(test)]
mod tests;
