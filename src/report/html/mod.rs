//! Reports as one HTML page: a file of its own that asks for nothing from outside, runs no script, and reads
//! on a screen, in the dark, on paper and without colours. ADR 0023 says why it is made this way.

mod background;
mod comparison;
mod course;
mod differences;
mod drawings;
mod effects;
mod frame;
mod heat;
mod judged;
mod page;
mod percentiles;
mod result;
mod scale;
mod sections;
mod series;
mod several;
mod stack;
mod svg;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::ReportError;
use crate::record::Note;
use crate::text::defuse;
use page::{Block, Section};

pub use comparison::render as comparison;
pub(super) use result::render;
pub(super) use several::render as several;

/// The style of the page. Its hash is the only thing that the page's policy admits.
const STYLE: &str = include_str!("style.css");

/// The page, as the template takes it.
#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    style: &'static str,
    style_hash: String,
    name: String,
    question: String,
    conditions: Vec<String>,
    banners: Vec<Banner>,
    sections: Vec<Section>,
    source: String,
}

/// What a page says before anything else.
struct Banner {
    tone: Tone,
    words: String,
    marks: Vec<&'static str>,
    notes: Vec<NoteLine>,
}

/// How good that is; each has a sign as well as a colour.
#[derive(Clone, Copy)]
enum Tone {
    Good,
    Unclear,
    Bad,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Unclear => "unclear",
            Self::Bad => "bad",
        }
    }

    fn sign(self) -> char {
        match self {
            Self::Good => '✓',
            Self::Unclear => '?',
            Self::Bad => '✗',
        }
    }
}

/// A reason for the worse, or something else to know.
struct NoteLine {
    bad: bool,
    code: String,
    message: String,
    advice: String,
}

impl NoteLine {
    fn of(note: &Note, bad: bool) -> Self {
        Self {
            bad,
            code: defuse(&note.code),
            message: defuse(&note.message),
            advice: defuse(&note.advice),
        }
    }
}

/// What stands above and below the sections of a page; plain text.
struct Head {
    name: String,
    question: String,
    conditions: Vec<String>,
    banners: Vec<Banner>,
    /// What the page was made from, and how to read intervals: the end of a sentence.
    source: String,
}

/// Puts a page together. Sections that say nothing are left out.
fn page(head: Head, mut sections: Vec<Section>) -> Result<String, ReportError> {
    sections.retain(|section| !section.is_empty());
    let conditions = head.conditions.iter().map(|text| defuse(text));
    let page = Page {
        style: STYLE,
        style_hash: STANDARD.encode(Sha256::digest(STYLE)),
        name: defuse(&head.name),
        question: defuse(&head.question),
        conditions: conditions.collect(),
        banners: head.banners,
        sections,
        source: defuse(&head.source),
    };
    page.render().map_err(|e| ReportError::Html(e.to_string()))
}
