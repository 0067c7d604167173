//! Reaching the server: which address of a name, which port, how a session is closed; and where a scenario
//! and its files are found.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use common::process::{Running, code, run, serve, shakedown, text, went};
use common::{only, run as run_scenario, scenario, total, try_run};
use shakedown::record::RunRecord;

/// A folder with certificates in `pki`.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(code(&run(dir.path(), "pki new pki")), 0);
    dir
}

const IDENTITY: &str =
    "--cacert pki/ca.pem --cert pki/client-0.pem --key pki/client-0.key --protocol echo";

fn record(dir: &Path, file: &str) -> RunRecord {
    serde_json::from_str(&fs::read_to_string(dir.join(file)).unwrap()).unwrap()
}

#[test]
fn a_port_that_is_none_is_never_another_port() {
    let dir = folder();
    let here = dir.path();
    fs::write(
        here.join("s.toml"),
        "version = 1\nname = \"s\"\n[target]\nurl = \"https://localhost:99999/\"\n",
    )
    .unwrap();
    for port in ["99999", "65536", "84a", "-1", "0"] {
        for command in [
            format!("run https://localhost:{port}/ -k --dry-run"),
            format!("run HTTPS://localhost:{port}/?q -k --dry-run"),
            format!("probe localhost:{port} -k"),
            format!("audit localhost:{port} --pki pki --case none"),
            format!("anatomy localhost:{port} -k"),
            format!("run https://h:443/ -k --resolve h:{port}:127.0.0.1 --dry-run"),
        ] {
            let output = run(here, &command);
            let error = text(&output.stderr);
            assert_eq!(code(&output), 104, "{command}: {error}");
            assert!(error.contains(port), "{command}: {error}");
        }
        if port != "0" {
            for flag in [
                "run --metrics 127.0.0.1",
                "serve --pki pki --listen 127.0.0.1",
            ] {
                let output = run(here, &format!("{flag}:{port}"));
                assert_eq!(code(&output), 2, "{flag}:{port}");
                assert!(text(&output.stderr).contains("is not a port"));
            }
        }
    }
    let output = run(here, "run s.toml -k");
    let error = text(&output.stderr);
    assert!(
        error.starts_with("error: s.toml:4: target.url: \"99999\" is not a port"),
        "{error}"
    );
}

