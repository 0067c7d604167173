//! What a result keeps of shards: of one, and of those that were merged. A part of the result file's shape, see `model`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AddressRecord, Environment, Note, PreflightRecord};
use crate::affinity::Placement;
use crate::clock::ClockState;
use crate::shard::Shard;

/// The part of a run that one of several processes did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShardRecord {
    /// Which of how many.
    pub shard: Shard,
    /// Workers of each.
    pub workers: usize,
    /// SHA-256 of the plan, in hexadecimal digits: it is the same in all of them.
    pub plan_sha256: String,
    /// A number that this process drew; `null` where shards did not meet, but began at a given time.
    pub attempt: Option<String>,
    /// When the first trial was to begin, in nanoseconds since 1970.
    pub start_unix_ns: u64,
    /// From the beginning of one trial to that of the next, in nanoseconds.
    pub slot_ns: u64,
    /// This host's clock, which decides when trials begin and no latency; its offset is that to the clock of the place
    /// where the shards met.
    pub clock: ClockState,
    /// Tells shards that ran on one host: a digest of what the kernel draws at each start; `null` where it draws none.
    pub host: Option<String>,
}

/// A shard of a merged result: what of it is not added to that of others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MergedShard {
    /// Which it was, and when it was to begin.
    pub part: ShardRecord,
    /// Where it ran, as an index into the result's `hosts`.
    pub host: usize,
    /// When its first trial began, RFC 3339, UTC.
    pub started_at: String,
    /// When its last trial ended, RFC 3339, UTC.
    pub ended_at: String,
    /// Its command line.
    pub command: Vec<String>,
    /// Where its threads ran.
    pub placements: Vec<Placement>,
    /// The list of cores that it was given for its workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<String>,
    /// The addresses of the server's name, as it found them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<AddressRecord>,
    /// Local addresses that it connected from.
    pub sources: Vec<String>,
    /// Subject of the certificate that it presented, if it was one.
    pub identity: Option<String>,
    /// What its preflight found.
    pub preflight: PreflightRecord,
    /// The latest beginning of a load, in nanoseconds after its time.
    pub late_ns: u64,
    /// By cell: the median latency of its sessions, in nanoseconds; cells without one are left out.
    pub medians_ns: BTreeMap<String, u64>,
    /// Whether all its trials ran to their end.
    pub complete: bool,
    /// Why it is not valid by itself; empty if it is.
    pub reasons: Vec<Note>,
    /// What else it says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Note>,
}

/// A host of merged shards; several shards of equal hosts have one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostRecord {
    /// What it is.
    pub environment: Environment,
    /// The shards that ran on such a host.
    pub shards: Vec<u32>,
}
