//! The slices of a slab with the neighbours that the model also sees.
use std::ops::Range;

use ndarray::{Array3, ArrayView2, ArrayView3, Axis};

use crate::diffusion::CellShape;
use crate::runtime::{Error, Job, Result, Stage};
use crate::volume::Tomogram;

use super::grey::GreyScale;

/// Refuses slices `z` that are none, or that a tomogram of `depth` slices does not have.
pub fn check_slices(z: &Range<usize>, depth: usize) -> Result<()> {
    if z.start < z.end && z.end <= depth {
        return Ok(());
    }
    Err(Error::argument(
        "z",
        format!("{}:{}", z.start, z.end),
        &format!("must be a non-empty range within 0:{depth}"),
    ))
}

/// A slab and the slices around it, as far as the tomogram has them, in the tomogram's densities.
pub struct RawStack(SlabStack);

impl RawStack {
    /// Reads the slices `slab` of `tomogram` and what `cells` see around them.
    pub fn read(tomogram: &Tomogram, slab: Range<usize>, cells: CellShape) -> Result<Self> {
        let (slices, context) = (cells.slices as usize, (cells.context * cells.slices) as usize);
        let depth = tomogram.geometry().shape[0];
        // The last cell may begin at the slab's last slice.
        let read = slab.start.saturating_sub(context)..(slab.end + slices - 1 + context).min(depth);
        Ok(Self(SlabStack {
            slices: tomogram.read_slices(read.clone())?,
            read,
            slab,
            cells,
        }))
    }

    /// The slab itself.
    pub fn slab(&self) -> ArrayView3<'_, f32> {
        self.0.slab()
    }

    /// The same in the grey scale of the model's encoder: every slice is scaled once, in place.
    pub fn scaled(self, scale: &GreyScale, job: &Job) -> Result<SlabStack> {
        job.enter(Stage::Enhance)?;
        let mut stack = self.0;
        for mut slice in stack.slices.outer_iter_mut() {
            let scaled = scale.scaled(slice.view());
            slice.assign(&scaled);
            job.check()?;
        }
        Ok(stack)
    }
}

/// A slab and the slices around it, as far as the tomogram has them, in the grey scale of the model's encoder.
pub struct SlabStack {
    /// The slices `read`.
    slices: Array3<f32>,
    read: Range<usize>,
    slab: Range<usize>,
    cells: CellShape,
}

impl SlabStack {
    /// First slice of every cell that covers the slab, in slices of the tomogram.
    pub fn cell_starts(&self) -> impl ExactSizeIterator<Item = usize> {
        self.slab.clone().step_by(self.cells.slices as usize)
    }

    /// Slices of the slab that the cell starting at `z` is about: fewer than a cell has at the slab's end.
    pub fn covered(&self, z: usize) -> usize {
        (self.slab.end - z).min(self.cells.slices as usize)
    }

    /// The slices that the cell starting at `z` sees, lowest first; None beyond the tomogram.
    pub fn seen(&self, z: usize) -> Vec<Option<ArrayView2<'_, f32>>> {
        let context = self.cells.context * self.cells.slices;
        (0..self.cells.slices_seen())
            .map(|slice| {
                let z = usize::try_from(z as i64 - context + slice).ok()?;
                let inside = self.read.contains(&z);
                inside.then(|| self.slices.index_axis(Axis(0), z - self.read.start))
            })
            .collect()
    }

    /// The slab itself.
    pub fn slab(&self) -> ArrayView3<'_, f32> {
        let first = self.slab.start - self.read.start;
        self.slices.slice(ndarray::s![first..first + self.slab.len(), .., ..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Geometry;

    #[test]
    fn cells_see_what_the_tomogram_has() {
        let voxels = Array3::from_shape_fn((9, 2, 2), |(z, _, _)| z as f32);
        let tomogram = Tomogram::from_array(voxels, Geometry::new([9, 2, 2], 10.0)).unwrap();
        let cells = CellShape {
            factor: 2,
            slices: 2,
            context: 1,
        };
        let stack = RawStack::read(&tomogram, 1..8, cells).unwrap().0;
        assert_eq!(stack.cell_starts().collect::<Vec<_>>(), [1, 3, 5, 7]);
        let seen = |z: usize| -> Vec<f32> {
            stack
                .seen(z)
                .iter()
                .map(|slice| slice.map_or(-1.0, |slice| slice[[0, 0]]))
                .collect()
        };
        assert_eq!(seen(1), [-1.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(seen(7), [5.0, 6.0, 7.0, 8.0, -1.0, -1.0]);
        assert_eq!((stack.covered(5), stack.covered(7)), (2, 1));
        assert_eq!(stack.slab().dim(), (7, 2, 2));
        assert_eq!(stack.slab()[[0, 0, 0]], 1.0);
    }
}
