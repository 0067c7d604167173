//! Cell against cell, round by round, since trials of one round ran next to each other: what mutual
//! authentication costs, what resumption saves, and what another provider, key, group, chain or number of exchanges costs.

use super::decoded::{Decoded, DecodedCell, DecodedTrial};
use super::figure::{Figure, Percentile};
use crate::scenario::{AuthMode, Cell};
use crate::stats::{Metric, RoundEffect, Spread};
use crate::units::Ratio;

/// One figure of one cell against another's.
#[derive(Debug, Clone, PartialEq)]
pub struct TaxRow {
    /// What is compared.
    pub figure: Figure,
    /// The cell's value per trial.
    pub cell: Spread,
    /// The base cell's value per trial.
    pub base: Spread,
    /// Cell minus base, round by round.
    pub difference: RoundEffect,
    /// Cell over base, round by round; `None` where one of them is zero.
    pub ratio: Option<RoundEffect>,
}

/// Why two cells are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// What mutual authentication costs, all else being equal.
    MutualTax,
    /// What resumption saves, all else being equal.
    Resumption,
}

/// What one cell costs against another.
#[derive(Debug, Clone, PartialEq)]
pub struct Tax {
    /// What the two differ in.
    pub question: Question,
    /// The cell.
    pub cell: String,
    /// The cell it is compared with.
    pub base: String,
    /// By figure.
    pub rows: Vec<TaxRow>,
}

/// The tax of mutual authentication: every mTLS cell against the TLS cell that is the same otherwise. Then
/// what resumption saves: every cell with resumed sessions against the one without.
pub(crate) fn taxes(decoded: &Decoded<'_>) -> Vec<Tax> {
    let mut taxes = Vec::new();
    let cells = decoded.cells();
    for cell in cells.iter().filter(|c| c.record.is_mutual()) {
        let server_only = Cell {
            auth: AuthMode::Server,
            identities: Vec::new(),
            server_fault: None,
            ..cell.nameless.clone()
        };
        taxes.extend(against(cells, cell, Question::MutualTax, &server_only));
    }
    let resumes = |cell: &Cell| cell.resumed.is_some_and(|share| share > Ratio::ZERO);
    for cell in cells.iter().filter(|c| resumes(&c.nameless)) {
        let full = Cell {
            resumed: Some(Ratio::ZERO),
            ..cell.nameless.clone()
        };
        taxes.extend(against(cells, cell, Question::Resumption, &full));
    }
    taxes
}

/// One cell against the one that is like `base` but for the name; none without a round in which both were
/// measured.
fn against(
    cells: &[DecodedCell],
    cell: &DecodedCell,
    question: Question,
    base: &Cell,
) -> Option<Tax> {
    let base = alike(cells, base)?;
    let rows = rows((cell, base), &TAXED);
    (!rows.is_empty()).then(|| Tax {
        question,
        cell: cell.record.cell.name.clone(),
        base: base.record.cell.name.clone(),
        rows,
    })
}

/// The cell that is like this one, which has no name, but for its name.
fn alike<'a, 'r>(cells: &'a [DecodedCell<'r>], nameless: &Cell) -> Option<&'a DecodedCell<'r>> {
    cells.iter().find(|other| other.nameless == *nameless)
}

/// What a comparison varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// The client's crypto provider.
    Provider,
    /// The key algorithms of both ends.
    Keys,
    /// The key exchange group.
    Group,
    /// The length of the chains.
    Chain,
    /// Revocation lists.
    Lists,
    /// Exchanges per session.
    Exchanges,
    /// Streams of an exchange.
    Streams,
}

impl Dimension {
    const ALL: [Self; 7] = [
        Self::Provider,
        Self::Keys,
        Self::Group,
        Self::Chain,
        Self::Lists,
        Self::Exchanges,
        Self::Streams,
    ];

    /// The value of a cell, as it is written.
    fn of(self, cell: &Cell) -> Option<String> {
        match self {
            Self::Provider => cell.provider.map(|name| name.to_string()),
            Self::Keys => cell.keys.map(|keys| keys.to_string()),
            Self::Group => cell.group.clone(),
            Self::Chain => cell.chain.map(|length| length.to_string()),
            Self::Lists => {
                let written = if cell.crl { "some" } else { "none" };
                cell.provider.map(|_| written.to_owned())
            }
            Self::Exchanges => cell.exchanges.map(|count| count.to_string()),
            Self::Streams => cell.streams.map(|count| count.to_string()),
        }
    }

