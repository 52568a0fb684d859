//! Which voxels are predicted together, and what the network must see for them.
use std::ops::Range;

use crate::networks::{Axis, Reach, SegmentationNetwork};
use crate::runtime::{Error, Result};

/// A core and its window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Voxels (z, y, x) of the data that the tile answers for.
    pub core: [Range<usize>; 3],
    /// Voxels (z, y, x) of the network's input: bounds are multiples of its divisor, or the window has the side that
    /// the network needs; beyond the volume its last voxels repeat.
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
    /// Side of a window, where the network must have one.
    pub window: Option<usize>,
    /// Whether the network is one of slices.
    pub flat: bool,
    /// Whether the network is given whole slices.
    pub whole: bool,
}

impl Needs {
    /// The needs of `network`: two dimensions need nothing of the neighbouring slices.
    pub fn of(network: &dyn SegmentationNetwork) -> Self {
        let divisor = network.divisor().max(1) as usize;
        let (halo, window) = match network.reach() {
            Reach::Halo(halo) => (halo.max(0) as usize, None),
            Reach::Window { side, margin } => {
                let side = (side.max(1) as usize).next_multiple_of(divisor);
                (margin.max(0) as usize, Some(side))
            }
            Reach::Slice(_) => (0, None),
        };
        let whole = matches!(network.reach(), Reach::Slice(_));
        if network.dimensions() == 2 {
            return Self {
                halo: [0, halo, halo],
                divisor: [1, divisor, divisor],
                window,
                flat: true,
                whole,
            };
        }
        Self {
            halo: [halo; 3],
            divisor: [divisor; 3],
            window,
            flat: false,
            whole,
        }
    }

    /// The same with another margin of windows of a fixed side; None leaves it. Errors: one that leaves nothing, or
    /// that a network without such windows has no use for.
    pub fn with_margin(self, margin: Option<usize>) -> Result<Self> {
        let Some(margin) = margin else { return Ok(self) };
        match self.window {
            Some(side) if 2 * margin < side => Ok(Self {
                halo: self.halo_axes().map(|has| if has { margin } else { 0 }),
                ..self
            }),
            Some(side) => {
                let allowed = format!("must be below half of the network's window, {side}");
                Err(Error::argument("margin", margin, &allowed))
            }
            None => Err(Error::argument(
                "margin",
                margin,
                "must be null: the network has no window of a fixed side",
            )),
        }
    }

    /// Axes (z, y, x) along which the network sees more than one voxel.
    fn halo_axes(&self) -> [bool; 3] {
        [!self.flat, true, true]
    }

    /// The same with so many slices more on either side, of a network of slices, for smoothing along z.
    pub fn smoothed(self, radius: usize) -> Self {
        if radius == 0 {
            return self;
        }
        let [_, y, x] = self.halo;
        Self {
            halo: [radius, y, x],
            ..self
        }
    }

