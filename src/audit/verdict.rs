//! The report of an audit as plain data, and how the sessions of a case make a verdict.

use serde::Serialize;

use super::Case;
use super::session::{Ending, Met};
use crate::scenario::TlsVersion;

/// Version of the report's format.
pub const FORMAT: u32 = 1;

/// What a case came to in one TLS version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The control: the server resumes.
    Resumable,
    /// The control: nothing resumes, so nothing can go wrong.
    NothingResumes,
    /// The control was not accepted, so nothing was learnt.
    NoControl,
    /// It does not resume where it should not.
    Safe,
    /// It resumes, which is in order, as the identity of its ticket.
    AsTheTicket,
    /// It resumes where it should not.
    Resumes,
    /// There was no way to tell.
    NotTested,
}

impl Verdict {
    /// In the words of the table.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Resumable => "resumes",
            Self::NothingResumes => "nothing resumes",
            Self::NoControl => "NO CONTROL",
            Self::Safe => "safe",
            Self::AsTheTicket => "as the ticket",
            Self::Resumes => "RESUMES",
            Self::NotTested => "not tested",
        }
    }
}

/// A verdict in one TLS version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The version.
    pub tls: TlsVersion,
    /// What it comes to.
    pub verdict: Verdict,
    /// What was seen, in words. What the server chose in it is escaped.
    pub detail: String,
}

/// A case with its verdicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The case.
    pub case: Case,
    /// The name that a ticket was offered under, for [`Case::OtherHost`].
    pub host: Option<String>,
    /// One verdict per version.
    pub findings: Vec<Finding>,
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Version of this format; 1.
    pub format: u32,
    /// Host and port as asked.
    pub target: String,
    /// Whether the server's certificate was not verified.
    pub insecure: bool,
    /// The cases, the control first.
    pub rows: Vec<Row>,
}

impl AuditReport {
    /// Whether a session resumed that should not have.
    pub fn has_findings(&self) -> bool {
        self.any(Verdict::Resumes)
    }

    /// Whether a good session was accepted in every version that the server speaks, and in at least
    /// one; without that the other cases say nothing.
    pub fn is_controlled(&self) -> bool {
        let controlled = self.any(Verdict::Resumable) || self.any(Verdict::NothingResumes);
        controlled && !self.any(Verdict::NoControl)
    }

    fn any(&self, verdict: Verdict) -> bool {
        let mut findings = self.rows.iter().flat_map(|row| &row.findings);
        findings.any(|finding| finding.verdict == verdict)
    }
}

/// What the session that offered a ticket says. `full` is what became of a full handshake with the same
/// certificate in the same place, where one was made.
pub(super) fn judge(case: Case, met: &Met, full: Option<&Ending>) -> (Verdict, String) {
    if !met.offered {
        let why = "the ticket was not offered: it had run out, or the session did not come about";
        return (Verdict::NotTested, reason(why, &met.ending));
    }
    match (&met.ending, met.resumed) {
        (Ending::Accepted, true) => resumed(case, full),
        (Ending::Accepted, false) => full_accepted(case),
        (Ending::Refused(why), resumed) => refused(case, why, resumed),
        (Ending::Unknown(why), _) => (Verdict::NotTested, why.clone()),
        (Ending::NotSpoken, _) => (
            Verdict::NotTested,
            "the server broke off the handshake".to_owned(),
        ),
    }
}

fn resumed(case: Case, full: Option<&Ending>) -> (Verdict, String) {
    let seen = "the session resumed and the server accepted it";
    match (case, full) {
        (Case::Control, _) => (Verdict::Resumable, seen.to_owned()),
        (Case::OtherIdentity, _) => (Verdict::AsTheTicket, seen.to_owned()),
        (_, Some(Ending::Refused(why))) => (
            Verdict::Resumes,
            format!("{seen}, while a full handshake with the same certificate is rejected ({why})"),
        ),
        (Case::OtherHost, Some(Ending::Accepted)) => (
            Verdict::Resumes,
            format!(
                "{seen}; it accepts this certificate in a full handshake there, which gains this client \
                 nothing, but one that only the first host accepts would get in, too"
            ),
        ),
        (Case::OtherHost, Some(Ending::Unknown(why))) => (
            Verdict::Resumes,
            format!("{seen}; a full handshake there does not tell what it thinks of us ({why})"),
        ),
        _ => (Verdict::Resumes, seen.to_owned()),
    }
}

