//! The model that is compiled into the library; `models/README.md` says how it was made.
use super::load_options::LoadOptions;
use super::model::DiffusionModel;
use crate::runtime::Result;

/// A static, because a constant is copied into every object file that uses it.
static MODEL: [u8; include_bytes!("../../models/builtin.safetensors").len()] =
    *include_bytes!("../../models/builtin.safetensors");

/// The file `models/builtin.safetensors`: tomocut's single-file form, float16.
pub fn builtin_model_bytes() -> &'static [u8] {
    &MODEL
}

impl DiffusionModel {
    /// The built-in model: matched noise, cells of 2 x 2 voxels, 16 self-attention layers. Needs no download.
    pub fn builtin(options: &LoadOptions) -> Result<Self> {
        Self::from_safetensors_bytes(builtin_model_bytes(), options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::LatentMode;

    #[test]
    fn the_builtin_model_is_small_and_has_the_shape_of_stable_diffusion() {
        assert!(builtin_model_bytes().len() <= 20 << 20);
        let model = DiffusionModel::builtin(&LoadOptions::default()).unwrap();
        let config = model.config();
        assert_eq!(config.unet.attention_layers(), 16);
        assert_eq!(config.unet.block_out_channels.len(), 4);
        assert_eq!(
            (config.pixels_per_token(), config.latent_mode),
            (2, LatentMode::Matched)
        );
    }
}
