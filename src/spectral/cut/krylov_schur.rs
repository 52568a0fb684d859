//! Leading eigenvectors of a large matrix: Arnoldi's method, for symmetric matrices Lanczos's, with thick restarts.
use faer::Mat;

use super::operator::{dot, hashed, length, normalise, subtract, Operator};
use super::ritz::{eigenpairs, leading_subspace, projected, RitzPair};
use crate::runtime::{Job, Result};

/// Vectors of the search space at which it is restarted, symmetric and not. Long, because a product with the matrix
/// costs far more than an orthogonalisation; shorter where the projected eigenproblem is the dearer one.
const BASIS: [usize; 2] = [112, 64];
/// Share of the search space that survives a restart.
const KEPT: f64 = 0.25;
/// Steps between two looks at the projected eigenproblem, symmetric and not.
const LOOK_EVERY: [usize; 2] = [6, 8];
/// The same from [`LARGE`] nodes on, where a product costs more than a look.
const LOOK_EVERY_LARGE: [usize; 2] = [2, 4];
/// Nodes from which a look is cheap.
const LARGE: usize = 1024;
/// Length, relative to the matrix, below which a new direction is rounding.
const NOTHING_NEW: f64 = 1e-12;

/// Eigenvectors of the largest real parts.
pub(super) struct Leading {
    /// Unit vectors; of a complex pair the real part, the longest that a rotation of the phase gives.
    pub vectors: Vec<Vec<f64>>,
    /// Real parts of the eigenvalues, descending.
    pub values: Vec<f64>,
    /// The largest `||M u - mu u||` over the (complex) unit eigenvectors, measured.
    pub residual: f64,
    /// Products with the matrix.
    pub products: usize,
}

/// Where to stop.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Largest residual.
    pub tolerance: f64,
    /// Products after which the best vectors so far are returned.
    pub products: usize,
    /// Products that another method has spent before, for the progress.
    pub spent: usize,
}

impl Limits {
    /// Checks for cancel and reports progress after `products` products.
    pub(super) fn advance(&self, products: usize, job: &Job) -> Result<()> {
        job.advance((self.spent + products) as f64 / (self.spent + self.products) as f64)
    }
}

/// The `count` eigenvectors of the largest real parts (Stewart's Krylov-Schur method, SIAM J. Matrix Anal. 23, 2001;
/// for symmetric matrices the thick-restart Lanczos method of Wu and Simon, 2000), all vectors orthogonalised in full.
pub(super) fn krylov_schur(
    operator: &Operator,
    start: Vec<f64>,
    count: usize,
    limits: Limits,
    job: &Job,
) -> Result<Leading> {
    let mut space = SearchSpace::new(operator, start, count);
    loop {
        limits.advance(space.products, job)?;
        space.expand()?;
        let spent = space.products >= limits.products;
        if !(space.is_due() || spent) {
            continue;
        }
        let pairs = eigenpairs(
            space.h.submatrix(0, 0, space.columns, space.columns),
            operator.is_symmetric(),
        )?;
        let whole = space.columns + 1 >= operator.nodes();
        let promising = space.columns >= count && space.estimate(&pairs) <= 0.5 * limits.tolerance;
        if promising || spent || whole {
            let leading = space.measure(&pairs)?;
            if leading.residual <= limits.tolerance || spent || whole {
                return Ok(leading);
            }
        }
        if space.is_full() {
            space.restart(&pairs);
        }
    }
}

/// The Krylov decomposition M V = V H + v r^T.
struct SearchSpace<'a> {
    operator: &'a Operator<'a>,
    count: usize,
    /// V and the next direction v, orthonormal.
    basis: Vec<Vec<f64>>,
    /// H, with the row r^T below it.
    h: Mat<f64>,
    /// Columns of V.
    columns: usize,
    /// Columns that the last restart left.
    kept: usize,
    /// Whether the last product brought a new direction.
    fresh: bool,
    products: usize,
}

impl<'a> SearchSpace<'a> {
    fn new(operator: &'a Operator<'a>, mut start: Vec<f64>, count: usize) -> Self {
        operator.deflate(&mut start);
        if normalise(&mut start) == 0.0 {
            start = operator.start();
        }
        let most = BASIS[usize::from(!operator.is_symmetric())].max(2 * count + 16);
        let most = most.min(operator.nodes().saturating_sub(1)).max(1);
        Self {
            operator,
            count,
            basis: vec![start],
            h: Mat::zeros(most + 1, most),
            columns: 0,
            kept: 0,
            fresh: true,
            products: 0,
        }
    }

