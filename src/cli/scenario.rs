//! `shakedown scenario`: lists and explains scenarios without running them.

use std::fmt::Write;

use clap::{Args, Subcommand};
use shakedown::scenario::{SHIPPED, Shipped};
use shakedown::text::secrets::name_variables;

use super::exit::Exit;
use super::output::{say, write_exactly, write_stdout};
use super::source::{check, written};

#[derive(Debug, Args)]
pub struct ScenarioArgs {
    #[command(subcommand)]
    command: ScenarioCommand,
}

#[derive(Debug, Subcommand)]
enum ScenarioCommand {
    /// List the built-in scenarios, each with its question
    List,
    /// Explain what a scenario does and how to read its result
    Explain {
        /// Scenario file (- for stdin), or built-in scenario
        #[arg(value_name = "SCENARIO")]
        scenario: String,
    },
    /// Print the file of a built-in scenario
    Show {
        /// Name of the scenario
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Check scenario files and the files they name; errors give file, line and remedy
    Validate {
        /// Scenario files (- for stdin), or built-in scenarios
        #[arg(value_name = "SCENARIO", required = true)]
        scenarios: Vec<String>,
    },
}

pub(crate) fn run(args: &ScenarioArgs) -> anyhow::Result<Exit> {
    match &args.command {
        ScenarioCommand::List => write_stdout(&list()?)?,
        ScenarioCommand::Explain { scenario } => {
            let checked = check(written(scenario)?)?;
            let mut text = checked.explain();
            let reading = checked.scenario.reading.trim();
            if !reading.is_empty() {
                let _ = write!(text, "\nhow to read the answer\n{reading}\n");
            }
            write_stdout(&name_variables(&text))?;
        }
        ScenarioCommand::Show { name } => write_exactly(Shipped::named(name)?.text.as_bytes())?,
        ScenarioCommand::Validate { scenarios } => return validate(scenarios),
    }
    Ok(Exit::Success)
}

fn list() -> anyhow::Result<String> {
    let width = SHIPPED.map(|shipped| shipped.name.len()).into_iter().max();
    let width = width.unwrap_or(0);
    let mut out = String::new();
    for shipped in SHIPPED {
        let question = shipped.scenario()?.question;
        let _ = writeln!(out, "{:<width$}  {question}", shipped.name);
    }
    Ok(out)
}

/// The number of trials of a scenario, or its errors: missing files first, then content.
fn trials(word: &str) -> Result<usize, Vec<anyhow::Error>> {
    let source = written(word).map_err(|error| vec![error])?;
    let missing = source.scenario.unreadable(&source.name, &source.text);
    if !missing.is_empty() {
        return Err(missing.into_iter().map(Into::into).collect());
    }
    let checked = check(source).map_err(|error| vec![error])?;
    Ok(checked.trials())
}

fn validate(scenarios: &[String]) -> anyhow::Result<Exit> {
    let mut exit = Exit::Success;
    for word in scenarios {
        match trials(word) {
            Ok(trials) => write_stdout(&format!("{word}: valid, {trials} trials\n"))?,
            Err(errors) => {
                for error in errors {
                    say(format_args!(
                        "error: {}",
                        name_variables(&error.to_string())
                    ));
                }
                exit = Exit::BadInput;
            }
        }
    }
    Ok(exit)
}
