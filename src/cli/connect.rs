//! The flags that say where to connect and with what: the names that curl users know, the same for
//! every subcommand that is a TLS client.

use std::path::{Path, PathBuf};
use std::sync::Once;

use clap::Args;
use shakedown::scenario::{
    CertType, IdentityFiles, ProtocolKind, ProviderName, Scenario, TlsVersion,
};
use shakedown::text::secrets::Passphrase;
use shakedown::units::Span;

use super::choice::one_of;
use super::exit::UsageError;
use super::load_args::ExpectStatusArg;
use super::output::say;
use super::way_in::WayInArgs;

/// Where to connect, and the TLS parameters.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection (as in curl)")]
pub struct ConnectArgs {
    /// CA bundle to verify the server with
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,

    /// Revocation lists for the server's chain (PEM or DER)
    #[arg(long, value_name = "FILE")]
    pub crlfile: Option<PathBuf>,

    /// Skip verification of the server's chain and name; marks the result
    #[arg(short = 'k', long)]
    pub insecure: bool,

    /// Use these addresses, comma-separated, for host:port; skip the resolver
    #[arg(long, value_name = "HOST:PORT:ADDR")]
    pub resolve: Vec<String>,

    /// Name to send and verify [default: the URL's host]
    #[arg(long, value_name = "NAME")]
    pub sni: Option<String>,

    /// Name, address or URI that the server's certificate must hold, instead of the one sent; repeatable
    #[arg(long, value_name = "NAME")]
    pub expected_name: Vec<String>,

    /// Offer TLS 1.2 and later
    #[arg(long = "tlsv1.2", conflicts_with = "tlsv1_3")]
    pub tlsv1_2: bool,

    /// Offer TLS 1.3 and later
    #[arg(long = "tlsv1.3")]
    pub tlsv1_3: bool,

    /// Latest version to offer
    #[arg(long, value_name = "VERSION", value_parser = one_of::<TlsVersion>())]
    pub tls_max: Option<TlsVersion>,

    /// ALPN protocols to offer, in order
    #[arg(long, value_name = "PROTO", value_delimiter = ',')]
    pub alpn: Vec<String>,

    /// Key exchange groups to offer, in order [default: x25519,secp256r1,secp384r1]
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    pub curves: Vec<String>,

    /// Cipher suites to offer, in order, by their IANA names
    #[arg(long, value_name = "SUITE", value_delimiter = ',')]
    pub ciphers: Vec<String>,

    #[command(flatten)]
    way_in: WayInArgs,
}

/// Flags of `probe` and `audit` alike.
#[derive(Debug, Clone, Args)]
pub struct ClientArgs {
    #[command(flatten)]
    pub connect: ConnectArgs,

    /// Crypto provider; see `shakedown providers` [default: aws-lc-rs]
    #[arg(long, value_name = "NAME")]
    provider: Option<ProviderName>,

    /// Speak HTTP/2 to https://
    #[arg(long)]
    http2: bool,

    #[command(flatten)]
    expected: ExpectStatusArg,

    /// Limit for each of connect, handshake and answer; some servers delay rejections by up to 30 s
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub timeout: Span,
}

impl ClientArgs {
    pub(crate) fn apply(&self, scenario: &mut Scenario) -> anyhow::Result<()> {
        self.expected.apply(&mut scenario.protocol);
        if self.http2 {
            let kind = scenario.protocol.kind.replace(ProtocolKind::Http2);
            if kind.is_some_and(|kind| kind != ProtocolKind::Http2) {
                let words = "--http2 and --protocol name two protocols; drop one of them";
                return Err(UsageError(words).into());
            }
        }
        scenario.tls.provider = self.provider;
        self.connect.apply(scenario)
    }
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection (as in curl)")]
pub struct IdentityArgs {
    /// Client certificate chain, leaf first (PEM, DER or PKCS#12)
    #[arg(short = 'E', long, value_name = "FILE")]
    cert: Option<PathBuf>,

