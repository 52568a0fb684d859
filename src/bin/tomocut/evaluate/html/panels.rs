//! Pictures side by side: what was looked at, what is true, what was found, where they differ.
use std::fmt::Write;

use ndarray::{Array2, ArrayView2, Axis};
use tomocut::Result;

use super::embed;
use super::text::{escape, key};
use crate::evaluate::images::ShownPicture;
use crate::evaluate::points::Evidence;
use crate::evaluate::slab::SlabScores;

/// Orange and sky blue, as in the engine's own pictures; pink, and lilac for what is none of these.
const MEMBRANE: [u8; 3] = [255, 150, 20];
const MOLECULE: [u8; 3] = [60, 190, 255];
const FILAMENT: [u8; 3] = [255, 105, 180];
const OTHER: [u8; 3] = [190, 170, 255];
/// Green, yellow and magenta: apart in brightness too.
const HIT: [u8; 3] = [20, 185, 130];
const MISSED: [u8; 3] = [255, 225, 40];
const FALSE: [u8; 3] = [235, 45, 140];

const OPACITY: u8 = 140;

/// A panel of `rows` x `cols` voxels: layers of SVG over each other.
struct Panel {
    shape: (usize, usize),
    layers: String,
}

impl Panel {
    /// `image` is a data URI; with a name, other panels can show it again.
    fn image(shape: (usize, usize), uri: &str, name: Option<&str>) -> Self {
        let mut panel = Self {
            shape,
            layers: String::new(),
        };
        panel.add_image(uri, name);
        panel
    }

    /// A panel on the picture that another panel of the page has named.
    fn on(shape: (usize, usize), name: &str) -> Self {
        let layers = format!("<use href=\"#{name}\"/>");
        Self { shape, layers }
    }

    fn add_image(&mut self, uri: &str, name: Option<&str>) {
        let (rows, cols) = self.shape;
        let name = name.map_or_else(String::new, |name| format!(" id=\"{name}\""));
        let _ = write!(
            self.layers,
            "<image{name} width=\"{cols}\" height=\"{rows}\" preserveAspectRatio=\"none\" href=\"{uri}\"/>"
        );
    }

    /// The ball of `diameter` voxels about `position` (z, y, x), where it reaches slice `z`.
    fn circle(&mut self, position: [f64; 3], diameter: f64, z: usize, colour: [u8; 3], dashed: bool) {
        let [pz, y, x] = position;
        let radius = (diameter / 2.0).max(1.0);
        if (pz - z as f64).abs() > radius || !(x.is_finite() && y.is_finite()) {
            return;
        }
        let [r, g, b] = colour;
        let dash = if dashed { " stroke-dasharray=\"4 3\"" } else { "" };
        let _ = write!(
            self.layers,
            "<circle cx=\"{:.2}\" cy=\"{:.2}\" r=\"{radius:.2}\" fill=\"none\" stroke=\"rgb({r},{g},{b})\" \
             stroke-width=\"1.6\" vector-effect=\"non-scaling-stroke\"{dash}/>",
            x + 0.5,
            y + 0.5
        );
    }

    /// A bar of a round length about a fifth of the width.
    fn scale_bar(&mut self, voxel_nm: f64) {
        let (rows, cols) = (self.shape.0 as f64, self.shape.1 as f64);
        let about = 0.2 * cols * voxel_nm;
        if !(about.is_finite() && about > 0.0) {
            return;
        }
        let power = 10f64.powf(about.log10().floor());
        let length = [5.0, 2.0, 1.0].into_iter().find(|n| n * power <= about).unwrap_or(1.0) * power;
        let (width, size) = (length / voxel_nm, 0.045 * cols);
        // The plate is as wide as the longer of bar and text.
        let plate = width.max(0.2 * cols) + 0.03 * cols;
        let (middle, y) = (cols - plate / 2.0 - 0.01 * cols, 0.96 * rows);
        let _ = write!(
            self.layers,
            "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{plate:.2}\" height=\"{:.2}\" fill=\"#000\" fill-opacity=\"0.55\"/>\
             <path d=\"M{:.2} {y:.2}h{width:.2}\" stroke=\"#fff\" stroke-width=\"{:.2}\"/>\
             <text x=\"{middle:.2}\" y=\"{:.2}\" font-size=\"{size:.2}\" text-anchor=\"middle\" fill=\"#fff\" \
             font-weight=\"600\">{length} nm</text>",
            middle - plate / 2.0,
            y - 0.075 * cols,
            0.1 * cols,
            middle - width / 2.0,
            0.012 * cols,
            y - 0.025 * cols
        );
    }

