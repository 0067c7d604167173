//! The clocks: monotonic time for latency, thread CPU time for cost, wall time for the record.
//!
//! Pacers and recorders take plain [`Instant`]s as arguments, so tests need no fake clock.

mod state;

use std::time::{Duration, Instant, SystemTime};

use nix::time::{ClockId, clock_gettime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

pub use state::ClockState;

/// `CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED`: the low bits of a thread's CPU clock id.
#[cfg(target_os = "linux")]
const PER_THREAD_SCHED: i32 = 0b110;

/// A thread whose CPU clock can be read from any thread of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadClock(ClockId);

impl ThreadClock {
    /// The CPU clock of the calling thread.
    ///
    /// On Linux derived from the thread's id (`pthread_getcpuclockid(3)`, `CPUCLOCK_PERTHREAD` in the kernel's
    /// `posix-timers_types.h`), so that other threads can read it. Elsewhere it only works on its own thread.
    pub(crate) fn current() -> Self {
        #[cfg(target_os = "linux")]
        {
            let tid = nix::unistd::gettid().as_raw();
            Self(ClockId::from_raw((!tid << 3) | PER_THREAD_SCHED))
        }
        #[cfg(not(target_os = "linux"))]
        Self(ClockId::CLOCK_THREAD_CPUTIME_ID)
    }

    /// CPU time (user and system) the thread has used, or `None` once it has ended.
    pub(crate) fn cpu(self) -> Option<Duration> {
        clock_gettime(self.0).ok().map(Duration::from)
    }
}

/// CPU time (user and system) the calling thread has used.
pub fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map(Duration::from)
        .unwrap_or_default()
}

/// Nanoseconds from `earlier` to `later`, zero if they are out of order, saturating at `u64::MAX`.
pub fn ns_between(earlier: Instant, later: Instant) -> u64 {
    let elapsed = later.saturating_duration_since(earlier).as_nanos();
    u64::try_from(elapsed).unwrap_or(u64::MAX)
}

/// A wall clock time from RFC 3339.
pub fn from_rfc3339(text: &str) -> Option<SystemTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(Into::into)
}

/// A wall clock time as RFC 3339 in UTC, to the second.
pub(crate) fn rfc3339(at: SystemTime) -> String {
    OffsetDateTime::from(at)
        .replace_nanosecond(0)
        .ok()
        .and_then(|t| t.format(&Rfc3339).ok())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// A wall clock time as RFC 3339 in UTC, to the nanosecond.
pub(crate) fn rfc3339_ns(at: SystemTime) -> String {
    let formatted = OffsetDateTime::from(at).format(&Rfc3339);
    formatted.unwrap_or_else(|_| "unknown".to_owned())
}

/// A wall clock time in UTC as FIX writes it, to the millisecond: `20261130-07:41:02.123`.
pub(crate) fn compact_utc(at: SystemTime) -> String {
    let format =
        format_description!("[year][month][day]-[hour]:[minute]:[second].[subsecond digits:3]");
    let formatted = OffsetDateTime::from(at).format(format);
    formatted.unwrap_or_else(|_| "19700101-00:00:00.000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_clock_can_be_read_from_elsewhere() {
        let (send, receive) = std::sync::mpsc::channel();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let busy = std::thread::spawn(move || {
            let mut sum = 0u64;
            while thread_cpu() < Duration::from_millis(5) {
                sum = sum.wrapping_add(1);
            }
            send.send((ThreadClock::current(), sum)).unwrap();
            stopped.recv().ok();
        });
        let (clock, _) = receive.recv().unwrap();
        assert!(clock.cpu().unwrap() >= Duration::from_millis(5));
        drop(stop);
        busy.join().unwrap();
    }

    #[test]
    fn reversed_instants_are_zero_apart() {
        let now = Instant::now();
        assert_eq!(ns_between(now + Duration::from_secs(1), now), 0);
        assert_eq!(ns_between(now, now + Duration::from_nanos(7)), 7);
    }
}
