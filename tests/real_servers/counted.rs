//! Where the sessions that we call accepted were counted against the server's own log: the rows of that table in
//! `docs/servers.md`, and the comparison that every one of them passes.

use std::fmt::Write as _;

/// What a test compares: a server, what it was spoken to in, the TLS version, and how many sessions it accepts.
struct Row {
    server: &'static str,
    protocol: &'static str,
    tls: &'static str,
    sessions: u64,
}

const fn row(
    server: &'static str,
    protocol: &'static str,
    tls: &'static str,
    sessions: u64,
) -> Row {
    Row {
        server,
        protocol,
        tls,
        sessions,
    }
}

/// The rows, by server, protocol and version.
const ROWS: &[Row] = &[
    row("apache2", HTTP, "1.2", 60),
    row("apache2", HTTP, "1.3", 60),
    row("caddy", HTTP, "1.2", 68),
    row("caddy", HTTP, "1.3", 68),
    row("dicom", DICOM, "1.2", 62),
    row("dicom", DICOM, "1.3", 62),
    row("dovecot", IMAP, "1.2", 62),
    row("dovecot", IMAP, "1.3", 62),
    row("envoy", HTTP2, "1.2", 64),
    row("envoy", HTTP2, "1.3", 64),
    row("etcd", GRPC, "1.2", 66),
    row("etcd", GRPC, "1.3", 66),
    row("grpcio", GRPC, "1.2", 66),
    row("grpcio", GRPC, "1.3", 66),
    row("h2-haproxy", HTTP2, "1.2", 62),
    row("h2-haproxy", HTTP2, "1.3", 62),
    row("h2-nginx", HTTP2, "1.2", 60),
    row("h2-nginx", HTTP2, "1.3", 60),
    row("h2-nginx", GRPC, "1.2", 60),
    row("h2-nginx", GRPC, "1.3", 60),
    row("haproxy", HTTP, "1.2", 62),
    row("haproxy", HTTP, "1.3", 62),
    row("lighttpd", HTTP, "1.2", 60),
    row("lighttpd", HTTP, "1.3", 60),
    row("mariadb", MYSQL, "1.2", 64),
    row("mariadb", MYSQL, "1.3", 64),
    row("mllp", MLLP, "1.2", 62),
    row("mllp", MLLP, "1.3", 62),
    row("mosquitto", MQTT, "1.2", 62),
    row("mosquitto", MQTT, "1.3", 62),
    row("nginx", HTTP, "1.2", 60),
    row("nginx", HTTP, "1.3", 60),
    row("postgresql-15", POSTGRES, "1.2", 62),
    row("postgresql-15", POSTGRES, "1.3", 62),
    row("postgresql-18", POSTGRES_DIRECT, "1.2", 64),
    row("postgresql-18", POSTGRES_DIRECT, "1.3", 64),
    row("python", HTTP, "1.2", 62),
    row("python", HTTP, "1.3", 62),
    row("quickfix", FIX, "1.2", 62),
    row("quickfix", FIX, "1.3", 62),
    row("rabbitmq", MQTT, "1.2", 66),
    row("rabbitmq", MQTT, "1.3", 66),
    row("slapd", LDAP, "1.2", 64),
    row("slapd", LDAP, "1.3", 64),
    row("smtp", SMTP, "1.2", 62),
    row("smtp", SMTP, "1.3", 62),
];

pub const HTTP: &str = "HTTP/1.1";
pub const HTTP2: &str = "HTTP/2";
pub const GRPC: &str = "gRPC";
pub const DICOM: &str = "DICOM";
pub const FIX: &str = "FIX 4.4";
pub const IMAP: &str = "IMAP, STARTTLS";
pub const LDAP: &str = "TLS alone, after LDAP's StartTLS";
pub const MLLP: &str = "HL7 over MLLP";
pub const MQTT: &str = "MQTT 3.1.1";
pub const MYSQL: &str = "TLS alone, after MySQL's SSLRequest";
pub const POSTGRES: &str = "PostgreSQL, SSLRequest";
pub const POSTGRES_DIRECT: &str = "PostgreSQL, direct TLS";
pub const SMTP: &str = "TLS alone, after SMTP's STARTTLS";

/// Compares the sessions that we claim the server accepted with those in its log: ± 0. The row has to be in
/// [`ROWS`], with as many.
pub fn claimed_equals_logged(server: &str, protocol: &str, tls: &str, claimed: u64, logged: u64) {
    assert_eq!(
        claimed, logged,
        "{server}, {protocol}, TLS {tls}: claimed, logged"
    );
    let mut rows = ROWS.iter();
    let known = rows.any(|row| {
        (row.server, row.protocol, row.tls, row.sessions) == (server, protocol, tls, claimed)
    });
    assert!(
        known,
        "counted.rs has no row for {server}, {protocol}, TLS {tls}, {claimed} sessions"
    );
}

/// The table of the document.
pub fn section() -> String {
    let mut text =
        String::from("\n| Server | Protocol | TLS | Claimed | Logged |\n|---|---|---|---|---|\n");
    for row in ROWS {
        let Row {
            server,
            protocol,
            tls,
            sessions,
        } = row;
        writeln!(
            text,
            "| {server} | {protocol} | {tls} | {sessions} | {sessions} |"
        )
        .unwrap();
    }
    text + "\n"
}

#[test]
fn rows_are_in_order() {
    let keys: Vec<_> = ROWS
        .iter()
        .map(|row| (row.server, row.protocol, row.tls))
        .collect();
    assert!(keys.is_sorted_by(|one, next| one < next), "{keys:?}");
}
