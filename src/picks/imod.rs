//! IMOD binary models, version 1.2 (IMOD's "binspec"): big endian; a 232-byte model header, then chunks.
//!
//! IMOD counts from pixel edges in x and y and from slice centres in z: "coordinates range from 0 to NX in X and 0 to
//! NY in Y, but from -0.5 to NZ - 0.5 in Z". The centre of voxel (x, y, z) hence is (x + 0.5, y + 0.5, z).
//!
//! Written is one object of scattered points with the particle's radius as point size (SIZE) and its score as
//! point value (COST), and the tomogram's pixel size and origin (MINX), by which 3dmod places the model on a slab
//! that was cut from it.
use super::fields::pick_at;
use super::{Pick, PickSet};
use crate::volume::Geometry;
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"IMODV1.2";
const MODEL_BYTES: usize = 232;
const OBJECT_BYTES: usize = 176;
/// z from -0.5 (bit 10), several clip planes, materials as bytes, origins in MINX, tilt angles right (bits 12-15).
const MODEL_FLAGS: u32 = 0xf400;
/// Scattered points (bit 9), and what 3dmod sets for every object (bits 27, 28).
const OBJECT_FLAGS: u32 = 0x1800_0200;
/// Types of general storage: a value of a point, and the least and largest value of an object.
const POINT_VALUE: i16 = 10;
const VALUE_RANGE: i16 = 11;

