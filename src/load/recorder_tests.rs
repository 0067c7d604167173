//! Tests of the recorder: what is counted, when, and that nothing is lost.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::hand_over::HandOver;
use super::recorder::{Cut, Recorder};
use crate::stats::{
    CancelPhase, FailureClass, Metric, NotStarted, OkKind, Outcome, PauseWatch, Proof, Stage,
    Timing,
};

fn recorder() -> Rc<Recorder> {
    let now = Instant::now();
    Rc::new(Recorder::new(
        now,
        now,
        Arc::default(),
        HandOver::to_nobody(),
    ))
}

#[test]
fn a_dropped_attempt_is_cancelled_not_lost() {
    let recorder = recorder();
    let attempt = recorder.begin(Instant::now());
    assert_eq!(recorder.in_flight(), 1);
    recorder.cut_off(Cut::Us(CancelPhase::Abort));
    drop(attempt);
    let stats = recorder.take();
    stats.total.check().unwrap();
    assert_eq!(stats.total.cancelled["abort"], 1);
    assert_eq!(recorder.in_flight(), 0);
}

#[test]
fn what_is_cut_off_is_as_old_as_at_the_cut() {
    let recorder = recorder();
    let second = Duration::from_secs(1);
    let now = Instant::now();
    let (old, young) = (
        recorder.begin(now.checked_sub(3 * second).unwrap()),
        recorder.begin(now.checked_sub(second).unwrap()),
    );
    let mut closing = recorder.begin(now.checked_sub(2 * second).unwrap());
    closing.record(Outcome::Ok {
        kind: OkKind::Full,
        proof: Proof::ApplicationData,
    });
    closing.enter(Stage::Close);
    recorder.cut_off(Cut::Us(CancelPhase::Drain));
    std::thread::sleep(Duration::from_millis(20));
    // However long it takes to drop them, they were cut off at one moment.
    drop((old, young, closing));
    let stats = recorder.take();
    stats.total.check().unwrap();
    assert_eq!(stats.total.cancelled["drain"], 2);
    let cut = &stats.cut_off[&CancelPhase::Drain];
    assert_eq!((cut.count(), cut.confirmed), (3, 1));
    assert_eq!(cut.stages, [(Stage::Connect, 2), (Stage::Close, 1)].into());
    assert_eq!(cut.oldest_ns - cut.youngest_ns, 2_000_000_000);
}

#[test]
fn a_close_that_is_not_answered_is_no_answer() {
    let (to, seconds) = std::sync::mpsc::channel();
    let now = Instant::now();
    let over = HandOver::new(0, to);
    let recorder = Rc::new(Recorder::new(now, now, Arc::default(), over));
    let mut closing = recorder.begin(now);
    closing.settle(OkKind::Full, Proof::ApplicationData);
    closing.enter(Stage::Close);
    std::thread::sleep(Duration::from_millis(120));
    drop(closing);
    recorder.take();
    let mut watch = PauseWatch::of(0..1_000_000_000);
    for (_, second) in seconds.try_iter() {
        watch.see(second.number, second.waiting, second.answered);
    }
    let pause = watch.longest();
    assert!(pause.from_ns > 0, "it begins with the answer: {pause:?}");
    assert!(
        pause.length_ns >= 100_000_000,
        "and the close ends none: {pause:?}"
    );
    assert_eq!(recorder.in_flight(), 0);
}

#[test]
fn who_has_not_answered_by_the_deadline_has_failed() {
    let recorder = recorder();
    let start = Instant::now().checked_sub(Duration::from_secs(4)).unwrap();
    let silent = recorder.begin(start);
    // Held ahead of its proof: nothing was asked of the server yet.
    let mut waiting = recorder.begin(start);
    waiting.enter(Stage::Hold);
    let mut closing = recorder.begin(start);
    closing.record(Outcome::Ok {
        kind: OkKind::Full,
        proof: Proof::ApplicationData,
    });
    closing.enter(Stage::Close);
    recorder.cut_off(Cut::Deadline);
    drop((silent, waiting, closing));
    let stats = recorder.take();
    stats.total.check().unwrap();
    assert_eq!(stats.total.cancelled["drain"], 1);
    let failure = &stats.total.failed["unanswered.connect"];
    assert_eq!(failure.count, 1);
    let told = "no answer when the trial ended, at the age of 4.0";
    assert!(failure.example.starts_with(told), "{}", failure.example);
    let cut = &stats.cut_off[&CancelPhase::Drain];
    assert_eq!((cut.count(), cut.confirmed), (2, 1));
    assert_eq!(cut.stages, [(Stage::Hold, 1), (Stage::Close, 1)].into());
}

/// A recorder whose measure phase began ten seconds ago.
fn measuring() -> Rc<Recorder> {
    let from = Instant::now().checked_sub(Duration::from_secs(10)).unwrap();
    let (live, nobody) = (Arc::default(), HandOver::to_nobody());
    Rc::new(Recorder::new(from, from, live, nobody))
}

/// The largest duration of every metric that has one.
fn timed(recorder: &Recorder, kind: OkKind) -> Vec<(&'static str, Timing)> {
    let stats = recorder.take();
    let begun = Metric::ALL.into_iter().filter(|m| *m != Metric::Lag);
    let of = |metric: Metric| {
        let largest = stats.kinds[&kind].histogram(metric).max();
        largest.map(|timing| (metric.label(), timing))
    };
    begun.filter_map(of).collect()
}

