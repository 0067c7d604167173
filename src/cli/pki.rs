//! `shakedown pki`: mints certificates for a test and prints how to use them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use shakedown::pki::{KeyAlgorithm, Pki, PkiSpec};
use shakedown::text::shell_quote;

use super::choice::one_of;
use super::output::write_stdout;
use super::progress::on_stderr;

/// With fewer clients it is done before a bar is seen.
const WORTH_A_BAR: usize = 1_000;

#[derive(Args, Debug)]
pub struct PkiArgs {
    #[command(subcommand)]
    command: PkiCommand,
}

#[derive(Subcommand, Debug)]
enum PkiCommand {
    /// Mint a root, an intermediate, a server and clients
    New(NewArgs),
}

#[derive(Args, Debug)]
struct NewArgs {
    /// Folder to write to; created if missing
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Key algorithm of all certificates [default: p256]
    #[arg(long, value_name = "ALG", value_parser = one_of::<KeyAlgorithm>())]
    key: Option<KeyAlgorithm>,
    /// Key algorithm of the root and the intermediate [default: that of --key]
    #[arg(long, value_name = "ALG", value_parser = one_of::<KeyAlgorithm>(), hide_possible_values = true)]
    ca_key: Option<KeyAlgorithm>,
    /// Key algorithm of the server [default: that of --key]
    #[arg(long, value_name = "ALG", value_parser = one_of::<KeyAlgorithm>(), hide_possible_values = true)]
    server_key: Option<KeyAlgorithm>,
    /// Key algorithm of the clients [default: that of --key]
    #[arg(long, value_name = "ALG", value_parser = one_of::<KeyAlgorithm>(), hide_possible_values = true)]
    client_key: Option<KeyAlgorithm>,
    /// Number of clients to mint
    #[arg(long, value_name = "N", default_value_t = 1)]
    clients: usize,
    /// DNS name or IP address of the server; repeatable [default: localhost and its addresses]
    #[arg(long = "name", value_name = "SAN")]
    names: Vec<String>,
    /// Validity of the certificates in days
    #[arg(long, value_name = "N", default_value_t = 30)]
    days: u32,
    /// Also mint one faulty identity of each kind that peers must reject, and revocation lists
    #[arg(long)]
    faults: bool,
    /// Overwrite existing files
    #[arg(long)]
    force: bool,
}

/// Runs `shakedown pki` and reports on standard output.
pub(crate) fn run(args: &PkiArgs) -> anyhow::Result<()> {
    match &args.command {
        PkiCommand::New(new) => {
            let spec = new.spec();
            // Clients are minted as they are written: there may be very many.
            let pki = Pki::mint(&PkiSpec {
                clients: 0,
                ..spec.clone()
            })?;
            let faults = new.faults.then(|| pki.mint_faults()).transpose()?;
            let bar = bar(spec.clients);
            let written = pki.write_clients(
                spec.clients,
                faults.as_ref(),
                &new.dir,
                new.force,
                &mut |files| {
                    bar.set_position(files as u64 / 2);
                },
            );
            bar.finish_and_clear();
            write_stdout(&report(new, &spec, &written?))
        }
    }
}

/// A bar on a terminal for what takes longer than a moment.
fn bar(clients: usize) -> ProgressBar {
    if clients < WORTH_A_BAR {
        return ProgressBar::hidden();
    }
    let bar = on_stderr("{bar:30.cyan/blue} {pos} of {len} clients, {eta} left");
    bar.set_length(clients as u64);
    bar
}

impl NewArgs {
    fn spec(&self) -> PkiSpec {
        let defaults = PkiSpec::default();
        let or_key = |own: Option<KeyAlgorithm>, default| own.or(self.key).unwrap_or(default);
        PkiSpec {
            ca_key: or_key(self.ca_key, defaults.ca_key),
            server_key: or_key(self.server_key, defaults.server_key),
            client_key: or_key(self.client_key, defaults.client_key),
            intermediates: defaults.intermediates,
            clients: self.clients,
            server_names: if self.names.is_empty() {
                defaults.server_names
            } else {
                self.names.clone()
            },
            valid_days: self.days,
        }
    }
}

