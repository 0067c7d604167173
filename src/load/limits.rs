//! What this host has of what sessions need, as the system says: files, ports, memory.

use std::fs;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{SysconfVar, sysconf};

/// The ephemeral ports of one address, and when one is used again.
#[derive(Debug, Clone, Copy)]
pub(super) struct PortRange {
    /// How many: `net.ipv4.ip_local_port_range`; 28,232 by default.
    pub ports: u64,
    /// `net.ipv4.tcp_tw_reuse`: 0 off, 1 on, 2 on for loopback.
    pub reuse: u8,
}

impl PortRange {
    pub(crate) fn of_host() -> Self {
        Self {
            ports: ephemeral_ports(),
            reuse: fs::read_to_string("/proc/sys/net/ipv4/tcp_tw_reuse")
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(0),
        }
    }

    /// Whether new connections take ports of those in `TIME_WAIT`.
    pub(crate) fn reuses(&self, loopback: bool) -> bool {
        self.reuse == 1 || (self.reuse == 2 && loopback)
    }
}

/// Raises the soft limit of open files to at least `needed`. The error is the hard limit, which is then
/// the soft one as well.
pub(super) fn raise_file_limit(needed: u64) -> Result<u64, u64> {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return Ok(needed);
    };
    if soft >= needed {
        return Ok(soft);
    }
    // Root may go beyond the hard limit; everyone else is refused.
    let raised = needed.max(hard);
    if setrlimit(Resource::RLIMIT_NOFILE, needed.max(soft), raised).is_ok() {
        return Ok(needed);
    }
    // The report of a shortage gives the limit that was reached.
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    Err(hard)
}

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
pub(super) fn available_memory() -> Option<u64> {
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
