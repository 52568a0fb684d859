//! Human segmentations out of the MATLAB files of BSDS500.
//!
//! Layout: "MAT-File Format", The MathWorks, level 5. Only what these files hold is read: compressed elements, cells,
//! structures and matrices of unsigned integers.
use std::io::Read;
use std::path::Path;

use flate2::read::ZlibDecoder;
use ndarray::{Array2, ShapeBuilder};
use tomocut::{Error, Result};

const HEADER: usize = 128;
const COMPRESSED: u32 = 15;
const MATRIX: u32 = 14;
/// Classes of arrays.
const CELL: u8 = 1;
const STRUCTURE: u8 = 2;
/// The field that holds what is looked for.
const FIELD: &str = "Segmentation";

/// The segmentations of a file, one for each person, numbered from 1.
///
/// # Errors
/// [`Error::Io`]; [`Error::Format`] where the file is none of this kind.
pub fn segmentations(path: &Path) -> Result<Vec<Array2<u32>>> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("reading", path, e))?;
    let mut matrices = Vec::new();
    let body = bytes.get(HEADER..).unwrap_or_default();
    if bytes.get(126..128) != Some(b"IM") || walk(body, "", &mut matrices).is_none() || matrices.is_empty() {
        return Err(Error::format(
            path.display(),
            "is no little-endian MATLAB 5 file with segmentations",
        ));
    }
    Ok(matrices)
}

/// An element: its type, its data, and what follows it.
fn element(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let first = word(0)?;
    if first >> 16 != 0 {
        // Up to four bytes beside the tag.
        let size = (first >> 16) as usize;
        return Some((first & 0xffff, bytes.get(4..4 + size)?, bytes.get(8..)?));
    }
    let size = word(4)? as usize;
    let data = bytes.get(8..8usize.checked_add(size)?)?;
    let padded = if first == COMPRESSED {
        size
    } else {
        size.next_multiple_of(8)
    };
    Some((first, data, bytes.get(8 + padded..).unwrap_or_default()))
}

/// Goes through a row of elements; `name` is that of the field they are in. None where they are damaged.
fn walk(mut bytes: &[u8], name: &str, matrices: &mut Vec<Array2<u32>>) -> Option<()> {
    while !bytes.is_empty() {
        let (kind, data, rest) = element(bytes)?;
        match kind {
            COMPRESSED => {
                let mut plain = Vec::new();
                ZlibDecoder::new(data).read_to_end(&mut plain).ok()?;
                walk(&plain, name, matrices)?;
            }
            MATRIX => matrix(data, name, matrices)?,
            _ => {}
        }
        bytes = rest;
    }
    Some(())
}

fn matrix(bytes: &[u8], name: &str, matrices: &mut Vec<Array2<u32>>) -> Option<()> {
    let (_, flags, rest) = element(bytes)?;
    let (_, dimensions, rest) = element(rest)?;
    // The array's own name.
    let (_, _, rest) = element(rest)?;
    match *flags.first()? {
        CELL => walk(rest, name, matrices),
        STRUCTURE => {
            let (_, length, rest) = element(rest)?;
            let length = u32::from_le_bytes(length.get(..4)?.try_into().ok()?) as usize;
            let (_, names, mut rest) = element(rest)?;
            let names = names.chunks_exact(length.max(1)).map(|name| {
                let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
                String::from_utf8_lossy(&name[..end]).into_owned()
            });
            for name in names {
                let (_, value, next) = element(rest)?;
                matrix(value, &name, matrices)?;
                rest = next;
            }
            Some(())
        }
        _ if name == FIELD => {
            let side = |at: usize| Some(u32::from_le_bytes(dimensions.get(at..at + 4)?.try_into().ok()?) as usize);
            let shape = (side(0)?, side(4)?);
            let (kind, data, _) = element(rest)?;
            let values: Vec<u32> = match kind {
                2 => data.iter().map(|v| u32::from(*v)).collect(),
                4 => data
                    .chunks_exact(2)
                    .map(|v| u32::from(u16::from_le_bytes([v[0], v[1]])))
                    .collect(),
                _ => return None,
            };
            matrices.push(Array2::from_shape_vec(shape.f(), values).ok()?);
            Some(())
        }
        _ => Some(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn tagged(kind: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = [kind.to_le_bytes(), (data.len() as u32).to_le_bytes()].concat();
        bytes.extend(data);
        bytes.resize(8 + data.len().next_multiple_of(8), 0);
        bytes
    }

    fn array(class: u8, rows: u32, cols: u32, rest: &[u8]) -> Vec<u8> {
        let dimensions = [rows.to_le_bytes(), cols.to_le_bytes()].concat();
        let parts = [
            tagged(6, &[class, 0, 0, 0, 0, 0, 0, 0]),
            tagged(5, &dimensions),
            tagged(1, b""),
        ];
        tagged(MATRIX, &[parts.concat().as_slice(), rest].concat())
    }

    #[test]
    fn fields_of_structures_in_cells_are_found() {
        let words: Vec<u8> = [1_u16, 2, 3, 4, 5, 600].iter().flat_map(|v| v.to_le_bytes()).collect();
        let other = array(9, 1, 1, &[2, 0, 1, 0, 7, 0, 0, 0]);
        let bytes = array(11, 2, 3, &tagged(4, &words));
        let mut names = b"Boundaries".to_vec();
        names.resize(32, 0);
        names.extend(b"Segmentation");
        names.resize(64, 0);
        // The length of a name stands beside its tag.
        let length = [5_u8, 0, 4, 0, 32, 0, 0, 0];
        let fields = [length.to_vec(), tagged(1, &names), other, bytes].concat();
        let cell = array(CELL, 1, 1, &array(STRUCTURE, 1, 1, &fields));
        let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&cell).unwrap();
        let packed = packed.finish().unwrap();
        let mut file = vec![b' '; 126];
        file.extend(b"IM");
        file.extend([COMPRESSED.to_le_bytes(), (packed.len() as u32).to_le_bytes()].concat());
        file.extend(&packed);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mat");
        std::fs::write(&path, &file).unwrap();
        let read = segmentations(&path).unwrap();
        assert_eq!(read, [ndarray::array![[1_u32, 3, 5], [2, 4, 600]]]);
        std::fs::write(&path, &file[..file.len() - 9]).unwrap();
        assert!(segmentations(&path).is_err());
        std::fs::write(&path, b"").unwrap();
        assert!(segmentations(&path).is_err());
    }
}
