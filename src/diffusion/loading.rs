//! Opening Stable Diffusion from a diffusers folder or from an original single file.
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};
use tch::{Kind, Tensor};

use super::compvis;
use super::config::{refuse_other_values, UnetConfig};
use super::latent::LatentMode;
use super::load_options::LoadOptions;
use super::model::{DiffusionModel, LatentEncoder, ModelConfig};
use super::schedule::ScheduleConfig;
use super::text::{embed_empty_prompt, Activation, Padding, TextConfig};
use super::unet::Unet;
use super::vae::VaeEncoder;
use super::vae_config::VaeConfig;
use crate::runtime::{Error, Job, Result};
use crate::weights::{FetchTensor, TensorFile, WeightFiles};

/// Settings of all parts, before any weight is read.
struct Parts {
    unet: UnetConfig,
    vae: VaeConfig,
    text: TextConfig,
    padding: Padding,
    schedule: ScheduleConfig,
}

/// Opens a diffusers folder: `unet`, `vae` and `text_encoder`, each with `config.json` and safetensors weights (plain,
/// `.fp16.`, or shards with an index). `scheduler/scheduler_config.json` and `tokenizer/special_tokens_map.json` are
/// read where present. `vae` and `text_encoder` always run in float32; they run once per image and once per model.
pub(super) fn open_folder(path: &Path, options: &LoadOptions, job: &Job) -> Result<DiffusionModel> {
    let component = |name: &str| -> Result<(Value, WeightFiles<'static>)> {
        let folder = path.join(name);
        if !folder.is_dir() {
            let detail = format!("has no folder {name}; a diffusers model has unet, vae and text_encoder");
            return Err(Error::format(path.display(), detail));
        }
        let stem = if name == "text_encoder" {
            "model"
        } else {
            "diffusion_pytorch_model"
        };
        Ok((read_json(&folder.join("config.json"))?, component_files(&folder, stem)?))
    };
    let (unet_json, unet_files) = component("unet")?;
    let (vae_json, vae_files) = component("vae")?;
    let (text_json, text_files) = component("text_encoder")?;
    let text = TextConfig::from_json(&text_json)?;
    let schedule = match path.join("scheduler/scheduler_config.json") {
        file if file.is_file() => schedule_from_json(&read_json(&file)?)?,
        _ => ScheduleConfig::default(),
    };
    let parts = Parts {
        unet: UnetConfig::from_json(&unet_json)?,
        vae: VaeConfig::from_json(&vae_json)?,
        padding: folder_padding(path, &text)?,
        text,
        schedule,
    };
    let device = options.device;
    let unet_fetch = &mut |name: &str, shape: &[i64]| {
        job.check()?;
        unet_files.tensor(&[name.to_owned()], shape, options.kind, device)
    };
    let vae_fetch = &mut |name: &str, shape: &[i64]| {
        job.check()?;
        vae_files.tensor(&vae_names(name), shape, Kind::Float, device)
    };
    let text_fetch = &mut |name: &str, shape: &[i64]| {
        job.check()?;
        text_files.tensor(
            &[format!("text_model.{name}"), name.to_owned()],
            shape,
            Kind::Float,
            device,
        )
    };
    assemble(parts, unet_fetch, vae_fetch, text_fetch, options, job)
}

