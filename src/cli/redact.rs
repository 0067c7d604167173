//! Removes possible secrets from the recorded command line and from the parser's errors.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use shakedown::scenario::Scenario;
use shakedown::text::secrets::{Passphrase, REDACTED, hide, hide_pin, keep, public_part};

use super::data::without_data;

/// Flags whose values may be secrets.
const SECRET: [&str; 6] = [
    "--header",
    "-H",
    "--data",
    "--data-binary",
    "--data-hex",
    "--pass",
];

/// The arguments as given, without the values of headers, in whatever form they were given, request bodies, and
/// what of the URL may be a token or a password (invariant 8).
pub(crate) fn command_line(scenario: &Scenario) -> Vec<String> {
    let headers = scenario.protocol.headers.iter();
    let mut headers: Vec<&str> = headers.map(|header| header.value.as_str()).collect();
    // `--cert FILE:PASSWORD` has the form of a header.
    let password = scenario
        .identity
        .as_ref()
        .and_then(|files| files.password.as_ref());
    headers.extend(password.map(Passphrase::expose));
    let args = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned());
    without_data(redacted(args, scenario.target.url.as_deref(), &headers))
}

fn redacted(
    args: impl Iterator<Item = String>,
    url: Option<&str>,
    headers: &[&str],
) -> Vec<String> {
    let without_headers = |arg: String| {
        let secrets = headers.iter().filter(|secret| !secret.is_empty());
        secrets.fold(arg, |arg, secret| match arg.strip_suffix(*secret) {
            // A header's value follows its name: `5` alone is no secret.
            Some(rest) if rest.trim_end().ends_with(':') => format!("{rest}{REDACTED}"),
            _ => arg,
        })
    };
    // Where it is given without, `anatomy` and `audit` add the scheme.
    let bare = url.and_then(|url| url.strip_prefix("https://"));
    args.map(|arg| {
        if [url, bare].contains(&Some(&*arg)) {
            return public_part(&arg);
        }
        let trimmed = arg.trim_end();
        let arg = if trimmed.len() == arg.len() {
            without_headers(arg)
        } else {
            without_headers(trimmed.to_owned())
        };
        let arg = hide_pin(&arg).into_owned();
        let arg = if arg.contains("://") {
            public_part(&arg)
        } else {
            arg
        };
        hide(&arg).into_owned()
    })
    .collect()
}

/// The parser's error without values that may be secrets.
pub(crate) fn without_secrets(mut said: clap::Error) -> clap::Error {
    let text = |said: &clap::Error, kind| match said.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let flag = text(&said, ContextKind::InvalidArg).unwrap_or_default();
    if let Some(value) = text(&said, ContextKind::InvalidValue) {
        let secret = SECRET
            .iter()
            .any(|name| flag.split(' ').any(|word| word == *name));
        let shown = if secret {
            REDACTED.to_owned()
        } else {
            public_part(&value)
        };
        said.insert(ContextKind::InvalidValue, ContextValue::String(shown));
    }
    if said.kind() == ErrorKind::UnknownArgument {
        // The rest of a header that was not quoted, perhaps.
        let shown = match flag.split_once('=') {
            Some((name, _)) if name.starts_with('-') => name.to_owned(),
            _ if flag.starts_with('-') => flag,
            _ if std::env::args_os().any(|arg| is_secret_flag(&arg.to_string_lossy())) => {
                REDACTED.to_owned()
            }
            _ => public_part(&flag),
        };
        said.insert(ContextKind::InvalidArg, ContextValue::String(shown));
        if text(&said, ContextKind::InvalidArg).is_some_and(|shown| shown.contains(REDACTED)) {
            // Tips quote it again.
            said.remove(ContextKind::Suggested);
            said.remove(ContextKind::TrailingArg);
        }
    }
    if let Some(word) = text(&said, ContextKind::InvalidSubcommand) {
        said.insert(
            ContextKind::InvalidSubcommand,
            ContextValue::String(public_part(&word)),
        );
    }
    said
}

/// Leaves out of all errors what follows a header that was not quoted (`-H Authorization: TOKEN`), which the parser
/// takes for other arguments.
pub(crate) fn keep_unquoted(args: impl Iterator<Item = String>) {
    let (mut follows_flag, mut unquoted) = (false, false);
    for arg in args {
        if unquoted && !arg.starts_with('-') {
            keep(&arg);
            continue;
        }
        let is_value = follows_flag || is_secret_flag(&arg);
        unquoted = is_value && arg.ends_with(':');
        follows_flag = SECRET.contains(&arg.as_str());
    }
}

fn is_secret_flag(arg: &str) -> bool {
    SECRET.iter().any(|name| arg.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_stays_out_of_results() {
        let args = [
            "x",
            "https://me:s3cret5@h/p?token=s3cret1",
            "-H",
            "Authorization: Bearer s3cret2 ",
            "--header=Cookie: s3cret3",
            "-qHX-Key:s3cret4",
            "-n",
            "5",
        ];
        let secrets = ["Bearer s3cret2", "s3cret3", "s3cret4", "", "5"];
        let url = Some(args[1]);
        let kept = redacted(args.iter().map(ToString::to_string), url, &secrets);
        assert_eq!(kept[1], "https://(redacted)@h/p?(redacted)");
        assert_eq!(kept[3], "Authorization: (redacted)");
        assert!(!kept.concat().contains("s3cret"), "{kept:?}");
        assert_eq!(kept[6..], ["-n", "5"]);
    }
}
