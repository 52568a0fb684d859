//! The caller's volumes: checked once, then read and written through their strides.
use std::ffi::c_void;

use half::f16;
use ndarray::{Array3, ArrayView3};

use crate::{Error, Result};

/// Type of a volume's elements, TOMOCUT_DTYPE_*.
pub type tomocut_dtype = i32;

/// Unsigned 8-bit integers.
pub const TOMOCUT_DTYPE_U8: tomocut_dtype = 1;
/// Signed 8-bit integers.
pub const TOMOCUT_DTYPE_I8: tomocut_dtype = 2;
/// Unsigned 16-bit integers.
pub const TOMOCUT_DTYPE_U16: tomocut_dtype = 3;
/// Signed 16-bit integers.
pub const TOMOCUT_DTYPE_I16: tomocut_dtype = 4;
/// IEEE 754 binary16.
pub const TOMOCUT_DTYPE_F16: tomocut_dtype = 5;
/// IEEE 754 binary32.
pub const TOMOCUT_DTYPE_F32: tomocut_dtype = 6;
/// Unsigned 32-bit integers. As input they are read as binary32, exact up to 2^24.
pub const TOMOCUT_DTYPE_U32: tomocut_dtype = 7;

/// A 3D array of the host, borrowed. Element (z, y, x) is at data + z * strides[0] + y * strides[1] + x * strides[2],
/// counted in elements. With x fastest this is what IMOD, RELION, ITK and a MATLAB array of [nx ny nz] are.
// Brackets are those of C here.
#[allow(rustdoc::broken_intra_doc_links)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_volume {
    /// Element (0, 0, 0), aligned for its type.
    pub data: *mut c_void,
    /// TOMOCUT_DTYPE_*.
    pub dtype: tomocut_dtype,
    /// Zero.
    pub reserved: u32,
    /// Extents, z y x, each at least 1.
    pub shape: [u64; 3],
    /// Steps, z y x, in elements; negative steps are allowed. All three zero: contiguous, x fastest. Volumes that are
    /// written to must not overlap themselves.
    pub strides: [i64; 3],
}

/// Element types of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dtype {
    U8,
    I8,
    U16,
    I16,
    F16,
    F32,
    U32,
}

impl Dtype {
    fn from_c(dtype: tomocut_dtype, name: &str) -> Result<Self> {
        Ok(match dtype {
            TOMOCUT_DTYPE_U8 => Self::U8,
            TOMOCUT_DTYPE_I8 => Self::I8,
            TOMOCUT_DTYPE_U16 => Self::U16,
            TOMOCUT_DTYPE_I16 => Self::I16,
            TOMOCUT_DTYPE_F16 => Self::F16,
            TOMOCUT_DTYPE_F32 => Self::F32,
            TOMOCUT_DTYPE_U32 => Self::U32,
            other => {
                return Err(Error::argument(
                    &format!("{name}.dtype"),
                    other,
                    "must be TOMOCUT_DTYPE_*, 1..=7",
                ));
            }
        })
    }

    const fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 => 2,
            Self::F32 | Self::U32 => 4,
        }
    }
}

/// A host's volume whose every address is known to be computable without overflow.
#[derive(Clone, Copy)]
pub(super) struct Strided {
    data: *mut u8,
    pub(super) dtype: Dtype,
    pub(super) shape: [usize; 3],
    /// In elements.
    strides: [isize; 3],
}

impl Strided {
    /// Checks a volume that is read.
    ///
    /// # Safety
    /// `volume` is NULL or points to a `tomocut_volume`.
    pub(super) unsafe fn input(volume: *const tomocut_volume, name: &str) -> Result<Self> {
        if volume.is_null() {
            return Err(Error::argument(name, "NULL", "must point to a tomocut_volume"));
        }
        if !volume.is_aligned() {
            return Err(Error::argument(
                name,
                format!("{volume:p}"),
                "must be aligned as C aligns a tomocut_volume",
            ));
        }
        // SAFETY: not NULL, aligned, and every bit pattern is a value.
        Self::check(&unsafe { volume.read() }, name)
    }

    /// Checks a volume that is written: its type is one of `allowed`, its shape is `shape`, it does not overlap itself.
    ///
    /// # Safety
    /// As [`Strided::input`].
    pub(super) unsafe fn output(
        volume: *const tomocut_volume,
        name: &str,
        allowed: &[Dtype],
        shape: [usize; 3],
    ) -> Result<Self> {
        // SAFETY: passed on.
        let volume = unsafe { Self::input(volume, name) }?;
        if !allowed.contains(&volume.dtype) {
            let names: Vec<String> = allowed.iter().map(|dtype| format!("{dtype:?}")).collect();
            return Err(Error::argument(
                &format!("{name}.dtype"),
                format!("{:?}", volume.dtype),
                &format!("must be {}", names.join(" or ")),
            ));
        }
        if volume.shape != shape {
            return Err(Error::argument(
                &format!("{name}.shape"),
                format!("{:?}", volume.shape),
                &format!("must be {shape:?}"),
            ));
        }
        volume.refuse_overlap(name)?;
        Ok(volume)
    }

