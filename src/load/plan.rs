//! The plan: a checked scenario with addresses pinned, TLS configured and cores chosen. Nothing is
//! left to guess when the engine starts.

use std::net::IpAddr;

use super::FleetPlan;
use super::occurrence::EventPlan;
use crate::scenario::{Cell, Checked};
use crate::session::Endpoint;
use crate::shard::Shard;
use crate::tls::{ClientTls, SessionStore};

/// One cell, ready to be run.
#[derive(Debug)]
pub struct CellPlan {
    /// What it is.
    pub cell: Cell,
    /// Where it connects to: one address, or several that take turns.
    pub addrs: Vec<Endpoint>,
    /// Its TLS: per worker, so that they share nothing, one configuration per identity. None for
    /// plain TCP.
    pub tls: Vec<Vec<ClientTls>>,
    /// The name of each identity, in the order of the configurations; empty without a certificate.
    pub names: Vec<String>,
    /// The share of each identity, in the order of the configurations.
    pub shares: Vec<u32>,
    /// What each worker's store of each identity holds when a trial begins, in tickets; none where
    /// no session is resumed.
    pub primed: Vec<usize>,
    /// The fleet whose identities its sessions present; the configurations are then what these have in common.
    pub fleet: Option<FleetPlan>,
    /// What happens during its trials.
    pub events: Vec<EventPlan>,
    /// What sessions are counted by, where they present several identities.
    pub counted: Vec<String>,
}

impl CellPlan {
    /// The configurations of one worker; none for plain TCP.
    pub(super) fn tls_of(&self, worker: usize) -> &[ClientTls] {
        self.tls.get(worker).map_or(&[], Vec::as_slice)
    }

    /// Calls `each` with the stores of one worker.
    pub(super) fn each_store(&self, worker: usize, mut each: impl FnMut(&SessionStore)) {
        match &self.fleet {
            Some(fleet) => fleet.each_store(worker, each),
            None => (self.tls_of(worker).iter().filter_map(ClientTls::store)).for_each(&mut each),
        }
    }
}

/// Everything the engine needs.
#[derive(Debug)]
pub struct LoadPlan {
    /// The scenario.
    pub checked: Checked,
    /// Its cells.
    pub cells: Vec<CellPlan>,
    /// Which part of it is this process's.
    pub shard: Shard,
    /// The core of each worker; `None` leaves it where the system puts it.
    pub worker_cores: Vec<Option<usize>>,
    /// Whether sessions keep a ledger of where their time goes.
    pub metered: bool,
    /// Local addresses to connect from, in turn; empty leaves the choice to the system.
    pub sources: Vec<IpAddr>,
}

impl LoadPlan {
    /// Has the crypto libraries gather the entropy that sessions of the calling thread, a worker's, will need.
    pub(super) fn seed_thread(&self, worker: usize) {
        let of_worker = self.cells.iter().filter_map(|cell| cell.tls.get(worker));
        for tls in of_worker.filter_map(|identities| identities.first()) {
            tls.seed_thread();
        }
    }
}
