//! Small Stable Diffusion checkpoints written from nothing: every weight is a hash of its name (the hash of
//! tests/oracle/diffusers_networks.py), in a diffusers folder or in the original single-file layout.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use safetensors::Dtype;
use serde_json::Value;
use tch::Tensor;

use crate::hashed::uniform;

/// Matrices and kernels of unit gain; norms near one; biases near zero.
pub fn weight(name: &str, shape: &[usize]) -> Vec<f32> {
    let u = uniform(name, shape.iter().product());
    if shape.len() >= 2 {
        let gain = (3.0 / shape[1..].iter().product::<usize>() as f64).sqrt() as f32;
        u.into_iter().map(|u| u * gain).collect()
    } else if name.ends_with(".weight") {
        u.into_iter().map(|u| 1.0 + 0.2f32 * u).collect()
    } else {
        u.into_iter().map(|u| 0.2f32 * u).collect()
    }
}

/// Tensors of one file: name to shape and values.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// How numbers are stored.
#[derive(Clone, Copy, PartialEq)]
pub enum Store {
    F32,
    F16,
    BF16,
    /// Float32 numbers that were once float16.
    RoundedF16,
    /// Float32 numbers that were once bfloat16.
    RoundedBF16,
}

/// One network of the fixtures.
pub struct Network {
    pub key: &'static str,
    pub json: Value,
}

impl Network {
    pub fn new(key: &'static str) -> Self {
        let text = std::fs::read_to_string(fixture(&format!("{key}.json"))).unwrap();
        Self {
            key,
            json: serde_json::from_str(&text).unwrap(),
        }
    }

    /// What diffusers computed.
    pub fn expected(&self) -> BTreeMap<String, Tensor> {
        let file = fixture(&format!("{}.safetensors", self.key));
        Tensor::read_safetensors(file).unwrap().into_iter().collect()
    }

    pub fn latent_size(&self) -> (i64, i64) {
        let size = self.expected()["latent"].size();
        (size[2], size[3])
    }

    /// The test image, [1, 1, H, W] in 0..1.
    pub fn image(&self) -> Tensor {
        let (rows, columns) = self.latent_size();
        let values = uniform(&format!("{}/image", self.key), (64 * rows * columns) as usize);
        (Tensor::from_slice(&values).reshape([1, 1, 8 * rows, 8 * columns]) + 1.0) / 2.0
    }

    /// The test noise, [1, 4, h, w].
    pub fn noise(&self) -> Tensor {
        let (rows, columns) = self.latent_size();
        let values = uniform(&format!("{}/noise", self.key), (4 * rows * columns) as usize);
        Tensor::from_slice(&values).reshape([1, 4, rows, columns])
    }

