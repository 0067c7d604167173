//! What the servers of HTTP/2 and gRPC answer; gRPC through nginx (`grpc_pass`), an audit over gRPC, and a client of
//! grpcio for `shakedown serve`.

use std::process::Command;

use shakedown::scenario::IdentityFault::{
    BrokenSignature, ExpiredIntermediate, ExpiredLeaf, LongChain, NameConstraint,
    NoDigitalSignature, NotYetValid, Revoked, Rsa1024, UnknownCritical, WrongEku,
};

use crate::common::process::{Running, code, run, shakedown, text};
use crate::common::{only, total};
use crate::counted::{GRPC, claimed_equals_logged};
use crate::differences::{ACCEPTED, Difference, Family, Row, row};
use crate::families::{NO_CERTIFICATE, NO_LIMIT};
use crate::server::Server;
use crate::verdicts::mint;

/// Sections of scenarios.
pub const HTTP2_ALONE: &str = "[protocol]\nkind = \"http2\"\n";
pub const BEHIND_A_HEADER: &str =
    "[way-in]\nhaproxy-protocol = \"v2\"\n[protocol]\nkind = \"http2\"\n";

/// Envoy.
pub const BORINGSSL: Family = Family {
    name: "BoringSSL",
    manner: "As OpenSSL, with some alerts of its own.",
    rows: &[
        NO_CERTIFICATE,
        row(
            &[ExpiredLeaf, ExpiredIntermediate, NotYetValid],
            &["alert.certificate_expired"],
            "",
        ),
        row(&[WrongEku], &["alert.unsupported_certificate"], ""),
        Row {
            faults: &[NoDigitalSignature],
            tls12: &["alert.unsupported_certificate"],
            tls13: &["alert.illegal_parameter"],
            why: "under TLS 1.3 it looks at the key's usage only where the signature is verified",
        },
        row(&[Revoked], &["alert.certificate_revoked"], ""),
        row(
            &[NameConstraint, UnknownCritical],
            &["alert.certificate_unknown"],
            "",
        ),
        row(&[BrokenSignature], &["alert.decrypt_error"], ""),
        row(&[Rsa1024], &[ACCEPTED], "it takes RSA keys of 1024 bits"),
        row(&[LongChain], &[ACCEPTED], NO_LIMIT),
        row(&[], &["alert.unknown_ca"], ""),
    ],
};

/// Servers on the core of gRPC.
pub const GRPC_CORE: Family = Family {
    name: "gRPC",
    manner: "BoringSSL's alert is never sent: gRPC's core closes the connection first.",
    rows: &[
        row(
            &[Revoked],
            &[ACCEPTED],
            "grpcio has no setting for revocation lists",
        ),
        row(&[Rsa1024], &[ACCEPTED], "it takes RSA keys of 1024 bits"),
        row(&[LongChain], &[ACCEPTED], NO_LIMIT),
        Row {
            faults: &[],
            tls12: &["eof.handshake"],
            tls13: &["unconfirmed"],
            why: "it hangs up without an alert",
        },
    ],
};

/// The difference of etcd, which looks into the revocation list where it reads from an accepted session.
pub const ENDS_REVOKED: Difference = Difference {
    fault: Revoked,
    tls12: &["unconfirmed"],
    tls13: &["unconfirmed"],
    why: "it completes the handshake, reads its revocation list and hangs up",
};

/// A call of the health service by another client, with a certificate.
const CLIENT: &str = "
import sys, grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
read = lambda name: open('pki/' + name, 'rb').read()
keys = grpc.ssl_channel_credentials(read('ca.pem'), read('client-0.key'), read('client-0.pem'))
with grpc.secure_channel('localhost:' + sys.argv[1], keys) as channel:
    check = health_pb2_grpc.HealthStub(channel).Check
    for _ in range(20):
        print(check(health_pb2.HealthCheckRequest(), timeout=10).status)
";

#[test]
fn nginx_passes_calls_on_and_logs_them() {
    for version in ["1.2", "1.3"] {
        let Some(server) = Server::start("h2-nginx", &["--tls", version]) else {
            return;
        };
        let sections =
            format!("[load]\nsessions = 3\ntotal = 60\n[matrix]\ntls = [\"{version}\"]\n");
        let record = server.load(&sections, "grpcs", Some(&server.pki()));
        let counts = total(&record);
        assert_eq!(counts.ok_total(), 60, "{version}: {counts:?}");
        let alpn = only(&record).trials[0].observed[0].alpn.as_deref();
        assert_eq!(alpn, Some("h2"));
        let logged = server.logged_at_the_end(60);
        claimed_equals_logged("h2-nginx", GRPC, version, counts.ok_total(), logged);
    }
}

#[test]
fn an_audit_speaks_grpc() {
    if !crate::server::installed("h2-nginx") {
        return;
    }
    let server = Server::start_in("h2-nginx", &["--crl"], mint);
    let audit = format!("audit --pki pki grpcs://localhost:{}", server.port);
    let output = run(server.pki().parent().unwrap(), &audit);
    let stdout = text(&output.stdout);
    assert_eq!(code(&output), 0, "{stdout}");
    assert!(stdout.contains("36 of 36 as expected"), "{stdout}");
}

#[test]
fn a_client_of_grpcio_finds_the_embedded_target_healthy() {
    if !crate::server::installed("grpcio") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(code(&run(dir.path(), "pki new pki")), 0);
    let mut command = shakedown(dir.path());
    let serve = "serve --pki pki --protocol grpc --listen 127.0.0.1:0";
    command.args(serve.split(' '));
    let mut server = Running::start(command);
    let line = server.first_line();
    let port = line
        .split([':', ' '])
        .find_map(|word| word.parse::<u16>().ok());
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/venv/bin/python3");
    let output = Command::new(python)
        .args(["-c", CLIENT, &port.unwrap().to_string()])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert_eq!(text(&output.stdout).matches("1\n").count(), 20);
}
