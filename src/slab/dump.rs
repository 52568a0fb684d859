//! Every intermediate of one slice in one safetensors file, to set a run beside any other implementation.
use std::path::Path;

use ndarray::Array2;
use tch::{Device, Kind, Tensor};

use crate::diffusion::DiffusionModel;
use crate::runtime::{Job, Result, Stage};
use crate::tensors::from_array;
use crate::volume::Tomogram;
use crate::weights::{metadata, write_tensors};

use super::line::Line;
use super::one_slice::with_cell;
use super::options::SlabOptions;
use super::tile_tensor::tile_tensor;
use super::way::Way;

/// Writes the intermediates of slice `z` to `path` (safetensors, float32, atomic).
///
/// Tensors: `image` (the tile as the encoder saw it), `latent`, `unet_input`, `timestep`, for every tapped layer
/// `<diffusers name>.to_q` and `.to_k` ([heads, tokens, dim]), `unet_output`, `clean` (one-step x0), `eigenvectors`
/// ([C, rows, cols]), `eigenvalues`, and `canvas` ([rows, cols], or [slices, rows, cols] where every slice of the
/// model's cell has its own; none where no eigenvector passed the contour test) or, where the canvas is the model's
/// structures, one [slices, rows, cols] under the name of each. With several tiles every name starts with `tile<n>.`.
pub fn dump_slice(
    model: &DiffusionModel,
    tomogram: &Tomogram,
    z: usize,
    options: &SlabOptions,
    path: &Path,
    job: &Job,
) -> Result<()> {
    with_cell(model, tomogram, z, options, job, |run| {
        let way = Way::choose(model, options);
        let mut tensors: Vec<(String, Tensor)> = Vec::new();
        for index in 0..run.tiles() {
            let prefix = if run.tiles() > 1 {
                format!("tile{index}.")
            } else {
                String::new()
            };
            let tile = run.run_tile(index, true, job)?;
            let mut keep = |name: &str, tensor: &Tensor| -> Result<()> {
                let tensor = tensor
                    .f_to_device(Device::Cpu)?
                    .f_to_kind(Kind::Float)?
                    .f_contiguous()?;
                tensors.push((format!("{prefix}{name}"), tensor));
                Ok(())
            };
            keep("image", &tile_tensor(run.pixels(index)?.view(), model.device())?)?;
            keep("latent", &tile.latent)?;
            keep("unet_input", &tile.extraction.input)?;
            keep("timestep", &Tensor::f_from_slice(&[tile.timestep as f32])?)?;
            for tap in &tile.extraction.taps {
                keep(&format!("{}.to_q", tap.name), &tap.query)?;
                keep(&format!("{}.to_k", tap.name), &tap.key)?;
            }
            keep("unet_output", &tile.extraction.output)?;
            keep("clean", &tile.extraction.clean)?;
            if let Some(eigenvectors) = &tile.eigenvectors {
                keep("eigenvectors", &eigenvectors.vectors)?;
                let values: Vec<f32> = eigenvectors.values.iter().map(|value| *value as f32).collect();
                keep("eigenvalues", &Tensor::f_from_slice(&values)?)?;
            }
            let context = run.context();
            match &way {
                Way::Structures(line) => {
                    let maps = line.tile_map(context, &tile)?;
                    for (structure, slices) in model.config().structures.iter().zip(&maps) {
                        keep(structure.name(), &slices_tensor(slices)?)?;
                    }
                }
                Way::Denoised(line) => keep("canvas", &slices_tensor(&line.tile_map(context, &tile)?)?)?,
                Way::Paper(line) => {
                    if let Some(canvas) = line.tile_map(context, &tile)? {
                        keep("canvas", &from_array(canvas.mapv(f32::from).view())?)?;
                    }
                }
            }
            job.check()?;
        }
        job.enter(Stage::Write)?;
        let described = serde_json::json!({
            "z": z,
            "preset": options.preset,
            "model": model.config().name,
            "voxel_nm": run.context().voxel_nm,
            "timesteps": format!("{:?}", run.context().timesteps),
        });
        let tensors = tensors.iter().map(|(name, tensor)| (name, tensor));
        write_tensors(path, tensors, Kind::Float, metadata("tomocut", described.to_string()))
    })
}

/// [slices, rows, cols].
fn slices_tensor(slices: &[Array2<f32>]) -> Result<Tensor> {
    let slices: Vec<Tensor> = slices
        .iter()
        .map(|slice| from_array(slice.view()))
        .collect::<Result<_>>()?;
    Ok(Tensor::f_stack(&slices, 0)?)
}
