//! How many shards a plan needs on machines like this one, and why. Pure arithmetic: every figure comes in.

use std::fmt::{self, Display, Write};

use super::limits::{PortRange, available_memory, hard_file_limit, most_tracked};
use super::preflight::{MOST_SOURCES, Resources, TIME_WAIT_S, USABLE_PORTS};
use crate::units::{counted, format_count, three_digits};

/// Part of the cores' time that is planned with. A run is `generator-limited` above 95 %, and its lag grows before.
const PLANNED_BUSY: f64 = 0.7;
/// Part of the memory that is planned with: the system and the process have needs of their own.
const PLANNED_MEMORY: f64 = 0.9;
/// Ports that a translated address has for connections to one address and port.
const NAT_PORTS: f64 = 64_512.0;
/// Seconds for which Linux tracks a connection after an orderly close and after a reset
/// (`nf_conntrack_tcp_timeout_time_wait` and `_close`).
const TRACKED_S: (f64, f64) = (120.0, 10.0);
/// Width of the names of lines.
const WIDTH: usize = 13;

/// CPU time of a session, and where the figure is from.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionCpu {
    /// Microseconds.
    pub us: f64,
    /// Whether it was measured, on what, or who gave it.
    pub origin: String,
}

/// What is asked of all shards together.
#[derive(Debug, Clone)]
pub struct Demand {
    /// What the whole plan would need on one machine.
    pub resources: Resources,
    /// Sessions begun per second at most; none if as many as the cores can.
    pub starts_per_s: Option<f64>,
    /// Sessions ended per second once all have begun; none if as many as begin.
    pub ends_per_s: Option<f64>,
    /// How long each session is held, in seconds.
    pub hold_s: f64,
    /// Addresses of the target.
    pub targets: usize,
    /// CPU time of a session.
    pub cpu: SessionCpu,
}

/// A machine that shards run on, one each.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// Most open files of a process.
    pub(super) files: u64,
    /// Memory to take, in bytes.
    pub(super) memory: Option<u64>,
    pub(super) ports: PortRange,
    /// Most connections that its connection tracking has room for, if it has one.
    pub(super) tracked: Option<u64>,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        Self {
            files: hard_file_limit(),
            memory: available_memory(),
            ports: PortRange::of_host(),
            tracked: most_tracked(),
        }
    }
}

/// One thing that shards can run out of.
#[derive(Debug, Clone, PartialEq)]
struct Constraint {
    what: &'static str,
    arithmetic: String,
    /// Shards that it takes; none if it does not limit the plan.
    shards: Option<u64>,
}

/// The answer: how many, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct ShardsNeeded {
    constraints: Vec<Constraint>,
    shards: u64,
    addresses: Vec<String>,
    notes: Vec<String>,
}

impl ShardsNeeded {
    /// Works out what a plan needs.
    pub fn of(demand: &Demand, machine: &Machine) -> Self {
        let constraints = vec![
            demand.cores(),
            demand.files(machine.files),
            demand.memory(machine.memory),
            demand.tracking(machine.tracked),
        ];
        let shards = constraints.iter().filter_map(|c| c.shards).max();
        let shards = shards.unwrap_or(1);
        Self {
            addresses: demand.addresses(shards, &machine.ports),
            notes: demand.notes(shards),
            constraints,
            shards,
        }
    }

    /// How many shards.
    pub fn shards(&self) -> u64 {
        self.shards
    }
}

/// `need` over what one machine has, as shards.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive quotient, which saturates"
)]
fn shards_for(need: f64, of_one: f64) -> u64 {
    // What a rounding error adds is no shard.
    (need / of_one.max(1.0) - 1e-9).ceil().max(1.0) as u64
}

/// A number of things that are counted, rounded up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive number, which saturates"
)]
fn whole(number: f64) -> String {
    format_count(number.ceil().max(0.0) as u64)
}