pub(super) fn encode(set: &PickSet) -> Vec<u8> {
    let [nz, ny, nx] = set.geometry.shape;
    let pixel_nm = set.geometry.voxel_nm();
    let radius = |pick: &Pick| pixel_nm.map_or(0.0, |nm| pick.diameter_nm / nm / 2.0);
    let largest = set.picks.iter().map(radius).fold(0.0, f64::max);
    let mut out = Writer(MAGIC.to_vec());
    out.text(&set.tomogram, 128);
    out.ints(&[nx as i32, ny as i32, nz as i32, 1]);
    out.ints(&[MODEL_FLAGS as i32, 1, 1, 0, 255]);
    out.floats(&[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    out.ints(&[0, 0, 0, 3, 128]);
    // Pixel size in nanometres (units -9), or in pixels (units 0).
    out.floats(&[pixel_nm.unwrap_or(1.0)]);
    out.ints(&[if pixel_nm.is_some() { -9 } else { 0 }, 0]);
    out.floats(&[0.0; 3]);

    out.0.extend_from_slice(b"OBJT");
    out.text("molecules", 64);
    out.ints(&[0; 16]);
    out.ints(&[1, OBJECT_FLAGS as i32, 0, 1]);
    out.floats(&[0.0, 1.0, 0.0]);
    out.ints(&[(largest.round() as i32).clamp(1, 1000)]);
    out.0.extend_from_slice(&[1, 3, 1, 1, 0, 0, 0, 0]);
    out.ints(&[0, 0]);

    out.0.extend_from_slice(b"CONT");
    out.ints(&[set.picks.len() as i32, 0, 0, 0]);
    for pick in &set.picks {
        let [z, y, x] = pick.position;
        out.floats(&[x + 0.5, y + 0.5, z]);
    }
    out.chunk(b"SIZE", |out| {
        set.picks.iter().for_each(|pick| out.floats(&[radius(pick)]))
    });
    out.chunk(b"COST", |out| {
        for (n, pick) in set.picks.iter().enumerate() {
            // Flags: the index is an integer, the value a float.
            out.shorts(&[POINT_VALUE, 4]);
            out.ints(&[n as i32]);
            out.floats(&[pick.score]);
        }
    });
    let scores = set.picks.iter().map(|pick| pick.score);
    let (low, high) = scores.fold((f64::MAX, f64::MIN), |(low, high), s| (low.min(s), high.max(s)));
    if low <= high {
        out.chunk(b"OBST", |out| {
            out.shorts(&[VALUE_RANGE, 21]);
            out.floats(&[low, high]);
        });
    }
    let [az, ay, ax] = set
        .geometry
        .voxel_angstrom
        .map(|edge| if edge > 0.0 { edge } else { 1.0 });
    // IMOD's own sign: the origin seen from the image's corner.
    let [oz, oy, ox] = set.geometry.origin_angstrom.map(|origin| 0.0 - origin);
    out.chunk(b"MINX", |out| {
        out.floats(&[ax, ay, az, ox, oy, oz, 0.0, 0.0, 0.0]);
        out.floats(&[ax, ay, az, ox, oy, oz, 0.0, 0.0, 0.0]);
    });
    out.0.extend_from_slice(b"IEOF");
    out.0
}

struct Writer(Vec<u8>);

impl Writer {
    fn ints(&mut self, values: &[i32]) {
        values.iter().for_each(|v| self.0.extend_from_slice(&v.to_be_bytes()));
    }

    fn shorts(&mut self, values: &[i16]) {
        values.iter().for_each(|v| self.0.extend_from_slice(&v.to_be_bytes()));
    }

    fn floats(&mut self, values: &[f64]) {
        values
            .iter()
            .for_each(|v| self.0.extend_from_slice(&(*v as f32).to_be_bytes()));
    }

    /// Text in `length` bytes, cut or filled with zeros; the last byte is always zero.
    fn text(&mut self, text: &str, length: usize) {
        let bytes = text.bytes().filter(u8::is_ascii).chain(std::iter::repeat(0));
        self.0.extend(bytes.take(length - 1));
        self.0.push(0);
    }

    fn chunk(&mut self, name: &[u8; 4], fill: impl FnOnce(&mut Self)) {
        self.0.extend_from_slice(name);
        let at = self.0.len();
        self.ints(&[0]);
        fill(self);
        let length = (self.0.len() - at - 4) as u32;
        self.0[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }
}

/// Reads the points of every contour of every object: models are drawn as points, as open and as closed contours.
pub(super) fn decode(bytes: &[u8], geometry: &Geometry, source: &str) -> Result<Vec<Pick>> {
    let mut input = Reader { rest: bytes, source };
    if input.take(8)? != MAGIC {
        return Err(Error::format(source, "not an IMOD model of version 1.2"));
    }
    input.take(MODEL_BYTES)?;
    let to_nm = geometry.voxel_nm().map_or(0.0, |nm| 2.0 * nm);
    let mut picks: Vec<Pick> = Vec::new();
    let (mut default_size, mut contour) = (0.0, 0..0);
    loop {
        match input.take(4)? {
            b"IEOF" => return Ok(picks),
            b"OBJT" => {
                let object = input.take(OBJECT_BYTES)?;
                // pdrawsize follows name, extra, contsize, flags, axis, drawmode and the three colours.
                let mut size = Reader {
                    rest: &object[156..160],
                    source,
                };
                default_size = f64::from(size.int()?);
            }
            b"CONT" => {
                let count = input.count()?;
                input.take(12)?;
                let start = picks.len();
                for n in 0..count {
                    let [x, y, z] = [input.float()?, input.float()?, input.float()?];
                    let mut pick = pick_at([x - 0.5, y - 0.5, z], 0.0, n + 1, source)?;
                    pick.diameter_nm = default_size * to_nm;
                    picks.push(pick);
                }
                contour = start..picks.len();
            }
            b"MESH" => {
                let (vertices, list) = (input.count()?, input.count()?);
                let length = vertices
                    .checked_mul(12)
                    .and_then(|v| v.checked_add(list.checked_mul(4)?));
                input.take(8)?;
                input.take(length.unwrap_or(usize::MAX))?;
            }
            name => {
                let length = input.count()?;
                let mut chunk = Reader {
                    rest: input.take(length)?,
                    source,
                };
                let points = picks.get_mut(contour.clone()).unwrap_or_default();
                match name {
                    // A negative size stands for the object's.
                    b"SIZE" => {
                        for pick in points {
                            let size = chunk.float()?;
                            if size >= 0.0 {
                                pick.diameter_nm = size * to_nm;
                            }
                        }
                    }
                    b"COST" => {
                        while !chunk.rest.is_empty() {
                            let kind = chunk.take(4)?;
                            let (point, value) = (chunk.int()?, chunk.float()?);
                            if kind == [0, POINT_VALUE as u8, 0, 4] {
                                let point = usize::try_from(point).ok().and_then(|n| points.get_mut(n));
                                if let Some(pick) = point {
                                    pick.score = value;
                                }
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    source: &'a str,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            let detail = format!(
                "the model ends where {count} more bytes are expected ({} left)",
                self.rest.len()
            );
            return Err(Error::format(self.source, detail));
        };
        self.rest = rest;
        Ok(taken)
    }

    fn word(&mut self) -> Result<[u8; 4]> {
        let mut word = [0; 4];
        word.copy_from_slice(self.take(4)?);
        Ok(word)
    }

    fn int(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.word()?))
    }

    fn float(&mut self) -> Result<f64> {
        Ok(f64::from(f32::from_be_bytes(self.word()?)))
    }

    fn count(&mut self) -> Result<usize> {
        let count = self.int()?;
        usize::try_from(count).map_err(|_| Error::format(self.source, format!("a count is {count}, must be 0 or more")))
    }
}
