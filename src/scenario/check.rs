//! From the scenario as written to what it means: defaults filled, impossible combinations refused.

use std::time::Duration;

use super::alpn;
use super::cells::{Common, trial_order};
use super::check_load::{load, ramp, stop, timeouts};
use super::dimensions;
use super::error::{Problem, refuse};
use super::events;
use super::fleet;
use super::identity;
use super::resolve::pinned;
use super::resumption;
use super::source;
use super::suites;
use super::url::{Place, Url};
use super::verification;
use super::way_in;
use super::{
    Arrivals, AuthMode, Cell, Close, EmbeddedPlan, IdentitySection, Profile, ProtocolKind,
    ProviderName, Scenario, ScenarioError, WayIn,
};
use crate::protocol::{Asked, ProtocolPlan, ProtocolSection};

/// A scenario of which every part is known to fit the others.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The scenario, with paths and variables as they are here.
    pub scenario: Scenario,
    /// The scenario as written, for the record.
    pub written: Scenario,
    /// What is put under load.
    pub target: TargetPlan,
    /// What is done on a connection before TLS.
    pub way_in: WayIn,
    /// Where the client's cryptography comes from, unless a cell varies it.
    pub provider: ProviderName,
    /// What happens on a session.
    pub protocol: ProtocolPlan,
    /// How sessions begin.
    pub load: LoadModel,
    /// When a trial ends.
    pub stop: Stop,
    /// How long a confirmed session is kept open.
    pub hold: Duration,
    /// How it is closed then.
    pub close: Close,
    /// The expanded matrix.
    pub cells: Vec<Cell>,
}

/// What is put under load.
#[derive(Debug, Clone, PartialEq)]
pub enum TargetPlan {
    /// The server inside this process.
    Embedded(EmbeddedPlan),
    /// A server elsewhere.
    Remote {
        /// Name or address, as in the URL.
        host: String,
        /// TCP port.
        port: u16,
        /// IP addresses given with `resolve`, in their order; none leaves it to the resolver.
        pinned: Vec<String>,
    },
}

impl Checked {
    /// The name that the server's certificate must have.
    pub(crate) fn server_name(&self) -> &str {
        match (&self.scenario.tls.sni, &self.target) {
            (Some(name), _) => name,
            (None, TargetPlan::Embedded(_)) => "localhost",
            (None, TargetPlan::Remote { host, .. }) => Place::server_name(host),
        }
    }

    /// Trials in all.
    pub fn trials(&self) -> usize {
        self.cells.len() * self.scenario.trials.count
    }

    /// The identities that a cell names.
    pub(crate) fn presented(&self, cell: &Cell) -> impl Iterator<Item = &IdentitySection> {
        let named = |identity: &&IdentitySection| cell.identities.contains(&identity.name);
        self.scenario.identities.iter().filter(named)
    }

    /// The cells of the trials, round by round.
    pub(crate) fn trial_order(&self) -> Vec<Vec<usize>> {
        let trials = &self.scenario.trials;
        trial_order(self.cells.len(), trials.count, trials.seed)
    }
}

/// How sessions begin.
#[derive(Debug, Clone, PartialEq)]
pub enum LoadModel {
    /// A number of concurrent sessions, each replaced when it ends.
    Closed {
        /// Concurrent sessions over time.
        sessions: Profile,
        /// Most session starts per second, if capped (public addresses).
        start_cap: Option<f64>,
    },
    /// Arrivals on a schedule that does not wait for the server.
    Open {
        /// Arrivals per second over time.
        rate: Profile,
        /// How they are spaced.
        arrivals: Arrivals,
        /// Most sessions in flight.
        max_in_flight: u64,
    },
}

impl LoadModel {
    /// Most sessions in flight at once.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "profiles of sessions are built from u64"
    )]
    pub fn max_in_flight(&self) -> u64 {
        match self {
            Self::Closed { sessions, .. } => sessions.peak() as u64,
            Self::Open { max_in_flight, .. } => *max_in_flight,
        }
    }

    /// The largest asked arrival rate per second of an open loop.
    pub(crate) fn peak_rate(&self) -> Option<f64> {
        match self {
            Self::Closed { .. } => None,
            Self::Open { rate, .. } => Some(rate.peak()),
        }
    }
}

/// When a trial ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// Load before the measured part.
    pub warmup: Duration,
    /// Length of the measured part.
    pub duration: Duration,
    /// Sessions after which no more are started, warm-up included.
    pub total: Option<u64>,
    /// How long sessions in flight may take to finish after the last arrival.
    pub grace: Duration,
}

