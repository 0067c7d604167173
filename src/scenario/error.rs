//! Scenario errors: the place (file, line and key, or the flag), the cause, and what to do.

use std::fmt;
use std::path::Path;

use super::Scenario;
use crate::files::{TEXT_CAP, read_text};
use crate::text::secrets::without_value;
use crate::text::{control_in_toml, line_at, line_of_key};

/// A scenario that cannot run, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ScenarioError {
    place: String,
    cause: String,
    remedy: String,
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  help: {}", self.place, self.cause, self.remedy)
    }
}

/// What is wrong with one key of a scenario, before it is known where that key was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// Path of the key, e.g. `load.rate`.
    pub key: &'static str,
    pub cause: String,
    pub remedy: String,
}

impl Problem {
    pub fn new(key: &'static str, cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            key,
            cause: cause.into(),
            remedy: remedy.into(),
        }
    }

    /// Says where the key is: in `text` under `name` if it was written there, else as a flag.
    pub fn locate(self, name: &str, text: &str) -> ScenarioError {
        let path: Vec<&str> = self.key.split('.').collect();
        let place = match line_of_key(text, &path) {
            Some(line) => format!("{name}:{line}: {}", self.key),
            None if text.is_empty() => format!("command line: {}", self.key),
            None => format!("{name}: {}", self.key),
        };
        ScenarioError {
            place,
            cause: self.cause,
            remedy: self.remedy,
        }
    }
}

impl Scenario {
    /// Reads a scenario file; also returns its text, to which later errors can point.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, and as [`Self::parse`] does.
    pub fn read(path: &Path) -> Result<(Self, String), ScenarioError> {
        let name = path.display().to_string();
        let text = read_text(path, TEXT_CAP).map_err(|error| ScenarioError {
            place: name.clone(),
            cause: format!("cannot read this scenario: {error}"),
            remedy: "give a file ending in .toml, or a URL".to_owned(),
        })?;
        Ok((Self::parse(&name, &text)?, text))
    }

    /// Reads a scenario from the text of a file called `name`.
    ///
    /// # Errors
    ///
    /// Fails with file, line and cause for text that is not TOML, an unknown or missing key, or a
    /// value that does not fit.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        if let Some((line, c)) = control_in_toml(text) {
            return Err(ScenarioError {
                place: format!("{name}:{line}"),
                cause: format!("a string has the control character U+{:04X}", u32::from(c)),
                remedy: "leave it out: terminals obey such characters where the text is shown"
                    .to_owned(),
            });
        }
        let scenario: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_at(text, span.start));
            ScenarioError {
                place: format!("{name}:{line}"),
                cause: without_value(&error.message().replace('\n', " ")),
                remedy: "docs/scenarios.md lists every key with its unit and default".to_owned(),
            }
        })?;
        if scenario.name.chars().any(char::is_control) {
            let cause = "the name has several lines";
            return Err(Problem::new("name", cause, "write it in one").locate(name, text));
        }
        if scenario.version != 1 {
            return Err(Problem::new(
                "version",
                format!(
                    "scenario format {} is not known to this build",
                    scenario.version
                ),
                "write version = 1, or use a newer shakedown",
            )
            .locate(name, text));
        }
        Ok(scenario)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "version = 1\nname = \"x\"\n";

    fn error(body: &str) -> String {
        Scenario::parse("s.toml", &format!("{HEAD}{body}"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn unknown_keys_are_errors_with_their_line() {
        let text = error("[load]\nsesions = 5\n");
        assert!(
            text.starts_with("s.toml:4: unknown field `sesions`"),
            "{text}"
        );
        assert!(text.contains("sessions"), "{text}");
    }

    #[test]
    fn bad_units_are_errors_with_their_line() {
        let text = error("[load]\nduration = \"5\"\n");
        assert!(text.starts_with("s.toml:4:"), "{text}");
        assert!(text.contains("250ms"), "{text}");
    }

    #[test]
    fn broken_toml_is_an_error_with_its_line() {
        assert!(error("[load\n").starts_with("s.toml:3:"));
    }

    #[test]
    fn another_version_is_refused() {
        let text = Scenario::parse("s.toml", "name = \"x\"\nversion = 9\n")
            .unwrap_err()
            .to_string();
        assert!(
            text.starts_with("s.toml:2: version: scenario format 9"),
            "{text}"
        );
    }
}
