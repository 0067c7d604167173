//! The command line as it is recorded: without what may be a secret.

use super::data::without_data;

/// The arguments as given, without the values of headers, in whatever form they were given, request
/// bodies, and the query of the URL (invariant 8).
pub fn command_line(url: Option<&str>, headers: impl Iterator<Item = String>) -> Vec<String> {
    let query = url.and_then(|url| Some(url.split_once('?')?.1.to_owned()));
    let secrets: Vec<String> = headers.chain(query).collect();
    without_data(redacted(
        std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()),
        &secrets,
    ))
}

fn redacted(args: impl Iterator<Item = String>, secrets: &[String]) -> Vec<String> {
    let hide = |arg: String| {
        let secrets = secrets.iter().filter(|secret| !secret.is_empty());
        secrets.fold(arg, |arg, secret| match arg.strip_suffix(secret.as_str()) {
            // A header's value follows its name, a query its path: `5` alone is no secret.
            Some(rest) if rest.trim_end().ends_with([':', '?']) => format!("{rest}(redacted)"),
            _ => arg,
        })
    };
    args.map(|arg| {
        let trimmed = arg.trim_end();
        if trimmed.len() == arg.len() {
            hide(arg)
        } else {
            hide(trimmed.to_owned())
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_stays_out_of_results() {
        let args = [
            "x",
            "https://h/p?token=s3cret1",
            "-H",
            "Authorization: Bearer s3cret2 ",
            "--header=Cookie: s3cret3",
            "-qHX-Key:s3cret4",
            "-n",
            "5",
        ];
        let secrets = [
            "Bearer s3cret2",
            "s3cret3",
            "s3cret4",
            "token=s3cret1",
            "",
            "5",
        ]
        .map(str::to_owned);
        let kept = redacted(args.iter().map(ToString::to_string), &secrets);
        assert_eq!(kept[1], "https://h/p?(redacted)");
        assert_eq!(kept[3], "Authorization: (redacted)");
        assert!(!kept.concat().contains("s3cret"), "{kept:?}");
        assert_eq!(kept[6..], ["-n", "5"]);
    }
}
