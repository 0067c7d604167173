//! The examples that end the long help and the manual page of each command. They are kept in one file,
//! `examples.txt`: a heading per command, shell lines, and after an empty line what else is to be said.
//! `tests/documents` runs every line.

use clap::{Command, CommandFactory};

use super::Cli;

/// Ends the short help of the program, too.
pub const EXIT_CODES: &str = "Exit codes: 0 success, 1 runtime failure, 2 usage, 99 expectation not met, \
    regression or threshold crossed, 104 bad scenario, policy or file, \
    105 interrupted (results written), 106 invalid run, invalid or inconclusive comparison.";

const EXAMPLES: &str = include_str!("examples.txt");

/// The whole command line, with examples in every page of help.
pub(crate) fn command_line() -> Command {
    with_examples(Cli::command(), "shakedown")
}

fn with_examples(command: Command, path: &str) -> Command {
    let below = |sub: Command| {
        let path = format!("{path} {}", sub.get_name());
        with_examples(sub, &path)
    };
    let command = command.mut_subcommands(below);
    match sections().find(|(of, _)| *of == path) {
        Some((_, text)) => command.after_long_help(page_end(path, text)),
        None => command,
    }
}

/// The path of each command that has examples, and the text below its heading.
fn sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    let sections = EXAMPLES.split("== ").skip(1);
    sections.filter_map(|section| section.split_once('\n'))
}

fn page_end(path: &str, text: &str) -> String {
    let (examples, more) = text
        .trim_end()
        .split_once("\n\n")
        .unwrap_or((text.trim_end(), ""));
    let own = Cli::command().get_name() == path;
    let more = if own { EXIT_CODES } else { more };
    let end = format!("Examples:\n  {}\n\n{more}", examples.replace('\n', "\n  "));
    end.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(command: &Command, path: &str, found: &mut Vec<String>) {
        found.push(path.to_owned());
        for sub in command.get_subcommands() {
            paths(sub, &format!("{path} {}", sub.get_name()), found);
        }
    }

    #[test]
    fn every_command_has_examples_of_one_line_each_and_nothing_else_has() {
        let mut commands = Vec::new();
        paths(&Cli::command(), "shakedown", &mut commands);
        commands.sort_unstable();
        let mut pages: Vec<&str> = sections().map(|(path, _)| path).collect();
        pages.sort_unstable();
        assert_eq!(commands, pages);
        for (path, text) in sections() {
            let end = page_end(path, text);
            for line in end.lines().filter(|line| line.starts_with("  ")) {
                assert!(line.chars().count() <= 98, "{path}: {line}");
            }
        }
    }
}
