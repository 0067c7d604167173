//! `[resumption]`: whether sessions are resumed, by what, and how many of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{Problem, refuse};
use super::{
    AuthMode, Cell, EmbeddedPlan, ProtocolKind, ProtocolPlan, Scenario, TargetPlan, TicketMode,
    TlsVersion,
};
use crate::units::Ratio;

/// Most TLS 1.3 tickets that the embedded target sends after a handshake.
const MOST_TICKETS: u8 = 8;
/// Most bytes of early data that the embedded target takes of a session, as OpenSSL's default is.
pub const TARGET_EARLY_DATA: u32 = 16 * 1024;

/// Whether sessions are resumed, by what, and how many of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ResumptionSection {
    /// By what; off unless set.
    pub mode: ResumptionMode,
    /// The share of sessions that are resumed; all of them unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Ratio>,
    /// Whether a session may be offered again before it came back. TLS 1.2 only.
    pub reuse: bool,
    /// TLS 1.3 tickets to ask for after each handshake (RFC 9149); the server's choice if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tickets: Option<u8>,
    /// Whether the first request of a resumed session is sent as early data (RFC 8446 section 2.3),
    /// which an attacker can replay. TLS 1.3 only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub early_data: bool,
}

impl ResumptionSection {
    /// Whether nothing is set.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// By what sessions are resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ResumptionMode {
    /// By nothing: every handshake is full.
    #[default]
    Off,
    /// By session id (RFC 5246 section 7.3). TLS 1.2 only.
    SessionId,
    /// By ticket: RFC 5077 in TLS 1.2, where a session without one is resumed by its id, and RFC 8446
    /// section 2.2 in TLS 1.3.
    Ticket,
}

/// The shares of resumed sessions, a cell each; none where resumption is off.
pub(super) fn shares(scenario: &Scenario) -> Vec<Ratio> {
    let section = &scenario.resumption;
    if section.mode == ResumptionMode::Off {
        Vec::new()
    } else if scenario.matrix.resumed.is_empty() {
        vec![section.ratio.unwrap_or(Ratio::ONE)]
    } else {
        scenario.matrix.resumed.clone()
    }
}

/// Checks what a scenario asks of resumption; cells without an effect are refused.
pub(super) fn check(scenario: &Scenario, cells: &[Cell]) -> Result<(), Problem> {
    let section = &scenario.resumption;
    let resumed = &scenario.matrix.resumed;
    if section.mode == ResumptionMode::Off {
        return off(section, resumed);
    }
    let tls = || cells.iter().filter(|cell| cell.auth != AuthMode::None);
    let offered = |version| tls().any(|cell| cell.versions.contains(&version));
    refuse(
        tls().count() == 0,
        "resumption.mode",
        "no cell uses TLS, so there is nothing to resume",
        "drop it, or add \"server\" or \"mutual\" to matrix.auth",
    )?;
    refuse(
        section.mode == ResumptionMode::SessionId && offered(TlsVersion::Tls13),
        "resumption.mode",
        "session ids resume sessions of TLS 1.2, and a cell offers TLS 1.3",
        "write matrix.tls = [\"1.2\"], or mode = \"ticket\"",
    )?;
    refuse(
        section.ratio.is_some() && !resumed.is_empty(),
        "resumption.ratio",
        "matrix.resumed gives shares too",
        "drop one of them",
    )?;
    refuse(
        section.reuse && offered(TlsVersion::Tls13),
        "resumption.reuse",
        "a TLS 1.3 ticket is offered once only (RFC 8446 appendix C.4), and a cell offers TLS 1.3",
        "drop it, or write matrix.tls = [\"1.2\"]",
    )?;
    let nothing_resumes = shares(scenario).iter().all(|share| *share == Ratio::ZERO);
    refuse(
        section.reuse && nothing_resumes,
        "resumption.reuse",
        "with a share of 0 no session is offered even once",
        "drop it, or raise the share",
    )?;
    refuse(
        section.tickets == Some(0),
        "resumption.tickets",
        "without a ticket nothing can be resumed",
        "ask for at least 1, or write mode = \"off\"",
    )?;
    refuse(
        section.tickets.is_some() && !offered(TlsVersion::Tls13),
        "resumption.tickets",
        "a number of tickets is asked for in TLS 1.3 only (RFC 9149), and no cell offers it",
        "drop it, or add \"1.3\" to matrix.tls",
    )?;
    let without_tls13 = tls().any(|cell| !cell.versions.contains(&TlsVersion::Tls13));
    check_early_data(section, without_tls13, nothing_resumes)
}

