//! Keeps the repository in the shape that ARCHITECTURE.md describes, as far as neither the compiler nor clippy, rustdoc
//! or rustfmt can check it (ADR 0037). Reads text only; a failure lists every offender.

use std::fs;
use std::path::{Path, PathBuf};

use schemars::schema_for;
use serde_json::Value;
use shakedown::compare::Policy;
use shakedown::protocol::failure_classes;
use shakedown::scenario::{SHIPPED, Scenario};

/// Every module of `src/`, from the bottom. A module imports only from rows above its own.
const LAYERS: [&[&str]; 15] = [
    &["affinity", "clock", "files", "text", "units"],
    &["stats"],
    &["way", "spiffe", "shard"],
    &["protocol"],
    &["scenario"],
    &["crypto", "pki", "record"],
    &["tls"],
    &["address", "session"],
    &["load", "anatomy", "probe", "target"],
    &["audit", "check", "meeting"],
    &["analysis", "store"],
    &["runner"],
    &["compare", "merge", "report"],
    &["cli"],
    &["main", "lib"],
];

/// Modules that may use less than their layer allows: all that they import.
const NARROW: [(&str, &[&str]); 3] = [
    // A report is a pure function of a record.
    ("report", &["analysis", "record", "stats", "units", "text"]),
    // A comparison is one of several records.
    (
        "compare",
        &["analysis", "record", "stats", "units", "text", "files"],
    ),
    // Plain TCP is a cell like any other only as long as protocols know nothing of TLS.
    (
        "protocol",
        &["clock", "stats", "text", "units", "files", "way"],
    ),
];

/// Crates that stay in some modules.
const CRATES: [(&str, &[&str]); 6] = [
    // The next release of rustls must change few modules.
    ("rustls", &["tls", "target", "crypto", "pki"]),
    ("rustls_pki_types", &["tls", "target", "crypto", "pki"]),
    // It is what rustls verifies with, and its errors are rustls's.
    ("webpki", &["tls", "pki"]),
    // It makes keys that are to be rejected; all others are the provider's.
    ("rsa", &["pki"]),
    // Data, statistics and reports need no runtime.
    (
        "tokio",
        &[
            "cli", "runner", "load", "audit", "probe", "target", "session", "protocol", "tls",
            "way", "spiffe", "meeting",
        ],
    ),
    // The library has an error type per module.
    ("anyhow", &["cli", "main"]),
];

/// No file is longer.
const LONGEST: usize = 500;

#[test]
fn modules_import_only_from_lower_layers() {
    let mut offenders = Vec::new();
    for source in sources() {
        let Some(height) = layer(&source.module) else {
            offenders.push(format!("{}: give it a row in LAYERS", source.path));
            continue;
        };
        let narrow = NARROW.iter().find(|(module, _)| *module == source.module);
        for (line, other) in source.imports() {
            let below = layer(&other).is_some_and(|theirs| theirs < height);
            let listed = narrow.is_none_or(|(_, may)| may.contains(&other.as_str()));
            if other != source.module && !(below && listed) {
                offenders.push(format!("{}:{line}: {other}", source.path));
            }
        }
    }
    report(
        "imports against LAYERS or NARROW; move the code down, or pass the value in",
        &offenders,
    );
}

#[test]
fn crates_stay_in_their_modules() {
    let mut offenders = Vec::new();
    for source in sources() {
        for (name, modules) in CRATES {
            if !modules.contains(&source.module.as_str()) {
                let begin = format!("{name}::");
                let paths = source.after(&begin);
                offenders.extend(paths.map(|(line, _)| format!("{}:{line}: {name}", source.path)));
            }
        }
    }
    report("crates used outside their modules", &offenders);
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut offenders = Vec::new();
    for path in files("rs") {
        let text = read(&path);
        let lines = text.lines().count();
        if !text.starts_with("//!") {
            offenders.push(format!("{path}: begin it with //! and what it is for"));
        }
        if lines > LONGEST {
            offenders.push(format!("{path}: {lines} lines, the most is {LONGEST}"));
        }
    }
    report("files too long or without a header", &offenders);
}

#[test]
fn open_ends_name_their_issue() {
    let mut offenders = Vec::new();
    for path in files("rs").filter(|path| path != "tests/tidy.rs") {
        for (line, text) in (1..).zip(read(&path).lines()) {
            let open = words(text).any(|word| ["TODO", "FIXME"].contains(&word));
            if open && !text.contains("TODO(#") {
                offenders.push(format!("{path}:{line}: {}", text.trim()));
            }
        }
    }
    report("write the issue, as in TODO(#12)", &offenders);
}

