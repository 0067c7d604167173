//! `run --shard`: one of several processes that run a plan together, from how they meet to where the result goes.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use shakedown::clock::{ClockState, from_rfc3339};
use shakedown::load::Interrupt;
use shakedown::meeting::{Meeting, Patience, Place, meet};
use shakedown::record::RunRecord;
use shakedown::runner::{Part, Prepared, prepare_part};
use shakedown::scenario::Checked;
use shakedown::shard::{Shard, ShardChoice, variable};
use shakedown::stats::Accounting;
use shakedown::store;
use shakedown::units::{Span, format_count};
use tokio::sync::watch;

use super::execute::ResultArgs;
use super::exit::{BadFlag, Exit};
use super::output::say;
use super::telemetry::TelemetryArgs;

/// How long is waited for a place that is to take a result.
const PUT: Duration = Duration::from_secs(120);

#[derive(Debug, Args)]
#[command(next_help_heading = "Shards")]
pub struct ShardArgs {
    /// Run the K-th of N parts of the plan (from 0/N), or the one that the engine says: auto, auto/N
    #[arg(long, value_name = "K/N|auto[/N]")]
    pub shard: Option<ShardChoice>,

    /// Where shards meet and leave their results: a folder that all share, or s3://, gs://, az://
    #[arg(long, value_name = "DIR|URL", requires = "shard", conflicts_with_all = ["start_at", "output"])]
    together: Option<String>,

    /// When all shards begin: RFC 3339, or seconds since 1970
    #[arg(long, value_name = "TIME", requires = "shard", value_parser = time)]
    start_at: Option<SystemTime>,

    /// How long to wait for the others [default: 5m]
    #[arg(
        long,
        value_name = "TIME",
        requires = "together",
        conflicts_with = "start_at"
    )]
    meet_timeout: Option<Span>,

    /// Time between the meeting and the start [default: 5s]
    #[arg(
        long,
        value_name = "TIME",
        requires = "together",
        conflicts_with = "start_at"
    )]
    lead: Option<Span>,
}

fn time(text: &str) -> Result<SystemTime, String> {
    let since = |seconds: f64| {
        let since = Duration::try_from_secs_f64(seconds).ok()?;
        UNIX_EPOCH.checked_add(since)
    };
    let read = from_rfc3339(text).or_else(|| since(text.parse().ok()?));
    read.ok_or_else(|| {
        "give a time such as 2026-11-30T17:00:00Z, or seconds since 1970 (`date +%s`)".to_owned()
    })
}

impl ShardArgs {
    /// Which shard this is, if it is one.
    pub(crate) fn find(&self) -> anyhow::Result<Option<Shard>> {
        let Some(choice) = self.shard else {
            return Ok(None);
        };
        let (shard, _) = choice.find(&variable)?;
        Ok(Some(shard))
    }

    /// Runs one shard of a plan, leaves its result, and says how the process ends: engines end the others if it is not
    /// with 0, so a result that is not valid is none of its business.
    pub(crate) fn execute(
        &self,
        shard: Shard,
        checked: Checked,
        result: &ResultArgs,
        telemetry: &TelemetryArgs,
    ) -> anyhow::Result<Exit> {
        let place = self.together.as_deref().map(Place::parse).transpose()?;
        let folder = Path::new("results");
        if place.is_none() {
            if self.start_at.is_none() {
                return Err(BadFlag(
                    "--shard: shards begin together: --together DIR where all reach DIR, else --start-at TIME"
                        .to_owned(),
                )
                .into());
            }
            result.check(&checked, Some(folder))?;
        }
        let prepared = prepare_part(checked, shard)?;
        let record = result.measure_prepared(&prepared, telemetry, |control| {
            let part = prepared.part();
            match &place {
                Some(place) => self.meet(place, part, result, control),
                None => self.at_its_time(part, &prepared),
            }
            .map(Some)
        })?;
        let outcome = outcome(shard, &record);
        let Some(place) = place else {
            result.keep(&record, Some(folder), |_| Ok(format!("{outcome}\n")))?;
            return Ok(Exit::of_shard(&record));
        };
        let bytes = store::bytes(&record)?;
        if let Err(error) = place.put_result(shard, bytes, &Patience::new(PUT, &|| false)) {
            let rescued = store::save_new(folder, &record)?;
            say(format_args!(
                "the result is in {} instead; `shakedown merge` takes it from there",
                rescued.display()
            ));
            return Err(error.into());
        }
        result.keep(&record, None, |_| {
            Ok(format!(
                "{outcome}; left at {place}; once all are there: shakedown merge {place}\n"
            ))
        })?;
        Ok(Exit::of_shard(&record))
    }

    /// Waits for the others.
    fn meet(
        &self,
        place: &Place,
        part: Part,
        result: &ResultArgs,
        control: &watch::Receiver<Interrupt>,
    ) -> anyhow::Result<Part> {
        let of_span = |span: Option<Span>, usual| span.map_or(usual, |span| span.0);
        let of_part = part.record();
        let shard = of_part.shard;
        let meeting = Meeting {
            shard,
            workers: u32::try_from(of_part.workers).unwrap_or(u32::MAX),
            plan: of_part.plan_sha256.clone(),
            host: of_part.host.clone(),
            slot: Duration::from_nanos(of_part.slot_ns),
            lead: of_span(self.lead, Duration::from_secs(5)),
            timeout: of_span(self.meet_timeout, Duration::from_secs(300)),
        };
        if shard.of > 1 {
            result.say(format_args!(
                "shard {shard}: waiting at {place} for the others, for {} at most",
                Span(meeting.timeout)
            ));
        }
        let met = meet(place, &meeting, &|| *control.borrow() != Interrupt::None)?;
        let part = part.begins(met.start.at, met.clock);
        Ok(part.met(met.attempt, met.before))
    }

    /// Waits for nobody.
    fn at_its_time(&self, part: Part, prepared: &Prepared) -> anyhow::Result<Part> {
        let start = self.start_at.unwrap_or(UNIX_EPOCH);
        let trials = u32::try_from(prepared.plan().checked.trials()).unwrap_or(u32::MAX);
        let slot = Duration::from_nanos(part.record().slot_ns);
        let end = start + slot.saturating_mul(trials);
        if let Ok(ago) = SystemTime::now().duration_since(end) {
            return Err(BadFlag(format!(
                "--start-at: by then every trial was over {} ago; give a time that is still to come",
                Span(Duration::from_secs(ago.as_secs()))
            ))
            .into());
        }
        Ok(part.begins(start, ClockState::of_kernel()))
    }
}

fn outcome(shard: Shard, record: &RunRecord) -> String {
    let mut total = Accounting::default();
    let cells = record.cells.iter();
    cells.for_each(|cell| total.merge(&cell.total()));
    let [ok, failed] = [total.ok_total(), total.failed_total()].map(format_count);
    format!("shard {shard}: {ok} confirmed, {failed} failed")
}
