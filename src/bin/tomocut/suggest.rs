//! The slabs of a tomogram that are worth segmenting.
use std::ops::Range;

use serde_json::{json, Value};
use tomocut::slab::{suggest_slabs, SuggestOptions, SuggestedSlab, Suggestions};
use tomocut::volume::Tomogram;

use crate::engine::Engine;
use crate::exit::{Exit, Failure, OrExit};

/// The `count` richest slabs.
pub fn suggest(
    engine: &Engine,
    tomogram: &Tomogram,
    options: &SuggestOptions,
    count: usize,
) -> Result<Suggestions, Failure> {
    let job = engine.job();
    engine
        .compute(|| suggest_slabs(tomogram, options, count, &job))
        .or_exit(Exit::BadInput)
}

/// The richest slab of all.
pub fn richest(engine: &Engine, tomogram: &Tomogram, options: &SuggestOptions) -> Result<Range<usize>, Failure> {
    let suggestions = suggest(engine, tomogram, options, 1)?;
    let best = suggestions.slabs.into_iter().next().map(|slab| slab.z);
    best.ok_or_else(|| {
        let text = format!("--z auto finds no slab in {}", tomogram.name());
        Failure::new(Exit::BadInput, text)
    })
}

/// One line "A:B  score" for each slab.
pub fn text(suggestions: &Suggestions) -> String {
    let lines = suggestions
        .slabs
        .iter()
        .map(|slab| format!("{}:{}  {:.3}\n", slab.z.start, slab.z.end, slab.score));
    lines.collect()
}

/// The same as JSON, with the score of every slice.
pub fn json(suggestions: &Suggestions, input: &str, options: &SuggestOptions) -> Value {
    let slab = |slab: &SuggestedSlab| json!({"z_first": slab.z.start, "z_end": slab.z.end, "score": slab.score});
    json!({
        "input": input,
        "settings": serde_json::to_value(options).unwrap_or_default(),
        "slabs": suggestions.slabs.iter().map(slab).collect::<Vec<_>>(),
        "profile": suggestions.profile,
    })
}
