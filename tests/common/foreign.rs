//! What tools that others wrote read out of our reports.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether the tools are installed. Where they have to be and are not, the test fails.
fn there() -> bool {
    let tools = root().join("target/tools/python");
    let there = ["hdrh", "opentelemetry", "prometheus_client"];
    let there = there.iter().all(|tool| tools.join(tool).is_dir());
    let required = std::env::var_os("SHAKEDOWN_REQUIRE_SERVERS").is_some();
    let names = "hdrhistogram, opentelemetry-proto and prometheus-client are not";
    assert!(
        there || !required,
        "{names} installed; run scripts/install-deps"
    );
    if !there {
        eprintln!("skipped: {names} there; scripts/install-deps installs them");
    }
    there
}

/// The command that receives OpenTelemetry metrics and writes each message to `file`.
#[allow(dead_code, reason = "one test binary uses it")]
pub fn collector(file: &Path) -> Option<Command> {
    there().then(|| {
        let mut command = Command::new("python3");
        command.arg(script()).arg("collector").arg(file);
        command
    })
}

fn script() -> PathBuf {
    root().join("scripts/foreign-reports.py")
}

/// What a tool that others wrote reads out of one of our reports: `scripts/foreign-reports.py` with these
/// arguments, as JSON. Nothing where the tool is not installed and need not be.
pub fn foreign(args: &[&str]) -> Option<serde_json::Value> {
    if !there() {
        return None;
    }
    let output = Command::new("python3")
        .arg(script())
        .args(args)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {error}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}
