//! Graphs from feature vectors: functions of the cosine.
use tch::{Device, Kind, Tensor};

use super::graph::{Graph, GraphKind};
use super::host_weights::HostWeights;
use super::products::gram;
use super::rows::{fill_rows, rows_per_block};
use super::walk_graph::unit_rows;
use crate::runtime::{Error, Job, Result};

/// How the cosine of two feature vectors becomes the weight of their edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FeatureForm {
    /// `((cos - min) / (max - min))^exponent` over the whole matrix (DiffCut). The least similar pair gets 0.
    MinMax,
    /// `max(0, cos)^exponent` (Deep Spectral Methods with exponent 1).
    Clamp,
    /// 1 where `cos > tau`, else `epsilon` (TokenCut: tau 0.2, epsilon 1e-5). The exponent is not used.
    Threshold {
        /// Least cosine of an edge, -1..=1.
        tau: f64,
        /// Weight of all other pairs, 0..1.
        epsilon: f64,
    },
}

impl Graph {
    /// The graph of `features`, `[n, d]`, finite; a zero vector has cosine 0 with everything. `exponent` > 0 sharpens
    /// (DiffCut: 10).
    ///
    /// Errors: another shape, values that are not finite, options out of range, out of memory.
    pub fn from_features(features: &Tensor, exponent: f64, form: FeatureForm) -> Result<Self> {
        Self::from_features_with(features, exponent, form, &Job::quiet())
    }

    /// [`Graph::from_features`] that `job` can cancel.
    pub fn from_features_with(features: &Tensor, exponent: f64, form: FeatureForm, job: &Job) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        check(features, exponent, form)?;
        let (n, d) = features.size2()?;
        let features = features.f_detach()?.f_to_kind(Kind::Float)?;
        if features.device() == Device::Cpu {
            let rows: Vec<f32> = Vec::try_from(features.f_contiguous()?.f_reshape([-1])?)?;
            let rows = unit_rows(rows, d as usize);
            let mut values = gram(&rows, n as usize, d as usize, 0.0..1.0, job)?;
            let range = (values.iter()).fold((f32::MAX, f32::MIN), |(low, high), &v| (low.min(v), high.max(v)));
            let weight = weight_function(exponent, form, (f64::from(range.0), f64::from(range.1)));
            let (width, work) = (n as usize, values.len() * 16);
            fill_rows(&mut values, width, rows_per_block(width), work, |_, part| {
                part.iter_mut().for_each(|v| *v = weight(f64::from(*v)) as f32);
            })?;
            let weights = HostWeights::new(n as usize, values);
            return Ok(Self::from_weights(Box::new(weights), GraphKind::Features));
        }
        let length = features.f_norm_scalaropt_dim(2, [-1_i64], true)?.f_clamp_min(1e-30)?;
        let unit = features.f_div(&length)?;
        let mut cosine = unit.f_mm(&unit.f_transpose(0, 1)?)?;
        match form {
            FeatureForm::MinMax => {
                let (low, high) = (
                    cosine.f_min()?.f_double_value(&[])?,
                    cosine.f_max()?.f_double_value(&[])?,
                );
                let scale = if high > low { 1.0 / (high - low) } else { 0.0 };
                let offset = if high > low { -low * scale } else { 1.0 };
                let _ = cosine.f_mul_scalar_(scale)?.f_add_scalar_(offset)?.f_clamp_min_(0.0)?;
                let _ = cosine.f_pow_(exponent)?;
            }
            FeatureForm::Clamp => {
                let _ = cosine.f_clamp_min_(0.0)?.f_pow_(exponent)?;
            }
            FeatureForm::Threshold { tau, epsilon } => {
                let edges = cosine.f_gt(tau)?;
                let _ = cosine.f_fill_(epsilon)?.f_masked_fill_(&edges, 1.0)?;
            }
        }
        Self::trusted(cosine, GraphKind::Features)
    }
}

fn check(features: &Tensor, exponent: f64, form: FeatureForm) -> Result<()> {
    let shape = features.size();
    if shape.len() != 2 || shape.iter().any(|&side| side < 1) {
        let allowed = "must be [n, d] with at least one node and one feature";
        return Err(Error::argument("features", format!("{shape:?}"), allowed));
    }
    // Infinities and NaN survive the absolute maximum.
    let largest = features.f_abs()?.f_max()?.f_double_value(&[])?;
    if !largest.is_finite() {
        return Err(Error::argument("features", largest, "must be finite"));
    }
    if !(exponent > 0.0 && exponent.is_finite()) {
        return Err(Error::argument("exponent", exponent, "must be above 0 and finite"));
    }
    if let FeatureForm::Threshold { tau, epsilon } = form {
        if !(-1.0..=1.0).contains(&tau) {
            return Err(Error::argument("tau", tau, "must be -1..=1"));
        }
        if !(0.0..1.0).contains(&epsilon) {
            return Err(Error::argument("epsilon", epsilon, "must be 0 or more and below 1"));
        }
    }
    Ok(())
}

/// The weight of a cosine, where the cosines of the whole graph span `range`.
fn weight_function(exponent: f64, form: FeatureForm, range: (f64, f64)) -> impl Fn(f64) -> f64 + Sync {
    let power = move |v: f64| match exponent {
        1.0 => v,
        e if e.fract() == 0.0 && e <= 64.0 => v.powi(e as i32),
        e => v.powf(e),
    };
    move |cosine| match form {
        FeatureForm::MinMax if range.1 > range.0 => power((cosine - range.0) / (range.1 - range.0)),
        FeatureForm::MinMax => 1.0,
        FeatureForm::Clamp => power(cosine.max(0.0)),
        FeatureForm::Threshold { tau, .. } if cosine > tau => 1.0,
        FeatureForm::Threshold { epsilon, .. } => epsilon,
    }
}
