//! Trainings as papers describe them, as far as this project's pieces allow. What differs stands at each.
use serde_json::{Map, Value};

use super::{
    CurveOptions, LossName, MaskLevel, OptimiserName, PointLabels, Preset, ScheduleName, SegmenterOptions,
    ValidationSplit,
};
use crate::runtime::Result;
use crate::settings::Settings;
use crate::train::{AdamWOptions, AugmentDraw, AugmentOptions, Beyond, Interpolation, TiltAxis};

/// Largest norm of a gradient where a paper clips none.
const UNCLIPPED: f64 = 1e6;

/// Loss of a step, relative to the usual one, from which on it moves nothing: at the last timesteps of a diffusion
/// losses differ by tens of times, so that only what is far beyond that is a defect.
const SPIKE: f64 = 100.0;

impl Settings for SegmenterOptions {
    const FAMILY: &'static str = "train";

    const PRESETS: &'static [&'static str] = &[
        "default",
        "adapt",
        "slab-paper",
        "membrain-seg",
        "deepetpicker",
        "deepict",
        "sdseg",
        "sdseg-small",
    ];

    const WHOLE: &'static [&'static str] = &["network"];

    /// Weights that are trained already are adapted; a network's name stands for the preset of that name.
    fn preset_of(given: &Map<String, Value>) -> &'static str {
        let member = |name: &str| given.get(name).filter(|value| !value.is_null());
        match (member("start"), member("network"), member("scratch")) {
            (_, Some(Value::String(name)), _) if name == "sdseg" => "sdseg",
            (_, Some(Value::String(name)), _) if name == "sdseg-small" => "sdseg-small",
            (Some(_), ..) => "adapt",
            (None, None, None | Some(Value::Bool(false))) => "adapt",
            _ => "default",
        }
    }

    /// All of the papers' score a fifth of every volume, split off by region, and keep the best weights, not an average
    /// of the last (`ema_decay` 0); where a paper counts epochs the numbers are those of its data, here they are steps.
    fn of_preset(name: &str) -> Self {
        let preset = Preset::named(name).unwrap_or_default();
        let settings = match preset {
            Preset::Default => Self::default(),
            Preset::Adapt => Self::adapting(),
            Preset::SlabPaper => slab_paper(),
            Preset::MembrainSeg => membrain_seg(),
            Preset::Deepetpicker => deepetpicker(),
            Preset::Deepict => deepict(),
            Preset::Sdseg => sdseg(),
            Preset::SdsegSmall => sdseg_small(),
        };
        Self { preset, ..settings }
    }

    /// Steps that are given stand in the place of the preset's epochs.
    fn base(preset: &str, given: &Map<String, Value>) -> Result<Self> {
        let settings = Self::of_preset(preset);
        Ok(match given.contains_key("steps") {
            true => Self {
                epochs: None,
                ..settings
            },
            false => settings,
        })
    }

    fn validate_together(&self) -> Result<()> {
        if let Some(level) = &self.mask_level {
            level.parse::<MaskLevel>()?;
        }
        self.check_together()
    }
}

impl SegmenterOptions {
    /// The default for a network that is trained already: 300 steps at half the rate, minutes on a CPU. Measured with
    /// the built-in network on slabs of 20 slices, docs/measured/networks.md.
    pub fn adapting() -> Self {
        Self {
            preset: Preset::Adapt,
            steps: 300,
            adamw: AdamWOptions {
                rate: 5e-4,
                ..AdamWOptions::default()
            },
            ..Self::default()
        }
    }
}

/// What most of the papers have in common.
fn of_a_paper(validation_every: u64) -> SegmenterOptions {
    SegmenterOptions {
        clip: UNCLIPPED,
        ema_decay: 0.0,
        validation_share: 0.2,
        validation_every,
        ..SegmenterOptions::default()
    }
}

fn adamw(rate: f64, weight_decay: f64, beta2: f64) -> AdamWOptions {
    AdamWOptions {
        rate,
        weight_decay,
        beta2,
        ..AdamWOptions::default()
    }
}

