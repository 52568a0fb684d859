//! Solvers on attention of Stable Diffusion's size, in one run on one synthetic set: `cargo bench --bench eigenvectors`.
//!
//! First the whole-run comparison: `krylov` (accumulation included), grouped `adam` and the plain 2001-iteration loop, with
//! ratios and the process's peak memory after `krylov`; the loops are extrapolated, as printed. The U-Net is left out: every draw is
//! the same set. Then criterion on 32x32 tokens.
use std::time::{Duration, Instant};

use criterion::Criterion;
use tch::{Device, Kind, Tensor};
use tomocut::runtime::{Generator, Job};
use tomocut::spectral::{
    ncut_loss, trace_of, Adam, Affinity, AffinityOptions, AttentionLayer, AttentionSet, AttentionStream, EigenSolver,
    FixedAttention, Krylov,
};
use tomocut::Result;

/// (side of the token grid, head width) of the 16 layers of SD 1.x at 512 pixels, 8 heads each.
const LAYERS: [(usize, i64); 16] = [
    (64, 40),
    (64, 40),
    (32, 80),
    (32, 80),
    (16, 160),
    (16, 160),
    (8, 160),
    (16, 160),
    (16, 160),
    (16, 160),
    (32, 80),
    (32, 80),
    (32, 80),
    (64, 40),
    (64, 40),
    (64, 40),
];
const HEADS: i64 = 8;
const REGIONS: i64 = 14;
const ITERATIONS: f64 = 2001.0;

fn main() {
    if std::env::args().any(|a| a == "--bench") {
        if let Err(error) = whole_run() {
            eprintln!("whole-run comparison: {error}");
        }
    }
    let mut criterion = Criterion::default().configure_from_args();
    if let Err(error) = small_pieces(&mut criterion) {
        eprintln!("criterion: {error}");
    }
    criterion.final_summary();
}

/// Attention with structure: soft regions on a spiral, seen by every head through its own random projection, with noise.
fn structured_layer(side: usize, width: i64, generator: &mut Generator) -> Result<AttentionLayer> {
    let tokens = (side * side) as i64;
    let mut features = Vec::new();
    for y in 0..side {
        for x in 0..side {
            let (v, u) = ((y as f32 + 0.5) / side as f32, (x as f32 + 0.5) / side as f32);
            for g in 0..REGIONS {
                let angle = 2.4 * g as f32;
                let radius = 0.48 * ((g as f32 + 0.5) / REGIONS as f32).sqrt();
                let (cy, cx) = (0.5 + radius * angle.sin(), 0.5 + radius * angle.cos());
                features.push((-((v - cy).powi(2) + (u - cx).powi(2)) * 90.0).exp());
            }
        }
    }
    let features = Tensor::f_from_slice(&features)?.f_reshape([1, tokens, REGIONS])?;
    let projection = generator.normal_tensor(&[HEADS, REGIONS, width], Device::Cpu)?;
    let signal = features.f_matmul(&projection)?.f_mul_scalar(2.8)?;
    let mut noisy = || -> Result<Tensor> {
        let noise = generator.normal_tensor(&[HEADS, tokens, width], Device::Cpu)?;
        Ok(signal.f_add(&noise.f_mul_scalar(0.3)?)?)
    };
    Ok(AttentionLayer {
        query: noisy()?,
        key: noisy()?,
        grid: (side, side),
        scale: 1.0 / (width as f64).sqrt(),
    })
}

fn structured_set(layers: &[(usize, i64)]) -> Result<AttentionSet> {
    let mut generator = Generator::new(2, 0);
    let layers = layers
        .iter()
        .map(|&(side, width)| structured_layer(side, width, &mut generator));
    Ok(AttentionSet {
        layers: layers.collect::<Result<_>>()?,
    })
}

/// Counts the draws of a fixed set.
struct Counted(FixedAttention, usize);

impl AttentionStream for Counted {
    fn draw(&mut self, job: &Job) -> Result<AttentionSet> {
        self.1 += 1;
        self.0.draw(job)
    }
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let start = Instant::now();
    let result = work()?;
    Ok((start.elapsed().as_secs_f64(), result))
}

/// `VmHWM` of this process in MiB, or 0 where the system does not tell.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

