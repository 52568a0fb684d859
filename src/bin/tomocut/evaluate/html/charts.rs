//! The charts: reliability, precision and recall, picture by picture.
use tomocut::metrics::PickRanking;

use super::plot::{Plot, Stroke};
use crate::evaluate::points::Rankings;
use crate::evaluate::report::{PictureReport, Points, Reliability};

const BLUE: &str = "#0072b2";
const ORANGE: &str = "#d55e00";
const GREY: &str = "#777";

const PLAIN: Stroke = Stroke {
    colour: BLUE,
    width: 1.8,
    dash: "",
};
const DASHED: Stroke = Stroke {
    colour: BLUE,
    width: 1.3,
    dash: "5 3",
};
const FLOOR: Stroke = Stroke {
    colour: ORANGE,
    width: 1.5,
    dash: "",
};
const DIAGONAL: Stroke = Stroke {
    colour: GREY,
    width: 1.0,
    dash: "4 3",
};

/// Share of positives over the mean score, bin by bin, and how many scores each bin holds.
pub fn reliability(title: &str, table: &Reliability) -> String {
    let mut plot = Plot::new(title, "score", "share of positives");
    for bin in &table.bins {
        plot.bar(bin.low, bin.high, bin.share_positive.unwrap_or(0.0), "#bcd7ea");
    }
    plot.line(&[(0.0, 0.0), (1.0, 1.0)], DIAGONAL);
    let filled = table
        .bins
        .iter()
        .filter_map(|bin| Some((bin.mean_score?, bin.share_positive?, bin.count)));
    for (score, share, count) in filled {
        let tooltip = format!("mean score {score:.3}, positive {share:.3}, {count} scores");
        plot.dot(score, share, BLUE, &tooltip);
    }
    let text = format!("expected error {:.3}", table.error);
    plot.word(0.03, 0.92, &text);
    // Log scale: a bin of one voxel still shows.
    let logs: Vec<f64> = table.bins.iter().map(|bin| (bin.count as f64 + 1.0).log10()).collect();
    let most = logs.iter().copied().fold(0.0, f64::max).max(1.0);
    let shares: Vec<f64> = logs.iter().map(|log| log / most).collect();
    let largest = table.bins.iter().map(|bin| bin.count).max().unwrap_or(0);
    plot.strip(&format!("count in each bin, log scale, at most {largest}"), &shares);
    plot.finish(&format!("{title}: expected calibration error {:.3}", table.error))
}

/// Precision over recall as the threshold of the score falls.
pub fn precision_recall(points: &Points, rankings: &Rankings) -> String {
    let mut plot = Plot::new("Picks", "recall", "precision");
    let area = |value: Option<f64>| value.map_or("-".into(), |v| format!("{v:.3}"));
    let mut row = 0;
    let mut curve = |name: &str, ranking: &PickRanking, average: Option<f64>, stroke: Stroke| {
        plot.line(&steps(ranking), stroke);
        plot.legend(row, &format!("{name}: AP {}", area(average)), stroke);
        row += 1;
    };
    let by_distance = &points.by_distance;
    if let Some(floor) = &rankings.floor {
        let name = "blob detection, by distance";
        curve(name, floor, by_distance.average_precision.floor, FLOOR);
    }
    if let (Some(boxes), Some(by_box)) = (&rankings.boxes, &points.by_box) {
        let average = by_box.matched.average_precision.value;
        curve("tomocut, by box overlap", boxes, average, DASHED);
    }
    let average = by_distance.average_precision.value;
    curve("tomocut, by distance", &rankings.distance, average, PLAIN);
    for at in &by_distance.at_picks {
        let (count, counts) = (at.picks, &at.prediction);
        let tooltip = format!(
            "{count} picks: recall {:.3}, precision {:.3}",
            counts.recall, counts.precision
        );
        plot.dot(counts.recall, counts.precision, BLUE, &tooltip);
        plot.word(counts.recall, counts.precision, &count.to_string());
    }
    plot.finish("Precision over recall of the picks and of blob detection")
}

/// The curve whose area is the average precision: level up to each point, then down or up to the next.
fn steps(ranking: &PickRanking) -> Vec<(f64, f64)> {
    let mut line = Vec::new();
    let mut reached = 0.0;
    for point in ranking.curve() {
        line.push((reached, point.precision));
        line.push((point.recall, point.precision));
        reached = point.recall;
    }
    line
}

/// The AUC of every picture over its floor's; nothing where there is no floor.
pub fn over_floor(pictures: &[PictureReport]) -> Option<String> {
    let pairs = || pictures.iter().filter_map(|p| Some((p.floor?, p.auc?, &p.name)));
    let least = pairs().map(|(floor, area, _)| floor.min(area)).reduce(f64::min)?;
    let low = if least >= 0.5 { 0.5 } else { 0.0 };
    let mut plot = Plot::from(low, "AUC of each picture", "line filter", "tomocut");
    plot.line(&[(low, low), (1.0, 1.0)], DIAGONAL);
    for (floor, area, name) in pairs() {
        plot.dot(floor, area, BLUE, &format!("{name}: {area:.3}, floor {floor:.3}"));
    }
    Some(plot.finish("AUC of each picture over that of a line filter"))
}
