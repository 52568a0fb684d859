//! CellPose beside cellpose 3.1: the network, what it sees, its flows, the instances; and the files it refuses.
//! Fixtures: tests/oracle/cellpose_parity.py.
mod hashed;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use hashed::uniform;
use ndarray::{s, Array2, Array3, ArrayView2};
use safetensors::tensor::TensorView;
use safetensors::Dtype;
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;
use tomocut::networks::cpnet::{
    cpnet_tensor_shapes, instances, normalise, CellPose, CellPoseOptions, Cpnet, CpnetConfig, DynamicsCode, Flows,
};
use tomocut::runtime::{CancelToken, Error, Job, Logger};
use tomocut::slab::split::{CellPoseInput, CellPosePerSlice, CellPoseRule, Splitter};
use tomocut::volume::{MEMBRANE, MOLECULE};

const CODES: [(DynamicsCode, &str); 2] = [(DynamicsCode::Cpu, "cpu"), (DynamicsCode::Gpu, "gpu")];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/cellpose")
        .join(name)
}

/// What cellpose computed.
struct Oracle(HashMap<String, Tensor>);

impl Oracle {
    fn read() -> Self {
        Self(
            Tensor::read_safetensors(fixture("parity.safetensors"))
                .unwrap()
                .into_iter()
                .collect(),
        )
    }

    fn flat(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let tensor = &self.0[name];
        let shape = tensor.size().iter().map(|n| *n as usize).collect();
        (shape, Vec::try_from(tensor.to_kind(Kind::Float).reshape([-1])).unwrap())
    }

    fn image(&self, name: &str) -> Array2<f32> {
        let (shape, values) = self.flat(name);
        Array2::from_shape_vec((shape[0], shape[1]), values).unwrap()
    }

    fn maps(&self, name: &str) -> Array3<f32> {
        let (shape, values) = self.flat(name);
        Array3::from_shape_vec((shape[0], shape[1], shape[2]), values).unwrap()
    }

    fn labels(&self, name: &str) -> Array2<u32> {
        self.image(name).mapv(|v| v as u32)
    }
}

fn narrow() -> CellPose {
    CellPose::open(&fixture("narrow.safetensors"), Device::Cpu).unwrap()
}

/// Largest difference as a share of the largest expected value.
fn deviation<'a>(own: impl IntoIterator<Item = &'a f32>, expected: impl IntoIterator<Item = &'a f32>) -> f32 {
    let mut largest = (0.0_f32, 0.0_f32);
    for (own, expected) in own.into_iter().zip(expected) {
        largest = (largest.0.max((own - expected).abs()), largest.1.max(expected.abs()));
    }
    largest.0 / largest.1
}

fn at_ten(dynamics: DynamicsCode) -> CellPoseOptions {
    CellPoseOptions {
        diameter: Some(10.0),
        dynamics,
        ..CellPoseOptions::default()
    }
}

/// The weights of a network of full width, as the oracle has them.
fn hashed_weight(name: &str, shape: &[i64]) -> Tensor {
    let count: i64 = shape.iter().product();
    let u = Tensor::from_slice(&uniform(&format!("cpnet/{name}"), count as usize)).reshape(shape);
    if shape.len() >= 2 {
        u * (3.0 / (count / shape[0]) as f64).sqrt()
    } else if name.ends_with("running_var") {
        u * 0.5 + 1.0
    } else if name.ends_with("weight") {
        u * 0.2 + 1.0
    } else {
        u * 0.2
    }
}

