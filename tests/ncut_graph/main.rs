//! Normalised cuts: against a brute-force reference, by identities, for any number of threads, and with bad input.
mod bad_input;
mod graphs;
#[path = "../hashed/mod.rs"]
mod hashed;
mod hierarchy;
mod identities;
mod reference;
mod threads;
mod walks;
