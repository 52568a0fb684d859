//! A window of the tomogram to the probabilities of its core.
use std::ops::Range;

use tch::Tensor;

use crate::networks::{resample, Axis, Reach, Sampled, SegmentationModel, SegmentationNetwork};
use crate::runtime::{Error, Job, Result};

use super::options::PredictOptions;
use super::plan::{Plan, Tile};
use super::slices::SliceWindow;

/// Probabilities of a core, [C, z, y, x] float32 on the host.
pub struct Probabilities {
    /// Of each output of the network, 0..=1; the mean over mirrors and samples where there are any.
    pub mean: Tensor,
    /// Standard deviation over mirrors and samples.
    pub deviation: Option<Tensor>,
}

/// Runs `model` on the window of `tile`. Where the device has no memory for it, a network of finite reach gets it in
/// halves.
pub fn predict_tile(
    model: &SegmentationModel,
    plan: &Plan,
    tile: &Tile,
    slices: &SliceWindow,
    options: &PredictOptions,
    job: &Job,
) -> Result<Probabilities> {
    let _guard = tch::no_grad_guard();
    let input = window_input(model, plan, tile, slices)?;
    let margin: [(i64, i64); 3] = std::array::from_fn(|axis| {
        let (inner, window) = (&tile.inner[axis], &tile.window[axis]);
        ((inner.start - window.start) as i64, (window.end - inner.end) as i64)
    });
    let flips: Vec<Vec<i64>> = match (options.mirrors, model.network().dimensions()) {
        (false, _) => vec![Vec::new()],
        (true, 2) => subsets(&[2, 3]),
        (true, _) => subsets(&[1, 2, 3]),
    };
    let (mut sum, mut squares): (Option<Tensor>, Option<Tensor>) = (None, None);
    for flip in &flips {
        job.check()?;
        let mirrored = if flip.is_empty() {
            input.shallow_clone()
        } else {
            input.f_flip(flip)?
        };
        let margin: [(i64, i64); 3] = std::array::from_fn(|axis| match flip.contains(&(axis as i64 + 1)) {
            true => (margin[axis].1, margin[axis].0),
            false => margin[axis],
        });
        let output = probabilities(model.network(), &mirrored, margin, options, job)?;
        let there = |output: &Tensor| -> Result<Tensor> {
            match flip.is_empty() {
                true => to_data(output, plan, tile),
                false => to_data(&output.f_flip(flip)?, plan, tile),
            }
        };
        let mean = there(&output.mean)?;
        if let Some(of_samples) = &output.squares {
            squares = Some(added(squares, &there(of_samples)?)?);
        } else if flips.len() > 1 {
            squares = Some(added(squares, &mean.f_square()?)?);
        }
        sum = Some(added(sum, &mean)?);
    }
    let count = flips.len() as f64;
    let sum = sum.ok_or_else(|| Error::Internal("no mirror was predicted".into()))?;
    let mean = if flips.len() > 1 { sum.f_div_scalar(count)? } else { sum };
    let deviation = match squares {
        Some(squares) => {
            let variance = squares.f_div_scalar(count)?.f_sub(&mean.f_square()?)?;
            Some(variance.f_clamp_min(0.0)?.f_sqrt()?.f_to_device(tch::Device::Cpu)?)
        }
        None => None,
    };
    Ok(Probabilities {
        mean: mean.f_to_device(tch::Device::Cpu)?,
        deviation,
    })
}

fn added(sum: Option<Tensor>, term: &Tensor) -> Result<Tensor> {
    match sum {
        Some(sum) => Ok(sum.f_add(term)?),
        None => Ok(term.shallow_clone()),
    }
}

/// All subsets of `axes`, the empty one first.
fn subsets(axes: &[i64]) -> Vec<Vec<i64>> {
    (0..1usize << axes.len())
        .map(|bits| {
            let chosen = axes.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
            chosen.map(|(_, axis)| *axis).collect()
        })
        .collect()
}

