//! A volume in memory that somebody else owns: checked once, then read and written through its strides.
//!
//! The memory is raw: a host's buffer may be strided in any direction and may change its type only at run time, which
//! no reference or `ndarray` view can say. Hence the unsafe code of this file.
use std::ffi::c_void;
use std::ops::Range;

use half::f16;
use ndarray::{Array3, ArrayView3};

use crate::runtime::{Error, Result};

/// Element types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// Unsigned 8-bit integers.
    U8,
    /// Signed 8-bit integers.
    I8,
    /// Unsigned 16-bit integers.
    U16,
    /// Signed 16-bit integers.
    I16,
    /// IEEE 754 binary16.
    F16,
    /// IEEE 754 binary32.
    F32,
    /// Unsigned 32-bit integers; read as binary32, exact up to 2^24.
    U32,
}

impl Dtype {
    /// Bytes of an element.
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 => 2,
            Self::F32 | Self::U32 => 4,
        }
    }
}

/// A host's volume whose every address is known to be computable without overflow.
#[derive(Clone, Copy)]
pub struct Strided {
    data: *mut u8,
    pub dtype: Dtype,
    pub shape: [usize; 3],
    /// In elements.
    strides: [isize; 3],
}

impl Strided {
    /// Checks where the elements of a volume lie: `data` is element (0, 0, 0), `strides` count elements, all zero stand
    /// for contiguous, x fastest; `name` is the argument's.
    ///
    /// Errors: NULL or misaligned data, a zero extent, more bytes than can be addressed.
    pub fn new(data: *mut c_void, dtype: Dtype, extents: [u64; 3], strides: [i64; 3], name: &str) -> Result<Self> {
        if data.is_null() {
            return Err(Error::argument(
                &format!("{name}.data"),
                "NULL",
                "must point to the first element",
            ));
        }
        if !data.addr().is_multiple_of(dtype.bytes()) {
            return Err(Error::argument(
                &format!("{name}.data"),
                format!("{:p}", data),
                &format!("must be aligned to the {} bytes of {dtype:?}", dtype.bytes()),
            ));
        }
        if extents.contains(&0) {
            return Err(Error::argument(
                &format!("{name}.shape"),
                format!("{:?}", extents),
                "must be at least 1 in z, y and x",
            ));
        }
        let too_large = || {
            Error::argument(
                &format!("{name}.shape"),
                format!("{:?} with strides {:?}", extents, strides),
                "must not span more bytes than this machine can address",
            )
        };
        let mut shape = [0_usize; 3];
        for (ours, &theirs) in shape.iter_mut().zip(&extents) {
            *ours = usize::try_from(theirs).map_err(|_| too_large())?;
        }
        let contiguous = shape.iter().try_fold(dtype.bytes(), |bytes, &n| bytes.checked_mul(n));
        if contiguous.and_then(|bytes| isize::try_from(bytes).ok()).is_none() {
            return Err(too_large());
        }
        let steps = if strides == [0; 3] {
            // In range: the product above is.
            [shape[1] * shape[2], shape[2], 1].map(|stride| stride as isize)
        } else {
            strides.map(|stride| stride as isize)
        };
        // The farthest element before and after (0, 0, 0), in bytes.
        let (mut before, mut after) = (0_isize, 0_isize);
        for (&n, &stride) in shape.iter().zip(&steps) {
            let reach = isize::try_from(n - 1)
                .ok()
                .and_then(|steps| steps.checked_mul(stride))
                .and_then(|elements| elements.checked_mul(dtype.bytes() as isize));
            let end = reach.ok_or_else(too_large)?;
            let side = if end < 0 { &mut before } else { &mut after };
            *side = side.checked_add(end).ok_or_else(too_large)?;
        }
        let first = data.addr().checked_add_signed(before);
        let last = data
            .addr()
            .checked_add_signed(after)
            .and_then(|a| a.checked_add(dtype.bytes()));
        if first.is_none() || last.is_none() || after.checked_sub(before).is_none() {
            return Err(too_large());
        }
        Ok(Self {
            data: data.cast(),
            dtype,
            shape,
            strides: steps,
        })
    }

