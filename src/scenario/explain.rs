//! A checked scenario in words: what it loads, how hard, how often, and what its cells are.

use std::fmt::Write;
use std::time::Duration;

use super::{Arrivals, AuthMode, Cell, Checked, LoadModel, TargetPlan, Verify, WayIn};
use crate::units::{Ratio, Span, counted, format_count, three_digits, trimmed};

impl Checked {
    /// The plan as far as the scenario alone determines it, a line per part and per cell.
    pub fn explain(&self) -> String {
        let scenario = self.scenario.without_secrets();
        let mut out = match scenario.question.trim() {
            "" => format!("{}\n", scenario.name),
            question => format!("{}: {question}\n", scenario.name),
        };
        for (what, text) in [
            ("target", self.target_text()),
            ("protocol", self.protocol_text()),
            ("load", self.load_text()),
            ("trial", self.trial_text()),
            ("trials", self.trials_text()),
        ] {
            let _ = writeln!(out, "{what:<10}{text}");
        }
        if self.way_in != WayIn::default() {
            let _ = writeln!(out, "way in    {}", self.way_in);
        }
        if let Some(fleet) = &scenario.fleet {
            let _ = writeln!(out, "fleet     {fleet}");
        }
        for event in &scenario.events {
            let _ = writeln!(out, "event     {event}");
        }
        if self.scenario.tls.verify == Verify::OncePerChain {
            out.push_str(
                "verify    each distinct chain of the server once per worker, cell and client identity\n",
            );
        }
        out.push_str("cells\n");
        let width = self.cells.iter().map(|cell| cell.name.chars().count());
        let width = width.max().unwrap_or(0);
        for cell in &self.cells {
            let _ = writeln!(out, "  {:<width$}  {}", cell.name, describe(cell));
        }
        out
    }

    /// How long the trials take together, warm-ups included; none where a total of sessions ends them.
    pub(crate) fn expected_length(&self) -> Option<Duration> {
        let trials = u32::try_from(self.trials()).ok()?;
        let trial = self.stop.warmup + self.stop.duration;
        self.stop.total.is_none().then(|| trial * trials)
    }

    fn target_text(&self) -> String {
        match &self.target {
            TargetPlan::Embedded(target) => format!(
                "the embedded target, {}, provider {}",
                counted(target.threads as u64, "thread"),
                target.provider
            ),
            TargetPlan::Remote { host, port, pinned } => {
                let url = self.scenario.without_secrets().target.url;
                let at = match &pinned[..] {
                    [] => format!("{host}:{port}"),
                    pinned => format!("{}, port {port}", pinned.join(" or ")),
                };
                let public = if self.scenario.target.allow_public {
                    "; public addresses are allowed"
                } else {
                    ""
                };
                format!("{} at {at}{public}", url.unwrap_or_default())
            }
        }
    }

    fn protocol_text(&self) -> String {
        let hold = match self.hold {
            Duration::ZERO => String::new(),
            hold => format!(", then held open for {}", Span(hold)),
        };
        format!("{}{hold}", self.protocol)
    }

    fn load_text(&self) -> String {
        match &self.load {
            LoadModel::Open {
                rate,
                arrivals,
                max_in_flight,
            } => {
                let spaced = match arrivals {
                    Arrivals::Fixed => "evenly spaced",
                    Arrivals::Poisson => "as a Poisson process",
                };
                format!(
                    "open loop, {}{}/s {spaced}, at most {} in flight",
                    self.up_to(),
                    trimmed(rate.peak()),
                    format_count(*max_in_flight)
                )
            }
            LoadModel::Closed {
                sessions,
                start_cap,
            } => {
                let cap = start_cap.map_or(String::new(), |cap| {
                    format!(", at most {}/s begun", three_digits(cap))
                });
                format!(
                    "closed loop, {}{} concurrent sessions{cap}",
                    self.up_to(),
                    trimmed(sessions.peak())
                )
            }
        }
    }

    /// Says that a load changes over time.
    fn up_to(&self) -> &'static str {
        if self.scenario.load.stages.is_empty() {
            ""
        } else {
            "in stages up to "
        }
    }

    fn trial_text(&self) -> String {
        let stop = self.stop;
        let total = stop.total.map_or(String::new(), |total| {
            format!(", or {} sessions", format_count(total))
        });
        format!(
            "{} of warm-up, {} measured{total}, then up to {} for what is in flight",
            Span(stop.warmup),
            Span(stop.duration),
            Span(stop.grace)
        )
    }

    fn trials_text(&self) -> String {
        let rounds = counted(self.scenario.trials.count as u64, "round");
        let cells = counted(self.cells.len() as u64, "cell");
        let (all, length) = (self.trials(), self.length_text());
        format!("{all} in all: {rounds} of {cells}{length}")
    }

    /// The expected length as the end of a sentence.
    pub fn length_text(&self) -> String {
        self.expected_length().map_or(String::new(), |length| {
            format!(", about {:.0} s", length.as_secs_f64())
        })
    }
}

