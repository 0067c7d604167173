//! The report as text: the answer, a table, and what to do; and as `JUnit`.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};
use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::facts::{Finding, HeldSession, LifetimeReport, Row, Verdict};
use crate::audit::Case;
use crate::text::{escape_untrusted, paint};
use crate::units::{counted, three_digits};

/// Longest line of `JUnit`, in characters.
const LONGEST: usize = 2_000;

/// What to do where a held session outlives its certificate.
const ADVICE: &str = "a server looks at a certificate in the handshake alone: bound the age of sessions (nginx \
    keepalive_time, Envoy max_connection_duration) by what you can bear, and end those of a revoked client by hand or \
    restart";
/// What to do where not even new sessions are refused.
const NO_REACTION: &str = "until new sessions are refused the change has not reached the server: see that it reads \
    the file again (--settle has the time that it was given)";

/// Tells the report. Colours are used if `color`.
pub fn story(report: &LifetimeReport, color: bool) -> String {
    let bad = report.has_findings() || !report.is_controlled();
    let style = if bad { "1;31" } else { "1" };
    let mut out = paint(&report.answer, style, color);
    let _ = write!(
        out,
        "\n\nsessions held to {} ({}), watched for {} s after new ones were refused\n\n{}\n",
        report.target,
        protocol(report),
        three_digits(report.watched_s),
        table(&report.rows)
    );
    if report.insecure {
        out.push_str("\nINSECURE: the server's certificate was not verified\n");
    }
    out.push('\n');
    for row in &report.rows {
        details(&mut out, row);
    }
    let any = |verdict| {
        let mut findings = report.rows.iter().flat_map(|row| &row.findings);
        findings.any(|finding| finding.verdict == verdict)
    };
    for (verdict, advice) in [
        (Verdict::Outlives, ADVICE),
        (Verdict::NoReaction, NO_REACTION),
    ] {
        if any(verdict) {
            let _ = writeln!(out, "to do: {advice}");
        }
    }
    out
}

