//! Where a scenario comes from: the build, a file, or a URL.

use std::path::Path;

use shakedown::scenario::{Scenario, Shipped};

/// A scenario with where it came from.
pub struct Source {
    /// As errors name it.
    pub name: String,
    /// What was written; empty for a URL alone.
    pub text: String,
    /// What that says.
    pub scenario: Scenario,
}

impl Source {
    /// One of the build's.
    ///
    /// # Errors
    ///
    /// Fails as [`Scenario::parse`] does.
    pub fn shipped(shipped: Shipped) -> anyhow::Result<Self> {
        Ok(Self {
            name: shipped.file.to_owned(),
            text: shipped.text.to_owned(),
            scenario: shipped.scenario()?,
        })
    }

    /// A file, if this is how one is named.
    fn file(word: &str) -> Option<anyhow::Result<Self>> {
        let path = Path::new(word);
        let toml = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("toml"));
        (toml && !word.contains("://")).then(|| {
            let (scenario, text) = Scenario::read(path)?;
            Ok(Self {
                name: word.to_owned(),
                text,
                scenario,
            })
        })
    }

    /// A file, or one of the build's by its name.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be read, or there is none of this name.
    pub fn written(word: &str) -> anyhow::Result<Self> {
        Self::file(word).unwrap_or_else(|| Self::shipped(Shipped::named(word)?))
    }

    /// A file, one of the build's by its name, or a URL.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::written`] does.
    pub fn of(word: &str) -> anyhow::Result<Self> {
        if Shipped::is_name(word) {
            return Self::written(word);
        }
        Self::file(word).unwrap_or_else(|| {
            let mut scenario = Scenario::default();
            scenario.target.url = Some(word.to_owned());
            Ok(Self {
                name: "command line".to_owned(),
                text: String::new(),
                scenario,
            })
        })
    }
}
