//! Labels as IMOD stores them in signed bytes: -128 is 0, -127 is 1.
use std::ops::Range;
use std::sync::OnceLock;

use ndarray::Array3;

use super::header::Layout;
use crate::Result;

/// What IMOD takes from a byte of 0..=255 to store it signed.
const OFFSET: f32 = 128.0;
/// Slices that are searched at a time.
const DEPTH: usize = 8;

/// What has to be added to the labels of a volume; settled when labels are first read.
///
/// IMOD's programs show a signed byte, under IMOD's stamp, plus 128. Other programs that write the stamp, this library
/// among them, store 0, 1, 2 as such. Labels are never negative and their ground is 0: a volume in which -128 occurs is
/// IMOD's, one in which it does not is not.
#[derive(Debug, Default)]
pub(super) struct LabelOffset {
    /// Whether -128 has to be looked for.
    is_open: bool,
    offset: OnceLock<f32>,
}

impl LabelOffset {
    pub fn of(layout: &Layout) -> Self {
        Self {
            is_open: layout.imod_signed_bytes,
            offset: OnceLock::new(),
        }
    }

    /// The offset; `read` reads slices of the volume, which has `depth` of them. They are searched up to the first
    /// -128, which a volume of IMOD's mostly has in its first slices.
    pub fn get(&self, depth: usize, read: impl Fn(Range<usize>) -> Result<Array3<f32>>) -> Result<f32> {
        if !self.is_open {
            return Ok(0.0);
        }
        if let Some(known) = self.offset.get() {
            return Ok(*known);
        }
        let mut offset = 0.0;
        for first in (0..depth).step_by(DEPTH) {
            let slices = read(first..(first + DEPTH).min(depth))?;
            if slices.iter().any(|value| *value == -OFFSET) {
                offset = OFFSET;
                break;
            }
        }
        Ok(*self.offset.get_or_init(|| offset))
    }
}
