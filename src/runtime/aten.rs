//! `cxx` bridge to the few ATen calls that tch lacks.

#[cxx::bridge(namespace = "tomocut")]
mod ffi {
    unsafe extern "C++" {
        include!("tomocut/src/runtime/aten.h");

        /// Index of this thread's current accelerator device, -1 where there is none.
        fn accelerator_device() -> i32;
        /// Makes `index` this thread's current accelerator device.
        fn set_accelerator_device(index: i32);
        /// Switches this thread's autocast to bfloat16 on, of CUDA or of the CPU; what was before.
        fn begin_autocast(cuda: bool) -> i32;
        /// Puts back what `begin_autocast` gave.
        fn end_autocast(cuda: bool, before: i32);

        include!("tomocut/src/runtime/reuse.h");

        /// This thread's large tensors take memory that earlier ones gave back, until `end_reuse`. Nests.
        fn begin_reuse();
        /// Gives that memory back, where it ends the outermost.
        fn end_reuse();
    }
}

pub(super) use ffi::{
    accelerator_device, begin_autocast, begin_reuse, end_autocast, end_reuse, set_accelerator_device,
};
