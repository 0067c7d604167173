//! What a gate demands, as written in a policy file: strict, and with errors that name file, line, key,
//! cause and remedy, because a rule that is passed over in silence gates nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;

use super::threshold::{Subject, Threshold};
use crate::analysis::Figure;
use crate::files::{TEXT_CAP, read_text};
use crate::text::secrets::without_value;
use crate::text::{control_in_toml, line_at, line_of_key};

/// The policy where none is given: client CPU, median and p99 of latency.
pub const BUILT_IN: &str = include_str!("../../scenarios/gate/policy.toml");
/// What it is called in errors.
pub const BUILT_IN_NAME: &str = "scenarios/gate/policy.toml";

/// A policy that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PolicyError {
    place: String,
    cause: String,
    remedy: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  help: {}", self.place, self.cause, self.remedy)
    }
}

/// What a gate demands.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Confidence of every interval, 0 to 1.
    pub confidence: f64,
    every: Rules,
    cells: BTreeMap<String, Rules>,
    name: String,
    text: String,
}

/// What is demanded of a cell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rules {
    /// By how much the figures that gate may get worse.
    pub allowed: BTreeMap<Figure, f64>,
    /// Absolute thresholds.
    pub thresholds: Vec<Threshold>,
    /// Required minimums.
    pub required: Required,
}

