//! What a run tells other programs while it goes on: Prometheus, which comes and asks, and OpenTelemetry
//! collectors, to which it is sent. Fed with the engine's events on the main thread; workers know nothing of it.

mod board;
mod endpoint;
mod exposition;
mod metrics;
#[cfg(feature = "otlp")]
mod otlp;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use clap::Args;
use shakedown::load::Event;
use shakedown::runner::Prepared;

use self::board::Board;
use self::endpoint::Endpoint;
use super::listen::listen_address;
use super::output::say;

/// The state of the run, written by the main thread.
type Shared = Arc<Mutex<Board>>;

/// Where to tell.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Telemetry")]
pub struct TelemetryArgs {
    /// Serve live metrics to Prometheus at http://ADDR:PORT/metrics while the run goes on; loopback only,
    /// port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", value_parser = loopback)]
    metrics: Option<SocketAddr>,

    /// Send live metrics to an OpenTelemetry collector, such as <http://127.0.0.1:4318>, every 5 s and at
    /// the end (OTLP over HTTP, binary)
    #[cfg(feature = "otlp")]
    #[arg(long, value_name = "URL")]
    otlp: Option<otlp::Collector>,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address = listen_address(text)?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!(
            "{} is not a loopback address, and the metrics are for everyone who can reach them; \
             listen on 127.0.0.1 or ::1 and put a proxy in front",
            address.ip()
        ))
    }
}

/// Tells what happens in a run.
pub struct Telemetry {
    board: Shared,
    _endpoint: Option<Endpoint>,
    #[cfg(feature = "otlp")]
    sender: Option<otlp::Sender>,
}

impl Telemetry {
    /// Begins to tell; what can be asked for is announced on stderr unless `quiet`.
    ///
    /// Fails if there is nothing to listen on or to send with.
    pub(crate) fn start(
        args: &TelemetryArgs,
        prepared: &Prepared,
        quiet: bool,
    ) -> anyhow::Result<Self> {
        let board = Arc::new(Mutex::new(Board::of(prepared)));
        let endpoint = args.metrics.map(|address| {
            Endpoint::start(address, Arc::clone(&board)).with_context(|| {
                format!("cannot serve --metrics at {address}; does something else listen there?")
            })
        });
        let endpoint = endpoint.transpose()?;
        if let Some(endpoint) = endpoint.as_ref().filter(|_| !quiet) {
            say(format_args!(
                "metrics at http://{}/metrics",
                endpoint.address()
            ));
        }
        Ok(Self {
            #[cfg(feature = "otlp")]
            sender: (args.otlp.as_ref())
                .map(|collector| otlp::Sender::start(collector, Arc::clone(&board)))
                .transpose()
                .context("cannot send to --otlp")?,
            board,
            _endpoint: endpoint,
        })
    }

    /// Takes one event in.
    pub(crate) fn on(&self, event: Event<'_>) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        board.on(event);
    }

    /// Sends what is left to send, and says what could not be sent.
    #[cfg_attr(
        not(feature = "otlp"),
        expect(clippy::unused_self, reason = "only collectors are sent anything")
    )]
    pub(crate) fn finish(self) {
        #[cfg(feature = "otlp")]
        if let Some(sender) = self.sender {
            sender.finish();
        }
    }
}

fn read(board: &Shared) -> Board {
    board.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
