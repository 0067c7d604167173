//! Ways of refusing that look like something else: nginx with an error page that redirects, and Apache,
//! which asks for a certificate per path, after the handshake.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::server::installed;

/// A server of a configuration of its own; killed when dropped.
pub struct Configured {
    child: Child,
    pub port: u16,
    pub dir: tempfile::TempDir,
}

impl Drop for Configured {
    fn drop(&mut self) {
        // Asked first, it takes its workers with it.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Configured {
    /// Starts it in a folder with certificates, good and faulty, with what `configure` makes of folder and
    /// port.
    pub fn start(configure: impl FnOnce(&str, u16) -> String, command: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let minted = shakedown(dir.path(), "pki new pki --faults", &[]);
        assert!(minted.status.success(), "{minted:?}");
        // Servers that give up being root still have to read.
        let readable = Command::new("chmod")
            .args(["-R", "a+rX"])
            .arg(dir.path())
            .status();
        assert!(readable.unwrap().success());
        let path = dir.path().to_str().unwrap().to_owned();
        fs::write(dir.path().join("conf"), configure(&path, port)).unwrap();
        let child = Command::new(command[0])
            .args(&command[1..])
            .arg(dir.path().join("conf"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port, dir };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "the server does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// Runs the command with the port for `PORT`; its status and both of its outputs.
    pub fn shakedown(&self, args: &str) -> (i32, String) {
        let args = args.replace("PORT", &self.port.to_string());
        let output = shakedown(self.dir.path(), &args, &[]);
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap(),
            String::from_utf8(said).unwrap(),
        )
    }
}

pub fn shakedown(dir: &Path, args: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .args(args.split_whitespace())
        .args(more)
        .output()
        .unwrap()
}

#[test]
fn a_rejection_by_redirect_is_a_rejection() {
    if !installed("nginx") {
        return;
    }
    let configure = |dir: &str, port| {
        format!(
            "pid {dir}/pid; error_log {dir}/error; daemon off; events {{}}\n\
             http {{ access_log off; client_body_temp_path {dir}/a; proxy_temp_path {dir}/b;\n\
             fastcgi_temp_path {dir}/c; uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;\n\
             server {{ listen 127.0.0.1:{port} ssl; ssl_protocols TLSv1.2 TLSv1.3;\n\
             ssl_certificate {dir}/pki/server.pem; ssl_certificate_key {dir}/pki/server.key;\n\
             ssl_client_certificate {dir}/pki/ca.pem; ssl_verify_client on; ssl_verify_depth 4;\n\
             error_page 495 496 = http://www.example.test/error; location / {{ return 200 ok; }} }} }}\n"
        )
    };
    let server = Configured::start(configure, &["nginx", "-c"]);
    let expired = "--cacert pki/ca.pem --cert pki/faults/client-expired-leaf.pem \
                   --key pki/faults/client-expired-leaf.key";
    let run = format!("run https://localhost:PORT/ {expired} -n 2 -c 1 -q -o o.json");
    let (status, said) = server.shakedown(&run);
    assert_eq!(status, 106, "{said}");
    assert!(
        said.contains("2 × http.redirect.302: HTTP 302 redirects to http://www.example.test/error")
    );
    let (status, said) = server.shakedown(&format!("{run} --expect-status 302"));
    assert_eq!(status, 0, "{said}");
    let probe = format!("probe https://localhost:PORT/ {expired}");
    let (_, said) = server.shakedown(&probe);
    assert!(said.contains("verdict: redirected, not accepted"), "{said}");
    let (_, said) = server.shakedown(&format!("{probe} --expect-status 3xx"));
    assert!(said.contains("verdict: accepted"), "{said}");
    let audit = "audit https://localhost:PORT/ --pki pki --case expired-leaf --case none -q";
    let (status, said) = server.shakedown(audit);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("6 of 6 as expected"), "{said}");
    // Where a redirect is meant, nginx accepts everybody.
    let (status, said) = server.shakedown(&format!("{audit} --expect-status 200,302"));
    assert_eq!(status, 99, "{said}");
    assert!(said.contains("WRONGLY ACCEPTED"), "{said}");
}

#[test]
fn a_server_that_asks_per_path_is_told_so() {
    if !installed("apache2") {
        return;
    }
    let configure = |dir: &str, port| {
        let modules = "/usr/lib/apache2/modules";
        fs::create_dir_all(format!("{dir}/htdocs/secure")).unwrap();
        let user = if is_root() {
            "User nobody\nGroup nogroup\n"
        } else {
            ""
        };
        format!(
            "ServerRoot {dir}\nServerName localhost\nPidFile {dir}/pid\nErrorLog {dir}/error\nMutex sem\n\
             LoadModule mpm_event_module {modules}/mod_mpm_event.so\n\
             LoadModule ssl_module {modules}/mod_ssl.so\n\
             LoadModule authz_core_module {modules}/mod_authz_core.so\n\
             DocumentRoot {dir}/htdocs\nListen 127.0.0.1:{port}\n{user}\
             <VirtualHost 127.0.0.1:{port}>\nSSLEngine on\n\
             SSLCertificateFile {dir}/pki/server.pem\nSSLCertificateKeyFile {dir}/pki/server.key\n\
             SSLCACertificateFile {dir}/pki/ca.pem\nSSLVerifyClient none\n\
             <Location /secure>\nSSLVerifyClient require\nSSLVerifyDepth 5\n</Location>\n</VirtualHost>\n"
        )
    };
    let server = Configured::start(configure, &["apache2", "-DFOREGROUND", "-f"]);
    let good = "--cacert pki/ca.pem --cert pki/client-0.pem --key pki/client-0.key";
    let remedies = [
        "SSLVerifyClient from the Location",
        "SSLVerifyClient in a Location",
    ];
    for (version, remedy) in ["1.2", "1.3"].into_iter().zip(remedies) {
        let flags = format!("https://localhost:PORT/secure/ {good} --tls-max {version}");
        let (_, said) = server.shakedown(&format!("run {flags} -n 1 -c 1 -q -o o.json"));
        assert!(said.contains(remedy), "{version}: {said}");
        let (_, said) = server.shakedown(&format!("probe {flags}"));
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(remedy), "{version}: {said}");
    }
}

/// Whether servers would have to give up being root.
fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}
