//! The flags that say how hard and for how long: each fills the scenario's key of the same name.

use super::data::DataArgs;
use clap::{Args, ValueEnum};
use shakedown::scenario::{
    Arrivals, AuthMode, Close, Header, LoadSection, ProtocolKind, ProtocolSection, ResumptionMode,
    ResumptionSection, Scenario, StageSection, StatusRange,
};
use shakedown::units::{ByteSize, Rate, Ratio, Span};

/// The load.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadArgs {
    /// Closed loop: this many concurrent sessions
    #[arg(long, short = 'c', value_name = "N", conflicts_with_all = ["rate", "arrivals", "max_in_flight"])]
    pub sessions: Option<u64>,

    /// Open loop: this many arrivals per second, e.g. 500/s
    #[arg(long, short = 'r', value_name = "RATE")]
    pub rate: Option<Rate>,

    /// Open loop: how arrivals are spaced
    #[arg(long, value_name = "SPACING")]
    pub arrivals: Option<ArrivalsArg>,

    /// Ramp: move to this rate or number of sessions over this time, e.g. 10s:500/s or 10s:200
    #[arg(long = "stage", value_name = "TIME:VALUE", value_parser = parse_stage, conflicts_with = "duration")]
    pub stages: Vec<StageSection>,

    /// Open loop: most sessions in flight; arrivals beyond are counted as not started
    #[arg(long, value_name = "N")]
    pub max_in_flight: Option<u64>,

    /// Keep every confirmed session open for this long before closing it
    #[arg(long, value_name = "TIME")]
    pub hold: Option<Span>,

    /// How to close confirmed sessions: reset frees the port at once, but the server sees no orderly end
    /// [default: orderly]
    #[arg(long, value_name = "HOW")]
    pub close: Option<CloseArg>,

    /// Length of the measured part of a trial
    #[arg(long, short = 'd', value_name = "TIME")]
    pub duration: Option<Span>,

    /// Load before the measured part
    #[arg(long, value_name = "TIME")]
    pub warmup: Option<Span>,

    /// End a trial after this many sessions
    #[arg(long, short = 'n', value_name = "N")]
    pub total: Option<u64>,

    /// Closed loop: time over which the first sessions are opened
    #[arg(long, value_name = "TIME")]
    pub ramp_up: Option<Span>,

    /// How long sessions in flight may take to finish after the last arrival
    #[arg(long, value_name = "TIME")]
    pub grace: Option<Span>,

    /// Trials per cell, interleaved
    #[arg(long, value_name = "N")]
    pub trials: Option<usize>,

    /// Who is authenticated, one cell each
    #[arg(long, value_name = "MODE", value_delimiter = ',')]
    pub auth: Vec<AuthArg>,
}

/// Resumption.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Resumption")]
pub struct ResumptionArgs {
    /// Resume sessions, and by what
    #[arg(long, value_name = "MODE")]
    pub resumption: Option<ResumptionArg>,

    /// The share of sessions that are resumed, from 0 to 1 [default: 1]
    #[arg(long, value_name = "SHARE")]
    pub resumed_ratio: Option<Ratio>,

    /// Send the first request of resumed TLS 1.3 sessions as early data (0-RTT). Off unless asked: who
    /// can listen in can send the request once more to a server that does not guard against it, so only
    /// for requests that may be repeated. Takes --resumption ticket
    #[arg(long)]
    pub early_data: bool,
}

/// By what sessions are resumed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ResumptionArg {
    /// Every handshake is full
    Off,
    /// TLS 1.2 session ids
    SessionId,
    /// Tickets of TLS 1.2 and 1.3
    Ticket,
}

/// What happens on a session.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Protocol")]
pub struct ProtocolArgs {
    /// What happens after the handshake [default: http1 for https://, echo for the embedded target]
    #[arg(long, value_name = "PROTOCOL")]
    pub protocol: Option<ProtocolArg>,

    /// Exchanges per session
    #[arg(long, value_name = "N")]
    pub exchanges: Option<u32>,

    /// Echo: bytes per exchange
    #[arg(long, value_name = "SIZE")]
    pub payload: Option<ByteSize>,

    /// HTTP: method
    #[arg(long = "request", short = 'X', value_name = "METHOD")]
    pub method: Option<String>,

    /// HTTP: a header, "Name: value"; values are not kept in results
    #[arg(long = "header", short = 'H', value_name = "HEADER", value_parser = parse_header)]
    pub headers: Vec<Header>,

