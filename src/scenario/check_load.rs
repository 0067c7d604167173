//! How hard and for how long: from the keys of `[load]` and `[timeouts]` to what they mean.

use std::time::Duration;

use super::error::{Problem, refuse};
use super::{LoadModel, Profile, Scenario, StageSection, Stop, Timeouts};
use crate::units::{Rate, Span};

/// What bounds a trial that was given a total but no duration.
const LONGEST_BY_TOTAL: Duration = Duration::from_secs(600);
/// Most sessions per second to a public address unless the scenario raises it.
const PUBLIC_RATE_CAP: f64 = 50.0;

pub(super) fn load(scenario: &Scenario) -> Result<LoadModel, Problem> {
    let section = &scenario.load;
    let stage_rates = section.stages.iter().any(|s| s.rate.is_some());
    let stage_sessions = section.stages.iter().any(|s| s.sessions.is_some());
    let open = section.rate.is_some() || stage_rates;
    let closed = section.sessions.is_some() || stage_sessions;
    refuse(
        open && closed,
        "load",
        "a rate is an open loop, a number of sessions a closed one; this has both",
        "keep one; to bound an open loop write max-in-flight",
    )?;
    let cap = scenario.target.allow_public.then(|| {
        scenario
            .target
            .public_rate_cap
            .map_or(PUBLIC_RATE_CAP, Rate::as_per_second)
    });
    if open {
        open_loop(scenario, cap)
    } else {
        closed_loop(scenario, cap)
    }
}

fn open_loop(scenario: &Scenario, cap: Option<f64>) -> Result<LoadModel, Problem> {
    let section = &scenario.load;
    refuse(
        section.ramp_up.is_some(),
        "load.ramp-up",
        "it is for a closed loop",
        "write stages for an open one",
    )?;
    let rate = match section.rate {
        Some(rate) if section.stages.is_empty() => Profile::constant(rate.as_per_second()),
        from => Profile::ramp(
            from.map_or(0.0, Rate::as_per_second),
            stage_values(&section.stages, |s| s.rate.map(Rate::as_per_second))?,
        ),
    };
    if let Some(cap) = cap
        && rate.peak() > cap
    {
        return Err(Problem::new(
            "load.rate",
            format!(
                "{}/s is above the cap of {cap}/s for a public address",
                rate.peak()
            ),
            "lower it, or raise target.public-rate-cap if the server's owner agrees",
        ));
    }
    let max_in_flight = section.max_in_flight.unwrap_or(1_000);
    refuse(
        max_in_flight == 0,
        "load.max-in-flight",
        "nothing could ever start",
        "write at least 1",
    )?;
    Ok(LoadModel::Open {
        rate,
        arrivals: section.arrivals.unwrap_or_default(),
        max_in_flight,
    })
}

fn closed_loop(scenario: &Scenario, cap: Option<f64>) -> Result<LoadModel, Problem> {
    let section = &scenario.load;
    refuse(
        section.arrivals.is_some() || section.max_in_flight.is_some(),
        "load",
        "arrivals and max-in-flight are for an open loop",
        "write rate, or drop them",
    )?;
    let sessions = section.sessions.map(|s| s as f64);
    refuse(
        sessions == Some(0.0) && section.stages.is_empty(),
        "load.sessions",
        "no session would ever start",
        "write at least 1",
    )?;
    let profile = match (&section.stages[..], section.ramp_up) {
        ([], None) => Profile::constant(sessions.unwrap_or(10.0)),
        ([], Some(over)) => Profile::ramp(0.0, [(over.0.as_secs_f64(), sessions.unwrap_or(10.0))]),
        (_, Some(_)) => {
            return Err(Problem::new(
                "load.ramp-up",
                "stages are a ramp already",
                "drop one of them",
            ));
        }
        (stages, None) => Profile::ramp(
            sessions.unwrap_or(0.0),
            stage_values(stages, |s| s.sessions.map(|n| n as f64))?,
        ),
    };
    refuse(
        profile.peak() < 1.0,
        "load.stages",
        "no stage has a session, so none would ever start",
        "write sessions of at least 1 in one of them",
    )?;
    Ok(LoadModel::Closed {
        sessions: profile,
        start_cap: cap,
    })
}

