//! Reports of one made-up comparison that has something of everything.

use super::*;
use crate::record::{
    BlocksRecord, BuildInfo, COMPARISON_SCHEMA, CellComparison, CheckRecord, Comparison,
    EffectRecord, FigureComparison, Note, Scale, SideRecord, UnitKind, Verdict,
};
use crate::report::Style;
use crate::stats::Spread;

/// What a stranger would write to get out of any format.
pub(super) const HOSTILE: &str = "a|b`c`\n::error::x\r\u{1b}[31m<img>&\"]]>\u{202e}%0A";

fn spread(median: f64) -> Option<Spread> {
    Spread::of([median * 0.99, median, median * 1.01])
}

fn figure(label: &str, unit: &str, values: (f64, f64), verdict: Verdict) -> FigureComparison {
    let (baseline, candidate) = values;
    let (scale, estimate) = if unit.is_empty() {
        (Scale::Difference, candidate - baseline)
    } else {
        (Scale::Ratio, candidate / baseline)
    };
    FigureComparison {
        figure: label.to_owned(),
        unit: unit.to_owned(),
        smaller_is_better: !["throughput", "resumed-share"].contains(&label),
        baseline: spread(baseline),
        candidate: spread(candidate),
        baseline_beyond: None,
        candidate_beyond: None,
        effect: Some(EffectRecord {
            scale,
            estimate,
            lower: estimate - 0.004,
            upper: estimate + 0.004,
            detectable: 0.006,
            p_worse: 0.5,
            units: 5,
        }),
        rounds: Vec::new(),
        allowed: 0.02,
        gated: true,
        verdict: Some(verdict),
        reason: None,
    }
}

fn check(rule: &str, observed: Option<f64>, unit: &str, verdict: Verdict) -> CheckRecord {
    CheckRecord {
        threshold: unit == "ns",
        rule: rule.to_owned(),
        observed,
        beyond: false,
        limit: 25e6,
        unit: unit.to_owned(),
        verdict,
        reason: observed
            .is_none()
            .then(|| "there is no such figure, or too few samples for it".to_owned()),
    }
}

fn cells() -> Vec<CellComparison> {
    let mut aside = figure("connect-p50", "ns", (40e3, 41e3), Verdict::Pass);
    aside.gated = false;
    let mut absent = figure("latency-p99", "ns", (1.0, 1.0), Verdict::Pass);
    (absent.effect, absent.verdict) = (None, None);
    absent.reason =
        Some("not judged: a trial has 1200 sessions, and this figure takes 10000".to_owned());
    vec![
        CellComparison {
            name: "mtls1.3".to_owned(),
            figures: vec![
                figure("client-cpu", "us", (412.0, 437.0), Verdict::Regress),
                figure("throughput", "/s", (400.0, 431.0), Verdict::Improve),
                figure("failure-rate", "", (0.001, 0.0021), Verdict::Inconclusive),
                aside,
                absent,
            ],
            checks: vec![
                check("confirm: p(99)<25ms", Some(31.2e6), "ns", Verdict::Regress),
                check("samples: 1000", Some(6000.0), "", Verdict::Pass),
                check("achieved-load: 0.99", Some(0.9431), "", Verdict::Invalid),
                check("exchange: p99<1s", None, "ns", Verdict::Invalid),
            ],
        },
        CellComparison {
            name: HOSTILE.to_owned(),
            figures: Vec::new(),
            checks: Vec::new(),
        },
    ]
}

fn side(source: &str) -> SideRecord {
    SideRecord {
        source: source.to_owned(),
        results: 2,
        scenario: "mtls-tax".to_owned(),
        started_at: "2026-11-25T16:00:00Z".to_owned(),
        host_class: "intel-xeon-2c-vm-linux-x86-64-6.18".to_owned(),
        build: BuildInfo {
            version: "0.1.0".to_owned(),
            git_revision: "3c7cc16346d3".to_owned(),
            profile: "release".to_owned(),
            crates: [("rustls".to_owned(), "0.23.46".to_owned())].into(),
        },
    }
}

/// Something of everything.
pub(super) fn everything() -> Comparison {
    let mut control = cells();
    control.truncate(1);
    control[0].checks.clear();
    control[0].figures.truncate(1);
    control[0].figures[0] = figure("client-cpu", "us", (412.0, 413.0), Verdict::Pass);
    Comparison {
        schema: COMPARISON_SCHEMA,
        build: side("").build,
        baseline: Some(side("results/before")),
        candidate: side("results/after"),
        unit: UnitKind::Round,
        confidence: 0.95,
        cells: cells(),
        missing: vec!["tls1.2".to_owned()],
        new: vec!["mtls1.3-ring".to_owned()],
        blocks: Some(BlocksRecord {
            seed: 7,
            rounds: 12,
            rounds_max: 20,
            looks: 2,
            discarded: Vec::new(),
            discarded_rounds: 3,
            seconds: 240,
        }),
        control,
        notes: vec![Note::new(
            "other-plan",
            HOSTILE,
            "run both with the same scenario",
        )],
        reasons: vec![
            Note::new(
                "cells-missing",
                "the candidate lacks tls1.2",
                "run the same cells",
            ),
            Note::new(
                "regressed",
                "mtls1.3 client-cpu: +6.1 % [+5.7 % … +6.5 %], allowed is +2.0 %",
                "find the change, or allow for it in the policy",
            ),
        ],
        verdict: Verdict::Invalid,
    }
}

/// Only thresholds, and all of them kept.
pub(super) fn thresholds_kept() -> Comparison {
    let mut all = everything();
    all.baseline = None;
    all.cells.truncate(1);
    all.cells[0].figures.clear();
    all.cells[0].checks.truncate(2);
    all.cells[0].checks[0].verdict = Verdict::Pass;
    all.cells[0].checks[0].observed = Some(20e6);
    all.unit = UnitKind::Trial;
    all.blocks = None;
    for notes in [&mut all.reasons, &mut all.notes] {
        notes.clear();
    }
    for list in [&mut all.missing, &mut all.new] {
        list.clear();
    }
    all.control.clear();
    all.verdict = Verdict::Pass;
    all
}

#[test]
fn text_shows_everything_and_says_the_verdict_first() {
    let text = render(&everything(), Style::default());
    insta::assert_snapshot!("text", text);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    assert_eq!(text.lines().filter(|l| l.contains("::error::")).count(), 2);
}

#[test]
fn text_of_thresholds_alone_speaks_of_no_baseline() {
    insta::assert_snapshot!("thresholds", render(&thresholds_kept(), Style::default()));
}

#[test]
fn a_cell_that_only_the_candidate_has_keeps_its_smallest_and_largest() {
    let mut all = everything();
    let mut alone = figure("handshake-p50", "ns", (1.0, 700e3), Verdict::Pass);
    (alone.baseline, alone.effect, alone.verdict, alone.gated) = (None, None, None, false);
    all.cells[1].figures.push(alone);
    let text = render(&all, Style::default());
    let row = text.lines().find(|line| line.contains("handshake-p50"));
    let row = row.unwrap_or_else(|| panic!("{text}"));
    for value in ["700 µs", "693 µs", "707 µs"] {
        assert!(row.contains(value), "{row}");
    }
}

#[test]
fn colours_are_the_styles() {
    let style = Style {
        color: true,
        ..Style::default()
    };
    let text = render(&everything(), style);
    assert!(text.contains("\u{1b}[1;31mINVALID: "), "{text}");
}
