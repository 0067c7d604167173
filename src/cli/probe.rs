//! `shakedown probe`: one handshake with a server, told step by step, or as JSON.

use clap::Args;
use shakedown::probe::{ProbePlan, probe, story};
use shakedown::scenario::{ProtocolKind, ProviderName, Scenario};
use shakedown::units::Span;

use super::block_on;
use super::choice::one_of;
use super::connect::{ConnectArgs, IdentityArgs};
use super::exit::{Exit, UsageError};
use super::load_args::ExpectStatusArg;
use super::output::{print, wants_color};

#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// The server: host:port, tls://host:port or https://host:port/path
    #[arg(value_name = "URL")]
    url: String,

    #[command(flatten)]
    identity: IdentityArgs,

    #[command(flatten)]
    connect: ConnectArgs,

    /// Crypto provider; see `shakedown providers` [default: aws-lc-rs]
    #[arg(long, value_name = "NAME")]
    provider: Option<ProviderName>,

    /// Protocol after the handshake [default: http1 for https://, else handshake]
    #[arg(long, value_name = "PROTOCOL", value_parser = one_of::<ProtocolKind>())]
    protocol: Option<ProtocolKind>,

    #[command(flatten)]
    expected: ExpectStatusArg,

    /// Limit for each of connect, handshake and answer
    #[arg(long, value_name = "TIME", default_value = "10s")]
    timeout: Span,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl ProbeArgs {
    fn plan(&self) -> anyhow::Result<ProbePlan> {
        let mut scenario = Scenario::default();
        scenario.target.url = Some(self.url.clone());
        scenario.protocol.kind = self.protocol;
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

/// Makes the probe and prints it. A server that refuses or cannot be reached is no error.
pub fn run(args: &ProbeArgs) -> anyhow::Result<Exit> {
    let plan = args.plan()?;
    let report = block_on(probe(&plan))??;
    print(&report, args.json, || Ok(story(&report, wants_color())))?;
    let accepted = report.accepted;
    Ok(if accepted {
        Exit::Success
    } else {
        Exit::Failure
    })
}
