//! `shakedown probe`: one handshake with a server, told step by step, or as JSON.

use anyhow::Context;
use clap::{Args, ValueEnum};
use shakedown::probe::{ProbePlan, ProbeReport, probe, story};
use shakedown::scenario::{ProtocolKind, ProviderName, Scenario};
use shakedown::units::Span;

use super::connect::{ConnectArgs, IdentityArgs};
use super::exit::UsageError;
use super::load_args::ExpectStatusArg;
use super::output::{wants_color, write_json, write_stdout};

/// Arguments of `shakedown probe`.
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// The server: host:port, tls://host:port or https://host:port/path
    #[arg(value_name = "URL")]
    url: String,

    #[command(flatten)]
    identity: IdentityArgs,

    #[command(flatten)]
    connect: ConnectArgs,

    /// Crypto provider; `shakedown providers` lists what there is [default: aws-lc-rs]
    #[arg(long, value_name = "NAME")]
    provider: Option<ProviderName>,

    /// What to speak after the handshake [default: http1 for https://, else handshake]
    #[arg(long, value_name = "PROTOCOL")]
    protocol: Option<ProbeProtocol>,

    #[command(flatten)]
    expected: ExpectStatusArg,

    /// How long each of connecting, the handshake and the answer may take
    #[arg(long, value_name = "TIME", default_value = "10s")]
    timeout: Span,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// What to speak after the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProbeProtocol {
    /// Nothing; a ticket or the close is the (weak) proof
    Handshake,
    /// One HTTP/1.1 GET
    Http1,
    /// 64 bytes that should come back
    Echo,
}

impl ProbeArgs {
    fn plan(&self) -> anyhow::Result<ProbePlan> {
        let mut scenario = Scenario::default();
        scenario.target.url = Some(self.url.clone());
        scenario.protocol.kind = self.protocol.map(|protocol| match protocol {
            ProbeProtocol::Handshake => ProtocolKind::Handshake,
            ProbeProtocol::Http1 => ProtocolKind::Http1,
            ProbeProtocol::Echo => ProtocolKind::Echo,
        });
        self.expected.apply(&mut scenario.protocol);
        self.identity.apply(&mut scenario);
        self.connect.apply(&mut scenario)?;
        scenario.tls.provider = self.provider;
        if self.timeout.0.is_zero() {
            return Err(
                UsageError("--timeout 0 leaves no time to connect; write for example 10s").into(),
            );
        }
        let checked = scenario.check("probe", "")?;
        Ok(ProbePlan::new(&checked, self.timeout.0)?)
    }
}

/// Makes the probe and prints it. Returns whether the server accepted us.
///
/// # Errors
///
/// Fails if the arguments do not fit together, a file cannot be used, or nothing can be printed. A
/// server that refuses or cannot be reached is no error.
pub fn run(args: &ProbeArgs) -> anyhow::Result<bool> {
    let plan = args.plan()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime; are file descriptors left?")?;
    let report = runtime.block_on(probe(&plan))?;
    // A resolver that is still at work must not hold the command back.
    runtime.shutdown_background();
    print(&report, args.json)?;
    Ok(report.accepted)
}

fn print(report: &ProbeReport, json: bool) -> anyhow::Result<()> {
    if json {
        return write_json(report);
    }
    write_stdout(&story(report, wants_color()))
}
