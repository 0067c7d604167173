//! Runs over providers, keys, groups and chains against the embedded target: every cell is what it says,
//! and what cannot be run is listed with its reason.

use tokio::sync::watch;

use super::{RunError, prepare};
use crate::analysis::{Decoded, Dimension, contrasts};
use crate::load::Interrupt;
use crate::record::RunRecord;
use crate::scenario::{Document, ProviderName, Scenario, TlsVersion};
use crate::units::Span;

fn scenario(text: &str) -> Scenario {
    Scenario::parse("test", &format!("version = 1\nname = \"test\"\n{text}")).unwrap()
}

/// Runs a scenario for a very short time.
fn run(mut scenario: Scenario) -> Result<RunRecord, RunError> {
    scenario.load.duration = Some(Span(std::time::Duration::from_millis(150)));
    scenario.load.warmup = Some(Span(std::time::Duration::ZERO));
    scenario.trials.count = 1;
    let (_hold, control) = watch::channel(Interrupt::None);
    let prepared = prepare(scenario.check("test", "").unwrap())?;
    prepared.run(Vec::new(), &control, &mut |_| {})
}

/// Every handshake of every cell negotiated what the cell says, and each had some.
fn is_as_asked(record: &RunRecord) {
    for cell in &record.cells {
        let name = &cell.cell.name;
        let observed = &cell.trials[0].observed;
        assert!(!observed.is_empty(), "{name}: {:?}", cell.trials[0].total);
        assert!(cell.total().failed.is_empty(), "{name}");
        for observed in observed {
            let provider = cell.cell.provider.unwrap();
            assert_eq!(observed.provider, provider.label(), "{name}");
            if let Some(group) = &cell.cell.group {
                assert_eq!(observed.group, *group, "{name}");
            }
            let keys = cell.cell.keys.unwrap();
            assert_eq!(observed.server_signature, keys.server.scheme(), "{name}");
            if cell.is_mutual() {
                assert_eq!(observed.client_signature, keys.client.scheme(), "{name}");
            }
        }
    }
    let mut reasons = record.validity.reasons.iter();
    assert!(reasons.all(|note| note.code != "negotiated-otherwise"));
    assert!(record.validity.complete);
}

#[test]
fn providers_run_with_one_suite_and_what_one_lacks_is_skipped_with_the_reason() {
    let record = run(scenario(
        "[matrix]\nauth = [\"mutual\"]\nprovider = [\"aws-lc-rs\", \"graviola\", \"ring\"]\n\
         key = [\"p256\", \"mldsa44\"]\ngroup = [\"x25519\", \"x25519mlkem768\"]\ntls = [\"1.2\", \"1.3\"]",
    ))
    .unwrap();
    is_as_asked(&record);
    // 24 combinations: 4 of P-256 and X25519 in 1.2 and 1.3 per provider, and so on.
    assert_eq!(record.cells.len() + record.plan.skipped.len(), 24);
    let reason = |name: &str| {
        let skipped = record.plan.skipped.iter().find(|s| s.cell.name == name);
        skipped.map(|skipped| skipped.reason.as_str())
    };
    assert_eq!(reason("mtls1.3-mldsa44-x25519mlkem768-aws-lc-rs"), None);
    let unknown = reason("mtls1.3-p256-x25519mlkem768-ring").unwrap();
    assert!(unknown.contains("choose from x25519, secp256r1, secp384r1"));
    assert_eq!(
        reason("mtls1.3-mldsa44-x25519-ring"),
        Some("ring has no mldsa44 certificates")
    );
    assert_eq!(
        reason("mtls1.2-mldsa44-x25519-aws-lc-rs"),
        Some("aws-lc-rs has mldsa44 certificates, but not in TLSv1.2")
    );
    assert_eq!(
        reason("mtls1.2-p256-x25519mlkem768-aws-lc-rs"),
        Some("x25519mlkem768 cannot be used in TLSv1.2")
    );
    let suites = &record.plan.common_suites;
    assert_eq!(suites[0], "TLS_AES_256_GCM_SHA384");
    assert_eq!(suites.len(), 3);
    for cell in &record.cells {
        assert_eq!(&cell.pins.suites, suites);
        let observed = cell.trials[0].observed.iter();
        let mut used: Vec<_> = observed.map(|o| &o.cipher_suite).collect();
        used.dedup();
        assert_eq!(used.len(), 1, "{}", cell.cell.name);
    }
    let contrasts = contrasts(&Decoded::of(&record).unwrap());
    let dimensions: Vec<Dimension> = contrasts.iter().map(|c| c.dimension).collect();
    assert_eq!(
        dimensions,
        [Dimension::Provider, Dimension::Keys, Dimension::Group]
    );
    let providers = &contrasts[0];
    assert_eq!(providers.base, "aws-lc-rs");
    let set = &providers.sets[0];
    assert_eq!(set.base, "mtls1.2-p256-x25519-aws-lc-rs");
    assert_eq!(set.cells[0].0, "mtls1.2-p256-x25519-graviola");
    assert_eq!(set.cells[1].0, "mtls1.2-p256-x25519-ring");
}

