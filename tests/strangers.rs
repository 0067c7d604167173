//! Text of strangers and secrets of ours: what a file or a server says reaches no terminal as it is, what we sent
//! comes back in no report, and a file that never ends or is damaged is named.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use common::injected;
use common::process::{code, run, shakedown};
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// What was printed, all of it.
fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(both).unwrap()
}

/// What a terminal would obey, or what turns or hides text, if there is any.
fn obeyed(text: &str) -> Option<char> {
    text.chars().find(|c| {
        c.is_control() && !"\n\t".contains(*c)
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

#[track_caller]
fn is_harmless(what: &str, output: &Output) {
    let text = said(output);
    assert_eq!(obeyed(&text), None, "{what}: {text:?}");
}

#[test]
fn results_of_strangers_reach_no_terminal_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["result-v1.json", "result-v1-tax.json"] {
        let mut files = injected::results(dir.path(), name);
        // What JSON escapes, a terminal obeys once it is printed: in keys, too.
        let text = fs::read_to_string(fixture(name)).unwrap();
        let evil = r"\u001b[2Jx\u009b31m\u007f\u2028\nPASS";
        let keys = text.replacen("\"full\"", &format!("\"{evil}\""), 3);
        let names = text.replace("\"mtls", &format!("\"{evil}mtls"));
        for (number, text) in [keys, names].iter().enumerate() {
            let file = dir.path().join(format!("evil-{number}-{name}"));
            fs::write(&file, text).unwrap();
            files.push(file);
        }
        for file in &files {
            let file = file.display();
            for args in [
                format!("report {file}"),
                format!("report {file} -f markdown"),
                format!("report {file} -f csv"),
                format!("report {file} -f json"),
                format!("report {file} -f prometheus"),
                format!("report {file} -f html"),
                format!("report {file} -f hgrm --cell mtls"),
                format!("report {file} -f hlog"),
                format!("compare {file} {file} -o compared.json"),
                "report compared.json".to_owned(),
                "report compared.json -f markdown".to_owned(),
                format!("compare {file} {file} --json"),
                format!("compare {} {file}", fixture(name).display()),
                format!("gate {file} --baseline {}", fixture(name).display()),
                format!("baseline record {file} --force"),
                "baseline list".to_owned(),
            ] {
                is_harmless(&args, &run(dir.path(), &args));
            }
        }
    }
}

#[test]
fn colours_are_no_way_in() {
    let dir = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(fixture("result-v1.json")).unwrap();
    let text = text.replace("\"mtls", r#""\u001b[8m\u001b]0;x\u0007mtls"#);
    fs::write(dir.path().join("a.json"), text).unwrap();
    let output = run(dir.path(), "--color always report a.json");
    assert_eq!(code(&output), 0);
    let text = said(&output);
    assert!(
        text.contains("\u{1b}[") && text.contains(r"\u{1b}[8m\u{1b}]0;x\u{7}"),
        "{text:?}"
    );
    assert!(
        !text.contains("\u{1b}[8m") && !text.contains("\u{1b}]"),
        "{text:?}"
    );
}

#[test]
fn scenarios_and_policies_of_strangers_are_refused_with_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let evil = r"\u001b[2J";
    for (number, text) in [
        format!("version = 1\nname = \"x{evil}\"\n"),
        format!("version = 1\nname = \"x\"\nquestion = \"y{evil}\"\n"),
        format!("version = 1\nname = \"x\"\nreading = \"\"\"\n{evil}\"\"\"\n"),
        format!("version = 1\nname = \"x\"\n[load]\n\"{evil}\" = 5\n"),
        "version = 1\nname = \"x\\nforged\"\n".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let file = format!("{number}.toml");
        fs::write(dir.path().join(&file), text).unwrap();
        for args in [
            format!("scenario validate {file}"),
            format!("scenario explain {file}"),
            format!("run {file} --dry-run"),
            format!(
                "gate {} --policy {file}",
                fixture("result-v1.json").display()
            ),
        ] {
            let output = run(dir.path(), &args);
            is_harmless(&args, &output);
            assert_eq!(code(&output), 104, "{}", said(&output));
            assert!(
                said(&output).contains(&format!("{file}:")),
                "{}",
                said(&output)
            );
        }
    }
}

#[test]
fn files_that_never_end_are_refused_with_the_cap() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/zero", dir.path().join("zero.toml")).unwrap();
    let a = fixture("result-v1.json");
    for (args, cap) in [
        ("report /dev/zero".to_owned(), "512 MiB"),
        (format!("compare {} /dev/zero", a.display()), "512 MiB"),
        ("baseline record /dev/zero".to_owned(), "512 MiB"),
        (format!("gate {} --policy /dev/zero", a.display()), "4 MiB"),
        ("run zero.toml".to_owned(), "4 MiB"),
        ("scenario validate zero.toml".to_owned(), "4 MiB"),
        (
            "probe tls://127.0.0.1:1 --cacert /dev/zero".to_owned(),
            "4194304 bytes",
        ),
        (
            "probe tls://127.0.0.1:1 -E /dev/zero".to_owned(),
            "4194304 bytes",
        ),
        (
            "serve --cert /dev/zero --client-auth off".to_owned(),
            "4194304 bytes",
        ),
    ] {
        let began = Instant::now();
        let output = run(dir.path(), &args);
        assert_eq!(code(&output), 104, "{args}: {}", said(&output));
        assert!(said(&output).contains(cap), "{args}: {}", said(&output));
        assert!(said(&output).contains("zero"), "{args}: {}", said(&output));
        assert!(began.elapsed() < Duration::from_secs(20), "{args}");
    }
}

/// Breaks the first histogram of latencies of a trial.
fn damaged(name: &str, to: &Path) {
    let text = fs::read_to_string(fixture(name)).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    let kinds = value["cells"][1]["trials"][0]["kinds"].as_object_mut();
    let kind = kinds.unwrap().values_mut().next().unwrap();
    kind["histograms"]["latency"]["hdr_v2_deflate"] = "SElTVEYA".into();
    fs::write(to, value.to_string()).unwrap();
}

#[test]
fn a_damaged_result_and_one_with_other_cells_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let good = fixture("result-v1-tax.json");
    fs::create_dir(dir.path().join("folder")).unwrap();
    fs::copy(&good, dir.path().join("folder/a.json")).unwrap();
    damaged("result-v1-tax.json", &dir.path().join("bad.json"));
    damaged("result-v1-tax.json", &dir.path().join("folder/bad.json"));
    let good = good.display();
    for args in [
        "report bad.json".to_owned(),
        format!("report {good} bad.json -f csv"),
        format!("report {good} bad.json -f html"),
        format!("compare {good} bad.json"),
        format!("compare folder {good}"),
        format!("gate {good} --baseline {good} --learn folder"),
    ] {
        let output = run(dir.path(), &args);
        assert_eq!(code(&output), 104, "{args}: {}", said(&output));
        let text = said(&output);
        assert!(
            text.contains("bad.json is damaged: cell "),
            "{args}: {text}"
        );
        assert!(text.contains(", trial 1, latency of "), "{args}: {text}");
    }
    let text = fs::read_to_string(fixture("result-v1-tax.json")).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    for cell in value["cells"].as_array_mut().unwrap() {
        cell["cell"]["auth"] = "none".into();
        cell["cell"]["name"] = "other".into();
    }
    let only = value["cells"][0].clone();
    value["cells"] = serde_json::json!([only]);
    fs::write(dir.path().join("other.json"), value.to_string()).unwrap();
    let output = run(dir.path(), &format!("compare {good} other.json"));
    let text = said(&output);
    if text.contains("no cell in common") {
        assert!(
            text.contains("other.json") && text.contains("result-v1-tax.json"),
            "{text}"
        );
    }
}

