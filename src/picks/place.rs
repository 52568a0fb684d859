//! Whether the picks of a file lie in its tomogram.
use super::fields::{Line, Reading};
use super::Pick;
use crate::volume::Geometry;
use crate::{Error, Result};

/// Positions are rounded to thousandths of a voxel or of an Angstrom.
const ROUNDING: f64 = 2e-3;

/// Whether a pick lies in a volume of this `shape` (z, y, x), which ends half a voxel beyond its outermost centres.
pub fn is_inside(pick: &Pick, shape: [usize; 3]) -> bool {
    let within = |(v, n): (f64, usize)| v >= -0.5 - ROUNDING && v <= n as f64 - 0.5 + ROUNDING;
    pick.position.into_iter().zip(shape).all(within)
}

/// Counts the picks outside of a volume of this `shape` (z, y, x): a warning where there are any, None else.
///
/// # Errors
/// [`Error::Format`] about `source` where there are picks, but none lies inside.
pub fn check_inside<'a>(
    picks: impl ExactSizeIterator<Item = &'a Pick> + Clone,
    shape: [usize; 3],
    source: &str,
) -> Result<Option<String>> {
    let all = picks.len();
    let outside = picks.clone().filter(|pick| !is_inside(pick, shape)).count();
    let [nz, ny, nx] = shape;
    match picks.clone().next() {
        Some(first) if outside == all => {
            let [z, y, x] = first.position;
            let detail = format!(
                "none of the {all} picks lies in the tomogram of {nx} x {ny} x {nz} voxels (x, y, z): the first is at \
                 voxel {x:.1} {y:.1} {z:.1}{}",
                binning(picks, shape)
            );
            Err(Error::format(source, detail))
        }
        Some(_) if outside > 0 => Ok(Some(format!("{outside} of {all} picks lie outside of the tomogram"))),
        _ => Ok(None),
    }
}

/// By how much smaller positions would lie inside.
fn binning<'a>(picks: impl Iterator<Item = &'a Pick> + Clone, shape: [usize; 3]) -> String {
    let fits = |by: &f64| {
        let mut smaller = picks.clone().map(|pick| Pick {
            position: pick.position.map(|v| v / by),
            ..*pick
        });
        smaller.all(|pick| is_inside(&pick, shape))
    };
    match [2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 16.0].iter().find(|by| fits(by)) {
        Some(by) => format!("; divided by {by} they would: are they in other pixels or in Angstrom?"),
        None => String::new(),
    }
}

/// Warns of picks outside of the tomogram; refuses a file none of whose picks lies inside, and one that does not say
/// what it counts in where half of its picks lie outside and one of them far outside: those of a file in Angstrom do.
/// A tomogram of unknown extents has no outside.
pub(super) fn check(reading: &mut Reading, geometry: &Geometry, source: &str) -> Result<()> {
    let shape = geometry.shape;
    if shape.contains(&0) {
        return Ok(());
    }
    let picks: Vec<&Pick> = reading.rows.iter().map(|(_, pick)| pick).collect();
    let warning = check_inside(picks.into_iter(), shape, source)?;
    let outside = reading.rows.iter().filter(|(_, pick)| !is_inside(pick, shape)).count();
    let is_doubtful = !reading.has_unit && 2 * outside >= reading.rows.len();
    let longest = shape.into_iter().max().unwrap_or_default() as f64;
    for (number, pick) in reading.rows.iter().filter(|_| is_doubtful) {
        for ((v, n), axis) in pick.position.into_iter().zip(shape).zip(["z", "y", "x"]) {
            if v < -longest || v > n as f64 + longest {
                let line = Line {
                    source,
                    number: *number,
                };
                return Err(line.refuse(format_args!(
                    "{axis} is {v:.1}, far outside of the tomogram's {n} voxels; the file does not say what it counts \
                     in: Angstrom, or other pixels?"
                )));
            }
        }
    }
    reading.warnings.extend(warning);
    Ok(())
}
