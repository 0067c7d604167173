//! The documents hold what they say: every fenced block is run, read or says why not, every command in running
//! text, in the heads of scenarios and under the long help is run as far as its plan, and what documents
//! repeat from the code is what the code has. CONTRIBUTING.md has the marks that a block may carry.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

#[path = "../common/mod.rs"]
mod common;
mod failures;
mod markdown;
mod stage;

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use markdown::{Block, Span};
use shakedown::compare::Policy;
use shakedown::scenario::{SHIPPED, Scenario};
use stage::{Mode, Stage, root};

/// Scripts that run at once: most of their time they wait.
const AT_ONCE: usize = 4;
/// What stands for something in running text, and what it is tried with.
const PLACEHOLDERS: [(&str, &str); 7] = [
    ("FILE.toml…", "FILE.toml"),
    ("FILE…", "FILE"),
    ("json …", "json"),
    ("SHELL", "bash"),
    ("FORMAT", "csv"),
    ("NAME", "mtls-tax"),
    ("…", "--cert c.pem --key c.key --cacert ca.pem"),
];

/// A script with where it stands.
struct Script {
    place: String,
    text: String,
    mode: Mode,
    exit: i32,
}

/// The documents, by their paths from the root. Decisions and the change log are history.
fn documents() -> Vec<String> {
    let docs = fs::read_dir(root().join("docs")).unwrap();
    let names = docs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let markdown = |name: &String| Path::new(name).extension().is_some_and(|end| end == "md");
    let docs = names.filter(markdown);
    let mut paths: Vec<String> = docs.map(|name| format!("docs/{name}")).collect();
    paths.extend(["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"].map(str::to_owned));
    paths.sort();
    paths
}

fn read(path: &str) -> (Vec<Block>, Vec<Span>) {
    markdown::read(path, &fs::read_to_string(root().join(path)).unwrap())
}

/// How a block is run, unless it must not be.
fn mode(block: &Block) -> Option<Mode> {
    match block.note.split_once(": ") {
        Some(("not run", _)) => None,
        Some(("only planned", _)) => Some(Mode::Plan),
        _ => Some(Mode::Run),
    }
}

/// The exit status that a block must end with.
fn exit(block: &Block) -> i32 {
    let status = block.note.strip_prefix("exit status: ");
    status.map_or(0, |status| status.parse().unwrap())
}

/// The commands in running text; the name of a command alone is none.
fn in_running_text(spans: Vec<Span>) -> impl Iterator<Item = Script> {
    let commands = spans
        .into_iter()
        .filter(|span| span.text.starts_with("shakedown "));
    commands.map(|span| {
        let mut text = span.text;
        for (placeholder, stands_for) in PLACEHOLDERS {
            text = text.replace(placeholder, stands_for);
        }
        let name = |word: &str| word.bytes().all(|b| b.is_ascii_lowercase());
        if text.split(' ').all(name) && !text.contains(" help ") {
            text.push_str(" --help");
        }
        let place = span.place;
        Script {
            place,
            text,
            mode: Mode::Plan,
            exit: 0,
        }
    })
}

/// The commands in the head of a scenario.
fn in_heads() -> Vec<Script> {
    let mut scripts = Vec::new();
    for shipped in SHIPPED {
        let head = shipped
            .text
            .lines()
            .take_while(|line| line.starts_with('#'));
        for line in head {
            let Some((_, command)) = line.split_once(":  ") else {
                continue;
            };
            let command = command.split('(').next().unwrap().trim();
            assert!(
                command.starts_with("shakedown "),
                "{}: {line}",
                shipped.file
            );
            scripts.push(Script {
                place: shipped.file.to_owned(),
                text: command.to_owned(),
                mode: Mode::Plan,
                exit: 0,
            });
        }
    }
    scripts
}

/// The examples under the long help of every command: what `help` and the manual pages print.
fn in_help() -> Vec<Script> {
    let examples = fs::read_to_string(root().join("src/cli/examples.txt")).unwrap();
    let mut scripts = Vec::new();
    for section in examples.split("== ").skip(1) {
        let (command, text) = section.split_once('\n').unwrap();
        let lines = text.split("\n\n").next().unwrap().lines();
        scripts.push(Script {
            place: format!("help of `{command}`"),
            text: lines.collect::<Vec<_>>().join("\n"),
            mode: Mode::Plan,
            exit: 0,
        });
    }
    scripts
}

