//! Closing the holes of membranes without joining membranes.
use ndarray::{s, Array3, ArrayView3, Zip};

use crate::image::distance_3d;
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

/// Largest radius of the balls, in voxels: each step costs four distance transforms.
const MOST_REACH: f64 = 32.0;

/// Radii of the balls grow by so many voxels.
const STEP: f64 = 0.5;

/// A ball in a right-angled corner is so many radii away from the corner, which belongs to the wall as well.
const CORNER: f64 = 1.732_050_807_568_877_2;

/// `mask` (z, y, x), closed by balls of up to half the gap's diameter, save where that would make something thicker than a
/// membrane.
///
/// A hole in a sheet is filled by at most as much as the sheet is thick. Between two sheets that run side by side a closing would
/// put a solid wall of both and the gap: what it adds there lies within the opening of the closed mask by a ball of the membrane's
/// thickness, or in a corner of that, and is taken back. Balls grow from small to large, so that a hole is filled before a neighbouring sheet comes within
/// reach; where a hole is as wide as the way to the neighbour it stays. The mask itself always stays. Balls are Euclidean, from
/// exact distances; nothing lies outside the volume.
///
/// Memory: about 10 bytes per voxel. Errors: options out of range, a voxel size that is not positive, cancel.
pub fn close_membranes(
    mask: ArrayView3<bool>,
    options: &ClosingOptions,
    voxel_nm: f64,
    job: &Job,
) -> Result<Array3<bool>> {
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
    let (nz, ny, nx) = mask.dim();
    // Room for the dilation, so that the volume's end cuts nothing.
    let room = reach.ceil() as usize + 1;
    let mut padded = Array3::from_elem((nz + 2 * room, ny + 2 * room, nx + 2 * room), false);
    let inner = s![room..room + nz, room..room + ny, room..room + nx];
    padded.slice_mut(inner).assign(&mask);
    let steps = (reach / STEP).ceil() as usize;
    for step in 1..=steps {
        let radius = (step as f64 * STEP).min(reach);
        let closed = closed(padded.view(), radius, job)?;
        if closed == padded {
            continue;
        }
        let walls = grown(eroded(closed.view(), thick, job)?.view(), thick * CORNER, job)?;
        Zip::from(&mut padded)
            .and(&closed)
            .and(&walls)
            .for_each(|mask, &closed, &wall| *mask |= closed && !wall);
    }
    Ok(padded.slice(inner).to_owned())
}

/// `mask` closed by a ball of radius `reach`; what lies beyond the array is neither mask nor background.
fn closed(mask: ArrayView3<bool>, reach: f64, job: &Job) -> Result<Array3<bool>> {
    eroded(grown(mask, reach, job)?.view(), reach, job)
}

/// Voxels at most `reach` from `mask`.
fn grown(mask: ArrayView3<bool>, reach: f64, job: &Job) -> Result<Array3<bool>> {
    Ok(distance_3d(mask, || job.check())?.mapv(|d| f64::from(d) <= reach))
}

/// Voxels more than `reach` from everything outside `mask`.
fn eroded(mask: ArrayView3<bool>, reach: f64, job: &Job) -> Result<Array3<bool>> {
    let outside = mask.mapv(|inside| !inside);
    Ok(distance_3d(outside.view(), || job.check())?.mapv(|d| f64::from(d) > reach))
}

#[cfg(test)]
mod tests {
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
            assert_eq!(closed(mask.view(), reach, &Job::quiet()).unwrap(), expected, "{gap}");
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
