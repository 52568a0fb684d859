//! Classes that scores are taken of.
use crate::volume::class_label;

/// What all classes together are called.
const STRUCTURE: &str = "structure";

/// The numbers of each of `classes` that a slab can have, and of all of them together where they are several.
pub(super) fn groups(classes: &[String]) -> Vec<(String, Vec<i8>)> {
    let mut groups: Vec<(String, Vec<i8>)> = classes
        .iter()
        .filter_map(|class| Some((class.clone(), vec![class_label(class)?])))
        .collect();
    if groups.len() > 1 {
        let all = groups.iter().flat_map(|(_, numbers)| numbers.clone()).collect();
        groups.push((STRUCTURE.to_owned(), all));
    }
    groups
}
