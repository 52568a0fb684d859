//! Simulated tomograms with exact truth: a specimen is drawn, tilted, imaged and reconstructed, signal and noise apart.
//!
//! The imaging is linear, so the reconstruction of the noise-free projections and the reconstruction of pure noise are
//! computed separately; the tomogram is their sum at the given signal-to-noise ratio, and either is a training target.
//! Nothing here is fitted to any data set: every parameter is drawn widely by [`PhantomOptions::random`].

mod canvas;
mod cell_options;
mod complexes;
mod crowd;
mod crowding;
mod density;
mod filament;
mod imaging;
mod instance;
mod lamella;
mod lamella_options;
mod membrane;
mod molecule;
mod optics;
mod options;
mod organelles;
mod preview;
mod processing;
mod processing_options;
mod rotation;
mod series;
mod simulate;
mod specimen;
mod write;

pub use cell_options::CellOptions;
pub use imaging::{project, reconstruct};
pub use instance::{Instance, InstanceKind, BACKGROUND, FILAMENT, MEMBRANE, MOLECULE};
pub use lamella_options::LamellaOptions;
pub use optics::{contrast_transfer, critical_exposure, wavelength_angstrom};
pub use options::{DensityOptions, PhantomOptions};
pub use processing_options::ProcessingOptions;
pub use series::TiltSeries;
pub use simulate::{simulate, simulate_on, Phantom};
pub use specimen::Specimen;
