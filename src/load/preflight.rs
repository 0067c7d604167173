//! Before the run: does this host have the files, ports and memory the plan needs?

use std::net::{IpAddr, Ipv4Addr};

use super::limits::{PortRange, available_memory, raise_file_limit};
use crate::record::{Note, PreflightRecord};
use crate::units::{ByteSize, format_count};

/// Files that are open whatever the load: binary, results, epoll, timers.
const BASE_FILES: u64 = 64;
/// Seconds a closed connection keeps its port (`TCP_TIMEWAIT_LEN` of Linux).
const TIME_WAIT_S: f64 = 60.0;
/// Seconds after which `tcp_tw_reuse` gives a port in `TIME_WAIT` to a new connection (`tcp_twsk_unique` of Linux).
const REUSED_AFTER_S: f64 = 1.0;
/// Part of the ephemeral range that is planned with, so that collisions stay rare.
const USABLE_PORTS: f64 = 0.6;
/// Sessions per second that a worker is assumed to reach at most, for planning ports.
const CHURN_PER_WORKER: f64 = 3_000.0;
/// Memory planned per session and end, user and kernel together, in bytes.
const BYTES_PER_SESSION_END: u64 = 48 * 1024;
/// Memory that no session does without, per end, in bytes: its socket and the state of its TLS.
const LEAST_BYTES_PER_SESSION_END: u64 = 8 * 1024;
/// Most source addresses on loopback.
const MOST_SOURCES: u8 = 200;

/// What a plan asks of this host.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of the plan")]
pub struct Resources {
    /// Most sessions in flight.
    pub sessions: u64,
    /// Asked arrivals per second, of an open loop. Its sessions in flight are a bound, and may stay few.
    pub rate: Option<f64>,
    /// Length of the whole run in seconds.
    pub run_s: f64,
    /// Sessions of the whole run, if it has a total.
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

impl Resources {
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
        let memory_needed = self.memory(BYTES_PER_SESSION_END);
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

    fn ends(&self) -> u64 {
        if self.embedded { 2 } else { 1 }
    }

    /// Most sessions that can be in flight: no more than there are.
    fn in_flight(&self) -> u64 {
        self.sessions.min(self.total.unwrap_or(u64::MAX))
    }

    fn files(&self) -> u64 {
        self.in_flight()
            .saturating_mul(self.ends())
            .saturating_add(BASE_FILES + 8 * self.workers as u64)
    }

    fn memory(&self, per_end: u64) -> u64 {
        self.in_flight().saturating_mul(self.ends() * per_end)
    }

    fn memory_shortage(&self, available: u64) -> Result<Option<Note>, PreflightError> {
        let (least, planned) = (
            self.memory(LEAST_BYTES_PER_SESSION_END),
            self.memory(BYTES_PER_SESSION_END),
        );
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

    /// Seconds that each connection keeps its port after its end.
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
    fn sources_of(&self, ports: u64) -> u8 {
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
    fn ports(&self, range: &PortRange) -> Option<Note> {
        let sources = if self.spreads { MOST_SOURCES } else { 1 };
        let pairs = f64::from(sources) * self.pairs.max(1) as f64;
        let usable = range.ports as f64 * USABLE_PORTS * pairs;
        let waited_s = if range.reuses(self.loopback) {
            self.waited_s().min(REUSED_AFTER_S)
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
                 session (--exchanges), close with --close reset, spread over --all-addresses, set \
                 net.ipv4.tcp_tw_reuse = 1, or widen net.ipv4.ip_local_port_range",
            )
        })
    }
}

fn mebibytes(bytes: u64) -> String {
    ByteSize(bytes.div_ceil(1 << 20) << 20).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Resources = Resources {
        sessions: 10,
        rate: Some(100.0),
        run_s: 2.0,
        total: None,
        workers: 1,
        embedded: true,
        pairs: 1,
        loopback: true,
        spreads: true,
        resets: false,
        portless: false,
    };
    const RANGE: PortRange = PortRange {
        ports: 28_232,
        reuse: 0,
    };

    #[test]
    fn a_small_plan_needs_one_source_and_passes() {
        let preflight = SMALL.check().unwrap();
        assert!(SMALL.sources().is_empty());
        assert!(preflight.files_limit >= preflight.files_needed);
    }

    #[test]
    fn churn_is_spread_over_sources() {
        let busy = Resources {
            rate: Some(2_000.0),
            run_s: 60.0,
            ..SMALL
        };
        // 120,000 connections in TIME_WAIT, 16,939 planned per source.
        assert_eq!(busy.sources_of(28_232), 8);
        assert_eq!(busy.ports(&RANGE), None);
        let resets = Resources {
            resets: true,
            ..busy
        };
        assert_eq!(resets.sources_of(28_232), 1);
    }

    #[test]
    fn ports_that_may_run_out_are_a_warning_with_the_arithmetic() {
        let remote = Resources {
            sessions: 1_000,
            rate: Some(300.0),
            run_s: 600.0,
            embedded: false,
            loopback: false,
            spreads: false,
            ..SMALL
        };
        let shortage = remote.ports(&RANGE).unwrap();
        for part in [
            "300/s for 60 s",
            "1,000 in flight",
            "19,000",
            "28,232",
            "16,939",
        ] {
            assert!(shortage.message.contains(part), "{shortage:?}");
        }
        for way_out in [
            "--exchanges",
            "--close reset",
            "tcp_tw_reuse",
            "--all-addresses",
        ] {
            assert!(shortage.advice.contains(way_out), "{way_out}");
        }
        let enough = |plan: Resources, reuse| {
            let range = PortRange { reuse, ..RANGE };
            plan.ports(&range).is_none()
        };
        // 300 are reused after a second; 2 is for loopback alone.
        assert!(enough(remote, 1) && !enough(remote, 2));
        let loopback = Resources {
            loopback: true,
            ..remote
        };
        assert!(enough(loopback, 2) && !enough(loopback, 0));
        let both = Resources { pairs: 2, ..remote };
        let resets = Resources {
            resets: true,
            ..remote
        };
        assert!(enough(both, 0) && enough(resets, 0));
    }

    #[test]
    fn a_guess_and_a_small_total_warn_of_nothing() {
        let closed = Resources {
            rate: None,
            run_s: 600.0,
            workers: 64,
            ..SMALL
        };
        assert_eq!(closed.sources_of(28_232), MOST_SOURCES);
        assert_eq!(closed.ports(&RANGE), None);
        let few = Resources {
            rate: Some(500.0),
            run_s: 600.0,
            total: Some(100),
            spreads: false,
            ..SMALL
        };
        assert_eq!((few.sources_of(28_232), few.ports(&RANGE)), (1, None));
    }

    #[test]
    fn a_bound_that_cannot_be_reached_is_a_warning() {
        let open = Resources {
            sessions: 4_000_000_000,
            ..SMALL
        };
        let preflight = open.check().unwrap();
        let codes: Vec<_> = preflight
            .shortages
            .iter()
            .map(|s| s.code.as_str())
            .collect();
        assert!(codes.contains(&"files-may-run-out"), "{codes:?}");
        assert!(codes.contains(&"memory-may-run-out"), "{codes:?}");
        let few = Resources {
            total: Some(10),
            ..open
        };
        assert_eq!(few.check().unwrap().shortages, []);
    }

    #[test]
    fn the_impossible_is_refused_with_the_numbers() {
        let error = Resources {
            sessions: 4_000_000_000,
            rate: None,
            ..SMALL
        }
        .check()
        .unwrap_err()
        .to_string();
        assert!(error.contains("8,000,000,072 file descriptors"), "{error}");
    }
}
