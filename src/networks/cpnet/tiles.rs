//! An image of any size through the network: padding, overlapping tiles, and their smooth sum.
use ndarray::{s, Array2, Array3, ArrayView2};
use tch::{Device, Kind, Tensor};

use super::network::Cpnet;
use crate::runtime::{Error, Job, Result};
use crate::tensors::{from_array, from_slice, term, to_array, to_vec};

/// Largest side of a tile, which is the crop that cellpose trains on.
const TILE: usize = 224;

/// Share of a tile that overlaps a neighbour, at least.
const OVERLAP: f64 = 0.1;

/// Each side is padded to a multiple of this, and by half of it at either end.
const PADDING: usize = 16;

/// Tiles of one pass on the CPU: two keep the activations of a layer in its caches.
const CPU_BATCH: usize = 2;

/// Tiles of one pass elsewhere.
const DEVICE_BATCH: usize = 8;

/// Zeros before and after a side of `length`.
fn padding(length: usize) -> (usize, usize) {
    let rest = length.next_multiple_of(PADDING) - length;
    (PADDING / 2 + rest / 2, PADDING / 2 + rest - rest / 2)
}

/// First pixels of the tiles along a side of `length`, and their length.
fn starts(length: usize) -> (Vec<usize>, usize) {
    if length <= TILE {
        return (vec![0], length);
    }
    let count = ((1.0 + 2.0 * OVERLAP) * length as f64 / TILE as f64).ceil() as usize;
    let last = length - TILE;
    let step = last as f64 / (count - 1) as f64;
    let mut starts: Vec<usize> = (0..count).map(|i| (i as f64 * step) as usize).collect();
    starts[count - 1] = last;
    (starts, TILE)
}

/// Weight of each pixel of a tile's side: one in the middle, a logistic fall centred 20 pixels from the end of a full
/// tile. A shorter side takes the middle part, as the image ends there.
fn taper(length: usize) -> Vec<f32> {
    let full = TILE.max(length);
    let middle = (full - 1) as f64 / 2.0;
    let first = full / 2 - length / 2;
    let weight = |i: usize| 1.0 / (1.0 + (((i as f64 - middle).abs() - (full as f64 / 2.0 - 20.0)) / 7.5).exp());
    (first..first + length).map(|i| weight(i) as f32).collect()
}

/// Flow along y, flow along x and cell probability, [3, y, x], of `image`, and the style of the whole, of unit length.
///
/// Tiles without any signal are all alike and are computed once. `job` advances from 0 to 1.
pub(super) fn run(
    network: &Cpnet,
    image: ArrayView2<f32>,
    device: Device,
    job: &Job,
) -> Result<(Array3<f32>, Vec<f32>)> {
    let _guard = tch::no_grad_guard();
    let (rows, cols) = image.dim();
    let ((top, bottom), (left, right)) = (padding(rows), padding(cols));
    let frame = (top + rows + bottom, left + cols + right);
    let mut padded = Array2::<f32>::zeros(frame);
    padded.slice_mut(s![top..top + rows, left..left + cols]).assign(&image);
    let (row_starts, tile_rows) = starts(frame.0);
    let (col_starts, tile_cols) = starts(frame.1);
    let corners: Vec<(usize, usize)> = row_starts
        .iter()
        .flat_map(|&row| col_starts.iter().map(move |&col| (row, col)))
        .collect();
    let blank = |&(row, col): &(usize, usize)| {
        let tile = padded.slice(s![row..row + tile_rows, col..col + tile_cols]);
        tile.iter().all(|v| *v == 0.0)
    };
    let (blanks, others): (Vec<_>, Vec<_>) = corners.iter().copied().partition(blank);
    let mut sum = Sum::new(frame, (tile_rows, tile_cols), device)?;
    let batch = if device == Device::Cpu { CPU_BATCH } else { DEVICE_BATCH };
    let distinct: Vec<_> = others.iter().chain(blanks.first()).copied().collect();
    let padded = from_array(padded.view())?.f_to_device(device)?;
    let channels = network.config().nbase[0];
    for (index, corners) in distinct.chunks(batch).enumerate() {
        let tiles = corners
            .iter()
            .map(|&corner| sum.crop(&padded, corner))
            .collect::<Result<Vec<_>>>()?;
        let grey = Tensor::f_stack(&tiles, 0)?.f_unsqueeze(-1)?;
        // Channels last in memory: half the time of a convolution on the CPU. All but the first are zero.
        let images = grey.f_constant_pad_nd([0, channels - 1])?.f_permute([0, 3, 1, 2])?;
        let output = network.forward(&images, job)?;
        for (i, corner) in corners.iter().enumerate() {
            let (maps, style) = (output.maps.f_get(i as i64)?, output.style.f_get(i as i64)?);
            match blanks.first() {
                Some(first) if first == corner => {
                    for corner in &blanks {
                        sum.add(&maps, &style, *corner)?;
                    }
                }
                _ => sum.add(&maps, &style, *corner)?,
            }
        }
        job.advance((index * batch + corners.len()) as f64 / distinct.len() as f64)?;
    }
    let (maps, style) = sum.finish()?;
    let inside = maps
        .f_narrow(1, top as i64, rows as i64)?
        .f_narrow(2, left as i64, cols as i64)?;
    Ok((to_array(&inside)?, to_vec(&style)?))
}

