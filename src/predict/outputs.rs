//! An output of a network by its name.
use crate::runtime::{Error, Result};

/// The first of `names` that is among the `outputs` of a network; `setting` is where the names come from.
///
/// Errors: none of them is.
pub(super) fn output_named<'a>(setting: &str, names: &[&str], outputs: &'a [String]) -> Result<&'a str> {
    let known = names
        .iter()
        .find_map(|name| outputs.iter().find(|output| output == name));
    known.map(String::as_str).ok_or_else(|| {
        let allowed = format!("must be one of the network's: {}", outputs.join(", "));
        Error::argument(setting, names.join(" or "), &allowed)
    })
}
