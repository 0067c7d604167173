//! `shakedown audit`: presents every kind of faulty client certificate to a server and prints which
//! it accepted that it should have rejected.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use shakedown::record;
use shakedown::report::{self, Style};
use shakedown::runner::prepare;
use shakedown::scenario::{Audit, IdentityFault};
use shakedown::units::Span;

use super::connect::ConnectArgs;
use super::exit::{Exit, UsageError};
use super::output::{folder_of, wants_color, write_json, write_stdout};
use super::progress::Progress;
use super::redact::command_line;
use super::signals;

/// Arguments of `shakedown audit`.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    shakedown pki new pki --faults                   certificates, good and faulty\n  \
    (let the server trust pki/ca.pem and pki/crl.pem, and serve pki/server.pem)\n  \
    shakedown audit localhost:8443 --pki pki\n  \
    shakedown audit tls://broker:8883 --pki pki --case expired-leaf --case revoked")]
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
    connect: ConnectArgs,

    /// Allow a server with a public address (only with its owner's consent)
    #[arg(long)]
    allow_public: bool,

    /// Also write the result to a file
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,

    /// Print the result as JSON instead of the table
    #[arg(long)]
    json: bool,

    /// Show no progress
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
    if args.connect.cert.is_some() {
        return Err(UsageError("an audit presents the certificates of --pki; drop --cert").into());
    }
    if !args.pki.join("faults").is_dir() {
        return Err(UsageError(
            "--pki has no folder `faults`; make one with `shakedown pki new DIR --faults`, and let \
             the server trust DIR/ca.pem",
        )
        .into());
    }
    let mut scenario = Audit {
        url: &args.url,
        pki: &args.pki,
        faults: &args.cases,
        repeats: args.repeats,
        timeout: args.timeout,
    }
    .scenario();
    scenario.target.allow_public = args.allow_public;
    if args.connect.insecure {
        scenario.tls.cacert = None;
    }
    args.connect.apply(&mut scenario)?;
    let checked = scenario.check("audit", "")?;
    if let Some(file) = &args.output {
        signals::let_writes_fail().context("cannot set up signals")?;
        record::check_writable(&folder_of(file)?, record::expected_size(&checked))?;
    }
    let prepared = prepare(checked)?;
    let control = signals::control("finishing what is in flight; once more to stop at once")
        .context("cannot listen for signals")?;
    let mut progress = Progress::of(&prepared, args.quiet);
    let command = command_line(Some(&args.url), std::iter::empty());
    let record = prepared.run(command, &control, &mut |event| progress.on(event))?;
    progress.finish();
    let saved = args.output.as_ref().map(|path| record::save(path, &record));
    if args.json {
        write_json(&record)?;
    } else {
        let color = wants_color();
        write_stdout(&report::verdicts(&record, Style { color }))?;
    }
    saved.transpose()?;
    Ok(Exit::of_record(&record))
}
