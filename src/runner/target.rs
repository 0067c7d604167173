//! The embedded target of a run: its own certificates, one listener per cell.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::RunError;
use crate::load::TargetView;
use crate::pki::{KeyAlgorithm, Pki, PkiSpec};
use crate::scenario::{
    AuthMode, Cell, Checked, EmbeddedTarget, ProtocolKind, ProtocolPlan, TlsVersion,
};
use crate::target::{ListenerSpec, Target, TargetSpec};
use crate::tls::{ServerAuth, ServerTls, ServerTlsSpec};

/// A running embedded target with the authority that signed for both ends.
#[derive(Debug)]
pub(super) struct Embedded {
    pub target: Target,
    pub pki: Pki,
}

impl Embedded {
    /// Mints the certificates and starts the target on loopback.
    pub fn start(
        checked: &Checked,
        settings: &EmbeddedTarget,
        cores: Vec<Option<usize>>,
    ) -> Result<Self, RunError> {
        let key: KeyAlgorithm = settings.key.0.parse()?;
        let spec = PkiSpec {
            ca_key: key,
            server_key: key,
            client_key: key,
            ..PkiSpec::default()
        };
        let pki = Pki::mint(&spec)?;
        let listeners = checked
            .cells
            .iter()
            .map(|cell| {
                let tls =
                    server_tls(cell, checked, settings, &pki).map_err(|source| RunError::Tls {
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
        let target = Target::start(&TargetSpec {
            ip,
            listeners,
            cores,
        })?;
        Ok(Self { target, pki })
    }
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

fn server_tls(
    cell: &Cell,
    checked: &Checked,
    settings: &EmbeddedTarget,
    pki: &Pki,
) -> Result<Option<ServerTls>, crate::tls::TlsConfigError> {
    let auth = match cell.auth {
        AuthMode::None => return Ok(None),
        AuthMode::Server => ServerAuth::Off,
        AuthMode::Mutual => ServerAuth::Required(pki.roots().to_vec().into()),
    };
    let spec = ServerTlsSpec {
        versions: &[TlsVersion::Tls12, TlsVersion::Tls13],
        identity: pki.server(),
        auth,
        tickets: settings.tickets,
        alpn: &checked.scenario.tls.alpn,
    };
    ServerTls::new(&spec).map(Some)
}