/// Checks that early data has an effect in every cell with TLS.
fn check_early_data(
    section: &ResumptionSection,
    without_tls13: bool,
    nothing_resumes: bool,
) -> Result<(), Problem> {
    let (cause, next) = if !section.early_data {
        return Ok(());
    } else if without_tls13 {
        (
            "early data is part of TLS 1.3 (RFC 8446 section 2.3), and a cell does not offer it",
            "drop it, or write matrix.tls = [\"1.3\"] and mode = \"ticket\"",
        )
    } else if nothing_resumes {
        (
            "only resumed sessions send early data, and with a share of 0 there are none",
            "drop it, or raise the share",
        )
    } else {
        return Ok(());
    };
    Err(Problem::new("resumption.early-data", cause, next))
}

/// Checks that the protocol has something to send as early data, and not more than the embedded target takes.
pub(super) fn check_protocol(
    scenario: &Scenario,
    target: &TargetPlan,
    protocol: &ProtocolPlan,
) -> Result<(), Problem> {
    if !scenario.resumption.early_data {
        return Ok(());
    }
    refuse(
        protocol.kind() == ProtocolKind::Handshake,
        "resumption.early-data",
        "the protocol is \"handshake\", which sends no request",
        "drop it, or write kind = \"http1\" or \"echo\" in [protocol]",
    )?;
    refuse(
        matches!(protocol.kind(), ProtocolKind::Http2 | ProtocolKind::Grpc),
        "resumption.early-data",
        format!(
            "{} sends no request ahead of the server's SETTINGS",
            protocol.kind().traits().name
        ),
        "drop it, or write kind = \"http1\" or \"echo\" in [protocol]",
    )?;
    let (size, most) = (protocol.opening().len(), TARGET_EARLY_DATA as usize);
    refuse(
        size == 0,
        "resumption.early-data",
        format!(
            "{} begins with a message that differs from session to session",
            protocol.kind().traits().name
        ),
        "drop it, or write kind = \"http1\" or \"echo\" in [protocol], with payloads of one size",
    )?;
    refuse(
        size > most && matches!(target, TargetPlan::Embedded(_)),
        "resumption.early-data",
        format!(
            "the first request has {size} bytes, and the embedded target takes {most} bytes of early data"
        ),
        "make the payload or body smaller, or drop it",
    )?;
    Ok(())
}

/// Checks that nothing is written which has no effect while resumption is off.
fn off(section: &ResumptionSection, resumed: &[Ratio]) -> Result<(), Problem> {
    let without_effect = [
        ("resumption.ratio", section.ratio.is_some()),
        ("resumption.reuse", section.reuse),
        ("resumption.tickets", section.tickets.is_some()),
        ("resumption.early-data", section.early_data),
        ("matrix.resumed", !resumed.is_empty()),
    ];
    without_effect.into_iter().try_for_each(|(key, given)| {
        refuse(
            given,
            key,
            "resumption is off, so this has no effect",
            "write mode = \"ticket\" or \"session-id\" in [resumption], or drop it",
        )
    })
}

