//! Attention that knows objects: chosen self-attention layers are asked to keep a token's attention within its class.
use tch::{Kind, Tensor};

use super::{Batch, DenoiserOptions};
use crate::diffusion::{AttentionTap, Structure, Taps, UnetConfig};
use crate::runtime::{Error, Job, Result};
use crate::tensors::term;

/// Layers that are chosen at each of the two finest levels.
const LAYERS_PER_LEVEL: usize = 2;

/// The loss of a layer with the attention P, mean over its heads, and the tokens' classes c: of the mass
/// m_i = sum over j with c_j = c_i of P_ij, the mean over the classes that are there of the mean over their tokens of
/// -log max(m_i, floor). The means over classes keep rare ones from drowning.
pub(super) struct ClassAttention {
    layers: Vec<usize>,
    /// Level of every self-attention layer of the network.
    levels: Vec<usize>,
    /// Places, among the structures of a batch, of those that exclude each other: the classes beside background.
    structures: Vec<i64>,
    /// All structures are one class.
    foreground: bool,
    floor: f64,
}

impl ClassAttention {
    /// What `options` ask for on batches with these `structures`; None where the weight is zero. Errors: layers that
    /// the network does not have; nothing that could be a class.
    pub fn new(options: &DenoiserOptions, structures: &[Structure]) -> Result<Option<Self>> {
        if options.attention_weight == 0.0 {
            return Ok(None);
        }
        let classes: Vec<i64> = (0..)
            .zip(structures)
            .filter(|(_, structure)| **structure != Structure::MoleculeCentre)
            .map(|(place, _)| place)
            .collect();
        if classes.is_empty() {
            let allowed = "must be 0 where no structures are learnt";
            return Err(Error::argument("attention_weight", options.attention_weight, allowed));
        }
        let levels = options.unet.attention_levels();
        let layers = match options.attention_layers.as_slice() {
            [] => layers_of(&options.unet),
            named => named.to_vec(),
        };
        if layers.is_empty() || layers.iter().any(|layer| *layer >= levels.len()) {
            let allowed = format!("must be below {}, at least one of them", levels.len());
            return Err(Error::argument(
                "attention_layers",
                format_args!("{layers:?}"),
                &allowed,
            ));
        }
        Ok(Some(Self {
            layers,
            levels,
            structures: classes,
            foreground: options.attention_foreground,
            floor: options.attention_floor,
        }))
    }

    /// Takes the attention of the chosen layers in one pass of a batch.
    pub fn taps(&self) -> Taps<'_> {
        Taps::of_batch(&self.layers)
    }

    /// Mean of the layers' losses, a scalar.
    pub fn loss(&self, taps: &[AttentionTap], batch: &Batch, job: &Job) -> Result<Tensor> {
        let finest = token_classes(batch, &self.structures, self.foreground)?;
        let mut losses = Vec::with_capacity(taps.len());
        for tap in taps {
            let level = self.levels.get(tap.index).copied().unwrap_or(0);
            let classes = coarser(&finest, 1 << level)?.f_flatten(2, 3)?.f_transpose(1, 2)?;
            losses.push(layer_loss(tap, &classes, self.floor, job)?);
        }
        Ok(Tensor::f_stack(&losses, 0)?.f_mean(None)?)
    }
}

/// On the way up, the last two layers of the finest level with attention and the last two of the next.
fn layers_of(unet: &UnetConfig) -> Vec<usize> {
    let up = unet.up_attention_levels();
    let mut levels: Vec<usize> = up.iter().map(|(_, level)| *level).collect();
    levels.sort_unstable();
    levels.dedup();
    let mut layers: Vec<usize> = levels
        .iter()
        .take(2)
        .flat_map(|level| {
            let on_level = up.iter().rev().filter(move |(_, of)| of == level);
            on_level.map(|(layer, _)| *layer).take(LAYERS_PER_LEVEL)
        })
        .collect();
    layers.sort_unstable();
    layers
}

