//! The tables of a STAR file: loops, and blocks of labels with one value each.
//!
//! Blank lines and comments may stand anywhere, within a loop too, as starfile reads them (RELION's own reader ends a
//! loop at a blank line, and nothing may follow it there: both agree on files that mean one thing). A row is one line.
use super::fields::Line;
use crate::Result;

/// A loop, or the labels of a block that stand outside of one: a table of one row.
pub(super) struct Table<'a> {
    /// Name of the block, without `data_`.
    pub block: &'a str,
    /// Labels, without `_`.
    pub columns: Vec<&'a str>,
    /// Line number and fields; every row has as many fields as there are columns.
    pub rows: Vec<(usize, Vec<&'a str>)>,
    is_loop: bool,
}

impl Table<'_> {
    /// Number of the column `label`.
    pub fn column(&self, label: &str) -> Option<usize> {
        self.columns.iter().position(|column| *column == label)
    }
}

/// Tables of the file `source` with this `text`, in its order.
///
/// Errors, with the line: a row of more or fewer fields than there are columns, a label that is there twice, values
/// that belong to nothing, a quote that is not closed.
pub(super) fn tables<'a>(text: &'a str, source: &str) -> Result<Vec<Table<'a>>> {
    let mut tables: Vec<Table> = Vec::new();
    let mut block = "";
    let mut in_loop = false;
    for (n, text) in text.lines().enumerate() {
        let line = Line { source, number: n + 1 };
        let fields = fields(text).ok_or_else(|| line.refuse("a quote is not closed"))?;
        let Some(&first) = fields.first() else { continue };
        let is_word = !text.trim_start().starts_with(['"', '\'']);
        if is_word && fields.len() == 1 && first.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data_")) {
            block = &first[5..];
            in_loop = false;
            continue;
        }
        if is_word && fields.len() == 1 && first.eq_ignore_ascii_case("loop_") {
            in_loop = true;
            tables.push(Table::new(block, true));
            continue;
        }
        let label = first.strip_prefix('_').filter(|_| is_word);
        if in_loop {
            if let Some(table) = tables.last_mut() {
                match label {
                    Some(label) if table.rows.is_empty() => {
                        table.add_column(label, line)?;
                        continue;
                    }
                    // Labels after the rows end the loop, unless they are a row's first value.
                    Some(_) if fields.len() <= 2 && fields.len() != table.columns.len() => in_loop = false,
                    _ => {
                        table.add_row(fields, line)?;
                        continue;
                    }
                }
            }
        }
        let Some(label) = label else {
            return Err(line.refuse(format_args!("{first:?} belongs to no loop and to no label")));
        };
        if fields.len() > 2 {
            return Err(line.refuse(format_args!(
                "{first} has {} values outside of a loop",
                fields.len() - 1
            )));
        }
        if !tables
            .last()
            .is_some_and(|table| !table.is_loop && table.block == block)
        {
            tables.push(Table::new(block, false));
        }
        if let Some(table) = tables.last_mut() {
            table.add_column(label, line)?;
            let value = fields.get(1).copied().unwrap_or_default();
            match table.rows.first_mut() {
                Some((_, row)) => row.push(value),
                None => table.rows.push((n + 1, vec![value])),
            }
        }
    }
    Ok(tables)
}

impl<'a> Table<'a> {
    fn new(block: &'a str, is_loop: bool) -> Self {
        Self {
            block,
            columns: Vec::new(),
            rows: Vec::new(),
            is_loop,
        }
    }

    fn add_column(&mut self, label: &'a str, line: Line) -> Result<()> {
        if self.columns.contains(&label) {
            return Err(line.refuse(format_args!("_{label} is there twice")));
        }
        self.columns.push(label);
        Ok(())
    }

    fn add_row(&mut self, fields: Vec<&'a str>, line: Line) -> Result<()> {
        if fields.len() != self.columns.len() {
            let (given, expected) = (fields.len(), self.columns.len());
            return Err(crate::Error::format(
                line.source,
                format_args!("line {} has {given} fields, expected {expected}", line.number),
            ));
        }
        self.rows.push((line.number, fields));
        Ok(())
    }
}

/// Fields of a line: separated by white space, quoted by ' or ", up to a #. A quote ends where white space or the
/// line's end follows it. None where a quote is not closed.
fn fields(line: &str) -> Option<Vec<&str>> {
    let mut fields = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '#' {
            break;
        }
        if ['"', '\''].contains(&first) {
            let body = &rest[1..];
            let closes = |(at, _): &(usize, &str)| body[at + 1..].chars().next().is_none_or(char::is_whitespace);
            let (end, _) = body.match_indices(first).find(closes)?;
            fields.push(&body[..end]);
            rest = body[end + 1..].trim_start();
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            fields.push(&rest[..end]);
            rest = rest[end..].trim_start();
        }
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Vec<String>> {
        let own = |row: &(usize, Vec<&str>)| row.1.iter().map(|field| (*field).to_owned()).collect();
        tables(text, "f")
            .unwrap()
            .iter()
            .flat_map(|table| table.rows.iter().map(own))
            .collect()
    }

    #[test]
    fn one_meaning_is_read() {
        let plain = "data_p\nloop_\n_a #1\n_b #2\n1 2\n3 4\n";
        let same = [
            "data_p\n\nloop_\n\n_a\n# comment\n_b\n\n1 2\n\n# 5 6\n3 4\n\n",
            "# version 5\nDATA_p # block\nLOOP_\n_a #1\n_b #2\n'1' \"2\" # last\n  3\t4",
        ];
        for text in same {
            assert_eq!(rows(text), rows(plain), "{text}");
        }
        let pairs = tables("data_o\n_x 1\n\n_y 'two words'\n_z\n", "f").unwrap();
        assert_eq!((pairs.len(), pairs[0].block), (1, "o"));
        assert_eq!(pairs[0].rows[0].1, ["1", "two words", ""]);
        let both = tables("data_o\nloop_\n_a\n_b\n_c\n1 2 3\n_name value\nloop_\n_d\n7\n", "f").unwrap();
        assert_eq!(both.iter().map(|table| table.rows.len()).collect::<Vec<_>>(), [1, 1, 1]);
        assert_eq!(rows("data_\nloop_\n_a\n_b\n'it's' 5'\n"), [["it's", "5'"]]);
    }

    #[test]
    fn two_meanings_are_refused_with_their_line() {
        for (text, reason) in [
            ("data_\nloop_\n_a\n_b\n1\n", "line 5 has 1 fields, expected 2"),
            ("data_\nloop_\n_a\n_a\n", "line 4: _a is there twice"),
            ("data_\n_a 1\n5 6\n", "line 3: \"5\" belongs to no loop"),
            ("data_\n_a 1 2\n", "line 2: _a has 2 values outside of a loop"),
            ("data_\nloop_\n_a\n'open\n", "line 4: a quote is not closed"),
        ] {
            let error = tables(text, "f")
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert!(error.contains(reason), "{error}");
        }
    }
}