impl Scenario {
    /// Finds what the scenario means. `name` and `text` are the file it came from (`text` empty for
    /// flags alone), so that errors can point at it.
    ///
    /// # Errors
    ///
    /// Fails on an impossible combination, naming the key, its line, the cause and the remedy.
    pub fn check(self, name: &str, text: &str) -> Result<Checked, ScenarioError> {
        check(self).map_err(|problem| problem.locate(name, text))
    }
}

fn check(mut scenario: Scenario) -> Result<Checked, Problem> {
    let written = scenario.clone();
    let url = scenario.target.url.as_deref().map(Url::parse).transpose();
    let url = url.map_err(|error| {
        Problem::new(
            "target.url",
            error.to_string(),
            "write https://host:port/path, grpcs://host:port/package.Service/Method, mqtts://host:port/topic, \
             tls://host:port, http://host:port/path or tcp://host:port",
        )
    })?;
    let target = target(&scenario, url.as_ref())?;
    let cells = cells(&scenario, url.as_ref(), &target)?;
    let protocol = protocol(&scenario, url.as_ref(), &cells)?;
    let way_in = way_in::check(&scenario, url.as_ref(), &cells, &protocol)?;
    let any_tls = cells.iter().any(|cell| cell.auth != AuthMode::None);
    alpn::complete(&mut scenario.tls.alpn, protocol.kind(), any_tls);
    alpn::check(&scenario.tls.alpn, protocol.kind())?;
    resumption::check_protocol(&scenario, &target, &protocol)?;
    refuse(
        scenario.load.close == Some(Close::Reset) && protocol.kind() == ProtocolKind::Handshake,
        "load.close",
        "a handshake alone is confirmed by its orderly close, so it cannot be reset",
        "write protocol.kind = \"http1\" or \"echo\", or drop it",
    )?;
    refuse(
        protocol.every.is_some() && scenario.load.hold.unwrap_or_default().0.is_zero(),
        "protocol.every",
        "no session is held, so none makes an exchange now and then",
        "write load.hold (--hold), or drop it",
    )?;
    let load = load(&scenario)?;
    let stop = stop(&scenario)?;
    ramp(&scenario, stop)?;
    timeouts(&scenario.timeouts)?;
    let mutual = cells.iter().any(|cell| cell.auth == AuthMode::Mutual);
    fleet::check(&scenario, &target, mutual, &load)?;
    events::check(
        &scenario,
        &target,
        (&load, stop),
        protocol.kind(),
        cells.len(),
    )?;
    source::check(&scenario)?;
    refuse(
        scenario.workers.count == Some(0),
        "workers.count",
        "without a worker there is no load",
        "write at least 1, or leave it out",
    )?;
    refuse(
        scenario.trials.count == 0,
        "trials.count",
        "no trial would run",
        "write at least 1",
    )?;
    Ok(Checked {
        target,
        way_in,
        provider: scenario.tls.provider.unwrap_or_default(),
        protocol,
        load,
        stop,
        hold: scenario.load.hold.unwrap_or_default().0,
        close: scenario.load.close.unwrap_or_default(),
        cells,
        written,
        scenario,
    })
}

fn target(scenario: &Scenario, url: Option<&Url>) -> Result<TargetPlan, Problem> {
    let section = &scenario.target;
    let Some(url) = url else {
        refuse(
            !section.resolve.is_empty(),
            "target.resolve",
            "there is no URL whose host it could resolve",
            "give target.url, or drop it",
        )?;
        refuse(
            section.all_addresses,
            "target.all-addresses",
            "the embedded target has one address",
            "drop it, or give target.url",
        )?;
        refuse(
            section.allow_public || section.public_rate_cap.is_some(),
            "target.allow-public",
            "the embedded target is never public",
            "drop it, or give target.url",
        )?;
        let embedded = EmbeddedPlan::of(scenario);
        refuse(
            embedded.threads == 0,
            "target.embedded.threads",
            "a server without threads answers nothing",
            "write at least 1",
        )?;
        resumption::check_target(scenario, &embedded)?;
        return Ok(TargetPlan::Embedded(embedded));
    };
    refuse(
        section.embedded.is_some(),
        "target.embedded",
        "a run has one target, and target.url is given too",
        "drop one of them",
    )?;
    refuse(
        section.public_rate_cap.is_some() && !section.allow_public,
        "target.public-rate-cap",
        "it has no effect without allow-public",
        "add allow-public = true, or drop it",
    )?;
    Ok(TargetPlan::Remote {
        host: url.place.host.clone(),
        port: url.port,
        pinned: pinned(&section.resolve, url)?,
    })
}