    /// One product with the matrix: column H and the next direction.
    fn expand(&mut self) -> Result<()> {
        let column = self.columns;
        let mut next = self.operator.apply(&self.basis[column])?;
        self.products += 1;
        // A symmetric matrix ties a vector to its two neighbours alone; the second round is against all in any case.
        let local = self.operator.is_symmetric() && column > self.kept + 1;
        let first = if local { column - 1 } else { 0 };
        for first in [first, 0] {
            for (row, share) in self.shares(&next, first) {
                self.h[(row, column)] += share;
                subtract(&mut next, share, &self.basis[row]);
            }
        }
        let mut left = length(&next);
        self.fresh = left > NOTHING_NEW;
        if !self.fresh {
            left = 0.0;
            next = self.other_direction();
        }
        self.h[(column + 1, column)] = left;
        normalise(&mut next);
        self.basis.push(next);
        self.columns += 1;
        Ok(())
    }

    /// Shares of the basis vectors from number `first` on in `vector`.
    fn shares(&self, vector: &[f64], first: usize) -> Vec<(usize, f64)> {
        let shares = (first..self.basis.len()).map(|row| (row, dot(vector, &self.basis[row])));
        shares.collect()
    }

    /// A direction that the search space lacks, for a space that the matrix maps into itself; zero if there is none.
    fn other_direction(&self) -> Vec<f64> {
        let n = self.operator.nodes() as u64;
        let offset = n * self.products as u64;
        let mut next: Vec<f64> = (0..n).map(|i| hashed(offset + i)).collect();
        for _ in 0..3 {
            self.operator.deflate(&mut next);
            for (row, share) in self.shares(&next, 0) {
                subtract(&mut next, share, &self.basis[row]);
            }
            normalise(&mut next);
        }
        next
    }

    fn is_full(&self) -> bool {
        self.columns == self.h.ncols()
    }

    fn is_due(&self) -> bool {
        let steps = if self.operator.nodes() < LARGE {
            LOOK_EVERY
        } else {
            LOOK_EVERY_LARGE
        };
        let every = steps[usize::from(!self.operator.is_symmetric())];
        self.is_full() || !self.fresh || self.columns.is_multiple_of(every)
    }

    /// The largest residual of the leading pairs, by the last row of the decomposition.
    fn estimate(&self, pairs: &[RitzPair]) -> f64 {
        let last = self.columns - 1;
        let left = self.h[(self.columns, last)];
        let count = pairs.iter().take(self.count);
        count.map(|pair| left * pair.magnitude(last)).fold(0.0, f64::max)
    }

    /// V s.
    fn combined(&self, s: &[f64]) -> Vec<f64> {
        let mut sum = vec![0.0; self.operator.nodes()];
        for (&factor, vector) in s.iter().zip(&self.basis) {
            subtract(&mut sum, -factor, vector);
        }
        sum
    }

    /// The leading Ritz vectors with their true residual.
    fn measure(&mut self, pairs: &[RitzPair]) -> Result<Leading> {
        let mut leading = Leading {
            vectors: Vec::new(),
            values: Vec::new(),
            residual: 0.0,
            products: 0,
        };
        for pair in pairs.iter().take(self.count) {
            let (a, b) = (pair.real, pair.imaginary);
            let mut p = self.combined(&pair.vector);
            let mut residual = self.operator.apply(&p)?;
            subtract(&mut residual, a, &p);
            self.products += 1;
            if let Some(t) = &pair.imaginary_vector {
                let q = self.combined(t);
                subtract(&mut residual, -b, &q);
                let mut other = self.operator.apply(&q)?;
                subtract(&mut other, a, &q);
                subtract(&mut other, b, &p);
                self.products += 1;
                leading.residual = leading.residual.max(length(&residual).hypot(length(&other)));
            } else {
                leading.residual = leading.residual.max(length(&residual));
            }
            normalise(&mut p);
            leading.vectors.push(p);
            leading.values.push(a);
        }
        leading.products = self.products;
        Ok(leading)
    }

    /// Keeps the leading Ritz vectors and the next direction.
    fn restart(&mut self, pairs: &[RitzPair]) {
        let size = self.columns;
        let keep = ((size as f64 * KEPT) as usize).max(self.count + 1).min(size - 1);
        let mut subspace = leading_subspace(pairs, keep);
        subspace.truncate(size - 1);
        let h = projected(self.h.submatrix(0, 0, size, size), &subspace);
        let left = self.h[(size, size - 1)];
        let mut basis: Vec<Vec<f64>> = subspace.iter().map(|s| self.combined(s)).collect();
        basis.extend(self.basis.pop());
        let kept = subspace.len();
        self.h = Mat::from_fn(self.h.nrows(), self.h.ncols(), |i, j| match (i, j) {
            (i, j) if i < kept && j < kept => h[(i, j)],
            (i, j) if i == kept && j < kept => left * subspace[j][size - 1],
            _ => 0.0,
        });
        (self.basis, self.columns, self.kept) = (basis, kept, kept);
    }
}
