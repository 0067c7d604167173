//! Every way in which a command fails, word by word: the message names the cause and what to do next.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::fs;
use std::path::Path;

use common::process::{code, run, text};

/// A failure: what it is called, the command, and its exit code.
type Failure = (&'static str, &'static str, i32);

/// The parser's own errors name the flag, and say where to read on.
const FLAGS: [Failure; 15] = [
    ("no such flag", "run --bogus", 2),
    ("no such command", "rum", 2),
    ("no such value", "run --auth both", 2),
    ("no such colour", "report x.json --color blue", 2),
    ("no such shell", "completions tcsh", 2),
    ("two load models", "run --rate 5/s --sessions 3", 2),
    ("a rate without a unit", "run --rate 5", 2),
    ("a stage without a time", "run --stage 500/s", 2),
    ("a header without a value", "run -H X-Token", 2),
    ("no worker", "run --workers 0", 2),
    ("a plan of shards that is run", "run --plan-shards", 2),
    ("no time of a session", "run --dry-run --plan-shards=0s", 2),
    ("no address to connect from", "run --source eth0", 2),
    ("a cap of nothing", "run --public-rate-cap 5/s", 2),
    ("a plan that is saved", "run --dry-run -o x.json", 2),
];

/// Combinations that only the command can tell.
const USAGE: [Failure; 24] = [
    ("a result into a folder", "run -o .", 2),
    ("a result to standard output", "run -o -", 2),
    ("a result into a device", "run -o /dev/null", 2),
    (
        "no version is left",
        "run https://localhost:1/ --tlsv1.3 --tls-max 1.2",
        2,
    ),
    (
        "a suite of TLS 1.2 under TLS 1.3",
        "run https://localhost:1/ -k --tlsv1.3 --ciphers TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        104,
    ),
    (
        "a suite of TLS 1.3 under TLS 1.2",
        "probe localhost:1 -k --tls-max 1.2 --ciphers tls_aes_128_gcm_sha256",
        104,
    ),
    (
        "a URI to be sent as a name",
        "probe localhost:1 -k --sni spiffe://example.org/web",
        104,
    ),
    (
        "revocation lists for nobody",
        "serve --cert pki/server.pem --key pki/server.key --client-auth off --crlfile pki/ca.pem",
        2,
    ),
    (
        "no time for a probe",
        "probe localhost:1 -k --timeout 0s",
        2,
    ),
    ("an audit without faults", "audit localhost:1 --pki pki", 2),
    ("no such page", "man rum", 2),
    (
        "HTTP/2 with HTTP/1.1 on it",
        "run https://localhost:1/ -k --protocol http1 --alpn h2",
        104,
    ),
    (
        "HTTP/2 first with HTTP/1.1 on it",
        "run https://localhost:1/ -k --alpn h2,http/1.1",
        104,
    ),
    (
        "HTTP/2 with a probe of HTTP/1.1",
        "probe https://localhost:1/ -k --protocol http1 --alpn h2",
        104,
    ),
    (
        "HTTP/2 at a server of HTTP/1.1",
        "serve --cert pki/server.pem --key pki/server.key --client-auth off --alpn h2",
        104,
    ),
    (
        "a header that HTTP/2 has not",
        "run https://localhost:1/ -k --http2 -H connection:close",
        104,
    ),
    (
        "too many streams",
        "run --protocol http2 --streams 2000",
        104,
    ),
    ("streams without HTTP/2", "run --streams 2", 104),
    (
        "early data in HTTP/2",
        "run --protocol http2 --resumption ticket --early-data",
        104,
    ),
    (
        "two protocols",
        "probe https://localhost:1/ --http2 --protocol echo",
        2,
    ),
    (
        "a message for no method",
        "run grpcs://localhost:1 -k --data-hex 00",
        104,
    ),
    (
        "half a byte",
        "run grpcs://localhost:1/a.B/C -k --data-hex 0",
        104,
    ),
    ("HTTP/3 with the built-in scenario", "run --alpn h3", 104),
    (
        "a provider that is not built",
        "run --provider boring --auth mutual",
        104,
    ),
];

