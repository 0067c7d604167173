//! Fleets: identities by index, from files, a manifest or a seed, each counted by its group.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use common::process::{Running, serve, shakedown};
use common::{assert_accounted, only, run, scenario, total};
use shakedown::pki::{Pki, PkiSpec};
use shakedown::record::RunRecord;
use shakedown::stats::FleetCounts;

/// The counts of the only trial.
fn counts(record: &RunRecord) -> FleetCounts {
    only(record).trials[0].fleet.expect("there is a fleet")
}

/// A fleet that the embedded target's authority signs.
fn minted(fleet: &str, load: &str) -> RunRecord {
    let record = run(scenario(&format!(
        "[load]\n{load}\n[workers]\ncount = 2\n[fleet]\n{fleet}\n"
    )));
    assert_accounted(&record);
    record
}

#[test]
fn every_identity_has_its_turn() {
    let record = minted("mint = { count = 30 }", "sessions = 4\ntotal = 90");
    let trial = &only(&record).trials[0];
    assert_eq!(total(&record).ok_total(), 90);
    assert_eq!(trial.identities.len(), 30);
    for (name, accounting) in &trial.identities {
        // Workers of a closed loop begin as many sessions as they come to.
        let took = accounting.ok_total();
        assert!((1..=6).contains(&took), "{name}: {took}");
    }
    let FleetCounts {
        hits,
        loaded,
        failed,
        load_ns,
        ..
    } = counts(&record);
    assert_eq!((hits, loaded, failed), (60, 30, 0));
    assert!(load_ns > 0);
}

#[test]
fn an_open_loop_deals_them_evenly() {
    let record = minted("mint = { count = 20 }", "rate = \"200/s\"\ntotal = 100");
    let trial = &only(&record).trials[0];
    assert_eq!(trial.identities.len(), 20);
    for (name, accounting) in &trial.identities {
        assert_eq!(accounting.started, 5, "{name}");
    }
}

#[test]
fn a_cache_that_is_too_small_loads_again() {
    let record = minted(
        "mint = { count = 40 }\ncache = 5",
        "sessions = 2\ntotal = 120",
    );
    let FleetCounts { hits, loaded, .. } = counts(&record);
    assert_eq!(
        (hits, loaded),
        (0, 120),
        "each is forgotten before its next turn"
    );
}

#[test]
fn a_sticky_identity_has_one_session() {
    // Ten identities, each held for longer than the trial: the eleventh arrival has none.
    let record = minted(
        "mint = { count = 10 }\ndraw = \"sticky\"",
        "rate = \"100/s\"\ntotal = 30\nhold = \"5s\"\nduration = \"1s\"\ngrace = \"1s\"",
    );
    let total = total(&record);
    assert_eq!(total.started, 10);
    assert_eq!(total.not_started["identity_busy"], 20);
    assert_eq!(total.ok_total(), 10);
}

#[test]
fn few_are_drawn_often_by_zipf() {
    let record = minted(
        "mint = { count = 50 }\ndraw = \"zipf:1.5\"",
        "sessions = 2\ntotal = 300",
    );
    let trial = &only(&record).trials[0];
    let of = |name: &str| trial.identities.get(name).map_or(0, |a| a.started);
    let last: u64 = (40..50).map(|n| of(&format!("client-{n}"))).sum();
    assert!(
        of("client-0") + of("client-1") > 4 * last,
        "{:?}",
        trial.identities
    );
}

#[test]
fn a_fleet_is_resumed_identity_by_identity() {
    let record = run(scenario(
        "[load]\nsessions = 4\ntotal = 60\n[fleet]\nmint = { count = 12 }\n[workers]\ncount = 2\n\
         [resumption]\nmode = \"ticket\"\n",
    ));
    assert_accounted(&record);
    let resumption = only(&record).trials[0].resumption.unwrap();
    assert_eq!((resumption.planned, resumption.starved), (60, 0));
    assert_eq!(resumption.accepted, 60);
}

#[test]
fn a_million_identities_cost_no_more_than_those_that_are_used() {
    let record = minted("mint = { count = 1000000 }", "sessions = 4\ntotal = 200");
    assert_eq!(counts(&record).loaded, 200);
    assert!(only(&record).trials[0].identities.is_empty());
    let bytes = serde_json::to_vec(&record).unwrap().len();
    assert!(bytes < 1 << 20, "{bytes} bytes");
}

/// A server and a folder of clients that it trusts.
fn served(dir: &Path, clients: usize) -> (Running, u16) {
    let spec = PkiSpec {
        clients,
        ..PkiSpec::default()
    };
    Pki::mint(&spec)
        .unwrap()
        .write(&dir.join("pki"), false)
        .unwrap();
    serve(dir, "pki", "127.0.0.1:0")
}

/// Runs a load with a fleet, and reads its result.
fn loaded(dir: &Path, port: u16, fleet: &str, more: &str) -> RunRecord {
    let url = format!("tls://localhost:{port}");
    let output = shakedown(dir)
        .args(["run", &url, "--cacert", "pki/ca.pem", "--fleet", fleet])
        .args([
            "--protocol",
            "echo",
            "-q",
            "-o",
            "out.json",
            "--workers",
            "2",
        ])
        .args(more.split_whitespace())
        .output()
        .unwrap();
    let text = fs::read(dir.join("out.json")).unwrap_or_else(|_| {
        panic!("{}", String::from_utf8_lossy(&output.stderr));
    });
    fs::remove_file(dir.join("out.json")).unwrap();
    let record: RunRecord = serde_json::from_slice(&text).unwrap();
    assert_accounted(&record);
    record
}

