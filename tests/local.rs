//! The generator's own host runs out of something: named as ours, not the server's. Alone in its
//! process, because it lowers a limit of the process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::fs;
use std::net::TcpListener;

use common::{assert_accounted, evidence, scenario};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use shakedown::load::Interrupt;
use shakedown::runner::prepare;
use tokio::sync::watch;

#[test]
fn running_out_of_files_is_our_failure() {
    // Connections are accepted by the kernel and by nobody else, so that only we need files.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut plan = scenario(
        "[load]\nsessions = 40\nduration = \"1s\"\nwarmup = \"0s\"\ngrace = \"0s\"\n\
         [protocol]\nkind = \"echo\"\n[workers]\ncount = 1\n",
    );
    plan.target.url = Some(format!("tcp://127.0.0.1:{port}"));
    let prepared = prepare(plan.check("test", "").unwrap()).unwrap();
    // The preflight found enough; then something else took it.
    let open = fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, open + 20, hard).unwrap();
    let (_sender, control) = watch::channel(Interrupt::None);
    let record = prepared.run(vec![], &control, &mut |_| {});
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    let record = record.unwrap();
    assert_accounted(&record);
    let total = record.cells[0].total();
    let files = total.failed["local.files"].count;
    let silent = total.unanswered_total();
    assert_eq!(total.failed.len(), 2, "{total:?}");
    assert!(files > 0 && silent > 0, "{total:?}");
    assert_eq!(total.cancelled_total(), 0, "{total:?}");
    let exhausted = |note: &shakedown::record::Note| note.code == "generator-exhausted";
    assert!(record.validity.reasons.iter().any(exhausted));
    let lost = total.started - files - silent;
    evidence(
        "outcomes",
        "out_of_files",
        &[("sessions", total.started), ("lost", lost)],
    );
}
