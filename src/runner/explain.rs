//! A prepared run in words: what the scenario says, and what was resolved on this host.

use std::fmt::Write;

use super::{Prepared, reach};
use crate::shard::Shard;
use crate::units::{format_count, mebibytes};

impl Prepared {
    /// The plan as resolved: cells, addresses, cores, limits, and the order of the trials.
    pub fn explain(&self) -> String {
        let plan = self.plan();
        let mut out = plan.checked.explain();
        for skipped in &self.selection.skipped {
            let _ = writeln!(
                out,
                "  {} is skipped: {}",
                skipped.cell.name, skipped.reason
            );
        }
        out.push_str("addresses\n");
        for site in &plan.cells {
            let _ = writeln!(out, "  {}: {}", site.cell.name, reach::listed(&site.addrs));
        }
        let mut line = |what: &str, text: String| {
            let _ = writeln!(out, "{what:<10}{text}");
        };
        if let Some(identity) = &self.identity {
            line("identity", identity.clone());
        }
        let suites = self.selection.suites(&plan.checked);
        if !suites.is_empty() {
            line("suites", suites.join(", "));
        }
        if plan.shard != Shard::WHOLE {
            let shard = plan.shard;
            line("shard", format!("{} of {}", shard.index, shard.of));
        }
        line("workers", cores(&plan.worker_cores));
        if let [first, .., last] = &plan.sources[..] {
            let count = plan.sources.len();
            line("sources", format!("{first} to {last}, {count} in turns"));
        } else if let [only] = &plan.sources[..] {
            line("sources", only.to_string());
        }
        let limits = self.preflight();
        let memory = limits.memory_available.map_or("?".to_owned(), mebibytes);
        line(
            "needs",
            format!(
                "{} of {} file descriptors, {} of {memory} memory",
                format_count(limits.files_needed),
                format_count(limits.files_limit),
                mebibytes(limits.memory_needed)
            ),
        );
        for shortage in &limits.shortages {
            let _ = writeln!(
                out,
                "warning   {}\n  help: {}",
                shortage.message, shortage.advice
            );
        }
        out.push_str("order of trials\n");
        for (number, round) in (1..).zip(plan.checked.trial_order()) {
            let names: Vec<&str> = (round.into_iter())
                .map(|cell| plan.cells[cell].cell.name.as_str())
                .collect();
            let _ = writeln!(out, "  {number}: {}", names.join(", "));
        }
        out
    }
}

/// How many threads, and where.
fn cores(cores: &[Option<usize>]) -> String {
    let names: Vec<String> = (cores.iter())
        .map(|core| core.map_or("any".to_owned(), |core| core.to_string()))
        .collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    format!("{} on core{plural} {}", names.len(), names.join(", "))
}