/// The membrane network of the slab paper: 2D U-Net, whole slices at 1024 x 1024, SGD 0.01 with momentum 0.9, a tenth
/// every 10,000 of 30,000 steps, batches of 8 slices, half Dice and half cross-entropy, four fifths of the shuffled
/// slices learnt from, quarter turns with a mirror or else a turn of up to 20 degrees.
///
/// Differs: slices of a batch are drawn at random, where the code goes through one shuffled list; turns are by any
/// angle, not whole degrees, and what they bring in from outside does not count.
fn slab_paper() -> SegmenterOptions {
    SegmenterOptions {
        slice_side: Some([1024, 1024]),
        steps: 30_000,
        batch: 8,
        foreground: 0.0,
        augmentation: AugmentOptions {
            draw: AugmentDraw::MirrorElseTurn,
            tilt_axis: TiltAxis::Any,
            mirror: 0.5,
            turn: 0.5,
            tilt_degrees: 0.0,
            plane_degrees: 20.0,
            scale: 0.0,
            grey: 0.0,
            interpolation: Interpolation::Nearest,
            beyond: Beyond::Zero,
            ..AugmentOptions::default()
        },
        loss: LossName::SlabPaper,
        optimiser: OptimiserName::Sgd,
        adamw: AdamWOptions::default(),
        schedule: ScheduleName::Step,
        curve: CurveOptions {
            step_every: Some(10_000),
            ..CurveOptions::default()
        },
        validation_split: ValidationSplit::Slices,
        ..of_a_paper(200)
    }
}

/// MemBrain-seg: DynUNet with two deep heads, SGD 0.01 with Nesterov momentum 0.99, (1 - e / 1000)^0.9, batches of 2
/// windows of 160^3, Dice plus cross-entropy with deep supervision, mixed precision.
///
/// Differs: 1000 epochs of 50 steps; of its augmentations turns, scales, mirrors, noise, contrast and brightness are
/// here, and its blurs, blanked cuboids and local changes are not; turns are about the tilt axis and z alone; no
/// Fourier-amplitude matching.
fn membrain_seg() -> SegmenterOptions {
    SegmenterOptions {
        steps: 50_000,
        batch: 2,
        foreground: 0.0,
        augmentation: AugmentOptions {
            tilt_axis: TiltAxis::Any,
            mirror: 0.5,
            turn: 0.75,
            tilt_degrees: 30.0,
            plane_degrees: 30.0,
            scale: 0.36,
            grey: 0.4,
            noise: 0.7,
            ..AugmentOptions::default()
        },
        loss: LossName::Membrain,
        optimiser: OptimiserName::Nesterov,
        adamw: AdamWOptions::default(),
        schedule: ScheduleName::Poly,
        curve: CurveOptions {
            poly_every: 50,
            ..CurveOptions::default()
        },
        mixed_precision: true,
        ..of_a_paper(500)
    }
}

/// DeepETPicker: residual U-Net with coordinates, labels of 11 voxels drawn about points, AdamW 0.001 (betas 0.9 and
/// 0.99, decay 0.01), one cycle over 60 epochs, batches of 8 windows of 72^3 about the points, moved by up to 14
/// voxels, Dice over the batch. Half of the windows are deformed, turned and scaled, each by a chance of a tenth, the
/// others mirrored.
///
/// Differs: the momentum is not cycled; images are interpolated linearly, not by cubic splines; what a turn brings in
/// from outside and what lies outside of the slab do not count; the best weights are those of the best Dice.
fn deepetpicker() -> SegmenterOptions {
    SegmenterOptions {
        point_labels: Some(PointLabels::default()),
        epochs: Some(60),
        batch: 8,
        foreground: 1.0,
        window_shift: Some(14),
        augmentation: AugmentOptions {
            draw: AugmentDraw::TurnElseMirror,
            tilt_axis: TiltAxis::Y,
            mirror: 0.5,
            turn: 0.5,
            part: 0.1,
            elastic: 0.05,
            tilt_degrees: 15.0,
            across_degrees: 15.0,
            plane_degrees: 15.0,
            scale: 0.05,
            grey: 0.0,
            beyond: Beyond::Zero,
            ..AugmentOptions::default()
        },
        loss: LossName::Picker,
        adamw: adamw(1e-3, 0.01, 0.99),
        schedule: ScheduleName::OneCycle,
        ..of_a_paper(100)
    }
}

/// DeePiCt's 3D network: Adam, a tenth of the rate at a plateau (patience 10), batches of 5 windows of 64^3, Dice with
/// squares, no augmentation.
///
/// Differs: the network, in whose place stands this project's compact one (both are small 3D U-Nets); rate 0.001,
/// Adam's usual; scores take the loss's place in finding a plateau; windows are drawn at random, two thirds about
/// labels, not from a grid of boxes with labels.
fn deepict() -> SegmenterOptions {
    SegmenterOptions {
        steps: 5000,
        batch: 5,
        augmentation: AugmentOptions::none(),
        loss: LossName::Deepict,
        adamw: adamw(1e-3, 0.0, 0.999),
        schedule: ScheduleName::Plateau,
        ..of_a_paper(100)
    }
}