impl Demand {
    fn cores(&self) -> Constraint {
        let workers = counted(self.resources.workers as u64, "worker");
        let (cpu, percent) = (three_digits(self.cpu.us), PLANNED_BUSY * 100.0);
        let Some(starts) = self.starts_per_s else {
            return Constraint {
                what: "cores",
                arithmetic: format!(
                    "no rate is asked for: one shard begins about {}/s at {cpu} µs with {workers} × {percent:.0} %",
                    whole(self.most_starts())
                ),
                shards: None,
            };
        };
        Constraint {
            what: "cores",
            arithmetic: format!(
                "{}/s × {cpu} µs = {} cores, of {workers} × {percent:.0} %",
                whole(starts),
                three_digits(starts * self.cpu.us / 1e6)
            ),
            // Per hour: slow keys may leave a machine less than one session a second.
            shards: Some(shards_for(starts * 3_600.0, self.most_starts() * 3_600.0)),
        }
    }

    /// Sessions per second that the cores of one shard make.
    fn most_starts(&self) -> f64 {
        self.resources.workers as f64 * PLANNED_BUSY * 1e6 / self.cpu.us.max(0.001)
    }

    fn files(&self, limit: u64) -> Constraint {
        let resources = &self.resources;
        let ends = resources.ends();
        let own = resources.base_files();
        let most = limit.saturating_sub(own) / ends;
        let each = if ends == 1 { "1" } else { "2 (both ends)" };
        Constraint {
            what: "descriptors",
            arithmetic: format!(
                "{} sessions at once × {each}, of {} less {own}",
                format_count(resources.in_flight()),
                format_count(limit),
            ),
            shards: Some(shards_for(resources.in_flight() as f64, most as f64)),
        }
    }

    fn memory(&self, available: Option<u64>) -> Constraint {
        let resources = &self.resources;
        let each = resources.ends() * resources.end_memory().planned;
        let need = resources.in_flight() as f64 * each as f64;
        let gibibytes =
            |bytes: u64| format!("{} GiB", three_digits(bytes as f64 / f64::from(1 << 30)));
        let of = available.map_or("an unknown amount".to_owned(), gibibytes);
        Constraint {
            what: "memory",
            arithmetic: format!(
                "{} sessions at once × {} KiB, of {of} × {:.0} %",
                format_count(resources.in_flight()),
                each >> 10,
                PLANNED_MEMORY * 100.0
            ),
            shards: available.map(|available| shards_for(need, available as f64 * PLANNED_MEMORY)),
        }
    }

    /// Connections that a table of them has: those in flight and those that it remembers for a while.
    fn remembered(&self, seconds: f64) -> f64 {
        let resources = &self.resources;
        let rate = self.ends_per_s.or(self.starts_per_s);
        let ended = rate.unwrap_or_else(|| self.most_starts()) * seconds.min(resources.run_s);
        let total = resources.total.map_or(f64::INFINITY, |total| total as f64);
        resources.in_flight() as f64 + ended.min(total)
    }

    fn tracked_s(&self) -> f64 {
        if self.resources.resets {
            TRACKED_S.1
        } else {
            TRACKED_S.0
        }
    }

    fn tracking(&self, most: Option<u64>) -> Constraint {
        let resources = &self.resources;
        let (what, seconds) = ("conntrack", self.tracked_s());
        let most = most.filter(|_| !resources.loopback && !resources.portless);
        let Some(most) = most else {
            return Constraint {
                what,
                arithmetic: "this host tracks no connections to the target".to_owned(),
                shards: None,
            };
        };
        let need = self.remembered(seconds);
        Constraint {
            what,
            arithmetic: format!(
                "{} at once and of the last {seconds} s, of nf_conntrack_max {}",
                whole(need),
                format_count(most)
            ),
            shards: Some(shards_for(need, most as f64)),
        }
    }

