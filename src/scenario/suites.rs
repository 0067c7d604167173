//! Cipher suites that are named, and the TLS versions that they belong to.

use super::error::{Problem, refuse};
use super::{Cell, TlsVersion};

/// The version that a suite belongs to, by its IANA name: only those of TLS 1.2 name a key exchange.
pub fn suite_version(name: &str) -> TlsVersion {
    if name.to_uppercase().contains("_WITH_") {
        TlsVersion::Tls12
    } else {
        TlsVersion::Tls13
    }
}

/// Refuses suites of versions that no cell offers.
pub(super) fn check(suites: &[String], cells: &[Cell]) -> Result<(), Problem> {
    let offered = |version| cells.iter().any(|cell| cell.versions.contains(&version));
    for name in suites {
        let version = suite_version(name);
        refuse(
            !offered(version),
            "tls.suites",
            format!(
                "{name} is a suite of TLS {version}, which is not offered, so it has no effect"
            ),
            format!(
                "drop it, or offer TLS {version} too (matrix.tls; --tlsv1.2, --tlsv1.3, --tls-max)"
            ),
        )?;
    }
    Ok(())
}
