//! `shakedown audit`: presents every kind of faulty client certificate to a server and prints which
//! it accepted that it should have rejected.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use shakedown::load::Interrupt;
use shakedown::record::{ExpectationVerdict, RunRecord};
use shakedown::report;
use shakedown::runner::prepare;
use shakedown::scenario::{
    Audit, IdentityFault, IdentityFiles, ProviderName, Scenario, TlsVersion,
};
use shakedown::store;
use shakedown::units::Span;
use tokio::sync::watch;

use super::audit_resumption::ResumptionArgs;
use super::connect::ConnectArgs;
use super::exit::{Exit, UsageError};
use super::load_args::ExpectStatusArg;
use super::output::{check_output, conclude, say, style, write_json, write_stdout};
use super::progress::Progress;
use super::redact::command_line;
use super::signals;

/// Arguments of `shakedown audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// The server: host:port or https://host:port/path (HTTP), tls://host:port (handshake alone)
    #[arg(value_name = "URL")]
    url: String,

    /// Folder with the certificates, as `shakedown pki new DIR --faults` writes them
    #[arg(long, value_name = "DIR")]
    pki: PathBuf,

    /// Present only this fault; repeat for more [default: all]
    #[arg(long = "case", value_name = "FAULT", value_parser = client_fault())]
    cases: Vec<IdentityFault>,

    /// Sessions per certificate and TLS version
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    repeats: u64,

    /// How long each of connecting, the handshake and the answer may take. Some servers delay a
    /// rejection by up to 30 s
    #[arg(long, value_name = "TIME", default_value = "10s")]
    timeout: Span,

    #[command(flatten)]
    expected: ExpectStatusArg,

    #[command(flatten)]
    resumption: ResumptionArgs,

    #[command(flatten)]
    connect: ConnectArgs,

    /// Crypto provider; `shakedown providers` lists what there is [default: aws-lc-rs]
    #[arg(long, value_name = "NAME")]
    provider: Option<ProviderName>,

    /// Allow a server with a public address (only with its owner's consent)
    #[arg(long)]
    allow_public: bool,

    /// Also write the result to a file
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,

    /// Print the result as JSON instead of the table
    #[arg(long)]
    json: bool,

    /// Say nothing on standard error but what went wrong
    #[arg(long, short = 'q')]
    quiet: bool,
}

fn client_fault() -> impl TypedValueParser<Value = IdentityFault> {
    PossibleValuesParser::new(IdentityFault::of_clients().map(IdentityFault::label)).map(|label| {
        IdentityFault::of_clients()
            .find(|fault| fault.label() == label)
            .unwrap_or(IdentityFault::None)
    })
}

/// Runs the audit and prints its verdicts.
///
/// # Errors
///
/// Fails if the certificates are not there, the server cannot be found, or nothing can be printed.
/// A server that accepts what it should not is no error but an exit code.
pub fn run(args: &AuditArgs) -> anyhow::Result<Exit> {
    if args.resumption.resumption {
        // What it did until then is of no use.
        signals::let_be();
        return args
            .resumption
            .run(&args.good_client()?, &args.pki, args.json);
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
    if let Some(file) = &args.output {
        let whole = args.scenario(&faults)?.check("audit", "")?;
        check_output(file, store::expected_size(&whole))?;
    }
    let control = signals::control("finishing what is in flight; once more to stop at once");
    // Unless the good certificate is accepted, the faulty ones cannot say anything.
    let mut record = args.present(args.scenario(&[])?, &control)?;
    if let Some(spoken) = spoken(&record) {
        let mut scenario = args.scenario(&faults)?;
        scenario.matrix.tls = spoken;
        record = args.present(scenario, &control)?;
    }
    let saved =
        (args.output.as_ref()).map(|path| store::save(path, &record).map(|()| path.clone()));
    let printed = if args.json {
        write_json(&record)
    } else {
        write_stdout(&report::verdicts(&record, style()))
    };
    conclude(saved, printed, args.quiet)?;
    Ok(Exit::of_record(&record))
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
            timeout: self.timeout,
        }
        .scenario();
        scenario.target.allow_public = self.allow_public;
        if self.connect.insecure {
            scenario.tls.cacert = None;
        }
        self.expected.apply(&mut scenario.protocol);
        self.connect.apply(&mut scenario)?;
        scenario.tls.provider = self.provider;
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
            });
        }
        scenario.matrix.identity.clear();
        Ok(scenario)
    }

    /// Presents the identities of a scenario to the server.
    fn present(
        &self,
        scenario: Scenario,
        control: &watch::Receiver<Interrupt>,
    ) -> anyhow::Result<RunRecord> {
        let prepared = prepare(scenario.check("audit", "")?)?;
        let mut progress = Progress::of(&prepared, self.quiet);
        let command = command_line(Some(&self.url), std::iter::empty());
        let record = prepared.run(command, control, &mut |event| progress.on(event))?;
        progress.finish();
        Ok(record)
    }
}

/// The versions in which the server accepted the good identity; says which it does not speak.
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
