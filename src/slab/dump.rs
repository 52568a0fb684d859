//! Every intermediate of one slice in one safetensors file, to set a run beside any other implementation.
use std::collections::HashMap;
use std::path::Path;

use ndarray::Array2;
use tch::{Device, Kind, Tensor};

use safetensors::tensor::{Dtype, TensorView};

use crate::diffusion::DiffusionModel;
use crate::runtime::{Error, Job, Result, Stage};
use crate::volume::{write_atomically, Tomogram};

use super::canvas::TileMap;
use super::cell::with_cell;
use super::options::SlabOptions;

/// Writes the intermediates of slice `z` to `path` (safetensors, float32, atomic).
///
/// Tensors: `image` (the tile as the encoder saw it), `latent`, `unet_input`, `timestep`, for every tapped layer
/// `<diffusers name>.to_q` and `.to_k` ([heads, tokens, dim]), `unet_output`, `clean` (one-step x0), `eigenvectors`
/// ([C, rows, cols]), `eigenvalues`, and `canvas` ([rows, cols], or [slices, rows, cols] where every slice of the model's cell has its
/// own) or, where the canvas is the model's structures, one [slices, rows, cols] under the name of each. With several tiles every name starts with `tile<n>.`.
pub fn dump_slice(
    model: &DiffusionModel,
    tomogram: &Tomogram,
    z: usize,
    options: &SlabOptions,
    path: &Path,
    job: &Job,
) -> Result<()> {
    with_cell(model, tomogram, z, options, job, |run| {
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
            keep("image", &tile.image)?;
            keep("latent", &tile.latent)?;
            keep("unet_input", &tile.extraction.input)?;
            keep("timestep", &Tensor::f_from_slice(&[tile.timestep as f32])?)?;
            for tap in &tile.extraction.taps {
                keep(&format!("{}.to_q", tap.name), &tap.query)?;
                keep(&format!("{}.to_k", tap.name), &tap.key)?;
            }
            keep("unet_output", &tile.extraction.output)?;
            keep("clean", &tile.extraction.clean)?;
            if let Some(found) = &tile.eigenvectors {
                keep("eigenvectors", &found.vectors)?;
                let values: Vec<f32> = found.values.iter().map(|value| *value as f32).collect();
                keep("eigenvalues", &Tensor::f_from_slice(&values)?)?;
            }
            match tile.map {
                TileMap::Canvas(canvas) => keep("canvas", &image_tensor(&canvas.mapv(f32::from))?)?,
                TileMap::Score(slices) => keep("canvas", &slices_tensor(&slices)?)?,
                TileMap::Structures(kinds) => {
                    for (structure, slices) in model.config().structures.iter().zip(&kinds) {
                        keep(structure.name(), &slices_tensor(slices)?)?;
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
        write_tensors(
            path,
            &tensors,
            HashMap::from([("tomocut".to_owned(), described.to_string())]),
        )
    })
}

fn image_tensor(image: &Array2<f32>) -> Result<Tensor> {
    let (rows, cols) = image.dim();
    let values: Vec<f32> = image.iter().copied().collect();
    Ok(Tensor::f_from_slice(&values)?.f_reshape([rows as i64, cols as i64])?)
}

/// [slices, rows, cols].
fn slices_tensor(slices: &[Array2<f32>]) -> Result<Tensor> {
    let slices: Vec<Tensor> = slices.iter().map(image_tensor).collect::<Result<_>>()?;
    Ok(Tensor::f_stack(&slices, 0)?)
}

/// Writes float32 tensors to a safetensors file, whole or not at all.
fn write_tensors(path: &Path, tensors: &[(String, Tensor)], metadata: HashMap<String, String>) -> Result<()> {
    let defect = |error: safetensors::SafeTensorError| Error::Internal(format!("safetensors: {error}"));
    let mut data = Vec::with_capacity(tensors.len());
    for (_, tensor) in tensors {
        let mut bytes = vec![0u8; tensor.numel() * 4];
        tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
        data.push(bytes);
    }
    let mut views = Vec::with_capacity(tensors.len());
    for ((name, tensor), bytes) in tensors.iter().zip(&data) {
        let shape = tensor.size().iter().map(|n| *n as usize).collect();
        views.push((
            name.as_str(),
            TensorView::new(Dtype::F32, shape, bytes).map_err(defect)?,
        ));
    }
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(defect)?;
    write_atomically(path, |file| {
        std::io::Write::write_all(file, &bytes).map_err(|error| Error::io("writing", path, error))
    })
}
