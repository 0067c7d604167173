//! The generator's heap for each idle session that is held, by an allocator that counts. The server is another
//! process, so its end is not in it; sockets are the kernel's and not in it, either.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot run must stop at once"
)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use shakedown::load::{Event, Interrupt};
use shakedown::runner::prepare;
use shakedown::scenario::Scenario;
use tokio::sync::watch;

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

/// Sessions that are held at once. What a process needs without any is in both and drops out.
const HELD: [u64; 2] = [200, 600];
/// What one may take, in KiB: twenty thousand of them in less than a quarter of a GiB.
const MOST_KIB: f64 = 12.0;

fn main() {
    let _counting = dhat::Profiler::builder().testing().build();
    let dir = tempfile::tempdir().unwrap();
    let pki = dir.path().join("pki");
    let minted = shakedown().args(["pki", "new"]).arg(&pki).output();
    assert!(minted.unwrap().status.success());
    let server = Server::start(&pki);
    for version in ["1.3", "1.2"] {
        let heap = HELD.map(|count| heap_while_held(&server, &pki, version, count));
        let each = (heap[1] - heap[0]) as f64 / (HELD[1] - HELD[0]) as f64 / 1024.0;
        println!("memory/held/tls{version}/mutual: {each:.2} KiB of heap per session");
        assert!(each < MOST_KIB, "that is more than {MOST_KIB} KiB");
    }
}

/// Bytes on the heap while so many mTLS sessions are held: the least that is seen, when nothing is under way.
fn heap_while_held(server: &Server, pki: &Path, version: &str, count: u64) -> usize {
    let (port, pki) = (server.port, pki.display());
    let text = format!(
        "version = 1\nname = \"memory\"\n[target]\nurl = \"tls://localhost:{port}\"\n\
         [tls]\ncacert = \"{pki}/ca.pem\"\n[identity]\ncert = \"{pki}/client-0.pem\"\nkey = \"{pki}/client-0.key\"\n\
         [protocol]\nkind = \"echo\"\n[load]\nsessions = {count}\ntotal = {count}\nhold = \"1s\"\n\
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

fn shakedown() -> Command {
    Command::new(env!("CARGO_BIN_EXE_shakedown"))
}

/// `shakedown serve`, until it is dropped.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(pki: &Path) -> Self {
        let mut process = shakedown()
            .args(["serve", "--protocol", "echo", "--listen", "127.0.0.1:0"])
            .arg("--pki")
            .arg(pki)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let after_colon = line.rsplit(':').next().unwrap();
        let port = after_colon.split(' ').next().unwrap().parse().unwrap();
        Self { process, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
