//! Pictures and slices with truth, out of the folder of development data.
use std::path::Path;
use std::rc::Rc;

use ndarray::{Array2, Array3, Axis};
use tomocut::image::{gaussian_f32, resize_linear_f32, resize_nearest, PictureFile};
use tomocut::runtime::Job;
use tomocut::volume::Tomogram;
use tomocut::{Error, Result};

use crate::mat;

/// Longer side above which a picture and its truth are reduced, in pixels.
const LONGEST: usize = 640;

/// Class of a pixel that counts nowhere.
pub const IGNORED: u32 = u32::MAX;

/// One table of the page.
pub struct DataSet {
    pub name: &'static str,
    /// What is to be known when reading its table.
    pub note: &'static str,
    pub samples: Vec<Sample>,
    /// How many of the samples are on the contact sheet.
    pub shown: usize,
}

/// An image with truth.
pub struct Sample {
    pub name: String,
    pub pixels: Pixels,
    /// Classes of the pixels by one or more people, each of the image's rows and columns.
    pub truths: Vec<Array2<u32>>,
    /// The image in 0..=1, (1 or 3 channels, rows, columns).
    pub unit: Array3<f32>,
}

pub enum Pixels {
    Picture(PictureFile),
    Slice { tomogram: Rc<Tomogram>, z: usize },
}

impl Sample {
    /// Rows and columns.
    pub fn shape(&self) -> (usize, usize) {
        (self.unit.len_of(Axis(1)), self.unit.len_of(Axis(2)))
    }

    fn of_picture(name: &str, picture: PictureFile, truths: Vec<Array2<u32>>) -> Self {
        let picture = reduced(picture);
        let [black, white] = picture.range.unwrap_or([0.0, 1.0]);
        let unit = picture.pixels.mapv(|v| ((v - black) / (white - black)).clamp(0.0, 1.0));
        let shape = (unit.len_of(Axis(1)), unit.len_of(Axis(2)));
        let truths = truths.iter().map(|truth| resize_nearest(truth.view(), shape)).collect();
        Self {
            name: name.to_owned(),
            pixels: Pixels::Picture(picture),
            truths,
            unit,
        }
    }
}

/// The data sets that are there. Errors: a file of a set that cannot be read, or none there at all.
pub fn read(data: &Path) -> Result<Vec<DataSet>> {
    let sets = [
        ("bsds", berkeley as fn(&Path) -> Result<DataSet>),
        ("ade20k", ade20k),
        ("isbi2012_em", membranes),
        ("sim_pn_dev1", tomograms),
    ];
    let there = sets.iter().filter(|(folder, _)| data.join(folder).is_dir());
    let sets: Vec<DataSet> = there.map(|(_, read)| read(data)).collect::<Result<_>>()?;
    if sets.is_empty() {
        return Err(Error::argument(
            "--data",
            data.display(),
            "must hold bsds, ade20k, isbi2012_em or sim_pn_dev1",
        ));
    }
    Ok(sets)
}

/// Three pictures; each person's segments are classes of their own.
fn berkeley(data: &Path) -> Result<DataSet> {
    let mut samples = Vec::new();
    for name in ["100075", "124084", "299091"] {
        let file = |ending: &str| data.join("bsds").join(format!("{name}.{ending}"));
        let truths = mat::segmentations(&file("mat"))?;
        samples.push(Sample::of_picture(name, PictureFile::read(&file("jpg"))?, truths));
    }
    Ok(DataSet {
        name: "BSDS500",
        note: "Natural pictures of 321 x 481 pixels; a figure is the mean over the people who drew segments in one.",
        samples,
        shown: 2,
    })
}

/// Street scenes; the class of a pixel is R / 10 * 256 + G of its label picture, 0 is unlabelled.
fn ade20k(data: &Path) -> Result<DataSet> {
    let mut samples = Vec::new();
    for name in ["ADE_train_00016869", "ADE_train_00016964"] {
        let picture = PictureFile::read(&data.join(format!("ade20k/{name}.jpg")))?;
        let labels = PictureFile::read(&data.join(format!("ade20k/{name}_seg.png")))?.pixels;
        let (channels, rows, cols) = labels.dim();
        if channels != 3 {
            return Err(Error::format(name, "the labels are no colour picture"));
        }
        let class = |(r, c): (usize, usize)| match (labels[[0, r, c]] as u32 / 10) * 256 + labels[[1, r, c]] as u32 {
            0 => IGNORED,
            class => class,
        };
        let truth = Array2::from_shape_fn((rows, cols), class);
        samples.push(Sample::of_picture(name, picture, vec![truth]));
    }
    Ok(DataSet {
        name: "ADE20K",
        note: "Street scenes, reduced to 640 pixels; 13 and 14 classes of objects, many of them small.",
        samples,
        shown: 1,
    })
}