    /// The same cell with another's value.
    fn take(self, cell: &Cell, from: &Cell) -> Cell {
        let mut cell = cell.clone();
        match self {
            Self::Provider => cell.provider = from.provider,
            Self::Keys => cell.keys = from.keys,
            Self::Group => cell.group.clone_from(&from.group),
            Self::Chain => cell.chain = from.chain,
            Self::Lists => cell.crl = from.crl,
            Self::Exchanges => cell.exchanges = from.exchanges,
            Self::Streams => cell.streams = from.streams,
        }
        cell
    }
}

/// Cells that differ in one dimension alone, against those with its first value.
#[derive(Debug, Clone, PartialEq)]
pub struct Contrast {
    /// What is varied.
    pub dimension: Dimension,
    /// Its first value.
    pub base: String,
    /// Each base cell with those compared with it.
    pub sets: Vec<ContrastSet>,
}

/// One base cell, and the cells that differ from it in one dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct ContrastSet {
    /// The base cell's name.
    pub base: String,
    /// The other cells' names and figures.
    pub cells: Vec<(String, Vec<TaxRow>)>,
}

/// Every dimension of which there are several values: its cells against those of the first value. A cell
/// whose base was not run is left out.
pub(crate) fn contrasts(decoded: &Decoded<'_>) -> Vec<Contrast> {
    let mut contrasts = Vec::new();
    let cells = decoded.cells();
    for dimension in Dimension::ALL {
        let first = (cells.iter()).find_map(|c| Some((c, dimension.of(&c.nameless)?)));
        let Some((first, value)) = first else {
            continue;
        };
        let mut sets: Vec<ContrastSet> = Vec::new();
        for cell in cells {
            if dimension
                .of(&cell.nameless)
                .is_none_or(|other| other == value)
            {
                continue;
            }
            let Some(base) = alike(cells, &dimension.take(&cell.nameless, &first.nameless)) else {
                continue;
            };
            let rows = rows((cell, base), &COMPARED);
            if rows.is_empty() {
                continue;
            }
            let compared = (cell.record.cell.name.clone(), rows);
            let base = &base.record.cell.name;
            match sets.iter_mut().find(|set| set.base == *base) {
                Some(set) => set.cells.push(compared),
                None => sets.push(ContrastSet {
                    base: base.clone(),
                    cells: vec![compared],
                }),
            }
        }
        if !sets.is_empty() {
            contrasts.push(Contrast {
                dimension,
                base: value,
                sets,
            });
        }
    }
    contrasts
}

const CONFIRM_P50: Figure = Figure::Quantile(Metric::Confirm, Percentile::P50);

/// What the tax and the saving are given in.
const TAXED: [Figure; 6] = [
    Figure::Quantile(Metric::Handshake, Percentile::P50),
    CONFIRM_P50,
    Figure::ClientCpu,
    Figure::TargetCpu,
    Figure::BytesOut,
    Figure::BytesIn,
];

/// What contrasts are given in.
const COMPARED: [Figure; 5] = [
    Figure::ClientCpu,
    Figure::TargetCpu,
    CONFIRM_P50,
    Figure::Quantile(Metric::Confirm, Percentile::P99),
    Figure::Bytes,
];

impl TaxRow {
    /// Its unit: durations of both kinds are in microseconds.
    pub(crate) fn unit(&self) -> &'static str {
        match self.figure.unit() {
            "ns" | "us" => "µs",
            unit => unit,
        }
    }
}

/// A figure of a trial in the unit of a row; none of a percentile that is only known to be beyond an age: it has no
/// difference.
fn value(figure: Figure, trial: &DecodedTrial) -> Option<f64> {
    if !matches!(figure, Figure::Quantile(..)) {
        return figure.of(trial.record, None);
    }
    Some(trial.durations.get(&figure)?.exact()? as f64 / 1e3)
}

fn rows(pair: (&DecodedCell, &DecodedCell), figures: &[Figure]) -> Vec<TaxRow> {
    let rows = figures.iter().filter_map(|figure| row(pair, *figure));
    rows.collect()
}

fn row((cell, base): (&DecodedCell, &DecodedCell), figure: Figure) -> Option<TaxRow> {
    let mut pairs = Vec::new();
    for trial in &cell.trials {
        let round = trial.record.round;
        if let Some(partner) = base.trials.iter().find(|t| t.record.round == round)
            && let (Some(a), Some(b)) = (value(figure, trial), value(figure, partner))
        {
            pairs.push((a, b));
        }
    }
    Some(TaxRow {
        figure,
        cell: Spread::of(pairs.iter().map(|p| p.0))?,
        base: Spread::of(pairs.iter().map(|p| p.1))?,
        difference: RoundEffect::difference(&pairs)?,
        ratio: RoundEffect::ratio(&pairs),
    })
}