/// What a cell is, beyond its name.
fn describe(cell: &Cell) -> String {
    if cell.auth == AuthMode::None {
        return "plain TCP".to_owned();
    }
    let versions: Vec<String> = cell.versions.iter().map(ToString::to_string).collect();
    let who = match cell.auth {
        AuthMode::Mutual => "both ends authenticated",
        _ => "server authenticated",
    };
    let mut parts = vec![format!("TLS {}, {who}", versions.join(" or "))];
    parts.extend(cell.keys.map(|keys| format!("keys {keys}")));
    let intermediates = |length: u8| counted(length.into(), "intermediate");
    parts.extend(cell.chain.map(intermediates));
    parts.extend(cell.group.as_ref().map(|group| format!("group {group}")));
    parts.extend(cell.provider.map(|name| format!("provider {name}")));
    parts.extend(cell.resumed.map(|share| match share {
        Ratio::ZERO => "full handshakes".to_owned(),
        share => format!("{} % resumed", share.as_f64() * 100.0),
    }));
    if !cell.identities.is_empty() {
        parts.push(format!("as {}", cell.identities.join(", ")));
    }
    parts.extend(
        cell.server_fault
            .map(|fault| format!("server certificate {fault}")),
    );
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use crate::scenario::Scenario;

    fn explained(text: &str) -> String {
        let text = format!("version = 1\nname = \"x\"\n{text}");
        let checked = Scenario::parse("x.toml", &text).and_then(|s| s.check("x.toml", &text));
        checked.unwrap_or_else(|e| panic!("{e}")).explain()
    }

    #[test]
    fn what_a_scenario_does_is_told_with_its_defaults() {
        let text = explained(
            "question = \"How many?\"\n[load]\nsessions = 20\nduration = \"2s\"\nwarmup = \"500ms\"\nhold = \"1s\"\n\
             [matrix]\nauth = [\"none\", \"mutual\"]\ntls = [\"1.3\"]\n[trials]\ncount = 3\n",
        );
        for line in [
            "x: How many?",
            "target    the embedded target, 1 thread, provider aws-lc-rs",
            "protocol  echo of 64 bytes, 1 exchange per session, then held open for 1s",
            "load      closed loop, 20 concurrent sessions",
            "trials    6 in all: 3 rounds of 2 cells, about 15 s",
            "  tcp   plain TCP",
            "  mtls  TLS 1.3, both ends authenticated, keys p256, 1 intermediate, provider aws-lc-rs",
        ] {
            assert!(text.lines().any(|l| l == line), "{line:?} in\n{text}");
        }
    }

    #[test]
    fn fleets_and_events_are_told() {
        let text = explained(
            "[load]\nsessions = 5\nhold = \"1s\"\nduration = \"9s\"\n\
             [fleet]\nmint = { count = 1000 }\ndraw = \"sticky\"\n\
             [[events]]\nkind = \"drop\"\nat = \"3s\"\nshare = 0.5\n\
             [[events]]\nkind = \"renew\"\nat = \"1s\"\nover = \"2s\"\noverlap = \"-2s\"\n",
        );
        for line in [
            "fleet     1,000 minted identities, drawn sticky",
            "event     drop at 3s of 0.5 of all; back-off exponential 1s..2m8s, jitter full",
            "event     renew at 1s over 2s of all; overlap -2s",
        ] {
            assert!(text.lines().any(|l| l == line), "{line:?} in\n{text}");
        }
    }

    #[test]
    fn secrets_of_a_target_are_left_out() {
        let text = explained(
            "[target]\nurl = \"https://localhost:1/a?s3cret\"\n[tls]\ncacert = \"ca.pem\"\n\
             [protocol]\nheaders = [{ name = \"X\", value = \"s3cret\" }]\n\
             [load]\nstages = [{ over = \"5s\", rate = \"100/s\" }]\n",
        );
        assert!(!text.contains("s3cret"), "{text}");
        assert!(
            text.contains("in stages up to 100/s evenly spaced"),
            "{text}"
        );
        assert!(text.contains("HTTP/1.1 GET, 1 exchange"), "{text}");
    }
}
