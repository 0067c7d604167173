//! `--data` and `--data-binary`, as curl has them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use shakedown::files::read_text;
use shakedown::scenario::{LARGEST_PAYLOAD, ProtocolSection};

use super::exit::UsageError;

#[derive(Debug, Clone, Default, Args)]
pub struct DataArgs {
    /// HTTP: request body, or @FILE without its line ends, as in curl; implies POST. MQTT: the message. Results omit it
    #[arg(long, value_name = "TEXT|@FILE", conflicts_with_all = ["data_binary", "body", "payload", "send"])]
    data: Option<String>,

    /// HTTP, MQTT: as --data, with the file sent byte for byte
    #[arg(long, value_name = "TEXT|@FILE", conflicts_with_all = ["body", "payload", "send"])]
    data_binary: Option<String>,

    /// gRPC: the message in hexadecimal. Results omit it
    #[arg(long, value_name = "HEX", conflicts_with_all = ["data", "data_binary", "body"])]
    data_hex: Option<String>,
}

impl DataArgs {
    pub(crate) fn apply(&self, protocol: &mut ProtocolSection) -> anyhow::Result<()> {
        if let Some(hex) = &self.data_hex {
            (protocol.body, protocol.data, protocol.data_file) = (None, None, None);
            protocol.data_hex = Some(hex.clone());
            return Ok(());
        }
        let Some(given) = self.data.as_ref().or(self.data_binary.as_ref()) else {
            return Ok(());
        };
        (protocol.body, protocol.payload, protocol.data_hex) = (None, None, None);
        (protocol.data, protocol.data_file) = match given.strip_prefix('@') {
            None => (Some(given.clone()), None),
            Some(path) if self.data.is_some() => (Some(without_line_ends(path)?), None),
            Some(path) => (None, Some(PathBuf::from(path))),
        };
        Ok(())
    }
}

fn without_line_ends(path: &str) -> anyhow::Result<String> {
    let read = read_text(Path::new(path), LARGEST_PAYLOAD);
    let mut text = match read {
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            let words = "the file of --data is larger than 16MiB; give a smaller one";
            return Err(UsageError(words).into());
        }
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            return Err(error).with_context(|| {
                format!("cannot read {path} as text; send it with --data-binary @{path}")
            });
        }
        read => read.with_context(|| format!("cannot open {path} of --data"))?,
    };
    text.retain(|c| !matches!(c, '\r' | '\n' | '\0'));
    Ok(text)
}

/// Leaves the bodies of requests out of a command line; the name of a file stays.
pub(crate) fn without_data(args: Vec<String>) -> Vec<String> {
    let mut is_data = false;
    let hide = |arg: String| {
        let (flag, value) = match arg.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (arg.as_str(), None),
        };
        let named = matches!(flag, "--data" | "--data-binary" | "--data-hex");
        let follows = std::mem::replace(&mut is_data, named && value.is_none());
        match value.filter(|_| named) {
            _ if follows && !arg.starts_with('@') => "(redacted)".to_owned(),
            Some(value) if !value.starts_with('@') => format!("{flag}=(redacted)"),
            _ => arg,
        }
    };
    args.into_iter().map(hide).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_stay_out_of_results_and_names_of_files_do_not() {
        let args = "x --data a=s3cret --data=s3cret --data-binary @f --data-binary=@g -n 5";
        let kept = without_data(args.split(' ').map(str::to_owned).collect());
        let expected =
            "x --data (redacted) --data=(redacted) --data-binary @f --data-binary=@g -n 5";
        assert_eq!(kept.join(" "), expected);
    }
}
