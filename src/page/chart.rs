//! Lines over a quantity as SVG.
use std::fmt::Write;

use super::escape;

/// Extents of the plotted area in pixels, and where its corner lies.
const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 26.0;

/// Parts that each axis is divided into.
const PARTS: u32 = 4;

/// A named line through points (x, y).
pub struct Line<'a> {
    /// What it shows.
    pub name: &'a str,
    /// A CSS colour.
    pub colour: &'a str,
    /// Its points, in order of x.
    pub points: &'a [(f64, f64)],
}

/// What the axes of a chart are.
pub struct Chart<'a> {
    /// Over the chart.
    pub title: &'a str,
    /// Under the axis of x.
    pub x: &'a str,
    /// Range of x.
    pub x_range: (f64, f64),
    /// Range of y.
    pub y_range: (f64, f64),
}

impl Chart<'_> {
    /// The chart as one `<svg>` element; points that are not finite are left out, those out of range drawn at its edge.
    pub fn svg(&self, lines: &[Line]) -> String {
        let (right, bottom) = (LEFT + WIDTH, TOP + HEIGHT);
        let (total_width, total_height) = (right + 16.0, bottom + 44.0 + 15.0 * lines.len() as f64);
        let (title, x_label) = (escape(self.title), escape(self.x));
        let mut svg = format!(
            "<svg viewBox=\"0 0 {total_width} {total_height}\" role=\"img\" aria-label=\"{title}\" fill=\"#1a1a1a\">\
             <text x=\"{}\" y=\"14\" text-anchor=\"middle\" font-size=\"12\" font-weight=\"600\">{title}</text>",
            LEFT + WIDTH / 2.0
        );
        for part in 0..=PARTS {
            let share = f64::from(part) / f64::from(PARTS);
            let (x, y) = (LEFT + WIDTH * share, bottom - HEIGHT * share);
            let (x_text, y_text) = (number(at(self.x_range, share)), number(at(self.y_range, share)));
            let _ = write!(
                svg,
                "<path d=\"M{x} {bottom}V{TOP}M{LEFT} {y}H{right}\" stroke=\"#e4e4e4\" stroke-width=\"0.7\"/>\
                 <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" font-size=\"10\">{x_text}</text>\
                 <text x=\"{}\" y=\"{}\" text-anchor=\"end\" font-size=\"10\">{y_text}</text>",
                bottom + 14.0,
                LEFT - 6.0,
                y + 3.5
            );
        }
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" font-size=\"11\">{x_label}</text>\
             <rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"none\" stroke=\"#1a1a1a\" \
             stroke-width=\"0.8\"/>",
            LEFT + WIDTH / 2.0,
            bottom + 30.0
        );
        for (row, line) in lines.iter().enumerate() {
            svg += &self.drawn(line);
            let (y, name, colour) = (
                bottom + 46.0 + 15.0 * row as f64,
                escape(line.name),
                escape(line.colour),
            );
            let _ = write!(
                svg,
                "<path d=\"M{LEFT} {y}h26\" stroke=\"{colour}\" stroke-width=\"1.8\"/>\
                 <text x=\"{}\" y=\"{}\" font-size=\"10.5\">{name}</text>",
                LEFT + 33.0,
                y + 3.5
            );
        }
        svg + "</svg>\n"
    }

    /// A line with a dot at each of its points.
    fn drawn(&self, line: &Line) -> String {
        let share = |(low, high): (f64, f64), v: f64| ((v - low) / (high - low).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
        let (mut path, mut dots) = (String::new(), String::new());
        let colour = escape(line.colour);
        for &(x, y) in line.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite()) {
            let px = LEFT + WIDTH * share(self.x_range, x);
            let py = TOP + HEIGHT * (1.0 - share(self.y_range, y));
            let _ = write!(path, "{}{px:.1} {py:.1}", if path.is_empty() { 'M' } else { 'L' });
            let _ = write!(
                dots,
                "<circle cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"1.8\" fill=\"{colour}\"><title>{} at {}</title></circle>",
                number(y),
                number(x)
            );
        }
        format!("<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"/>{dots}")
    }
}

fn at((low, high): (f64, f64), share: f64) -> f64 {
    low + (high - low) * share
}

/// Three digits, whole numbers as such.
fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e7 {
        format!("{value:.0}")
    } else if value.abs() >= 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_lies_where_its_values_are() {
        let chart = Chart {
            title: "loss <of> it",
            x: "step",
            x_range: (0.0, 100.0),
            y_range: (0.0, 2.0),
        };
        let points = [(0.0, 2.0), (50.0, f64::NAN), (100.0, 1.0), (200.0, -4.0)];
        let svg = chart.svg(&[Line {
            name: "loss",
            colour: "#0072b2",
            points: &points,
        }]);
        // From the top left to the middle of the right edge; what is out of range stays in the frame.
        assert!(svg.contains("d=\"M52.0 26.0L472.0 126.0L472.0 226.0\""), "{svg}");
        assert!(svg.contains("loss &lt;of&gt; it") && !svg.contains("NaN"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 3);
    }
}
