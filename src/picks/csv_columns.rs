//! Columns of a CSV file by the names that programs give them.
use crate::{Error, Result};

/// What positions of a file count in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Voxels, by the name of the columns.
    Voxel,
    /// Nothing is said: voxels.
    Unsaid,
    /// Angstrom from the centre of the first voxel.
    Angstrom,
    /// Nanometres from the centre of the first voxel.
    Nanometre,
}

impl Unit {
    /// The unit that a word names.
    pub fn of(word: &str) -> Option<Self> {
        Some(match word.to_lowercase().as_str() {
            "vox" | "voxel" | "voxels" | "px" | "pixel" | "pixels" => Self::Voxel,
            "angstrom" | "angstroms" | "angst" | "ang" | "a" | "å" => Self::Angstrom,
            "nm" | "nanometer" | "nanometers" | "nanometre" | "nanometres" => Self::Nanometre,
            _ => return None,
        })
    }
}

/// The columns of a file, numbered from 0.
pub(super) struct Columns {
    /// Positions along x, y, z.
    pub xyz: [usize; 3],
    /// What they count in.
    pub unit: Unit,
    /// Positions in Angstrom where `xyz` are voxels.
    pub angstrom: Option<[usize; 3]>,
    /// The unit of each row.
    pub units: Option<usize>,
    /// Name of the tomogram.
    pub tomogram: Option<usize>,
    /// Number of the kind.
    pub label: Option<usize>,
    /// Diameter in nm.
    pub diameter: Option<usize>,
    /// Score.
    pub score: Option<usize>,
}

/// Names of a tomogram's column: ours and those of RELION, copick, Warp and of public data sets, without signs.
const TOMOGRAM: [&str; 14] = [
    "tomogram",
    "tomogramname",
    "tomo",
    "tomoname",
    "tomoid",
    "rlntomoname",
    "rlnmicrographname",
    "micrograph",
    "run",
    "runname",
    "experiment",
    "tiltseries",
    "tsname",
    "tomogramid",
];

impl Columns {
    /// Columns of a file without a header: x, y, z first.
    pub fn unnamed() -> Self {
        Self {
            xyz: [0, 1, 2],
            unit: Unit::Unsaid,
            angstrom: None,
            units: None,
            tomogram: None,
            label: None,
            diameter: None,
            score: None,
        }
    }

    /// Whether these names have positions among them.
    pub fn is_header(names: &[String]) -> bool {
        [Unit::Voxel, Unit::Unsaid, Unit::Angstrom, Unit::Nanometre]
            .into_iter()
            .any(|unit| matches!(triple(names, unit), Ok(Some(_))))
    }

    /// The columns of the `names` of a header.
    ///
    /// Errors: no three names are those of x, y, z in one unit; a name that is there twice; a fourth axis.
    pub fn named(names: &[String], source: &str) -> Result<Self> {
        let refuse = |detail: String| Error::format(source, detail);
        if let Some(fourth) = names.iter().find(|name| words(name) == ["axis", "3"]) {
            return Err(refuse(format!(
                "column {fourth:?}: points of more than three axes are not read"
            )));
        }
        if names.iter().any(|name| words(name) == ["shape", "type"]) {
            return Err(refuse("the corners of napari's shapes, not points".into()));
        }
        let triple = |unit| triple(names, unit).map_err(&refuse);
        let voxels = match triple(Unit::Voxel)? {
            Some(xyz) => Some((xyz, Unit::Voxel)),
            None => triple(Unit::Unsaid)?.map(|xyz| (xyz, Unit::Unsaid)),
        };
        let angstrom = triple(Unit::Angstrom)?;
        let (xyz, unit) = match (voxels, angstrom, triple(Unit::Nanometre)?) {
            (Some(voxels), ..) => voxels,
            (None, Some(xyz), _) => (xyz, Unit::Angstrom),
            (None, None, Some(xyz)) => (xyz, Unit::Nanometre),
            _ => {
                let detail = format!(
                    "no columns x, y, z (or x_vox.., x_coord.., x_angstrom.., axis-0..) among {}",
                    names.join(", ")
                );
                return Err(refuse(detail));
            }
        };
        let column = |name: &str| {
            let mut with = (0..names.len()).filter(|n| words(&names[*n]).concat() == name);
            match (with.next(), with.next()) {
                (Some(first), Some(second)) => {
                    let (first, name) = (first + 1, &names[first]);
                    Err(refuse(format!("columns {first} and {} are both {name:?}", second + 1)))
                }
                (first, _) => Ok(first),
            }
        };
        let tomogram = TOMOGRAM
            .iter()
            .map(|name| column(name))
            .find_map(Result::transpose)
            .transpose()?;
        Ok(Self {
            xyz,
            unit,
            angstrom: angstrom.filter(|_| voxels.is_some()),
            units: column("unit")?.filter(|_| unit == Unit::Unsaid),
            tomogram,
            label: column("label")?,
            diameter: column("diameternm")?,
            score: column("score")?,
        })
    }
}