#[test]
fn files_are_found_by_folder_pattern_and_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, port) = served(dir.path(), 12);
    let rows = (0..12).map(|n| {
        let group = if n % 3 == 0 { "west" } else { "east" };
        format!("pki/client-{n}.pem,pki/client-{n}.key,{group}\n")
    });
    let manifest = format!("cert,key,group\n{}", rows.collect::<String>());
    fs::write(dir.path().join("fleet.csv"), manifest).unwrap();
    for (fleet, names) in [("pki", 12), ("pki/client-?.pem", 10), ("fleet.csv", 2)] {
        let record = loaded(dir.path(), port, fleet, "--rate 240/s -n 60");
        let trial = &only(&record).trials[0];
        assert_eq!(total(&record).ok_total(), 60, "{fleet}");
        assert_eq!(trial.identities.len(), names, "{fleet}");
        if fleet == "fleet.csv" {
            let of = |group: &str| trial.identities[group].ok_total();
            assert_eq!((of("west"), of("east")), (20, 40));
        }
    }
}

#[test]
fn a_minted_fleet_is_signed_by_an_authority_in_files() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, port) = served(dir.path(), 1);
    for (ca, chain) in [("intermediate", 0), ("intermediate", 0), ("root", 1)] {
        let fleet = format!(
            "mint:500,ca=pki/{ca}.pem,ca-key=pki/{ca}.key,seed=7,chain={chain},san=uri:spiffe://x/{{index}}"
        );
        let record = loaded(dir.path(), port, &fleet, "--rate 100/s -n 30");
        assert_eq!(total(&record).ok_total(), 30, "{ca}: {:?}", total(&record));
    }
}

#[test]
fn files_that_change_for_the_worse_end_in_classes() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, port) = served(dir.path(), 8);
    let pki = dir.path().join("pki");
    // A manifest keeps its lines whatever becomes of the files.
    let rows = (0..8).map(|n| format!("pki/client-{n}.pem,pki/client-{n}.key\n"));
    let manifest = format!("cert,key\n{}", rows.collect::<String>());
    fs::write(dir.path().join("fleet.csv"), manifest).unwrap();
    // While the load runs, or on a busy machine before.
    let spoiler = std::thread::spawn({
        let pki = pki.clone();
        move || {
            std::thread::sleep(Duration::from_millis(300));
            fs::remove_file(pki.join("client-4.pem")).unwrap();
            let whole = fs::read(pki.join("client-5.pem")).unwrap();
            fs::write(pki.join("client-5.pem"), &whole[..whole.len() / 3]).unwrap();
            fs::copy(pki.join("client-0.key"), pki.join("client-6.key")).unwrap();
            fs::write(pki.join("client-7.key"), "not a key").unwrap();
        }
    });
    // Nothing stays loaded, so that every turn reads the files; the first turns find them whole.
    let record = loaded(
        dir.path(),
        port,
        "fleet.csv",
        "--rate 16/s -n 32 -d 4s --fleet-cache 1",
    );
    spoiler.join().unwrap();
    let total = total(&record);
    let failed = |class: &str| total.failed.get(class).map_or(0, |f| f.count);
    assert_eq!(total.started, 32);
    assert!(failed("identity.unreadable") >= 2, "{:?}", total.failed);
    assert!(failed("identity.mismatch") >= 2, "{:?}", total.failed);
    assert!(failed("identity.unusable") >= 4, "{:?}", total.failed);
    assert_eq!(counts(&record).failed, total.failed_total());
    assert!(total.ok_total() >= 16);
    assert!(
        record
            .warnings
            .iter()
            .any(|w| w.code == "identities-unloaded")
    );
}

#[test]
fn wrong_fleets_are_refused_with_the_next_step() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, port) = served(dir.path(), 2);
    fs::write(dir.path().join("empty.csv"), "cert,key\n").unwrap();
    fs::write(dir.path().join("bad.csv"), "certificate\nx.pem\n").unwrap();
    for (fleet, more, words) in [
        ("nowhere/*.pem", "", "no certificate matches"),
        ("empty.csv", "", "no line below its head"),
        ("bad.csv", "", "missing field"),
        ("absent.csv", "", "cannot read"),
        ("mint:5", "", "no authority that the server trusts"),
        ("mint:0", "", "write 1 to"),
        ("mint:5,ca=pki/ca.pem", "", "no private key in"),
        (
            "pki",
            "--fleet-draw sticky -c 3",
            "more than the 2 identities",
        ),
        ("pki", "--fleet-cache 0", "write at least 1"),
        ("pki", "--auth server", "no cell would present it"),
    ] {
        let output = shakedown(dir.path())
            .args([
                "run",
                &format!("https://localhost:{port}/"),
                "--cacert",
                "pki/ca.pem",
            ])
            .args(["--fleet", fleet, "-n", "4"])
            .args(more.split_whitespace())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
        assert!(said.contains(words), "{fleet} {more}: {said}");
        assert!(matches!(output.status.code(), Some(1 | 2 | 104)), "{said}");
    }
}
