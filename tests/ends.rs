//! Runs end (invariant 7): by warm-up, duration, grace and a second, whatever the server does, with
//! every attempt accounted for and in the right class.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use common::process::serve;
use common::unkind::{self, Then, Until};
use common::{against, evidence, only, pki_in, run, scenario, total};
use shakedown::record::{RunRecord, TrialRecord};
use shakedown::report::{Style, render};
use shakedown::scenario::Scenario;
use shakedown::stats::{CancelPhase, Stage};

/// What a run may take beyond its phases.
const SLACK: Duration = Duration::from_secs(1);

/// The two kinds of load, each with few sessions, for two workers.
const LOADS: [&str; 2] = ["sessions = 4", "rate = \"20/s\""];

/// What is to become of the attempts.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// Failed with one of these labels, unless they were cut off.
    Failed(&'static [&'static str]),
    /// All were still without an answer in this stage when the trial ended.
    Unanswered(Stage),
}

/// A server that does not do what it should, and what becomes of those who talk to it.
struct Unkind {
    name: &'static str,
    port: u16,
    /// Lines of `[timeouts]`.
    timeouts: &'static str,
    fate: Fate,
}

/// Certificates of the servers, and of an authority they do not know.
struct Certificates {
    known: tempfile::TempDir,
    unknown: tempfile::TempDir,
}

impl Certificates {
    fn new() -> Self {
        let new = Self {
            known: tempfile::tempdir().unwrap(),
            unknown: tempfile::tempdir().unwrap(),
        };
        pki_in(new.known.path());
        pki_in(new.unknown.path());
        new
    }

    fn known(&self) -> &Path {
        self.known.path()
    }

    /// A scenario of echo exchanges with a server on `port`; `load` without the phases.
    fn scenario(&self, port: u16, load: &str, rest: &str) -> Scenario {
        let sections = format!("[load]\n{load}\n[workers]\ncount = 2\n{rest}");
        let mut scenario = against(
            scenario(&sections),
            &format!("tls://127.0.0.1:{port}"),
            self.known(),
            Some(self.known()),
        );
        scenario.protocol.kind = Some(shakedown::scenario::ProtocolKind::Echo);
        scenario
    }
}

/// Everything that a server can do to a run, as far as it is known.
fn unkind(certificates: &Certificates) -> Vec<Unkind> {
    let mut all = withholding(certificates);
    all.extend(resetting(certificates.known()));
    all
}

fn row(name: &'static str, port: u16, timeouts: &'static str, fate: Fate) -> Unkind {
    Unkind {
        name,
        port,
        timeouts,
        fate,
    }
}

/// Servers that keep back what is waited for: until the run ends, and until a stage's time is up.
fn withholding(certificates: &Certificates) -> Vec<Unkind> {
    let (known, unknown) = (certificates.known(), certificates.unknown.path());
    let cut = Fate::Unanswered;
    let rejects = |after| unkind::slow_to_reject(known, unknown, after);
    let slow = rejects(Duration::from_secs(30));
    let soon = rejects(Duration::from_millis(300));
    let (silent, trickling, full) = (unkind::silent(), unkind::trickling(), unkind::full());
    let in_handshake = (
        "handshake = \"300ms\"",
        Fate::Failed(&["unanswered.handshake"]),
    );
    let in_connect = ("connect = \"300ms\"", Fate::Failed(&["unanswered.connect"]));
    let in_confirm = ("confirm = \"300ms\"", Fate::Failed(&["unanswered.confirm"]));
    let patient = "confirm = \"60s\"";
    vec![
        row("silent", silent, "", cut(Stage::Handshake)),
        row("silent, timed out", silent, in_handshake.0, in_handshake.1),
        row("byte by byte", trickling, "", cut(Stage::Handshake)),
        row(
            "byte by byte, timed out",
            trickling,
            in_handshake.0,
            in_handshake.1,
        ),
        row("full", full, "", cut(Stage::Connect)),
        row("full, timed out", full, in_connect.0, in_connect.1),
        row("rejects in 30 s", slow, patient, cut(Stage::Confirm)),
        row(
            "rejects in 30 s, timed out",
            slow,
            in_confirm.0,
            in_confirm.1,
        ),
        row(
            "rejects in 300 ms",
            soon,
            "",
            Fate::Failed(&["alert.unknown_ca"]),
        ),
    ]
}

/// Servers that reset the connection, each at another step.
fn resetting(pki: &Path) -> Vec<Unkind> {
    // Whether the first comes before or after connect returns is the kernel's choice.
    let steps: [(_, _, &[&str]); 4] = [
        (
            "resets at once",
            Until::Accepted,
            &["connect.reset", "reset.handshake"],
        ),
        (
            "resets in the handshake",
            Until::Hello,
            &["reset.handshake"],
        ),
        (
            "resets after the handshake",
            Until::Handshake,
            &["unconfirmed"],
        ),
        ("resets after the request", Until::Request, &["unconfirmed"]),
    ];
    steps
        .map(|(name, until, labels)| {
            let port = unkind::resetting(pki, until);
            row(name, port, "", Fate::Failed(labels))
        })
        .into()
}

