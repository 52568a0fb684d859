//! The truth of a network's outputs, from labels and points: at every labelled voxel it sums to one where there is a
//! background.
use ndarray::Array3;
use tch::{Kind, Tensor};

use super::slab_sampling::SlabSampling;
use super::{PointLabels, SlabLabels};
use crate::runtime::{Error, Result};
use crate::tensors::{from_array, to_vec};
use crate::train::{mark_centre, CERTAIN};
use crate::volume::{class_name, is_class, BACKGROUND, CENTRE, FOREGROUND, MOLECULE};

/// What interpolation may take from a share of one, in units of `CERTAIN`.
const ROUNDING: f64 = 1e-3;

/// What the outputs are to say, and where windows are drawn around.
pub(super) struct Truth {
    /// [K, z, y, x] uint8, 0 to `CERTAIN`.
    pub planes: Tensor,
    /// The points that labels are drawn about; else voxels of the network's classes.
    pub places: Vec<[i64; 3]>,
}

impl Truth {
    /// Of `outputs`. A label that no output has the name of is background, where there is one; a molecule's label,
    /// where it is drawn about its point, takes its voxels from the others.
    ///
    /// Errors: an output that neither labels nor points can teach.
    pub fn new(
        outputs: &[String],
        labels: &SlabLabels,
        drawn: Option<&PointLabels>,
        sampling: &SlabSampling,
    ) -> Result<Self> {
        let molecule = class_name(MOLECULE).unwrap_or_default();
        if drawn.is_some() && !outputs.iter().any(|name| name == molecule) {
            let allowed = format!("must be null where the network has no output \"{molecule}\"");
            return Err(Error::argument("point_labels", "given", &allowed));
        }
        let balls = drawn.map(|drawn| balls(drawn, labels, sampling)).transpose()?;
        let mut planes = Vec::with_capacity(outputs.len());
        for name in outputs {
            planes.push(match &balls {
                Some(balls) if name == molecule => balls.shallow_clone(),
                _ if name == BACKGROUND => empty(sampling)?,
                _ => plane(name, labels, balls.as_ref(), sampling)?,
            });
        }
        let planes = with_background(&Tensor::f_stack(&planes, 0)?, outputs)?;
        let places = match drawn {
            Some(_) => points_within(labels, sampling),
            None => voxels_of_classes(&planes, outputs)?,
        };
        Ok(Self { planes, places })
    }
}

/// Numbers of the outputs that are something: the classes, or the centres where there is no class.
fn classes(outputs: &[String]) -> impl Iterator<Item = usize> + '_ {
    let any = outputs.iter().any(|name| is_class(name));
    let counts = move |name: &String| if any { is_class(name) } else { name != BACKGROUND };
    (0..outputs.len()).filter(move |index| counts(&outputs[*index]))
}

/// `truth` [K, z, y, x] uint8 with a background that is one minus the sum of the classes; the same where there is none.
pub(super) fn with_background(truth: &Tensor, outputs: &[String]) -> Result<Tensor> {
    let Some(background) = outputs.iter().position(|name| name == BACKGROUND) else {
        return Ok(truth.shallow_clone());
    };
    let mut rest = truth
        .f_select(0, 0)?
        .f_to_kind(Kind::Int16)?
        .f_full_like(i64::from(CERTAIN))?;
    for index in classes(outputs) {
        rest = rest.f_sub(&truth.f_select(0, index as i64)?.f_to_kind(Kind::Int16)?)?;
    }
    let rest = rest.f_clamp_min(0)?.f_to_kind(Kind::Uint8)?;
    let planes = (0..outputs.len())
        .map(|index| match index == background {
            true => Ok(rest.shallow_clone()),
            false => Ok(truth.f_select(0, index as i64)?),
        })
        .collect::<Result<Vec<Tensor>>>()?;
    Ok(Tensor::f_stack(&planes, 0)?)
}

fn empty(sampling: &SlabSampling) -> Result<Tensor> {
    from_array(Array3::<u8>::zeros(sampling.extents()).view())
}

