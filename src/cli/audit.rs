//! `shakedown audit`: presents every kind of faulty client certificate to a server and prints which
//! it accepted that it should have rejected.

use std::path::PathBuf;

use clap::Args;
use clap::builder::TypedValueParser;
use shakedown::record::{ExpectationVerdict, RunRecord};
use shakedown::report;
use shakedown::scenario::{
    Audit, IdentityFault, IdentityFiles, ProtocolKind, Scenario, TlsVersion, suite_version,
};

use super::audit_changes::ChangeArgs;
use super::audit_lifetime::LifetimeArgs;
use super::audit_resumption::ResumptionArgs;
use super::choice::{one_of, one_of_those};
use super::connect::ClientArgs;
use super::execute::ResultArgs;
use super::exit::{Exit, UsageError};
use super::load_args::FramedArgs;
use super::output::{say, style};
use super::signals;
use super::telemetry::TelemetryArgs;

#[derive(Debug, Args)]
pub struct AuditArgs {
    /// The server: host:port or https://host:port/path (HTTP), mqtts://host:port/topic, tls://host:port (handshake alone)
    #[arg(value_name = "URL")]
    url: String,

    /// Certificates written by `shakedown pki new DIR --faults`
    #[arg(long, value_name = "DIR")]
    pki: PathBuf,

    /// Present only this fault; repeatable [default: all]
    #[arg(long = "case", value_name = "FAULT", value_parser = client_fault())]
    cases: Vec<IdentityFault>,

    /// Sessions per certificate and TLS version
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    repeats: u64,

    #[command(flatten)]
    changes: ChangeArgs,

    #[command(flatten)]
    resumption: ResumptionArgs,

    #[command(flatten)]
    lifetime: LifetimeArgs,

    #[command(flatten)]
    client: ClientArgs,

    /// Protocol after the handshake [default: that of the URL]
    #[arg(long, value_name = "PROTOCOL", value_parser = one_of::<ProtocolKind>())]
    protocol: Option<ProtocolKind>,

    #[command(flatten)]
    framed: FramedArgs,

    /// Allow a public server, with its owner's consent
    #[arg(long)]
    allow_public: bool,

    #[command(flatten)]
    result: ResultArgs,
}

fn client_fault() -> impl TypedValueParser<Value = IdentityFault> {
    one_of_those(|fault| IdentityFault::of_clients().any(|known| known == *fault))
}

/// Runs the audit and prints its verdicts. A server that accepts what it should not is an exit code, not an error.
pub(crate) fn run(args: &AuditArgs) -> anyhow::Result<Exit> {
    if args.resumption.resumption || args.lifetime.lifetime {
        // A partial audit is of no use.
        signals::let_be();
        let scenario = args.good_client()?;
        let (pki, json) = (&args.pki, args.result.output.json);
        return if args.lifetime.lifetime {
            args.lifetime.run(&scenario, pki, &args.changes, json)
        } else {
            args.resumption.run(&scenario, pki, &args.changes, json)
        };
    }
    let faults = args.faults();
    let bare = |fault: &IdentityFault| *fault == IdentityFault::None;
    if !faults.iter().all(bare) && !args.pki.join("faults").is_dir() {
        return Err(UsageError(
            "--pki has no folder `faults`; make one with `shakedown pki new DIR --faults`, and let \
             the server trust DIR/ca.pem",
        )
        .into());
    }
    let check = |scenario: Scenario| scenario.check("audit", "");
    args.result.check(&check(args.scenario(&faults)?)?, None)?;
    let telemetry = TelemetryArgs::default();
    let present = |scenario| args.result.measure(check(scenario)?, &telemetry);
    // Rejected faults prove nothing unless the good certificate is accepted.
    let mut record = present(args.scenario(&[])?)?;
    if let Some(spoken) = spoken(&record) {
        let mut scenario = args.scenario(&faults)?;
        let of_spoken = |suite: &String| spoken.contains(&suite_version(suite));
        scenario.tls.suites.retain(of_spoken);
        scenario.matrix.tls = spoken;
        record = present(scenario)?;
    }
    let text = |record: &RunRecord| Ok(report::verdicts(record, style())?);
    args.result.conclude(&record, None, text)
}

impl AuditArgs {
    fn faults(&self) -> Vec<IdentityFault> {
        let asked = |fault: &IdentityFault| self.cases.is_empty() || self.cases.contains(fault);
        IdentityFault::of_clients().filter(asked).collect()
    }

    fn scenario(&self, faults: &[IdentityFault]) -> anyhow::Result<Scenario> {
        let mut scenario = Audit {
            url: &self.url,
            pki: &self.pki,
            faults,
            repeats: self.repeats,
            timeout: self.client.timeout,
        }
        .scenario();
        scenario.target.allow_public = self.allow_public;
        scenario.protocol.kind = self.protocol;
        self.framed.apply(&mut scenario.protocol);
        if self.client.connect.insecure {
            scenario.tls.cacert = None;
        }
        self.client.apply(&mut scenario)?;
        Ok(scenario)
    }

    /// The scenario of one client, the good one.
    fn good_client(&self) -> anyhow::Result<Scenario> {
        let mut scenario = self.scenario(&[])?;
        for good in std::mem::take(&mut scenario.identities) {
            let cert = good.cert.unwrap_or_default();
            scenario.identity = Some(IdentityFiles {
                cert,
                key: good.key,
                cert_type: good.cert_type,
                pass_file: good.pass_file,
                pass_env: good.pass_env,
                password: None,
            });
        }
        scenario.matrix.identity.clear();
        Ok(scenario)
    }
}

/// The versions in which the server accepted the good identity; reports those that it does not speak.
/// `None` if it accepted it in none, or rejected it in one.
fn spoken(record: &RunRecord) -> Option<Vec<TlsVersion>> {
    let mut spoken = Vec::new();
    for (cell, expectation) in record.cells.iter().zip(&record.expectations) {
        match expectation.verdict {
            ExpectationVerdict::Met => spoken.extend(&cell.cell.versions),
            ExpectationVerdict::NotSpoken => {
                for version in &cell.cell.versions {
                    say(format_args!(
                        "the server does not speak TLS {version}: not audited"
                    ));
                }
            }
            _ => return None,
        }
    }
    (!spoken.is_empty()).then_some(spoken)
}
