//! A scenario as it is read: from a file or standard input, with the environment's variables in its strings
//! and its paths taken from its folder. Keeps beside it what was written, for the record.

use std::io;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

use super::error::ScenarioError;
use super::variables::{Lookup, Unexpanded, expand};
use super::{Scenario, error};
use crate::files::{self, TEXT_CAP, read_all, read_text};
use crate::text::secrets::name_variables;

/// A scenario with where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What errors call it.
    pub name: String,
    /// What was written.
    pub text: String,
    /// What it says here: variables expanded, paths relative to the working folder.
    pub scenario: Scenario,
    /// What it says anywhere: variables by their names, paths as they are written. Names of cells and what
    /// is no text, such as rates and durations, are expanded here too.
    pub written: Scenario,
}

impl Document {
    /// Reads a file. Its relative paths are those of its folder.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, a variable is not set, and as [`Scenario::parse`] does.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let name = path.display().to_string();
        let text = read_text(path, TEXT_CAP);
        let text = text.map_err(|error| unreadable(&name, &error))?;
        // A pipe has no folder.
        let pipe = path.starts_with("/dev") || path.starts_with("/proc");
        let folder = path.parent().filter(|_| !pipe).unwrap_or(Path::new(""));
        Self::parse(&name, text, folder)
    }

    /// Reads standard input. Its relative paths are those of the working folder.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::read`] does.
    pub fn read_stdin() -> Result<Self, ScenarioError> {
        let name = "standard input";
        let text = read_all(io::stdin(), TEXT_CAP).and_then(files::text);
        let text = text.map_err(|error| unreadable(name, &error))?;
        Self::parse(name, text, Path::new(""))
    }

    fn parse(name: &str, text: String, folder: &Path) -> Result<Self, ScenarioError> {
        let lookup = |name: &str| std::env::var(name).ok();
        let (mut scenario, written) = expanded(name, &text, &lookup)?;
        scenario
            .locate_in(folder, (name, &text))
            .map_err(|error| error.map(name_variables))?;
        Ok(Self {
            name: name.to_owned(),
            text,
            scenario,
            written,
        })
    }
}

fn unreadable(name: &str, error: &io::Error) -> ScenarioError {
    ScenarioError::new(
        name,
        format!("cannot read this scenario: {error}"),
        "give a scenario file, the name of a scenario of this build, or a URL such as https://host:port/",
    )
}

/// The scenario with variables, and what is kept of it.
fn expanded(
    name: &str,
    text: &str,
    lookup: Lookup<'_>,
) -> Result<(Scenario, Scenario), ScenarioError> {
    error::refuse_controls(name, text)?;
    let table = DeTable::parse(text).map_err(|e| error::of_toml(name, text, &e))?;
    let with = |leave: &dyn Fn(usize, &[String]) -> bool| {
        let mut copy = table.clone();
        let found = expand(copy.get_mut(), lookup, leave);
        found.map(|count| (copy, count))
    };
    let unexpanded = |wrong: Unexpanded| {
        ScenarioError::new(
            error::place(name, text, &wrong.path, wrong.offset),
            wrong.cause,
            wrong.remedy,
        )
    };
    let (whole, count) = with(&|_, _| false).map_err(unexpanded)?;
    let scenario = of_table(whole).map_err(|e| error::of_toml(name, text, &e));
    let scenario = scenario.map_err(|error| error.map(name_variables))?;
    scenario.check_head(name, text)?;
    if count == 0 {
        return Ok((scenario.clone(), scenario));
    }
    // What is text can be left as it is written; of the rest, one by one, the parser knows.
    let can_stay = |number: usize| {
        let one = with(&|other, path| other == number && !names_cells(path));
        one.ok()
            .and_then(|(table, _)| of_table(table).ok())
            .is_some()
    };
    let stay: Vec<bool> = (0..count).map(can_stay).collect();
    let left = with(&|number, path| stay.get(number) == Some(&true) && !names_cells(path));
    let written = left.map_err(unexpanded)?.0;
    let written = of_table(written).map_err(|e| error::of_toml(name, text, &e))?;
    Ok((scenario, written))
}

/// Whether results are keyed by what stands here.
fn names_cells(path: &[String]) -> bool {
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    matches!(
        words[..],
        ["matrix" | "expect", ..] | ["identities", _, "name" | "expect", ..]
    )
}