/// One where a token is of a class, [B, classes, h, w]: class 0 is background, class 1 + k the structure at place
/// `structures[k]`, or any of them with `foreground`. A token is of the structure that most of its voxels are, if more
/// than half of them are of any.
fn token_classes(batch: &Batch, structures: &[i64], foreground: bool) -> Result<Tensor> {
    let (count, _, rows, columns) = batch.structures.size4()?;
    let places = Tensor::f_from_slice(structures)?.f_to_device(batch.structures.device())?;
    let shares = batch
        .structures
        .f_reshape([count, -1, batch.cells.cell_channels(), rows, columns])?
        .f_index_select(1, &places)?
        .f_mean_dim(2, false, Kind::Float)?;
    let is_structure = shares.f_sum_dim_intlist(1, false, Kind::Float)?.f_gt(0.5)?;
    let is_structure = is_structure.f_to_kind(Kind::Int64)?;
    if foreground {
        return marks(&is_structure, 2);
    }
    let class = shares.f_argmax(1, false)?.f_add_scalar(1)?.f_mul(&is_structure)?;
    marks(&class, structures.len() as i64 + 1)
}

/// The classes of tokens of `factor` x `factor` finer ones: of those within, the one that is rarest in the batch.
fn coarser(classes: &Tensor, factor: i64) -> Result<Tensor> {
    if factor == 1 {
        return Ok(classes.shallow_clone());
    }
    let (_, kinds, _, _) = classes.size4()?;
    let counts = classes.f_sum_dim_intlist([0i64, 2, 3].as_slice(), true, Kind::Float)?;
    let within = classes.f_max_pool2d([factor, factor], [factor, factor], [0, 0], [1, 1], true)?;
    let rarity = (term(within) / counts.f_clamp_min(1.0)).tensor()?;
    marks(&rarity.f_argmax(1, false)?, kinds)
}

/// One-hot form of classes [B, h, w], [B, kinds, h, w].
fn marks(class: &Tensor, kinds: i64) -> Result<Tensor> {
    Ok(class
        .f_one_hot(kinds)?
        .f_permute([0, 3, 1, 2])?
        .f_to_kind(Kind::Float)?)
}

