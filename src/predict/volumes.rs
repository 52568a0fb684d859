//! Which volumes a prediction writes, and how their files are called.
use super::options::{Output, PredictOptions, ProbabilityType};
use super::store::Volume;
use crate::networks::SegmentationModel;
use crate::volume::{is_class, BlockType, BACKGROUND};

/// Name of the labels, as an output's.
pub(super) const LABELS: &str = "labels";

/// Numbers of the outputs whose probabilities are written, all but the background where they are asked for; else those
/// `needed`.
pub(super) fn channels(model: &SegmentationModel, options: &PredictOptions, needed: &[&str]) -> Vec<usize> {
    let outputs = model.network().outputs();
    let asked = options.outputs.contains(&Output::Probabilities);
    let written = |index: &usize| match asked {
        true => outputs[*index] != BACKGROUND || needed.contains(&outputs[*index].as_str()),
        false => needed.contains(&outputs[*index].as_str()),
    };
    (0..outputs.len()).filter(written).collect()
}

/// Numbers of the outputs that are a label.
pub(super) fn classes(outputs: &[String]) -> impl Iterator<Item = usize> + '_ {
    (0..outputs.len()).filter(|index| is_class(&outputs[*index]))
}

/// Name of the file of an output's probabilities.
pub(super) fn volume_name(tomogram: &str, output: &str) -> String {
    format!("{tomogram}_{output}.mrc")
}

/// Numbers of the outputs whose deviations are written: all but the background.
pub(super) fn deviating(model: &SegmentationModel) -> Vec<usize> {
    let outputs = model.network().outputs();
    (0..outputs.len())
        .filter(|index| outputs[*index] != BACKGROUND)
        .collect()
}

pub(super) fn volumes(
    model: &SegmentationModel,
    name: &str,
    options: &PredictOptions,
    channels: &[usize],
) -> Vec<Volume> {
    let stored = match options.probability {
        ProbabilityType::Half => BlockType::Half,
        ProbabilityType::Byte => BlockType::Byte,
    };
    let outputs = model.network().outputs();
    let is_kept = |index: usize| options.outputs.contains(&Output::Probabilities) && outputs[index] != BACKGROUND;
    let mut volumes: Vec<Volume> = channels
        .iter()
        .map(|&index| Volume {
            name: volume_name(name, &outputs[index]),
            stored,
            is_kept: is_kept(index),
        })
        .collect();
    if options.outputs.contains(&Output::Deviations) {
        volumes.extend(deviating(model).into_iter().map(|index| Volume {
            name: format!("{name}_{}_std.mrc", outputs[index]),
            stored,
            is_kept: true,
        }));
    }
    if options.outputs.contains(&Output::Labels) {
        volumes.push(Volume {
            name: volume_name(name, LABELS),
            stored: BlockType::Label,
            is_kept: true,
        });
    }
    volumes
}
