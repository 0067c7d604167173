//! `shakedown probe`: one handshake with a server, step by step or as JSON.

use clap::Args;
use shakedown::probe::{ProbePlan, probe, story};
use shakedown::scenario::{ProtocolKind, Scenario};

use super::block_on;
use super::choice::one_of;
use super::connect::{ClientArgs, IdentityArgs};
use super::exit::{Exit, UsageError};
use super::load_args::FramedArgs;
use super::output::{print, wants_color};

#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// The server: host:port, tls://host:port, https://host:port/path or mqtts://host:port/topic
    #[arg(value_name = "URL")]
    url: String,

    #[command(flatten)]
    identity: IdentityArgs,

    #[command(flatten)]
    client: ClientArgs,

    /// Protocol after the handshake [default: http1 for https://, mqtt for mqtts://, else handshake]
    #[arg(long, value_name = "PROTOCOL", value_parser = one_of::<ProtocolKind>())]
    protocol: Option<ProtocolKind>,

    #[command(flatten)]
    framed: FramedArgs,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl ProbeArgs {
    fn plan(&self) -> anyhow::Result<ProbePlan> {
        let mut scenario = Scenario::default();
        scenario.target.url = Some(self.url.clone());
        scenario.protocol.kind = self.protocol;
        self.framed.apply(&mut scenario.protocol);
        self.identity.apply(&mut scenario);
        self.client.apply(&mut scenario)?;
        if self.client.timeout.0.is_zero() {
            return Err(
                UsageError("--timeout 0 leaves no time to connect; write for example 10s").into(),
            );
        }
        let checked = scenario.check("probe", "")?;
        Ok(ProbePlan::new(&checked, self.client.timeout.0)?)
    }
}

/// Makes the probe and prints it. A server that refuses or cannot be reached is no error.
pub(crate) fn run(args: &ProbeArgs) -> anyhow::Result<Exit> {
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
