//! Events of fleets from files: certificates that are replaced while they are used, lists and hooks, and what is refused.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use super::common::process::{Running, code, serve, shakedown, text};
use super::common::{assert_accounted, reasons, total};
use super::{S, after, before, event};
use shakedown::pki::{Pki, PkiSpec};
use shakedown::record::RunRecord;
use shakedown::stats::Timing;

/// Identities of a mounted folder.
const MOUNTED: usize = 4;

/// A server, and a folder `mount` as kubelet makes it: `0.pem` is a link into `..data`, which is a link to a generation
/// of certificates.
fn mounted(dir: &Path) -> (Running, u16) {
    let spec = PkiSpec {
        clients: 4 * MOUNTED,
        ..PkiSpec::default()
    };
    Pki::mint(&spec)
        .unwrap()
        .write(&dir.join("pki"), false)
        .unwrap();
    fs::create_dir(dir.join("mount")).unwrap();
    swap(dir, 0);
    for n in 0..MOUNTED {
        for end in ["pem", "key"] {
            let name = format!("{n}.{end}");
            symlink(format!("..data/{name}"), dir.join("mount").join(name)).unwrap();
        }
    }
    let (server, port) = serve(dir, "pki", "127.0.0.1:0");
    (server, port)
}

/// Puts a generation in place by the rename of a link, and removes the old one.
fn swap(dir: &Path, generation: usize) {
    let mount = dir.join("mount");
    let folder = format!("..{generation}");
    fs::create_dir(mount.join(&folder)).unwrap();
    for n in 0..MOUNTED {
        let issued = generation * MOUNTED + n;
        for end in ["pem", "key"] {
            let from = dir.join(format!("pki/client-{issued}.{end}"));
            fs::copy(from, mount.join(&folder).join(format!("{n}.{end}"))).unwrap();
        }
    }
    symlink(&folder, mount.join("..next")).unwrap();
    let old = fs::read_link(mount.join("..data")).ok();
    fs::rename(mount.join("..next"), mount.join("..data")).unwrap();
    if let Some(old) = old {
        fs::remove_dir_all(mount.join(old)).unwrap();
    }
}

/// Runs a load with a fleet and events against a server elsewhere.
fn loaded(dir: &Path, port: u16, args: &[&str]) -> Output {
    let url = format!("tls://localhost:{port}");
    shakedown(dir)
        .args(["run", &url, "--cacert", "pki/ca.pem"])
        .args(["-q", "-o", "out.json", "--workers", "2"])
        .args(args)
        .output()
        .unwrap()
}

/// A revocation that the server is told nothing of, but whose hook says that every identity has had its turn.
const TELLS: &str = "revoke:at=1s,crl=lists.pem,ca=pki/intermediate.pem,ca-key=pki/intermediate.key,hook=touch loaded";

/// Arguments of a load that says when it has begun.
fn telling(load: &str) -> Vec<&str> {
    load.split(' ').chain(["--event", TELLS]).collect()
}

/// Waits until the load has begun, however busy the machine is.
fn wait_for_load(dir: &Path) {
    while !dir.join("loaded").exists() {
        sleep(Duration::from_millis(20));
    }
}

/// Runs a load of two seconds in which identities are revoked; `more` ends with the hook.
fn revoking(dir: &Path, port: u16, more: &str) -> Output {
    let ca = "ca=pki/intermediate.pem,ca-key=pki/intermediate.key";
    let event = format!("revoke:at=1s,crl=lists.pem,{ca},{more}");
    let load = "--protocol echo --fleet mount/*.pem --rate 20/s --warmup 0s -d 2s";
    let mut args: Vec<&str> = load.split(' ').collect();
    args.extend(["--event", &event]);
    loaded(dir, port, &args)
}

fn result(dir: &Path, output: &Output) -> RunRecord {
    let json = fs::read(dir.join("out.json"));
    let json = json.unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let record: RunRecord = serde_json::from_slice(&json).unwrap();
    assert_accounted(&record);
    record
}