/// Opens an original single-file checkpoint; see [`super::DiffusionModel::open`] for the overrides in `STEM.json`.
pub(super) fn open_single_file(
    path: &Path,
    file: TensorFile<'static>,
    options: &LoadOptions,
    job: &Job,
) -> Result<DiffusionModel> {
    let name = path.display().to_string();
    let files = WeightFiles::new(&name, vec![file]);
    if files.contains_prefix("conditioner.embedders.") {
        return Err(Error::Unsupported(format!(
            "{name} is Stable Diffusion XL; versions 1 and 2 are supported"
        )));
    }
    for (prefix, part) in [
        (compvis::UNET, "U-Net"),
        (compvis::VAE, "autoencoder"),
        ("cond_stage_model.", "text encoder"),
    ] {
        if !files.contains_prefix(prefix) {
            let detail = if files.contains("conv_in.weight") {
                "is one component of a diffusers model; give the folder that holds unet, vae and text_encoder"
                    .to_owned()
            } else {
                format!("has no {part}: no tensor begins with {prefix}")
            };
            return Err(Error::format(&name, detail));
        }
    }
    let shapes = compvis::architecture(&files)?;
    let overrides = match path.with_extension("json") {
        file if file.is_file() => read_json(&file)?,
        _ => Value::Null,
    };
    let merged = |table: Map<String, Value>, key: &str| -> Result<Value> {
        let mut table = table;
        if let Some(Value::Object(extra)) = overrides.get(key) {
            table.extend(extra.clone());
        }
        // Null stands for what the shapes cannot tell.
        if let Some((unknown, _)) = table.iter().find(|(_, value)| value.is_null()) {
            let detail = format!(
                "{unknown} of the {key} cannot be read off the tensor shapes (widths are no multiples of 64); \
                 give it as {{\"{key}\": {{\"{unknown}\": ..}}}} in a JSON file of the same stem"
            );
            return Err(Error::format(&name, detail));
        }
        Ok(Value::Object(table))
    };
    let advice = |error: Error| match error {
        Error::Format { subject, detail } => Error::Format {
            subject,
            detail: format!("{detail} (read off the tensor shapes; a JSON file of the same stem can override it)"),
        },
        other => other,
    };
    let schedule = schedule_from_json(&merged(Map::new(), "scheduler")?)?;
    if shapes.second && overrides.pointer("/scheduler/prediction_type").is_none() {
        let text = format!(
            "{name}: Stable Diffusion 2 files do not say whether they predict noise or velocity; noise is assumed. \
             The denoised image of a 768-pixel model needs \
             {{\"scheduler\": {{\"prediction_type\": \"v_prediction\"}}}} in a JSON file of the same stem"
        );
        job.logger().warn("diffusion", &text);
    }
    let parts = Parts {
        unet: UnetConfig::from_json(&merged(shapes.unet, "unet")?).map_err(advice)?,
        vae: VaeConfig::from_json(&merged(shapes.vae, "vae")?).map_err(advice)?,
        text: TextConfig::from_json(&merged(shapes.text, "text_encoder")?).map_err(advice)?,
        padding: if shapes.second {
            Padding::Zero
        } else {
            Padding::EndToken
        },
        schedule,
    };
    let device = options.device;
    let layers = parts.unet.layers(0);
    let up = parts.unet.clone();
    let up_attention = |block: i64| up.up_has_attention(block.max(0) as usize);
    let named =
        |prefix: &str, theirs: Option<String>, name: &str| [format!("{prefix}{}", theirs.as_deref().unwrap_or(name))];
    let unet_fetch = &mut |name: &str, shape: &[i64]| {
        job.check()?;
        let theirs = compvis::unet_name(name, layers, &up_attention);
        files.tensor(&named(compvis::UNET, theirs, name), shape, options.kind, device)
    };
    let vae_fetch = &mut |name: &str, shape: &[i64]| {
        job.check()?;
        files.tensor(
            &named(compvis::VAE, compvis::vae_name(name), name),
            shape,
            Kind::Float,
            device,
        )
    };
    let clip = compvis::clip_prefix(&files);
    let text_fetch = &mut |name: &str, shape: &[i64]| {
        job.check()?;
        if shapes.second {
            compvis::openclip_tensor(&files, name, shape, Kind::Float, device)
        } else {
            files.tensor(&[format!("{clip}{name}")], shape, Kind::Float, device)
        }
    };
    assemble(parts, unet_fetch, vae_fetch, text_fetch, options, job)
}

/// The first convolution of a U-Net.
const INPUT_WEIGHT: &str = "conv_in.weight";

/// The text encoder comes first and is dropped before the larger parts are read.
fn assemble(
    mut parts: Parts,
    unet: &mut FetchTensor,
    vae: &mut FetchTensor,
    text: &mut FetchTensor,
    options: &LoadOptions,
    job: &Job,
) -> Result<DiffusionModel> {
    let _guard = tch::no_grad_guard();
    let text_width = parts.text.hidden_size;
    let expected = match parts.unet.cross_attention_dim {
        Some(width) if width == text_width => None,
        Some(width) => Some(format!("width {width}")),
        None => Some("no text".to_owned()),
    };
    if let Some(expected) = expected {
        return Err(Error::format(
            "model",
            format_args!(
                "text_encoder's hidden_size is {text_width}, the U-Net's cross_attention_dim expects {expected}"
            ),
        ));
    }
    let latent = parts.vae.latent_channels;
    let inpaints = parts.unet.in_channels == 2 * latent + 1;
    if inpaints {
        parts.unet.in_channels = latent;
    }
    if latent != parts.unet.in_channels {
        return Err(Error::format(
            "model",
            format_args!(
                "the autoencoder makes {latent} channels, the U-Net takes {}",
                parts.unet.in_channels
            ),
        ));
    }
    let context: Tensor = embed_empty_prompt(&parts.text, parts.padding, options.device, text, job)?;
    let encoder = VaeEncoder::from_tensors(&parts.vae, vae)?;
    let unet = Unet::from_tensors(&parts.unet, &mut |name, shape| {
        if !(inpaints && name == INPUT_WEIGHT) {
            return unet(name, shape);
        }
        // Beside the latent an inpainting model sees a mask and a masked latent; as zeros they add nothing.
        let mut stored = shape.to_vec();
        stored[1] = 2 * latent + 1;
        Ok(unet(name, &stored)?.f_narrow(1, 0, latent)?.f_contiguous()?)
    })?;
    let version = if parts.unet.use_linear_projection { 2 } else { 1 };
    let config = ModelConfig {
        name: format!("Stable Diffusion {version}"),
        unet: parts.unet,
        schedule: parts.schedule,
        latent_mode: LatentMode::Noised,
        voxel_nm: None,
        structures: Vec::new(),
        pixels_per_token: parts.vae.factor(),
    };
    let context = context.f_to_kind(options.kind)?;
    DiffusionModel::assemble(
        config,
        unet,
        LatentEncoder::Vae(Box::new(encoder)),
        Some(context),
        options,
    )
}

