//! The labels of a slab's voxels; 0 is background.

/// Label of membrane voxels.
pub const MEMBRANE: i8 = 1;

/// Label of molecule voxels.
pub const MOLECULE: i8 = 2;

/// Label of filament voxels; only models that know filaments give it.
pub const FILAMENT: i8 = 3;
