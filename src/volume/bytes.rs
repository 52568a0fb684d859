//! The bytes of an MRC file, plain or compressed.
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::header::{Layout, HEADER_BYTES};
use super::members::{Bzip2Members, GzipMembers};
use crate::runtime::Job;
use crate::{Error, Result};

/// Up to this size a compressed file is unpacked into memory; a larger one goes to an unnamed temporary file.
const MEMORY_LIMIT: u64 = 256 << 20;
/// A compressed file that claims more than this is refused.
const UNPACKED_LIMIT: u64 = 64 << 30;
/// DEFLATE cannot shrink anything by more than 1032 to 1.
const DEFLATE_LIMIT: u64 = 1032;
/// Bytes that are unpacked between two looks at the cancel token.
const CHUNK: usize = 1 << 20;

/// Random access to the bytes of one MRC file.
///
/// Files are read with `pread` rather than through a mapping that lives as long as the tomogram: when a file on a
/// cluster file system shrinks or goes away, a mapping raises SIGBUS in the host's process, `pread` an error. It
/// touches the bytes asked for and nothing else, and their pages do not count as the process's own.
#[derive(Debug)]
pub(super) enum ByteSource {
    /// A plain file, or the unnamed temporary copy of a compressed one.
    File(File),
    /// A small compressed file, unpacked.
    Memory(Vec<u8>),
}

impl ByteSource {
    /// Opens `path`, finds out by its first bytes whether it is compressed, and decodes the header.
    pub fn open(path: &Path, job: &Job) -> Result<(Self, Layout)> {
        let file_name = path.display().to_string();
        // Asked before opening: opening a named pipe would block for ever.
        let metadata = std::fs::metadata(path).map_err(|e| Error::io("opening", path, e))?;
        if !metadata.is_file() {
            return Err(Error::format(&file_name, "not a regular file"));
        }
        let mut file = File::open(path).map_err(|e| Error::io("opening", path, e))?;
        let mut magic = [0u8; 4];
        let known = read_up_to(&mut file, &mut magic).map_err(|e| Error::io("reading", path, e))?;
        file.seek(SeekFrom::Start(0))
            .map_err(|e| Error::io("reading", path, e))?;
        if known >= 2 && magic[..2] == [0x1f, 0x8b] {
            let claim = Claim {
                packed: metadata.len(),
                deflate: true,
            };
            return unpack(GzipMembers::new(file), &claim, path, job);
        }
        if known >= 4 && magic[..3] == *b"BZh" && magic[3].is_ascii_digit() {
            let claim = Claim {
                packed: metadata.len(),
                deflate: false,
            };
            return unpack(Bzip2Members::new(file), &claim, path, job);
        }
        let mut header = [0u8; HEADER_BYTES];
        let available = read_up_to(&mut file, &mut header).map_err(|e| Error::io("reading", path, e))?;
        if let Some(kind) = other_format(&header[..available]) {
            return Err(Error::format(
                &file_name,
                format!("{kind}, must be MRC or a zarr folder"),
            ));
        }
        check_header_length(available, &file_name)?;
        let layout = Layout::decode(&header, &file_name)?;
        layout.check_length(metadata.len(), &file_name)?;
        Ok((Self::File(file), layout))
    }

    /// Bytes of it in memory.
    pub fn in_memory(&self) -> u64 {
        match self {
            Self::File(_) => 0,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// [`Error::Format`] where the file has become shorter since it was opened, [`Error::Io`] on read errors.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64, path: &Path) -> Result<()> {
        let length = buffer.len();
        let short = || {
            Error::format(
                path.display(),
                format!("no longer holds the {length} bytes at {offset}"),
            )
        };
        match self {
            Self::File(file) => match file.read_exact_at(buffer, offset) {
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => Err(short()),
                other => other.map_err(|e| Error::io("reading", path, e)),
            },
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).ok();
                let available = start.and_then(|start| bytes.get(start..start.checked_add(length)?));
                buffer.copy_from_slice(available.ok_or_else(short)?);
                Ok(())
            }
        }
    }
}

/// Properties of a compressed file before it is unpacked.
struct Claim {
    packed: u64,
    deflate: bool,
}

