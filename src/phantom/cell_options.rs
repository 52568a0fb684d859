//! Settings of a specimen that is like a cell: compartments, the crowd within them, and large complexes.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runtime::Generator;

/// What fills a specimen beside its membranes, filaments and species. Everything is off by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CellOptions {
    /// Whether every region that membranes close off has a crowding of its own: from none (vacuoles, the outside) to
    /// the full one.
    pub compartments: bool,
    /// Share of the volume that bodies of all sizes fill, where the crowd is densest.
    #[schemars(range(min = 0.0, max = 0.35))]
    pub crowd: f64,
    /// Smallest diameter of a body of the crowd in nm.
    #[schemars(range(min = 2.0, max = 60.0))]
    pub crowd_smallest_nm: f64,
    /// Largest diameter of a body of the crowd in nm, not below the smallest.
    #[schemars(range(min = 2.0, max = 60.0))]
    pub crowd_largest_nm: f64,
    /// How fast the number of bodies falls with their diameter: number ~ diameter^-power. At 4 every octave of
    /// diameters fills the same volume per octave of size.
    #[schemars(range(min = 0.0, max = 8.0))]
    pub crowd_power: f64,
    /// Diameter in nm below which a body of the crowd is texture: part of the density, not of the truth.
    #[schemars(range(min = 0.0, max = 60.0))]
    pub texture_nm: f64,
    /// Standard deviation of the logarithm of the crowding between denser and thinner regions.
    #[schemars(range(min = 0.0, max = 3.0))]
    pub unevenness: f64,
    /// Extent of the denser and thinner regions in nm.
    #[schemars(range(min = 10.0, max = 1000.0))]
    pub uneven_nm: f64,
    /// Number of dense granules of 20 to 90 nm to try to place; labelled background.
    #[schemars(range(min = 0, max = 64))]
    pub granules: usize,
    /// Number of lipid droplets of 30 to 200 nm to try to place; labelled background.
    #[schemars(range(min = 0, max = 64))]
    pub droplets: usize,
    /// Number of ribosomes to try to place, a third of them on membranes where there are any.
    #[schemars(range(min = 0, max = 4096))]
    pub ribosomes: usize,
    /// Number of proteasomes to try to place: a barrel of four rings with no, one or two caps.
    #[schemars(range(min = 0, max = 1024))]
    pub proteasomes: usize,
    /// Number of chaperonins to try to place: two rings back to back.
    #[schemars(range(min = 0, max = 1024))]
    pub chaperonins: usize,
    /// Number of ATP synthases to try to place, each with its head on a stalk above a membrane.
    #[schemars(range(min = 0, max = 1024))]
    pub synthases: usize,
    /// Number of stacks of flat sacs (Golgi, thylakoids) to try to place.
    #[schemars(range(min = 0, max = 16))]
    pub stacks: usize,
    /// Number of organelles with two membranes and cristae to try to place.
    #[schemars(range(min = 0, max = 16))]
    pub mitochondria: usize,
    /// Number of vesicles to try to place in contact with an earlier closed membrane, 8 to 25 nm from it.
    #[schemars(range(min = 0, max = 64))]
    pub contacts: usize,
}

impl Default for CellOptions {
    fn default() -> Self {
        Self {
            compartments: false,
            crowd: 0.0,
            crowd_smallest_nm: 3.0,
            crowd_largest_nm: 40.0,
            crowd_power: 4.0,
            texture_nm: 8.0,
            unevenness: 0.0,
            uneven_nm: 100.0,
            granules: 0,
            droplets: 0,
            ribosomes: 0,
            proteasomes: 0,
            chaperonins: 0,
            synthases: 0,
            stacks: 0,
            mitochondria: 0,
            contacts: 0,
        }
    }
}

impl CellOptions {
    /// Settings drawn widely for voxels of `voxel_nm`: half of the specimens are like cells, from thin to crowded.
    /// Coarse voxels go with large fields, so there is more of everything.
    pub(super) fn random(gen: &mut Generator, voxel_nm: f64) -> Self {
        if gen.chance(0.45) {
            return Self::default();
        }
        let some = |gen: &mut Generator, chance: f64, most: f64| match gen.chance(chance) {
            true => gen.integer(1, most.max(1.0) as i64) as usize,
            false => 0,
        };
        let field = voxel_nm.clamp(0.5, 3.0);
        Self {
            compartments: gen.chance(0.8),
            crowd: gen.uniform(0.02, 0.35),
            crowd_smallest_nm: gen.uniform(3.0, 5.0),
            crowd_largest_nm: gen.uniform(8.0, 40.0),
            crowd_power: gen.uniform(3.0, 5.0),
            // Bodies of few voxels cannot be told from their neighbours.
            texture_nm: (4.0 * voxel_nm).max(5.0),
            unevenness: gen.uniform(0.0, 1.2),
            uneven_nm: gen.uniform(30.0, 300.0),
            granules: some(gen, 0.25, 3.0 * field),
            droplets: some(gen, 0.15, 2.0 * field),
            ribosomes: some(gen, 0.6, 40.0 * field * field),
            proteasomes: some(gen, 0.25, 6.0 * field),
            chaperonins: some(gen, 0.25, 10.0 * field),
            synthases: some(gen, 0.2, 20.0 * field),
            stacks: some(gen, 0.2, 2.0),
            mitochondria: some(gen, 0.2, 2.0),
            contacts: some(gen, 0.3, 3.0 * field),
        }
    }
}
