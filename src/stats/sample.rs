//! One finished attempt: its phase, its outcome and its durations.

use super::{CancelPhase, Observed, Offer, OkKind, Outcome, Timing};
use crate::text::labelled;

/// The part of a trial that an arrival falls into by its scheduled start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Runs, is accounted for, is not measured.
    Warmup,
    /// Is measured.
    Measure,
}

labelled! {
    /// A duration that is kept as a histogram.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Metric {
        /// From the connect call to the established TCP connection.
        Connect = "connect",
        /// From the established connection to the go-ahead for TLS, of sessions with a way in.
        WayIn = "way_in",
        /// From the established connection, or the end of the way in, until the client has sent its last handshake
        /// flight.
        Handshake = "handshake",
        /// From the same time to the first proof that the server accepted us.
        Confirm = "confirm",
        /// From a request's first byte sent to its response's last byte read.
        Exchange = "exchange",
        /// From the scheduled start to the proof: what a user who wanted a session then waited.
        Latency = "latency",
        /// From the actual start to the proof: latency without the generator's own delay.
        Service = "service",
        /// From the scheduled to the actual start: the generator's own delay.
        Lag = "lag",
    }
}

/// One finished attempt. A duration is `None` if it did not begin, and censored at its age if it did not end.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The phase its scheduled start falls into.
    pub phase: Phase,
    /// When it ended, in nanoseconds after the trial's start.
    pub ended_ns: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// How it was established; until that is known, how it was to be.
    pub kind: OkKind,
    /// Which of the cell's identities it is counted by, where there are several; of a fleet the group.
    pub identity: Option<usize>,
    /// Which of the cell's addresses it connected to, where there are several.
    pub address: Option<usize>,
    /// Whether it was planned to resume an earlier session; `None` where resumption is off.
    pub resumed: Option<bool>,
    /// What became of that plan.
    pub offer: Offer,
    /// What its handshake negotiated, if one completed.
    pub observed: Option<Observed>,
    /// See [`Metric::Lag`].
    pub lag_ns: u64,
    /// See [`Metric::Connect`].
    pub connect: Option<Timing>,
    /// See [`Metric::WayIn`].
    pub way_in: Option<Timing>,
    /// See [`Metric::Handshake`].
    pub handshake: Option<Timing>,
    /// See [`Metric::Confirm`].
    pub confirm: Option<Timing>,
    /// See [`Metric::Exchange`]; of one that had no answer only, the others are counted as they end.
    pub exchange: Option<Timing>,
    /// See [`Metric::Service`].
    pub service: Option<Timing>,
    /// TCP payload bytes sent until the client's handshake was finished.
    pub handshake_bytes_out: u64,
    /// TCP payload bytes received until the client's handshake was finished.
    pub handshake_bytes_in: u64,
}

impl Sample {
    /// An attempt that has begun and reached nothing yet. Unless an outcome is recorded, it was cut off.
    pub fn begun(phase: Phase) -> Self {
        Self {
            phase,
            ended_ns: 0,
            outcome: Outcome::Cancelled(CancelPhase::Drain),
            kind: OkKind::Full,
            identity: None,
            address: None,
            resumed: None,
            offer: Offer::default(),
            observed: None,
            lag_ns: 0,
            connect: None,
            way_in: None,
            handshake: None,
            confirm: None,
            exchange: None,
            service: None,
            handshake_bytes_out: 0,
            handshake_bytes_in: 0,
        }
    }

    /// See [`Metric::Latency`].
    pub(crate) fn latency(&self) -> Option<Timing> {
        Some(self.service?.begun_earlier(self.lag_ns))
    }
}
