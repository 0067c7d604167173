//! Every server, under each TLS version: the good identity gets in, each faulty one gets the answer that
//! `differences` has for it, and the server's own log agrees on who got in.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use shakedown::scenario::{IdentityFault, IdentityFiles, TlsVersion};
use shakedown::stats::{Accounting, Proof};

use crate::common::{against, evidence, only, run, scenario};
use crate::counted::claimed_equals_logged;
use crate::differences::{ACCEPTED, Known, known};
use crate::server::{Server, installed};

/// Sessions of the good identity.
const GOOD: u64 = 60;
/// Sessions of each faulty one.
const FAULTY: u64 = 2;

/// A server, and the only TLS version that it speaks.
struct Subject {
    server: Server,
    known: &'static Known,
    version: TlsVersion,
}

/// What was found out about a subject.
#[derive(Default)]
struct Findings {
    cases: u64,
    sessions: u64,
    accepted: u64,
    wrong_verdicts: u64,
    /// A line for each case with a wrong verdict.
    wrong: String,
}

/// Certificates, faulty ones and revocation lists, as a user makes them.
fn mint(dir: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .args(["pki", "new", "--faults"])
        .arg(dir)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "pki new --faults: {stderr}");
}

impl Subject {
    fn start(name: &'static str, version: TlsVersion) -> Option<Self> {
        if !installed(name) {
            return None;
        }
        let known = known(name);
        let version_flag = version.to_string();
        let mut flags = vec!["--tls", &version_flag];
        flags.extend(known.revocation.then_some("--crl"));
        Some(Self {
            server: Server::start_in(name, &flags, mint),
            known,
            version,
        })
    }

    /// Runs so many sessions with an identity of the pki folder, or with none.
    fn sessions(&self, total: u64, identity: Option<&str>) -> Accounting {
        let (at_once, version) = (self.known.at_once, self.version);
        let sections = format!(
            "[load]\nsessions = {at_once}\ntotal = {total}\n[matrix]\ntls = [\"{version}\"]\n"
        );
        let url = format!("{}://localhost:{}/", self.known.scheme, self.server.port);
        let pki = self.server.pki();
        let mut scenario = against(scenario(&sections), &url, &pki, None);
        scenario.identity = identity.map(|stem| IdentityFiles {
            cert: pki.join(format!("{stem}.pem")),
            key: Some(pki.join(format!("{stem}.key"))),
        });
        let record = run(scenario);
        let trial = &only(&record).trials[0];
        for observed in &trial.observed {
            assert_eq!(observed.version, format!("TLSv{}", self.version));
            assert_eq!(observed.certificate_sent, identity.is_some());
        }
        if self.known.scheme != "tls" {
            let proven = trial.proofs.get(&Proof::ApplicationData).copied();
            assert_eq!(proven.unwrap_or(0), trial.total.ok_total());
        }
        only(&record).total()
    }

    /// The good identity is accepted in every session.
    fn accepts_the_good(&self, findings: &mut Findings) {
        let counts = self.sessions(GOOD, Some("client-0"));
        assert_eq!(
            (counts.started, counts.ok_total(), counts.failed_total()),
            (GOOD, GOOD, 0),
            "{}: {counts:?}",
            self.known.name
        );
        findings.sessions += counts.started;
        findings.accepted += counts.ok_total();
    }

    /// Every session of a faulty identity ends as the table says.
    fn judges(&self, fault: IdentityFault, findings: &mut Findings) {
        let stem = format!("faults/client-{fault}");
        let identity = (fault != IdentityFault::None).then_some(stem.as_str());
        let counts = self.sessions(FAULTY, identity);
        assert_eq!((counts.started, counts.cancelled_total()), (FAULTY, 0));
        let expected = self.known.answer(fault, self.version);
        let failed = counts
            .failed
            .iter()
            .map(|(label, f)| (label.as_str(), f.count));
        let accepted = Some((ACCEPTED, counts.ok_total())).filter(|(_, count)| *count > 0);
        for (label, count) in failed.chain(accepted) {
            if !expected.contains(&label) {
                findings.wrong_verdicts += count;
                let (name, version) = (self.known.name, self.version);
                let line = format!("{name} {version} {fault}: {label}, not {expected:?}");
                writeln!(findings.wrong, "{line}").unwrap();
            }
        }
        findings.cases += 1;
        findings.sessions += counts.started;
        findings.accepted += counts.ok_total();
    }
}

/// Holds a server to everything that `differences` says about it under one TLS version.
fn verdicts(name: &'static str, version: TlsVersion) {
    let Some(subject) = Subject::start(name, version) else {
        return;
    };
    let mut findings = Findings::default();
    subject.accepts_the_good(&mut findings);
    for fault in IdentityFault::of_clients() {
        subject.judges(fault, &mut findings);
    }
    assert_eq!(findings.wrong_verdicts, 0, "{}", findings.wrong);
    if subject.known.logs {
        // Whom we call accepted stands in the server's log, and nobody else.
        let accepted = findings.accepted;
        let logged = subject.server.logged_at_the_end(accepted);
        if subject.known.is_certain() {
            claimed_equals_logged(
                name,
                subject.known.protocol,
                &version.to_string(),
                accepted,
                logged,
            );
        } else {
            assert_eq!(accepted, logged, "{name}");
        }
    }
    let figures = [
        ("servers", 1),
        ("versions", 1),
        ("cases", findings.cases),
        ("sessions", findings.sessions),
        ("wrong_verdicts", findings.wrong_verdicts),
    ];
    evidence("real-servers", &format!("{name}-tls{version}"), &figures);
}

macro_rules! tests {
    ($($module:ident: $name:literal;)*) => {
        /// The servers that are tested.
        pub const TESTED: &[&str] = &[$($name),*];
        $(mod $module {
            use super::{TlsVersion, verdicts};

            #[test]
            fn answers_as_known_under_tls_1_2() {
                verdicts($name, TlsVersion::Tls12);
            }

            #[test]
            fn answers_as_known_under_tls_1_3() {
                verdicts($name, TlsVersion::Tls13);
            }
        })*
    };
}

tests! {
    apache2: "apache2";
    caddy: "caddy";
    gnutls_serv: "gnutls-serv";
    haproxy: "haproxy";
    lighttpd: "lighttpd";
    mosquitto: "mosquitto";
    nginx: "nginx";
    node: "node";
    openssl: "openssl";
    python: "python";
    stunnel: "stunnel";
}
