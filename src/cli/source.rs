//! Where a scenario comes from: the build, a file, standard input, or a URL.

use std::path::Path;

use shakedown::scenario::{Checked, Document, Scenario, Shipped};

/// Whether this is how standard input is named.
pub(crate) fn is_stdin(word: &str) -> bool {
    ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].contains(&word)
}

/// One of the build's.
pub(crate) fn shipped(shipped: Shipped) -> anyhow::Result<Document> {
    Ok(document(shipped.file, shipped.text, shipped.scenario()?))
}

/// A file, standard input, or one of the build's by its name.
pub(crate) fn written(word: &str) -> anyhow::Result<Document> {
    match Shipped::named(word) {
        Ok(named) => shipped(named),
        Err(_) if is_stdin(word) => Ok(Document::read_stdin()?),
        Err(_) if names_file(word) => Ok(Document::read(Path::new(word))?),
        Err(unknown) => Err(unknown.into()),
    }
}

/// A file, standard input, one of the build's by its name, or a URL.
pub(crate) fn read(word: &str) -> anyhow::Result<Document> {
    if Shipped::is_name(word) || is_stdin(word) || names_file(word) {
        return written(word);
    }
    let mut scenario = Scenario::default();
    scenario.target.url = Some(word.to_owned());
    Ok(document("command line", "", scenario))
}

fn document(name: &str, text: &str, scenario: Scenario) -> Document {
    Document {
        name: name.to_owned(),
        text: text.to_owned(),
        written: scenario.clone(),
        scenario,
    }
}

/// Checks a scenario.
pub(crate) fn check(document: Document) -> anyhow::Result<Checked> {
    let mut checked = document.scenario.check(&document.name, &document.text)?;
    checked.written = document.written;
    Ok(checked)
}

/// Whether a word is the path of a file: one that is there, or that is written as paths are and not as a
/// URL, whose host and port come before any slash.
fn names_file(word: &str) -> bool {
    if word.contains("://") {
        return false;
    }
    let path = Path::new(word);
    let toml = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("toml"));
    let slash = word
        .split_once('/')
        .is_some_and(|(first, _)| !first.contains(':'));
    toml || slash || std::fs::metadata(path).is_ok_and(|found| !found.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_from_urls_by_how_they_are_written() {
        for file in [
            "a.toml",
            "./my.conf",
            "a/b",
            "/etc/hosts",
            "~/x",
            "Cargo.lock",
        ] {
            assert!(names_file(file), "{file}");
        }
        for other in [
            "h:443",
            "h:443/p",
            "https://h/a.toml",
            "providers",
            "[::1]:443/p",
            "src",
        ] {
            assert!(!names_file(other), "{other}");
        }
    }
}
