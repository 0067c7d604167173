//! The engine: starts the workers, runs the plan's trials one after another, merges what they
//! counted. While a trial runs it only watches.

use std::cell::Cell;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use super::LoadPlan;
use super::control::Interrupt;
use super::counters::LiveCounters;
use super::event::{Event, LiveTotals, TargetView, TrialResult};
use super::hand_over::Collected;
use super::happen::Happenings;
use super::job::{Job, Task};
use super::occurrence::Occurrences;
use super::prime;
use super::timetable::{Due, MOST_LATE, Timetable};
use super::watched::{STUCK, TICK, Watched};
use super::worker::work;
use crate::affinity::{Placement, pin_current};
use crate::clock::ns_between;
use crate::stats::{HistogramError, Second, TrialStats};

/// Time between giving out a trial and its start, so that all workers are ready.
const LEAD: Duration = Duration::from_millis(20);

/// A run that could not go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A thread could not be started.
    #[error("cannot start a worker thread: {0}")]
    Thread(io::Error),
    /// A worker could not run its trial.
    #[error("a worker could not run its trial: {0}")]
    Worker(io::Error),
    /// The embedded target could not be set up for a trial.
    #[error("the embedded target: {0}")]
    Target(String),
    /// The latencies of a second could not be kept.
    #[error("cannot keep the latencies of a second: {0}")]
    Second(#[from] HistogramError),
    /// A worker did not come back.
    #[error("a worker did not finish its trial; this is a bug in shakedown, please report it")]
    Stuck,
}

struct Worker {
    placement: Placement,
    jobs: mpsc::Sender<Job>,
    results: mpsc::Receiver<io::Result<TrialStats>>,
    live: Arc<LiveCounters>,
    handle: Option<JoinHandle<()>>,
}

/// The workers of a plan.
pub struct Engine {
    plan: Arc<LoadPlan>,
    workers: Vec<Worker>,
    /// Set once a worker did not come back: then no thread is waited for.
    abandoned: Cell<bool>,
}

