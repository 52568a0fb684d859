//! Text and tables as HTML.
use std::fmt::Write;
use std::path::Path;

use crate::table::Section;

/// Text that means itself, also within a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

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
            let _ = writeln!(html, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
        }
    }
    html + "</dl>\n"
}

/// The figures with their floors; the better of both is set in bold where more is better.
pub fn table(sections: &[Section], caption: &str) -> String {
    let mut html = format!(
        "<table>\n<caption>{caption}</caption>\n<thead><tr><th scope=\"col\"></th><th scope=\"col\">tomocut</th>\
         <th scope=\"col\">floor</th></tr></thead>\n"
    );
    for section in sections {
        let title = escape(&section.title);
        let _ = writeln!(
            html,
            "<tbody>\n<tr><th scope=\"rowgroup\" colspan=\"3\">{title}</th></tr>"
        );
        for line in &section.lines {
            let better = |a: Option<f64>, b: Option<f64>| a.zip(b).is_some_and(|(a, b)| a > b);
            let (value, floor) = (line.value, line.floor);
            let _ = writeln!(
                html,
                "<tr><th scope=\"row\">{}</th>{}{}</tr>",
                escape(&line.name),
                cell(value, better(value, floor)),
                cell(floor, better(floor, value))
            );
        }
        html += "</tbody>\n";
    }
    html + "</table>\n"
}

/// Three decimals, or nothing.
pub fn cell(value: Option<f64>, better: bool) -> String {
    let class = if better { " class=\"better\"" } else { "" };
    let text = value.map_or_else(String::new, |v| format!("{v:.3}"));
    format!("<td{class}>{text}</td>")
}

/// A coloured square, or a ring where `ring`, and what it stands for.
pub fn key(colour: [u8; 3], ring: bool, meaning: &str) -> String {
    let [r, g, b] = colour;
    let shape = if ring { " class=\"ring\"" } else { "" };
    format!(
        "<span class=\"key\"><i{shape} style=\"background:rgb({r},{g},{b});border-color:rgb({r},{g},{b})\"></i>{}</span>",
        escape(meaning)
    )
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn names_cannot_break_the_page() {
        assert_eq!(escape("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
    }
}
