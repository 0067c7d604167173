//! `shakedown serve` with clients that others wrote: the commands of docs/clients.md, and bodies in every shape.
//!
//! A missing client fails the test where `SHAKEDOWN_REQUIRE_SERVERS` is set (`scripts/test`, CI) and skips it
//! elsewhere, saying so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

#[path = "common/installed.rs"]
mod installed;
#[path = "common/process.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod process;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use installed::installed;
use process::{Running, code, run, shakedown, text};

/// A section of docs/clients.md: the program that has to be there, and what its output must have.
const SECTIONS: [(&str, &str, &str); 8] = [
    ("curl", "curl", "ok\n"),
    ("openssl s_client", "openssl", "HTTP/1.1 200 OK\r\n"),
    ("Python: requests", "requests", "200 ok\n"),
    ("Python: httpx", "httpx", "200 ok\n"),
    ("Node.js", "node", "200\nok\n"),
    ("ab", "ab", "Keep-Alive requests:    200\n"),
    ("oha", "oha", "[200] 200 responses\n"),
    ("h2load", "h2load", "status codes: 200 2xx,"),
];

/// A server with certificates of its own, in a folder.
struct Server {
    dir: tempfile::TempDir,
    process: Running,
    port: u16,
}

impl Server {
    fn start(flags: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(code(&run(dir.path(), "pki new pki --faults")), 0);
        let mut command = shakedown(dir.path());
        command.args("serve --pki pki --listen 127.0.0.1:0".split(' '));
        command.args(flags.split_whitespace());
        let mut process = Running::start(command);
        let line = process.first_line();
        let port = line.split([':', ' ']).find_map(|word| word.parse().ok());
        let port = port.unwrap_or_else(|| panic!("no port in {line:?}"));
        Self { dir, process, port }
    }

    /// What a script prints, which must succeed. It finds the server where the documents say that it is.
    fn script(&self, script: &str) -> String {
        let script = script.replace("8443", &self.port.to_string());
        let mut shell = Command::new("timeout");
        shell.args(["60", "bash", "-euo", "pipefail", "-c", &script]);
        shell.current_dir(self.dir.path());
        shell.env("PYTHONPATH", packages());
        // They would take the place of the authority that a script names.
        shell
            .env_remove("REQUESTS_CA_BUNDLE")
            .env_remove("CURL_CA_BUNDLE");
        let output = shell.output().unwrap();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(code(&output), 0, "{script}\n{stdout}{stderr}");
        stdout
    }

