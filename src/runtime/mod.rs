//! Ground floor: errors, cancel, progress, log, devices, threads, memory, random numbers, whole files and what is
//! loaded in the process.

pub mod cancel;
pub mod device;
pub mod error;
pub mod generator;
pub mod job;
pub mod log;
pub mod memory;
pub mod report;
pub mod threads;
mod workers;

mod aten;
mod atomic;
mod autocast;
mod python_json;
mod reuse;

pub use atomic::{file_target, folder_target, place_file, place_folder, write_atomically, write_whole};
pub use autocast::Autocast;
pub use cancel::CancelToken;
pub use device::open_device;
pub use error::{Error, Result};
pub use generator::Generator;
pub use job::{Job, Progress, Stage};
pub use log::{Level, Logger};
pub use python_json::without_python_words;
pub use report::runtime_report;
pub use reuse::MemoryReuse;
pub use threads::HostState;
pub use workers::{in_order, worker_count};
