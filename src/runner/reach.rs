//! How a run finds its server: every address of the name, allowed or refused together, and which are used.

use std::net::SocketAddr;

use crate::address::{AddressError, Choice, addresses, refuse_public};
use crate::record::AddressRecord;
use crate::scenario::{Checked, TargetPlan};
use crate::session::Endpoint;

use super::sources::reachable;

/// The addresses of a scenario's server and which of them are used. With several, the first that takes a TCP
/// connection is, unless all are asked for.
///
/// Fails if the name has none, or one of them is public without the scenario allowing that.
pub(super) fn find(checked: &Checked) -> Result<Choice, AddressError> {
    let TargetPlan::Remote { host, port, pinned } = &checked.target else {
        // The embedded target is asked for its addresses instead.
        return Ok(Choice::all(Vec::new()));
    };
    let (target, timeouts) = (&checked.scenario.target, &checked.scenario.timeouts);
    let (reached, at) = checked.way_in.reached(host, *port);
    let mut all = addresses(reached, at, pinned, timeouts.resolve.0)?;
    if !target.allow_public {
        refuse_public(reached, &all)?;
        if checked.way_in.proxy.is_some() {
            // The proxy looks the server up; it must not be a public one there either.
            refuse_public(host, &addresses(host, *port, &[], timeouts.resolve.0)?)?;
        }
    }
    reachable(checked, &mut all);
    Ok(if target.all_addresses {
        Choice::all(all)
    } else {
        Choice::first_that_answers(all, timeouts.connect.0)
    })
}

/// The one address of a scenario's target, with its zone if it has one.
///
/// # Errors
///
/// Fails if its name has none, and if one is public without the scenario allowing that.
pub fn permitted_address(checked: &Checked) -> Result<String, AddressError> {
    if checked.way_in.unix.is_some() {
        // There is none to permit.
        return Ok("127.0.0.1".to_owned());
    }
    let choice = find(checked)?;
    Ok(match choice.used().first() {
        Some(SocketAddr::V6(v6)) if v6.scope_id() != 0 => {
            format!("{}%{}", v6.ip(), v6.scope_id())
        }
        Some(address) => address.ip().to_string(),
        None => "127.0.0.1".to_owned(),
    })
}

/// Addresses in a line.
pub(super) fn listed(addrs: &[Endpoint]) -> String {
    let all: Vec<String> = addrs.iter().map(ToString::to_string).collect();
    all.join(", ")
}

/// The record of a choice.
pub(super) fn record(choice: &Choice) -> Vec<AddressRecord> {
    let each = choice.addresses.iter().map(|address| {
        let failed = choice.failed.iter().find(|tried| tried.address == *address);
        AddressRecord {
            address: address.to_string(),
            used: choice.used().contains(address),
            failure: failed.map(|tried| tried.failure.1.clone()),
        }
    });
    each.collect()
}