    /// Ends it; returns what it had to say on stdout and stderr.
    fn end(self) -> (String, String) {
        self.process.signal("TERM");
        let (code, stdout, stderr) = self.process.wait_with_stderr();
        assert_eq!(code, 0, "{stderr}");
        (stdout, stderr)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where scripts/install-deps puts Python packages.
fn packages() -> PathBuf {
    root().join("target/tools/python")
}

/// Whether a client is there: a program, or a package for Python.
fn there(client: &str) -> bool {
    if !["requests", "httpx"].contains(&client) {
        return installed(client);
    }
    let found = packages().join(client).is_dir();
    let required = std::env::var_os("SHAKEDOWN_REQUIRE_SERVERS").is_some();
    assert!(
        found || !required,
        "{client} is not installed; run scripts/install-deps"
    );
    if !found {
        eprintln!("skipped: {client} is not installed; scripts/install-deps installs it");
    }
    found && installed("python3")
}

#[test]
fn the_commands_of_the_page_work() {
    let page = fs::read_to_string(root().join("docs/clients.md")).unwrap();
    let (required, optional) = (Server::start(""), Server::start("--client-auth optional"));
    let mut seen = Vec::new();
    for section in page.split("\n## ").skip(1) {
        let (title, rest) = section.split_once('\n').unwrap();
        let script = rest.split("```sh\n").nth(1).unwrap();
        let script = script.split("```").next().unwrap();
        seen.push(title);
        let known = SECTIONS.iter().find(|(name, _, _)| *name == title);
        let (_, client, expected) = known.unwrap_or_else(|| panic!("{title} is in no row here"));
        if there(client) {
            let server = if title == "h2load" {
                &optional
            } else {
                &required
            };
            let output = server.script(script);
            assert!(output.contains(expected), "{title}: {output}");
        }
    }
    assert_eq!(seen, SECTIONS.map(|(title, _, _)| title));
    let (stdout, stderr) = required.end();
    assert_eq!(stderr, "interrupted: stopping\n");
    assert!(!stdout.contains("refused"), "{stdout}");
}

/// Bodies that look like requests, in every framing that clients have: each is answered once.
#[test]
fn bodies_of_every_shape_are_answered_once() {
    let server = Server::start("");
    fs::write(
        server.dir.path().join("body"),
        "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n",
    )
    .unwrap();
    fs::write(server.dir.path().join("large"), vec![b'x'; 3 << 20]).unwrap();
    let curl = "curl -sS --cacert pki/ca.pem --cert pki/client-0.pem --key pki/client-0.key";
    let url = "https://localhost:8443/";
    let scripts = [
        ("curl", format!("{curl} --data-binary @body {url} {url}")),
        (
            "curl",
            format!("{curl} -H 'Transfer-Encoding: chunked' --data-binary @body {url} {url}"),
        ),
        (
            "curl",
            format!(
                "{curl} -H 'Expect: 100-continue' --data-binary @body {url} && {curl} -T large {url}"
            ),
        ),
        (
            "curl",
            format!("{curl} -H 'Transfer-Encoding: chunked' -T large {url} && {curl} -0 {url}"),
        ),
        (
            "curl",
            format!(
                "{curl} -X OPTIONS --request-target '*' https://localhost:8443 && {curl} -X DELETE {url}"
            ),
        ),
        (
            "requests",
            python_of(
                "requests",
                "import requests\nclient = requests.Session()\nclient.cert = (CERT, KEY)\nclient.verify = CA",
            ),
        ),
        (
            "httpx",
            python_of(
                "httpx",
                "import httpx, ssl\ncontext = ssl.create_default_context(cafile=CA)\ncontext.load_cert_chain(CERT, KEY)\nclient = httpx.Client(verify=context)",
            ),
        ),
        ("node", NODE.to_owned()),
    ];
    for (client, script) in scripts {
        if there(client) {
            assert_eq!(server.script(&script), "ok\nok\n", "{script}");
        }
    }
    let (stdout, stderr) = server.end();
    assert!(!stdout.contains("refused"), "{stdout}{stderr}");
}

/// One body with a length and one in chunks, in one session.
fn python_of(package: &str, client: &str) -> String {
    let body = if package == "requests" {
        "data"
    } else {
        "content"
    };
    format!(
        "python3 - <<'END'\n\
         CA, CERT, KEY = 'pki/ca.pem', 'pki/client-0.pem', 'pki/client-0.key'\n\
         {client}\n\
         body = open('body', 'rb').read()\n\
         for content in (body, iter([body[:9], body[9:]])):\n\
         \x20   print(client.post('https://localhost:8443/', {body}=content).text, end='')\n\
         END"
    )
}

/// The same with one session of `https`.
const NODE: &str = "node - <<'END'
const fs = require('fs')
const https = require('https')
const agent = new https.Agent({
  ca: fs.readFileSync('pki/ca.pem'),
  cert: fs.readFileSync('pki/client-0.pem'),
  key: fs.readFileSync('pki/client-0.key'),
  keepAlive: true,
  maxSockets: 1
})
const body = fs.readFileSync('body')
for (const headers of [{ 'Content-Length': 2 * body.length }, {}]) {
  const options = { agent, method: 'POST', headers }
  const request = https.request('https://localhost:8443/', options, (answer) => {
    answer.on('data', (data) => process.stdout.write(data))
  })
  request.write(body)
  request.end(body)
}
setTimeout(() => agent.destroy(), 2000)
END";

#[test]
fn the_fetch_of_node_streams_bodies() {
    if !there("node") {
        return;
    }
    let server = Server::start("--client-auth optional");
    let script = "NODE_EXTRA_CA_CERTS=pki/ca.pem node --input-type=module - <<'END'
const hidden = 'GET /hidden HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n'
const stream = new ReadableStream({
  start (body) { body.enqueue(new TextEncoder().encode(hidden)); body.close() }
})
for (const init of [{ method: 'POST', body: hidden }, { method: 'POST', body: stream, duplex: 'half' }]) {
  const answer = await fetch('https://localhost:8443/', init)
  process.stdout.write(await answer.text())
}
END";
    assert_eq!(server.script(script), "ok\nok\n");
}

#[test]
fn s_client_gets_its_echo() {
    if !there("openssl") {
        return;
    }
    let server = Server::start("--protocol echo");
    let script = "(echo hello; sleep 1) | openssl s_client -quiet -no_ign_eof -connect localhost:8443 -CAfile pki/ca.pem \
                  -cert pki/client-0.pem -cert_chain pki/client-0.pem -key pki/client-0.key 2>/dev/null";
    assert_eq!(server.script(script), "hello\n");
    let (stdout, _) = server.end();
    assert!(stdout.contains("1 authenticated"), "{stdout}");
}

#[test]
fn plain_http_is_told_to_use_https() {
    if !there("curl") {
        return;
    }
    let server = Server::start("");
    let output = server.script("curl -sS -w '%{http_code}' http://localhost:8443/");
    assert_eq!(output, "this port speaks TLS: use https://\n400");
    assert!(server.end().1.contains(": not TLS\n"));
}
