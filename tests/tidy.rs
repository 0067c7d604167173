//! Keeps the repository in the shape ARCHITECTURE.md describes: layers, names, sizes, headers, links,
//! and documents that mention what the code has. Reads text only; a failure lists every offender.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use shakedown::compare::Policy;
use shakedown::scenario::{SHIPPED, Scenario};

/// Every module of `src/` with the height of its layer. A module imports only from lower layers, so
/// modules of one height never import each other.
const LAYERS: [(&str, u32); 26] = [
    ("main", 14),
    ("cli", 13),
    ("compare", 12),
    ("report", 12),
    ("runner", 11),
    ("analysis", 10),
    ("store", 10),
    ("audit", 9),
    ("record", 9),
    ("load", 8),
    ("anatomy", 8),
    ("probe", 8),
    ("target", 8),
    ("session", 7),
    ("address", 7),
    ("tls", 6),
    ("crypto", 5),
    ("pki", 5),
    ("scenario", 4),
    ("protocol", 3),
    ("stats", 2),
    ("affinity", 1),
    ("clock", 1),
    ("files", 1),
    ("text", 1),
    ("units", 1),
];

/// Modules that may use less than their layer allows: everything they import has to be listed.
const NARROW: [(&str, &[&str]); 3] = [
    // A report is a pure function of a record.
    ("report", &["analysis", "record", "stats", "units", "text"]),
    // A comparison is one of several records.
    (
        "compare",
        &["analysis", "record", "stats", "units", "text", "files"],
    ),
    // Plain TCP is a cell like any other only as long as protocols know nothing of TLS.
    ("protocol", &["stats", "text", "units", "files"]),
];

/// Crates that stay where they are: name, the modules that may use it, and why.
const CRATES: [(&str, &[&str], &str); 6] = [
    (
        "rustls",
        &["tls", "target", "crypto", "pki"],
        "the next rustls release must change few modules",
    ),
    (
        "rustls_pki_types",
        &["tls", "target", "crypto", "pki"],
        "the next rustls release must change few modules",
    ),
    (
        "webpki",
        &["tls", "pki"],
        "it is what rustls verifies with, and its errors are rustls's",
    ),
    (
        "rsa",
        &["pki"],
        "it is for keys that are made to be rejected; all others are the provider's",
    ),
    (
        "tokio",
        &[
            "cli", "runner", "load", "audit", "probe", "target", "session", "protocol", "tls",
        ],
        "data, statistics and reports need no runtime",
    ),
    (
        "anyhow",
        &["cli", "main"],
        "the library has an error type per module",
    ),
];

/// No file is longer than this.
const LINES_WALL: usize = 800;
/// Longer files are listed in [`LONG_FILES`] with their reason.
const LINES_GOAL: usize = 500;
/// Files above [`LINES_GOAL`], and why they are not split.
const LONG_FILES: [(&str, &str); 1] = [(
    "tests/tidy.rs",
    "one rule after the other, with the text scanner they share",
)];

/// Macros that must not be left in code.
const UNFINISHED: [&str; 3] = ["todo", "unimplemented", "dbg"];
/// Macros that panic where a stream is closed or full; files of tests may say on stderr what they skip.
const PRINTING: [&str; 4] = ["print", "println", "eprint", "eprintln"];

#[test]
fn every_module_has_a_layer() {
    let mut offenders = Vec::new();
    for source in sources() {
        if source.module != "lib" && layer(&source.module).is_none() {
            offenders.push(format!("{}: give it a height in LAYERS", source.path));
        }
    }
    report("modules without a layer", &offenders);
}

#[test]
fn modules_import_only_from_lower_layers() {
    let mut offenders = Vec::new();
    for source in sources() {
        let Some(height) = layer(&source.module) else {
            continue;
        };
        let narrow = NARROW.iter().find(|(module, _)| *module == source.module);
        for (line, other) in source.imports() {
            if other == source.module {
                continue;
            }
            let at = format!("{}:{line}: {} imports {other}", source.path, source.module);
            match layer(&other) {
                None => offenders.push(format!("{at}, which is no module of src/")),
                Some(theirs) if theirs >= height => offenders.push(format!(
                    "{at}, which is not below it (heights {height} and {theirs})"
                )),
                Some(_) if narrow.is_some_and(|(_, may)| !may.contains(&other.as_str())) => {
                    offenders.push(format!("{at}, which NARROW does not list"));
                }
                Some(_) => {}
            }
        }
    }
    report(
        "imports against the layers of ARCHITECTURE.md; move the code down, or pass the value in",
        &offenders,
    );
}

