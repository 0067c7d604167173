//! CPU time that a hypervisor gave to others: time in which neither generator nor server ran.

use std::fs;

/// CPU time of all cores since boot, in ticks (the first line of `/proc/stat`, proc(5)).
#[derive(Debug, Clone, Copy)]
pub(super) struct CpuTicks {
    total: u64,
    stolen: u64,
}

impl CpuTicks {
    /// Reads the counters; `None` where the system has none.
    pub fn read() -> Option<Self> {
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
    pub fn stolen_since(self, earlier: Self) -> Option<f64> {
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
}
