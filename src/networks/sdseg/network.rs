//! The network as predictors see it: an image in, probabilities of its one output out.
use tch::{Kind, Tensor};

use super::names::{ENCODER, FIRST_STAGE, SCALE, UNET};
use super::{Conditioning, SdSegConfig};
use crate::diffusion::{Dropout, LdmUnet, NoiseSchedule, VaeDecoder, VaeEncoder, VisionEncoder};
use crate::networks::blend::{starts, tent};
use crate::networks::segmentation::crop;
use crate::networks::{Activation, Logits, Pass, Reach, Sampled, Sampling, SegmentationNetwork};
use crate::runtime::{Error, Job, Result};
use crate::tensors::term;
use crate::weights::{FetchTensor, Scope};

/// Widest U-Net of which several windows go through at once: wider ones fill the processor with one.
const SEVERAL_UP_TO: i64 = 96;

/// Windows at once.
const SEVERAL: i64 = 4;

/// Whether gradients move the tensor `name`: the autoencoder is frozen, its scale is measured.
pub(in crate::networks) fn is_trained(config: &SdSegConfig, name: &str) -> bool {
    name.starts_with(UNET) || (name.starts_with(ENCODER) && !config.frozen_encoder)
}

/// The network's weights.
pub struct SdSeg {
    pub(super) config: SdSegConfig,
    pub(super) unet: LdmUnet,
    pub(super) encoder: VisionEncoder,
    pub(super) mask_encoder: VaeEncoder,
    pub(super) mask_decoder: VaeDecoder,
    /// Factor of the autoencoder's latents; 0 before it is measured.
    pub(super) scale: Tensor,
    pub(super) schedule: NoiseSchedule,
}

/// `x` [B, C, h, w] with its channels side by side in memory: convolutions of a processor then lay nothing out anew,
/// which at the published size saves a seventh of the autoencoder's time and up to half of the U-Net's.
pub(super) fn channels_last(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])?)
}

/// The image as the U-Net's condition.
pub(super) struct Condition {
    pub(super) latent: Tensor,
    tokens: Option<Tensor>,
}

impl SdSeg {
    /// A network whose tensors are what `fetch(name, shape)` returns. They are shared, not copied.
    ///
    /// Errors: a configuration out of range; whatever `fetch` fails with; a tensor of another shape.
    pub fn from_tensors(config: &SdSegConfig, fetch: &mut FetchTensor) -> Result<Self> {
        Self::build(config, Scope::root(fetch))
    }

    pub(in crate::networks) fn build(config: &SdSegConfig, mut root: Scope) -> Result<Self> {
        config.validate()?;
        let within = |prefix: &'static str| prefix.trim_end_matches('.');
        Ok(Self {
            unet: LdmUnet::build(&config.unet, root.enter(within(UNET)))?,
            encoder: VisionEncoder::build(&config.encoder, root.enter(within(ENCODER)))?,
            mask_encoder: VaeEncoder::build(&config.first_stage, root.enter(within(FIRST_STAGE)))?,
            mask_decoder: VaeDecoder::build(&config.first_stage, root.enter(within(FIRST_STAGE)))?,
            scale: root.tensor(SCALE, &[])?,
            schedule: NoiseSchedule::new(&config.schedule)?,
            config: config.clone(),
        })
    }

    /// The hyper-parameters.
    pub fn config(&self) -> &SdSegConfig {
        &self.config
    }

    /// The noise schedule.
    pub fn schedule(&self) -> &NoiseSchedule {
        &self.schedule
    }

    /// Factor of the latents. Errors: [`Error::State`] before a training has measured it.
    pub fn scale_factor(&self) -> Result<f64> {
        let scale = self.scale.f_double_value(&[])?;
        if scale.is_finite() && scale > 0.0 {
            return Ok(scale);
        }
        Err(Error::State(format!(
            "the scale of the latents is {scale}: this network has not been trained"
        )))
    }

    /// The U-Net's condition [B, C, h, w], not scaled, of `image` [B, 1 or channels, H, W].
    pub fn condition(&self, image: &Tensor, job: &Job) -> Result<Tensor> {
        Ok(self.conditioned(&channels_last(image)?, &mut Ok, job)?.latent)
    }

