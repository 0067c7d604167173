//! A shard's part of a run: what cannot be divided, and when it begins.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::Prepared;
use crate::affinity::available_cores;
use crate::clock::ClockState;
use crate::load::Timetable;
use crate::record::ShardRecord;
use crate::scenario::{Checked, EventKind};
use crate::shard::Shard;
use crate::text::hex;

/// A scenario that cannot be divided as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ShardsError {
    #[error(
        "workers.count: shards need it, as each has to have as many, and hosts differ; write --workers N"
    )]
    NoWorkers,
    #[error(
        "{shards} shards of {workers} workers are more workers than the {sessions} sessions at once; {}",
        fewer(*most)
    )]
    TooMany {
        shards: u32,
        workers: usize,
        sessions: u64,
        /// The most shards that have a session for each worker.
        most: u64,
    },
    #[error(
        "events: a revocation in shards: no shard knows when another's list is in place; revoke in a run without --shard"
    )]
    Revocation,
}

fn fewer(most: u64) -> String {
    match most {
        0 => "ask for fewer --workers, or for more sessions".to_owned(),
        most => format!("ask for {most} at most, for fewer --workers, or for more sessions"),
    }
}

/// Whether a scenario can be divided into so many shards of so many workers.
pub(super) fn check(checked: &Checked, shard: Shard, workers: usize) -> Result<(), ShardsError> {
    if shard == Shard::WHOLE {
        return Ok(());
    }
    if checked.scenario.workers.count.is_none() {
        return Err(ShardsError::NoWorkers);
    }
    let sessions = checked.load.max_in_flight();
    if shard.share(0, workers).1 as u64 > sessions {
        return Err(ShardsError::TooMany {
            shards: shard.of,
            workers,
            sessions,
            most: sessions / workers as u64,
        });
    }
    let events = &checked.scenario.events;
    if events.iter().any(|event| event.kind == EventKind::Revoke) {
        return Err(ShardsError::Revocation);
    }
    Ok(())
}

/// When a shard begins, and what its result says of it.
#[derive(Debug, Clone)]
pub struct Part {
    pub(super) timetable: Timetable,
    pub(super) record: ShardRecord,
    /// How many shards before it run on its host.
    pub(super) before: usize,
}

/// What tells this host from others, without saying which it is.
fn host() -> Option<String> {
    let drawn = std::fs::read("/proc/sys/kernel/random/boot_id").ok()?;
    let digest = Sha256::digest(drawn);
    Some(hex(&digest[..8]))
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Part {
    /// The part of a run that begins at `start`, by a host's clock of this state.
    #[must_use]
    pub fn begins(mut self, start: SystemTime, clock: ClockState) -> Self {
        self.timetable.start = start;
        self.record.start_unix_ns = ns(start.duration_since(UNIX_EPOCH).unwrap_or_default());
        self.record.clock = clock;
        self
    }

    /// The part of a shard that met the others, which drew `attempt` for that; `before` shards before it run on its
    /// host, and have the first cores.
    #[must_use]
    pub fn met(mut self, attempt: String, before: u32) -> Self {
        self.record.attempt = Some(attempt);
        self.before = before as usize;
        self
    }

    /// What the result says of it.
    pub fn record(&self) -> &ShardRecord {
        &self.record
    }
}

impl Prepared {
    /// A SHA-256 of what all shards have to agree on: the scenario, and how many identities a fleet has, which is in
    /// files of each machine.
    fn digest(&self) -> String {
        let scenario = self.plan.checked.scenario.common_digest();
        let fleets = self
            .plan
            .cells
            .iter()
            .filter_map(|cell| cell.fleet.as_ref());
        let lengths: Vec<String> = fleets.map(|fleet| fleet.count().to_string()).collect();
        if lengths.is_empty() {
            return scenario;
        }
        hex(&Sha256::digest(format!("{scenario} {}", lengths.join(" "))))
    }

    /// This shard's part of a run, which has no time yet.
    pub fn part(&self) -> Part {
        let timetable = Timetable::of(&self.plan.checked, UNIX_EPOCH);
        Part {
            timetable,
            record: ShardRecord {
                shard: self.plan.shard,
                workers: self.plan.worker_cores.len(),
                plan_sha256: self.digest(),
                attempt: None,
                start_unix_ns: 0,
                slot_ns: ns(timetable.slot),
                clock: ClockState::default(),
                host: host(),
            },
            before: 0,
        }
    }

    /// The core of each worker where `before` shards before this one run on the same host. Cores that were given are
    /// taken as given, and an engine's binding holds.
    pub(super) fn cores_after(&self, before: usize) -> Vec<Option<usize>> {
        let checked = &self.plan.checked;
        let own = &self.plan.worker_cores;
        if before == 0 || checked.scenario.workers.cores.is_some() {
            return own.clone();
        }
        let cores = available_cores();
        let first = before * own.len();
        (first..first + own.len())
            .map(|worker| (!cores.is_empty()).then(|| cores[worker % cores.len()]))
            .collect()
    }
}
