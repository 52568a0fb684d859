//! Bodies across slices, told apart by size and shape in nanometres.
use std::f64::consts::PI;

use faer::{Mat, Side};
use ndarray::{Array2, Array3, ArrayView3};

use super::body::Body;
use super::splitter::{check, Object, Split, Splitter};
use crate::image::{distance_3d, label_2d, label_3d, Connectivity};
use crate::runtime::{Error, Job, Result};
use crate::volume::{MEMBRANE, MOLECULE};

/// A neck between two bodies, or a foot on a membrane, must be thinner than this share of the body for the body to be
/// cut loose there. Along a rod the depth hardly varies, so rods are not chopped into balls.
const NECK: f32 = 0.6;

/// Depth between two levels of the erosion, in voxels.
const STEP: f32 = 0.5;

/// Variance of a point spread evenly over one voxel along one axis.
const VOXEL_VARIANCE: f64 = 1.0 / 12.0;

/// Compact bodies of molecular size are molecules, what is long or flat is membrane, and small debris is neither.
///
/// A 26-connected component that passes the shape test is one molecule. Any other is eroded level by level (on its
/// distance transform); wherever that leaves a core whose opening passes the test, that part is a molecule: so touching
/// molecules come apart and molecules come off the membrane they sit on. What remains is membrane where it is long
/// enough. A body cut by the first or last slice of the slab is judged by its outline in the plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape3d {
    /// Bounds on the diameter of the ball of equal volume, in nm. 8 nm is a 250-kDa complex, about the least that stays
    /// visible at 1 nm per voxel; 45 nm leaves room for the largest ribosome with its blur.
    pub molecule_nm: (f64, f64),
    /// Thickness, in nm, up to which a body on a membrane may be the membrane itself: a bilayer of 4 to 5 nm, twice the
    /// blur of tomogram and threshold (2 nm either side).
    pub membrane_nm: f64,
    /// Largest ratio of the longest to the shortest axis of a molecule. The missing wedge alone draws a ball out 1.5 to
    /// 1.9 times along z.
    pub elongation: f64,
    /// Least volume relative to the ellipsoid of the same moments: 1 for a solid ball, about 1.4 t/R for a vesicle of
    /// wall t and radius R, small for anything bent or branched.
    pub filling: f64,
    /// Diameter, in nm, from which a hole in a slice of a body is the lumen of a vesicle. The channels of ring and
    /// barrel complexes are narrower (GroEL 5 to 7 nm), the smallest vesicles are 15 nm inside.
    pub lumen_nm: f64,
    /// Least length of a membrane (longest side of its bounding box), in nm: shorter pieces are debris.
    pub membrane_length_nm: f64,
}

impl Default for Shape3d {
    fn default() -> Self {
        Self {
            molecule_nm: (8.0, 45.0),
            membrane_nm: 9.0,
            elongation: 2.2,
            filling: 0.6,
            lumen_nm: 8.0,
            membrane_length_nm: 20.0,
        }
    }
}

