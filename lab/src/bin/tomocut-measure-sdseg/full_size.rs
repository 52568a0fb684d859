//! The network of published size on random weights; benches/sdseg_peers.py sets it beside PyTorch's.
use std::time::Instant;

use tch::{Device, Kind, Tensor};
use tomocut::networks::{Sampling, SdSeg, SdSegConfig, SegmentationNetwork};
use tomocut::runtime::{Generator, Job, MemoryReuse};
use tomocut::Result;

/// One JSON object: medians of seconds of `runs`, peak memory in MiB.
pub fn measure(runs: usize) -> Result<String> {
    let _guard = tch::no_grad_guard();
    let (job, mut count) = (Job::quiet(), 0usize);
    let network = SdSeg::from_tensors(&SdSegConfig::default(), &mut |name, shape| {
        let tensor = Tensor::f_empty(shape, (Kind::Float, Device::Cpu))?;
        count += tensor.numel();
        let fan_in: i64 = shape.iter().skip(1).product();
        let bound = (fan_in.max(1) as f64).sqrt().recip();
        Ok(match (shape.len(), name.ends_with("weight")) {
            (0, _) => tensor.f_ones_like()?,
            (1, true) => tensor.f_ones_like()?,
            (1, false) => tensor.f_zeros_like()?,
            _ => tensor.f_uniform(-bound, bound)?,
        })
    })?;
    let _kept = MemoryReuse::start();
    let mut gen = Generator::new(1, 0);
    let image = gen.uniform_tensor(-1.0, 1.0, &[1, 3, 256, 256], Device::Cpu)?;
    let noise = gen.normal_tensor(&[1, 4, 32, 32], Device::Cpu)?;
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..=runs {
        let began = Instant::now();
        let condition = network.condition(&image, &job)?;
        times[0].push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        let _ = network.prediction(&noise, &condition, 999, &job)?;
        times[1].push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        let _ = network.draw(&noise, &job)?;
        times[2].push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        let _ = network.sample(&image, [(0, 0); 3], &Sampling::default(), &job)?;
        times[3].push(began.elapsed().as_secs_f64());
    }
    let median = |list: &[f64]| {
        // The first one warms up.
        let mut rest = list[1..].to_vec();
        rest.sort_by(f64::total_cmp);
        rest[rest.len() / 2]
    };
    Ok(serde_json::json!({
        "weights": count,
        "encoder": median(&times[0]),
        "unet": median(&times[1]),
        "decoder": median(&times[2]),
        "direct": median(&times[3]),
        "peak_mib": peak_mib(),
    })
    .to_string())
}

/// Largest resident memory so far.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}
