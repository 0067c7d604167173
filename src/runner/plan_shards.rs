//! How many machines a plan needs: what it asks, from its scenario; what a machine has, from this host; and the CPU time
//! of a session, given or from a short run against the embedded target.

use std::time::Duration;

use tokio::sync::watch;

use super::{Prepared, RunError, prepare, resolve};
use crate::load::{Demand, Interrupt, Machine, SessionCpu, ShardsNeeded};
use crate::pki::{CertFacts, Identity, PkiError};
use crate::record::{CellRecord, PreflightRecord};
use crate::scenario::{
    AuthMode, Checked, EmbeddedTarget, EndKeys, IdentitySection, KeyAlgorithm, LoadModel,
    LoadSection, Matrix, ProtocolKind, ProtocolSection, Scenario, TargetSection, WayInSection,
    WorkerSection,
};
use crate::shard::Shard;
use crate::units::{Span, format_count};

/// How long all cells together are measured, and one at least and at most.
const MEASURED_MS: (usize, usize, usize) = (1_500, 150, 1_000);
/// Steps in which the growth of a closed loop is looked for.
const STEPS: u32 = 1_000;

/// How many shards and addresses a plan needs on machines like this one. `cpu` is the CPU time of a session; it is measured
/// here where none is given.
///
/// # Errors
///
/// Fails with what cannot be resolved or measured.
pub fn shards_needed(checked: Checked, cpu: Option<Duration>) -> Result<ShardsNeeded, RunError> {
    let cpu = match cpu {
        Some(cpu) => SessionCpu {
            us: cpu.as_secs_f64() * 1e6,
            origin: "given by --plan-shards".to_owned(),
        },
        None => measured(&checked)?,
    };
    let starts_per_s = starts_per_s(&checked);
    let ends_per_s = match &checked.load {
        LoadModel::Closed { sessions, .. } if !checked.hold.is_zero() => {
            Some(sessions.peak() / checked.hold.as_secs_f64())
        }
        _ => None,
    };
    let hold_s = checked.hold.as_secs_f64();
    // What one machine lacks is the question.
    let unchecked = |_: &_| Ok(PreflightRecord::default());
    let Prepared {
        plan, resources, ..
    } = resolve(checked, Shard::WHOLE, unchecked)?;
    let targets = plan.cells.iter().map(|cell| cell.addrs.len()).min();
    let demand = Demand {
        resources,
        starts_per_s,
        ends_per_s,
        hold_s,
        targets: targets.unwrap_or(1),
        cpu,
    };
    Ok(ShardsNeeded::of(&demand, &Machine::here()))
}

/// Sessions begun per second at most; none if as many as the cores can.
fn starts_per_s(checked: &Checked) -> Option<f64> {
    let (sessions, cap) = match &checked.load {
        LoadModel::Open { rate, .. } => return Some(rate.peak()),
        LoadModel::Closed {
            sessions,
            start_cap,
        } => (sessions, *start_cap),
    };
    if checked.hold.is_zero() {
        return cap;
    }
    let length_s = (checked.stop.warmup + checked.stop.duration).as_secs_f64();
    let step_s = length_s / f64::from(STEPS);
    let at = |step: u32| sessions.value(f64::from(step) * step_s);
    let growth = (0..STEPS).map(|step| (at(step + 1) - at(step)) / step_s);
    let replaced = sessions.peak() / checked.hold.as_secs_f64();
    let most = growth.fold(replaced, f64::max);
    Some(cap.map_or(most, |cap| most.min(cap)))
}

/// Measures the CPU time of a session of the plan's most expensive cell, against the embedded target.
fn measured(checked: &Checked) -> Result<SessionCpu, RunError> {
    let unmeasured = |cause: String| RunError::Unmeasured { cause };
    let key = client_key(&checked.scenario)?;
    let scenario = short_run(checked, key);
    let mut short = scenario.clone().check("", "");
    if short.is_err() {
        // The embedded target does not speak it, or not so.
        let protocol = ProtocolSection {
            kind: Some(ProtocolKind::Echo),
            ..ProtocolSection::default()
        };
        short = Scenario {
            protocol,
            ..scenario
        }
        .check("", "");
    }
    let short = short.map_err(|error| unmeasured(error.to_string()))?;
    let said = short.protocol.to_string();
    let (_sender, control) = watch::channel(Interrupt::None);
    let record = prepare(short)?.run(Vec::new(), &control, &mut |_| ())?;
    let of_cell = |cell: &CellRecord| {
        Some((
            cell.trials.first()?.client_cpu_us()?,
            cell.cell.name.clone(),
        ))
    };
    let cells = record.cells.iter().filter_map(of_cell);
    let (us, cell) = cells
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .ok_or_else(|| unmeasured("no cell had sessions that succeeded".to_owned()))?;
    let sessions = record
        .cells
        .iter()
        .map(|cell| cell.total().ok_total())
        .sum();
    let mutual = checked
        .cells
        .iter()
        .any(|cell| cell.auth == AuthMode::Mutual);
    let client = if mutual {
        format!(", client key {}", key.client.label())
    } else {
        String::new()
    };
    Ok(SessionCpu {
        us,
        origin: format!(
            "measured now, in {} sessions of one worker on loopback: cell {cell}, {said}, with the embedded target{client}; \
             give another with --plan-shards=TIME",
            format_count(sessions),
        ),
    })
}

