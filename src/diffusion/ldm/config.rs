//! Settings of the latent-diffusion U-Net, in the words of its configuration files.
use serde::{Deserialize, Serialize};

use crate::runtime::{Error, Result};

/// Architecture of an [`super::LdmUnet`]: `use_scale_shift_norm` and `resblock_updown` are on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LdmUnetConfig {
    /// Channels that come in: the latent's and, where it is concatenated, the condition's.
    pub in_channels: i64,
    /// Channels of the prediction.
    pub out_channels: i64,
    /// Width of the finest level.
    pub model_channels: i64,
    /// Residual blocks per level on the way down; one more on the way up.
    pub num_res_blocks: i64,
    /// Width of each level relative to the finest, finest first.
    pub channel_mult: Vec<i64>,
    /// Downsampling factors at which there is attention; in the middle there always is.
    pub attention_resolutions: Vec<i64>,
    /// Attention heads.
    pub num_heads: i64,
    /// Groups of every group norm.
    pub norm_num_groups: i64,
    /// Width of the tokens that cross-attention sees; null: attention over the pixels alone, without a transformer.
    pub context_dim: Option<i64>,
    /// Share of features that a residual block drops in training, 0..1.
    pub dropout: f64,
}

impl Default for LdmUnetConfig {
    /// SDSeg's published network: 294,973,828 parameters.
    fn default() -> Self {
        Self {
            in_channels: 8,
            out_channels: 4,
            model_channels: 192,
            num_res_blocks: 2,
            channel_mult: vec![1, 2, 2, 4, 4],
            attention_resolutions: vec![1, 2, 4, 8],
            num_heads: 8,
            norm_num_groups: 32,
            context_dim: None,
            dropout: 0.2,
        }
    }
}

impl LdmUnetConfig {
    /// Refuses settings that are out of range or do not fit each other, by name.
    pub fn validate(&self) -> Result<()> {
        for (name, value, most) in [
            ("in_channels", self.in_channels, 4096),
            ("out_channels", self.out_channels, 4096),
            ("model_channels", self.model_channels, 4096),
            ("num_res_blocks", self.num_res_blocks, 32),
            ("num_heads", self.num_heads, 4096),
            ("norm_num_groups", self.norm_num_groups, 4096),
            ("context_dim", self.context_dim.unwrap_or(1), 1 << 16),
        ] {
            if !(1..=most).contains(&value) {
                return Err(invalid(name, value, &format!("must be 1..={most}")));
            }
        }
        let widths = &self.channel_mult;
        if !(1..=8).contains(&widths.len()) || widths.iter().any(|m| !(1..=64).contains(m)) {
            return Err(invalid(
                "channel_mult",
                format_args!("{widths:?}"),
                "must be 1..=8 factors of 1..=64",
            ));
        }
        if self.model_channels % 2 != 0 {
            return Err(invalid("model_channels", self.model_channels, "must be even"));
        }
        for width in self.channel_mult.iter().map(|m| m * self.model_channels) {
            if width % self.num_heads != 0 {
                let allowed = format!("must divide the level's {width} channels");
                return Err(invalid("num_heads", self.num_heads, &allowed));
            }
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(invalid("dropout", self.dropout, "must be at least 0 and below 1"));
        }
        Ok(())
    }

    /// Pixels along a side that become one at the coarsest level.
    pub fn factor(&self) -> i64 {
        1 << (self.channel_mult.len().max(1) - 1)
    }
}

fn invalid(name: &str, value: impl std::fmt::Display, allowed: &str) -> Error {
    Error::format(
        "latent-diffusion U-Net config",
        format_args!("{name} is {value}, {allowed}"),
    )
}
