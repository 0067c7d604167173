//! `JUnit` XML: a suite per cell, a case per figure that gates and per threshold or minimum, and a suite
//! for what is of no one cell. What regressed is a failure, what could not be judged an error.

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::words::{conclusion, safe, safe_note};
use crate::record::{
    CellComparison, CheckRecord, Comparison, EffectRecord, FigureComparison, Verdict,
};

/// What every class name begins with.
const CLASS: &str = "shakedown";

/// Renders a comparison as a `JUnit` report.
///
/// # Errors
///
/// Never, as it writes to memory.
pub fn junit(comparison: &Comparison) -> Result<String, SerializeError> {
    let mut report = Report::new(CLASS);
    for cell in &comparison.cells {
        let suite = cell_suite(cell);
        if suite.tests > 0 {
            report.add_test_suite(suite);
        }
    }
    report.add_test_suite(whole(comparison));
    report.to_string()
}

fn cell_suite(cell: &CellComparison) -> TestSuite {
    let name = safe(&cell.name);
    let mut suite = TestSuite::new(name.clone());
    for figure in cell.figures.iter().filter(|figure| figure.gated) {
        let status = of_figure(figure);
        suite.add_test_case(case(&name, &safe(&figure.figure), status));
    }
    for check in &cell.checks {
        suite.add_test_case(case(&name, &safe(&check.rule), of_check(check)));
    }
    suite
}

/// The whole comparison as one case, with every reason: not all of them are of one cell.
fn whole(comparison: &Comparison) -> TestSuite {
    let verdict = comparison.verdict;
    let mut status = status(Some(verdict), conclusion(comparison));
    let reasons = comparison.reasons.iter().map(safe_note);
    let lines: Vec<String> = reasons
        .map(|note| format!("{}: {}\nhelp: {}", note.code, note.message, note.advice))
        .collect();
    status.set_description(lines.join("\n"));
    let mut suite = TestSuite::new("comparison");
    suite.add_test_case(case("comparison", "verdict", status));
    suite
}

fn case(cell: &str, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(format!("{CLASS}.{cell}"));
    case
}

fn of_figure(figure: &FigureComparison) -> TestCaseStatus {
    let mut message = figure
        .effect
        .as_ref()
        .map(EffectRecord::change)
        .unwrap_or_default();
    if let Some(reason) = &figure.reason {
        message = safe(reason);
    }
    let text = format!("{message}; allowed is {}", figure.allowed_change());
    status(figure.verdict, &text)
}

fn of_check(check: &CheckRecord) -> TestCaseStatus {
    let observed = check.found().map(|found| safe(&found));
    let mut text = format!("observed {}", observed.unwrap_or("nothing".to_owned()));
    if let Some(reason) = &check.reason {
        text = format!("{text}: {}", safe(reason));
    }
    status(Some(check.verdict), &text)
}

fn status(verdict: Option<Verdict>, message: &str) -> TestCaseStatus {
    let mut status = match verdict {
        None => TestCaseStatus::skipped(),
        Some(Verdict::Pass | Verdict::Improve) => TestCaseStatus::success(),
        Some(Verdict::Regress) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Some(Verdict::Inconclusive | Verdict::Invalid) => {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        }
    };
    status.set_message(message);
    if let Some(verdict) = verdict {
        status.set_type(verdict.label());
    }
    status
}
