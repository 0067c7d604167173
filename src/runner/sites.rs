//! Where each cell connects to, and with what TLS: the embedded target's listeners or a server
//! elsewhere.

use std::sync::Arc;

use super::RunError;
use super::client::{Client, Peer};
use super::identities::{Identities, subject};
use super::minted::{Issued, Minted};
use super::reach;
use super::target::Embedded;
use crate::address::Choice;
use crate::load::CellPlan;
use crate::pki::{Fleet, Identity, Trust};
use crate::scenario::{Cell, Checked, EmbeddedPlan, IdentityFiles, IdentitySection};
use crate::session::Endpoint;

/// The sites of a plan, with what came with them.
pub(super) struct Sites {
    pub cells: Vec<CellPlan>,
    pub embedded: Option<Embedded>,
    /// Subject of the client's certificate, if one is used by all.
    pub identity: Option<String>,
    /// How the server was found, where it is elsewhere.
    pub choice: Option<Choice>,
    /// A sentence for each revocation list that is not used because of a newer one.
    pub superseded: Vec<String>,
}

impl Sites {
    /// Starts the embedded target and points every cell at its listener.
    pub(crate) fn embedded(
        checked: &Checked,
        settings: &EmbeddedPlan,
        minted: &Minted,
        client: Client<'_>,
        cores: Vec<Option<usize>>,
    ) -> Result<Self, RunError> {
        let embedded = Embedded::start(checked, settings, minted, cores, client)?;
        let identities = (checked.cells.iter())
            .map(|cell| {
                let issued = minted.of(cell);
                let of = |issued: Issued<'_>| issued.identities(&checked.scenario);
                issued.map(of).transpose()
            })
            .collect::<Result<Vec<_>, _>>()?;
        let fleets = (checked.cells.iter())
            .map(|cell| {
                minted
                    .of(cell)
                    .map(|issued| issued.fleet(&checked.scenario, cell))
                    .transpose()
            })
            .collect::<Result<Vec<_>, _>>()?;
        let sites = checked.cells.iter().zip(embedded.target.addrs());
        let sites = sites.zip(identities.iter().zip(&fleets));
        let sites = sites.map(|((cell, addr), (identities, fleet))| {
            let issued = minted.of(cell);
            let peer = Peer {
                server_name: checked.server_name(),
                expected_names: &[],
                roots: issued.map(|issued| issued.server_roots()),
                crls: issued.map_or(&[], |issued| issued.server_crls()),
                identities: identities.as_ref(),
                fleet: fleet.as_ref().and_then(Option::as_ref),
            };
            client.plan(checked, cell, &[Endpoint::Tcp(*addr)], &peer)
        });
        let cells = sites.collect::<Result<_, _>>()?;
        let of = |cell: &Cell| {
            let index = checked.cells.iter().position(|known| known == cell)?;
            identities
                .get(index)?
                .as_ref()
                .filter(|_| checked.scenario.fleet.is_none())
        };
        Ok(Self {
            cells,
            identity: subject(&checked.cells, of)?,
            embedded: Some(embedded),
            choice: None,
            superseded: Vec::new(),
        })
    }

    /// Finds the server, loads the files and points every cell at its address, or at all of them.
    pub(crate) fn remote(checked: &Checked, client: Client<'_>) -> Result<Self, RunError> {
        let scenario = &checked.scenario;
        let (choice, endpoints) = if let Some(path) = &checked.way_in.unix {
            (None, vec![Endpoint::Unix(Arc::clone(path))])
        } else {
            let choice = reach::find(checked)?;
            let endpoints = choice.used().iter().copied().map(Endpoint::Tcp);
            let endpoints = endpoints.collect();
            (Some(choice), endpoints)
        };
        let load = |files: Option<&IdentityFiles>| files.map(Identity::of_files).transpose();
        let only = load(scenario.identity.as_ref())?;
        let of_section = |section: &IdentitySection| load(section.files().as_ref());
        let identities = Identities::new(scenario, only, of_section)?;
        let fleet = scenario
            .fleet
            .as_ref()
            .map(Fleet::new)
            .transpose()?
            .map(Arc::new);
        let Trust {
            roots,
            crls,
            superseded,
        } = Trust::load(&scenario.tls)?.or_of(fleet.as_deref())?;
        let peer = Peer {
            server_name: checked.server_name(),
            expected_names: &scenario.tls.expected_name,
            roots: roots.as_deref(),
            crls: &crls,
            identities: Some(&identities),
            fleet: fleet.as_ref(),
        };
        let cells = checked.cells.iter();
        Ok(Self {
            cells: cells
                .map(|cell| client.plan(checked, cell, &endpoints, &peer))
                .collect::<Result<_, _>>()?,
            embedded: None,
            superseded,
            identity: subject(&checked.cells, |_| fleet.is_none().then_some(&identities))?,
            choice,
        })
    }
}
