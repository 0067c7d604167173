//! What servers do with a session that they hold when its certificate expires, is revoked, or loses its authority, as
//! `shakedown audit --lifetime` finds it: the table of `docs/lifetime-audit.md`. Times are not compared.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use rcgen::{CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, SerialNumber};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::server::{Server, installed, script};

/// What becomes of the held session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// New ones are refused, and it lives on.
    Lives,
    /// The server ends it with all others.
    CutWithGood,
    /// Nothing is read again without a restart.
    NotTested,
}
use Answer::{CutWithGood, Lives, NotTested};

impl Answer {
    /// In the report.
    fn label(self) -> &'static str {
        match self {
            Lives => "outlives",
            CutWithGood => "cut-with-good",
            NotTested => "not-tested",
        }
    }

    /// In the document.
    fn words(self) -> &'static str {
        match self {
            Lives => "**lives**",
            CutWithGood => "closed, like the good ones",
            NotTested => "–",
        }
    }
}

struct Row {
    server: &'static str,
    release: &'static str,
    protocol: &'static str,
    /// How it is made to read its files again.
    reload: &'static str,
    /// When the certificate expires, is revoked, or loses its authority.
    answers: [Answer; 3],
}

const ROWS: [Row; 5] = [
    Row {
        server: "etcd",
        release: "3.4.23",
        protocol: "gRPC",
        reload: "none needed for lists; authorities: restart",
        answers: [Lives, Lives, NotTested],
    },
    Row {
        server: "haproxy",
        release: "2.6.12",
        protocol: "HTTP/1.1",
        reload: "`commit ssl crl-file`, `ca-file`",
        answers: [Lives, Lives, Lives],
    },
    Row {
        server: "mosquitto",
        release: "2.0.11",
        protocol: "MQTT 3.1.1",
        reload: "SIGHUP",
        answers: [Lives, Lives, Lives],
    },
    Row {
        server: "nginx",
        release: "1.22.1",
        protocol: "HTTP/1.1",
        reload: "SIGHUP",
        answers: [Lives, CutWithGood, CutWithGood],
    },
    Row {
        server: "postgresql-15",
        release: "15.18",
        protocol: "PostgreSQL",
        reload: "`pg_ctl reload`",
        answers: [Lives, Lives, Lives],
    },
];

/// The part of the document that is made from the table.
pub fn section() -> String {
    let mut text = String::from(
        "\n| Server | Protocol | Reload | expired | revoked | CA removed |\n|---|---|---|---|---|---|\n",
    );
    for row in &ROWS {
        let answers = row.answers.map(Answer::words).join(" | ");
        let Row {
            server,
            release,
            protocol,
            reload,
            ..
        } = row;
        writeln!(
            text,
            "| {server} {release} | {protocol} | {reload} | {answers} |"
        )
        .unwrap();
    }
    text + "\n"
}

/// Certificates of two authorities that the server trusts, lists that revoke nobody, and a list that does.
fn mint(pki: &Path) {
    let here = pki.parent().unwrap();
    for dir in ["clients", "other"] {
        crate::verdicts::mint(&here.join(dir));
    }
    fs::create_dir(pki).unwrap();
    for name in ["server.pem", "server.key"] {
        fs::copy(here.join("clients").join(name), pki.join(name)).unwrap();
    }
    let read = |name: &str| fs::read_to_string(here.join(name)).unwrap();
    let both = read("clients/ca.pem") + &read("other/ca.pem");
    fs::write(pki.join("ca.pem"), both).unwrap();
    let lists = ["intermediate", "root"].map(|name| empty_list(&here.join("clients"), name));
    fs::write(pki.join("crl.pem"), lists.concat() + &read("other/crl.pem")).unwrap();
}

/// An empty revocation list of an authority.
fn empty_list(dir: &Path, name: &str) -> String {
    let read = |end: &str| fs::read_to_string(dir.join(format!("{name}.{end}"))).unwrap();
    let key = KeyPair::from_pem(&read("key")).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&read("pem"), key).unwrap();
    let now = OffsetDateTime::now_utc();
    let list = CertificateRevocationListParams {
        this_update: now - Duration::HOUR,
        next_update: now + Duration::DAY,
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(&issuer).unwrap().pem().unwrap()
}

fn audit(server: &Server, row: &Row) -> Value {
    let pki = server.pki();
    let here = pki.parent().unwrap();
    let reload = format!("{} reload --run run {}", script().display(), row.server);
    let revoke = format!("cat clients/crl.pem other/crl.pem > pki/crl.pem && {reload}");
    let change_ca = format!("cp other/ca.pem pki/ca.pem && {reload}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
    command.current_dir(here).arg("audit").arg(&server.url);
    command.args("--pki clients --other-ca other --lifetime --json --watch 3s".split(' '));
    command
        .args("--junit audit.xml --settle 20s --revoke".split(' '))
        .arg(revoke);
    if row.answers[2] != NotTested {
        command.arg("--change-ca").arg(change_ca);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(99), "{}: {said}", row.server);
    assert!(
        fs::read_to_string(here.join("audit.xml"))
            .unwrap()
            .contains("OUTLIVES")
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn lives_as_long(name: &str) {
    let row = ROWS.iter().find(|row| row.server == name).unwrap();
    if !installed(name) {
        return;
    }
    let server = Server::start_in(row.server, &["--crl"], mint);
    let report = audit(&server, row);
    let rows = report["rows"].as_array().unwrap();
    for (found, answer) in rows.iter().zip(row.answers) {
        let case = &found["case"];
        let findings = found["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 2, "{name} {case}");
        for finding in findings {
            assert_eq!(
                finding["verdict"],
                answer.label(),
                "{name} {case}: {finding:#}"
            );
            if answer == NotTested {
                continue;
            }
            let refused = finding["refused_s"].as_f64().unwrap();
            assert!(
                (-2.0..25.0).contains(&refused),
                "{name} {case}: {finding:#}"
            );
            assert_eq!(finding["good_accepted"], true, "{name} {case}");
            let before = finding["held"]["answers_before"].as_u64().unwrap();
            assert!(before > 1, "{name} {case}: {finding:#}");
            // The good one shares the fate of the other: no server here tells them apart.
            let good = &finding["good"]["ended"];
            assert_eq!(
                good.is_null(),
                answer == Lives,
                "{name} {case}: {finding:#}"
            );
        }
    }
}

#[test]
fn etcd_goes_on_serving() {
    lives_as_long("etcd");
}

#[test]
fn haproxy_goes_on_serving() {
    lives_as_long("haproxy");
}

#[test]
fn mosquitto_goes_on_serving() {
    lives_as_long("mosquitto");
}

#[test]
fn nginx_closes_with_its_workers() {
    lives_as_long("nginx");
}

#[test]
fn postgresql_goes_on_serving() {
    lives_as_long("postgresql-15");
}
