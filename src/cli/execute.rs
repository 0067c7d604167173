//! The one runner of `run`, `anatomy` and `audit`: from a checked scenario to the result, its file, its report and
//! the exit code.

use std::fmt::Display;
use std::path::Path;

use clap::Args;
use shakedown::load::Interrupt;
use shakedown::record::RunRecord;
use shakedown::runner::{Part, Prepared, prepare};
use shakedown::scenario::Checked;
use shakedown::store;
use tokio::sync::watch;

use super::exit::Exit;
use super::output::{OutputArgs, conclude, print, say};
use super::progress::Progress;
use super::redact::command_line;
use super::signals;
use super::telemetry::{Telemetry, TelemetryArgs};

/// Output of a run.
#[derive(Debug, Args)]
pub struct ResultArgs {
    #[command(flatten)]
    pub output: OutputArgs,

    /// Print only errors to stderr
    #[arg(long, short = 'q')]
    quiet: bool,
}

impl ResultArgs {
    /// Runs a scenario, keeps its result, prints the report that `text` makes of it, and says how the process ends.
    /// Without `--output` the result is kept in `folder`, if there is one.
    pub(crate) fn execute(
        &self,
        checked: Checked,
        folder: Option<&Path>,
        telemetry: &TelemetryArgs,
        text: impl FnOnce(&RunRecord) -> anyhow::Result<String>,
    ) -> anyhow::Result<Exit> {
        self.check(&checked, folder)?;
        let record = self.measure(checked, telemetry)?;
        self.conclude(&record, folder, text)
    }

    /// Fails early if the result could not be written.
    pub(crate) fn check(&self, checked: &Checked, folder: Option<&Path>) -> anyhow::Result<()> {
        let size = store::expected_size(checked);
        match folder {
            Some(folder) if self.output.file.is_none() => {
                Ok(store::check_writable(&folder.join("result.json"), size)?)
            }
            _ => self.output.check(size),
        }
    }

    /// Runs a scenario with progress, telemetry and signals.
    pub(crate) fn measure(
        &self,
        checked: Checked,
        telemetry: &TelemetryArgs,
    ) -> anyhow::Result<RunRecord> {
        self.measure_prepared(&prepare(checked)?, telemetry, |_| Ok(None))
    }

    /// The same of what is prepared. A shard begins when the part says that `begin` returns.
    pub(crate) fn measure_prepared(
        &self,
        prepared: &Prepared,
        telemetry: &TelemetryArgs,
        begin: impl FnOnce(&watch::Receiver<Interrupt>) -> anyhow::Result<Option<Part>>,
    ) -> anyhow::Result<RunRecord> {
        let command = command_line(&prepared.plan().checked.scenario);
        let control = signals::control("finishing what is in flight; once more to stop at once");
        let telemetry = Telemetry::start(telemetry, prepared, self.quiet)?;
        let mut progress = Progress::of(prepared, self.quiet);
        let part = begin(&control)?;
        let record = prepared.run_part(part, command, &control, &mut |event| {
            telemetry.on(event);
            progress.on(event);
        })?;
        progress.finish();
        telemetry.finish();
        Ok(record)
    }

    /// Says something on stderr, unless only errors are wanted there.
    pub(crate) fn say(&self, message: impl Display) {
        if !self.quiet {
            say(message);
        }
    }

    /// Keeps a result, prints its report, and says how the process ends.
    pub(crate) fn conclude(
        &self,
        record: &RunRecord,
        folder: Option<&Path>,
        text: impl FnOnce(&RunRecord) -> anyhow::Result<String>,
    ) -> anyhow::Result<Exit> {
        self.keep(record, folder, text)?;
        Ok(Exit::of_record(record))
    }

    /// Keeps a result and prints its report.
    pub(crate) fn keep(
        &self,
        record: &RunRecord,
        folder: Option<&Path>,
        text: impl FnOnce(&RunRecord) -> anyhow::Result<String>,
    ) -> anyhow::Result<()> {
        let named = self.output.save(|file| store::save(file, record));
        let saved = named.or_else(|| folder.map(|folder| store::save_new(folder, record)));
        let printed = print(record, self.output.json, || text(record));
        conclude(saved, printed, self.quiet)
    }
}
