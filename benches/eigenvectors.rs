//! Solvers on attention of Stable Diffusion's size, in one run on one synthetic set:
//! `cargo bench --bench eigenvectors`.
//!
//! First the whole-run comparison: `krylov` (accumulation included), grouped `adam` and the plain 2001-iteration loop,
//! with ratios and the process's peak memory after `krylov`; the loops are extrapolated, as printed
//! (`TOMOCUT_BENCH_KRYLOV_ONLY` leaves them out). The U-Net is left out: every draw is the same set. Then criterion on
//! 32x32 tokens.
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
/// Sets that the published schedule draws on average: 1 + 2000 / 10.
const SETS: f64 = 201.0;

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

/// Attention with structure: soft regions on a spiral before a faint background, as unit vectors that every head sees
/// through its own random projection, with noise. Unit vectors keep the walks nearly symmetric, so that eigenvalues
/// stay near 1 and below.
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
            features.push(0.1);
        }
    }
    let features = Tensor::f_from_slice(&features)?.f_reshape([1, tokens, REGIONS + 1])?;
    let features = features.f_div(&features.f_norm_scalaropt_dim(2, [-1_i64], true)?)?;
    let projection = generator.normal_tensor(&[HEADS, REGIONS + 1, width], Device::Cpu)?;
    // Logits of about 8 between tokens of one region, whatever the width.
    let gain = (8.0 / (width as f64).sqrt()).sqrt();
    let signal = features.f_matmul(&projection)?.f_mul_scalar(gain)?;
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

/// Wall-clock seconds and seconds of processor time, over all threads.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
}

impl Cost {
    fn times(self, factor: f64) -> Self {
        Self {
            wall: self.wall * factor,
            cpu: self.cpu * factor,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            wall: self.wall + other.wall,
            cpu: self.cpu + other.cpu,
        }
    }

    /// How many times `other` costs of this: by the clock, and in processor time, which a busy machine distorts less.
    fn ratio(self, other: Self) -> String {
        format!(
            "{:.0}x by the clock, {:.0}x in processor time",
            other.wall / self.wall,
            other.cpu / self.cpu
        )
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:8.2} s ({:.2} s of processor time)", self.wall, self.cpu)
    }
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(Cost, T)> {
    let (start, cpu) = (Instant::now(), processor_seconds());
    let result = work()?;
    let cost = Cost {
        wall: start.elapsed().as_secs_f64(),
        cpu: processor_seconds() - cpu,
    };
    Ok((cost, result))
}

/// User and system time of this process so far (Linux: in ticks of 10 ms), or NaN where the system does not tell.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
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

    let (krylov, solution) = timed(|| Krylov::default().solve(&mut stream(), grid, &job))?;
    let peak = peak_mib();
    let (sum, _) = timed(|| Affinity::new(grid, AffinityOptions::default()).add(&set, &job))?;
    println!("krylov           {krylov}");
    println!("  accumulation   {sum}");
    println!(
        "  residual {:.1e}, trace {:.6}, peak of the process {peak:.0} MiB",
        solution.residual, solution.trace
    );
    let values: Vec<String> = solution.values.iter().map(|v| format!("{v:.4}")).collect();
    println!("  values {}", values.join(" "));
    if std::env::var_os("TOMOCUT_BENCH_KRYLOV_ONLY").is_some() {
        return Ok(());
    }

    let mut draws = stream();
    let adam = Adam {
        iterations: 100,
        ..Adam::default()
    };
    let (cost, _) = timed(|| adam.solve(&mut draws, grid, &job))?;
    // Evaluations of fresh sets are nearly all of the cost, so their number carries over, not that of iterations.
    let grouped = cost.times(SETS / draws.1 as f64);
    println!(
        "adam, grouped    {grouped}, extrapolated from 101 iterations, 5 steps, {} sets: {cost}",
        draws.1
    );

    let mut draws = stream();
    let adam = Adam {
        iterations: 20,
        grouped: false,
        ..Adam::default()
    };
    let (cost, _) = timed(|| adam.solve(&mut draws, grid, &job))?;
    let plain = cost.times(ITERATIONS / 21.0);
    println!(
        "adam, plain loop {plain}, extrapolated from 21 iterations, 1 step, {} sets: {cost}",
        draws.1
    );

    let kept = kept_probabilities(&set, &job)?;
    println!("the same, P kept {kept}, lower bound, extrapolated; holds 1.5 GiB of P");
    println!("krylov against grouped adam: {}", krylov.ratio(grouped));
    println!("krylov against the plain loop: {}", krylov.ratio(plain));
    println!("krylov against the plain loop with P kept: {}", krylov.ratio(kept));
    println!("load at the end {}", load());
    Ok(())
}

/// A lower bound of the plain loop where the buffer holds probabilities, as the published code does: 201 evaluations of
/// fresh sets, and for the other 1800 only P z and P^T z of the three buffered 64x64-token layers.
fn kept_probabilities(set: &AttentionSet, job: &Job) -> Result<Cost> {
    let x = Generator::new(1, 0)
        .normal_tensor(&[12, 64, 64], Device::Cpu)?
        .f_softmax(0, None)?;
    let (fresh, _) = timed(|| ncut_loss(set, &x, job))?;
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
    let (kept, _) = timed(|| {
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
    Ok(fresh.times(SETS).plus(kept.times((ITERATIONS - SETS) / rounds as f64)))
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