#[test]
fn both_ends_have_their_own_keys_and_chains_of_the_length_that_was_asked_for() {
    let record = run(scenario(
        "[matrix]\nauth = [\"server\", \"mutual\"]\nkey = [\"rsa2048+p384\", \"ed25519+rsa2048\"]\n\
         chain = [0, 1, 3]",
    ))
    .unwrap();
    is_as_asked(&record);
    assert_eq!(record.cells.len(), 12);
    assert_eq!(record.plan.skipped, []);
    let received = |cell: &str| {
        let cell = record.cells.iter().find(|c| c.cell.name == cell).unwrap();
        let trial = &cell.trials[0];
        trial.sum(|k| k.handshake_bytes_in) / trial.measured.ok_total()
    };
    for key in ["rsa2048+p384", "ed25519+rsa2048"] {
        let sizes = [0, 1, 3].map(|n| received(&format!("mtls-{key}-chain{n}")));
        assert!(sizes[1] > sizes[0] + 300, "{key}: {sizes:?}");
        assert!(sizes[2] > sizes[1] + 600, "{key}: {sizes:?}");
    }
}

#[test]
fn the_target_has_a_provider_of_its_own() {
    let mut asked = scenario("[target.embedded]\nprovider = \"ring\"\n[matrix]\ntls = [\"1.3\"]");
    let record = run(asked.clone()).unwrap();
    is_as_asked(&record);
    assert_eq!(record.plan.target_provider.as_deref(), Some("ring"));
    assert_eq!(record.plan.provider, ProviderName::default().label());
    asked.matrix.group = vec!["x25519mlkem768".to_owned()];
    let error = run(asked).unwrap_err().to_string();
    assert!(
        error.contains("ring, the provider of the target, has no group x25519mlkem768"),
        "{error}"
    );
}

#[test]
fn a_provider_that_is_not_there_is_an_error_alone_and_a_skipped_cell_among_others() {
    let absent = ProviderName::ALL.into_iter().find(|name| {
        crate::crypto::entry(*name).feature.is_some() && crate::crypto::provider(*name).is_err()
    });
    let absent = absent.unwrap();
    let feature = crate::crypto::entry(absent).feature.unwrap();
    let mut asked = scenario("[matrix]\nauth = [\"none\", \"mutual\"]");
    asked.tls.provider = Some(absent);
    let error = run(asked.clone()).unwrap_err().to_string();
    assert!(error.contains(&format!("--features {feature}")), "{error}");
    asked.tls.provider = None;
    asked.matrix.auth.remove(0);
    asked.matrix.provider = vec![absent, ProviderName::Ring];
    let record = run(asked.clone()).unwrap();
    assert_eq!(record.cells.len(), 1);
    assert!(record.plan.skipped[0].reason.contains(feature));
    asked.matrix.provider = Vec::new();
    let embedded = crate::scenario::EmbeddedTarget {
        provider: Some(absent),
        ..Default::default()
    };
    asked.target.embedded = Some(embedded);
    let error = run(asked).unwrap_err().to_string();
    assert!(error.starts_with("the embedded target: "), "{error}");
}

#[test]
fn shipped_comparisons_run() {
    for name in ["providers", "post-quantum"] {
        let path = format!("{}/scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let scenario = Document::read(path.as_ref()).unwrap().scenario;
        assert_eq!(scenario.matrix.tls, [TlsVersion::Tls13]);
        let record = run(scenario).unwrap();
        is_as_asked(&record);
        assert!(record.cells.len() >= 8, "{name}");
        assert!(
            !contrasts(&Decoded::of(&record).unwrap()).is_empty(),
            "{name}"
        );
    }
}
