//! Options of segmenting by cuts as C sees them, and their translation.
use std::ffi::{c_char, c_void};

use super::cancel::tomocut_cancel;
use super::guard::guard_anywhere;
use super::progress::tomocut_progress_fn;
use super::sized::{self, SizedStruct};
use super::slab_options::{
    flag, given, one_of, switch, to_usize, tomocut_switch, tomocut_timestep_rule, TOMOCUT_TIMESTEP_AUTO,
    TOMOCUT_TIMESTEP_FIXED,
};
use super::status::tomocut_status;
use super::strings::optional_text;
use crate::diffusion::LatentMode;
use crate::ncut::{Hierarchy, Method, NcutOptions, PamrOptions, Preset, SegmentCount};
use crate::spectral::cut::{Adjacency, Criterion, MinCut, Sweep};
use crate::{Error, Result};

/// Entries of thresholds, of counts and of pamr_dilations, at most.
const MOST_ENTRIES: usize = 256;

/// Options of segmenting by cuts. Fill with tomocut_ncut_options_init, then change what differs: zero, NULL and
/// TOMOCUT_SWITCH_DEFAULT mean "as the preset has it". All strings and arrays are read during the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tomocut_ncut_options {
    /// sizeof(tomocut_ncut_options) of the caller's header.
    pub struct_size: usize,
    /// "walk_and_cut" (recursive NCut on P P^T, WACV 2026), "random_walk" (on P itself), "power_walk_mincut" (on P^3 P^3T),
    /// "diffseg" (maps merged by divergence, CVPR 2024), "diffcut" (recursive NCut on cosines of features, NeurIPS 2024),
    /// "tokencut" (one object, CVPR 2022), "maskcut" (three objects, CVPR 2023) or "emerdiff_kmeans" (k-means on queries,
    /// the first step of EmerDiff, ICLR 2024); NULL: "walk_and_cut".
    pub preset: *const c_char,
    /// How an image enters the U-Net: "clean", "noised", "inverted" (along the DDIM trajectory) or "matched" (its noise is
    /// the diffusion noise); NULL: matched with a model made for it, such as the built-in one, else the preset's.
    pub latent_mode: *const c_char,
    /// TOMOCUT_TIMESTEP_AUTO (the preset's or, in the matched mode, from the signal-to-noise ratio) or
    /// TOMOCUT_TIMESTEP_FIXED.
    pub timestep_rule: tomocut_timestep_rule,
    /// U-Net passes of DDIM inversion, 1 to 1000; 0: 10.
    pub inversion_steps: u32,
    /// 0 to 999; used by TOMOCUT_TIMESTEP_FIXED.
    pub timestep: i64,
    /// Variance of the signal over variance of the noise, per pixel of the resized image, 1e-4 to 1e4, for the matched mode; 0: estimated.
    pub snr: f64,
    /// Seed of added noise and of k-means; 0 stands for 42.
    pub seed: u64,
    /// Value of black in an image; where both are 0: 0 and 255 for bytes, else the outer half percents of the pixels.
    pub black: f64,
    /// Value of white in an image.
    pub white: f64,
    /// 1: structures are brighter than their surroundings, grey levels are turned round; 0: darker. For tomograms.
    pub bright: i32,
    /// 1: images are resized to a square, as the papers do; 0: they keep their aspect.
    pub square: i32,
    /// The image is resized so that its finest attention grid has the tokens of a square of this side, 8 to 256; 0: the
    /// preset's (64, which is 512 pixels in Stable Diffusion; 128 for diffcut, tokencut and maskcut).
    pub working_tokens: u32,
    /// Levels of the U-Net whose attention is aggregated: bit 0 the finest (64x64 at 512 pixels in Stable Diffusion), bit 1
    /// the next, ...; 0: the preset's.
    pub levels: u32,
    /// Attention of all layers, not only of the middle and the decoder, TOMOCUT_SWITCH_*.
    pub all_layers: tomocut_switch,
    /// Layer of the features, in order of execution, counted from 1; 0: the preset's.
    pub layer: u32,
    /// "walk", "dot" or "cosine": how the power of the walk becomes edge weights; NULL: the preset's.
    pub adjacency: *const c_char,
    /// Power of the walk, 1 to 64; 0: the preset's.
    pub walk_power: u32,
    /// How many segments, up to 4096: the best cuts first. 0: by the stopping rule; but 8 where a model of matched noise, whose attention
    /// the papers' rules do not fit, is cut without a criterion or threshold given.
    pub segments: u32,
    /// Stopping rule: "fixed" (NCut below threshold), "manc_ncut" or "manc_mincut" (MAN-C against NCut or the scaled
    /// minimum cut), "manc_min_degree"; NULL: the preset's.
    pub criterion: *const c_char,
    /// For the rule "fixed", on NCut, up to 2; with diffseg, on the divergence in nats; 0: the preset's.
    pub threshold: f64,
    /// Thresholds tried along an eigenvector: "all", "linspace" (sweep_steps of them), "mean" or "zero"; NULL: the preset's.
    pub sweep: *const c_char,
    /// For "linspace"; 0: 100.
    pub sweep_steps: u32,
    /// Smaller segments are not cut; 0: 2.
    pub min_nodes: u32,
    /// Most segments of a rule; 0: 256.
    pub max_segments: u32,
    /// Most cuts one below the other; 0: no limit.
    pub max_depth: u32,
    /// Residual to which eigenvectors are computed, 1e-6 to 1; 0: 1e-5.
    pub tolerance: f64,
    /// Iterations for one eigenvector; 0: 1000.
    pub max_iterations: u32,
    /// Leading eigenvectors of the graph to keep, up to 64.
    pub eigenvectors: u32,
    /// Exponent of the cosines for diffcut, 0.1 to 100; 0: 10.
    pub exponent: f64,
    /// Cosine that makes an edge for tokencut and maskcut, -1 to 1; 0: 0.2.
    pub tau: f64,
    /// Objects for maskcut, up to 64; 0: 3.
    pub masks: u32,
    /// Anchors along each axis for diffseg, up to 64; 0: 16.
    pub anchors: u32,
    /// Rounds of merging for diffseg, up to 64; 0: 3.
    pub rounds: u32,
    /// k-means after the merging of diffseg, TOMOCUT_SWITCH_*.
    pub refine: tomocut_switch,
    /// Labels follow the image's edges by pixel-adaptive refinement, TOMOCUT_SWITCH_*.
    pub pamr: tomocut_switch,
    /// Side of the square of whose area the refinement's working image is, 8 to 4096; 0: 128.
    pub pamr_side: u32,
    /// Its rounds, up to 1000; 0: 10.
    pub pamr_iterations: u32,
    /// Zero.
    pub reserved: u32,
    /// Distances of the neighbours it looks at, each 1 to 256; NULL: 1, 2, 4, 8.
    pub pamr_dilations: *const u32,
    /// Number of entries in pamr_dilations.
    pub n_pamr_dilations: usize,
    /// Further segmentations of the same run, one per threshold (as `threshold`); NULL: none.
    pub thresholds: *const f64,
    /// Number of entries in thresholds, up to 256.
    pub n_thresholds: usize,
    /// Further segmentations of the same run, one per number of segments; NULL: none. Not beside thresholds.
    pub counts: *const u32,
    /// Number of entries in counts, up to 256.
    pub n_counts: usize,
    /// Segments of neighbouring slices may be one only where their intersection over union is at least this, up to 1;
    /// 0: 0.1.
    pub min_overlap: f64,
    /// Stops the call; may be NULL. Must live until the call returns.
    pub cancel: *const tomocut_cancel,
    /// Reports on the call; may be NULL.
    pub progress: tomocut_progress_fn,
    /// Handed to progress.
    pub progress_user_data: *mut c_void,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only, no padding; zero is the default of every field.