/// The words of a name in small letters: those between signs.
fn words(name: &str) -> Vec<String> {
    let words = name
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// The axis (0: x) and the unit of a column, where it holds positions: `x`, `x_vox`, `x_coord`, `Position X`,
/// `x (angstrom)`, `centre_x_nm`, napari's `axis-0` and scikit-image's `centroid-0` (z first).
fn meaning(name: &str) -> Option<(usize, Unit)> {
    let mut words = words(name);
    if let [first, number] = &words[..] {
        if ["axis", "centroid"].contains(&first.as_str()) {
            let axis = ["2", "1", "0"].iter().position(|axis| axis == number)?;
            return Some((axis, Unit::Voxel));
        }
    }
    let at = words.iter().position(|word| ["x", "y", "z"].contains(&word.as_str()))?;
    let axis = ["x", "y", "z"].iter().position(|axis| words[at] == *axis)?;
    words.remove(at);
    let place = ["coord", "coordinate", "pos", "position", "centre", "center", "centroid"];
    words.retain(|word| !place.contains(&word.as_str()));
    match &words[..] {
        [] => Some((axis, Unit::Unsaid)),
        [unit] => Unit::of(unit).map(|unit| (axis, unit)),
        _ => None,
    }
}

/// Columns of x, y, z in `unit`: the plainest names where there are several, the error where those are not one each.
fn triple(names: &[String], unit: Unit) -> std::result::Result<Option<[usize; 3]>, String> {
    let mut xyz = [None; 3];
    for (axis, place) in xyz.iter_mut().enumerate() {
        let mut best: Vec<usize> = (0..names.len())
            .filter(|n| meaning(&names[*n]) == Some((axis, unit)))
            .collect();
        let fewest = best.iter().map(|n| words(&names[*n]).len()).min();
        best.retain(|n| Some(words(&names[*n]).len()) == fewest);
        match best[..] {
            [] => return Ok(None),
            [only] => *place = Some(only),
            [first, second, ..] => {
                return Err(format!(
                    "columns {} ({:?}) and {} ({:?}) may both be the position along {}",
                    first + 1,
                    names[first],
                    second + 1,
                    names[second],
                    ["x", "y", "z"][axis]
                ))
            }
        }
    }
    let [x, y, z] = xyz;
    Ok(x.zip(y).zip(z).map(|((x, y), z)| [x, y, z]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(header: &str) -> std::result::Result<([usize; 3], Unit), String> {
        let names: Vec<String> = header.split(',').map(str::to_owned).collect();
        Columns::named(&names, "f")
            .map(|columns| (columns.xyz, columns.unit))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn names_of_programs_are_known() {
        for (header, xyz, unit) in [
            ("x,y,z", [0, 1, 2], Unit::Unsaid),
            ("Z,Y,X", [2, 1, 0], Unit::Unsaid),
            ("x_vox,y_vox,z_vox", [0, 1, 2], Unit::Voxel),
            ("x_coord,y_coord,z_coord", [0, 1, 2], Unit::Unsaid),
            ("Position X,Position Y,Position Z", [0, 1, 2], Unit::Unsaid),
            ("index,axis-0,axis-1,axis-2", [3, 2, 1], Unit::Voxel),
            ("label,centroid-0,centroid-1,centroid-2", [3, 2, 1], Unit::Voxel),
            ("x_angstrom,y_angstrom,z_angstrom", [0, 1, 2], Unit::Angstrom),
            ("x (Å),y (Å),z (Å)", [0, 1, 2], Unit::Angstrom),
            ("X [nm],Y [nm],Z [nm]", [0, 1, 2], Unit::Nanometre),
            ("x,y,z,x_angstrom,y_angstrom,z_angstrom", [0, 1, 2], Unit::Unsaid),
            ("x,y,z,x_vox,y_vox,z_vox", [3, 4, 5], Unit::Voxel),
            ("x,y,z,x_coord,y_coord,z_coord", [0, 1, 2], Unit::Unsaid),
        ] {
            assert_eq!(columns(header), Ok((xyz, unit)), "{header}");
        }
        for (header, reason) in [
            ("a,b,c", "no columns x, y, z"),
            ("x,y", "no columns x, y, z"),
            ("x_um,y_um,z_um", "no columns x, y, z"),
            (
                "x,x,y,z",
                "columns 1 (\"x\") and 2 (\"x\") may both be the position along x",
            ),
            ("index,axis-0,axis-1,axis-2,axis-3", "more than three axes"),
            ("index,shape-type,vertex-index,axis-0,axis-1,axis-2", "napari's shapes"),
            ("x,y,z,score,score", "columns 4 and 5 are both \"score\""),
        ] {
            let error = columns(header).err().unwrap_or_default();
            assert!(error.contains(reason), "{header}: {error}");
        }
    }
}
