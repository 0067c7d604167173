//! nginx, haproxy and openssl with resumption on, each in a folder of its own.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::process::{Running, shakedown};

/// A running server; it is told to end, and then waited for, since its workers outlive a killed master.
pub struct Server {
    process: Running,
    pub port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.signal("TERM");
        let deadline = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn start(command: Command, port: u16) -> Server {
    let server = Server {
        process: Running::start(command),
        port,
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "the server does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    server
}

/// nginx on the certificates of `pki`, with `sessions` in every server block. Its first host trusts
/// `trusted.pem`, at first the authority of `pki`, its second the one in `other`. `revoked.conf`, empty
/// at first, belongs to the first host.
pub fn nginx(here: &Path, sessions: &str) -> Server {
    let port = free_port();
    let dir = here.display();
    // Started by root, workers would become `nobody`, who cannot enter a private folder.
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let user = if root { "user root root;" } else { "" };
    let host = |name: &str, trust: &str, more: &str| {
        format!(
            "server {{ listen 127.0.0.1:{port} ssl; server_name {name};\n\
             ssl_certificate {dir}/pki/server.pem; ssl_certificate_key {dir}/pki/server.key;\n\
             ssl_protocols TLSv1.2 TLSv1.3; ssl_verify_client on; ssl_verify_depth 3;\n\
             ssl_client_certificate {dir}/{trust}; {sessions}\n{more}\n\
             location / {{ return 200 \"ok\\n\"; }} }}\n"
        )
    };
    fs::copy(here.join("pki/ca.pem"), here.join("trusted.pem")).unwrap();
    let hosts = [
        host(
            "localhost",
            "trusted.pem",
            &format!("include {dir}/revoked*.conf;"),
        ),
        host("other.test", "other/ca.pem", ""),
    ]
    .concat();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {dir}/nginx.{kind};\n"))
        .concat();
    let text = format!(
        "daemon off; worker_processes 1; {user} pid {dir}/nginx.pid;\n\
         error_log {dir}/error.log warn; events {{ worker_connections 64; }}\n\
         http {{ access_log off; {temporary}{hosts}}}\n"
    );
    fs::write(here.join("nginx.conf"), text).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-e").arg(here.join("error.log"));
    command.arg("-p").arg(here);
    command.arg("-c").arg(here.join("nginx.conf"));
    start(command, port)
}

/// haproxy on the certificates of `pki`, with `options` on its line of TLS; a master with a worker, which
/// SIGUSR2 to the master replaces. It trusts `trusted.pem`, at first the authority of `pki`.
pub fn haproxy(here: &Path, options: &str) -> Server {
    let port = free_port();
    let dir = here.display();
    let pem = ["server.pem", "server.key"].map(|f| fs::read(here.join("pki").join(f)).unwrap());
    fs::write(here.join("haproxy.pem"), pem.concat()).unwrap();
    fs::copy(here.join("pki/ca.pem"), here.join("trusted.pem")).unwrap();
    let text = format!(
        "global\n  nbthread 1\n  noreuseport\n  tune.ssl.default-dh-param 2048\n\
         defaults\n  mode http\n  timeout client 30s\n\
         frontend mtls\n  http-request return status 200 content-type text/plain string ok\n\
         \x20 bind 127.0.0.1:{port} ssl crt {dir}/haproxy.pem ca-file {dir}/trusted.pem \
         verify required ssl-min-ver TLSv1.2 {options}\n"
    );
    fs::write(here.join("haproxy.cfg"), text).unwrap();
    let mut command = Command::new("haproxy");
    command.args(["-W", "-p"]).arg(here.join("haproxy.pid"));
    command.arg("-f").arg(here.join("haproxy.cfg"));
    start(command, port)
}

/// The embedded target on the certificates of `pki`, trusting `trusted.pem`; whenever it ends it is
/// started again with what `target.flags` says then.
pub struct Restarting {
    server: Server,
    dir: PathBuf,
}

impl Restarting {
    pub fn start(here: &Path, flags: &str) -> Self {
        let port = free_port();
        fs::copy(here.join("pki/ca.pem"), here.join("trusted.pem")).unwrap();
        let files = "--cert pki/server.pem --key pki/server.key --client-ca trusted.pem";
        let flags = format!("--listen 127.0.0.1:{port} {files} {flags}");
        fs::write(here.join("target.flags"), flags).unwrap();
        let mut shell = Command::new("sh");
        let again = "while [ -e target.flags ]; do \
                     \"$0\" serve $(cat target.flags) & echo $! > target.pid; wait $!; done";
        shell.args(["-c", again]).arg(shakedown(here).get_program());
        shell.current_dir(here);
        Self {
            server: start(shell, port),
            dir: here.to_owned(),
        }
    }

    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// The command that starts it again with `more` flags.
    pub fn again(&self, more: &str) -> String {
        let dir = self.dir.display();
        format!(
            "old=$(cat {dir}/target.pid) && printf ' {more}' >> {dir}/target.flags && kill $old && \
             while [ \"$(cat {dir}/target.pid)\" = $old ]; do sleep 0.1; done && sleep 1"
        )
    }
}

impl Drop for Restarting {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.dir.join("target.flags"));
        let pid = fs::read_to_string(self.dir.join("target.pid")).unwrap_or_default();
        let _ = Command::new("kill").arg(pid.trim()).status();
    }
}

/// `openssl s_server` with two names, which share their ticket keys.
pub fn openssl(here: &Path) -> Server {
    let port = free_port();
    let mut command = Command::new("openssl");
    command.current_dir(here.join("pki"));
    command.args([
        "s_server",
        "-www",
        "-quiet",
        "-accept",
        &format!("127.0.0.1:{port}"),
    ]);
    command.args("-cert server.pem -cert_chain server.pem -key server.key".split(' '));
    command.args("-servername other.test -cert2 server.pem -key2 server.key".split(' '));
    command.args("-Verify 3 -verify_return_error -CAfile ca.pem".split(' '));
    start(command, port)
}
