//! What CI systems read, checked by the parser or the published shape of each format.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus};
use serde_json::{Value, json};

use super::tests::{HOSTILE, everything, thresholds_kept};
use super::*;
use crate::record::{Comparison, Verdict};

/// The comparison, with a stranger's text wherever one of a file could be.
fn hostile() -> Comparison {
    let mut all = everything();
    let text = || HOSTILE.to_owned();
    all.cells[1] = all.cells[0].clone();
    let cell = &mut all.cells[1];
    cell.name = text();
    cell.figures[0].figure = text();
    cell.figures[0].unit = text();
    cell.figures[4].reason = Some(text());
    cell.checks[0].rule = text();
    cell.checks[0].unit = text();
    cell.checks[3].reason = Some(text());
    all.missing.push(text());
    all.reasons
        .push(crate::record::Note::new(HOSTILE, HOSTILE, HOSTILE));
    all.candidate.source = text();
    all.candidate.host_class = text();
    all
}

#[test]
fn junit_reads_back_with_a_case_for_everything_that_gates() {
    let xml = junit(&everything()).unwrap();
    let report = Report::deserialize_from_str(&xml).unwrap();
    let suites: Vec<(&str, usize)> = report
        .test_suites
        .iter()
        .map(|suite| (suite.name.as_str(), suite.tests))
        .collect();
    // Four figures that gate and four checks; the second cell asks nothing.
    assert_eq!(suites, [("mtls1.3", 8), ("comparison", 1)]);
    let cases = &report.test_suites[0].test_cases;
    let kind = |case: &TestCase| match &case.status {
        TestCaseStatus::Success { .. } => "success",
        TestCaseStatus::Skipped { .. } => "skipped",
        TestCaseStatus::NonSuccess {
            kind: NonSuccessKind::Failure,
            ..
        } => "failure",
        TestCaseStatus::NonSuccess {
            kind: NonSuccessKind::Error,
            ..
        } => "error",
    };
    let told: Vec<(&str, &str)> = cases.iter().map(|c| (c.name.as_str(), kind(c))).collect();
    assert_eq!(
        told,
        [
            ("client-cpu", "failure"),
            ("throughput", "success"),
            ("failure-rate", "error"),
            ("latency-p99", "skipped"),
            ("confirm: p(99)<25ms", "failure"),
            ("samples: 1000", "success"),
            ("achieved-load: 0.99", "error"),
            ("exchange: p99<1s", "error"),
        ]
    );
    assert_eq!((report.tests, report.failures, report.errors), (9, 2, 4));
    let whole = &report.test_suites[1].test_cases[0].status;
    let TestCaseStatus::NonSuccess {
        description, ty, ..
    } = whole
    else {
        panic!("{whole:?}");
    };
    assert_eq!(ty.as_ref().unwrap().as_str(), Verdict::Invalid.label());
    assert!(
        description
            .as_ref()
            .unwrap()
            .as_str()
            .contains("cells-missing")
    );
}

#[test]
fn junit_of_hostile_text_is_well_formed_and_keeps_its_cases() {
    let xml = junit(&hostile()).unwrap();
    assert!(
        !xml.contains('\u{1b}') && !xml.contains('\u{202e}'),
        "{xml}"
    );
    let report = Report::deserialize_from_str(&xml).unwrap();
    assert_eq!(report.tests, 8 + 8 + 1);
    let name = report.test_suites[1].name.as_str();
    assert_eq!(name, words::safe(HOSTILE));
}

/// The rows of every table, cells as text; anything that is neither text nor the markup of ours fails.
fn tables(markdown: &str) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_GFM;
    for event in Parser::new_ext(markdown, options) {
        match event {
            Event::Start(Tag::TableRow | Tag::TableHead) | Event::End(TagEnd::Table) => {
                rows.push(Vec::new());
            }
            Event::Start(Tag::TableCell) => rows.last_mut().unwrap().push(String::new()),
            Event::Text(text) => {
                if let Some(cell) = rows.last_mut().and_then(|row| row.last_mut()) {
                    cell.push_str(&text);
                }
            }
            Event::Start(
                Tag::Link { .. }
                | Tag::Image { .. }
                | Tag::Emphasis
                | Tag::CodeBlock(_)
                | Tag::BlockQuote(_),
            )
            | Event::Code(_)
            | Event::InlineHtml(_) => panic!("{event:?}"),
            Event::Html(html) => {
                let ours = ["<details><summary>", "</details>"];
                assert!(ours.iter().any(|tag| html.starts_with(tag)), "{html}");
            }
            _ => {}
        }
    }
    rows.retain(|row| !row.is_empty());
    rows
}

