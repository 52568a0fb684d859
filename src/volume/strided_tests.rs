//! Volumes in memory of any strides.
use std::ffi::c_void;

use ndarray::Array3;
use proptest::prelude::*;

use super::*;

/// Whether a volume of bytes may be written to.
fn is_accepted(data: *mut c_void, extents: [u64; 3], strides: [i64; 3]) -> bool {
    Strided::new(data, Dtype::U8, extents, strides, "v")
        .and_then(|volume| volume.refuse_overlap("v"))
        .is_ok()
}

proptest! {
    /// What is accepted for writing has one address per element; contiguous volumes in any axis order are accepted.
    #[test]
    fn overlapping_outputs_are_refused(
        shape in prop::array::uniform3(1_usize..5),
        strides in prop::array::uniform3(-24_i64..24),
        order in Just([0_usize, 1, 2]).prop_shuffle(),
    ) {
        let mut data = vec![0_u8; 512];
        // SAFETY: every offset of the strides above lies within 256 of the middle.
        let middle: *mut c_void = unsafe { data.as_mut_ptr().add(256).cast() };
        let c_shape = shape.map(|n| n as u64);
        let accepted = is_accepted(middle, c_shape, strides);
        let strides = if strides == [0; 3] { [(shape[1] * shape[2]) as i64, shape[2] as i64, 1] } else { strides };
        let mut offsets: Vec<i64> = ndarray::indices(shape)
            .into_iter()
            .map(|(z, y, x)| z as i64 * strides[0] + y as i64 * strides[1] + x as i64 * strides[2])
            .collect();
        offsets.sort_unstable();
        let distinct = offsets.windows(2).all(|pair| pair[0] != pair[1]);
        prop_assert!(!accepted || distinct);

        let mut packed = [0_i64; 3];
        let mut step = 1;
        for axis in order {
            packed[axis] = step;
            step *= shape[axis] as i64;
        }
        prop_assert!(is_accepted(middle, c_shape, packed));
    }

    /// What is written through strides is read back through them, and nothing else is touched.
    #[test]
    fn strided_round_trip(shape in prop::array::uniform3(1_usize..5), pad in 1_i64..4, flip in any::<bool>()) {
        let [nz, ny, nx] = shape.map(|n| n as i64);
        let mut strides = [(nx * pad) * ny, nx * pad, pad];
        let mut first = 0;
        if flip {
            first = (nx - 1) * pad;
            strides[2] = -pad;
        }
        let mut data = vec![-1_i16; (nz * ny * nx * pad) as usize];
        // SAFETY: the first element of a volume whose last row runs backwards lies inside the buffer.
        let place: *mut c_void = unsafe { data.as_mut_ptr().add(first as usize).cast() };
        let source = Array3::from_shape_fn(shape, |(z, y, x)| (z * 100 + y * 10 + x) as f32);
        // SAFETY: the buffer spans the volume and lives.
        let back = unsafe {
            let target = Strided::new(place, Dtype::I16, shape.map(|n| n as u64), strides, "v").unwrap();
            target.refuse_overlap("v").unwrap();
            target.write(source.view(), |value: f32| value as i16);
            target.read_slices(0..shape[0]).unwrap()
        };
        prop_assert_eq!(&back, &source);
        let touched = data.iter().filter(|&&value| value != -1).count();
        prop_assert_eq!(touched, source.len());
    }
}