    fn check(volume: &tomocut_volume, name: &str) -> Result<Self> {
        let dtype = Dtype::from_c(volume.dtype, name)?;
        if volume.reserved != 0 {
            return Err(Error::argument(
                &format!("{name}.reserved"),
                volume.reserved,
                "must be 0",
            ));
        }
        if volume.data.is_null() {
            return Err(Error::argument(
                &format!("{name}.data"),
                "NULL",
                "must point to the first element",
            ));
        }
        if !volume.data.addr().is_multiple_of(dtype.bytes()) {
            return Err(Error::argument(
                &format!("{name}.data"),
                format!("{:p}", volume.data),
                &format!("must be aligned to the {} bytes of {dtype:?}", dtype.bytes()),
            ));
        }
        if volume.shape.contains(&0) {
            return Err(Error::argument(
                &format!("{name}.shape"),
                format!("{:?}", volume.shape),
                "must be at least 1 in z, y and x",
            ));
        }
        let too_large = || {
            Error::argument(
                &format!("{name}.shape"),
                format!("{:?} with strides {:?}", volume.shape, volume.strides),
                "must not span more bytes than this machine can address",
            )
        };
        let mut shape = [0_usize; 3];
        for (ours, &theirs) in shape.iter_mut().zip(&volume.shape) {
            *ours = usize::try_from(theirs).map_err(|_| too_large())?;
        }
        let contiguous = shape.iter().try_fold(dtype.bytes(), |bytes, &n| bytes.checked_mul(n));
        if contiguous.and_then(|bytes| isize::try_from(bytes).ok()).is_none() {
            return Err(too_large());
        }
        let strides = if volume.strides == [0; 3] {
            // In range: the product above is.
            [shape[1] * shape[2], shape[2], 1].map(|stride| stride as isize)
        } else {
            volume.strides.map(|stride| stride as isize)
        };
        // The farthest element before and after (0, 0, 0), in bytes.
        let (mut before, mut after) = (0_isize, 0_isize);
        for (&n, &stride) in shape.iter().zip(&strides) {
            let reach = isize::try_from(n - 1)
                .ok()
                .and_then(|steps| steps.checked_mul(stride))
                .and_then(|elements| elements.checked_mul(dtype.bytes() as isize));
            let end = reach.ok_or_else(too_large)?;
            let side = if end < 0 { &mut before } else { &mut after };
            *side = side.checked_add(end).ok_or_else(too_large)?;
        }
        let first = volume.data.addr().checked_add_signed(before);
        let last = volume
            .data
            .addr()
            .checked_add_signed(after)
            .and_then(|a| a.checked_add(dtype.bytes()));
        if first.is_none() || last.is_none() || after.checked_sub(before).is_none() {
            return Err(too_large());
        }
        Ok(Self {
            data: volume.data.cast(),
            dtype,
            shape,
            strides,
        })
    }

    /// Refuses strides by which two indices could reach one element: sorted by step, each axis must step over all that
    /// the smaller ones span.
    fn refuse_overlap(&self, name: &str) -> Result<()> {
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
            // In range: `check` bounded the reach of every axis and of their sum.
            span += stride * (n - 1);
        }
        Ok(())
    }

    /// Slices `z` (within the volume) as float32.
    ///
    /// # Safety
    /// The volume's memory is readable and not written meanwhile.
    pub(super) unsafe fn read_slices(&self, z: std::ops::Range<usize>) -> Result<Array3<f32>> {
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
    unsafe fn gather<T: Copy>(&self, z: std::ops::Range<usize>, convert: impl Fn(T) -> f32) -> Result<Vec<f32>> {
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
    pub(super) fn slice(&self, z: usize) -> Self {
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
    /// The volume's memory is writable and not used meanwhile; it passed [`Strided::output`] with the shape of `source`
    /// and types of `T`'s size.
    pub(super) unsafe fn write<S: Copy, T: Copy>(&self, source: ArrayView3<'_, S>, convert: impl Fn(S) -> T) {
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
        // SAFETY: `check` proved that every element's address is in range; inside the volume means inside that.
        unsafe { self.data.offset(elements * self.dtype.bytes() as isize) }
    }
}
