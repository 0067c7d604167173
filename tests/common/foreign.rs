//! What tools that others wrote read out of our reports.

use std::path::Path;
use std::process::Command;

/// What a tool that others wrote reads out of one of our reports: `scripts/foreign-reports.py` with these
/// arguments, as JSON. Nothing where the tool is not installed and need not be.
pub fn foreign(args: &[&str]) -> Option<serde_json::Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tools = root.join("target/tools/python");
    let there = tools.join("hdrh").is_dir() && tools.join("prometheus_client").is_dir();
    let required = std::env::var_os("SHAKEDOWN_REQUIRE_SERVERS").is_some();
    assert!(
        there || !required,
        "hdrhistogram and prometheus-client are not installed; run scripts/install-deps"
    );
    if !there {
        eprintln!(
            "skipped: hdrhistogram and prometheus-client are not there; scripts/install-deps installs them"
        );
        return None;
    }
    let output = Command::new("python3")
        .arg(root.join("scripts/foreign-reports.py"))
        .args(args)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {error}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}
