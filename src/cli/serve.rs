//! `shakedown serve`: the embedded target alone, for other clients and other machines.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::builder::TypedValueParser;
use clap::{Args, ValueEnum};
use shakedown::affinity::{available_cores, parse_cores};
use shakedown::crypto::Metering;
use shakedown::load::Interrupt;
use shakedown::pki::{Identity, load_crls, load_roots, superseded};
use shakedown::scenario::{ProtocolKind, ProviderName, TicketMode, TlsVersion, alpn_conflict};
use shakedown::target::{ListenerSpec, OnRefusal, Target, TargetSpec};
use shakedown::tls::{ClientTrust, ServerAuth, ServerTls, ServerTlsSpec};
use shakedown::units::{counted, format_count};
use tokio::sync::watch::Receiver;

use super::block_on;
use super::choice::{one_of, one_of_those};
use super::exit::{BadInput, Exit, UsageError};
use super::listen::listen_address;
use super::output::{say, show, write_stdout};
use super::refusals::{Refusals, WINDOW};
use super::signals;

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8443", value_parser = listen_address)]
    listen: SocketAddr,

    /// Folder from `shakedown pki new`: sets --cert, --key, --client-ca, and --crlfile if it has a crl.pem
    #[arg(long, value_name = "DIR", required_unless_present = "cert", conflicts_with_all = ["cert", "key", "client_ca"])]
    pki: Option<PathBuf>,

    /// Server certificate chain, leaf first
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,

    /// Private key of the server certificate [default: read from --cert]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// CA bundle to verify clients with
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,

    /// Revocation lists for client chains (PEM or DER)
    #[arg(long, value_name = "FILE")]
    crlfile: Option<PathBuf>,

    /// Whether clients must present a certificate
    #[arg(long, value_name = "MODE", default_value = "required")]
    client_auth: ClientAuthArg,

    /// TLS versions to accept
    #[arg(
        long,
        value_name = "VERSIONS",
        value_delimiter = ',',
        default_value = "1.2,1.3",
        value_parser = one_of::<TlsVersion>()
    )]
    tls: Vec<TlsVersion>,

    /// Resumption to offer
    #[arg(long, value_name = "MODE", default_value = "off", value_parser = one_of::<TicketMode>())]
    tickets: TicketMode,

    /// Protocol to serve
    #[arg(long, value_name = "PROTOCOL", default_value = "http1", value_parser = served())]
    protocol: ProtocolKind,

    /// ALPN protocols to accept [default: h2 for http2 and grpc]
    #[arg(long, value_name = "PROTO", value_delimiter = ',')]
    alpn: Vec<String>,

    /// Crypto provider; see `shakedown providers`
    #[arg(long, value_name = "NAME", default_value_t)]
    provider: ProviderName,

    /// Threads, each with its own listener
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,

    /// Cores to pin threads to, e.g. 0,2-5
    #[arg(long, value_name = "LIST")]
    cores: Option<String>,

    /// Do not report refused connections
    #[arg(long, short = 'q')]
    quiet: bool,
}

/// Client authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClientAuthArg {
    /// Reject clients that present none
    Required,
    /// Ask, but serve clients that present none
    Optional,
    /// Do not ask
    Off,
}

/// Protocols with something to serve.
fn served() -> impl TypedValueParser<Value = ProtocolKind> {
    one_of_those(|kind| *kind != ProtocolKind::Handshake)
}

/// Runs the command until a signal ends it.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<Exit> {
    if let Some(cause) = alpn_conflict(&args.alpn, args.protocol) {
        let next = "drop it, or write --alpn http/1.1 with --protocol http1, --alpn h2 with http2";
        return Err(BadInput(format!("--alpn: {cause}; {next}")).into());
    }
    let crlfile = args.crlfile();
    let tls = tls(args, crlfile.as_deref())?;
    let listener = ListenerSpec {
        tls: Some(tls),
        protocol: args.protocol,
        port: args.listen.port(),
    };
    let spec = TargetSpec {
        ip: args.listen.ip(),
        listeners: vec![listener],
        cores: cores(args)?,
    };
    let mut control = signals::control("stopping");
    let refusals = Arc::new(Refusals::default());
    let note = Arc::clone(&refusals);
    let on_refusal: OnRefusal = Arc::new(move |peer, refusal| note.note(peer, refusal));
    let target = Target::launch(&spec, Metering::Off, Some(&on_refusal))?;
    let threads = counted(args.threads.into(), "thread");
    let revoked = crlfile.map_or_else(String::new, |path| {
        format!(", rejecting what {} revokes", path.display())
    });
    for addr in target.addrs() {
        let host = host(addr.ip());
        // Clients can be served whether or not this is read.
        if let Err(error) = write_stdout(&format!(
            "listening on https://{host}:{} ({threads}){revoked}
",
            addr.port()
        )) {
            say(format_args!("warning: {error:#}"));
        }
    }
    for placement in target
        .placements()
        .iter()
        .filter(|p| p.core.is_some() && !p.pinned)
    {
        say(format_args!(
            "{} could not be pinned to its core; going on without",
            placement.thread
        ));
    }
    block_on(watch(&mut control, &refusals, args.quiet))?;
    let counts = target.counts(0);
    write_stdout(&format!(
        "accepted {}, handshakes {} full and {} resumed, {} authenticated, {} failed\n",
        format_count(counts.accepted),
        format_count(counts.full),
        format_count(counts.resumed),
        format_count(counts.authenticated),
        format_count(counts.handshake_failed),
    ))?;
    if let Some(summary) = refusals.summary() {
        write_stdout(&format!("{summary}\n"))?;
    }
    Ok(Exit::Success)
}

