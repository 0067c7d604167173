//! Which cells are the same: older files leave out what newer ones say, and newer dimensions count.

use std::path::Path;

use super::*;
use crate::record::{CellRecord, Pins};

/// A result from before cells had providers, keys and chains, made valid.
fn old() -> RunRecord {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(root.join("tests/fixtures/result-v1-tax.json")).unwrap();
    let mut record: RunRecord = serde_json::from_slice(&bytes).unwrap();
    record.validity.valid = true;
    record.validity.complete = true;
    record.cells.retain(|cell| cell.cell.name == "mtls");
    for trial in record.cells.iter_mut().flat_map(|cell| &mut cell.trials) {
        trial.kinds.values_mut().for_each(|k| k.histograms.clear());
    }
    record
}

/// The same as a build of today writes it, changed.
fn new(change: impl Fn(&mut CellRecord)) -> RunRecord {
    let mut record = old();
    record.plan.target_provider = Some("aws-lc-rs".to_owned());
    for cell in &mut record.cells {
        cell.cell.provider = Some("aws-lc-rs".parse().unwrap());
        cell.cell.keys = Some("p256".parse().unwrap());
        cell.cell.chain = Some(1);
        cell.pins = Pins {
            provider: Some("aws-lc-rs".to_owned()),
            ..Pins::default()
        };
        change(cell);
    }
    record
}

fn compared(
    baseline: RunRecord,
    candidate: RunRecord,
    despite: &[Difference],
) -> Result<Comparison, CompareError> {
    let results = |record| Results {
        source: "made up".to_owned(),
        records: vec![record],
    };
    let policy = Policy::parse("p.toml", "version = 1\n[allowed]\nthroughput = \"5%\"\n").unwrap();
    compare(
        Some(&results(baseline)),
        &results(candidate),
        &policy,
        despite,
    )
}

#[test]
fn older_files_are_compared_with_newer_ones() {
    let comparison = compared(old(), new(|_| {}), &[]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(
        comparison.verdict,
        Verdict::Pass,
        "{:?}",
        comparison.reasons
    );
    assert!(comparison.missing.is_empty() && comparison.new.is_empty());
    compared(new(|_| {}), old(), &[]).unwrap();
}

#[test]
fn another_provider_key_group_or_chain_is_another_cell() {
    let changes: [fn(&mut CellRecord); 4] = [
        |cell| cell.cell.provider = Some("ring".parse().unwrap()),
        |cell| cell.cell.keys = Some("rsa2048".parse().unwrap()),
        |cell| cell.cell.group = Some("secp256r1".to_owned()),
        |cell| cell.cell.chain = Some(3),
    ];
    for change in changes {
        let error = compared(new(|_| {}), new(change), &[]).unwrap_err();
        assert!(
            matches!(error, CompareError::NothingInCommon { .. }),
            "{error}"
        );
        let told = compared(new(|_| {}), new(change), &[Difference::Plan]).unwrap();
        assert!(told.notes.iter().any(|note| note.code == "put-together"));
    }
}

#[test]
fn the_same_cell_with_other_pins_was_asked_something_else() {
    let pinned = |cell: &mut CellRecord| cell.pins.group = Some("x25519".to_owned());
    let error = compared(new(|_| {}), new(pinned), &[])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("other-plan") && error.contains("pins of mtls"),
        "{error}"
    );
    compared(new(|_| {}), new(pinned), &[Difference::Plan]).unwrap();
}

#[test]
fn what_a_run_found_out_is_nothing_that_was_asked() {
    let mut other = new(|_| {});
    other.plan.common_suites = vec!["TLS13_AES_128_GCM_SHA256".to_owned()];
    other.plan.preflight.files_needed += 1;
    compared(new(|_| {}), other, &[]).unwrap();
}