#[test]
fn crates_stay_in_their_modules() {
    let mut offenders = Vec::new();
    for source in sources() {
        for (name, modules, why) in CRATES {
            if modules.contains(&source.module.as_str()) {
                continue;
            }
            for (line, text) in (1..).zip(source.code.lines()) {
                if words(text).any(|word| word == name) {
                    offenders.push(format!("{}:{line}: {name} ({why})", source.path));
                }
            }
        }
    }
    report("crates used outside their modules", &offenders);
}

#[test]
fn nothing_unfinished_and_no_printing() {
    let mut offenders = Vec::new();
    for source in sources() {
        for (line, text) in (1..).zip(source.code.lines()) {
            for name in words(text).filter(|word| text.contains(&format!("{word}!"))) {
                let unfinished = UNFINISHED.contains(&name);
                let skipped_test = source.path.ends_with("_tests.rs") && name == "eprintln";
                let printing = PRINTING.contains(&name) && !skipped_test;
                if unfinished || printing {
                    offenders.push(format!("{}:{line}: {name}!", source.path));
                }
            }
        }
    }
    report(
        "finish it, or print through src/cli/output.rs, which no stream can end",
        &offenders,
    );
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut offenders = Vec::new();
    let mut long = Vec::new();
    for path in files(&["rs"]) {
        let text = read(&path);
        let lines = text.lines().count();
        if !text.starts_with("//!") {
            offenders.push(format!("{path}: begin it with //! and what it is for"));
        }
        if lines > LINES_WALL {
            offenders.push(format!("{path}: {lines} lines, the wall is {LINES_WALL}"));
        } else if lines > LINES_GOAL {
            if LONG_FILES.iter().all(|(listed, _)| *listed != path) {
                offenders.push(format!(
                    "{path}: {lines} lines; split it, or list it in LONG_FILES with a reason"
                ));
            }
            long.push(path);
        }
    }
    for (listed, _) in LONG_FILES {
        if !long.iter().any(|path| path == listed) {
            offenders.push(format!(
                "{listed}: not above {LINES_GOAL} lines; take it out of LONG_FILES"
            ));
        }
    }
    report("files too long or without a header", &offenders);
}

#[test]
fn open_ends_name_their_issue() {
    let mut offenders = Vec::new();
    let own = "tests/tidy.rs";
    for path in files(&["rs", "toml"])
        .into_iter()
        .filter(|path| path != own)
    {
        for (line, text) in (1..).zip(read(&path).lines()) {
            let open = words(text).any(|word| ["TODO", "FIXME"].contains(&word));
            let issue = text
                .split('#')
                .skip(1)
                .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            if open && !issue {
                offenders.push(format!("{path}:{line}: {}", text.trim()));
            }
        }
    }
    report("write the issue, as in TODO(#12)", &offenders);
}

#[test]
fn no_tabs_and_no_trailing_space() {
    let mut offenders = Vec::new();
    for path in files(&["rs", "md", "toml"]) {
        for (line, text) in (1..).zip(read(&path).split('\n')) {
            if text.contains('\t') {
                offenders.push(format!("{path}:{line}: a tab"));
            }
            if text.ends_with([' ', '\r']) {
                offenders.push(format!("{path}:{line}: space at the end"));
            }
        }
    }
    report("white space", &offenders);
}

#[test]
fn scenarios_run() {
    let mut offenders = Vec::new();
    let mut found = 0;
    for path in files(&["toml"])
        .into_iter()
        .filter(|path| path.starts_with("scenarios/"))
    {
        found += 1;
        let text = read(&path);
        if path.starts_with("scenarios/gate/policy") {
            let error = Policy::parse(&path, &text).err();
            offenders.extend(error.map(|error| error.to_string()));
        } else {
            offenders.extend(scenario_fault(&path, &text));
            if !SHIPPED.iter().any(|shipped| shipped.file == path) {
                offenders.push(format!("{path}: not in SHIPPED of src/scenario/shipped.rs"));
            }
        }
    }
    assert!(found > 0, "scenarios/ is empty");
    report("scenarios that would be refused", &offenders);
}