#[test]
fn a_network_of_full_width_computes_what_cellpose_computes() {
    let config = CpnetConfig::default();
    let shapes = cpnet_tensor_shapes(&config).unwrap();
    // 313 entries less 41 counters and two diameters.
    assert_eq!(shapes.len(), 270);
    let statistics = |name: &str| name.contains("running");
    let count: i64 = shapes
        .iter()
        .filter(|(name, _)| !statistics(name))
        .map(|(_, shape)| shape.iter().product::<i64>())
        .sum();
    assert_eq!(count + 2, 6_600_845);
    let network = Cpnet::from_tensors(&config, &mut |name, shape| Ok(hashed_weight(name, shape))).unwrap();
    let image = Tensor::from_slice(&uniform("cpnet/image", 2 * 2 * 48 * 64)).reshape([2, 2, 48, 64]);
    let output = network.forward(&image, &Job::quiet()).unwrap();
    let oracle = Oracle::read();
    let scale = f64::try_from(oracle.0["full/scale"].get(0)).unwrap();
    let error = |output: &Tensor, expected: &Tensor| f64::try_from((output - expected).abs().max()).unwrap();
    let corner = output.maps.narrow(2, 8, 16).narrow(3, 40, 16);
    let exact = error(&corner, &oracle.0["full/corner"]) / scale;
    let style = error(&output.style, &oracle.0["full/style"]);
    let rough = error(&output.maps, &oracle.0["full/maps"].to_kind(Kind::Float)) / scale;
    eprintln!("full width: maps within {exact:.1e}, style within {style:.1e}");
    assert!(exact <= 1e-5 && style <= 1e-5, "{exact:.1e} {style:.1e}");
    // Stored in half precision.
    assert!(rough <= 1e-3, "{rough:.1e}");
    for wrong in [[1, 1, 48, 64], [1, 2, 44, 64], [1, 2, 48, 0]] {
        let image = Tensor::zeros(wrong, (Kind::Float, Device::Cpu));
        assert!(matches!(
            network.forward(&image, &Job::quiet()),
            Err(Error::InvalidArgument { .. })
        ));
    }
}

#[test]
fn flows_of_an_image_are_those_of_cellpose() {
    let oracle = Oracle::read();
    let image = oracle.image("image/pixels");
    let error = deviation(&normalise(image.view()), &oracle.image("image/normalised"));
    assert!(error <= 1e-6, "normalised: {error:.1e}");
    let model = narrow();
    assert_eq!(
        (model.diam_mean(), &model.network().config().nbase[..]),
        (30.0, &[2, 4, 8, 16, 32][..])
    );
    let segments = model
        .flows(image.view(), &at_ten(DynamicsCode::Cpu), &Job::quiet())
        .unwrap();
    let errors = [
        deviation(&segments.flows, &oracle.maps("image/flows")),
        deviation(&segments.cell_probability, &oracle.image("image/probability")),
        deviation(&segments.style, &oracle.flat("image/style").1),
    ];
    eprintln!("flows, cell probability and style within {errors:?}");
    assert!(errors.iter().all(|error| *error <= 1e-5), "{errors:?}");
    assert_eq!(segments.steps, 66);
    // At the training diameter nothing is scaled.
    let options = CellPoseOptions::default();
    let segments = model.flows(image.view(), &options, &Job::quiet()).unwrap();
    let error = deviation(
        segments.flows.slice(s![.., 20..60, 30..80]),
        &oracle.maps("image/flows_30"),
    );
    assert!(error <= 1e-5, "at the training diameter: {error:.1e}");
    assert_eq!(segments.steps, 200);
}

#[test]
fn instances_of_an_image_are_those_of_cellpose() {
    let oracle = Oracle::read();
    let image = oracle.image("image/pixels");
    let model = narrow();
    for (code, name) in CODES {
        let segments = model.segment(image.view(), &at_ten(code), &Job::quiet()).unwrap();
        assert_eq!(segments, oracle.labels(&format!("image/masks_{name}")), "{name}");
        // The network knows discs: most of them are found, and membranes are not taken for them.
        let truth = oracle.labels("image/truth");
        assert!(
            matched(segments.view(), truth.view()) * 10 >= 8 * count(truth.view()),
            "{name}"
        );
    }
    // A grey level of no account: the image is normalised.
    let brighter = image.mapv(|v| 4.0 * v - 1000.0);
    let code = DynamicsCode::Gpu;
    let [a, b] = [&image, &brighter].map(|image| model.segment(image.view(), &at_ten(code), &Job::quiet()).unwrap());
    assert_eq!(a, b);
}

