//! The page: one table for each data set, with a row for its goals, its trivial floor and every model.
use serde_json::Value;

use super::data_sets::{DataSet, Source};

/// The models' reports on one data set.
pub type Rows = Vec<(String, Value)>;

const HEAD: &str = "# Quality

Made by `cargo xtask evaluate`, with no setting changed between the data sets. The *floor* is what works without
learning on the same slices: for voxels the best of three Gaussian blurs, thresholded at the true foreground
fraction; for molecules the Laplacian-of-Gaussian peaks, as many as there are truths; for single slices a line
filter. It knows the truth's fraction, number or best width, which no user knows; a model's own figures are at the
threshold and with the picks that it chose from the data. A *goal* is what the project set itself. Recall of the best
N takes the N best-scored picks; precision, recall and F1 are one to one. The calibration error has no floor: a
constant score can have none. Random weights are those of an untrained network of the built-in model's shape,
whose membranes are averaged with those of the built-in segmentation network as the built-in model's are.
";

/// A column: its heading, and where the reports of `tomocut evaluate` hold the value and the floor's.
struct Column {
    heading: String,
    value: String,
    floor: Option<String>,
}

impl Column {
    fn new(heading: &str, value: &str, floor: &str) -> Self {
        Self {
            heading: heading.to_owned(),
            value: value.to_owned(),
            floor: (!floor.is_empty()).then(|| floor.to_owned()),
        }
    }

    /// A figure with `value` and `floor`.
    fn figure(heading: &str, path: &str) -> Self {
        Self::new(heading, &format!("{path}/value"), &format!("{path}/floor"))
    }
}

fn columns(set: &DataSet) -> Vec<Column> {
    let Source::Tomogram(source) = &set.source else {
        return vec![
            Column::figure("mean AUC", "/mean_auc"),
            Column::new("calibration error", "/calibration/error", ""),
        ];
    };
    let mut columns = vec![
        Column::figure("foreground Dice", "/voxels/foreground_dice"),
        Column::figure("membrane Dice", "/voxels/membrane_dice"),
        Column::figure("AUC of the score", "/voxels/score_auc"),
        Column::new("calibration error", "/voxels/score_calibration/error", ""),
        Column::figure("AUC of the membrane score", "/voxels/membrane_score_auc"),
        Column::figure("AUC of the molecule score", "/voxels/molecule_score_auc"),
    ];
    if source.at_picks.is_empty() {
        columns.extend([
            Column::new("molecule F1", "/points/prediction/f1", "/points/floor_at_truths/f1"),
            Column::new(
                "F1 by box overlap",
                "/points/by_box/prediction/f1",
                "/points/by_box/floor_at_truths/f1",
            ),
            Column::new("molecule recall", "/points/prediction/recall", ""),
        ]);
    }
    columns.extend([
        Column::figure("average precision", "/points/average_precision"),
        Column::new(
            "recall with as many picks as truths",
            "/points/prediction_at_truths/recall",
            "/points/floor_at_truths/recall",
        ),
    ]);
    columns.extend(source.at_picks.iter().enumerate().map(|(n, picks)| {
        let at = format!("/points/at_picks/{n}");
        Column::new(
            &format!("recall of the best {picks}"),
            &format!("{at}/prediction/recall"),
            &format!("{at}/floor/recall"),
        )
    }));
    columns
}

/// The whole page. No dates, times or paths: the same results give the same bytes.
pub fn page(results: &[(&DataSet, Rows)]) -> String {
    let mut text = String::from(HEAD);
    for (set, rows) in results {
        text += &format!("\n## {}\n\n{}\n\n{}", set.name, set.note, table(set, rows, set.goals));
    }
    text
}

/// The number at `path` of a report.
pub(super) fn number(report: &Value, path: &str) -> Option<f64> {
    report.pointer(path).and_then(Value::as_f64)
}

/// Only the columns in which any model has a value, under `goals`.
pub(super) fn table(set: &DataSet, rows: &Rows, goals: &[(&str, f64)]) -> String {
    let mut columns = columns(set);
    columns.retain(|column| rows.iter().any(|(_, report)| number(report, &column.value).is_some()));
    let line = |name: &str, cells: Vec<Option<f64>>, sign: &str| {
        let cell = |value: Option<f64>| value.map_or("-".into(), |v| format!("{sign}{v:.3}"));
        let cells: Vec<String> = cells.into_iter().map(cell).collect();
        format!("| {name} | {} |\n", cells.join(" | "))
    };
    let headings: Vec<&str> = columns.iter().map(|column| column.heading.as_str()).collect();
    let mut text = format!(
        "| | {} |\n| --- |{}\n",
        headings.join(" | "),
        " --- |".repeat(columns.len())
    );
    let goal = |column: &Column| {
        goals
            .iter()
            .find(|(heading, _)| *heading == column.heading)
            .map(|(_, v)| *v)
    };
    if columns.iter().any(|column| goal(column).is_some()) {
        text += &line("goal", columns.iter().map(goal).collect(), "> ");
    }
    // The floor is the same beside every model.
    let floor = |column: &Column| {
        rows.iter()
            .find_map(|(_, report)| number(report, column.floor.as_ref()?))
    };
    text += &line("floor", columns.iter().map(floor).collect(), "");
    for (name, report) in rows {
        text += &line(
            name,
            columns.iter().map(|column| number(report, &column.value)).collect(),
            "",
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::data_sets::DATA_SETS;
    use super::*;

    fn set(name: &str) -> &'static DataSet {
        DATA_SETS.iter().find(|set| set.name.contains(name)).unwrap()
    }

    #[test]
    fn a_table_has_goals_floor_and_models() {
        let at =
            |recall: f64, floor: f64| serde_json::json!({"prediction": {"recall": recall}, "floor": {"recall": floor}});
        let points = |average: f64, first: f64, second: f64| {
            let average = serde_json::json!({"value": average, "floor": null});
            let at_picks = [at(first, 0.3), at(second, 0.7)];
            serde_json::json!({"points": {"average_precision": average, "at_picks": at_picks}})
        };
        let rows = vec![
            ("built-in model".to_owned(), points(0.61249, 0.4, 0.8)),
            ("random weights".to_owned(), points(0.1, 0.0, 0.05)),
        ];
        let expected = "\
| | average precision | recall of the best 55 | recall of the best 165 |
| --- | --- | --- | --- |
| goal | - | > 0.550 | > 0.900 |
| floor | - | 0.300 | 0.700 |
| built-in model | 0.612 | 0.400 | 0.800 |
| random weights | 0.100 | 0.000 | 0.050 |
";
        assert_eq!(table(set("tomogram 9"), &rows, set("tomogram 9").goals), expected);
    }

    #[test]
    fn pictures_have_their_own_columns() {
        let report = serde_json::json!({"mean_auc": {"value": 0.75, "floor": 0.718}, "calibration": null});
        let rows = vec![("built-in model".to_owned(), report)];
        let text = page(&[(set("48 slices"), rows)]);
        let table: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(
            table,
            [
                "| | mean AUC |",
                "| --- | --- |",
                "| goal | > 0.850 |",
                "| floor | 0.718 |",
                "| built-in model | 0.750 |"
            ]
        );
    }

    /// A goal under a heading that no column has would never show.
    #[test]
    fn every_goal_has_its_column() {
        for set in &DATA_SETS {
            let headings: Vec<String> = columns(set).into_iter().map(|column| column.heading).collect();
            for (heading, _) in set.goals {
                assert!(headings.iter().any(|h| h == heading), "{}: {heading}", set.name);
            }
        }
    }
}