#[test]
fn examples_in_the_scenario_reference_run() {
    let text = read("docs/scenarios.md");
    let whole = blocks(&text, "toml").filter(|block| block.contains("version = "));
    let faults: Vec<_> = whole
        .map(|b| scenario_fault("docs/scenarios.md", b))
        .collect();
    assert!(faults.len() >= 2, "docs/scenarios.md has no whole example");
    let offenders: Vec<_> = faults.into_iter().flatten().collect();
    report("examples that would be refused", &offenders);
}

#[test]
fn links_lead_somewhere() {
    let mut offenders = Vec::new();
    for path in files(&["md"]) {
        let text = prose(&read(&path));
        let dir = Path::new(&path).parent().unwrap_or(Path::new(""));
        for (line, row) in (1..).zip(text.lines()) {
            for target in links(row) {
                let file = target.split('#').next().unwrap_or_default();
                let outside = target.contains("://") || target.starts_with("mailto:");
                if outside || file.is_empty() || root().join(dir).join(file).exists() {
                    continue;
                }
                offenders.push(format!("{path}:{line}: {target}"));
            }
        }
    }
    report("links to files that do not exist", &offenders);
}

#[test]
fn decisions_are_indexed() {
    let index = read("docs/adr/README.md");
    let mut offenders = Vec::new();
    for path in files(&["md"]) {
        let Some(name) = path.strip_prefix("docs/adr/") else {
            continue;
        };
        if name != "README.md" && !index.contains(&format!("({name})")) {
            offenders.push(format!("{path}: not linked from docs/adr/README.md"));
        }
    }
    report("decisions without a line in the index", &offenders);
}

#[test]
fn every_outcome_is_documented() {
    let source = read("src/stats/outcome.rs");
    let display = section(&source, "impl fmt::Display for FailureClass");
    let mut labels: Vec<String> = literals(display)
        .filter(|text| text.starts_with(|c: char| c.is_ascii_lowercase()))
        // Of `unanswered.{}` the family is looked for; its members are the stages.
        .map(|text| text.split('{').next().unwrap_or_default().to_owned())
        .collect();
    for part in source.split("fn label(self)").skip(1) {
        let body = part.split("\n    }").next().unwrap_or_default();
        labels.extend(literals(body).map(str::to_owned));
    }
    let source = read("src/stats/alert.rs");
    let alerts = section(&source, "pub fn alert_name");
    labels.extend(literals(alerts).map(|name| format!("alert.{name}")));
    assert!(labels.len() > 60, "only {} labels were found", labels.len());
    mentions("docs/failures.md", &labels, |text, label| {
        text.contains(&format!("`{label}")) || text.contains(&format!(".{label}`"))
    });
}

#[test]
fn every_validity_code_is_documented() {
    let sources = sources().into_iter();
    let source: String = sources
        .filter(|source| source.module == "analysis" && !source.path.ends_with("_tests.rs"))
        .map(|source| read(&source.path))
        .collect();
    let codes: Vec<String> = source
        .split("Note::new(")
        .skip(1)
        .filter_map(|rest| literals(rest).next().map(str::to_owned))
        .collect();
    assert!(codes.len() > 5, "only {} codes were found", codes.len());
    mentions("docs/methodology.md", &codes, |text, code| {
        text.contains(&format!("`{code}`"))
    });
}

