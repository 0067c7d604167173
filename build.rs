//! Tells the build what it is: the git revision, and the versions of the crates that shape results.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// Crates whose version belongs into every result file, and the feature without which they are not built.
const CRATES: [(&str, Option<&str>); 15] = [
    ("aws-lc-fips-sys", Some("FIPS")),
    ("aws-lc-rs", None),
    ("aws-lc-sys", None),
    ("boring-rustls-provider", Some("BORING")),
    ("graviola", Some("GRAVIOLA")),
    ("hdrhistogram", None),
    ("httparse", None),
    ("rcgen", None),
    ("ring", None),
    ("rustls", None),
    ("rustls-graviola", Some("GRAVIOLA")),
    ("rustls-openssl", Some("OPENSSL")),
    ("rustls-rustcrypto", Some("RUSTCRYPTO")),
    ("rustls-webpki", None),
    ("tokio", None),
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

/// `name=version` of each of [`CRATES`] that is built, from `Cargo.lock`.
fn crates() -> String {
    let lock = fs::read_to_string("Cargo.lock").unwrap_or_default();
    let built = |feature: &Option<&str>| {
        feature.is_none_or(|name| env::var_os(format!("CARGO_FEATURE_{name}")).is_some())
    };
    let mut found = Vec::new();
    let mut name = "";
    for line in lock.lines() {
        if let Some(rest) = line.strip_prefix("name = ") {
            name = rest.trim_matches('"');
        } else if let Some(rest) = line.strip_prefix("version = ")
            && CRATES
                .iter()
                .any(|(known, feature)| *known == name && built(feature))
        {
            found.push(format!("{name}={}", rest.trim_matches('"')));
        }
    }
    found.join(",")
}
