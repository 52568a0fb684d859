//! What the numbers of rlnCoordinateX/Y/Z count in.
//!
//! RELION 4 and 5: pixels of the tilt series, unbinned, whose size the optics block gives
//! (rlnTomoTiltSeriesPixelSize).
//! Warp, M and pytom-match-pick: pixels of rlnDetectorPixelSize; where rlnMagnification stands beside it, that size is
//! in micrometres on the detector, hence times 10000 / magnification in Angstrom. A file that says nothing is in
//! voxels.
use super::fields::Line;
use super::star_tables::Table;
use crate::volume::is_same_size;
use crate::Result;

const GROUP: &str = "rlnOpticsGroup";
const IMAGE: &str = "rlnImagePixelSize";

/// Sizes of the pixels of a table's rows.
pub(super) struct Pixels<'a, 't> {
    table: &'a Table<'t>,
    /// The table of optics groups.
    optics: Option<&'a Table<'t>>,
}

impl<'a, 't> Pixels<'a, 't> {
    pub fn of(table: &'a Table<'t>, tables: &'a [Table<'t>]) -> Self {
        let is_optics = |other: &&Table| {
            !std::ptr::eq(*other, table)
                && (other.block.eq_ignore_ascii_case("optics") || other.column(GROUP).is_some())
        };
        Self {
            table,
            optics: tables.iter().find(is_optics),
        }
    }

    /// The size of a pixel of a row's coordinates in Angstrom with the label that gives it; None where nothing does.
    /// `voxel` is the tomogram's, where it is known.
    ///
    /// Errors: two labels of different sizes, a size of images that is not the tomogram's (it is the images', not that
    /// of coordinates), an optics group that is not in the file.
    pub fn size(&self, row: &[&str], voxel: Option<f64>, line: Line) -> Result<Option<(f64, &'static str)>> {
        let value = |label: &'static str| self.value(label, row, line);
        let image = value(IMAGE)?;
        let magnification = value("rlnMagnification")?;
        let of_images = |divided: Option<f64>| image.zip(divided).map(|(image, by)| image / by);
        let sizes = [
            (value("rlnTomoTiltSeriesPixelSize")?, "rlnTomoTiltSeriesPixelSize"),
            (value("rlnMicrographPixelSize")?, "rlnMicrographPixelSize"),
            (
                of_images(value("rlnTomoSubtomogramBinning")?),
                "rlnImagePixelSize by rlnTomoSubtomogramBinning",
            ),
            (
                value("rlnDetectorPixelSize")?.map(|size| size * magnification.map_or(1.0, |by| 1e4 / by)),
                "rlnDetectorPixelSize",
            ),
            (value("rlnPixelSize")?, "rlnPixelSize"),
        ];
        let mut stated = sizes.into_iter().filter_map(|(size, label)| Some((size?, label)));
        let Some((size, label)) = stated.next() else {
            return match (image, voxel) {
                (Some(size), Some(voxel)) if !is_same_size(size, voxel) => Err(line.refuse(format_args!(
                    "rlnImagePixelSize is {size}, the tomogram's voxels have {voxel} A: rlnCoordinateX may count in \
                     either; rlnTomoTiltSeriesPixelSize says it"
                ))),
                (size, _) => Ok(size.map(|size| (size, IMAGE))),
            };
        };
        match stated.find(|(other, _)| !is_same_size(*other, size)) {
            Some((other, other_label)) => Err(line.refuse(format_args!(
                "{label} is {size}, {other_label} is {other}: rlnCoordinateX may count in either"
            ))),
            None => Ok(Some((size, label))),
        }
    }

    /// The value of `label` for a row, of its own or of its optics group; None where it is 0.
    fn value(&self, label: &'static str, row: &[&str], line: Line) -> Result<Option<f64>> {
        if let Some(column) = self.table.column(label) {
            return line.size(row[column], label);
        }
        let Some((optics, column)) = self.optics.and_then(|optics| Some((optics, optics.column(label)?))) else {
            return Ok(None);
        };
        let of_group = |group: &(usize, Vec<&str>)| {
            let line = Line {
                number: group.0,
                ..line
            };
            line.size(group.1[column], label)
        };
        let group = |table: &Table| table.column(GROUP);
        if let (Some(own), Some(listed)) = (group(self.table), group(optics)) {
            let named = optics.rows.iter().find(|other| other.1[listed] == row[own]);
            let missing = || line.refuse(format_args!("{GROUP} {:?} is not in the optics block", row[own]));
            return of_group(named.ok_or_else(missing)?);
        }
        let mut groups = optics.rows.iter().map(of_group);
        let Some(first) = groups.next().transpose()? else {
            return Ok(None);
        };
        for other in groups {
            if other? != first {
                let detail = format_args!("{label} differs between optics groups, and {GROUP} is missing here");
                return Err(line.refuse(detail));
            }
        }
        Ok(first)
    }
}
