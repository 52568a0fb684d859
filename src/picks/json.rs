//! JSON as Python writes it.
use std::borrow::Cow;

/// `text` with null for the NaN, Infinity and -Infinity that Python's json writes and JSON does not know.
pub(super) fn without_nan(text: &str) -> Cow<'_, str> {
    if !text.contains("NaN") && !text.contains("Infinity") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let (mut in_text, mut is_escaped) = (false, false);
    while let Some(first) = rest.chars().next() {
        let word = ["NaN", "-Infinity", "Infinity"]
            .into_iter()
            .find(|word| !in_text && rest.starts_with(word));
        if let Some(word) = word {
            out.push_str("null");
            rest = &rest[word.len()..];
            continue;
        }
        out.push(first);
        rest = &rest[first.len_utf8()..];
        match first {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = in_text,
            '"' => in_text = !in_text,
            _ => {}
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_are_replaced() {
        assert_eq!(
            without_nan(r#"{"a": [NaN, -Infinity, 1]}"#),
            r#"{"a": [null, null, 1]}"#
        );
        let text = r#"{"NaN \" NaN": "Infinity"}"#;
        assert_eq!(without_nan(text), text);
    }
}
