//! What a display says, from the events alone.

use std::time::{Duration, SystemTime};

use shakedown::load::{Event, LiveTotals, TrialResult};
use shakedown::scenario::{Arrivals, Checked, LoadModel, Profile, QUICK, Stop};
use shakedown::shard::Shard;
use shakedown::stats::{FailureClass, Pause, Second, Stage, TrialStats};

use super::live::Live;

const MS: u64 = 1_000_000;

fn open_loop() -> LoadModel {
    LoadModel::Open {
        rate: Profile::constant(2_000.0),
        arrivals: Arrivals::Fixed,
        max_in_flight: 4_096,
    }
}

/// A run of two cells, three trials each, that is in its fourth trial.
fn live(load: LoadModel, total: Option<u64>) -> Live {
    live_of(Shard::WHOLE, load, total)
}

/// The same of a shard.
fn live_of(shard: Shard, load: LoadModel, total: Option<u64>) -> Live {
    let stop = Stop {
        warmup: Duration::from_secs(1),
        duration: Duration::from_secs(10),
        total,
        grace: Duration::from_secs(5),
    };
    let checked = QUICK.scenario().unwrap().check("", "").unwrap();
    let mut plan = Checked {
        load,
        stop,
        ..checked
    };
    let shown = |name: &str| ["tls", "mtls-resumed"].contains(&name);
    plan.cells.retain(|cell| shown(&cell.name));
    let mut live = Live::new(plan.into(), shard);
    live.on(Event::Begin {
        number: 3,
        of: 6,
        cell: 1,
    });
    live
}

fn tick(live: &mut Live, elapsed_ms: u64) {
    live.on(Event::Tick {
        elapsed: Duration::from_millis(elapsed_ms),
        live: LiveTotals {
            started: 5_000,
            ok: 4_960,
            failed: 22,
            in_flight: 18,
            held: 4,
        },
    });
}

#[test]
fn a_shard_says_which_it_is_what_it_waits_for_and_what_is_asked_of_it() {
    let shard = Shard { index: 3, of: 8 };
    let mut live = live_of(shard, open_loop(), None);
    live.on(Event::Waiting {
        left: Duration::from_millis(2_500),
    });
    let said = live.line();
    assert!(
        said.starts_with("shard 3/8, trial 4/6 ")
            && said.ends_with("waiting, the load begins in 3s"),
        "{said}"
    );
    tick(&mut live, 3_000);
    let mut second = Second::new(2, 0);
    second.close(3_000_000_000, 0, 1_000_000_000);
    live.on(Event::Second(&second));
    let said = live.line();
    assert!(
        said.contains("of 250/s asked") && !said.contains("waiting"),
        "{said}"
    );
}

/// A trial in which nothing happened.
pub(in crate::cli) fn ended() -> TrialResult {
    TrialResult {
        happened: Vec::new(),
        cell: 0,
        round: 0,
        scheduled: None,
        started_at: SystemTime::UNIX_EPOCH,
        length_ns: 0,
        stats: TrialStats::default(),
        longest_pause: Pause::default(),
        timeline: Vec::new(),
        prime: None,
        target_cpu: None,
        stolen: None,
        throttled: None,
        held_max: 0,
        in_flight_max: 0,
        memory_before: None,
        memory_max: None,
        interrupted: false,
    }
}

/// A second with this many sessions of 1 to 2 ms.
fn second(number: u64, sessions: u64) -> Second {
    let mut second = Second::new(number, 0);
    second.started = sessions;
    second.ok = sessions;
    for session in 0..sessions {
        second.latency.record(MS + session * MS / sessions);
    }
    second.lag_max_ns = 120_000;
    let until = (number + 1) * 1_000 * MS;
    second.close(until, 340 * MS, 1_000 * MS);
    second
}

/// The lines of the display, with the bar left out.
fn display(live: &Live) -> String {
    let (beside, below, alarms) = live.display();
    format!("{beside}\n{below}\n{alarms}")
}

#[test]
fn an_open_loop_that_keeps_up() {
    let mut live = live(open_loop(), None);
    live.on(Event::Priming {
        elapsed: Duration::from_millis(1_200),
    });
    let mut told = vec![live.line()];
    live.on(Event::Primed);
    tick(&mut live, 400);
    told.push(live.line());
    live.on(Event::Second(&second(0, 1_999)));
    live.on(Event::Second(&second(1, 2_000)));
    tick(&mut live, 2_150);
    told.extend([display(&live), live.line()]);
    assert_eq!(live.done(), (3 * 11_000 + 2_150, 6 * 11_000));
    live.on(Event::End(&ended()));
    told.push(live.outcome());
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn a_second_with_few_sessions_has_no_percentiles() {
    let mut live = live(open_loop(), None);
    live.on(Event::Second(&second(0, 19)));
    assert!(live.line().contains("p50 –, p99 –"), "{}", live.line());
    live.on(Event::Second(&second(1, 999)));
    assert!(live.line().contains("p50 1.5"), "{}", live.line());
    assert!(live.line().contains("p99 –"), "{}", live.line());
}

#[test]
fn what_goes_wrong_is_told_and_begins_anew_with_a_trial() {
    let mut live = live(open_loop(), None);
    let mut bad = second(0, 1_200);
    bad.not_started = 800;
    bad.failures = [
        (FailureClass::ConnectRefused, 3),
        (FailureClass::Unanswered(Stage::Handshake), 1_500),
        (FailureClass::Alert(48), 2),
        (FailureClass::Unconfirmed, 1),
    ]
    .into();
    live.on(Event::Second(&bad));
    bad.number = 1;
    bad.lag_max_ns = 40 * MS;
    live.on(Event::Second(&bad));
    tick(&mut live, 12_500);
    let mut told = vec![display(&live)];
    bad.stalls.woke(230 * MS);
    live.on(Event::Second(&bad));
    told.extend([live.line(), live.outcome()]);
    live.on(Event::Begin {
        number: 4,
        of: 6,
        cell: 0,
    });
    tick(&mut live, 0);
    told.push(display(&live));
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn a_closed_loop_with_a_total_has_sessions_instead_of_time() {
    let sessions = LoadModel::Closed {
        sessions: Profile::constant(32.0),
        start_cap: None,
    };
    let mut live = live(sessions, Some(20_000));
    let mut busy = second(0, 5_000);
    busy.close(1_000 * MS, 990 * MS, 1_000 * MS);
    live.on(Event::Second(&busy));
    tick(&mut live, 1_050);
    insta::assert_snapshot!(display(&live));
    assert_eq!(live.done(), (3 * 20_000 + 5_000, 6 * 20_000));
}

#[test]
fn a_last_second_that_is_cut_short_is_no_rate() {
    let mut live = live(open_loop(), None);
    live.on(Event::Second(&second(0, 2_000)));
    let mut last = second(1, 7);
    last.length_ns = 3 * MS;
    last.failures = [(FailureClass::Unconfirmed, 1)].into();
    live.on(Event::Second(&last));
    assert!(live.line().contains("begun 2,000/s"), "{}", live.line());
    assert!(live.line().contains("1 unconfirmed"), "{}", live.line());
}