#[test]
fn every_code_of_a_comparison_is_documented() {
    let mut source = read("src/compare/differences.rs");
    let kinds = section(&source, "impl Difference").to_owned();
    // Each kind of difference has its code where its words are.
    let codes = kinds.split("=> (").skip(1);
    let mut codes: Vec<String> = codes
        .filter_map(|rest| literals(rest).next().map(str::to_owned))
        .collect();
    for file in ["conduct", "learn", "mod", "verdict"] {
        source = read(&format!("src/compare/{file}.rs"));
        let notes = source.split("Note::new(").skip(1);
        codes.extend(notes.filter_map(|rest| literals(rest).next().map(str::to_owned)));
    }
    codes.retain(|code| code.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
    assert!(codes.len() > 15, "only {} codes were found", codes.len());
    mentions("docs/gate.md", &codes, |text, code| {
        text.contains(&format!("`{code}`"))
    });
}

#[test]
fn examples_of_policies_are_policies() {
    let text = read("docs/gate.md");
    let policies: Vec<&str> = blocks(&text, "toml").collect();
    assert!(!policies.is_empty(), "docs/gate.md has no policy");
    let faults = policies
        .iter()
        .filter_map(|p| Policy::parse("docs/gate.md", p).err());
    let offenders: Vec<String> = faults.map(|error| error.to_string()).collect();
    report("policies that would be refused", &offenders);
}

#[test]
fn every_scenario_key_is_documented() {
    let source = read("src/scenario/model.rs") + &read("src/scenario/target.rs");
    let keys: Vec<String> = source
        .lines()
        .filter_map(|line| line.strip_prefix("    pub "))
        .filter_map(|field| field.split_once(':'))
        .filter(|(name, _)| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .map(|(name, _)| name.replace('_', "-"))
        .collect();
    assert!(keys.len() > 40, "only {} keys were found", keys.len());
    mentions("docs/scenarios.md", &keys, |text, key| {
        text.contains(&format!("`{key}`"))
    });
}

#[test]
fn every_fuzz_target_has_seeds_and_is_documented() {
    let (manifest, document) = (read("fuzz/Cargo.toml"), read("CONTRIBUTING.md"));
    let mut offenders = Vec::new();
    let mut found = 0;
    for path in files(&["rs"]) {
        let Some(target) = path
            .strip_prefix("fuzz/fuzz_targets/")
            .and_then(|name| name.strip_suffix(".rs"))
        else {
            continue;
        };
        found += 1;
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
    assert!(found > 0, "fuzz/fuzz_targets/ is empty");
    report("fuzz targets that are not complete", &offenders);
}

#[test]
fn the_scanner_sees_code_only() {
    let text = "let a = \"crate::x \\\" \"; // crate::y\nr#\"crate::z\"#; 'c'; /* crate::w */ &'a crate::load\n";
    let code = code_of(text);
    assert_eq!(code.lines().count(), text.lines().count());
    assert!(code.contains("&'a crate::load"), "{code}");
    for hidden in ["crate::x", "crate::y", "crate::z", "crate::w"] {
        assert!(!code.contains(hidden), "{code}");
    }
    assert_eq!(heads("{self, a::{b, c}, d as e}"), ["self", "a", "d"]);
    assert_eq!(heads("text::escape(x)"), ["text"]);
}

/// One file of `src/`.
struct Source {
    /// From the root of the repository.
    path: String,
    /// The top-level module it belongs to.
    module: String,
    /// Its text without comments and the insides of strings, line by line as before.
    code: String,
}

impl Source {
    /// The top-level modules it names, with their line: `crate::x`, `crate::{x, y}`, and `super::x`
    /// where x is a top-level module and none of its own.
    fn imports(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (at, _) in self.code.match_indices("crate::") {
            let line = 1 + self.code[..at].matches('\n').count();
            let names = heads(&self.code[at + "crate::".len()..]);
            found.extend(names.into_iter().map(|name| (line, name)));
        }
        for (at, _) in self.code.match_indices("super::") {
            let line = 1 + self.code[..at].matches('\n').count();
            for name in heads(&self.code[at + "super::".len()..]) {
                let own = root().join("src").join(&self.module).join(&name);
                let is_own = own.is_dir() || own.with_extension("rs").is_file();
                if layer(&name).is_some() && !is_own {
                    found.push((line, name));
                }
            }
        }
        found
    }
}

fn layer(module: &str) -> Option<u32> {
    let found = LAYERS.iter().find(|(name, _)| *name == module);
    found.map(|(_, height)| *height)
}

/// Every file of `src/`, its comments and strings taken out.
fn sources() -> Vec<Source> {
    let paths = files(&["rs"])
        .into_iter()
        .filter(|path| path.starts_with("src/"));
    paths
        .map(|path| {
            let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
            Source {
                module: inside.split('/').next().unwrap_or_default().to_owned(),
                code: code_of(&read(&path)),
                path,
            }
        })
        .collect()
}

/// The first names of a path or of a braced list of paths, as they stand after `crate::`.
fn heads(text: &str) -> Vec<String> {
    let Some(list) = text.strip_prefix('{') else {
        return words(text).take(1).map(str::to_owned).collect();
    };
    let mut names = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.extend(words(&list[start..at]).next().map(str::to_owned));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

/// Blanks comments and the insides of strings, keeping every line where it was.
fn code_of(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let hidden = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if c == '"' {
            string_end(rest)
        } else if c == 'r' && !out.ends_with(is_word) {
            raw_string_end(rest)
        } else if c == '\'' {
            char_end(rest)
        } else {
            0
        };
        if hidden == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.extend(
                rest[..hidden]
                    .chars()
                    .map(|c| if c == '\n' { c } else { ' ' }),
            );
            rest = &rest[hidden..];
        }
    }
    out
}

fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a raw string at the beginning of `text`; 0 if there is none.
fn raw_string_end(text: &str) -> usize {
    let hashes = text[1..].chars().take_while(|c| *c == '#').count();
    if !text[1 + hashes..].starts_with('"') {
        return 0;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let begin = 2 + hashes;
    let end = text[begin..].find(&close);
    end.map_or(text.len(), |end| begin + end + close.len())
}

/// The length of a character literal at the beginning of `text`; 0 for a lifetime.
fn char_end(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), _) => text[3..].find('\'').map_or(0, |end| end + 4),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_word(c)).filter(|word| !word.is_empty())
}

