//! Sends each worker's per-second counts to the engine, which adds them up: one message per worker and second.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::mpsc;

use crate::clock::thread_cpu;
use crate::record::{HistogramRecord, TimelineRecord, WaitsRecord};
use crate::stats::{HistogramError, Pause, PauseWatch, Second};

/// A worker's end: its current second, and the channel for past ones.
#[derive(Debug)]
pub struct HandOver {
    worker: usize,
    to: mpsc::Sender<(usize, Second)>,
    current: Second,
    /// When the one before was closed, in nanoseconds after the trial's start, ...
    closed_ns: u64,
    /// ... and what this thread's CPU clock said.
    closed_cpu_ns: u64,
    in_flight: u64,
    /// Confirmed sessions that are held open.
    held: u64,
    /// Attempts that wait for an answer, ...
    waiting: u64,
    /// ... and up to when that is marked in the second.
    marked_ns: u64,
}

impl HandOver {
    /// The end of one worker, on its thread.
    pub fn new(worker: usize, to: mpsc::Sender<(usize, Second)>) -> Self {
        Self {
            worker,
            to,
            current: Second::new(0, 0),
            closed_ns: 0,
            closed_cpu_ns: cpu_ns(),
            in_flight: 0,
            held: 0,
            waiting: 0,
            marked_ns: 0,
        }
    }

    /// One without a receiver.
    pub(super) fn to_nobody() -> Self {
        Self::new(0, mpsc::channel().0)
    }

    /// The current second.
    pub(super) fn current(&mut self) -> &mut Second {
        &mut self.current
    }

    /// The second of a time, in nanoseconds after the trial's start; times never go back. A past second is handed over.
    pub fn at(&mut self, at_ns: u64) -> &mut Second {
        let number = Second::number_at(at_ns);
        if number > self.current.number {
            self.close(at_ns, number);
        }
        &mut self.current
    }

    /// Attempts in flight.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Counts an attempt that begins, and waits for an answer.
    pub(crate) fn begin(&mut self, at_ns: u64) {
        self.wait(at_ns);
        self.in_flight += 1;
        self.current.started += 1;
        self.current.in_flight_max = self.current.in_flight_max.max(self.in_flight);
    }

    /// Counts an attempt that is in flight no more.
    pub(crate) fn over(&mut self, at_ns: u64) {
        self.at(at_ns);
        self.in_flight -= 1;
    }

    /// Counts a session that is held open from now on.
    pub(crate) fn hold(&mut self, at_ns: u64) {
        self.at(at_ns);
        self.held += 1;
    }

    /// Counts a session that is held open no more.
    pub(crate) fn let_go(&mut self, at_ns: u64) {
        self.at(at_ns);
        self.held -= 1;
    }

    /// Notes that an attempt begins to wait for an answer.
    pub(crate) fn wait(&mut self, at_ns: u64) {
        self.mark(at_ns);
        self.waiting += 1;
    }