    /// Refuses strides by which two indices could reach one element: sorted by step, each axis must step over all that
    /// the smaller ones span.
    pub fn refuse_overlap(&self, name: &str) -> Result<()> {
        let mut axes: Vec<(usize, usize)> = self
            .shape
            .iter()
            .zip(&self.strides)
            .filter(|(&n, _)| n > 1)
            .map(|(&n, stride)| (stride.unsigned_abs(), n))
            .collect();
        axes.sort_unstable();
        let mut span = 1_usize;
        for (stride, n) in axes {
            if stride < span {
                return Err(Error::argument(
                    &format!("{name}.strides"),
                    format!("{:?}", self.strides),
                    &format!("must not let elements of a volume of shape {:?} overlap", self.shape),
                ));
            }
            // In range: `new` bounded the reach of every axis and of their sum.
            span += stride * (n - 1);
        }
        Ok(())
    }

    /// Slices `z` (within the volume) as float32.
    ///
    /// # Safety
    /// The volume's memory is readable and not written meanwhile.
    pub unsafe fn read_slices(&self, z: Range<usize>) -> Result<Array3<f32>> {
        if z.start > z.end || z.end > self.shape[0] {
            return Err(Error::argument(
                "z",
                format!("{z:?}"),
                &format!("must be within 0..{}", self.shape[0]),
            ));
        }
        let shape = (z.len(), self.shape[1], self.shape[2]);
        // SAFETY: passed on; z was checked.
        let values = unsafe {
            match self.dtype {
                Dtype::U8 => self.gather::<u8>(z, f32::from),
                Dtype::I8 => self.gather::<i8>(z, f32::from),
                Dtype::U16 => self.gather::<u16>(z, f32::from),
                Dtype::I16 => self.gather::<i16>(z, f32::from),
                Dtype::F16 => self.gather::<f16>(z, f32::from),
                Dtype::F32 => self.gather::<f32>(z, |value| value),
                Dtype::U32 => self.gather::<u32>(z, |value| value as f32),
            }
        }?;
        Array3::from_shape_vec(shape, values).map_err(|error| Error::Internal(error.to_string()))
    }

    /// # Safety
    /// As [`Strided::read_slices`], with `z` inside the volume and `T` the volume's type.
    unsafe fn gather<T: Copy>(&self, z: Range<usize>, convert: impl Fn(T) -> f32) -> Result<Vec<f32>> {
        let count = z.len() * self.shape[1] * self.shape[2];
        let mut values = Vec::new();
        values
            .try_reserve_exact(count)
            .map_err(|_| Error::OutOfMemory(format!("{count} float32 values of slices {z:?}")))?;
        for z in z {
            for y in 0..self.shape[1] {
                // SAFETY: indices are inside the volume, whose every address is in range.
                let row = unsafe { self.row(z, y) }.cast::<T>();
                values.extend((0..self.shape[2]).map(|x| {
                    // SAFETY: as above.
                    convert(unsafe { row.offset(x as isize * self.strides[2]).read() })
                }));
            }
        }
        Ok(values)
    }

    /// Slice `z` (within the volume) as a volume of depth 1.
    pub fn slice(&self, z: usize) -> Self {
        let [_, rows, columns] = self.shape;
        Self {
            // SAFETY: z is inside the volume, whose every address is in range.
            data: unsafe { self.row(z.min(self.shape[0] - 1), 0) },
            shape: [1, rows, columns],
            ..*self
        }
    }

    /// Copies `source`, of this volume's shape, into it.
    ///
    /// # Safety
    /// The volume's memory is writable and not used meanwhile; it has the shape of `source`, does not overlap itself
    /// and types of `T`'s size.
    pub unsafe fn write<S: Copy, T: Copy>(&self, source: ArrayView3<'_, S>, convert: impl Fn(S) -> T) {
        debug_assert_eq!(size_of::<T>(), self.dtype.bytes());
        for ((z, y, x), &value) in source.indexed_iter() {
            // SAFETY: indices are inside the volume, whose every address is in range.
            unsafe {
                let element = self.row(z, y).cast::<T>().offset(x as isize * self.strides[2]);
                element.write(convert(value));
            }
        }
    }

    /// # Safety
    /// `z` and `y` are inside the volume.
    unsafe fn row(&self, z: usize, y: usize) -> *mut u8 {
        let elements = z as isize * self.strides[0] + y as isize * self.strides[1];
        // SAFETY: `new` proved that every element's address is in range; inside the volume means inside that.
        unsafe { self.data.offset(elements * self.dtype.bytes() as isize) }
    }
}

#[cfg(test)]
#[path = "strided_tests.rs"]
mod tests;
