//! The report of an audit of lifetimes as plain data, and how what was seen makes a verdict. Times are seconds after
//! the change: after notAfter, or after the command was started.

use serde::Serialize;

use crate::audit::Case;
use crate::scenario::{ProtocolKind, TlsVersion};

/// Version of the report's format.
pub(super) const FORMAT: u32 = 1;

/// What a change came to in one TLS version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// New sessions are refused, and the held one lives on.
    Outlives,
    /// Not even new sessions are refused.
    NoReaction,
    /// The held session was ended, and the good one beside it was not.
    Cut,
    /// The held session was ended, and so was the good one.
    CutWithGood,
    /// The good certificate was not accepted, before or after the change.
    NoControl,
    /// There was no way to tell.
    NotTested,
}

impl Verdict {
    /// In the words of the table.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Outlives => "OUTLIVES",
            Self::NoReaction => "NO REACTION",
            Self::Cut => "cut",
            Self::CutWithGood => "cut, like the good one",
            Self::NoControl => "NO CONTROL",
            Self::NotTested => "not tested",
        }
    }

    /// Whether it is what the audit looks for.
    pub(super) fn is_finding(self) -> bool {
        matches!(self, Self::Outlives | Self::NoReaction)
    }
}

/// A held session.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeldSession {
    /// Exchanges that were answered before the change.
    pub answers_before: usize,
    /// Those answered since new sessions were refused.
    pub answers_after: usize,
    /// When the last one was answered.
    pub last_answer_s: Option<f64>,
    /// When the server ended it, if it did.
    pub ended_s: Option<f64>,
    /// How.
    pub ended: Option<String>,
}

/// A verdict in one TLS version.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The version.
    pub tls: TlsVersion,
    /// What it comes to.
    pub verdict: Verdict,
    /// Why, in words. What the server chose in it is escaped.
    pub detail: String,
    /// When the last new session was accepted.
    pub last_accepted_s: Option<f64>,
    /// When the first of those that were refused from then on was.
    pub refused_s: Option<f64>,
    /// How.
    pub refusal: Option<String>,
    /// The session held with the certificate that went bad.
    pub held: Option<HeldSession>,
    /// The session held with one that stays good.
    pub good: Option<HeldSession>,
    /// Whether a new session with that one was accepted after the change.
    pub good_accepted: Option<bool>,
}

impl Finding {
    /// A verdict without sessions.
    pub(super) fn bare(tls: TlsVersion, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self {
            tls,
            verdict,
            detail: detail.into(),
            last_accepted_s: None,
            refused_s: None,
            refusal: None,
            held: None,
            good: None,
            good_accepted: None,
        }
    }

    /// With the verdict that what was seen comes to.
    pub(super) fn judged(mut self) -> Self {
        (self.verdict, self.detail) = self.judge();
        self
    }

    fn judge(&self) -> (Verdict, String) {
        let Some(held) = &self.held else {
            return (self.verdict, self.detail.clone());
        };
        let Some(refusal) = &self.refusal else {
            if self.last_accepted_s.is_none() {
                let detail = "new sessions with the certificate told nothing after the change";
                return (Verdict::NotTested, detail.to_owned());
            }
            let detail = "new sessions with the certificate are still accepted";
            return (Verdict::NoReaction, detail.to_owned());
        };
        if self.good_accepted == Some(false) {
            let detail = "new sessions with the good certificate are refused, too: the change shuts out everybody";
            return (Verdict::NoControl, detail.to_owned());
        }
        let refused = format!("new sessions are refused ({refusal})");
        let Some(how) = &held.ended else {
            if held.answers_after == 0 {
                let detail = format!("{refused}, and the held one had no answer since");
                return (Verdict::NotTested, detail);
            }
            let detail = format!("{refused}, and the held one is served as before");
            return (Verdict::Outlives, detail);
        };
        let ended = format!("{refused}, and the held one was ended ({how})");
        match &self.good {
            Some(good) if good.ended.is_some() => (Verdict::CutWithGood, ended),
            Some(_) => (Verdict::Cut, ended),
            None => {
                let detail = format!("{ended}; whether good ones are, too, is not known");
                (Verdict::Cut, detail)
            }
        }
    }
}

/// A change with its verdicts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The change.
    pub case: Case,
    /// How long the command took that made it.
    pub command_s: Option<f64>,
    /// One verdict per version.
    pub findings: Vec<Finding>,
}

/// What an audit of lifetimes found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LifetimeReport {
    /// Version of this format; 1.
    pub format: u32,
    /// Host and port as asked.
    pub target: String,
    /// What was spoken on the sessions.
    pub protocol: ProtocolKind,
    /// Whether the server's certificate was not verified.
    pub insecure: bool,
    /// How long held sessions were watched once new ones were refused.
    pub watched_s: f64,
    /// The answer in a sentence.
    pub answer: String,
    /// The changes.
    pub rows: Vec<Row>,
}

impl LifetimeReport {
    /// Whether a certificate was outlived, or a change had no effect.
    pub fn has_findings(&self) -> bool {
        self.any(Verdict::is_finding)
    }

    /// Whether anything was tested, and the good certificate was accepted wherever it was.
    pub fn is_controlled(&self) -> bool {
        let no_control = |verdict| verdict == Verdict::NoControl;
        let untested = |verdict| verdict == Verdict::NotTested;
        !self.any(no_control) && self.any(|verdict| !untested(verdict))
    }

