//! Sessions in memory, taken apart: how much of a thread's CPU time does the ledger explain? There is
//! no socket, no runtime and no other thread here, so what it does not explain is its own fault.

mod story;

use serde::Serialize;

use crate::crypto::Metering;
use crate::pki::{Pki, PkiError, PkiSpec};
use crate::scenario::{
    AuthMode, Cell, Checked, EmbeddedPlan, ResumptionMode, TicketMode, TlsVersion, Verify,
};
use crate::stats::{Entry, OkKind, SessionLedger, Spent, Spread, Work};
use crate::tls::{
    ClientTls, ClientTlsSpec, Fault, MemoryEnd, MemorySession, ResumptionSpec, ServerAuth,
    ServerTls, ServerTlsSpec, SessionStore, TicketSupply, TicketUse, TlsConfigError,
    session_in_memory,
};
use crate::units::Ratio;

pub use story::story;

/// Sessions of one batch.
const BATCH: usize = 200;
/// Batches of each cell, which take turns; a figure is the median batch with the least and the most.
const BATCHES: usize = 9;

/// An anatomy in memory that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AnatomyError {
    /// Certificates.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// TLS parameters.
    #[error("cell {cell}: {source}")]
    Tls {
        /// The cell.
        cell: String,
        /// Why.
        source: TlsConfigError,
    },
    /// A session failed, or was of another kind than asked for.
    #[error("cell {cell}: {cause}; try the same with `shakedown run`")]
    Session {
        /// The cell.
        cell: String,
        /// What happened.
        cause: String,
    },
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct InMemory {
    /// Sessions of each cell.
    pub sessions: usize,
    /// Cell by cell.
    pub cells: Vec<InMemoryCell>,
}

/// One cell.
#[derive(Debug, Clone, Serialize)]
pub struct InMemoryCell {
    /// Its name.
    pub name: String,
    /// The client's end.
    pub client: InMemoryEnd,
    /// The server's end.
    pub server: InMemoryEnd,
}

/// One end: microseconds of the median session of a batch, over batches, and its share of the CPU time.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct InMemoryEnd {
    /// CPU time of the thread.
    pub cpu_us: Option<Spread>,
    /// Crypto operations.
    pub crypto_us: Option<Spread>,
    /// rustls itself.
    pub tls_us: Option<Spread>,
    /// The share of the CPU time that both explain.
    pub explained: Option<Spread>,
    /// How many times the CPU time of the same sessions without metering it is; none where every session
    /// of the process is metered.
    pub metering: Option<Spread>,
}

/// Takes the TLS cells of a scenario for the embedded target apart in memory.
///
/// # Errors
///
/// Fails if certificates cannot be minted, parameters do not fit, or a session is not what was asked.
pub fn in_memory(checked: &Checked) -> Result<InMemory, AnatomyError> {
    let settings = EmbeddedPlan::of(&checked.scenario);
    let keys = settings.keys;
    let pki = Pki::mint(&PkiSpec {
        ca_key: keys.server,
        server_key: keys.server,
        client_key: keys.client,
        ..PkiSpec::default()
    })?;
    let cells = checked.cells.iter().filter(|c| c.auth != AuthMode::None);
    let mut pairs = cells
        .map(|cell| Pair::new(checked, &settings, &pki, cell))
        .collect::<Result<Vec<_>, _>>()?;
    for pair in &mut pairs {
        // Warm caches and entropy, and tickets for the first batch.
        pair.batch(BATCH / 4)?;
        pair.batches.clear();
    }
    for _ in 0..BATCHES {
        for pair in &mut pairs {
            pair.batch(BATCH)?;
        }
    }
    Ok(InMemory {
        sessions: BATCH * BATCHES,
        cells: pairs.into_iter().map(Pair::into_cell).collect(),
    })
}

/// Both ends of a cell, metered and not, and what its batches took.
struct Pair {
    name: String,
    metered: Ends,
    plain: Ends,
    resumes: bool,
    batches: Vec<[EndMedians; 2]>,
}

/// Both ends of sessions.
struct Ends {
    client: ClientTls,
    server: ServerTls,
}

/// The median session of a batch at one end. A session during which the system took the core away is at
/// the end of its batch, not in its middle.
#[derive(Debug, Clone, Copy)]
struct EndMedians {
    cpu_us: f64,
    crypto_us: f64,
    tls_us: f64,
    explained: f64,
    metering: Option<f64>,
}

impl EndMedians {
    /// Of one end's metered sessions, and of the others that took turns with them.
    fn of(made: &[[MemorySession; 2]], end: impl Fn(&MemorySession) -> &MemoryEnd) -> Option<Self> {
        let median = |of: &dyn Fn([&MemoryEnd; 2]) -> f64| {
            let ends = made.iter().map(|both| both.each_ref().map(&end));
            Spread::of(ends.map(of)).map(|spread| spread.median)
        };
        let us = |ns: u64| ns as f64 / 1e3;
        let cpu_us = |end: &MemoryEnd| end.cpu.as_secs_f64() * 1e6;
        let plain_us = median(&|[_, plain]| cpu_us(plain))?;
        let unmetered = made
            .iter()
            .all(|[_, plain]| end(plain).ledger.entries.is_empty());
        let cpu_us_metered = median(&|[metered, _]| cpu_us(metered))?;
        Some(Self {
            cpu_us: cpu_us_metered,
            crypto_us: median(&|[metered, _]| us(crypto_ns(&metered.ledger)))?,
            tls_us: median(&|[metered, _]| us(metered.ledger.ns() - crypto_ns(&metered.ledger)))?,
            explained: median(&|[metered, _]| us(metered.ledger.ns()) / cpu_us(metered))?,
            metering: unmetered.then(|| cpu_us_metered / plain_us),
        })
    }
}