/// What a result must reach before it can pass.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Required {
    /// Confirmed sessions of the measure phase, over all trials.
    pub samples: Option<u64>,
    /// Share of the asked load that was achieved, 0 to 1.
    pub achieved_load: Option<f64>,
    /// Share of confirmed sessions that were resumed, 0 to 1.
    pub resumed_share: Option<f64>,
    /// Units on each side.
    pub units: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PolicyFile {
    version: u32,
    #[serde(default = "usual_confidence")]
    confidence: f64,
    #[serde(default)]
    allowed: BTreeMap<String, String>,
    #[serde(default)]
    thresholds: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    required: Required,
    #[serde(default)]
    cells: BTreeMap<String, RulesFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesFile {
    #[serde(default)]
    allowed: BTreeMap<String, String>,
    #[serde(default)]
    thresholds: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    required: Required,
}

fn usual_confidence() -> f64 {
    0.95
}

/// What is wrong with one key, before it is known on which line it stands.
struct Problem {
    path: Vec<String>,
    cause: String,
    remedy: String,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, and as [`Self::parse`] does.
    pub fn read(path: &Path) -> Result<Self, PolicyError> {
        let name = path.display().to_string();
        let text = read_text(path, TEXT_CAP).map_err(|error| PolicyError {
            place: name.clone(),
            cause: format!("cannot read this policy: {error}"),
            remedy: "give a file such as scenarios/gate/policy.toml".to_owned(),
        })?;
        Self::parse(&name, &text)
    }

    /// The policy where none is given.
    ///
    /// # Errors
    ///
    /// Never: a test reads it.
    pub fn built_in() -> Result<Self, PolicyError> {
        Self::parse(BUILT_IN_NAME, BUILT_IN)
    }

    /// Reads a policy from the text of a file called `name`.
    ///
    /// # Errors
    ///
    /// Fails with file, line and cause for text that is not TOML, an unknown key, figure or metric, or
    /// a value that does not fit.
    pub fn parse(name: &str, text: &str) -> Result<Self, PolicyError> {
        if let Some((line, c)) = control_in_toml(text) {
            return Err(PolicyError {
                place: format!("{name}:{line}"),
                cause: format!("a string has the control character U+{:04X}", u32::from(c)),
                remedy: "leave it out: terminals obey such characters where the text is shown"
                    .to_owned(),
            });
        }
        let file: PolicyFile = toml::from_str(text).map_err(|error| PolicyError {
            place: match error.span() {
                Some(span) => format!("{name}:{}", line_at(text, span.start)),
                None => name.to_owned(),
            },
            cause: without_value(&error.message().replace('\n', " ")),
            remedy: "docs/gate.md lists every key of a policy".to_owned(),
        })?;
        let locate = |problem: Problem| problem.locate(name, text);
        let problem = |key: &str, cause: String, remedy: &str| {
            let path = vec![key.to_owned()];
            let remedy = remedy.to_owned();
            locate(Problem {
                path,
                cause,
                remedy,
            })
        };
        if file.version != 1 {
            let cause = format!("policy format {} is not known to this build", file.version);
            let remedy = "write version = 1, or use a newer shakedown";
            return Err(problem("version", cause, remedy));
        }
        if !(0.5..1.0).contains(&file.confidence) {
            let cause = format!("{} is no confidence", file.confidence);
            return Err(problem("confidence", cause, "write a share such as 0.95"));
        }
        let rules = RulesFile {
            allowed: file.allowed,
            thresholds: file.thresholds,
            required: file.required,
        };
        let every = Rules::check(&[], &rules).map_err(locate)?;
        let mut cells = BTreeMap::new();
        for (cell, rules) in file.cells {
            let at = ["cells".to_owned(), cell.clone()];
            cells.insert(cell, Rules::check(&at, &rules).map_err(locate)?);
        }
        Ok(Self {
            confidence: file.confidence,
            every,
            cells,
            name: name.to_owned(),
            text: text.to_owned(),
        })
    }

    /// What is demanded of one cell: what is written for it, and for every cell as far as that says
    /// nothing else.
    pub fn of(&self, cell: &str) -> Rules {
        let Some(own) = self.cells.get(cell) else {
            return self.every.clone();
        };
        let mut rules = self.every.clone();
        rules.allowed.extend(&own.allowed);
        rules.thresholds.extend(own.thresholds.iter().cloned());
        let (all, own) = (&mut rules.required, own.required);
        all.samples = own.samples.or(all.samples);
        all.achieved_load = own.achieved_load.or(all.achieved_load);
        all.resumed_share = own.resumed_share.or(all.resumed_share);
        all.units = own.units.or(all.units);
        rules
    }

    /// Replaces the limits of one cell by learned ones. Figures that do not gate there stay so.
    pub(crate) fn learn(&mut self, cell: &str, learned: &BTreeMap<Figure, f64>) {
        let gated = self.of(cell).allowed;
        let own = self.cells.entry(cell.to_owned()).or_default();
        let known = learned.iter().filter(|(f, _)| gated.contains_key(f));
        own.allowed.extend(known.map(|(f, limit)| (*f, *limit)));
    }

    /// Finds rules for cells that the results do not have.
    ///
    /// # Errors
    ///
    /// Fails with the first such cell and the names that are nearest.
    pub fn check_cells(&self, names: &[String]) -> Result<(), PolicyError> {
        let unknown = self.cells.keys().find(|cell| !names.contains(cell));
        let Some(cell) = unknown else {
            return Ok(());
        };
        let problem = Problem {
            path: vec!["cells".to_owned(), cell.clone()],
            cause: format!("the results have no cell {cell:?}"),
            remedy: did_you_mean(cell, names),
        };
        Err(problem.locate(&self.name, &self.text))
    }
}

impl Rules {
    fn check(at: &[String], file: &RulesFile) -> Result<Self, Problem> {
        let path = |section: &str, key: &str| {
            let tail = [section.to_owned(), key.to_owned()];
            [at, &tail[..]].concat()
        };
        let mut allowed = BTreeMap::new();
        for (label, text) in &file.allowed {
            let figure: Figure = label.parse().map_err(|()| Problem {
                path: path("allowed", label),
                cause: format!("{label:?} is no figure"),
                remedy: did_you_mean(label, &labels(&Figure::all())),
            })?;
            let limit = percent(text).ok_or_else(|| Problem {
                path: path("allowed", label),
                cause: format!("{text:?} is no allowed change"),
                remedy: "write a percentage such as \"3%\"".to_owned(),
            })?;
            allowed.insert(figure, limit);
        }
        let mut thresholds = Vec::new();
        for (label, texts) in &file.thresholds {
            let subject: Subject = label.parse().map_err(|()| Problem {
                path: path("thresholds", label),
                cause: format!("{label:?} is no metric"),
                remedy: did_you_mean(label, &labels(&Subject::all())),
            })?;
            for text in texts {
                let threshold = Threshold::parse(subject, text);
                thresholds.push(threshold.map_err(|(cause, remedy)| Problem {
                    path: path("thresholds", label),
                    cause,
                    remedy,
                })?);
            }
        }
        let required = file.required;
        for (key, share) in [
            ("achieved-load", required.achieved_load),
            ("resumed-share", required.resumed_share),
        ] {
            if let Some(share) = share.filter(|share| !(0.0..=1.0).contains(share)) {
                return Err(Problem {
                    path: path("required", key),
                    cause: format!("{share} is no share"),
                    remedy: "write a number from 0 to 1".to_owned(),
                });
            }
        }
        Ok(Self {
            allowed,
            thresholds,
            required,
        })
    }
}

impl Problem {
    fn locate(self, name: &str, text: &str) -> PolicyError {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let line = line_of_key(text, &path).map_or(String::new(), |line| format!(":{line}"));
        PolicyError {
            place: format!("{name}{line}: {}", self.path.join(".")),
            cause: self.cause,
            remedy: self.remedy,
        }
    }
}

/// A percentage as a share.
fn percent(text: &str) -> Option<f64> {
    let number = text.strip_suffix('%')?.trim();
    let share = number.parse::<f64>().ok()? / 100.0;
    (0.0..=10.0).contains(&share).then_some(share)
}

fn labels(all: &[impl fmt::Display]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

/// The names that are spelled most alike, or all of them if none is.
fn did_you_mean(word: &str, names: &[String]) -> String {
    let mut near: Vec<(usize, &str)> = names
        .iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), name.as_str()))
        .filter(|(distance, name)| *distance <= 1 + name.len().min(word.len()) / 3)
        .collect();
    near.sort_unstable();
    let near: Vec<&str> = near.into_iter().take(3).map(|(_, name)| name).collect();
    if near.is_empty() {
        format!("there are: {}", names.join(", "))
    } else {
        format!("did you mean {}?", near.join(" or "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str) -> String {
        let text = format!("version = 1\n{body}");
        Policy::parse("p.toml", &text).unwrap_err().to_string()
    }

    #[test]
    fn the_built_in_policy_gates_what_the_design_says() {
        let rules = Policy::built_in().unwrap().of("mtls");
        let gated: Vec<String> = rules.allowed.keys().map(ToString::to_string).collect();
        assert_eq!(gated, ["client-cpu", "latency-p50", "latency-p99"]);
    }

    #[test]
    fn misspelt_names_are_errors_with_place_and_near_misses() {
        let text = error("[allowed]\nclient-cpus = \"3%\"\n");
        assert!(
            text.starts_with("p.toml:3: allowed.client-cpus: "),
            "{text}"
        );
        assert!(text.contains("did you mean client-cpu?"), "{text}");
        let text = error("[thresholds]\nconfrim = [\"p99<1s\"]\n");
        assert!(
            text.contains("p.toml:3:") && text.contains("mean confirm"),
            "{text}"
        );
        let text = error("[cells.mtls.allowed]\nzzz = \"3%\"\n");
        assert!(text.contains("there are: client-cpu, "), "{text}");
        let text = error("[thresholds]\nconfirm = [\"p99<1\"]\n");
        assert!(
            text.contains("p.toml:3: thresholds.confirm") && text.contains("25ms"),
            "{text}"
        );
        assert!(error("[allowd]\n").contains("unknown field `allowd`"));
        assert!(error("[required]\nsample = 3\n").contains("p.toml:3: unknown field `sample`"));
        assert!(error("[required]\nachieved-load = 99\n").contains("from 0 to 1"));
        assert!(error("[allowed]\nclient-cpu = \"0.03\"\n").contains("\"3%\""));
        assert!(error("confidence = 95\n").contains("0.95"));
        let text = Policy::parse("p.toml", "version = 2\n").unwrap_err();
        assert!(text.to_string().contains("p.toml:1: version"), "{text}");
    }

    #[test]
    fn rules_of_a_cell_come_on_top_and_must_have_a_cell() {
        let text = "version = 1\n[allowed]\nclient-cpu = \"3%\"\nmemory = \"10%\"\n\
            [required]\nsamples = 10\n[cells.\"mtls1.3\".allowed]\nclient-cpu = \"5%\"\n";
        let mut policy = Policy::parse("p.toml", text).unwrap();
        let rules = policy.of("mtls1.3");
        assert_eq!(rules.required.samples, Some(10));
        let limits: Vec<f64> = rules.allowed.into_values().collect();
        assert_eq!(limits, [0.05, 0.1]);
        let limits: Vec<f64> = policy.of("tcp").allowed.into_values().collect();
        assert_eq!(limits, [0.03, 0.1]);
        let error = policy.check_cells(&["mtls1.2".to_owned()]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("p.toml:7: cells.mtls1.3") && text.contains("mtls1.2"),
            "{text}"
        );
        policy.learn(
            "tcp",
            &[(Figure::ClientCpu, 0.2), (Figure::BytesIn, 0.2)].into(),
        );
        let limits: Vec<f64> = policy.of("tcp").allowed.into_values().collect();
        assert_eq!(limits, [0.2, 0.1]);
    }
}