fn whole_run() -> Result<()> {
    let job = Job::quiet();
    let grid = (64, 64);
    let set = structured_set(&LAYERS)?;
    let stream = || Counted(FixedAttention(set.shallow_clone()), 0);
    println!(
        "16 layers, 8 heads, 64x64 tokens, 12 vectors; {} threads, load {}",
        tch::get_num_threads(),
        load()
    );

    let (krylov_s, found) = timed(|| Krylov::default().solve(&mut stream(), grid, &job))?;
    let peak = peak_mib();
    let (sum_s, _) = timed(|| Affinity::new(grid, AffinityOptions::default()).add(&set, &job))?;
    println!("krylov                    {krylov_s:8.2} s  of which about {sum_s:.2} s accumulation");
    println!(
        "  residual {:.1e}, trace {:.6}, peak of the process {peak:.0} MiB",
        found.residual, found.trace
    );
    let values: Vec<String> = found.values.iter().map(|v| format!("{v:.4}")).collect();
    println!("  values {}", values.join(" "));
    if std::env::var_os("TOMOCUT_BENCH_KRYLOV_ONLY").is_some() {
        return Ok(());
    }

    let mut draws = stream();
    let grouped = Adam {
        iterations: 100,
        ..Adam::default()
    };
    let (seconds, _) = timed(|| grouped.solve(&mut draws, grid, &job))?;
    let grouped_s = seconds * ITERATIONS / 101.0;
    let fresh = draws.1;
    println!("adam, grouped             {grouped_s:8.1} s  extrapolated from {seconds:.1} s for 101 iterations, {fresh} sets drawn");

    let mut draws = stream();
    let plain = Adam {
        iterations: 20,
        grouped: false,
        ..Adam::default()
    };
    let (seconds, _) = timed(|| plain.solve(&mut draws, grid, &job))?;
    let plain_s = seconds * ITERATIONS / 21.0;
    let fresh = draws.1;
    println!("adam, plain loop          {plain_s:8.1} s  extrapolated from {seconds:.1} s for 21 iterations, {fresh} sets drawn");

    let kept_s = kept_probabilities(&set, &job)?;
    println!("adam, plain loop, P kept  {kept_s:8.1} s  lower bound, extrapolated; holds 1.5 GiB of P");
    println!(
        "krylov is {:.0} times as fast as grouped adam, {:.0} times as fast as the plain loop, {:.0} times with P kept",
        grouped_s / krylov_s,
        plain_s / krylov_s,
        kept_s / krylov_s
    );
    println!("load at the end {}", load());
    Ok(())
}

/// A lower bound of the plain loop where the buffer holds probabilities, as the published code does: 201 evaluations of fresh
/// sets, and for the other 1800 only P z and P^T z of the three buffered 64x64-token layers.
fn kept_probabilities(set: &AttentionSet, job: &Job) -> Result<f64> {
    let x = Generator::new(1, 0)
        .normal_tensor(&[12, 64, 64], Device::Cpu)?
        .f_softmax(0, None)?;
    let (fresh_s, _) = timed(|| ncut_loss(set, &x, job))?;
    let z = x.f_reshape([12, 4096])?.f_transpose(0, 1)?.f_contiguous()?;
    let mut walks = Vec::new();
    for layer in set.layers.iter().skip(13) {
        let logits = layer
            .query
            .f_matmul(&layer.key.f_transpose(1, 2)?)?
            .f_mul_scalar_(layer.scale)?;
        walks.push(logits.f_softmax(-1, None)?);
    }
    let rounds = 3;
    let (seconds, _) = timed(|| {
        for _ in 0..rounds {
            for walk in &walks {
                let _ = walk.f_reshape([-1, 4096])?.f_mm(&z)?;
                let _ = z
                    .f_transpose(0, 1)?
                    .f_unsqueeze(0)?
                    .f_expand([HEADS, 12, 4096], false)?
                    .f_bmm(walk)?;
            }
        }
        Ok(())
    })?;
    Ok(201.0 * fresh_s + 1800.0 * seconds / rounds as f64)
}

fn small_pieces(criterion: &mut Criterion) -> Result<()> {
    let job = Job::quiet();
    let set = structured_set(&[(32, 80), (16, 160), (32, 80), (8, 160)])?;
    let grid = (32, 32);
    let x = Generator::new(1, 0)
        .normal_tensor(&[12, 32, 32], Device::Cpu)?
        .f_softmax(0, None)?;
    let mut affinity = Affinity::new(grid, AffinityOptions::default());
    affinity.add(&set, &job)?;
    let v = x
        .f_reshape([12, 1024])?
        .f_transpose(0, 1)?
        .f_contiguous()?
        .f_to_kind(Kind::Float)?;
    let mut group = criterion.benchmark_group("32x32 tokens, 4 layers");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(2))
        .warm_up_time(Duration::from_millis(300));
    group.bench_function("accumulate", |b| {
        b.iter(|| Affinity::new(grid, AffinityOptions::default()).add(&set, &job))
    });
    group.bench_function("affinity product, 12 columns", |b| b.iter(|| affinity.apply(&v, &job)));
    group.bench_function("eigenvectors of the accumulated affinity", |b| {
        b.iter(|| Krylov::default().solve_affinity(&affinity, grid, &job))
    });
    group.bench_function("loss and gradient", |b| b.iter(|| ncut_loss(&set, &x, &job)));
    group.bench_function("trace without stored matrices", |b| {
        b.iter(|| trace_of(&set, grid, &x, &job))
    });
    group.finish();
    Ok(())
}
