//! The settings text of every family: a resolved form or an error, never a crash; what is resolved stays as it is.
#![no_main]
use libfuzzer_sys::fuzz_target;
use tomocut::families::{Family, FAMILIES};

fuzz_target!(|data: &[u8]| {
    let Some((&which, rest)) = data.split_first() else {
        return;
    };
    // In the order of names, as the seeds count them.
    let mut families: Vec<&Family> = FAMILIES.iter().collect();
    families.sort_by_key(|family| family.name);
    let family = families[which as usize % families.len()];
    let Ok(text) = std::str::from_utf8(rest) else { return };
    match (family.resolve)(text) {
        Ok(resolved) => match (family.resolve)(&resolved.to_string()) {
            Ok(again) => assert_eq!(again, resolved, "{}", family.name),
            Err(error) => panic!("{}: {resolved} is refused: {error}", family.name),
        },
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
