//! What the 1024 bytes of an MRC header mean, including the headers that old and careless programs write.
use mrc::{FileEndian, Header, Mode};

use super::Geometry;
use crate::{Error, Result};

/// Bytes of the fixed header.
pub(super) const HEADER_BYTES: usize = 1024;

/// A header that has been checked: where the voxels lie in the file and what they are.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Voxel type: one of modes 0, 1, 2, 6, 12.
    pub mode: Mode,
    /// Byte order of header and voxels.
    pub endian: FileEndian,
    /// Mode 0 holds 0..=255 instead of -128..=127.
    pub unsigned_bytes: bool,
    /// Mode 0 under IMOD's stamp with the flag of signed bytes, and a recorded range that may hold -128.
    pub imod_signed_bytes: bool,
    /// Columns, rows and sections as the file stores them.
    pub stored: [usize; 3],
    /// Which axis columns, rows and sections run along: 0 is x, 1 is y, 2 is z.
    pub axis: [usize; 3],
    /// Position of the first voxel.
    pub data_offset: u64,
    /// Length of a whole file.
    pub total_bytes: u64,
    /// The volume in (z, y, x).
    pub geometry: Geometry,
    /// Doubtful values that were replaced, for the log.
    pub warnings: Vec<String>,
}

impl Layout {
    /// Decodes and checks a header; `file_name` names the file in errors.
    pub fn decode(bytes: &[u8; HEADER_BYTES], file_name: &str) -> Result<Self> {
        let mut warnings = Vec::new();
        let header = choose_byte_order(bytes, &mut warnings);
        let mode = check_mode(&header, file_name)?;
        let stored = check_extent(&header, file_name)?;
        let axis = check_axes(&header, file_name)?;
        if header.is_volume_stack() && header.mz > 0 && header.nz > header.mz {
            return Err(Error::Unsupported(format!(
                "{file_name}: a stack of {} volumes (ISPG {}); save each volume to a file of its own",
                header.nz / header.mz,
                header.ispg
            )));
        }
        if header.nsymbt < 0 {
            let detail = format!("extended header of {} bytes, must be 0 or more", header.nsymbt);
            return Err(Error::format(file_name, detail));
        }
        let data_offset = HEADER_BYTES as u64 + header.nsymbt as u64;
        let total_bytes = stored
            .iter()
            .try_fold(mode.byte_size() as u64, |bytes, &n| bytes.checked_mul(n as u64))
            .and_then(|bytes| bytes.checked_add(data_offset))
            .filter(|&total| i64::try_from(total).is_ok())
            .ok_or_else(|| {
                let [nx, ny, nz] = stored;
                Error::format(file_name, format!("{nx} x {ny} x {nz} voxels overflow a file's length"))
            })?;
        let endian = header.detect_endian();
        let geometry = geometry(&header, stored, axis, &mut warnings);
        let imod_signed_bytes = mode == Mode::Int8 && imod_flags(&header, endian).is_some_and(|flags| flags & 1 == 1);
        let says_positive = header.dmin >= 0.0 && header.dmax > header.dmin;
        Ok(Self {
            mode,
            endian,
            imod_signed_bytes: imod_signed_bytes && !says_positive,
            unsigned_bytes: mode == Mode::Int8 && bytes_are_unsigned(&header, endian, &mut warnings),
            stored,
            axis,
            data_offset,
            total_bytes,
            geometry,
            warnings,
        })
    }

    /// Fails unless a file of `available` bytes holds every voxel. More bytes than needed are ignored, as IMOD does.
    pub fn check_length(&self, available: u64, file_name: &str) -> Result<()> {
        if available >= self.total_bytes {
            return Ok(());
        }
        let [nx, ny, nz] = self.stored;
        Err(Error::format(
            file_name,
            format!(
                "truncated: {nx} x {ny} x {nz} voxels of mode {} need {} bytes, found {available}",
                self.mode.as_i32(),
                self.total_bytes
            ),
        ))
    }
}

