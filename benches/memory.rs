//! The generator's heap per held idle session, by a counting allocator. Excludes the server, which is another process,
//! and the kernel's sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot run must stop at once"
)]

#[path = "../tests/common/process.rs"]
#[allow(dead_code, reason = "tests use the rest")]
mod process;

use std::path::Path;

use shakedown::load::{Event, Interrupt};
use shakedown::runner::prepare;
use shakedown::scenario::Scenario;
use tokio::sync::watch;

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

/// Sessions held at once. The process's own needs cancel out.
const HELD: [u64; 2] = [200, 600];
/// The protocols with their limit per session, in KiB: 20,000 of most in less than a quarter of a GiB.
const MOST_KIB: [(&str, f64); 5] = [
    ("echo", 12.0),
    ("http1", 12.0),
    ("mqtt", 12.0),
    ("postgres", 12.0),
    ("http2", 24.0),
];

fn main() {
    let _counting = dhat::Profiler::builder().testing().build();
    let dir = tempfile::tempdir().unwrap();
    let pki = dir.path().join("pki");
    assert!(process::run(dir.path(), "pki new pki").status.success());
    let mut over = Vec::new();
    for (protocol, most) in MOST_KIB {
        let (_server, port) = process::serve_protocol(dir.path(), "pki", "127.0.0.1:0", protocol);
        for version in ["1.3", "1.2"] {
            let heap = HELD.map(|count| heap_while_held(port, &pki, (protocol, version), count));
            let each = (heap[1] - heap[0]) as f64 / (HELD[1] - HELD[0]) as f64 / 1024.0;
            println!(
                "memory/held/{protocol}/tls{version}/mutual: {each:.2} KiB of heap per session"
            );
            if each >= most {
                over.push(format!("{protocol}, TLS {version}: more than {most} KiB"));
            }
        }
    }
    assert!(over.is_empty(), "{over:?}");
}

/// Bytes on the heap while this many mTLS sessions are held: the minimum seen, when none is under way.
fn heap_while_held(port: u16, pki: &Path, (protocol, version): (&str, &str), count: u64) -> usize {
    let pki = pki.display();
    let keys = match protocol {
        "postgres" => "user = \"app\"\nsslnegotiation = \"direct\"\n",
        _ => "",
    };
    let text = format!(
        "version = 1\nname = \"memory\"\n[target]\nurl = \"tls://localhost:{port}\"\n\
         [tls]\ncacert = \"{pki}/ca.pem\"\n[identity]\ncert = \"{pki}/client-0.pem\"\nkey = \"{pki}/client-0.key\"\n\
         [protocol]\nkind = \"{protocol}\"\n{keys}[load]\nsessions = {count}\ntotal = {count}\nhold = \"1s\"\n\
         [workers]\ncount = 1\n[trials]\ncount = 1\n[matrix]\nauth = [\"mutual\"]\ntls = [\"{version}\"]\n",
    );
    let scenario = Scenario::parse("memory", &text).unwrap();
    let checked = scenario.check("memory", &text).unwrap();
    let (_sender, control) = watch::channel(Interrupt::None);
    let mut least = usize::MAX;
    let record = prepare(checked)
        .unwrap()
        .run(Vec::new(), &control, &mut |event| {
            if matches!(event, Event::Tick { live, .. } if live.held == count) {
                least = least.min(dhat::HeapStats::get().curr_bytes);
            }
        })
        .unwrap();
    assert_eq!(record.cells[0].trials[0].total.ok_total(), count);
    assert_eq!(record.cells[0].trials[0].held_max, count);
    least
}
