//! When colours are used: `--color`, `NO_COLOR` (no-color.org), and whether there is a terminal.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::sync::OnceLock;

use clap::{ColorChoice, ValueEnum};

/// The choice of this process, once the arguments are read.
static CHOICE: OnceLock<ColorChoice> = OnceLock::new();

/// Finds `--color` before the arguments are parsed, for the parser's own errors. The parser reports wrong values.
pub(crate) fn before_parsing(args: impl Iterator<Item = OsString>) -> ColorChoice {
    let mut last = None;
    let mut value_follows = false;
    for arg in args.map(|arg| arg.to_string_lossy().into_owned()) {
        if arg == "--" {
            break;
        }
        if value_follows {
            last = Some(arg);
            value_follows = false;
        } else if arg == "--color" {
            value_follows = true;
        } else if let Some(value) = arg.strip_prefix("--color=") {
            last = Some(value.to_owned());
        }
    }
    last.and_then(|value| ColorChoice::from_str(&value, false).ok())
        .unwrap_or(ColorChoice::Auto)
}

/// Makes it the choice of this process.
pub(crate) fn set(choice: ColorChoice) {
    // The arguments are read once.
    let _ = CHOICE.set(choice);
}

/// Whether to use colours on this stream. An explicit `--color` counts more than the environment.
pub(crate) fn wanted_on(stream: &impl IsTerminal) -> bool {
    let refused = || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match CHOICE.get().copied().unwrap_or(ColorChoice::Auto) {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => stream.is_terminal() && !refused(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(args: &str) -> ColorChoice {
        before_parsing(args.split(' ').map(OsString::from))
    }

    #[test]
    fn the_choice_is_known_before_the_arguments_are_parsed() {
        assert_eq!(told("run --color never --bogus"), ColorChoice::Never);
        assert_eq!(told("run --color=always --bogus"), ColorChoice::Always);
        assert_eq!(told("--color=always run --color auto"), ColorChoice::Auto);
        assert_eq!(told("run -- --color never"), ColorChoice::Auto);
        assert_eq!(told("run --color sometimes"), ColorChoice::Auto);
        assert_eq!(told("run --color"), ColorChoice::Auto);
    }
}
