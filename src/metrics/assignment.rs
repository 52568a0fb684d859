//! The assignment problem: rows to columns, one to one, at the largest total weight.
use ndarray::{Array2, ArrayView2};

use crate::{Error, Result};

/// The column of each row, None for rows that get none, such that the weights of the pairs sum to the most (Kuhn 1955,
/// Munkres 1957; shortest augmenting paths, O(n^2 m)). As many pairs as the smaller side has; of several best
/// assignments, always the same.
///
/// Written here because the kept crates take integer weights only, and those of segments are shares.
///
/// # Errors
/// [`Error::InvalidArgument`] for a weight that is not finite.
pub fn best_assignment(weights: ArrayView2<f64>) -> Result<Vec<Option<usize>>> {
    if let Some((place, weight)) = weights.indexed_iter().find(|(_, w)| !w.is_finite()) {
        let name = format!("weight at {place:?}");
        return Err(Error::argument(&name, weight, "must be finite"));
    }
    let (rows, cols) = weights.dim();
    if rows <= cols {
        return Ok(cheapest(&weights.mapv(|w| -w)).into_iter().map(Some).collect());
    }
    let mut of_row = vec![None; rows];
    for (col, row) in cheapest(&weights.t().mapv(|w| -w)).into_iter().enumerate() {
        of_row[row] = Some(col);
    }
    Ok(of_row)
}

/// Column of each row at the least total cost; no more rows than columns. Columns and rows count from 1 in the
/// potentials: 0 is the row that looks for a place.
fn cheapest(cost: &Array2<f64>) -> Vec<usize> {
    let (rows, cols) = cost.dim();
    let (mut row_potential, mut col_potential) = (vec![0.0; rows + 1], vec![0.0; cols + 1]);
    // Row in each column, 0 for none.
    let mut row_of = vec![0_usize; cols + 1];
    for row in 1..=rows {
        row_of[0] = row;
        let mut least = vec![f64::INFINITY; cols + 1];
        let mut came_from = vec![0_usize; cols + 1];
        let mut used = vec![false; cols + 1];
        let mut col = 0;
        while row_of[col] != 0 {
            used[col] = true;
            let here = row_of[col];
            let (mut delta, mut next) = (f64::INFINITY, 0);
            for other in (1..=cols).filter(|&c| !used[c]) {
                let reduced = cost[[here - 1, other - 1]] - row_potential[here] - col_potential[other];
                if reduced < least[other] {
                    least[other] = reduced;
                    came_from[other] = col;
                }
                if least[other] < delta {
                    delta = least[other];
                    next = other;
                }
            }
            for other in 0..=cols {
                if used[other] {
                    row_potential[row_of[other]] += delta;
                    col_potential[other] -= delta;
                } else {
                    least[other] -= delta;
                }
            }
            col = next;
        }
        while col != 0 {
            row_of[col] = row_of[came_from[col]];
            col = came_from[col];
        }
    }
    let mut col_of = vec![0; rows];
    for (col, &row) in row_of.iter().enumerate().skip(1).filter(|(_, &row)| row != 0) {
        col_of[row - 1] = col - 1;
    }
    col_of
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_cases_by_hand() {
        let best = |rows: &[[f64; 3]]| {
            let flat: Vec<f64> = rows.concat();
            best_assignment(ArrayView2::from_shape((rows.len(), 3), &flat).unwrap()).unwrap()
        };
        assert_eq!(
            best(&[[1.0, 5.0, 2.0], [6.0, 7.0, 1.0], [0.0, 0.0, 3.0]]),
            [Some(1), Some(0), Some(2)]
        );
        // More rows than columns: the worst row stays alone.
        assert_eq!(
            best(&[[9.0, 0.0, 0.0], [8.0, 9.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 9.0]]),
            [Some(0), Some(1), None, Some(2)]
        );
        assert_eq!(best(&[[-3.0, -1.0, -2.0]]), [Some(1)]);
        assert!(best_assignment(Array2::zeros((0, 4)).view()).unwrap().is_empty());
        assert_eq!(best_assignment(Array2::zeros((2, 0)).view()).unwrap(), [None, None]);
        assert!(best_assignment(Array2::from_elem((1, 1), f64::NAN).view()).is_err());
    }
}