impl Unkind {
    /// Checks what became of the attempts; whether it came in time is the caller's to judge.
    fn judge(&self, load: &str, record: &RunRecord) {
        let name = format!("{} ({load})", self.name);
        let trial = &only(record).trials[0];
        let counts = &trial.total;
        assert_eq!(counts.ok_total(), 0, "{name}: {counts:?}");
        assert!(counts.started >= 4, "{name}: {counts:?}");
        if load.starts_with("rate") {
            // 20/s in a warm-up of 0.2 s and a second: the schedule is exact.
            assert_eq!(counts.scheduled, 24, "{name}");
        }
        match self.fate {
            Fate::Failed(labels) => {
                let seen: Vec<&String> = counts.failed.keys().collect();
                let right = |class: &&String| labels.contains(&class.as_str());
                assert!(
                    !seen.is_empty() && seen.iter().all(right),
                    "{name}: {counts:?}"
                );
            }
            Fate::Unanswered(stage) => {
                let label = format!("unanswered.{}", stage.label());
                let failure = &counts.failed[&label];
                assert_eq!(failure.count, counts.started, "{name}: {counts:?}");
                let told = "no answer when the trial ended, at the age of ";
                assert!(failure.example.starts_with(told), "{name}: {failure:?}");
                assert!(trial.cut_off.is_empty(), "{name}: {:?}", trial.cut_off);
                let text = render(record, Style::default()).unwrap();
                assert!(text.contains(&label), "{label}: {text}");
            }
        }
    }
}

/// Runs a scenario and says how long it took, preparation included.
fn timed(scenario: Scenario) -> (RunRecord, Duration) {
    let began = Instant::now();
    let record = run(scenario);
    (record, began.elapsed())
}

#[test]
fn runs_end_in_time_whatever_the_server_does() {
    let certificates = Certificates::new();
    let servers = unkind(&certificates);
    let phases = "duration = \"1s\"\nwarmup = \"200ms\"\ngrace = \"400ms\"";
    let promised = Duration::from_millis(1_000 + 200 + 400) + SLACK;
    let mut late = Vec::new();
    let cases: Vec<_> = LOADS
        .into_iter()
        .flat_map(|load| servers.iter().map(move |server| (load, server)))
        .collect();
    // A few at a time: what is to be seen is the servers' slowness and not ours.
    for some in cases.chunks(7) {
        thread::scope(|scope| {
            let runs: Vec<_> = some
                .iter()
                .map(|(load, server)| {
                    let load_section = format!("{load}\n{phases}");
                    let timeouts = format!("[timeouts]\n{}\n", server.timeouts);
                    let asked = certificates.scenario(server.port, &load_section, &timeouts);
                    (load, server, scope.spawn(|| timed(asked)))
                })
                .collect();
            for (load, server, running) in runs {
                let (record, took) = running.join().unwrap();
                server.judge(load, &record);
                if took >= promised {
                    late.push(format!("{} ({load}): {took:?}", server.name));
                }
            }
        });
    }
    let figures = [
        ("behaviours", servers.len() as u64),
        ("runs", cases.len() as u64),
        ("late", late.len() as u64),
    ];
    evidence("runs-end", "whatever_the_server_does", &figures);
    assert!(late.is_empty(), "promised {promised:?}: {late:?}");
}

#[test]
fn every_trial_of_several_ends_in_time() {
    let certificates = Certificates::new();
    let load = "sessions = 4\nduration = \"300ms\"\nwarmup = \"100ms\"\ngrace = \"200ms\"";
    let rest = "[trials]\ncount = 3\n[matrix]\nauth = [\"server\", \"mutual\"]\n";
    let (record, took) = timed(certificates.scenario(unkind::silent(), load, rest));
    let promised = Duration::from_millis(300 + 100 + 200) + SLACK;
    let trials: Vec<&TrialRecord> = record.cells.iter().flat_map(|c| &c.trials).collect();
    let length = |trial: &&TrialRecord| Duration::from_nanos(trial.length_ns);
    let late = trials
        .iter()
        .filter(|trial| length(trial) >= promised)
        .count() as u64;
    let figures = [("trials", trials.len() as u64), ("late", late)];
    evidence("runs-end", "every_trial_of_several", &figures);
    assert_eq!((trials.len(), late), (6, 0));
    assert!(took < 6 * promised, "{took:?}");
    assert!(record.validity.complete);
}

