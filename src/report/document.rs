//! What a page is made of, before it is HTML: sections of blocks. Strings are plain text; the template and
//! the drawings escape them.

use comfy_table::Table;

use crate::text::defuse;

/// A part of the page with a heading, which the contents link to.
pub(super) struct Section {
    pub id: &'static str,
    pub title: String,
    pub blocks: Vec<Block>,
}

/// A piece of a section.
pub(super) enum Block {
    /// A heading below the section's.
    Heading(String),
    /// A paragraph.
    Prose(String),
    /// Points.
    List(Vec<String>),
    /// A table with a heading per row and column.
    Table(Grid),
    /// Names and values.
    Facts(Vec<(String, String)>),
    /// A drawing, escaped already, with its caption.
    Drawing { svg: String, caption: String },
    /// Text as it is.
    Code(String),
}

/// The rows of a table.
pub(super) struct Grid {
    pub caption: String,
    pub header: Vec<String>,
    pub rows: Vec<Row>,
}

/// One row.
pub(super) struct Row {
    /// Whether it belongs to the one above.
    pub inner: bool,
    pub head: String,
    pub cells: Vec<String>,
}

impl Section {
    pub fn new(id: &'static str, title: &str) -> Self {
        Self {
            id,
            title: title.to_owned(),
            blocks: Vec::new(),
        }
    }

    pub fn prose(&mut self, text: impl Into<String>) -> &mut Self {
        let text = text.into();
        if !text.trim().is_empty() {
            self.blocks
                .push(Block::Prose(defuse(&text.replace('\n', " "))));
        }
        self
    }

    pub fn heading(&mut self, text: &str) -> &mut Self {
        self.blocks.push(Block::Heading(defuse(text)));
        self
    }

    pub fn list(&mut self, points: &[String]) -> &mut Self {
        if !points.is_empty() {
            let points = points.iter().map(|point| defuse(point));
            self.blocks.push(Block::List(points.collect()));
        }
        self
    }

    pub fn table(&mut self, rows: Grid) -> &mut Self {
        if !rows.rows.is_empty() {
            self.blocks.push(Block::Table(rows));
        }
        self
    }

    pub fn facts(&mut self, facts: Vec<(String, String)>) -> &mut Self {
        let facts = facts
            .into_iter()
            .map(|(name, value)| (defuse(&name), defuse(&value)));
        self.blocks.push(Block::Facts(facts.collect()));
        self
    }

    pub fn drawing(&mut self, svg: Option<String>, caption: &str) -> &mut Self {
        self.blocks.extend(svg.map(|svg| Block::Drawing {
            svg,
            caption: defuse(caption),
        }));
        self
    }

    /// Keeps line breaks; other controls are made visible.
    pub fn code(&mut self, text: &str) -> &mut Self {
        let lines = text.trim_end().lines().map(defuse);
        self.blocks
            .push(Block::Code(lines.collect::<Vec<_>>().join("\n")));
        self
    }

    /// Whether it says anything.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

impl Grid {
    /// A table of the text report.
    pub fn of(caption: &str, table: &Table) -> Self {
        let texts = |row: &comfy_table::Row| -> Vec<String> {
            row.cell_iter().map(comfy_table::Cell::content).collect()
        };
        let header = table.header().map(texts).unwrap_or_default();
        let names: Vec<&str> = header.iter().map(String::as_str).collect();
        Self::new(caption, &names, table.row_iter().map(texts))
    }

    /// A table of columns, each with its name; `names` are those of its rows.
    pub fn of_columns<'a, const ROWS: usize>(
        caption: &str,
        names: [&str; ROWS],
        columns: impl IntoIterator<Item = (&'a str, [String; ROWS])>,
    ) -> Self {
        let mut header = vec![""];
        let mut rows = names.map(|name| vec![name.to_owned()]);
        for (name, fields) in columns {
            header.push(name);
            for (row, field) in rows.iter_mut().zip(fields) {
                row.push(field);
            }
        }
        Self::new(caption, &header, rows)
    }

    /// A table of rows whose first field is their heading.
    pub fn new(
        caption: &str,
        header: &[&str],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Self {
        let row = |fields: Vec<String>| {
            let mut fields = fields.into_iter();
            let head = fields.next().unwrap_or_default();
            Row {
                inner: head.starts_with(' '),
                head: defuse(head.trim()),
                cells: fields.map(|field| defuse(&field)).collect(),
            }
        };
        Self {
            caption: defuse(caption),
            header: header.iter().map(|name| defuse(name)).collect(),
            rows: rows.into_iter().map(row).collect(),
        }
    }
}

/// A name for each drawing of a page.
#[derive(Default)]
pub(super) struct Ids(usize);

impl Ids {
    pub fn next(&mut self) -> String {
        self.0 += 1;
        format!("d{}", self.0)
    }
}