#[test]
fn a_server_on_one_address_of_a_name_is_found_and_the_result_says_which() {
    let dir = folder();
    let here = dir.path();
    let (_server, port) = serve(here, "pki", "[::1]:0");
    let resolve = format!("--resolve localhost:{port}:127.0.0.1,[::1]");
    let url = format!("tls://localhost:{port}");
    let output = run(
        here,
        &format!("run {url} {IDENTITY} {resolve} -n 4 -c 1 -o r.json"),
    );
    let said = text(&output.stdout);
    assert!(went(code(&output), &said), "{said}{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    assert!(
        stdout.contains(&format!("[::1]:{port}, 2nd of 2; 127.0.0.1:{port}: ")),
        "{stdout}"
    );
    let plan = record(here, "r.json").plan;
    let used: Vec<_> = plan
        .addresses
        .iter()
        .map(|a| (a.used, a.failure.is_some()))
        .collect();
    assert_eq!(used, [(false, true), (true, false)]);
    let accepted = |args: &str| code(&run(here, &format!("{args} {resolve}"))) == 0;
    assert!(accepted(&format!("probe {url} {IDENTITY}")));
    // Only the tail of its exit code is of interest: it found the server.
    let audit = run(
        here,
        &format!("audit {url} --pki pki --case none --repeats 1 {resolve}"),
    );
    assert!([0, 99].contains(&code(&audit)), "{}", text(&audit.stderr));

    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let output = run(
        here,
        &format!(
            "run tls://localhost:{nobody} {IDENTITY} --resolve localhost:{nobody}:127.0.0.1,::1 -n 1 -c 1 -o n.json"
        ),
    );
    assert_eq!(code(&output), 106);
    let stdout = text(&output.stdout);
    for part in [
        "no address took a connection",
        &format!("127.0.0.1:{nobody}: "),
        "[::1]:",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
}

#[test]
fn sessions_go_to_all_addresses_in_turns_where_that_is_asked() {
    let dir = folder();
    let here = dir.path();
    let (_first, port) = serve(here, "pki", "127.0.0.1:0");
    let (_second, _) = serve(here, "pki", &format!("127.0.0.2:{port}"));
    let output = run(
        here,
        &format!(
            "run tls://localhost:{port} {IDENTITY} --resolve *:{port}:127.0.0.1,127.0.0.2 --all-addresses \
             -n 20 -c 1 --workers 1 --warmup 0s -o r.json"
        ),
    );
    let said = text(&output.stdout);
    assert!(went(code(&output), &said), "{said}{}", text(&output.stderr));
    let record = record(here, "r.json");
    let trial = &only(&record).trials[0];
    let counts: Vec<_> = trial
        .addresses
        .values()
        .map(|a| (a.started, a.ok_total()))
        .collect();
    assert_eq!(counts, [(10, 10), (10, 10)]);
    let stdout = text(&output.stdout);
    assert!(
        stdout.contains("2 addresses in turns, sessions: 10 127.0.0.1:"),
        "{stdout}"
    );
}

#[test]
fn a_public_address_among_private_ones_is_not_tried() {
    let mut plan = scenario("[tls]\ninsecure = true\n");
    plan.target.url = Some("https://h.example:9/".to_owned());
    plan.target.resolve = vec!["h.example:9:127.0.0.1,192.0.2.1".to_owned()];
    let error = try_run(plan).unwrap_err().to_string();
    assert!(error.contains("192.0.2.1, a public address"), "{error}");
}

#[test]
fn a_second_serve_on_a_port_is_refused_whoever_has_it() {
    let dir = folder();
    let here = dir.path();
    let (_first, port) = serve(here, "pki", "127.0.0.1:0");
    for (listen, threads) in [
        ("127.0.0.1", 1),
        ("127.0.0.1", 3),
        ("0.0.0.0", 2),
        ("[::]", 2),
    ] {
        let output = run(
            here,
            &format!("serve --pki pki --listen {listen}:{port} --threads {threads}"),
        );
        let error = text(&output.stderr);
        assert_eq!(code(&output), 1, "{listen}: {error}");
        assert!(
            error.contains("Address already in use") && error.contains(&format!("port {port}")),
            "{error}"
        );
    }
}

/// An echo server without TLS; says of each connection whether it ended by RST.
fn echo_server(connections: usize) -> (u16, thread::JoinHandle<Vec<bool>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = move |mut stream: TcpStream| {
        let mut buffer = [0; 256];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(n) => stream.write_all(&buffer[..n]).unwrap(),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                    return true;
                }
            }
        }
    };
    let handle = thread::spawn(move || {
        let accepted = listener.incoming().take(connections);
        let each: Vec<_> = accepted
            .map(|s| thread::spawn(move || serve(s.unwrap())))
            .collect();
        each.into_iter().map(|t| t.join().unwrap()).collect()
    });
    (port, handle)
}

/// Connections to a port that this host keeps in `TIME_WAIT`.
fn in_time_wait(port: u16) -> usize {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let to = format!(":{port:04X}");
    let waits = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.get(2).is_some_and(|remote| remote.ends_with(&to)) && words.get(3) == Some(&"06")
    };
    table.lines().filter(waits).count()
}

#[test]
fn a_session_closed_by_reset_leaves_no_port_behind() {
    for (close, resets) in [("orderly", false), ("reset", true)] {
        let (port, server) = echo_server(5);
        let mut plan = scenario(&format!(
            "[protocol]\nkind = \"echo\"\n[load]\nsessions = 1\ntotal = 5\nwarmup = \"0s\"\n\
             close = \"{close}\"\n[workers]\ncount = 1\n"
        ));
        plan.target.url = Some(format!("tcp://127.0.0.1:{port}"));
        let record = run_scenario(plan);
        assert_eq!(total(&record).ok_total(), 5);
        assert_eq!(server.join().unwrap(), [resets; 5], "{close}");
        assert_eq!(in_time_wait(port), if resets { 0 } else { 5 }, "{close}");
    }
}

