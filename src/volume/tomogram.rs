//! A tomogram: its geometry and its slices, wherever they come from.
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{s, Array3};

use super::bytes::ByteSource;
use super::labels::LabelOffset;
use super::name::{name_of, readable};
use super::sections::Sections;
use super::slice_source::SliceSource;
use super::voxel_size::{doubts, is_same_size};
use super::{zarr, Geometry};
use crate::runtime::Job;
use crate::{Error, Result};

/// A volume whose slices can be read in any range. Cheap to open and to clone: voxels are read when asked for.
#[derive(Clone)]
pub struct Tomogram {
    geometry: Geometry,
    name: String,
    source: Arc<dyn SliceSource>,
    path: Option<PathBuf>,
    files: Vec<PathBuf>,
    labels: Arc<LabelOffset>,
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
    /// `job`'s log, and so are voxel sizes that tomograms hardly have and chunks that are missing.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::Format`] where it is no MRC file, truncated or damaged,
    /// where a folder's metadata are missing or broken, [`Error::Unsupported`] for complex, RGB and 4-bit voxels, for
    /// stacks of volumes, other axes and codecs.
    pub fn open(path: &Path, job: &Job) -> Result<Self> {
        Self::open_sized(path, None, job)
    }

    /// [`Tomogram::open`] of a file whose voxels have edges of `voxel_nm` nanometres, whatever it says itself; None:
    /// what it says. Errors: also a size that is not positive.
    pub fn open_sized(path: &Path, voxel_nm: Option<f64>, job: &Job) -> Result<Self> {
        let (tomogram, mut warnings) = Self::read(path, true, job)?;
        if voxel_nm.is_none() {
            warnings.extend(doubts(&tomogram.geometry));
        }
        for warning in &warnings {
            job.logger().warn("volume", &format!("{}: {warning}", readable(path)));
        }
        tomogram.with_voxel_nm(voxel_nm, job)
    }

    /// [`Tomogram::open_sized`] without a warning: of files that were opened before, and of this library's own.
    pub fn open_again(path: &Path, voxel_nm: Option<f64>, job: &Job) -> Result<Self> {
        let (tomogram, _) = Self::read(path, false, job)?;
        tomogram.with_voxel_nm(voxel_nm, &Job::quiet())
    }

    /// The tomogram as its file has it, and what is to be told; `counts_chunks`: missing chunks too, which takes a look
    /// at each.
    fn read(path: &Path, counts_chunks: bool, job: &Job) -> Result<(Self, Vec<String>)> {
        let name = name_of(path);
        let (tomogram, warnings) = if zarr::is_zarr(path) {
            let mut opened = zarr::open(path)?;
            if counts_chunks {
                opened.warnings.extend(opened.slices.missing_chunks());
            }
            let tomogram = Self {
                files: opened.files,
                ..Self::from_source(Box::new(opened.slices), opened.geometry, &name)?
            };
            (tomogram, opened.warnings)
        } else {
            let (bytes, layout) = ByteSource::open(path, job)?;
            let (geometry, warnings) = (layout.geometry.clone(), layout.warnings.clone());
            let labels = Arc::new(LabelOffset::of(&layout));
            let sections = Sections {
                bytes,
                layout,
                path: path.to_path_buf(),
            };
            let tomogram = Self {
                labels,
                files: vec![path.to_path_buf()],
                ..Self::from_source(Box::new(sections), geometry, &name)?
            };
            (tomogram, warnings)
        };
        let path = Some(path.to_path_buf());
        Ok((Self { path, ..tomogram }, warnings))
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
            source: Arc::from(source),
            path: None,
            files: Vec::new(),
            labels: Arc::default(),
        })
    }

    /// Extent, voxel size, origin and labels.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The file's name without folder and without `.mrc`, `.rec`, `.map`, `.ccp4`, `.st`, `.ali`, `.gz`, `.bz2`,
    /// `.zarr` and `.ome.zarr`, in any case; of an array within a zarr folder with its path, `x_1` of `x.zarr/1`; of a
    /// tomogram of a copick project that of its run. Bytes that are no UTF-8 are written as %E9.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file or zarr folder that it was opened from; None for voxels in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What is read of it on the disk: its file, or of a zarr folder its finest array and the metadata; none of voxels
    /// in memory.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The name that [`Tomogram::open`] gives the tomogram in `path`.
    pub fn name_of(path: &Path) -> String {
        name_of(path)
    }

    /// The same tomogram with voxels of `voxel_nm` nanometres along every axis, where the user knows better than the
    /// file; None: as it is. Where the file says another size this is told to `job`'s log.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a size that is not positive.
    pub fn with_voxel_nm(&self, voxel_nm: Option<f64>, job: &Job) -> Result<Self> {
        let mut tomogram = self.clone();
        let Some(edge) = voxel_nm else { return Ok(tomogram) };
        if !(edge.is_finite() && edge > 0.0) {
            return Err(Error::argument("voxel_nm", edge, "must be a positive number"));
        }
        let differs = |own: f64| !is_same_size(own, 10.0 * edge);
        if self.geometry.voxel_nm().is_some() && self.geometry.voxel_angstrom.into_iter().any(differs) {
            let [z, y, x] = self.geometry.voxel_angstrom.map(|own| own / 10.0);
            let text = format!(
                "{}: the voxel size is given as {edge} nm and taken, the file says {x:.4} x {y:.4} x {z:.4} nm \
                 (x, y, z)",
                self.name
            );
            job.logger().warn("volume", &text);
        }
        tomogram.geometry.voxel_angstrom = [10.0 * edge; 3];
        Ok(tomogram)
    }

    /// Bytes that reading takes beside the slices that it answers: what is unpacked at a time, and what is kept.
    pub fn reading_bytes(&self) -> u64 {
        self.source.reading_bytes()
    }

    /// The slices `z` of a volume of labels, or of a mask: whole numbers from 0 on. Where IMOD stored them as signed
    /// bytes, from -128 on, 128 is added, as IMOD does.
    ///
    /// # Errors
    /// [`Error::Format`] for other negative labels, with the first one's place; as [`Tomogram::read_slices`].
    pub fn read_labels(&self, z: Range<usize>) -> Result<Array3<f32>> {
        let offset = self.labels.get(self.geometry.shape[0], |z| self.read_slices(z))?;
        let mut slices = self.read_slices(z.clone())?;
        if offset != 0.0 {
            slices += offset;
        }
        match slices.indexed_iter().find(|(_, label)| **label <= -0.5) {
            None => Ok(slices),
            Some(((k, y, x), label)) => {
                let place = format!("z {}, y {y}, x {x}", z.start + k);
                let detail = format!("the label {label} at {place} is negative, labels must be 0 or more");
                Err(Error::format(&self.name, detail))
            }
        }
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
