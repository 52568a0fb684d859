//! Lines of a CSV file: which sign separates fields, quotes, decimal commas.
use std::path::Path;

use super::fields::{text, Line};
use crate::{Error, Result};

/// The fields of a file.
pub(super) struct Records {
    /// Line number and fields.
    pub rows: Vec<(usize, Vec<String>)>,
    /// Whether fields are separated by something else than commas, so that commas may be decimal.
    pub may_have_decimal_commas: bool,
    /// The first line where it is a comment: numpy's savetxt writes the header so.
    pub comment: Option<(usize, Vec<String>)>,
}

/// The lines of any table: line number, counted from 1, and fields. Fields are separated as in files of positions, with
/// quotes, comments (#) and what spreadsheets write.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::Format`] where it is no text or a quote is not closed.
pub fn read_csv_rows(path: &Path) -> Result<Vec<(usize, Vec<String>)>> {
    let source = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|e| Error::io("reading", path, e))?;
    Ok(records(&text(&bytes, &source)?, &source)?.rows)
}

/// Fields of a file by commas, semicolons or tabs, whichever its first line has (semicolons before tabs before commas,
/// which may be decimal), else by white space. Empty lines and comments (#) are passed over; `sep=;` as Excel writes it
/// says the sign.
pub(super) fn records(text: &str, source: &str) -> Result<Records> {
    let mut rows = Vec::new();
    let mut comment = None;
    let mut separator: Option<char> = None;
    for (n, text) in text.lines().enumerate() {
        let line = Line { source, number: n + 1 };
        let text = text.trim_matches([' ', '\r']);
        if text.trim().is_empty() {
            continue;
        }
        if let (true, Some(sign)) = (rows.is_empty(), text.strip_prefix("sep=")) {
            separator = separator.or(sign.chars().next());
            continue;
        }
        if let Some(text) = text.strip_prefix('#') {
            if rows.is_empty() && comment.is_none() {
                comment = Some((n + 1, split(text, separator.unwrap_or_else(|| sign_of(text)), line)?));
            }
            continue;
        }
        let sign = *separator.get_or_insert_with(|| sign_of(text));
        rows.push((n + 1, split(text, sign, line)?));
    }
    Ok(Records {
        rows,
        may_have_decimal_commas: separator.is_some_and(|sign| sign != ','),
        comment,
    })
}

/// The sign that separates the fields of `line`.
fn sign_of(line: &str) -> char {
    let mut in_quotes = false;
    let mut has = |sign: char| {
        line.chars().any(|c| {
            in_quotes ^= c == '"';
            c == sign && !in_quotes
        })
    };
    [';', '\t', ','].into_iter().find(|sign| has(*sign)).unwrap_or(' ')
}

/// Fields without the white space around them and without their quotes; "" within quotes is one.
fn split(line: &str, separator: char, at: Line) -> Result<Vec<String>> {
    if separator == ' ' {
        return Ok(line
            .split_whitespace()
            .map(|field| field.trim_matches('"').to_owned())
            .collect());
    }
    let mut fields = vec![String::new()];
    let mut in_quotes = false;
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        let Some(field) = fields.last_mut() else { break };
        match c {
            '"' if in_quotes && rest.peek() == Some(&'"') => {
                rest.next();
                field.push('"');
            }
            '"' if in_quotes || field.trim().is_empty() => in_quotes = !in_quotes,
            c if c == separator && !in_quotes => fields.push(String::new()),
            c => field.push(c),
        }
    }
    if in_quotes {
        return Err(at.refuse("a quote is not closed"));
    }
    Ok(fields.into_iter().map(|field| field.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_what_spreadsheets_wrote() {
        let fields = |text: &str| {
            records(text, "f")
                .unwrap()
                .rows
                .into_iter()
                .map(|(_, row)| row)
                .collect::<Vec<_>>()
        };
        assert_eq!(fields("a,b\n\n# no\n1, \"2\"\n"), [["a", "b"], ["1", "2"]]);
        assert_eq!(fields("a;b\r\n1,5;\"2;5\"\r\n"), [["a", "b"], ["1,5", "2;5"]]);
        assert_eq!(fields("sep=;\n\"a \"\"b\"\"\";c"), [["a \"b\"", "c"]]);
        assert_eq!(fields("a\tb\n1\t2"), [["a", "b"], ["1", "2"]]);
        assert_eq!(fields("1.0 2.0\n3 4"), [["1.0", "2.0"], ["3", "4"]]);
        assert!(records("a,\"b\n", "f").is_err());
        assert!(records("a;b", "f").unwrap().may_have_decimal_commas);
        assert_eq!(records("# x,y\n1,2", "f").unwrap().comment.unwrap().1, ["x", "y"]);
    }
}
