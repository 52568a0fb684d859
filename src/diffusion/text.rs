//! CLIP text encoder (Radford et al. 2021; OpenCLIP for SD 2), run once on the empty prompt and then dropped.
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::{Device, Tensor};

use crate::runtime::{Error, Job, Result};
use crate::tensors::term;
use crate::weights::{FetchTensor, LayerNorm, Linear, Scope};

/// Activation of the feed-forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// x sigmoid(1.702 x): OpenAI's CLIP, SD 1.
    QuickGelu,
    /// Exact gelu: OpenCLIP, SD 2.
    Gelu,
}

/// Token that fills the prompt up after the end token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// The end token again (SD 1).
    EndToken,
    /// Token 0, "!" (SD 2).
    Zero,
}

/// Architecture of a `CLIPTextModel`, in the words of transformers' `config.json`; absent keys have its defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TextConfig {
    /// Number of tokens known; the last two are "start" and "end" in every CLIP.
    pub vocab_size: i64,
    /// Width.
    pub hidden_size: i64,
    /// Width inside the feed-forward.
    pub intermediate_size: i64,
    /// Layers that are run. SD 2 runs one less than its OpenCLIP has.
    pub num_hidden_layers: i64,
    /// Heads.
    pub num_attention_heads: i64,
    /// Length of every prompt in tokens.
    pub max_position_embeddings: i64,
    /// Activation.
    pub hidden_act: Activation,
    /// Epsilon of the layer norms.
    pub layer_norm_eps: f64,
}

impl Default for TextConfig {
    fn default() -> Self {
        Self {
            vocab_size: 49408,
            hidden_size: 512,
            intermediate_size: 2048,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
        }
    }
}

impl TextConfig {
    /// Reads transformers' `config.json`.
    pub fn from_json(json: &Value) -> Result<Self> {
        let config: Self = serde_json::from_value(json.clone()).map_err(|e| Error::format("text encoder config", e))?;
        let limits = [
            ("vocab_size", config.vocab_size, 3..=1 << 20),
            ("hidden_size", config.hidden_size, 1..=1 << 16),
            ("intermediate_size", config.intermediate_size, 1..=1 << 18),
            ("num_hidden_layers", config.num_hidden_layers, 1..=256),
            ("num_attention_heads", config.num_attention_heads, 1..=1 << 16),
            ("max_position_embeddings", config.max_position_embeddings, 3..=1 << 14),
        ];
        for (name, value, allowed) in limits {
            if !allowed.contains(&value) {
                let detail = format!("{name} is {value}, must be {allowed:?}");
                return Err(Error::format("text encoder config", detail));
            }
        }
        if config.hidden_size % config.num_attention_heads != 0 {
            let (heads, width) = (config.num_attention_heads, config.hidden_size);
            let detail = format!("num_attention_heads is {heads}, must divide hidden_size {width}");
            return Err(Error::format("text encoder config", detail));
        }
        Ok(config)
    }
}

/// One layer: causal self-attention and feed-forward, each after a layer norm and added to its input.
struct Layer {
    layer_norm1: LayerNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    layer_norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

impl Layer {
    fn new(mut scope: Scope, config: &TextConfig) -> Result<Self> {
        let (c, inner, eps) = (config.hidden_size, config.intermediate_size, config.layer_norm_eps);
        let mut linear = |name: &str, from, to| Linear::new(scope.enter(name), from, to, true);
        Ok(Self {
            q_proj: linear("self_attn.q_proj", c, c)?,
            k_proj: linear("self_attn.k_proj", c, c)?,
            v_proj: linear("self_attn.v_proj", c, c)?,
            out_proj: linear("self_attn.out_proj", c, c)?,
            fc1: linear("mlp.fc1", c, inner)?,
            fc2: linear("mlp.fc2", inner, c)?,
            layer_norm1: LayerNorm::new(scope.enter("layer_norm1"), c, eps)?,
            layer_norm2: LayerNorm::new(scope.enter("layer_norm2"), c, eps)?,
        })
    }

    fn forward(&self, x: &Tensor, config: &TextConfig) -> Result<Tensor> {
        let (batch, tokens, channels) = x.size3()?;
        let heads = config.num_attention_heads;
        let split = |x: Tensor| x.f_reshape([batch, tokens, heads, channels / heads])?.f_transpose(1, 2);
        let normed = self.layer_norm1.forward(x)?;
        let mixed = Tensor::f_scaled_dot_product_attention(
            &split(self.q_proj.forward(&normed)?)?,
            &split(self.k_proj.forward(&normed)?)?,
            &split(self.v_proj.forward(&normed)?)?,
            None::<&Tensor>,
            0.0,
            true,
            None,
            false,
        )?;
        let mixed = mixed.f_transpose(1, 2)?.f_reshape([batch, tokens, channels])?;
        let x = (term(x) + self.out_proj.forward(&mixed)).tensor()?;
        let inner = self.fc1.forward(&self.layer_norm2.forward(&x)?)?;
        let inner = match config.hidden_act {
            Activation::QuickGelu => (term(&inner) * (1.702 * term(&inner)).map(Tensor::f_sigmoid)).tensor()?,
            Activation::Gelu => inner.f_gelu("none")?,
        };
        (term(x) + self.fc2.forward(&inner)).tensor()
    }
}

/// Embedding [1, 77, D] of the empty prompt, the last hidden state after the final norm. `fetch` knows the tensors by
/// their names in transformers, without a leading `text_model.`; one layer at a time is in memory.
pub(super) fn embed_empty_prompt(
    config: &TextConfig,
    padding: Padding,
    device: Device,
    fetch: &mut FetchTensor,
    job: &Job,
) -> Result<Tensor> {
    let mut scope = Scope::root(fetch);
    let (width, length) = (config.hidden_size, config.max_position_embeddings);
    // "start" and "end" are the two last entries of CLIP's vocabulary; the ids in old config files are wrong (0 and 2).
    let (start, end) = (config.vocab_size - 2, config.vocab_size - 1);
    let fill = match padding {
        Padding::EndToken => end,
        Padding::Zero => 0,
    };
    let mut ids = vec![fill; length.max(2) as usize];
    ids[0] = start;
    ids[1] = end;
    let mut x = {
        let table = scope.tensor("embeddings.token_embedding.weight", &[config.vocab_size, width])?;
        let positions = scope.tensor("embeddings.position_embedding.weight", &[length, width])?;
        let ids = Tensor::f_from_slice(&ids)?.f_to_device(device)?;
        let embedded = term(table.f_index_select(0, &ids)) + positions;
        embedded.tensor()?.f_unsqueeze(0)?
    };
    for i in 0..config.num_hidden_layers {
        job.check()?;
        let layer = Layer::new(scope.enter(format_args!("encoder.layers.{i}")), config)?;
        x = layer.forward(&x, config)?;
    }
    LayerNorm::new(scope.enter("final_layer_norm"), width, config.layer_norm_eps)?.forward(&x)
}