    /// Private key of the client certificate, a file or a pkcs11: URI [default: read from --cert]
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// Type of --cert as curl has it; its content decides, and must be of this type
    #[arg(long, value_name = "TYPE", requires = "cert", value_parser = one_of::<CertType>(), ignore_case = true)]
    cert_type: Option<CertType>,

    /// File whose first line is the password of the private key, or the PIN of its token
    #[arg(
        long,
        value_name = "FILE",
        requires = "cert",
        conflicts_with = "pass_env"
    )]
    pass_file: Option<PathBuf>,

    /// Environment variable that holds the password or PIN
    #[arg(long, value_name = "NAME", requires = "cert")]
    pass_env: Option<String>,
}

impl IdentityArgs {
    pub(crate) fn apply(&self, scenario: &mut Scenario) {
        if let Some(cert) = &self.cert {
            let (cert, password) = with_password(cert);
            if password.is_some() {
                warn_of("password in --cert FILE:PASSWORD");
            }
            let mut files = IdentityFiles {
                cert,
                key: self.key.clone(),
                cert_type: self.cert_type,
                pass_file: self.pass_file.clone(),
                pass_env: self.pass_env.clone(),
                password,
            };
            if files.split_pin() {
                warn_of("PIN in --key");
            }
            scenario.identity = Some(files);
        }
    }
}

/// Warns of a secret in the arguments, once: the flags are applied to what is run and to what is recorded.
fn warn_of(what: &str) {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        say(format_args!(
            "warning: everyone on this machine can read the {what}; use --pass-file or --pass-env"
        ));
    });
}

/// A certificate's file and, as curl reads `FILE:PASSWORD`, the password behind it, where there is no file of the
/// whole name.
fn with_password(cert: &Path) -> (PathBuf, Option<Passphrase>) {
    let text = cert.to_string_lossy();
    match text.split_once(':') {
        Some((file, password)) if !cert.exists() && Path::new(file).is_file() => {
            (file.into(), Some(Passphrase::new(password)))
        }
        _ => (cert.to_owned(), None),
    }
}

impl ConnectArgs {
    /// The only version to offer; `None` offers both.
    fn only_version(&self) -> anyhow::Result<Option<TlsVersion>> {
        match (self.tlsv1_3, self.tls_max) {
            (true, Some(TlsVersion::Tls12)) => Err(UsageError(
                "--tlsv1.3 and --tls-max 1.2 leave no version to offer; drop one of them",
            )
            .into()),
            (true, _) => Ok(Some(TlsVersion::Tls13)),
            (false, Some(TlsVersion::Tls12)) => Ok(Some(TlsVersion::Tls12)),
            (false, _) => Ok(None),
        }
    }

    /// Overrides the keys of the scenario whose flags are given.
    pub(crate) fn apply(&self, scenario: &mut Scenario) -> anyhow::Result<()> {
        if let Some(version) = self.only_version()? {
            scenario.matrix.tls = vec![version];
        } else if self.tlsv1_2 {
            scenario.matrix.tls.clear();
        }
        let tls = &mut scenario.tls;
        tls.cacert = self.cacert.clone().or(tls.cacert.take());
        tls.crl = self.crlfile.clone().or(tls.crl.take());
        tls.insecure |= self.insecure;
        tls.sni = self.sni.clone().or(tls.sni.take());
        replace(&mut tls.expected_name, &self.expected_name);
        replace(&mut tls.alpn, &self.alpn);
        if !self.curves.is_empty() {
            scenario.matrix.group.clear();
        }
        replace(&mut tls.groups, &self.curves);
        replace(&mut tls.suites, &self.ciphers);
        replace(&mut scenario.target.resolve, &self.resolve);
        self.way_in.apply(scenario);
        Ok(())
    }
}

/// A list given as a flag replaces the scenario's.
fn replace(list: &mut Vec<String>, given: &[String]) {
    if !given.is_empty() {
        *list = given.to_vec();
    }
}
