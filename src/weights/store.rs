//! Reading weight files: safetensors, memory-mapped, one tensor copied at a time.
use std::fs::File;
use std::io::Read;
use std::path::Path;

use memmap2::{Mmap, UncheckedAdvice};
use safetensors::tensor::Metadata;
use safetensors::{Dtype, SafeTensors};
use tch::{Device, Kind, Tensor};

use super::layers::wrong_shape;
use crate::runtime::{Error, Result};

/// The error for a pickle checkpoint, which runs code when it is opened, so this engine never opens one.
const CONVERT: &str = "is a Python pickle checkpoint, which is not opened; convert it once with: \
    python -c \"import sys, torch, safetensors.torch as s; \
    d = torch.load(sys.argv[1], map_location='cpu', weights_only=True); \
    d = d.get('state_dict', d); \
    s.save_file({k: v.clone().contiguous() for k, v in d.items() if torch.is_tensor(v)}, sys.argv[2])\" \
    IN.ckpt OUT.safetensors";

enum Bytes<'a> {
    Mapped(Mmap),
    Borrowed(&'a [u8]),
}

/// One open safetensors file (or its bytes). The header is checked as a whole on opening: lengths, offsets, shapes.
pub(crate) struct TensorFile<'a> {
    name: String,
    bytes: Bytes<'a>,
    start: usize,
    metadata: Metadata,
}

impl TensorFile<'static> {
    /// Maps the file at `path`; nothing but the header is read.
    ///
    /// Errors: the operating system's; [`Error::Format`] for a pickle (with how to convert it) and for a header that
    /// is truncated, too long or does not fit the file.
    pub fn map(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(|e| Error::io("opening", path, e))?;
        let mut magic = Vec::new();
        file.by_ref()
            .take(9)
            .read_to_end(&mut magic)
            .map_err(|e| Error::io("reading", path, e))?;
        let name = path.display().to_string();
        if is_pickle(&magic) {
            return Err(Error::format(name, CONVERT));
        }
        if magic.len() < 9 {
            return Err(Error::format(
                name,
                "is not a safetensors file: it is shorter than a header",
            ));
        }
        // SAFETY: the map is read-only and private to this value. Undefined behaviour would need another process to
        // change the file while it is being loaded, which weight files are not subject to; truncation then raises
        // SIGBUS, as with every mapped file.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| Error::io("mapping", path, e))?;
        Self::parse(name, Bytes::Mapped(map))
    }
}

/// Tensor `name` of the safetensors file at `path`, float32 on the CPU, whatever its shape.
///
/// Errors: those of opening a weight file, and [`Error::Format`] where the tensor is missing.
pub fn read_tensor(path: &Path, name: &str) -> Result<Tensor> {
    TensorFile::map(path)?.any_shape(name, Kind::Float, Device::Cpu, || "a float tensor".into())
}

impl<'a> TensorFile<'a> {
    /// The same for a file that is in memory; `name` names it in errors.
    pub fn from_bytes(name: &str, bytes: &'a [u8]) -> Result<Self> {
        if is_pickle(bytes) {
            return Err(Error::format(name, CONVERT));
        }
        Self::parse(name.to_owned(), Bytes::Borrowed(bytes))
    }

    fn parse(name: String, bytes: Bytes<'a>) -> Result<Self> {
        let all = bytes.get();
        let (header, metadata) = SafeTensors::read_metadata(all)
            .map_err(|e| Error::format(&name, format_args!("is not a whole safetensors file: {e}")))?;
        // The length of the header stands in the first eight bytes.
        let start = header + 8;
        Ok(Self {
            name,
            bytes,
            start,
            metadata,
        })
    }