#[test]
fn every_scenario_ships_and_every_policy_is_one() {
    let mut offenders = Vec::new();
    for path in files("toml").filter(|path| path.starts_with("scenarios/")) {
        if path.starts_with("scenarios/gate/policy") {
            let error = Policy::parse(&path, &read(&path)).err();
            offenders.extend(error.map(|error| error.to_string()));
        } else if !SHIPPED.iter().any(|shipped| shipped.file == path) {
            offenders.push(format!("{path}: not in SHIPPED of src/scenario/shipped.rs"));
        }
    }
    report("scenarios", &offenders);
}

#[test]
fn links_lead_somewhere_and_decisions_are_indexed() {
    let mut offenders = Vec::new();
    let index = read("docs/adr/README.md");
    for path in files("md") {
        let adr = path.strip_prefix("docs/adr/");
        if adr.is_some_and(|name| name != "README.md" && !index.contains(&format!("({name})"))) {
            offenders.push(format!("{path}: not linked from docs/adr/README.md"));
        }
        let text = read(&path);
        let dir = root().join(&path).parent().map(Path::to_path_buf);
        for (line, target) in links(&text) {
            let file = target.split('#').next().unwrap_or_default();
            let outside = target.contains("://") || target.starts_with("mailto:");
            if !outside && !dir.iter().any(|dir| dir.join(file).exists()) {
                offenders.push(format!("{path}:{line}: {target} does not exist"));
            }
        }
    }
    report("links of documents", &offenders);
}

#[test]
fn every_outcome_is_documented() {
    let labels = failure_classes().into_iter().map(|c| c.to_string());
    // Of `http.status.404` and the like the family is there.
    let family = |label: &str| {
        label
            .trim_end_matches(|c: char| c.is_ascii_digit())
            .to_owned()
    };
    mentioned("docs/failures.md", 60, labels.map(|label| family(&label)));
}

#[test]
fn every_code_of_a_note_is_documented() {
    let codes = |compares: bool| {
        let of_kind = |s: &Source| {
            let tests = s.path.ends_with("tests.rs") || s.module == "report";
            (s.module == "compare") == compares && !tests
        };
        let sources = sources().into_iter().filter(of_kind);
        let code = sources.map(|source| source.code).collect::<String>();
        // A kind of difference has its code beside its label.
        let begins = if compares { "=> (" } else { "Note::new(" };
        let code = code
            .replace(begins, "Note::new(")
            .replace(".note(", "Note::new(");
        let notes = code.split("Note::new(").skip(1);
        let first = notes.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
        let kebab = |code: &&str| code.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        first.filter(kebab).map(str::to_owned).collect::<Vec<_>>()
    };
    mentioned("docs/gate.md", 15, codes(true).into_iter());
    mentioned("docs/methodology.md", 20, codes(false).into_iter());
}

#[test]
fn every_scenario_key_is_documented() {
    fn collect(value: &Value, keys: &mut Vec<String>) {
        let properties = value.get("properties").and_then(Value::as_object);
        keys.extend(properties.into_iter().flat_map(|all| all.keys().cloned()));
        match value {
            Value::Object(fields) => fields.values().for_each(|field| collect(field, keys)),
            Value::Array(items) => items.iter().for_each(|item| collect(item, keys)),
            _ => {}
        }
    }
    let mut keys = Vec::new();
    collect(schema_for!(Scenario).as_value(), &mut keys);
    mentioned("docs/scenarios.md", 40, keys.into_iter());
}

#[test]
fn every_fuzz_target_has_seeds_and_is_documented() {
    let (manifest, document) = (read("fuzz/Cargo.toml"), read("CONTRIBUTING.md"));
    let mut offenders = Vec::new();
    for path in files("rs").filter(|path| path.starts_with("fuzz/fuzz_targets/")) {
        let target = path
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .trim_end_matches(".rs");
        let seeds = fs::read_dir(root().join("fuzz/corpus").join(target));
        if seeds.map_or(0, Iterator::count) == 0 {
            offenders.push(format!("fuzz/corpus/{target} has no seeds"));
        }
        if !manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")) {
            offenders.push(format!("{path}: not in fuzz/Cargo.toml"));
        }
        if !document.contains(&format!("| `{target}` |")) {
            offenders.push(format!("{path}: no row in CONTRIBUTING.md"));
        }
    }
    report("fuzz targets that are not complete", &offenders);
}