/// Decodes in the byte order of the machine stamp, or in the other one where only that makes sense.
///
/// The `mrc` crate turns the order over only when MODE is impossible. Mode 0 reads the same both ways, and many old
/// files carry no stamp at all, so the extents have a say too: without a stamp the smaller volume is the right one.
fn choose_byte_order(bytes: &[u8; HEADER_BYTES], warnings: &mut Vec<String>) -> Header {
    let stamped = Header::decode_from_bytes(bytes);
    let decode_as = |endian: FileEndian| {
        let mut copy = *bytes;
        copy[212..216].copy_from_slice(&endian.to_machst());
        Header::decode_from_bytes(&copy)
    };
    let little = decode_as(FileEndian::LittleEndian);
    let big = decode_as(FileEndian::BigEndian);
    let known = FileEndian::from_machst_with_info(&[bytes[212], bytes[213], bytes[214], bytes[215]]);
    let has_stamp =
        bytes[212..214] == [0x11, 0x11] || bytes[212..214] == [0x44, 0x44] || bytes[212..214] == [0x44, 0x41];
    let (first, second) = match known.endian {
        FileEndian::LittleEndian => (little, big),
        FileEndian::BigEndian => (big, little),
    };
    let voxels = |h: &Header| i128::from(h.nx) * i128::from(h.ny) * i128::from(h.nz);
    match (plausible(&first), plausible(&second)) {
        (true, true) if !has_stamp && voxels(&second) < voxels(&first) => second,
        (true, _) => first,
        (false, true) => {
            if has_stamp {
                warnings.push("the machine stamp contradicts the header; the other byte order is used".to_owned());
            }
            second
        }
        (false, false) => stamped,
    }
}

fn plausible(header: &Header) -> bool {
    let extents = [header.nx, header.ny, header.nz];
    extents.iter().all(|&n| n > 0)
        && header.nsymbt >= 0
        && Mode::from_i32(header.mode).is_some()
        && [header.mapc, header.mapr, header.maps]
            .iter()
            .all(|m| (0..=3).contains(m))
}

fn check_mode(header: &Header, file_name: &str) -> Result<Mode> {
    let refuse = |kind: &str| {
        Err(Error::Unsupported(format!(
            "{file_name}: {kind} (mode {}); modes 0, 1, 2, 6 and 12 are read",
            header.mode
        )))
    };
    match Mode::from_i32(header.mode) {
        Some(mode @ (Mode::Int8 | Mode::Int16 | Mode::Float32 | Mode::Uint16 | Mode::Float16)) => Ok(mode),
        Some(Mode::Int16Complex | Mode::Float32Complex) => refuse("complex voxels"),
        Some(Mode::Packed4Bit) => refuse("4-bit voxels"),
        None if header.mode == 16 => refuse("RGB voxels"),
        _ => {
            let stamp = if header.map.starts_with(b"MAP") {
                ""
            } else {
                "not an MRC file (no MAP stamp): "
            };
            let detail = format!("{stamp}mode is {}, must be 0, 1, 2, 6 or 12", header.mode);
            Err(Error::format(file_name, detail))
        }
    }
}

fn check_extent(header: &Header, file_name: &str) -> Result<[usize; 3]> {
    let extents = [header.nx, header.ny, header.nz];
    if extents.iter().all(|&n| n > 0) {
        return Ok(extents.map(|n| n as usize));
    }
    let [nx, ny, nz] = extents;
    Err(Error::format(
        file_name,
        format!("extent is {nx} x {ny} x {nz}, each must be 1 or more"),
    ))
}

/// Axis of columns, rows and sections, from MAPC, MAPR, MAPS. All zero is what programs of the 1980s left there.
fn check_axes(header: &Header, file_name: &str) -> Result<[usize; 3]> {
    let map = [header.mapc, header.mapr, header.maps];
    if map == [0, 0, 0] {
        return Ok([0, 1, 2]);
    }
    let mut sorted = map;
    sorted.sort_unstable();
    if sorted == [1, 2, 3] {
        return Ok(map.map(|m| m as usize - 1));
    }
    let detail = format!("axis order (MAPC, MAPR, MAPS) is {map:?}, must be a permutation of 1, 2, 3");
    Err(Error::format(file_name, detail))
}