unsafe impl SizedStruct for tomocut_ncut_options {
    const NAME: &'static str = "tomocut_ncut_options";
}

/// Sets all options to their defaults.
///
/// @param options The struct to fill.
/// @param size    sizeof(tomocut_ncut_options), as the caller's header has it.
/// @return TOMOCUT_OK; TOMOCUT_E_INVALID_ARGUMENT where options is NULL or size is no size of this struct.
///
/// Threads: any.
#[no_mangle]
pub unsafe extern "C" fn tomocut_ncut_options_init(options: *mut tomocut_ncut_options, size: usize) -> tomocut_status {
    // SAFETY: as documented for C.
    guard_anywhere(|| unsafe { sized::init(options, size) })
}

/// The settings that C asks for. Ranges are checked where they are used; what only C can get wrong, here.
///
/// # Safety
/// `options` is as documented for C.
pub(super) unsafe fn translate_ncut(options: &tomocut_ncut_options) -> Result<NcutOptions> {
    // SAFETY: passed on, here and below: strings and arrays are as documented for C.
    let name = |pointer: *const c_char, name: &str| unsafe { optional_text(pointer, name) };
    let preset = Preset::from_name(name(options.preset, "preset")?.unwrap_or(""))?;
    let mut settings = NcutOptions::new(preset);
    if options.reserved != 0 {
        return Err(Error::argument("reserved", options.reserved, "must be 0"));
    }
    if let Some(mode) = name(options.latent_mode, "latent_mode")? {
        let modes = [
            ("clean", LatentMode::Clean),
            ("noised", LatentMode::Noised),
            ("inverted", LatentMode::Inverted),
            ("matched", LatentMode::Matched),
        ];
        settings.latent_mode = Some(one_of("latent_mode", mode, &modes)?);
    }
    settings.timestep = match options.timestep_rule {
        TOMOCUT_TIMESTEP_AUTO => None,
        TOMOCUT_TIMESTEP_FIXED => Some(options.timestep),
        other => {
            let allowed = "must be TOMOCUT_TIMESTEP_AUTO or TOMOCUT_TIMESTEP_FIXED";
            return Err(Error::argument("timestep_rule", other, allowed));
        }
    };
    settings.snr = given(options.snr);
    if options.seed != 0 {
        settings.seed = options.seed;
    }
    settings.bright = flag("bright", options.bright)?;
    settings.square = flag("square", options.square)?;
    settings.all_layers = switch("all_layers", options.all_layers, settings.all_layers)?;
    if options.levels != 0 {
        settings.levels = (0..32).filter(|bit| options.levels >> bit & 1 == 1).collect();
    }
    settings.layer = (options.layer as usize).checked_sub(1);
    settings.min_overlap = given(options.min_overlap).unwrap_or(settings.min_overlap);
    settings.eigenvectors = options.eigenvectors as usize;
    for (target, value) in [
        (&mut settings.tokens, options.working_tokens),
        (&mut settings.cut.min_nodes, options.min_nodes),
        (&mut settings.cut.max_segments, options.max_segments),
        (&mut settings.cut.max_depth, options.max_depth),
        (&mut settings.cut.max_iterations, options.max_iterations),
    ] {
        if value != 0 {
            *target = value as usize;
        }
    }
    if options.inversion_steps != 0 {
        settings.inversion_steps = options.inversion_steps.into();
    }
    settings.cut.tolerance = given(options.tolerance).unwrap_or(settings.cut.tolerance);
    if let Some(sweep) = name(options.sweep, "sweep")? {
        let steps = if options.sweep_steps == 0 {
            100
        } else {
            options.sweep_steps as usize
        };
        let sweeps = [
            ("all", Sweep::All),
            ("linspace", Sweep::Linspace(steps)),
            ("mean", Sweep::Mean),
            ("zero", Sweep::Zero),
        ];
        settings.cut.sweep = one_of("sweep", sweep, &sweeps)?;
    }
    stopping(options, name(options.criterion, "criterion")?, &mut settings)?;
    method(options, name(options.adjacency, "adjacency")?, &mut settings.method)?;
    // SAFETY: as above.
    unsafe {
        settings.pamr = pamr(options)?;
        settings.hierarchy = hierarchy(options)?;
    }
    Ok(settings)
}

