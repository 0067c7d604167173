//! The image of `examples/container`: built by its own script, and run as a cluster would, not as root and on a
//! read-only file system.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use common::assert_accounted;
use common::installed::installed;
use common::process::{text, went};
use shakedown::record::RunRecord;

/// Whom the image runs as.
const USER: u32 = 65532;

/// Runs a command in a folder whose image store is `store`, and returns what it said and its status.
fn sh(dir: &Path, script: &str) -> (i32, String) {
    let output = Command::new("bash")
        .args(["-euc", script])
        .current_dir(dir)
        .env("CONTAINERS_STORAGE_CONF", dir.join("storage.conf"))
        .env("BUILDAH_ISOLATION", "chroot")
        .env("shakedown", env!("CARGO_BIN_EXE_shakedown"))
        .env("root", env!("CARGO_MANIFEST_DIR"))
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    (output.status.code().unwrap(), said)
}

fn done(dir: &Path, script: &str) -> String {
    let (status, said) = sh(dir, script);
    assert_eq!(status, 0, "{script}\n{said}");
    said
}

/// The image in a store of its own, as the container `test`; `None` where it cannot be built.
fn image() -> Option<tempfile::TempDir> {
    if !["buildah", "strip"].into_iter().all(installed) {
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let (status, _) = sh(dir.path(), "unshare --mount true");
    if status != 0 {
        eprintln!("skipped: an image is mounted as root, and where mounts are allowed");
        return None;
    }
    let at = dir.path().display();
    let conf = format!(
        "[storage]\ndriver = \"vfs\"\ngraphroot = \"{at}/store\"\nrunroot = \"{at}/run\"\n"
    );
    fs::write(dir.path().join("storage.conf"), conf).unwrap();
    // Everybody may look for its results there, which belong to the image's user.
    done(
        dir.path(),
        "chmod 755 . && mkdir results && chown 65532:65532 results
         $root/examples/container/build.sh $shakedown shakedown:test
         buildah from --name test localhost/shakedown:test",
    );
    Some(dir)
}

#[test]
fn the_image_runs_without_root_and_writes_only_its_results() {
    let Some(dir) = image() else { return };
    let dir = dir.path();

    // As its settings say.
    let config = done(dir, "buildah inspect --format '{{.OCIv1.Config}}' test");
    for part in ["65532:65532", "[/usr/bin/shakedown]", "/results"] {
        assert!(config.contains(part), "{part}: {config}");
    }
    let version = done(dir, "buildah run test /usr/bin/shakedown --version");
    let expected = format!("shakedown {}", env!("CARGO_PKG_VERSION"));
    assert!(version.contains(&expected), "{version}");

    // Nothing in it but the binary, its libraries and one setting.
    let files = done(dir, "cd $(buildah mount test) && find . -type f");
    let ours = files.lines().filter(|line| {
        ![
            "/etc/hosts",
            "/etc/hostname",
            "/etc/resolv.conf",
            "/run/.containerenv",
        ]
        .into_iter()
        .any(|made_by_buildah| line.ends_with(made_by_buildah))
    });
    for file in ours {
        let expected =
            file.contains("/lib") || ["./usr/bin/shakedown", "./etc/nsswitch.conf"].contains(&file);
        assert!(expected, "{file} among {files}");
    }

    // On a read-only file system, in a network without anybody else.
    let run = r#"
image=$(buildah mount test)
mkdir -p "$image/proc"
exec unshare --mount --net bash -euc '
  ip link set lo up
  mount --bind "$0" "$0"
  mount -t proc proc "$0/proc"
  mount --bind results "$0/results"
  mount -o remount,bind,ro "$0"
  exec chroot --userspec=65532:65532 "$0" /usr/bin/shakedown run mtls-tax --auth mutual \
    --rate 50/s --warmup 100ms --duration 400ms --trials 1 --quiet --output /results/result.json
' "$image"
"#;
    let (status, said) = sh(dir, run);
    assert!(went(status, &said), "{status}: {said}");
    let results: Vec<_> = fs::read_dir(dir.join("results")).unwrap().collect();
    assert_eq!(results.len(), 1, "{results:?}");
    let result = dir.join("results/result.json");
    assert_eq!(result.metadata().unwrap().uid(), USER);
    let record: RunRecord = serde_json::from_slice(&fs::read(result).unwrap()).unwrap();
    assert_accounted(&record);
    assert_eq!(record.cells[0].trials[0].total.failed_total(), 0);
    assert!(record.cells[0].trials[0].total.ok_total() >= 20);
}