/// One file of `src/`.
struct Source {
    /// From the root of the repository.
    path: String,
    /// The top-level module it belongs to.
    module: String,
    /// Its text without lines of comment.
    code: String,
}

impl Source {
    /// The top-level modules that it names, with their line.
    fn imports(&self) -> Vec<(usize, String)> {
        let own = root().join("src").join(&self.module);
        let is_own =
            |name: &str| own.join(name).is_dir() || own.join(name).with_extension("rs").is_file();
        let of_parent = self
            .after("super::")
            .filter(|(_, name)| layer(name).is_some() && !is_own(name));
        self.after("crate::").chain(of_parent).collect()
    }

    /// What follows this beginning of a path, with its line. `{` follows where several paths are in one `use`, which
    /// no layer has as its name.
    fn after(&self, begin: &str) -> impl Iterator<Item = (usize, String)> {
        let lines = (1..).zip(self.code.lines());
        lines.flat_map(move |(line, text)| {
            let found = text.match_indices(begin).filter_map(move |(at, _)| {
                let (before, rest) = (&text[..at], &text[at + begin.len()..]);
                // `super::super` has the second behind the first.
                let other = |c: char| is_word(c) || c == ':' && begin != "super::";
                let whole = !before.ends_with(other);
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len()).max(1);
                whole.then(|| (line, rest.get(..end).unwrap_or_default().to_owned()))
            });
            found.collect::<Vec<_>>()
        })
    }
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// Every file of `src/`; lines of comment are empty.
fn sources() -> Vec<Source> {
    let paths = files("rs").filter(|path| path.starts_with("src/"));
    let source = |path: String| {
        let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
        let code = read(&path);
        let code = code.lines().map(|line| {
            let comment = line.trim_start().starts_with("//");
            if comment {
                "\n".to_owned()
            } else {
                format!("{line}\n")
            }
        });
        Source {
            module: inside.split('/').next().unwrap_or_default().to_owned(),
            code: code.collect(),
            path,
        }
    };
    paths.map(source).collect()
}

/// The targets of the links in the prose of a Markdown text, with their line.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut found = Vec::new();
    for (line, row) in (1..).zip(text.lines()) {
        fenced ^= row.trim_start().starts_with("```");
        // What is between backticks is no prose.
        for prose in row.split('`').step_by(2).filter(|_| !fenced) {
            let targets = prose.split("](").skip(1);
            let targets = targets.filter_map(|rest| rest.split([')', ' ']).next());
            found.extend(
                targets
                    .filter(|t| !t.is_empty() && !t.starts_with('#'))
                    .map(|t| (line, t)),
            );
        }
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_word(c))
}

/// Fails if a document lacks one of the names between backticks, alone or as the first or the last words of what stands
/// there; or if they are fewer than there must be.
fn mentioned(document: &str, least: usize, names: impl Iterator<Item = String>) {
    let text = read(document);
    let names: Vec<String> = names.collect();
    assert!(
        names.len() >= least,
        "only {} names for {document}",
        names.len()
    );
    let part = |c: char| is_word(c) || c == '-';
    let said = |name: &&String| {
        text.match_indices(name.as_str()).any(|(at, found)| {
            // A section may be in its brackets.
            let before = text[..at].trim_end_matches('[');
            let after = &text[at + found.len()..];
            // Of a family the members are there.
            let ends = found.ends_with('.') || !after.starts_with(part);
            before.ends_with('`') && ends || after.starts_with('`') && !before.ends_with(part)
        })
    };
    let missing = names.iter().filter(|name| !said(name));
    report(document, &missing.cloned().collect::<Vec<_>>());
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The repository's files with an extension, as paths from its root, without hidden folders and what builds make.
fn files(extension: &str) -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == extension) {
                let inside = path.strip_prefix(root()).unwrap_or(&path);
                found.push(inside.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found.into_iter()
}

/// Fails with the list of offenders, if there are any.
fn report(what: &str, offenders: &[String]) {
    assert!(
        offenders.is_empty(),
        "{what}:\n  {}",
        offenders.join("\n  ")
    );
}