fn cells(
    scenario: &Scenario,
    url: Option<&Url>,
    target: &TargetPlan,
) -> Result<Vec<Cell>, Problem> {
    let without_tls = url.is_some_and(|url| !url.scheme.tls);
    let default_auth = match url {
        _ if without_tls => AuthMode::None,
        _ if url.is_none() || scenario.presents() => AuthMode::Mutual,
        _ => AuthMode::Server,
    };
    let cells = scenario.matrix.cells(&Common {
        auth: default_auth,
        identities: &scenario.identities,
        resumed: &resumption::shares(scenario),
        provider: scenario.tls.provider.unwrap_or_default(),
        minted: match target {
            TargetPlan::Embedded(plan) => Some((plan.keys, plan.chain)),
            TargetPlan::Remote { .. } => None,
        },
    });
    let mutual = cells.iter().any(|c| c.auth == AuthMode::Mutual);
    let any_tls = cells.iter().any(|c| c.auth != AuthMode::None);
    let tls = &scenario.tls;
    refuse(
        mutual && url.is_some() && !scenario.presents(),
        "matrix.auth",
        "mutual authentication needs a client certificate",
        "give [identity] cert and key (--cert, --key), [[identities]], or auth = [\"server\"]",
    )?;
    let without_effect = [
        ("identity", scenario.identity.is_some()),
        ("tls.cacert", tls.cacert.is_some()),
        ("tls.crl", tls.crl.is_some()),
        ("tls.sni", tls.sni.is_some()),
        ("tls.expected-name", !tls.expected_name.is_empty()),
        ("tls.insecure", tls.insecure),
    ];
    for (key, given) in without_effect {
        refuse(
            url.is_none() && given,
            key,
            "the embedded target brings its own certificates and name, so this has no effect",
            "drop it, or give target.url",
        )?;
    }
    refuse(
        scenario.identity.is_some() && !mutual,
        "identity",
        "no cell would present this certificate",
        "drop it, or write auth = [\"mutual\"]",
    )?;
    verification::check(tls)?;
    refuse(
        !any_tls && *tls != super::TlsSection::default(),
        "tls",
        "no cell uses TLS, so these settings have no effect",
        "drop them, or add \"server\" or \"mutual\" to matrix.auth",
    )?;
    refuse(
        !any_tls && !scenario.matrix.tls.is_empty(),
        "matrix.tls",
        "no cell uses TLS, so versions have no effect",
        "drop them",
    )?;
    refuse(
        any_tls && without_tls,
        "matrix.auth",
        "the URL's scheme is one without TLS",
        "write https:// or tls://, or auth = [\"none\"]",
    )?;
    suites::check(&tls.suites, &cells)?;
    dimensions::check(scenario, any_tls)?;
    identity::check(scenario, mutual)?;
    resumption::check(scenario, &cells)?;
    Ok(cells)
}

fn protocol(
    scenario: &Scenario,
    url: Option<&Url>,
    cells: &[Cell],
) -> Result<ProtocolPlan, Problem> {
    let section = &scenario.protocol;
    let usual = url.map_or(ProtocolKind::Echo, |url| url.scheme.kind);
    let kind = section.kind.unwrap_or(match usual {
        // Who offers nothing else means it.
        ProtocolKind::Http1 if scenario.tls.alpn == ["h2"] => ProtocolKind::Http2,
        usual => usual,
    });
    let asked = url.map(|url| Asked {
        tls: url.scheme.tls,
        authority: url.authority(),
        path: &url.path,
        user: url.user.as_deref(),
        is_own: url.scheme.kind == kind,
    });
    let most = scenario.matrix.exchanges.iter().copied().max();
    let widest = scenario.matrix.streams.iter().copied().max();
    let section = &ProtocolSection {
        exchanges: most.or(section.exchanges),
        streams: widest.or(section.streams),
        ..section.clone()
    };
    let mut plan = ProtocolPlan::new(kind, section, asked.as_ref()).map_err(|problem| Problem {
        key: match problem.key {
            "protocol.exchanges" if most.is_some() => "matrix.exchanges",
            "protocol.streams" if widest.is_some() => "matrix.streams",
            key => key,
        },
        ..problem
    })?;
    plan.varies = most.is_some();
    if kind != ProtocolKind::Handshake
        && url.is_some_and(|url| url.scheme.tls && url.scheme.kind != ProtocolKind::Handshake)
        && cells.iter().any(|cell| cell.auth == AuthMode::None)
    {
        return Err(Problem::new(
            "matrix.auth",
            format!(
                "plain {} to a TLS port answers nothing useful",
                kind.traits().name
            ),
            "drop \"none\", or write kind = \"handshake\"",
        ));
    }
    Ok(plan)
}
