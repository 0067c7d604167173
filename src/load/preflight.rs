//! Before the run: does this host have the files, ports and memory the plan needs?

use std::net::{IpAddr, Ipv4Addr};

use super::limits::{PortRange, available_memory, raise_file_limit};
use crate::record::{Note, PreflightRecord};
use crate::shard::Shard;
use crate::units::{ByteSize, format_count};

/// Files that are open whatever the load: binary, results, epoll, timers.
const BASE_FILES: u64 = 64;
/// Seconds a closed connection keeps its port (`TCP_TIMEWAIT_LEN` of Linux).
pub(super) const TIME_WAIT_S: f64 = 60.0;
/// Part of the ephemeral range that is planned with, so that collisions stay rare.
pub(super) const USABLE_PORTS: f64 = 0.6;
/// Sessions per second that a worker is assumed to reach at most, for planning ports.
const CHURN_PER_WORKER: f64 = 3_000.0;
/// Most source addresses on loopback.
pub(super) const MOST_SOURCES: u8 = 200;

/// What a plan asks of this host.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of the plan")]
pub struct Resources {
    /// Most sessions in flight.
    pub sessions: u64,
    /// Asked arrivals per second, of an open loop. Its sessions in flight are a bound, and may stay few.
    pub rate: Option<f64>,
    /// Length of the load on one port of the target, in seconds.
    pub run_s: f64,
    /// Sessions to one port of the target, if there is a total.
    pub total: Option<u64>,
    /// Workers.
    pub workers: usize,
    /// Whether the target is in this process and needs its end of every session too.
    pub embedded: bool,
    /// Pairs of a local address and one that is connected to; each has all the ports.
    pub pairs: usize,
    /// Whether all of them are on loopback.
    pub loopback: bool,
    /// Whether loopback source addresses can be spread.
    pub spreads: bool,
    /// Whether sessions have TLS.
    pub tls: bool,
    /// Whether sessions are held, which most then are at any moment.
    pub held: bool,
    /// Whether connections take no ports, as to a Unix socket.
    pub portless: bool,
    /// Whether sessions are closed by RST, which leaves nothing in `TIME_WAIT`.
    pub resets: bool,
}

/// A plan this host cannot run, with the numbers.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// Not enough file descriptors.
    #[error(
        "{sessions} sessions need {needed} file descriptors and the hard limit is {limit}; \
         raise it (`ulimit -Hn`, LimitNOFILE=) or lower --sessions"
    )]
    Files {
        /// Sessions in flight.
        sessions: String,
        /// Descriptors needed.
        needed: String,
        /// Descriptors allowed.
        limit: String,
    },
    /// Not enough memory.
    #[error(
        "{sessions} sessions need at least {needed} of memory and {available} is available; lower --sessions"
    )]
    Memory {
        /// Sessions in flight.
        sessions: String,
        /// Memory needed.
        needed: String,
        /// Memory there is.
        available: String,
    },
}

/// Memory of one end of a session, user and kernel together, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct EndMemory {
    /// What it takes for sure.
    pub least: u64,
    /// What is planned with.
    pub planned: u64,
}

impl Resources {
    /// What one of several shards needs of its host: no shard has more than its share, rounded up. Each has as many
    /// workers.
    #[must_use]
    pub fn of_shard(self, shard: Shard) -> Self {
        let of = u64::from(shard.of.max(1));
        Self {
            sessions: self.sessions.div_ceil(of),
            rate: self.rate.map(|rate| rate / of as f64),
            total: self.total.map(|total| total.div_ceil(of)),
            ..self
        }
    }

    /// Computes what is needed and raises the soft file limit if that helps. What surely cannot work is
    /// refused; what may not is a shortage.
    ///
    /// Fails with the numbers if files or memory cannot suffice.
    pub(crate) fn check(&self) -> Result<PreflightRecord, PreflightError> {
        let mut shortages = Vec::new();
        let files_needed = self.files();
        let files_limit = match raise_file_limit(files_needed) {
            Ok(limit) => limit,
            Err(limit) if self.rate.is_some() => {
                shortages.push(Note::new(
                    "files-may-run-out",
                    format!(
                        "{} sessions in flight would need {} file descriptors, and the hard limit is {}",
                        format_count(self.in_flight()),
                        format_count(files_needed),
                        format_count(limit)
                    ),
                    "if they run out, sessions fail as local.files; raise the limit (`ulimit -Hn`, LimitNOFILE=) or lower --max-in-flight",
                ));
                limit
            }
            Err(limit) => {
                return Err(PreflightError::Files {
                    sessions: format_count(self.in_flight()),
                    needed: format_count(files_needed),
                    limit: format_count(limit),
                });
            }
        };
        shortages.extend(self.ports(&PortRange::of_host()));
        let memory_needed = self.memory(self.end_memory().planned);
        let memory_available = available_memory();
        if let Some(available) = memory_available {
            shortages.extend(self.memory_shortage(available)?);
        }
        Ok(PreflightRecord {
            files_needed,
            files_limit,
            memory_needed,
            memory_available,
            shortages,
        })
    }

    /// Addresses of 127.0.0.0/8 to spread connections over; none where one is enough, or cannot be chosen.
    pub(crate) fn sources(&self) -> Vec<IpAddr> {
        let count = self.sources_of(PortRange::of_host().ports);
        let addresses = (1..=count).map(|last| Ipv4Addr::new(127, 0, 0, last).into());
        addresses.filter(|_| count > 1).collect()
    }

