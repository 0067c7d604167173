//! The command as people and CI use it: exit codes, streams, files, signals, errors.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::process::{Running, code, run, shakedown, text};
use shakedown::record;
use shakedown::store;

/// What the command said on stderr, after checking that it failed with `expected`.
fn failure(dir: &Path, args: &str, expected: i32) -> String {
    let output = run(dir, args);
    assert_eq!(
        code(&output),
        expected,
        "{args}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stderr)
}

const SHORT: &str = "--trials 2 --duration 200ms --warmup 50ms --rate 100/s";

#[test]
fn the_built_in_scenario_prints_a_table_and_saves_a_result_that_prints_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), &format!("run {SHORT}"));
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    // On a machine as busy as a test run a trial may be invalid, but never incomplete.
    assert!([0, 106].contains(&code(&output)), "{stdout}{stderr}");
    for part in [
        "tcp",
        "tls",
        "mtls",
        "tls-resumed",
        "mtls-resumed",
        "resumed % planned / observed",
        "bytes added to ClientHello",
        "sessions attempted",
        "confirmed /s",
        "handshake p50",
        "client CPU",
        "target CPU",
        "handshake bytes out / in",
        "mTLS tax: mtls against tls",
        "mTLS tax: mtls-resumed against tls-resumed",
        "what resumption saves: mtls-resumed against mtls",
    ] {
        assert!(stdout.contains(part), "{part} is missing:\n{stdout}");
    }
    assert!(!stdout.contains('\u{1b}') && !stderr.contains('\u{1b}'));
    assert!(stderr.contains("trial 10/10"), "{stderr}");
    assert!(!stdout.contains("trial 10/10"));
    let saved: Vec<PathBuf> = fs::read_dir(dir.path().join("results"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert_eq!(saved.len(), 1, "{saved:?}");
    let again = run(dir.path(), &format!("report {}", saved[0].display()));
    assert_eq!(text(&again.stdout), stdout);
    let record = store::load(&saved[0]).unwrap();
    assert_eq!(record.cells.len(), 5);
    assert_eq!(record.plan.scenario.name, "mtls-tax");
    assert!(record.environment.kernel.is_some());
}

#[test]
fn flags_change_the_built_in_scenario_and_what_is_said_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), &format!("run --auth none {SHORT} -q"));
    let stdout = text(&output.stdout);
    assert!(
        [0, 106].contains(&code(&output)),
        "{stdout}{}",
        text(&output.stderr)
    );
    assert!(
        !stdout.contains("how to read this") && !stdout.contains("mtls "),
        "{stdout}"
    );
    let head = "mtls-tax: changed by flags, so its own question does not apply\n";
    assert!(stdout.starts_with(head), "{stdout}");
}

#[test]
fn json_goes_to_stdout_and_fits_the_schema() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(
        dir.path(),
        &format!("run {SHORT} --json --quiet -o out.json"),
    );
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&record::json_schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&value)
        .map(|e| e.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(
        fs::read_to_string(dir.path().join("out.json")).unwrap(),
        text(&output.stdout)
    );
    let mut broken = value;
    broken["cells"][0]["trials"][0]["total"]["scheduled"] = serde_json::json!("many");
    assert!(!validator.is_valid(&broken));
}

#[test]
fn the_schema_in_docs_is_the_codes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/result.schema.json");
    if std::env::var_os("SHAKEDOWN_UPDATE").is_some() {
        fs::write(&path, record::json_schema()).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == record::json_schema(),
        "docs/result.schema.json is out of date; run SHAKEDOWN_UPDATE=1 cargo test --test cli"
    );
}

/// Results of schema version 1, kept as they were written: one with failures only, one with a tax.
const FIXTURES: [&str; 2] = ["result-v1.json", "result-v1-tax.json"];

#[test]
fn old_results_still_print() {
    let dir = tempfile::tempdir().unwrap();
    for fixture in FIXTURES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(fixture);
        let output = run(dir.path(), &format!("report {}", path.display()));
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        insta::assert_snapshot!(format!("report_of_{fixture}"), text(&output.stdout));
    }
}

#[test]
fn help_is_as_promised() {
    let dir = tempfile::tempdir().unwrap();
    for (name, args) in [
        ("help", "--help"),
        ("help_run", "run --help"),
        ("help_serve", "serve --help"),
        ("help_gate", "gate --help-long"),
    ] {
        let output = run(dir.path(), args);
        assert_eq!(code(&output), 0);
        insta::assert_snapshot!(name, of_every_build(&text(&output.stdout)));
    }
}

