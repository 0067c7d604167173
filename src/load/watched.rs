//! What the engine notices of one trial from outside: memory, the target's CPU, what the host kept from
//! us, and the most that was in flight.

use std::time::{Duration, Instant};

use super::event::{LiveTotals, TargetView};
use super::host::{HostCounters, HostWindow};
use super::limits::resident_memory;
use crate::clock::ns_between;
use crate::stats::CpuWindow;

/// How often a running trial is looked at.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// How much longer than its deadline a trial may take before its workers count as stuck.
pub(super) const STUCK: Duration = Duration::from_secs(5);

/// What the clocks said when the measure phase began.
struct Opened {
    at: Instant,
    target_cpu: Option<Duration>,
    host: HostCounters,
}

/// What the engine notices of one trial from outside.
pub(super) struct Watched {
    closed: bool,
    open_at: Instant,
    close_at: Instant,
    next_tick: Instant,
    opened: Option<Opened>,
    pub target_cpu: Option<CpuWindow>,
    pub host: HostWindow,
    pub live: LiveTotals,
    pub held_max: u64,
    pub in_flight_max: u64,
    pub memory_before: Option<u64>,
    pub memory_max: Option<u64>,
}

impl Watched {
    pub(crate) fn new(open_at: Instant, close_at: Instant) -> Self {
        let memory = resident_memory();
        Self {
            closed: false,
            host: HostWindow::default(),
            open_at,
            close_at,
            next_tick: Instant::now() + TICK,
            opened: None,
            target_cpu: None,
            live: LiveTotals::default(),
            held_max: 0,
            in_flight_max: 0,
            memory_before: memory,
            memory_max: memory,
        }
    }

    /// Time until there is something to look at: the next tick, or a bound of the measure phase.
    pub(crate) fn until_next(&self) -> Duration {
        let now = Instant::now();
        let mut next = self.next_tick;
        for bound in [self.open_at, self.close_at] {
            if bound > now {
                next = next.min(bound);
            }
        }
        next.saturating_duration_since(now)
    }

    pub(crate) fn look(&mut self, target: Option<&dyn TargetView>, live: &LiveTotals) {
        let now = Instant::now();
        if self.opened.is_none() && !self.closed && now >= self.open_at {
            self.opened = Some(Opened {
                at: now,
                target_cpu: target.map(TargetView::cpu),
                host: HostCounters::read(),
            });
        }
        if now >= self.close_at {
            self.close_window(target);
        }
        if now >= self.next_tick {
            self.next_tick = now + TICK;
            self.memory_max = self.memory_max.max(resident_memory());
        }
        self.live = *live;
        self.held_max = self.held_max.max(live.held);
        self.in_flight_max = self.in_flight_max.max(live.in_flight);
    }

    pub(crate) fn close_window(&mut self, target: Option<&dyn TargetView>) {
        let Some(opened) = self.opened.take() else {
            return;
        };
        self.closed = true;
        self.host = HostCounters::read().since(&opened.host);
        self.target_cpu = opened.target_cpu.zip(target).map(|(before, target)| {
            let used = target.cpu().saturating_sub(before).as_nanos();
            CpuWindow {
                cpu_ns: u64::try_from(used).unwrap_or(u64::MAX),
                wall_ns: ns_between(opened.at, Instant::now()),
                ..CpuWindow::default()
            }
        });
    }

    pub(crate) fn overdue(&self, grace: Duration) -> bool {
        Instant::now() > self.close_at + grace + STUCK
    }
}
