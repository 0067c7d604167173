//! A hostile server cannot hurt: whatever it does, sessions end in their class, runs end in time and
//! with exact accounts, memory stays bounded, and nothing it sends reaches a terminal unescaped.

#![allow(
    clippy::unwrap_used,
    clippy::enum_glob_use,
    reason = "helpers of tests fail as tests do; one list names every behaviour"
)]

mod common;
mod hostile {
    pub mod acts;
    pub mod after;
    pub mod answers;
    pub mod behaviour;
    pub mod frames;
    pub mod mqtt;
    pub mod peer;
    pub mod recovery;
    pub mod screen;
    pub mod server;
    pub mod wire;
}

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::mem::discriminant;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{against, evidence, only, run, scenario, total};
use hostile::behaviour::{Behaviour, Case, alerts_with_resets, cases};
use hostile::frames::Frames;
use hostile::recovery::{Ends, Moment, session};
use hostile::screen::raw_characters;
use hostile::server::{Kit, Server};
use shakedown::probe::{ProbePlan, ProbeReport, probe, story};
use shakedown::record::RunRecord;
use shakedown::scenario::{Scenario, TlsVersion};

/// Sessions of one case's run.
const SESSIONS: u64 = 3;
/// Sessions per version and moment whose write fails before the alert is read.
const INJECTIONS: u64 = 100;
/// Cases that run at a time; most of them wait most of the time.
const AT_A_TIME: usize = 8;
/// Limits of a run that waits for a stage's timeout, and of one that must not run into it.
const SHORT: Limits = Limits {
    stage: Duration::from_millis(400),
    duration: Duration::from_secs(2),
};
const LONG: Limits = Limits {
    stage: Duration::from_secs(4),
    duration: Duration::from_secs(6),
};
const GRACE: Duration = Duration::from_millis(500);
/// What Runs end adds to duration and grace.
const END: Duration = Duration::from_secs(1);
/// Most that this process may grow by, all cases and the hostile servers' own buffers included.
const MEMORY_CAP: u64 = 128 << 20;
/// Most that a session takes in while nobody asked for it, the buffers of both sockets included.
const FLOOD_CAP: u64 = 12 << 20;

struct Limits {
    stage: Duration,
    duration: Duration,
}

/// What one case has shown.
#[derive(Debug, Default)]
struct Findings {
    sessions: u64,
    fired: u64,
    wrong_classes: u64,
    late: u64,
    faults: Vec<String>,
}

impl Findings {
    fn fault(&mut self, case: &Case, what: &str) {
        self.faults.push(format!("{}: {what}", case.name()));
    }
}

#[test]
fn no_behaviour_of_a_server_does_harm() {
    let panics = count_panics();
    let memory = Memory::watch();
    let kit = Kit::new();
    let cases = cases();
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = meet(case, &kit);
                    all.lock().unwrap().push(found);
                }
            });
        }
    });
    let grown = memory.grown();
    let all = all.into_inner().unwrap();
    let sum = |of: fn(&Findings) -> u64| all.iter().map(of).sum::<u64>();
    let behaviours: HashSet<_> = cases
        .iter()
        .map(|case| discriminant(&case.behaviour))
        .collect();
    let panics = panics.load(Ordering::SeqCst);
    evidence(
        "hostile-server",
        "no_behaviour_of_a_server_does_harm",
        &[
            ("behaviours", behaviours.len() as u64),
            ("cases", cases.len() as u64),
            ("faults_fired", sum(|f| f.fired)),
            ("sessions", sum(|f| f.sessions)),
            ("wrong_classes", sum(|f| f.wrong_classes)),
            ("panics", panics),
            ("late", sum(|f| f.late)),
            ("memory_growth_bytes", grown),
        ],
    );
    let faults: Vec<&str> = all.iter().flat_map(|f| &f.faults).map(|f| &**f).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(all.len(), cases.len(), "cases that did not come to an end");
    assert_eq!(panics, 0);
    assert!(grown < MEMORY_CAP, "grown by {grown} bytes");
}

/// Plain TCP has the same caps where nobody asked.
#[test]
fn a_flood_on_plain_tcp_ends_held_sessions() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut tcp in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut request = [0; 64];
                tcp.read_exact(&mut request).unwrap();
                tcp.write_all(&request).unwrap();
                // Nothing tells when the client has taken in its answer and rests.
                thread::sleep(Duration::from_millis(500));
                while tcp.write_all(&[b'e'; 16_000]).is_ok() {}
            });
        }
    });
    let mut scenario = scenario(&format!(
        "[load]\nsessions = {SESSIONS}\ntotal = {SESSIONS}\nduration = \"10s\"\nhold = \"5s\"\n\
         [workers]\ncount = 1\n[protocol]\nkind = \"echo\"\n",
    ));
    scenario.target.url = Some(format!("tcp://127.0.0.1:{port}"));
    let record = run(scenario);
    assert_eq!(total(&record).ok_total(), SESSIONS);
    assert_eq!(only(&record).trials[0].lost_while_held, SESSIONS);
}