#[test]
fn errors_quote_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let head = "version = 1\nname = \"x\"\n[target]\nurl = \"https://127.0.0.1:1\"\n[protocol]\n";
    for (file, body) in [
        ("a.toml", "headers = \"Authorization: S3cr3t\""),
        ("b.toml", "headers = [\"S3cr3t\"]"),
        (
            "c.toml",
            "headers = [{ name = \"Authorization\", value = 53313 }]",
        ),
        (
            "d.toml",
            "headers = [{ name = \"Authorization S3cr3t\", value = \"x\" }]",
        ),
        (
            "e.toml",
            "headers = [{ name = \"Authorization\", value = \"S3cr3t\\n\" }]",
        ),
        ("f.toml", "path = \"no?t=S3cr3t\""),
    ] {
        fs::write(dir.path().join(file), format!("{head}{body}\n")).unwrap();
    }
    for args in [
        &["run", "https://me:S3cr3t@127.0.0.1:1/"][..],
        &["run", "https://me:S3cr3t@127.0.0.1/"],
        &["run", "me:S3cr3t@127.0.0.1"],
        &["run", "tls://127.0.0.1?token=S3cr3t"],
        &["run", "https://127.0.0.1:x/?token=S3cr3t"],
        &["run", "tls://127.0.0.1#S3cr3t"],
        &["probe", "gopher://me:S3cr3t@127.0.0.1/"],
        &["run", "https://127.0.0.1:1", "-H", "Authorization S3cr3t"],
        &[
            "run",
            "https://127.0.0.1:1",
            "--header=Authorization S3cr3t",
        ],
        &[
            "run",
            "https://127.0.0.1:1",
            "-H",
            "Authorization S3cr3t: x",
        ],
        &[
            "run",
            "https://127.0.0.1:1",
            "-H",
            "Authorization:",
            "S3cr3t",
        ],
        &["run", "-H", "Authorization:", "Bearer", "S3cr3t"],
        &["run", "-HAuthorization:", "S3cr3t"],
        &["run", "--header", "Authorization:", "S3cr3t"],
        &[
            "run",
            "https://127.0.0.1:1",
            "--resolve",
            "me:S3cr3t@h:443:x",
        ],
        &["run", "--otlp", "http://me:S3cr3t@127.0.0.1"],
        &["run", "--tokn=S3cr3t"],
        &["https://me:S3cr3t@127.0.0.1/"],
        &[
            "ab",
            "https://me:S3cr3t@127.0.0.1/?t=S3cr3t",
            "--",
            "-H",
            "Authorization S3cr3t",
        ],
        &["run", "a.toml"],
        &["run", "b.toml"],
        &["run", "c.toml"],
        &["run", "d.toml"],
        &["run", "e.toml"],
        &["run", "f.toml"],
    ] {
        let output = shakedown(dir.path()).args(args).output().unwrap();
        let text = said(&output);
        assert!([2, 104].contains(&code(&output)), "{args:?}: {text}");
        assert!(
            !text.contains("S3cr3t") && !text.contains("53313"),
            "{args:?}: {text}"
        );
    }
}

/// A server that sends back what it is sent.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                if let Ok(length) = stream.read(&mut buffer) {
                    let _ = stream.write_all(&buffer[..length]);
                }
            });
        }
    });
    port
}

#[test]
fn what_a_server_sends_back_of_our_request_is_in_no_report() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}/?token=S3cr3t-4711", echo());
    let header = "Authorization: Bearer S3cr3t-4712";
    let load = "--sessions 1 --duration 300ms --warmup 0s --trials 1 -o out.json";
    let mut command = shakedown(dir.path());
    command
        .args(["run", &url, "-H", header])
        .args(load.split(' '));
    let output = command.output().unwrap();
    let mut text = said(&output);
    assert!(text.contains("http.protocol"), "{text}");
    for format in ["text", "markdown", "html", "json"] {
        text += &said(&run(dir.path(), &format!("report out.json -f {format}")));
    }
    text += &fs::read_to_string(dir.path().join("out.json")).unwrap();
    assert!(text.contains("(redacted)"), "{text}");
    for secret in ["S3cr3t", "4711", "4712"] {
        let at = text.find(secret);
        assert_eq!(
            at,
            None,
            "{}",
            &text[at.unwrap_or(0).saturating_sub(200)..][..300]
        );
    }
}