    fn finish(&self, label: &str) -> String {
        let ((rows, cols), label) = (self.shape, escape(label));
        let layers = &self.layers;
        format!("<svg viewBox=\"0 0 {cols} {rows}\" role=\"img\" aria-label=\"{label}\">{layers}</svg>\n")
    }
}

/// Rows of four panels, one row for each of the `slices` (of the tomogram); nothing where there is no volume.
pub fn slab_panels(scores: &SlabScores, slices: &[usize]) -> Result<String> {
    let inputs = &scores.inputs;
    let Some([_, rows, cols]) = inputs.shape() else {
        return Ok(String::new());
    };
    let mut html = grid(&["Tomogram", "Truth", "Prediction", "Disagreement"]);
    for &z in slices {
        let k = z - inputs.slices.start;
        let slice =
            |volume: &Option<ndarray::Array3<f32>>| volume.as_ref().map(|v| v.index_axis(Axis(0), k).to_owned());
        let (labels, truth) = (slice(&inputs.labels), slice(&inputs.truth));
        let name = format!("slice{z}");
        let shape = (rows, cols);
        let grey = match &inputs.tomogram {
            Some(tomogram) => embed::grey(tomogram.slab().index_axis(Axis(0), k))?,
            None => embed::grey(Array2::zeros(shape).view())?,
        };
        let mut tomogram = Panel::image(shape, &grey, Some(&name));
        tomogram.scale_bar(scores.report.voxel_nm.unwrap_or(0.0));
        let mut panels = [0, 1, 2].map(|_| Panel::on(shape, &name));
        let kinds = (
            truth.as_ref().map(|truth| truth_kinds(truth.view(), scores)),
            labels.as_ref().map(|labels| labels.mapv(|v| v.clamp(0.0, 255.0) as u8)),
        );
        for (panel, kinds) in panels.iter_mut().zip([&kinds.0, &kinds.1]) {
            if let Some(kinds) = kinds {
                panel.add_image(
                    &embed::tint(kinds.view(), &[MEMBRANE, MOLECULE, FILAMENT, OTHER], OPACITY)?,
                    None,
                );
            }
        }
        if let (Some(truth), Some(labels)) = (&truth, &labels) {
            let kinds = disagreement(labels.view(), truth.view());
            panels[2].add_image(&embed::tint(kinds.view(), &[HIT, MISSED, FALSE], OPACITY)?, None);
        }
        if let Some(points) = &scores.points {
            draw_points(&mut panels, points, z);
        }
        let _ = writeln!(html, "<div class=\"slice\">slice z = {z}</div>");
        html += &tomogram.finish(&format!("tomogram, slice {z}"));
        for (panel, title) in panels.iter().zip(["truth", "prediction", "disagreement"]) {
            html += &panel.finish(&format!("{title}, slice {z}"));
        }
    }
    Ok(html + "</div>\n")
}

fn grid(heads: &[&str]) -> String {
    let mut html = format!(
        "<div class=\"panels\" style=\"grid-template-columns:repeat({},1fr)\">\n",
        heads.len()
    );
    for head in heads {
        let _ = writeln!(html, "<div class=\"head\">{}</div>", escape(head));
    }
    html
}

/// 1 membrane, 2 molecule, 3 filament, 4 other foreground.
fn truth_kinds(truth: ArrayView2<f32>, scores: &SlabScores) -> Array2<u8> {
    let classes = &scores.classes;
    truth.mapv(|v| match v as i64 {
        label if classes.membrane.contains(&label) => 1,
        label if classes.molecule.contains(&label) => 2,
        label if classes.filament.contains(&label) => 3,
        label if label > 0 => 4,
        _ => 0,
    })
}

