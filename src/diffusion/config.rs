//! Settings of the U-Net, in the words and with the meaning of diffusers' `unet/config.json`.
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::runtime::{Error, Result};

/// One number for every level, or one per level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerLevel {
    /// The same everywhere.
    Same(i64),
    /// From the finest level to the coarsest.
    Each(Vec<i64>),
}

impl PerLevel {
    fn at(&self, level: usize) -> i64 {
        match self {
            Self::Same(n) => *n,
            Self::Each(list) => list.get(level).copied().unwrap_or(0),
        }
    }

    /// `most` bounds what a file can make this engine build.
    fn check(&self, name: &str, levels: usize, most: i64) -> Result<()> {
        let fits = match self {
            Self::Same(n) => (1..=most).contains(n),
            Self::Each(list) => list.len() == levels && list.iter().all(|n| (1..=most).contains(n)),
        };
        if fits {
            return Ok(());
        }
        Err(invalid(
            name,
            format_args!("{self:?}"),
            &format!("must be 1..={most}, one number or {levels}"),
        ))
    }
}

/// Architecture of a `UNet2DConditionModel`. Absent keys have diffusers' defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnetConfig {
    /// Channels of the latent that comes in.
    pub in_channels: i64,
    /// Channels of the prediction.
    pub out_channels: i64,
    /// Width of each level, finest first.
    pub block_out_channels: Vec<i64>,
    /// Residual blocks per level on the way down; one more on the way up.
    pub layers_per_block: PerLevel,
    /// `CrossAttnDownBlock2D` (with attention) or `DownBlock2D`, finest first.
    pub down_block_types: Vec<String>,
    /// `UpBlock2D` or `CrossAttnUpBlock2D` (with attention), coarsest first.
    pub up_block_types: Vec<String>,
    /// The NUMBER of heads, despite its name (diffusers keeps the old mistake), unless `num_attention_heads` is given.
    pub attention_head_dim: PerLevel,
    /// Number of heads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_attention_heads: Option<PerLevel>,
    /// Transformer blocks per attention.
    pub transformer_layers_per_block: PerLevel,
    /// Width of the text embedding; null: the network has no cross-attention at all.
    pub cross_attention_dim: Option<i64>,
    /// Linear projections around the transformer (SD 2) instead of 1x1 convolutions (SD 1).
    pub use_linear_projection: bool,
    /// Attention logits in float32 whatever the weights are.
    pub upcast_attention: bool,
    /// Groups of every group norm.
    pub norm_num_groups: i64,
    /// Epsilon of the group norms outside the transformers.
    pub norm_eps: f64,
    /// Time embedding starts with the cosines.
    pub flip_sin_to_cos: bool,
    /// Shift of the time embedding's frequencies.
    pub freq_shift: f64,
}

impl Default for UnetConfig {
    fn default() -> Self {
        let names = |list: [&str; 4]| list.map(str::to_owned).to_vec();
        let (down, up) = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D");
        Self {
            in_channels: 4,
            out_channels: 4,
            block_out_channels: vec![320, 640, 1280, 1280],
            layers_per_block: PerLevel::Same(2),
            down_block_types: names([down, down, down, "DownBlock2D"]),
            up_block_types: names(["UpBlock2D", up, up, up]),
            attention_head_dim: PerLevel::Same(8),
            num_attention_heads: None,
            transformer_layers_per_block: PerLevel::Same(1),
            cross_attention_dim: Some(1280),
            use_linear_projection: false,
            upcast_attention: false,
            norm_num_groups: 32,
            norm_eps: 1e-5,
            flip_sin_to_cos: true,
            freq_shift: 0.0,
        }
    }
}

/// Settings that change the network and that exist here in one form only: key, the JSON values that mean that form.
const FIXED: &[(&str, &[&str])] = &[
    ("_class_name", &["\"UNet2DConditionModel\""]),
    ("act_fn", &["\"silu\"", "\"swish\""]),
    ("addition_embed_type", &["null"]),
    ("attention_type", &["\"default\""]),
    ("center_input_sample", &["false"]),
    ("class_embed_type", &["null"]),
    ("class_embeddings_concat", &["false"]),
    ("conv_in_kernel", &["3"]),
    ("conv_out_kernel", &["3"]),
    ("cross_attention_norm", &["null"]),
    ("downsample_padding", &["1"]),
    ("dual_cross_attention", &["false"]),
    ("encoder_hid_dim", &["null"]),
    ("encoder_hid_dim_type", &["null"]),
    ("mid_block_only_cross_attention", &["null", "false"]),
    ("mid_block_scale_factor", &["1", "1.0"]),
    ("mid_block_type", &["\"UNetMidBlock2DCrossAttn\""]),
    ("num_class_embeds", &["null"]),
    ("only_cross_attention", &["null", "false"]),
    ("projection_class_embeddings_input_dim", &["null"]),
    ("resnet_out_scale_factor", &["1", "1.0"]),
    ("resnet_skip_time_act", &["false"]),
    ("resnet_time_scale_shift", &["\"default\""]),
    ("reverse_transformer_layers_per_block", &["null"]),
    ("time_cond_proj_dim", &["null"]),
    ("time_embedding_act_fn", &["null"]),
    ("time_embedding_dim", &["null"]),
    ("time_embedding_type", &["\"positional\""]),
    ("timestep_post_act", &["null"]),
];

