//! A document as one HTML page: a file of its own that asks for nothing from outside, runs no script, and reads on a
//! screen, in the dark, on paper and without colours. ADR 0023 says why it is made this way.

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::ReportError;
use super::document::{Block, Document};
use super::style::Tone;

/// The style of the page. Its hash is the only thing that the page's policy admits.
const STYLE: &str = include_str!("style.css");

/// The page, as the template takes it.
#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    style: &'static str,
    style_hash: String,
    document: &'a Document,
}

/// Writes a document.
pub(super) fn write(document: &Document) -> Result<String, ReportError> {
    let page = Page {
        style: STYLE,
        style_hash: STANDARD.encode(Sha256::digest(STYLE)),
        document,
    };
    page.render().map_err(|e| ReportError::Html(e.to_string()))
}
