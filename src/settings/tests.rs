//! A family made for these tests: every kind of field once.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Solver {
    /// Direct.
    Krylov,
    /// Trained.
    Adam,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Schedule {
    /// Number of steps.
    #[schemars(range(min = 1, max = 100))]
    steps: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Family {
    /// Whose settings these are.
    preset: String,
    /// The solver.
    solver: Solver,
    /// Voxel edge in nm; null: the file's.
    #[schemars(range(min = 0.01, max = 100.0))]
    voxel_nm: Option<f64>,
    /// Above nothing, up to one.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 1.0))]
    share: f64,
    /// Layers.
    #[schemars(length(max = 2), inner(range(max = 15)))]
    layers: Vec<usize>,
    /// How it goes.
    schedule: Schedule,
    /// An optional group.
    refined: Option<Schedule>,
    /// Anything, as a whole.
    network: serde_json::Value,
}

impl Settings for Family {
    const FAMILY: &'static str = "family";
    const PRESETS: &'static [&'static str] = &["default", "paper"];
    const WHOLE: &'static [&'static str] = &["network"];

    fn of_preset(preset: &str) -> Self {
        Self {
            preset: preset.to_owned(),
            solver: if preset == "paper" {
                Solver::Adam
            } else {
                Solver::Krylov
            },
            voxel_nm: None,
            share: 0.5,
            layers: vec![1],
            schedule: Schedule { steps: 10 },
            refined: None,
            network: serde_json::json!({"kind": "compact"}),
        }
    }

    fn validate_together(&self) -> Result<()> {
        if self.layers.is_empty() && self.solver == Solver::Adam {
            return Err(Error::argument(
                "layers",
                "empty",
                "must name a layer where the solver is adam",
            ));
        }
        Ok(())
    }
}

fn refused(text: &str) -> String {
    resolve_text::<Family>(text).unwrap_err().to_string()
}

#[test]
fn what_is_given_changes_the_preset_and_nothing_else() {
    assert_eq!(resolve_text::<Family>("").unwrap(), Family::of_preset("default"));
    let paper = resolve_text::<Family>(r#"{"preset": "paper", "schedule.steps": 7}"#).unwrap();
    let family = Family {
        schedule: Schedule { steps: 7 },
        ..Family::of_preset("paper")
    };
    assert_eq!(paper, family);
    let text = canonical(&paper).unwrap();
    assert_eq!(resolve_text::<Family>(&text).unwrap(), paper);
    let grouped =
        resolve_text::<Family>(r#"{"schedule": {"steps": 7}, "refined": {"steps": 3}, "voxel_nm": 1}"#).unwrap();
    assert_eq!((grouped.schedule.steps, grouped.refined.unwrap().steps), (7, 3));
    let whole = resolve_text::<Family>(r#"{"network": {"kind": "other", "widths": [1]}}"#).unwrap();
    assert_eq!(whole.network, serde_json::json!({"kind": "other", "widths": [1]}));
}

#[test]
fn each_wrong_setting_is_named_with_its_value_and_what_is_allowed() {
    let cases = [
        (
            r#"{"solvr": "adam"}"#,
            r#"settings.solvr is "adam", but there is no such setting; do you mean solver?"#,
        ),
        (
            r#"{"solver": "eigen"}"#,
            r#"settings.solver is "eigen", must be krylov or adam"#,
        ),
        (r#"{"solver": 3}"#, "settings.solver is 3, must be krylov or adam"),
        (
            r#"{"schedule": {"steps": "many"}}"#,
            r#"settings.schedule.steps is "many", must be a whole number, 0 or more"#,
        ),
        (
            r#"{"schedule.steps": 0}"#,
            "settings.schedule.steps is 0, must be 1..=100",
        ),
        (
            r#"{"refined": {"steps": 101}}"#,
            "settings.refined.steps is 101, must be 1..=100",
        ),
        (r#"{"refined": {"stepps": 1}}"#, "settings.refined"),
        (r#"{"voxel_nm": 0}"#, "settings.voxel_nm is 0, must be 0.01..=100"),
        (r#"{"share": 0}"#, "settings.share is 0, must be above 0, up to 1"),
        (r#"{"layers": [1, 16]}"#, "settings.layers[1] is 16, must be 0..=15"),
        (
            r#"{"layers": [1, 2, 3]}"#,
            "settings.layers is 3 items, must have at most 2 of them",
        ),
        (
            r#"{"preset": "best"}"#,
            r#"settings.preset is "best", must be default or paper"#,
        ),
        (
            r#"{"preset": "paper", "layers": []}"#,
            "settings.layers is empty, must name a layer",
        ),
        (r#"{"solver.kind": "adam", "solver": "adam"}"#, "settings.solver"),
        ("[1]", "settings is [1], must be a JSON object"),
        ("{", "settings is \"{\", must be a JSON object"),
    ];
    for (text, said) in cases {
        let refused = refused(text);
        assert!(refused.starts_with(said), "{text}: {refused}");
    }
}

#[test]
fn numbers_that_json_cannot_say_are_refused() {
    let odd = Family {
        share: f64::NAN,
        ..Family::of_preset("default")
    };
    assert!(odd
        .validate()
        .unwrap_err()
        .to_string()
        .starts_with("share is not finite"));
}

#[test]
fn the_page_has_a_row_for_each_setting() {
    let page = markdown::<Family>("For tests.").unwrap();
    for row in [
        "| `solver` | `krylov` | `krylov`, `adam` | The solver. |",
        "| `voxel_nm` | - | 0.01..=100 | Voxel edge in nm; null: the file's. |",
        "| `schedule.steps` | `10` | 1..=100 | Number of steps. |",
        "| `share` | `0.5` | above 0, up to 1 | Above nothing, up to one. |",
    ] {
        assert!(page.contains(row), "{row} is not in\n{page}");
    }
}
