//! JSON as Python writes it.
use std::borrow::Cow;

/// Words of Python's json for numbers that JSON does not know.
const WORDS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// The JSON `text` with what `instead` makes of each NaN, Infinity and -Infinity that stands outside of strings; in
/// sound JSON there are none.
pub fn without_python_words(text: &[u8], instead: impl Fn(&str) -> String) -> Cow<'_, [u8]> {
    let mut result = Vec::new();
    // What is copied so far, and where the scan is.
    let (mut copied, mut at, mut in_string) = (0, 0, false);
    while let Some(&byte) = text.get(at) {
        let is_word = |word: &&&str| !in_string && text[at..].starts_with(word.as_bytes());
        if let Some(word) = WORDS.iter().find(is_word) {
            result.extend_from_slice(&text[copied..at]);
            result.extend_from_slice(instead(word).as_bytes());
            at += word.len();
            copied = at;
            continue;
        }
        at += if in_string && byte == b'\\' { 2 } else { 1 };
        in_string ^= byte == b'"';
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    result.extend_from_slice(&text[copied..]);
    Cow::Owned(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_are_replaced() {
        let null = |text: &str| -> String {
            let changed = without_python_words(text.as_bytes(), |_| "null".to_owned());
            String::from_utf8(changed.into_owned()).unwrap()
        };
        assert_eq!(null(r#"{"a": [NaN, -Infinity, 1]}"#), r#"{"a": [null, null, 1]}"#);
        let text = r#"{"NaN \" NaN": "Infinity", "d\\": 1}"#;
        assert_eq!(null(text), text);
        assert_eq!(null(r#"{"d\\": NaN}"#), r#"{"d\\": null}"#);
        assert_eq!(null("\"\\"), "\"\\");
    }
}
