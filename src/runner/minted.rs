//! The certificates of the embedded target and its clients: an authority for each key algorithm and
//! length of chain that cells need, minted once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::identities::Identities;
use crate::pki::{
    CertificateDer, CertificateRevocationListDer, Faults, Fleet, FleetMint, Identity, KeyAlgorithm,
    Pki, PkiError, PkiSpec,
};
use crate::scenario::{Cell, Checked, IdentityFault, IdentitySection, Scenario};

/// All authorities of a run, with what they issued.
#[derive(Debug)]
pub(super) struct Minted {
    /// By key algorithm and number of intermediates.
    authorities: BTreeMap<(KeyAlgorithm, u8), Pki>,
    /// Minted only where the scenario names a fault: revocation lists have their cost.
    faults: BTreeMap<KeyAlgorithm, Faults>,
}

/// One cell's view of what was minted: each end has an authority of its own key algorithm.
#[derive(Clone, Copy)]
pub(super) struct Issued<'a> {
    server: &'a Pki,
    client: &'a Pki,
    server_faults: Option<&'a Faults>,
    client_faults: Option<&'a Faults>,
    /// Whether certificates are looked up in lists that revoke none.
    crl: bool,
}

impl Minted {
    /// Mints what the cells of a scenario need.
    pub(crate) fn new(checked: &Checked) -> Result<Self, PkiError> {
        let faulty = names_faults(checked);
        let clients = good(&checked.scenario).count().max(1);
        let mut lengths: BTreeMap<KeyAlgorithm, BTreeSet<u8>> = BTreeMap::new();
        for cell in &checked.cells {
            let (Some(keys), Some(chain)) = (cell.keys, cell.chain) else {
                continue;
            };
            for key in [keys.server, keys.client] {
                lengths.entry(key).or_default().insert(chain);
            }
        }
        let mut minted = Self {
            authorities: BTreeMap::new(),
            faults: BTreeMap::new(),
        };
        for (key, lengths) in lengths {
            let spec = PkiSpec {
                ca_key: key,
                server_key: key,
                client_key: key,
                clients,
                ..PkiSpec::default()
            };
            let lengths: Vec<u8> = lengths.into_iter().collect();
            let authorities = Pki::in_line(&spec, &lengths)?;
            if let (true, [one, ..]) = (faulty, &authorities[..]) {
                minted.faults.insert(key, one.mint_faults()?);
            }
            let each = lengths.iter().map(|length| (key, *length));
            minted.authorities.extend(each.zip(authorities));
        }
        Ok(minted)
    }

    /// The key of a server of this algorithm, if one was minted.
    pub(crate) fn sample(&self, key: KeyAlgorithm) -> Option<&Identity> {
        let mut authorities = self.authorities.iter();
        authorities.find_map(|((known, _), pki)| (*known == key).then(|| pki.server()))
    }

    /// What was minted for a cell; none for plain TCP.
    pub(crate) fn of(&self, cell: &Cell) -> Option<Issued<'_>> {
        let (keys, chain) = (cell.keys?, cell.chain?);
        Some(Issued {
            server: self.authorities.get(&(keys.server, chain))?,
            client: self.authorities.get(&(keys.client, chain))?,
            server_faults: self.faults.get(&keys.server),
            client_faults: self.faults.get(&keys.client),
            crl: cell.crl,
        })
    }
}

impl<'a> Issued<'a> {
    /// What the cell's server presents.
    pub(crate) fn server(&self, fault: Option<IdentityFault>) -> &'a Identity {
        let marred = fault.and_then(|fault| self.server_faults?.server(fault));
        marred.unwrap_or_else(|| self.server.server())
    }

    /// What the client verifies the server against.
    pub(crate) fn server_roots(&self) -> &'a [CertificateDer<'static>] {
        self.server.roots()
    }

    /// What the client looks the server up in.
    pub(crate) fn server_crls(&self) -> &'a [CertificateRevocationListDer<'static>] {
        match self.server_faults {
            None if self.crl => self.server.crls(),
            faults => faults.map_or(&[], Faults::crls),
        }
    }

    /// What the server verifies clients against.
    pub(crate) fn client_roots(&self) -> &'a [CertificateDer<'static>] {
        self.client.roots()
    }

    /// What the server looks clients up in.
    pub(crate) fn client_crls(&self) -> &'a [CertificateRevocationListDer<'static>] {
        match self.client_faults {
            None if self.crl => self.client.crls(),
            faults => faults.map_or(&[], Faults::crls),
        }
    }

    /// The client identities of the scenario: each good one has a certificate of its own.
    pub(crate) fn identities(&self, scenario: &Scenario) -> Result<Identities, PkiError> {
        let clients = self.client.clients();
        Identities::new(scenario, clients.first().cloned(), |section| {
            let minted = match section.fault {
                Some(fault) => self.client_faults.and_then(|f| f.client(fault)),
                None => good(scenario)
                    .position(|other| other.name == section.name)
                    .and_then(|index| clients.get(index)),
            };
            Ok(minted.cloned())
        })
    }

    /// The fleet of the scenario, if it has one.
    pub(crate) fn fleet(
        &self,
        scenario: &Scenario,
        cell: &Cell,
    ) -> Result<Option<Arc<Fleet>>, PkiError> {
        let Some(section) = scenario
            .fleet
            .as_ref()
            .and_then(|fleet| fleet.mint.as_ref())
        else {
            return Ok(None);
        };
        let key = cell.keys.unwrap_or_default().client;
        let mint = FleetMint::of(section, self.client, key)?;
        Ok(Some(Arc::new(Fleet::minted(mint, section.count))))
    }
}

/// The identities of a scenario that have no fault.
fn good(scenario: &Scenario) -> impl Iterator<Item = &IdentitySection> {
    scenario.identities.iter().filter(|i| i.fault.is_none())
}

/// Whether any end presents a certificate with a fault.
fn names_faults(checked: &Checked) -> bool {
    let identities = &checked.scenario.identities;
    let of_client = |i: &IdentitySection| i.fault.is_some_and(|f| f != IdentityFault::None);
    identities.iter().any(of_client) || checked.cells.iter().any(|c| c.server_fault.is_some())
}