#[test]
fn thousands_in_flight_end_in_time() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    // Both ends of every connection are in this process.
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert!(hard > 6_500, "needs more than {hard} files; see ulimit -Hn");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let certificates = Certificates::new();
    let load = "sessions = 3000\nduration = \"4s\"\nwarmup = \"0s\"\ngrace = \"1s\"";
    let rest = "[timeouts]\nhandshake = \"60s\"\nconnect = \"60s\"\n";
    let (record, took) = timed(certificates.scenario(unkind::silent(), load, rest));
    let counts = total(&record);
    let figures = [
        ("in_flight", counts.unanswered_total()),
        ("late", u64::from(took >= Duration::from_secs(5) + SLACK)),
    ];
    evidence("runs-end", "thousands_in_flight", &figures);
    assert_eq!(counts.unanswered_total(), 3_000, "{counts:?}");
    assert!(took < Duration::from_secs(5) + SLACK, "{took:?}");
}

#[test]
fn an_overloaded_generator_ends_in_time_with_every_arrival_counted() {
    let load = "rate = \"50000/s\"\nduration = \"1s\"\nwarmup = \"0s\"\ngrace = \"200ms\"";
    let asked = scenario(&format!("[load]\n{load}\n[workers]\ncount = 1\n"));
    let (record, took) = timed(asked);
    let counts = total(&record);
    assert_eq!(counts.scheduled, 50_000, "{counts:?}");
    assert!(counts.not_started_total() > 0, "{counts:?}");
    assert!(took < Duration::from_millis(1_200) + SLACK, "{took:?}");
}

#[test]
fn a_total_that_a_silent_server_withholds_ends_all_the_same() {
    let certificates = Certificates::new();
    let port = unkind::silent();
    // By the timeouts, long before the 10 minutes that bound a total without a duration.
    for load in LOADS {
        let rest = "[timeouts]\nhandshake = \"200ms\"\n";
        let asked = certificates.scenario(port, &format!("{load}\ntotal = 12"), rest);
        let (record, took) = timed(asked);
        let counts = total(&record);
        assert_eq!(
            counts.failed["unanswered.handshake"].count, 12,
            "{load}: {counts:?}"
        );
        assert!(took < Duration::from_secs(5), "{load}: {took:?}");
    }
    // By the duration, if the timeouts are longer.
    for load in LOADS {
        let phases = "total = 1000\nduration = \"500ms\"\nwarmup = \"0s\"\ngrace = \"200ms\"";
        let (record, took) = timed(certificates.scenario(port, &format!("{load}\n{phases}"), ""));
        let counts = total(&record);
        assert_eq!(counts.unanswered_total(), counts.started, "{load}");
        assert!(
            took < Duration::from_millis(700) + SLACK,
            "{load}: {took:?}"
        );
    }
}

/// One attempt that runs into the timeout of a stage: the class, and when it came.
fn stage_timeout(certificates: &Certificates, port: u16, key: &str) -> (String, Duration) {
    let rest = format!("[protocol]\nexchanges = 2\n[timeouts]\n{key} = \"400ms\"\n");
    let record = run(certificates.scenario(port, "sessions = 1\ntotal = 1", &rest));
    let counts = total(&record);
    let (class, failure) = counts.failed.first_key_value().expect("it fails");
    (class.clone(), Duration::from_nanos(failure.first_ns))
}

#[test]
fn every_stage_has_a_timeout_of_its_own() {
    let certificates = Certificates::new();
    let known = certificates.known();
    let lapsing = |then| unkind::lapsing(known, then);
    // The others are their defaults of 5 s and 10 s.
    for (key, port, class) in [
        ("connect", unkind::full(), "unanswered.connect"),
        ("handshake", unkind::silent(), "unanswered.handshake"),
        ("confirm", lapsing(Then::Silence), "unanswered.confirm"),
        (
            "exchange",
            lapsing(Then::Echoes(1)),
            "unanswered.first_byte",
        ),
    ] {
        let (seen, at) = stage_timeout(&certificates, port, key);
        assert_eq!(seen, class);
        assert!(at >= Duration::from_millis(400), "{key}: {at:?}");
        assert!(at < Duration::from_secs(3), "{key}: {at:?}");
    }
}

#[test]
fn the_timeout_of_the_close_bounds_the_session_and_is_no_failure() {
    let certificates = Certificates::new();
    let port = unkind::lapsing(certificates.known(), Then::Echoes(1));
    let length = |close: &str| {
        let rest = format!("[timeouts]\nclose = \"{close}\"\n");
        let record = run(certificates.scenario(port, "sessions = 1\ntotal = 3", &rest));
        assert_eq!(total(&record).ok_total(), 3);
        Duration::from_nanos(only(&record).trials[0].length_ns)
    };
    let (short, long) = (length("50ms"), length("800ms"));
    assert!(short >= Duration::from_millis(3 * 50), "{short:?}");
    assert!(long >= Duration::from_millis(3 * 800), "{long:?}");
    assert!(short < Duration::from_millis(3 * 800), "{short:?}");
}

