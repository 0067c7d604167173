//! The report as text: a table of verdicts, then what each case means and what was seen.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};

use super::verdict::{AuditReport, Finding, Row, Verdict};
use crate::text::paint;

/// Tells the report. Colours are used if `color`.
pub fn story(report: &AuditReport, color: bool) -> String {
    let mut out = format!(
        "resumption of {}\n\n{}\n",
        report.target,
        table(&report.rows)
    );
    if report.insecure {
        out.push_str("\nINSECURE: the server's certificate was not verified\n");
    }
    for row in &report.rows {
        out.push('\n');
        out.push_str(&paragraph(row, color));
    }
    out.push('\n');
    out.push_str(&conclusion(report, color));
    out.push('\n');
    out
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    if let Some(first) = rows.first() {
        let versions = first.findings.iter().map(|f| format!("TLS {}", f.tls));
        table.set_header(std::iter::once(String::new()).chain(versions));
    }
    for row in rows {
        let verdicts = row.findings.iter().map(|f| f.verdict.words().to_owned());
        table.add_row(std::iter::once(name(row)).chain(verdicts));
    }
    table.trim_fmt()
}

fn name(row: &Row) -> String {
    match &row.host {
        Some(host) => format!("{} {host}", row.case),
        None => row.case.to_string(),
    }
}

fn paragraph(row: &Row, color: bool) -> String {
    let bad = |finding: &Finding| matches!(finding.verdict, Verdict::Resumes | Verdict::NoControl);
    let mut out = paint(&name(row), "1", color);
    let _ = writeln!(out, "\n  {}", row.case.meaning());
    for (number, finding) in row.findings.iter().enumerate() {
        let same = |f: &&Finding| (f.verdict, &f.detail) == (finding.verdict, &finding.detail);
        // Identical findings of both versions are printed once.
        if row.findings[..number].iter().any(|f| same(&f)) {
            continue;
        }
        let alike = row.findings.iter().filter(same);
        let versions: Vec<String> = alike.map(|f| f.tls.to_string()).collect();
        let versions = versions.join(" and ");
        let words = finding.verdict.words();
        let words = if bad(finding) {
            paint(words, "1;31", color)
        } else {
            words.to_owned()
        };
        let _ = writeln!(out, "  TLS {versions}: {words}: {}", finding.detail);
    }
    if row.findings.iter().any(|f| f.verdict == Verdict::Resumes) {
        let _ = writeln!(out, "  to do: {}", row.case.advice());
    }
    out
}

fn conclusion(report: &AuditReport, color: bool) -> String {
    let all = || report.rows.iter().flat_map(|row| &row.findings);
    let found = all().filter(|f| f.verdict == Verdict::Resumes).count();
    let untested = all().filter(|f| f.verdict == Verdict::NotTested).count();
    let rest = match untested {
        0 => String::new(),
        count => format!("; {count} not tested"),
    };
    if found > 0 {
        let text = format!("{found} resumed where it should not{rest}");
        paint(&text, "1;31", color)
    } else if !report.is_controlled() {
        let text = "nothing was learnt: the server did not accept the good session";
        paint(text, "1;31", color)
    } else {
        format!("nothing resumed that should not{rest}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Case, FORMAT};
    use super::*;
    use crate::scenario::TlsVersion;

    fn report(verdicts: [Verdict; 2]) -> AuditReport {
        let rows = [Case::Control, Case::Revoked].into_iter().zip(verdicts);
        let row = |(case, verdict)| Row {
            case,
            host: None,
            findings: vec![Finding {
                tls: TlsVersion::Tls13,
                verdict,
                detail: "seen".to_owned(),
            }],
        };
        AuditReport {
            format: FORMAT,
            target: "h:1".to_owned(),
            insecure: false,
            rows: rows.map(row).collect(),
        }
    }

    #[test]
    fn a_finding_is_told_with_what_to_do() {
        let found = story(&report([Verdict::Resumable, Verdict::Resumes]), false);
        assert!(found.contains(Case::Revoked.advice()), "{found}");
        assert!(
            found.ends_with("1 resumed where it should not\n"),
            "{found}"
        );
        let safe = story(&report([Verdict::Resumable, Verdict::Safe]), false);
        assert!(!safe.contains("to do"), "{safe}");
        let untested = story(&report([Verdict::Resumable, Verdict::NotTested]), false);
        assert!(
            untested.ends_with("should not; 1 not tested\n"),
            "{untested}"
        );
        let without = story(&report([Verdict::NoControl, Verdict::NotTested]), false);
        assert!(without.contains("nothing was learnt"), "{without}");
    }
}