    /// Name of the file in errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Text under `key` in the header's `__metadata__`.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.metadata.metadata().as_ref()?.get(key).map(String::as_str)
    }

    /// Whether the file has a tensor `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.metadata.info(name).is_some()
    }

    /// Names of all tensors, in no order.
    pub fn names(&self) -> impl Iterator<Item = String> + use<'_, 'a> {
        self.metadata.tensors().into_keys()
    }

    /// Shape of tensor `name`.
    pub fn shape(&self, name: &str) -> Option<Vec<i64>> {
        let info = self.metadata.info(name)?;
        Some(
            info.shape
                .iter()
                .map(|n| i64::try_from(*n).unwrap_or(i64::MAX))
                .collect(),
        )
    }

    /// Tensor `name` of shape `expected` on `device`, converted to `kind`.
    ///
    /// Errors: [`Error::Format`] that names the tensor, what was expected and what was found, where it is missing,
    /// of another shape, or not float32, float16 or bfloat16.
    pub fn tensor(&self, name: &str, expected: &[i64], kind: Kind, device: Device) -> Result<Tensor> {
        let tensor = self.any_shape(name, kind, device, || format!("{expected:?}"))?;
        if tensor.size() != expected {
            return Err(wrong_shape(
                &format!("{}: tensor {name}", self.name),
                expected,
                &tensor.size(),
            ));
        }
        Ok(tensor)
    }

    /// [`TensorFile::tensor`]; a 1x1 convolution [a, b, 1, 1] serves where a matrix [a, b] is expected (the
    /// autoencoder's attention is stored either way), a single number [1] where a scalar is.
    pub fn matrix_or_tensor(&self, name: &str, expected: &[i64], kind: Kind, device: Device) -> Result<Tensor> {
        let tensor = self.any_shape(name, kind, device, || format!("{expected:?}"))?;
        let size = tensor.size();
        match (expected, &size[..]) {
            (_, actual) if actual == expected => Ok(tensor),
            ([a, b], [c, d, 1, 1]) if (a, b) == (c, d) => Ok(tensor.f_reshape(expected)?),
            ([], [1]) => Ok(tensor.f_reshape(expected)?),
            _ => Err(wrong_shape(&format!("{}: tensor {name}", self.name), expected, &size)),
        }
    }

    /// Tensor `name` as it is in the file, whatever its shape; `expected` describes it should it be missing.
    pub fn any_shape(&self, name: &str, kind: Kind, device: Device, expected: impl Fn() -> String) -> Result<Tensor> {
        let subject = || format!("{}: tensor {name}", self.name);
        let info = self
            .metadata
            .info(name)
            .ok_or_else(|| Error::format(subject(), format_args!("is missing, expected shape {}", expected())))?;
        let stored = match info.dtype {
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            other => {
                let detail = format!("has dtype {other:?}, expected F32, F16 or BF16");
                return Err(Error::format(subject(), detail));
            }
        };
        let size: Vec<i64> = self.shape(name).unwrap_or_default();
        let (from, to) = info.data_offsets;
        let data = self.start.checked_add(from).zip(self.start.checked_add(to));
        let data = data.and_then(|(from, to)| self.bytes.get().get(from..to));
        let count = size.iter().try_fold(1i64, |product, n| product.checked_mul(*n));
        let bytes = count.and_then(|n| n.checked_mul(stored.elt_size_in_bytes() as i64));
        // libtorch copies as many bytes as the shape says, so the two must agree before the call.
        let data = data
            .filter(|data| i64::try_from(data.len()).ok() == bytes)
            .ok_or_else(|| Error::format(subject(), "lies outside the file"))?;
        let copy = Tensor::f_from_data_size(data, &size, stored)?;
        self.bytes.release(self.start + from, to - from);
        // to_device and to_kind return the tensor itself where there is nothing to change.
        Ok(copy.f_to_device(device)?.f_to_kind(kind)?)
    }
}

/// The files that hold one component: one, or the shards of a large one.
pub(crate) struct WeightFiles<'a> {
    name: String,
    files: Vec<TensorFile<'a>>,
}

impl<'a> WeightFiles<'a> {
    /// `name` names the whole in errors.
    pub fn new(name: &str, files: Vec<TensorFile<'a>>) -> Self {
        Self {
            name: name.to_owned(),
            files,
        }
    }

    /// Name of the whole in errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is a tensor `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.contains(name))
    }

    /// Whether any tensor's name begins with `prefix`.
    pub fn contains_prefix(&self, prefix: &str) -> bool {
        self.files
            .iter()
            .any(|file| file.names().any(|name| name.starts_with(prefix)))
    }

    /// Shape of tensor `name`.
    pub fn shape(&self, name: &str) -> Option<Vec<i64>> {
        self.files.iter().find_map(|file| file.shape(name))
    }

    /// The tensor under the first of `names` that exists; see [`TensorFile::matrix_or_tensor`].
    pub fn tensor(&self, names: &[String], expected: &[i64], kind: Kind, device: Device) -> Result<Tensor> {
        let place = names.iter().find_map(|name| {
            self.files
                .iter()
                .find(|file| file.contains(name))
                .map(|file| (name, file))
        });
        let Some((name, file)) = place else {
            let name = names.first().map_or("", String::as_str);
            return Err(Error::format(
                format_args!("{}: tensor {name}", self.name),
                format_args!("is missing, expected shape {expected:?}"),
            ));
        };
        file.matrix_or_tensor(name, expected, kind, device)
    }
}

impl Bytes<'_> {
    /// Gives the pages of a range that has been copied back to the system, so that loading never holds the file and the
    /// weights in memory at once.
    fn release(&self, offset: usize, length: usize) {
        if let Self::Mapped(map) = self {
            // SAFETY: the map is shared, read-only and backed by a file: a page that is dropped here reads the same
            // bytes again from the file when it is next touched.
            let released = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, offset, length) };
            // A refusal costs memory, nothing else.
            drop(released);
        }
    }

    fn get(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Borrowed(bytes) => bytes,
        }
    }
}

/// A zip archive (torch.save since 1.6) or a bare pickle. A safetensors file begins with a length instead; 0x80 as its
/// lowest byte would be legal there, so the pickle's protocol number must follow.
fn is_pickle(bytes: &[u8]) -> bool {
    matches!(bytes, [b'P', b'K', ..] | [0x80, 2..=5, ..]) && !looks_like_safetensors(bytes)
}

/// Eight bytes of length, then `{`.
fn looks_like_safetensors(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}