fn of_table(table: Spanned<DeTable<'_>>) -> Result<Scenario, toml::de::Error> {
    Scenario::deserialize(Deserializer::from(table))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "version = 1\nname = \"x\"\n";

    fn read(body: &str) -> Result<(Scenario, Scenario), ScenarioError> {
        let lookup = |name: &str| match name {
            "PKI" => Some("/s3cret/pki".to_owned()),
            "RATE" => Some("500/s".to_owned()),
            "BAD" => Some("s3cret".to_owned()),
            "WHO" => Some("alice".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        expanded("s.toml", &format!("{HEAD}{body}"), &lookup)
    }

    #[test]
    fn variables_are_used_here_and_kept_by_their_names() {
        let (scenario, written) = read(
            "question = \"$5 and $$5, $${PKI}\"\n\
             [identity]\ncert = \"${PKI}/c.pem\"\nkey = \"${NONE:-k}/${EMPTY:-c}.key${EMPTY}\"\n\
             [load]\nrate = \"${RATE}\"\n[matrix]\nidentity = [\"${WHO}\"]\n",
        )
        .unwrap();
        assert_eq!(scenario.question, "$5 and $5, ${PKI}");
        let files = |s: &Scenario| {
            let files = s.identity.clone().unwrap();
            let key = files.key.unwrap();
            [files.cert, key].map(|path| path.display().to_string())
        };
        assert_eq!(files(&scenario), ["/s3cret/pki/c.pem", "k/c.key"]);
        assert_eq!(
            files(&written),
            ["${PKI}/c.pem", "${NONE:-k}/${EMPTY:-c}.key${EMPTY}"]
        );
        assert_eq!(written.load.rate, scenario.load.rate);
        assert_eq!(written.matrix.identity, ["alice"]);
        let shown = name_variables("cannot read /s3cret/pki/c.pem");
        assert_eq!(shown, "cannot read ${PKI}/c.pem");
    }

    #[test]
    fn what_cannot_be_expanded_names_key_and_line_and_no_value() {
        for (body, place, cause) in [
            (
                "[tls]\nsni = \"${NOPE}\"\n",
                "s.toml:4: tls.sni:",
                "NOPE is not set",
            ),
            (
                "[target]\nresolve = [\n  \"a\",\n  \"${NOPE}\"]\n",
                "s.toml:6: target.resolve[1]:",
                "NOPE is not set",
            ),
            (
                "[tls]\nsni = \"${PKI\"\n",
                "s.toml:4: tls.sni:",
                "without its `}`",
            ),
            (
                "[tls]\nsni = \"${1}\"\n",
                "s.toml:4: tls.sni:",
                "not the name of a variable",
            ),
            (
                "[load]\nrate = \"${BAD}\"\n",
                "s.toml:4",
                "\"${BAD}\" is not a rate",
            ),
        ] {
            let error = read(body).unwrap_err().to_string();
            assert!(error.starts_with(place) && error.contains(cause), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn paths_are_those_of_the_folder_and_missing_ones_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s.toml");
        let body = "[tls]\ncacert = \"ca.pem\"\ncrl = \"/dev/null\"\n\
                    [[identities]]\nname = \"a\"\ncert = \".\"\n[[identities]]\nname = \"b\"\ncert = \"b.pem\"\n";
        std::fs::write(&file, format!("{HEAD}{body}")).unwrap();
        let document = Document::read(&file).unwrap();
        assert_eq!(
            document.scenario.tls.cacert,
            Some(dir.path().join("ca.pem"))
        );
        assert_eq!(document.written.tls.cacert, Some("ca.pem".into()));
        let wrong = document.scenario.unreadable("s.toml", &document.text);
        let places = wrong.iter().map(ToString::to_string);
        let places: Vec<String> = places
            .map(|e| e.split(": cannot").next().unwrap().to_owned())
            .collect();
        assert_eq!(
            places,
            [
                "s.toml:4: tls.cacert",
                "s.toml:8: identities[0].cert",
                "s.toml:11: identities[1].cert"
            ]
        );
        std::fs::write(&file, format!("{HEAD}[tls]\ncacert = \"~/ca.pem\"\n")).unwrap();
        let error = Document::read(&file).unwrap_err().to_string();
        assert!(
            error.contains("s.toml:4: tls.cacert: `~` is not expanded"),
            "{error}"
        );
    }
}