    fn any(&self, is: impl Fn(Verdict) -> bool) -> bool {
        let mut findings = self.rows.iter().flat_map(|row| &row.findings);
        findings.any(|finding| is(finding.verdict))
    }
}

/// Answers the audit's question from its rows.
pub(super) fn answer(rows: &[Row]) -> String {
    let parts = [
        (Verdict::Outlives, "a held session outlives"),
        (Verdict::NoReaction, "even new sessions are accepted after"),
        (Verdict::Cut, "a held session ends with"),
        (
            Verdict::CutWithGood,
            "every session ends, good ones too, with",
        ),
        (Verdict::NoControl, "without a control:"),
        (Verdict::NotTested, "not tested:"),
    ];
    let told = parts.into_iter().filter_map(|(verdict, words)| {
        let cases: Vec<String> = rows.iter().filter_map(|row| of(row, verdict)).collect();
        (!cases.is_empty()).then(|| format!("{words} {}", listed(&cases)))
    });
    let told = told.collect::<Vec<_>>().join("; ");
    let verdicts = || rows.iter().flat_map(|row| &row.findings).map(|f| f.verdict);
    let known = |verdict| matches!(verdict, Verdict::Cut | Verdict::CutWithGood);
    if verdicts().any(Verdict::is_finding) {
        format!("YES: {told}")
    } else if verdicts().any(known) {
        format!("No: {told}")
    } else {
        format!("Nothing was learnt: {told}")
    }
}

/// The change of a row, if it came to this verdict, with the version if not in all.
fn of(row: &Row, verdict: Verdict) -> Option<String> {
    let name = match row.case {
        Case::Expired => "its certificate's expiry",
        Case::Revoked => "its revocation",
        _ => "its CA's removal",
    };
    let so = row.findings.iter().filter(|f| f.verdict == verdict);
    let versions: Vec<String> = so.map(|f| format!("TLS {}", f.tls)).collect();
    match versions.len() {
        0 => None,
        all if all == row.findings.len() => Some(name.to_owned()),
        _ => Some(format!("{name} ({})", listed(&versions))),
    }
}

fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(ended: Option<&str>, answers_after: usize) -> HeldSession {
        HeldSession {
            answers_before: 5,
            answers_after,
            last_answer_s: Some(1.0),
            ended_s: ended.map(|_| 1.2),
            ended: ended.map(str::to_owned),
        }
    }

    fn finding(held: HeldSession, good: Option<HeldSession>) -> Finding {
        Finding {
            refused_s: Some(0.1),
            refusal: Some("http.400".to_owned()),
            held: Some(held),
            good,
            good_accepted: Some(true),
            ..Finding::bare(TlsVersion::Tls13, Verdict::NotTested, "")
        }
    }

    #[test]
    fn only_what_is_served_after_refusals_outlives() {
        let lives = || held(None, 9);
        let cut = || held(Some("eof.hold"), 0);
        let verdict = |finding: Finding| finding.judged().verdict;
        assert_eq!(verdict(finding(lives(), Some(lives()))), Verdict::Outlives);
        assert_eq!(verdict(finding(cut(), Some(lives()))), Verdict::Cut);
        assert_eq!(verdict(finding(cut(), Some(cut()))), Verdict::CutWithGood);
        assert_eq!(verdict(finding(held(None, 0), None)), Verdict::NotTested);
        let alone = finding(cut(), None).judged();
        assert_eq!(alone.verdict, Verdict::Cut);
        assert!(alone.detail.contains("not known"), "{}", alone.detail);
        let mut shut = finding(lives(), Some(lives()));
        shut.good_accepted = Some(false);
        assert_eq!(verdict(shut), Verdict::NoControl);
        let mut open = finding(lives(), Some(lives()));
        open.refusal = None;
        open.last_accepted_s = Some(3.0);
        assert_eq!(verdict(open.clone()), Verdict::NoReaction);
        // A server that answers nobody has not accepted anybody.
        open.last_accepted_s = None;
        assert_eq!(verdict(open), Verdict::NotTested);
    }

    #[test]
    fn the_answer_names_each_change_once() {
        let row = |case, verdicts: [Verdict; 2]| {
            let versions = [TlsVersion::Tls12, TlsVersion::Tls13];
            let findings = versions.into_iter().zip(verdicts);
            Row {
                case,
                command_s: None,
                findings: findings.map(|(tls, v)| Finding::bare(tls, v, "")).collect(),
            }
        };
        let rows = [
            row(Case::Expired, [Verdict::Outlives; 2]),
            row(Case::Revoked, [Verdict::Outlives, Verdict::Cut]),
            row(Case::CaChanged, [Verdict::NotTested; 2]),
        ];
        assert_eq!(
            answer(&rows),
            "YES: a held session outlives its certificate's expiry and its revocation (TLS 1.2); a held session ends \
             with its revocation (TLS 1.3); not tested: its CA's removal"
        );
        let rows = [row(Case::Revoked, [Verdict::CutWithGood; 2])];
        assert!(answer(&rows).starts_with("No: every session ends, good ones too"));
        let rows = [row(Case::Revoked, [Verdict::NoControl; 2])];
        assert!(answer(&rows).starts_with("Nothing was learnt: "));
    }
}
