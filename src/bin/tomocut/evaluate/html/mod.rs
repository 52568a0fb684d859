//! The page: one file without scripts or links, with everything in it.
mod charts;
mod embed;
mod image_page;
mod panels;
mod plot;
mod set_page;
mod slab_page;
mod text;

pub use image_page::image_page;
pub use set_page::set_page;
pub use slab_page::slab_page;

use text::escape;

/// A whole document around `body`, which is HTML.
fn document(title: &str, body: &str) -> String {
    let (title, style) = (escape(title), include_str!("style.css"));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{style}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{body}</body>\n</html>\n"
    )
}
