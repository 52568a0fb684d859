//! IMOD binary models, version 1.2 (IMOD's "binspec"): big endian; a 232-byte model header, then chunks.
//!
//! IMOD counts from pixel edges in x and y and from slice centres in z: "coordinates range from 0 to NX in X and 0 to
//! NY in Y, but from -0.5 to NZ - 0.5 in Z". The centre of voxel (x, y, z) hence is (x + 0.5, y + 0.5, z).
//!
//! Those are pixels of the volume that the model was drawn on: MINX holds its pixel size (cscale) and its origin with
//! IMOD's sign (ctrans), by which 3dmod places a model on another volume (`imodTransFromRefImage`): the place in
//! Angstrom is p * cscale - ctrans, in pixels of a volume of pixel size a and origin t (p * cscale - ctrans + t) / a.
//!
//! Picks are scattered points where a model has any, else the points of its open contours, else those of its closed
//! ones: outlines that stand beside picks are none.
//!
//! Written is one object of scattered points with the particle's radius as point size (SIZE) and its score as
//! point value (COST), and the tomogram's pixel size and origin (MINX), by which 3dmod places the model on a slab
//! that was cut from it.
use super::fields::{known_edges, Line, Reading};
use super::imod_place::Reference;
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
/// Scattered points (bit 9), open contours (bit 3).
const SCATTERED: u32 = 1 << 9;
const OPEN: u32 = 1 << 3;
/// The model was drawn on a volume whose y and z were swapped or that was turned (bits 16, 17).
const SWAPPED: u32 = 3 << 16;
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
    if let Ok(edges) = known_edges(&set.geometry, "") {
        // IMOD's own sign: the origin seen from the image's corner.
        let [oz, oy, ox] = set.geometry.origin_angstrom.map(|origin| 0.0 - origin);
        out.chunk(b"MINX", |out| {
            for _ in 0..2 {
                out.floats(&edges);
                out.floats(&[ox, oy, oz, 0.0, 0.0, 0.0]);
            }
        });
    }
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

/// How an object shows its points, from what are outlines to what are picks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Drawn {
    Closed,
    Open,
    Scattered,
}

/// Reads the points that are picks, in voxels of the tomogram with this `geometry`.
pub(super) fn decode(bytes: &[u8], geometry: &Geometry, source: &str) -> Result<Reading> {
    let mut input = Reader { rest: bytes, source };
    if input.take(8)? != MAGIC {
        return Err(Error::format(source, "not an IMOD model of version 1.2"));
    }
    // The name, then the extents of the volume, the number of objects and the flags.
    let mut header = Reader {
        rest: &input.take(MODEL_BYTES)?[128..],
        source,
    };
    let extents = [header.int()?, header.int()?, header.int()?];
    header.int()?;
    if header.int()? as u32 & SWAPPED != 0 {
        let detail = "drawn on a volume with y and z swapped (3dmod -Y): save it from 3dmod on the volume as it is";
        return Err(Error::format(source, detail));
    }
    let mut points: Vec<(Drawn, Pick)> = Vec::new();
    let (mut drawn, mut default_size, mut contour) = (Drawn::Closed, 0.0, 0..0);
    let mut reference = None;
    loop {
        match input.take(4)? {
            b"IEOF" => break,
            b"OBJT" => {
                let object = input.take(OBJECT_BYTES)?;
                // flags follow name, extra and contsize; pdrawsize axis, drawmode and the three colours after them.
                let mut fields = Reader {
                    rest: &object[132..160],
                    source,
                };
                drawn = match fields.int()? as u32 {
                    flags if flags & SCATTERED != 0 => Drawn::Scattered,
                    flags if flags & OPEN != 0 => Drawn::Open,
                    _ => Drawn::Closed,
                };
                fields.take(20)?;
                default_size = f64::from(fields.int()?);
            }
            b"CONT" => {
                let count = input.count()?;
                input.take(12)?;
                let start = points.len();
                for n in 0..count {
                    let xyz = input.triple()?;
                    let (_, mut pick) = Line { source, number: n + 1 }.pick(xyz, 0.0)?;
                    // In pixels of the volume that the model was drawn on.
                    pick.diameter_nm = 2.0 * default_size;
                    points.push((drawn, pick));
                }
                contour = start..points.len();
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
                let points = points.get_mut(contour.clone()).unwrap_or_default();
                match name {
                    b"SIZE" => chunk.sizes(points)?,
                    b"COST" => chunk.values(points)?,
                    b"MINX" => {
                        // The first nine numbers are of the volume that the model was begun on.
                        chunk.take(36)?;
                        reference = Some(Reference::new(
                            extents,
                            [chunk.triple()?, chunk.triple()?, chunk.triple()?],
                        ));
                    }
                    _ => {}
                }
            }
        }
    }
    picks_of(points, reference, geometry, source)
}

/// The points that are picks, placed in the tomogram.
fn picks_of(
    points: Vec<(Drawn, Pick)>,
    reference: Option<Reference>,
    geometry: &Geometry,
    source: &str,
) -> Result<Reading> {
    let mut reading = Reading::default();
    let placed = reference
        .map(|reference| reference.placement(geometry, source))
        .transpose()?;
    let placement = placed.unwrap_or_default();
    reading.has_unit = reference.is_some();
    reading.warnings.extend(placement.warning);
    let best = points.iter().map(|(drawn, _)| *drawn).max().unwrap_or(Drawn::Scattered);
    let left = points.iter().filter(|(drawn, _)| *drawn < best).count();
    if left > 0 {
        let kind = match best {
            Drawn::Scattered => "scattered points",
            _ => "points of open contours",
        };
        reading
            .warnings
            .push(format!("{left} points of other contours are no picks beside {kind}"));
    }
    if best == Drawn::Closed {
        reading.warnings.push(
            "the points of closed contours are taken for picks (in 3dmod an object of scattered points says so)".into(),
        );
    }
    let pixel_nm = geometry.voxel_nm().unwrap_or(0.0) * placement.scale.iter().sum::<f64>() / 3.0;
    for (_, mut pick) in points.into_iter().filter(|(drawn, _)| *drawn == best) {
        for (k, v) in pick.position.iter_mut().enumerate() {
            // The centre of a pixel is half a pixel from its edges, from which x and y count.
            *v = *v * placement.scale[k] + placement.shift[k] - if k == 0 { 0.0 } else { 0.5 };
        }
        pick.diameter_nm *= pixel_nm;
        reading.rows.push((reading.rows.len() + 1, pick));
    }
    Ok(reading)
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

    fn triple(&mut self) -> Result<[f64; 3]> {
        Ok([self.float()?, self.float()?, self.float()?])
    }

    /// Radii of the points of a contour; a negative one stands for the object's.
    fn sizes(&mut self, points: &mut [(Drawn, Pick)]) -> Result<()> {
        for (_, pick) in points {
            let size = self.float()?;
            if size >= 0.0 {
                pick.diameter_nm = 2.0 * size;
            }
        }
        Ok(())
    }

    /// Values of the points of a contour, which are scores.
    fn values(&mut self, points: &mut [(Drawn, Pick)]) -> Result<()> {
        while !self.rest.is_empty() {
            let kind = self.take(4)?;
            let (point, value) = (self.int()?, self.float()?);
            if kind == [0, POINT_VALUE as u8, 0, 4] {
                let point = usize::try_from(point).ok().and_then(|n| points.get_mut(n));
                if let Some((_, pick)) = point {
                    pick.score = value;
                }
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<usize> {
        let count = self.int()?;
        usize::try_from(count).map_err(|_| Error::format(self.source, format!("a count is {count}, must be 0 or more")))
    }
}
