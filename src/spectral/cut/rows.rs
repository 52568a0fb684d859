//! Work on blocks of rows by several threads, with results that do not depend on their number.
use std::sync::{Mutex, PoisonError};

use crate::runtime::{Error, Result};

/// Elements below which a second thread costs more than it saves.
const SERIAL_ELEMENTS: usize = 1 << 17;

/// Calls `fill(first_row, rows)` for consecutive blocks of `block` rows of `width` items of `out`, on as many threads
/// as libtorch has here. `work` is the total number of elements that are read. Every block is filled by one thread, so
/// the values do not depend on the number of threads as long as `fill` looks at nothing but its rows.
pub(super) fn fill_rows<T: Send>(
    out: &mut [T],
    width: usize,
    block: usize,
    work: usize,
    fill: impl Fn(usize, &mut [T]) + Sync,
) -> Result<()> {
    let length = width.max(1) * block.max(1);
    let blocks = out.len().div_ceil(length);
    let threads = match work {
        0..SERIAL_ELEMENTS => 1,
        _ => usize::try_from(tch::get_num_threads())
            .unwrap_or(1)
            .clamp(1, blocks.max(1)),
    };
    let pieces = Mutex::new(out.chunks_mut(length).enumerate());
    let drain = || loop {
        let next = pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
        match next {
            Some((index, piece)) => fill(index * block.max(1), piece),
            None => return,
        }
    };
    if threads == 1 {
        drain();
        return Ok(());
    }
    std::thread::scope(|scope| {
        let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, drain);
        let helpers: Vec<_> = (1..threads).map(spawn).filter_map(std::result::Result::ok).collect();
        drain();
        let all = helpers.into_iter().all(|helper| helper.join().is_ok());
        match all {
            true => Ok(()),
            false => Err(Error::Internal("a thread of a matrix product failed".into())),
        }
    })
}

/// Rows per block such that a block reads about 64 Ki elements of rows of `width`.
pub(super) fn rows_per_block(width: usize) -> usize {
    ((1 << 16) / width.max(1)).clamp(1, 1 << 12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_filled_once() {
        for block in [1, 3, 64] {
            let mut out = vec![0_usize; 101 * 7];
            fill_rows(&mut out, 7, block, 1 << 20, |first, rows| {
                for (i, row) in rows.chunks_mut(7).enumerate() {
                    row.iter_mut().enumerate().for_each(|(j, v)| *v += (first + i) * 7 + j);
                }
            })
            .unwrap();
            assert!(out.iter().enumerate().all(|(i, &v)| i == v));
        }
    }
}
