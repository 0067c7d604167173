//! Signals end a run: the first in order, the second at once, and both with everything written
//! (invariant 7).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::process::{Running, shakedown, wait_for_stderr};
use common::{evidence, pki_in, unkind};
use shakedown::record::RunRecord;
use shakedown::stats::{Accounting, CancelPhase};
use shakedown::store;

/// Time after which a run has everything in flight that it will have.
const UNDER_WAY: Duration = Duration::from_millis(700);
/// What writing a result and ending a process may take.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Starts a run of 60 s with `args`, sends it `signals` 200 ms apart, and says how long it lived
/// after the last one. Checks what holds of every interrupted run.
fn interrupted(signals: &[&str], args: &str) -> (RunRecord, Duration) {
    let dir = tempfile::tempdir().unwrap();
    let mut command = shakedown(dir.path());
    command
        .args("run --duration 60s --warmup 0s -o out.json".split(' '))
        .args(args.split(' '));
    let mut running = Running::start(command);
    wait_for_stderr(&mut running, "trial");
    sleep(UNDER_WAY);
    let mut last = Instant::now();
    for (number, signal) in signals.iter().enumerate() {
        if number > 0 {
            sleep(Duration::from_millis(200));
        }
        last = Instant::now();
        running.signal(signal);
    }
    let (code, stdout) = running.wait();
    let lived = last.elapsed();
    assert_eq!(code, 105, "{stdout}");
    assert!(stdout.contains("INCOMPLETE"), "{stdout}");
    let record = store::load(&dir.path().join("out.json")).unwrap();
    assert!(!record.validity.complete);
    common::assert_accounted(&record);
    (record, lived)
}

fn total(record: &RunRecord) -> Accounting {
    common::only(record).total()
}

/// Flags of a load of `sessions` on a server that accepts and is silent.
fn silent(pki: &Path, sessions: u32, grace: &str) -> String {
    let (dir, port) = (pki.display(), unkind::silent());
    format!(
        "tls://127.0.0.1:{port} --cert {dir}/client-0.pem --key {dir}/client-0.key \
         --cacert {dir}/ca.pem --sessions {sessions} --handshake-timeout 60s --grace {grace}"
    )
}

#[test]
fn the_first_signal_ends_in_order_with_everything_written() {
    for signal in ["INT", "TERM", "HUP"] {
        let (record, lived) = interrupted(&[signal], "--auth mutual --resumption off --sessions 4");
        let total = total(&record);
        assert!(
            total.ok_total() > 0 && total.cancelled_total() == 0,
            "{signal}: {total:?}"
        );
        assert!(
            lived < Duration::from_secs(5) + AT_ONCE,
            "{signal}: {lived:?}"
        );
    }
}

#[test]
fn the_first_signal_gives_what_is_in_flight_the_grace_period_and_no_more() {
    let pki = tempfile::tempdir().unwrap();
    pki_in(pki.path());
    let mut late = 0;
    for signal in ["INT", "TERM"] {
        let (record, lived) = interrupted(&[signal], &silent(pki.path(), 200, "500ms"));
        let total = total(&record);
        assert!(total.started > 50, "{signal}: {total:?}");
        assert_eq!(total.cancelled["drain"], total.started, "{signal}");
        assert!(lived >= Duration::from_millis(500), "{signal}: {lived:?}");
        late += u64::from(lived >= Duration::from_millis(500) + AT_ONCE);
        // They were a grace period older than when the signal came.
        let cut = &common::only(&record).trials[0].cut_off[&CancelPhase::Drain];
        let ages = Duration::from_nanos(cut.youngest_ns)..Duration::from_nanos(cut.oldest_ns);
        assert!(
            ages.start >= Duration::from_millis(500),
            "{signal}: {ages:?}"
        );
    }
    evidence("signals", "first_drains", &[("runs", 2), ("late", late)]);
    assert_eq!(late, 0);
}

#[test]
fn the_second_signal_ends_at_once_whatever_is_in_flight() {
    let pki = tempfile::tempdir().unwrap();
    pki_in(pki.path());
    let (mut late, mut fewest) = (Vec::new(), u64::MAX);
    let pairs = [["INT", "INT"], ["TERM", "TERM"], ["INT", "TERM"]];
    for pair in pairs {
        let (record, lived) = interrupted(&pair, &silent(pki.path(), 400, "60s"));
        let total = total(&record);
        assert_eq!(
            total.cancelled["abort"], total.started,
            "{pair:?}: {total:?}"
        );
        fewest = fewest.min(total.started);
        late.extend((lived >= AT_ONCE).then_some(lived));
    }
    let figures = [
        ("runs", pairs.len() as u64),
        ("in_flight", fewest),
        ("late", late.len() as u64),
    ];
    evidence("signals", "second_aborts", &figures);
    assert!(late.is_empty(), "{late:?}");
    assert!(fewest > 100, "{fewest}");
}

#[test]
fn the_second_signal_ends_at_once_under_load_too() {
    // Sessions by the hundred, in every stage when the signals come.
    let load = "--auth mutual --resumption off --sessions 300 --hold 50ms --grace 60s";
    let (record, lived) = interrupted(&["INT", "TERM"], load);
    let total = total(&record);
    assert!(total.started > 100, "{total:?}");
    assert!(lived < AT_ONCE, "{lived:?}");
}

/// Waits until a process handles a signal, as far as Linux says.
#[cfg(target_os = "linux")]
fn wait_until_caught(pid: u32, signal: u32) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let mask = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
        if mask >> (signal - 1) & 1 == 1 {
            return;
        }
        assert!(Instant::now() < deadline, "it does not listen");
        sleep(Duration::from_micros(200));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_while_a_run_is_prepared_ends_it_with_what_is_there() {
    for (signal, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let dir = tempfile::tempdir().unwrap();
        let mut command = shakedown(dir.path());
        command.args("run --duration 60s --warmup 0s -o out.json".split(' '));
        let running = Running::start(command);
        wait_until_caught(running.id(), number);
        running.signal(signal);
        let (code, stdout, stderr) = running.wait_with_stderr();
        assert_eq!(code, 105, "{signal}: {stderr}");
        assert!(stderr.contains("interrupted: "), "{stderr}");
        assert!(stdout.contains("INCOMPLETE"), "{stdout}");
        let record = store::load(&dir.path().join("out.json")).unwrap();
        assert!(!record.validity.complete);
        common::assert_accounted(&record);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn commands_that_measure_nothing_are_ended_by_signals_as_usual() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = shakedown(dir.path());
    let silent = unkind::silent();
    command.args([
        "probe",
        &format!("tls://127.0.0.1:{silent}"),
        "--timeout",
        "60s",
    ]);
    let running = Running::start(command);
    wait_until_caught(running.id(), 2);
    sleep(Duration::from_millis(300));
    running.signal("INT");
    // Ended by the signal, not by a code of its own.
    assert_eq!(running.wait().0, -1);
}

#[test]
fn a_hang_up_that_nohup_has_ignored_is_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let program = shakedown(dir.path());
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
        .arg(program.get_program())
        .args("run --duration 60s --warmup 0s -o out.json".split(' '))
        .current_dir(dir.path());
    let mut running = Running::start(command);
    wait_for_stderr(&mut running, "trial");
    running.signal("HUP");
    sleep(UNDER_WAY);
    running.signal("TERM");
    assert_eq!(running.wait().0, 105);
    let record = store::load(&dir.path().join("out.json")).unwrap();
    let ok: u64 = (record.cells.iter())
        .map(|cell| cell.total().ok_total())
        .sum();
    assert!(ok > 0);
}
