//! Text and tables as HTML.
use std::fmt::Write;

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

/// Names and their values as a list of class `settings`; both are text.
pub fn names_and_values<'a>(rows: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut html = String::from("<dl class=\"settings\">\n");
    for (name, value) in rows {
        let (name, value) = (escape(name), escape(value));
        let _ = writeln!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    html + "</dl>\n"
}

/// A table: `head` names the columns, the first cell of a row names the row. All cells are text.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut html = String::from("<table>\n<thead><tr>");
    for name in head {
        let _ = write!(html, "<th scope=\"col\">{}</th>", escape(name));
    }
    html += "</tr></thead>\n<tbody>\n";
    for row in rows {
        html += "<tr>";
        for (column, cell) in row.iter().enumerate() {
            let cell = escape(cell);
            let _ = match column {
                0 => write!(html, "<th scope=\"row\">{cell}</th>"),
                _ => write!(html, "<td>{cell}</td>"),
            };
        }
        html += "</tr>\n";
    }
    html + "</tbody>\n</table>\n"
}

/// Seconds as people say them: "8.2 s", "3 min 5 s", "2 h 14 min".
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..=59 => format!("{seconds:.1} s"),
        60..=3599 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Bytes in MiB or GiB.
pub fn bytes(count: u64) -> String {
    let mib = count as f64 / f64::from(1 << 20);
    if mib < 1024.0 {
        format!("{mib:.0} MiB")
    } else {
        format!("{:.1} GiB", mib / 1024.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_the_page() {
        assert_eq!(escape("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
        let cells = [vec!["<i>".to_owned(), "a&b".to_owned()]];
        let html = table(&["one", "\"two\""], &cells);
        assert!(
            html.contains("<th scope=\"row\">&lt;i&gt;</th><td>a&amp;b</td>"),
            "{html}"
        );
        assert!(!names_and_values([("x", "<script>")]).contains("<script>"));
    }

    #[test]
    fn spans_of_time_and_memory_read_well() {
        assert_eq!(
            [8.24, 185.0, 8040.0].map(duration),
            ["8.2 s", "3 min 5 s", "2 h 14 min"]
        );
        assert_eq!([300 << 20, 3 << 29].map(bytes), ["300 MiB", "1.5 GiB"]);
    }
}
