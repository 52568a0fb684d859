//! The slab's options as C sees them, and their translation.
use std::ffi::{c_char, c_void};

use super::cancel::tomocut_cancel;
use super::progress::tomocut_progress_fn;
use super::sized::{self, SizedStruct};
use super::status::tomocut_status;
use super::strings::{optional_text, path};
use crate::diffusion::{LatentDraw, LatentMode};
use crate::slab::binarise::Binarisation;
use crate::slab::{CanvasRule, NoiseSource, Preset, SlabOptions, SolverKind, SplitRule, Tiling, TimestepRule};
use crate::{Error, Result};

/// A setting that a preset decides unless the host does, TOMOCUT_SWITCH_*.
pub type tomocut_switch = i32;

/// As the preset has it.
pub const TOMOCUT_SWITCH_DEFAULT: tomocut_switch = 0;
/// On, whatever the preset says.
pub const TOMOCUT_SWITCH_ON: tomocut_switch = 1;
/// Off, whatever the preset says.
pub const TOMOCUT_SWITCH_OFF: tomocut_switch = 2;

/// How the timestep of a U-Net pass is chosen, TOMOCUT_TIMESTEP_*.
pub type tomocut_timestep_rule = i32;

/// By the model: from the signal-to-noise ratio where the tomogram's noise is the diffusion noise, otherwise drawn from
/// 0 to 68 nm / voxel size, as in the slab paper.
pub const TOMOCUT_TIMESTEP_AUTO: tomocut_timestep_rule = 0;
/// The timestep given.
pub const TOMOCUT_TIMESTEP_FIXED: tomocut_timestep_rule = 1;
/// Drawn from 0 to the timestep given, afresh for every pass.
pub const TOMOCUT_TIMESTEP_UP_TO: tomocut_timestep_rule = 2;

