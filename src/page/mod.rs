//! Pieces of HTML pages: text, tables, charts. They know nothing of what they show.

mod chart;
mod text;

pub use chart::{Chart, Line};
pub use text::{bytes, duration, escape, names_and_values, table};