    /// Notes that an attempt waits no more.
    pub(crate) fn waited(&mut self, at_ns: u64) {
        self.mark(at_ns);
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// Notes an answer: a session was confirmed, or an exchange made.
    pub(crate) fn answered(&mut self, at_ns: u64) {
        let second = self.at(at_ns);
        second.answered.mark(second.number, at_ns, at_ns);
    }

    /// Marks the time up to now in which attempts waited.
    fn mark(&mut self, at_ns: u64) {
        self.at(at_ns);
        if self.waiting > 0 {
            let Second {
                number, waiting, ..
            } = &mut self.current;
            waiting.mark(*number, self.marked_ns, at_ns);
        }
        self.marked_ns = at_ns;
    }

    /// Hands over the last second.
    pub(crate) fn finish(&mut self, at_ns: u64) {
        let number = self.at(at_ns).number;
        self.close(at_ns, number + 1);
    }

    fn close(&mut self, at_ns: u64, next: u64) {
        let cpu_ns = cpu_ns();
        self.current.close(
            at_ns,
            cpu_ns.saturating_sub(self.closed_cpu_ns),
            at_ns.saturating_sub(self.closed_ns),
        );
        (self.closed_ns, self.closed_cpu_ns) = (at_ns, cpu_ns);
        if self.waiting > 0 {
            let Second {
                number, waiting, ..
            } = &mut self.current;
            waiting.mark(*number, self.marked_ns, at_ns);
        }
        self.current.held = self.held;
        let next = Second {
            held_from: self.held,
            ..Second::new(next, self.in_flight)
        };
        let past = std::mem::replace(&mut self.current, next);
        // Priming has no receiver.
        let _ = self.to.send((self.worker, past));
    }
}

fn cpu_ns() -> u64 {
    u64::try_from(thread_cpu().as_nanos()).unwrap_or(u64::MAX)
}

/// The engine's end: merges the seconds of all workers, and keeps a row of each.
#[derive(Debug)]
pub(super) struct Collected {
    inbox: mpsc::Receiver<(usize, Second)>,
    /// The first second that each worker has not handed over.
    past: Vec<u64>,
    open: BTreeMap<u64, Second>,
    /// By second since the trial's start.
    timeline: Vec<TimelineRecord>,
    pauses: PauseWatch,
    /// Whether rows keep when sessions waited, so that pauses of several shards can be found.
    keeps_waits: bool,
}

impl Collected {
    /// Both ends for this many workers, and a measure phase in nanoseconds after the trial's start. With `keeps_waits`
    /// rows say when sessions waited.
    pub(crate) fn of(
        workers: usize,
        measure: Range<u64>,
        keeps_waits: bool,
    ) -> (mpsc::Sender<(usize, Second)>, Self) {
        let (to, inbox) = mpsc::channel();
        let collected = Self {
            inbox,
            past: vec![0; workers],
            open: BTreeMap::new(),
            timeline: Vec::new(),
            pauses: PauseWatch::of(measure),
            keeps_waits,
        };
        (to, collected)
    }

    /// The longest pause of the seconds that were shown.
    pub(crate) fn longest_pause(&self) -> Pause {
        self.pauses.longest()
    }

    /// A row for each second up to the last in which something happened.
    pub(crate) fn timeline(mut self) -> Vec<TimelineRecord> {
        let quiet = |row: &TimelineRecord| {
            row.started + row.not_started + row.ok + row.failed + row.in_flight_max == 0
        };
        while self.timeline.last().is_some_and(quiet) {
            self.timeline.pop();
        }
        self.timeline
    }

    fn row(&mut self, number: u64) -> &mut TimelineRecord {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        for second in self.timeline.len()..=index {
            self.timeline.push(TimelineRecord {
                second: second as u64,
                ..TimelineRecord::default()
            });
        }
        &mut self.timeline[index]
    }

    /// Receives seconds, and shows those that are past for every worker, in order.
    ///
    /// Fails only if a histogram cannot be compressed.
    pub(crate) fn take_in(&mut self, show: &mut dyn FnMut(&Second)) -> Result<(), HistogramError> {
        while let Ok((worker, second)) = self.inbox.try_recv() {
            // A worker that stalled through whole seconds sends none of them, but had these attempts in flight.
            for stood in self.past[worker]..second.number {
                let row = self.row(stood);
                row.in_flight_max += second.in_flight_from;
                row.held += second.held_from;
            }
            self.past[worker] = second.number + 1;
            match self.open.get_mut(&second.number) {
                Some(sum) => sum.merge(&second),
                None => {
                    self.open.insert(second.number, second);
                }
            }
        }
        let past = self.past.iter().copied().min().unwrap_or(0);
        while let Some(first) = self.open.first_entry()
            && *first.key() < past
        {
            let second = first.remove();
            let waits = self.keeps_waits.then_some(WaitsRecord {
                waiting: second.waiting,
                answered: second.answered,
            });
            let row = self.row(second.number);
            row.started = second.started;
            row.not_started = second.not_started;
            row.ok = second.ok;
            row.failed = second.failed();
            let failures = second.failures.iter();
            row.failures = failures
                .map(|(class, count)| (class.to_string(), *count))
                .collect();
            row.in_flight_max += second.in_flight_max;
            row.waits = waits;
            row.held += second.held;
            if second.latency.samples() + second.latency.overflow() > 0 {
                row.latency = Some(HistogramRecord::of(&second.latency)?);
            }
            self.pauses
                .see(second.number, second.waiting, second.answered);
            show(&second);
        }
        Ok(())
    }

