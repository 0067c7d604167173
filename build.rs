//! Tells the build what it is: the git revision, and the versions of the crates that shape results.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// Crates whose version belongs into every result file.
const CRATES: [&str; 8] = [
    "aws-lc-rs",
    "aws-lc-sys",
    "hdrhistogram",
    "rcgen",
    "rustls",
    "rustls-webpki",
    "tokio",
    "httparse",
];

fn main() {
    println!("cargo:rerun-if-changed=Cargo.lock");
    println!("cargo:rerun-if-changed=build.rs");
    for file in ["HEAD", "index"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file])
            && Path::new(&path).exists()
        {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    println!("cargo:rustc-env=SHAKEDOWN_GIT_REVISION={}", revision());
    println!("cargo:rustc-env=SHAKEDOWN_CRATES={}", crates());
    println!(
        "cargo:rustc-env=SHAKEDOWN_PROFILE={}",
        env::var("PROFILE").unwrap_or_default()
    );
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The commit, with `+dirty` if the tree differs from it; `unknown` outside of git.
fn revision() -> String {
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    match changed.as_deref() {
        Some("") => commit,
        _ => format!("{commit}+dirty"),
    }
}

/// `name=version` of each of [`CRATES`] in `Cargo.lock`.
fn crates() -> String {
    let lock = fs::read_to_string("Cargo.lock").unwrap_or_default();
    let mut found = Vec::new();
    let mut name = "";
    for line in lock.lines() {
        if let Some(rest) = line.strip_prefix("name = ") {
            name = rest.trim_matches('"');
        } else if let Some(rest) = line.strip_prefix("version = ")
            && CRATES.contains(&name)
        {
            found.push(format!("{name}={}", rest.trim_matches('"')));
        }
    }
    found.join(",")
}