    /// The side that windows must have along `axis`.
    pub fn window_along(&self, axis: usize) -> Option<usize> {
        self.window.filter(|_| axis > 0 || !self.flat)
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
    let mut inner: [Range<usize>; 3] = std::array::from_fn(|axis| axes[axis].network_range(&core[axis]));
    let window = std::array::from_fn(|axis| match needs.window_along(axis) {
        Some(side) => {
            let window = fixed_window(axes[axis], &core[axis], (side, needs.halo[axis]), needs.divisor[axis]);
            // A core of whole windows is interpolated from them alone.
            let range = &mut inner[axis];
            *range = range.start.max(window.start)..range.end.min(window.end);
            window
        }
        None => {
            let (divisor, halo, range) = (needs.divisor[axis], needs.halo[axis], &inner[axis]);
            let low = range.start.saturating_sub(halo) / divisor * divisor;
            low..(range.end + halo)
                .next_multiple_of(divisor)
                .min(axes[axis].network.next_multiple_of(divisor))
        }
    });
    Tile { core, window, inner }
}

/// The window of `side` voxels about `core` and its margin, moved inwards at the volume's ends, so that the network
/// sees as much as it was trained on; longer where the core is.
fn fixed_window(axis: Axis, core: &Range<usize>, (side, margin): (usize, usize), divisor: usize) -> Range<usize> {
    let n = axis.network;
    let own = match axis.covered(core) {
        covered if covered.is_empty() => axis.network_range(core),
        covered => covered,
    };
    // Rounding may put a voxel or two of another sampling beyond the window: they are interpolated from what is there.
    let slack = if axis.is_equal() { 0 } else { 2 * n.div_ceil(axis.data) };
    let needed = own.len() + 2 * margin;
    let length = match needed <= side + slack {
        true => side,
        false => needed.next_multiple_of(divisor),
    };
    let low = own.start.saturating_sub(margin).min(n.saturating_sub(length));
    low..(low + length).min(n.next_multiple_of(divisor))
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
        flat: false,
        whole: false,
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
            flat: false,
            whole: false,
        };
        let plan = Plan::new(same([100, 100, 40]), [0..100, 0..100, 0..40], [32; 3], &needs);
        for tile in plan.tiles() {
            assert!(tile.window[0].len() == 64 && tile.window[0].end <= 104, "{tile:?}");
            assert_eq!(tile.window[2], 0..40);
        }
    }

    #[test]
    fn windows_without_a_margin_are_the_quadrants_of_a_resized_slice() {
        let needs = Needs {
            halo: [0; 3],
            divisor: [1, 16, 16],
            window: Some(512),
            flat: true,
            whole: false,
        };
        for (rows, cols) in [(928, 960), (300, 255)] {
            let axes = [(1, 1), (rows, 1024), (cols, 1024)].map(|(data, network)| Axis { data, network });
            let core = [1, rows.div_ceil(2), cols.div_ceil(2)];
            let plan = Plan::new(axes, [0..1, 0..rows, 0..cols], core, &needs);
            let windows: Vec<_> = plan
                .tiles()
                .iter()
                .map(|t| (t.window[1].clone(), t.window[2].clone()))
                .collect();
            let halves = [0..512, 512..1024];
            let quadrants: Vec<_> = halves
                .iter()
                .flat_map(|y| halves.iter().map(|x| (y.clone(), x.clone())))
                .collect();
            // An odd extent puts the cut a voxel away from the middle.
            let off = |(a, b): (&Range<usize>, &Range<usize>)| a.start.abs_diff(b.start);
            for (window, quadrant) in windows.iter().zip(&quadrants) {
                assert!(off((&window.0, &quadrant.0)) <= cols % 2 * 4 && off((&window.1, &quadrant.1)) <= cols % 2 * 4);
                assert_eq!((window.0.len(), window.1.len()), (512, 512));
            }
            assert_eq!(windows.len(), 4);
        }
    }

    #[test]
    fn a_picker_keeps_the_middle_48_of_72() {
        let needs = Needs {
            halo: [12; 3],
            divisor: [8; 3],
            window: Some(72),
            flat: false,
            whole: false,
        };
        let plan = Plan::new(same([144, 100, 40]), [0..144, 0..100, 0..40], [48; 3], &needs);
        for tile in plan.tiles() {
            let [z, y, x] = &tile.window;
            assert_eq!((z.len(), y.len(), x.clone()), (72, 72, 0..40));
            for (axis, n) in [(0, 144), (1, 100)] {
                let (core, window) = (&tile.core[axis], &tile.window[axis]);
                assert!(window.start == 0 || core.start >= window.start + 12, "{tile:?}");
                assert!(window.end == n || core.end + 12 <= window.end, "{tile:?}");
            }
        }
        assert!(needs.with_margin(Some(36)).is_err() && needs.with_margin(Some(4)).unwrap().halo == [4; 3]);
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