/// Criterion, threshold and number of segments.
fn stopping(options: &tomocut_ncut_options, criterion: Option<&str>, settings: &mut NcutOptions) -> Result<()> {
    let threshold = given(options.threshold);
    if let Method::Merge(merge) = &mut settings.method {
        if criterion.is_some() {
            let text = format!("criterion of {}: it merges by threshold", settings.preset.name());
            return Err(Error::Unsupported(text));
        }
        merge.threshold = threshold.unwrap_or(merge.threshold);
    } else {
        let preset = match settings.cut.criterion {
            Criterion::Fixed(threshold) => threshold,
            // The best fixed threshold of the walk-and-cut paper.
            _ => 0.4,
        };
        let fixed = Criterion::Fixed(threshold.unwrap_or(preset));
        let rules = [
            ("fixed", fixed),
            ("manc_ncut", Criterion::MancNcut),
            ("manc_mincut", Criterion::MancMinCut(MinCut::Bipartition)),
            ("manc_min_degree", Criterion::MancMinCut(MinCut::MinDegree)),
        ];
        match criterion {
            Some(rule) => settings.cut.criterion = one_of("criterion", rule, &rules)?,
            None if threshold.is_some() => settings.cut.criterion = fixed,
            None => {}
        }
    }
    settings.segments = match options.segments {
        0 if criterion.is_some() || threshold.is_some() => SegmentCount::Rule,
        0 => SegmentCount::Auto,
        count => SegmentCount::Exactly(count as usize),
    };
    Ok(())
}

