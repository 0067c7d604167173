//! What is varied: providers, keys, groups, chains, revocation lists, exchanges, and where that has no
//! effect. Whether a provider can do it is not known here.

use super::Scenario;
use super::error::{Problem, refuse};

/// Most intermediates: the verifiers of both ends follow no more.
pub const MOST_INTERMEDIATES: u8 = 6;

/// Checks the lists of `matrix` that vary TLS or exchanges, and what they vary.
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
    for (key, given) in [
        ("matrix.key", !matrix.key.is_empty()),
        ("matrix.chain", !matrix.chain.is_empty()),
    ] {
        refuse(
            scenario.target.url.is_some() && given,
            key,
            "the certificates of a server elsewhere are its own",
            "drop it, or vary the client's certificate with [[identities]] and matrix.identity",
        )?;
    }
    lists(scenario, any_tls)?;
    exchanges(scenario)?;
    chains(scenario)
}

/// Checks `matrix.crl`.
fn lists(scenario: &Scenario, any_tls: bool) -> Result<(), Problem> {
    let key = "matrix.crl";
    let given = !scenario.matrix.crl.is_empty();
    refuse(
        given && scenario.target.url.is_some(),
        key,
        "the revocation lists of a server elsewhere are its own",
        "drop it, and name them in tls.crl (--crlfile)",
    )?;
    refuse(
        given && !any_tls,
        key,
        "no cell uses TLS, so it has no effect",
        "drop it, or add \"server\" or \"mutual\" to matrix.auth",
    )?;
    refuse(
        given && faulty(scenario),
        key,
        "where certificates have faults, there are lists in every cell",
        "drop it",
    )
}

/// Checks `matrix.exchanges` and `matrix.streams`; whether the protocol has them is checked with it.
fn exchanges(scenario: &Scenario) -> Result<(), Problem> {
    let key = "matrix.exchanges";
    let (matrix, protocol) = (&scenario.matrix, &scenario.protocol);
    let twice = "given in [protocol] too, and each cell can have only one";
    let remedy = "drop one of them";
    let both = !matrix.exchanges.is_empty() && protocol.exchanges.is_some();
    refuse(both, key, twice, remedy)?;
    let both = !matrix.streams.is_empty() && protocol.streams.is_some();
    refuse(both, "matrix.streams", twice, remedy)?;
    refuse(
        matrix.streams.contains(&0),
        "matrix.streams",
        "an exchange has a stream at least",
        "write at least 1",
    )?;
    refuse(
        scenario.matrix.exchanges.contains(&0),
        key,
        "without an exchange nothing would prove acceptance",
        "write at least 1",
    )
}

/// Whether any certificate is to have a fault.
fn faulty(scenario: &Scenario) -> bool {
    scenario.identities.iter().any(|i| i.fault.is_some())
        || !scenario.matrix.server_fault.is_empty()
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
    refuse(
        faulty(scenario) && lengths.any(|length| length != 1),
        key,
        "some faults are about the one intermediate, so faulty certificates have just that",
        "write 1, or drop the faults",
    )?;
    Ok(())
}