#[test]
fn instances_of_drawn_flows_are_those_of_cellpose() {
    let oracle = Oracle::read();
    for (dynamics, name) in CODES {
        for (steps, flow_threshold) in [(66, 0.4), (200, 0.0)] {
            let flows = Flows {
                flows: oracle.maps("drawn/flows"),
                cell_probability: oracle.image("drawn/probability"),
                style: Vec::new(),
                steps,
            };
            let options = CellPoseOptions {
                flow_threshold,
                dynamics,
                ..CellPoseOptions::default()
            };
            let segments = instances(&flows, &options, Device::Cpu, &Job::quiet()).unwrap();
            let expected = oracle.labels(&format!("drawn/masks_{name}_{steps}"));
            let differing = segments.iter().zip(&expected).filter(|(a, b)| a != b).count();
            assert_eq!(differing, 0, "{name}, {steps} steps");
        }
    }
}

fn count(labels: ArrayView2<u32>) -> usize {
    labels.iter().max().map_or(0, |most| *most as usize)
}

/// Instances of `truth` that an instance of `own` covers with an IoU above one half.
fn matched(segments: ArrayView2<u32>, truth: ArrayView2<u32>) -> usize {
    let mut pairs: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for (&f, &t) in segments.iter().zip(&truth) {
        *pairs.entry((f, t)).or_default() += 1;
    }
    let size = |labels: &ArrayView2<u32>, label: u32| labels.iter().filter(|l| **l == label).count();
    let good = |(&(f, t), &common): &(&(u32, u32), &usize)| {
        f > 0 && t > 0 && 2 * common > size(&segments, f) + size(&truth, t) - common
    };
    pairs.iter().filter(good).count()
}

#[test]
fn images_of_any_size_and_without_signal_work() {
    let model = narrow();
    for shape in [(1, 1), (1, 90), (37, 5), (80, 200)] {
        let segments = model
            .segment(Array2::zeros(shape).view(), &at_ten(DynamicsCode::Gpu), &Job::quiet())
            .unwrap();
        assert_eq!(segments.dim(), shape);
    }
    // Tiles without signal are computed once; a speck elsewhere must not change them.
    let mut image = Array2::zeros((80, 200));
    let blank = model
        .flows(image.view(), &at_ten(DynamicsCode::Gpu), &Job::quiet())
        .unwrap();
    image.slice_mut(s![36..46, 180..190]).fill(1.0);
    let options = CellPoseOptions {
        normalise: false,
        ..at_ten(DynamicsCode::Gpu)
    };
    let speck = model.flows(image.view(), &options, &Job::quiet()).unwrap();
    let left = s![.., .., ..60];
    assert!(deviation(speck.flows.slice(left), blank.flows.slice(left)) <= 1e-5);
    let segments = instances(&speck, &options, Device::Cpu, &Job::quiet()).unwrap();
    assert_eq!(count(segments.view()), 1);
    assert_eq!(segments[[41, 185]], 1);
}

