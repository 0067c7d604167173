//! A result of which every string that a stranger could have had a hand in is an attack on whoever reads a
//! report of it.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// What strangers might send.
pub const CORPUS: [&str; 14] = [
    "<script>document.title='PWNED'</script>",
    "\"><img src=x onerror=\"document.title='PWNED'\">",
    "'><svg onload=document.title='PWNED'>",
    "</title></style></text></svg><script src=http://127.0.0.1:9/x.js></script>",
    "<iframe src=\"http://127.0.0.1:9/frame\"></iframe><link rel=stylesheet href=//127.0.0.1:9/x.css>",
    "javascript:document.title='PWNED'",
    "=HYPERLINK(\"http://127.0.0.1:9/\",\"x\")",
    "+1+cmd|' /C calc'!A0",
    "@SUM(1)\t=1",
    "exe\u{202e}gpj\u{2066}.\u{200f}\u{200b}",
    "\u{1b}]8;;http://127.0.0.1:9/\u{7}x\u{1b}[31m",
    "| a | b |\n# heading\n[x](javascript:alert(1)) ![y](http://127.0.0.1:9/y.png) `",
    "{{7*7}}{% raw %}&lt;&amp;&#x3c;script&#x3e;",
    "a\"} 1\nshakedown_forged{x=\"\\",
];

/// Keys of a result whose values are free text.
const FREE: [&str; 31] = [
    "name",
    "question",
    "reading",
    "message",
    "advice",
    "example",
    "cpu",
    "kernel",
    "platform",
    "address",
    "alpn",
    "cipher_suite",
    "group",
    "server_signature",
    "client_signature",
    "identity",
    "code",
    "governor",
    "virtual_machine",
    "clock_source",
    "git_revision",
    "reason",
    "provider",
    "target_provider",
    "load_model",
    "port_range",
    "source",
    "scenario",
    "host_class",
    "figure",
    "rule",
];

/// Writes the fixture into `dir` as often as there are attacks, so that each attack is in each place once. What
/// is checked when a file is read stays: times, enumerations, histograms.
pub fn results(dir: &Path, fixture: &str) -> Vec<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(fixture);
    let text = std::fs::read_to_string(path).unwrap();
    let write = |first: usize| {
        let mut value: Value = serde_json::from_str(&text).unwrap();
        let mut next = first;
        inject(&mut value, "", &mut next);
        let replaced = next - first;
        assert!(replaced > 20, "only {replaced} strings were replaced");
        let file = dir.join(format!("{first}-{fixture}"));
        std::fs::write(&file, serde_json::to_string(&value).unwrap()).unwrap();
        file
    };
    (0..CORPUS.len()).map(write).collect()
}

/// The next attack. Each is used many times, in other places.
fn attack(next: &mut usize) -> String {
    *next += 1;
    CORPUS[*next % CORPUS.len()].to_owned()
}

fn inject(value: &mut Value, key: &str, next: &mut usize) {
    match value {
        Value::String(text) if FREE.contains(&key) => *text = attack(next),
        Value::Array(all) if key == "command" => {
            for word in all.iter_mut() {
                *word = Value::String(attack(next));
            }
        }
        Value::Array(all) => {
            for one in all.iter_mut() {
                inject(one, key, next);
            }
        }
        Value::Object(fields) if key == "failed" => {
            let mut renamed = serde_json::Map::new();
            for (number, (_, mut failure)) in std::mem::take(fields).into_iter().enumerate() {
                inject(&mut failure, "", next);
                renamed.insert(format!("{}{number}", attack(next)), failure);
            }
            *fields = renamed;
        }
        Value::Object(fields) => {
            // The provider of a scenario or cell is an enumeration; that of what was observed is free text.
            let checked =
                |name: &str| key == "cell" && name != "name" || key == "tls" || key == "embedded";
            for (name, field) in fields.iter_mut().filter(|(name, _)| !checked(name)) {
                inject(field, name, next);
            }
        }
        _ => {}
    }
}
