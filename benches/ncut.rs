//! Cuts of a graph of Stable Diffusion's size (64x64 tokens): `cargo bench --bench ncut`.
//!
//! Criterion on one eigenvector, one cut and whole recursions. For comparisons on the same matrices
//! (`benches/ncut_peers.py`): `TOMOCUT_NCUT_EXPORT=DIR` writes the graph and two sets of features there as .npy and
//! ends; `TOMOCUT_NCUT_MATRIX=FILE.npy`, `TOMOCUT_NCUT_FEATURES=FILE.npy` or `TOMOCUT_NCUT_WALK=FILE.npy` (the graph
//! P^3 P^3T) times that graph and prints one line of JSON.
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::Criterion;
use tch::{Device, Tensor};
use tomocut::runtime::{Generator, Job};
use tomocut::spectral::{
    bipartition, graph_vectors, recursive_ncut, walk_graph, Adjacency, Criterion as Stopping, CutOptions, FeatureForm,
    Graph,
};
use tomocut::Result;

fn main() {
    let variable = |name: &str| std::env::var(name).ok();
    let outcome = if let Some(folder) = variable("TOMOCUT_NCUT_EXPORT") {
        export(Path::new(&folder))
    } else if let Some(file) = variable("TOMOCUT_NCUT_MATRIX") {
        report(&file, Graph::symmetric)
    } else if let Some(file) = variable("TOMOCUT_NCUT_FEATURES") {
        report(&file, |t| Graph::from_features(&t, 1.0, FeatureForm::Clamp))
    } else if let Some(file) = variable("TOMOCUT_NCUT_WALK") {
        report(&file, |t| walk_graph(&t, 3, Adjacency::Dot, &Job::quiet()))
    } else {
        let mut criterion = Criterion::default().configure_from_args();
        let outcome = pieces(&mut criterion);
        criterion.final_summary();
        outcome
    };
    if let Err(error) = outcome {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

/// Features of a picture of `side` x `side` tokens: nine regions (Voronoi cells), each with three parts, every part
/// with its own direction close to that of its region, and noise on every token. `[side * side, width]`.
fn features(side: usize, width: i64, seed: u64) -> Result<Tensor> {
    const REGIONS: usize = 9;
    const PARTS: usize = 3;
    let mut generator = Generator::new(seed, 0);
    let mut sites = || -> Vec<(f64, f64)> {
        let mut draw = || generator.uniform(0.0, side as f64);
        (0..REGIONS * PARTS).map(|_| (draw(), draw())).collect()
    };
    let sites = sites();
    let regions = generator.normal_tensor(&[REGIONS as i64, width], Device::Cpu)?;
    let own = generator.normal_tensor(&[(REGIONS * PARTS) as i64, width], Device::Cpu)?;
    let mut part_of = Vec::new();
    for i in 0..side * side {
        let (y, x) = ((i / side) as f64, (i % side) as f64);
        let distance = |&(v, u): &(f64, f64)| (y - v).powi(2) + (x - u).powi(2);
        let nearest = (0..sites.len()).min_by(|&a, &b| distance(&sites[a]).total_cmp(&distance(&sites[b])));
        part_of.push(nearest.unwrap_or(0) as i64);
    }
    let part_of = Tensor::f_from_slice(&part_of)?;
    let region_of = part_of.f_floor_divide_scalar(PARTS as i64)?;
    let noise = generator.normal_tensor(&[(side * side) as i64, width], Device::Cpu)?;
    let signal = regions.f_index_select(0, &region_of)?;
    Ok(signal
        .f_add(&own.f_index_select(0, &part_of)?.f_mul_scalar(0.7)?)?
        .f_add(&noise.f_mul_scalar(0.6)?)?)
}

/// The walk softmax(gain cos) on [`features`], `[n, n]`.
fn walk(side: usize) -> Result<Tensor> {
    let features = features(side, 64, 1)?;
    let unit = features.f_div(&features.f_norm_scalaropt_dim(2, [-1_i64], true)?)?;
    let logits = unit.f_mm(&unit.f_transpose(0, 1)?)?.f_mul_scalar(8.0)?;
    Ok(logits.f_softmax(-1, None)?)
}

fn export(folder: &Path) -> Result<()> {
    let graph = walk_graph(&walk(64)?, 1, Adjacency::Dot, &Job::quiet())?;
    graph.to_tensor()?.write_npy(folder.join("dot_4096.npy"))?;
    walk(64)?.write_npy(folder.join("walk_4096.npy"))?;
    for side in [64, 128] {
        let name = format!("features_{}.npy", side * side);
        features(side, 384, 2)?.write_npy(folder.join(name))?;
    }
    Ok(())
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let start = Instant::now();
    let result = work()?;
    Ok((start.elapsed().as_secs_f64(), result))
}

/// `field` of /proc/self/status in MiB, or 0 where the system does not tell.
fn memory_mib(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// Options of a recursion to 32 segments.
fn to_32() -> CutOptions {
    CutOptions {
        criterion: Stopping::Fixed(2.0),
        max_segments: 32,
        ..CutOptions::default()
    }
}

fn report(file: &str, graph_of: impl Fn(Tensor) -> Result<Graph>) -> Result<()> {
    let job = Job::quiet();
    let input = Tensor::read_npy(file)?;
    let start_mib = memory_mib("VmRSS:");
    let (build, graph) = timed(|| graph_of(input))?;
    let options = CutOptions::default();
    let mut times = Vec::new();
    let mut result = graph_vectors(&graph, 1, &options, &job)?;
    for _ in 0..5 {
        let (time, vectors) = timed(|| graph_vectors(&graph, 1, &options, &job))?;
        times.push(time);
        result = vectors;
    }
    times.sort_by(f64::total_cmp);
    result.vectors.write_npy(format!("{file}.vector.npy"))?;
    let (ten, many) = timed(|| graph_vectors(&graph, 10, &options, &job))?;
    many.vectors.write_npy(format!("{file}.vectors.npy"))?;
    let (tree_time, tree) = timed(|| recursive_ncut(&graph, &to_32(), &job))?;
    println!(
        "{{\"nodes\": {}, \"threads\": {}, \"build_s\": {build:.4}, \"second_vector_s\": {:.4}, \"best_s\": {:.4}, \
         \"eigenvalue\": {:.9}, \"residual\": {:.2e}, \"products\": {}, \"ten_vectors_s\": {ten:.4}, \
         \"ten_residual\": {:.2e}, \"ten_products\": {}, \"recursion_s\": {tree_time:.4}, \"segments\": {}, \
         \"start_mib\": {start_mib:.0}, \"peak_mib\": {:.0}}}",
        graph.nodes(),
        tch::get_num_threads(),
        times[times.len() / 2],
        times[0],
        result.values[0],
        result.residual,
        result.products,
        many.residual,
        many.products,
        tree.leaves().len(),
        memory_mib("VmHWM:"),
    );
    Ok(())
}

fn pieces(criterion: &mut Criterion) -> Result<()> {
    let job = Job::quiet();
    let options = CutOptions::default();
    let walk = walk(64)?;
    let mut group = criterion.benchmark_group("4096 nodes");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5))
        .warm_up_time(Duration::from_millis(300));
    group.bench_function("P P^T", |b| b.iter(|| walk_graph(&walk, 1, Adjacency::Dot, &job)));
    let dot = walk_graph(&walk, 1, Adjacency::Dot, &job)?;
    let walk = Graph::walk(walk)?;
    group.bench_function("second eigenvector of P P^T", |b| {
        b.iter(|| graph_vectors(&dot, 1, &options, &job))
    });
    group.bench_function("second eigenvector of P", |b| {
        b.iter(|| graph_vectors(&walk, 1, &options, &job))
    });
    group.bench_function("one cut of P P^T", |b| b.iter(|| bipartition(&dot, &options, &job)));
    group.bench_function("recursion on P P^T to 32 segments", |b| {
        b.iter(|| recursive_ncut(&dot, &to_32(), &job))
    });
    group.bench_function("recursion on P to 32 segments", |b| {
        b.iter(|| recursive_ncut(&walk, &to_32(), &job))
    });
    group.finish();
    Ok(())
}