fn stage_values(
    stages: &[StageSection],
    value: impl Fn(&StageSection) -> Option<f64>,
) -> Result<Vec<(f64, f64)>, Problem> {
    stages
        .iter()
        .map(|stage| {
            let value = value(stage).ok_or_else(|| {
                Problem::new(
                    "load.stages",
                    "a stage leaves out what the others set",
                    "give every stage rate, or every stage sessions",
                )
            })?;
            Ok((stage.over.0.as_secs_f64(), value))
        })
        .collect()
}

pub(super) fn stop(scenario: &Scenario) -> Result<Stop, Problem> {
    let section = &scenario.load;
    let ramp: Duration = section.stages.iter().map(|s| s.over.0).sum();
    refuse(
        !section.stages.is_empty() && section.duration.is_some(),
        "load.duration",
        "the stages already say how long the load lasts",
        "drop it; for a plateau add a stage with the same value",
    )?;
    refuse(
        section.total == Some(0),
        "load.total",
        "no session would ever start",
        "write at least 1",
    )?;
    let duration = match (section.duration, section.total) {
        (Some(duration), _) => duration.0,
        (None, _) if !section.stages.is_empty() => ramp,
        (None, Some(_)) => LONGEST_BY_TOTAL,
        (None, None) => Duration::from_secs(10),
    };
    refuse(
        duration.is_zero(),
        "load.duration",
        "nothing would be measured",
        "write at least 1ms",
    )?;
    let no_warmup = section.total.is_some() || !section.stages.is_empty();
    let warmup = section
        .warmup
        .map_or(Duration::from_secs(u64::from(!no_warmup)), |w| w.0);
    refuse(
        !section.stages.is_empty() && section.warmup.is_some(),
        "load.warmup",
        "a ramp is measured from its beginning",
        "drop it; the first stage can be the warm-up",
    )?;
    Ok(Stop {
        warmup,
        duration,
        total: section.total,
        grace: section.grace.map_or(Duration::from_secs(5), |g| g.0),
    })
}

/// Refuses a ramp that the load does not live to see the end of: the sessions that were asked for would never be there.
pub(super) fn ramp(scenario: &Scenario, stop: Stop) -> Result<(), Problem> {
    let Some(ramp) = scenario.load.ramp_up else {
        return Ok(());
    };
    let length = stop.warmup + stop.duration;
    if ramp.0 <= length {
        return Ok(());
    }
    Err(Problem::new(
        "load.ramp-up",
        format!(
            "the load ends after {}, before all sessions are open",
            Span(length)
        ),
        "shorten it, or write a longer duration",
    ))
}

pub(super) fn timeouts(timeouts: &Timeouts) -> Result<(), Problem> {
    let all = [
        ("timeouts.resolve", timeouts.resolve),
        ("timeouts.connect", timeouts.connect),
        ("timeouts.way-in", timeouts.way_in),
        ("timeouts.handshake", timeouts.handshake),
        ("timeouts.confirm", timeouts.confirm),
        ("timeouts.exchange", timeouts.exchange),
        ("timeouts.close", timeouts.close),
    ];
    all.into_iter().try_for_each(|(key, span)| {
        let cause = "no time is left to do it in";
        refuse(span.0.is_zero(), key, cause, "write at least 1ms")
    })
}

#[cfg(test)]
mod tests {
    use crate::scenario::Scenario;

    #[test]
    fn a_ramp_longer_than_the_load_is_refused() {
        let checked = |ramp: &str| {
            let text = format!(
                "version = 1\nname = \"x\"\n[load]\nsessions = 100\nduration = \"9s\"\nramp-up = \"{ramp}\"\n"
            );
            let scenario = Scenario::parse("s.toml", &text).unwrap();
            scenario.check("s.toml", &text).err().map(|e| e.to_string())
        };
        assert_eq!(checked("10s"), None, "the warm-up counts");
        let error = checked("11s").unwrap();
        assert!(
            error.contains("s.toml:6: load.ramp-up: the load ends after 10s"),
            "{error}"
        );
    }

    #[test]
    fn stages_without_a_session_are_refused_at_their_line() {
        let refusal = |sessions: &str| {
            let text = format!(
                "version = 1\nname = \"x\"\n[load]\nstages = [\n{{ over = \"1s\", sessions = {sessions} }},\n]\n"
            );
            let scenario = Scenario::parse("s.toml", &text).unwrap();
            scenario.check("s.toml", &text).err().map(|e| e.to_string())
        };
        let error = refusal("0").unwrap();
        assert!(
            error.starts_with("s.toml:4: load.stages: no stage has a session"),
            "{error}"
        );
        assert_eq!(refusal("1"), None);
    }
}