fn full_accepted(case: Case) -> (Verdict, String) {
    let seen = "the server declined the ticket and accepted a full handshake";
    match case {
        Case::Control => (Verdict::NothingResumes, seen.to_owned()),
        _ if case.must_reject() => (
            Verdict::NotTested,
            format!("{seen}, which it had rejected just before; are there several servers?"),
        ),
        _ => (Verdict::Safe, seen.to_owned()),
    }
}

fn refused(case: Case, why: &str, resumed: bool) -> (Verdict, String) {
    let seen = if resumed {
        format!("the handshake resumed, and the server then refused: {why}")
    } else {
        format!("refused: {why}")
    };
    match case {
        Case::Control => (Verdict::NoControl, seen),
        _ => (Verdict::Safe, seen),
    }
}

fn reason(what: &str, ending: &Ending) -> String {
    match ending {
        Ending::Refused(why) | Ending::Unknown(why) => format!("{what} ({why})"),
        Ending::Accepted | Ending::NotSpoken => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(ending: Ending, resumed: bool) -> Met {
        Met {
            ending,
            offered: true,
            resumed,
        }
    }

    #[test]
    fn only_an_accepted_resumption_is_a_finding() {
        let refusal = || Ending::Refused("alert.certificate_expired".to_owned());
        let verdict = |case, ending, resumed| judge(case, &met(ending, resumed), None).0;
        for case in [
            Case::Expired,
            Case::Revoked,
            Case::OtherHost,
            Case::KeysRotated,
            Case::CaChanged,
        ] {
            assert_eq!(verdict(case, Ending::Accepted, true), Verdict::Resumes);
            assert_eq!(verdict(case, refusal(), true), Verdict::Safe);
            assert_eq!(verdict(case, refusal(), false), Verdict::Safe);
            let silence = Ending::Unknown("unanswered.confirm".to_owned());
            assert_eq!(verdict(case, silence, false), Verdict::NotTested);
        }
        assert_eq!(
            verdict(Case::OtherIdentity, Ending::Accepted, true),
            Verdict::AsTheTicket
        );
        assert_eq!(
            verdict(Case::Control, Ending::Accepted, false),
            Verdict::NothingResumes
        );
        assert_eq!(verdict(Case::Control, refusal(), true), Verdict::NoControl);
        assert_eq!(
            verdict(Case::OtherHost, Ending::Accepted, false),
            Verdict::Safe
        );
        // The certificate is bad, so an accepted full handshake is not what was asked about.
        assert_eq!(
            verdict(Case::Expired, Ending::Accepted, false),
            Verdict::NotTested
        );
    }

    #[test]
    fn a_ticket_that_opens_more_than_its_certificate_says_so() {
        let accepted = met(Ending::Accepted, true);
        let full = Ending::Refused("http.400".to_owned());
        let (verdict, detail) = judge(Case::OtherHost, &accepted, Some(&full));
        assert_eq!(verdict, Verdict::Resumes);
        assert!(detail.contains("http.400"), "{detail}");
        let (_, detail) = judge(Case::OtherHost, &accepted, Some(&Ending::Accepted));
        assert!(detail.contains("gains this client nothing"), "{detail}");
    }

    #[test]
    fn a_ticket_that_was_not_offered_shows_nothing() {
        let nothing = Met {
            offered: false,
            ..met(Ending::Accepted, false)
        };
        assert_eq!(judge(Case::Revoked, &nothing, None).0, Verdict::NotTested);
    }
}
