//! How many tickets a load needs in store: primed, kept, and cached by the embedded target.

use crate::scenario::LoadModel;

/// Least that is primed for an identity.
const LEAST: usize = 4;
/// How long an open loop's session may take, in seconds, before it has a ticket for a later one. A stalled
/// machine takes as long now and then. What takes longer has to fill the store in the warm-up.
const ROUND_TRIP_S: f64 = 0.25;
/// Most sessions that a cache is made for.
const MOST_CACHED: usize = 1 << 18;

/// Tickets of one worker and identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    /// Wanted when the load begins.
    pub primed: usize,
    /// Kept at most.
    pub capacity: usize,
}

impl Stock {
    /// What one of `workers` needs for an identity that is dealt `share` of `of` sessions.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is above zero, and a float too large becomes usize::MAX"
    )]
    pub(crate) fn of(load: &LoadModel, workers: usize, (share, of): (u32, u32)) -> Self {
        let workers = workers.max(1);
        let most = usize::try_from(load.max_in_flight()).unwrap_or(usize::MAX);
        let at_once = most.div_ceil(workers);
        let begun = match load.peak_rate() {
            Some(rate) => at_once.min((rate * ROUND_TRIP_S / workers as f64).ceil() as usize),
            None => at_once,
        };
        // Sessions of one identity may last longer than the others' and so be more than its share.
        let part = |count: usize| {
            let part = count.saturating_mul(2 * share as usize) / of.max(1) as usize + 1;
            part.clamp(LEAST, count.max(LEAST))
        };
        Self {
            primed: part(begun),
            capacity: part(at_once).saturating_mul(2),
        }
    }

    /// How many sessions a server has to remember so that none in store is forgotten: as many as are
    /// begun while the slowest of the stores turns over.
    pub(crate) fn cached(load: &LoadModel, workers: usize, shares: &[u32]) -> usize {
        let of: u32 = shares.iter().sum();
        let turnover = |share: &u32| {
            let kept = Self::of(load, workers, (*share, of)).capacity;
            kept.saturating_mul(of as usize) / (*share).max(1) as usize
        };
        let slowest = shares.iter().map(turnover).max().unwrap_or(0);
        slowest.saturating_mul(workers).clamp(LEAST, MOST_CACHED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Arrivals, Profile};

    #[test]
    fn a_store_holds_what_begins_before_the_first_tickets_come_back() {
        let closed = |sessions: f64| LoadModel::Closed {
            sessions: Profile::constant(sessions),
            start_cap: None,
        };
        let alone = |load: &LoadModel, workers| Stock::of(load, workers, (1, 1));
        let stock = |primed, capacity| Stock { primed, capacity };
        assert_eq!(alone(&closed(100.0), 2), stock(50, 100));
        assert_eq!(alone(&closed(1.0), 2), stock(4, 8));
        assert_eq!(Stock::of(&closed(100.0), 1, (1, 10)), stock(21, 42));
        let open = LoadModel::Open {
            rate: Profile::constant(400.0),
            arrivals: Arrivals::Fixed,
            max_in_flight: 1_000,
        };
        assert_eq!(alone(&open, 1), stock(100, 2_000));
        assert_eq!(Stock::cached(&open, 2, &[1]), 2_000);
        assert_eq!(Stock::cached(&closed(100.0), 1, &[1, 9]), 420);
    }
}
