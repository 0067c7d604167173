//! Flags of the load; each overrides the scenario's key of its name.

use std::path::PathBuf;

use super::choice::one_of;
use super::data::DataArgs;
use clap::Args;
use shakedown::protocol::{Frame, FramePattern, Sizes};
use shakedown::scenario::{
    Arrivals, AuthMode, Close, Header, MqttVersion, ProtocolKind, ProtocolSection, ResumptionMode,
    ResumptionSection, Scenario, StageSection, StatusRange,
};
use shakedown::units::{Rate, Ratio, Span};

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadArgs {
    /// Closed loop: concurrent sessions
    #[arg(long, short = 'c', value_name = "N", conflicts_with_all = ["rate", "arrivals", "max_in_flight"])]
    pub sessions: Option<u64>,

    /// Open loop: arrivals per second, e.g. 500/s
    #[arg(long, short = 'r', value_name = "RATE")]
    pub rate: Option<Rate>,

    /// Open loop: spacing of arrivals
    #[arg(long, value_name = "SPACING", value_parser = one_of::<Arrivals>())]
    pub arrivals: Option<Arrivals>,

    /// Ramp to a rate or number of sessions over a time, e.g. 10s:500/s or 10s:200; repeatable
    #[arg(long = "stage", value_name = "TIME:VALUE", value_parser = parse_stage, conflicts_with = "duration")]
    pub stages: Vec<StageSection>,

    /// Open loop: maximum sessions in flight; arrivals above it count as not started
    #[arg(long, value_name = "N")]
    pub max_in_flight: Option<u64>,

    /// Keep each confirmed session open this long
    #[arg(long, value_name = "TIME")]
    pub hold: Option<Span>,

    /// How to close confirmed sessions; reset frees the port at once [default: orderly]
    #[arg(long, value_name = "HOW", value_parser = one_of::<Close>())]
    pub close: Option<Close>,

    /// Length of the measured phase of a trial
    #[arg(long, short = 'd', value_name = "TIME")]
    pub duration: Option<Span>,

    /// Length of the load before the measured phase
    #[arg(long, value_name = "TIME")]
    pub warmup: Option<Span>,

    /// End each trial after this many sessions
    #[arg(long, short = 'n', value_name = "N")]
    pub total: Option<u64>,

    /// Closed loop: spread the first sessions over this time
    #[arg(long, value_name = "TIME")]
    pub ramp_up: Option<Span>,

    /// Time for sessions in flight to finish after the last arrival
    #[arg(long, value_name = "TIME")]
    pub grace: Option<Span>,

    /// Trials per cell, interleaved
    #[arg(long, value_name = "N")]
    pub trials: Option<usize>,

    /// Who authenticates, one cell each
    #[arg(long, value_name = "MODE", value_delimiter = ',', value_parser = one_of::<AuthMode>())]
    pub auth: Vec<AuthMode>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Resumption")]
pub struct ResumptionArgs {
    /// How sessions are resumed
    #[arg(long, value_name = "MODE", value_parser = one_of::<ResumptionMode>())]
    pub resumption: Option<ResumptionMode>,

    /// Share of sessions to resume, from 0 to 1 [default: 1]
    #[arg(long, value_name = "SHARE")]
    pub resumed_ratio: Option<Ratio>,

    /// Send the first request of resumed TLS 1.3 sessions as early data (0-RTT); needs --resumption
    /// ticket. Early data can be replayed: use it only for requests that may be repeated
    #[arg(long)]
    pub early_data: bool,
}

/// What happens on a session.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Protocol")]
pub struct ProtocolArgs {
    /// Protocol after the handshake [default: http1 for https://, mqtt for mqtts://, echo for the embedded target]
    #[arg(long, value_name = "PROTOCOL", value_parser = one_of::<ProtocolKind>())]
    pub protocol: Option<ProtocolKind>,

    /// Speak HTTP/2: the same as --protocol http2
    #[arg(long, conflicts_with = "protocol")]
    pub http2: bool,

    /// HTTP/2 and gRPC: concurrent requests of an exchange, each on a stream of its own
    #[arg(long, value_name = "N")]
    pub streams: Option<u32>,

    /// Exchanges per session
    #[arg(long, value_name = "N")]
    pub exchanges: Option<u32>,

    /// Time between an answer and the next request of a session
    #[arg(long, value_name = "TIME")]
    pub think: Option<Span>,

    /// Time between two exchanges of a session that is held (--hold)
    #[arg(long, value_name = "TIME")]
    pub every: Option<Span>,

    /// Echo, MQTT: bytes per exchange; MIN-MAX draws each anew
    #[arg(long, value_name = "SIZE")]
    pub payload: Option<Sizes>,

    /// Postgres: the query of an exchange [default: select 1]
    #[arg(long, value_name = "SQL")]
    pub query: Option<String>,

    /// HTTP: request method
    #[arg(long = "request", short = 'X', value_name = "METHOD")]
    pub method: Option<String>,

    /// HTTP: a header, "Name: value"; results omit the value
    #[arg(long = "header", short = 'H', value_name = "HEADER", value_parser = parse_header)]
    pub headers: Vec<Header>,

    /// HTTP: size of a filler request body; MIN-MAX draws each anew
    #[arg(long, value_name = "SIZE")]
    pub body: Option<Sizes>,

    #[command(flatten)]
    pub data: DataArgs,

    #[command(flatten)]
    pub framed: FramedArgs,

    /// gRPC: how long the server may take for a call, sent as grpc-timeout
    #[arg(long = "grpc-timeout", value_name = "TIME")]
    pub deadline: Option<Span>,

    #[command(flatten)]
    pub expected: ExpectStatusArg,

    /// MQTT: its version [default: 3.1.1]
    #[arg(long, value_name = "VERSION", value_parser = one_of::<MqttVersion>())]
    pub mqtt_version: Option<MqttVersion>,

    /// MQTT: quality of service; with 0 a ping shows that the message arrived [default: 1]
    #[arg(long, value_name = "0|1", value_parser = clap::value_parser!(u8).range(0..=1))]
    pub qos: Option<u8>,

    /// MQTT: keep-alive time; held sessions ping at half of it [default: 60s]
    #[arg(long, value_name = "TIME")]
    pub keep_alive: Option<Span>,

    /// MQTT: client id, with {identity} and {session} filled in [default: short and unique]
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
}

/// What framed messages are; the same for `run`, `probe` and `audit`.
#[derive(Debug, Clone, Default, Args)]
pub struct FramedArgs {
    /// Framed: where a message ends: line, mllp, fix or length:OFFSET:WIDTH
    #[arg(long, value_name = "FRAME")]
    frame: Option<Frame>,

    /// Framed: file with the message to send; of fix the Logon, and requests after it
    #[arg(long, value_name = "FILE")]
    send: Option<PathBuf>,

    /// Framed: regular expression that the answer must match
    #[arg(long, value_name = "REGEX")]
    expect_frame: Option<FramePattern>,
}

impl FramedArgs {
    pub(crate) fn apply(&self, protocol: &mut ProtocolSection) {
        protocol.frame = self.frame.or(protocol.frame);
        protocol.expect_frame = self.expect_frame.clone().or(protocol.expect_frame.take());
        if let Some(path) = &self.send {
            (protocol.data, protocol.data_file) = (None, Some(path.clone()));
        }
    }
}

/// Which HTTP statuses show that the server accepted us; the same for `run`, `probe` and `audit`.
#[derive(Debug, Clone, Default, Args)]
pub struct ExpectStatusArg {
    /// HTTP: statuses that count as accepted, e.g. 204, 2xx, 200-299 [default: 2xx]
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    expect_status: Vec<StatusRange>,
}

impl ExpectStatusArg {
    pub(crate) fn apply(&self, protocol: &mut ProtocolSection) {
        if !self.expect_status.is_empty() {
            protocol.expect_status.clone_from(&self.expect_status);
        }
    }
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Timeouts")]
#[expect(clippy::struct_field_names, reason = "the fields are the flags' names")]
pub struct TimeoutArgs {
    /// Limit for the TCP connect
    #[arg(long, value_name = "TIME")]
    connect_timeout: Option<Span>,

    /// Limit for what is said before TLS: proxy, PROXY header, STARTTLS
    #[arg(long, value_name = "TIME")]
    way_in_timeout: Option<Span>,

    /// Limit for the TLS handshake, until the client has finished
    #[arg(long, value_name = "TIME")]
    pub handshake_timeout: Option<Span>,

    /// Limit for the server's proof that it accepted us
    #[arg(long, value_name = "TIME")]
    pub confirm_timeout: Option<Span>,
}

impl LoadArgs {
    /// A flag of one load model clears the scenario's keys of the other.
    pub(crate) fn apply(&self, scenario: &mut Scenario) {
        let load = &mut scenario.load;
        let staged_rate = self.stages.iter().any(|s| s.rate.is_some());
        let staged_sessions = self.stages.iter().any(|s| s.sessions.is_some());
        if self.sessions.is_some() || staged_sessions {
            (load.rate, load.arrivals, load.max_in_flight) = (None, None, None);
            load.stages.clear();
        }
        if self.rate.is_some() || staged_rate {
            (load.sessions, load.ramp_up) = (None, None);
            load.stages.clear();
        }
        if !self.stages.is_empty() {
            // A ramp starts where a given --rate or --sessions says, else at zero.
            (load.rate, load.sessions) = (None, None);
            (load.duration, load.warmup) = (None, None);
            load.stages.clone_from(&self.stages);
        }
        if self.duration.is_some() {
            load.stages.clear();
        }
        load.sessions = self.sessions.or(load.sessions);
        load.rate = self.rate.or(load.rate);
        load.arrivals = self.arrivals.or(load.arrivals);
        load.max_in_flight = self.max_in_flight.or(load.max_in_flight);
        load.hold = self.hold.or(load.hold);
        load.close = self.close.or(load.close);
        load.duration = self.duration.or(load.duration);
        load.warmup = self.warmup.or(load.warmup);
        load.total = self.total.or(load.total);
        load.ramp_up = self.ramp_up.or(load.ramp_up);
        load.grace = self.grace.or(load.grace);
        scenario.trials.count = self.trials.unwrap_or(scenario.trials.count);
        if !self.auth.is_empty() {
            scenario.matrix.auth.clone_from(&self.auth);
            if scenario.matrix.auth.iter().all(|a| *a == AuthMode::None) {
                // Settings of cells that are now gone.
                scenario.matrix.tls.clear();
                scenario.matrix.resumed.clear();
                scenario.resumption = ResumptionSection::default();
            }
        }
    }
}

impl ResumptionArgs {
    /// Another mode than the scenario's starts from default settings.
    pub(crate) fn apply(&self, scenario: &mut Scenario) {
        if let Some(mode) = self.resumption {
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

impl ProtocolArgs {
    /// Another protocol than the scenario's starts from default settings.
    pub(crate) fn apply(&self, scenario: &mut Scenario) -> anyhow::Result<()> {
        let protocol = &mut scenario.protocol;
        let http2 = self.http2.then_some(ProtocolKind::Http2);
        if let Some(kind) = self.protocol.or(http2) {
            if protocol.kind != Some(kind) {
                *protocol = ProtocolSection::default();
                scenario.matrix.exchanges.clear();
                scenario.matrix.streams.clear();
            }
            protocol.kind = Some(kind);
        }
        if self.exchanges.is_some() {
            scenario.matrix.exchanges.clear();
        }
        if self.streams.is_some() {
            scenario.matrix.streams.clear();
        }
        protocol.exchanges = self.exchanges.or(protocol.exchanges);
        protocol.think = self.think.or(protocol.think);
        protocol.every = self.every.or(protocol.every);
        protocol.streams = self.streams.or(protocol.streams);
        protocol.deadline = self.deadline.or(protocol.deadline);
        protocol.payload = self.payload.or(protocol.payload);
        protocol.query = self.query.clone().or(protocol.query.take());
        protocol.method = self.method.clone().or(protocol.method.take());
        protocol.body = self.body.or(protocol.body);
        protocol.headers.extend(self.headers.iter().cloned());
        self.framed.apply(protocol);
        protocol.mqtt_version = self.mqtt_version.or(protocol.mqtt_version);
        protocol.qos = self.qos.or(protocol.qos);
        protocol.keep_alive = self.keep_alive.or(protocol.keep_alive);
        protocol.client_id = self.client_id.clone().or(protocol.client_id.take());
        self.expected.apply(protocol);
        self.data.apply(protocol)
    }
}

impl TimeoutArgs {
    pub(crate) fn apply(&self, scenario: &mut Scenario) {
        let timeouts = &mut scenario.timeouts;
        timeouts.connect = self.connect_timeout.unwrap_or(timeouts.connect);
        timeouts.way_in = self.way_in_timeout.unwrap_or(timeouts.way_in);
        timeouts.handshake = self.handshake_timeout.unwrap_or(timeouts.handshake);
        timeouts.confirm = self.confirm_timeout.unwrap_or(timeouts.confirm);
    }
}

fn parse_stage(text: &str) -> Result<StageSection, String> {
    let (over, value) = text
        .split_once(':')
        .ok_or("write TIME:VALUE, e.g. 10s:500/s")?;
    let over = over.parse::<Span>().map_err(|e| e.to_string())?;
    let (mut rate, mut sessions) = (None, None);
    if value.contains('/') {
        rate = Some(value.parse::<Rate>().map_err(|e| e.to_string())?);
    } else {
        let number = value.parse();
        let unknown = |_| format!("{value:?} is neither a rate nor a number of sessions");
        sessions = Some(number.map_err(unknown)?);
    }
    Ok(StageSection {
        over,
        rate,
        sessions,
    })
}

fn parse_header(text: &str) -> Result<Header, String> {
    let (name, value) = text.split_once(':').ok_or("write \"Name: value\"")?;
    Ok(Header {
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
    })
}