fn protocol(report: &LifetimeReport) -> String {
    let label = serde_json::to_value(report.protocol).ok();
    let label = label.as_ref().and_then(|value| value.as_str());
    label.unwrap_or_default().to_owned()
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header([
            "",
            "TLS",
            "",
            "new sessions",
            "held session",
            "held good one",
        ]);
    for row in rows {
        for finding in &row.findings {
            let held = finding.held.as_ref();
            let held = held.map_or_else(|| "–".to_owned(), |held| lived(held, finding.refused_s));
            let good = finding.good.as_ref();
            let good = good.map_or_else(|| "–".to_owned(), |good| lived(good, finding.refused_s));
            table.add_row([
                row.case.to_string(),
                finding.tls.to_string(),
                finding.verdict.words().to_owned(),
                new_sessions(row.case, finding),
                held,
                good,
            ]);
        }
    }
    let lines = table.lines();
    let lines: Vec<String> = lines.map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// How new sessions fared, with the last acceptance and the first refusal.
fn new_sessions(case: Case, finding: &Finding) -> String {
    if finding.held.is_none() {
        return "–".to_owned();
    }
    let since = if case == Case::Expired {
        "notAfter"
    } else {
        "the command"
    };
    let at = |s: f64| {
        let side = if s < 0.0 { "before" } else { "after" };
        format!("{} s {side}", three_digits(s.abs()))
    };
    match (finding.refused_s, finding.last_accepted_s) {
        (Some(refused), Some(last)) => format!(
            "refused {} {since}, last accepted {}",
            at(refused),
            at(last)
        ),
        (Some(refused), None) => format!("refused {} {since}, from the first on", at(refused)),
        (None, Some(last)) => format!("accepted, last {} {since}", at(last)),
        (None, None) => "no answer".to_owned(),
    }
}

/// What became of a held session since new ones were refused, or else since the change.
fn lived(held: &HeldSession, refused_s: Option<f64>) -> String {
    match (held.ended_s, held.last_answer_s) {
        (Some(ended), _) => format!("ended after {} s", three_digits(ended)),
        (None, Some(last)) => {
            let answers = counted(held.answers_after as u64, "answer");
            let since = last - refused_s.unwrap_or_default();
            format!("lives: {answers} in {} s", three_digits(since.max(0.0)))
        }
        (None, None) => "no answer".to_owned(),
    }
}

/// A line for each thing that was seen, with the versions in which it was.
fn details(out: &mut String, row: &Row) {
    for (number, finding) in row.findings.iter().enumerate() {
        let same = |f: &&Finding| f.detail == finding.detail;
        if row.findings[..number].iter().any(|f| same(&f)) {
            continue;
        }
        let alike = row.findings.iter().filter(same);
        let versions: Vec<String> = alike.map(|f| f.tls.to_string()).collect();
        let versions = versions.join(" and ");
        let _ = write!(out, "{}, TLS {versions}: {}", row.case, finding.detail);
        if let (Some(took), true) = (row.command_s, number == 0) {
            let _ = write!(out, "; the command took {} s", three_digits(took));
        }
        out.push('\n');
    }
}

/// A test case for each change and version, failed by a finding or the lack of a control.
///
/// # Errors
///
/// Fails if the XML cannot be written.
pub fn junit(report: &LifetimeReport) -> Result<String, SerializeError> {
    let mut suite = TestSuite::new("lifetime");
    for row in &report.rows {
        for finding in &row.findings {
            let detail = escape_untrusted(&finding.detail, LONGEST);
            let mut status = match finding.verdict {
                Verdict::Cut | Verdict::CutWithGood => TestCaseStatus::success(),
                Verdict::NotTested => TestCaseStatus::skipped(),
                _ => TestCaseStatus::non_success(NonSuccessKind::Failure),
            };
            if !matches!(finding.verdict, Verdict::Cut | Verdict::CutWithGood) {
                status.set_message(detail).set_type(finding.verdict.words());
            }
            let name = format!("{}, TLS {}", row.case, finding.tls);
            suite.add_test_case(TestCase::new(name, status));
        }
    }
    let mut all = Report::new("shakedown audit --lifetime");
    all.add_test_suite(suite);
    all.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::lifetime::facts::answer;
    use crate::scenario::{ProtocolKind, TlsVersion};

    fn report(verdict: Verdict) -> LifetimeReport {
        let held = HeldSession {
            answers_before: 20,
            answers_after: 41,
            last_answer_s: Some(9.9),
            ended_s: None,
            ended: None,
        };
        let finding = Finding {
            last_accepted_s: Some(0.05),
            refused_s: Some(0.12),
            refusal: Some("http.400".to_owned()),
            held: Some(held.clone()),
            good: Some(held),
            ..Finding::bare(TlsVersion::Tls13, verdict, "seen")
        };
        let rows = vec![
            Row {
                case: Case::Revoked,
                command_s: Some(0.03),
                findings: vec![finding],
            },
            Row {
                case: Case::CaChanged,
                command_s: None,
                findings: vec![Finding::bare(
                    TlsVersion::Tls13,
                    Verdict::NotTested,
                    "say how",
                )],
            },
        ];
        LifetimeReport {
            format: 1,
            target: "h:1".to_owned(),
            protocol: ProtocolKind::Http1,
            insecure: false,
            watched_s: 10.0,
            answer: answer(&rows),
            rows,
        }
    }

    #[test]
    fn the_answer_comes_first_and_what_was_not_tested_is_said() {
        insta::assert_snapshot!(story(&report(Verdict::Outlives), false));
        let cut = story(&report(Verdict::Cut), false);
        assert!(cut.starts_with("No: ") && !cut.contains("to do"), "{cut}");
    }

    #[test]
    fn junit_fails_on_findings_and_skips_what_was_not_tested() {
        let xml = junit(&report(Verdict::Outlives)).unwrap();
        assert!(
            xml.contains("tests=\"2\" skipped=\"1\" errors=\"0\" failures=\"1\""),
            "{xml}"
        );
    }
}
