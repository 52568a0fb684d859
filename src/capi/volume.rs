//! The caller's volumes.
use std::ffi::c_void;

pub(super) use crate::volume::{Dtype, Strided};
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
        Self::new(volume.data, dtype, volume.shape, volume.strides, name)
    }
}