/// Serial-section electron micrographs of nerve tissue; the labels are dark on membranes.
fn membranes(data: &Path) -> Result<DataSet> {
    let mut samples = Vec::new();
    for name in ["0", "5"] {
        let file = |folder: &str| data.join("isbi2012_em").join(folder).join(format!("{name}.png"));
        let labels = PictureFile::read(&file("label"))?.pixels;
        let truth = labels.index_axis(Axis(0), 0).mapv(|v| u32::from(v < 128.0));
        samples.push(Sample::of_picture(
            name,
            PictureFile::read(&file("image"))?,
            vec![truth],
        ));
    }
    Ok(DataSet {
        name: "ISBI 2012 EM",
        note: "Electron micrographs of stained nerve tissue, 512 x 512; two classes, membrane and the rest.",
        samples,
        shown: 1,
    })
}

/// The middle slice of simulated tomograms of another maker.
fn tomograms(data: &Path) -> Result<DataSet> {
    let job = Job::quiet();
    let mut samples = Vec::new();
    let files = [
        ("sim_pn_dev1", "tomo_easy"),
        ("sim_pn_dev1", "tomo_hard"),
        ("sim_semi_TE1", "tomo_hard"),
    ];
    for (folder, file) in files {
        let folder = data.join(folder);
        let tomogram = Tomogram::open(&folder.join(format!("{file}.mrc.gz")), &job)?;
        let z = tomogram.geometry().shape[0] / 2;
        let slice = tomogram.read_slices(z..z + 1)?;
        let labels = Tomogram::open(&folder.join("labels.mrc.gz"), &job)?.read_slices(z..z + 1)?;
        let classes = classes_of(&folder.join("labels.csv"))?;
        let class = |&label: &f32| classes.get(label as usize).copied().unwrap_or(0);
        let truth = labels.index_axis(Axis(0), 0).map(class);
        // Only what a person looks at; the model has its own grey scale.
        let shown = tomocut::image::grey_panel(slice.index_axis(Axis(0), 0), truth.dim());
        samples.push(Sample {
            name: format!("{} {file}", folder.file_name().unwrap_or_default().to_string_lossy()),
            pixels: Pixels::Slice {
                tomogram: Rc::new(tomogram),
                z,
            },
            truths: vec![truth],
            unit: shown.mapv(|v| f32::from(v) / 255.0).insert_axis(Axis(0)),
        });
    }
    Ok(DataSet {
        name: "Simulated tomograms",
        note: "The middle slice of three tomograms (voxel SNR 0.8 once, 0.1 twice) that are not the project's own; \
               three classes, background, membrane and particle.",
        samples,
        shown: 2,
    })
}

/// Class of every label: 0 background, 1 membrane, 2 particle.
fn classes_of(table: &Path) -> Result<Vec<u32>> {
    let text = std::fs::read_to_string(table).map_err(|e| Error::io("reading", table, e))?;
    let mut classes = Vec::new();
    for line in text.lines().skip(1) {
        let mut fields = line.split(',');
        let label: usize = fields
            .next()
            .and_then(|n| n.trim().parse().ok())
            .filter(|n| *n < 256)
            .ok_or_else(|| Error::format(table.display(), format!("no label in {line:?}")))?;
        classes.resize(classes.len().max(label + 1), 0);
        classes[label] = match fields.next() {
            Some("membrane") => 1,
            Some("particle" | "membrane_protein") => 2,
            _ => 0,
        };
    }
    Ok(classes)
}

/// A picture whose longer side is at most [`LONGEST`].
fn reduced(picture: PictureFile) -> PictureFile {
    let (_, rows, cols) = picture.pixels.dim();
    let scale = LONGEST as f64 / rows.max(cols) as f64;
    if scale >= 1.0 {
        return picture;
    }
    let side = |pixels: usize| ((pixels as f64 * scale).round() as usize).max(1);
    PictureFile {
        pixels: resized(&picture.pixels, (side(rows), side(cols))),
        range: picture.range,
    }
}

/// Planes at a smaller size, smoothed first.
pub fn resized(planes: &Array3<f32>, shape: (usize, usize)) -> Array3<f32> {
    let (channels, rows, cols) = planes.dim();
    let shrink = (rows as f64 / shape.0 as f64).max(cols as f64 / shape.1 as f64);
    let mut small = Array3::zeros((channels, shape.0, shape.1));
    for (plane, mut target) in planes.outer_iter().zip(small.outer_iter_mut()) {
        target.assign(&match shrink > 1.0 {
            true => resize_linear_f32(gaussian_f32(plane, 0.5 * shrink).view(), shape),
            false => resize_linear_f32(plane, shape),
        });
    }
    small
}
