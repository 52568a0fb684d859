//! A tomogram: its geometry and its slices, wherever they come from.
use std::ops::Range;
use std::path::{Path, PathBuf};

use ndarray::{s, Array3};

use super::bytes::ByteSource;
use super::sections::Sections;
use super::slice_source::SliceSource;
use super::{zarr, Geometry};
use crate::runtime::Job;
use crate::{Error, Result};

/// A volume whose slices can be read in any range. Cheap to open: voxels are read when asked for.
pub struct Tomogram {
    geometry: Geometry,
    name: String,
    source: Box<dyn SliceSource>,
    path: Option<PathBuf>,
}

impl Tomogram {
    /// Opens an MRC file: modes 0, 1, 2, 6 and 12, both byte orders, any axis order, plain or packed by gzip or bzip2
    /// (told by its first bytes, not by its name). Packed files are unpacked here, whole; `job` can cancel that.
    ///
    /// Or opens a zarr folder: OME-Zarr 0.4 (zarr 2) and 0.5 (zarr 3), of which the finest resolution is taken, another
    /// one by its own path (`x.zarr/1`), or an array without OME metadata, whose voxel size is unknown. Axes are z, y,
    /// x, others before them of extent 1; voxels are integers, floats of 16 to 64 bits or bool; a chunk that is missing
    /// holds the fill value.
    ///
    /// Doubtful header values (a NaN voxel size, a wrong machine stamp, axes without a unit) are replaced and told to
    /// `job`'s log.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::Format`] where it is no MRC file, truncated or damaged,
    /// where a folder's metadata are missing or broken, [`Error::Unsupported`] for complex, RGB and 4-bit voxels, for
    /// stacks of volumes, other axes and codecs.
    pub fn open(path: &Path, job: &Job) -> Result<Self> {
        if zarr::is_zarr(path) {
            let (geometry, slices, warnings) = zarr::open(path)?;
            for warning in &warnings {
                job.logger().warn("volume", &format!("{}: {warning}", path.display()));
            }
            let tomogram = Self::from_source(Box::new(slices), geometry, &zarr::name_of(path))?;
            return Ok(Self {
                path: Some(path.to_path_buf()),
                ..tomogram
            });
        }
        let (bytes, layout) = ByteSource::open(path, job)?;
        for warning in &layout.warnings {
            job.logger().warn("volume", &format!("{}: {warning}", path.display()));
        }
        Ok(Self {
            geometry: layout.geometry.clone(),
            name: stem(path),
            source: Box::new(Sections {
                bytes,
                layout,
                path: path.to_path_buf(),
            }),
            path: Some(path.to_path_buf()),
        })
    }

    /// A tomogram in memory; `voxels` (z, y, x) must have the geometry's shape.
    pub fn from_array(voxels: Array3<f32>, geometry: Geometry) -> Result<Self> {
        let (nz, ny, nx) = voxels.dim();
        if geometry.shape != [nz, ny, nx] {
            let allowed = format!("must be the array's [{nz}, {ny}, {nx}]");
            return Err(Error::argument(
                "geometry.shape",
                format!("{:?}", geometry.shape),
                &allowed,
            ));
        }
        Self::from_source(Box::new(InMemory(voxels)), geometry, "tomogram")
    }

    /// A tomogram whose slices `source` provides; `name` stands in coordinate files (rlnTomoName).
    pub fn from_source(source: Box<dyn SliceSource>, geometry: Geometry, name: &str) -> Result<Self> {
        if geometry.shape.contains(&0) {
            return Err(Error::argument(
                "geometry.shape",
                format!("{:?}", geometry.shape),
                "must have no zero extent",
            ));
        }
        Ok(Self {
            geometry,
            name: name.to_owned(),
            source,
            path: None,
        })
    }

    /// Extent, voxel size, origin and labels.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The file's name without folder and without `.mrc`, `.rec`, `.map`, `.ccp4`, `.st`, `.gz`, `.bz2`, `.zarr` and
    /// `.ome.zarr`; of an array within a zarr folder with its path, `x_1` of `x.zarr/1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file or zarr folder that it was opened from; None for voxels in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The name that [`Tomogram::open`] gives the tomogram in `path`.
    pub fn name_of(path: &Path) -> String {
        if zarr::is_zarr(path) {
            return zarr::name_of(path);
        }
        stem(path)
    }

    /// Replaces the voxel size, in Angstrom along every axis, where the user knows better than the file.
    pub fn set_voxel_angstrom(&mut self, edge: f64) -> Result<()> {
        if !(edge.is_finite() && edge > 0.0) {
            return Err(Error::argument("voxel_angstrom", edge, "must be a positive number"));
        }
        self.geometry.voxel_angstrom = [edge; 3];
        Ok(())
    }

    /// The slices `z` as an array (z.end - z.start, ny, nx). Takes memory for these slices and a few MB more.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where `z` is empty or out of range, [`Error::Format`] where a voxel is not finite
    /// (with their number and the first one's place), and those of reading.
    pub fn read_slices(&self, z: Range<usize>) -> Result<Array3<f32>> {
        let slices = self.read_slices_as_stored(z.clone())?;
        check_finite(&slices, &z, &self.name)?;
        Ok(slices)
    }

    /// [`Tomogram::read_slices`] for callers that can do with voxels that are not finite.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where `z` is empty or out of range, and those of reading.
    pub fn read_slices_as_stored(&self, z: Range<usize>) -> Result<Array3<f32>> {
        self.geometry.check_slices(&z)?;
        let slices = self.source.read(z.clone())?;
        let expected = [z.end - z.start, self.geometry.shape[1], self.geometry.shape[2]];
        if slices.shape() != expected {
            let detail = format!("slices have shape {:?}, expected {expected:?}", slices.shape());
            return Err(Error::format(&self.name, detail));
        }
        Ok(slices)
    }
}

impl std::fmt::Debug for Tomogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tomogram({}, {:?})", self.name, self.geometry.shape)
    }
}

struct InMemory(Array3<f32>);

impl SliceSource for InMemory {
    fn read(&self, z: Range<usize>) -> Result<Array3<f32>> {
        Ok(self.0.slice(s![z, .., ..]).to_owned())
    }
}

fn check_finite(slices: &Array3<f32>, z: &Range<usize>, name: &str) -> Result<()> {
    // The sum of finite voxels can overflow to infinity, hence the exact test; it costs less than reading does.
    let count = slices.iter().filter(|v| !v.is_finite()).count();
    if count == 0 {
        return Ok(());
    }
    let first = slices.indexed_iter().find(|(_, v)| !v.is_finite());
    let place = first.map_or(String::new(), |((k, y, x), v)| {
        format!(", the first is {v} at z {}, y {y}, x {x}", z.start + k)
    });
    let detail = format!("{count} voxels of slices {}:{} are not finite{place}", z.start, z.end);
    Err(Error::format(name, detail))
}

fn stem(path: &Path) -> String {
    let mut name = path
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    for endings in [&[".gz", ".bz2"][..], &[".mrc", ".rec", ".map", ".ccp4", ".st"][..]] {
        let ending = endings
            .iter()
            .find(|ending| name.to_ascii_lowercase().ends_with(*ending));
        if let Some(ending) = ending {
            name.truncate(name.len() - ending.len());
        }
    }
    if name.is_empty() {
        "tomogram".to_owned()
    } else {
        name
    }
}
