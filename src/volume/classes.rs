//! The classes that label volumes hold: their numbers and names, once.

/// Label of the ground.
pub const GROUND: i8 = 0;
/// Label of membranes.
pub const MEMBRANE: i8 = 1;
/// Label of molecules.
pub const MOLECULE: i8 = 2;
/// Label of filaments.
pub const FILAMENT: i8 = 3;

/// Names of the labels from 1 on; outputs of networks are called the same.
pub const CLASS_NAMES: [&str; 3] = ["membrane", "molecule", "filament"];

/// Output of a network for the ground.
pub const BACKGROUND: &str = "background";
/// Output of a network for whatever has a label, unless a label has that name.
pub const FOREGROUND: &str = "foreground";
/// Output of a network for how near the centre of a molecule is.
pub const CENTRE: &str = "centre";

/// The name of a label; none for the ground and for labels beyond.
pub fn class_name(label: i8) -> Option<&'static str> {
    let index = usize::try_from(label).ok()?.checked_sub(1)?;
    CLASS_NAMES.get(index).copied()
}

/// The label of a class.
pub fn class_label(name: &str) -> Option<i8> {
    let index = CLASS_NAMES.iter().position(|known| *known == name)?;
    Some(index as i8 + 1)
}

/// Whether an output of a network is a class of its own: ground and centres are never a label.
pub fn is_class(output: &str) -> bool {
    output != BACKGROUND && output != CENTRE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_names_are_each_others() {
        for (label, name) in [(MEMBRANE, "membrane"), (MOLECULE, "molecule"), (FILAMENT, "filament")] {
            assert_eq!((class_name(label), class_label(name)), (Some(name), Some(label)));
            assert!(is_class(name));
        }
        assert_eq!((class_name(GROUND), class_name(4), class_name(-1)), (None, None, None));
        assert!(class_label(BACKGROUND).is_none() && !is_class(BACKGROUND) && !is_class(CENTRE));
    }
}