    /// Ports of all shards, and the addresses that have them.
    fn addresses(&self, shards: u64, range: &PortRange) -> Vec<String> {
        let resources = &self.resources;
        if resources.portless {
            return vec!["a Unix socket takes no ports".to_owned()];
        }
        let waited_s = match (resources.resets, range.reuses(resources.loopback)) {
            (true, _) => 0.0,
            (false, true) => range.reuse_after_s,
            (false, false) => TIME_WAIT_S,
        };
        let used = self.remembered(waited_s);
        let per_pair = range.ports as f64 * USABLE_PORTS;
        let pairs = shards_for(used, per_pair);
        let targets = self.targets.max(1) as u64;
        let of_shard = shards_for(used / shards as f64, per_pair);
        let local = of_shard.div_ceil(targets);
        let (given, has) = if resources.spreads {
            let loopback = "those of loopback, which are taken as needed";
            (u64::from(MOST_SOURCES), loopback.to_owned())
        } else {
            let given = (resources.pairs as u64 / targets).max(1);
            (given, format_count(given))
        };
        let mut lines = vec![
            format!(
                "ports: {} at once and in TIME_WAIT ({waited_s} s) ÷ {} ({:.0} % of {}) = {} of local and target \
                 address",
                whole(used),
                whole(per_pair.floor()),
                USABLE_PORTS * 100.0,
                format_count(range.ports),
                counted(pairs, "pair")
            ),
            format!(
                "{} local for each shard, with {} of the target; this plan has {has}",
                format_count(local),
                format_count(targets)
            ),
        ];
        if local > given {
            lines.push(format!(
                "with {} local: {} of the target (--all-addresses), or {} shards",
                format_count(given),
                format_count(of_shard.div_ceil(given)),
                format_count(pairs.div_ceil(given * targets))
            ));
        }
        lines
    }

    fn notes(&self, shards: u64) -> Vec<String> {
        let resources = &self.resources;
        let mut notes = vec![format!("CPU time of a session: {}", self.cpu.origin)];
        let most = resources.in_flight() / resources.workers.max(1) as u64;
        if shards > most {
            notes.push(format!(
                "{} shards of {} workers would be more workers than sessions; ask for fewer --workers or more sessions",
                format_count(shards),
                resources.workers
            ));
        }
        if let Some(rate) = resources.rate.filter(|rate| *rate > 0.0) {
            let room_ms = resources.sessions as f64 / rate * 1e3;
            let short = if room_ms < self.hold_s * 1e3 {
                ", which is less than it is held"
            } else {
                ""
            };
            notes.push(format!(
                "at most {} in flight leave each session {} ms{short}; raise --max-in-flight if the server takes longer",
                format_count(resources.sessions),
                three_digits(room_ms)
            ));
        }
        if !resources.loopback && !resources.portless {
            let seconds = self.tracked_s();
            let need = self.remembered(seconds);
            notes.push(format!(
                "NAT: shards behind one address share its {} ports towards each address of the target; {} connections, \
                 those of the last {seconds} s included, take {}",
                whole(NAT_PORTS),
                whole(need),
                counted(shards_for(need, NAT_PORTS), "pair")
            ));
            notes.push(format!(
                "firewalls and load balancers that track connections need room for {}",
                whole(need)
            ));
        }
        notes
    }
}

impl Display for ShardsNeeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.shards == 1 { "shard" } else { "shards" };
        let binding = self.constraints.iter();
        let binding: Vec<&str> = binding
            .filter(|c| self.shards > 1 && c.shards == Some(self.shards))
            .map(|c| c.what)
            .collect();
        let mut head = format!(
            "{} {plural} on machines like this one",
            format_count(self.shards)
        );
        if !binding.is_empty() {
            let _ = write!(head, ", because of {}", binding.join(" and "));
        }
        writeln!(f, "{head}")?;
        for constraint in &self.constraints {
            let (what, arithmetic) = (constraint.what, &constraint.arithmetic);
            write!(f, "  {what:<WIDTH$}{arithmetic}")?;
            match constraint.shards {
                Some(shards) => writeln!(f, " → {}", format_count(shards))?,
                None => writeln!(f)?,
            }
        }
        for (name, lines) in [("addresses", &self.addresses), ("notes", &self.notes)] {
            let names = std::iter::once(name).chain(std::iter::repeat(""));
            for (name, line) in names.zip(lines) {
                writeln!(f, "  {name:<WIDTH$}{line}")?;
            }
        }
        Ok(())
    }
}
