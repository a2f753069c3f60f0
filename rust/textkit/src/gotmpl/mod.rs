//! Go's text/template, as far as published Modelfiles use it, and what Ollama puts around it.
//!
//! An interpreter of our own: the crate gtmpl has no assignment, break, slice, `else with` or
//! short-circuit `and`, compares with several values wrongly, and no limits (docs/decisions/).
//! Not here: the functions call, html, js and urlquery, complex numbers, methods.

mod exec;
mod format;
mod functions;
mod given;
mod json;
mod lex;
mod ollama;
mod parse;
mod value;

pub use ollama::GoTemplate;

/// A template from a stranger must not take the process with it.
const MOST_SOURCE_BYTES: usize = 256 << 10;
const MOST_OUTPUT_BYTES: usize = 16 << 20;
const DEEPEST_NESTING: usize = 64; // of blocks and parentheses, and of values
const DEEPEST_CALL: usize = 16; // of {{template}}
const MOST_STEPS: u64 = 1_000_000;

/// Of a text that grows piece by piece: before the next piece, however many there are.
fn fits(text: &str) -> Result<(), String> {
    match text.len() > MOST_OUTPUT_BYTES {
        true => Err(format!("a text is longer than {MOST_OUTPUT_BYTES} bytes")),
        false => Ok(()),
    }
}
