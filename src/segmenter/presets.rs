//! Trainings as papers describe them, as far as this project's pieces allow. What differs stands at each.
use super::{SegmenterOptions, ValidationOptions};
use crate::networks::{
    CompactConfig, DynUnetConfig, InputScale, ModelDescription, NetworkConfig, PickerConfig, SdSegConfig, Unet2dConfig,
};
use crate::train::{AdamWOptions, AugmentOptions, LossOptions, RateCurve, SgdOptions, TiltAxis, TrainingSchedule};

/// Largest norm of a gradient where a paper clips none.
const UNCLIPPED: f64 = 1e6;

impl SegmenterOptions {
    /// Names that [`SegmenterOptions::preset`] knows.
    pub const PRESETS: [&'static str; 8] = [
        "default",
        "adapt",
        "slab-paper",
        "membrain-seg",
        "deepetpicker",
        "deepict",
        "sdseg",
        "sdseg-small",
    ];

    /// The settings of that name; none where it is not one of [`SegmenterOptions::PRESETS`].
    ///
    /// All of the papers' score a fifth of every volume, split off by region, and keep the best weights, not an average of the last
    /// (`ema_decay` 0); where a paper counts epochs the numbers are those of its data, here they are steps.
    pub fn preset(name: &str) -> Option<Self> {
        Some(match name {
            "default" => Self::default(),
            "adapt" => Self::adapting(),
            "slab-paper" => slab_paper(),
            "membrain-seg" => membrain_seg(),
            "deepetpicker" => deepetpicker(),
            "deepict" => deepict(),
            "sdseg" => sdseg(),
            "sdseg-small" => sdseg_small(),
            _ => return None,
        })
    }

    /// The default for a network that is trained already: 300 steps at half the rate, minutes on a CPU. Measured with the built-in
    /// network on slabs of 20 slices, docs/measured/networks.md.
    pub fn adapting() -> Self {
        let default = Self::default();
        Self {
            schedule: TrainingSchedule {
                steps: 300,
                adamw: AdamWOptions {
                    rate: 5e-4,
                    ..default.schedule.adamw
                },
                ..default.schedule
            },
            ..default
        }
    }

    /// Whether the preset `name` is a paper's.
    pub fn is_of_a_paper(name: &str) -> bool {
        !["default", "adapt"].contains(&name)
    }
}

