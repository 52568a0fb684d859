//! The C program that prints what the ABI fixes: sizes, offsets and constants of everything in tomocut.h, so that no
//! struct is forgotten.

/// A struct of the header that is not opaque.
#[derive(Debug, PartialEq, Eq)]
pub struct Struct {
    /// Its name.
    pub name: String,
    /// Its members, in their order.
    pub members: Vec<String>,
}

/// The structs of a header whose members it shows.
pub fn structs(header: &str) -> Vec<Struct> {
    let mut all = Vec::new();
    let mut open: Option<Struct> = None;
    for line in header.lines() {
        let words = line.trim();
        if let Some(name) = words
            .strip_prefix("typedef struct ")
            .and_then(|rest| rest.strip_suffix(" {"))
        {
            let (name, members) = (name.to_string(), Vec::new());
            open = Some(Struct { name, members });
        } else if words.starts_with('}') {
            all.extend(open.take());
        } else if let (Some(current), Some(declaration)) = (&mut open, words.strip_suffix(';')) {
            let is_text = words.starts_with('*') || words.starts_with("/*");
            current
                .members
                .extend((!is_text).then(|| member(declaration)).flatten());
        }
    }
    all
}

/// The name that a declaration without its semicolon declares.
fn member(declaration: &str) -> Option<String> {
    let front = declaration.split_once('[').map_or(declaration, |(front, _)| front);
    let name = front
        .rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .next()?;
    (!name.is_empty()).then(|| name.to_string())
}

/// The constants of a header: its macros with a number.
fn constants(header: &str) -> Vec<&str> {
    header.lines().filter_map(constant).collect()
}

fn constant(line: &str) -> Option<&str> {
    let (name, value) = line.strip_prefix("#define ")?.split_once(' ')?;
    let is_number = value
        .trim_start_matches(['(', '-'])
        .starts_with(|c: char| c.is_ascii_digit());
    (is_number && name.starts_with("TOMOCUT_") && !name.starts_with("TOMOCUT_VERSION")).then_some(name)
}

/// The program's text.
pub fn program(header: &str) -> String {
    let mut text = String::from(
        "#include <stddef.h>\n#include <stdio.h>\n\n#include \"tomocut.h\"\n\n\
         #define FIELD(type, field) printf(\"offsetof %s.%s %zu size \
         %zu\\n\", #type, #field, offsetof(type, field), sizeof(((type *)0)->field))\n\nint main(void) {\n",
    );
    for Struct { name, members } in structs(header) {
        text += &format!("    printf(\"sizeof {name} %zu\\n\", sizeof({name}));\n");
        for member in members {
            text += &format!("    FIELD({name}, {member});\n");
        }
    }
    for name in constants(header) {
        text += &format!("    printf(\"{name} %lld\\n\", (long long)({name}));\n");
    }
    text + "    return 0;\n}\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "#define TOMOCUT_H\n#define TOMOCUT_OK 0\n#define TOMOCUT_E_IO (-5)\ntypedef struct a a;\n\
        typedef struct b {\n    /**\n     \
                          * Text; more;\n     */\n    const char *name;\n    uint64_t shape[3];\n} b;\n";

    #[test]
    fn every_member_of_every_open_struct_is_listed() {
        let all = structs(HEADER);
        let members = vec!["name".to_string(), "shape".to_string()];
        assert_eq!(
            all,
            [Struct {
                name: "b".into(),
                members
            }]
        );
        assert_eq!(constants(HEADER), ["TOMOCUT_OK", "TOMOCUT_E_IO"]);
        let program = program(HEADER);
        assert!(
            program.contains("FIELD(b, shape);") && program.contains("(long long)(TOMOCUT_E_IO)"),
            "{program}"
        );
    }
}