/// Lists the files written and the commands that use them.
fn report(new: &NewArgs, spec: &PkiSpec, written: &[PathBuf]) -> String {
    let dir = new.dir.as_path();
    let at = |name: &str| shell_quote(&dir.join(name).to_string_lossy());
    let mut files = vec![
        (
            "ca.pem",
            format!("what peers trust: the root ({})", spec.ca_key),
        ),
        ("root.*", "the root and its key".to_owned()),
        (
            "intermediate.*",
            "the issuer of all below, and its key".to_owned(),
        ),
        (
            "server.*",
            format!(
                "{} chain and key for {}",
                spec.server_key,
                spec.server_names.join(", ")
            ),
        ),
    ];
    let last = format!("client-0..{}.*", spec.clients.saturating_sub(1));
    let clients = if spec.clients > 1 {
        &last
    } else {
        "client-0.*"
    };
    if spec.clients > 0 {
        files.push((
            clients,
            format!("{} chain and key of each client", spec.client_key),
        ));
    }
    let (cert, key, ca) = (at("server.pem"), at("server.key"), at("ca.pem"));
    let url = shell_quote(&format!("https://{}:8443", host(&spec.server_names)));
    let (mut crl, mut fault) = (String::new(), String::new());
    if new.faults {
        let why = "clients and servers that peers must reject; each name says why";
        files.push(("faults/*", why.to_owned()));
        let revoked = "what each authority has revoked, for --crlfile and servers";
        files.push(("crl.pem", revoked.to_owned()));
        crl = format!(" --crlfile {}", at("crl.pem"));
        let [cert, key] = ["pem", "key"].map(|end| at(&format!("faults/client-revoked.{end}")));
        fault = format!(
            "and see a fault rejected:\n  shakedown probe {url} --cert {cert} --key {key} --cacert {ca}\n"
        );
    }
    let files = files
        .iter()
        .map(|(name, what)| format!("  {name:<17} {what}\n"));
    let mut run = String::new();
    if spec.clients > 0 {
        let (cert, key) = (at("client-0.pem"), at("client-0.key"));
        run = format!("  shakedown run {url} --cert {cert} --key {key} --cacert {ca}{crl}\n");
    }
    format!(
        "wrote {} files to {}:\n{}valid for {} days; the keys are for tests only\n\nuse it:\n  \
         shakedown serve --cert {cert} --key {key} --client-ca {ca}{crl}\n{run}{fault}",
        written.len(),
        dir.display(),
        files.collect::<String>(),
        spec.valid_days
    )
}

/// The server's name for a URL: `localhost` where it has that name, otherwise its first one.
fn host(names: &[String]) -> String {
    let first = names
        .iter()
        .find(|name| *name == "localhost")
        .or_else(|| names.first());
    match first {
        Some(name) if name.contains(':') => format!("[{name}]"),
        Some(name) => name.replacen("*.", "any.", 1),
        None => "localhost".into(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        pki: PkiArgs,
    }

    fn parse(args: &[&str]) -> Result<NewArgs, clap::Error> {
        let PkiCommand::New(new) = Cli::try_parse_from([&["pki", "new"], args].concat())?
            .pki
            .command;
        Ok(new)
    }

    fn shown(args: &[&str]) -> String {
        let new = parse(args).unwrap();
        report(&new, &new.spec(), &[])
    }

    #[test]
    fn flags_become_a_specification() {
        assert_eq!(parse(&["d"]).unwrap().spec(), PkiSpec::default());
        let spec = parse(&[
            "d", "--key", "ed25519", "--ca-key", "p384", "--name", "a", "--name", "b",
        ]);
        let spec = spec.unwrap().spec();
        assert_eq!(
            (spec.ca_key, spec.server_key),
            (KeyAlgorithm::EcdsaP384, KeyAlgorithm::Ed25519)
        );
        assert_eq!(spec.server_names, ["a", "b"]);
        let error = parse(&["d", "--key", "dsa"]).unwrap_err().to_string();
        assert!(
            error.contains("p256, p384, rsa2048, rsa3072, ed25519"),
            "{error}"
        );
    }

    #[test]
    fn the_commands_are_ready_to_paste() {
        let text = shown(&["pki"]);
        assert!(text.contains(
            "  shakedown serve --cert pki/server.pem --key pki/server.key --client-ca pki/ca.pem\n  shakedown run https://localhost:8443 --cert pki/client-0.pem --key pki/client-0.key --cacert pki/ca.pem\n"
        ), "{text}");
        assert!(shown(&["my pki"]).contains("--cert 'my pki/server.pem'"));
        assert!(shown(&["d", "--name", "::1"]).contains("run 'https://[::1]:8443'"));
        assert!(!shown(&["d", "--clients", "0"]).contains("shakedown run"));
        assert!(shown(&["d", "--clients", "20"]).contains("client-0..19.*"));
        assert!(!text.contains("faults") && !text.contains("crl"));
        let text = shown(&["pki", "--faults"]);
        assert!(
            text.contains("--client-ca pki/ca.pem --crlfile pki/crl.pem\n"),
            "{text}"
        );
        assert!(text.contains(
            "\n  shakedown probe https://localhost:8443 --cert pki/faults/client-revoked.pem --key pki/faults/client-revoked.key --cacert pki/ca.pem\n"
        ), "{text}");
    }
}
