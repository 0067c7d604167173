//! From a checked scenario to a record: the one place where plan, target, engine and record meet.
//!
//! The command line, the tests and the benchmarks all come in here.

mod address;
mod convert;
mod cores;
mod target;

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use crate::affinity::CoreListError;
use crate::clock::rfc3339;
use crate::load::{
    CellPlan, Engine, EngineError, Event, Interrupt, LoadPlan, Preflight, PreflightError, Resources,
};
use crate::pki::{CertFacts, Identity, PkiError, load_roots};
use crate::record::{
    BuildInfo, CellRecord, Environment, PlanRecord, PreflightRecord, RunRecord, SCHEMA_VERSION,
    Validity, judge, summarise,
};
use crate::scenario::{AuthMode, Cell, Checked, LoadModel, TargetPlan};
use crate::stats::HistogramError;
use crate::target::{TargetCounts, TargetError};
use crate::tls::{ClientTls, ClientTlsSpec, TlsConfigError};
use address::Resolved;
use cores::CorePlan;
use target::Embedded;

pub use address::AddressError;

/// The provider of the client's cryptography.
const PROVIDER: &str = "aws-lc-rs";

/// A run that could not be prepared or carried through.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The target's address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A list of cores.
    #[error("{place}: {source}")]
    Cores {
        /// The key it stands under.
        place: &'static str,
        /// Why.
        source: CoreListError,
    },
    /// Certificates or keys.
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
    /// The embedded target.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// This host.
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A histogram that cannot be encoded.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
}

/// A run with everything resolved, ready to start.
#[derive(Debug)]
pub struct Prepared {
    plan: Arc<LoadPlan>,
    embedded: Option<Embedded>,
    preflight: Preflight,
    identity: Option<String>,
}

/// Resolves a scenario: addresses, certificates, TLS, cores, this host's limits. Starts the embedded
/// target if there is one.
///
/// # Errors
///
/// Fails with what cannot be resolved, before any load.
pub fn prepare(checked: Checked) -> Result<Prepared, RunError> {
    let cores = CorePlan::of(&checked)?;
    let (sites, embedded, identity) = match &checked.target {
        TargetPlan::Embedded(settings) => embedded_sites(&checked, settings, cores.target)?,
        TargetPlan::Remote { .. } => remote_sites(&checked)?,
    };
    let targets: Vec<_> = sites.iter().map(|site| site.addr.ip()).collect();
    let preflight = Resources {
        sessions: checked.load.max_in_flight(),
        rate: checked.load.peak_rate(),
        trial_s: (checked.stop.warmup + checked.stop.duration).as_secs_f64(),
        workers: cores.workers.len(),
        embedded: embedded.is_some(),
        spreads: targets.iter().all(|ip| ip.is_ipv4() && ip.is_loopback()),
    }
    .check()?;
    let plan = LoadPlan {
        cells: sites,
        worker_cores: cores.workers,
        sources: LoadPlan::loopback_sources(&targets, preflight.sources),
        checked,
    };
    Ok(Prepared {
        plan: Arc::new(plan),
        embedded,
        preflight,
        identity,
    })
}

type Sites = (Vec<CellPlan>, Option<Embedded>, Option<String>);

fn embedded_sites(
    checked: &Checked,
    settings: &crate::scenario::EmbeddedTarget,
    cores: Vec<Option<usize>>,
) -> Result<Sites, RunError> {
    let embedded = Embedded::start(checked, settings, cores)?;
    let roots = embedded.pki.roots().to_vec();
    let client = embedded.pki.clients().first();
    let sites = checked
        .cells
        .iter()
        .zip(embedded.target.addrs())
        .map(|(cell, addr)| {
            let identity = client.filter(|_| cell.auth == AuthMode::Mutual);
            let tls = client_tls(checked, cell, "localhost", Some(&roots), identity)?;
            Ok(CellPlan {
                cell: cell.clone(),
                addr: *addr,
                tls,
            })
        })
        .collect::<Result<_, RunError>>()?;
    let subject = subject(client.filter(|_| any_mutual(checked)))?;
    Ok((sites, Some(embedded), subject))
}

fn remote_sites(checked: &Checked) -> Result<Sites, RunError> {
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
    let name = scenario.tls.sni.as_deref().unwrap_or(&host);
    let sites = checked
        .cells
        .iter()
        .map(|cell| {
            let identity = identity.as_ref().filter(|_| cell.auth == AuthMode::Mutual);
            let tls = client_tls(checked, cell, name, roots.as_deref(), identity)?;
            Ok(CellPlan {
                cell: cell.clone(),
                addr,
                tls,
            })
        })
        .collect::<Result<_, RunError>>()?;
    Ok((sites, None, subject(identity.as_ref())?))
}

