//! Before the run: does this host have the files, ports and memory the plan needs?

use std::fs;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{SysconfVar, sysconf};

use crate::units::{ByteSize, format_count};

/// Files that are open whatever the load: binary, results, epoll, timers.
const BASE_FILES: u64 = 64;
/// Seconds a closed connection keeps its port (`TCP_TIMEWAIT_LEN` of Linux).
const TIME_WAIT_S: f64 = 60.0;
/// Part of the ephemeral range that is planned with, so that collisions stay rare.
const USABLE_PORTS: f64 = 0.6;
/// Sessions per second that a worker is assumed to reach at most, for planning ports.
const CHURN_PER_WORKER: f64 = 3_000.0;
/// Memory planned per session and end, user and kernel together, in bytes.
const BYTES_PER_SESSION_END: u64 = 48 * 1024;
/// Most source addresses on loopback.
const MOST_SOURCES: u8 = 200;

/// What a plan asks of this host.
#[derive(Debug, Clone, Copy)]
pub struct Resources {
    /// Most sessions in flight.
    pub sessions: u64,
    /// Asked arrivals per second, of an open loop.
    pub rate: Option<f64>,
    /// Length of the whole run in seconds.
    pub run_s: f64,
    /// Sessions of the whole run, if it has a total.
    pub total: Option<u64>,
    /// Workers.
    pub workers: usize,
    /// Whether the target is in this process and needs its end of every session too.
    pub embedded: bool,
    /// Whether loopback source addresses can be spread.
    pub spreads: bool,
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
    /// Not enough ports.
    #[error(
        "about {needed} ephemeral ports are needed (sessions in flight and connections in \
         TIME_WAIT) and {usable} can be planned with; lower the rate or the sessions, or widen \
         net.ipv4.ip_local_port_range"
    )]
    Ports {
        /// Ports needed.
        needed: String,
        /// Ports there are.
        usable: String,
    },
    /// Not enough memory.
    #[error(
        "{sessions} sessions need about {needed} of memory and {available} is available; lower --sessions"
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

/// What the preflight found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preflight {
    /// File descriptors needed.
    pub files_needed: u64,
    /// The soft limit, raised if that was necessary.
    pub files_limit: u64,
    /// Loopback source addresses to spread connections over; 1 is no spreading.
    pub sources: u8,
    /// Memory needed, in bytes.
    pub memory_needed: u64,
    /// Memory available, in bytes, where the system says.
    pub memory_available: Option<u64>,
}

impl Resources {
    /// Computes what is needed, raises the soft file limit if that is enough, and refuses otherwise.
    ///
    /// # Errors
    ///
    /// Fails with the numbers if files, ports or memory cannot suffice.
    pub fn check(&self) -> Result<Preflight, PreflightError> {
        let files_needed = self.files();
        let files_limit =
            raise_file_limit(files_needed).map_err(|limit| PreflightError::Files {
                sessions: format_count(self.sessions),
                needed: format_count(files_needed),
                limit: format_count(limit),
            })?;
        let sources = self.sources(ephemeral_ports())?;
        let memory_needed = self.memory();
        let memory_available = available_memory();
        if let Some(available) = memory_available
            && memory_needed > available
        {
            return Err(PreflightError::Memory {
                sessions: format_count(self.sessions),
                needed: mebibytes(memory_needed),
                available: mebibytes(available),
            });
        }
        Ok(Preflight {
            files_needed,
            files_limit,
            sources,
            memory_needed,
            memory_available,
        })
    }

    fn ends(&self) -> u64 {
        if self.embedded { 2 } else { 1 }
    }

    fn files(&self) -> u64 {
        self.sessions
            .saturating_mul(self.ends())
            .saturating_add(BASE_FILES + 8 * self.workers as u64)
    }

    fn memory(&self) -> u64 {
        self.sessions
            .saturating_mul(self.ends() * BYTES_PER_SESSION_END)
    }

