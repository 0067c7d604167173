//! Figures as CSV (RFC 4180), one per line, for spreadsheets and data frames.

use super::figures::figures;
use super::{ReportError, Titled};
use crate::analysis::Decoded;

/// What makes a spreadsheet take text for a formula when it comes first.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '\t', '\r', '＝', '＠'];

const HEADER: [&str; 16] = [
    "result",
    "scenario",
    "started_at",
    "valid",
    "cell",
    "figure",
    "statistic",
    "unit",
    "value",
    "beyond",
    "min",
    "max",
    "n",
    "against",
    "lower",
    "upper",
];

/// The figures of all results in one table.
///
/// Fails if a stored histogram is damaged.
pub(super) fn render(results: &[Titled<'_>]) -> Result<String, ReportError> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let broken = |e: &dyn std::fmt::Display| ReportError::Csv(e.to_string());
    out.write_record(HEADER).map_err(|e| broken(&e))?;
    for result in results {
        let record = result.record;
        let number = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
        for cell in figures(&Decoded::of(record)?) {
            for figure in cell.figures {
                out.write_record([
                    text(result.name),
                    text(&record.plan.scenario.name),
                    text(&record.started_at),
                    record.validity.valid.to_string(),
                    text(&cell.cell),
                    text(&figure.of),
                    text(&figure.statistic),
                    text(figure.unit),
                    number(figure.value),
                    number(figure.beyond),
                    number(figure.min),
                    number(figure.max),
                    figure.n.to_string(),
                    text(figure.against.as_deref().unwrap_or_default()),
                    number(figure.lower),
                    number(figure.upper),
                ])
                .map_err(|e| broken(&e))?;
            }
        }
    }
    let bytes = out.into_inner().map_err(|e| broken(&e))?;
    String::from_utf8(bytes).map_err(|e| broken(&e))
}

/// Text that no spreadsheet takes for a formula: an apostrophe before what would begin one.
fn text(value: &str) -> String {
    if value.starts_with(FORMULA) {
        format!("'{value}")
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_a_formula_is_text() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"] {
            assert_eq!(text(formula), format!("'{formula}"));
        }
        for plain in ["", "mtls1.3/valid", "/s", "a=b"] {
            assert_eq!(text(plain), plain);
        }
    }
}
