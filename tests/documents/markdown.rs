//! What a Markdown document holds that can be run or read: its fenced blocks with what the comment before each
//! says of it, and its code spans.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A fenced block.
pub struct Block {
    /// Where it begins, as `FILE:LINE`.
    pub place: String,
    /// The word after the fence.
    pub language: String,
    /// What is in it.
    pub text: String,
    /// The comment right before it.
    pub note: String,
}

/// What is between backquotes in running text.
pub struct Span {
    /// Where it stands.
    pub place: String,
    /// What it says.
    pub text: String,
}

/// The blocks and the spans of a document, in order.
pub fn read(path: &str, document: &str) -> (Vec<Block>, Vec<Span>) {
    let (mut blocks, mut spans) = (Vec::new(), Vec::new());
    let (mut note, mut block) = (String::new(), None);
    let parser = Parser::new_ext(document, Options::ENABLE_TABLES);
    for (event, range) in parser.into_offset_iter() {
        let line = 1 + document[..range.start].matches('\n').count();
        let place = format!("{path}:{line}");
        match event {
            Event::Html(html) => {
                let inside = html.trim().strip_prefix("<!--");
                let comment = inside.and_then(|text| text.strip_suffix("-->"));
                comment.unwrap_or_default().trim().clone_into(&mut note);
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let language = match kind {
                    CodeBlockKind::Fenced(info) => info.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                let note = std::mem::take(&mut note);
                let text = String::new();
                block = Some(Block {
                    place,
                    language,
                    text,
                    note,
                });
            }
            Event::Text(text) if block.is_some() => {
                block = block.map(|b| Block {
                    text: b.text + &text,
                    ..b
                });
            }
            Event::End(TagEnd::CodeBlock) => blocks.extend(block.take()),
            Event::Code(text) => spans.push(Span {
                place,
                text: text.to_string(),
            }),
            Event::Start(Tag::HtmlBlock) | Event::End(TagEnd::HtmlBlock) => {}
            _ => note.clear(),
        }
    }
    (blocks, spans)
}