/// Keys whose null diffusers takes for false.
const NULL_IS_FALSE: [&str; 2] = ["upcast_attention", "use_linear_projection"];
/// Keys that diffusers takes as one value or as a list of one for each level.
const PER_LEVEL: [&str; 2] = ["only_cross_attention", "cross_attention_dim"];

/// `table` in the one form that is read here: null is false where diffusers takes it so, a list of equal values is that
/// value.
fn as_diffusers_reads(table: &Map<String, Value>) -> Map<String, Value> {
    let mut table = table.clone();
    table.retain(|key, value| !(value.is_null() && NULL_IS_FALSE.contains(&key.as_str())));
    for key in PER_LEVEL {
        let Some(Value::Array(values)) = table.get(key) else {
            continue;
        };
        if let Some(value) = values
            .first()
            .filter(|first| values.iter().all(|value| value == *first))
        {
            let value = value.clone();
            table.insert(key.to_owned(), value);
        }
    }
    table
}

impl UnetConfig {
    /// Reads diffusers' `config.json`. Keys that do not change the network (sample size, versions, dropout) are
    /// ignored.
    ///
    /// Errors: [`Error::Unsupported`] names a setting that this engine does not have, with its value;
    /// [`Error::Format`] a key of the wrong type.
    pub fn from_json(json: &Value) -> Result<Self> {
        let table = json
            .as_object()
            .ok_or_else(|| Error::format("U-Net config", "is not a JSON object"))?;
        let table = as_diffusers_reads(table);
        refuse_other_values("U-Net", &table, FIXED)?;
        let config: Self =
            serde_json::from_value(Value::Object(table)).map_err(|e| Error::format("U-Net config", e))?;
        config.validate()?;
        Ok(config)
    }

    /// Checks that the settings fit each other and this implementation.
    pub fn validate(&self) -> Result<()> {
        let levels = self.block_out_channels.len();
        if !(1..=16).contains(&levels) || self.block_out_channels.iter().any(|c| !(1..=1 << 16).contains(c)) {
            return Err(invalid(
                "block_out_channels",
                format_args!("{:?}", self.block_out_channels),
                "must be 1..=16 widths of 1..=65536",
            ));
        }
        for (name, types, with, without) in [
            (
                "down_block_types",
                &self.down_block_types,
                "CrossAttnDownBlock2D",
                "DownBlock2D",
            ),
            (
                "up_block_types",
                &self.up_block_types,
                "CrossAttnUpBlock2D",
                "UpBlock2D",
            ),
        ] {
            if types.len() != levels {
                return Err(invalid(
                    name,
                    format_args!("{types:?}"),
                    &format!("must have {levels} entries"),
                ));
            }
            if let Some(other) = types.iter().find(|t| *t != with && *t != without) {
                return Err(Error::Unsupported(format!(
                    "U-Net {name} has {other}; {with} and {without} are known"
                )));
            }
        }
        self.layers_per_block.check("layers_per_block", levels, 32)?;
        self.transformer_layers_per_block
            .check("transformer_layers_per_block", levels, 32)?;
        self.head_counts().check("attention_head_dim", levels, 1 << 16)?;
        for level in 0..levels {
            let (channels, heads) = (self.block_out_channels[level], self.heads(level));
            if channels % heads != 0 {
                return Err(invalid(
                    "attention_head_dim",
                    heads,
                    &format!("must divide the level's {channels} channels"),
                ));
            }
        }
        if self.block_out_channels[0] % 2 != 0 {
            return Err(invalid(
                "block_out_channels[0]",
                self.block_out_channels[0],
                "must be even",
            ));
        }
        for (name, value) in [("in_channels", self.in_channels), ("out_channels", self.out_channels)] {
            if !(1..=4096).contains(&value) {
                return Err(invalid(name, value, "must be 1..=4096"));
            }
        }
        if self.cross_attention_dim.is_some_and(|width| width < 1) {
            return Err(invalid(
                "cross_attention_dim",
                format_args!("{:?}", self.cross_attention_dim),
                "must be positive",
            ));
        }
        Ok(())
    }

