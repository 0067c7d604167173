//! Where each cell connects to, and with what TLS: the embedded target's listeners or a server
//! elsewhere.

use std::net::SocketAddr;

use super::RunError;
use super::address::{self, Resolved};
use super::identities::Identities;
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
    pub metering: Metering,
    /// Subject of the client's certificate, if one is used by all.
    pub identity: Option<String>,
}

impl Sites {
    /// Starts the embedded target and points every cell at its listener.
    pub fn embedded(
        checked: &Checked,
        settings: &EmbeddedTarget,
        cores: Vec<Option<usize>>,
        workers: usize,
    ) -> Result<Self, RunError> {
        let metering = metering(checked);
        let embedded = Embedded::start(checked, settings, (cores, metering), workers)?;
        let identities = embedded.identities(&checked.scenario)?;
        let side = ClientSide {
            checked,
            server_name: "localhost",
            roots: Some(embedded.pki.roots()),
            crls: embedded.crls(),
            identities: &identities,
            workers,
            metering,
        };
        Ok(Self {
            metering,
            cells: side.plans(embedded.target.addrs())?,
            identity: identities.subject(&checked.cells)?,
            embedded: Some(embedded),
        })
    }

    /// Resolves the URL, loads the files and points every cell at the one address.
    pub fn remote(checked: &Checked, workers: usize) -> Result<Self, RunError> {
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
        let side = ClientSide {
            checked,
            server_name: scenario.tls.sni.as_deref().unwrap_or(&host),
            roots: roots.as_deref(),
            crls: &crls,
            identities: &identities,
            workers,
            metering: metering(checked),
        };
        Ok(Self {
            metering: side.metering,
            cells: side.plans(&vec![addr; checked.cells.len()])?,
            embedded: None,
            identity: identities.subject(&checked.cells)?,
        })
    }
}

/// What the client of every cell has in common.
struct ClientSide<'a> {
    checked: &'a Checked,
    server_name: &'a str,
    roots: Option<&'a [CertificateDer<'static>]>,
    crls: &'a [CertificateRevocationListDer<'static>],
    identities: &'a Identities,
    workers: usize,
    metering: Metering,
}

/// Whether sessions are metered: where the scenario says so, or the whole process is.
fn metering(checked: &Checked) -> Metering {
    if checked.scenario.metered {
        Metering::On
    } else {
        Metering::default()
    }
}

impl ClientSide<'_> {
    /// Every cell with its address.
    fn plans(&self, addrs: &[SocketAddr]) -> Result<Vec<CellPlan>, RunError> {
        let cells = self.checked.cells.iter().zip(addrs);
        cells.map(|(cell, addr)| self.plan(cell, *addr)).collect()
    }

    fn plan(&self, cell: &Cell, addr: SocketAddr) -> Result<CellPlan, RunError> {
        let presented = match cell.auth {
            AuthMode::None => Vec::new(),
            AuthMode::Server => vec![(1, None)],
            AuthMode::Mutual => (self.identities.of(cell).into_iter())
                .map(|presented| (presented.share, presented.identity.as_ref()))
                .collect(),
        };
        let shares: Vec<u32> = presented.iter().map(|(share, _)| *share).collect();
        let of = shares.iter().sum();
        let stock = |share: u32| Stock::of(&self.checked.load, self.workers, (share, of));
        let per_worker = || {
            let all = presented.iter();
            let tls = |(share, identity): &(u32, Option<&Identity>)| {
                self.tls(cell, *identity, stock(*share).capacity)
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
                let reuse = self.checked.scenario.resumption.reuse;
                primed.map(|count| if reuse { 1 } else { count }).collect()
            } else {
                Vec::new()
            },
            shares,
        })
    }

    /// A configuration of its own for every worker, so that nothing is shared on the hot path.
    fn tls(
        &self,
        cell: &Cell,
        identity: Option<&Identity>,
        capacity: usize,
    ) -> Result<ClientTls, RunError> {
        let tls = &self.checked.scenario.tls;
        let resumption = &self.checked.scenario.resumption;
        let spec = ClientTlsSpec {
            provider: tls.provider.unwrap_or_default(),
            versions: &cell.versions,
            groups: &tls.groups,
            suites: &tls.suites,
            alpn: &tls.alpn,
            server_name: self.server_name,
            roots: self.roots,
            crls: self.crls,
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
