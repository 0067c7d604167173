//! TCP sessions on loopback with given bytes and the fewest system calls: connect, turns, an orderly close. Sessions of
//! the client go in step: several, as a load generator's would, so that it seldom sleeps, or one. Knows no TLS.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use shakedown::affinity::pin_current;
use shakedown::clock::thread_cpu;
use shakedown::scenario::TlsVersion;

use crate::pair::Times;

/// Bytes that a record of AES-GCM adds: header, tag, and the explicit nonce (TLS 1.2) or content type (1.3).
pub fn record_overhead(version: TlsVersion) -> usize {
    match version {
        TlsVersion::Tls12 => 5 + 8 + 16,
        TlsVersion::Tls13 => 5 + 1 + 16,
    }
}

/// Moves `turns` (the client's first, then in turns; the last closes, both ways) in so many sessions, `at_once` of
/// them in step, after some that do not count, and sums up the CPU time of each end's threads.
pub fn sessions(
    turns: &[usize],
    at_once: u32,
    [warmup, sessions]: [u32; 2],
    server_core: Option<usize>,
) -> Times {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let (listener, rounds) = (&listener, [warmup, sessions].map(|n| n.div_ceil(at_once)));
    std::thread::scope(|scope| {
        let serve = |_| scope.spawn(move || serve(listener, turns, rounds, server_core));
        let servers: Vec<_> = (0..at_once).map(serve).collect();
        let mut used = Duration::ZERO;
        for (counts, rounds) in [(false, rounds[0]), (true, rounds[1])] {
            let before = thread_cpu();
            for _ in 0..rounds {
                round(addr, turns, at_once);
            }
            if counts {
                used = thread_cpu().saturating_sub(before);
            }
        }
        // The last round may be more than was asked for.
        let share = f64::from(sessions) / f64::from(rounds[1] * at_once);
        let server: Duration = servers.into_iter().map(|s| s.join().unwrap()).sum();
        Times {
            client: used.mul_f64(share),
            server: server.mul_f64(share),
        }
    })
}

/// Sessions in step.
fn round(addr: SocketAddr, turns: &[usize], at_once: u32) {
    let mut buffer = [0; 16_384];
    let connect = |_| TcpStream::connect(addr).unwrap();
    let mut streams: Vec<TcpStream> = (0..at_once).map(connect).collect();
    let (closing, turns) = turns.split_last().unwrap();
    for turn in turns.chunks(2) {
        for stream in &mut streams {
            stream.write_all(&buffer[..turn[0]]).unwrap();
        }
        for stream in &mut streams {
            receive(stream, &mut buffer, turn[1]);
        }
    }
    for stream in &mut streams {
        stream.write_all(&buffer[..*closing]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
    }
    for stream in &mut streams {
        while stream.read(&mut buffer).unwrap() > 0 {}
    }
}

/// The server's end of as many sessions as there are rounds. Returns its CPU time in those that count.
fn serve(
    listener: &TcpListener,
    turns: &[usize],
    rounds: [u32; 2],
    core: Option<usize>,
) -> Duration {
    if core.is_some() {
        pin_current("server".to_owned(), core);
    }
    let mut buffer = [0; 16_384];
    let mut before = Duration::ZERO;
    let (closing, turns) = turns.split_last().unwrap();
    for round in 0..rounds[0] + rounds[1] {
        if round == rounds[0] {
            before = thread_cpu();
        }
        let (mut stream, _) = listener.accept().unwrap();
        for turn in turns.chunks(2) {
            receive(&mut stream, &mut buffer, turn[0]);
            stream.write_all(&buffer[..turn[1]]).unwrap();
        }
        while stream.read(&mut buffer).unwrap() > 0 {}
        stream.write_all(&buffer[..*closing]).unwrap();
    }
    thread_cpu().saturating_sub(before)
}

/// Reads what was sent in one turn, in one call where it has come.
fn receive(stream: &mut TcpStream, buffer: &mut [u8], bytes: usize) {
    let mut left = bytes;
    while left > 0 {
        let came = stream.read(buffer).unwrap();
        assert!(came > 0, "the other end closed early");
        left -= came;
    }
}
