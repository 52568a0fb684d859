//! A square plot of two quantities of 0..=1, or of the upper part of that range, as SVG.
use std::fmt::Write;

use super::text::escape;

/// Side of the square, and where its corner lies.
pub const SIDE: f64 = 260.0;
const LEFT: f64 = 44.0;
const TOP: f64 = 24.0;

pub struct Plot {
    svg: String,
    height: f64,
    /// Where both axes start.
    low: f64,
}

/// How a line is drawn.
#[derive(Clone, Copy)]
pub struct Stroke {
    pub colour: &'static str,
    pub width: f64,
    /// Lengths of dash and gap; empty for a solid line.
    pub dash: &'static str,
}

impl Plot {
    /// An empty plot with axes of 0 to 1 and room for a strip or a legend under it.
    pub fn new(title: &str, x_label: &str, y_label: &str) -> Self {
        Self::from(0.0, title, x_label, y_label)
    }

    /// The same with axes of `low` to 1.
    pub fn from(low: f64, title: &str, x_label: &str, y_label: &str) -> Self {
        let mut svg = String::new();
        let (right, bottom) = (LEFT + SIDE, TOP + SIDE);
        let title = escape(title);
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"14\" text-anchor=\"middle\" font-size=\"12\" font-weight=\"600\">{title}</text>",
            LEFT + SIDE / 2.0
        );
        for n in 0..=5 {
            let share = f64::from(n) / 5.0;
            let (x, y, value) = (LEFT + SIDE * share, bottom - SIDE * share, low + (1.0 - low) * share);
            let _ = write!(
                svg,
                "<path d=\"M{x} {bottom}V{TOP}M{LEFT} {y}H{right}\" stroke=\"#e4e4e4\" stroke-width=\"0.7\"/>\
                 <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" font-size=\"10\">{value:.1}</text>\
                 <text x=\"{}\" y=\"{}\" text-anchor=\"end\" font-size=\"10\">{value:.1}</text>",
                bottom + 14.0,
                LEFT - 6.0,
                y + 3.5
            );
        }
        let (x_label, y_label, middle) = (escape(x_label), escape(y_label), TOP + SIDE / 2.0);
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" font-size=\"11\">{x_label}</text>\
             <text transform=\"translate(12 {middle}) rotate(-90)\" text-anchor=\"middle\" \
             font-size=\"11\">{y_label}</text>\
             <rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{SIDE}\" height=\"{SIDE}\" fill=\"none\" \
             stroke=\"#1a1a1a\" stroke-width=\"0.8\"/>",
            LEFT + SIDE / 2.0,
            bottom + 30.0
        );
        Self {
            svg,
            height: bottom + 96.0,
            low,
        }
    }

    /// Place of a pair of values.
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let share = |v: f64| ((v - self.low) / (1.0 - self.low)).clamp(0.0, 1.0);
        (LEFT + SIDE * share(x), TOP + SIDE * (1.0 - share(y)))
    }

    pub fn line(&mut self, points: &[(f64, f64)], stroke: Stroke) {
        let mut path = String::new();
        for (n, &(x, y)) in points.iter().enumerate() {
            let (x, y) = self.at(x, y);
            let _ = write!(path, "{}{x:.1} {y:.1}", if n == 0 { 'M' } else { 'L' });
        }
        let Stroke { colour, width, dash } = stroke;
        let _ = write!(
            self.svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" \
             stroke-dasharray=\"{dash}\"/>"
        );
    }

    /// A bar from 0 up to `value` between two values of x.
    pub fn bar(&mut self, low: f64, high: f64, value: f64, fill: &str) {
        let ((x, y), (right, bottom)) = (self.at(low, value), self.at(high, 0.0));
        let (width, height) = (right - x - 1.0, bottom - y);
        let _ = write!(
            self.svg,
            "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\"/>",
            x + 0.5
        );
    }

    pub fn dot(&mut self, x: f64, y: f64, colour: &str, tooltip: &str) {
        let ((x, y), tooltip) = (self.at(x, y), escape(tooltip));
        let _ = write!(
            self.svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\" fill=\"{colour}\"><title>{tooltip}</title></circle>"
        );
    }

    /// A word beside a point.
    pub fn word(&mut self, x: f64, y: f64, text: &str) {
        let ((x, y), text) = (self.at(x, y), escape(text));
        let _ = write!(
            self.svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"9.5\" paint-order=\"stroke\" stroke=\"#fff\" \
             stroke-width=\"2.5\">{text}</text>",
            x + 4.0,
            y - 4.0
        );
    }

    /// Lines with their names, under the plot, one below the other from `row` 0 on.
    pub fn legend(&mut self, row: usize, name: &str, stroke: Stroke) {
        let (y, name) = (TOP + SIDE + 46.0 + 15.0 * row as f64, escape(name));
        let Stroke { colour, width, dash } = stroke;
        let _ = write!(
            self.svg,
            "<path d=\"M{LEFT} {y}h26\" stroke=\"{colour}\" stroke-width=\"{width}\" stroke-dasharray=\"{dash}\"/>\
             <text x=\"{}\" y=\"{}\" font-size=\"10.5\">{name}</text>",
            LEFT + 33.0,
            y + 3.5
        );
    }

    /// A strip of bars under the plot, `shares` of its height of 34 pixels, with its name at the left.
    pub fn strip(&mut self, name: &str, shares: &[f64]) {
        let (base, width) = (TOP + SIDE + 74.0, SIDE / shares.len().max(1) as f64);
        for (n, share) in shares.iter().enumerate() {
            let height = 34.0 * share.clamp(0.0, 1.0);
            let _ = write!(
                self.svg,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"#9a9a9a\"/>",
                LEFT + n as f64 * width + 0.5,
                base - height,
                width - 1.0
            );
        }
        let name = escape(name);
        let _ = write!(
            self.svg,
            "<path d=\"M{LEFT} {base}h{SIDE}\" stroke=\"#1a1a1a\" stroke-width=\"0.8\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\" font-size=\"10\">{name}</text>",
            LEFT + SIDE / 2.0,
            base + 13.0
        );
    }

    pub fn finish(self, label: &str) -> String {
        let (width, height, label) = (LEFT + SIDE + 16.0, self.height, escape(label));
        let svg = self.svg;
        format!(
            "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\" fill=\"#1a1a1a\">{svg}</svg>\n"
        )
    }
}
