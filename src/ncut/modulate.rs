//! EmerDiff's second step (Namekata et al., ICLR 2024, section 3.2): from clusters of tokens to pixels by modulated
//! denoising.
use tch::{Kind, Tensor};

use crate::diffusion::{DiffusionModel, LatentDraw, LatentEncoder, Modulation, VaeDecoder};
use crate::image::gaussian_f32;
use crate::runtime::{Error, Generator, Job, Result, Stage};
use crate::tensors::{from_array, to_array};

use super::assign::one_hot;
use super::options::NcutOptions;
use super::partition::Division;
use super::pass::query_layer;

/// Share of the work that the decoder takes.
const DECODING_SHARE: f64 = 0.1;

/// Refuses a model whose images cannot be denoised under modulation, before any work.
pub(super) fn check_model(model: &DiffusionModel, options: &NcutOptions) -> Result<()> {
    let config = model.config();
    let has_text = config.unet.cross_attention_dim.is_some();
    if has_text && matches!(model.encoder(), LatentEncoder::Vae(_)) {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "{} with {}: modulated denoising needs Stable Diffusion, its attention to a text and its autoencoder; \
         emerdiff_kmeans goes without",
        options.preset.name(),
        config.name
    )))
}

/// Gives `clusters` scores at every pixel of `image` [1, channels, H, W] as the model sees it: d_k = |I_k- - I_k+| over
/// the colours, smoothed, of the two images whose tokens of cluster k were pushed down and up.
///
/// `stream` numbers the image. Time: 2 K denoisings and
/// 2 K decodings. Memory: the scores, K H W float32, and a decoder.
///
/// # Errors
/// A model opened from memory; a layer of another grid than the features'; cancel.
pub(super) fn modulate(
    model: &DiffusionModel,
    image: &Tensor,
    clusters: &mut Division,
    options: &NcutOptions,
    stream: u64,
    job: &Job,
) -> Result<()> {
    let unet = &model.config().unet;
    let queries = options.layer.unwrap_or(query_layer(unet));
    let level = unet.attention_levels().get(queries).copied().unwrap_or(0);
    // The last of a block's layers: it has one more on the way up than on the way down.
    let last = queries + (unet.layers(level) * unet.transformer_depth(level)).max(0) as usize;
    let modulation = Modulation {
        timestep: options.modulation_timestep,
        steps: options.modulation_steps,
        strength: options.modulation_strength,
        layer: options.modulation_layer.unwrap_or(last),
    };
    let decoder = model.open_decoder(job)?;
    job.enter(Stage::Encode)?;
    let mut generator = Generator::new(options.seed, stream);
    let latent = model.encode(image, LatentDraw::Mean, &mut generator, job)?;
    let count = clusters.means.size2()?.0;
    let masks = one_hot(&clusters.tokens, count as usize, model.device())?;
    let span = job.span();
    let middle = span.end - DECODING_SHARE * (span.end - span.start);
    job.set_span(span.start..middle);
    // The first noise, of the smallest timestep, is that of the pass at timestep 1 that gave the features.
    let noise = &mut || generator.normal_tensor(&latent.size(), model.device());
    let pushed = model.modulated(&latent, &masks, &modulation, noise, job)?;
    job.set_span(middle..span.end);
    let mut planes = Vec::new();
    for cluster in 0..count {
        let difference = difference(&decoder, &pushed, cluster, count, job)?;
        planes.push(smoothed(&difference, options.modulation_sigma)?);
        job.advance((cluster + 1) as f64 / count as f64)?;
    }
    job.set_span(span);
    let (rows, cols) = planes.first().map(Tensor::size2).transpose()?.unwrap_or((0, 0));
    clusters.scores = Tensor::f_stack(&planes, 0)?.f_view([count, rows * cols])?;
    clusters.score_grid = Some((rows as usize, cols as usize));
    Ok(())
}

/// Length over the colours of the difference between both images of a cluster, [H, W].
fn difference(decoder: &VaeDecoder, pushed: &Tensor, cluster: i64, count: i64, job: &Job) -> Result<Tensor> {
    let both = Tensor::f_cat(
        &[pushed.f_narrow(0, cluster, 1)?, pushed.f_narrow(0, count + cluster, 1)?],
        0,
    )?;
    let images = decoder.decode(&both, job)?;
    let difference = images.f_select(0, 0)?.f_sub(&images.f_select(0, 1)?)?;
    Ok(difference
        .f_square()?
        .f_sum_dim_intlist([0_i64].as_slice(), false, Kind::Float)?
        .f_sqrt()?)
}

fn smoothed(plane: &Tensor, sigma: f64) -> Result<Tensor> {
    let array = to_array(plane)?;
    from_array(gaussian_f32(array.view(), sigma).view())
}
