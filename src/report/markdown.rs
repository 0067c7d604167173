//! A document as Markdown, for pull requests, wikis and the summaries of jobs, as GitHub and GitLab render it.

use std::fmt::Write;

use super::document::{Block, Document, Extent, Finding, Grid};
use super::style::Style;
use super::style::Tone;

/// Characters that mean something in Markdown, or begin something that does.
const SPECIAL: &str = "\\`*_{}[]#|~!$@";

/// Writes a document: the verdict comes first, details are folded.
pub(super) fn write(document: &Document) -> String {
    let mut out = format!("## shakedown: {}\n\n", escape(&document.name));
    let mut paragraph = |text: &str| {
        let _ = writeln!(out, "{text}\n");
    };
    if !document.question.is_empty() {
        paragraph(&escape(&document.question));
    }
    for banner in &document.banners {
        for words in std::iter::once(banner.words.as_str()).chain(banner.marks.iter().copied()) {
            paragraph(&format!("**{}**", escape(words)));
        }
        if !banner.findings.is_empty() {
            paragraph(&findings(&banner.findings));
        }
    }
    if !document.conditions.is_empty() {
        let lines: Vec<String> = document
            .conditions
            .iter()
            .map(|line| escape(line))
            .collect();
        paragraph(&lines.join("\\\n"));
    }
    let sections = document.sections.iter();
    for section in sections.filter(|section| section.extent != Extent::Page) {
        let title = escape(&section.title);
        let whole = section.extent == Extent::Whole;
        paragraph(&if whole {
            format!("### {title}")
        } else {
            format!("<details><summary>{title}</summary>")
        });
        section
            .blocks
            .iter()
            .filter_map(block)
            .for_each(|text| paragraph(&text));
        if !whole {
            paragraph("</details>");
        }
    }
    paragraph(&format!("Made from {}", escape(&document.source)));
    out.trim_end().to_owned() + "\n"
}

fn block(block: &Block) -> Option<String> {
    Some(match block {
        Block::Heading(text) => format!("#### {}", escape(text)),
        Block::Prose(text) => escape(text),
        Block::List(points) => list(points),
        Block::Findings(all) => findings(all),
        Block::Table(grid) => table(grid),
        Block::Drawing { bars, .. } => code(&bars.as_ref()?.in_text(Style::default())),
        Block::Code(text) => code(text),
    })
}

fn list(points: &[String]) -> String {
    let points: Vec<String> = points
        .iter()
        .map(|point| format!("- {}", escape(point)))
        .collect();
    points.join("\n")
}

fn findings(all: &[Finding]) -> String {
    let one = |finding: &Finding| {
        let [label, text, advice] =
            [&finding.label, &finding.text, &finding.advice].map(|text| escape(text));
        format!("- **{label}**: {text}. Help: {advice}")
    };
    all.iter().map(one).collect::<Vec<_>>().join("\n")
}

/// A table in the syntax that most renderers know, with figures to the right.
fn table(grid: &Grid) -> String {
    let row = |fields: &[String]| format!("| {} |\n", fields.join(" | "));
    let header: Vec<String> = grid.header.iter().map(|name| escape(name)).collect();
    let rule = if grid.words { "---|" } else { "---:|" };
    let mut out = format!("{}\n\n{}|---|", escape(&grid.caption), row(&header));
    out.push_str(&rule.repeat(grid.header.len().saturating_sub(1)));
    out.push('\n');
    for line in &grid.rows {
        let head = format!(
            "{}{}",
            "&nbsp;&nbsp;".repeat(line.depth),
            escape(&line.head)
        );
        let fields = line.fields.iter().map(|field| match field.tone {
            Tone::Plain => escape(&field.text),
            _ => format!("**{}**", escape(&field.text)),
        });
        let fields: Vec<String> = std::iter::once(head).chain(fields).collect();
        out.push_str(&row(&fields));
    }
    out.trim_end().to_owned()
}

/// A block of text as it is, in a fence longer than any in it.
fn code(text: &str) -> String {
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}text\n{text}\n{fence}")
}

/// Text that means nothing in Markdown, nor in the HTML that it may be turned into. Some renderers make a link of every
/// address.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if SPECIAL.contains(c) => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.replace("://", ":\\//").replace("www.", "www\\.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_wrote_means_nothing() {
        assert_eq!(
            escape("<script>`x`|[a](b) # *c* www.d http://e"),
            "&lt;script&gt;\\`x\\`\\|\\[a\\](b) \\# \\*c\\* www\\.d http:\\//e"
        );
        assert!(code("a ``` b").starts_with("````text\n"));
    }
}
