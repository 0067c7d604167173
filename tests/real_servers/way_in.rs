//! Ways in to real servers: nginx and haproxy behind the PROXY protocol, nginx on a Unix socket, `PostgreSQL`. What is
//! counted as accepted is what the server logged.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::common::process::went;
use crate::server::{Server, installed};
use crate::verdicts::mint;
use crate::ways::Configured;

const IDENTITY: &str = "--cacert pki/ca.pem --cert pki/client-0.pem --key pki/client-0.key";
const LOAD: &str = "-n 20 -c 2 -q";

/// Lines of a log that hold a text.
fn logged(path: &Path, text: &str) -> usize {
    let log = fs::read_to_string(path).unwrap_or_default();
    log.lines().filter(|line| line.contains(text)).count()
}

#[test]
fn nginx_is_reached_behind_the_proxy_protocol_and_on_a_unix_socket() {
    if !installed("nginx") {
        return;
    }
    let configure = |dir: &str, port| {
        format!(
            "pid {dir}/pid; error_log {dir}/error; daemon off; events {{}}\n\
             http {{ log_format who '$proxy_protocol_addr $ssl_client_verify $status';\n\
             access_log {dir}/access who; client_body_temp_path {dir}/a; proxy_temp_path {dir}/b;\n\
             fastcgi_temp_path {dir}/c; uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;\n\
             server {{ listen 127.0.0.1:{port} ssl proxy_protocol; listen unix:{dir}/sock ssl;\n\
             ssl_certificate {dir}/pki/server.pem; ssl_certificate_key {dir}/pki/server.key;\n\
             ssl_client_certificate {dir}/pki/ca.pem; ssl_verify_client on; ssl_verify_depth 4;\n\
             location / {{ return 200 ok; }} }} }}\n"
        )
    };
    let server = Configured::start(configure, &["nginx", "-c"]);
    let access = server.dir.path().join("access");
    let mut before = 0;
    for (way, from) in [
        ("--haproxy-protocol", "127.0.0."),
        ("--haproxy-protocol=v2", "127.0.0."),
        ("--unix-socket sock", "- "),
    ] {
        let run = format!("run https://localhost:PORT/ {IDENTITY} {LOAD} {way} -o out.json");
        let (status, said) = server.shakedown(&run);
        assert!(went(status, &said), "{way}: {said}");
        std::thread::sleep(Duration::from_millis(100));
        let now = logged(&access, "SUCCESS 200");
        assert_eq!(now - before, 20, "{way}: {said}");
        before = now;
        assert!(logged(&access, from) >= 20, "{way}");
        let probe = format!("probe https://localhost:PORT/ {IDENTITY} {way}");
        let (status, said) = server.shakedown(&probe);
        assert_eq!(status, 0, "{way}: {said}");
        before += 1;
    }
    let bare = format!("run https://localhost:PORT/ {IDENTITY} -n 1 -c 1 -q -o bare.json");
    let (status, said) = server.shakedown(&bare);
    assert_eq!(status, 106, "{said}");
    assert!(said.contains("--haproxy-protocol"), "{said}");
}

#[test]
fn haproxy_accepts_both_headers() {
    if !installed("haproxy") {
        return;
    }
    let configure = |dir: &str, port| {
        let read = |name: &str| fs::read_to_string(format!("{dir}/pki/{name}")).unwrap();
        let pair = read("server.pem") + &read("server.key");
        fs::write(format!("{dir}/pair.pem"), pair).unwrap();
        format!(
            "defaults\n mode http\n timeout client 5s\n timeout connect 5s\n timeout server 5s\n\
             frontend f\n bind 127.0.0.1:{port} accept-proxy ssl crt {dir}/pair.pem ca-file {dir}/pki/ca.pem verify required\n \
             http-request return status 200\n"
        )
    };
    let server = Configured::start(configure, &["haproxy", "-db", "-f"]);
    for way in ["--haproxy-protocol", "--haproxy-protocol=v2"] {
        let run = format!("run https://localhost:PORT/ {IDENTITY} {LOAD} {way} -o out.json");
        let (status, said) = server.shakedown(&run);
        assert!(went(status, &said), "{way}: {said}");
    }
}

#[test]
fn postgresql_is_asked_for_tls_and_lets_in_who_it_says() {
    if !installed("postgresql-15") {
        return;
    }
    let server = Server::start_in("postgresql-15", &[], mint);
    asks_for_tls(&server);
    lets_in_who_it_says(&server);
}

fn asks_for_tls(server: &Server) {
    let run = format!("run tls://localhost:PORT {IDENTITY} -n 5 -c 1 -q -o o.json");
    let (_, said) = server.shakedown(&run);
    assert!(
        said.contains("eof.handshake") && said.contains("--starttls"),
        "{said}"
    );
    let probe = format!("probe localhost:PORT {IDENTITY} --protocol handshake --starttls postgres");
    let (_, said) = server.shakedown(&probe);
    assert!(said.contains("way in: STARTTLS (postgres)"), "{said}");
    assert!(
        said.contains("Finished: the handshake is complete"),
        "{said}"
    );
    let run = format!(
        "run tls://localhost:PORT {IDENTITY} -n 5 -c 1 -q --starttls smtp --way-in-timeout 300ms -o p.json"
    );
    let (_, said) = server.shakedown(&run);
    assert!(said.contains("unanswered.way_in"), "{said}");
}

/// Claimed is logged in both versions with several exchanges; who is refused in SQL is rejected or in trouble.
fn lets_in_who_it_says(server: &Server) {
    let mut before = 0;
    for (version, tls) in [("1.2", "--tls-max 1.2"), ("1.3", "--tlsv1.3")] {
        let run = format!(
            "run postgres://postgres@localhost:PORT/ {IDENTITY} {tls} {LOAD} --exchanges 3 -o {version}.json"
        );
        let (status, said) = server.shakedown(&run);
        assert!(went(status, &said), "{said}");
        before += 20;
        assert_eq!(server.logged(before), before, "TLS {version}: {said}");
    }
    let probe = format!("probe postgres://postgres@localhost:PORT/ {IDENTITY}");
    let (status, said) = server.shakedown(&probe);
    assert_eq!(status, 0, "{said}");
    for (url, flags, class) in [
        (
            "postgres@localhost:PORT/",
            "--cacert pki/ca.pem",
            "postgres.28000",
        ),
        ("other@localhost:PORT/", IDENTITY, "postgres.28000"),
        ("postgres@localhost:PORT/none", IDENTITY, "postgres.3D000"),
    ] {
        let run = format!("run postgres://{url} {flags} -n 2 -c 1 -q -o x.json");
        let (status, said) = server.shakedown(&run);
        assert_eq!(status, 106, "{said}");
        assert!(said.contains(&format!("2 × {class}")), "{said}");
    }
    let wrong = format!(
        "run postgres://postgres@localhost:PORT/ {IDENTITY} --query nonsense -n 2 -c 1 -q -o y.json"
    );
    let (_, said) = server.shakedown(&wrong);
    assert!(said.contains("2 × postgres.42601"), "{said}");
}
