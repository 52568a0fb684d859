//! Which voxels are predicted together, and what the network must see for them.
use std::ops::Range;

use crate::networks::{Axis, Reach, SegmentationNetwork};

/// Share of a window that a network which sees all of it gives up on either side: its outputs are best in the middle.
const WINDOW_MARGIN: f64 = 0.25;

/// A core and its window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Voxels (z, y, x) of the data that the tile answers for.
    pub core: [Range<usize>; 3],
    /// Voxels (z, y, x) of the network's input, bounds multiples of its divisor; beyond the volume its last voxels
    /// repeat.
    pub window: [Range<usize>; 3],
    /// Part of the window that the cores are interpolated from.
    pub inner: [Range<usize>; 3],
}

/// All tiles of a volume in the order z, y, x. The same for every rank.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Both samplings of each axis.
    pub axes: [Axis; 3],
    /// Voxels (z, y, x) of the data that are predicted.
    pub region: [Range<usize>; 3],
    tiles: Vec<Tile>,
}

/// What a plan has to know of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Margin of a window, (z, y, x), in the network's voxels.
    pub halo: [usize; 3],
    /// Multiples that the bounds of a window must be, (z, y, x).
    pub divisor: [usize; 3],
    /// Side of a window, where the network must have one: of the axes that have a halo by the network's own need.
    pub window: Option<usize>,
    /// Whether the network is given whole slices.
    pub whole: bool,
    /// Whether the axis z has a halo for smoothing alone.
    pub smooth: bool,
}

impl Needs {
    /// The needs of `network`: two dimensions need nothing of the neighbouring slices.
    pub fn of(network: &dyn SegmentationNetwork) -> Self {
        let divisor = network.divisor().max(1) as usize;
        let (halo, window) = match network.reach() {
            Reach::Halo(halo) => (halo.max(0) as usize, None),
            Reach::Window(side) => {
                let side = side.max(1) as usize;
                // A multiple of the divisor, so that the rest of the window is one as well.
                let margin = (side as f64 * WINDOW_MARGIN) as usize / divisor * divisor;
                (margin, Some(side))
            }
            Reach::Slice(_) => (0, None),
        };
        let whole = matches!(network.reach(), Reach::Slice(_));
        if network.dimensions() == 2 {
            return Self {
                halo: [0, halo, halo],
                divisor: [1, divisor, divisor],
                window,
                whole,
                smooth: false,
            };
        }
        Self {
            halo: [halo; 3],
            divisor: [divisor; 3],
            window,
            whole,
            smooth: false,
        }
    }

    /// The same with so many slices more on either side, of a network of slices, for smoothing along z.
    pub fn smoothed(self, radius: usize) -> Self {
        if radius == 0 {
            return self;
        }
        let [_, y, x] = self.halo;
        Self {
            halo: [radius, y, x],
            smooth: true,
            ..self
        }
    }

    /// The side that windows must have along `axis`.
    pub fn window_along(&self, axis: usize) -> Option<usize> {
        let needed = axis > 0 || (self.halo[0] > 0 && !self.smooth);
        self.window.filter(|_| needed)
    }
}

impl Plan {
    /// Cuts `region` into cores of at most `core` voxels (z, y, x), as even as they can be.
    pub fn new(axes: [Axis; 3], region: [Range<usize>; 3], core: [usize; 3], needs: &Needs) -> Self {
        let cuts: [Vec<Range<usize>>; 3] = std::array::from_fn(|axis| evenly(&region[axis], core[axis]));
        let mut tiles = Vec::with_capacity(cuts.iter().map(Vec::len).product());
        for z in &cuts[0] {
            for y in &cuts[1] {
                for x in &cuts[2] {
                    tiles.push(tile(axes, [z.clone(), y.clone(), x.clone()], needs));
                }
            }
        }
        Self { axes, region, tiles }
    }

    /// The tiles in order.
    pub fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// Numbers of the tiles that `rank` of `size` processes computes: neighbours in the order, equally many to within
    /// one.
    pub fn part(&self, rank: usize, size: usize) -> Range<usize> {
        let cut = |part: usize| (self.tiles.len() as u128 * part as u128 / size.max(1) as u128) as usize;
        cut(rank)..cut(rank + 1)
    }

