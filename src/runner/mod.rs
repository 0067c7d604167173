//! From a checked scenario to a record: the one place where plan, target, engine and record meet.
//!
//! The command line, the tests and the benchmarks all come in here.

mod block;
mod client;
mod convert;
mod cores;
mod events;
mod explain;
mod identities;
mod minted;
mod plan_shards;
mod reach;
mod shards;
mod sites;
mod sources;
mod support;
mod target;

#[cfg(test)]
mod provider_tests;

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use crate::address::{AddressError, Choice};
use crate::affinity::CoreListError;
use crate::analysis::{Decoded, expectations, judge};
use crate::clock::rfc3339;
use crate::crypto::{Metering, ProviderError, span_cost};
use crate::load::{
    Engine, EngineError, Event, Interrupt, LoadPlan, PreflightError, Resources, Timetable,
};
use crate::pki::PkiError;
use crate::record::{
    BuildInfo, CellRecord, Environment, MeteringRecord, Note, PlanRecord, PreflightRecord,
    RunRecord, SCHEMA_VERSION, Validity,
};
use crate::scenario::{AuthMode, Checked, Close, LoadModel, TargetPlan};
use crate::session::Endpoint;
use crate::shard::Shard;
use crate::stats::{HistogramError, LedgersByKind, TargetCounts};
use crate::target::TargetError;
use crate::tls::TlsConfigError;
use client::Client;
use cores::CorePlan;
use minted::Minted;
use sites::Sites;
use support::{Selection, Support, pins};
use target::Embedded;

pub use block::{BlockCommand, BlockError};
pub use plan_shards::shards_needed;
pub use reach::permitted_address;
pub use shards::{Part, ShardsError};
pub use sources::SourceError;

