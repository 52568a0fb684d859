//! Methods on matrices against numpy references, and combinations that are refused.
use tch::{Device, Kind, Tensor};

use super::*;
use crate::ncut::assign::argmax_enlarged;
use crate::ncut::fixtures::{fixture, labels, tensor};
use crate::ncut::{Preset, StoppingRule};
use crate::runtime::Generator;

/// Three blocks of 4 x 12 tokens that mostly walk among themselves.
fn block_walk() -> Tensor {
    let n = 144;
    let logits: Vec<f32> = (0..n * n)
        .map(|k| {
            let (i, j) = (k / n, k % n);
            let near = if i / 48 == j / 48 { 3.0 } else { 0.0 };
            near + ((i * 31 + j * 17) % 13) as f32 / 13.0
        })
        .collect();
    Tensor::from_slice(&logits)
        .reshape([n as i64, n as i64])
        .softmax(1, Kind::Float)
}

fn blocks() -> Vec<u32> {
    (0..144).map(|i| i / 48).collect()
}

fn divide_walk(options: &NcutOptions) -> Result<Partition> {
    divide(&Source::Walk(block_walk()), (12, 12), options, &Job::quiet())
}

#[test]
fn diffcut_is_the_published_recursion() {
    let fixture = fixture("diffcut.json");
    let mut options = NcutOptions::new(Preset::DiffCut);
    options.threshold = Some(0.5);
    let source = Source::Features(tensor(&fixture["features"]));
    let partition = divide(&source, (8, 8), &options, &Job::quiet()).unwrap();
    assert_eq!(partition.main.tokens, labels(&fixture["tokens"]));
    assert!(partition
        .main
        .means
        .allclose(&tensor(&fixture["means"]), 1e-4, 1e-5, false));
    let pixels = argmax_enlarged(&partition.main.scores, (8, 8), (32, 32), &Job::quiet()).unwrap();
    assert_eq!(pixels.into_raw_vec_and_offset().0, labels(&fixture["labels"]));
}

#[test]
fn every_walking_method_finds_planted_blocks() {
    for preset in [Preset::WalkAndCut, Preset::DiffSeg] {
        let mut options = NcutOptions::new(preset);
        if preset == Preset::DiffSeg {
            options.threshold = Some(0.3);
        }
        let partition = divide_walk(&options).unwrap();
        assert_eq!(partition.main.tokens, blocks(), "{}", preset.name());
        assert_eq!(partition.main.means.size(), [3, 144]);
        let leaves: Vec<_> = partition.tree.iter().filter(|node| node.segment.is_some()).collect();
        assert_eq!(leaves.iter().map(|node| node.tokens).sum::<usize>(), 144);
    }
}

#[test]
fn a_hierarchy_is_what_separate_runs_give() {
    let mut options = NcutOptions::new(Preset::WalkAndCut);
    options.threshold = Some(0.5);
    let alone = |threshold: f64| {
        let mut options = options.clone();
        options.threshold = Some(threshold);
        divide_walk(&options).unwrap().main.tokens
    };
    let expected: Vec<Vec<u32>> = [0.1, 0.5, 0.95].map(alone).into();
    options.thresholds = vec![0.1, 0.5, 0.95];
    for (criterion, threshold) in [(StoppingRule::Fixed, Some(0.5)), (StoppingRule::MancNcut, None)] {
        (options.criterion, options.threshold) = (criterion, threshold);
        let partition = divide_walk(&options).unwrap();
        let levels: Vec<Vec<u32>> = partition.levels.iter().map(|level| level.tokens.clone()).collect();
        assert_eq!(levels, expected);
        assert_eq!(partition.main.tokens, blocks());
    }
    options.thresholds.clear();
    options.counts = vec![1, 2, 3];
    let partition = divide_walk(&options).unwrap();
    let counts: Vec<i64> = partition.levels.iter().map(|level| level.means.size()[0]).collect();
    assert_eq!(counts, [1, 2, 3]);
    assert_eq!(partition.levels[2].tokens, blocks());
}

#[test]
fn eigenvectors_are_those_of_the_normalised_matrix() {
    let mut options = NcutOptions::new(Preset::WalkAndCut);
    options.eigenvectors = 3;
    let partition = divide_walk(&options).unwrap().eigenvectors.unwrap();
    assert_eq!(partition.size(), [3, 144]);
    let walk = block_walk().to_kind(Kind::Double);
    let dot = walk.matmul(&walk.transpose(0, 1));
    let degrees = dot.sum_dim_intlist([1_i64].as_slice(), true, Kind::Double);
    for c in 0..3 {
        // Generalised: A y = mu D y.
        let y = partition.select(0, c).unsqueeze(1).to_kind(Kind::Double);
        let (ay, dy) = (dot.matmul(&y), &degrees * &y);
        let mu = (&y * &ay).sum(Kind::Double) / (&y * &dy).sum(Kind::Double);
        let residual = (&ay - &dy * &mu).norm().double_value(&[]) / dy.norm().double_value(&[]);
        assert!(residual < 1e-4, "vector {c}: {residual}");
    }
    options.method = Method::Merge;
    assert!(divide_walk(&options).unwrap_err().to_string().contains("cuts no graph"));
}

#[test]
fn methods_and_matrices_that_do_not_go_together_are_refused() {
    let mut generator = Generator::new(1, 0);
    let mut features = || Source::Features(generator.normal_tensor(&[16, 4], Device::Cpu).unwrap());
    let affinity = || Source::Affinity(Tensor::ones([16, 16], (Kind::Float, Device::Cpu)));
    let refused = |source: Source, preset: Preset, part: &str| {
        let text = divide(&source, (4, 4), &NcutOptions::new(preset), &Job::quiet())
            .unwrap_err()
            .to_string();
        assert!(text.contains(part), "{text}");
    };
    refused(features(), Preset::WalkAndCut, "not features");
    refused(features(), Preset::DiffSeg, "diffseg needs");
    refused(affinity(), Preset::RandomWalk, "random walk");
    refused(affinity(), Preset::PowerWalkMincut, "random walk");
    refused(affinity(), Preset::TokenCut, "tokencut needs");
    let mut options = NcutOptions::new(Preset::WalkAndCut);
    options.adjacency = Adjacency::Cosine;
    let text = divide_walk(&options).unwrap_err().to_string();
    assert!(text.contains("MAN-C"), "{text}");
    let mut options = NcutOptions::new(Preset::EmerDiffKmeans);
    options.clusters = 17;
    assert!(divide(&features(), (4, 4), &options, &Job::quiet()).is_err());
}

#[test]
fn clusters_come_in_the_given_numbers() {
    let features = Generator::new(3, 0).normal_tensor(&[64, 5], Device::Cpu).unwrap();
    let mut options = NcutOptions::new(Preset::EmerDiffKmeans);
    options.counts = vec![2, 5];
    let partition = divide(&Source::Features(features), (8, 8), &options, &Job::quiet()).unwrap();
    let counts: Vec<i64> = partition.levels.iter().map(|level| level.means.size()[0]).collect();
    assert_eq!((partition.main.means.size()[0], counts), (30, vec![2, 5]));
}