/// SDSeg: latent diffusion of masks, AdamW 1e-5 after 10,000 steps of warm-up, batches of 4 windows of 256, mirrors in
/// y and x, L1 of noise and latent, moving average 0.9999 of the U-Net.
///
/// Differs: a fifth of the data is scored with; mixed precision is bfloat16's.
fn sdseg() -> SegmenterOptions {
    SegmenterOptions {
        steps: 100_000,
        batch: 4,
        foreground: 0.0,
        augmentation: AugmentOptions {
            mirror: 0.5,
            ..AugmentOptions::none()
        },
        adamw: adamw(1e-5, 0.01, 0.999),
        warm_up: 10_000,
        cool_down: 0.0,
        ema_decay: 0.9999,
        spike: SPIKE,
        mixed_precision: true,
        ..of_a_paper(1000)
    }
}

/// SDSeg at a size that two cores train, from random weights but for the mask autoencoder; measured in
/// docs/measured/sdseg.md.
fn sdseg_small() -> SegmenterOptions {
    SegmenterOptions {
        steps: 2000,
        augmentation: AugmentOptions {
            tilt_axis: TiltAxis::Any,
            mirror: 0.5,
            turn: 0.3,
            tilt_degrees: 0.0,
            plane_degrees: 15.0,
            scale: 0.2,
            grey: 0.5,
            contrast: 0.2,
            brightness: 0.1,
            noise: 0.1,
            ..AugmentOptions::default()
        },
        adamw: adamw(1e-3, 0.01, 0.999),
        warm_up: 100,
        cool_down: 0.5,
        clip: 1.0,
        ema_decay: 0.99,
        validation_share: 0.0,
        validation_every: 200,
        mixed_precision: false,
        ..sdseg()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::SegmentationModel;
    use crate::runtime::Generator;
    use crate::segmenter::Plan;
    use crate::settings::{resolve_text, schema};
    use tch::Device;

    #[test]
    fn every_preset_is_within_all_ranges() {
        for name in SegmenterOptions::PRESETS {
            let options = SegmenterOptions::of_preset(name);
            assert_eq!(Preset::named(name), Some(options.preset));
            options.validate().unwrap_or_else(|error| panic!("{name}: {error}"));
            // The papers hold out; the small SDSeg is this project's.
            let holds_out = options.preset.is_of_a_paper() && *name != "sdseg-small";
            assert_eq!(options.validation_share > 0.0, holds_out, "{name}");
            // The DynUNet's 20 million weights and SDSeg's 413 are for other tests.
            if !["membrain-seg", "sdseg"].contains(name) {
                let mut gen = Generator::new(1, 0);
                let model = SegmentationModel::random(options.description(), &mut gen, Device::Cpu).unwrap();
                let plan = Plan::new(&options, options.description());
                plan.suited_to(model.network()).unwrap();
            }
        }
        assert!(resolve_text::<SegmenterOptions>("{\"preset\": \"other\"}").is_err());
        assert!(schema::<SegmenterOptions>().to_value()["properties"]["curve"].is_object());
    }

    #[test]
    fn the_preset_follows_from_what_the_training_begins_with() {
        let preset = |text: &str| resolve_text::<SegmenterOptions>(text).unwrap().preset;
        assert_eq!(preset("{}"), Preset::Adapt);
        assert_eq!(preset("{\"start\": \"a.safetensors\"}"), Preset::Adapt);
        assert_eq!(preset("{\"scratch\": true}"), Preset::Default);
        assert_eq!(preset("{\"network\": {\"network\": \"sdseg\"}}"), Preset::Default);
        assert_eq!(preset("{\"network\": \"sdseg\"}"), Preset::Sdseg);
        assert_eq!(preset("{\"preset\": \"default\"}"), Preset::Default);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let refused = |text: &str| resolve_text::<SegmenterOptions>(text).unwrap_err().to_string();
        for (text, words) in [
            ("{\"curve.step_every\": 0}", "curve.step_every is 0"),
            ("{\"curve.plateau_factor\": 1}", "curve.plateau_factor is 1"),
            ("{\"curve.one_cycle_warm_up\": 1}", "curve.one_cycle_warm_up is 1"),
            ("{\"spike\": 1}", "spike is 1, must be 2"),
            ("{\"scratch\": true, \"start\": \"a\"}", "scratch is true"),
            (
                "{\"network\": {\"network\": \"sdseg\"}, \"start\": \"a\"}",
                "network is",
            ),
            ("{\"network\": \"sdseg\", \"preset\": \"default\"}", "network is"),
            ("{\"network\": \"other\"}", "settings.network is \"other\""),
            ("{\"pretrained\": \"builtin\"}", "pretrained is given"),
            ("{\"loss\": \"square\"}", "settings.loss is \"square\""),
        ] {
            let said = refused(text);
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}
