//! Solver `adam`: the published recipe, a small network trained on the NCut loss.
use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::affinity::{Affinity, AffinityOptions};
use super::attention::{AttentionSet, AttentionStream};
use super::channels::ChannelNet;
use super::eigenvectors::{as_maps, check_n_vectors, settle_signs, EigenSolver, Eigenvectors};
use super::loss::{add_frobenius, LayerWeight, NcutForm, Objective};
use super::projected::left_singular;
use super::schedule::{looks, windows, Look};
use crate::runtime::{Error, Generator, Job, Result};
use crate::tensors::{term, AdamForm, AdamRule, AdamStep, AdamUpdate};

/// Streams of the seed: parameters of the network, and choice of attention.
const NETWORK_STREAM: u64 = 1;
const SCHEDULE_STREAM: u64 = 2;

/// PyTorch's defaults and order of operations, as the published recipe has them.
const RULE: AdamRule = AdamRule {
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    form: AdamForm::Products,
};

/// The recipe of spec section 4 with the schedule of 3.1; defaults are the authors' values.
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    /// Number of channels C, 1..=tokens; their left singular vectors are the result.
    pub n_vectors: usize,
    /// Last iteration, counted from 0: `iterations` + 1 are made, at least `accumulate`.
    pub iterations: usize,
    /// Iterations between two optimiser steps, whose gradients are summed; at least 1.
    pub accumulate: usize,
    /// Adam's step size, positive.
    pub learning_rate: f64,
    /// Probability that a full buffer is used instead of a fresh draw, 0..=1.
    pub reuse: f64,
    /// Draws that the buffer holds; 0 = every iteration is fresh.
    pub buffer_size: usize,
    /// First layer that goes into the buffer; a set with no such layer goes in whole.
    pub buffered_from: usize,
    /// The objective.
    pub form: NcutForm,
    /// Width of the network, at least 1.
    pub hidden: usize,
    /// Evaluate each distinct attention set once between two steps (4.1: the same numbers up to rounding, many times
    /// faster) instead of once per iteration.
    pub grouped: bool,
    /// Seed of the network and of the schedule.
    pub seed: u64,
}

impl Default for Adam {
    fn default() -> Self {
        Self {
            n_vectors: 12,
            iterations: 2000,
            accumulate: 20,
            learning_rate: 2e-3,
            reuse: 0.9,
            buffer_size: 1,
            buffered_from: 6,
            form: NcutForm::LayerMeans,
            hidden: 128,
            grouped: true,
            seed: 0,
        }
    }
}

impl EigenSolver for Adam {
    fn solve(&self, stream: &mut dyn AttentionStream, grid: (usize, usize), job: &Job) -> Result<Eigenvectors> {
        self.check_options(grid)?;
        // Autograd must be on even where the caller has switched it off.
        tch::with_grad(|| self.train(stream, grid, job))
    }
}

/// Attention sets that later looks still need.
struct Held<'a> {
    stream: &'a mut dyn AttentionStream,
    sets: BTreeMap<usize, AttentionSet>,
    drawn: usize,
}

impl Held<'_> {
    /// The set of `draw`, drawn now if it is the next one.
    fn get(&mut self, draw: usize, job: &Job) -> Result<&AttentionSet> {
        while self.drawn <= draw {
            let set = self.stream.draw(job)?;
            set.validate()?;
            self.sets.insert(self.drawn, set);
            self.drawn += 1;
        }
        self.sets
            .get(&draw)
            .ok_or_else(|| Error::Internal("an attention set was dropped too early".into()))
    }

    /// Drops the sets that are not `needed` any more, except the newest, on which the result is measured.
    fn leave(&mut self, needed: impl Fn(&usize) -> bool) {
        let newest = self.drawn.saturating_sub(1);
        self.sets.retain(|draw, _| *draw == newest || needed(draw));
    }
}

impl Adam {
    fn check_options(&self, grid: (usize, usize)) -> Result<()> {
        check_n_vectors(self.n_vectors, grid)?;
        if self.accumulate == 0 {
            return Err(Error::argument("accumulate", 0, "must be at least 1"));
        }
        if self.iterations < self.accumulate {
            let allowed = format!(
                "must be at least accumulate, {}: no step would be made",
                self.accumulate
            );
            return Err(Error::argument("iterations", self.iterations, &allowed));
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return Err(Error::argument(
                "learning_rate",
                self.learning_rate,
                "must be positive and finite",
            ));
        }
        if !(0.0..=1.0).contains(&self.reuse) {
            return Err(Error::argument("reuse", self.reuse, "must be 0..=1"));
        }
        if self.hidden == 0 || self.hidden > 4096 {
            return Err(Error::argument("hidden", self.hidden, "must be 1..=4096"));
        }
        Ok(())
    }

