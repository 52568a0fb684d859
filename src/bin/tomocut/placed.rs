//! What is said of one input stands after it: `a.mrc --z 3:9 b.mrc --z auto`.
use std::collections::BTreeMap;

use clap::ArgMatches;

use crate::exit::Failure;

/// The values of `option` by the number of the input that they stand after. Each must stand after an input, once.
pub fn placed<T: Clone + Send + Sync + 'static>(
    matches: &ArgMatches,
    inputs: &str,
    option: &str,
) -> Result<BTreeMap<usize, T>, Failure> {
    let places = |name: &str| -> Vec<usize> { matches.indices_of(name).into_iter().flatten().collect() };
    let inputs = places(inputs);
    let values = matches.get_many::<T>(option).into_iter().flatten().cloned();
    let mut placed = BTreeMap::new();
    for (value, place) in values.zip(places(option)) {
        let before = inputs.iter().filter(|input| **input < place).count();
        let is_first = before > 0 && placed.insert(before - 1, value).is_none();
        if !is_first {
            let text = format!("--{}: must stand after its tomogram, once", option.replace('_', "-"));
            return Err(Failure::usage(text));
        }
    }
    Ok(placed)
}
