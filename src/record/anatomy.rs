//! Where the time of sessions went, as it is kept of one trial of a metered run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::HistogramRecord;
use crate::stats::{HistogramError, LedgerStats, LedgersByKind, OkKind, Passage};

/// How a run was metered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeteringRecord {
    /// What one entry in a ledger cost on this machine, in nanoseconds, measured before the run.
    pub span_ns: f64,
}

/// The ledgers of one trial, by end and kind of session.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnatomyRecord {
    /// Confirmed sessions of the measure phase, as the client saw them.
    pub client: BTreeMap<OkKind, LedgerRecord>,
    /// Sessions that ended in the trial, warm-up included, as the embedded target saw them.
    pub target: BTreeMap<OkKind, LedgerRecord>,
}

impl AnatomyRecord {
    /// Encodes what was counted.
    ///
    /// Fails only if the compressor of histograms does.
    pub(crate) fn of(
        client: &LedgersByKind,
        target: &LedgersByKind,
    ) -> Result<Self, HistogramError> {
        let encode = |ledgers: &LedgersByKind| {
            let each = ledgers.iter();
            each.map(|(kind, stats)| Ok((*kind, LedgerRecord::of(stats)?)))
                .collect::<Result<_, HistogramError>>()
        };
        Ok(Self {
            client: encode(client)?,
            target: encode(target)?,
        })
    }
}

/// The ledgers of sessions of one kind at one end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LedgerRecord {
    /// Sessions.
    pub sessions: u64,
    /// What they spent their time on.
    pub entries: Vec<EntryRecord>,
    /// The flights of the handshake, in order.
    pub flights: Vec<FlightRecord>,
    /// Bytes sent once handshakes were complete, summed.
    pub data_sent: u64,
    /// Bytes received once handshakes were complete, summed.
    pub data_received: u64,
    /// How often this end waited for the other until its handshake was complete, summed.
    pub turns: u64,
}

/// One kind of work in one passage of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryRecord {
    /// A crypto operation (`kx_start`, `kx_complete`, `sign`, `verify_chain`, `verify_transcript`, `hash`,
    /// `kdf`, `seal`, `open`, `random`), or `tls` for rustls itself, or `socket`.
    pub work: String,
    /// The algorithm, where it is told apart; `verify_chain` without one is the building of the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// How far the session was.
    pub passage: Passage,
    /// How often it was done, over all sessions.
    pub count: u64,
    /// Exclusive time per session, over those in which it was done.
    pub time: HistogramRecord,
}

/// Bytes that went one way before the other end's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlightRecord {
    /// Its place in the handshake, from 0.
    pub place: usize,
    /// Whether this end sent it.
    pub sent: bool,
    /// Sessions that had it.
    pub sessions: u64,
    /// Their bytes, summed.
    pub bytes: u64,
}

impl LedgerRecord {
    fn of(stats: &LedgerStats) -> Result<Self, HistogramError> {
        let entries = stats.entries.iter().map(|(entry, stats)| {
            Ok(EntryRecord {
                work: entry.work.label().to_owned(),
                algorithm: entry.algorithm.map(str::to_owned),
                passage: entry.passage,
                count: stats.count,
                time: HistogramRecord::of(&stats.time)?,
            })
        });
        let flights = stats
            .flights
            .iter()
            .map(|((place, sent), flight)| FlightRecord {
                place: *place,
                sent: *sent,
                sessions: flight.sessions,
                bytes: flight.bytes,
            });
        Ok(Self {
            sessions: stats.sessions,
            entries: entries.collect::<Result<_, HistogramError>>()?,
            flights: flights.collect(),
            data_sent: stats.data_sent,
            data_received: stats.data_received,
            turns: stats.turns,
        })
    }
}
