//! docs/measured/networks.md: what a network gains from a slab that nobody labelled.
use super::data_sets::DataSet;
use super::page::{number, table, Rows};

const HEAD: &str = "# Networks trained on a slab that nobody labelled

Made by `cargo xtask evaluate-training`, with no setting changed between the data sets. Slices 54 to 73 of each
tomogram are segmented by `tomocut slab`; `tomocut train` learns from what was found; `tomocut predict` then runs
over other slices, 24 to 43 (of tomogram 9, whose ribosomes are few, over all of it). All rows are scored there. The
first row is the slab's own way, on those very slices. The *built-in network* was trained on phantoms alone. *Adapted
to true labels* learns from the truth of slices 54 to 73: what a user who draws every voxel of 20 slices would get.
The floor is that of docs/measured/quality.md.
";

/// The whole page. No dates, times or paths.
pub fn page(results: &[(&DataSet, Rows)]) -> String {
    let mut text = String::from(HEAD);
    text += &summary(results);
    for (set, rows) in results {
        text += &format!("\n## {}\n\n{}", set.name, table(set, rows, &[]));
    }
    text
}

/// Foreground Dice, and how much of the supervised network's the adapted one has.
fn summary(results: &[(&DataSet, Rows)]) -> String {
    let dice = |rows: &Rows, part: &str| {
        let row = rows.iter().find(|(name, _)| name.contains(part))?;
        number(&row.1, "/voxels/foreground_dice/value")
    };
    let mut text = String::from(
        "\nForeground Dice; the last column is the adapted network's share of that of the one that saw true labels.\n\n\
         | | slab | built-in | adapted | true labels | share |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for (set, rows) in results {
        let scores = ["slab's way", "built-in", "adapted to the slab", "true labels"].map(|part| dice(rows, part));
        if let [Some(slab), Some(builtin), Some(adapted), Some(truth)] = scores {
            text += &format!(
                "| {} | {slab:.3} | {builtin:.3} | {adapted:.3} | {truth:.3} | {:.0} % |\n",
                set.name,
                100.0 * adapted / truth.max(1e-9)
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::data_sets::DATA_SETS;
    use super::*;

    #[test]
    fn the_summary_has_shares() {
        let report = |value: f64| serde_json::json!({"voxels": {"foreground_dice": {"value": value, "floor": 0.5}}});
        let rows: Rows = [
            ("the slab's way, slice by slice", 0.6),
            ("built-in network", 0.55),
            ("adapted to the slab", 0.63),
            ("from random weights on the slab", 0.5),
            ("adapted to true labels", 0.7),
        ]
        .map(|(name, value)| (name.to_owned(), report(value)))
        .into();
        let text = page(&[(&DATA_SETS[1], rows)]);
        assert!(
            text.contains("| sim_pn_dev1, SNR 0.1 | 0.600 | 0.550 | 0.630 | 0.700 | 90 % |"),
            "{text}"
        );
        assert!(text.contains("| floor | 0.500 |"), "{text}");
    }
}
