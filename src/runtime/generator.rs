//! The one source of randomness: a ChaCha8 stream, the same on every machine. The host's torch generator is never
//! touched.
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use tch::{Device, Kind, Tensor};

use super::Result;

/// Seeded random numbers. The same seed and stream give the same numbers everywhere.
#[derive(Clone, Debug)]
pub struct Generator(ChaCha8Rng);

impl Generator {
    /// A generator for `seed`; different `stream`s of one seed are independent (one per tile, slice or phantom).
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// Uniform in `low..high`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.random::<f64>()
    }

    /// Uniform integer in `low..=high`.
    pub fn integer(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high)
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.0.random::<f64>() < p
    }

    /// One draw of the standard normal distribution.
    pub fn normal(&mut self) -> f64 {
        self.0.sample(StandardNormal)
    }

    /// A float32 tensor of standard normal draws.
    pub fn normal_tensor(&mut self, shape: &[i64], device: Device) -> Result<Tensor> {
        let count = shape.iter().product::<i64>().max(0) as usize;
        let values: Vec<f32> = (0..count).map(|_| self.0.sample(StandardNormal)).collect();
        Self::tensor(&values, shape, device)
    }

    /// A float32 tensor of uniform draws in `low..high`.
    pub fn uniform_tensor(&mut self, low: f32, high: f32, shape: &[i64], device: Device) -> Result<Tensor> {
        let count = shape.iter().product::<i64>().max(0) as usize;
        let values: Vec<f32> = (0..count)
            .map(|_| low + (high - low) * self.0.random::<f32>())
            .collect();
        Self::tensor(&values, shape, device)
    }

    /// The generator's state: seed, stream and position, for checkpoints.
    pub fn state(&self) -> ([u8; 32], u64, u128) {
        (self.0.get_seed(), self.0.get_stream(), self.0.get_word_pos())
    }

    /// A generator that goes on where [`Generator::state`] was taken.
    pub fn from_state(seed: [u8; 32], stream: u64, position: u128) -> Self {
        let mut rng = ChaCha8Rng::from_seed(seed);
        rng.set_stream(stream);
        rng.set_word_pos(position);
        Self(rng)
    }

    fn tensor(values: &[f32], shape: &[i64], device: Device) -> Result<Tensor> {
        Ok(Tensor::f_from_slice(values)?
            .f_reshape(shape)?
            .f_to_device(device)?
            .f_to_kind(Kind::Float)?)
    }
}
