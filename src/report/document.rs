//! A report before it is text, Markdown or HTML: what it says first, and sections of blocks. Whoever builds one gives
//! plain strings; what could change how a report looks is made visible here, markup is escaped by the writers.

use super::bar::Stack;
use super::style::Tone;
use crate::record::Note;
use crate::text::defuse;

/// A whole report.
#[derive(Debug)]
pub(super) struct Document {
    pub name: String,
    pub question: String,
    /// A line each.
    pub conditions: Vec<String>,
    pub banners: Vec<Banner>,
    pub sections: Vec<Section>,
    /// What it was made from, and how to read its intervals.
    pub source: String,
}

impl Document {
    /// Sections that say nothing are left out.
    pub(super) fn new(name: &str, question: &str, source: &str) -> Self {
        Self {
            name: defuse(name),
            question: defuse(question),
            conditions: Vec::new(),
            banners: Vec::new(),
            sections: Vec::new(),
            source: defuse(source),
        }
    }

    pub(super) fn conditions(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.conditions
            .extend(lines.into_iter().map(|line| defuse(&line)));
        self
    }

    pub(super) fn banners(mut self, banners: impl IntoIterator<Item = Banner>) -> Self {
        self.banners.extend(banners);
        self
    }

    pub(super) fn sections(mut self, sections: impl IntoIterator<Item = Section>) -> Self {
        let all = sections.into_iter();
        self.sections
            .extend(all.filter(|section| !section.is_empty()));
        self
    }
}

/// A verdict, with what bears on it.
#[derive(Debug)]
pub(super) struct Banner {
    pub tone: Tone,
    pub words: String,
    /// What no figure may be read without.
    pub marks: Vec<&'static str>,
    pub findings: Vec<Finding>,
}

impl Banner {
    pub(super) fn new(tone: Tone, words: &str) -> Self {
        Self {
            tone,
            words: defuse(words),
            marks: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Adds why the verdict is what it is, then what else a reader should know.
    pub(super) fn notes(mut self, reasons: &[Note], notes: &[Note]) -> Self {
        let tone = self.tone;
        let reasons = reasons.iter();
        let reasons = reasons.map(|n| Finding::new(tone, &n.code, &n.message, &n.advice));
        let notes = notes.iter().map(|n| {
            let label = format!("note {}", n.code);
            Finding::new(Tone::Unclear, &label, &n.message, &n.advice)
        });
        self.findings.extend(reasons.chain(notes));
        self
    }
}

/// Something that was found, and what to do about it.
#[derive(Debug)]
pub(super) struct Finding {
    pub tone: Tone,
    pub label: String,
    pub text: String,
    pub advice: String,
}

impl Finding {
    pub(super) fn new(tone: Tone, label: &str, text: &str, advice: &str) -> Self {
        Self {
            tone,
            label: defuse(label),
            text: defuse(text),
            advice: defuse(advice),
        }
    }
}

/// A part with a heading.
#[derive(Debug)]
pub(super) struct Section {
    pub id: &'static str,
    pub title: String,
    pub extent: Extent,
    pub blocks: Vec<Block>,
}

/// Which reports have a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of them.
    Whole,
    /// All, but Markdown folds it.
    Folded,
    /// Markdown folds it, text leaves it out.
    Detail,
    /// It is nothing without its drawings.
    Page,
}

/// A piece of a section.
#[derive(Debug)]
pub(super) enum Block {
    /// A heading below the section's.
    Heading(String),
    /// A paragraph.
    Prose(String),
    /// Points.
    List(Vec<String>),
    /// Points with what to do.
    Findings(Vec<Finding>),
    /// A table with a heading for each row and column.
    Table(Grid),
    /// A drawing, escaped already, with its caption, and what stands for it where nothing can be drawn.
    Drawing {
        svg: String,
        caption: String,
        bars: Option<Stack>,
    },
    /// Text as it is.
    Code(String),
}

impl Section {
    pub(super) fn new(id: &'static str, title: &str) -> Self {
        Self {
            id,
            title: title.to_owned(),
            extent: Extent::Whole,
            blocks: Vec::new(),
        }
    }

    pub(super) fn of_extent(mut self, extent: Extent) -> Self {
        self.extent = extent;
        self
    }

    /// A name for the drawing that comes next, unique in the report.
    pub(super) fn drawing_id(&self) -> String {
        format!("{}-{}", self.id, self.blocks.len())
    }

    pub(super) fn prose(&mut self, text: impl AsRef<str>) -> &mut Self {
        let text = text.as_ref().trim();
        if !text.is_empty() {
            let text = defuse(&text.replace('\n', " "));
            self.blocks.push(Block::Prose(text));
        }
        self
    }

    pub(super) fn heading(&mut self, text: &str) -> &mut Self {
        self.blocks.push(Block::Heading(defuse(text)));
        self
    }

    pub(super) fn list(&mut self, points: impl IntoIterator<Item = String>) -> &mut Self {
        let points: Vec<String> = points.into_iter().map(|point| defuse(&point)).collect();
        if !points.is_empty() {
            self.blocks.push(Block::List(points));
        }
        self
    }

