//! Instances whose flows are not those of their shape are dropped.
use ndarray::{Array2, ArrayView2, ArrayView3};

use super::flow::FLOW_SCALE;
use super::options::DynamicsCode;
use crate::runtime::{Job, Result};

/// Pixels of one instance and the box they lie in.
pub(super) struct Instance {
    pub label: u32,
    /// In scan order.
    pub pixels: Vec<[usize; 2]>,
    pub low: [usize; 2],
    pub high: [usize; 2],
}

impl Instance {
    /// Rows and columns of the box.
    pub fn extent(&self) -> [usize; 2] {
        [self.high[0] - self.low[0] + 1, self.high[1] - self.low[1] + 1]
    }
}

/// The instances of `labels`, in order of their labels.
pub(super) fn collect(labels: ArrayView2<u32>) -> Vec<Instance> {
    let most = labels.iter().max().copied().unwrap_or(0);
    let mut all: Vec<Instance> = (1..=most)
        .map(|label| Instance {
            label,
            pixels: Vec::new(),
            low: [usize::MAX; 2],
            high: [0; 2],
        })
        .collect();
    for ((y, x), &label) in labels.indexed_iter().filter(|(_, &label)| label > 0) {
        let instance = &mut all[label as usize - 1];
        instance.pixels.push([y, x]);
        for (axis, v) in [y, x].into_iter().enumerate() {
            instance.low[axis] = instance.low[axis].min(v);
            instance.high[axis] = instance.high[axis].max(v);
        }
    }
    all.retain(|instance| !instance.pixels.is_empty());
    all
}

/// Drops the instances of `labels` whose mean squared difference between the ideal flows of their shape and `flows`
/// [2, y, x] / 5, summed over both axes, exceeds `threshold`.
pub(super) fn drop_inconsistent(
    labels: &mut Array2<u32>,
    flows: ArrayView3<f32>,
    threshold: f64,
    code: DynamicsCode,
    job: &Job,
) -> Result<()> {
    let instances = collect(labels.view());
    let reach = |instance: &Instance| instance.extent().iter().sum::<usize>();
    let largest = instances.iter().map(reach).max().unwrap_or(0);
    for instance in &instances {
        let rounds = match code {
            DynamicsCode::Gpu => 2 * (largest + 2),
            DynamicsCode::Cpu => 2 * (reach(instance) + 4),
        };
        let ideal = ideal_flows(instance, rounds, job)?;
        let mut errors = [0.0; 2];
        for (&[y, x], ideal) in instance.pixels.iter().zip(&ideal) {
            for axis in 0..2 {
                let flow = f64::from(flows[[axis, y, x]] / FLOW_SCALE);
                errors[axis] += (ideal[axis] - flow).powi(2);
            }
        }
        let count = instance.pixels.len() as f64;
        if errors[0] / count + errors[1] / count > threshold {
            for &[y, x] in &instance.pixels {
                labels[[y, x]] = 0;
            }
        }
    }
    Ok(())
}

/// Unit flows (y, x) of every pixel towards the middle of the instance: the gradient of a heat that is fed at the pixel
/// nearest to the mean and spreads, `rounds` times, as the mean of 3 x 3 pixels of the instance.
pub(super) fn ideal_flows(instance: &Instance, rounds: usize, job: &Job) -> Result<Vec<[f64; 2]>> {
    let count = instance.pixels.len().max(1) as f64;
    let mean = [0, 1].map(|axis| instance.pixels.iter().map(|p| p[axis] as f64).sum::<f64>() / count);
    let distance = |p: &[usize; 2]| (p[0] as f64 - mean[0]).powi(2) + (p[1] as f64 - mean[1]).powi(2);
    // The first of the nearest, in scan order.
    let centre = instance
        .pixels
        .iter()
        .min_by(|a, b| distance(a).total_cmp(&distance(b)));
    // The box with one pixel of frame, which stays cold.
    let width = instance.extent()[1] + 2;
    let cell = |p: &[usize; 2]| (p[0] - instance.low[0] + 1) * width + (p[1] - instance.low[1] + 1);
    let cells: Vec<usize> = instance.pixels.iter().map(cell).collect();
    let mut heat = vec![0.0_f64; (instance.extent()[0] + 2) * width];
    let mut spread = vec![0.0_f64; cells.len()];
    let fed = centre.map(cell);
    for _ in 0..rounds {
        job.check()?;
        if let Some(fed) = fed {
            heat[fed] += 1.0;
        }
        for (out, &at) in spread.iter_mut().zip(&cells) {
            let row = |middle: usize| heat[middle - 1] + heat[middle] + heat[middle + 1];
            *out = (row(at - width) + row(at) + row(at + width)) / 9.0;
        }
        for (value, &at) in spread.iter().zip(&cells) {
            heat[at] = *value;
        }
    }
    let flow = |&at: &usize| {
        let (dy, dx) = (heat[at + width] - heat[at - width], heat[at + 1] - heat[at - 1]);
        let length = 1e-60 + dy.hypot(dx);
        [dy / length, dx / length]
    };
    Ok(cells.iter().map(flow).collect())
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    /// Two touching half discs of radius 8 and a disc.
    fn labels() -> Array2<u32> {
        Array2::from_shape_fn((30, 50), |(y, x)| {
            let inside = |cy: f64, cx: f64| (y as f64 - cy).hypot(x as f64 - cx) <= 8.0;
            match (inside(12.0, 12.0), inside(14.0, 36.0)) {
                (true, _) => 1 + u32::from(x > 12),
                (_, true) => 3,
                _ => 0,
            }
        })
    }

    #[test]
    fn ideal_flows_point_inwards_and_pass_their_own_test() {
        let labels = labels();
        let mut flows = Array3::<f32>::zeros((2, 30, 50));
        for instance in collect(labels.view()) {
            let ideal = ideal_flows(&instance, 2 * (17 + 17 + 2), &Job::quiet()).unwrap();
            for (&[y, x], flow) in instance.pixels.iter().zip(ideal) {
                assert!((flow[0].hypot(flow[1]) - 1.0).abs() < 1e-9 || [y, x] == [14, 36]);
                if instance.label == 3 && (y as f64 - 14.0).hypot(x as f64 - 36.0) > 2.0 {
                    let inwards = flow[0] * (14.0 - y as f64) + flow[1] * (36.0 - x as f64);
                    assert!(inwards > 0.9 * (y as f64 - 14.0).hypot(x as f64 - 36.0));
                }
                for axis in 0..2 {
                    flows[[axis, y, x]] = 5.0 * flow[axis] as f32;
                }
            }
        }
        for code in [DynamicsCode::Gpu, DynamicsCode::Cpu] {
            let mut kept = labels.clone();
            drop_inconsistent(&mut kept, flows.view(), 0.02, code, &Job::quiet()).unwrap();
            assert_eq!(kept, labels, "{code:?}");
            // One disc where the flows know two halves is dropped, the other disc stays.
            let mut joined = labels.mapv(|label| if label == 2 { 1 } else { label });
            drop_inconsistent(&mut joined, flows.view(), 0.4, code, &Job::quiet()).unwrap();
            assert_eq!(joined, labels.mapv(|label| if label == 3 { 3 } else { 0 }), "{code:?}");
        }
    }
}
