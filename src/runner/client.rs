//! The client's side of every cell: whom it connects to, and with what TLS.

use std::sync::Arc;

use super::RunError;
use super::events;
use super::identities::Identities;
use crate::crypto::Metering;
use crate::load::{CellPlan, FleetPlan, Stock};
use crate::pki::{CertificateDer, CertificateRevocationListDer, Fleet, Identity};
use crate::scenario::{AuthMode, Cell, Checked, Draw, LoadModel, ResumptionMode};
use crate::session::Endpoint;
use crate::shard::Shard;
use crate::tls::{ClientTls, ClientTlsSpec, ResumptionSpec, TicketUse};
use crate::units::Ratio;

/// Who is connected to, and what with.
pub(super) struct Peer<'a> {
    pub server_name: &'a str,
    /// Names of which its certificate has to have one, in place of that one.
    pub expected_names: &'a [String],
    pub roots: Option<&'a [CertificateDer<'static>]>,
    pub crls: &'a [CertificateRevocationListDer<'static>],
    pub identities: Option<&'a Identities>,
    /// The fleet that mutual cells present in place of identities.
    pub fleet: Option<&'a Arc<Fleet>>,
}

/// What the client of every cell has in common.
#[derive(Clone, Copy)]
pub(super) struct Client<'a> {
    pub workers: usize,
    /// Which part of all workers these are.
    pub shard: Shard,
    /// Suites to offer by name; the provider's if empty.
    pub suites: &'a [String],
    /// Whether its cryptography is metered, and the embedded target's.
    pub metering: Metering,
}

impl Client<'_> {
    /// Those of other shards included.
    fn all_workers(self) -> usize {
        self.shard.share(0, self.workers).1
    }

    /// The cell's plan: where it connects to, and a configuration for each worker and identity.
    pub(crate) fn plan(
        self,
        checked: &Checked,
        cell: &Cell,
        addrs: &[Endpoint],
        peer: &Peer<'_>,
    ) -> Result<CellPlan, RunError> {
        let presented = match cell.auth {
            AuthMode::None => Vec::new(),
            AuthMode::Server => vec![(1, None)],
            AuthMode::Mutual if peer.fleet.is_some() => vec![(1, None)],
            AuthMode::Mutual => (peer.identities.iter().flat_map(|all| all.of(cell)))
                .map(|presented| (presented.share, presented.identity.as_ref()))
                .collect(),
        };
        let shares: Vec<u32> = presented.iter().map(|(share, _)| *share).collect();
        let of = shares.iter().sum();
        let stock = |share: u32| Stock::of(&checked.load, self.all_workers(), (share, of));
        let per_worker = || {
            let all = presented.iter();
            let tls = |(share, identity): &(u32, Option<&Identity>)| {
                self.tls(checked, cell, peer, *identity, stock(*share).capacity)
            };
            all.map(tls).collect()
        };
        let name =
            |identity: Option<&Identity>| identity.map_or_else(String::new, Identity::common_name);
        let fleet = peer.fleet.filter(|_| cell.auth == AuthMode::Mutual);
        let fleet = fleet
            .map(|fleet| self.fleet(checked, cell, peer, fleet))
            .transpose()?;
        let counted = peer.fleet.filter(|_| fleet.is_some());
        Ok(CellPlan {
            counted: counted
                .map_or_else(|| cell.identities.clone(), |fleet| fleet.counted().to_vec()),
            events: events::of(checked, counted)?,
            fleet,
            cell: cell.clone(),
            names: presented.iter().map(|(_, of)| name(*of)).collect(),
            addrs: addrs.to_vec(),
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

    /// The fleet of a cell. Its first identity is tried, so that a run with a wrong one ends before it begins.
    fn fleet(
        self,
        checked: &Checked,
        cell: &Cell,
        peer: &Peer<'_>,
        fleet: &Arc<Fleet>,
    ) -> Result<FleetPlan, RunError> {
        self.tls(checked, cell, peer, Some(&fleet.load(0)?), 0)?;
        let wanted = checked.load.max_in_flight();
        let section = checked.scenario.fleet.as_ref();
        let sticky = section.is_some_and(|section| section.draw == Draw::Sticky);
        let closed = matches!(checked.load, LoadModel::Closed { .. });
        if sticky && closed && wanted > u64::from(fleet.len()) {
            return Err(RunError::SmallFleet {
                sessions: wanted,
                identities: fleet.len(),
            });
        }
        let (draw, cache) = section.map_or((Draw::default(), 1), |section| {
            (section.draw, section.cache())
        });
        Ok(FleetPlan::new(Arc::clone(fleet), draw, cache, self.workers))
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
            provider: cell.provider.unwrap_or(checked.provider),
            versions: &cell.versions,
            groups: group.unwrap_or(&tls.groups),
            suites: self.suites,
            alpn: &tls.alpn,
            server_name: peer.server_name,
            expected_names: peer.expected_names,
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
        let tls = ClientTls::metering(&spec, self.metering);
        tls.map_err(|source| RunError::Tls {
            cell: cell.name.clone(),
            source,
        })
    }
}