    pub(super) fn findings(&mut self, all: Vec<Finding>) -> &mut Self {
        if !all.is_empty() {
            self.blocks.push(Block::Findings(all));
        }
        self
    }

    pub(super) fn table(&mut self, grid: Grid) -> &mut Self {
        if !grid.rows.is_empty() {
            self.blocks.push(Block::Table(grid));
        }
        self
    }

    pub(super) fn drawing(&mut self, svg: Option<String>, caption: &str) -> &mut Self {
        self.bars(svg, caption, None)
    }

    /// A drawing of bars, which text has, too.
    pub(super) fn bars(
        &mut self,
        svg: Option<String>,
        caption: &str,
        bars: Option<Stack>,
    ) -> &mut Self {
        self.blocks.extend(svg.map(|svg| Block::Drawing {
            svg,
            caption: defuse(caption),
            bars,
        }));
        self
    }

    /// Keeps line breaks.
    pub(super) fn code(&mut self, text: &str) -> &mut Self {
        let lines: Vec<String> = text.trim_end().lines().map(defuse).collect();
        self.blocks.push(Block::Code(lines.join("\n")));
        self
    }

    /// Whether it says anything.
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

/// A table.
#[derive(Debug)]
pub(super) struct Grid {
    pub caption: String,
    pub header: Vec<String>,
    pub rows: Vec<Row>,
    /// Whether its fields are words, which stand to the left; else they are figures.
    pub words: bool,
}

/// One row of a table.
#[derive(Debug)]
pub(super) struct Row {
    /// How far it is indented below the rows that it belongs to.
    pub depth: usize,
    pub head: String,
    pub fields: Vec<Field>,
}

/// A field of a table.
#[derive(Debug)]
pub(super) struct Field {
    pub text: String,
    pub tone: Tone,
}

impl Field {
    pub(super) fn new(tone: Tone, text: &str) -> Self {
        Self {
            text: defuse(text),
            tone,
        }
    }
}

impl From<String> for Field {
    fn from(text: String) -> Self {
        Self::new(Tone::Plain, &text)
    }
}

impl Grid {
    /// A table without rows; the first column is that of their headings.
    pub(super) fn new<T: AsRef<str>>(caption: &str, header: impl IntoIterator<Item = T>) -> Self {
        Self {
            caption: defuse(caption),
            header: header
                .into_iter()
                .map(|name| defuse(name.as_ref()))
                .collect(),
            rows: Vec::new(),
            words: false,
        }
    }

    /// The same of words.
    pub(super) fn of_words(mut self) -> Self {
        self.words = true;
        self
    }

    /// Adds a row. Two blanks before its heading are one step further in.
    pub(super) fn row<F: Into<Field>>(&mut self, head: &str, fields: impl IntoIterator<Item = F>) {
        let mut fields: Vec<Field> = fields.into_iter().map(Into::into).collect();
        fields.resize_with(self.header.len().saturating_sub(1), || String::new().into());
        self.rows.push(Row {
            depth: ((head.len() - head.trim_start().len()) / 2).min(2),
            head: defuse(head.trim()),
            fields,
        });
    }

    /// Adds a row for the name of a group, and one for each of its members, which `show` gives heading and fields;
    /// nothing of none.
    pub(super) fn group<'a, T: 'a>(
        &mut self,
        name: &str,
        members: impl IntoIterator<Item = &'a T>,
        show: impl Fn(&'a T) -> (&'a str, Vec<Field>),
    ) {
        let mut members = members.into_iter().peekable();
        if members.peek().is_some() {
            self.row::<Field>(name, []);
        }
        for member in members {
            let (head, fields) = show(member);
            self.row(&format!("  {}", head.trim_start()), fields);
        }
    }

    /// The same with a row for each column. A row that belongs to one above takes the first word of that.
    pub(super) fn transposed(self) -> Self {
        let mut grid = Self {
            header: self.header.iter().take(1).cloned().collect(),
            rows: Vec::new(),
            ..self
        };
        for name in self.header.into_iter().skip(1) {
            grid.row::<Field>(&name, []);
        }
        let mut above = String::new();
        for row in self.rows {
            if row.depth == 0 {
                row.head.clone_into(&mut above);
                grid.header.push(row.head);
            } else {
                let first = above.split(' ').next().unwrap_or_default();
                grid.header.push(format!("{first} {}", row.head));
            }
            for (of_name, field) in grid.rows.iter_mut().zip(row.fields) {
                of_name.fields.push(field);
            }
        }
        grid
    }

    /// A table of columns, each with its name; `names` are those of its rows.
    pub(super) fn of_columns<'a, const ROWS: usize>(
        caption: &str,
        names: [&str; ROWS],
        columns: impl IntoIterator<Item = (&'a str, [String; ROWS])>,
    ) -> Self {
        let (titles, columns): (Vec<&str>, Vec<[String; ROWS]>) = columns.into_iter().unzip();
        let mut grid = Self::new(caption, std::iter::once("").chain(titles)).of_words();
        for (place, name) in names.iter().enumerate() {
            grid.row(name, columns.iter().map(|column| column[place].clone()));
        }
        grid
    }
}
