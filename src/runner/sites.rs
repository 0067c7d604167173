//! Where each cell connects to, and with what TLS: the embedded target's listeners or a server
//! elsewhere.

use super::RunError;
use super::address::{self, Resolved};
use super::target::Embedded;
use crate::load::CellPlan;
use crate::pki::{
    CertFacts, CertificateDer, CertificateRevocationListDer, Identity, PkiError, load_crls,
    load_roots,
};
use crate::scenario::{AuthMode, Cell, Checked, EmbeddedTarget};
use crate::tls::{ClientTls, ClientTlsSpec};

/// The sites of a plan, with what came with them.
pub(super) struct Sites {
    pub cells: Vec<CellPlan>,
    pub embedded: Option<Embedded>,
    /// Subject of the client's certificate, if one is used.
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
        let embedded = Embedded::start(checked, settings, cores)?;
        let side = ClientSide {
            checked,
            server_name: "localhost",
            roots: Some(embedded.pki.roots()),
            crls: &[],
            identity: embedded.pki.clients().first(),
            workers,
        };
        let addrs = embedded.target.addrs().to_vec();
        let cells = (checked.cells.iter().zip(addrs))
            .map(|(cell, addr)| {
                Ok(CellPlan {
                    cell: cell.clone(),
                    addr,
                    tls: side.tls(cell)?,
                })
            })
            .collect::<Result<_, RunError>>()?;
        let identity = side.subject()?;
        Ok(Self {
            cells,
            embedded: Some(embedded),
            identity,
        })
    }

    /// Resolves the URL, loads the files and points every cell at the one address.
    pub fn remote(checked: &Checked, workers: usize) -> Result<Self, RunError> {
        let scenario = &checked.scenario;
        let Resolved { host, addr } = address::resolve(checked)?;
        let identity = scenario
            .identity
            .as_ref()
            .map(|files| Identity::load(&files.cert, files.key.as_deref()))
            .transpose()?;
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
            identity: identity.as_ref(),
            workers,
        };
        let cells = (checked.cells.iter())
            .map(|cell| {
                Ok(CellPlan {
                    cell: cell.clone(),
                    addr,
                    tls: side.tls(cell)?,
                })
            })
            .collect::<Result<_, RunError>>()?;
        Ok(Self {
            cells,
            embedded: None,
            identity: side.subject()?,
        })
    }
}

/// What the client of every cell has in common.
struct ClientSide<'a> {
    checked: &'a Checked,
    server_name: &'a str,
    roots: Option<&'a [CertificateDer<'static>]>,
    crls: &'a [CertificateRevocationListDer<'static>],
    identity: Option<&'a Identity>,
    workers: usize,
}

impl ClientSide<'_> {
    /// One configuration per worker, so that nothing is shared on the hot path; none for plain TCP.
    fn tls(&self, cell: &Cell) -> Result<Vec<ClientTls>, RunError> {
        if cell.auth == AuthMode::None {
            return Ok(Vec::new());
        }
        let tls = &self.checked.scenario.tls;
        let spec = ClientTlsSpec {
            versions: &cell.versions,
            groups: &tls.groups,
            suites: &tls.suites,
            alpn: &tls.alpn,
            server_name: self.server_name,
            roots: self.roots,
            crls: self.crls,
            identity: self.identity.filter(|_| cell.auth == AuthMode::Mutual),
        };
        (0..self.workers)
            .map(|_| ClientTls::new(&spec))
            .collect::<Result<_, _>>()
            .map_err(|source| RunError::Tls {
                cell: cell.name.clone(),
                source,
            })
    }

    /// The subject of the client's certificate, if a cell presents it.
    fn subject(&self) -> Result<Option<String>, PkiError> {
        let presented = self
            .checked
            .cells
            .iter()
            .any(|cell| cell.auth == AuthMode::Mutual);
        let leaf = self
            .identity
            .filter(|_| presented)
            .and_then(|i| i.chain.first());
        leaf.map(|leaf| Ok(CertFacts::parse(leaf)?.subject))
            .transpose()
    }
}
