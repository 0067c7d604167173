//! Which local addresses a run connects from, where the scenario names some: this host has each of them, and each is of
//! use for some address of the target.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::load::CellPlan;
use crate::scenario::Checked;
use crate::session::try_source;

/// A local address that no connection can be made from.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The target has no address of its family.
    #[error(
        "workers.source (--source): nothing is connected to from {source_address}, as the target is {targets}; drop it, or name the target by an address of its family (--resolve)"
    )]
    Useless {
        /// The local address.
        source_address: IpAddr,
        /// The target's addresses.
        targets: String,
    },
    /// None is of the family of an address of the target.
    #[error(
        "workers.source (--source): none is of the family of {target}, to which connections would leave from elsewhere; add one, or drop target.all-addresses"
    )]
    Missing {
        /// The target's address.
        target: SocketAddr,
    },
    /// The system does not bind it.
    #[error(
        "workers.source (--source): no connection can be made from {source_address}: {cause}; this host has the addresses that `ip address` lists, and `ip address add {source_address} dev NAME` adds one"
    )]
    Refused {
        /// The local address.
        source_address: IpAddr,
        /// What the system says.
        cause: io::Error,
    },
}

/// Keeps the addresses of a name that a source reaches, where the first that answers is used.
pub(super) fn reachable(checked: &Checked, all: &mut Vec<SocketAddr>) {
    let sources = checked.scenario.workers.sources();
    let reached = |to: &SocketAddr| sources.iter().any(|ip| ip.is_ipv4() == to.is_ipv4());
    if !checked.scenario.target.all_addresses && all.iter().any(reached) {
        all.retain(reached);
    }
}

/// Pairs of a local address and one of the target, of the cell that has the fewest. Where no local address is given, each
/// address of the target is connected to from one.
pub(super) fn pairs(cells: &[CellPlan], sources: &[IpAddr]) -> usize {
    let of_cell = cells.iter().map(|cell| {
        let from = |to: SocketAddr| {
            sources
                .iter()
                .filter(move |ip| ip.is_ipv4() == to.is_ipv4())
        };
        let each = cell
            .addrs
            .iter()
            .map(|to| to.address().map_or(1, |to| from(to).count().max(1)));
        each.sum()
    });
    of_cell.min().unwrap_or(1)
}

/// The local addresses that a scenario names; none where it names none.
///
/// Fails on the first that is of no use or cannot be bound, and on an address of the target without one.
pub(super) fn given(checked: &Checked, targets: &[SocketAddr]) -> Result<Vec<IpAddr>, SourceError> {
    let sources = checked.scenario.workers.sources();
    let pair = |source: &IpAddr, to: &SocketAddr| source.is_ipv4() == to.is_ipv4();
    for source in &sources {
        let Some(to) = targets.iter().find(|to| pair(source, to)) else {
            let targets: BTreeSet<IpAddr> = targets.iter().map(SocketAddr::ip).collect();
            let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
            return Err(SourceError::Useless {
                source_address: *source,
                targets: targets.join(", "),
            });
        };
        try_source(*source, *to).map_err(|cause| SourceError::Refused {
            source_address: *source,
            cause,
        })?;
    }
    let alone = |to: &&SocketAddr| !sources.iter().any(|source| pair(source, to));
    match targets.iter().find(alone) {
        Some(target) if !sources.is_empty() => Err(SourceError::Missing { target: *target }),
        _ => Ok(sources),
    }
}