/// Present and early diffusers names of an autoencoder tensor: the attention's were renamed.
pub(super) fn vae_names(name: &str) -> Vec<String> {
    const ATTENTION: &str = ".mid_block.attentions.0.";
    let renamed = || {
        let (half, rest) = name.split_once(ATTENTION)?;
        let (module, leaf) = rest.rsplit_once('.')?;
        let old = match module {
            "to_q" => "query",
            "to_k" => "key",
            "to_v" => "value",
            "to_out.0" => "proj_attn",
            _ => return None,
        };
        Some(format!("{half}{ATTENTION}{old}.{leaf}"))
    };
    std::iter::once(name.to_owned()).chain(renamed()).collect()
}

/// What is in the name of a component's files, before the ending: full precision comes first.
const VARIANTS: [&str; 3] = ["", ".fp16", ".bf16"];

/// Weights of one component: `STEM.safetensors`, else `STEM.fp16.safetensors` or `STEM.bf16.safetensors`, else the
/// shards of `STEM.safetensors.index.json`, with `.fp16` or `.bf16` before the ending too.
pub(super) fn component_files(folder: &Path, stem: &str) -> Result<WeightFiles<'static>> {
    let shown = folder.display().to_string();
    let existing = |name: String| Some(folder.join(name)).filter(|file| file.is_file());
    for variant in VARIANTS {
        if let Some(file) = existing(format!("{stem}{variant}.safetensors")) {
            return Ok(WeightFiles::new(&shown, vec![TensorFile::map(&file)?]));
        }
    }
    for variant in VARIANTS {
        let Some(index) = existing(format!("{stem}.safetensors.index{variant}.json")) else {
            continue;
        };
        let json = read_json(&index)?;
        let table = json.get("weight_map").and_then(Value::as_object);
        let table = table.ok_or_else(|| Error::format(index.display(), "has no table weight_map"))?;
        let mut shards: Vec<&str> = table.values().filter_map(Value::as_str).collect();
        shards.sort_unstable();
        shards.dedup();
        let files = shards.iter().map(|shard| TensorFile::map(&folder.join(shard)));
        return Ok(WeightFiles::new(&shown, files.collect::<Result<_>>()?));
    }
    for pickle in ["diffusion_pytorch_model.bin", "pytorch_model.bin"] {
        let file = folder.join(pickle);
        if file.is_file() {
            // Fails with the advice on how to convert it.
            TensorFile::map(&file)?;
        }
    }
    Err(Error::format(
        shown,
        format_args!("has no {stem}.safetensors (nor .fp16 or .bf16 before the ending) and no index of shards"),
    ))
}

/// Padding of the prompt: as the tokenizer's settings say, else as is usual with the activation (OpenCLIP pads with 0).
fn folder_padding(path: &Path, text: &TextConfig) -> Result<Padding> {
    let file = path.join("tokenizer/special_tokens_map.json");
    if file.is_file() {
        let json = read_json(&file)?;
        let token = json
            .get("pad_token")
            .and_then(|t| t.as_str().or_else(|| t.get("content")?.as_str()));
        match token {
            Some("!") => return Ok(Padding::Zero),
            Some("<|endoftext|>") => return Ok(Padding::EndToken),
            _ => {}
        }
    }
    Ok(match text.hidden_act {
        Activation::Gelu => Padding::Zero,
        Activation::QuickGelu => Padding::EndToken,
    })
}

fn schedule_from_json(json: &Value) -> Result<ScheduleConfig> {
    let table = json
        .as_object()
        .ok_or_else(|| Error::format("scheduler config", "is not a JSON object"))?;
    let fixed: &[(&str, &[&str])] = &[
        ("prediction_type", &["\"epsilon\"", "\"v_prediction\""]),
        ("rescale_betas_zero_snr", &["false"]),
        ("trained_betas", &["null"]),
    ];
    refuse_other_values("scheduler", table, fixed)?;
    serde_json::from_value(json.clone()).map_err(|e| Error::format("scheduler config", e))
}

/// Largest settings file that is read; real ones have a few kilobytes, an index of shards a few hundred.
const JSON_LIMIT: u64 = 16 << 20;

fn read_json(path: &Path) -> Result<Value> {
    let file = File::open(path).map_err(|e| Error::io("opening", path, e))?;
    let mut text = String::new();
    file.take(JSON_LIMIT)
        .read_to_string(&mut text)
        .map_err(|e| Error::io("reading", path, e))?;
    serde_json::from_str(&text).map_err(|e| Error::format(path.display(), format_args!("is not valid JSON: {e}")))
}
