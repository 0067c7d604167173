//! The embedded target of a run: one listener per cell.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::RunError;
use super::client::Client;
use super::minted::Minted;
use crate::crypto::Metering;
use crate::load::{Stock, TargetView};
use crate::pki::CertificateRevocationListDer;
use crate::scenario::{AuthMode, Cell, Checked, EmbeddedPlan, IdentitySection, TlsVersion};
use crate::target::{ListenerSpec, Target, TargetSpec};
use crate::tls::{ClientTrust, ServerAuth, ServerTls, ServerTlsSpec, TicketSupply};

/// A running embedded target.
#[derive(Debug)]
pub(super) struct Embedded {
    pub target: Target,
    /// By cell.
    tls: Vec<Option<ServerTls>>,
}

impl Embedded {
    /// Starts the target on loopback, with a listener for each cell.
    pub(crate) fn start(
        checked: &Checked,
        settings: &EmbeddedPlan,
        minted: &Minted,
        cores: Vec<Option<usize>>,
        client: Client<'_>,
    ) -> Result<Self, RunError> {
        let tls = checked
            .cells
            .iter()
            .map(|cell| {
                let supply = supply(cell, checked, settings, client.workers);
                let tls = server_tls(cell, checked, settings, (supply, client.metering), minted);
                tls.map_err(|source| RunError::Tls {
                    cell: cell.name.clone(),
                    source,
                })
            })
            .collect::<Result<Vec<_>, RunError>>()?;
        let listeners = tls.iter().map(|tls| ListenerSpec {
            tls: tls.clone(),
            protocol: checked.protocol.kind(),
            port: 0,
        });
        let listeners = listeners.collect();
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let spec = TargetSpec {
            ip,
            listeners,
            cores,
        };
        Ok(Self {
            target: Target::launch(&spec, client.metering, None)?,
            tls,
        })
    }
}

impl TargetView for Embedded {
    fn cpu(&self) -> Duration {
        self.target.cpu()
    }

    fn replace_list(
        &self,
        cell: usize,
        list: Option<&CertificateRevocationListDer<'static>>,
    ) -> Result<(), String> {
        let tls = self.tls.get(cell).and_then(Option::as_ref);
        tls.map_or(Ok(()), |tls| tls.replace_list(list))
            .map_err(|error| error.to_string())
    }
}

/// How much a cell's listener offers for resumption: its cache is sized to what the stores of all
/// workers keep.
fn supply(cell: &Cell, checked: &Checked, settings: &EmbeddedPlan, workers: usize) -> TicketSupply {
    let presented = checked.presented(cell);
    let shares: Vec<u32> = presented.map(IdentitySection::share).collect();
    let shares = if shares.is_empty() { &[1][..] } else { &shares };
    TicketSupply {
        count: settings.ticket_count,
        cached: Stock::cached(&checked.load, workers, shares),
        early_data: settings.early_data,
    }
}

fn server_tls(
    cell: &Cell,
    checked: &Checked,
    settings: &EmbeddedPlan,
    (supply, metering): (TicketSupply, Metering),
    minted: &Minted,
) -> Result<Option<ServerTls>, crate::tls::TlsConfigError> {
    let Some(issued) = minted.of(cell) else {
        return Ok(None);
    };
    let auth = match cell.auth {
        AuthMode::None => return Ok(None),
        AuthMode::Server => ServerAuth::Off,
        AuthMode::Mutual => ServerAuth::Required(ClientTrust {
            roots: issued.client_roots().to_vec(),
            crls: issued.client_crls().to_vec(),
        }),
    };
    let spec = ServerTlsSpec {
        provider: settings.provider,
        versions: &[TlsVersion::Tls12, TlsVersion::Tls13],
        identity: issued.server(cell.server_fault),
        auth,
        tickets: settings.tickets,
        alpn: &checked.scenario.tls.alpn,
    };
    ServerTls::supplying(&spec, supply, metering).map(Some)
}