    /// Notes that a worker has ended its trial.
    ///
    /// As [`Self::take_in`].
    pub(crate) fn ended(
        &mut self,
        worker: usize,
        show: &mut dyn FnMut(&Second),
    ) -> Result<(), HistogramError> {
        self.take_in(show)?;
        self.past[worker] = u64::MAX;
        self.take_in(show)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    /// The numbers of the seconds that become whole, and how many attempts began in each.
    fn shown(collected: &mut Collected) -> Vec<(u64, u64)> {
        let mut seen = Vec::new();
        let mut see = |second: &Second| seen.push((second.number, second.started));
        collected.take_in(&mut see).unwrap();
        seen
    }

    #[test]
    fn a_second_is_shown_once_it_is_past_for_every_worker() {
        let (to, mut collected) = Collected::of(2, 0..9 * S, false);
        let (mut a, mut b) = (HandOver::new(0, to.clone()), HandOver::new(1, to));
        a.at(S / 2).started += 1;
        a.at(S + 1).started += 10;
        a.at(2 * S).started += 100;
        assert_eq!(shown(&mut collected), []);
        // The other one stalls for two seconds.
        b.at(S / 3).started += 1;
        b.at(2 * S + 5).started += 100;
        assert_eq!(shown(&mut collected), [(0, 2)]);
        b.finish(2 * S + 6);
        assert_eq!(shown(&mut collected), [(1, 10)]);
        let mut seen = Vec::new();
        let mut see = |second: &Second| seen.push((second.number, second.length_ns));
        a.finish(2 * S + 7);
        collected.ended(1, &mut see).unwrap();
        collected.ended(0, &mut see).unwrap();
        assert_eq!(seen, [(2, 7)]);
    }

    #[test]
    fn a_worker_that_ended_holds_nothing_up() {
        let (to, mut collected) = Collected::of(2, 0..9 * S, false);
        let (mut a, mut b) = (HandOver::new(0, to.clone()), HandOver::new(1, to));
        a.finish(S / 2);
        collected.ended(0, &mut |_| {}).unwrap();
        b.at(S).started += 1;
        assert_eq!(shown(&mut collected), [(0, 0)]);
        assert_eq!(collected.timeline(), [], "nothing happened");
    }

    #[test]
    fn a_row_has_what_was_in_flight_also_where_a_worker_stood_still() {
        let (to, mut collected) = Collected::of(2, 0..9 * S, false);
        let (mut a, mut b) = (HandOver::new(0, to.clone()), HandOver::new(1, to));
        for worker in [&mut a, &mut b] {
            worker.begin(S / 2);
            worker.begin(S / 2 + 1);
            worker.over(S - 1);
        }
        a.at(S);
        a.at(2 * S);
        // Both stall through second 3, one of them from second 1 on.
        for worker in [&mut a, &mut b] {
            worker.over(4 * S);
            worker.finish(6 * S);
        }
        for worker in [0, 1] {
            collected.ended(worker, &mut |_| {}).unwrap();
        }
        let rows = collected.timeline();
        let seen = rows
            .iter()
            .map(|row| (row.second, row.started, row.in_flight_max));
        let seen: Vec<_> = seen.collect();
        assert_eq!(
            seen,
            [(0, 4, 4), (1, 0, 2), (2, 0, 2), (3, 0, 2), (4, 0, 2)]
        );
    }

    #[test]
    fn a_pause_is_one_of_all_workers_and_outlives_seconds() {
        let (to, mut collected) = Collected::of(2, 0..9 * S, false);
        let (mut a, mut b) = (HandOver::new(0, to.clone()), HandOver::new(1, to));
        for worker in [&mut a, &mut b] {
            worker.wait(0);
            worker.answered(S / 2);
            for second in 1..5 {
                worker.at(second * S);
            }
        }
        b.answered(4 * S + S / 2);
        for (index, mut worker) in [a, b].into_iter().enumerate() {
            worker.finish(5 * S);
            collected.ended(index, &mut |_| {}).unwrap();
        }
        let Pause { from_ns, length_ns } = collected.longest_pause();
        assert_eq!((from_ns, length_ns), (S / 2 + S / 100, 4 * S - S / 100));
    }

    #[test]
    fn nobody_has_to_listen() {
        let mut over = HandOver::to_nobody();
        over.at(5 * S).started += 1;
        over.finish(5 * S);
        assert_eq!(over.current().number, 6);
    }
}
