//! include/tomocut/functions.h, the list of functions that the loader makes its table and its jumps from, out of
//! tomocut.h.
use crate::failure::{Failure, Result};

/// What marks a function in tomocut.h.
const MARK: &str = "\nTOMOCUT_API\n";

const TOP: &str = "\
/* SPDX-License-Identifier: MIT */
/** @file functions.h The functions of tomocut.h as a list, for tomocut_loader.h. */
#ifndef TOMOCUT_FUNCTIONS_H
#define TOMOCUT_FUNCTIONS_H

/* Generated from tomocut.h by `cargo xtask header`: change the Rust source, not this file. */

/*
 * Calls one of three macros for each function: S where it answers a tomocut_status, V where it answers nothing, O
 * otherwise; each with (result, name without its prefix, parameters, arguments).
 */
#define TOMOCUT_FUNCTIONS(S, V, O)";

/// One declaration.
#[derive(Debug, PartialEq, Eq)]
struct Function {
    result: String,
    name: String,
    parameters: String,
    arguments: String,
}

/// The text of functions.h for a tomocut.h.
pub fn list(header: &str) -> Result<String> {
    let functions = declared(header)?;
    let mut text = TOP.to_string();
    for function in &functions {
        let kind = match function.result.as_str() {
            "tomocut_status" => 'S',
            "void" => 'V',
            _ => 'O',
        };
        let Function {
            result,
            name,
            parameters,
            arguments,
        } = function;
        text += &format!(" \\\n    {kind}({result}, {name}, ({parameters}), ({arguments}))");
    }
    Ok(text + "\n\n#endif\n")
}

/// The names of a header's functions.
pub fn names(header: &str) -> Result<Vec<String>> {
    Ok(declared(header)?
        .into_iter()
        .map(|function| format!("tomocut_{}", function.name))
        .collect())
}

/// The functions of a header, in its order.
fn declared(header: &str) -> Result<Vec<Function>> {
    // Before the first mark there are types, and the definition of the mark itself.
    let functions = header.split(MARK).skip(1).map(|text| {
        let declaration = text.split_once(';').map_or(text, |(declaration, _)| declaration);
        function(declaration)
            .ok_or_else(|| Failure::new(format!("tomocut.h: this declaration is not understood: {declaration}")))
    });
    functions.collect()
}

/// `RESULT tomocut_NAME(PARAMETERS)`; None where a declaration looks otherwise.
fn function(declaration: &str) -> Option<Function> {
    let declaration = declaration.split_whitespace().collect::<Vec<_>>().join(" ");
    let (front, parameters) = declaration.strip_suffix(')')?.split_once('(')?;
    let start = front.rfind("tomocut_")?;
    let mut arguments = Vec::new();
    if parameters != "void" {
        for parameter in parameters.split(',') {
            let name = parameter
                .rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .next()?;
            // The last word must be a name that stands behind a type.
            if name.is_empty() || name == parameter.trim() {
                return None;
            }
            arguments.push(name);
        }
    }
    Some(Function {
        result: front[..start].trim().to_string(),
        name: front[start..].strip_prefix("tomocut_")?.to_string(),
        parameters: parameters.to_string(),
        arguments: arguments.join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "#define TOMOCUT_API\ntypedef struct a a;\n\n/** Text; more. */\nTOMOCUT_API\nconst char *tomocut_a(void);\n\n\
        TOMOCUT_API\ntomocut_status tomocut_b_c(const struct a *const *list,\n                           size_t n);\n\
        TOMOCUT_API\nvoid tomocut_d(struct a *handle);\n";

    #[test]
    fn every_function_is_listed_by_what_it_answers() {
        let text = list(HEADER).unwrap();
        assert!(text.contains("\n    O(const char *, a, (void), ()) \\\n"), "{text}");
        assert!(
            text.contains("\n    S(tomocut_status, b_c, (const struct a *const *list, size_t n), (list, n)) \\\n"),
            "{text}"
        );
        assert_eq!(names(HEADER).unwrap(), ["tomocut_a", "tomocut_b_c", "tomocut_d"]);
        assert!(
            text.contains("\n    V(void, d, (struct a *handle), (handle))\n\n#endif\n"),
            "{text}"
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert!(function("int tomocut_a(int)").is_none());
        assert!(function("int other(int a)").is_none());
        assert!(list("\nTOMOCUT_API\nextern int tomocut_x;\n").is_err());
    }
}