/// Checks that the embedded target offers what the client is to resume by.
pub(super) fn check_target(scenario: &Scenario, plan: &EmbeddedPlan) -> Result<(), Problem> {
    let (mode, offered) = (scenario.resumption.mode, plan.tickets);
    let written = scenario.target.embedded.as_ref();
    let no_tls13 =
        !scenario.matrix.tls.is_empty() && !scenario.matrix.tls.contains(&TlsVersion::Tls13);
    let tls12_alone = scenario.matrix.tls.contains(&TlsVersion::Tls12);
    let refusal = match (mode, offered) {
        (ResumptionMode::SessionId | ResumptionMode::Ticket, TicketMode::Off) => {
            Some("it offers nothing that a session could be resumed by")
        }
        (ResumptionMode::SessionId, TicketMode::Stateless) => {
            Some("it gives tickets and no session ids, and mode is \"session-id\"")
        }
        // What nobody wrote follows from early data, which the cells are checked for.
        (ResumptionMode::Ticket, TicketMode::Stateful)
            if tls12_alone && written.is_some_and(|target| target.tickets.is_some()) =>
        {
            Some("in TLS 1.2 it gives session ids and no tickets, and mode is \"ticket\"")
        }
        (ResumptionMode::Ticket, TicketMode::Stateless) if scenario.resumption.early_data => {
            Some("it takes no early data unless it keeps its sessions (RFC 8446 section 8.1)")
        }
        _ => None,
    };
    if let Some(cause) = refusal {
        return Err(Problem::new(
            "target.embedded.tickets",
            cause,
            "leave it out, so that it fits resumption.mode",
        ));
    }
    let Some(count) = written.and_then(|target| target.ticket_count) else {
        return Ok(());
    };
    let refusal = if count > MOST_TICKETS {
        Some("more than 8 tickets after a handshake are not sent")
    } else if offered == TicketMode::Off {
        Some("it sends no tickets, so their number has no effect")
    } else if no_tls13 {
        Some("TLS 1.2 has one ticket at most, and no cell offers TLS 1.3")
    } else if count == 0 && scenario.resumption.tickets.is_none() {
        Some("without tickets a TLS 1.3 session cannot be resumed")
    } else {
        None
    };
    match refusal {
        Some(cause) => Err(Problem::new(
            "target.embedded.ticket-count",
            cause,
            "write 1 to 8, or leave it out for 2",
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::{Scenario, TargetPlan, TicketMode};

    fn checked(text: &str) -> Result<crate::scenario::Checked, String> {
        let text = format!("version = 1\nname = \"x\"\n{text}");
        let scenario = Scenario::parse("s.toml", &text).map_err(|e| e.to_string())?;
        scenario.check("s.toml", &text).map_err(|e| e.to_string())
    }

    #[test]
    fn what_has_no_effect_is_refused() {
        let cases = [
            ("[resumption]\nratio = 0.5\n", "resumption.ratio"),
            ("[resumption]\nreuse = true\n", "resumption.reuse"),
            ("[resumption]\ntickets = 2\n", "resumption.tickets"),
            ("[resumption]\nearly-data = true\n", "resumption.early-data"),
            (
                "[resumption]\nmode = \"ticket\"\nearly-data = true\n[matrix]\ntls = [\"1.2\", \"1.3\"]\n",
                "a cell does not offer it",
            ),
            (
                "[resumption]\nmode = \"session-id\"\nearly-data = true\n[matrix]\ntls = [\"1.2\"]\n",
                "a cell does not offer it",
            ),
            (
                "[resumption]\nmode = \"ticket\"\nearly-data = true\nratio = 0\n",
                "with a share of 0",
            ),
            (
                "[resumption]\nmode = \"ticket\"\nearly-data = true\n[protocol]\nkind = \"handshake\"\n",
                "sends no request",
            ),
            ("[matrix]\nresumed = [0, 1]\n", "matrix.resumed"),
            (
                "[resumption]\nmode = \"ticket\"\n[matrix]\nauth = [\"none\"]\n",
                "no cell uses TLS",
            ),
            (
                "[resumption]\nmode = \"session-id\"\n[matrix]\ntls = [\"1.2\", \"1.3\"]\n",
                "matrix.tls",
            ),
            (
                "[resumption]\nmode = \"ticket\"\nratio = 1\n[matrix]\nresumed = [1]\n",
                "drop one of them",
            ),
            (
                "[resumption]\nmode = \"ticket\"\nreuse = true\n",
                "appendix C.4",
            ),
            (
                "[resumption]\nmode = \"ticket\"\nreuse = true\nratio = 0\n[matrix]\ntls = [\"1.2\"]\n",
                "share of 0",
            ),
            (
                "[resumption]\nmode = \"ticket\"\ntickets = 0\n",
                "at least 1",
            ),
            (
                "[resumption]\nmode = \"ticket\"\ntickets = 2\n[matrix]\ntls = [\"1.2\"]\n",
                "RFC 9149",
            ),
            (
                "[resumption]\nmode = \"ticket\"\nratio = 1.5\n",
                "not a share",
            ),
        ];
        for (text, expected) in cases {
            let error = checked(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn the_target_offers_what_the_client_resumes_by() {
        let offered = |text: &str| {
            let checked = checked(text)?;
            match checked.target {
                TargetPlan::Embedded(target) => Ok(target.tickets),
                TargetPlan::Remote { .. } => Err("remote".to_owned()),
            }
        };
        let ids = "[resumption]\nmode = \"session-id\"\n[matrix]\ntls = [\"1.2\"]\n";
        let tickets = "[resumption]\nmode = \"ticket\"\n[matrix]\ntls = [\"1.2\", \"1.3\"]\n";
        assert_eq!(offered(""), Ok(TicketMode::Off));
        assert_eq!(offered(ids), Ok(TicketMode::Stateful));
        assert_eq!(offered(tickets), Ok(TicketMode::Stateless));
        let early =
            "[resumption]\nmode = \"ticket\"\nearly-data = true\n[matrix]\ntls = [\"1.3\"]\n";
        assert_eq!(offered(early), Ok(TicketMode::Stateful));
        for (text, target, expected) in [
            (ids, "tickets = \"stateless\"", "no session ids"),
            (tickets, "tickets = \"off\"", "nothing"),
            (tickets, "tickets = \"stateful\"", "no tickets"),
            (early, "tickets = \"stateless\"", "keeps its sessions"),
            (ids, "ticket-count = 2", "TLS 1.2 has one ticket"),
            (tickets, "ticket-count = 9", "more than 8"),
            (tickets, "ticket-count = 0", "without tickets"),
            ("", "ticket-count = 2", "sends no tickets"),
        ] {
            let error = offered(&format!("{text}[target.embedded]\n{target}\n")).unwrap_err();
            assert!(error.contains(expected), "{target}: {error}");
        }
    }
}