/// Help without the flag that a cargo feature adds, the last of its heading.
fn of_every_build(help: &str) -> String {
    match help.split_once("      --otlp") {
        Some((before, from)) if cfg!(feature = "otlp") => {
            let after = from
                .split_once("\n\n")
                .map(|(_, after)| format!("\n{after}"));
            format!("{before}{}", after.unwrap_or_default())
        }
        _ => help.to_owned(),
    }
}

#[test]
fn bad_scenarios_name_file_line_cause_and_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let head = "version = 1\nname = \"x\"\n";
    let cases = [
        ("unknown_key", "[load]\nsesions = 5\n"),
        ("bad_unit", "[load]\nrate = \"500\"\n"),
        ("two_load_models", "[load]\nrate = \"5/s\"\nsessions = 3\n"),
        (
            "no_identity",
            "[target]\nurl = \"https://localhost:1/\"\n[matrix]\nauth = [\"mutual\"]\n",
        ),
        ("embedded_with_cacert", "[tls]\ncacert = \"ca.pem\"\n"),
        ("embedded_with_crl", "[tls]\ncrl = \"crl.pem\"\n"),
        (
            "crl_without_verification",
            "[target]\nurl = \"https://localhost:1/\"\n[tls]\ninsecure = true\ncrl = \"crl.pem\"\n",
        ),
        (
            "once_per_chain_with_crl",
            "[target]\nurl = \"https://localhost:1/\"\n[tls]\nverify = \"once-per-chain\"\ncrl = \"crl.pem\"\n",
        ),
        (
            "once_per_chain_without_verification",
            "[target]\nurl = \"https://localhost:1/\"\n[tls]\nverify = \"once-per-chain\"\ninsecure = true\n",
        ),
        (
            "crl_without_tls",
            "[matrix]\nauth = [\"none\"]\n[target]\nurl = \"tcp://localhost:1\"\n[tls]\ncrl = \"crl.pem\"\n",
        ),
        (
            "http_keys_for_echo",
            "[protocol]\nkind = \"echo\"\nmethod = \"GET\"\n",
        ),
        (
            "sizes_the_wrong_way_round",
            "[protocol]\nkind = \"mqtt\"\npayload = { min = \"2KiB\", max = \"1KiB\" }\n",
        ),
        (
            "an_empty_echo",
            "[protocol]\nkind = \"echo\"\npayload = { min = \"0\", max = \"1KiB\" }\n",
        ),
        (
            "sizes_that_are_too_large",
            "[protocol]\nkind = \"http1\"\nbody = { min = \"1\", max = \"17MiB\" }\n",
        ),
        (
            "sizes_without_a_max",
            "[protocol]\nkind = \"echo\"\npayload = { min = \"1KiB\" }\n",
        ),
        (
            "sizes_of_framed_messages",
            "[protocol]\nkind = \"framed\"\nframe = \"line\"\ndata = \"x\"\npayload = { min = \"1\", max = \"2\" }\n",
        ),
        (
            "early_data_of_drawn_sizes",
            "[protocol]\nkind = \"http1\"\nbody = { min = \"1\", max = \"2\" }\n[resumption]\nmode = \"ticket\"\nearly-data = true\n",
        ),
        (
            "max_in_flight_in_a_closed_loop",
            "[load]\nsessions = 3\nmax-in-flight = 3\n",
        ),
        ("bad_url", "[target]\nurl = \"ftp://x/\"\n"),
        (
            "no_tls",
            "[matrix]\nauth = [\"none\"]\n[tls]\nalpn = [\"h2\"]\n",
        ),
    ];
    let mut all = String::new();
    for (name, body) in cases {
        fs::write(dir.path().join("s.toml"), format!("{head}{body}")).unwrap();
        let error = failure(dir.path(), "run s.toml", 104);
        assert!(error.starts_with("error: s.toml:"), "{name}: {error}");
        all.extend([name, "\n", &error, "\n"]);
    }
    insta::assert_snapshot!("scenario_errors", all);
}

