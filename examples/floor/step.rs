//! TCP sessions on loopback with the fewest system calls: connect, turns of a write and a read, an orderly close.
//! Sessions of the client go in step: several, as a load generator's would, so that it seldom sleeps, or one.

use std::io::Read;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use shakedown::affinity::pin_current;
use shakedown::clock::thread_cpu;

use crate::pair::Times;

/// One end of one session: what it says in each turn, and how it knows that it has heard the other's turn.
pub trait End {
    /// Sends what is due in a turn.
    fn send(&mut self, turn: usize, stream: &mut TcpStream);
    /// Receives what the other end sends in a turn.
    fn receive(&mut self, turn: usize, stream: &mut TcpStream);
    /// Says that it is done, ahead of the end of the stream.
    fn close(&mut self, stream: &mut TcpStream);
    /// Receives until the stream ends.
    fn drain(&mut self, stream: &mut TcpStream);
}

/// How many sessions, and how.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Turns of each, the close apart.
    pub turns: usize,
    pub at_once: u32,
    /// Sessions that do not count, and those that do.
    pub sessions: [u32; 2],
    pub server_core: Option<usize>,
}

/// Makes the sessions and sums up the CPU time of each end's threads in those that count.
pub fn sessions<C: End, S: End>(
    plan: Plan,
    client: impl Fn() -> C,
    server: impl Fn() -> S + Sync,
) -> Times {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let rounds = plan.sessions.map(|n| n.div_ceil(plan.at_once));
    let (listener, server) = (&listener, &server);
    std::thread::scope(|scope| {
        let serve = |_| scope.spawn(move || serve(plan, listener, server, rounds));
        let servers: Vec<_> = (0..plan.at_once).map(serve).collect();
        let mut used = Duration::ZERO;
        for (counts, rounds) in [(false, rounds[0]), (true, rounds[1])] {
            let before = thread_cpu();
            for _ in 0..rounds {
                round(plan, addr, &client);
            }
            if counts {
                used = thread_cpu().saturating_sub(before);
            }
        }
        // The last round may be more than was asked for.
        let share = f64::from(plan.sessions[1]) / f64::from(rounds[1] * plan.at_once);
        let server: Duration = servers.into_iter().map(|s| s.join().unwrap()).sum();
        Times {
            client: used.mul_f64(share),
            server: server.mul_f64(share),
        }
    })
}

/// Sessions in step.
fn round<C: End>(plan: Plan, addr: SocketAddr, client: &impl Fn() -> C) {
    let connect = |_| TcpStream::connect(addr).unwrap();
    let streams: Vec<_> = (0..plan.at_once).map(connect).collect();
    let mut all: Vec<_> = streams.into_iter().map(|s| (client(), s)).collect();
    for turn in 0..plan.turns {
        for (end, stream) in &mut all {
            end.send(turn, stream);
        }
        for (end, stream) in &mut all {
            end.receive(turn, stream);
        }
    }
    for (end, stream) in &mut all {
        end.close(stream);
        stream.shutdown(Shutdown::Write).unwrap();
    }
    for (end, stream) in &mut all {
        end.drain(stream);
    }
}

/// The server's end of as many sessions as there are rounds. Returns its CPU time in those that count.
fn serve<S: End>(
    plan: Plan,
    listener: &TcpListener,
    server: &impl Fn() -> S,
    rounds: [u32; 2],
) -> Duration {
    if plan.server_core.is_some() {
        pin_current("server".to_owned(), plan.server_core);
    }
    let mut before = Duration::ZERO;
    for round in 0..rounds[0] + rounds[1] {
        if round == rounds[0] {
            before = thread_cpu();
        }
        let (mut stream, _) = listener.accept().unwrap();
        let mut end = server();
        for turn in 0..plan.turns {
            end.receive(turn, &mut stream);
            end.send(turn, &mut stream);
        }
        end.drain(&mut stream);
        end.close(&mut stream);
    }
    thread_cpu().saturating_sub(before)
}

/// Reads once, what came in one piece where it has come.
pub fn read(stream: &mut impl Read, buffer: &mut [u8]) -> usize {
    let came = stream.read(buffer).unwrap();
    assert!(came > 0, "the other end closed early");
    came
}
