//! The report of a set; the field names are those of the JSON.
use serde::Serialize;
use tomocut::metrics::Bootstrap;

use super::figures::{Figure, FIGURES};
use super::score::Scores;

#[derive(Debug, Serialize)]
pub struct SetReport {
    pub tomograms: Vec<String>,
    pub methods: Vec<String>,
    /// Bootstrap resamples of the tomograms, share of them within an interval, and the seed.
    pub resamples: usize,
    pub confidence: f64,
    pub seed: u64,
    pub figures: Vec<SetFigure>,
    /// What a reader must know to compare methods.
    pub warnings: Vec<String>,
}

/// One figure of every method.
#[derive(Debug, Serialize)]
pub struct SetFigure {
    pub group: &'static str,
    pub name: &'static str,
    /// Empty for shares of 1.
    pub unit: &'static str,
    pub methods: Vec<MethodFigure>,
}

#[derive(Debug, Serialize)]
pub struct MethodFigure {
    /// Of all tomograms; null where the method has none.
    pub overall: Option<f64>,
    /// Ends of the interval; null for fewer than two tomograms.
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// Tomograms that have the figure.
    pub count: usize,
    /// In the order of the report's tomograms.
    pub by_tomogram: Vec<Option<f64>>,
    /// This method's figure less the first one's; null for the first itself.
    pub difference: Option<Difference>,
}

/// A difference of two methods over the tomograms that have the figure of both.
#[derive(Debug, Serialize)]
pub struct Difference {
    pub value: f64,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub count: usize,
}

pub fn of(scores: &[Scores], bootstrap: &Bootstrap) -> SetReport {
    let distinct = |name: fn(&Scores) -> &String| {
        let mut names: Vec<String> = Vec::new();
        for one in scores.iter().map(name) {
            if !names.contains(one) {
                names.push(one.clone());
            }
        }
        names
    };
    let tomograms = distinct(|s| &s.tomogram);
    let methods = distinct(|s| &s.method);
    // Rows of each method in the order of the tomograms.
    let rows: Vec<Vec<Option<&Scores>>> = (methods.iter())
        .map(|method| {
            let row = |name: &String| scores.iter().find(|s| s.method == *method && s.tomogram == *name);
            tomograms.iter().map(row).collect()
        })
        .collect();
    let figures = FIGURES.iter().map(|figure| SetFigure {
        group: figure.group,
        name: figure.name,
        unit: figure.unit,
        methods: (rows.iter().enumerate())
            .map(|(n, own)| MethodFigure {
                difference: rows[..n]
                    .first()
                    .and_then(|first| difference(figure, own, first, bootstrap)),
                ..method_figure(figure, own, bootstrap)
            })
            .collect(),
    });
    let figures: Vec<SetFigure> = figures
        .filter(|figure| figure.methods.iter().any(|method| method.count > 0))
        .collect();
    SetReport {
        warnings: warnings(&figures, &methods, &tomograms),
        figures,
        tomograms,
        methods,
        resamples: bootstrap.resamples,
        confidence: bootstrap.confidence,
        seed: bootstrap.seed,
    }
}

fn method_figure(figure: &Figure, rows: &[Option<&Scores>], bootstrap: &Bootstrap) -> MethodFigure {
    let by_tomogram: Vec<Option<f64>> = rows.iter().map(|row| (figure.value)(&[(*row)?])).collect();
    // Tomograms that have the figure: they are drawn.
    let defined = rows.iter().zip(&by_tomogram).filter(|(_, value)| value.is_some());
    let with_figure: Vec<&Scores> = defined.filter_map(|(row, _)| *row).collect();
    let interval = bootstrap.interval(with_figure.len(), |drawn| {
        let resample: Vec<&Scores> = drawn.iter().map(|&n| with_figure[n]).collect();
        (figure.value)(&resample)
    });
    MethodFigure {
        overall: (figure.value)(&with_figure),
        low: interval.map(|ends| ends[0]),
        high: interval.map(|ends| ends[1]),
        count: with_figure.len(),
        by_tomogram,
        difference: None,
    }
}

/// Both methods are taken on the same tomograms in every resample, so that what makes a tomogram easy or hard cancels.
fn difference(
    figure: &Figure,
    own: &[Option<&Scores>],
    first: &[Option<&Scores>],
    bootstrap: &Bootstrap,
) -> Option<Difference> {
    let has = |scores: &Scores| (figure.value)(&[scores]).is_some();
    let pairs: Vec<(&Scores, &Scores)> = own
        .iter()
        .zip(first)
        .filter_map(|(own, first)| Some(((*own)?, (*first)?)))
        .filter(|(own, first)| has(own) && has(first))
        .collect();
    let of = |drawn: &[usize]| {
        let (own, first): (Vec<&Scores>, Vec<&Scores>) = drawn.iter().map(|&n| pairs[n]).unzip();
        Some((figure.value)(&own)? - (figure.value)(&first)?)
    };
    let all: Vec<usize> = (0..pairs.len()).collect();
    let interval = bootstrap.interval(pairs.len(), of);
    Some(Difference {
        value: of(&all)?,
        low: interval.map(|ends| ends[0]),
        high: interval.map(|ends| ends[1]),
        count: pairs.len(),
    })
}

/// A figure of fewer tomograms than another method's is not comparable as it stands.
fn warnings(figures: &[SetFigure], methods: &[String], tomograms: &[String]) -> Vec<String> {
    let mut warnings = Vec::new();
    for figure in figures {
        for (method, name) in figure.methods.iter().zip(methods) {
            let is_missing = |n: &usize| {
                method.by_tomogram[*n].is_none() && figure.methods.iter().any(|other| other.by_tomogram[*n].is_some())
            };
            let missing: Vec<&str> = (0..tomograms.len())
                .filter(is_missing)
                .map(|n| tomograms[n].as_str())
                .collect();
            if !missing.is_empty() && method.count > 0 {
                let (group, figure) = (figure.group, figure.name);
                let left_out = missing.join(", ");
                warnings.push(format!(
                    "{group}, {figure}: {name} has none for {left_out}; its overall is of the rest"
                ));
            }
        }
    }
    warnings
}
