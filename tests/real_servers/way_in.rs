//! Ways in to real servers: nginx and haproxy behind the PROXY protocol, nginx on a Unix socket, `PostgreSQL`. What is
//! counted as accepted is what the server logged.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::installed;
use crate::server::installed as server_installed;
use crate::ways::{Configured, shakedown};

const IDENTITY: &str = "--cacert pki/ca.pem --cert pki/client-0.pem --key pki/client-0.key";
const LOAD: &str = "-n 20 -c 2 -q";

/// Whether a run did what was asked, but for a machine that was too busy to measure on.
fn went(status: i32, said: &str) -> bool {
    status == 0 || status == 106 && said.contains("generator-limited")
}

/// Lines of a log that hold a text.
fn logged(path: &Path, text: &str) -> usize {
    let log = fs::read_to_string(path).unwrap_or_default();
    log.lines().filter(|line| line.contains(text)).count()
}

#[test]
fn nginx_is_reached_behind_the_proxy_protocol_and_on_a_unix_socket() {
    if !server_installed("nginx") {
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
    if !server_installed("haproxy") {
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

/// A `PostgreSQL` that lets in who has a certificate with its user's name; stopped when dropped.
struct Postgres {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The child may be a shell; the server's own id is in its folder.
        let pid = fs::read_to_string(self.dir.path().join("data/postmaster.pid"));
        if let Some(pid) = pid.unwrap_or_default().lines().next() {
            let _ = Command::new("kill").args(["-INT", pid]).status();
        }
        let _ = self.child.wait();
    }
}

impl Postgres {
    fn start() -> Option<Self> {
        let bin = Self::bin()?;
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().to_str().unwrap().to_owned();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let minted = shakedown(dir.path(), "pki new pki --faults");
        assert!(minted.status.success(), "{minted:?}");
        let name = certificate_name(&dir.path().join("pki/client-0.pem"));
        let bin = bin.display();
        let script = format!(
            "set -e; chmod -R a+rX {at}; mkdir {at}/run; cp {at}/pki/server.pem {at}/pki/server.key {at}/pki/ca.pem {at}/run\n\
             if [ $(id -u) = 0 ]; then chown -R postgres {at}/run; install -d -o postgres {at}/data; else mkdir {at}/data; fi\n\
             chmod 600 {at}/run/server.key; chmod 700 {at}/data\n\
             as() {{ if [ $(id -u) = 0 ]; then su postgres -s /bin/sh -c \"$1\"; else sh -c \"$1\"; fi; }}\n\
             as '{bin}/initdb -D {at}/data -A trust -U postgres' >/dev/null\n\
             cat >> {at}/data/postgresql.conf <<E\n\
             listen_addresses='127.0.0.1'\nport={port}\nunix_socket_directories=''\nssl=on\nssl_cert_file='{at}/run/server.pem'\n\
             ssl_key_file='{at}/run/server.key'\nssl_ca_file='{at}/run/ca.pem'\nlog_connections=on\nmax_connections=50\n\
             E\n\
             printf 'm \"%s\" postgres\\n' '{name}' > {at}/data/pg_ident.conf\n\
             echo 'hostssl all all 127.0.0.0/8 cert clientcert=verify-full map=m' > {at}/data/pg_hba.conf\n\
             as 'exec {bin}/postgres -D {at}/data' > {at}/log 2>&1\n"
        );
        let child = Command::new("sh")
            .args(["-c", &script])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port, dir };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = fs::read_to_string(server.log()).unwrap_or_default();
            assert!(
                Instant::now() < deadline,
                "PostgreSQL does not start: {log}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(server)
    }

    fn bin() -> Option<PathBuf> {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
        let mut bins = versions.filter_map(|entry| {
            let bin = entry.ok()?.path().join("bin");
            bin.join("initdb").is_file().then_some(bin)
        });
        let found = bins.next();
        if found.is_none() {
            // Says so, or fails where it must be there.
            installed::installed("initdb");
        }
        found
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// Runs the command with the port for `PORT`; its status and both of its outputs.
    fn shakedown(&self, args: &str) -> (i32, String) {
        let args = args.replace("PORT", &self.port.to_string());
        let output = shakedown(self.dir.path(), &args);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        (output.status.code().unwrap(), said)
    }
}

/// The common name of a certificate.
fn certificate_name(path: &Path) -> String {
    let output = Command::new("openssl")
        .args(["x509", "-noout", "-subject", "-nameopt", "multiline", "-in"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.contains("commonName"));
    line.and_then(|line| line.split_once("= "))
        .unwrap()
        .1
        .to_owned()
}

#[test]
fn postgresql_is_asked_for_tls() {
    let Some(server) = Postgres::start() else {
        return;
    };
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

/// Claimed is logged in both versions, in start-up as in the end; who has no good certificate is rejected.
#[test]
fn postgresql_lets_in_who_it_says() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let authorized = "connection authorized: user=postgres";
    let mut before = 0;
    for (version, tls) in [("1.2", "--tls-max 1.2"), ("1.3", "--tlsv1.3")] {
        let run = format!(
            "run postgres://postgres@localhost:PORT/ {IDENTITY} {tls} {LOAD} --exchanges 3 -o {version}.json"
        );
        let (status, said) = server.shakedown(&run);
        assert!(went(status, &said), "{said}");
        std::thread::sleep(Duration::from_millis(200));
        let now = logged(&server.log(), authorized);
        assert_eq!(now - before, 20, "TLS {version}: {said}");
        before = now;
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
    let (status, said) = server.shakedown("audit postgres://postgres@localhost:PORT/ --pki pki -q");
    assert!(status == 0 || status == 99, "{said}");
    assert!(!said.contains("untested"), "{said}");
}