    pub(super) fn conditioned(&self, image: &Tensor, dropout: &mut Dropout, job: &Job) -> Result<Condition> {
        let latent = self.encoder.forward(image, dropout, job)?;
        let tokens = match self.config.conditioning {
            Conditioning::Concatenation => None,
            Conditioning::CrossAttention => Some(latent.f_flatten(2, 3)?.f_transpose(1, 2)?.f_contiguous()?),
        };
        Ok(Condition { latent, tokens })
    }

    /// The U-Net's prediction in float32 for `x` [B, c, h, w] at the timesteps `t`, int64 [B].
    pub(super) fn predict(
        &self,
        x: &Tensor,
        t: &Tensor,
        condition: &Condition,
        dropout: &mut Dropout,
        job: &Job,
    ) -> Result<Tensor> {
        let prediction = match &condition.tokens {
            Some(tokens) => self.unet.forward(x, t, Some(tokens), dropout, job)?,
            None => {
                let both = Tensor::f_cat(&[x, &condition.latent.f_to_kind(x.f_kind()?)?], 1)?;
                self.unet.forward(&both, t, None, dropout, job)?
            }
        };
        Ok(prediction.f_to_kind(Kind::Float)?)
    }

    /// The U-Net's prediction for the noisy latent `x` [B, c, h, w] of images whose condition is `condition`
    /// ([`SdSeg::condition`]), at the timestep `t`.
    ///
    /// Errors: shapes that do not fit; a timestep that is none; cancel.
    pub fn prediction(&self, x: &Tensor, condition: &Tensor, t: i64, job: &Job) -> Result<Tensor> {
        self.schedule.alpha_cumprod(t)?;
        let batch = x.size().first().copied().unwrap_or(0);
        let times = Tensor::f_full([batch], t, (Kind::Int64, x.device()))?;
        let tokens = match self.config.conditioning {
            Conditioning::Concatenation => None,
            Conditioning::CrossAttention => Some(condition.f_flatten(2, 3)?.f_transpose(1, 2)?.f_contiguous()?),
        };
        let condition = Condition {
            latent: channels_last(condition)?,
            tokens,
        };
        self.predict(&channels_last(x)?, &times, &condition, &mut Ok, job)
    }

    /// The mask of a clean, scaled latent `z` [B, c, h, w] as the autoencoder draws it, black -1 and white 1: [B,
    /// channels, H, W].
    pub fn draw(&self, z: &Tensor, job: &Job) -> Result<Tensor> {
        let z = channels_last(&(term(z) * (1.0 / self.scale_factor()?)).tensor()?)?;
        Ok(self.mask_decoder.reconstruct(&z, job)?.f_to_kind(Kind::Float)?)
    }

    /// Probabilities [B, 1, H, W] of `x` [B, channels, H, W], of one window's extent at most, from each noise of
    /// `sampling` in turn.
    fn samples(&self, x: &Tensor, sampling: &Sampling, job: &Job) -> Result<Sampled> {
        let condition = self.conditioned(&channels_last(x)?, &mut Ok, job)?;
        let (mut sum, mut squares): (Option<Tensor>, Option<Tensor>) = (None, None);
        let add = |sum: Option<Tensor>, sample: Tensor| match sum {
            Some(sum) => (term(sum) + sample).tensor(),
            None => Ok(sample),
        };
        for sample in 0..sampling.samples {
            let latent = self.sampled(&condition, sampling, sample, job)?;
            // Each channel is cut to 0..=1 before they are averaged.
            let channels = Activation::Picture.probabilities(&self.draw(&latent, job)?)?;
            let probability = channels.f_mean_dim([1].as_slice(), true, Kind::Float)?;
            if sampling.samples > 1 {
                squares = Some(add(squares, probability.f_square()?)?);
            }
            sum = Some(add(sum, probability)?);
        }
        let count = f64::from(sampling.samples.max(1));
        let sum = sum.ok_or_else(|| Error::argument("samples", 0, "must be 1..=1000"))?;
        Ok(Sampled {
            mean: sum.f_div_scalar(count)?,
            squares: squares.map(|squares| squares.f_div_scalar(count)).transpose()?,
        })
    }

