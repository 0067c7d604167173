//! Shards together: folds their results, one after the other, into that of the whole run.
//!
//! Counts are added, histograms are added, of times and peaks the first, last or largest is kept; what is a machine's own
//! stays with its shard. `docs/results.md` has each field. The order does not matter, and merged results merge again.

mod agree;
mod parts;
mod trial;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::analysis::{Decoded, expectations, judge};
use crate::record::{CellRecord, Environment, MergedShard, PlanRecord, RunRecord, Validity};
use crate::stats::HistogramError;
use trial::TrialFold;

/// Results that are not parts of one run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum MergeError {
    #[error(
        "{name} is the result of a whole run and no shard; merge what `shakedown run --shard` wrote"
    )]
    NoShard { name: String },
    #[error(
        "{name} is not of the same run as {first}: they differ in {what}; merge only the shards of one run"
    )]
    OtherRun {
        name: String,
        first: String,
        what: String,
    },
    #[error("{name} and {first} both have shard {shard}; merge each shard once")]
    Duplicate {
        name: String,
        first: String,
        shard: u32,
    },
    #[error("there is nothing to merge; name the folder or the files of the shards' results")]
    Nothing,
    #[error("{name}: {source}; the file is damaged, so leave it out, or take another copy")]
    Damaged {
        name: String,
        source: HistogramError,
    },
    #[error("cannot keep a histogram: {0}")]
    Histogram(#[from] HistogramError),
}

/// A merger of results.
#[derive(Debug, Default)]
pub struct Merge {
    sum: Option<Sum>,
}

/// What is merged so far.
#[derive(Debug)]
struct Sum {
    /// The run as the shard with the lowest number has it, without its cells.
    run: RunRecord,
    cells: Vec<CellSum>,
    shards: BTreeMap<u32, (MergedShard, Environment, String)>,
    /// What the first result was called.
    first: String,
}

#[derive(Debug)]
struct CellSum {
    /// The cell without its trials.
    cell: CellRecord,
    /// By round.
    trials: BTreeMap<usize, TrialFold>,
}

impl Merge {
    /// Adds a result, of one shard or of several that were merged. `name` is what errors call it.
    ///
    /// # Errors
    ///
    /// Fails if it is of another run, if it has a shard that is there already, and if it is damaged. Then there is no
    /// result.
    pub fn add(&mut self, name: &str, mut record: RunRecord) -> Result<(), MergeError> {
        let damaged = |source| MergeError::Damaged {
            name: name.to_owned(),
            source,
        };
        let parts = parts::of(&mut record).map_err(damaged)?;
        if parts.is_empty() {
            return Err(MergeError::NoShard {
                name: name.to_owned(),
            });
        }
        let cells = std::mem::take(&mut record.cells);
        let sum = match &mut self.sum {
            None => {
                let cells = CellSum::of_all(&cells);
                self.sum.insert(Sum::new(name, record, cells))
            }
            Some(sum) => {
                sum.check(name, &record, &cells, &parts)?;
                sum.run = parts::together(&sum.run, record, sum.lowest(), lowest(&parts));
                sum
            }
        };
        for (environment, shard) in parts {
            let index = shard.part.shard.index;
            sum.shards
                .insert(index, (shard, environment, name.to_owned()));
        }
        for (sum, cell) in sum.cells.iter_mut().zip(cells) {
            sum.add(cell).map_err(damaged)?;
        }
        Ok(())
    }

    /// The result of all.
    ///
    /// # Errors
    ///
    /// Fails if nothing was added, or if a histogram cannot be kept.
    pub fn finish(self) -> Result<RunRecord, MergeError> {
        let sum = self.sum.ok_or(MergeError::Nothing)?;
        let mut record = sum.run;
        (record.shards, record.hosts) = parts::by_host(sum.shards);
        // Only what may still be merged needs to know when its sessions waited.
        let of = record.shards.first().map_or(0, |first| first.part.shard.of);
        let whole = record.shards.len() as u64 == u64::from(of);
        for cell in sum.cells {
            record.cells.push(cell.finish(&record.plan, whole)?);
        }
        if let Some(first) = record.hosts.first() {
            record.environment = first.environment.clone();
        }
        let planned = record.plan.scenario.trials.count * record.cells.len();
        record.expectations = expectations(&record);
        (record.validity, record.warnings) =
            judge(&record, Decoded::of(&record)?.summaries(), planned);
        Ok(record)
    }
}

fn lowest(parts: &[(Environment, MergedShard)]) -> Option<u32> {
    parts.iter().map(|(_, shard)| shard.part.shard.index).min()
}

impl Sum {
    fn new(name: &str, record: RunRecord, cells: Vec<CellSum>) -> Self {
        Self {
            run: RunRecord {
                shard: None,
                shards: Vec::new(),
                hosts: Vec::new(),
                expectations: Vec::new(),
                warnings: Vec::new(),
                validity: Validity {
                    complete: false,
                    valid: false,
                    reasons: Vec::new(),
                },
                ..parts::alone(record)
            },
            cells,
            shards: BTreeMap::new(),
            first: name.to_owned(),
        }
    }

    fn lowest(&self) -> Option<u32> {
        self.shards.keys().next().copied()
    }

    /// Refuses what is not another part of the same run.
    fn check(
        &self,
        name: &str,
        record: &RunRecord,
        cells: &[CellRecord],
        parts: &[(Environment, MergedShard)],
    ) -> Result<(), MergeError> {
        let mine = self.cells.iter().map(|sum| &sum.cell);
        let first = self.shards.values().next().map(|(shard, ..)| &shard.part);
        let of_parts = |first| {
            let mut parts = parts.iter();
            parts.find_map(|(_, shard)| agree::parts(first, &shard.part))
        };
        let differs = first
            .and_then(of_parts)
            .or_else(|| agree::runs(&self.run, record))
            .or_else(|| agree::cells(mine, cells));
        if let Some(what) = differs {
            return Err(MergeError::OtherRun {
                name: name.to_owned(),
                first: self.first.clone(),
                what,
            });
        }
        for (_, shard) in parts {
            if let Some((.., first)) = self.shards.get(&shard.part.shard.index) {
                return Err(MergeError::Duplicate {
                    name: name.to_owned(),
                    first: first.clone(),
                    shard: shard.part.shard.index,
                });
            }
        }
        Ok(())
    }
}

impl CellSum {
    fn of_all(cells: &[CellRecord]) -> Vec<Self> {
        let each = cells.iter().map(|cell| Self {
            cell: CellRecord {
                cell: cell.cell.clone(),
                address: cell.address.clone(),
                pins: cell.pins.clone(),
                trials: Vec::new(),
            },
            trials: BTreeMap::new(),
        });
        each.collect()
    }

    fn add(&mut self, cell: CellRecord) -> Result<(), HistogramError> {
        self.cell.address = parts::addresses(&self.cell.address, &cell.address);
        for trial in cell.trials {
            match self.trials.entry(trial.round) {
                Entry::Occupied(mut fold) => fold.get_mut().add(trial)?,
                Entry::Vacant(place) => {
                    place.insert(TrialFold::of(trial)?);
                }
            }
        }
        Ok(())
    }

    fn finish(self, plan: &PlanRecord, whole: bool) -> Result<CellRecord, HistogramError> {
        let trials = self.trials.into_values();
        Ok(CellRecord {
            trials: trials
                .map(|fold| fold.finish(plan, whole))
                .collect::<Result<_, _>>()?,
            ..self.cell
        })
    }
}