#[test]
fn markdown_is_tables_and_text_whatever_is_in_it() {
    for comparison in [everything(), hostile()] {
        let text = markdown(&comparison);
        let rows = tables(&text);
        let widths: Vec<usize> = rows.iter().map(Vec::len).collect();
        assert!(
            widths.iter().all(|width| [3, 7].contains(width)),
            "{rows:?}"
        );
        assert!(!text.contains("https://") && !text.contains('\u{1b}'));
    }
    let rows = tables(&markdown(&hostile()));
    let safe = words::safe(HOSTILE);
    // The hostile cell has a row in each of three tables, and one for every figure and check; no other row was made.
    let hostile = rows.iter().filter(|row| row[0] == safe).count();
    assert_eq!(hostile, 3);
    assert_eq!(
        rows.len(),
        tables(&markdown(&everything())).len() + 3 + 5 + 4
    );
}

#[test]
fn markdown_says_the_verdict_first() {
    insta::assert_snapshot!("markdown", markdown(&everything()));
    assert!(markdown(&thresholds_kept()).contains("**PASS: every threshold is kept**"));
}

#[test]
fn markdown_fits_a_summary_however_many_figures_there_are() {
    let mut all = everything();
    let mut cell = all.cells[0].clone();
    cell.figures
        .iter_mut()
        .for_each(|figure| figure.gated = false);
    cell.checks.clear();
    all.cells.resize(4_000, cell);
    let text = markdown(&all);
    assert!(text.len() < 1 << 20, "{} bytes", text.len());
    assert!(text.contains("**INVALID: "));
}

/// What the runner of GitHub Actions makes of a line: command, title and message.
fn parsed(line: &str) -> (String, String, String) {
    let rest = line.strip_prefix("::").unwrap();
    let (head, data) = rest.split_once("::").unwrap();
    let (command, properties) = head.split_once(' ').unwrap();
    let (key, title) = properties.split_once('=').unwrap();
    assert_eq!(key, "title");
    let back = |text: &str| {
        let text = text.replace("%3A", ":").replace("%2C", ",");
        text.replace("%0D", "\r")
            .replace("%0A", "\n")
            .replace("%25", "%")
    };
    (command.to_owned(), back(title), back(data))
}

#[test]
fn annotations_are_one_line_each_and_read_back() {
    let text = annotations(&hostile());
    let all: Vec<_> = text.lines().map(parsed).collect();
    let kinds: Vec<&str> = all.iter().map(|(kind, ..)| kind.as_str()).collect();
    assert_eq!(kinds, ["error", "error", "error", "warning"]);
    let safe = words::safe(HOSTILE);
    assert_eq!(all[2].1, format!("shakedown: {safe}"));
    assert_eq!(all[2].2, format!("{safe}; help: {safe}"));
    assert!(text.contains("%250A"), "{text}");
    assert_eq!(annotations(&thresholds_kept()), "");
}

#[test]
fn annotations_are_as_many_as_are_shown() {
    let mut all = everything();
    let reason = all.reasons[0].clone();
    all.reasons = vec![reason; 50];
    all.notes = vec![crate::record::Note::new("not-interleaved", "x", "y"); 3];
    let text = annotations(&all);
    assert_eq!(text.lines().count(), 10);
    assert!(text.lines().all(|line| line.starts_with("::error ")));
}

fn fits(schema: &Value, value: &Value) -> bool {
    jsonschema::validator_for(schema).unwrap().is_valid(value)
}

/// What the documentation of github-action-benchmark says of its custom formats.
fn benchmark_schema() -> Value {
    json!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["name", "unit", "value"],
            "properties": {
                "name": { "type": "string", "minLength": 1 },
                "unit": { "type": "string" },
                "value": { "type": "number" },
                "range": { "type": "string" },
                "extra": { "type": "string" }
            },
            "additionalProperties": false
        }
    })
}

