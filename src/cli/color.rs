//! When colours are used: `--color`, `NO_COLOR` (no-color.org), and whether there is a terminal.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::sync::OnceLock;

use clap::{ColorChoice, ValueEnum};

/// What was asked for, once the arguments are read.
static CHOICE: OnceLock<ColorArg> = OnceLock::new();

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorArg {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always, into pipes and files too
    Always,
    /// Never
    Never,
}

impl ColorArg {
    /// What the arguments ask for, as far as that can be told before they are parsed: errors of the
    /// parser are printed in it. What cannot be told is left to the parser.
    pub fn before_parsing(args: impl Iterator<Item = OsString>) -> Self {
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
        last.and_then(|value| Self::from_str(&value, false).ok())
            .unwrap_or(Self::Auto)
    }

    /// Makes it the choice of this process.
    pub fn set(self) {
        // The arguments are read once.
        let _ = CHOICE.set(self);
    }
}

impl From<ColorArg> for ColorChoice {
    fn from(arg: ColorArg) -> Self {
        match arg {
            ColorArg::Auto => Self::Auto,
            ColorArg::Always => Self::Always,
            ColorArg::Never => Self::Never,
        }
    }
}

/// Whether to use colours on this stream. An explicit `--color` counts more than the environment.
pub fn wanted_on(stream: &impl IsTerminal) -> bool {
    let refused = || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match CHOICE.get().copied().unwrap_or(ColorArg::Auto) {
        ColorArg::Always => true,
        ColorArg::Never => false,
        ColorArg::Auto => stream.is_terminal() && !refused(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(args: &str) -> ColorArg {
        ColorArg::before_parsing(args.split(' ').map(OsString::from))
    }

    #[test]
    fn the_choice_is_known_before_the_arguments_are_parsed() {
        assert_eq!(told("run --color never --bogus"), ColorArg::Never);
        assert_eq!(told("run --color=always --bogus"), ColorArg::Always);
        assert_eq!(told("--color=always run --color auto"), ColorArg::Auto);
        assert_eq!(told("run -- --color never"), ColorArg::Auto);
        assert_eq!(told("run --color sometimes"), ColorArg::Auto);
        assert_eq!(told("run --color"), ColorArg::Auto);
    }
}