#[test]
fn bad_flags_and_files_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    assert!(failure(here, "run --rate 5/s --sessions 3", 2).contains("cannot be used with"));
    assert!(failure(here, "run --rate 5", 2).contains("500/s"));
    assert!(failure(here, "run --bogus", 2).contains("--bogus"));
    assert!(failure(here, "run missing.toml", 104).contains("missing.toml"));
    let error = failure(
        here,
        "run https://localhost:1/ --cert missing.pem --cacert missing.pem",
        104,
    );
    assert!(error.contains("missing.pem"), "{error}");
    fs::write(here.join("junk.json"), "{}").unwrap();
    assert!(failure(here, "report junk.json", 104).contains("not a result file"));
    assert!(failure(here, "run -o /proc/nope/x.json", 1).contains("--output"));
    assert!(failure(here, "run -o .", 2).contains("names a folder"));
    assert!(failure(here, "run -o -", 2).contains("--json"));
    assert!(failure(here, "run -o /dev/null", 2).contains("would replace"));
    let cores = failure(here, "run --cores 4000", 104);
    assert!(cores.contains("core 4000 is not available"), "{cores}");
    let groups = failure(here, "run --curves x448", 104);
    assert!(
        groups.contains("x448") && groups.contains("x25519"),
        "{groups}"
    );
    let public = failure(here, "run https://192.0.2.1/ -k", 1);
    assert!(public.contains("--allow-public"), "{public}");
    assert!(failure(here, "run --workers 0", 2).contains("from 1"));
    let versions = failure(here, "run https://localhost:1/ --tlsv1.3 --tls-max 1.2", 2);
    assert!(versions.contains("no version"), "{versions}");
    let crl = failure(here, "probe localhost:1 -k --crlfile crl.pem", 104);
    assert!(crl.contains("crl has no effect"), "{crl}");
    let crl = failure(
        here,
        "run https://localhost:1/ --cacert junk.json --crlfile missing.pem",
        104,
    );
    assert!(crl.contains("junk.json"), "{crl}");
    let made = run(here, "pki new pki");
    assert_eq!(code(&made), 0);
    let crl = failure(
        here,
        "run https://localhost:1/ --cacert pki/ca.pem --crlfile pki/ca.pem",
        104,
    );
    assert!(crl.contains("no revocation list in pki/ca.pem"), "{crl}");
    let off =
        "serve --cert pki/server.pem --key pki/server.key --client-auth off --crlfile pki/ca.pem";
    assert!(failure(here, off, 2).contains("no effect with --client-auth off"));
    let loose = failure(here, "run https://localhost:1/", 104);
    assert!(loose.contains("--cacert"), "{loose}");
}

#[test]
fn serve_and_run_agree_on_what_happened() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    let minted = run(here, "pki new pki --clients 2");
    assert_eq!(code(&minted), 0, "{}", text(&minted.stderr));
    let mut command = shakedown(here);
    command.args("serve --pki pki --listen 127.0.0.1:0 --threads 2".split(' '));
    let mut server = Running::start(command);
    let line = server.first_line();
    let url = line
        .split_whitespace()
        .find(|w| w.starts_with("https://"))
        .unwrap()
        .to_owned();
    let flags = "--cert pki/client-1.pem --key pki/client-1.key --cacert pki/ca.pem -o out.json --total 60 --sessions 4";
    let output = run(
        here,
        &format!("run {url}/path?s3cret {flags} -H X-Token:s3cret -qHX-Other:s3cret"),
    );
    assert!(
        [0, 106].contains(&code(&output)),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    let record = store::load(&here.join("out.json")).unwrap();
    assert_eq!(record.cells[0].total().ok_total(), 60);
    assert_eq!(record.plan.identity.as_deref(), Some("CN=client-1"));
    assert!(
        !fs::read_to_string(here.join("out.json"))
            .unwrap()
            .contains("s3cret")
    );
    let scenario = format!(
        "version = 1\nname = \"file\"\n[target]\nurl = \"{url}\"\n[identity]\ncert = \"pki/client-0.pem\"\nkey = \"pki/client-0.key\"\n[tls]\ncacert = \"pki/ca.pem\"\n[load]\nrate = \"100/s\"\ntotal = 40\n",
    );
    fs::write(here.join("s.toml"), scenario).unwrap();
    let output = run(here, "run s.toml -q -o file.json");
    // On a machine as busy as a test run it may be invalid, but every session counts.
    assert!(
        [0, 106].contains(&code(&output)),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    server.signal("TERM");
    let (code, stdout) = server.wait();
    assert_eq!(code, 0);
    assert!(
        stdout.contains(
            "accepted 100, handshakes 100 full and 0 resumed, 100 authenticated, 0 failed"
        ),
        "{stdout}"
    );
}