#[test]
fn benchmarks_are_apart_by_what_is_better() {
    for comparison in [everything(), hostile(), thresholds_kept()] {
        let all = benchmarks(&comparison);
        for file in [&all.smaller, &all.bigger] {
            let value = serde_json::to_value(file).unwrap();
            assert!(fits(&benchmark_schema(), &value), "{value}");
        }
    }
    let all = benchmarks(&everything());
    let value = serde_json::to_value(&all.bigger).unwrap();
    assert_eq!(
        value,
        json!([{
            "name": "mtls1.3 throughput", "unit": "/s", "value": 431.0, "range": "± 4.31",
            "extra": "median of 3 rounds"
        }])
    );
    let names: Vec<Value> = all
        .smaller
        .iter()
        .map(|b| json!(b)["name"].clone())
        .collect();
    assert_eq!(names[0], "mtls1.3 client-cpu");
    assert_eq!(names.len(), 4);
    assert_eq!(json!(all.smaller[1])["unit"], "%");
}

/// What <https://bencher.dev/bmf.json> says of Bencher Metric Format, and nothing beside it.
fn bencher_schema() -> Value {
    let number = json!({ "type": "number" });
    json!({
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "propertyNames": { "minLength": 1, "maxLength": 64 },
            "additionalProperties": {
                "type": "object",
                "required": ["value"],
                "properties": { "value": number, "lower_value": number, "upper_value": number },
                "additionalProperties": false
            }
        },
        "propertyNames": { "minLength": 1, "maxLength": 1024 }
    })
}

#[test]
fn bencher_gets_a_benchmark_per_cell_and_a_measure_per_figure() {
    let mut long = everything();
    long.cells[0].name = "é".repeat(3_000);
    for comparison in [everything(), hostile(), long] {
        let value = serde_json::to_value(bencher(&comparison)).unwrap();
        assert!(fits(&bencher_schema(), &value), "{value}");
    }
    let value = serde_json::to_value(bencher(&everything())).unwrap();
    let cpu = &value["mtls1.3"]["client-cpu"];
    assert_eq!(cpu["value"], 437.0);
    assert!(cpu["lower_value"].as_f64() < cpu["upper_value"].as_f64());
    assert_eq!(value["mtls1.3"].as_object().unwrap().len(), 5);
}

/// Names of elements with their attributes, without words.
fn markup(page: &str) -> String {
    let parts = page.split('<').skip(1);
    let tags = parts.filter_map(|part| part.split_once('>'));
    let tags: Vec<String> = tags.map(|(tag, _)| format!("<{tag}>")).collect();
    tags.concat()
}

#[test]
fn a_page_has_every_effect_and_verdict() {
    let page = html(&everything()).unwrap();
    for part in [
        "client-cpu: 1.061× [1.057 … 1.065] regress",
        "throughput: 1.077× [1.073 … 1.081] improve",
        "<th scope=\"row\">mtls1.3</th>",
        "<p class=\"word\"><span aria-hidden=\"true\">✗</span> INVALID: ",
        "confirm: p(99)",
        "not judged: a trial has 1200 sessions",
        "Missing from the candidate",
        "class=\"x\"",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let kept = html(&thresholds_kept()).unwrap();
    assert!(kept.contains("PASS") && !kept.contains("<svg"), "{kept}");
}

#[test]
fn a_page_of_hostile_text_has_no_markup_of_it() {
    let page = html(&hostile()).unwrap();
    let (markup, ours) = (markup(&page), markup(&html(&everything()).unwrap()));
    for name in ["<img", "<script", " onerror", " src="] {
        assert!(!markup.contains(name) && !ours.contains(name), "{name}");
    }
    let hidden = |c: char| c != '\n' && c.is_control() || c == '\u{202e}';
    assert!(!page.contains(hidden));
    assert!(page.contains("::error::x"), "the text is not on the page");
}

#[test]
fn a_page_of_a_thousand_cells_draws_what_gates_and_stays_small() {
    let mut all = everything();
    let cell = all.cells[0].clone();
    all.cells = (0..1_000)
        .map(|number| crate::record::CellComparison {
            name: format!("mtls1.3-rsa2048-group{number}-aws-lc-rs"),
            ..cell.clone()
        })
        .collect();
    let page = html(&all).unwrap();
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    // Client CPU, throughput and the control; a share has no ratio, and one figure has no effect.
    assert_eq!(page.matches("<svg ").count(), 3);
    assert!(page.contains("The first 40 of 1,000 cells are drawn"));
    assert!(page.contains("There are too many cells to show figures that do not gate"));
    assert!(page.contains("group999"));
}
