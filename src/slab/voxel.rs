//! The voxel size that the stages count in.
use crate::diffusion::DiffusionModel;
use crate::runtime::Job;
use crate::volume::Geometry;

/// Taken where neither header nor host gives a voxel size: the paper's data.
const FALLBACK_VOXEL_NM: f64 = 1.348;

/// Voxel edge in nm: the host's, the file's, or, with a warning, a usual one.
pub fn voxel_nm(geometry: &Geometry, given: Option<f64>, job: &Job) -> f64 {
    given.or(geometry.voxel_nm()).unwrap_or_else(|| fallback(job))
}

/// A usual voxel size, with a warning.
pub fn fallback(job: &Job) -> f64 {
    job.logger().warn(
        "slab",
        &format!("the file has no voxel size; {FALLBACK_VOXEL_NM} nm is assumed, give voxel_nm"),
    );
    FALLBACK_VOXEL_NM
}

/// Warns where the model was not trained for voxels of this size.
pub fn warn_outside_training(model: &DiffusionModel, voxel_nm: f64, job: &Job) {
    if let Some([low, high]) = model.config().voxel_nm {
        if voxel_nm < low || voxel_nm > high {
            job.logger().warn(
                "slab",
                &format!("the model sees voxels of {voxel_nm:.2} nm, it was trained on {low} to {high} nm"),
            );
        }
    }
}
