//! Closing the holes of membranes without joining membranes.
use ndarray::{Array3, ArrayView3};

use crate::image::BitMask;
use crate::runtime::{Error, Job, Result};

/// What [`close_membranes`] closes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClosingOptions {
    /// Widest gap that is closed, in nanometres, at least 0; at most 64 voxels.
    pub gap_nm: f64,
    /// Thickest membrane that closing may give, in nanometres, 0..=1000.
    pub thickness_nm: f64,
}

impl Default for ClosingOptions {
    /// Gaps of 8 nm; a bilayer of 5 nm may be predicted up to 9 nm thick.
    fn default() -> Self {
        Self {
            gap_nm: 8.0,
            thickness_nm: 9.0,
        }
    }
}

impl ClosingOptions {
    /// Refuses settings out of their ranges for voxels of `voxel_nm`, by name.
    pub fn validate(&self, voxel_nm: f64) -> Result<()> {
        Closing::new(self, voxel_nm).map(|_| ())
    }
}

/// Largest radius of the balls, in voxels: each step costs four dilations or erosions.
const MOST_REACH: f64 = 32.0;

/// Radii of the balls grow by so many voxels.
const STEP: f64 = 0.5;

/// A ball in a right-angled corner is so many radii away from the corner, which belongs to the wall as well.
const CORNER: f64 = 1.732_050_807_568_877_2;

/// `mask` (z, y, x), closed by balls of up to half the gap's diameter, save where that would make something thicker
/// than a membrane.
///
/// A hole in a sheet is filled by at most as much as the sheet is thick. Between two sheets that run side by side a
/// closing would put a solid wall of both and the gap: what it adds there lies within the opening of the closed mask by
/// a ball of the membrane's thickness, or in a corner of that, and is taken back. Balls grow from small to large, so
/// that a hole is filled before a neighbouring sheet comes within reach; where a hole is as wide as the way to the
/// neighbour it stays. The mask itself always stays. Balls are Euclidean, exact to the voxel; nothing lies outside the
/// volume. A membrane of more than 64 voxels is none: the thickness has no limit then.
///
/// Memory: two bytes per voxel. Errors: options out of range, a voxel size that is not positive, cancel.
pub fn close_membranes(
    mask: ArrayView3<bool>,
    options: &ClosingOptions,
    voxel_nm: f64,
    job: &Job,
) -> Result<Array3<bool>> {
    let closing = Closing::new(options, voxel_nm)?;
    let room = closing.room();
    let (nz, ny, nx) = mask.dim();
    let mut padded = BitMask::new([nz, ny, nx].map(|n| n + 2 * room));
    for ((z, y, x), _) in mask.indexed_iter().filter(|(_, inside)| **inside) {
        padded.set([z + room, y + room, x + room]);
    }
    for radius in closing.radii() {
        padded = closing.step(padded, radius, job)?;
    }
    let closed = |(z, y, x)| padded.get([z + room, y + room, x + room]);
    Ok(Array3::from_shape_fn((nz, ny, nx), closed))
}

/// A closing in voxels. Its steps are local: slices with [`Closing::halo`] around them get what the whole volume would
/// give.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closing {
    /// Radius of the largest ball.
    reach: f64,
    /// Radius of the ball that no membrane holds.
    thick: Option<f64>,
}

impl Closing {
    /// Errors: options out of range, a voxel size that is not positive.
    pub(super) fn new(options: &ClosingOptions, voxel_nm: f64) -> Result<Self> {
        for (name, value) in [("gap_nm", options.gap_nm), ("thickness_nm", options.thickness_nm)] {
            if !(0.0..=1e3).contains(&value) {
                return Err(Error::argument(name, value, "must be 0..=1000"));
            }
        }
        if !(voxel_nm.is_finite() && voxel_nm > 0.0) {
            return Err(Error::argument("voxel_nm", voxel_nm, "must be positive"));
        }
        let (reach, thick) = (options.gap_nm / voxel_nm / 2.0, options.thickness_nm / voxel_nm / 2.0);
        if reach > MOST_REACH {
            let allowed = format!("must be at most {} voxels", 2.0 * MOST_REACH);
            return Err(Error::argument("gap_nm", options.gap_nm, &allowed));
        }
        let thick = (thick <= MOST_REACH).then_some(thick);
        Ok(Self { reach, thick })
    }

    /// Voxels of background that the volume needs on all sides, so that its end cuts nothing.
    pub(super) fn room(&self) -> usize {
        self.reach.ceil() as usize + 1
    }

    /// Radii of the balls, one step each.
    pub(super) fn radii(&self) -> Vec<f64> {
        let steps = (self.reach / STEP).ceil() as usize;
        (1..=steps).map(|step| (step as f64 * STEP).min(self.reach)).collect()
    }

