//! The embedded target of a run: its own certificates, one listener per cell.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::RunError;
use super::identities::Identities;
use crate::crypto::Metering;
use crate::load::{Stock, TargetView};
use crate::pki::{CertificateRevocationListDer, Faults, KeyAlgorithm, Pki, PkiError, PkiSpec};
use crate::scenario::{
    AuthMode, Cell, Checked, EmbeddedTarget, IdentityFault, IdentitySection, ProtocolKind,
    ProtocolPlan, Scenario, TlsVersion,
};
use crate::target::{ListenerSpec, Target, TargetSpec};
use crate::tls::{ClientTrust, ServerAuth, ServerTls, ServerTlsSpec, TicketSupply};

/// A running embedded target with the authority that signed for both ends.
#[derive(Debug)]
pub(super) struct Embedded {
    pub target: Target,
    pub pki: Pki,
    /// Minted only where the scenario names a fault: revocation lists have their cost.
    faults: Option<Faults>,
}

impl Embedded {
    /// Mints the certificates and starts the target on loopback.
    pub fn start(
        checked: &Checked,
        settings: &EmbeddedTarget,
        (cores, metering): (Vec<Option<usize>>, Metering),
        workers: usize,
    ) -> Result<Self, RunError> {
        let key: KeyAlgorithm = settings.key.0.parse()?;
        let spec = PkiSpec {
            ca_key: key,
            server_key: key,
            client_key: key,
            clients: good(&checked.scenario).count().max(1),
            ..PkiSpec::default()
        };
        let pki = Pki::mint(&spec)?;
        let faults = names_faults(checked)
            .then(|| pki.mint_faults())
            .transpose()?;
        let listeners = checked
            .cells
            .iter()
            .map(|cell| {
                let supply = supply(cell, checked, settings, workers);
                let issued = (&pki, faults.as_ref());
                let tls = server_tls(cell, checked, settings, (supply, metering), issued);
                let tls = tls.map_err(|source| RunError::Tls {
                    cell: cell.name.clone(),
                    source,
                })?;
                Ok(ListenerSpec {
                    tls,
                    protocol: protocol(&checked.protocol),
                    port: 0,
                })
            })
            .collect::<Result<_, RunError>>()?;
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let spec = TargetSpec {
            ip,
            listeners,
            cores,
        };
        let target = match metering {
            Metering::On => Target::metered(&spec)?,
            Metering::Off => Target::start(&spec)?,
        };
        Ok(Self {
            target,
            pki,
            faults,
        })
    }

    /// The client identities that the authority issued for this scenario: each good one has a
    /// certificate of its own.
    pub fn identities(&self, scenario: &Scenario) -> Result<Identities, PkiError> {
        let clients = self.pki.clients();
        Identities::new(scenario, clients.first().cloned(), |section| {
            let minted = match section.fault {
                Some(fault) => self.faults.as_ref().and_then(|f| f.client(fault)),
                None => good(scenario)
                    .position(|other| other.name == section.name)
                    .and_then(|index| clients.get(index)),
            };
            Ok(minted.cloned())
        })
    }

    /// What both ends consult for revoked certificates.
    pub fn crls(&self) -> &[CertificateRevocationListDer<'static>] {
        self.faults.as_ref().map_or(&[], Faults::crls)
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

impl TargetView for Embedded {
    fn cpu(&self) -> Duration {
        self.target.cpu()
    }
}

fn protocol(plan: &ProtocolPlan) -> ProtocolKind {
    match plan {
        ProtocolPlan::Handshake => ProtocolKind::Handshake,
        ProtocolPlan::Echo { .. } => ProtocolKind::Echo,
        ProtocolPlan::Http1 { .. } => ProtocolKind::Http1,
    }
}

/// Most bytes of early data that the target takes of a session, as OpenSSL's default is.
const EARLY_DATA: u32 = 16 * 1024;

/// How much a cell's listener offers for resumption: its cache is sized to what the stores of all
/// workers keep.
fn supply(
    cell: &Cell,
    checked: &Checked,
    settings: &EmbeddedTarget,
    workers: usize,
) -> TicketSupply {
    let identities = checked.scenario.identities.iter();
    let presented = identities.filter(|identity| cell.identities.contains(&identity.name));
    let shares: Vec<u32> = presented.map(IdentitySection::share).collect();
    let shares = if shares.is_empty() { &[1][..] } else { &shares };
    TicketSupply {
        count: settings.tickets_sent(),
        cached: Stock::cached(&checked.load, workers, shares),
        early_data: if checked.scenario.resumption.early_data {
            EARLY_DATA
        } else {
            0
        },
    }
}

fn server_tls(
    cell: &Cell,
    checked: &Checked,
    settings: &EmbeddedTarget,
    (supply, metering): (TicketSupply, Metering),
    (pki, faults): (&Pki, Option<&Faults>),
) -> Result<Option<ServerTls>, crate::tls::TlsConfigError> {
    let auth = match cell.auth {
        AuthMode::None => return Ok(None),
        AuthMode::Server => ServerAuth::Off,
        AuthMode::Mutual => ServerAuth::Required(ClientTrust {
            roots: pki.roots().to_vec(),
            crls: faults.map_or(&[][..], Faults::crls).to_vec(),
        }),
    };
    let marred = (cell.server_fault).and_then(|fault| faults?.server(fault));
    let spec = ServerTlsSpec {
        provider: settings.provider.unwrap_or_default(),
        versions: &[TlsVersion::Tls12, TlsVersion::Tls13],
        identity: marred.unwrap_or_else(|| pki.server()),
        auth,
        tickets: settings.tickets_for(&checked.scenario.resumption),
        alpn: &checked.scenario.tls.alpn,
    };
    match metering {
        Metering::On => ServerTls::metered(&spec, supply).map(Some),
        Metering::Off => ServerTls::supplying(&spec, supply).map(Some),
    }
}
