//! Files of segmentation networks: ours, those of other programs, wrong ones.
use std::collections::HashMap;

use safetensors::tensor::TensorView;
use safetensors::Dtype;
use tch::{Device, Kind, Tensor};
use tomocut::networks::{InputScale, ModelDescription, NetworkConfig, Pass, PickerConfig, Reach, SegmentationModel};
use tomocut::runtime::{CancelToken, Error, Job, Logger};

use super::{dynunet, hashed_model, hashed_tensor, hashed_weight, infer, input, small, unet2d_of_classes};

#[test]
fn a_file_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for network in small() {
        let description = ModelDescription {
            voxel_nm: Some(1.348),
            input: InputScale::Slice,
            bright: true,
            origin: "hashes".into(),
            ..ModelDescription::new(network, None)
        };
        let model = SegmentationModel::from_tensors(description.clone(), Device::Cpu, &mut |name, shape| {
            Ok(hashed_weight(name, shape))
        })
        .unwrap();
        let path = folder.path().join("model.safetensors");
        model.save(&path).unwrap();
        let back = SegmentationModel::open(&path, Device::Cpu).unwrap();
        assert_eq!(back.description(), &description);
        assert_eq!(back.to_bytes().unwrap(), std::fs::read(&path).unwrap());
        assert_eq!(back.count(), model.count());
        let copy = model.duplicate(Device::Cpu).unwrap();
        let (_, mut weight) = copy.weights().remove(0);
        let _ = weight.zero_();
        assert_ne!(copy.to_bytes().unwrap(), model.to_bytes().unwrap());
        assert_eq!(back.to_bytes().unwrap(), model.to_bytes().unwrap());
    }
}

/// Writes `tensors` as another program would: without a header of ours.
fn foreign(tensors: &[(String, Tensor)], header: Option<(&str, &str)>) -> Vec<u8> {
    let data: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| {
            let values: Vec<f32> = Vec::try_from(tensor.reshape([-1])).unwrap();
            let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            (name.clone(), tensor.size().iter().map(|n| *n as usize).collect(), bytes)
        })
        .collect();
    let views = data.iter().map(|(name, shape, bytes)| {
        (
            name.as_str(),
            TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
        )
    });
    let metadata = header.map(|(key, text)| HashMap::from([(key.to_owned(), text.to_owned())]));
    safetensors::serialize(views, metadata).unwrap()
}

#[test]
fn files_of_membrain_and_of_the_paper_are_known() {
    let network = dynunet(&[4, 6, 8, 12], true, 2, &["membrane"]);
    let model = hashed_model(network.clone());
    let expected = infer(&model, &input());
    let rename = |name: &dyn Fn(&str) -> String| -> Vec<(String, Tensor)> {
        let tensors = model.weights().into_iter();
        tensors.map(|(n, tensor)| (name(&n), tensor)).collect()
    };
    // A Lightning checkpoint; a file whose writer dropped the first of two names for the same tensor.
    let nested = |name: &str| match name.split_once('.').unwrap() {
        ("input_block", rest) => format!("skip_layers.downsample.{rest}"),
        ("downsamples", rest) if rest.starts_with('0') => format!("skip_layers.next_layer.downsample{}", &rest[1..]),
        ("bottleneck", rest) => format!("skip_layers.next_layer.next_layer.next_layer.{rest}"),
        ("upsamples", rest) if rest.starts_with('2') => format!("skip_layers.upsample{}", &rest[1..]),
        ("upsamples", rest) if rest.starts_with('0') => {
            format!("skip_layers.next_layer.next_layer.upsample{}", &rest[1..])
        }
        ("deep_supervision_heads", rest) if rest.starts_with('1') => {
            format!("skip_layers.next_layer.next_layer.super_head{}", &rest[1..])
        }
        _ => name.to_owned(),
    };
    for (voxel, tensors) in [
        (Some(1.0), rename(&|name| format!("_model.{name}"))),
        (Some(1.0), rename(&|name| format!("_model.{}", nested(name)))),
        (None, rename(&nested)),
    ] {
        let model = SegmentationModel::from_bytes("file", &foreign(&tensors, None), Device::Cpu).unwrap();
        assert_eq!(
            (&model.description().network, model.description().voxel_nm),
            (&network, voxel)
        );
        assert_eq!(infer(&model, &input()), expected);
    }

    let paper = hashed_model(unet2d_of_classes());
    let mut tensors = paper.weights();
    tensors.extend(paper.statistics());
    for prefix in ["", "net."] {
        let named: Vec<_> = tensors
            .iter()
            .map(|(n, t)| (format!("{prefix}{n}"), t.shallow_clone()))
            .collect();
        let model = SegmentationModel::from_bytes("file", &foreign(&named, None), Device::Cpu).unwrap();
        assert_eq!(model.description().input, InputScale::Slice);
        // The authors resize slices to 1024 x 1024 and keep all of each quadrant.
        assert_eq!(model.description().slice_side, Some([1024, 1024]));
        let reach = model.network().reach();
        assert_eq!(reach, Reach::Window { side: 512, margin: 0 });
        let flat = hashed_tensor("input/2d", &[1, 1, 48, 64]);
        assert_eq!(infer(&model, &flat), infer(&paper, &flat));
    }
}

