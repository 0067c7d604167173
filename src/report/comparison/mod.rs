//! Reports of a comparison, each a pure function of it. Strings from files are made safe in every one of
//! them, in the way of its format.

mod text;
mod words;

#[cfg(test)]
mod tests;

pub use text::render;