/// Runs scripts, several at once, and returns what went wrong.
fn faults(scripts: Vec<Script>) -> Vec<String> {
    let stage = Stage::new();
    let (left, faults) = (Mutex::new(scripts), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(script) = left.lock().unwrap().pop() else {
                        break;
                    };
                    let begin = std::time::Instant::now();
                    let fault = stage.run(&script.text, script.mode, script.exit).err();
                    eprintln!("{:6.1} s  {}", begin.elapsed().as_secs_f64(), script.place);
                    let fault =
                        fault.map(|fault| format!("{}:\n{}\n{fault}", script.place, script.text));
                    faults.lock().unwrap().extend(fault);
                }
            });
        }
    });
    faults.into_inner().unwrap()
}

#[test]
fn every_command_of_the_documents_runs() {
    let mut scripts = in_help();
    scripts.extend(in_heads());
    for path in documents() {
        let (blocks, spans) = read(&path);
        scripts.extend(in_running_text(spans));
        for block in blocks {
            let (exit, mode, policy) = (exit(&block), mode(&block), is_policy(&block));
            let text = match block.language.as_str() {
                "sh" => block.text,
                // The cells that it names must be those of a run.
                "toml" if policy => format!(
                    "cat >p.toml <<'END'\n{}END\nshakedown gate result.json --policy p.toml",
                    block.text
                ),
                _ => continue,
            };
            scripts.extend(mode.map(|mode| Script {
                place: block.place,
                text,
                mode,
                exit,
            }));
        }
    }
    // The same command in several places.
    scripts.sort_by(|a, b| (&a.text, a.exit).cmp(&(&b.text, b.exit)));
    scripts.dedup_by(|a, b| a.text == b.text && a.mode == b.mode);
    assert!(
        scripts.len() > 60,
        "only {} commands were found",
        scripts.len()
    );
    let faults = faults(scripts);
    assert!(
        faults.is_empty(),
        "{} do not run:\n{}",
        faults.len(),
        faults.join("\n\n")
    );
}

#[test]
fn every_block_is_run_or_read_or_says_why_not() {
    let mut faults = Vec::new();
    let mut read_blocks = 0;
    for path in documents() {
        for block in read(&path).0 {
            let fault = match (block.language.as_str(), mode(&block)) {
                ("sh" | "text", _) | (_, None) => None,
                ("toml", _) => fault_of_toml(&block),
                ("json", _) => fault_of_json(&block),
                (other, _) => Some(format!(
                    "nothing runs or reads {other:?}; take sh, toml, json or text, or say <!-- not run: REASON -->"
                )),
            };
            let known = match block.note.split_once(": ") {
                Some(("not run" | "only planned", reason)) => !reason.is_empty(),
                Some(("exit status", status)) => status.parse::<u8>().is_ok(),
                _ => block.note.is_empty(),
            };
            let fault = fault
                .or((!known)
                    .then(|| format!("<!-- {} --> is no mark of CONTRIBUTING.md", block.note)));
            read_blocks += 1;
            faults.extend(fault.map(|fault| format!("{}: {fault}", block.place)));
        }
    }
    assert!(read_blocks > 30, "only {read_blocks} blocks were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_term_of_the_glossary_is_defined_once() {
    let glossary = fs::read_to_string(root().join("docs/glossary.md")).unwrap();
    let lines = glossary
        .lines()
        .filter_map(|line| line.strip_prefix("- **"));
    let mut terms: Vec<&str> = lines.filter_map(|line| line.split("**").next()).collect();
    let all = terms.len();
    assert!(all > 40, "only {all} terms were found");
    terms.sort_unstable();
    let twice: Vec<_> = terms.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "defined twice: {twice:?}");
}

fn fault_of_json(block: &Block) -> Option<String> {
    let value = serde_json::from_str::<serde_json::Value>(&block.text);
    value.err().map(|error| error.to_string())
}

fn is_policy(block: &Block) -> bool {
    ["[allowed]", "[thresholds]", "[required]"]
        .iter()
        .any(|section| block.text.contains(section))
}

/// A policy by its sections, else a scenario, or a part of one.
fn fault_of_toml(block: &Block) -> Option<String> {
    let (place, text) = (&block.place, &block.text);
    if is_policy(block) {
        return Policy::parse(place, text)
            .err()
            .map(|error| error.to_string());
    }
    let head = if text.contains("version = ") {
        ""
    } else {
        "version = 1\nname = \"part\"\n"
    };
    let text = format!("{head}{text}");
    let scenario = Scenario::parse(place, &text);
    let checked = scenario.and_then(|scenario| scenario.check(place, &text));
    checked.err().map(|error| error.to_string())
}
