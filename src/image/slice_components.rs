//! Connected components of a volume that comes slice by slice.
use crate::runtime::{Error, Result};

/// Names the true pixels of slice after slice, so that of a volume two slices are in memory at a time. The names are
/// provisional: which of them are one component is known after the last slice ([`SliceComponents::roots`]). The same
/// slices always get the same names.
#[derive(Debug)]
pub struct SliceComponents {
    cols: usize,
    /// Names of the slice before and of this one, 0 for background.
    before: Vec<u32>,
    here: Vec<u32>,
    /// For each name another of its component, never a larger one; itself where none is smaller. 0 is the background.
    parents: Vec<u32>,
    most: usize,
}

impl SliceComponents {
    /// For slices of `rows` x `cols` pixels; at most `most` names are given (never more than 2^32 - 2).
    pub fn new(rows: usize, cols: usize, most: usize) -> Self {
        Self {
            cols,
            before: vec![0; rows * cols],
            here: vec![0; rows * cols],
            parents: vec![0],
            most: most.min(u32::MAX as usize - 1),
        }
    }

    /// Names of the next slice's pixels, row by row: 0 where `mask` is false. Pixels that touch by faces, edges or
    /// corners (26 neighbours) belong together.
    ///
    /// Errors: a slice of another size; [`Error::OutOfMemory`] where names run out.
    pub fn next(&mut self, mask: impl ExactSizeIterator<Item = bool>) -> Result<&[u32]> {
        if mask.len() != self.here.len() {
            let allowed = format!("must be {}", self.here.len());
            return Err(Error::argument("pixels of a slice", mask.len(), &allowed));
        }
        std::mem::swap(&mut self.before, &mut self.here);
        let cols = self.cols;
        let (mut y, mut x) = (0, 0);
        for (at, inside) in mask.enumerate() {
            self.here[at] = if inside { self.name(y, x)? } else { 0 };
            x += 1;
            if x == cols {
                (y, x) = (y + 1, 0);
            }
        }
        Ok(&self.here)
    }

    /// The name of pixel (`y`, `x`), the earlier ones being named: that of its first named neighbour, else a new one.
    fn name(&mut self, y: usize, x: usize) -> Result<u32> {
        let (cols, at) = (self.cols, y * self.cols + x);
        let left = if x > 0 { self.here[at - 1] } else { 0 };
        let rows = self.here.len() / cols;
        // What touches the pixel on the left as well has been joined with that already.
        let first = if left > 0 { x + 1 } else { x.saturating_sub(1) };
        let mut name = left;
        for column in first..(x + 2).min(cols) {
            for row in y.saturating_sub(1)..(y + 2).min(rows) {
                name = self.join(name, self.before[row * cols + column]);
            }
            if y > 0 {
                name = self.join(name, self.here[at - x - cols + column]);
            }
        }
        if name > 0 {
            return Ok(name);
        }
        if self.parents.len() > self.most {
            return Err(Error::OutOfMemory(format!(
                "the mask has more than {} parts: it is noise, a higher threshold leaves fewer",
                self.most
            )));
        }
        let new = self.parents.len() as u32;
        self.parents.push(new);
        Ok(new)
    }

    /// Notes that two names are one component; the first of them that is one.
    fn join(&mut self, name: u32, other: u32) -> u32 {
        if name == 0 || other == 0 || name == other {
            return name.max(other);
        }
        let (a, b) = (self.root(name), self.root(other));
        self.parents[a.max(b) as usize] = a.min(b);
        name
    }

    /// The smallest name that is known to be of the same component.
    fn root(&mut self, name: u32) -> u32 {
        let mut at = name;
        loop {
            let parent = self.parents[at as usize];
            if parent == at {
                return at;
            }
            // Paths are halved on the way.
            let next = self.parents[parent as usize];
            self.parents[at as usize] = next;
            at = next;
        }
    }

    /// For each name the least name of its component, which is that of the component's first voxel in scan order; index
    /// 0 is the background. To be asked after the last slice.
    pub fn roots(mut self) -> Vec<u32> {
        for name in 1..self.parents.len() as u32 {
            // Parents are smaller, hence final.
            self.parents[name as usize] = self.parents[self.parents[name as usize] as usize];
        }
        self.parents
    }

    /// Number of names given so far.
    pub fn names(&self) -> usize {
        self.parents.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::image::{label_3d, Connectivity};
    use crate::runtime::Generator;

    #[test]
    fn slices_give_the_components_of_the_volume() {
        let mut gen = Generator::new(8, 0);
        for density in [0.02, 0.06, 0.09, 0.12, 0.4] {
            let mask = Array3::from_shape_fn((13, 17, 19), |_| gen.chance(density));
            let whole = label_3d(mask.view(), Connectivity::Full, || Ok(())).unwrap();
            let mut parts = SliceComponents::new(17, 19, 1 << 20);
            let mut names = Vec::new();
            for slice in mask.outer_iter() {
                names.extend_from_slice(parts.next(slice.iter().copied()).unwrap());
            }
            let roots = parts.roots();
            // Numbers in scan order of the first voxel are those of the least names in ascending order.
            let mut numbers = vec![0_u32; roots.len()];
            let mut count = 0;
            for name in 1..roots.len() {
                if roots[name] as usize == name {
                    count += 1;
                    numbers[name] = count;
                }
            }
            let labels: Vec<u32> = names
                .iter()
                .map(|name| numbers[roots[*name as usize] as usize])
                .collect();
            assert_eq!(labels, whole.labels.iter().copied().collect::<Vec<_>>(), "{density}");
        }
    }

    #[test]
    fn noise_and_odd_slices_are_refused() {
        let mut parts = SliceComponents::new(4, 4, 2);
        assert!(parts.next([false; 15].into_iter()).is_err());
        let mut dots = [false; 16];
        (dots[0], dots[3], dots[12]) = (true, true, true);
        let error = parts.next(dots.into_iter()).unwrap_err();
        assert!(matches!(error, Error::OutOfMemory(_)));
        assert_eq!(parts.names(), 2);
    }
}
