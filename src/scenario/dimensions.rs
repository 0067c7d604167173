//! What is varied about the cryptography: providers, keys, groups and chains, and where that has no
//! effect. Whether a provider can do it is not known here.

use super::Scenario;
use super::error::{Problem, refuse};

/// Most intermediates: the verifiers of both ends follow no more.
pub const MOST_INTERMEDIATES: u8 = 6;

/// Checks `matrix.provider`, `matrix.key`, `matrix.group` and `matrix.chain`, and what they vary.
pub(super) fn check(scenario: &Scenario, any_tls: bool) -> Result<(), Problem> {
    let matrix = &scenario.matrix;
    let embedded = scenario.target.embedded.as_ref();
    let varied = [
        ("matrix.provider", !matrix.provider.is_empty()),
        ("matrix.key", !matrix.key.is_empty()),
        ("matrix.group", !matrix.group.is_empty()),
        ("matrix.chain", !matrix.chain.is_empty()),
    ];
    let twice = [
        scenario.tls.provider.is_some(),
        embedded.is_some_and(|e| e.key.is_some()),
        !scenario.tls.groups.is_empty(),
        embedded.is_some_and(|e| e.chain.is_some()),
    ];
    let places = [
        "tls.provider",
        "target.embedded.key",
        "tls.groups",
        "target.embedded.chain",
    ];
    for (((key, given), twice), place) in varied.into_iter().zip(twice).zip(places) {
        refuse(
            given && !any_tls,
            key,
            "no cell uses TLS, so it has no effect",
            "drop it, or add \"server\" or \"mutual\" to matrix.auth",
        )?;
        refuse(
            given && twice,
            key,
            format!("{place} is given too, and each cell can have only one"),
            "drop one of them",
        )?;
    }
    refuse(
        scenario.target.url.is_some() && !(matrix.key.is_empty() && matrix.chain.is_empty()),
        if matrix.key.is_empty() {
            "matrix.chain"
        } else {
            "matrix.key"
        },
        "the certificates of a server elsewhere are its own",
        "drop it, or vary the client's certificate with [[identities]] and matrix.identity",
    )?;
    chains(scenario)
}

fn chains(scenario: &Scenario) -> Result<(), Problem> {
    let embedded = scenario.target.embedded.as_ref();
    let fixed = embedded.and_then(|e| e.chain);
    let key = if fixed.is_some() {
        "target.embedded.chain"
    } else {
        "matrix.chain"
    };
    let mut lengths = scenario.matrix.chain.iter().copied().chain(fixed);
    if let Some(length) = lengths.clone().find(|length| *length > MOST_INTERMEDIATES) {
        return Err(Problem::new(
            key,
            format!("{length} intermediates are more than both ends follow"),
            format!("write 0 to {MOST_INTERMEDIATES}"),
        ));
    }
    let faulty = scenario.identities.iter().any(|i| i.fault.is_some())
        || !scenario.matrix.server_fault.is_empty();
    refuse(
        faulty && lengths.any(|length| length != 1),
        key,
        "some faults are about the one intermediate, so faulty certificates have just that",
        "write 1, or drop the faults",
    )?;
    Ok(())
}
