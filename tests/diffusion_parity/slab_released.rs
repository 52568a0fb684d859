//! The slab paper's pipeline from slices to canvases, labels and points, as its code runs and as its text says, beside
//! a restatement in Python (tests/oracle/slab_released.py).
use std::collections::BTreeMap;

use ndarray::Array3;
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;
use tomocut::diffusion::DiffusionModel;
use tomocut::runtime::{Generator, Job};
use tomocut::slab::{dump_slice, segment, Preset, SlabOptions, SplitRule};
use tomocut::volume::{Geometry, Tomogram};

use crate::hashed::uniform;
use crate::networks::{fixture, Network, Store};
use crate::open;

const SHAPE: (usize, usize, usize) = (3, 120, 144);
const VOXEL_NM: f64 = 1.348;
const TOKENS: i64 = 16;
const TILES: usize = 4;

/// Noisy slices with a dark band that bends and dark discs.
fn tomogram() -> Tomogram {
    let (depth, rows, cols) = SHAPE;
    let noise = uniform("slab_released/volume", depth * rows * cols);
    let voxels = Array3::from_shape_fn(SHAPE, |(z, y, x)| {
        let at = (z * rows + y) * cols + x;
        let (z, y, x) = (z as i64, y as i64, x as i64);
        let band = (y - 40 - (x - 72).pow(2) / 160 - 3 * z).abs() <= 4;
        let disc = |row: i64, col: i64, squared: i64| (y - row).pow(2) + (x - col).pow(2) <= squared;
        0.25 * noise[at] - f32::from(u8::from(band || disc(88, 36, 64) || disc(84, 108, 100)))
    });
    Tomogram::from_array(voxels, Geometry::new([depth, rows, cols], 10.0 * VOXEL_NM)).unwrap()
}

/// The preset at tiles of 16 cells and fewer iterations; CellPose has a parity test of its own.
fn options(form: &str) -> SlabOptions {
    let (preset, iterations) = match form {
        "code" => (Preset::Cvpr2026Code, 200),
        _ => (Preset::Cvpr2026Paper, 24),
    };
    SlabOptions {
        tile_cells: TOKENS as usize,
        adam_iterations: iterations,
        split: SplitRule::Circularity,
        ..SlabOptions::new(preset)
    }
}

fn model(folder: &TempDir) -> DiffusionModel {
    let network = Network::new("sd1");
    network.write_folder(folder.path(), &network.component("vae"), Store::F32);
    open(folder.path()).unwrap()
}

/// Random numbers of one tile in the order in which the engine draws them.
fn draws(options: &SlabOptions, z: usize, tile: usize) -> Vec<(&'static str, Tensor)> {
    let latent = [1, 4, TOKENS, TOKENS];
    let stream = ((z as u64) << 16) | tile as u64;
    let mut schedule = Generator::new(options.seed ^ stream, 2);
    let mut held = false;
    let fresh: Vec<i64> = (0..=options.adam_iterations)
        .map(|_| {
            let again = schedule.chance(options.adam.reuse);
            if again && held {
                schedule.integer(0, 0);
                return 0;
            }
            held = true;
            1
        })
        .collect();
    let mut generator = Generator::new(options.seed, stream);
    let posterior = generator.normal_tensor(&latent, Device::Cpu).unwrap();
    let most = (68.0 / VOXEL_NM).floor() as i64;
    let (timesteps, noise): (Vec<i64>, Vec<Tensor>) = (0..fresh.iter().sum())
        .map(|_| {
            let timestep = generator.integer(0, most);
            (timestep, generator.normal_tensor(&latent, Device::Cpu).unwrap())
        })
        .unzip();
    let mut drawn = vec![
        ("fresh", Tensor::from_slice(&fresh)),
        ("posterior", posterior),
        ("timesteps", Tensor::from_slice(&timesteps)),
        ("noise", Tensor::cat(&noise, 0)),
    ];
    let mut network = Generator::new(options.seed ^ stream, 1);
    let planes = network.normal_tensor(&[1, 128, TOKENS, TOKENS], Device::Cpu).unwrap();
    drawn.push(("net0", planes));
    let bound = (1.0 / (9.0 * 128.0_f64).sqrt()) as f32;
    let (hidden, channels) = (128, options.n_eigenvectors as i64);
    let names = ["net1", "net2", "net3", "net4", "net5", "net6"];
    for (names, outputs) in names.chunks(2).zip([hidden, hidden, channels]) {
        let mut uniform = |shape: &[i64]| network.uniform_tensor(-bound, bound, shape, Device::Cpu).unwrap();
        drawn.push((names[0], uniform(&[outputs, hidden, 3, 3])));
        drawn.push((names[1], uniform(&[outputs])));
    }
    drawn
}

