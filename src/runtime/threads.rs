//! What a call changes in the host's libtorch is put back when it ends.
use super::aten;

/// Remembers the host's thread count and accelerator device; restores both when dropped.
pub struct HostState {
    threads: i32,
    device: i32,
}

impl HostState {
    /// Takes the host's settings and, for `n_threads` > 0, sets the thread count of this thread's calls.
    pub fn enter(n_threads: usize) -> Self {
        let state = Self {
            threads: tch::get_num_threads(),
            device: aten::accelerator_device(),
        };
        if n_threads > 0 {
            tch::set_num_threads(i32::try_from(n_threads).unwrap_or(i32::MAX));
        }
        state
    }
}

impl Drop for HostState {
    fn drop(&mut self) {
        if tch::get_num_threads() != self.threads {
            tch::set_num_threads(self.threads);
        }
        if self.device >= 0 && aten::accelerator_device() != self.device {
            aten::set_accelerator_device(self.device);
        }
    }
}
