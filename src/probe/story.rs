//! A report as text for a terminal: steps, marks in words, wrapped lines. Readable without colour.

use std::fmt::Write;

use super::report::{ProbeReport, Verdict};
use super::step::{Mark, Step};
use super::steps::steps;
use crate::text::paint;

/// Longest line in characters, where words allow it.
const WIDTH: usize = 100;
/// Where a step's text begins.
const INDENT: usize = 9;
/// Width of a line's label.
const LABEL: usize = 14;

const BOLD: &str = "1";
const RED: &str = "1;31";
const GREEN: &str = "1;32";
const YELLOW: &str = "1;33";

/// Tells the report as text that ends with a newline. With `color`, ANSI sequences mark what matters;
/// the words are the same without.
pub fn story(report: &ProbeReport, color: bool) -> String {
    let mut out = String::new();
    let title = paint(&format!("probe {}", report.target), BOLD, color);
    let (name, protocol) = (&report.server_name, report.protocol);
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(out, "{title} (server name {name}, protocol {protocol})");
    for failed in &report.network.failed {
        let _ = writeln!(out, "no connection to {failed}");
    }
    if let Some(address) = &report.network.address {
        let tcp = if address.starts_with("unix:") {
            ""
        } else {
            " (TCP)"
        };
        let _ = writeln!(out, "connected to {address}{tcp}");
    }
    if let Some(way_in) = &report.network.way_in {
        let _ = writeln!(out, "way in: {way_in}");
    }
    let mut reached = true;
    for (number, step) in (1..).zip(steps(report)) {
        // What was not reached is one block.
        if reached || step.mark != Mark::NotReached {
            out.push('\n');
        }
        reached = step.mark != Mark::NotReached;
        write_step(&mut out, number, &step, color);
    }
    let style = match report.verdict {
        Verdict::Accepted { .. } => GREEN,
        _ => RED,
    };
    out.push('\n');
    write_wrapped(&mut out, "verdict: ", INDENT, &report.summary, &|text| {
        paint(text, style, color)
    });
    for (index, advice) in report.advice.iter().enumerate() {
        let head = if index == 0 { "to do:   " } else { "         " };
        write_wrapped(&mut out, head, INDENT, advice, &str::to_owned);
    }
    if let Some(cost) = &report.cost {
        write_wrapped(
            &mut out,
            "cost:    ",
            INDENT,
            &cost.summary(),
            &str::to_owned,
        );
    }
    let _ = writeln!(out, "total:   {} ms", report.total_ms);
    out
}

fn mark_text(mark: Mark, color: bool) -> String {
    let (style, word) = match mark {
        Mark::Ok => (GREEN, "ok"),
        Mark::Warn => (YELLOW, "warn"),
        Mark::Fail => (RED, "FAIL"),
        Mark::Info => ("", "--"),
        Mark::NotReached => ("", ""),
    };
    paint(word, style, color)
}

fn write_step(out: &mut String, number: usize, step: &Step, color: bool) {
    let not_reached = step.mark == Mark::NotReached;
    let padding = " ".repeat(6 - word_len(step.mark));
    let title = if not_reached {
        format!("{} (not reached)", step.title)
    } else {
        paint(step.title, BOLD, color)
    };
    let mark = mark_text(step.mark, color);
    let _ = writeln!(out, "{number}  {mark}{padding}{title}");
    for line in &step.lines {
        let indent = if line.label.is_empty() && step.lines.iter().all(|l| l.label.is_empty()) {
            INDENT
        } else {
            INDENT + LABEL
        };
        let head = format!("{:INDENT$}{:<LABEL$}", "", line.label);
        let head = head.chars().take(indent).collect::<String>();
        match line.mark {
            Some(mark) => {
                let mark_width = word_len(mark) + 2;
                let head = format!("{head}{}  ", mark_text(mark, color));
                write_wrapped(out, &head, indent + mark_width, &line.text, &str::to_owned);
            }
            None => write_wrapped(out, &head, indent, &line.text, &str::to_owned),
        }
    }
}

fn word_len(mark: Mark) -> usize {
    mark_text(mark, false).len()
}

/// Writes `head` and then `text`, broken between words, with `indent` before every further line.
fn write_wrapped(
    out: &mut String,
    head: &str,
    indent: usize,
    text: &str,
    style: &dyn Fn(&str) -> String,
) {
    let mut lines: Vec<String> = vec![String::new()];
    let room = WIDTH - indent;
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        let length = line.chars().count() + usize::from(!line.is_empty()) + word.chars().count();
        if length > room && !line.is_empty() {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    for (index, line) in lines.iter().enumerate() {
        if index == 0 {
            out.push_str(head);
        } else {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(&style(line));
        out.push('\n');
    }
}
