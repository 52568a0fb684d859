//! Distance of two pictures as a network of photographs sees it.
use std::path::Path;

use ndarray::Array2;
use tch::{Device, Kind, Tensor};

use crate::runtime::Result;
use crate::tensors::from_array;
use crate::weights::TensorFile;

/// AlexNet's convolutions: name, channels in and out, kernel, stride, padding; a pooling stands before the second and
/// the third.
const LAYERS: [(&str, i64, i64, i64, i64, i64); 5] = [
    ("net.slice1.0", 3, 64, 11, 4, 2),
    ("net.slice2.3", 64, 192, 5, 1, 2),
    ("net.slice3.6", 192, 384, 3, 1, 1),
    ("net.slice4.8", 384, 256, 3, 1, 1),
    ("net.slice5.10", 256, 256, 3, 1, 1),
];

/// Means and deviations of photographs in -1..=1.
const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
const SCALE: [f32; 3] = [0.458, 0.448, 0.450];

/// Least side of a picture: a smaller one has no pixel left behind the second pooling.
const LEAST_SIDE: usize = 64;

/// Learned perceptual image patch similarity on AlexNet's features (Zhang et al. 2018).
pub struct Lpips {
    /// Kernel, bias, and the weights of the layer's channels.
    layers: Vec<[Tensor; 3]>,
}

impl Lpips {
    /// The weights of the package lpips under its own names, as docs/training.md converts them. Errors: as a
    /// safetensors file's; tensors that are missing or of another shape, by name.
    pub fn open(path: &Path) -> Result<Self> {
        let file = TensorFile::map(path)?;
        let tensor = |name: &str, shape: &[i64]| file.tensor(name, shape, Kind::Float, Device::Cpu);
        let layers = LAYERS.iter().enumerate().map(|(n, &(name, from, to, kernel, _, _))| {
            Ok([
                tensor(&format!("{name}.weight"), &[to, from, kernel, kernel])?,
                tensor(&format!("{name}.bias"), &[to])?,
                tensor(&format!("lin{n}.model.1.weight"), &[1, to, 1, 1])?,
            ])
        });
        Ok(Self {
            layers: layers.collect::<Result<_>>()?,
        })
    }

    /// The distance of two pictures of 0..=1, (rows, columns), 0 or more: of the features of each layer at unit length
    /// the squared differences, weighted by channel, their mean over the pixels, and the sum of that over the layers.
    /// None for pictures of different shapes or a side below 64.
    pub fn distance(&self, a: &Array2<f32>, b: &Array2<f32>) -> Result<Option<f64>> {
        let (rows, cols) = a.dim();
        if a.dim() != b.dim() || rows.min(cols) < LEAST_SIDE {
            return Ok(None);
        }
        let _guard = tch::no_grad_guard();
        let (shift, scale) = (Tensor::f_from_slice(&SHIFT)?, Tensor::f_from_slice(&SCALE)?);
        let input = |picture: &Array2<f32>| -> Result<Tensor> {
            let grey = from_array(picture.mapv(|v| 2.0 * v - 1.0).view())?;
            let colours = grey.f_unsqueeze(0)?.f_expand([3, -1, -1], false)?;
            let shifted = colours.f_sub(&shift.f_view([3, 1, 1])?)?;
            Ok(shifted.f_div(&scale.f_view([3, 1, 1])?)?)
        };
        let mut x = Tensor::f_stack(&[input(a)?, input(b)?], 0)?;
        let mut sum = 0.0;
        for (n, ([kernel, bias, weights], (.., stride, padding))) in self.layers.iter().zip(LAYERS).enumerate() {
            if n == 1 || n == 2 {
                x = x.f_max_pool2d([3, 3], [2, 2], [0, 0], [1, 1], false)?;
            }
            x = x.f_conv2d(kernel, Some(bias), stride, padding, 1, 1)?.f_relu()?;
            let length = x
                .f_square()?
                .f_sum_dim_intlist([1].as_slice(), true, Kind::Float)?
                .f_sqrt()?;
            let unit = x.f_div(&length.f_add_scalar(1e-10)?)?;
            let difference = unit.f_get(0)?.f_sub(&unit.f_get(1)?)?.f_square()?.f_unsqueeze(0)?;
            let none = None::<&Tensor>;
            sum += difference
                .f_conv2d(weights, none, 1, 0, 1, 1)?
                .f_mean(Kind::Float)?
                .f_double_value(&[])?;
        }
        Ok(Some(sum))
    }
}
