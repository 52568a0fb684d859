//! What every subcommand that computes shares: device, threads, progress, cancel.
use tch::Device;
use tomocut::diffusion::{DiffusionModel, LoadOptions};
use tomocut::runtime::{open_device, CancelToken, HostState, Job, Logger};
use tomocut::volume::Tomogram;

use crate::exit::{Exit, Failure, OrExit};
use crate::interrupt::cancel_at_ctrl_c;
use crate::progress::Display;

#[derive(Debug, clap::Args)]
pub struct EngineArguments {
    /// cpu, cuda (the first GPU) or cuda:N
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    pub device: String,
    /// Threads [default: as many as this process may use]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=1024))]
    pub threads: Option<u64>,
    /// No progress, no text but errors
    #[arg(long)]
    pub quiet: bool,
}

/// A device and threads, with what the user sees and how he stops it.
pub struct Engine {
    pub device: Device,
    pub display: Display,
    pub cancel: CancelToken,
    threads: usize,
    logger: Logger,
}

impl Engine {
    pub fn start(arguments: &EngineArguments) -> Result<Self, Failure> {
        Self::start_with_news(arguments, None)
    }

    /// An engine that also prints what the part `news` of the library says of its work.
    pub fn start_with_news(arguments: &EngineArguments, news: Option<&'static str>) -> Result<Self, Failure> {
        let cancel = cancel_at_ctrl_c();
        let display = Display::new(arguments.quiet);
        Ok(Self {
            device: open_device(&arguments.device).or_exit(Exit::Usage)?,
            logger: display.logger(news),
            display,
            cancel,
            threads: arguments.threads.unwrap_or(0) as usize,
        })
    }

    /// A job whose progress is shown.
    pub fn job(&self) -> Job<'_> {
        self.silent_job().with_progress(|report| {
            self.display.show(report);
            true
        })
    }

    /// A job that Ctrl-C stops but that shows nothing.
    pub fn silent_job(&self) -> Job<'_> {
        Job::new(self.cancel.clone(), self.logger.clone())
    }

    /// Runs work of libtorch with the threads asked for and without gradients; takes the bar away when it ends.
    pub fn compute<T>(&self, work: impl FnOnce() -> tomocut::Result<T>) -> tomocut::Result<T> {
        let _host = HostState::enter(self.threads);
        let _no_grad = tch::no_grad_guard();
        let done = work();
        self.display.end();
        done
    }

    /// Opens a tomogram; `voxel_nm` is the edge of its voxels where the user gives it.
    pub fn tomogram(&self, path: &std::path::Path, voxel_nm: Option<f64>) -> Result<Tomogram, Failure> {
        Tomogram::open_sized(path, voxel_nm, &self.silent_job()).or_exit(Exit::BadInput)
    }

    /// Loads a diffusion model; none: the built-in one.
    pub fn diffusion_model(&self, path: Option<&std::path::Path>) -> Result<DiffusionModel, Failure> {
        let options = LoadOptions {
            device: self.device,
            ..LoadOptions::default()
        };
        let job = self.silent_job();
        self.compute(|| match path {
            Some(path) => DiffusionModel::open(path, &options, &job),
            None => DiffusionModel::builtin(&options),
        })
        .or_exit(Exit::BadInput)
    }
}