/// Writes what tests/oracle/slab_released.py needs to the file that TOMOCUT_DRAWS names.
#[test]
#[ignore = "makes the oracle's input"]
fn draws_for_the_oracle() {
    let path = std::env::var("TOMOCUT_DRAWS").expect("TOMOCUT_DRAWS names the file to write");
    let mut all: Vec<(String, Tensor)> = Vec::new();
    for form in ["code", "paper"] {
        let options = options(form);
        for z in 0..SHAPE.0 {
            for tile in 0..TILES {
                let prefix = format!("{form}.z{z}.t{tile}.");
                let drawn = draws(&options, z, tile);
                all.extend(
                    drawn
                        .into_iter()
                        .map(|(name, tensor)| (format!("{prefix}{name}"), tensor)),
                );
            }
        }
    }
    Tensor::write_safetensors(&all, path).unwrap();
}

/// Share of entries that differ by more than `tolerance`.
fn differing(own: &Tensor, expected: &Tensor, tolerance: f64) -> f64 {
    assert_eq!(own.size(), expected.size());
    let apart = (own - expected).abs().gt(tolerance).to_kind(Kind::Float);
    apart.mean(Kind::Float).double_value(&[])
}

/// Share of `points` that lie within two voxels of one of `others`.
fn shared(points: &[Vec<i64>], others: &[Vec<i64>]) -> f64 {
    let near = |a: &Vec<i64>, b: &Vec<i64>| a[0] == b[0] && (a[1] - b[1]).abs() <= 2 && (a[2] - b[2]).abs() <= 2;
    let count = points.iter().filter(|a| others.iter().any(|b| near(a, b))).count();
    count as f64 / points.len() as f64
}

fn agrees(form: &str) {
    let expected: BTreeMap<String, Tensor> = Tensor::read_safetensors(fixture("slab_released.safetensors"))
        .unwrap()
        .into_iter()
        .collect();
    let (folder, tomogram, options) = (TempDir::new().unwrap(), tomogram(), options(form));
    let model = model(&folder);
    let job = Job::quiet();
    let mut apart = Vec::new();
    for z in 0..SHAPE.0 {
        let path = folder.path().join("slice.safetensors");
        dump_slice(&model, &tomogram, z, &options, &path, &job).unwrap();
        let made: BTreeMap<String, Tensor> = Tensor::read_safetensors(&path).unwrap().into_iter().collect();
        for tile in 0..TILES {
            let own = made[&format!("tile{tile}.canvas")].slice(0, None, None, 4);
            let own = own.slice(1, None, None, 4);
            let canvas = expected[&format!("{form}.canvas.z{z}.t{tile}")].to_kind(Kind::Float);
            if differing(&own, &canvas, 4.0) > 0.01 {
                apart.push((z, tile));
            }
        }
    }
    // Hundreds of passes in float32 and a chain of decisions: singular values that agree to 1e-4 leave their vectors
    // open, a vector without skewness its sign. One such tile was seen in 24.
    assert!(apart.len() <= 2, "other canvases at (slice, tile) {apart:?}");

    let slab = segment(&model, &tomogram, 0..SHAPE.0, &options, &job).unwrap();
    let size = [SHAPE.0 as i64, SHAPE.1 as i64, SHAPE.2 as i64];
    let labels = Tensor::from_slice(slab.labels.as_slice().unwrap()).reshape(size);
    for z in 0..SHAPE.0 {
        let (own, expected) = (labels.get(z as i64), expected[&format!("{form}.labels")].get(z as i64));
        let others = apart.iter().filter(|(slice, _)| *slice == z).count();
        // Canvases within a level of each other: pixels at the threshold, and bodies at the limit of circularity that
        // change their label whole.
        let allowed = 0.025 + 0.25 * others as f64;
        let share = differing(&own, &expected, 0.0);
        assert!(share <= allowed, "{share} of the labels of slice {z} differ");
        let share = differing(&own.clamp_max(1), &expected.clamp_max(1), 0.0);
        assert!(
            share <= allowed - 0.01,
            "{share} of the foreground of slice {z} differs"
        );
    }
    let own: Vec<Vec<i64>> = slab
        .points
        .iter()
        .map(|pick| pick.position.iter().map(|v| *v as i64).collect())
        .collect();
    let points = &expected[&format!("{form}.points")].to_kind(Kind::Int64);
    let points: Vec<Vec<i64>> = (0..points.size()[0])
        .map(|index| Vec::try_from(points.get(index)).unwrap())
        .collect();
    // A body that changes its label takes its neighbours' points along: close pairs are dropped.
    for share in [shared(&points, &own), shared(&own, &points)] {
        assert!(share >= 0.6, "{share} of the points are shared: {own:?}, {points:?}");
    }
}

#[test]
fn the_code_s_preset_is_the_released_pipeline() {
    agrees("code");
}

#[test]
fn the_paper_s_preset_is_its_text() {
    agrees("paper");
}