fn client_tls(
    checked: &Checked,
    cell: &Cell,
    server_name: &str,
    roots: Option<&[rustls_pki_types::CertificateDer<'static>]>,
    identity: Option<&Identity>,
) -> Result<Option<ClientTls>, RunError> {
    if cell.auth == AuthMode::None {
        return Ok(None);
    }
    let tls = &checked.scenario.tls;
    let spec = ClientTlsSpec {
        versions: &cell.versions,
        groups: &tls.groups,
        suites: &tls.suites,
        alpn: &tls.alpn,
        server_name,
        roots,
        identity,
    };
    ClientTls::new(&spec)
        .map(Some)
        .map_err(|source| RunError::Tls {
            cell: cell.name.clone(),
            source,
        })
}

fn any_mutual(checked: &Checked) -> bool {
    checked
        .cells
        .iter()
        .any(|cell| cell.auth == AuthMode::Mutual)
}

fn subject(identity: Option<&Identity>) -> Result<Option<String>, PkiError> {
    let leaf = identity.and_then(|identity| identity.chain.first());
    leaf.map(|leaf| Ok(CertFacts::parse(leaf)?.subject))
        .transpose()
}

impl Prepared {
    /// What will be run.
    pub fn plan(&self) -> &LoadPlan {
        &self.plan
    }

    /// What the preflight found.
    pub fn preflight(&self) -> &Preflight {
        &self.preflight
    }

    /// The embedded target's counts of one cell so far, where the target is ours.
    pub fn target_counts(&self, cell: usize) -> Option<TargetCounts> {
        self.embedded.as_ref().map(|e| e.target.counts(cell))
    }

    /// Runs the plan, or as much of it as comes before an interrupt, and makes the record.
    ///
    /// # Errors
    ///
    /// Fails if the engine cannot go on.
    pub fn run(
        &self,
        command: Vec<String>,
        control: &watch::Receiver<Interrupt>,
        observe: &mut dyn FnMut(Event),
    ) -> Result<RunRecord, RunError> {
        let environment = Environment::gather();
        let engine = Engine::start(Arc::clone(&self.plan))?;
        let started_at = rfc3339(SystemTime::now());
        let mut counts = Vec::new();
        let mut current = (0, None);
        let results = engine.run(
            control,
            self.embedded.as_ref().map(|e| e as _),
            &mut |event| {
                match event {
                    Event::Begin { cell, .. } => current = (cell, self.target_counts(cell)),
                    Event::End => {
                        let (cell, before) = current;
                        let after = self.target_counts(cell);
                        counts.push(before.zip(after).map(|(b, a)| a.since(&b)));
                    }
                    Event::Tick { .. } => {}
                }
                observe(event);
            },
        )?;
        let mut cells: Vec<CellRecord> = self
            .plan
            .cells
            .iter()
            .map(|site| CellRecord {
                cell: site.cell.clone(),
                address: site.addr.to_string(),
                trials: Vec::new(),
            })
            .collect();
        for (result, counts) in results.iter().zip(counts) {
            cells[result.cell]
                .trials
                .push(convert::trial(result, counts)?);
        }
        let mut record = RunRecord {
            schema: SCHEMA_VERSION,
            build: BuildInfo::current(),
            started_at,
            ended_at: rfc3339(SystemTime::now()),
            command,
            plan: self.plan_record(&engine),
            environment,
            cells,
            warnings: Vec::new(),
            validity: Validity {
                complete: false,
                valid: false,
                reasons: Vec::new(),
            },
        };
        let planned = self.plan.cells.len() * self.plan.checked.scenario.trials.count;
        let summaries = summarise(&record)?;
        (record.validity, record.warnings) = judge(&record, &summaries, planned);
        Ok(record)
    }

    fn plan_record(&self, engine: &Engine) -> PlanRecord {
        let checked = &self.plan.checked;
        let stop = checked.stop;
        let (warmup, duration) = (stop.warmup.as_secs_f64(), stop.duration.as_secs_f64());
        let mean = |profile: &crate::scenario::Profile| {
            (profile.area(warmup + duration) - profile.area(warmup)) / duration
        };
        let (load_model, asked_rate, asked_sessions) = match &checked.load {
            LoadModel::Open { rate, .. } => ("open", Some(mean(rate)), None),
            LoadModel::Closed { sessions, .. } => ("closed", None, Some(mean(sessions))),
        };
        let mut placements = engine.placements();
        placements.extend(self.embedded.iter().flat_map(|e| e.target.placements()));
        PlanRecord {
            scenario: checked.scenario.without_secrets(),
            load_model: load_model.to_owned(),
            asked_rate,
            asked_sessions,
            asked_sessions_max: asked_sessions.map(|_| checked.load.max_in_flight()),
            warmup_s: warmup,
            duration_s: duration,
            grace_s: stop.grace.as_secs_f64(),
            provider: PROVIDER.to_owned(),
            identity: self.identity.clone(),
            server_verified: !checked.scenario.tls.insecure,
            sources: self.plan.sources.iter().map(ToString::to_string).collect(),
            placements,
            preflight: PreflightRecord {
                files_needed: self.preflight.files_needed,
                files_limit: self.preflight.files_limit,
                memory_needed: self.preflight.memory_needed,
                memory_available: self.preflight.memory_available,
            },
        }
    }
}
