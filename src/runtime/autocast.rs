//! Mixed precision: operations that gain from it run in bfloat16 while a guard lives.
use std::marker::PhantomData;

use tch::Device;

use super::aten;

/// While it lives, this thread's convolutions and matrix products on its device take bfloat16, whatever their inputs
/// are; sums, losses and norms stay in float32. bfloat16 has the range of float32, so that gradients need no scaling.
///
/// tch's own `autocast` knows float16 only, and a panic leaves it on. Gradients are computed after the guard is gone,
/// in the type of each operation. Dropping puts back what was there before.
pub struct Autocast {
    cuda: bool,
    before: i32,
    /// The switch belongs to this thread.
    _thread: PhantomData<*const ()>,
}

impl Autocast {
    /// Switches mixed precision of `device`'s kind on.
    pub fn begin(device: Device) -> Self {
        let cuda = device.is_cuda();
        Self {
            cuda,
            before: aten::begin_autocast(cuda),
            _thread: PhantomData,
        }
    }
}

impl Drop for Autocast {
    fn drop(&mut self) {
        aten::end_autocast(self.cuda, self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Kind, Tensor};

    fn product() -> Kind {
        let x = Tensor::ones([4, 4], (Kind::Float, Device::Cpu));
        x.f_matmul(&x).unwrap().kind()
    }

    #[test]
    fn products_are_short_while_the_guard_lives() {
        assert_eq!(product(), Kind::Float);
        {
            let _outer = Autocast::begin(Device::Cpu);
            {
                let _inner = Autocast::begin(Device::Cpu);
                assert_eq!(product(), Kind::BFloat16);
            }
            assert_eq!(product(), Kind::BFloat16);
            assert_eq!(
                std::thread::spawn(product).join().unwrap(),
                Kind::Float,
                "another thread"
            );
        }
        assert_eq!(product(), Kind::Float);
        let thrown = std::panic::catch_unwind(|| {
            let _guard = Autocast::begin(Device::Cpu);
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(thrown.is_err());
        assert_eq!(product(), Kind::Float);
    }

    #[test]
    fn gradients_reach_the_full_weights() {
        let weight = Tensor::ones([3, 3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let product = {
            let _guard = Autocast::begin(Device::Cpu);
            weight.f_matmul(&weight).unwrap()
        };
        product.to_kind(Kind::Float).sum(Kind::Float).backward();
        let gradient = weight.grad();
        assert_eq!((gradient.kind(), gradient.double_value(&[0, 0])), (Kind::Float, 6.0));
    }
}
