//! The program `tomocut` as a user runs it: files, messages, exit codes, Ctrl-C. Wrong arguments are tested within the
//! program itself (src/bin/tomocut/tests.rs), where no process has to be started.
mod elsewhere;
mod evaluate_pictures;
mod evaluate_segments;
mod evaluate_set;
mod evaluate_slab;
mod field;
mod field_names;
mod info;
mod ncut;
mod phantom;
mod picks;
mod recipe;
mod run;
mod slab;
mod slices;
mod started;
mod train;

#[path = "../development_data/mod.rs"]
mod development_data;