/// Labels about all points, [z, y, x].
fn balls(drawn: &PointLabels, labels: &SlabLabels, sampling: &SlabSampling) -> Result<Tensor> {
    let mut map = Array3::<u8>::zeros(sampling.extents());
    labels
        .points
        .iter()
        .for_each(|point| drawn.mark(&mut map, sampling.place(point)));
    from_array(map.view())
}

/// Truth of the class, the foreground or the centres `name`, [z, y, x]; zero where `balls` are.
fn plane(name: &str, labels: &SlabLabels, balls: Option<&Tensor>, sampling: &SlabSampling) -> Result<Tensor> {
    let is_label = labels.names.iter().any(|known| known == name);
    if !is_label && name == CENTRE {
        return centres(labels, sampling);
    }
    let (true, Some(map)) = (is_label || name == FOREGROUND, &labels.labels) else {
        let allowed = match &labels.labels {
            Some(_) => format!(
                "must be centre, background, foreground (all labels) or a label: {}",
                labels.names.join(", ")
            ),
            None => "must be centre, background or drawn about points (point_labels): there are points alone".into(),
        };
        return Err(Error::argument("output", name, &allowed));
    };
    // Labels of one name are one class.
    let selects = |label: i8| label > 0 && (!is_label || labels.names[label as usize - 1] == name);
    let share = sampling.labels(map.mapv(|label| f32::from(u8::from(selects(label)))))?;
    // Rounded down, so that the classes of a voxel never sum to more than one.
    let share = share.f_mul_scalar(f64::from(CERTAIN))?.f_add_scalar(ROUNDING)?;
    let share = share.f_floor()?.f_to_kind(Kind::Uint8)?;
    match balls {
        Some(balls) => Ok(share.f_mul(&balls.f_eq(0)?.f_to_kind(Kind::Uint8)?)?),
        None => Ok(share),
    }
}

/// Gaussians about the points, drawn at the network's voxels, [z, y, x].
fn centres(labels: &SlabLabels, sampling: &SlabSampling) -> Result<Tensor> {
    let mut map = Array3::<u8>::zeros(sampling.extents());
    for point in labels.points {
        mark_centre(&mut map, sampling.place(point), point.diameter_nm / sampling.network_nm);
    }
    from_array(map.view())
}

/// Voxels of the points in the labelled slices.
fn points_within(labels: &SlabLabels, sampling: &SlabSampling) -> Vec<[i64; 3]> {
    let extents = sampling.extents();
    let voxel = |at: [f64; 3]| std::array::from_fn(|axis| (at[axis].round() as i64).clamp(0, extents[axis] as i64 - 1));
    let within = labels.points.iter().filter(|point| sampling.is_labelled(point));
    within.map(|point| voxel(sampling.place(point))).collect()
}