/// The text from `begin` to the first closing brace at the beginning of a line.
fn section<'a>(source: &'a str, begin: &str) -> &'a str {
    let Some(at) = source.find(begin) else {
        panic!("{begin:?} is not in the source any more; adapt tests/tidy.rs");
    };
    let end = source[at..].find("\n}").unwrap_or(source.len() - at);
    &source[at..at + end]
}

/// The string literals of a text without escapes in them.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

/// Fails if `document` lacks one of `names`, as `says` looks for them.
fn mentions(document: &str, names: &[String], says: impl Fn(&str, &str) -> bool) {
    let text = read(document);
    let missing = names.iter().filter(|name| !says(&text, name));
    let offenders: Vec<String> = missing
        .map(|name| format!("{name} is not in {document}"))
        .collect();
    report("not documented", &offenders);
}

fn scenario_fault(name: &str, text: &str) -> Option<String> {
    let scenario = Scenario::parse(name, text);
    let checked = scenario.and_then(|scenario| scenario.check(name, text));
    checked.err().map(|error| error.to_string())
}

/// The fenced blocks of one language in a Markdown text.
fn blocks<'a>(text: &'a str, language: &str) -> impl Iterator<Item = &'a str> {
    let fence = format!("```{language}\n");
    let parts: Vec<&str> = text.split(fence.as_str()).skip(1).collect();
    parts
        .into_iter()
        .map(|part| part.split("```").next().unwrap_or_default())
}

/// A Markdown text with the insides of its code blanked, so that only prose has links.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut out = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let spoken = line.split('`').step_by(2).collect::<Vec<_>>();
            out.push_str(&spoken.join("`"));
        }
        out.push('\n');
    }
    out
}

/// The targets of the links in one line of Markdown.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let inline = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next());
    let named = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]: "))
        .map(|(_, target)| target.trim());
    inline.chain(named)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The repository's files with one of these extensions, as paths from its root, in order.
fn files(extensions: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    walk(&root(), &mut found);
    let wanted = |path: &PathBuf| {
        let extension = path.extension().and_then(|e| e.to_str());
        extension.is_some_and(|e| extensions.contains(&e))
    };
    let mut names: Vec<String> = found
        .iter()
        .filter(|path| wanted(path))
        .filter_map(|path| path.strip_prefix(root()).ok())
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Adds the files below `dir`, leaving out hidden folders and what builds make.
fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_file() {
            found.push(path);
        } else if !name.starts_with('.') && name != "target" {
            walk(&path, found);
        }
    }
}

/// Fails with the list of offenders, if there are any.
fn report(what: &str, offenders: &[String]) {
    let mut list = String::new();
    for offender in offenders {
        let _ = write!(list, "\n  {offender}");
    }
    assert!(offenders.is_empty(), "{what}:{list}");
}