    /// Slices of the data that the window of `tile` is interpolated from.
    pub fn slices(&self, tile: &Tile) -> Range<usize> {
        let window = &tile.window[0];
        let inside = window.start..window.end.min(self.axes[0].network);
        self.axes[0].data_range(&inside)
    }
}

/// `range` in as few parts as parts of at most `most` allow, equal to within one.
fn evenly(range: &Range<usize>, most: usize) -> Vec<Range<usize>> {
    let parts = range.len().div_ceil(most.max(1));
    let cut = |part: usize| range.start + range.len() * part / parts;
    (0..parts).map(|part| cut(part)..cut(part + 1)).collect()
}

fn tile(axes: [Axis; 3], core: [Range<usize>; 3], needs: &Needs) -> Tile {
    let inner: [Range<usize>; 3] = std::array::from_fn(|axis| axes[axis].network_range(&core[axis]));
    let window = std::array::from_fn(|axis| {
        let (divisor, halo) = (needs.divisor[axis], needs.halo[axis]);
        let end = axes[axis].network.next_multiple_of(divisor);
        let low = inner[axis].start.saturating_sub(halo) / divisor * divisor;
        let high = (inner[axis].end + halo).next_multiple_of(divisor).min(end);
        match needs.window_along(axis) {
            // Moved inwards at the volume's ends, so that the network sees as much as it was trained on.
            Some(side) if needs.halo[axis] > 0 && high - low < side => {
                let low = low.min(end.saturating_sub(side) / divisor * divisor);
                low..(low + side.next_multiple_of(divisor)).max(high).min(end)
            }
            _ => low..high,
        }
    });
    Tile { core, window, inner }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(extents: [usize; 3]) -> [Axis; 3] {
        extents.map(|n| Axis { data: n, network: n })
    }

    const NEEDS: Needs = Needs {
        halo: [8; 3],
        divisor: [4; 3],
        window: None,
        whole: false,
        smooth: false,
    };

    #[test]
    fn every_voxel_has_one_core_and_its_halo() {
        let (extents, region) = ([37, 50, 61], [3..37, 0..50, 10..61]);
        let plan = Plan::new(same(extents), region.clone(), [16, 20, 64], &NEEDS);
        let mut count = 0;
        for tile in plan.tiles() {
            count += tile.core.iter().map(|c| c.len()).product::<usize>();
            for axis in 0..3 {
                let (core, window) = (&tile.core[axis], &tile.window[axis]);
                assert!(window.start % 4 == 0 && window.end % 4 == 0);
                assert!(window.start == 0 || window.start + 8 <= core.start);
                assert!(window.end >= extents[axis] || core.end + 8 <= window.end);
                assert!(core.start >= region[axis].start && core.end <= region[axis].end);
            }
        }
        assert_eq!(count, 34 * 50 * 51);
    }

    #[test]
    fn ranks_share_the_tiles() {
        let plan = Plan::new(same([64; 3]), [0..64, 0..64, 0..64], [20; 3], &NEEDS);
        for size in [1, 2, 3, 7, 100] {
            let parts: Vec<_> = (0..size).flat_map(|rank| plan.part(rank, size)).collect();
            assert_eq!(parts, (0..plan.tiles().len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn windows_of_a_fixed_side_stay_inside() {
        let needs = Needs {
            halo: [16; 3],
            divisor: [8; 3],
            window: Some(64),
            whole: false,
            smooth: false,
        };
        let plan = Plan::new(same([100, 100, 40]), [0..100, 0..100, 0..40], [32; 3], &needs);
        for tile in plan.tiles() {
            assert!(tile.window[0].len() == 64 && tile.window[0].end <= 104, "{tile:?}");
            assert_eq!(tile.window[2], 0..40);
        }
    }

    #[test]
    fn a_rescaled_core_has_its_samples() {
        let axis = Axis { data: 50, network: 23 };
        let plan = Plan::new([axis; 3], [0..50, 0..50, 0..50], [20; 3], &NEEDS);
        for tile in plan.tiles() {
            assert!(tile.inner[0].start >= tile.window[0].start && tile.inner[0].end <= tile.window[0].end);
            assert!(plan.slices(tile).end <= 50);
        }
    }
}