/// "IMOD" in the file's byte order at byte 152 says that the flags after it are meant.
fn imod_flags(header: &Header, endian: FileEndian) -> Option<u8> {
    // `Header::detect_imod` looks for the little-endian bytes only and at their first flag byte only.
    match endian {
        FileEndian::LittleEndian => (header.extra[56..60] == *b"IMOD").then_some(header.extra[60]),
        FileEndian::BigEndian => (header.extra[56..60] == *b"DOMI").then_some(header.extra[63]),
    }
}

/// MRC-2014 has signed bytes. IMOD's flag 1 says so too, and its absence under IMOD's stamp says the opposite;
/// without a stamp, a recorded range within 0..=255 that no signed byte can reach tells an old unsigned file.
fn bytes_are_unsigned(header: &Header, endian: FileEndian, warnings: &mut Vec<String>) -> bool {
    if let Some(flags) = imod_flags(header, endian) {
        return flags & 1 == 0;
    }
    let unsigned = header.dmin >= 0.0 && header.dmax > 127.0 && header.dmax <= 255.0;
    if unsigned {
        warnings.push(format!(
            "mode 0 without a stamp and with values of {} to {}: read as unsigned bytes",
            header.dmin, header.dmax
        ));
    }
    unsigned
}

/// Turns the header's (x, y, z) values into (z, y, x) ones. CELLA, MX.. and ORIGIN belong to x, y, z, whereas
/// NX.. and NXSTART.. belong to columns, rows and sections (MRC-2014, words 5-7 and 17-19).
fn geometry(header: &Header, stored: [usize; 3], axis: [usize; 3], warnings: &mut Vec<String>) -> Geometry {
    let mut geometry = Geometry {
        labels: labels(header),
        ..Geometry::default()
    };
    let sampling = header.sampling();
    let cell = header.cell_lengths();
    let inverted = match imod_flags(header, header.detect_endian()) {
        // Under IMOD's stamp the origin has the opposite sign unless flag 4 is set.
        Some(flags) if flags & 4 == 0 => -1.0,
        _ => 1.0,
    };
    let starts = header.nstart();
    for (file_axis, &xyz) in axis.iter().enumerate() {
        let zyx = 2 - xyz;
        geometry.shape[zyx] = stored[file_axis];
        geometry.start[zyx] = starts[file_axis];
        let intervals = if sampling[xyz] > 0 {
            f64::from(sampling[xyz])
        } else {
            stored[file_axis] as f64
        };
        let edge = f64::from(cell[xyz]) / intervals;
        let name = ["x", "y", "z"][xyz];
        if edge.is_finite() && edge > 0.0 {
            geometry.voxel_angstrom[zyx] = edge;
        } else if edge != 0.0 {
            warnings.push(format!("voxel size along {name} is {edge} Angstrom: taken as unknown"));
        } else if cell.iter().any(|length| *length > 0.0) {
            warnings.push(format!(
                "the cell along {name} is 0 Angstrom long: its voxel size is unknown"
            ));
        }
        let origin = f64::from(header.origin[xyz]);
        if origin.is_finite() {
            // Adding 0 turns -0 into 0.
            geometry.origin_angstrom[zyx] = inverted * origin + 0.0;
        } else {
            warnings.push(format!("origin along {name} is {origin}: taken as 0"));
        }
    }
    geometry
}

fn labels(header: &Header) -> Vec<String> {
    let told = usize::try_from(header.nlabl).unwrap_or(10).min(10);
    header
        .label
        .chunks_exact(80)
        .take(told)
        .map(|label| {
            String::from_utf8_lossy(label)
                .trim_matches(['\0', ' ', '\n', '\r'])
                .to_owned()
        })
        .filter(|label| !label.is_empty())
        .collect()
}
