//! A document for people at a terminal.

use std::fmt::Write;

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use super::document::{Block, Document, Extent, Field, Finding, Grid, Row, Section};
use super::style::{Style, Tone};

/// Characters of a line of prose.
const WIDTH: usize = 96;
/// Characters of a table; of a wider one, further columns come below.
const WIDEST: usize = 140;

/// Writes a document.
pub(super) fn write(document: &Document, style: Style) -> String {
    let mut out = Text {
        out: String::new(),
        style,
    };
    out.head(document);
    let told = |section: &&Section| !matches!(section.extent, Extent::Detail | Extent::Page);
    for section in document.sections.iter().filter(told) {
        out.line(&format!("\n{}", style.bold(&section.title)));
        for block in &section.blocks {
            out.block(block);
        }
    }
    out.out
}

struct Text {
    out: String,
    style: Style,
}

impl Text {
    fn line(&mut self, text: &str) {
        for row in text.split('\n') {
            self.out.push_str(row.trim_end());
            self.out.push('\n');
        }
    }

    fn head(&mut self, document: &Document) {
        let name = self.style.bold(&document.name);
        if document.question.is_empty() {
            self.line(&name);
        } else {
            self.line(&format!("{name}: {}", document.question));
        }
        for condition in &document.conditions {
            self.line(condition);
        }
        for banner in &document.banners {
            self.line(&format!(
                "\n{}",
                self.style.tone(banner.tone, &banner.words)
            ));
            for mark in &banner.marks {
                self.line(&self.style.tone(Tone::Bad, mark));
            }
            self.findings(&banner.findings);
        }
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Heading(text) => self.line(&format!("\n{}", self.style.bold(text))),
            Block::Prose(text) => self.wrapped(text),
            Block::List(points) => {
                for point in points {
                    self.line(&format!("  {point}"));
                }
            }
            Block::Findings(all) => self.findings(all),
            Block::Table(grid) => self.table(grid),
            Block::Drawing { bars, .. } => {
                if let Some(bars) = bars {
                    self.line(&bars.in_text(self.style));
                }
            }
            Block::Code(text) => self.line(text),
        }
    }

    fn findings(&mut self, all: &[Finding]) {
        for finding in all {
            let label = self.style.tone(finding.tone, &finding.label);
            self.line(&format!("  {label}: {}", finding.text));
            self.line(&format!("    help: {}", finding.advice));
        }
    }

    /// Breaks a paragraph into lines.
    fn wrapped(&mut self, text: &str) {
        let mut line = String::from(" ");
        for word in text.split_whitespace() {
            if line != " " && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.line(&line);
                " ".clone_into(&mut line);
            }
            let _ = write!(line, " {word}");
        }
        self.line(&line);
    }

    /// A table, in parts of its columns where it is too wide.
    fn table(&mut self, grid: &Grid) {
        self.line(&format!("  {}", grid.caption));
        let widths = rendered(grid, 1..grid.header.len(), self.style).column_max_content_widths();
        let widths: Vec<usize> = widths.iter().map(|width| usize::from(*width) + 2).collect();
        let Some((head, columns)) = widths.split_first() else {
            return;
        };
        let mut from = 0;
        while from < columns.len() {
            let mut taken = head + columns[from];
            let rest = columns[from + 1..].iter().take_while(|width| {
                taken += *width;
                taken <= WIDEST
            });
            let until = from + 1 + rest.count();
            if from > 0 {
                self.line("");
            }
            let part = rendered(grid, from + 1..until + 1, self.style);
            self.line(&part.to_string());
            from = until;
        }
    }
}

/// These columns of a table, beside the headings of its rows.
fn rendered(grid: &Grid, columns: std::ops::Range<usize>, style: Style) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    if style.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    let named = std::iter::once(&grid.header[0]).chain(&grid.header[columns.clone()]);
    table.set_header(named);
    for Row {
        depth,
        head,
        fields,
    } in &grid.rows
    {
        let head = format!("{}{head}", "  ".repeat(*depth));
        let fields = fields[columns.start - 1..columns.end - 1].iter();
        table.add_row(std::iter::once(Cell::new(head)).chain(fields.map(cell)));
    }
    if !grid.words {
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn cell(field: &Field) -> Cell {
    let cell = Cell::new(&field.text);
    match field.tone {
        Tone::Plain => cell,
        Tone::Good => cell.fg(Color::DarkGreen),
        Tone::Unclear => cell.add_attribute(Attribute::Bold),
        Tone::Bad => cell.fg(Color::DarkRed).add_attribute(Attribute::Bold),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_longer_than_a_line_has_no_empty_line_before_it() {
        let mut text = Text {
            out: String::new(),
            style: Style::default(),
        };
        let word = "x".repeat(WIDTH);
        text.wrapped(&format!("{word} after"));
        assert_eq!(text.out, format!("  {word}\n  after\n"));
    }
}