    /// The same of slices of any extent, as few windows at a time as the U-Net's size asks for, blended where there are
    /// several.
    fn blended(&self, x: &Tensor, sampling: &Sampling, job: &Job) -> Result<Sampled> {
        let (batch, _, rows, columns) = x.size4()?;
        let divisor = self.config.divisor();
        let window = (self.config.window + divisor - 1) / divisor * divisor;
        let take = [1, rows.min(window), columns.min(window)];
        let at_once = if self.config.unet.model_channels <= SEVERAL_UP_TO {
            SEVERAL
        } else {
            1
        };
        let tent = tent(take)?.f_to_device(x.device())?;
        let mut parts = Vec::new();
        for first in (0..batch).step_by(at_once as usize) {
            let x = x.f_narrow(0, first, at_once.min(batch - first))?;
            if rows <= window && columns <= window {
                parts.push(self.samples(&x, sampling, job)?);
                continue;
            }
            let empty = || Tensor::f_zeros([x.size()[0], 1, rows, columns], (Kind::Float, x.device()));
            let (sums, total) = ([empty()?, empty()?], empty()?);
            for &y in &starts(rows, window) {
                for &left in &starts(columns, window) {
                    let cut = |whole: &Tensor| whole.f_narrow(2, y, take[1])?.f_narrow(3, left, take[2]);
                    let sampled = self.samples(&cut(&x)?.f_contiguous()?, sampling, job)?;
                    for (sum, part) in sums.iter().zip([Some(&sampled.mean), sampled.squares.as_ref()]) {
                        if let Some(part) = part {
                            let _ = cut(sum)?.f_add_(&part.f_mul(&tent)?)?;
                        }
                    }
                    let _ = cut(&total)?.f_add_(&tent)?;
                }
            }
            let [mean, squares] = &sums;
            parts.push(Sampled {
                mean: mean.f_div(&total)?,
                squares: match sampling.samples > 1 {
                    true => Some(squares.f_div(&total)?),
                    false => None,
                },
            });
        }
        let means: Vec<&Tensor> = parts.iter().map(|part| &part.mean).collect();
        let squares: Vec<&Tensor> = parts.iter().filter_map(|part| part.squares.as_ref()).collect();
        Ok(Sampled {
            mean: Tensor::f_cat(&means, 0)?,
            squares: match squares.is_empty() {
                true => None,
                false => Some(Tensor::f_cat(&squares, 0)?),
            },
        })
    }
}

impl SegmentationNetwork for SdSeg {
    fn dimensions(&self) -> usize {
        2
    }

    fn input_channels(&self) -> i64 {
        self.config.encoder.in_channels
    }

    fn outputs(&self) -> &[String] {
        &self.config.outputs
    }

    fn activation(&self) -> Activation {
        Activation::Picture
    }

    fn divisor(&self) -> i64 {
        self.config.divisor()
    }

    fn reach(&self) -> Reach {
        Reach::Slice(self.config.window)
    }

    fn draws(&self) -> bool {
        true
    }

    /// Grey slices serve a network of pictures in colour.
    fn check(&self, x: &Tensor) -> Result<()> {
        let (size, channels, divisor) = (x.size(), self.input_channels(), self.divisor());
        let fits = |n: i64| n > 0 && n % divisor == 0;
        match size[..] {
            [batch, planes, rows, columns]
                if batch > 0 && (planes == 1 || planes == channels) && fits(rows) && fits(columns) =>
            {
                Ok(())
            }
            _ => {
                let allowed = format!("must be [B, 1 or {channels}, y, x] with extents that {divisor} divides");
                Err(Error::argument("input", format!("{size:?}"), &allowed))
            }
        }
    }

    fn forward(&self, x: &Tensor, pass: &mut Pass, job: &Job) -> Result<Logits> {
        if pass.is_training() {
            let text = "SDSeg learns by its own objective, not by logits".to_owned();
            return Err(Error::Unsupported(text));
        }
        self.check(x)?;
        let probability = self.blended(x, &Sampling::default(), job)?.mean;
        Ok(Logits {
            main: (2.0 * term(probability) - 1.0).tensor()?,
            deep: Vec::new(),
        })
    }

    fn sample(&self, x: &Tensor, margin: [(i64, i64); 3], sampling: &Sampling, job: &Job) -> Result<Sampled> {
        self.check(x)?;
        sampling.validate(true)?;
        let sampled = self.blended(x, sampling, job)?;
        Ok(Sampled {
            mean: crop(&sampled.mean, margin)?,
            squares: sampled.squares.map(|squares| crop(&squares, margin)).transpose()?,
        })
    }

    fn objective(
        &self,
        (image, truth, weight): (&Tensor, &Tensor, &Tensor),
        pass: &mut Pass,
        job: &Job,
    ) -> Result<Option<Tensor>> {
        self.loss(image, truth, weight, pass, job).map(Some)
    }
}