/// Reports refusals until a signal comes.
async fn watch(control: &mut Receiver<Interrupt>, refusals: &Refusals, quiet: bool) {
    let tell = |lines: Vec<String>| {
        for line in lines.iter().filter(|_| !quiet) {
            show(line);
        }
    };
    let mut window = tokio::time::interval(WINDOW);
    loop {
        tokio::select! {
            // An error means that the signal thread is gone, which ends the server just as well.
            _ = control.wait_for(|i| *i != Interrupt::None) => break,
            () = refusals.news() => tell(refusals.take_lines()),
            _ = window.tick() => tell(refusals.end_window()),
        }
    }
    tell(refusals.end_window());
}

fn host(ip: IpAddr) -> String {
    match ip {
        // The name that test certificates carry.
        IpAddr::V4(v4) if v4.is_loopback() => "localhost".to_owned(),
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

impl ServeArgs {
    fn in_pki(&self, name: &str) -> Option<PathBuf> {
        self.pki.as_ref().map(|dir| dir.join(name))
    }

    /// The revocation lists to use: those that were named, or those of the folder if it has any.
    fn crlfile(&self) -> Option<PathBuf> {
        let of_folder = || self.in_pki("crl.pem").filter(|path| path.exists());
        let asked = self.client_auth != ClientAuthArg::Off;
        self.crlfile
            .clone()
            .or_else(|| asked.then(of_folder).flatten())
    }
}

fn tls(args: &ServeArgs, crlfile: Option<&Path>) -> anyhow::Result<ServerTls> {
    let in_pki = |name| args.in_pki(name);
    let cert = in_pki("server.pem").or_else(|| args.cert.clone());
    let cert =
        cert.context("no server certificate; give --pki DIR, or --cert FILE and --key FILE")?;
    let key = in_pki("server.key").or_else(|| args.key.clone());
    let identity = Identity::load(&cert, key.as_deref())?;
    let client_ca = in_pki("ca.pem").or_else(|| args.client_ca.clone());
    let trust = || -> anyhow::Result<_> {
        let path = client_ca.as_ref().context(
            "client authentication needs the CA of the clients; give --client-ca FILE, or --client-auth off",
        )?;
        let crls = crlfile.map(load_crls).transpose()?.unwrap_or_default();
        for note in crlfile.iter().flat_map(|path| superseded(path, &crls)) {
            say(format!("warning: {note}"));
        }
        Ok(ClientTrust {
            roots: load_roots(path)?,
            crls,
        })
    };
    let auth = match args.client_auth {
        ClientAuthArg::Off if args.client_ca.is_some() || args.crlfile.is_some() => {
            return Err(UsageError(
                "--client-ca and --crlfile have no effect with --client-auth off; drop them",
            )
            .into());
        }
        ClientAuthArg::Off => ServerAuth::Off,
        ClientAuthArg::Optional => ServerAuth::Optional(trust()?),
        ClientAuthArg::Required => ServerAuth::Required(trust()?),
    };
    let offers = args.protocol.offers();
    let spec = ServerTlsSpec {
        provider: args.provider,
        versions: &args.tls,
        identity: &identity,
        auth,
        tickets: args.tickets,
        alpn: if args.alpn.is_empty() {
            &offers
        } else {
            &args.alpn
        },
    };
    Ok(ServerTls::new(&spec)?)
}

fn cores(args: &ServeArgs) -> anyhow::Result<Vec<Option<usize>>> {
    let threads = usize::from(args.threads);
    let Some(list) = &args.cores else {
        return Ok(vec![None; threads]);
    };
    let cores =
        parse_cores(list, &available_cores()).map_err(|e| anyhow::anyhow!("--cores: {e}"))?;
    Ok((0..threads).map(|i| Some(cores[i % cores.len()])).collect())
}
