//! How far this machine's wall clock can be trusted: what the kernel knows of it (`adjtimex(2)`), and how far it is
//! from another clock.

use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of a machine's wall clock. What is not known is `null`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockState {
    /// This clock minus that of the place where shards meet, in nanoseconds: above zero where this one is ahead.
    pub offset_ns: Option<i64>,
    /// The true offset is at most so far from that, in nanoseconds: half of the time that putting a file took and of
    /// the step in which the place's clock counts.
    pub offset_error_ns: Option<u64>,
    /// Whether the kernel takes the clock for synchronised.
    pub synchronised: Option<bool>,
    /// The error of a synchronised clock as whoever synchronises it estimates it, in nanoseconds.
    pub estimated_error_ns: Option<u64>,
}

impl ClockState {
    /// What the kernel says; nothing where it does not, such as in some sandboxes.
    pub fn of_kernel() -> Self {
        kernel().unwrap_or_default()
    }

    /// Adds the offset to another clock that showed `theirs` at some time between `before` and `after`, and counts in
    /// steps of `step_ns`.
    #[must_use]
    pub(crate) fn beside(
        self,
        before: SystemTime,
        after: SystemTime,
        theirs: SystemTime,
        step_ns: u64,
    ) -> Self {
        // It showed `theirs` until the step was over.
        let latest = ns_apart(after, theirs);
        let earliest = ns_apart(before, theirs).saturating_sub(i128::from(step_ns));
        let (sum, width) = (earliest + latest, latest - earliest);
        Self {
            offset_ns: i64::try_from(sum / 2).ok(),
            offset_error_ns: u64::try_from(width / 2).ok(),
            ..self
        }
    }
}

/// One time minus another, in nanoseconds.
fn ns_apart(a: SystemTime, b: SystemTime) -> i128 {
    let ns = |apart: std::time::Duration| i128::try_from(apart.as_nanos()).unwrap_or(i128::MAX / 4);
    match a.duration_since(b) {
        Ok(ahead) => ns(ahead),
        Err(behind) => -ns(behind.duration()),
    }
}

#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "only crates for steering clocks wrap adjtimex(2); ADR 0009"
)]
fn kernel() -> Option<ClockState> {
    use nix::libc::{STA_UNSYNC, TIME_ERROR, adjtimex, timex};

    let mut read = std::mem::MaybeUninit::<timex>::zeroed();
    // SAFETY: the pointer is to a whole `timex`, and with `modes` at zero the call only fills it.
    let state = unsafe { adjtimex(read.as_mut_ptr()) };
    if state < 0 {
        return None;
    }
    // SAFETY: `timex` is made of integers, for which zeros are values, and the kernel has written it.
    let read = unsafe { read.assume_init() };
    let synchronised = read.status & STA_UNSYNC == 0 && state != TIME_ERROR;
    // In microseconds. Some that synchronise the clock leave it at zero, which no clock's error is.
    let estimated = u64::try_from(read.esterror).ok().filter(|us| *us > 0);
    Some(ClockState {
        synchronised: Some(synchronised),
        estimated_error_ns: estimated.filter(|_| synchronised).map(|us| us * 1_000),
        ..ClockState::default()
    })
}

#[cfg(not(target_os = "linux"))]
fn kernel() -> Option<ClockState> {
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_kernel_says_whether_the_clock_is_synchronised() {
        let state = ClockState::of_kernel();
        if cfg!(target_os = "linux") {
            assert!(state.synchronised.is_some(), "{state:?}");
        }
        assert!(state.synchronised == Some(true) || state.estimated_error_ns.is_none());
        assert_eq!(state.offset_ns, None);
    }

    proptest! {
        #[test]
        fn the_true_offset_is_within_the_error(
            offset in -5_000_000_000i64..5_000_000_000, taken in 0u64..3_000_000_000,
            at in 0u64..3_000_000_000, step in prop::sample::select(vec![0u64, 4_000_000, 1_000_000_000]),
        ) {
            let begin = 1_700_000_000_123_456_789u64;
            let shown = |ns: u64| SystemTime::UNIX_EPOCH + Duration::from_nanos(ns);
            let ours = |ns: u64| shown(ns.saturating_add_signed(offset));
            // The other clock shows the last whole step.
            let stamp = begin + at.min(taken);
            let stamp = stamp - stamp % step.max(1);
            let state = ClockState::default().beside(ours(begin), ours(begin + taken), shown(stamp), step);
            let (found, error) = (state.offset_ns.unwrap(), state.offset_error_ns.unwrap());
            prop_assert!(found.abs_diff(offset) <= error + 1, "{found} ± {error}, not {offset}");
            prop_assert!(error <= u64::midpoint(taken, step) + 1);
        }
    }
}
