//! Memory of a network's pass, kept for its next layer and its next pass.
use std::marker::PhantomData;

use super::aten::{begin_reuse, end_reuse};

/// While it lives, large tensors of this thread on the CPU lie in one range of addresses whose pages stay with the
/// thread, instead of pages that the system has to clear: a pass of a convolution network takes about two thirds of the
/// time. The pages go back with the last guard of the thread, those of tensors that live on when they are freed. Other
/// threads, and small tensors, are served as without it.
pub struct MemoryReuse {
    /// It is its thread's.
    _thread: PhantomData<*const ()>,
}

impl MemoryReuse {
    /// Starts to keep memory.
    pub fn start() -> Self {
        begin_reuse();
        Self { _thread: PhantomData }
    }
}

impl Drop for MemoryReuse {
    fn drop(&mut self) {
        end_reuse();
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    fn filled(value: f64) -> Tensor {
        Tensor::full([1 << 20], value, (Kind::Float, Device::Cpu))
    }

    #[test]
    fn a_freed_tensor_makes_room_for_the_next() {
        let address = |tensor: &Tensor| tensor.data_ptr() as usize;
        let _outer = MemoryReuse::start();
        let (first, second) = (filled(1.0), filled(2.0));
        let (at_first, at_second) = (address(&first), address(&second));
        assert_ne!(at_first, at_second);
        drop(first);
        {
            let _inner = MemoryReuse::start();
            let third = filled(3.0);
            assert_eq!(address(&third), at_first);
            // It lies where the others do not.
            let fourth = filled(4.0);
            assert!(![at_first, at_second].contains(&address(&fourth)));
            drop(fourth);
            assert_eq!(third.sum(Kind::Double).double_value(&[]), 3.0 * f64::from(1 << 20));
        }
        assert_eq!(second.sum(Kind::Double).double_value(&[]), 2.0 * f64::from(1 << 20));
    }

    #[test]
    fn tensors_may_outlive_the_guard_and_their_thread() {
        let tensor = std::thread::spawn(|| {
            let guard = MemoryReuse::start();
            let (kept, dropped) = (filled(5.0), filled(6.0));
            drop(dropped);
            drop(guard);
            kept
        })
        .join()
        .unwrap();
        assert_eq!(tensor.sum(Kind::Double).double_value(&[]), 5.0 * f64::from(1 << 20));
        let _guard = MemoryReuse::start();
        // Freed where memory is kept, but not by this thread's own buffers.
        drop(tensor);
        assert_eq!(filled(7.0).mean(Kind::Double).double_value(&[]), 7.0);
    }
}
