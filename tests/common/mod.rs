//! What integration tests share: short scenarios, runs through the library, and the one assertion
//! that every result must pass.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod foreign;
pub mod injected;
pub mod installed;
pub mod process;
pub mod unkind;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use shakedown::load::{Event, Interrupt};
use shakedown::pki::{Pki, PkiSpec};
use shakedown::record::{CellRecord, CutOffRecord, RunRecord, TimelineRecord};
use shakedown::runner::{RunError, prepare};
use shakedown::scenario::{
    IdentityFiles, ProtocolKind, ProviderName, Scenario, TicketMode, TlsVersion,
};
use shakedown::stats::Accounting;
use shakedown::target::{ListenerSpec, Target, TargetSpec};
use shakedown::tls::{ServerAuth, ServerTls, ServerTlsSpec};
use tokio::sync::watch;

/// A scenario from the text of its sections.
pub fn scenario(sections: &str) -> Scenario {
    let text = format!("version = 1\nname = \"test\"\n{sections}");
    Scenario::parse("test.toml", &text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// Invariant 2: every attempt of every trial is accounted for, exactly.
pub fn assert_accounted(record: &RunRecord) {
    for cell in &record.cells {
        for trial in &cell.trials {
            for (what, accounting) in [("total", &trial.total), ("measured", &trial.measured)] {
                accounting
                    .check()
                    .unwrap_or_else(|e| panic!("{} {what}: {e}", cell.cell.name));
            }
            if let Some(prime) = &trial.prime {
                prime.check().unwrap_or_else(|e| panic!("priming: {e}"));
            }
            if let Some(resumption) = &trial.resumption {
                resumption.check().unwrap_or_else(|e| panic!("{e}"));
            }
            let cut: u64 = trial.cut_off.values().map(not_confirmed).sum();
            assert_eq!(cut, trial.total.cancelled_total(), "{}", cell.cell.name);
            let timeline =
                |of: fn(&TimelineRecord) -> u64| -> u64 { trial.timeline.iter().map(of).sum() };
            assert_eq!(timeline(|r| r.started), trial.total.started);
            assert_eq!(timeline(|r| r.ok), trial.total.ok_total());
            assert_eq!(timeline(|r| r.failed), trial.total.failed_total());
            assert_eq!(timeline(|r| r.not_started), trial.total.not_started_total());
            for row in &trial.timeline {
                // Beside the confirmed ones those that were confirmed and had no answer to a later request.
                assert!(with_latency(row) >= row.ok, "second {}", row.second);
                assert!(with_latency(row) <= row.ok + row.failed + trial.total.cancelled_total());
            }
        }
    }
}

/// Sessions of a second that have a latency.
fn with_latency(row: &TimelineRecord) -> u64 {
    let histogram = row.latency().unwrap();
    if let Some(stored) = &row.latency {
        assert_eq!(stored.count, histogram.count(), "second {}", row.second);
    }
    histogram.count() + histogram.overflow()
}

/// Attempts among what was cut off: confirmed sessions are counted as ok.
fn not_confirmed(cut: &CutOffRecord) -> u64 {
    let all: u64 = cut.stages.values().sum();
    assert_eq!(cut.age.count + cut.age.overflow, all);
    assert!(cut.youngest_ns <= cut.oldest_ns, "{cut:?}");
    all - cut.confirmed
}

/// Runs a scenario to its end and checks the accounting.
pub fn run(scenario: Scenario) -> RunRecord {
    try_run(scenario).unwrap_or_else(|e| panic!("{e}"))
}

/// Runs a scenario that may be refused.
pub fn try_run(scenario: Scenario) -> Result<RunRecord, RunError> {
    let (_sender, control) = watch::channel(Interrupt::None);
    run_controlled(scenario, &control, &mut |_| {})
}

/// Runs a scenario under a control and with an observer.
pub fn run_controlled(
    scenario: Scenario,
    control: &watch::Receiver<Interrupt>,
    observe: &mut dyn FnMut(Event<'_>),
) -> Result<RunRecord, RunError> {
    let checked = scenario.check("test", "").unwrap_or_else(|e| panic!("{e}"));
    let record = prepare(checked)?.run(vec!["test".to_owned()], control, observe)?;
    assert_accounted(&record);
    // What was measured must survive the way through a file.
    let text = serde_json::to_string(&record).unwrap();
    let back: RunRecord = serde_json::from_str(&text).unwrap();
    assert!(back == record, "the record changed on its way through JSON");
    Ok(record)
}

/// The one cell of a record.
pub fn only(record: &RunRecord) -> &CellRecord {
    assert_eq!(record.cells.len(), 1);
    &record.cells[0]
}

/// All attempts of the one cell.
pub fn total(record: &RunRecord) -> Accounting {
    only(record).total()
}

/// How many sessions we say were confirmed, and by how many the target's own count differs.
pub fn sessions_and_lost(record: &RunRecord) -> [(&'static str, u64); 2] {
    let trials = || record.cells.iter().flat_map(|cell| &cell.trials);
    let sessions: u64 = trials().map(|trial| trial.total.ok_total()).sum();
    let counts = trials().filter_map(|trial| trial.target_counts);
    let seen: u64 = counts.map(|counts| counts.established()).sum();
    [("sessions", sessions), ("lost", sessions.abs_diff(seen))]
}

/// The codes of the reasons why a record is invalid.
pub fn reasons(record: &RunRecord) -> Vec<&str> {
    record
        .validity
        .reasons
        .iter()
        .map(|r| r.code.as_str())
        .collect()
}

/// Certificates in a folder, as `shakedown pki new` writes them.
pub fn pki_in(dir: &Path) -> Pki {
    let pki = Pki::mint(&PkiSpec::default()).unwrap();
    pki.write(dir, false).unwrap();
    pki
}

/// Points a scenario at a URL with the certificates of `trust` and the identity of `identity`.
pub fn against(
    mut scenario: Scenario,
    url: &str,
    trust: &Path,
    identity: Option<&Path>,
) -> Scenario {
    scenario.target.url = Some(url.to_owned());
    scenario.tls.cacert = Some(trust.join("ca.pem"));
    scenario.identity = identity.map(|dir| IdentityFiles {
        cert: dir.join("client-0.pem"),
        key: Some(dir.join("client-0.key")),
        ..IdentityFiles::default()
    });
    scenario
}

/// Writes what a test found as evidence for a promise into the folder `SHAKEDOWN_EVIDENCE`, if set.
pub fn evidence(promise: &str, test: &str, figures: &[(&str, u64)]) {
    let Some(dir) = std::env::var_os("SHAKEDOWN_EVIDENCE") else {
        return;
    };
    let figures: serde_json::Map<String, serde_json::Value> = figures
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.into()))
        .collect();
    let found = serde_json::json!({ "promise": promise, "test": test, "figures": figures });
    let dir = Path::new(&dir);
    std::fs::create_dir_all(dir).unwrap();
    let json = serde_json::to_string_pretty(&found).unwrap() + "\n";
    std::fs::write(dir.join(format!("{promise}--{test}.json")), json).unwrap();
}

/// An embedded target of its own, apart from a run.
pub fn target(pki: &Pki, auth: ServerAuth, protocol: ProtocolKind) -> (Target, SocketAddr) {
    let tls = ServerTls::new(&ServerTlsSpec {
        provider: ProviderName::default(),
        versions: &[TlsVersion::Tls12, TlsVersion::Tls13],
        identity: pki.server(),
        auth,
        tickets: TicketMode::Off,
        alpn: &[],
    })
    .unwrap();
    let listener = ListenerSpec {
        tls: Some(tls),
        protocol,
        port: 0,
    };
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let target = Target::start(&TargetSpec {
        ip,
        listeners: vec![listener],
        cores: vec![None],
    })
    .unwrap();
    let addr = target.addrs()[0];
    (target, addr)
}