    /// HTTP: size of the request body, where its content does not matter
    #[arg(long, value_name = "SIZE")]
    pub body: Option<ByteSize>,

    #[command(flatten)]
    pub data: DataArgs,

    #[command(flatten)]
    pub expected: ExpectStatusArg,
}

/// Which HTTP statuses show that the server accepted us; the same for `run`, `probe` and `audit`.
#[derive(Debug, Clone, Default, Args)]
pub struct ExpectStatusArg {
    /// HTTP: statuses that count as accepted: 204, 2xx, 200-299 [default: 2xx]
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    expect_status: Vec<StatusRange>,
}

impl ExpectStatusArg {
    /// Fills in what was given.
    pub fn apply(&self, protocol: &mut ProtocolSection) {
        if !self.expect_status.is_empty() {
            protocol.expect_status.clone_from(&self.expect_status);
        }
    }
}

/// How long each stage may take.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Timeouts")]
#[expect(clippy::struct_field_names, reason = "the fields are the flags' names")]
pub struct TimeoutArgs {
    /// TCP connection establishment
    #[arg(long, value_name = "TIME")]
    connect_timeout: Option<Span>,

    /// TLS until the client has finished
    #[arg(long, value_name = "TIME")]
    pub handshake_timeout: Option<Span>,

    /// Until the server proved that it accepted us
    #[arg(long, value_name = "TIME")]
    pub confirm_timeout: Option<Span>,
}

/// Spacing of arrivals.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ArrivalsArg {
    /// Evenly
    Fixed,
    /// As a Poisson process
    Poisson,
}

/// How confirmed sessions are closed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum CloseArg {
    /// `close_notify` and FIN, and a wait for the server's
    Orderly,
    /// RST
    Reset,
}

/// Who is authenticated.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum AuthArg {
    /// Nobody: plain TCP
    None,
    /// The server
    Server,
    /// Both ends
    Mutual,
}

/// A protocol on top of a session.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ProtocolArg {
    /// Nothing
    Handshake,
    /// What is sent comes back
    Echo,
    /// HTTP/1.1 requests
    Http1,
}

impl From<ProtocolArg> for ProtocolKind {
    fn from(arg: ProtocolArg) -> Self {
        match arg {
            ProtocolArg::Handshake => Self::Handshake,
            ProtocolArg::Echo => Self::Echo,
            ProtocolArg::Http1 => Self::Http1,
        }
    }
}

impl LoadArgs {
    /// Fills in what was given. A flag of one load model clears the scenario's keys of the other.
    pub fn apply(&self, scenario: &mut Scenario) {
        let load = &mut scenario.load;
        let staged_rate = self.stages.iter().any(|s| s.rate.is_some());
        let staged_sessions = self.stages.iter().any(|s| s.sessions.is_some());
        if self.sessions.is_some() || staged_sessions {
            *load = LoadSection {
                rate: None,
                arrivals: None,
                max_in_flight: None,
                stages: Vec::new(),
                ..load.clone()
            };
        }
        if self.rate.is_some() || staged_rate {
            *load = LoadSection {
                sessions: None,
                ramp_up: None,
                stages: Vec::new(),
                ..load.clone()
            };
        }
        if !self.stages.is_empty() {
            // A ramp starts where a given --rate or --sessions says, else at zero.
            *load = LoadSection {
                rate: None,
                sessions: None,
                duration: None,
                warmup: None,
                ..load.clone()
            };
            load.stages.clone_from(&self.stages);
        }
        if self.duration.is_some() {
            load.stages.clear();
        }
        load.sessions = self.sessions.or(load.sessions);
        load.rate = self.rate.or(load.rate);
        load.arrivals = self.arrivals.map(Into::into).or(load.arrivals);
        load.max_in_flight = self.max_in_flight.or(load.max_in_flight);
        load.hold = self.hold.or(load.hold);
        load.close = self.close.map(Into::into).or(load.close);
        load.duration = self.duration.or(load.duration);
        load.warmup = self.warmup.or(load.warmup);
        load.total = self.total.or(load.total);
        load.ramp_up = self.ramp_up.or(load.ramp_up);
        load.grace = self.grace.or(load.grace);
        scenario.trials.count = self.trials.unwrap_or(scenario.trials.count);
        if !self.auth.is_empty() {
            scenario.matrix.auth = self.auth.iter().map(|a| (*a).into()).collect();
            if scenario.matrix.auth.iter().all(|a| *a == AuthMode::None) {
                // What was written for cells that are now gone.
                scenario.matrix.tls.clear();
                scenario.matrix.resumed.clear();
                scenario.resumption = ResumptionSection::default();
            }
        }
    }
}

