//! `shakedown check`: certificates before they fail.

use std::path::{Path, PathBuf};

use clap::Args;
use shakedown::check::{Check, CheckReport, Finding, Role, junit, text};
use shakedown::files::write::replace;
use shakedown::pki::{
    CertInspect, CertificateDer, Fleet, Identity, PkiError, load_crls, load_roots,
};
use shakedown::probe::{ProbePlan, presented};
use shakedown::scenario::{FleetSection, Scenario};
use shakedown::units::Span;

use super::block_on;
use super::exit::{BadInput, Exit};
use super::output::print;
use super::way_in::WayInArgs;

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// What to check: certificates (files, patterns, folders), CSV manifests of fleets, what a SPIFFE agent gives
    /// (spiffe:unix:///SOCKET), and servers (URLs, host:port)
    #[arg(value_name = "WHAT", required = true)]
    what: Vec<String>,

    /// CA bundle to which every chain has to lead
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,

    /// Revocation lists (PEM or DER)
    #[arg(long, value_name = "FILE")]
    crlfile: Option<PathBuf>,

    /// Private key of a certificate file [default: FILE.key beside it, or in the file]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// Name that server certificates need [default: the URL's host]
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,

    /// Use these addresses, comma-separated, for host:port; skip the resolver
    #[arg(long, value_name = "HOST:PORT:ADDR")]
    resolve: Vec<String>,

    /// Report what expires within this many days
    #[arg(long, value_name = "N", default_value_t = 14)]
    days: u32,

    /// Limit for connecting to a server
    #[arg(long, value_name = "TIME", default_value = "10s")]
    timeout: Span,

    #[command(flatten)]
    way_in: WayInArgs,

    /// Print the findings as JSON
    #[arg(long)]
    json: bool,

    #[arg(
        long,
        value_name = "FILE",
        help = "Also write JUnit XML: one case per certificate and server"
    )]
    junit: Option<PathBuf>,
}

/// Checks everything and prints what was found.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<Exit> {
    let mut check = Check::new(args.days);
    check.roots = args.cacert.as_deref().map(load_roots).transpose()?;
    if let Some(path) = &args.crlfile {
        check.crls = load_crls(path)?;
    }
    let mut report = CheckReport::new(args.days);
    for what in &args.what {
        if is_server(what) {
            args.server(what, &mut check, &mut report)?;
        } else {
            args.files(Path::new(what), &mut check, &mut report)?;
        }
    }
    if let Some(path) = &args.junit {
        replace(path, junit(&report)?.as_bytes())?;
    }
    print(&report, args.json, || Ok(text(&report)))?;
    Ok(if report.is_fine() {
        Exit::Success
    } else {
        Exit::Unmet
    })
}

/// Whether a word names a server: a URL, or host:port where no such file is.
fn is_server(word: &str) -> bool {
    let port = word
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let agent = word.starts_with("spiffe:unix:");
    !agent && word.contains("://") || port && !Path::new(word).exists()
}

impl CheckArgs {
    fn server(&self, url: &str, check: &mut Check, report: &mut CheckReport) -> anyhow::Result<()> {
        let mut scenario = Scenario::default();
        scenario.target.url = Some(url.to_owned());
        scenario.tls.insecure = true;
        scenario.target.resolve.clone_from(&self.resolve);
        self.way_in.apply(&mut scenario);
        let checked = scenario.check("check", "")?;
        let plan = ProbePlan::new(&checked, self.timeout.0)?;
        check.names.clone_from(&self.names);
        if check.names.is_empty() {
            check.names.push(plan.server_name.clone());
        }
        let findings = match block_on(presented(&plan))?? {
            Ok(chain) => check.chain(&chain, Role::Server),
            Err(why) => vec![Finding::new(
                "unreachable",
                format!("no certificate was seen: {why}"),
                format!("`shakedown probe {url}` tells the handshake step by step"),
            )],
        };
        report.add(url, findings);
        Ok(())
    }

    fn files(
        &self,
        path: &Path,
        check: &mut Check,
        report: &mut CheckReport,
    ) -> anyhow::Result<()> {
        check.names.clone_from(&self.names);
        if let Some(key) = &self.key {
            let found = judge(check, path, Identity::load(path, Some(key)));
            report.add(path.display().to_string(), found);
            return Ok(());
        }
        let section = FleetSection::parse(&path.to_string_lossy()).map_err(BadInput)?;
        let fleet = Fleet::new(&section)?;
        for index in 0..fleet.len() {
            let file = fleet.file(index).unwrap_or(path);
            let found = judge(check, file, fleet.load(index));
            report.add(file.display().to_string(), found);
        }
        Ok(())
    }
}

/// What is wrong with a file. A certificate without a key is checked alone.
fn judge(check: &Check, file: &Path, loaded: Result<Identity, PkiError>) -> Vec<Finding> {
    let chain = match loaded {
        Ok(identity) => identity.chain,
        Err(PkiError::NoKey { .. }) => match load_roots(file) {
            Ok(chain) => chain,
            Err(error) => return vec![unusable(&error)],
        },
        Err(error) => return vec![unusable(&error)],
    };
    check.chain(&chain, role(&chain))
}

/// A certificate that may only be a server's is checked as one, any other as a client's.
fn role(chain: &[CertificateDer<'static>]) -> Role {
    let leaf = chain.first().and_then(CertInspect::parse);
    let only_server =
        leaf.is_some_and(|leaf| leaf.lacks_client_auth() && !leaf.lacks_server_auth());
    if only_server {
        Role::Server
    } else {
        Role::Client
    }
}

/// An error of loading as a finding; its text ends with what to do.
fn unusable(error: &PkiError) -> Finding {
    let said = error.to_string();
    let (cause, remedy) = said.split_once("; ").unwrap_or((&said, "export it again"));
    Finding::new(error.trouble().label(), cause, remedy)
}
