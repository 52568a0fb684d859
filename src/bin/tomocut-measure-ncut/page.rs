//! The page: what was done, and one table for each data set.
use std::fmt::Write;

use crate::Measured;

const HEAD: &str = "\
# NCut: every preset on images with truth

Made by `cargo xtask evaluate-ncut`: each preset with its own settings and the built-in model, nothing changed between the
data sets. Segments have no names, so they are matched to the classes of the truth, image by image: *one to one* gives each
class at most one segment, such that the most pixels agree (Hungarian matching; a segment too many is wrong everywhere);
*merged* gives each segment the class it has most pixels of, an upper bound that needs the truth and that more segments
never lower. Figures are means over images; in parentheses those of the *floor*, k-means of grey level or colour and place on
as many pixels as there are tokens, with as many clusters as the preset made segments. It needs no model. One segment and
a grid of cells say what no method may fall below. Seconds are per image, two cores of a busy server, the estimate of the
signal-to-noise ratio included.

";

const FOOT: &str = "
## What is to be seen

![Images, truth, and the segments of every preset](ncut_sheet.png)

From left to right: image, truth (of the first person), then `walk_and_cut`, `random_walk`, `power_walk_mincut`, `diffseg`,
`diffcut`, `tokencut`, `maskcut`, `emerdiff_kmeans`; colours number the segments and mean nothing across panels.
";

/// The tables.
pub fn tables(sets: &[Measured]) -> String {
    let mut text = String::new();
    for set in sets {
        let _ = write!(text, "## {}\n\n{} images. {}\n\n", set.name, set.images, set.note);
        text.push_str("| | segments | accuracy, one to one | F1 | mIoU | accuracy, merged | F1 | mIoU | seconds |\n");
        text.push_str("| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
        for (name, row) in &set.rows {
            let floor = row.floor();
            let cell = |k: usize| match floor {
                Some(floor) => format!("{:.3} ({:.3})", row.own()[k], floor[k]),
                None => format!("{:.3}", row.own()[k]),
            };
            let cells: Vec<String> = (0..6).map(cell).collect();
            let (title, seconds) = match floor {
                Some(_) => (format!("`{name}`"), format!("{:.1}", row.seconds())),
                None => (name.clone(), "-".to_owned()),
            };
            let _ = writeln!(
                text,
                "| {title} | {:.1} | {} | {seconds} |",
                row.segments(),
                cells.join(" | ")
            );
        }
        text.push('\n');
    }
    text
}

/// The whole page.
pub fn page(tables: &str) -> String {
    format!("{HEAD}{}\n{}", tables.trim_end(), FOOT)
}
