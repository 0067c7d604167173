//! `shakedown providers`: the capabilities of each crypto provider, side by side or as JSON.

use std::fmt::Write;

use clap::Args;
use shakedown::crypto::{Capabilities, KeySupport, Surveyed, survey};
use shakedown::pki::throw_away_key;
use shakedown::scenario::{ProviderName, TlsVersion};

use super::output::{columns, print};

#[derive(Debug, Args)]
pub struct ProvidersArgs {
    /// Print the matrix as JSON
    #[arg(long)]
    json: bool,
}

/// Prints the matrix.
pub(crate) fn run(args: &ProvidersArgs) -> anyhow::Result<()> {
    let all = survey(|key| throw_away_key(key).ok());
    print(&all, args.json, || Ok(text(&all)))
}

fn text(all: &[Surveyed]) -> String {
    let here: Vec<(&Surveyed, &Capabilities)> = (all.iter())
        .filter_map(|one| Some((one, one.capabilities.as_ref()?)))
        .collect();
    let mut out = matrix(&here);
    out.push_str("\nNumbers are TLS versions. Suites carry their rank: 1 is what the provider offers first.\n");
    for (one, _) in &here {
        let _ = write!(
            out,
            "\n{}: {} ({})",
            one.entry.name, one.entry.remarks, one.entry.package
        );
    }
    out.push('\n');
    for one in all {
        if let Some(reason) = &one.unavailable {
            let _ = write!(out, "\nnot here: {reason}\n  {}\n", one.entry.remarks);
        }
    }
    out
}

/// A row per capability, a column per provider.
fn matrix(here: &[(&Surveyed, &Capabilities)]) -> String {
    let name = |one: &Surveyed| {
        if one.entry.name == ProviderName::default() {
            format!("{} (default)", one.entry.name)
        } else {
            one.entry.name.to_string()
        }
    };
    let names = here.iter().map(|(one, _)| name(one));
    let mut rows = vec![std::iter::once(String::new()).chain(names).collect()];
    let mut row = |label: &str, value: &dyn Fn(&Surveyed, &Capabilities) -> String| {
        let values = here.iter().map(|(one, can)| value(one, can));
        rows.push(std::iter::once(label.to_owned()).chain(values).collect());
    };
    row("TLS", &|_, can| versions(&can.versions));
    row("groups", &|_, _| String::new());
    for name in each(here, |can| can.groups.iter().map(|g| g.name.as_str())) {
        row(&format!("  {name}"), &|_, can| {
            can.group(name)
                .map_or(NOT.to_owned(), |group| versions(&group.versions))
        });
    }
    row("certificates", &|_, _| String::new());
    for name in each(here, |can| can.keys.iter().map(|k| k.key.label())) {
        row(&format!("  {name}"), &|_, can| {
            let support = can.keys.iter().find(|k| k.key.label() == name);
            support.map_or(NOT.to_owned(), key)
        });
    }
    row("cipher suites", &|_, _| String::new());
    for name in each(here, |can| can.suites.iter().map(|s| s.name.as_str())) {
        row(&format!("  {name}"), &|_, can| {
            let rank = can.suites.iter().position(|suite| suite.name == name);
            rank.map_or(NOT.to_owned(), |rank| (rank + 1).to_string())
        });
    }
    row("signatures verified", &|_, _| String::new());
    for name in each(here, |can| can.verifies.iter().map(String::as_str)) {
        row(&format!("  {name}"), &|_, can| {
            yes(can.verifies.iter().any(|scheme| scheme == name))
        });
    }
    row("post-quantum groups", &|_, can| {
        yes(can.groups.iter().any(|group| group.post_quantum))
    });
    row("early data (0-RTT)", &|_, can| yes(can.early_data));
    row("QUIC", &|_, can| yes(can.quic));
    row("FIPS 140", &|_, can| yes(can.fips));
    row("encrypts tickets itself", &|one, _| {
        yes(one.own_tickets == Some(true))
    });
    columns(rows)
}

/// Placeholder for a missing capability.
const NOT: &str = "–";

fn yes(there: bool) -> String {
    if there { "yes" } else { NOT }.to_owned()
}

fn versions(versions: &[TlsVersion]) -> String {
    if versions.is_empty() {
        return NOT.to_owned();
    }
    let names: Vec<String> = versions.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn key(support: &KeySupport) -> String {
    if support.server == support.client {
        versions(&support.server)
    } else {
        format!(
            "server {}; client {}",
            versions(&support.server),
            versions(&support.client)
        )
    }
}

/// Every name that one of the providers has, each once, in the order in which they come.
fn each<'a, I: Iterator<Item = &'a str>>(
    here: &[(&Surveyed, &'a Capabilities)],
    names: impl Fn(&'a Capabilities) -> I,
) -> Vec<&'a str> {
    let mut all: Vec<&str> = Vec::new();
    for name in here.iter().flat_map(|(_, can)| names(can)) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}