#[test]
fn unfit_arguments_are_named_and_a_cancel_is_heard() {
    let model = narrow();
    let image = Array2::from_shape_fn((40, 40), |(y, x)| (y * x) as f32);
    let refused = |image: &Array2<f32>, options: &CellPoseOptions, name: &str| {
        let error = model.segment(image.view(), options, &Job::quiet()).err().unwrap();
        assert!(error.to_string().starts_with(name), "{error}");
    };
    let with = |diameter: f64| CellPoseOptions {
        diameter: Some(diameter),
        ..CellPoseOptions::default()
    };
    for diameter in [0.0, f64::NAN, 0.01, 5000.0] {
        refused(&image, &with(diameter), "diameter");
    }
    refused(&Array2::zeros((0, 3)), &with(30.0), "image");
    refused(&Array2::from_elem((40, 40), f32::NAN), &with(30.0), "image");
    let token = CancelToken::default();
    token.request();
    let job = Job::new(token, Logger::default());
    let error = model.segment(image.view(), &with(30.0), &job).err().unwrap();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    let fractions = std::cell::RefCell::new(Vec::new());
    let job = Job::quiet().with_every_report().with_progress(|progress| {
        fractions.borrow_mut().push(progress.fraction);
        fractions.borrow().len() < 2
    });
    let error = model.segment(image.view(), &with(3.0), &job).err().unwrap();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    assert!(fractions.borrow().is_sorted());
}

/// Tensors of the narrow model as a file has them: name, type, shape, bytes.
type Entries = Vec<(String, Dtype, Vec<usize>, Vec<u8>)>;