/// Files that are not what they should be.
const FILES: [Failure; 16] = [
    ("no scenario there", "run missing.toml", 104),
    ("no scenario of that name", "run mtls-tx", 104),
    ("nothing of that name", "scenario explain quux", 104),
    ("a scenario that is no TOML", "run broken.toml", 104),
    ("a scenario of the future", "run future.toml", 104),
    (
        "scenarios of which one is wrong",
        "scenario validate rejection broken.toml",
        104,
    ),
    ("no result there", "report missing.json", 104),
    ("a result that is none", "report junk.json", 104),
    ("a result cut short", "report short.json", 104),
    ("a result of the future", "report future.json", 104),
    (
        "a result that cannot be saved",
        "run -o /proc/nope/x.json",
        1,
    ),
    (
        "no certificate there",
        "run https://localhost:1/ --cert missing.pem --cacert pki/ca.pem",
        104,
    ),
    (
        "a certificate without its key",
        "run https://localhost:1/ --cert pki/client-0.pem --cacert pki/ca.pem",
        104,
    ),
    (
        "another certificate's key",
        "run https://localhost:1/ --cert pki/client-0.pem --key pki/server.key --cacert pki/ca.pem",
        104,
    ),
    (
        "no authority in the file",
        "run https://localhost:1/ --cacert junk.json",
        104,
    ),
    (
        "no revocation list in the file",
        "run https://localhost:1/ --cacert pki/ca.pem --crlfile pki/ca.pem",
        104,
    ),
];

/// What this host or the target's address does not allow.
const PLACES: [Failure; 11] = [
    ("a public address", "run https://192.0.2.1/ -k", 1),
    ("no such host", "run https://nowhere.invalid/ -k", 1),
    ("no port", "run tls://localhost -k", 104),
    ("no such scheme", "run ftp://localhost/ -k", 104),
    ("nobody to trust", "run https://localhost:1/", 104),
    ("a core that is not there", "run --cores 4000", 104),
    (
        "an address that this host has not",
        "run --source 192.0.2.7",
        104,
    ),
    (
        "an address from which nothing is reached",
        "run --source ::1",
        104,
    ),
    (
        "an address for a Unix socket",
        "run https://localhost/ -k --unix-socket s --source 127.0.0.2",
        104,
    ),
    ("no list of cores", "run --cores one", 104),
    ("a group that nobody has", "run --curves x448", 104),
];

/// The folder in which they all fail.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    assert_eq!(code(&run(here, "pki new pki")), 0);
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/result-v1.json");
    let result = fs::read_to_string(fixture).unwrap();
    let write = |name: &str, text: &str| fs::write(here.join(name), text).unwrap();
    write("junk.json", "{}");
    write("short.json", &result[..result.len() / 2]);
    write(
        "future.json",
        &result.replacen("\"schema\": 1", "\"schema\": 99", 1),
    );
    write("broken.toml", "version = 1\nname = \"x\"\n[load\n");
    write("future.toml", "version = 9\nname = \"x\"\n");
    dir
}

/// How an error says what to do next.
const REMEDIES: [&str; 26] = [
    "help:",
    "pass ",
    "append ",
    "For more information",
    "write ",
    "give ",
    "choose ",
    "name a",
    "lists",
    "use ",
    "run ",
    "drop ",
    "add ",
    "make one",
    "is it ",
    "see ",
    "--allow-public",
    "check ",
    "newer shakedown",
    "build",
    "for example",
    "may use",
    "lower",
    "raise",
    "has no effect",
    "would replace",
];

fn told(failures: &[Failure]) -> String {
    let dir = folder();
    let (mut all, mut helpless) = (String::new(), Vec::new());
    for (name, args, expected) in failures {
        let output = run(dir.path(), args);
        let error = text(&output.stderr);
        assert_eq!(code(&output), *expected, "{name}: {error}");
        assert!(error.starts_with("error: "), "{name}: {error}");
        assert!(
            !error.contains("panicked") && !error.contains('\u{1b}'),
            "{name}: {error}"
        );
        if !REMEDIES.iter().any(|word| error.contains(word)) {
            helpless.push(format!("{name}: {error}"));
        }
        all.extend([
            "# ",
            name,
            "\n$ shakedown ",
            args,
            "\n",
            error.trim_end(),
            "\n\n",
        ]);
    }
    assert!(helpless.is_empty(), "what is to be done? {helpless:#?}");
    all
}

#[test]
fn flags_that_the_parser_refuses() {
    insta::assert_snapshot!(told(&FLAGS));
}

#[test]
fn flags_that_do_not_fit_together() {
    insta::assert_snapshot!(told(&USAGE));
}

#[test]
fn files_that_are_not_what_they_should_be() {
    insta::assert_snapshot!(told(&FILES));
}

#[test]
fn places_where_nothing_can_be_loaded() {
    let filters = vec![
        (r"it may use \[[^]]*\]", "it may use [CORES]"),
        (
            r"(failed to lookup address information): [^;]*;",
            "$1: [WHY];",
        ),
    ];
    insta::with_settings!({ filters => filters }, {
        insta::assert_snapshot!(told(&PLACES));
    });
}