#[test]
fn checkpoints_of_deepetpicker_are_known() {
    for outputs in [&["molecule"][..], &["background", "molecule", "class 2"]] {
        let network = NetworkConfig::Picker(PickerConfig {
            maps: vec![4, 6, 8],
            outputs: outputs.iter().map(|name| (*name).to_owned()).collect(),
            ..PickerConfig::default()
        });
        let own = hashed_model(network.clone());
        let mut tensors = own.weights();
        tensors.extend(own.statistics());
        for prefix in ["", "model."] {
            let named: Vec<_> = tensors
                .iter()
                .map(|(n, t)| (format!("{prefix}{n}"), t.shallow_clone()))
                .collect();
            let model = SegmentationModel::from_bytes("file", &foreign(&named, None), Device::Cpu).unwrap();
            assert_eq!(model.description().network, network);
            assert_eq!(model.network().reach(), Reach::Window { side: 72, margin: 12 });
            assert_eq!(infer(&model, &input()), infer(&own, &input()));
            let damaged: Vec<_> = named.into_iter().filter(|(n, _)| !n.contains("decoders.0")).collect();
            let refused = SegmentationModel::from_bytes("file", &foreign(&damaged, None), Device::Cpu);
            assert!(refused.err().unwrap().to_string().contains("decoders.0"));
        }
    }
}

#[test]
fn wrong_files_and_wrong_inputs_are_named() {
    let model = hashed_model(dynunet(&[4, 6, 8], true, 1, &["membrane"]));
    let reason = |bytes: Vec<u8>| match SegmentationModel::from_bytes("file", &bytes, Device::Cpu) {
        Ok(_) => panic!("a wrong file was taken"),
        Err(error) => error.to_string(),
    };
    let key = "tomocut-network";
    let text = |json: &str| foreign(&model.weights(), Some((key, json)));
    assert!(reason(text(r#"{"version":2}"#)).contains("version 2, this engine reads up to 1"));
    assert!(reason(text(r#"{"version":1,"network":"transformer"}"#)).contains("transformer"));
    assert!(reason(text(
        r#"{"version":1,"network":"picker","maps":[4,0],"outputs":["a"],"window":8}"#
    ))
    .contains("maps"));
    assert!(reason(text(
        r#"{"version":1,"network":"picker","maps":[4,8],"outputs":["a"],"window":8}"#
    ))
    .contains("is missing"));
    let mut tensors = model.weights();
    tensors[3].1 = tensors[3].1.narrow(0, 0, 1).contiguous();
    assert!(reason(foreign(&tensors, None)).contains(&tensors[3].0));
    tensors.retain(|(name, _)| !name.starts_with("bottleneck"));
    assert!(reason(foreign(&tensors, None)).contains("bottleneck"));
    tensors.retain(|(name, _)| name.starts_with("upsamples"));
    assert!(reason(foreign(&tensors, None)).contains("no segmentation network that is known"));
    assert!(reason(b"PK\x03\x04 and so on, a pickle".to_vec()).contains("pickle"));

    for shape in [
        &[1, 1, 8, 8, 6][..],
        &[1, 2, 8, 8, 8],
        &[1, 1, 8, 8],
        &[1, 1, 0, 8, 8],
        &[0, 1, 8, 8, 8],
    ] {
        let x = Tensor::zeros(shape, (Kind::Float, Device::Cpu));
        let refused = model.network().forward(&x, &mut Pass::Inference, &Job::quiet());
        assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{shape:?}");
    }
    let cancel = CancelToken::default();
    cancel.request();
    let job = Job::new(cancel, Logger::default());
    let refused = model.network().forward(&input(), &mut Pass::Inference, &job);
    assert!(matches!(refused, Err(Error::Cancelled { .. })));
}