#[test]
fn a_reset_is_refused_where_the_close_is_the_proof() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(
        dir.path(),
        "run --auth none --protocol handshake --close reset --dry-run",
    );
    assert_eq!(code(&output), 104);
    assert!(
        text(&output.stderr).contains("load.close"),
        "{}",
        text(&output.stderr)
    );
}

/// A scenario in a folder of its own beside its certificates; says how it is called from above.
fn beside(here: &Path, port: u16) -> String {
    fs::create_dir(here.join("s")).unwrap();
    fs::rename(here.join("pki"), here.join("s/pki")).unwrap();
    let text = format!(
        "version = 1\nname = \"s\"\n[target]\nurl = \"tls://localhost:{port}\"\n[tls]\n\
         cacert = \"pki/ca.pem\"\n[identity]\ncert = \"pki/client-0.pem\"\nkey = \"pki/client-0.key\"\n\
         [protocol]\nkind = \"echo\"\n[load]\nsessions = 1\ntotal = 2\n"
    );
    fs::write(here.join("s/my.toml"), &text).unwrap();
    text
}

/// Runs a command with something on standard input and a variable in the environment.
fn fed(dir: &Path, args: &str, input: &str, variable: (&str, &str)) -> Output {
    let mut command: Command = shakedown(dir);
    command
        .args(args.split_whitespace())
        .env(variable.0, variable.1)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_scenario_runs_from_anywhere_under_any_name_and_from_standard_input() {
    let dir = folder();
    let here = dir.path();
    let (_server, port) = serve(here, "pki", "127.0.0.1:0");
    let scenario = beside(here, port);
    fs::copy(here.join("s/my.toml"), here.join("s/my.conf")).unwrap();
    let none = ("NO_VARIABLE", "");
    for (folder, args) in [
        (here.join("."), "run s/my.toml -q -o o.json"),
        (here.join("s"), "run ./my.conf -q -o o.json"),
        (here.join("s"), "run my.conf -q -o o.json"),
        (here.join("s"), "run - -q -o o.json"),
        (here.join("s"), "run /dev/stdin -q -o o.json"),
        (here.join("s"), "scenario validate - my.toml"),
        // A flag's path is the caller's.
        (
            here.join("."),
            "run s/my.toml -q -o o.json --cacert s/pki/ca.pem",
        ),
    ] {
        let output = fed(&folder, args, &scenario, none);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(went(code(&output), &said), "{args}: {said}");
    }
    let output = fed(here, "ab - --rounds 1", &scenario, none);
    assert_eq!(code(&output), 2);
    let kept = record(here, "o.json").plan.scenario;
    assert_eq!(kept.identity.unwrap().cert, Path::new("pki/client-0.pem"));

    fs::remove_file(here.join("s/pki/client-0.key")).unwrap();
    let output = run(here, "scenario validate s/my.toml");
    let error = text(&output.stderr);
    assert_eq!(code(&output), 104);
    let place = "error: s/my.toml:9: identity.key: cannot read s/pki/client-0.key";
    assert!(error.starts_with(place), "{error}");
}

#[test]
fn a_variable_is_used_and_its_value_shown_nowhere() {
    let dir = folder();
    let here = dir.path();
    let (_server, port) = serve(here, "pki", "127.0.0.1:0");
    let scenario = beside(here, port);
    fs::rename(here.join("s/pki"), here.join("s/hunter2-pki")).unwrap();
    let with = scenario
        .replace("pki/", "${PKI}/")
        .replace("\"s\"", "\"s-${WHO:-all}\"");
    fs::write(here.join("s/my.toml"), &with).unwrap();
    let secret = ("PKI", "hunter2-pki");
    let output = fed(here, "run s/my.toml -o o.json", "", secret);
    let said = text(&output.stdout);
    assert!(went(code(&output), &said), "{said}{}", text(&output.stderr));
    let mut shown = fs::read_to_string(here.join("o.json")).unwrap();
    assert!(shown.contains("${PKI}/client-0.pem"));
    shown += &(text(&output.stdout) + &text(&output.stderr));
    for args in [
        "run s/my.toml --dry-run",
        "scenario explain s/my.toml",
        "run s/my.toml --sni no..name",
        "report o.json",
    ] {
        let output = fed(here, args, "", secret);
        shown += &(text(&output.stdout) + &text(&output.stderr));
    }
    fs::remove_file(here.join("s/hunter2-pki/ca.pem")).unwrap();
    for args in ["run s/my.toml", "scenario validate s/my.toml"] {
        let output = fed(here, args, "", secret);
        let error = text(&output.stderr);
        assert!(error.contains("${PKI}/ca.pem"), "{args}: {error}");
        shown += &error;
    }
    assert!(!shown.contains("hunter2"), "{shown}");
    let output = run(here, "run s/my.toml");
    let error = text(&output.stderr);
    let place = "error: s/my.toml:6: tls.cacert: the variable PKI is not set";
    assert!(error.starts_with(place), "{error}");
}

#[test]
fn an_anatomy_presents_the_certificate_it_is_given_in_every_session() {
    let dir = folder();
    let here = dir.path();
    let (_server, port) = serve_http(here);
    let identity = "--cacert pki/ca.pem --cert pki/client-0.pem --key pki/client-0.key";
    let output = run(
        here,
        &format!("anatomy localhost:{port} {identity} --trials 1 -d 200ms -o a.json"),
    );
    let told = text(&output.stderr) + &text(&output.stdout);
    assert!(
        !told.contains("rejected") && !told.contains("alert."),
        "{told}"
    );
    let record = record(here, "a.json");
    assert!(
        record
            .cells
            .iter()
            .all(shakedown::record::CellRecord::is_mutual),
        "{told}"
    );
    let failed: u64 = record
        .cells
        .iter()
        .map(|cell| cell.total().failed_total())
        .sum();
    assert_eq!(failed, 0, "{told}");
    let output = run(
        here,
        &format!(
            "anatomy localhost:{port} {identity} --auth server,mutual --trials 1 -d 100ms -o b.json"
        ),
    );
    assert_eq!(code(&output), 106, "a server that requires certificates");
}

/// `shakedown serve` with HTTP and tickets.
fn serve_http(dir: &Path) -> (Running, u16) {
    let mut command = shakedown(dir);
    command.args([
        "serve",
        "--pki",
        "pki",
        "--listen",
        "127.0.0.1:0",
        "--tickets",
        "stateless",
    ]);
    let mut server = Running::start(command);
    let line = server.first_line();
    let port = line
        .split(':')
        .nth(2)
        .and_then(|rest| rest.split_whitespace().next());
    (server, port.unwrap().parse().unwrap())
}

#[test]
fn a_plan_that_may_run_out_of_ports_is_run_with_a_warning() {
    let mut plan = scenario(
        "[protocol]\nkind = \"echo\"\n[load]\nrate = \"100000/s\"\nduration = \"600s\"\n[tls]\ninsecure = true\n",
    );
    plan.target.url = Some("tls://h.example:9".to_owned());
    plan.target.resolve = vec![format!("h.example:9:{}", Ipv6Addr::LOCALHOST)];
    let checked = plan.check("test", "").unwrap();
    let prepared = shakedown::runner::prepare(checked).unwrap();
    let shortages: Vec<_> = prepared
        .preflight()
        .shortages
        .iter()
        .map(|s| s.code.as_str())
        .collect();
    assert!(shortages.contains(&"ports-may-run-out"), "{shortages:?}");
    assert!(prepared.explain().contains("--close reset"));
}