/// A run that could not be prepared or carried through.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The target's address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Fewer identities than sessions that each want one to themselves.
    #[error(
        "fleet.draw: {sessions} sessions at once are more than the {identities} identities of this fleet, of which each has one; lower --sessions, or draw them round-robin"
    )]
    SmallFleet {
        /// Sessions at once.
        sessions: u64,
        /// Identities.
        identities: u32,
    },
    /// Local addresses.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The CPU time of a session.
    #[error(
        "the CPU time of a session could not be measured here: {cause}; give it, as in --plan-shards=450us"
    )]
    Unmeasured {
        /// Why.
        cause: String,
    },
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
    /// The provider of the embedded target.
    #[error("the embedded target: {0}")]
    TargetProvider(#[from] ProviderError),
    /// Every cell would be skipped.
    #[error("nothing can be run: {0}")]
    Unsupported(String),
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
    /// A part of it.
    #[error(transparent)]
    Shards(#[from] ShardsError),
    /// A histogram that cannot be encoded.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
}

/// A run with everything resolved, ready to start.
#[derive(Debug)]
pub struct Prepared {
    plan: Arc<LoadPlan>,
    embedded: Option<Embedded>,
    resources: Resources,
    preflight: PreflightRecord,
    identity: Option<String>,
    /// Revocation lists that are not used because of newer ones.
    superseded: Vec<String>,
    selection: Selection,
    /// How the server was found, where it is elsewhere.
    choice: Option<Choice>,
}

/// Resolves a scenario: addresses, certificates, TLS, cores, this host's limits. Starts the embedded
/// target if there is one.
///
/// # Errors
///
/// Fails with what cannot be resolved, before any load.
pub fn prepare(checked: Checked) -> Result<Prepared, RunError> {
    prepare_part(checked, Shard::WHOLE)
}

/// As [`prepare`], one shard's part of the scenario.
///
/// # Errors
///
/// As [`prepare`], and if the scenario cannot be divided into so many parts.
pub fn prepare_part(checked: Checked, shard: Shard) -> Result<Prepared, RunError> {
    resolve(checked, shard, Resources::check)
}

/// Resolves one shard's part of a scenario, and asks `preflight` about what it needs.
fn resolve(
    mut checked: Checked,
    shard: Shard,
    preflight: impl FnOnce(&Resources) -> Result<PreflightRecord, PreflightError>,
) -> Result<Prepared, RunError> {
    checked.scenario.keep_secrets();
    let cores = CorePlan::of(&checked)?;
    let workers = cores.workers.len();
    shards::check(&checked, shard, workers)?;
    let minted = match &checked.target {
        TargetPlan::Embedded(_) => Some(Minted::new(&checked)?),
        TargetPlan::Remote { .. } => None,
    };
    let selection = Support::new(&checked, minted.as_ref())?.select(&mut checked)?;
    let client = Client {
        workers,
        shard,
        suites: selection.suites(&checked),
        metering: metering(&checked),
    };
    let sites = match (&checked.target, &minted) {
        (TargetPlan::Embedded(settings), Some(minted)) => {
            Sites::embedded(&checked, settings, minted, client, cores.target)?
        }
        _ => Sites::remote(&checked, client)?,
    };
    let addrs = sites.cells.iter().flat_map(|site| &site.addrs);
    let targets: Vec<_> = addrs.filter_map(Endpoint::address).collect();
    let given = sources::given(&checked, &targets)?;
    // Each cell has a port of the embedded target to itself.
    let trials = match sites.embedded {
        Some(_) => checked.scenario.trials.count,
        None => checked.trials(),
    };
    let resources = Resources {
        sessions: checked.load.max_in_flight(),
        rate: checked.load.peak_rate(),
        run_s: (checked.stop.warmup + checked.stop.duration).as_secs_f64() * trials as f64,
        total: checked
            .stop
            .total
            .map(|total| total.saturating_mul(trials as u64)),
        workers,
        embedded: sites.embedded.is_some(),
        pairs: sources::pairs(&sites.cells, &given),
        loopback: targets.iter().all(|to| to.ip().is_loopback()),
        resets: checked.close == Close::Reset,
        spreads: given.is_empty()
            && targets
                .iter()
                .all(|to| to.is_ipv4() && to.ip().is_loopback()),
        tls: checked.cells.iter().any(|cell| cell.auth != AuthMode::None),
        held: !checked.hold.is_zero(),
        portless: targets.is_empty(),
    }
    .of_shard(shard);
    let preflight = preflight(&resources)?;
    let plan = LoadPlan {
        cells: sites.cells,
        shard,
        worker_cores: cores.workers,
        metered: client.metering == Metering::On,
        sources: if given.is_empty() {
            resources.sources()
        } else {
            given
        },
        checked,
    };
    Ok(Prepared {
        plan: Arc::new(plan),
        embedded: sites.embedded,
        resources,
        preflight,
        identity: sites.identity,
        superseded: sites.superseded,
        selection,
        choice: sites.choice,
    })
}

/// Whether sessions are metered: where the scenario says so, or the whole process is.
fn metering(checked: &Checked) -> Metering {
    if checked.scenario.metered {
        Metering::On
    } else {
        Metering::default()
    }
}

impl Prepared {
    /// What will be run.
    pub fn plan(&self) -> &LoadPlan {
        &self.plan
    }

    /// What the preflight found.
    pub fn preflight(&self) -> &PreflightRecord {
        &self.preflight
    }

    /// The embedded target's counts of one cell so far, where the target is ours.
    pub(crate) fn target_counts(&self, cell: usize) -> Option<TargetCounts> {
        self.embedded.as_ref().map(|e| e.target.counts(cell))
    }

    /// What the embedded target's ledgers of one cell hold since they were last taken.
    fn take_ledgers(&self, cell: usize) -> LedgersByKind {
        let embedded = self.embedded.as_ref();
        embedded.map_or_else(LedgersByKind::new, |e| e.target.take_ledgers(cell))
    }

    /// Runs the plan, or as much of it as comes before an interrupt, and makes the record.
    ///
    /// # Errors
    ///
    /// Fails if the engine cannot start or cannot finish even one trial; if it fails later, the
    /// trials before are in the record, which says why it is not complete.
    pub fn run(
        &self,
        command: Vec<String>,
        control: &watch::Receiver<Interrupt>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<RunRecord, RunError> {
        self.run_part(None, command, control, observe)
    }

    /// As [`Self::run`], as a shard, whose trials begin when the others' do.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn run_part(
        &self,
        part: Option<Part>,
        command: Vec<String>,
        control: &watch::Receiver<Interrupt>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<RunRecord, RunError> {
        let checked = &self.plan.checked;
        let environment = Environment::gather();
        let before = part.as_ref().map_or(0, |part| part.before);
        let engine = Engine::start(Arc::clone(&self.plan), &self.cores_after(before))?;
        let started_at = rfc3339(SystemTime::now());
        let timetable = part.as_ref().map(|part| part.timetable);
        let (cells, failed) = self.measure(&engine, timetable, control, observe)?;
        let mut record = RunRecord {
            schema: SCHEMA_VERSION,
            build: BuildInfo::current(),
            started_at,
            ended_at: rfc3339(SystemTime::now()),
            command,
            plan: self.plan_record(&engine),
            environment,
            shard: part.map(|part| part.record),
            shards: Vec::new(),
            hosts: Vec::new(),
            cells,
            expectations: Vec::new(),
            warnings: Vec::new(),
            validity: Validity {
                complete: false,
                valid: false,
                reasons: Vec::new(),
            },
        };
        record.expectations = expectations(&record);
        (record.validity, record.warnings) =
            judge(&record, Decoded::of(&record)?.summaries(), checked.trials());
        record.warnings.extend(self.superseded.iter().map(|list| {
            let remedy =
                "drop the old list from the file; the newest of each authority and scope decides";
            Note::new("crl-superseded", list.clone(), remedy)
        }));
        if let Some(error) = failed {
            record.validity.valid = false;
            record.validity.reasons.push(Note::new(
                "engine-failed",
                error.to_string(),
                "the trials before it are complete; run the rest again",
            ));
        }
        Ok(record)
    }

    /// Runs the trials and sorts them by cell, each with what the embedded target counted meanwhile.
    fn measure(
        &self,
        engine: &Engine,
        timetable: Option<Timetable>,
        control: &watch::Receiver<Interrupt>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<(Vec<CellRecord>, Option<EngineError>), RunError> {
        let mut cells: Vec<CellRecord> = (self.plan.cells.iter())
            .map(|site| CellRecord {
                cell: site.cell.clone(),
                address: reach::listed(&site.addrs),
                pins: pins(
                    &site.cell,
                    &self.plan.checked,
                    self.selection.suites(&self.plan.checked),
                ),
                trials: Vec::new(),
            })
            .collect();
        let mut current = 0;
        // What the target had counted when the trial began.
        let mut before = None;
        let mut kept = Ok(());
        let target = self.embedded.as_ref().map(|e| e as _);
        let mut failed = engine.run(timetable, control, target, &mut |event| {
            match event {
                Event::Begin { cell, .. } => {
                    current = cell;
                    before = self.target_counts(cell);
                    self.take_ledgers(cell);
                }
                // The sessions of the priming are not the trial's.
                Event::Primed => {
                    before = self.target_counts(current);
                    self.take_ledgers(current);
                }
                Event::End(result) => {
                    let counts = before
                        .zip(self.target_counts(current))
                        .map(|(b, a)| a.since(&b));
                    let ledgers = self.take_ledgers(current);
                    let ledgers = self.plan.metered.then_some(&ledgers);
                    let site = &mut cells[current];
                    let planned = &self.plan.cells[current];
                    match convert::trial(result, planned, counts, ledgers) {
                        Ok(trial) => site.trials.push(trial),
                        Err(error) => kept = Err(error),
                    }
                }
                _ => {}
            }
            observe(event);
        });
        kept?;
        if let Some(error) = failed.take_if(|_| cells.iter().all(|cell| cell.trials.is_empty())) {
            return Err(error.into());
        }
        Ok((cells, failed))
    }

    /// The providers of the client, each once, in the order of the cells.
    fn providers(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for name in self.plan.cells.iter().filter_map(|site| site.cell.provider) {
            if !names.contains(&name.label()) {
                names.push(name.label());
            }
        }
        if names.is_empty() {
            names.push(self.plan.checked.provider.label());
        }
        names.join(", ")
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
            scenario: checked.written.without_secrets(),
            load_model: load_model.to_owned(),
            asked_rate,
            asked_sessions,
            asked_sessions_max: asked_sessions.map(|_| checked.load.max_in_flight()),
            warmup_s: warmup,
            duration_s: duration,
            grace_s: stop.grace.as_secs_f64(),
            provider: self.providers(),
            target_provider: match &checked.target {
                TargetPlan::Embedded(settings) => Some(settings.provider.to_string()),
                TargetPlan::Remote { .. } => None,
            },
            common_suites: self.selection.common_suites.clone(),
            skipped: self.selection.skipped.clone(),
            metering: self.plan.metered.then(|| MeteringRecord {
                span_ns: span_cost().as_nanos() as f64,
            }),
            identity: self.identity.clone(),
            addresses: self.choice.as_ref().map_or_else(Vec::new, reach::record),
            server_verified: !checked.scenario.tls.insecure,
            sources: self.plan.sources.iter().map(ToString::to_string).collect(),
            placements,
            preflight: self.preflight.clone(),
        }
    }
}