/// Options of segmenting a slab. Fill with tomocut_slab_options_init, set z_first and z_end, then change what differs:
/// zero, NULL and TOMOCUT_SWITCH_DEFAULT mean "as the preset has it". All strings and arrays are read during the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_slab_options {
    /// sizeof(tomocut_slab_options) of the caller's header.
    pub struct_size: usize,
    /// First slice of the slab, counted from 0.
    pub z_first: u64,
    /// Slice after the last one; must be above z_first.
    pub z_end: u64,
    /// "default" (what measures best with the built-in model), "cvpr2026_code" (what the released code of the slab paper
    /// does) or "cvpr2026_paper" (what the paper says); NULL: "default".
    pub preset: *const c_char,
    /// Edge of a voxel in nm, 0.01 to 100, where the tomogram's own is wrong or unknown; 0: the tomogram's own.
    pub voxel_nm: f64,
    /// 1: structures are brighter than their surroundings; 0: darker, as IMOD and AreTomo leave them.
    pub bright: i32,
    /// How timesteps are chosen, TOMOCUT_TIMESTEP_*.
    pub timestep_rule: tomocut_timestep_rule,
    /// 0 to 999; used by TOMOCUT_TIMESTEP_FIXED and TOMOCUT_TIMESTEP_UP_TO.
    pub timestep: i64,
    /// Seed of every random draw; 0 stands for 1.
    pub seed: u64,
    /// How a slice enters the U-Net: "clean", "noised", "inverted" (along the DDIM trajectory) or "matched" (the
    /// tomogram's noise is the diffusion noise); NULL: as the model was trained.
    pub latent_mode: *const c_char,
    /// "mean" or "sample" of the autoencoder's posterior; NULL: the preset's.
    pub latent_draw: *const c_char,
    /// A safetensors file with one float32 tensor "noise" of the latent's shape, used in place of random noise; NULL: no
    /// such file.
    pub noise_file: *const c_char,
    /// 1: no noise is added in the noised mode; 0: noise from the seed, or from noise_file.
    pub no_noise: i32,
    /// U-Net passes whose attention is summed, 1 to 64; 0: the preset's.
    pub noise_draws: u32,
    /// Variance of the signal over variance of the noise, per voxel, 1e-4 to 1e4, for the matched mode; 0: estimated.
    pub snr: f64,
    /// Self-attention layers to use, each 0 to 15 in order of execution; NULL: all.
    pub layers: *const u32,
    /// Number of entries in layers, at most 16.
    pub n_layers: usize,
    /// How slices are cut into what the U-Net sees: "quadrants" (the paper's four), "whole" (one pass) or "overlapping"
    /// (tiles at the slice's own sampling, blended without seams); NULL: the preset's.
    pub tiling: *const c_char,
    /// Share of a tile that overlaps its neighbour, up to 0.75; 0: 0.25; negative: none. For "overlapping" only.
    pub tile_overlap: f64,
    /// Edge of a tile in attention tokens, a multiple of 8, 16 to 256; 0: 64, the paper's.
    pub tile_cells: u32,
    /// Zero.
    pub reserved: u32,
    /// "krylov" (the shared cut as an eigenproblem) or "adam" (the published recipe); NULL: the preset's.
    pub solver: *const c_char,
    /// Eigenvectors of each tile, 2 to 64; 0: the preset's.
    pub n_eigenvectors: u32,
    /// Iterations of the adam solver, 1 to 100000; 0: the preset's.
    pub adam_iterations: u32,
    /// "structures" (what the model says each voxel is, where it was trained to say it), "greedy" (the paper's merge of
    /// eigenvectors), "denoised" (the model's one-step denoised image; no eigenvectors are computed) or "mixed" (half that
    /// image, half its projection on the eigenvectors); NULL: the preset's.
    pub canvas: *const c_char,
    /// "structures" (what the model says each voxel is; molecules are dark balls that it holds to be molecules), "circularity" (slice by slice, the
    /// released code's test), "shape3d" (size in nm and shape of 3D components) or
    /// "cellpose" (slice by slice, the instances of the network in cellpose_weights); NULL: the preset's.
    pub split: *const c_char,
    /// The paper's consistency step across z, TOMOCUT_SWITCH_*.
    pub z_correction: tomocut_switch,
    /// Detections of neighbouring slices become one point, TOMOCUT_SWITCH_*.
    pub link_z: tomocut_switch,
    /// Standard deviation, in nm, of the Gaussian over the scores before the threshold, up to 100; 0: the preset's;
    /// negative: none.
    pub score_smoothing_nm: f64,
    /// How foreground is told from background: "adaptive" (the papers' local threshold), "otsu", "expected_dice" (scores are
    /// likelihoods: the mask of the largest expected overlap) or "hysteresis" (parts
    /// above threshold_low that somewhere exceed threshold_high); NULL: the preset's.
    pub binarisation: *const c_char,
    /// Score, 0 to 1; for "hysteresis" only.
    pub threshold_low: f64,
    /// Score, threshold_low to 1; for "hysteresis" only.
    pub threshold_high: f64,
    /// Smallest diameter of a molecule in nm, 0.1 to 1000; 0: the preset's.
    pub molecule_min_nm: f64,
    /// Largest diameter of a molecule in nm, up to 1000; 0: the preset's.
    pub molecule_max_nm: f64,
    /// Stops the call; may be NULL. Must live until the call returns.
    pub cancel: *const tomocut_cancel,
    /// Reports on the call; may be NULL.
    pub progress: tomocut_progress_fn,
    /// Handed to progress.
    pub progress_user_data: *mut c_void,
    /// A safetensors file with the weights of a CellPose network (cyto, cyto2, cyto3, nuclei or one trained from these) for
    /// the split "cellpose"; NULL: none. CellPose's own files are refused with a message that says how to convert them.
    pub cellpose_weights: *const c_char,
    /// Diameter of the molecules looked for in nm, 0.1 to 1000, where they are of one kind: what CellPose looks for, and the
    /// only size that the split "structures" seeks; 0: sizes about the geometric mean of the molecule diameters accepted.
    pub diameter_nm: f64,
    /// With the split "structures": the best so many molecules; 0: as many as promise the best balance of right and missed.
    pub n_points: u64,
    /// The canvas "structures" is refined by the densities themselves (a guided filter in 3D), TOMOCUT_SWITCH_*.
    pub refine: tomocut_switch,
    /// Zero.
    pub reserved2: u32,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding; zero is the default of every field.
unsafe impl SizedStruct for tomocut_slab_options {
    const NAME: &'static str = "tomocut_slab_options";
}

/// Sets all options to their defaults; z_first and z_end remain to be set.
///
/// @param options The struct to fill.
/// @param size    sizeof(tomocut_slab_options), as the caller's header has it.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where options is NULL or size is no size of this struct.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_slab_options_init(options: *mut tomocut_slab_options, size: usize) -> tomocut_status {
    // SAFETY: as documented for C.
    super::guard::guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// The settings that C asks for. Ranges are checked by [`SlabOptions::validate`]; what only C can get wrong, here.
