//! The objects of a specimen and their labels.
use serde::Serialize;

use crate::volume;

/// Label of ice, vacuum, gold, granules and droplets.
pub const BACKGROUND: u8 = volume::GROUND as u8;
/// Label of lipid bilayers.
pub const MEMBRANE: u8 = volume::MEMBRANE as u8;
/// Label of macromolecules.
pub const MOLECULE: u8 = volume::MOLECULE as u8;
/// Label of filaments.
pub const FILAMENT: u8 = volume::FILAMENT as u8;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceKind {
    /// Closed membrane around a point.
    Sphere,
    /// Closed membrane with three different axes.
    Ellipsoid,
    /// Membrane tube with rounded ends.
    Tube,
    /// Flat membrane sac.
    Disc,
    /// Open membrane.
    Sheet,
    /// Molecule: blobs in a ball or ellipsoid; its centre is filled.
    Globular,
    /// Molecule: a ring of subunits with a hole.
    Ring,
    /// Molecule: stacked rings.
    Barrel,
    /// Molecule: two unequal subunits.
    Ribosome,
    /// Molecule: a barrel of four rings with no, one or two caps.
    Proteasome,
    /// Molecule: two rings back to back.
    Chaperonin,
    /// Molecule: a head on a stalk, rooted in a membrane.
    Synthase,
    /// Molecule: a density from a file.
    Density,
    /// Actin-like filament.
    Actin,
    /// Microtubule.
    Microtubule,
    /// Gold bead; labelled background.
    Gold,
    /// Dense granule; labelled background.
    Granule,
    /// Lipid droplet; labelled background.
    Droplet,
}

impl InstanceKind {
    /// The name in CSV files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sphere => "sphere",
            Self::Ellipsoid => "ellipsoid",
            Self::Tube => "tube",
            Self::Disc => "disc",
            Self::Sheet => "sheet",
            Self::Globular => "globular",
            Self::Ring => "ring",
            Self::Barrel => "barrel",
            Self::Ribosome => "ribosome",
            Self::Proteasome => "proteasome",
            Self::Chaperonin => "chaperonin",
            Self::Synthase => "synthase",
            Self::Density => "density",
            Self::Actin => "actin",
            Self::Microtubule => "microtubule",
            Self::Gold => "gold",
            Self::Granule => "granule",
            Self::Droplet => "droplet",
        }
    }

    /// The label of its voxels.
    pub fn label(self) -> u8 {
        match self {
            Self::Sphere | Self::Ellipsoid | Self::Tube | Self::Disc | Self::Sheet => MEMBRANE,
            Self::Globular | Self::Ring | Self::Barrel | Self::Density => MOLECULE,
            Self::Ribosome | Self::Proteasome | Self::Chaperonin | Self::Synthase => MOLECULE,
            Self::Actin | Self::Microtubule => FILAMENT,
            Self::Gold | Self::Granule | Self::Droplet => BACKGROUND,
        }
    }
}

/// One object of the specimen.
#[derive(Clone, Debug, Serialize)]
pub struct Instance {
    /// What it is.
    pub kind: InstanceKind,
    /// Number of its species among those of its kind's label; 0 for what has none: membranes, filaments, gold,
    /// granules, droplets, and the crowd.
    pub species: usize,
    /// Centre (z, y, x) in 0-based voxels; may lie outside the volume for membranes.
    pub position: [f64; 3],
    /// Unit quaternion (w, x, y, z) that turns the object's own (x, y, z) axes into the tomogram's.
    pub orientation: [f64; 4],
    /// Largest extent; for filaments the width.
    pub diameter_nm: f64,
}
