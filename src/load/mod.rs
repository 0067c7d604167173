//! The load: pinned workers that open sessions as the plan says and sum up what came of them.
//!
//! Pacing, stop condition, protocol and TLS are parts of their own: [`schedule`] says when arrivals
//! are due, [`pacer`] waits for them, `session` makes one attempt, [`recorder`] counts it, and
//! nothing is shared between workers while a trial runs.

mod connect;
mod engine;
mod pacer;
mod plan;
mod preflight;
mod recorder;
mod schedule;
mod session;
mod worker;

pub use engine::{Engine, EngineError, Event, Interrupt, LiveTotals, TargetView, TrialResult};
pub use pacer::Pacer;
pub use plan::{CellPlan, LoadPlan};
pub use preflight::{Preflight, PreflightError, Resources};
pub use schedule::Schedule;
