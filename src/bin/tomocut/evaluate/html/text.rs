//! Text and tables as HTML.
use std::fmt::Write;
use std::path::Path;

pub use tomocut::page::escape;

use crate::evaluate::table::Section;

/// The last part of a path: pages travel, folders do not.
pub fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Names and values, those without a value left out.
pub fn settings(rows: &[(&str, Option<String>)]) -> String {
    let mut html = String::from("<dl class=\"settings\">\n");
    for (name, value) in rows {
        if let Some(value) = value {
            let (name, value) = (escape(name), escape(value));
            let _ = writeln!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>");
        }
    }
    html + "</dl>\n"
}

/// Sections with the same lines side by side: value and floor of each under its title. The better of both is set in
/// bold; everything that has a floor is better when it is larger.
pub fn table(sections: &[(&str, &Section)]) -> String {
    let mut html = String::from("<table>\n<thead>\n<tr><th></th>");
    for (title, _) in sections {
        let _ = write!(html, "<th scope=\"colgroup\" colspan=\"2\">{}</th>", escape(title));
    }
    html += "</tr>\n<tr><th></th>";
    html += &"<th scope=\"col\">tomocut</th><th scope=\"col\">floor</th>".repeat(sections.len());
    html += "</tr>\n</thead>\n<tbody>\n";
    for line in sections.first().map_or(&[][..], |(_, section)| &section.lines) {
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", escape(&line.name));
        for (_, section) in sections {
            let same = section.lines.iter().find(|other| other.name == line.name);
            let (value, floor) = (same.and_then(|l| l.value), same.and_then(|l| l.floor));
            html += &pair(value, floor);
        }
        html += "</tr>\n";
    }
    html + "</tbody>\n</table>\n"
}

/// The cells of a value and its floor.
pub fn pair(value: Option<f64>, floor: Option<f64>) -> String {
    let better = |a: Option<f64>, b: Option<f64>| a.zip(b).is_some_and(|(a, b)| a > b);
    cell(value, better(value, floor)) + &cell(floor, better(floor, value))
}

/// Three decimals, or nothing.
fn cell(value: Option<f64>, better: bool) -> String {
    let class = if better { " class=\"better\"" } else { "" };
    let text = value.map_or_else(String::new, |v| format!("{v:.3}"));
    format!("<td{class}>{text}</td>")
}

/// A coloured square, or a ring where `ring`, and what it stands for.
pub fn key(colour: [u8; 3], ring: bool, meaning: &str) -> String {
    let [r, g, b] = colour;
    let shape = if ring { " class=\"ring\"" } else { "" };
    format!(
        "<span class=\"key\"><i{shape} \
         style=\"background:rgb({r},{g},{b});border-color:rgb({r},{g},{b})\"></i>{}</span>",
        escape(meaning)
    )
}