    /// Width of the time embedding: four times the first level.
    pub fn time_width(&self) -> i64 {
        4 * self.block_out_channels.first().copied().unwrap_or(0)
    }

    /// Number of attention heads at `level`, 0 the finest.
    pub fn heads(&self, level: usize) -> i64 {
        self.head_counts().at(level)
    }

    /// Residual blocks at `level` on the way down.
    pub fn layers(&self, level: usize) -> i64 {
        self.layers_per_block.at(level)
    }

    /// Transformer blocks in each attention of `level`.
    pub fn transformer_depth(&self, level: usize) -> i64 {
        self.transformer_layers_per_block.at(level)
    }

    /// Whether `level` has attention on the way down.
    pub fn down_has_attention(&self, level: usize) -> bool {
        self.down_block_types
            .get(level)
            .is_some_and(|t| t == "CrossAttnDownBlock2D")
    }

    /// Whether block `index` on the way up (0 the coarsest) has attention.
    pub fn up_has_attention(&self, index: usize) -> bool {
        self.up_block_types
            .get(index)
            .is_some_and(|t| t == "CrossAttnUpBlock2D")
    }

    /// Number of self-attention layers: 16 in Stable Diffusion 1 and 2.
    pub fn attention_layers(&self) -> usize {
        let levels = self.block_out_channels.len();
        let mut count = levels.checked_sub(1).map_or(0, |last| self.transformer_depth(last));
        for level in 0..levels {
            let depth = self.transformer_depth(level);
            if self.down_has_attention(level) {
                count += self.layers(level) * depth;
            }
            if self.up_has_attention(levels - 1 - level) {
                count += (self.layers(level) + 1) * depth;
            }
        }
        count.max(0) as usize
    }

    /// Number of self-attention layers on the way down: those of the middle and of the way up follow in execution
    /// order.
    pub fn down_attention_layers(&self) -> usize {
        (0..self.block_out_channels.len())
            .filter(|level| self.down_has_attention(*level))
            .map(|level| (self.layers(level) * self.transformer_depth(level)).max(0) as usize)
            .sum()
    }

    /// Level (0 the finest) of each self-attention layer, in execution order.
    pub fn attention_levels(&self) -> Vec<usize> {
        let levels = self.block_out_channels.len();
        let mut list = Vec::new();
        let mut add = |level: usize, layers: i64| {
            for _ in 0..layers * self.transformer_depth(level) {
                list.push(level);
            }
        };
        (0..levels)
            .filter(|l| self.down_has_attention(*l))
            .for_each(|l| add(l, self.layers(l)));
        if levels > 0 {
            add(levels - 1, 1);
        }
        (0..levels)
            .filter(|index| self.up_has_attention(*index))
            .for_each(|index| add(levels - 1 - index, self.layers(levels - 1 - index) + 1));
        list
    }

    /// Self-attention layers on the way up, by their place in execution order, with their levels.
    pub fn up_attention_levels(&self) -> Vec<(usize, usize)> {
        let last = self.block_out_channels.len().saturating_sub(1);
        let before = self.down_attention_layers() + self.transformer_depth(last).max(0) as usize;
        self.attention_levels().into_iter().enumerate().skip(before).collect()
    }

    fn head_counts(&self) -> &PerLevel {
        self.num_attention_heads.as_ref().unwrap_or(&self.attention_head_dim)
    }
}

/// Fails on the first key of `table` whose value is not one of those that `fixed` lists for it.
pub(super) fn refuse_other_values(
    component: &str,
    table: &serde_json::Map<String, Value>,
    fixed: &[(&str, &[&str])],
) -> Result<()> {
    for (key, allowed) in fixed {
        let Some(value) = table.get(*key) else { continue };
        let text = value.to_string();
        if !allowed.contains(&text.as_str()) {
            let known = allowed.join(" or ");
            return Err(Error::Unsupported(format!(
                "{component} setting {key} is {text}; only {known} is supported"
            )));
        }
    }
    Ok(())
}

fn invalid(name: &str, value: impl std::fmt::Display, allowed: &str) -> Error {
    Error::format("U-Net config", format_args!("{name} is {value}, {allowed}"))
}