    fn train(&self, stream: &mut dyn AttentionStream, grid: (usize, usize), job: &Job) -> Result<Eigenvectors> {
        // Iterations after the last step change nothing.
        let counted = self.iterations / self.accumulate * self.accumulate + 1;
        let looks = looks(
            counted,
            self.reuse,
            self.buffer_size,
            &mut Generator::new(self.seed, SCHEDULE_STREAM),
        );
        let last_use: BTreeMap<usize, usize> = looks.iter().enumerate().map(|(i, look)| (look.draw, i)).collect();
        let mut held = Held {
            stream,
            sets: BTreeMap::new(),
            drawn: 0,
        };
        let device = held.get(0, job)?.device()?;
        let mut generator = Generator::new(self.seed, NETWORK_STREAM);
        let mut net = ChannelNet::new(grid, self.hidden as i64, self.n_vectors as i64, &mut generator, device)?;
        let mut adam = AdamUpdate::new(RULE, &net.parameters)?;
        let mut objective = Objective::new(grid);
        let mut done = 0;
        for window in windows(&looks, self.accumulate) {
            let x = net.forward()?;
            // `now` is the last look that this evaluation serves; draws are evaluated in ascending order.
            let mut evaluate = |draw: usize, now: usize, whole: f64, part: f64, slope: &mut Tensor| -> Result<f64> {
                let _guard = tch::no_grad_guard();
                let set = held.get(draw, job)?;
                let weights = self.weights(set, whole, part);
                let columns = x.f_detach()?.f_contiguous()?;
                let mut loss = objective.add(set, &weights, &columns, slope, job)?;
                if self.form == NcutForm::Frobenius {
                    loss += add_frobenius(&columns, whole + part, slope)?;
                }
                held.leave(|&other| other > draw || last_use.get(&other).is_some_and(|&last| last > now));
                Ok(loss)
            };
            let mut loss = 0.0;
            let gradients = if self.grouped {
                let mut slope = x.f_zeros_like()?.f_detach()?.f_contiguous()?;
                for (draw, (whole, part)) in group(window) {
                    loss += evaluate(draw, done + window.len() - 1, whole, part, &mut slope)?;
                }
                net.backward(&x, &slope)?
            } else {
                let mut sum: Vec<Tensor> = Vec::new();
                for (now, look) in (done..).zip(window) {
                    let mut slope = x.f_zeros_like()?.f_detach()?.f_contiguous()?;
                    let (whole, part) = if look.buffered { (0.0, 1.0) } else { (1.0, 0.0) };
                    loss += evaluate(look.draw, now, whole, part, &mut slope)?;
                    add_gradients(&mut sum, net.backward(&x, &slope)?)?;
                }
                sum
            };
            self.step(&mut adam, &mut net.parameters, &gradients)?;
            done += window.len();
            job.advance_with_loss(done as f64 / looks.len() as f64, loss / window.len() as f64)?;
        }
        let _guard = tch::no_grad_guard();
        let last = held.sets.last_key_value().map(|(_, set)| set);
        let last = last.ok_or_else(|| Error::Internal("no attention set is left".into()))?;
        read_out(&net.forward()?, last, grid, job)
    }

    fn step(&self, adam: &mut AdamUpdate, parameters: &mut [Tensor], gradients: &[Tensor]) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let step = AdamStep {
            rate: self.learning_rate,
            decay: 0.0,
            scale: 1.0,
        };
        adam.step(parameters, gradients, step)
    }

    /// Layer weights of `whole` uses of a fresh set and `part` uses of its buffered layers.
    fn weights(&self, set: &AttentionSet, whole: f64, part: f64) -> Vec<LayerWeight> {
        let channels = self.n_vectors as i64;
        let mut weights = vec![LayerWeight::default(); set.layers.len()];
        if whole > 0.0 {
            self.form.add_set(&mut weights, set, 0, channels, whole);
        }
        if part > 0.0 {
            let first = if self.buffered_from < set.layers.len() {
                self.buffered_from
            } else {
                0
            };
            self.form.add_set(&mut weights, set, first, channels, part);
        }
        weights
    }
}

/// How often a window uses each draw, whole and from the buffer.
fn group(window: &[Look]) -> BTreeMap<usize, (f64, f64)> {
    let mut groups = BTreeMap::new();
    for look in window {
        let (whole, part) = groups.entry(look.draw).or_insert((0.0, 0.0));
        *(if look.buffered { part } else { whole }) += 1.0;
    }
    groups
}

/// sum += more, parameter by parameter; an empty sum becomes `more`.
fn add_gradients(sum: &mut Vec<Tensor>, more: Vec<Tensor>) -> Result<()> {
    if sum.is_empty() {
        *sum = more;
        return Ok(());
    }
    for (sum, more) in sum.iter_mut().zip(&more) {
        let _ = sum.f_add_(more)?;
    }
    Ok(())
}

/// Each channel of `x` (`[N, C]`) divided by its length, then the thin SVD: left singular vectors and singular values.
fn singular_channels(x: &Tensor) -> Result<(Vec<f64>, Tensor)> {
    let x = x.f_to_kind(Kind::Double)?;
    let length = term(&x).square().sum_along(0).sqrt().tensor()?.f_clamp_min(1e-12)?;
    left_singular(&(term(&x) / length).tensor()?)
}

/// The result at `x`; residual and trace are measured on `set`.
fn read_out(x: &Tensor, set: &AttentionSet, grid: (usize, usize), job: &Job) -> Result<Eigenvectors> {
    let device = x.device();
    let (values, columns) = singular_channels(x)?;
    let columns = settle_signs(&columns)?.f_to_device(device)?;
    // Only one product is made: forming the rows once is cheaper than storing matrices.
    let options = AffinityOptions {
        stored_tokens: 0,
        ..AffinityOptions::default()
    };
    let mut affinity = Affinity::new(grid, options);
    affinity.add(set, job)?;
    let (quotients, lengths) = affinity.quotients(&columns, job)?;
    let scale = quotients.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
    Ok(Eigenvectors {
        vectors: as_maps(&columns, grid)?,
        values,
        residual: lengths.iter().fold(0.0_f64, |m, r| m.max(*r)) / scale,
        trace: quotients.iter().sum(),
    })
}

#[cfg(test)]
#[path = "adam_tests.rs"]
mod tests;