impl Splitter for Shape3d {
    fn split(
        &self,
        foreground: ArrayView3<bool>,
        score: Option<ArrayView3<f32>>,
        voxel_nm: f64,
        job: &Job,
    ) -> Result<Split> {
        check(&foreground, score.as_ref(), voxel_nm)?;
        let parts = label_3d(foreground, Connectivity::Full, || job.check())?;
        // Beyond the slab nothing is known, so only ground inside it counts.
        let depth = distance_3d(foreground.mapv(|v| !v).view(), || job.check())?;
        let voxels = group(&parts.labels, &parts.areas);
        let mut cutter = Cutter {
            rule: self,
            voxel_nm,
            components: parts.labels,
            depth,
            score,
            labels: Array3::zeros(foreground.dim()),
            objects: Vec::new(),
        };
        for component in voxels {
            job.check()?;
            cutter.cut(component, job)?;
        }
        let Cutter {
            mut labels,
            mut objects,
            ..
        } = cutter;
        keep_membranes(&foreground, &mut labels, self.membrane_length_nm / voxel_nm, job)?;
        objects.sort_by(|a, b| {
            let pairs = a.centroid.iter().zip(&b.centroid);
            pairs
                .map(|(a, b)| a.total_cmp(b))
                .find(|order| order.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        for (label, object) in (1..).zip(&mut objects) {
            object.label = label;
        }
        Ok(Split { labels, objects })
    }
}

/// Voxels of each component, in scan order.
fn group(components: &Array3<u32>, sizes: &[usize]) -> Vec<Vec<[usize; 3]>> {
    let mut groups: Vec<Vec<[usize; 3]>> = sizes.iter().map(|&size| Vec::with_capacity(size)).collect();
    for ((z, y, x), &label) in components.indexed_iter().filter(|(_, &label)| label > 0) {
        groups[label as usize - 1].push([z, y, x]);
    }
    groups
}

/// Everything foreground that is no molecule becomes membrane if it is long enough, in voxels.
fn keep_membranes(foreground: &ArrayView3<bool>, labels: &mut Array3<i8>, length: f64, job: &Job) -> Result<()> {
    let rest = Array3::from_shape_fn(labels.dim(), |at| foreground[at] && labels[at] != MOLECULE);
    let parts = label_3d(rest.view(), Connectivity::Full, || job.check())?;
    let mut bounds = vec![([usize::MAX; 3], [0_usize; 3]); parts.areas.len()];
    for ((z, y, x), &label) in parts.labels.indexed_iter().filter(|(_, &label)| label > 0) {
        let (low, high) = &mut bounds[label as usize - 1];
        for (axis, v) in [z, y, x].into_iter().enumerate() {
            (low[axis], high[axis]) = (low[axis].min(v), high[axis].max(v));
        }
    }
    let long =
        |&(low, high): &([usize; 3], [usize; 3])| (0..3).any(|axis| (high[axis] - low[axis] + 1) as f64 >= length);
    let keep: Vec<bool> = std::iter::once(false).chain(bounds.iter().map(long)).collect();
    labels.zip_mut_with(&parts.labels, |label, &part| {
        if keep[part as usize] {
            *label = MEMBRANE;
        }
    });
    Ok(())
}

struct Cutter<'a, 's> {
    rule: &'a Shape3d,
    voxel_nm: f64,
    components: Array3<u32>,
    depth: Array3<f32>,
    score: Option<ArrayView3<'s, f32>>,
    labels: Array3<i8>,
    objects: Vec<Object>,
}

impl Cutter<'_, '_> {
    /// Finds the molecules of one component.
    fn cut(&mut self, component: Vec<[usize; 3]>, job: &Job) -> Result<()> {
        if let Some(diameter_nm) = self.molecule(&component)? {
            self.accept(&component, diameter_nm);
            return Ok(());
        }
        let mut open = vec![(component, 1.0_f32)];
        while let Some((core, level)) = open.pop() {
            job.check()?;
            // Last in, first out: reversed, the parts are met in scan order.
            for part in self.above(&core, level, job)?.into_iter().rev() {
                let peak = part.iter().map(|&at| self.depth[at]).fold(0.0, f32::max);
                let thick = 2.0 * f64::from(peak) * self.voxel_nm > self.rule.membrane_nm;
                if !thick || level > NECK * peak || !peak.is_finite() {
                    continue;
                }
                let molecule = match self.opened(&part, level, job)? {
                    Some(body) => self.molecule(&body)?.map(|diameter_nm| (body, diameter_nm)),
                    None => None,
                };
                match molecule {
                    Some((body, diameter_nm)) => self.accept(&body, diameter_nm),
                    None => open.push((part, level + STEP)),
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self, voxels: &[[usize; 3]], diameter_nm: f64) {
        let mut body = Body::default();
        for &at in voxels {
            self.labels[at] = MOLECULE;
            body.add(at, self.score.as_ref().map_or(1.0, |score| score[at]));
        }
        self.objects.push(body.object(0, diameter_nm));
    }

    /// 26-connected parts of `core` deeper than `level`, in scan order.
    fn above(&self, core: &[[usize; 3]], level: f32, job: &Job) -> Result<Vec<Vec<[usize; 3]>>> {
        let deep: Vec<[usize; 3]> = core.iter().copied().filter(|&at| self.depth[at] > level).collect();
        if deep.is_empty() {
            return Ok(Vec::new());
        }
        let (low, mask) = crop(&deep, 0, self.depth.dim());
        let parts = label_3d(mask.view(), Connectivity::Full, || job.check())?;
        let mut groups = group(&parts.labels, &parts.areas);
        for at in groups.iter_mut().flatten() {
            *at = [at[0] + low[0], at[1] + low[1], at[2] + low[2]];
        }
        Ok(groups)
    }

    /// The core grown back by what was eroded, within its component and outside molecules already found; `None` where
    /// the core alone is too wide for a molecule.
    fn opened(&self, core: &[[usize; 3]], level: f32, job: &Job) -> Result<Option<Vec<[usize; 3]>>> {
        let Some(&first) = core.first() else {
            return Ok(None);
        };
        let body = Body::of(core.iter().copied());
        let widest = self.rule.molecule_nm.1 * self.rule.elongation / self.voxel_nm;
        if (0..3).any(|axis| (body.high[axis] - body.low[axis]) as f64 > widest) {
            return Ok(None);
        }
        let (low, mask) = crop(core, level.ceil() as usize + 1, self.depth.dim());
        let distance = distance_3d(mask.view(), || job.check())?;
        let name = self.components[first];
        let grown = distance
            .indexed_iter()
            .filter(|(_, &distance)| distance <= level + STEP);
        let body = grown
            .map(|((z, y, x), _)| [z + low[0], y + low[1], x + low[2]])
            .filter(|&at| self.components[at] == name && self.labels[at] != MOLECULE);
        Ok(Some(body.collect()))
    }

    /// The shape test: the diameter in nm if the body is a molecule.
    fn molecule(&self, voxels: &[[usize; 3]]) -> Result<Option<f64>> {
        let body = Body::of(voxels.iter().copied());
        let cut_by_slab = body.low[0] == 0 || body.high[0] + 1 == self.depth.dim().0;
        let (diameter, axes, filling) = if cut_by_slab {
            // The outline: how much of the body lies beyond the slab is unknown.
            let mut columns: Vec<[usize; 3]> = voxels.iter().map(|&[_, y, x]| [0, y, x]).collect();
            columns.sort_unstable();
            columns.dedup();
            let outline = Body::of(columns.into_iter());
            let area = outline.size as f64;
            let axes = variances(&outline, true)?;
            let ellipse = 4.0 * PI * (axes[0] * axes[1]).sqrt();
            (2.0 * (area / PI).sqrt(), axes, area / ellipse)
        } else {
            let volume = body.size as f64;
            let axes = variances(&body, false)?;
            let ellipsoid = 4.0 / 3.0 * PI * (125.0 * axes.iter().product::<f64>()).sqrt();
            ((6.0 * volume / PI).cbrt(), axes, volume / ellipsoid)
        };
        let diameter_nm = diameter * self.voxel_nm;
        let (least, most) = self.rule.molecule_nm;
        let shortest = axes.first().copied().unwrap_or(1.0);
        let elongation = (axes.last().copied().unwrap_or(1.0) / shortest).sqrt();
        let passes =
            (least..=most).contains(&diameter_nm) && elongation <= self.rule.elongation && filling >= self.rule.filling;
        Ok((passes && !self.has_lumen(voxels)).then_some(diameter_nm))
    }

    /// Whether some slice of the body has a hole as wide as a vesicle's lumen.
    fn has_lumen(&self, voxels: &[[usize; 3]]) -> bool {
        let (_, mask) = crop(voxels, 0, self.depth.dim());
        mask.outer_iter().any(|slice| {
            // A frame of ground joins all that is outside.
            let (rows, cols) = slice.dim();
            let ground = Array2::from_shape_fn((rows + 2, cols + 2), |(row, col)| {
                let inside = (1..=rows).contains(&row) && (1..=cols).contains(&col);
                !inside || !slice[[row - 1, col - 1]]
            });
            let parts = label_2d(ground.view(), Connectivity::Face);
            let outside = parts.labels[[0, 0]];
            (1_u32..).zip(&parts.areas).any(|(label, &area)| {
                label != outside && 2.0 * (area as f64 / PI).sqrt() * self.voxel_nm >= self.rule.lumen_nm
            })
        })
    }
}

/// Variances along the principal axes, ascending, in voxels squared: two in the plane, otherwise three.
fn variances(body: &Body, in_plane: bool) -> Result<Vec<f64>> {
    let count = body.size.max(1) as f64;
    let [z, y, x] = body.centroid();
    let [zz, yy, xx, zy, zx, yx] = body.squares.map(|sum| sum / count);
    let full = [
        [zz - z * z + VOXEL_VARIANCE, zy - z * y, zx - z * x],
        [zy - z * y, yy - y * y + VOXEL_VARIANCE, yx - y * x],
        [zx - z * x, yx - y * x, xx - x * x + VOXEL_VARIANCE],
    ];
    let first = usize::from(in_plane);
    let matrix = Mat::from_fn(3 - first, 3 - first, |i, j| full[i + first][j + first]);
    matrix
        .self_adjoint_eigenvalues(Side::Lower)
        .map_err(|e| Error::Internal(format!("principal axes: {e:?}")))
}

/// The bounding box of `voxels`, `margin` wider but inside `shape`, as its lowest corner and a mask.
fn crop(voxels: &[[usize; 3]], margin: usize, shape: (usize, usize, usize)) -> ([usize; 3], Array3<bool>) {
    let body = Body::of(voxels.iter().copied());
    let limits = [shape.0, shape.1, shape.2];
    let low = body.low.map(|v| v.saturating_sub(margin));
    let extent = |axis: usize| (body.high[axis] + margin + 1).min(limits[axis]) - low[axis];
    let mut mask = Array3::default((extent(0), extent(1), extent(2)));
    for at in voxels {
        mask[[at[0] - low[0], at[1] - low[1], at[2] - low[2]]] = true;
    }
    (low, mask)
}
