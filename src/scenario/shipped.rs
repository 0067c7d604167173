//! The scenarios that come with this build, each as its file in `scenarios/` is.

use super::{Scenario, ScenarioError};

/// A scenario that is part of the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shipped {
    /// By which it is run: the name of its file without `.toml`.
    pub name: &'static str,
    /// Its file in the repository, as it appears in errors.
    pub file: &'static str,
    /// What is in the file.
    pub text: &'static str,
}

macro_rules! shipped {
    ($name:literal) => {
        Shipped {
            name: $name,
            file: concat!("scenarios/", $name, ".toml"),
            text: include_str!(concat!("../../scenarios/", $name, ".toml")),
        }
    };
}

/// The one that `shakedown run` takes without arguments.
pub const QUICK: Shipped = shipped!("mtls-tax");

/// All of them, the quick one first.
pub const SHIPPED: [Shipped; 11] = [
    QUICK,
    shipped!("resumption-sweep"),
    shipped!("providers"),
    shipped!("post-quantum"),
    shipped!("rejection"),
    shipped!("api"),
    shipped!("finance"),
    shipped!("devices"),
    shipped!("outage"),
    shipped!("health"),
    shipped!("mesh"),
];

/// A name under which no scenario is part of this build.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} is neither a URL, a file nor a scenario of this build{}\n  \
     help: `shakedown scenario list` has their names",
    guess.map_or(String::new(), |guess| format!("; did you mean {guess}?"))
)]
pub struct UnknownScenario {
    name: String,
    guess: Option<&'static str>,
}

/// Names less alike than this, from 0 to 1, are no slip of the finger.
const ALIKE: f64 = 0.75;

impl Shipped {
    /// The one with this name.
    ///
    /// # Errors
    ///
    /// Fails if there is none, with the name that comes closest.
    pub fn named(name: &str) -> Result<Self, UnknownScenario> {
        let found = SHIPPED.into_iter().find(|shipped| shipped.name == name);
        found.ok_or_else(|| {
            let likeness = |shipped: &Self| strsim::jaro_winkler(shipped.name, name);
            let closest = (SHIPPED.into_iter())
                .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
                .filter(|shipped| likeness(shipped) >= ALIKE);
            UnknownScenario {
                name: name.to_owned(),
                guess: closest.map(|shipped| shipped.name),
            }
        })
    }

    /// Whether this is how a name is written: neither a path nor a URL, nor a host with its port.
    pub fn is_name(text: &str) -> bool {
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !text.is_empty() && text.chars().all(letter)
    }

    /// It, parsed.
    ///
    /// # Errors
    ///
    /// Fails as [`Scenario::parse`] does.
    pub fn scenario(self) -> Result<Scenario, ScenarioError> {
        Scenario::parse(self.file, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_called_what_its_file_is_and_says_what_it_answers() {
        for shipped in SHIPPED {
            let scenario = shipped.scenario().unwrap();
            assert_eq!(scenario.name, shipped.name);
            assert!(!scenario.question.is_empty() && !scenario.reading.is_empty());
            scenario.check(shipped.file, shipped.text).unwrap();
            assert_eq!(Shipped::named(shipped.name), Ok(shipped));
            assert!(Shipped::is_name(shipped.name));
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_guessed_and_a_host_is_no_name() {
        let error = Shipped::named("mtls-tacks").unwrap_err().to_string();
        assert!(error.contains("did you mean mtls-tax?"), "{error}");
        let error = Shipped::named("quux").unwrap_err().to_string();
        assert!(!error.contains("did you mean"), "{error}");
        for other in ["", "host:443", "https://host", "a/b.toml", "b.toml"] {
            assert!(!Shipped::is_name(other), "{other}");
        }
    }
}