///
/// # Safety
/// `options` is as documented for C.
pub(super) unsafe fn translate(options: &tomocut_slab_options) -> Result<SlabOptions> {
    // SAFETY: passed on, here and below: strings and arrays are as documented for C.
    let name = |pointer: *const c_char, name: &str| unsafe { optional_text(pointer, name) };
    let preset = Preset::from_name(name(options.preset, "preset")?.unwrap_or(""))?;
    let slices = to_usize("z_first", options.z_first)?..to_usize("z_end", options.z_end)?;
    let mut settings = SlabOptions::new(preset, slices);

    settings.voxel_nm = given(options.voxel_nm);
    settings.bright = flag("bright", options.bright)?;
    settings.snr = given(options.snr);
    if options.seed != 0 {
        settings.seed = options.seed;
    }
    settings.timestep = match options.timestep_rule {
        TOMOCUT_TIMESTEP_AUTO => TimestepRule::Auto,
        TOMOCUT_TIMESTEP_FIXED => TimestepRule::Fixed(options.timestep),
        TOMOCUT_TIMESTEP_UP_TO => TimestepRule::UniformUpTo(options.timestep),
        other => {
            return Err(Error::argument(
                "timestep_rule",
                other,
                "must be TOMOCUT_TIMESTEP_*, 0..=2",
            ))
        }
    };
    if let Some(mode) = name(options.latent_mode, "latent_mode")? {
        let modes = [
            ("clean", LatentMode::Clean),
            ("noised", LatentMode::Noised),
            ("inverted", LatentMode::Inverted),
            ("matched", LatentMode::Matched),
        ];
        settings.latent_mode = Some(one_of("latent_mode", mode, &modes)?);
    }
    if let Some(draw) = name(options.latent_draw, "latent_draw")? {
        let draws = [("mean", LatentDraw::Mean), ("sample", LatentDraw::Sample)];
        settings.latent_draw = one_of("latent_draw", draw, &draws)?;
    }
    settings.noise = match (flag("no_noise", options.no_noise)?, options.noise_file.is_null()) {
        (true, true) => NoiseSource::None,
        (true, false) => return Err(Error::argument("no_noise", 1, "must be 0 where noise_file is given")),
        (false, true) => NoiseSource::Seeded,
        // SAFETY: as above.
        (false, false) => NoiseSource::File(unsafe { path(options.noise_file, "noise_file") }?),
    };
    // SAFETY: as above.
    settings.layers = unsafe { layers(options) }?;
    if let Some(tiling) = name(options.tiling, "tiling")? {
        let overlap = if options.tile_overlap == 0.0 {
            0.25
        } else {
            options.tile_overlap.max(0.0)
        };
        let tilings = [
            ("quadrants", Tiling::Quadrants),
            ("whole", Tiling::Whole),
            ("overlapping", Tiling::Overlapping(overlap)),
        ];
        settings.tiling = one_of("tiling", tiling, &tilings)?;
    }
    if let Some(solver) = name(options.solver, "solver")? {
        let solvers = [("krylov", SolverKind::Krylov), ("adam", SolverKind::Adam)];
        settings.solver = one_of("solver", solver, &solvers)?;
    }
    if let Some(canvas) = name(options.canvas, "canvas")? {
        let rules = [
            ("structures", CanvasRule::Structures),
            ("greedy", CanvasRule::Greedy(Default::default())),
            ("denoised", CanvasRule::Denoised(0.0)),
            ("mixed", CanvasRule::Denoised(0.5)),
        ];
        settings.canvas = one_of("canvas", canvas, &rules)?;
    }
    if let Some(split) = name(options.split, "split")? {
        let rules = [
            ("structures", SplitRule::Structures),
            ("circularity", SplitRule::CircularityPerSlice),
            ("shape3d", SplitRule::Shape3d),
            ("cellpose", SplitRule::CellPose),
        ];
        settings.split = one_of("split", split, &rules)?;
    }
    if let Some(rule) = name(options.binarisation, "binarisation")? {
        let (low, high) = (options.threshold_low as f32, options.threshold_high as f32);
        let rules = [
            ("adaptive", Binarisation::Adaptive),
            ("otsu", Binarisation::Otsu),
            ("expected_dice", Binarisation::ExpectedDice),
            ("hysteresis", Binarisation::Hysteresis { low, high }),
        ];
        settings.binarisation = one_of("binarisation", rule, &rules)?;
        if rule == "hysteresis" && !(0.0 <= low && low <= high && high <= 1.0) {
            return Err(Error::argument(
                "threshold_low and threshold_high",
                format!("{low}, {high}"),
                "must be 0 <= low <= high <= 1",
            ));
        }
    }
    for (name, reserved) in [("reserved", options.reserved), ("reserved2", options.reserved2)] {
        if reserved != 0 {
            return Err(Error::argument(name, reserved, "must be 0"));
        }
    }
    for (target, value) in [
        (&mut settings.tile_cells, options.tile_cells),
        (&mut settings.noise_draws, options.noise_draws),
        (&mut settings.n_eigenvectors, options.n_eigenvectors),
        (&mut settings.adam_iterations, options.adam_iterations),
    ] {
        if value != 0 {
            *target = value as usize;
        }
    }
    settings.z_correction = switch("z_correction", options.z_correction, settings.z_correction)?;
    settings.refine = switch("refine", options.refine, settings.refine)?;
    settings.link_z = switch("link_z", options.link_z, settings.link_z)?;
    if options.score_smoothing_nm != 0.0 {
        settings.score_smoothing_nm = options.score_smoothing_nm.max(0.0);
    }
    settings.molecule_nm = (
        given(options.molecule_min_nm).unwrap_or(settings.molecule_nm.0),
        given(options.molecule_max_nm).unwrap_or(settings.molecule_nm.1),
    );
    if !options.cellpose_weights.is_null() {
        // SAFETY: as above.
        settings.cellpose_weights = Some(unsafe { path(options.cellpose_weights, "cellpose_weights") }?);
    }
    settings.diameter_nm = given(options.diameter_nm);
    if options.n_points != 0 {
        settings.n_points = Some(to_usize("n_points", options.n_points)?);
    }
    Ok(settings)
}

