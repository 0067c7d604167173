//! Expected outcomes: rejections that are successes, wrong acceptances that fail the run, identities
//! that are dealt out and counted apart.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::path::Path;

use common::{against, evidence, only, pki_in, run, scenario, target};
use shakedown::record::{ExpectationVerdict, RunRecord};
use shakedown::scenario::{Document, IdentityFault, ProtocolKind};
use shakedown::tls::ServerAuth;

/// Nine sessions with a certificate for each without one.
const MIX: &str = "[load]\nsessions = 4\ntotal = 1000\n[workers]\ncount = 1\n\
    [matrix]\nauth = [\"mutual\"]\ntls = [\"1.3\"]\n\
    [[identities]]\nname = \"good\"\nshare = 9\n\
    [[identities]]\nname = \"bare\"\nfault = \"none\"\n";

fn verdicts(record: &RunRecord) -> Vec<(String, Option<String>, ExpectationVerdict)> {
    let all = record.expectations.iter();
    all.map(|e| (e.cell.clone(), e.identity.clone(), e.verdict))
        .collect()
}

#[test]
fn a_mix_is_dealt_out_exactly_and_counted_by_identity() {
    let record = run(scenario(&format!(
        "expect = {{ accept = 0.9, alerts = [\"certificate_required\"] }}\n{MIX}"
    )));
    let cell = only(&record);
    let (good, bare) = (cell.of_identity("good"), cell.of_identity("bare"));
    assert_eq!((good.started, good.ok_total()), (900, 900));
    assert_eq!((bare.started, bare.ok_total()), (100, 0));
    assert_eq!(bare.failed["alert.certificate_required"].count, 100);
    assert_eq!(bare.failed["alert.certificate_required"].alert, Some(116));
    let counts = cell.trials[0].target_counts.unwrap();
    assert_eq!(counts.authenticated, 900);
    let started = cell.total().started;
    let lost = started.abs_diff(good.ok_total() + bare.failed_total());
    evidence(
        "outcomes",
        "mix_of_identities",
        &[("sessions", started), ("lost", lost)],
    );
    let met = ExpectationVerdict::Met;
    assert_eq!(
        verdicts(&record),
        [
            ("mtls".to_owned(), Some("bare".to_owned()), met),
            ("mtls".to_owned(), None, met)
        ]
    );
}

#[test]
fn the_sum_of_the_identities_is_the_whole_whatever_the_workers() {
    let record = run(scenario(
        &MIX.replace("count = 1", "count = 2").replace("1000", "200"),
    ));
    let cell = only(&record);
    let (good, bare) = (cell.of_identity("good"), cell.of_identity("bare"));
    good.check().unwrap();
    bare.check().unwrap();
    assert_eq!(good.started + bare.started, cell.total().started);
    assert_eq!((good.started, bare.started), (180, 20));
}

#[test]
fn every_fault_of_either_side_ends_as_expected() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/rejection.toml");
    let record = run(Document::read(&file).unwrap().scenario);
    let faults = IdentityFault::of_clients().count() + IdentityFault::of_servers().count();
    assert_eq!(record.expectations.len(), 2 * (1 + faults));
    let mut wrong = record
        .expectations
        .iter()
        .filter(|e| e.verdict != ExpectationVerdict::Met);
    assert!(wrong.clone().next().is_none(), "{:?}", wrong.next());
    assert!(record.validity.valid, "{:?}", record.validity.reasons);
    let sessions = record.cells.iter().map(|c| c.total().started).sum();
    let figures = [
        ("cases", record.expectations.len() as u64),
        ("sessions", sessions),
        ("wrong_verdicts", wrong.count() as u64),
    ];
    evidence("rejection", "scenario_of_all_faults", &figures);
}

#[test]
fn one_wrong_acceptance_in_a_mix_is_found() {
    // Both have good certificates; whoever expects the second to be rejected is wrong about it,
    // whatever the number of sessions, workers and trials.
    let mix = MIX.replace("fault = \"none\"", "").replace("1000", "30");
    let mix = mix.replace("count = 1", "count = 2") + "[trials]\ncount = 2\n";
    let record = run(scenario(&format!(
        "expect = {{ accept = 0.9, alerts = [\"certificate_required\"] }}\n{mix}"
    )));
    let found: Vec<_> = record.expectations.iter().map(|e| e.verdict).collect();
    assert_eq!(found, [ExpectationVerdict::WrongAcceptance]);
    evidence(
        "rejection",
        "one_wrong_acceptance",
        &[("injected", 1), ("found", found.len() as u64)],
    );
}

#[test]
fn a_share_does_not_depend_on_how_many_sessions_there_were() {
    // Five sessions of two equal shares: three and two, in each of five trials.
    let record = run(scenario(&format!(
        "expect = {{ accept = 0.5, alerts = [\"certificate_required\"] }}\n{}[trials]\ncount = 5\n",
        MIX.replace("1000", "5").replace("share = 9\n", "")
    )));
    let found: Vec<_> = record.expectations.iter().map(|e| e.verdict).collect();
    assert_eq!(found, [ExpectationVerdict::Met; 2]);
    assert_eq!(only(&record).total().ok_total(), 15);
}

#[test]
fn a_good_identity_that_is_rejected_beside_a_faulty_one_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (dir.path().join("ours"), dir.path().join("theirs"));
    let pki = pki_in(&theirs);
    pki_in(&ours);
    let auth = ServerAuth::Required(pki.roots().to_vec().into());
    let (_target, addr) = target(&pki, auth, ProtocolKind::Echo);
    let identity = |name: &str, fault: &str| {
        let cert = ours.join("client-0.pem");
        let key = ours.join("client-0.key");
        format!("[[identities]]\nname = \"{name}\"\ncert = {cert:?}\nkey = {key:?}\n{fault}\n")
    };
    let text = format!(
        "[protocol]\nkind = \"echo\"\n[load]\nsessions = 1\ntotal = 10\n{}{}",
        identity("good", ""),
        identity("bad", "fault = \"unknown-ca\"")
    );
    let url = format!("tls://localhost:{}", addr.port());
    let record = run(against(scenario(&text), &url, &theirs, None));
    let found: Vec<_> = verdicts(&record)
        .into_iter()
        .map(|v| (v.1.unwrap(), v.2))
        .collect();
    assert_eq!(
        found,
        [
            ("good".to_owned(), ExpectationVerdict::WrongRejection),
            ("bad".to_owned(), ExpectationVerdict::Met)
        ]
    );
}

#[test]
fn an_identity_that_should_be_rejected_and_is_not_is_a_wrong_acceptance() {
    let record = run(scenario(
        "[load]\nsessions = 1\ntotal = 3\n[matrix]\nauth = [\"mutual\"]\nidentity = [\"a\", \"b\"]\n\
         [[identities]]\nname = \"a\"\nexpect = { alerts = [\"certificate_revoked\"] }\n\
         [[identities]]\nname = \"b\"\nexpect = { accept = 1 }\n",
    ));
    let found: Vec<_> = verdicts(&record).into_iter().map(|v| (v.0, v.2)).collect();
    assert_eq!(
        found,
        [
            ("mtls/a".to_owned(), ExpectationVerdict::WrongAcceptance),
            ("mtls/b".to_owned(), ExpectationVerdict::Met)
        ]
    );
    assert_eq!(record.expectations[0].accepted, 3);
}
