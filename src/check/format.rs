//! The findings of a check as text and `JUnit`; JSON is the report itself.

use std::collections::HashSet;
use std::fmt::Write;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Finding;
use crate::text::escape_untrusted;
use crate::units::{counted, format_count};

/// Longest line of `JUnit`, in characters.
const LONGEST: usize = 2_000;

/// What was checked, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CheckReport {
    /// Days within which what expires is a finding.
    pub days: u32,
    /// Everything that was checked, in its order.
    pub checked: Vec<Subject>,
    /// Findings about issuers and lists so far.
    #[serde(skip)]
    told: HashSet<(String, String)>,
}

/// One identity, list or server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    /// The file or server.
    pub name: String,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// An empty one of a check that counts what expires within `days`.
    pub fn new(days: u32) -> Self {
        Self {
            days,
            ..Self::default()
        }
    }

    /// Adds what was found with one subject. What is wrong with an issuer or a list stays with the first that has it.
    pub fn add(&mut self, name: impl Into<String>, mut findings: Vec<Finding>) {
        findings.retain(|finding| {
            !finding.shared
                || self
                    .told
                    .insert((finding.code.clone(), finding.cause.clone()))
        });
        self.checked.push(Subject {
            name: name.into(),
            findings,
        });
    }

    /// Whether nothing is wrong.
    pub fn is_fine(&self) -> bool {
        self.checked
            .iter()
            .all(|subject| subject.findings.is_empty())
    }

    fn findings(&self) -> usize {
        self.checked
            .iter()
            .map(|subject| subject.findings.len())
            .sum()
    }
}

/// The verdict, then a line for each finding.
pub fn text(report: &CheckReport) -> String {
    let all = counted(report.checked.len() as u64, "subject");
    let wrong = report
        .checked
        .iter()
        .filter(|s| !s.findings.is_empty())
        .count();
    let mut text = match report.findings() {
        0 => format!(
            "{all} checked: nothing is wrong or expires within {} days\n",
            report.days
        ),
        found => format!(
            "{all} checked: {} with {}\n",
            format_count(wrong as u64),
            counted(found as u64, "finding")
        ),
    };
    for subject in &report.checked {
        for finding in &subject.findings {
            let Finding {
                code,
                cause,
                remedy,
                ..
            } = finding;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {code:<17} {}: {cause}; {remedy}", subject.name);
        }
    }
    text
}

/// A test case for each subject, failed by its findings.
///
/// # Errors
///
/// Fails if the XML cannot be written.
pub fn junit(report: &CheckReport) -> Result<String, SerializeError> {
    let mut suite = TestSuite::new("certificates");
    for subject in &report.checked {
        let mut status = TestCaseStatus::success();
        if let Some(first) = subject.findings.first() {
            status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let lines: Vec<String> = subject
                .findings
                .iter()
                .map(|f| {
                    escape_untrusted(&format!("{}: {}; {}", f.code, f.cause, f.remedy), LONGEST)
                })
                .collect();
            status
                .set_message(&lines[0])
                .set_type(&first.code)
                .set_description(lines.join("\n"));
        }
        suite.add_test_case(TestCase::new(
            escape_untrusted(&subject.name, LONGEST),
            status,
        ));
    }
    let mut report = Report::new("shakedown check");
    report.add_test_suite(suite);
    report.to_string()
}
