//! The load: pinned workers that open sessions as the plan says and sum up what came of them.
//!
//! Pacing, stop condition, protocol and TLS are parts of their own: [`Schedule`] says when arrivals
//! are due, [`Pacer`] waits for them, `open_loop` and `closed_loop` decide which begin, `session`
//! makes one attempt, `recorder` counts it, and nothing is shared between workers meanwhile.

mod cgroup;
mod closed_loop;
mod connect;
mod control;
mod counters;
mod deal;
mod engine;
mod env;
mod event;
mod fleet;
mod hand_over;
mod happen;
mod host;
mod job;
mod limits;
mod occurrence;
mod open_loop;
mod pacer;
mod plan;
mod preflight;
mod prime;
mod recorder;
mod schedule;
mod session;
mod shards_needed;
mod stock;
mod timetable;
mod watched;
mod worker;

#[cfg(test)]
mod preflight_tests;
#[cfg(test)]
mod recorder_tests;
#[cfg(test)]
mod shards_needed_tests;

pub use control::Interrupt;
pub use engine::{Engine, EngineError};
pub use event::{Event, LiveTotals, TargetView, TrialResult};
pub use fleet::FleetPlan;
pub use hand_over::HandOver;
pub use happen::Happened;
pub use occurrence::{EventPlan, Revocation};
pub use pacer::Pacer;
pub use plan::{CellPlan, LoadPlan};
pub use preflight::{PreflightError, Resources};
pub use schedule::Schedule;
pub use shards_needed::{Demand, Machine, SessionCpu, ShardsNeeded};
pub use stock::Stock;
pub use timetable::{MOST_LATE, Timetable};
