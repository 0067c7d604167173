//! What a result keeps of the plan: what was asked, as resolved, and what this host gave it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MeteringRecord, Note};
use crate::affinity::Placement;
use crate::scenario::{Cell, Scenario, Verify};

/// The plan as resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanRecord {
    /// The scenario as written or built from flags.
    pub scenario: Scenario,
    /// `closed` or `open`.
    pub load_model: String,
    /// Asked arrivals per second in the measure phase, of an open loop.
    pub asked_rate: Option<f64>,
    /// Asked concurrent sessions on average over the measure phase, of a closed loop.
    pub asked_sessions: Option<f64>,
    /// Most concurrent sessions asked for, of a closed loop.
    pub asked_sessions_max: Option<u64>,
    /// Length of the warm-up in seconds.
    pub warmup_s: f64,
    /// Length of the measure phase in seconds.
    pub duration_s: f64,
    /// Seconds that sessions in flight may take to finish.
    pub grace_s: f64,
    /// The provider of the client's cryptography; of several, as cells name them, separated by commas.
    pub provider: String,
    /// The provider of the embedded target's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_provider: Option<String>,
    /// Cipher suites that are offered because all providers have them, so that like is compared with like;
    /// empty where the scenario names suites, or there is one provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub common_suites: Vec<String>,
    /// Cells that this build or this combination cannot do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<SkippedRecord>,
    /// How the cryptography was metered; absent where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metering: Option<MeteringRecord>,
    /// The client's identity: subject of its certificate, if one was used.
    pub identity: Option<String>,
    /// The addresses of the server's name, in the order in which they were tried; empty for the embedded
    /// target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<AddressRecord>,
    /// Whether the server's chain and name were verified.
    pub server_verified: bool,
    /// Local addresses connections were made from; empty leaves it to the system.
    pub sources: Vec<String>,
    /// Where the threads ran.
    pub placements: Vec<Placement>,
    /// What the preflight found.
    pub preflight: PreflightRecord,
}

/// The load that was asked for in the measure phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Asked {
    /// Open loop: arrivals per second.
    Rate(f64),
    /// Closed loop: concurrent sessions.
    Sessions {
        /// On average.
        mean: f64,
        /// At most.
        most: u64,
    },
}

impl PlanRecord {
    /// The load that was asked for.
    pub(crate) fn asked(&self) -> Asked {
        match self.asked_rate {
            Some(rate) => Asked::Rate(rate),
            None => Asked::Sessions {
                mean: self.asked_sessions.unwrap_or(0.0),
                most: self.asked_sessions_max.unwrap_or(0),
            },
        }
    }

    /// How many workers it had.
    pub(crate) fn workers(&self) -> u64 {
        let threads = self.placements.iter();
        threads.filter(|p| p.thread.starts_with("worker")).count() as u64
    }

    /// Whether each chain of the server was verified once and not in every handshake.
    pub(crate) fn verifies_once(&self) -> bool {
        self.scenario.tls.verify == Verify::OncePerChain
    }
}

/// An address of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressRecord {
    /// The address and port.
    pub address: String,
    /// Whether sessions connected to it.
    pub used: bool,
    /// Why it did not take a connection before the run; `null` where it did, or was not tried.
    pub failure: Option<String>,
}

/// What the preflight computed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreflightRecord {
    /// File descriptors needed.
    pub files_needed: u64,
    /// File descriptors allowed.
    pub files_limit: u64,
    /// Memory needed, in bytes.
    pub memory_needed: u64,
    /// Memory available, in bytes.
    pub memory_available: Option<u64>,
    /// Of what the plan might have needed more than there was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortages: Vec<Note>,
}

/// A cell that was not run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SkippedRecord {
    /// What it would have been.
    pub cell: Cell,
    /// Why not.
    pub reason: String,
}
