//! Where a scenario comes from: the build, a file, standard input, or a URL.

use std::path::Path;

use shakedown::scenario::{Checked, Document, Scenario, Shipped};

/// Whether this is how standard input is named.
pub fn is_stdin(word: &str) -> bool {
    ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].contains(&word)
}

/// A scenario with where it came from.
pub struct Source {
    /// As errors name it.
    pub name: String,
    /// What was written; empty for a URL alone.
    pub text: String,
    /// What that says here.
    pub scenario: Scenario,
    /// What the record keeps of it.
    pub written: Scenario,
}

impl Source {
    fn new(name: &str, text: &str, scenario: Scenario) -> Self {
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            written: scenario.clone(),
            scenario,
        }
    }

    /// One of the build's.
    pub fn shipped(shipped: Shipped) -> anyhow::Result<Self> {
        Ok(Self::new(shipped.file, shipped.text, shipped.scenario()?))
    }

    /// A file or standard input, if this is how one is named: by its path, whatever it ends in.
    fn document(word: &str) -> Option<anyhow::Result<Self>> {
        let path = Path::new(word);
        let document = if is_stdin(word) {
            Document::read_stdin()
        } else if names_file(word) {
            Document::read(path)
        } else {
            return None;
        };
        Some(document.map_err(Into::into).map(|document| Self {
            name: document.name,
            text: document.text,
            scenario: document.scenario,
            written: document.written,
        }))
    }

    /// A file, standard input, or one of the build's by its name.
    pub fn written(word: &str) -> anyhow::Result<Self> {
        if let Ok(shipped) = Shipped::named(word) {
            return Self::shipped(shipped);
        }
        Self::document(word).unwrap_or_else(|| Self::shipped(Shipped::named(word)?))
    }

    /// A file, standard input, one of the build's by its name, or a URL.
    pub fn of(word: &str) -> anyhow::Result<Self> {
        if Shipped::is_name(word) || is_stdin(word) || names_file(word) {
            return Self::written(word);
        }
        let mut scenario = Scenario::default();
        scenario.target.url = Some(word.to_owned());
        Ok(Self::new("command line", "", scenario))
    }

    /// Fills the scenario with what was given as flags, in what it says here and in what is kept of it.
    pub fn apply(
        &mut self,
        apply: impl Fn(&mut Scenario) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        apply(&mut self.scenario)?;
        apply(&mut self.written)
    }

    /// Finds what it means.
    pub fn check(self) -> anyhow::Result<Checked> {
        let mut checked = self.scenario.check(&self.name, &self.text)?;
        checked.written = self.written;
        Ok(checked)
    }
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
