//! The tables, as Markdown.
use std::fmt::Write;

use crate::compare::Row;

/// The page docs/measured/sdseg.md.
pub fn page(rows: &[Row], minutes: f64) -> String {
    let mut text = format!(
        "# SDSeg, measured\n\n\
         Written by `cargo xtask evaluate-sdseg`: the small SDSeg (`sdseg-small`) and the project's 2D U-Net, \
         trained on two cores from random weights for {minutes} minutes each, in turns, on the same windows of 128 \
         x 128 with the same variations. Of the pictures, which are resized to the window, every third of the \
         sorted list is scored and never learnt from; of the simulated tomogram slices 30 to 59 are learnt and 80 \
         to 87 scored, by their true labels, blended from overlapping windows. Dice is the mean over pictures (over \
         all voxels of slices), one where mask and answer are both empty. The floor is the mask that is everything, \
         the ceiling what SDSeg's autoencoder gives back of the true masks.\n"
    );
    let _ = write!(text, "\n{}", table(rows));
    text
}

/// The tables of some data sets.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let _ = write!(
            text,
            "\n## {}\n\n{}; floor {:.3}, ceiling {:.3}.\n\n| network | weights | steps | seconds | last loss | \
             Dice |\n| --- | --- | --- | --- | --- | --- |\n",
            row.name, row.about, row.floor, row.ceiling
        );
        for t in &row.trained {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {:.0} | {:.3} | {:.3} |",
                t.name, t.weights, t.steps, t.seconds, t.loss, t.dice
            );
        }
        let first = row.asked.first().map_or(1.0, |a| a.seconds);
        let _ = write!(
            text,
            "\n| the same SDSeg weights | Dice | seconds | ratio |\n| --- | --- | --- | --- |\n"
        );
        for a in &row.asked {
            let _ = writeln!(
                text,
                "| {} | {:.3} | {:.1} | {:.1} |",
                a.name,
                a.dice,
                a.seconds,
                a.seconds / first
            );
        }
        if let Some(s) = row.stability {
            let _ = writeln!(
                text,
                "\nThe first of five initial noises against the others: Dice {:.3}, PSNR {:.1} dB, SSIM {:.3}.",
                s.dice, s.psnr, s.ssim
            );
        }
    }
    text
}
