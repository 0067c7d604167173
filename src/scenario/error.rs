//! Scenario errors: the place (file, line and key, or the flag), the cause, and what to do.

use std::fmt;

use super::Scenario;
pub(super) use crate::protocol::Problem;
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

/// A problem with a key, where there is one.
pub(super) fn refuse(
    wrong: bool,
    key: &'static str,
    cause: impl Into<String>,
    remedy: impl Into<String>,
) -> Result<(), Problem> {
    if wrong {
        Err(Problem::new(key, cause, remedy))
    } else {
        Ok(())
    }
}

impl Problem {
    /// Says where the key is: in `text` under `name` if it was written there, else as a flag.
    pub(super) fn locate(self, name: &str, text: &str) -> ScenarioError {
        let path: Vec<&str> = self.key.split('.').collect();
        let place = match line_of_key(text, &path) {
            Some(line) => format!("{name}:{line}: {}", self.key),
            None if text.is_empty() => format!("command line: {}", self.key),
            None => format!("{name}: {}", self.key),
        };
        ScenarioError::new(place, self.cause, self.remedy)
    }
}

impl ScenarioError {
    pub(super) fn new(
        place: impl Into<String>,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            place: place.into(),
            cause: cause.into(),
            remedy: remedy.into(),
        }
    }

    /// What is wrong with a key, of which the path may have places in lists, in a file called `name`.
    pub(super) fn at_key(
        (name, text): (&str, &str),
        path: &[String],
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let words: Vec<&str> = path.iter().map(String::as_str).collect();
        let place = match line_of_key(text, &words) {
            Some(line) => format!("{name}:{line}: {}", shown(path)),
            None => format!("{name}: {}", shown(path)),
        };
        Self::new(place, cause, remedy)
    }

    /// It with its texts changed.
    pub(super) fn map(self, change: impl Fn(&str) -> String) -> Self {
        Self {
            place: self.place,
            cause: change(&self.cause),
            remedy: change(&self.remedy),
        }
    }
}

/// A place in a file called `name`, by its offset in bytes and the keys that lead there.
pub(super) fn place(name: &str, text: &str, path: &[String], offset: usize) -> String {
    format!("{name}:{}: {}", line_at(text, offset), shown(path))
}

/// A path of keys as people write it: `identities[1].cert`.
fn shown(path: &[String]) -> String {
    let mut out = String::new();
    for word in path {
        if word.bytes().all(|b| b.is_ascii_digit()) {
            out.extend(["[", word, "]"]);
        } else {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(word);
        }
    }
    out
}

/// What is wrong with the TOML of a file called `name`, or with a value in it.
pub(super) fn of_toml(name: &str, text: &str, error: &toml::de::Error) -> ScenarioError {
    let line = error.span().map_or(1, |span| line_at(text, span.start));
    ScenarioError::new(
        format!("{name}:{line}"),
        without_value(&error.message().replace('\n', " ")),
        "docs/scenarios.md lists every key with its unit and default",
    )
}

impl Scenario {
    /// Reads a scenario from the text of a file called `name`, word by word: the environment and the folder
    /// of the file are a [`Document`](super::Document)'s affair.
    ///
    /// # Errors
    ///
    /// Fails with file, line and cause for text that is not TOML, an unknown or missing key, or a
    /// value that does not fit.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        refuse_controls(name, text)?;
        let scenario: Self = toml::from_str(text).map_err(|e| of_toml(name, text, &e))?;
        scenario.check_head(name, text)?;
        Ok(scenario)
    }

    /// Refuses a name of several lines and a version that is not known.
    pub(super) fn check_head(&self, name: &str, text: &str) -> Result<(), ScenarioError> {
        if self.name.chars().any(char::is_control) {
            let cause = "the name has several lines";
            return Err(Problem::new("name", cause, "write it in one").locate(name, text));
        }
        if self.version == 1 {
            return Ok(());
        }
        Err(Problem::new(
            "version",
            format!(
                "scenario format {} is not known to this build",
                self.version
            ),
            "write version = 1, or use a newer shakedown",
        )
        .locate(name, text))
    }
}

/// Refuses a file with strings that terminals obey.
pub(super) fn refuse_controls(name: &str, text: &str) -> Result<(), ScenarioError> {
    let Some((line, c)) = control_in_toml(text) else {
        return Ok(());
    };
    Err(ScenarioError::new(
        format!("{name}:{line}"),
        format!("a string has the control character U+{:04X}", u32::from(c)),
        "leave it out: terminals obey such characters where the text is shown",
    ))
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