/// The window of `tile` [1, z, y, x] at the network's voxel size; the volume's last voxels repeat beyond its end.
fn window_input(model: &SegmentationModel, plan: &Plan, tile: &Tile, slices: &SliceWindow) -> Result<Tensor> {
    let inside: [Range<usize>; 3] =
        std::array::from_fn(|axis| tile.window[axis].start..tile.window[axis].end.min(plan.axes[axis].network));
    let data: [Range<usize>; 3] = std::array::from_fn(|axis| plan.axes[axis].data_range(&inside[axis]));
    let block = slices.block(&data, model.device())?;
    let mut matrices = [None, None, None];
    for (axis, matrix) in matrices.iter_mut().enumerate() {
        if !plan.axes[axis].is_equal() {
            *matrix = Some(plan.axes[axis].to_network(&data[axis], &inside[axis], model.device())?);
        }
    }
    let block = resample(&block, &matrices)?;
    let beyond = |axis: usize| (tile.window[axis].end - inside[axis].end) as i64;
    if (0..3).all(|axis| beyond(axis) == 0) {
        return Ok(block);
    }
    let padding = [0, beyond(2), 0, beyond(1), 0, beyond(0)];
    Ok(block.f_replication_pad3d(padding)?)
}

/// Probabilities [C, z, y, x] of `input` [1, z, y, x] without `margin`.
fn probabilities(
    network: &dyn SegmentationNetwork,
    input: &Tensor,
    margin: [(i64, i64); 3],
    options: &PredictOptions,
    job: &Job,
) -> Result<Sampled> {
    let sampling = &options.sampling();
    if network.dimensions() == 2 {
        // Slices are the batch; those of the margin are there to be smoothed with.
        let slices = input.f_transpose(0, 1)?;
        let output = network.sample(&slices, [(0, 0), margin[1], margin[2]], sampling, job)?;
        let keep = |output: Tensor| {
            along_z(&output, margin[0], options.z_smoothing)?
                .f_transpose(0, 1)
                .map_err(Error::from)
        };
        return Ok(Sampled {
            mean: keep(output.mean)?,
            squares: output.squares.map(keep).transpose()?,
        });
    }
    match network.sample(&input.f_unsqueeze(0)?, margin, sampling, job) {
        Err(Error::OutOfMemory(text)) => Ok(Sampled {
            mean: in_halves(network, input, margin, (options, text), job)?,
            squares: None,
        }),
        output => {
            let output = output?;
            let keep = |output: Tensor| output.f_squeeze_dim(0).map_err(Error::from);
            Ok(Sampled {
                mean: keep(output.mean)?,
                squares: output.squares.map(keep).transpose()?,
            })
        }
    }
}

/// `output` [z, C, y, x] without the first and last slices of `margin`, smoothed along z by a Gaussian of `deviation`
/// slices, cut at three of them and, at the volume's ends, weighted by what is there.
fn along_z(output: &Tensor, (before, after): (i64, i64), deviation: f64) -> Result<Tensor> {
    let depth = output.size()[0];
    let kept = depth - before - after;
    if deviation <= 0.0 {
        return Ok(output.f_narrow(0, before, kept)?);
    }
    let weight = |distance: i64| (-0.5 * (distance as f64 / deviation).powi(2)).exp();
    let reach = (3.0 * deviation).ceil() as i64;
    let mut rows = Vec::with_capacity((kept * depth) as usize);
    for at in before..before + kept {
        let row: Vec<f64> = (0..depth)
            .map(|z| if (z - at).abs() <= reach { weight(z - at) } else { 0.0 })
            .collect();
        let total: f64 = row.iter().sum();
        rows.extend(row.iter().map(|w| (w / total) as f32));
    }
    let matrix = Tensor::f_from_slice(&rows)?
        .f_view([kept, depth])?
        .f_to_device(output.device())?;
    let mut size = output.size();
    let flat = output.f_reshape([depth, -1])?;
    size[0] = kept;
    Ok(matrix.f_matmul(&flat)?.f_reshape(size.as_slice())?)
}

/// [`probabilities`] in two parts along the longest axis, where the reach of the network leaves the numbers as they
/// are.
fn in_halves(
    network: &dyn SegmentationNetwork,
    input: &Tensor,
    margin: [(i64, i64); 3],
    (options, text): (&PredictOptions, String),
    job: &Job,
) -> Result<Tensor> {
    let Reach::Halo(halo) = network.reach() else {
        return Err(Error::OutOfMemory(text));
    };
    let size = input.size();
    let core = |axis: usize| size[axis + 1] - margin[axis].0 - margin[axis].1;
    let axis = if core(0) >= core(1).max(core(2)) {
        0
    } else {
        1 + usize::from(core(2) > core(1))
    };
    let divisor = network.divisor();
    // Where the core is cut, on the network's own raster.
    let cut = (margin[axis].0 + core(axis) / 2) / divisor * divisor;
    let end = size[axis + 1];
    let (low_end, high_start) = ((cut + halo).min(end), (cut - halo).max(0));
    if cut <= margin[axis].0 || cut >= end - margin[axis].1 || (low_end == end && high_start == 0) {
        return Err(Error::OutOfMemory(text));
    }
    job.logger()
        .warn("predict", &format!("a tile is halved, for want of memory: {text}"));
    let part = |start: i64, stop: i64, before: i64, after: i64| -> Result<Tensor> {
        let mut margin = margin;
        margin[axis] = (before, after);
        let input = input.f_narrow(axis as i64 + 1, start, stop - start)?;
        Ok(probabilities(network, &input, margin, options, job)?.mean)
    };
    let low = part(0, low_end, margin[axis].0, low_end - cut)?;
    let high = part(high_start, end, cut - high_start, margin[axis].1)?;
    Ok(Tensor::f_cat(&[low, high], axis as i64 + 1)?)
}