#[test]
fn files_are_taken_over_as_kubelet_writes_them() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, port) = mounted(dir.path());
    let output = scope(|threads| {
        threads.spawn(|| {
            for generation in 1..=2 {
                wait_for_load(dir.path());
                sleep(Duration::from_millis(1_200 * generation as u64));
                swap(dir.path(), generation);
            }
        });
        let load = "--protocol echo --fleet mount/*.pem --rate 40/s --warmup 0s -d 8s --event renew:at=10ms";
        loaded(dir.path(), port, &telling(load))
    });
    let record = result(dir.path(), &output);
    let event = event(&record, 0);
    assert_eq!(total(&record).failed_total(), 0, "{:?}", total(&record));
    let changes = event.changes.as_ref().unwrap();
    // Each file is looked at every second; a swap between two looks is one change.
    let times = changes.changed;
    assert!((4..=8).contains(&times), "{changes:?}");
    let (old, new) = (&before(event).sessions, &after(event).sessions);
    assert_eq!(old.ok_total() + new.ok_total(), 320);
    assert!(old.ok_total() >= 40 && new.ok_total() >= 40, "{event:?}");
}

#[test]
fn new_files_that_are_none_leave_the_old_certificate_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, port) = mounted(dir.path());
    let data = dir.path().join("mount/..data");
    let spoilt = AtomicBool::new(false);
    let output = scope(|threads| {
        threads.spawn(|| {
            wait_for_load(dir.path());
            let whole = fs::read(data.join("0.pem")).unwrap();
            fs::write(data.join("0.pem"), &whole[..whole.len() / 2]).unwrap();
            fs::copy(dir.path().join("pki/client-9.pem"), data.join("1.pem")).unwrap();
            fs::remove_file(data.join("2.key")).unwrap();
            spoilt.store(true, Ordering::Relaxed);
        });
        let load =
            "--protocol echo --fleet fleet.csv --rate 40/s --warmup 0s -d 5s --event renew:at=10ms";
        let rows = (0..MOUNTED).map(|n| format!("mount/{n}.pem,mount/{n}.key\n"));
        let manifest = format!("cert,key\n{}", rows.collect::<String>());
        fs::write(dir.path().join("fleet.csv"), manifest).unwrap();
        loaded(dir.path(), port, &telling(load))
    });
    assert!(spoilt.load(Ordering::Relaxed));
    let record = result(dir.path(), &output);
    assert_eq!(total(&record).ok_total(), 200, "{:?}", total(&record));
    let changes = event(&record, 0).changes.as_ref().unwrap();
    assert_eq!(changes.changed, 0);
    for trouble in ["unusable", "mismatch", "unreadable"] {
        assert!(
            changes.refused.get(trouble).is_some_and(|count| *count > 0),
            "{changes:?}"
        );
    }
}

#[test]
fn a_list_is_written_and_its_hook_run() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, port) = mounted(dir.path());
    // What is in the file already stays, but for the list of the same authority.
    let foreign = Pki::mint(&PkiSpec::default())
        .unwrap()
        .mint_faults()
        .unwrap();
    foreign_list(dir.path(), &foreign);
    let hook = "share=0.5,hook=cp lists.pem seen.pem; echo read";
    let record = result(dir.path(), &revoking(dir.path(), port, hook));
    let event = event(&record, 0);
    assert_eq!((event.revoked, &event.error), (Some(2), &None));
    assert!(event.hook_ended_ns.unwrap() >= event.in_place_ns.unwrap());
    let seen = shakedown::pki::load_crls(&dir.path().join("seen.pem")).unwrap();
    assert_eq!(seen.len(), 2, "ours, and the foreign one");
    let listed = std::process::Command::new("openssl")
        .args(["crl", "-in", "seen.pem", "-noout", "-text"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert_eq!(text(&listed.stdout).matches("Serial Number:").count(), 2);
    // This server was told nothing, so all go on, and that is what is reported.
    assert_eq!(total(&record).failed_total(), 0);
    assert!(matches!(event.reaction(), Some(Timing::Beyond(ns)) if ns > S / 2));
}

/// A file with a list of an authority of others.
fn foreign_list(dir: &Path, faults: &shakedown::pki::Faults) {
    let list = faults.crls()[0].clone();
    shakedown::pki::revoked_in(&dir.join("lists.pem"), list).unwrap();
}

#[test]
fn a_hook_that_fails_makes_the_run_invalid_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, port) = mounted(dir.path());
    let hook = "hook=echo no such process >&2; exit 3";
    let output = revoking(dir.path(), port, hook);
    assert_eq!(code(&output), 106, "{}", text(&output.stderr));
    let record = result(dir.path(), &output);
    assert!(reasons(&record).contains(&"event-failed"));
    let error = event(&record, 0).error.as_ref().unwrap();
    assert!(
        error.contains("exit status: 3") && error.contains("no such process"),
        "{error}"
    );
}