    pub(super) fn ends(&self) -> u64 {
        if self.embedded { 2 } else { 1 }
    }

    /// Most sessions that can be in flight: no more than there are.
    pub(super) fn in_flight(&self) -> u64 {
        self.sessions.min(self.total.unwrap_or(u64::MAX))
    }

    pub(super) fn files(&self) -> u64 {
        self.in_flight()
            .saturating_mul(self.ends())
            .saturating_add(self.base_files())
    }

    /// Files that are open without any session.
    pub(super) fn base_files(&self) -> u64 {
        BASE_FILES + 8 * self.workers as u64
    }

    /// Measured, by `benches/memory.rs` and as docs/methodology.md says: 12 to 13 KiB of the process, whether a session
    /// waits in its handshake or is held, 4 KiB without TLS, and 4 KiB of the kernel for its socket. A flight that was not
    /// read takes 4 KiB more of the kernel.
    pub(super) fn end_memory(&self) -> EndMemory {
        let (least, planned) = match (self.tls, self.held) {
            (false, _) => (6, 12),
            (true, true) => (14, 17),
            (true, false) => (14, 24),
        };
        EndMemory {
            least: least << 10,
            planned: planned << 10,
        }
    }

    pub(super) fn memory(&self, per_end: u64) -> u64 {
        self.in_flight().saturating_mul(self.ends() * per_end)
    }

    fn memory_shortage(&self, available: u64) -> Result<Option<Note>, PreflightError> {
        let end = self.end_memory();
        let (least, planned) = (self.memory(end.least), self.memory(end.planned));
        if least > available && self.rate.is_none() {
            return Err(PreflightError::Memory {
                sessions: format_count(self.in_flight()),
                needed: mebibytes(least),
                available: mebibytes(available),
            });
        }
        Ok((planned > available).then(|| {
            Note::new(
                "memory-may-run-out",
                format!(
                    "{} sessions in flight may take {} of memory, and {} is available",
                    format_count(self.in_flight()),
                    mebibytes(planned),
                    mebibytes(available)
                ),
                "watch the memory of this host, or lower --sessions or --max-in-flight",
            )
        }))
    }

    /// Seconds that each connection keeps its port after its end: here, where we close first. Where the server does, the
    /// ports are free at once, which is not known beforehand.
    fn waited_s(&self) -> f64 {
        if self.resets {
            0.0
        } else {
            self.run_s.min(TIME_WAIT_S)
        }
    }

    /// Ports in use at once if every one is kept for `waited_s` after its connection's end.
    fn ports_used(&self, waited_s: f64) -> f64 {
        let total = self.total.map_or(f64::INFINITY, |total| total as f64);
        self.in_flight() as f64 + (self.rate.unwrap_or(0.0) * waited_s).min(total)
    }

    /// Source addresses needed so that sessions in flight and in `TIME_WAIT` find ports.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the value is clamped to the range of the type first"
    )]
    pub(super) fn sources_of(&self, ports: u64) -> u8 {
        let most = if self.spreads && !self.portless {
            MOST_SOURCES
        } else {
            1
        };
        let per_source = (ports as f64 * USABLE_PORTS).max(1.0) * self.pairs.max(1) as f64;
        let waited_s = self.waited_s();
        // The churn of a closed loop is a guess.
        let guessed = if self.rate.is_some() {
            0.0
        } else {
            let total = self.total.map_or(f64::INFINITY, |total| total as f64);
            (CHURN_PER_WORKER * self.workers as f64 * waited_s).min(total)
        };
        let needed = self.ports_used(waited_s) + guessed;
        (needed / per_source).ceil().clamp(1.0, f64::from(most)) as u8
    }

    /// Whether ports may run out: those in flight and those in `TIME_WAIT` against the range, which every
    /// pair of source and destination address has. Should they, that is counted as `local.ports`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole numbers of ports, printed"
    )]
    pub(super) fn ports(&self, range: &PortRange) -> Option<Note> {
        let sources = if self.spreads { MOST_SOURCES } else { 1 };
        let pairs = f64::from(sources) * self.pairs.max(1) as f64;
        let usable = range.ports as f64 * USABLE_PORTS * pairs;
        let waited_s = if range.reuses(self.loopback) {
            self.waited_s().min(range.reuse_after_s)
        } else {
            self.waited_s()
        };
        let used = self.ports_used(waited_s);
        (used > usable && !self.portless).then(|| {
            let rate = self.rate.unwrap_or(0.0);
            Note::new(
                "ports-may-run-out",
                format!(
                    "{rate}/s for {waited_s} s in TIME_WAIT and up to {} in flight take about {} ephemeral \
                     ports, and of {} there are {} can be planned with",
                    format_count(self.in_flight()),
                    format_count(used as u64),
                    format_count((range.ports as f64 * pairs) as u64),
                    format_count(usable as u64),
                ),
                "if they run out, sessions fail as local.ports and the run is invalid; make more exchanges per \
                 session (--exchanges), close with --close reset, connect from several local addresses (--source), spread over --all-addresses, set \
                 net.ipv4.tcp_tw_reuse = 1, or widen net.ipv4.ip_local_port_range",
            )
        })
    }
}

fn mebibytes(bytes: u64) -> String {
    ByteSize(bytes.div_ceil(1 << 20) << 20).to_string()
}
