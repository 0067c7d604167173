//! The arithmetic of machines, with figures that are given.

use proptest::prelude::*;

use super::limits::PortRange;
use super::preflight::Resources;
use super::shards_needed::{Demand, Machine, SessionCpu, ShardsNeeded};
use crate::shard::Shard;

/// 16 cores, a million open files, 64 GiB, Linux as it comes.
const MACHINE: Machine = Machine {
    files: 1_048_576,
    memory: Some(64 << 30),
    ports: PortRange {
        ports: 28_232,
        reuse: 2,
        reuse_after_s: 1.0,
    },
    tracked: None,
};

fn demand(sessions: u64, rate: Option<f64>) -> Demand {
    Demand {
        resources: Resources {
            sessions,
            rate,
            run_s: 600.0,
            total: None,
            workers: 16,
            embedded: false,
            pairs: 1,
            loopback: false,
            spreads: false,
            portless: false,
            tls: true,
            held: rate.is_none(),
            resets: false,
        },
        starts_per_s: rate,
        ends_per_s: None,
        hold_s: 0.0,
        targets: 1,
        cpu: SessionCpu {
            us: 571.0,
            origin: "given".to_owned(),
        },
    }
}

/// `--sessions 1000000 --ramp-up 10m --hold 30m`
fn held() -> Demand {
    Demand {
        starts_per_s: Some(1e6 / 600.0),
        ends_per_s: Some(1e6 / 1_800.0),
        hold_s: 1_800.0,
        ..demand(1_000_000, None)
    }
}

/// `--rate 1000000/s --max-in-flight 50000`
fn fast() -> Demand {
    demand(50_000, Some(1e6))
}

#[test]
fn the_answer_has_its_arithmetic() {
    let say = |demand: &Demand, machine| ShardsNeeded::of(demand, machine).to_string();
    let mut reset = fast();
    (reset.resources.resets, reset.targets) = (true, 4);
    let embedded = Demand {
        resources: Resources {
            embedded: true,
            loopback: true,
            spreads: true,
            ..held().resources
        },
        starts_per_s: None,
        ends_per_s: None,
        ..held()
    };
    let small = Machine {
        files: 20_000,
        memory: Some(4 << 30),
        tracked: Some(262_144),
        ..MACHINE
    };
    let all = [
        ("a million held", say(&held(), &MACHINE)),
        ("a million a second", say(&fast(), &MACHINE)),
        (
            "a million a second, reset, 4 targets",
            say(&reset, &MACHINE),
        ),
        ("a million held, small machines", say(&held(), &small)),
        ("no rate, the target inside", say(&embedded, &MACHINE)),
    ];
    let text: Vec<String> = all
        .into_iter()
        .map(|(title, text)| format!("# {title}\n{text}"))
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn docs_have_these_figures() {
    let document = include_str!("../../docs/many-machines.md");
    for demand in [held(), fast()] {
        let text = ShardsNeeded::of(&demand, &MACHINE).to_string();
        for line in text
            .lines()
            .filter(|line| line.contains('→') || line.contains("pairs of local"))
        {
            assert!(document.contains(line.trim()), "{line}");
        }
    }
}

#[test]
fn a_closed_loop_without_a_rate_is_not_limited_by_cores() {
    let free = Demand {
        starts_per_s: None,
        ..demand(100, None)
    };
    let needed = ShardsNeeded::of(&free, &MACHINE);
    assert_eq!(needed.shards(), 1);
    assert!(needed.to_string().contains("19,615/s"), "{needed}");
}

prop_compose! {
    fn any_demand()(
        sessions in 1u64..20_000_000,
        rate in proptest::option::of(1.0..5e6f64),
        us in 10.0..5_000.0f64,
        workers in 1usize..64,
        targets in 1usize..9,
        embedded: bool,
        resets: bool,
        hold_s in 0.0..4_000.0f64,
    ) -> Demand {
        let mut all = demand(sessions, rate);
        all.resources = Resources { workers, embedded, resets, pairs: targets, ..all.resources };
        all.cpu.us = us;
        Demand { hold_s, targets, ..all }
    }
}

prop_compose! {
    fn any_machine()(
        files in 2_000u64..2_000_000,
        memory in proptest::option::of(1u64 << 28..1 << 40),
        reuse in 0u8..3,
        tracked in proptest::option::of(10_000u64..5_000_000),
    ) -> Machine {
        let ports = PortRange { reuse, ..MACHINE.ports };
        Machine { files, memory, ports, tracked }
    }
}

proptest! {
    #[test]
    fn one_shard_of_so_many_fits_its_machine(demand in any_demand(), machine in any_machine()) {
        let needed = ShardsNeeded::of(&demand, &machine);
        let of = u32::try_from(needed.shards()).unwrap();
        let share = Demand {
            resources: demand.resources.of_shard(Shard { index: 0, of }),
            starts_per_s: demand.starts_per_s.map(|starts| starts / f64::from(of)),
            ..demand.clone()
        };
        let one = &share.resources;
        prop_assert!(one.files() <= machine.files);
        let cores = share.starts_per_s.unwrap_or(0.0) * share.cpu.us / 1e6;
        prop_assert!(cores <= one.workers as f64 * 0.7 + 1e-6);
        if let Some(memory) = machine.memory {
            // Sessions are dealt out whole.
            let session = one.memory(one.end_memory().planned) / one.in_flight();
            prop_assert!((one.memory(one.end_memory().planned) - session) as f64 <= memory as f64 * 0.9);
        }
    }

    #[test]
    fn more_is_never_fewer_shards(demand in any_demand(), machine in any_machine()) {
        let needed = ShardsNeeded::of(&demand, &machine).shards();
        let mut twice = demand.clone();
        twice.resources.sessions *= 2;
        twice.starts_per_s = twice.starts_per_s.map(|starts| starts * 2.0);
        prop_assert!(ShardsNeeded::of(&twice, &machine).shards() >= needed);
        let larger = Machine {
            files: machine.files * 2,
            memory: machine.memory.map(|memory| memory * 2),
            ..machine
        };
        prop_assert!(ShardsNeeded::of(&demand, &larger).shards() <= needed);
    }

    #[test]
    fn any_figures_are_said(demand in any_demand(), machine in any_machine()) {
        let text = ShardsNeeded::of(&demand, &machine).to_string();
        prop_assert!(!text.contains("NaN") && !text.contains("inf"), "{}", text);
    }
}