#[test]
fn a_hook_that_hangs_does_not_outlive_the_trial() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, port) = mounted(dir.path());
    let hook = "hook=echo $$ > pid; sleep 600";
    let record = result(dir.path(), &revoking(dir.path(), port, hook));
    let error = event(&record, 0).error.as_ref().unwrap();
    assert!(
        error.contains("had not ended when the trial did"),
        "{error}"
    );
    let pid = fs::read_to_string(dir.path().join("pid")).unwrap();
    assert!(
        !Path::new(&format!("/proc/{}", pid.trim())).exists(),
        "it still runs"
    );
}

#[test]
fn wrong_events_are_refused_with_the_next_step() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, port) = mounted(dir.path());
    let ca = "ca=pki/ca.pem,ca-key=pki/root.key";
    for (event, more, words) in [
        ("explode:at=1s", "", "renew, revoke, expire or drop"),
        ("drop:at=1s", "--protocol echo", "write load.hold (--hold)"),
        ("drop:at=9s", "--hold 1s", "the load has ended by then"),
        (
            "drop:over=1s",
            "--hold 1s",
            "says nothing about the event drop",
        ),
        (
            "drop:share=0,at=1s",
            "--hold 1s",
            "it would happen to nobody",
        ),
        ("drop", "--hold 1s", "write at = \"10s\""),
        (
            "drop:at=1s",
            "--hold 1s --protocol handshake",
            "cannot be dropped",
        ),
        (
            "renew:at=1s,overlap=1s",
            "",
            "say themselves how long they are valid",
        ),
        ("expire:at=1s", "", "say themselves when they expire"),
        ("renew:at=1s,group=gate", "", "no group \"gate\""),
        (
            "revoke:at=1s",
            "",
            "no file from which the server could read it",
        ),
        (
            "revoke:at=1s,crl=x.pem",
            "",
            "only the authority that issued",
        ),
        (
            &format!("revoke:at=1s,crl=x.pem,{ca}"),
            "",
            "did not issue the certificates",
        ),
        ("revoke:at=1s,crl=x.pem,ca=no.pem", "", "cannot read"),
        ("renew:at=1s", "--resumption ticket", "drop [resumption]"),
    ] {
        let mut args = vec![
            "--fleet",
            "mount/*.pem",
            "--rate",
            "20/s",
            "-d",
            "2s",
            "--event",
            event,
        ];
        args.extend(more.split_whitespace());
        let output = loaded(dir.path(), port, &args);
        let said = text(&output.stderr).replace('\n', " ");
        assert!(said.contains(words), "{event}: {said}");
        assert!(
            matches!(output.status.code(), Some(1 | 2 | 104)),
            "{event}: {said}"
        );
    }
    let output = shakedown(dir.path())
        .args(["run", "--event", "renew:at=1s", "-n", "4"])
        .output();
    let said = text(&output.unwrap().stderr);
    assert!(said.contains("write [fleet]"), "{said}");
}