/// The loss of one layer whose tokens are of `classes`, one-hot [B, N, classes].
fn layer_loss(tap: &AttentionTap, classes: &Tensor, floor: f64, job: &Job) -> Result<Tensor> {
    let mass = tap.mix(classes, job)?;
    let own = (term(mass) * classes)
        .map(|own| own.f_sum_dim_intlist(2, true, Kind::Float))
        .tensor()?;
    let strayed = own.f_clamp_min(floor)?.f_log()?.f_neg()?;
    let over = [0i64, 1];
    let counts = classes.f_sum_dim_intlist(over.as_slice(), false, Kind::Float)?;
    let sums = (term(strayed) * classes).map(|sum| sum.f_sum_dim_intlist(over.as_slice(), false, Kind::Float));
    let there = counts.f_gt(0.0)?.f_to_kind(Kind::Float)?.f_sum(Kind::Float)?;
    let means = sums / counts.f_clamp_min(1.0)?;
    (means.map(|means| means.f_sum(Kind::Float)) / there).tensor()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denoiser::{small_unet, CELLS, STRUCTURES};
    use crate::diffusion::PerLevel;
    use tch::Device;

    /// A tap whose attention is `heads` [B, heads, N, N]: keys are unit vectors, queries the logarithms, and the
    /// softmax gives the rows back.
    fn tap_of(heads: &Tensor, index: usize, grid: (usize, usize)) -> AttentionTap {
        let size = heads.size();
        let tokens = size[3];
        AttentionTap {
            index,
            name: String::new(),
            grid,
            query: heads.log() * (tokens as f64).sqrt(),
            key: Tensor::eye(tokens, (Kind::Float, Device::Cpu)).expand(&size, false),
            output: None,
            cross_query: None,
        }
    }

    /// One-hot [B, N, 3] of classes.
    fn classes(of: &[&[i64]]) -> Tensor {
        let rows: Vec<Tensor> = of.iter().map(|image| Tensor::from_slice(image)).collect();
        Tensor::stack(&rows, 0).one_hot(3).to_kind(Kind::Float)
    }

    #[test]
    fn the_loss_of_a_known_attention_is_the_closed_form() {
        // Two heads, whose mean is 0.7 0.1 0.1 0.1 / 0.2 0.3 0.3 0.2 / 0.25 x 4 / 0.1 0.2 0.3 0.4.
        let first = [
            0.8f32, 0.1, 0.05, 0.05, 0.1, 0.4, 0.4, 0.1, 0.25, 0.25, 0.25, 0.25, 0.1, 0.2, 0.3, 0.4,
        ];
        let second = [
            0.6f32, 0.1, 0.15, 0.15, 0.3, 0.2, 0.2, 0.3, 0.25, 0.25, 0.25, 0.25, 0.1, 0.2, 0.3, 0.4,
        ];
        let image = Tensor::from_slice(&[first, second].concat()).view([1, 2, 4, 4]);
        let tap = tap_of(&Tensor::cat(&[&image, &image], 0), 0, (2, 2));
        // First image: tokens 0, 1 of class 0, tokens 2, 3 of class 2. Second: token 3 alone of class 2.
        let classes = classes(&[&[0, 0, 2, 2], &[0, 0, 0, 2]]);
        let loss = layer_loss(&tap, &classes, 1e-4, &Job::quiet())
            .unwrap()
            .double_value(&[]);
        let nats = |masses: &[f64]| masses.iter().map(|m| -m.ln()).sum::<f64>() / masses.len() as f64;
        let background = nats(&[0.8, 0.5, 0.9, 0.8, 0.75]);
        let structure = nats(&[0.5, 0.7, 0.4]);
        let expected = (background + structure) / 2.0;
        assert!((loss - expected).abs() < 1e-5, "{loss}, expected {expected}");
        // A floor above a mass takes its place.
        let loss = layer_loss(&tap, &classes, 0.45, &Job::quiet())
            .unwrap()
            .double_value(&[]);
        let expected = (background + nats(&[0.5, 0.7, 0.45])) / 2.0;
        assert!((loss - expected).abs() < 1e-5, "{loss}, expected {expected}");
    }

    #[test]
    fn attention_within_classes_costs_nothing_and_a_step_down_the_gradient_raises_it() {
        let classes = classes(&[&[0, 1, 1, 0, 2, 0]]);
        let same = classes.matmul(&classes.transpose(1, 2));
        let within = (&same + 1e-12) / (&same + 1e-12f64).sum_dim_intlist(-1, true, Kind::Float);
        let loss = layer_loss(&tap_of(&within.unsqueeze(1), 0, (2, 3)), &classes, 1e-4, &Job::quiet()).unwrap();
        assert!(loss.double_value(&[]).abs() < 1e-5);

        let mut gen = crate::runtime::Generator::new(3, 0);
        let mut draw = || {
            gen.normal_tensor(&[1, 2, 6, 8], Device::Cpu)
                .unwrap()
                .set_requires_grad(true)
        };
        let mut tap = tap_of(&within.unsqueeze(1), 0, (2, 3));
        (tap.query, tap.key) = (draw(), draw());
        let own = |tap: &AttentionTap| tap.mix(&classes, &Job::quiet()).unwrap() * &classes;
        let before = own(&tap);
        layer_loss(&tap, &classes, 1e-4, &Job::quiet()).unwrap().backward();
        let step = |tensor: &Tensor| (tensor - tensor.grad() * 0.05).detach();
        (tap.query, tap.key) = (step(&tap.query), step(&tap.key));
        // Mean over classes of the mean over tokens of log mass, which the step must raise.
        let score = |own: Tensor| {
            let logs = own.sum_dim_intlist(-1, true, Kind::Float).log() * &classes;
            let sums = logs.sum_dim_intlist([0i64, 1].as_slice(), false, Kind::Float);
            let counts = classes.sum_dim_intlist([0i64, 1].as_slice(), false, Kind::Float);
            (sums / counts).mean(Kind::Float).double_value(&[])
        };
        let (before, after) = (score(before), score(own(&tap)));
        assert!(after > before + 1e-3, "{before} {after}");
    }

    #[test]
    fn layers_choose_themselves_from_the_architecture() {
        // 6 down, 1 in the middle, 9 up: three each at the levels 2, 1 and 0.
        let mut unet = small_unet([32, 64, 96, 96]);
        assert_eq!(layers_of(&unet), [11, 12, 14, 15]);
        // Two transformers in each attention: 12, 2 and 18.
        unet.transformer_layers_per_block = PerLevel::Same(2);
        assert_eq!(layers_of(&unet), [24, 25, 30, 31]);
        // No attention at the finest level: 4 down, 1, then three at level 2 and three at level 1.
        let mut coarse = small_unet([32, 64, 96, 96]);
        coarse.down_block_types[0] = "DownBlock2D".into();
        coarse.up_block_types[3] = "UpBlock2D".into();
        assert_eq!(layers_of(&coarse), [6, 7, 9, 10]);
        // One block on the way down, two on the way up, attention at the finest level alone.
        let mut single = small_unet([32, 64, 96, 96]);
        single.layers_per_block = PerLevel::Same(1);
        single.down_block_types = ["DownBlock2D"; 4].map(String::from).to_vec();
        single.up_block_types = ["UpBlock2D", "UpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"]
            .map(String::from)
            .to_vec();
        assert_eq!(layers_of(&single), [1, 2]);
    }

    #[test]
    fn tokens_take_the_class_of_most_voxels_and_coarse_ones_the_rarest() {
        // Voxels of the eight of each token that are membrane, molecule, filament.
        let voxels: [[i64; 3]; 8] = [
            [5, 0, 0],
            [4, 0, 0],
            [2, 3, 0],
            [0, 0, 0],
            [0, 0, 8],
            [8, 0, 0],
            [0, 6, 2],
            [0, 4, 0],
        ];
        let truth = Tensor::zeros([1, 4 * 8, 2, 4], (Kind::Float, Device::Cpu));
        for (token, counts) in voxels.iter().enumerate() {
            let mut first = 0;
            for (structure, count) in counts.iter().enumerate() {
                for voxel in first..first + count {
                    let channel = structure as i64 * 8 + voxel;
                    let _ = truth
                        .get(0)
                        .get(channel)
                        .get(token as i64 / 4)
                        .get(token as i64 % 4)
                        .fill_(1.0);
                }
                first += count;
            }
        }
        // What is near a molecule's centre is no class.
        let _ = truth.narrow(1, 24, 8).fill_(1.0);
        let other = truth.zeros_like();
        let batch = Batch {
            cells: CELLS,
            clean: other.shallow_clone(),
            noise: other.shallow_clone(),
            present: other,
            structures: truth,
        };
        let finest = token_classes(&batch, &[0, 1, 2], false).unwrap();
        let named = |marks: &Tensor| Vec::<i64>::try_from(marks.argmax(1, false).flatten(0, -1)).unwrap();
        assert_eq!(named(&finest), [1, 0, 2, 0, 3, 1, 2, 0]);
        assert_eq!(finest.sum(Kind::Float).double_value(&[]), 8.0);
        // Three of background, two of membrane and molecule, one filament: on the left the filament is the rarest; on
        // the right the molecules are rarer than background.
        assert_eq!(named(&coarser(&finest, 2).unwrap()), [3, 2]);
        let foreground = token_classes(&batch, &[0, 1, 2], true).unwrap();
        assert_eq!(named(&foreground), [1, 0, 1, 0, 1, 1, 1, 0]);
        assert_eq!(foreground.size(), [1, 2, 2, 4]);
        // A side that does not halve evenly keeps its last, smaller token.
        assert_eq!(coarser(&finest.narrow(3, 0, 3), 2).unwrap().size(), [1, 4, 1, 2]);
    }

    #[test]
    fn no_weight_is_no_loss_and_what_cannot_be_chosen_is_refused() {
        let options = |weight: f64, layers: &[usize]| DenoiserOptions {
            attention_weight: weight,
            attention_layers: layers.to_vec(),
            ..DenoiserOptions::default()
        };
        assert!(ClassAttention::new(&options(0.0, &[]), &[]).unwrap().is_none());
        let chosen = ClassAttention::new(&options(0.3, &[]), &STRUCTURES).unwrap().unwrap();
        assert_eq!(
            (chosen.layers, chosen.structures),
            (vec![11, 12, 14, 15], vec![0, 1, 2])
        );
        let refused = |options: DenoiserOptions, structures: &[Structure]| {
            ClassAttention::new(&options, structures).err().unwrap().to_string()
        };
        assert!(refused(options(0.3, &[]), &[]).contains("attention_weight is 0.3"));
        assert!(refused(options(0.3, &[3, 16]), &STRUCTURES).contains("must be below 16"));
    }
}