#[test]
fn alerts_are_recovered_after_failed_writes() {
    let mut injected = 0;
    let mut recovered = 0;
    let mut faults = Vec::new();
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let ends = Ends::new(version);
        for moment in Moment::ALL {
            let seen: Vec<_> = (0..INJECTIONS).map(|_| session(moment, &ends)).collect();
            let failed = seen.iter().filter(|s| s.write_failed).count() as u64;
            let found = seen.iter().filter(|s| s.recovered).count() as u64;
            injected += failed;
            recovered += found;
            if (failed, found) != (INJECTIONS, INJECTIONS) {
                let what = format!("{failed} failed writes, {found} alerts of {INJECTIONS}");
                faults.push(format!("TLS {version}, {moment:?}: {what}"));
            }
        }
    }
    evidence(
        "alert-recovery",
        "alerts_are_recovered_after_failed_writes",
        &[("injected", injected), ("recovered", recovered)],
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The same as a run meets it: here the alert, the reset and our writes race.
#[test]
fn alerts_are_recovered_under_load() {
    let kit = Kit::new();
    let (mut injected, mut recovered) = (0, 0);
    for case in alerts_with_resets() {
        let server = Server::start(case, &kit);
        let mut scenario = scenario_for(&case, &kit, server.port, &LONG);
        scenario.load.total = Some(INJECTIONS);
        let counts = total(&run(scenario));
        injected += counts.started;
        let found = counts.failed.get(case.expect[0]).map_or(0, |f| f.count);
        recovered += found;
        assert_eq!(found, INJECTIONS, "{}: {counts:?}", case.name());
        assert_eq!(server.witness.connections(INJECTIONS), INJECTIONS);
        assert_eq!(server.witness.fired(), INJECTIONS);
    }
    evidence(
        "alert-recovery",
        "alerts_are_recovered_under_load",
        &[("injected", injected), ("recovered", recovered)],
    );
}

/// Lets a run and a probe meet one case.
fn meet(case: &Case, kit: &Kit) -> Findings {
    let server = Server::start(*case, kit);
    let mut found = Findings::default();
    let limits = if case.waits() { &SHORT } else { &LONG };
    let scenario = scenario_for(case, kit, server.port, limits);
    let plan = scenario.clone().check("test", "").unwrap();
    let began = Instant::now();
    let record = run(scenario);
    let took = began.elapsed();
    if took > limits.duration + GRACE + END {
        found.late += 1;
        found.fault(case, &format!("the run took {took:?}"));
    }
    judge_run(case, &record, &mut found);
    let plan = ProbePlan::new(&plan, limits.stage).unwrap();
    let began = Instant::now();
    let report = probe_once(&plan);
    let took = began.elapsed();
    // Connecting, handshake, answer, the reason behind an error, and the close.
    if took > limits.stage * 4 + END + END {
        found.late += 1;
        found.fault(case, &format!("the probe took {took:?}"));
    }
    judge_probe(case, &report, &mut found);
    // The probe is a session, too, but asks only once.
    let second = [Behaviour::NoSecondAnswer, Behaviour::SecondAlertUnread];
    found.sessions += u64::from(!second.contains(&case.behaviour));
    let connections = server.witness.connections(SESSIONS + 1);
    found.fired = server.witness.fired();
    let sent = server.witness.most_sent();
    if found.fired < found.sessions || connections != SESSIONS + 1 {
        let (fired, sessions) = (found.fired, found.sessions);
        let what = format!("{sessions} sessions, {connections} connections, {fired} faults");
        found.fault(case, &what);
    }
    if !asked_for(case.behaviour) && sent > FLOOD_CAP {
        found.fault(case, &format!("{sent} bytes were taken in"));
    }
    found
}

/// Whether what floods is an answer that only caps of its protocol end.
fn asked_for(behaviour: Behaviour) -> bool {
    let frames = Behaviour::Frames(Frames::TinyData);
    matches!(behaviour, Behaviour::EndlessBody | Behaviour::TinyChunks) || behaviour == frames
}

fn scenario_for(case: &Case, kit: &Kit, port: u16, limits: &Limits) -> Scenario {
    let kind = serde_json::to_value(case.protocol).unwrap();
    let exchanges = if case.asks_twice() {
        "exchanges = 2"
    } else {
        ""
    };
    let hold = if case.hold { "hold = \"3s\"" } else { "" };
    let (stage, duration) = (limits.stage.as_millis(), limits.duration.as_millis());
    let grace = GRACE.as_millis();
    let mut scenario = scenario(&format!(
        "[load]\nsessions = {SESSIONS}\ntotal = {SESSIONS}\nduration = \"{duration}ms\"\n\
         grace = \"{grace}ms\"\n{hold}\n[workers]\ncount = 1\n\
         [timeouts]\nhandshake = \"{stage}ms\"\nconfirm = \"{stage}ms\"\n\
         exchange = \"{stage}ms\"\nclose = \"300ms\"\n\
         [protocol]\nkind = {kind}\n{exchanges}\n[matrix]\ntls = [\"{}\"]\n",
        case.version
    ));
    if case.behaviour == Behaviour::NoAlpn {
        scenario.tls.alpn = vec!["http/1.1".to_owned()];
    }
    let url = format!("tls://localhost:{port}");
    let trust = kit.trust(case.behaviour);
    against(scenario, &url, &trust, Some(kit.dir.path()))
}

fn judge_run(case: &Case, record: &RunRecord, found: &mut Findings) {
    let counts = total(record);
    found.sessions = counts.started;
    if counts.started != SESSIONS || counts.cancelled_total() != 0 {
        found.fault(
            case,
            &format!("not every session ended by itself: {counts:?}"),
        );
    }
    let ok = (counts.ok_total() > 0).then_some("ok");
    let wrong = |class: &&str| !case.expect.contains(class);
    let failed = counts
        .failed
        .iter()
        .filter(|(class, _)| wrong(&class.as_str()));
    let mut wrong_classes: u64 = failed.map(|(_, failure)| failure.count).sum();
    if ok.as_ref().is_some_and(wrong) {
        wrong_classes += counts.ok_total();
    }
    if wrong_classes > 0 {
        found.wrong_classes += wrong_classes;
        found.fault(case, &format!("expected {:?}: {counts:?}", case.expect));
    }
    let lost = only(record).trials[0].lost_while_held;
    let floods_held = case.hold && case.behaviour == Behaviour::DataAfterAnswer;
    if lost != if floods_held { SESSIONS } else { 0 } {
        found.fault(case, &format!("{lost} sessions were lost while held"));
    }
    let json = serde_json::to_value(record).unwrap();
    for what in raw_characters("record", &json) {
        found.fault(case, &what);
    }
}

fn probe_once(plan: &ProbePlan) -> ProbeReport {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(probe(plan)).unwrap()
}

fn judge_probe(case: &Case, report: &ProbeReport, found: &mut Findings) {
    let text = story(report, false);
    let lines: Vec<&str> = text.lines().collect();
    let told = serde_json::json!({ "lines": lines });
    let json = serde_json::to_value(report).unwrap();
    for (what, value) in [("story", told), ("probe", json)] {
        for what in raw_characters(what, &value) {
            found.fault(case, &what);
        }
    }
    // What a run does not accept, a probe does not either. It asks once, and a status about the request is
    // no refusal.
    let once = !case.asks_twice() && case.behaviour != Behaviour::EvilReason;
    if once && report.accepted != (case.expect == ["ok"]) {
        found.fault(case, &format!("the probe says {}", report.summary));
    }
    if text.len() > 64 * 1024 {
        found.fault(case, &format!("the story has {} bytes", text.len()));
    }
}

/// Counts panics of every thread from now on, also of those that nobody joins.
fn count_panics() -> Arc<AtomicU64> {
    let panics = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&panics);
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        counter.fetch_add(1, Ordering::SeqCst);
        usual(info);
    }));
    panics
}

/// Watches the resident memory of this process.
struct Memory {
    before: u64,
    most: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
}

impl Memory {
    fn watch() -> Self {
        let memory = Self {
            before: resident(),
            most: Arc::default(),
            done: Arc::default(),
        };
        let (most, done) = (Arc::clone(&memory.most), Arc::clone(&memory.done));
        thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(resident(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(10));
            }
        });
        memory
    }

    /// How much more was used than in the beginning.
    fn grown(&self) -> u64 {
        self.done.store(true, Ordering::Relaxed);
        let most = self.most.load(Ordering::Relaxed).max(resident());
        most.saturating_sub(self.before)
    }
}

/// Resident memory in bytes (`/proc/self/status`, proc(5)); nothing where there is no such file.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