/// Weighted sum of the maps of tiles.
struct Sum {
    maps: Tensor,
    weights: Tensor,
    taper: Tensor,
    style: Option<Tensor>,
}

impl Sum {
    fn new(frame: (usize, usize), tile: (usize, usize), device: Device) -> Result<Self> {
        let (rows, cols) = (taper(tile.0), taper(tile.1));
        let zeros = |channels: i64| Tensor::f_zeros([channels, frame.0 as i64, frame.1 as i64], (Kind::Float, device));
        let taper = term(from_slice(&rows, [tile.0, 1])) * from_slice(&cols, [tile.1]);
        Ok(Self {
            maps: zeros(3)?,
            weights: zeros(1)?,
            taper: taper.tensor()?.f_to_device(device)?,
            style: None,
        })
    }

    /// The tile at `corner` of [.., y, x].
    fn crop(&self, image: &Tensor, (row, col): (usize, usize)) -> Result<Tensor> {
        let (rows, cols) = self.taper.size2()?;
        Ok(image.f_narrow(-2, row as i64, rows)?.f_narrow(-1, col as i64, cols)?)
    }

    fn add(&mut self, maps: &Tensor, style: &Tensor, corner: (usize, usize)) -> Result<()> {
        // In place, through views of the sums.
        let _ = self.crop(&self.maps, corner)?.f_add_(&maps.f_mul(&self.taper)?)?;
        let _ = self.crop(&self.weights, corner)?.f_add_(&self.taper)?;
        self.style = Some(match self.style.take() {
            Some(sum) => sum.f_add(style)?,
            None => style.shallow_clone(),
        });
        Ok(())
    }

    fn finish(self) -> Result<(Tensor, Tensor)> {
        let style = self
            .style
            .ok_or_else(|| Error::Internal("an image without tiles".into()))?;
        let length = term(&style).square().map(|x| x.f_sum(Kind::Float)).sqrt();
        let maps = (term(&self.maps) / &self.weights).tensor()?;
        Ok((maps, (term(&style) / length).tensor()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_padded_and_cut_as_published() {
        // 512 pixels at 3 pixels each: 8 zeros at either end, nine tiles.
        assert_eq!(padding(1536), (8, 8));
        assert_eq!(padding(1537), (15, 16));
        let (all, tile) = starts(1552);
        assert_eq!((tile, all.len(), all[0], all[8]), (224, 9, 0, 1328));
        assert_eq!(all[1..4], [166, 332, 498]);
        assert_eq!(starts(224), (vec![0], 224));
        assert_eq!(starts(240).0, [0, 16]);
    }

    #[test]
    fn weights_fall_to_a_half_twenty_pixels_from_the_end() {
        let weights = taper(224);
        assert!((weights[19] + weights[20] - 1.0).abs() < 1e-6);
        assert_eq!(weights[0], weights[223]);
        assert!((weights[112] - 1.0).abs() < 1e-5);
        // The middle 32 of 224.
        assert_eq!(taper(32), weights[96..128]);
    }
}
