//! Whether a real server may be missing: the environment says so, the same for every test.

use std::path::Path;

/// Whether a program is there. Skips aloud where `SHAKEDOWN_SKIP_SERVERS` is set, and panics instead of
/// `false` where `SHAKEDOWN_REQUIRE_SERVERS` is.
pub fn installed(program: &str) -> bool {
    if std::env::var_os("SHAKEDOWN_SKIP_SERVERS").is_some() {
        eprintln!("skipped: {program}, because SHAKEDOWN_SKIP_SERVERS is set");
        return false;
    }
    let paths = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin";
    let found = paths
        .split(':')
        .any(|dir| Path::new(dir).join(program).is_file());
    let required = std::env::var_os("SHAKEDOWN_REQUIRE_SERVERS").is_some();
    assert!(
        found || !required,
        "{program} is not installed; run scripts/install-deps"
    );
    if !found {
        eprintln!("skipped: {program} is not installed; scripts/install-deps installs it");
    }
    found
}
