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

/// A server.
struct Subject {
    server: Server,
    known: &'static Known,
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
pub fn mint(dir: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .args(["pki", "new", "--faults"])
        .arg(dir)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "pki new --faults: {stderr}");
}

impl Subject {
    fn start(name: &'static str, versions: &str) -> Option<Self> {
        if !installed(name) {
            return None;
        }
        let known = known(name);
        let mut flags = vec!["--tls", versions];
        flags.extend(known.revocation.then_some("--crl"));
        Some(Self {
            server: Server::start_in(name, &flags, mint),
            known,
        })
    }

    /// Runs so many sessions of a version with an identity of the pki folder, or with none.
    fn sessions(&self, total: u64, version: TlsVersion, identity: Option<&str>) -> Accounting {
        let (at_once, more) = (self.known.at_once, self.known.sections);
        let sections = format!(
            "[load]\nsessions = {at_once}\ntotal = {total}\n[workers]\ncount = 1\n\
             [matrix]\ntls = [\"{version}\"]\n{more}"
        );
        let pki = self.server.pki();
        let mut scenario = against(scenario(&sections), &self.server.url, &pki, None);
        scenario.identity = identity.map(|stem| IdentityFiles {
            cert: pki.join(format!("{stem}.pem")),
            key: Some(pki.join(format!("{stem}.key"))),
            ..IdentityFiles::default()
        });
        let record = run(scenario);
        let trial = &only(&record).trials[0];
        for observed in &trial.observed {
            assert_eq!(observed.version, format!("TLSv{version}"));
            assert_eq!(observed.certificate_sent, identity.is_some());
        }
        if self.known.speaks {
            let proven = trial.proofs.get(&Proof::ApplicationData).copied();
            assert_eq!(proven.unwrap_or(0), trial.total.ok_total());
        }
        only(&record).total()
    }

    /// The good identity is accepted in every session.
    fn accepts_the_good(&self, version: TlsVersion, findings: &mut Findings) {
        let counts = self.sessions(GOOD, version, Some("client-0"));
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
    fn judges(&self, fault: IdentityFault, version: TlsVersion, findings: &mut Findings) {
        let stem = format!("faults/client-{fault}");
        let identity = (fault != IdentityFault::None).then_some(stem.as_str());
        let counts = self.sessions(FAULTY, version, identity);
        assert_eq!((counts.started, counts.cancelled_total()), (FAULTY, 0));
        let expected = self.known.answer(fault, version);
        let failed = counts
            .failed
            .iter()
            .map(|(label, f)| (label.as_str(), f.count));
        let accepted = Some((ACCEPTED, counts.ok_total())).filter(|(_, count)| *count > 0);
        for (label, count) in failed.chain(accepted) {
            if !expected.contains(&label) {
                findings.wrong_verdicts += count;
                let name = self.known.name;
                let line = format!("{name} {version} {fault}: {label}, not {expected:?}");
                writeln!(findings.wrong, "{line}").unwrap();
            }
        }
        findings.cases += 1;
        findings.sessions += counts.started;
        findings.accepted += counts.ok_total();
    }
}

impl Subject {
    /// Holds the server to everything that `differences` says about it under one TLS version.
    fn verdicts(&self, version: TlsVersion) -> Findings {
        let mut findings = Findings::default();
        self.accepts_the_good(version, &mut findings);
        for fault in IdentityFault::of_clients() {
            self.judges(fault, version, &mut findings);
        }
        assert_eq!(findings.wrong_verdicts, 0, "{}", findings.wrong);
        let figures = [
            ("servers", 1),
            ("versions", 1),
            ("cases", findings.cases),
            ("sessions", findings.sessions),
            ("wrong_verdicts", findings.wrong_verdicts),
        ];
        let test = format!("{}-tls{version}", self.known.name);
        evidence("real-servers", &test, &figures);
        findings
    }

    /// Whom we call accepted stands in the server's log, and nobody else.
    fn compare(&self, version: TlsVersion, claimed: u64, logged: u64) {
        let Known { name, protocol, .. } = self.known;
        if self.known.is_certain() {
            claimed_equals_logged(name, protocol, &version.to_string(), claimed, logged);
        } else {
            assert_eq!(claimed, logged, "{name}");
        }
    }
}

/// A server that speaks one version.
fn alone(name: &'static str, version: TlsVersion) {
    let Some(subject) = Subject::start(name, &version.to_string()) else {
        return;
    };
    let accepted = subject.verdicts(version).accepted;
    if subject.known.logs {
        let logged = subject.server.logged_at_the_end(accepted);
        subject.compare(version, accepted, logged);
    }
}

/// A server that takes long to start, and speaks both.
fn together(name: &'static str) {
    let Some(subject) = Subject::start(name, "both") else {
        return;
    };
    let [old, new] = [TlsVersion::Tls12, TlsVersion::Tls13];
    let accepted = subject.verdicts(old).accepted;
    let logged = subject.server.logged(accepted);
    subject.compare(old, accepted, logged);
    let accepted = subject.verdicts(new).accepted;
    // None of it is in the log.
    (subject.known.also)(&subject.server);
    let all = subject.server.logged_at_the_end(logged + accepted);
    subject.compare(new, accepted, all - logged);
}

macro_rules! tests {
    ($($module:ident: $name:literal $($both:ident)?;)*) => {
        /// The servers that are tested.
        pub const TESTED: &[&str] = &[$($name),*];
        $(mod $module {
            tests!(@ $name $($both)?);
        })*
    };
    (@ $name:literal both) => {
        #[test]
        fn answers_as_known() {
            super::together($name);
        }
    };
    (@ $name:literal) => {
        use super::{TlsVersion, alone};

        #[test]
        fn answers_as_known_under_tls_1_2() {
            alone($name, TlsVersion::Tls12);
        }

        #[test]
        fn answers_as_known_under_tls_1_3() {
            alone($name, TlsVersion::Tls13);
        }
    };
}

tests! {
    apache2: "apache2";
    caddy: "caddy";
    dicom: "dicom" both;
    dovecot: "dovecot";
    envoy: "envoy";
    etcd: "etcd" both;
    gnutls_serv: "gnutls-serv";
    grpcio: "grpcio" both;
    h2_haproxy: "h2-haproxy";
    h2_nginx: "h2-nginx";
    haproxy: "haproxy";
    lighttpd: "lighttpd";
    mariadb: "mariadb" both;
    mllp: "mllp" both;
    mosquitto: "mosquitto";
    nginx: "nginx";
    node: "node";
    openssl: "openssl";
    postgresql_15: "postgresql-15" both;
    postgresql_18: "postgresql-18" both;
    python: "python";
    quickfix: "quickfix" both;
    rabbitmq: "rabbitmq" both;
    slapd: "slapd" both;
    smtp: "smtp" both;
    stunnel: "stunnel";
}
