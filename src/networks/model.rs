//! A segmentation network with its weights, and the file that holds both.
use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::recognise::recognise;
use super::{ModelDescription, SegmentationNetwork};
use crate::runtime::{write_whole, Error, Generator, Result};
use crate::settings::{hash_bytes, hash_file};
use crate::weights::{metadata, tensors_to_bytes, FetchTensor, TensorFile};

/// Key of the description in the `__metadata__` of a file.
const KEY: &str = "tomocut-network";

/// Version of the description; a file of a later one is refused.
const VERSION: u32 = 1;

/// The header's JSON.
#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    #[serde(flatten)]
    description: ModelDescription,
}

/// A network, its weights on one device, and their description.
pub struct SegmentationModel {
    description: ModelDescription,
    network: Box<dyn SegmentationNetwork>,
    tensors: Vec<(String, Tensor)>,
    device: Device,
    /// Hash of the file or bytes that it was read from; None for weights that were never in a file.
    content: Option<String>,
}

impl SegmentationModel {
    /// A model whose tensors are what `fetch(name, shape)` returns: float32 on `device`, held, not copied.
    ///
    /// Errors: a description out of range; whatever `fetch` fails with; a tensor of another shape.
    pub fn from_tensors(description: ModelDescription, device: Device, fetch: &mut FetchTensor) -> Result<Self> {
        description.validate()?;
        let mut tensors = Vec::new();
        let network = description.network.build(&mut |name, shape| {
            let tensor = fetch(name, shape)?;
            tensors.push((name.to_owned(), tensor.shallow_clone()));
            Ok(tensor)
        })?;
        Ok(Self {
            description,
            network,
            tensors,
            device,
            content: None,
        })
    }

    /// A model before training: weights as the original of the network begins.
    pub fn random(description: ModelDescription, gen: &mut Generator, device: Device) -> Result<Self> {
        let shapes = description.network.tensor_shapes()?;
        let drawn = description.network.random_tensors(&shapes, gen, device)?;
        let mut by_name: HashMap<String, Tensor> = shapes.into_iter().map(|(name, _)| name).zip(drawn).collect();
        Self::from_tensors(description, device, &mut |name, _| {
            by_name
                .remove(name)
                .ok_or_else(|| Error::Internal(format!("tensor {name} is asked for twice")))
        })
    }

    /// Opens a file written by [`SegmentationModel::save`], or the safetensors of MemBrain-seg (or another DynUNet of
    /// MONAI), of the slab paper's 2D U-Net, of DeepETPicker or of SDSeg, whose hyper-parameters are read off the
    /// shapes. Pickles are not opened; the error says how to convert one.
    ///
    /// Errors: the operating system's; [`Error::Format`] that names the file and the tensor or the header's field;
    /// [`Error::Version`] for the file of a later version; [`Error::Unsupported`] for a network that is not known.
    pub fn open(path: &Path, device: Device) -> Result<Self> {
        let model = Self::read(&TensorFile::map(path)?, device)?;
        Ok(Self {
            content: Some(hash_file(path)?),
            ..model
        })
    }

    /// The same from memory; `name` names it in errors.
    pub fn from_bytes(name: &str, bytes: &[u8], device: Device) -> Result<Self> {
        let model = Self::read(&TensorFile::from_bytes(name, bytes)?, device)?;
        Ok(Self {
            content: Some(hash_bytes(bytes)),
            ..model
        })
    }

    /// Hash of the file or bytes that the model was read from; of weights that were never in a file, of the file that
    /// they would be.
    pub fn content_hash(&self) -> Result<String> {
        match &self.content {
            Some(hash) => Ok(hash.clone()),
            None => Ok(hash_bytes(&self.to_bytes()?)),
        }
    }

    fn read(file: &TensorFile, device: Device) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let Some(text) = file.text(KEY) else {
            let (description, stored) = recognise(file)?;
            return Self::from_tensors(description, device, &mut |name, shape| {
                file.matrix_or_tensor(&stored(file, name), shape, Kind::Float, device)
            });
        };
        let refused = |e: serde_json::Error| Error::format(format!("{}: {KEY}", file.name()), e);
        let value: serde_json::Value = serde_json::from_str(text).map_err(refused)?;
        let version = value.get("version").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if version > u64::from(VERSION) {
            return Err(Error::Version(format!(
                "{} is a model of version {version}, this engine reads up to {VERSION}",
                file.name()
            )));
        }
        let header: Header = serde_json::from_value(value).map_err(refused)?;
        Self::from_tensors(header.description, device, &mut |name, shape| {
            file.tensor(name, shape, Kind::Float, device)
        })
    }

    /// Writes the model, whole or not at all: float32 safetensors with the description in the header.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_whole(path, &self.to_bytes()?)
    }

    /// The same in float16, which halves the file: weights keep eleven bits.
    pub fn save_half(&self, path: &Path) -> Result<()> {
        write_whole(path, &self.serialised(Kind::Half)?)
    }

    /// The bytes of [`SegmentationModel::save`]: the same model always gives the same.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.serialised(Kind::Float)
    }

    fn serialised(&self, kind: Kind) -> Result<Vec<u8>> {
        let header = Header {
            version: VERSION,
            description: self.description.clone(),
        };
        let json = serde_json::to_string(&header).map_err(|e| Error::Internal(format!("model header: {e}")))?;
        let tensors = self.tensors.iter().map(|(name, tensor)| (name, tensor));
        tensors_to_bytes(tensors, kind, metadata(KEY, json))
    }

    /// Notes the voxel sizes, in nanometres, that it was made for, which old files do not hold.
    pub(super) fn describe_range(&mut self, range_nm: [f64; 2]) {
        self.description.range_nm = Some(range_nm);
    }

    /// Description of the network.
    pub fn description(&self) -> &ModelDescription {
        &self.description
    }

    /// The network.
    pub fn network(&self) -> &dyn SegmentationNetwork {
        &*self.network
    }

    /// Device of the weights.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Name and tensor of every weight that gradients move: the network's own tensors, in the order of execution. A
    /// trainer asks them for gradients and updates them in place.
    pub fn weights(&self) -> Vec<(String, Tensor)> {
        self.select(false)
    }

    /// Name and tensor of what gradients do not move: running statistics, which passes in training move in place, and
    /// frozen weights.
    pub fn statistics(&self) -> Vec<(String, Tensor)> {
        self.select(true)
    }

    fn select(&self, statistics: bool) -> Vec<(String, Tensor)> {
        let network = &self.description.network;
        let chosen = self
            .tensors
            .iter()
            .filter(|(name, _)| network.is_trained(name) != statistics);
        chosen
            .map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
            .collect()
    }

    /// A copy on `device` that shares no weight and asks for no gradients.
    pub fn duplicate(&self, device: Device) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let mut tensors = self.tensors.iter();
        Self::from_tensors(self.description.clone(), device, &mut |name, _| match tensors.next() {
            Some((_, tensor)) => Ok(tensor.f_detach_copy()?.f_to_device(device)?),
            None => Err(Error::Internal(format!("tensor {name} is asked for twice"))),
        })
    }

    /// Number of weights that gradients move.
    pub fn count(&self) -> usize {
        self.weights().iter().map(|(_, tensor)| tensor.numel()).sum()
    }
}