fn crypto_ns(ledger: &SessionLedger) -> u64 {
    let is_crypto = |(entry, _): &&(Entry, Spent)| matches!(entry.work, Work::Crypto(_));
    let crypto = ledger.entries.iter().filter(is_crypto);
    crypto.map(|(_, spent)| spent.ns).sum()
}

impl Pair {
    fn new(
        checked: &Checked,
        settings: &EmbeddedPlan,
        pki: &Pki,
        cell: &Cell,
    ) -> Result<Self, AnatomyError> {
        let tls = &checked.scenario.tls;
        let mutual = cell.auth == AuthMode::Mutual;
        let failed = |source| AnatomyError::Tls {
            cell: cell.name.clone(),
            source,
        };
        let client = ClientTlsSpec {
            provider: checked.provider,
            versions: &cell.versions,
            groups: &tls.groups,
            suites: &tls.suites,
            alpn: &tls.alpn,
            server_name: "localhost",
            expected_names: &[],
            roots: Some(pki.roots()),
            crls: &[],
            verify: Verify::default(),
            identity: pki.clients().first().filter(|_| mutual),
            resumption: cell.resumed.map(|_| ResumptionSpec {
                by_id_only: checked.scenario.resumption.mode == ResumptionMode::SessionId,
                capacity: 16,
                ticket_use: TicketUse::Once,
                request: None,
                early_data: false,
            }),
        };
        let server = ServerTlsSpec {
            provider: settings.provider,
            versions: &[TlsVersion::Tls12, TlsVersion::Tls13],
            identity: pki.server(),
            auth: if mutual {
                ServerAuth::Required(pki.roots().to_vec().into())
            } else {
                ServerAuth::Off
            },
            tickets: cell.resumed.map_or(TicketMode::Off, |_| settings.tickets),
            alpn: &tls.alpn,
        };
        Ok(Self {
            name: cell.name.clone(),
            metered: Ends {
                client: ClientTls::metering(&client, Metering::On).map_err(failed)?,
                server: ServerTls::supplying(&server, TicketSupply::default(), Metering::On)
                    .map_err(failed)?,
            },
            plain: Ends {
                client: ClientTls::new(&client).map_err(failed)?,
                server: ServerTls::new(&server).map_err(failed)?,
            },
            resumes: cell.resumed.is_some_and(|share| share > Ratio::ZERO),
            batches: Vec::new(),
        })
    }

    /// Makes sessions, a metered one and one that is not in turns.
    fn batch(&mut self, sessions: usize) -> Result<(), AnatomyError> {
        for ends in [&self.metered, &self.plain] {
            if self.resumes && ends.client.store().map_or(0, SessionStore::stock) == 0 {
                self.session(ends, false)?;
            }
        }
        let wanted = if self.resumes {
            OkKind::Resumed
        } else {
            OkKind::Full
        };
        let one = |ends| {
            let session = self.session(ends, self.resumes)?;
            if session.kind == wanted {
                Ok(session)
            } else {
                Err(self.failed(format!("a session was {}", session.kind.label())))
            }
        };
        let both = || Ok([one(&self.metered)?, one(&self.plain)?]);
        let made = (0..sessions).map(|_| both());
        let made = made.collect::<Result<Vec<_>, AnatomyError>>()?;
        let client = EndMedians::of(&made, |session| &session.client);
        let server = EndMedians::of(&made, |session| &session.server);
        self.batches.extend(client.zip(server).map(|(c, s)| [c, s]));
        Ok(())
    }

    fn session(&self, ends: &Ends, resume: bool) -> Result<MemorySession, AnatomyError> {
        session_in_memory(&ends.client, &ends.server, resume)
            .map_err(|fault: Fault| self.failed(fault.to_string()))
    }

    fn failed(&self, cause: String) -> AnatomyError {
        AnatomyError::Session {
            cell: self.name.clone(),
            cause,
        }
    }

    fn into_cell(self) -> InMemoryCell {
        let end = |index: usize| {
            let over = |of: fn(&EndMedians) -> f64| {
                Spread::of(self.batches.iter().map(|medians| of(&medians[index])))
            };
            let ratios = (self.batches.iter()).filter_map(|medians| medians[index].metering);
            InMemoryEnd {
                cpu_us: over(|medians| medians.cpu_us),
                crypto_us: over(|medians| medians.crypto_us),
                tls_us: over(|medians| medians.tls_us),
                explained: over(|medians| medians.explained),
                metering: Spread::of(ratios).filter(|ratio| ratio.trials == self.batches.len()),
            }
        };
        InMemoryCell {
            client: end(0),
            server: end(1),
            name: self.name,
        }
    }
}