impl ResumptionArgs {
    /// Fills in what was given. Another mode than the scenario's brings its own settings.
    pub fn apply(&self, scenario: &mut Scenario) {
        if let Some(mode) = self.resumption.map(ResumptionMode::from) {
            if scenario.resumption.mode != mode {
                scenario.resumption = ResumptionSection {
                    mode,
                    ..ResumptionSection::default()
                };
            }
            if mode == ResumptionMode::Off {
                scenario.matrix.resumed.clear();
            }
        }
        scenario.resumption.early_data |= self.early_data;
        if self.resumed_ratio.is_some() {
            scenario.resumption.ratio = self.resumed_ratio;
            scenario.matrix.resumed.clear();
        }
    }
}

impl From<ResumptionArg> for ResumptionMode {
    fn from(arg: ResumptionArg) -> Self {
        match arg {
            ResumptionArg::Off => Self::Off,
            ResumptionArg::SessionId => Self::SessionId,
            ResumptionArg::Ticket => Self::Ticket,
        }
    }
}

impl From<ArrivalsArg> for Arrivals {
    fn from(arg: ArrivalsArg) -> Self {
        match arg {
            ArrivalsArg::Fixed => Self::Fixed,
            ArrivalsArg::Poisson => Self::Poisson,
        }
    }
}

impl From<CloseArg> for Close {
    fn from(arg: CloseArg) -> Self {
        match arg {
            CloseArg::Orderly => Self::Orderly,
            CloseArg::Reset => Self::Reset,
        }
    }
}

impl From<AuthArg> for AuthMode {
    fn from(arg: AuthArg) -> Self {
        match arg {
            AuthArg::None => Self::None,
            AuthArg::Server => Self::Server,
            AuthArg::Mutual => Self::Mutual,
        }
    }
}

impl ProtocolArgs {
    /// Fills in what was given. Another protocol than the scenario's brings its own settings.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read.
    pub fn apply(&self, scenario: &mut Scenario) -> anyhow::Result<()> {
        let protocol = &mut scenario.protocol;
        if let Some(kind) = self.protocol.map(ProtocolKind::from) {
            if protocol.kind != Some(kind) {
                *protocol = ProtocolSection::default();
            }
            protocol.kind = Some(kind);
        }
        protocol.exchanges = self.exchanges.or(protocol.exchanges);
        protocol.payload = self.payload.or(protocol.payload);
        protocol.method = self.method.clone().or(protocol.method.take());
        protocol.body = self.body.or(protocol.body);
        protocol.headers.extend(self.headers.iter().cloned());
        self.expected.apply(protocol);
        self.data.apply(protocol)
    }
}

impl TimeoutArgs {
    /// Fills in what was given.
    pub fn apply(&self, scenario: &mut Scenario) {
        let timeouts = &mut scenario.timeouts;
        timeouts.connect = self.connect_timeout.unwrap_or(timeouts.connect);
        timeouts.handshake = self.handshake_timeout.unwrap_or(timeouts.handshake);
        timeouts.confirm = self.confirm_timeout.unwrap_or(timeouts.confirm);
    }
}

fn parse_stage(text: &str) -> Result<StageSection, String> {
    let (over, value) = text
        .split_once(':')
        .ok_or("write TIME:VALUE, e.g. 10s:500/s")?;
    let over = over.parse::<Span>().map_err(|e| e.to_string())?;
    if value.contains('/') {
        let rate = value.parse::<Rate>().map_err(|e| e.to_string())?;
        return Ok(StageSection {
            over,
            rate: Some(rate),
            sessions: None,
        });
    }
    let sessions = value
        .parse()
        .map_err(|_| format!("{value:?} is neither a rate nor a number of sessions"))?;
    Ok(StageSection {
        over,
        rate: None,
        sessions: Some(sessions),
    })
}

fn parse_header(text: &str) -> Result<Header, String> {
    let (name, value) = text.split_once(':').ok_or("write \"Name: value\"")?;
    Ok(Header {
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
    })
}