#[test]
fn who_has_no_answer_is_beyond_its_age_on_every_clock_that_began() {
    let ago = |s| Instant::now().checked_sub(Duration::from_secs(s)).unwrap();
    let labels = |all: &[(&'static str, Timing)]| -> Vec<&str> {
        all.iter().map(|(label, _)| *label).collect()
    };
    // Planned to resume, and silent from the first on.
    let silent = measuring();
    let mut attempt = silent.begin(ago(4));
    attempt.plan(true);
    silent.cut_off(Cut::Deadline);
    drop(attempt);
    let all = timed(&silent, OkKind::Resumed);
    assert_eq!(labels(&all), ["connect", "latency", "service"]);
    assert!(all.iter().all(|(_, timing)| timing.exact().is_none()));
    // Asked, and silent since.
    let asked = measuring();
    let mut attempt = asked.begin(ago(4));
    let ms = Duration::from_millis;
    let connected = attempt.started() + ms(1);
    attempt.connected(connected);
    attempt.enter(Stage::Confirm);
    attempt.asks(connected + ms(20));
    std::thread::sleep(ms(50));
    attempt.record(Outcome::Failed {
        class: FailureClass::Unanswered(Stage::Confirm),
        message: String::new(),
    });
    drop(attempt);
    let all = timed(&asked, OkKind::Full);
    let of = |label| {
        all.iter()
            .find(|(l, _)| *l == label)
            .map(|(_, timing)| *timing)
    };
    assert!(matches!(of("connect"), Some(Timing::At(_))), "{all:?}");
    assert_eq!(of("handshake"), None, "it has been passed");
    let age = |label| match of(label) {
        Some(Timing::Beyond(age)) => age / 1_000,
        other => panic!("{label}: {other:?}"),
    };
    let (confirm, exchange) = (age("confirm"), age("exchange"));
    assert!(confirm >= 48_900, "since it was connected: {confirm} µs");
    let apart = (confirm - exchange).abs_diff(20_000);
    assert!(apart < 500, "since it asked: {exchange} of {confirm} µs");
    assert!(age("service") >= confirm, "{all:?}");
    // Held ahead of its proof, and never asked.
    let held = measuring();
    let mut attempt = held.begin(ago(4));
    attempt.connected(attempt.started());
    attempt.enter(Stage::Hold);
    held.cut_off(Cut::Deadline);
    drop(attempt);
    assert_eq!(labels(&timed(&held, OkKind::Full)), ["connect"]);
}

#[test]
fn arrivals_skipped_at_once_fall_into_their_phases() {
    let start = Instant::now();
    let from = start + Duration::from_millis(1_500);
    let recorder = Recorder::new(start, from, Arc::default(), HandOver::to_nobody());
    let every = (0..30).map(|tenth| start + Duration::from_millis(100 * tenth));
    recorder.skip_all(every, NotStarted::Deadline);
    recorder.skip_all([], NotStarted::Deadline);
    recorder.skip(from, NotStarted::MaxInFlight);
    let stats = recorder.take();
    assert_eq!(stats.total.not_started["deadline"], 30);
    assert_eq!(stats.measured.not_started["deadline"], 15);
    assert_eq!(stats.measured.not_started["max_in_flight"], 1);
    stats.total.check().unwrap();
}

#[test]
fn what_ended_before_the_cut_is_not_cut_off() {
    let recorder = recorder();
    let mut attempt = recorder.begin(Instant::now());
    attempt.record(Outcome::Failed {
        class: FailureClass::Unconfirmed,
        message: String::new(),
    });
    drop(attempt);
    recorder.cut_off(Cut::Deadline);
    assert!(recorder.take().cut_off.is_empty());
}

#[test]
fn outcomes_and_lag_are_recorded_once() {
    let recorder = recorder();
    let scheduled = Instant::now()
        .checked_sub(Duration::from_millis(3))
        .unwrap();
    let recorder_early = Rc::new(Recorder::new(
        scheduled,
        scheduled,
        Arc::default(),
        HandOver::to_nobody(),
    ));
    let mut attempt = recorder_early.begin(scheduled);
    attempt.launch();
    attempt.confirmed(attempt.started(), attempt.started());
    attempt.record(Outcome::Ok {
        kind: OkKind::Full,
        proof: Proof::ApplicationData,
    });
    drop(attempt);
    let stats = recorder_early.take();
    assert_eq!(stats.total.ok_total(), 1);
    let lag = stats.kinds[&OkKind::Full].histogram(Metric::Lag).max();
    assert!(lag.unwrap().least() >= 3_000_000, "{lag:?}");
    let mut attempt = recorder.begin(Instant::now());
    attempt.record(Outcome::Failed {
        class: FailureClass::Unconfirmed,
        message: String::new(),
    });
    drop(attempt);
    let stats = recorder.take();
    assert_eq!(stats.total.failed["unconfirmed"].count, 1);
    stats.total.check().unwrap();
}

#[test]
fn the_window_counts_what_ends_in_it() {
    let recorder = recorder();
    drop(recorder.begin(Instant::now()));
    recorder.open_window();
    let held = recorder.begin(Instant::now());
    std::thread::sleep(Duration::from_millis(2));
    drop(held);
    recorder.close_window();
    drop(recorder.begin(Instant::now()));
    let stats = recorder.take();
    assert_eq!(stats.worker_cpu.ended, 1);
    assert!(stats.in_flight_area_ns >= 2_000_000);
    assert!(stats.worker_cpu.wall_ns >= 2_000_000);
}
