//! What a plan needs of this host, by its arithmetic.

use proptest::prelude::*;

use super::limits::PortRange;
use super::preflight::*;
use super::schedule::share;
use crate::shard::Shard;

const SMALL: Resources = Resources {
    sessions: 10,
    rate: Some(100.0),
    run_s: 2.0,
    total: None,
    workers: 1,
    embedded: true,
    pairs: 1,
    loopback: true,
    spreads: true,
    tls: true,
    held: false,
    resets: false,
    portless: false,
};
const RANGE: PortRange = PortRange {
    ports: 28_232,
    reuse: 0,
    reuse_after_s: 1.0,
};

#[test]
fn a_small_plan_needs_one_source_and_passes() {
    let preflight = SMALL.check().unwrap();
    assert!(SMALL.sources().is_empty());
    assert!(preflight.files_limit >= preflight.files_needed);
}

#[test]
fn churn_is_spread_over_sources() {
    let busy = Resources {
        rate: Some(2_000.0),
        run_s: 60.0,
        ..SMALL
    };
    // 120,000 connections in TIME_WAIT, 16,939 planned per source.
    assert_eq!(busy.sources_of(28_232), 8);
    assert_eq!(busy.ports(&RANGE), None);
    let resets = Resources {
        resets: true,
        ..busy
    };
    assert_eq!(resets.sources_of(28_232), 1);
}

#[test]
fn ports_that_may_run_out_are_a_warning_with_the_arithmetic() {
    let remote = Resources {
        sessions: 1_000,
        rate: Some(300.0),
        run_s: 600.0,
        embedded: false,
        loopback: false,
        spreads: false,
        ..SMALL
    };
    let shortage = remote.ports(&RANGE).unwrap();
    for part in [
        "300/s for 60 s",
        "1,000 in flight",
        "19,000",
        "28,232",
        "16,939",
    ] {
        assert!(shortage.message.contains(part), "{shortage:?}");
    }
    for way_out in [
        "--exchanges",
        "--close reset",
        "--source",
        "tcp_tw_reuse",
        "--all-addresses",
    ] {
        assert!(shortage.advice.contains(way_out), "{way_out}");
    }
    let enough = |plan: Resources, reuse| {
        let range = PortRange { reuse, ..RANGE };
        plan.ports(&range).is_none()
    };
    // 300 are reused after a second; 2 is for loopback alone.
    assert!(enough(remote, 1) && !enough(remote, 2));
    let loopback = Resources {
        loopback: true,
        ..remote
    };
    assert!(enough(loopback, 2) && !enough(loopback, 0));
    let both = Resources { pairs: 2, ..remote };
    let resets = Resources {
        resets: true,
        ..remote
    };
    assert!(enough(both, 0) && enough(resets, 0));
}

#[test]
fn a_guess_and_a_small_total_warn_of_nothing() {
    let closed = Resources {
        rate: None,
        run_s: 600.0,
        workers: 64,
        ..SMALL
    };
    assert_eq!(closed.sources_of(28_232), MOST_SOURCES);
    assert_eq!(closed.ports(&RANGE), None);
    let few = Resources {
        rate: Some(500.0),
        run_s: 600.0,
        total: Some(100),
        spreads: false,
        ..SMALL
    };
    assert_eq!((few.sources_of(28_232), few.ports(&RANGE)), (1, None));
}

#[test]
fn a_bound_that_cannot_be_reached_is_a_warning() {
    let open = Resources {
        sessions: 4_000_000_000,
        ..SMALL
    };
    let preflight = open.check().unwrap();
    let codes: Vec<_> = preflight
        .shortages
        .iter()
        .map(|s| s.code.as_str())
        .collect();
    assert!(codes.contains(&"files-may-run-out"), "{codes:?}");
    assert!(codes.contains(&"memory-may-run-out"), "{codes:?}");
    let few = Resources {
        total: Some(10),
        ..open
    };
    assert_eq!(few.check().unwrap().shortages, []);
}

#[test]
fn the_impossible_is_refused_with_the_numbers() {
    let error = Resources {
        sessions: 4_000_000_000,
        rate: None,
        ..SMALL
    }
    .check()
    .unwrap_err()
    .to_string();
    assert!(error.contains("8,000,000,072 file descriptors"), "{error}");
}

#[test]
fn a_port_in_time_wait_is_reused_after_the_systems_delay() {
    let busy = Resources {
        rate: Some(10_000.0),
        run_s: 600.0,
        loopback: false,
        spreads: false,
        ..SMALL
    };
    let at = |reuse_after_s| PortRange {
        reuse: 1,
        reuse_after_s,
        ..RANGE
    };
    // 16,939 are planned with.
    assert_eq!(busy.ports(&at(1.0)), None);
    assert!(busy.ports(&at(2.0)).is_some());
    let pairs = Resources { pairs: 2, ..busy };
    assert_eq!(pairs.ports(&at(2.0)), None);
}

#[test]
fn memory_is_what_was_measured_of_each_kind_of_session() {
    let kib = |tls, held| {
        let plan = Resources {
            tls,
            held,
            sessions: 1_000_000,
            embedded: false,
            ..SMALL
        };
        let end = plan.end_memory();
        assert!(end.least < end.planned);
        plan.memory(end.planned) / (1_000_000 << 10)
    };
    assert_eq!(
        [kib(true, true), kib(true, false), kib(false, true)],
        [17, 24, 12]
    );
}

proptest! {
    #[test]
    fn a_shard_has_no_more_sessions_than_planned(
        sessions in 1u64..5_000,
        of in 1u32..40,
        workers in 1usize..9,
    ) {
        let whole = Resources { sessions, total: Some(sessions), rate: Some(sessions as f64), workers, ..SMALL };
        let mut all = 0;
        for index in 0..of {
            let shard = Shard { index, of };
            let part = whole.of_shard(shard);
            let own: u64 = (0..workers)
                .map(|worker| shard.share(worker, workers))
                .map(|(worker, of)| share(sessions, worker as u64, of as u64))
                .sum();
            prop_assert!(own <= part.sessions && own <= part.total.unwrap());
            prop_assert!(part.files() <= whole.files());
            prop_assert_eq!(part.workers, workers);
            all += own;
        }
        prop_assert_eq!(all, sessions);
    }
}
