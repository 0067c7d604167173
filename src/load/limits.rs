//! What this host has of what sessions need, as the system says: files, ports, memory.

use std::fs;
use std::ops::RangeInclusive;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{SysconfVar, sysconf};

use super::cgroup::memory_left;

/// The ephemeral ports of one address, and when one is used again.
#[derive(Debug, Clone, Copy)]
pub(super) struct PortRange {
    /// How many: `net.ipv4.ip_local_port_range` without `ip_local_reserved_ports`; 28,232 by default. IPv6 has them, too.
    pub ports: u64,
    /// `net.ipv4.tcp_tw_reuse`: 0 off, 1 on, 2 on for loopback.
    pub reuse: u8,
    /// Seconds after which one in `TIME_WAIT` is: `net.ipv4.tcp_tw_reuse_delay`, 1 before Linux 6.14.
    pub reuse_after_s: f64,
}

impl PortRange {
    pub(crate) fn of_host() -> Self {
        let file = |name: &str| fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok();
        let number = |name| file(name)?.trim().parse::<u32>().ok();
        let delay_ms = number("tcp_tw_reuse_delay").unwrap_or(1_000);
        let range = file("ip_local_port_range").and_then(|text| bounds(&text));
        let reserved = file("ip_local_reserved_ports").unwrap_or_default();
        Self {
            ports: range.map_or(16_384, |range| ephemeral(&range, &reserved)),
            reuse: number("tcp_tw_reuse").map_or(0, |reuse| u8::try_from(reuse).unwrap_or(0)),
            reuse_after_s: f64::from(delay_ms) / 1e3,
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

/// Most open files that a process may ask for.
pub(super) fn hard_file_limit() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(_, hard)| hard)
}

/// Most connections that the connection tracking of this host has room for; `None` where it has none.
pub(super) fn most_tracked() -> Option<u64> {
    let text = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_max").ok()?;
    text.trim().parse().ok()
}

/// The ports of `ip_local_port_range`.
fn bounds(text: &str) -> Option<RangeInclusive<u16>> {
    let mut bounds = text.split_whitespace().filter_map(|n| n.parse().ok());
    Some(bounds.next()?..=bounds.next()?)
}

/// How many ports of a range are not reserved, as in `8080,9148-9200`.
fn ephemeral(range: &RangeInclusive<u16>, reserved: &str) -> u64 {
    let reserved: Vec<RangeInclusive<u16>> = (reserved.trim().split(','))
        .filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse().ok()?..=last.parse().ok()?)
        })
        .collect();
    let free = |port: &u16| !reserved.iter().any(|range| range.contains(port));
    range.clone().filter(free).count() as u64
}

/// Memory that can be taken without swapping, in bytes: of this host (`MemAvailable` of proc(5)), or of the control
/// groups that we are in if they leave less.
pub(super) fn available_memory() -> Option<u64> {
    let of_groups = memory_left();
    of_host().map_or(of_groups, |host| {
        Some(of_groups.map_or(host, |left| left.min(host)))
    })
}

fn of_host() -> Option<u64> {
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

    #[test]
    fn reserved_ports_are_not_ours() {
        let range = bounds("32768\t60999\n").unwrap();
        assert_eq!(ephemeral(&range, "\n"), 28_232);
        assert_eq!(
            ephemeral(&range, "8080,32768,40000-40009,60999-61010\n"),
            28_220
        );
        assert_eq!(bounds("32768"), None);
    }
}