/// # Safety
/// `options.layers` is NULL or has `options.n_layers` entries.
unsafe fn layers(options: &tomocut_slab_options) -> Result<Vec<usize>> {
    match (options.layers.is_null(), options.n_layers) {
        (true, 0) => Ok(Vec::new()),
        (true, n) => Err(Error::argument(
            "layers",
            "NULL",
            &format!("must be given where n_layers is {n}"),
        )),
        (false, n @ 1..=16) if options.layers.is_aligned() => {
            // SAFETY: not NULL, aligned, and as long as the caller says.
            let layers = unsafe { std::slice::from_raw_parts(options.layers, n) };
            Ok(layers.iter().map(|&layer| layer as usize).collect())
        }
        (false, n @ 1..=16) => Err(Error::argument(
            "layers",
            format!("{n} misaligned entries"),
            "must be aligned",
        )),
        (false, n) => Err(Error::argument("n_layers", n, "must be 1..=16 where layers is given")),
    }
}

/// A length or ratio, where the host gave one.
pub(super) fn given(value: f64) -> Option<f64> {
    (value != 0.0).then_some(value)
}

pub(super) fn to_usize(name: &str, value: u64) -> Result<usize> {
    usize::try_from(value).map_err(|_| Error::argument(name, value, "must fit a size_t"))
}

pub(super) fn flag(name: &str, value: i32) -> Result<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Error::argument(name, other, "must be 0 or 1")),
    }
}

pub(super) fn switch(name: &str, value: tomocut_switch, preset: bool) -> Result<bool> {
    match value {
        TOMOCUT_SWITCH_DEFAULT => Ok(preset),
        TOMOCUT_SWITCH_ON => Ok(true),
        TOMOCUT_SWITCH_OFF => Ok(false),
        other => Err(Error::argument(name, other, "must be TOMOCUT_SWITCH_*, 0..=2")),
    }
}

pub(super) fn one_of<T: Clone>(name: &str, value: &str, known: &[(&str, T)]) -> Result<T> {
    known
        .iter()
        .find(|(word, _)| *word == value)
        .map(|(_, meaning)| meaning.clone())
        .ok_or_else(|| {
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            Error::argument(name, format!("\"{value}\""), &format!("must be {}", words.join(", ")))
        })
}