impl Engine {
    /// Starts the plan's workers, and pins each to its core.
    ///
    /// Fails if a thread cannot be started.
    pub(crate) fn start(plan: Arc<LoadPlan>, cores: &[Option<usize>]) -> Result<Self, EngineError> {
        let workers = cores
            .iter()
            .enumerate()
            .map(|(index, core)| Worker::spawn(index, *core, &plan))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            plan,
            workers,
            abandoned: Cell::new(false),
        })
    }

    /// Where the workers run.
    pub(crate) fn placements(&self) -> Vec<Placement> {
        self.workers.iter().map(|w| w.placement.clone()).collect()
    }

    /// Runs every trial of the plan, or those before an interrupt, in the plan's order. A result goes out with
    /// its [`Event::End`] and is not kept: its histograms take megabytes, and a large matrix has thousands.
    /// If a worker cannot run or does not come back, the error is returned after the events of the trials
    /// before it.
    pub(crate) fn run(
        &self,
        timetable: Option<Timetable>,
        control: &watch::Receiver<Interrupt>,
        target: Option<&dyn TargetView>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Option<EngineError> {
        let timetable = timetable.map(Timetable::anchored);
        let checked = &self.plan.checked;
        let of = checked.trials();
        let mut number = 0;
        for (round, cells) in checked.trial_order().into_iter().enumerate() {
            for cell in cells {
                let due = timetable.map(|table| table.of_trial(number));
                if let Some(due) = due {
                    wait_ahead(due.slot, control, observe);
                }
                if *control.borrow() != Interrupt::None {
                    return None;
                }
                observe(Event::Begin { number, of, cell });
                let late = due.is_some_and(|due| due.late() > MOST_LATE);
                let primed = if late {
                    Ok(None)
                } else {
                    self.prime(cell, round, control, observe)
                };
                if matches!(primed, Ok(Some(_))) {
                    observe(Event::Primed);
                }
                let trial = primed.and_then(|prime| {
                    let turn = Turn { cell, round, due };
                    self.trial(turn, prime, control, target, observe)
                });
                match trial {
                    Ok(result) => observe(Event::End(&result)),
                    Err(error) => return Some(error),
                }
                number += 1;
            }
        }
        None
    }

    /// Has every worker fill its stores, if the cell resumes sessions. After an interrupt it is over at
    /// once, and so is the trial.
    fn prime(
        &self,
        cell: usize,
        round: usize,
        control: &watch::Receiver<Interrupt>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<Option<TrialStats>, EngineError> {
        if self.plan.cells[cell].primed.is_empty() {
            return Ok(None);
        }
        let start = Instant::now();
        let seconds = mpsc::channel().0;
        self.give_out(&Task::Prime, cell, round, start, control, &seconds)?;
        let mut sum = TrialStats::default();
        for worker in self.active() {
            let result = loop {
                let elapsed = start.elapsed();
                match worker.results.recv_timeout(TICK) {
                    Ok(result) => break result,
                    Err(mpsc::RecvTimeoutError::Timeout) if elapsed < prime::LONGEST + STUCK => {
                        observe(Event::Priming { elapsed });
                    }
                    Err(_) => {
                        self.abandoned.set(true);
                        return Err(EngineError::Stuck);
                    }
                }
            };
            sum.merge(&result.map_err(EngineError::Worker)?);
        }
        Ok(Some(sum))
    }

    fn trial(
        &self,
        turn: Turn,
        prime: Option<TrialStats>,
        control: &watch::Receiver<Interrupt>,
        target: Option<&dyn TargetView>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<TrialResult, EngineError> {
        let Turn { cell, round, due } = turn;
        let stop = self.plan.checked.stop;
        // A list of an earlier trial is no longer in place.
        if let Some(target) = target.filter(|_| !self.plan.cells[cell].events.is_empty()) {
            target
                .replace_list(cell, None)
                .map_err(EngineError::Target)?;
        }
        let (start, late) = turn.begin(control, observe);
        let measured = stop.warmup..stop.warmup + stop.duration;
        let mut watched = Watched::new(start + measured.start, start + measured.end);
        let started_at = SystemTime::now() + start.saturating_duration_since(Instant::now());
        let since_start = |at: Duration| ns_between(start, start + at);
        let measured = since_start(measured.start)..since_start(measured.end);
        let (seconds, mut collected) = Collected::of(self.active().len(), measured, due.is_some());
        let occurrences = Occurrences::of(&self.plan, cell, started_at);
        let mut happenings = Happenings::new(occurrences.as_ref(), cell, start);
        let task = match late {
            Some(late) if late > MOST_LATE => Task::Late,
            _ => Task::Trial(occurrences),
        };
        self.give_out(&task, cell, round, start, control, &seconds)?;
        let mut stats = TrialStats::default();
        let prime = prime.map(|prime| {
            stats.observed_before.merge(&prime.observed_before);
            prime.total
        });
        for (index, worker) in self.active().iter().enumerate() {
            loop {
                let next = watched.until_next().min(happenings.until_next());
                match worker.results.recv_timeout(next) {
                    Ok(result) => {
                        stats.merge(&result.map_err(EngineError::Worker)?);
                        collected.ended(index, &mut |second| observe(Event::Second(second)))?;
                        break;
                    }
                    Err(mpsc::RecvTimeoutError::Disconnected) => return Err(EngineError::Stuck),
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                }
                happenings.look(target);
                watched.look(target, &self.live());
                collected.take_in(&mut |second| observe(Event::Second(second)))?;
                if watched.overdue(stop.grace) {
                    self.abandoned.set(true);
                    return Err(EngineError::Stuck);
                }
                observe(Event::Tick {
                    elapsed: start.elapsed(),
                    live: watched.live,
                });
            }
        }
        watched.close_window(target);
        // A trial may be over before the first look at it.
        watched.look(target, &self.live());
        observe(Event::Tick {
            elapsed: start.elapsed(),
            live: watched.live,
        });
        if let Some(cpu) = &mut watched.target_cpu {
            cpu.ended = stats.worker_cpu.ended;
            cpu.confirmed = stats.worker_cpu.confirmed;
        }
        Ok(TrialResult {
            cell,
            round,
            started_at,
            scheduled: due.map(|due| due.load_after).zip(late),
            length_ns: ns_between(start, Instant::now()),
            stats,
            happened: happenings.finish(target),
            longest_pause: collected.longest_pause(),
            timeline: collected.timeline(),
            prime,
            target_cpu: watched.target_cpu,
            stolen: watched.host.stolen,
            throttled: watched.host.throttled,
            held_max: watched.held_max,
            in_flight_max: watched.in_flight_max,
            memory_before: watched.memory_before,
            memory_max: watched.memory_max,
            interrupted: *control.borrow() != Interrupt::None,
        })
    }

    fn give_out(
        &self,
        task: &Task,
        cell: usize,
        round: usize,
        start: Instant,
        control: &watch::Receiver<Interrupt>,
        seconds: &mpsc::Sender<(usize, Second)>,
    ) -> Result<(), EngineError> {
        let seed = self.plan.checked.scenario.trials.seed;
        let active = self.active();
        for (index, worker) in active.iter().enumerate() {
            let job = Job {
                task: task.clone(),
                plan: Arc::clone(&self.plan),
                cell,
                worker: index,
                share: self.plan.shard.share(index, active.len()),
                // The same arrivals in every cell of a round, others in the next round.
                seed: seed.wrapping_add(1_000 * (round as u64 + 1)),
                start,
                control: control.clone(),
                live: Arc::clone(&worker.live),
                seconds: seconds.clone(),
            };
            worker.jobs.send(job).map_err(|_| EngineError::Stuck)?;
        }
        Ok(())
    }

    /// The workers that take part: with fewer sessions than workers some would have none, and their
    /// share of a total or of the arrivals would never start. Shards have no more workers than sessions.
    fn active(&self) -> &[Worker] {
        let most = self.plan.checked.load.max_in_flight();
        let count = usize::try_from(most)
            .unwrap_or(usize::MAX)
            .clamp(1, self.workers.len());
        &self.workers[..count]
    }

    fn live(&self) -> LiveTotals {
        let mut totals = LiveTotals::default();
        for worker in self.active() {
            let live = &worker.live;
            totals.started += live.started.load(Ordering::Relaxed);
            totals.ok += live.ok.load(Ordering::Relaxed);
            totals.failed += live.failed.load(Ordering::Relaxed);
            totals.in_flight += live.in_flight.load(Ordering::Relaxed);
            totals.held += live.held.load(Ordering::Relaxed);
        }
        totals
    }
}

/// Which trial it is, and when its turn comes, where that is said.
#[derive(Debug, Clone, Copy)]
struct Turn {
    cell: usize,
    round: usize,
    due: Option<Due>,
}

impl Turn {
    /// Waits until it is time to give it out. Returns when its load begins, and how late that is.
    fn begin(
        self,
        control: &watch::Receiver<Interrupt>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> (Instant, Option<Duration>) {
        let Some(due) = self.due else {
            return (Instant::now() + LEAD, None);
        };
        wait_ahead(due.load, control, observe);
        let late = due.late();
        let start = if late > MOST_LATE {
            Instant::now() + LEAD
        } else {
            due.load
        };
        (start, Some(late))
    }
}

/// Waits until [`LEAD`] before a time, or until an interrupt.
fn wait_ahead(
    of: Instant,
    control: &watch::Receiver<Interrupt>,
    observe: &mut dyn FnMut(Event<'_>),
) {
    loop {
        let left = of.saturating_duration_since(Instant::now() + LEAD);
        if left.is_zero() || *control.borrow() != Interrupt::None {
            return;
        }
        observe(Event::Waiting { left });
        thread::sleep(left.min(TICK));
    }
}

impl Worker {
    fn spawn(index: usize, core: Option<usize>, plan: &Arc<LoadPlan>) -> Result<Self, EngineError> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (outbox, results) = mpsc::channel();
        let (started, has_started) = mpsc::sync_channel(1);
        let name = format!("worker-{index}");
        let plan = Arc::clone(plan);
        let handle = thread::Builder::new()
            .name(name.clone())
            .spawn(move || {
                let placement = pin_current(name, core);
                plan.seed_thread(index);
                if started.send(placement).is_err() {
                    return;
                }
                for job in inbox {
                    if outbox.send(work(&job)).is_err() {
                        return;
                    }
                }
            })
            .map_err(EngineError::Thread)?;
        let placement = has_started.recv().map_err(|_| EngineError::Stuck)?;
        Ok(Self {
            placement,
            jobs,
            results,
            live: Arc::default(),
            handle: Some(handle),
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            // Closing the inbox ends the thread's loop.
            worker.jobs = mpsc::channel().0;
        }
        if self.abandoned.get() {
            return;
        }
        for worker in &mut self.workers {
            if let Some(handle) = worker.handle.take() {
                // A worker that panicked has already said so on stderr.
                let _ = handle.join();
            }
        }
    }
}
