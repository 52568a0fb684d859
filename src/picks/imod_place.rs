//! Where a model that was drawn on one volume lies in another: by MINX, as 3dmod does it (`imodTransFromRefImage`).
use super::fields::known_edges;
use crate::volume::{is_same_size, Geometry};
use crate::{Error, Result};

/// The volume that a model was drawn on; triples are (z, y, x).
#[derive(Clone, Copy)]
pub(super) struct Reference {
    extents: [i32; 3],
    scale: [f64; 3],
    origin: [f64; 3],
    rotation: [f64; 3],
}

/// From a model's coordinates to those of the tomogram, along (z, y, x).
pub(super) struct Placement {
    /// Factors.
    pub scale: [f64; 3],
    /// What is added then.
    pub shift: [f64; 3],
    /// What a user should know.
    pub warning: Option<String>,
}

impl Default for Placement {
    fn default() -> Self {
        Self {
            scale: [1.0; 3],
            shift: [0.0; 3],
            warning: None,
        }
    }
}

impl Reference {
    /// Of the extents in a model's header and the numbers of its MINX, along x, y, z.
    pub fn new(extents: [i32; 3], [scale, origin, rotation]: [[f64; 3]; 3]) -> Self {
        let turned = |[x, y, z]: [f64; 3]| [z, y, x];
        let [nx, ny, nz] = extents;
        Self {
            extents: [nz, ny, nx],
            scale: turned(scale),
            // IMOD's sign.
            origin: turned(origin).map(|origin| 0.0 - origin),
            rotation: turned(rotation),
        }
    }

    /// How the model's coordinates become those of the tomogram.
    ///
    /// Errors: it cannot be told: a pixel size that is missing on one side, a turned volume.
    pub fn placement(&self, geometry: &Geometry, source: &str) -> Result<Placement> {
        let nothing = Placement::default();
        let Self {
            scale,
            origin,
            rotation,
            ..
        } = *self;
        let numbers = [scale, origin, rotation].concat();
        if numbers.iter().any(|v| !v.is_finite()) || scale.iter().any(|v| *v <= 0.0) {
            let detail = format!("MINX holds the pixel size {scale:?} and the origin {origin:?}, must be finite");
            return Err(Error::format(source, detail));
        }
        // Extents that are not known: a model for itself.
        if geometry.shape.contains(&0) {
            return Ok(nothing);
        }
        let is_of_shape = self
            .extents
            .into_iter()
            .zip(geometry.shape)
            .all(|(a, b)| usize::try_from(a) == Ok(b));
        let here = geometry.origin_angstrom;
        let near = |sign: f64| (0..3).all(|k| (sign * origin[k] - here[k]).abs() <= 0.01 * scale[k]);
        let Ok(edges) = known_edges(geometry, "") else {
            // 1 is what IMOD holds where no size is known.
            if is_of_shape || (scale == [1.0; 3] && near(1.0)) {
                return Ok(nothing);
            }
            known_edges(
                geometry,
                &format!("to place a model that was drawn on pixels of {} A", scale[2]),
            )?;
            return Ok(nothing);
        };
        let edges = [edges[2], edges[1], edges[0]];
        let is_of_size = (0..3).all(|k| is_same_size(scale[k], edges[k]));
        // The same volume, whatever sign or size its header had.
        if is_of_shape && !is_of_size {
            let warning = format!(
                "drawn on a volume of the same extents with pixels of {} A, now {} A: the size is taken for corrected",
                scale[2], edges[2]
            );
            return Ok(Placement {
                warning: Some(warning),
                ..nothing
            });
        }
        if is_of_size && (near(1.0) || (is_of_shape && near(-1.0))) {
            return Ok(nothing);
        }
        if rotation != [0.0; 3] {
            let detail =
                format!("drawn on a volume that was turned by {rotation:?} degrees (MINX): not read for another");
            return Err(Error::format(source, detail));
        }
        if scale == [1.0; 3] {
            let detail = format!(
                "drawn on pixels of 1 A, which is what a header without a size has, on a volume of other extents; the \
                 tomogram's voxels have {} A",
                edges[2]
            );
            return Err(Error::format(source, detail));
        }
        Ok(Placement {
            scale: std::array::from_fn(|k| if is_of_size { 1.0 } else { scale[k] / edges[k] }),
            shift: std::array::from_fn(|k| (origin[k] - here[k]) / edges[k]),
            warning: None,
        })
    }
}
