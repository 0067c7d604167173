//! What the host kept from this process: CPU time that a hypervisor gave to others, and time in
//! which a CPU quota stopped it. Read at both ends of the measure phase.

use std::fs;

use super::cgroup;
use crate::stats::Throttled;

/// The host's counters at one moment. What the system does not count is `None`.
#[derive(Debug, Clone)]
pub(super) struct HostCounters {
    ticks: Option<CpuTicks>,
    throttled: Option<Vec<Throttled>>,
}

/// What the host kept from this process between two readings.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct HostWindow {
    /// Share of all CPU time that a hypervisor gave to others.
    pub stolen: Option<f64>,
    /// What a CPU quota did.
    pub throttled: Option<Throttled>,
}

impl HostCounters {
    /// Reads the counters.
    pub(crate) fn read() -> Self {
        Self {
            ticks: CpuTicks::read(),
            throttled: cgroup::throttled(),
        }
    }

    /// What happened since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> HostWindow {
        let ticks = self.ticks.zip(earlier.ticks);
        let throttled = self.throttled.as_ref().zip(earlier.throttled.as_ref());
        HostWindow {
            stolen: ticks.and_then(|(now, before)| now.stolen_since(before)),
            throttled: throttled.and_then(|(now, before)| cgroup::worst(now, before)),
        }
    }
}

/// CPU time of all cores since boot, in ticks (the first line of `/proc/stat`, proc(5)).
#[derive(Debug, Clone, Copy)]
struct CpuTicks {
    total: u64,
    stolen: u64,
}

impl CpuTicks {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// The fields are user, nice, system, idle, iowait, irq, softirq, steal; those after it are
    /// parts of user and nice.
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let fields: Vec<u64> = line
            .split_whitespace()
            .map_while(|n| n.parse().ok())
            .take(8)
            .collect();
        Some(Self {
            total: fields.iter().sum(),
            stolen: *fields.get(7)?,
        })
    }

    /// The share of CPU time that was stolen since `earlier`.
    fn stolen_since(self, earlier: Self) -> Option<f64> {
        let total = self.total.checked_sub(earlier.total)?;
        let stolen = self.stolen.checked_sub(earlier.stolen)?;
        (total > 0).then(|| stolen as f64 / total as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_of_all_cpu_time() {
        let at = |stat| CpuTicks::parse(stat).unwrap();
        let before = at("cpu  100 0 100 800 0 0 0 10 0 0\ncpu0 1\n");
        let after = at("cpu  120 0 110 860 0 0 0 20 5 0\n");
        assert_eq!(after.stolen_since(before), Some(0.1));
        assert!(before.stolen_since(before).is_none());
        assert!(CpuTicks::parse("nonsense").is_none());
    }

    #[test]
    fn what_the_host_does_not_count_is_not_made_up() {
        let blind = HostCounters {
            ticks: None,
            throttled: None,
        };
        let window = HostCounters::read().since(&blind);
        assert_eq!(window, HostWindow::default());
    }
}