    fn entries(&self, part: &str) -> Vec<(String, Vec<String>, Vec<usize>)> {
        let names = |value: &Value| match value {
            Value::String(name) => vec![name.clone()],
            other => serde_json::from_value(other.clone()).unwrap(),
        };
        self.json[part]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| {
                (
                    names(&e[0]).remove(0),
                    names(&e[1]),
                    serde_json::from_value(e[2].clone()).unwrap(),
                )
            })
            .collect()
    }

    /// One component under its diffusers names: "unet", "vae" or "text".
    pub fn component(&self, part: &str) -> Tensors {
        let mut tensors = Tensors::new();
        for (_, sources, mut shape) in self.entries(part) {
            if sources.len() > 1 {
                shape[0] /= sources.len();
            }
            for name in sources {
                if part == "vae" && name.contains("mid_block.attentions.0.to_") {
                    shape.truncate(if name.ends_with("weight") { 2 } else { 1 });
                }
                let values = weight(&format!("{}/{part}/{name}", self.key), &shape);
                tensors.insert(name, (shape.clone(), values));
            }
        }
        tensors
    }

    /// The whole model in the original single-file layout, with the extra tensors that such files have.
    pub fn original(&self) -> Tensors {
        let mut tensors = Tensors::new();
        for (part, prefix) in [
            ("unet", "model.diffusion_model."),
            ("vae", "first_stage_model."),
            ("text", ""),
        ] {
            let ours = self.component(part);
            for (theirs, sources, shape) in self.entries(part) {
                let values = sources.iter().flat_map(|name| ours[name].1.clone()).collect();
                tensors.insert(format!("{prefix}{theirs}"), (shape, values));
            }
        }
        tensors.insert("betas".into(), (vec![1000], uniform("betas", 1000)));
        tensors.insert("model_ema.decay".into(), (vec![], vec![0.5]));
        tensors.insert(
            "first_stage_model.decoder.conv_in.bias".into(),
            (vec![2], vec![1.0, 2.0]),
        );
        tensors
    }

    /// Writes a diffusers folder; `vae` may have been renamed.
    pub fn write_folder(&self, folder: &Path, vae: &Tensors, store: Store) {
        for (name, config, file, tensors) in [
            ("unet", "unet", "diffusion_pytorch_model", &self.component("unet")),
            ("vae", "vae", "diffusion_pytorch_model", vae),
            (
                "text_encoder",
                "text_encoder",
                "model",
                &transformers_names(&self.component("text")),
            ),
        ] {
            let folder = folder.join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("config.json"), self.json["configs"][config].to_string()).unwrap();
            write(&folder.join(format!("{file}.safetensors")), tensors, store);
        }
        let folder = folder.join("scheduler");
        std::fs::create_dir_all(&folder).unwrap();
        let config = self.json["configs"]["scheduler"].to_string();
        std::fs::write(folder.join("scheduler_config.json"), config).unwrap();
    }
}

/// `text_model.` in front, and the position ids that old files have.
fn transformers_names(tensors: &Tensors) -> Tensors {
    let mut named: Tensors = tensors
        .iter()
        .map(|(n, t)| (format!("text_model.{n}"), t.clone()))
        .collect();
    named.insert(
        "text_model.embeddings.position_ids".into(),
        (vec![1, 77], vec![0.0; 77]),
    );
    named
}

/// The autoencoder's attention as early diffusers wrote it; `kernels`: as 1x1 convolutions.
pub fn early_names(vae: &Tensors, kernels: bool) -> Tensors {
    vae.iter()
        .map(|(name, (shape, values))| {
            let mut early = name.clone();
            for (new, old) in [
                ("to_q", "query"),
                ("to_k", "key"),
                ("to_v", "value"),
                ("to_out.0", "proj_attn"),
            ] {
                early = early.replace(&format!(".attentions.0.{new}."), &format!(".attentions.0.{old}."));
            }
            let mut shape = shape.clone();
            if kernels && early != *name && shape.len() == 2 {
                shape.extend([1, 1]);
            }
            (early, (shape, values.clone()))
        })
        .collect()
}

/// Writes a safetensors file.
pub fn write(path: &Path, tensors: &Tensors, store: Store) {
    let f16 = half::f16::from_f32;
    let bf16 = half::bf16::from_f32;
    let bytes: Vec<Vec<u8>> = tensors
        .values()
        .map(|(_, values)| match store {
            Store::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Store::F16 => values.iter().flat_map(|v| f16(*v).to_le_bytes()).collect(),
            Store::BF16 => values.iter().flat_map(|v| bf16(*v).to_le_bytes()).collect(),
            Store::RoundedF16 => values.iter().flat_map(|v| f16(*v).to_f32().to_le_bytes()).collect(),
            Store::RoundedBF16 => values.iter().flat_map(|v| bf16(*v).to_f32().to_le_bytes()).collect(),
        })
        .collect();
    let dtype = match store {
        Store::F16 => Dtype::F16,
        Store::BF16 => Dtype::BF16,
        _ => Dtype::F32,
    };
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, (shape, _)), bytes)| (name, TensorView::new(dtype, shape.clone(), bytes).unwrap()));
    safetensors::serialize_to_file(views, None, path).unwrap();
}

/// A file of the fixtures.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/diffusion")
        .join(name)
}