/// Foreground: 1 in both, 2 in the truth only, 3 in the prediction only.
fn disagreement(labels: ArrayView2<f32>, truth: ArrayView2<f32>) -> Array2<u8> {
    Array2::from_shape_fn(labels.dim(), |at| match (labels[at] > 0.0, truth[at] > 0.0) {
        (true, true) => 1,
        (false, true) => 2,
        (true, false) => 3,
        (false, false) => 0,
    })
}

/// Circles in the panels of truth, prediction and disagreement.
fn draw_points([truth, prediction, both]: &mut [Panel; 3], points: &Evidence, z: usize) {
    let mut picked = vec![false; points.truths.len()];
    for (pick, hit) in points.picks.iter().zip(&points.matched.truth_of) {
        prediction.circle(pick.position, points.diameter, z, MOLECULE, false);
        let colour = if hit.is_some() { HIT } else { FALSE };
        both.circle(pick.position, points.diameter, z, colour, false);
        if let Some(n) = *hit {
            picked[n] = true;
        }
    }
    for (position, picked) in points.truths.iter().zip(picked) {
        truth.circle(*position, points.diameter, z, MOLECULE, false);
        if !picked {
            both.circle(*position, points.diameter, z, MISSED, true);
        }
    }
}

/// What the colours of [`slab_panels`] mean.
pub fn slab_key(scores: &SlabScores) -> String {
    let (labels, points) = (scores.inputs.labels.is_some(), scores.points.is_some());
    let shows = |volume: &Option<ndarray::Array3<f32>>, labels: &[i64]| {
        let has_any = |volume: &ndarray::Array3<f32>| volume.iter().any(|v| labels.contains(&(*v as i64)));
        volume.as_ref().is_some_and(has_any)
    };
    let mut parts = Vec::new();
    if labels {
        parts.push(key(MEMBRANE, false, "membrane"));
        parts.push(key(MOLECULE, false, "molecule"));
        if shows(&scores.inputs.labels, &[3]) || shows(&scores.inputs.truth, &scores.classes.filament) {
            parts.push(key(FILAMENT, false, "filament"));
        }
        if !scores.classes.unclear.is_empty() {
            parts.push(key(OTHER, false, "other truth"));
        }
    }
    if points {
        parts.push(key(MOLECULE, true, "position"));
    }
    let mut differ = Vec::new();
    if labels && scores.inputs.truth.is_some() {
        differ.push(key(HIT, false, "in both"));
        differ.push(key(MISSED, false, "missed"));
        differ.push(key(FALSE, false, "false"));
    }
    if points {
        differ.push(key(HIT, true, "pick that finds a truth"));
        differ.push(key(MISSED, true, "truth that no pick finds"));
        differ.push(key(FALSE, true, "false pick"));
    }
    format!("{}. Disagreement: {}", parts.join(" "), differ.join(" "))
}

/// Rows of picture, mask and score.
pub fn picture_panels(shown: &[ShownPicture]) -> Result<String> {
    let mut html = grid(&["Picture", "Truth", "Score"]);
    for (n, picture) in shown.iter().enumerate() {
        let shape = picture.mask.dim();
        let name = format!("picture{n}");
        // Without the picture itself the mask lies on the score.
        let base = embed::grey(picture.image.as_ref().unwrap_or(&picture.score).view())?;
        let mut truth = Panel::on(shape, &name);
        let kinds = picture.mask.mapv(u8::from);
        truth.add_image(&embed::tint(kinds.view(), &[MEMBRANE], OPACITY)?, None);
        let score = Panel::image(shape, &embed::grey(picture.score.view())?, None);
        let area = picture.auc.map_or_else(String::new, |auc| format!(", AUC {auc:.3}"));
        let _ = writeln!(html, "<div class=\"slice\">{}{area}</div>", escape(&picture.name));
        html += &Panel::image(shape, &base, Some(&name)).finish(&format!("picture {}", picture.name));
        html += &truth.finish(&format!("truth of {}", picture.name));
        html += &score.finish(&format!("score of {}", picture.name));
    }
    Ok(html + "</div>\n")
}