fn entries() -> Entries {
    let bytes = std::fs::read(fixture("narrow.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let entry = |(name, view): (String, TensorView)| (name, view.dtype(), view.shape().to_vec(), view.data().to_vec());
    file.tensors().into_iter().map(entry).collect()
}

fn write(path: &Path, entries: &Entries) {
    let views = entries
        .iter()
        .map(|(name, dtype, shape, data)| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    safetensors::serialize_to_file(views, None, path).unwrap();
}

#[test]
fn unfit_files_are_refused_by_the_tensor() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.safetensors");
    let refuse = |expected: &[&str]| {
        for error in [CellPose::open(&path, Device::Cpu).err(), CellPose::check(&path).err()] {
            let text = error.unwrap().to_string();
            assert!(expected.iter().all(|word| text.contains(word)), "{text}");
        }
    };
    let all = entries();
    assert_eq!(all.len(), 313);
    for name in [
        "diam_mean",
        "downsample.down.res_down_2.conv.conv_0.2.weight",
        "downsample.down.res_down_3.proj.0.running_var",
        "upsample.up.res_up_1.conv.conv_2.full.bias",
        "output.2.weight",
    ] {
        let mut without = all.clone();
        without.retain(|entry| entry.0 != name);
        write(&path, &without);
        refuse(&[name, "is missing"]);
        let mut longer = all.clone();
        let entry = longer.iter_mut().find(|entry| entry.0 == name).unwrap();
        entry.2.push(2);
        entry.3 = entry.3.repeat(2);
        write(&path, &longer);
        refuse(&[name, "has shape"]);
    }
    write(&path, &vec![("W2".into(), Dtype::F32, vec![1], vec![0; 4])]);
    refuse(&["Cellpose-SAM"]);
    write(&path, &vec![("conv_in.weight".into(), Dtype::F32, vec![1], vec![0; 4])]);
    refuse(&["no CPnet"]);
    std::fs::write(&path, b"PK\x03\x04 a zip archive").unwrap();
    refuse(&["pickle", "torch.load"]);
    std::fs::remove_file(&path).unwrap();
    refuse(&["opening"]);
}

/// Three slices with discs of 12.5 pixels, the middle one moved a little, under a membrane that bends across.
fn slab() -> Array3<bool> {
    Array3::from_shape_fn((3, 96, 120), |(z, y, x)| {
        let disc = |cy: f64, cx: f64| (y as f64 - cy).hypot(x as f64 - cx - z as f64) <= 6.2;
        let membrane = (y as f64 + 150.0).hypot(x as f64 - 60.0);
        disc(50.0, 25.0) || disc(50.0, 70.0) || disc(61.0, 75.5) || disc(80.0, 100.0) || (membrane - 165.0).abs() < 2.0
    })
}

#[test]
fn the_splitter_tells_discs_from_a_membrane() {
    let foreground = slab();
    let score = foreground.mapv(|v| if v { 0.9 } else { 0.1 });
    for (input, rule) in [
        (
            CellPoseInput::Foreground,
            CellPoseRule {
                diameter_pixels: None,
                ..CellPoseRule::released_code()
            },
        ),
        (CellPoseInput::Score, CellPoseRule::default()),
    ] {
        let splitter = CellPosePerSlice {
            model: narrow(),
            rule,
            diameter_nm: 12.5,
            input,
            largest_nm: 30.0,
        };
        let split = splitter
            .split(foreground.view(), Some(score.view()), 1.0, &Job::quiet())
            .unwrap();
        for z in 0..3 {
            let here = |o: &&tomocut::slab::split::Object| o.centroid[0] == z as f64;
            let here_objects: Vec<_> = split.objects.iter().filter(here).collect();
            assert_eq!(here_objects.len(), 4, "{here_objects:?}");
            for (object, centre) in here_objects
                .iter()
                .zip([[50.0, 25.0], [50.0, 70.0], [61.0, 75.5], [80.0, 100.0]])
            {
                let offset = (object.centroid[1] - centre[0]).hypot(object.centroid[2] - centre[1] - z as f64);
                assert!(offset <= 1.5, "{object:?}");
                assert!((object.diameter_nm - 12.5).abs() <= 3.0, "{object:?}");
                assert!(object.score > 0.7, "{object:?}");
            }
        }
        assert_eq!(split.labels[[1, 50, 26]], MOLECULE);
        assert_eq!((split.labels[[1, 15, 60]], split.labels[[1, 30, 5]]), (MEMBRANE, 0));
        // In nm the diameter is the same thing at any sampling.
        let half = CellPosePerSlice {
            diameter_nm: 6.25,
            largest_nm: 15.0,
            ..splitter
        };
        let again = half
            .split(foreground.view(), Some(score.view()), 0.5, &Job::quiet())
            .unwrap();
        assert_eq!(again.labels, split.labels);
        // Nothing larger than what is asked for.
        let small = CellPosePerSlice {
            largest_nm: 3.0,
            ..half
        };
        let none = small
            .split(foreground.view(), Some(score.view()), 0.5, &Job::quiet())
            .unwrap();
        assert!(none.objects.is_empty() && none.labels.iter().all(|label| *label != MOLECULE));
    }
}

#[test]
fn each_number_of_the_rule_decides() {
    // The score shows four discs, the foreground three.
    let score = slab().mapv(|v| if v { 0.9 } else { 0.1 });
    let mut foreground = slab();
    foreground.slice_mut(ndarray::s![.., 40..60, 15..36]).fill(false);
    let molecules = |rule: CellPoseRule| {
        let splitter = CellPosePerSlice {
            model: narrow(),
            rule,
            diameter_nm: 12.5,
            input: CellPoseInput::Score,
            largest_nm: 30.0,
        };
        let split = splitter
            .split(foreground.view(), Some(score.view()), 1.0, &Job::quiet())
            .unwrap();
        assert_eq!(split.labels[[1, 50, 26]] == MOLECULE, split.objects.len() == 12);
        split.objects.len()
    };
    let rule = CellPoseRule::default;
    assert_eq!(molecules(rule()), 9);
    assert_eq!(
        molecules(CellPoseRule {
            foreground_share: 0.0,
            ..rule()
        }),
        12
    );
    assert_eq!(
        molecules(CellPoseRule {
            circularity: 2.0,
            ..rule()
        }),
        0
    );
    assert_eq!(
        molecules(CellPoseRule {
            cell_probability: 100.0,
            ..rule()
        }),
        0
    );
    assert_eq!(
        molecules(CellPoseRule {
            flow_threshold: 1e-6,
            ..rule()
        }),
        0
    );
    // In pixels, whatever the voxels' size says: the discs are four times as large as what is looked for.
    assert_ne!(
        molecules(CellPoseRule {
            diameter_pixels: Some(3.0),
            ..rule()
        }),
        9
    );
}
