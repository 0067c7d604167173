//! Where each cell connects to, and with what TLS: the embedded target's listeners or a server
//! elsewhere.

use std::net::SocketAddr;

use super::RunError;
use super::address::{self, Resolved};
use super::identities::{Identities, subject};
use super::minted::{Issued, Minted};
use super::target::Embedded;
use crate::crypto::Metering;
use crate::load::{CellPlan, Stock};
use crate::pki::{CertificateDer, CertificateRevocationListDer, Identity, load_crls, load_roots};
use crate::scenario::{AuthMode, Cell, Checked, EmbeddedTarget, ResumptionMode};
use crate::tls::{ClientTls, ClientTlsSpec, ResumptionSpec, TicketUse};
use crate::units::Ratio;

/// The sites of a plan, with what came with them.
pub(super) struct Sites {
    pub cells: Vec<CellPlan>,
    pub embedded: Option<Embedded>,
    /// Subject of the client's certificate, if one is used by all.
    pub identity: Option<String>,
}

impl Sites {
    /// Starts the embedded target and points every cell at its listener.
    pub fn embedded(
        checked: &Checked,
        settings: &EmbeddedTarget,
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
        let sites = checked.cells.iter().zip(embedded.target.addrs());
        let sites = sites.zip(&identities).map(|((cell, addr), identities)| {
            let issued = minted.of(cell);
            let peer = Peer {
                server_name: "localhost",
                roots: issued.map(|issued| issued.server_roots()),
                crls: issued.map_or(&[], |issued| issued.server_crls()),
                identities: identities.as_ref(),
            };
            client.plan(checked, cell, *addr, &peer)
        });
        let cells = sites.collect::<Result<_, _>>()?;
        let of = |cell: &Cell| {
            let index = checked.cells.iter().position(|known| known == cell)?;
            identities.get(index)?.as_ref()
        };
        Ok(Self {
            cells,
            identity: subject(&checked.cells, of)?,
            embedded: Some(embedded),
        })
    }

    /// Resolves the URL, loads the files and points every cell at the one address.
    pub fn remote(checked: &Checked, client: Client<'_>) -> Result<Self, RunError> {
        let scenario = &checked.scenario;
        let Resolved { host, addr } = address::resolve(checked)?;
        let only = (scenario.identity.as_ref())
            .map(|files| Identity::load(&files.cert, files.key.as_deref()))
            .transpose()?;
        let identities = Identities::new(scenario, only, |section| {
            let files = section.files();
            let load =
                |f: &crate::scenario::IdentityFiles| Identity::load(&f.cert, f.key.as_deref());
            files.as_ref().map(load).transpose()
        })?;
        let roots = match (&scenario.tls.cacert, scenario.tls.insecure) {
            (_, true) => None,
            (Some(path), false) => Some(load_roots(path)?),
            (None, false) => Some(Vec::new()),
        };
        let crls = match &scenario.tls.crl {
            Some(path) => load_crls(path)?,
            None => Vec::new(),
        };
        let peer = Peer {
            server_name: scenario.tls.sni.as_deref().unwrap_or(&host),
            roots: roots.as_deref(),
            crls: &crls,
            identities: Some(&identities),
        };
        let cells = checked.cells.iter();
        Ok(Self {
            cells: cells
                .map(|cell| client.plan(checked, cell, addr, &peer))
                .collect::<Result<_, _>>()?,
            embedded: None,
            identity: subject(&checked.cells, |_| Some(&identities))?,
        })
    }
}

/// Who is connected to, and what with.
struct Peer<'a> {
    server_name: &'a str,
    roots: Option<&'a [CertificateDer<'static>]>,
    crls: &'a [CertificateRevocationListDer<'static>],
    identities: Option<&'a Identities>,
}

/// What the client of every cell has in common.
#[derive(Clone, Copy)]
pub(super) struct Client<'a> {
    pub workers: usize,
    /// Suites to offer by name; the provider's if empty.
    pub suites: &'a [String],
    /// Whether its cryptography is metered, and the embedded target's.
    pub metering: Metering,
}

impl Client<'_> {
    fn plan(
        self,
        checked: &Checked,
        cell: &Cell,
        addr: SocketAddr,
        peer: &Peer<'_>,
    ) -> Result<CellPlan, RunError> {
        let presented = match cell.auth {
            AuthMode::None => Vec::new(),
            AuthMode::Server => vec![(1, None)],
            AuthMode::Mutual => (peer.identities.iter().flat_map(|all| all.of(cell)))
                .map(|presented| (presented.share, presented.identity.as_ref()))
                .collect(),
        };
        let shares: Vec<u32> = presented.iter().map(|(share, _)| *share).collect();
        let of = shares.iter().sum();
        let stock = |share: u32| Stock::of(&checked.load, self.workers, (share, of));
        let per_worker = || {
            let all = presented.iter();
            let tls = |(share, identity): &(u32, Option<&Identity>)| {
                self.tls(checked, cell, peer, *identity, stock(*share).capacity)
            };
            all.map(tls).collect()
        };
        Ok(CellPlan {
            cell: cell.clone(),
            addr,
            tls: (0..self.workers)
                .map(|_| per_worker())
                .collect::<Result<_, _>>()?,
            primed: if cell.resumed.is_some_and(|ratio| ratio > Ratio::ZERO) {
                let primed = shares.iter().map(|share| stock(*share).primed);
                let reuse = checked.scenario.resumption.reuse;
                primed.map(|count| if reuse { 1 } else { count }).collect()
            } else {
                Vec::new()
            },
            shares,
        })
    }

    /// A configuration of its own for every worker, so that nothing is shared on the hot path.
    fn tls(
        self,
        checked: &Checked,
        cell: &Cell,
        peer: &Peer<'_>,
        identity: Option<&Identity>,
        capacity: usize,
    ) -> Result<ClientTls, RunError> {
        let tls = &checked.scenario.tls;
        let resumption = &checked.scenario.resumption;
        let group = cell.group.as_ref().map(std::slice::from_ref);
        let spec = ClientTlsSpec {
            provider: cell.provider.unwrap_or_default(),
            versions: &cell.versions,
            groups: group.unwrap_or(&tls.groups),
            suites: self.suites,
            alpn: &tls.alpn,
            server_name: peer.server_name,
            roots: peer.roots,
            crls: peer.crls,
            verify: tls.verify,
            identity,
            // A cell whose share is 0 takes tickets as the others do, so that they compare.
            resumption: cell.resumed.map(|_| ResumptionSpec {
                by_id_only: resumption.mode == ResumptionMode::SessionId,
                capacity,
                ticket_use: if resumption.reuse {
                    TicketUse::Reused
                } else {
                    TicketUse::Once
                },
                request: resumption.tickets,
                early_data: resumption.early_data,
            }),
        };
        let tls = match self.metering {
            Metering::On => ClientTls::metered(&spec),
            Metering::Off => ClientTls::new(&spec),
        };
        tls.map_err(|source| RunError::Tls {
            cell: cell.name.clone(),
            source,
        })
    }
}
