//! What a call changes in the host's libtorch is put back when it ends.
use std::cell::Cell;
use std::sync::{Mutex, PoisonError};

use super::aten;

/// Calls in progress, and the host's thread count as the first of them found it.
static CALLS: Mutex<Calls> = Mutex::new(Calls { running: 0, threads: 0 });

struct Calls {
    running: usize,
    threads: i32,
}

thread_local! {
    /// Whether a call has been made from this thread before.
    static KNOWN: Cell<bool> = const { Cell::new(false) };
}

/// Remembers the host's thread count and accelerator device; restores both when dropped.
///
/// libtorch keeps one thread count per thread and one for threads that it has not met. Setting the former also sets the
/// latter, so a thread that is new while another call runs would take that call's number for the host's.
pub struct HostState {
    threads: i32,
    device: i32,
}

impl HostState {
    /// Takes the host's settings and, for `n_threads` > 0, sets the thread count of this thread's calls.
    pub fn enter(n_threads: usize) -> Self {
        let mut calls = CALLS.lock().unwrap_or_else(PoisonError::into_inner);
        let current = tch::get_num_threads();
        let known = KNOWN.try_with(|known| known.replace(true)).unwrap_or(true);
        if calls.running == 0 {
            calls.threads = current;
        }
        let threads = if known { current } else { calls.threads };
        calls.running += 1;
        let target = match n_threads {
            0 => threads,
            n => i32::try_from(n).unwrap_or(i32::MAX),
        };
        if target != current {
            tch::set_num_threads(target);
        }
        Self {
            threads,
            device: aten::accelerator_device(),
        }
    }
}

impl Drop for HostState {
    fn drop(&mut self) {
        let mut calls = CALLS.lock().unwrap_or_else(PoisonError::into_inner);
        calls.running = calls.running.saturating_sub(1);
        if tch::get_num_threads() != self.threads {
            tch::set_num_threads(self.threads);
        }
        if self.device >= 0 && aten::accelerator_device() != self.device {
            aten::set_accelerator_device(self.device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_new_thread(work: impl FnOnce() -> i32 + Send + 'static) -> i32 {
        std::thread::spawn(work).join().unwrap()
    }

    #[test]
    fn calls_at_once_leave_each_other_and_the_host_alone() {
        let host = tch::get_num_threads();
        let other = if host == 1 { 2 } else { 1 };
        let first = HostState::enter(other as usize);
        assert_eq!(tch::get_num_threads(), other);
        let second = on_new_thread(|| {
            let _call = HostState::enter(0);
            tch::get_num_threads()
        });
        assert_eq!(
            second, host,
            "a thread that is new during a call keeps the host's count"
        );
        drop(first);
        assert_eq!(tch::get_num_threads(), host);
        assert_eq!(on_new_thread(tch::get_num_threads), host, "threads of later calls");
    }
}