    /// Source addresses needed so that sessions in flight and in `TIME_WAIT` find ports.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the value is clamped to the range of the type first"
    )]
    fn sources(&self, ports: u64) -> Result<u8, PreflightError> {
        let most = if self.spreads { MOST_SOURCES } else { 1 };
        let per_source = (ports as f64 * USABLE_PORTS).max(1.0);
        let usable = per_source * f64::from(most);
        let total = self.total.map_or(f64::INFINITY, |total| total as f64);
        let open = (self.sessions as f64).min(total);
        let waited_s = self.run_s.min(TIME_WAIT_S);
        let asked = open + (self.rate.unwrap_or(0.0) * waited_s).min(total);
        if asked > usable {
            return Err(PreflightError::Ports {
                needed: format_count(asked as u64),
                usable: format_count(usable as u64),
            });
        }
        // The churn of a closed loop is a guess: it spreads sources, but refuses nothing. Should
        // ports run out after all, that is counted as `local.ports`.
        let guessed = match self.rate {
            Some(_) => 0.0,
            None => (CHURN_PER_WORKER * self.workers as f64 * waited_s).min(total),
        };
        let needed = (asked + guessed).min(usable);
        Ok((needed / per_source).ceil().clamp(1.0, f64::from(most)) as u8)
    }
}

fn mebibytes(bytes: u64) -> String {
    ByteSize(bytes.div_ceil(1 << 20) << 20).to_string()
}

/// Raises the soft limit of open files to at least `needed`. The error is the hard limit.
fn raise_file_limit(needed: u64) -> Result<u64, u64> {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return Ok(needed);
    };
    if soft >= needed {
        return Ok(soft);
    }
    // Root may go beyond the hard limit; everyone else is refused.
    let raised = needed.max(hard);
    match setrlimit(Resource::RLIMIT_NOFILE, needed.max(soft), raised) {
        Ok(()) => Ok(needed),
        Err(_) => Err(hard),
    }
}

/// Ephemeral ports of one address (`net.ipv4.ip_local_port_range`; 28,232 by default).
fn ephemeral_ports() -> u64 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|text| {
            let mut bounds = text
                .split_whitespace()
                .filter_map(|n| n.parse::<u64>().ok());
            let (low, high) = (bounds.next()?, bounds.next()?);
            Some(high.saturating_sub(low) + 1)
        })
        .unwrap_or(16_384)
}

/// Memory that can be taken without swapping, in bytes (`MemAvailable` of proc(5)).
fn available_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Memory of this process in RAM, in bytes (field 2 of `statm`, proc(5)).
pub(super) fn resident_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    let page = sysconf(SysconfVar::PAGE_SIZE).ok()??;
    Some(pages * u64::try_from(page).ok()?)
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
        spreads: true,
    };

    #[test]
    fn a_small_plan_needs_one_source_and_passes() {
        let preflight = SMALL.check().unwrap();
        assert_eq!(preflight.sources, 1);
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
        assert_eq!(busy.sources(28_232).unwrap(), 8);
        let fixed = Resources {
            spreads: false,
            ..busy
        };
        let error = fixed.sources(28_232).unwrap_err().to_string();
        assert!(
            error.contains("120,010") && error.contains("16,939"),
            "{error}"
        );
    }

    #[test]
    fn a_guess_and_a_small_total_refuse_nothing() {
        let closed = Resources {
            rate: None,
            run_s: 600.0,
            workers: 64,
            ..SMALL
        };
        assert_eq!(closed.sources(28_232).unwrap(), MOST_SOURCES);
        let few = Resources {
            rate: Some(500.0),
            run_s: 600.0,
            total: Some(100),
            spreads: false,
            ..SMALL
        };
        assert_eq!(few.sources(28_232).unwrap(), 1);
    }

    #[test]
    fn the_impossible_is_refused_with_the_numbers() {
        let error = Resources {
            sessions: 4_000_000_000,
            ..SMALL
        }
        .check()
        .unwrap_err()
        .to_string();
        assert!(error.contains("8,000,000,072 file descriptors"), "{error}");
    }
}
