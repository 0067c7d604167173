//! The events of a cell: groups found, and authorities that revoke opened.

use std::sync::Arc;

use super::RunError;
use crate::load::{EventPlan, Revocation};
use crate::pki::{Fleet, Revoker};
use crate::scenario::{Checked, EventKind, EventSection};
use crate::units::Ratio;

/// Those that happen in a cell: without a fleet only sessions are cut.
pub(super) fn of(
    checked: &Checked,
    fleet: Option<&Arc<Fleet>>,
) -> Result<Vec<EventPlan>, RunError> {
    let events = checked.scenario.events.iter();
    let happens = |event: &&EventSection| fleet.is_some() || event.kind == EventKind::Drop;
    events
        .filter(happens)
        .map(|event| plan(event, fleet))
        .collect()
}

fn plan(event: &EventSection, fleet: Option<&Arc<Fleet>>) -> Result<EventPlan, RunError> {
    let group = match (&event.group, fleet) {
        (Some(name), Some(fleet)) => Some(fleet.group(name)?),
        _ => None,
    };
    let revocation = match fleet {
        Some(fleet) if event.kind == EventKind::Revoke => {
            let ca = event.ca.as_deref().map(|ca| (ca, event.ca_key.as_deref()));
            Some(Revocation {
                revoker: Revoker::of(fleet, ca)?,
                file: event.crl.clone(),
                hook: event.hook.clone(),
            })
        }
        _ => None,
    };
    Ok(EventPlan {
        kind: event.kind,
        at: event.at.map(|at| at.0),
        over: event.over.map(|over| over.0),
        share: event.share.unwrap_or(Ratio::ONE),
        group,
        overlap: event.overlap,
        back_off: (
            event.back_off.unwrap_or_default(),
            event.jitter.unwrap_or_default(),
        ),
        revocation,
    })
}