/// Voxels at least half as much something as the one that is most.
fn voxels_of_classes(truth: &Tensor, outputs: &[String]) -> Result<Vec<[i64; 3]>> {
    let indices: Vec<i64> = classes(outputs).map(|index| index as i64).collect();
    let classes = truth.f_index_select(0, &Tensor::f_from_slice(&indices)?)?;
    let most = classes.f_amax([0], false)?.f_to_kind(Kind::Float)?;
    let half = 0.5 * most.f_max()?.f_double_value(&[])?;
    let flat: Vec<i64> = to_vec(&most.f_gt(half)?.f_nonzero()?)?;
    Ok(flat.chunks_exact(3).map(|at| [at[0], at[1], at[2]]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::ModelDescription;
    use crate::picks::Pick;
    use crate::segmenter::{PointShape, SlabView};
    use crate::volume::{Geometry, Tomogram, CLASS_NAMES};

    const SHAPE: [usize; 3] = [12, 20, 24];

    /// Membranes, molecules and filaments in slices 3 to 8, with a molecule among them.
    fn truth(outputs: &[&str], edge_nm: f64, drawn: Option<PointLabels>) -> Result<(Truth, Tensor)> {
        let tomogram = Tomogram::from_array(Array3::zeros(SHAPE), Geometry::new(SHAPE, 10.0))?;
        let map = Array3::from_shape_fn((6, SHAPE[1], SHAPE[2]), |(z, y, x)| ((z + y / 3 + x / 4) % 4) as i8);
        let labels = SlabLabels {
            z: 3..9,
            labels: Some(map.view()),
            confidence: None,
            points: &[Pick {
                position: [5.0, 9.0, 10.0],
                diameter_nm: 8.0,
                score: 1.0,
            }],
            names: &CLASS_NAMES.map(str::to_owned),
        };
        let description = ModelDescription {
            voxel_nm: Some(edge_nm),
            ..ModelDescription::default()
        };
        let view = SlabView {
            margin: 2,
            ..SlabView::default()
        };
        let sampling = SlabSampling::new(&tomogram, &labels.z, &description, &view);
        let weight = sampling.weight(&Array3::ones((6, SHAPE[1], SHAPE[2])))?;
        let outputs: Vec<String> = outputs.iter().map(|name| (*name).to_owned()).collect();
        Ok((Truth::new(&outputs, &labels, drawn.as_ref(), &sampling)?, weight))
    }

    #[test]
    fn truths_sum_to_one_at_every_labelled_voxel() {
        let balls = Some(PointLabels {
            shape: PointShape::Ball,
            diameter: 5,
        });
        for outputs in [
            &["background", "membrane"][..],
            &["membrane", "background", "molecule"],
            &["background", "filament", "membrane", "molecule"],
            &["background", "molecule"],
        ] {
            // The network's own voxels, and twice as fine and half as fine ones.
            for edge in [1.0, 0.5, 2.0] {
                for drawn in [None, balls.filter(|_| outputs.contains(&"molecule"))] {
                    let (truth, weight) = truth(outputs, edge, drawn).unwrap();
                    let sum = truth.planes.sum_dim_intlist([0].as_slice(), true, Kind::Float);
                    let off = (sum - f64::from(CERTAIN)).abs() * weight.gt(0.0);
                    // What each share is rounded by takes the background along.
                    assert_eq!(off.max().double_value(&[]), 0.0, "{outputs:?} {edge} {drawn:?}");
                }
            }
        }
    }

    #[test]
    fn what_no_output_names_is_background() {
        let (all, _) = truth(&["background", "membrane", "molecule", "filament"], 1.0, None).unwrap();
        let (two, _) = truth(&["background", "membrane"], 1.0, None).unwrap();
        let count = |plane: &Tensor| plane.eq(i64::from(CERTAIN)).sum(Kind::Int64).int64_value(&[]);
        let share = |truth: &Truth, index: i64| count(&truth.planes.select(0, index));
        assert_eq!(share(&two, 1), share(&all, 1));
        assert_eq!(share(&two, 0), share(&all, 0) + share(&all, 2) + share(&all, 3));
        assert_eq!(two.places.len() as i64, share(&all, 1));
        let text = truth(&["background", "lipid"], 1.0, None).err().unwrap().to_string();
        assert!(text.contains("foreground (all labels)"), "{text}");
        let (any, _) = truth(&["foreground"], 1.0, None).unwrap();
        assert_eq!(share(&any, 0), share(&all, 1) + share(&all, 2) + share(&all, 3));
    }

    #[test]
    fn points_are_labels_of_their_own() {
        let drawn = PointLabels {
            shape: PointShape::Ball,
            diameter: 7,
        };
        let (truth, _) = truth(&["background", "membrane", "molecule"], 1.0, Some(drawn)).unwrap();
        let molecule = truth.planes.select(0, 2);
        assert_eq!(molecule.gt(0).sum(Kind::Int64).int64_value(&[]), 123);
        // Slices 1 to 10 are seen.
        assert_eq!(truth.places, [[4, 9, 10]]);
        assert_eq!(molecule.int64_value(&[4, 9, 10]), i64::from(CERTAIN));
        let refused = super::tests::truth(&["background", "membrane"], 1.0, Some(drawn));
        let text = refused.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(text.starts_with("point_labels is given, must be null"), "{text}");
    }
}