/// What belongs to one method; settings of another are not looked at.
fn method(options: &tomocut_ncut_options, adjacency: Option<&str>, method: &mut Method) -> Result<()> {
    let count = |target: &mut usize, value: u32| {
        if value != 0 {
            *target = value as usize;
        }
    };
    match method {
        Method::Walk { power, adjacency: form } => {
            if options.walk_power != 0 {
                *power = options.walk_power;
            }
            if let Some(name) = adjacency {
                let forms = [
                    ("walk", Adjacency::Walk),
                    ("dot", Adjacency::Dot),
                    ("cosine", Adjacency::Cosine),
                ];
                *form = one_of("adjacency", name, &forms)?;
            }
        }
        Method::Merge(merge) => {
            count(&mut merge.anchors, options.anchors);
            count(&mut merge.rounds, options.rounds);
            merge.refine = switch("refine", options.refine, merge.refine)?;
        }
        Method::FeatureCut { exponent } => *exponent = given(options.exponent).unwrap_or(*exponent),
        Method::TokenCut { tau } => *tau = given(options.tau).unwrap_or(*tau),
        Method::MaskCut { tau, masks } => {
            *tau = given(options.tau).unwrap_or(*tau);
            count(masks, options.masks);
        }
        Method::KMeans { .. } => {}
    }
    Ok(())
}

/// # Safety
/// `options.pamr_dilations` is NULL or has as many entries as it says.
unsafe fn pamr(options: &tomocut_ncut_options) -> Result<Option<PamrOptions>> {
    if !switch("pamr", options.pamr, false)? {
        return Ok(None);
    }
    let mut settings = PamrOptions::default();
    if options.pamr_side != 0 {
        settings.side = options.pamr_side as usize;
    }
    if options.pamr_iterations != 0 {
        settings.iterations = options.pamr_iterations as usize;
    }
    // SAFETY: passed on.
    let dilations = unsafe { list(options.pamr_dilations, options.n_pamr_dilations, "pamr_dilations") }?;
    if !dilations.is_empty() {
        settings.dilations = dilations.into_iter().map(i64::from).collect();
    }
    Ok(Some(settings))
}

/// # Safety
/// `options.thresholds` and `options.counts` are NULL or have as many entries as they say.
unsafe fn hierarchy(options: &tomocut_ncut_options) -> Result<Hierarchy> {
    // SAFETY: passed on.
    let (thresholds, counts) = unsafe {
        (
            list(options.thresholds, options.n_thresholds, "thresholds")?,
            list(options.counts, options.n_counts, "counts")?,
        )
    };
    match (thresholds.is_empty(), counts.is_empty()) {
        (true, true) => Ok(Hierarchy::None),
        (false, true) => Ok(Hierarchy::Thresholds(thresholds)),
        (true, false) => {
            let counts = counts.into_iter().map(|count| to_usize("counts", count.into()));
            Ok(Hierarchy::Counts(counts.collect::<Result<_>>()?))
        }
        (false, false) => Err(Error::argument(
            "counts",
            "given beside thresholds",
            "must be the only list",
        )),
    }
}

/// # Safety
/// `array` is NULL or has `length` entries.
unsafe fn list<T: Copy>(array: *const T, length: usize, name: &str) -> Result<Vec<T>> {
    match (array.is_null(), length) {
        (true, 0) => Ok(Vec::new()),
        (true, n) => Err(Error::argument(
            name,
            "NULL",
            &format!("must be given where its length is {n}"),
        )),
        (false, n @ 1..=MOST_ENTRIES) if array.is_aligned() => {
            // SAFETY: not NULL, aligned, and as long as the caller says.
            Ok(unsafe { std::slice::from_raw_parts(array, n) }.to_vec())
        }
        (false, 1..=MOST_ENTRIES) => Err(Error::argument(name, format!("{array:p}"), "must be aligned")),
        (false, n) => Err(Error::argument(
            &format!("length of {name}"),
            n,
            &format!("must be 1..={MOST_ENTRIES}"),
        )),
    }
}
