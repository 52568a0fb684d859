//! Writing weight files: safetensors, whole or not at all.
use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError};
use tch::{Device, Kind, Tensor};

use crate::runtime::{write_whole, Error, Result};

/// One text of a file's `__metadata__`, under `key`. A file has at most one: the format leaves the order of several
/// open, and the same weights must give the same bytes.
pub(crate) fn metadata(key: &str, text: String) -> Option<HashMap<String, String>> {
    Some(HashMap::from([(key.to_owned(), text)]))
}

/// The bytes of a safetensors file of `tensors`, sorted by name, as float32, float16 or bfloat16. The same input gives
/// the same bytes.
///
/// Errors: [`Error::InvalidArgument`] for another `kind`; [`Error::Internal`] where two tensors have one name.
pub(crate) fn tensors_to_bytes<'t>(
    tensors: impl IntoIterator<Item = (impl AsRef<str>, &'t Tensor)>,
    kind: Kind,
    metadata: Option<HashMap<String, String>>,
) -> Result<Vec<u8>> {
    let dtype = match kind {
        Kind::Float => Dtype::F32,
        Kind::Half => Dtype::F16,
        Kind::BFloat16 => Dtype::BF16,
        other => {
            let allowed = "must be Float, Half or BFloat16";
            return Err(Error::argument("dtype", format_args!("{other:?}"), allowed));
        }
    };
    let mut stored = Vec::new();
    for (name, tensor) in tensors {
        stored.push((name, Stored::of(tensor, kind)?));
    }
    stored.sort_by(|(a, _), (b, _)| a.as_ref().cmp(b.as_ref()));
    if let Some([(name, _), _]) = stored.windows(2).find(|pair| pair[0].0.as_ref() == pair[1].0.as_ref()) {
        return Err(Error::Internal(format!("safetensors: two tensors {}", name.as_ref())));
    }
    let defect = |e: SafeTensorError| Error::Internal(format!("safetensors: {e}"));
    let mut views = Vec::with_capacity(stored.len());
    for (name, Stored { shape, bytes }) in &stored {
        let view = TensorView::new(dtype, shape.clone(), bytes).map_err(defect)?;
        views.push((name.as_ref(), view));
    }
    safetensors::serialize(views, metadata).map_err(defect)
}

/// Writes the file of [`tensors_to_bytes`] to `path`.
pub(crate) fn write_tensors<'t>(
    path: &Path,
    tensors: impl IntoIterator<Item = (impl AsRef<str>, &'t Tensor)>,
    kind: Kind,
    metadata: Option<HashMap<String, String>>,
) -> Result<()> {
    write_whole(path, &tensors_to_bytes(tensors, kind, metadata)?)
}

/// A tensor as the file has it.
struct Stored {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Stored {
    fn of(tensor: &Tensor, kind: Kind) -> Result<Self> {
        let plain = tensor
            .f_detach()?
            .f_to_device(Device::Cpu)?
            .f_to_kind(kind)?
            .f_contiguous()?;
        let count = plain.numel();
        let mut bytes = vec![0u8; count * kind.elt_size_in_bytes()];
        plain.f_copy_data_u8(&mut bytes, count)?;
        let shape = plain.size().iter().map(|n| *n as usize).collect();
        Ok(Self { shape, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::super::TensorFile;
    use super::*;

    #[test]
    fn files_are_sorted_and_read_as_they_were_written() {
        let tensors = [
            (
                "b",
                Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0])
                    .view([2, 2])
                    .transpose(0, 1),
            ),
            ("a", Tensor::from_slice(&[0.5f64]).set_requires_grad(true)),
        ];
        let given = || tensors.iter().map(|(name, tensor)| (*name, tensor));
        let bytes = tensors_to_bytes(given(), Kind::Half, metadata("key", "text".into())).unwrap();
        let turned = given().rev();
        assert_eq!(
            tensors_to_bytes(turned, Kind::Half, metadata("key", "text".into())).unwrap(),
            bytes
        );
        let header = String::from_utf8_lossy(&bytes[8..]);
        assert!(header.find("\"a\"").unwrap() < header.find("\"b\"").unwrap());
        let file = TensorFile::from_bytes("file", &bytes).unwrap();
        assert_eq!(file.text("key"), Some("text"));
        let b = file.tensor("b", &[2, 2], Kind::Float, Device::Cpu).unwrap();
        assert_eq!(Vec::<f32>::try_from(b.reshape([-1])).unwrap(), [1.0, 3.0, 2.0, 4.0]);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.safetensors");
        write_tensors(&path, given(), Kind::Float, None).unwrap();
        let a = TensorFile::map(&path)
            .unwrap()
            .tensor("a", &[1], Kind::Float, Device::Cpu);
        assert_eq!(a.unwrap().double_value(&[0]), 0.5);
    }

    #[test]
    fn other_kinds_and_twins_are_refused() {
        let one = Tensor::from_slice(&[1.0f32]);
        assert!(tensors_to_bytes([("a", &one)], Kind::Double, None).is_err());
        let twins = tensors_to_bytes([("a", &one), ("a", &one)], Kind::Float, None);
        assert!(matches!(twins, Err(Error::Internal(text)) if text.ends_with("two tensors a")));
    }
}
