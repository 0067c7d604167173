//! Reports as one HTML page: a file of its own that asks for nothing from outside, runs no script, and reads
//! on a screen, in the dark, on paper and without colours. ADR 0023 says why it is made this way.

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::ReportError;
use super::document::{Block, Section};
use crate::record::Note;
use crate::text::defuse;

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
pub(super) struct Banner {
    pub tone: Tone,
    pub words: String,
    pub marks: Vec<&'static str>,
    pub notes: Vec<NoteLine>,
}

/// How good that is; each has a sign as well as a colour.
#[derive(Clone, Copy)]
pub(super) enum Tone {
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
pub(super) struct NoteLine {
    pub bad: bool,
    pub code: String,
    pub message: String,
    pub advice: String,
}

impl NoteLine {
    pub(super) fn of(note: &Note, bad: bool) -> Self {
        Self {
            bad,
            code: defuse(&note.code),
            message: defuse(&note.message),
            advice: defuse(&note.advice),
        }
    }
}

/// What stands above and below the sections of a page; plain text.
pub(super) struct Head {
    pub name: String,
    pub question: String,
    pub conditions: Vec<String>,
    pub banners: Vec<Banner>,
    /// What the page was made from, and how to read intervals: the end of a sentence.
    pub source: String,
}

/// Puts a page together. Sections that say nothing are left out.
pub(super) fn page(head: Head, mut sections: Vec<Section>) -> Result<String, ReportError> {
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