fn scored(every: u64) -> ValidationOptions {
    ValidationOptions {
        share: 0.2,
        every,
        ..ValidationOptions::default()
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

/// The membrane network of the slab paper: 2D U-Net, SGD 0.01 with momentum 0.9, a tenth every 10,000 of 30,000 steps, batches of 8
/// slices, half Dice and half cross-entropy.
///
/// Differs: windows of 512 voxels of a slice, as the paper predicts, in the place of whole slices resized to 1024; turns with linear
/// interpolation, drawn beside mirrors and not in their place; the split is by region, not of shuffled slices.
fn slab_paper() -> SegmenterOptions {
    SegmenterOptions {
        description: ModelDescription {
            network: NetworkConfig::Unet2d(Unet2dConfig::default()),
            input: InputScale::Slice,
            ..ModelDescription::default()
        },
        window: [1, 512, 512],
        batch: 8,
        foreground: 0.0,
        augment: AugmentOptions {
            tilt_axis: TiltAxis::Any,
            mirror: 0.25,
            turn: 0.25,
            tilt_degrees: 0.0,
            plane_degrees: 20.0,
            scale: 0.0,
            grey: 0.0,
            ..AugmentOptions::default()
        },
        loss: LossOptions::slab_paper(),
        schedule: TrainingSchedule {
            steps: 30_000,
            sgd: Some(SgdOptions::default()),
            curve: RateCurve::Step {
                every: 10_000,
                factor: 0.1,
            },
            clip: UNCLIPPED,
            ema_decay: 0.0,
            ..TrainingSchedule::default()
        },
        validation: scored(200),
        ..SegmenterOptions::default()
    }
}

/// MemBrain-seg: DynUNet with two deep heads, SGD 0.01 with Nesterov momentum 0.99, (1 - e / 1000)^0.9, batches of 2 windows of 160^3,
/// Dice plus cross-entropy with deep supervision, mixed precision.
///
/// Differs: 1000 epochs of 50 steps; of its augmentations turns, scales, mirrors, noise, contrast and brightness are here, and its
/// blurs, blanked cuboids and local changes are not; turns are about the tilt axis and z alone; no Fourier-amplitude matching.
fn membrain_seg() -> SegmenterOptions {
    SegmenterOptions {
        description: ModelDescription::new(NetworkConfig::DynUnet(DynUnetConfig::default()), Some(1.0)),
        window: [160; 3],
        batch: 2,
        foreground: 0.0,
        augment: AugmentOptions {
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
        loss: LossOptions::membrain(),
        schedule: TrainingSchedule {
            steps: 50_000,
            sgd: Some(SgdOptions {
                rate: 1e-2,
                weight_decay: 3e-5,
                momentum: 0.99,
                nesterov: true,
            }),
            curve: RateCurve::Poly { power: 0.9, every: 50 },
            clip: UNCLIPPED,
            ema_decay: 0.0,
            ..TrainingSchedule::default()
        },
        validation: scored(500),
        mixed_precision: true,
        ..SegmenterOptions::default()
    }
}

/// DeepETPicker: residual U-Net with coordinates, AdamW 0.001 (betas 0.9 and 0.99, decay 0.01), one cycle, batches of 8 windows of
/// 72^3 about particles, Dice over the batch.
///
/// Differs: labels are what is given, not balls of a fixed diameter about points; the cycle goes by steps, not by epochs, and leaves
/// the momentum alone; windows lie anywhere about a labelled voxel; no elastic deformation.
fn deepetpicker() -> SegmenterOptions {
    SegmenterOptions {
        description: ModelDescription::new(NetworkConfig::Picker(PickerConfig::default()), None),
        window: [72; 3],
        batch: 8,
        foreground: 1.0,
        augment: AugmentOptions {
            tilt_axis: TiltAxis::Y,
            mirror: 0.5,
            turn: 0.05,
            tilt_degrees: 15.0,
            plane_degrees: 15.0,
            scale: 0.05,
            grey: 0.0,
            ..AugmentOptions::default()
        },
        loss: LossOptions::picker(),
        schedule: TrainingSchedule {
            steps: 2000,
            adamw: adamw(1e-3, 0.01, 0.99),
            curve: RateCurve::OneCycle {
                warm_up: 0.1,
                start: 30.0,
                end: 100.0,
            },
            clip: UNCLIPPED,
            ema_decay: 0.0,
            ..TrainingSchedule::default()
        },
        validation: scored(100),
        ..SegmenterOptions::default()
    }
}

/// DeePiCt's 3D network: Adam, a tenth of the rate at a plateau (patience 10), batches of 5 windows of 64^3, Dice with squares, no
/// augmentation.
///
/// Differs: the network, in whose place stands this project's compact one (both are small 3D U-Nets); rate 0.001, Adam's usual; scores
/// take the loss's place in finding a plateau; windows are drawn at random, two thirds about labels, not from a grid of boxes with labels.
fn deepict() -> SegmenterOptions {
    SegmenterOptions {
        description: ModelDescription::new(NetworkConfig::Compact(CompactConfig::default()), None),
        window: [64; 3],
        batch: 5,
        augment: AugmentOptions::none(),
        loss: LossOptions::deepict(),
        schedule: TrainingSchedule {
            steps: 5000,
            adamw: adamw(1e-3, 0.0, 0.999),
            curve: RateCurve::Plateau {
                factor: 0.1,
                patience: 10,
            },
            clip: UNCLIPPED,
            ema_decay: 0.0,
            ..TrainingSchedule::default()
        },
        validation: scored(100),
        ..SegmenterOptions::default()
    }
}

/// Loss of a step, relative to the usual one, from which on it moves nothing: at the last timesteps of a diffusion losses differ by
/// tens of times, so that only what is far beyond that is a defect.
const SPIKE: f64 = 100.0;

/// SDSeg: latent diffusion of masks, AdamW 1e-5 after 10,000 steps of warm-up, batches of 4 windows of 256, mirrors in y and x, L1 of
/// noise and latent, moving average 0.9999 of the U-Net.
///
/// Differs: a fifth of the data is scored with; mixed precision is bfloat16's.
fn sdseg() -> SegmenterOptions {
    SegmenterOptions {
        description: ModelDescription {
            network: NetworkConfig::SdSeg(Box::default()),
            input: InputScale::Picture,
            ..ModelDescription::default()
        },
        window: [1, 256, 256],
        batch: 4,
        foreground: 0.0,
        augment: AugmentOptions {
            mirror: 0.5,
            ..AugmentOptions::none()
        },
        schedule: TrainingSchedule {
            steps: 100_000,
            adamw: adamw(1e-5, 0.01, 0.999),
            warm_up: 10_000,
            cool_down: 0.0,
            clip: UNCLIPPED,
            ema_decay: 0.9999,
            spike: SPIKE,
            ..TrainingSchedule::default()
        },
        validation: scored(1000),
        mixed_precision: true,
        ..SegmenterOptions::default()
    }
}

/// SDSeg at a size that two cores train, from random weights but for the mask autoencoder; measured in docs/measured/sdseg.md.
fn sdseg_small() -> SegmenterOptions {
    let paper = sdseg();
    SegmenterOptions {
        description: ModelDescription {
            network: NetworkConfig::SdSeg(Box::new(SdSegConfig::small())),
            ..paper.description
        },
        augment: AugmentOptions {
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
        },
        schedule: TrainingSchedule {
            steps: 2000,
            adamw: adamw(1e-3, 0.01, 0.999),
            warm_up: 100,
            cool_down: 0.5,
            clip: 1.0,
            ema_decay: 0.99,
            ..paper.schedule
        },
        validation: ValidationOptions::default(),
        mixed_precision: false,
        ..paper
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::SegmentationModel;
    use crate::runtime::Generator;
    use tch::Device;

    #[test]
    fn every_preset_is_within_all_ranges() {
        for name in SegmenterOptions::PRESETS {
            let options = SegmenterOptions::preset(name).unwrap();
            options.validate().unwrap_or_else(|error| panic!("{name}: {error}"));
            // The papers hold out; the small SDSeg is this project's.
            let holds_out = SegmenterOptions::is_of_a_paper(name) && name != "sdseg-small";
            assert_eq!(options.validation.share > 0.0, holds_out, "{name}");
            // The DynUNet's 20 million weights and SDSeg's 413 are for other tests.
            if !["membrain-seg", "sdseg"].contains(&name) {
                let mut gen = Generator::new(1, 0);
                let model = SegmentationModel::random(options.description.clone(), &mut gen, Device::Cpu).unwrap();
                options.validate_window(model.network()).unwrap();
            }
            let text = serde_json::to_string(&options).unwrap();
            assert_eq!(
                serde_json::from_str::<SegmenterOptions>(&text).unwrap(),
                options,
                "{name}"
            );
        }
        assert!(SegmenterOptions::preset("other").is_none());
    }
}
