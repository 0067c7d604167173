//! Holds `docs/servers.md` and `docs/lifetime-audit.md` to the tables in `counted`, `differences`, `resumption` and
//! `lifetime`: what stands between their markers is made from them.
//! `SHAKEDOWN_UPDATE=1` writes it anew.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use shakedown::scenario::{IdentityFault, TlsVersion};

use crate::counted;
use crate::differences::{ACCEPTED, Answer, Family, Known, SERVERS, right};
use crate::lifetime;
use crate::resumption;
use crate::server::script;

const VERSIONS: [TlsVersion; 2] = [TlsVersion::Tls12, TlsVersion::Tls13];

/// Each family with its members, in the order in which they come up.
fn families() -> Vec<(&'static Family, Vec<&'static Known>)> {
    let mut families: Vec<(&Family, Vec<&Known>)> = Vec::new();
    for known in &SERVERS {
        match families
            .iter_mut()
            .find(|(f, _)| f.name == known.family.name)
        {
            Some((_, members)) => members.push(known),
            None => families.push((known.family, vec![known])),
        }
    }
    families
}

fn cell(answer: Answer) -> String {
    let labels: Vec<String> = answer
        .iter()
        .map(|&label| match label {
            ACCEPTED => "**accepted**".to_owned(),
            label => format!("`{label}`"),
        })
        .collect();
    labels.join(" or ")
}

/// The two columns of a row.
fn cells(answer: impl Fn(TlsVersion) -> Answer) -> String {
    VERSIONS.map(|version| cell(answer(version))).join(" | ")
}

fn family_section(family: &Family, members: &[&Known]) -> String {
    let names: Vec<&str> = members.iter().map(|known| known.name).collect();
    let (name, names, manner) = (family.name, names.join(", "), family.manner);
    let mut text = format!("### {name}: {names}\n\n{manner}\n\n");
    text += "| Fault | TLS 1.2 | TLS 1.3 | Remark |\n|---|---|---|---|\n";
    for row in family.rows {
        let faults: Vec<String> = row.faults.iter().map(|f| format!("`{f}`")).collect();
        let faults = match (row.faults, family.rows) {
            ([], [_]) => "every fault".to_owned(),
            ([], _) => "every other".to_owned(),
            _ => faults.join(", "),
        };
        let remark = if row.why.is_empty() { "–" } else { row.why };
        let cells = cells(|version| row.answer(version));
        writeln!(text, "| {faults} | {cells} | {remark} |").unwrap();
    }
    text + "\n"
}

/// The tables of the document.
fn answers() -> String {
    let families = families();
    let mut text = String::from("\n");
    for (family, members) in &families {
        text += &family_section(family, members);
    }
    text += "### Servers that differ from their family\n\n";
    text += "| Server | Fault | TLS 1.2 | TLS 1.3 | Why |\n|---|---|---|---|---|\n";
    for known in &SERVERS {
        for own in known.differences {
            let cells = cells(|version| known.answer(own.fault, version));
            let (name, fault, why) = (known.name, own.fault, own.why);
            writeln!(text, "| {name} | `{fault}` | {cells} | {why} |").unwrap();
        }
    }
    text + "\n"
}

/// The document with what stands between the markers of a part replaced.
fn with_part(text: &str, part: &str, made: &str) -> String {
    let begin = format!("<!-- {part}: made by tests/real_servers, SHAKEDOWN_UPDATE=1 -->\n");
    let end = format!("<!-- end of {part} -->\n");
    let (head, rest) = text.split_once(&begin).expect("the first marker");
    let (_, tail) = rest.split_once(&end).expect("the second marker");
    [head, &begin, made, &end, tail].concat()
}

/// Holds a document to its parts, or writes them.
fn says(name: &str, parts: &[(&str, String)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let made = parts.iter().fold(text.clone(), |made, (part, section)| {
        with_part(&made, part, section)
    });
    if text != made && std::env::var_os("SHAKEDOWN_UPDATE").is_some() {
        std::fs::write(&path, made).unwrap();
        return;
    }
    assert!(
        text == made,
        "{name} is not what tests/real_servers expects; run \
         SHAKEDOWN_UPDATE=1 cargo test --test real_servers and read the diff"
    );
}

#[test]
fn the_documents_say_what_the_tests_expect() {
    says(
        "docs/servers.md",
        &[
            ("resumption", resumption::section()),
            ("counts", counted::section()),
            ("answers", answers()),
        ],
    );
    let lifetimes = [("lifetimes", lifetime::section())];
    says("docs/lifetime-audit.md", &lifetimes);
}

#[test]
fn what_is_not_right_has_its_reason_and_nothing_else_has() {
    for known in &SERVERS {
        let name = known.name;
        for fault in IdentityFault::of_clients() {
            let mut answers = VERSIONS
                .into_iter()
                .flat_map(|version| known.answer(fault, version));
            let is_right = answers.all(|label| right(fault).contains(label));
            assert_eq!(is_right, known.why(fault).is_empty(), "{name} {fault}");
        }
        for own in known.differences {
            let family = known.family.row(own.fault);
            let same = (own.tls12, own.tls13) == (family.tls12, family.tls13);
            assert!(!same, "{name} {}: no difference", own.fault);
        }
    }
}

#[test]
fn every_server_of_the_script_is_known() {
    let output = Command::new(script()).arg("names").output().unwrap();
    let names = String::from_utf8(output.stdout).unwrap();
    let names: Vec<&str> = names.lines().collect();
    assert_eq!(names, SERVERS.each_ref().map(|known| known.name));
    assert_eq!(names, crate::verdicts::TESTED);
}