    /// Slices around others that a step's result for these depends on: a closing sees two radii, what is as thick as a
    /// wall is eroded and grown again.
    pub(super) fn halo(&self, radius: f64) -> usize {
        let wall = self.thick.map_or(0.0, |thick| thick.floor() + (thick * CORNER).floor());
        (2.0 * radius.floor() + wall) as usize
    }

    /// One step.
    pub(super) fn step(&self, mut mask: BitMask, radius: f64, job: &Job) -> Result<BitMask> {
        let check = || job.check();
        let closed = mask.grown(radius, check)?.eroded(radius, check)?;
        let walls = match self.thick {
            Some(thick) => closed.eroded(thick, check)?.grown(thick * CORNER, check)?,
            None => BitMask::new(mask.shape()),
        };
        mask.add_without(&closed, &walls);
        Ok(mask)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::s;

    use super::*;
    use crate::runtime::{CancelToken, Generator, Logger};

    fn close(mask: &Array3<bool>, gap: f64, thickness: f64) -> Array3<bool> {
        let options = ClosingOptions {
            gap_nm: gap,
            thickness_nm: thickness,
        };
        close_membranes(mask.view(), &options, 1.0, &Job::quiet()).unwrap()
    }

    fn count(mask: &Array3<bool>) -> usize {
        mask.iter().filter(|v| **v).count()
    }

    #[test]
    fn holes_close_and_neighbours_stay_apart() {
        // Two sheets of three voxels, six apart, the first with a hole of four by four.
        let sheets = Array3::from_shape_fn((32, 30, 30), |(z, _, _)| (8..11).contains(&z) || (17..20).contains(&z));
        let mut holed = sheets.clone();
        holed.slice_mut(s![8..11, 12..16, 12..16]).fill(false);
        let closed = close(&holed, 6.0, 5.0);
        // No way is left through the hole, and nothing was added but in it.
        for column in closed.slice(s![8..11, 12..16, 12..16]).lanes(ndarray::Axis(0)) {
            assert!(column.iter().any(|v| *v));
        }
        assert!(closed.iter().zip(&sheets).all(|(closed, sheet)| !closed || *sheet));
        // Without the limit the two become one.
        let plain = close(&holed, 6.0, 1000.0);
        assert!(plain[[13, 5, 5]] && count(&plain) > count(&sheets) + 2000);
    }

    #[test]
    fn a_closing_by_one_ball_is_the_textbook_one() {
        let mut gen = Generator::new(4, 0);
        // Room on all sides, as the balls need it.
        let mut mask = Array3::from_elem((17, 19, 18), false);
        mask.slice_mut(s![4..13, 4..15, 4..14])
            .mapv_inplace(|_| gen.chance(0.06));
        for gap in [0.0, 2.0, 3.0, 4.0, 5.2] {
            let reach = gap / 2.0;
            let span = 12_i64;
            let ball: Vec<[i64; 3]> = (0..span.pow(3))
                .map(|n| [n / 144 - 6, n / 12 % 12 - 6, n % 12 - 6])
                .filter(|o| ((o[0] * o[0] + o[1] * o[1] + o[2] * o[2]) as f64).sqrt() <= reach)
                .collect();
            let at = |p: [i64; 3]| mask.get(p.map(|v| v as usize)).copied().unwrap_or(false);
            let add = |p: [i64; 3], o: &[i64; 3]| [p[0] + o[0], p[1] + o[1], p[2] + o[2]];
            let dilated = |p: [i64; 3]| ball.iter().any(|o| at(add(p, o)));
            let expected = Array3::from_shape_fn(mask.dim(), |(z, y, x)| {
                let p = [z as i64, y as i64, x as i64];
                ball.iter().all(|o| dilated(add(p, o)))
            });
            let check = || Ok(());
            let closed = BitMask::of(mask.view())
                .grown(reach, check)
                .unwrap()
                .eroded(reach, check)
                .unwrap();
            assert_eq!(closed.to_array(), expected, "{gap}");
        }
    }

    #[test]
    fn the_mask_stays_and_odd_inputs_are_taken() {
        let mut gen = Generator::new(5, 0);
        let mask = Array3::from_shape_fn((12, 12, 12), |_| gen.chance(0.2));
        let closed = close(&mask, 6.0, 2.0);
        assert!(mask.iter().zip(&closed).all(|(before, after)| !before || *after));
        for (shape, value) in [
            ((0, 3, 3), true),
            ((1, 1, 1), true),
            ((4, 5, 6), false),
            ((4, 5, 6), true),
        ] {
            let flat = Array3::from_elem(shape, value);
            assert_eq!(close(&flat, 6.0, 5.0), flat);
        }
        let cancel = CancelToken::default();
        cancel.request();
        let job = Job::new(cancel, Logger::default());
        let options = ClosingOptions::default();
        assert!(matches!(
            close_membranes(mask.view(), &options, 1.0, &job),
            Err(Error::Cancelled { .. })
        ));
        assert!(close_membranes(mask.view(), &options, 0.0, &Job::quiet()).is_err());
    }
}
