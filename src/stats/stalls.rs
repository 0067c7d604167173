//! Times in which the generator could not run: stalls of workers, and CPU quotas.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A wake-up later than this is a stall, in nanoseconds. Scheduling among busy threads delays by a
/// few milliseconds; this is an order of magnitude above it.
const LEAST_STALL_NS: u64 = 50_000_000;

/// Times in which a worker's watchdog woke more than 50 ms late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StallRecord")]
pub struct Stalls {
    /// How many, over all workers.
    pub count: u64,
    /// The longest.
    pub longest_ns: u64,
    /// The sum of the worker that lost most.
    pub worst_ns: u64,
}

impl Stalls {
    /// Notes by how many nanoseconds a worker's watchdog woke late.
    pub fn woke(&mut self, late_ns: u64) {
        if late_ns > LEAST_STALL_NS {
            self.count += 1;
            self.longest_ns = self.longest_ns.max(late_ns);
            self.worst_ns += late_ns;
        }
    }

    /// Adds another worker's; the order of merging does not matter.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.longest_ns = self.longest_ns.max(other.longest_ns);
        self.worst_ns = self.worst_ns.max(other.worst_ns);
    }
}

/// What a CPU quota did to the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ThrottledRecord")]
pub struct Throttled {
    /// Periods of the quota in which the process was stopped.
    pub periods: u64,
    /// How long, summed over cores.
    pub throttled_ns: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_delays_count_and_the_worst_worker_speaks() {
        let (mut calm, mut stuck) = (Stalls::default(), Stalls::default());
        for late in [0, 5_000_000, LEAST_STALL_NS] {
            calm.woke(late);
        }
        assert_eq!(calm, Stalls::default());
        calm.woke(60_000_000);
        stuck.woke(90_000_000);
        stuck.woke(80_000_000);
        calm.merge(&stuck);
        let all = Stalls {
            count: 3,
            longest_ns: 90_000_000,
            worst_ns: 170_000_000,
        };
        assert_eq!(calm, all);
    }
}