#[test]
fn a_close_that_is_cut_off_is_ok_and_said_to_be() {
    let certificates = Certificates::new();
    let port = unkind::lapsing(certificates.known(), Then::Echoes(1));
    let load = "sessions = 2\nduration = \"1s\"\nwarmup = \"0s\"\ngrace = \"100ms\"";
    let record = run(certificates.scenario(port, load, "[timeouts]\nclose = \"60s\"\n"));
    let trial = &only(&record).trials[0];
    assert_eq!(
        (trial.total.ok_total(), trial.total.cancelled_total()),
        (2, 0)
    );
    let cut = &trial.cut_off[&CancelPhase::Drain];
    assert_eq!(
        (&cut.stages, cut.confirmed),
        (&[(Stage::Close, 2)].into(), 2)
    );
    let text = render(&record, Style::default()).unwrap();
    assert!(text.contains("(close 2), 2 of them confirmed"), "{text}");
}

/// Runs against a target that is killed 1 s after the load began and started again on its port 1 s
/// later. Says when it was killed and when it was back, from the start of the load.
fn interrupted_target(load: &str) -> (RunRecord, Duration, Duration) {
    let certificates = Certificates::new();
    let here = certificates.known();
    let (first, port) = serve(here, ".", "127.0.0.1:0");
    let load = format!("{load}\nduration = \"4s\"\nwarmup = \"0s\"\ngrace = \"1s\"");
    let asked = certificates.scenario(port, &load, "");
    thread::scope(|scope| {
        let (sender, beginning) = std::sync::mpsc::channel();
        let running = scope.spawn(move || {
            let (_sender, control) = tokio::sync::watch::channel(shakedown::load::Interrupt::None);
            common::run_controlled(asked, &control, &mut |event| {
                if let shakedown::load::Event::Begin { .. } = event {
                    sender.send(Instant::now()).unwrap();
                }
            })
            .unwrap()
        });
        let start: Instant = beginning.recv().unwrap();
        thread::sleep(Duration::from_secs(1));
        let killed = start.elapsed();
        drop(first);
        thread::sleep(Duration::from_secs(1));
        let (_second, again) = serve(here, ".", &format!("127.0.0.1:{port}"));
        let back = start.elapsed();
        assert_eq!(again, port);
        (running.join().unwrap(), killed, back)
    })
}

#[test]
fn a_target_that_is_killed_and_comes_back_fails_in_between_only() {
    let outcomes = thread::scope(|scope| {
        LOADS
            .map(|load| scope.spawn(move || (load, interrupted_target(load))))
            .map(|running| running.join().unwrap())
    });
    let mut refused_outside = 0;
    let ns = |at: Duration| u64::try_from(at.as_nanos()).unwrap();
    for (load, (record, killed, back)) in outcomes {
        let trial = &only(&record).trials[0];
        let counts = &trial.total;
        let refused = &counts.failed["connect.refused"];
        // The load begins 20 ms after the event that says so.
        let early = refused.first_ns + 50_000_000 < ns(killed);
        let late = refused.last_ns > ns(back);
        refused_outside += u64::from(early || late);
        // Those that the kill met half-way; everything else was refused or is ok.
        let met = |class: &&String| {
            class.starts_with("reset.") || class.starts_with("eof.") || *class == "unconfirmed"
        };
        let classes = counts.failed.keys().filter(|c| *c != "connect.refused");
        assert!(classes.clone().all(|c| met(&c)), "{load}: {counts:?}");
        let met: u64 = classes.map(|c| counts.failed[c].count).sum();
        // Four at once; a closed loop tries again at once and may reach the dying process a second time.
        assert!(met <= 2 * 4, "{load}: {counts:?}");
        assert_eq!(
            counts.started,
            counts.ok_total() + refused.count + met,
            "{load}"
        );
        let row = |second: usize| trial.timeline[second].ok;
        assert!(row(0) > 0 && row(3) > 0, "{load}: {:?}", trial.timeline);
        if load.starts_with("rate") {
            assert_eq!(counts.scheduled, 80);
            // 20/s while nothing listened, give or take the bounds.
            let due = back.saturating_sub(killed).as_secs_f64() * 20.0;
            let missing = (refused.count + met) as f64 - due;
            assert!(missing.abs() <= 3.0, "{due}: {counts:?}");
        }
    }
    let figures = [("runs", 2), ("refused_outside_the_gap", refused_outside)];
    evidence("runs-end", "killed_and_back", &figures);
    assert_eq!(refused_outside, 0);
}