/// A second of the plan's sessions against the embedded target, without what belongs to its own server.
fn short_run(checked: &Checked, key: EndKeys) -> Scenario {
    let plan = &checked.scenario;
    let mut auth: Vec<AuthMode> = checked.cells.iter().map(|cell| cell.auth).collect();
    auth.dedup();
    let (all, least, most) = MEASURED_MS;
    let length = (all / checked.cells.len().max(1)).clamp(least, most);
    let embedded = plan.target.embedded.clone().unwrap_or_default();
    let mut scenario = Scenario {
        name: "plan-shards".to_owned(),
        target: TargetSection {
            embedded: Some(EmbeddedTarget {
                threads: 1,
                cores: None,
                key: embedded.key.or(plan.matrix.key.is_empty().then_some(key)),
                ..embedded
            }),
            ..TargetSection::default()
        },
        way_in: WayInSection::default(),
        identity: None,
        identities: Vec::new(),
        fleet: None,
        events: Vec::new(),
        expect: None,
        load: LoadSection {
            sessions: Some(8),
            warmup: Some(Span(Duration::from_millis(100))),
            duration: Some(Span(Duration::from_millis(length as u64))),
            ..LoadSection::default()
        },
        workers: WorkerSection {
            count: Some(1),
            ..WorkerSection::default()
        },
        matrix: Matrix {
            auth,
            identity: Vec::new(),
            server_fault: Vec::new(),
            crl: Vec::new(),
            ..plan.matrix.clone()
        },
        ..plan.clone()
    };
    scenario.trials.count = 1;
    scenario.protocol.kind = Some(checked.protocol.kind());
    (scenario.protocol.every, scenario.protocol.think) = (None, None);
    let tls = &mut scenario.tls;
    (tls.cacert, tls.crl, tls.sni, tls.insecure) = (None, None, None, false);
    tls.expected_name.clear();
    scenario
}

/// The key of the plan's client, as far as the embedded target's certificates have its like.
fn client_key(scenario: &Scenario) -> Result<EndKeys, PkiError> {
    let sections = scenario
        .identities
        .iter()
        .filter_map(IdentitySection::files);
    let files = scenario.identity.clone().into_iter().chain(sections).next();
    let mut client = KeyAlgorithm::EcdsaP256;
    if let Some(files) = files
        && let Some(leaf) = Identity::of_files(&files)?.chain.first()
    {
        let facts = CertFacts::parse(leaf)?;
        client = match facts.key.as_str() {
            "EC P-384" => KeyAlgorithm::EcdsaP384,
            "RSA 2048" => KeyAlgorithm::Rsa2048,
            key if key.starts_with("RSA") => KeyAlgorithm::Rsa3072,
            "Ed25519" => KeyAlgorithm::Ed25519,
            _ => client,
        };
    }
    Ok(EndKeys {
        server: KeyAlgorithm::EcdsaP256,
        client,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(load: &str) -> Option<f64> {
        let text = format!("version = 1\nname = \"t\"\n[load]\n{load}");
        let scenario = Scenario::parse("t", &text).unwrap();
        starts_per_s(&scenario.check("t", &text).unwrap()).map(f64::round)
    }

    #[test]
    fn a_rate_is_asked_grown_or_replaced() {
        assert_eq!(starts("rate = \"500/s\""), Some(500.0));
        assert_eq!(starts("sessions = 100"), None);
        let held = "sessions = 6000\nduration = \"10m\"\nhold = \"1m\"";
        assert_eq!(starts(held), Some(100.0));
        let ramp = format!("{held}\nramp-up = \"10s\"");
        assert_eq!(starts(&ramp), Some(600.0));
        let stages = "hold = \"1h\"\n[[load.stages]]\nover = \"10s\"\nsessions = 1000\n[[load.stages]]\nover = \"20s\"\nsessions = 1200\n";
        assert_eq!(starts(stages), Some(100.0));
    }

    #[test]
    fn a_session_is_measured_with_the_plans_own_settings() {
        let plan = |url: &str| {
            let text = format!(
                "version = 1\nname = \"t\"\n[target]\nurl = \"{url}\"\n[tls]\ninsecure = true\n\
                 [load]\nrate = \"1000000/s\"\nmax-in-flight = 50000\n[matrix]\ntls = [\"1.2\", \"1.3\"]\n"
            );
            let scenario = Scenario::parse("t", &text).unwrap();
            scenario.check("t", &text).unwrap()
        };
        for (url, said) in [
            (
                "https://127.0.0.1:1/x",
                "HTTP/1.1 GET, 1 exchange per session, with the embedded",
            ),
            ("grpcs://127.0.0.1:1/a.B/C", "with the embedded target"),
        ] {
            let needed = shards_needed(plan(url), None).unwrap().to_string();
            assert!(needed.contains(said), "{needed}");
        }
        let checked = plan("https://127.0.0.1:1/");
        let given = shards_needed(checked, Some(Duration::from_micros(500))).unwrap();
        let given = given.to_string();
        for part in ["1,000,000/s × 500 µs = 500 cores", "given by --plan-shards"] {
            assert!(given.contains(part), "{given}");
        }
    }
}