/// The network's voxels of the inner window [C, z, y, x] at the data's voxels of the core.
fn to_data(output: &Tensor, plan: &Plan, tile: &Tile) -> Result<Tensor> {
    let mut matrices = [None, None, None];
    for (axis, matrix) in matrices.iter_mut().enumerate() {
        let sampling: Axis = plan.axes[axis];
        if !sampling.is_equal() {
            *matrix = Some(sampling.to_data(&tile.inner[axis], &tile.core[axis], output.device())?);
        }
    }
    resample(output, &matrices)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tch::Device;

    use super::*;
    use crate::networks::{Activation, CompactConfig, Logits, ModelDescription, NetworkConfig, Pass};
    use crate::runtime::{CancelToken, Generator, Logger};

    /// A network on a device that has memory for windows of `most` voxels.
    struct Narrow {
        model: SegmentationModel,
        most: usize,
    }

    impl SegmentationNetwork for Narrow {
        fn dimensions(&self) -> usize {
            self.model.network().dimensions()
        }
        fn input_channels(&self) -> i64 {
            self.model.network().input_channels()
        }
        fn outputs(&self) -> &[String] {
            self.model.network().outputs()
        }
        fn activation(&self) -> Activation {
            self.model.network().activation()
        }
        fn divisor(&self) -> i64 {
            self.model.network().divisor()
        }
        fn reach(&self) -> Reach {
            self.model.network().reach()
        }
        fn forward(&self, x: &Tensor, pass: &mut Pass, job: &Job) -> Result<Logits> {
            if x.numel() > self.most {
                return Err(Error::OutOfMemory(format!("{} voxels", x.numel())));
            }
            self.model.network().forward(x, pass, job)
        }
    }

    #[test]
    fn a_tile_that_does_not_fit_the_device_is_halved_and_said_so() {
        let config = CompactConfig {
            widths: vec![8],
            blocks_down: vec![1],
            blocks_up: vec![],
            ..CompactConfig::default()
        };
        let description = ModelDescription::new(NetworkConfig::Compact(config), None);
        let mut gen = Generator::new(3, 0);
        let model = SegmentationModel::random(description, &mut gen, Device::Cpu).unwrap();
        let input = gen.normal_tensor(&[1, 40, 48, 56], Device::Cpu).unwrap();
        let margin = [(8, 4), (0, 8), (8, 8)];
        let said = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&said);
        let logger = Logger::new(move |_, _, text| hears.lock().unwrap().push(text.to_owned()));
        let job = Job::new(CancelToken::default(), logger);
        let mut network = Narrow {
            model,
            most: usize::MAX,
        };
        let _guard = tch::no_grad_guard();
        let options = PredictOptions::default();
        let output =
            |network: &Narrow| -> Result<Tensor> { Ok(probabilities(network, &input, margin, &options, &job)?.mean) };
        let whole = output(&network).unwrap();
        assert!(said.lock().unwrap().is_empty());
        network.most = 40 * 48 * 56 / 3;
        let halved = output(&network).unwrap();
        assert_eq!(halved.size(), whole.size());
        let apart = f64::try_from((&halved - &whole).abs().max()).unwrap();
        assert!(apart < 1e-5, "{apart}");
        let heard = said.lock().unwrap().clone();
        let halved = heard.iter().filter(|text| text.contains("halved")).count();
        assert!(heard.len() > 1 && halved == heard.len(), "{heard:?}");
        // What does not fit however small it is.
        network.most = 8;
        let failed = output(&network);
        assert!(matches!(failed, Err(Error::OutOfMemory(_))));
    }
}