/// Unpacks just the bytes that the header asks for: what follows them can be of any size.
///
/// The `mrc` crate would hold the file twice, take no cancel and stop only at 256 GiB.
fn unpack(mut decoder: impl Read, claim: &Claim, path: &Path, job: &Job) -> Result<(ByteSource, Layout)> {
    let file_name = path.display().to_string();
    let corrupt = |e: std::io::Error| match e.raw_os_error() {
        Some(_) => Error::io("reading", path, e),
        None => Error::format(path.display(), format!("compressed data is damaged: {e}")),
    };
    let mut header = [0u8; HEADER_BYTES];
    let available = read_up_to(&mut decoder, &mut header).map_err(corrupt)?;
    check_header_length(available, &file_name)?;
    let layout = Layout::decode(&header, &file_name)?;
    let total = layout.total_bytes;
    if total > UNPACKED_LIMIT {
        let text = format!("{file_name}: unpacks to {} GiB; unpack it to a file first", total >> 30);
        return Err(Error::Unsupported(text));
    }
    if claim.deflate && claim.packed.saturating_mul(DEFLATE_LIMIT) < total {
        // A short file with a boastful header: no need to unpack it to know.
        layout.check_length(claim.packed.saturating_mul(DEFLATE_LIMIT), &file_name)?;
    }
    let mut store = Store::new(total)?;
    store.write(&header)?;
    let mut chunk = vec![0u8; CHUNK];
    let mut done = HEADER_BYTES as u64;
    while done < total {
        job.advance(done as f64 / total as f64)?;
        let want = usize::try_from(total - done).unwrap_or(CHUNK).min(CHUNK);
        let got = read_up_to(&mut decoder, &mut chunk[..want]).map_err(corrupt)?;
        if got == 0 {
            layout.check_length(done, &file_name)?;
        }
        store.write(&chunk[..got])?;
        done += got as u64;
    }
    // One byte more makes the decoder compare its check sum.
    read_up_to(&mut decoder, &mut chunk[..1]).map_err(corrupt)?;
    Ok((store.finish(), layout))
}

enum Store {
    Memory(Vec<u8>),
    File(File),
}

impl Store {
    fn new(total: u64) -> Result<Self> {
        if total <= MEMORY_LIMIT {
            return Ok(Self::Memory(Vec::new()));
        }
        let file = tempfile::tempfile().map_err(|e| Error::io("creating a file in", &std::env::temp_dir(), e))?;
        Ok(Self::File(file))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Memory(store) => {
                store
                    .try_reserve(bytes.len())
                    .map_err(|_| Error::OutOfMemory(format!("unpacking: {} bytes", store.len() + bytes.len())))?;
                store.extend_from_slice(bytes);
                Ok(())
            }
            Self::File(file) => {
                let write = file.write_all(bytes);
                write.map_err(|e| Error::io("unpacking to", &std::env::temp_dir(), e))
            }
        }
    }

    fn finish(self) -> ByteSource {
        match self {
            Self::Memory(bytes) => ByteSource::Memory(bytes),
            Self::File(file) => ByteSource::File(file),
        }
    }
}

/// First bytes of files that are given for tomograms and are none, none of which can begin an MRC file of its kind.
const OTHERS: [(&[u8], &str); 8] = [
    (
        b"PK\x03\x04",
        "a zip archive (of a zarr store? unpack it to a folder NAME.zarr)",
    ),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x28\xb5\x2f\xfd", "a file packed by zstd (unpack it)"),
    (b"\xfd7zXZ\x00", "a file packed by xz (unpack it)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"II*\x00\x08\x00\x00\x00", "a TIFF picture"),
];

/// What a file is by its first bytes, where it is of a known kind that is not read.
pub(super) fn other_format(first: &[u8]) -> Option<&'static str> {
    let known = OTHERS.iter().find(|(magic, _)| first.starts_with(magic));
    known.map(|(_, kind)| *kind)
}

fn check_header_length(available: usize, file_name: &str) -> Result<()> {
    if available == HEADER_BYTES {
        return Ok(());
    }
    Err(Error::format(
        file_name,
        format!("an MRC header has {HEADER_BYTES} bytes, found {available}"),
    ))
}

/// Reads until `buffer` is full or the source ends; the number of bytes read.
fn read_up_to(source: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
