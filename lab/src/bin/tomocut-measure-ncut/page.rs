//! The page: what was done, and one table for each data set.
use std::fmt::Write;

use crate::Measured;

const HEAD: &str = "\
# NCut: every preset on images with truth

Made by `cargo xtask evaluate-ncut`: each preset with its own settings and the built-in model, nothing changed
between the data sets. Segments have no names, so they are matched to the classes of the truth, image by image: *one
to one* gives each class at most one segment, such that the most pixels agree (Hungarian matching; a segment too many
is wrong everywhere); *merged* gives each segment the class it has most pixels of, an upper bound that needs the
truth and that more segments never lower. Figures are means over images; in parentheses those of the *floor*, k-means
of grey level or colour and place on as many pixels as there are tokens, with as many clusters as the preset made
segments. It needs no model. One segment and a grid of cells say what is worth nothing. Seconds are per image, on two
cores of a server, the estimate of the signal-to-noise ratio included.

How to read them: **the built-in model was trained on simulated tomograms only**, sees grey levels (the floor sees
colour), and looks at 128 x 128 pixels. Natural pictures and stained tissue are far from what it knows; these tables
say nothing about the papers' methods with the weights that they were made for, Stable Diffusion's, which are not
shipped and were not measured here. The images are few. With a thin foreground accuracy says little: one segment
reaches 0.88 on the tomograms.

";

const FOOT: &str = "
## What is to be seen

![Images, truth, and the segments of every preset](ncut_sheet.png)

From left to right: image, truth (of the first person), then `walk_and_cut`, `random_walk`, `power_walk_mincut`,
`diffseg`, `diffcut`, `tokencut`, `maskcut`, `emerdiff_kmeans`; colours number the segments and mean nothing across
panels.

- On tomograms cuts of the walk find membranes and particles, without ever having been told what either is: merged,
  `walk_and_cut` stands clearly above k-means of the same number of segments, at low signal too. On stained tissue
  they tell membranes from the rest, with more segments than there are classes.
- On natural pictures they follow local texture and brightness rather than objects, and k-means of colour and place
  does better.
- `diffcut`, `tokencut`, `maskcut` and `emerdiff_kmeans` read one layer of the deepest levels, as their papers do in
  other networks. In the built-in model that layer holds little of what is seen: blotches that ignore the image, or,
  for `tokencut`, a patch around the one token that is like no other. They are here for models with richer features
  (`--model`), and for features of the host's own.
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
