//! Ctrl-C, SIGTERM and SIGHUP: the first ends what goes on in order, the second at once (invariant 7). They are
//! listened for from the first moment, so that none is lost while arguments are read and certificates made.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use shakedown::load::Interrupt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use tokio::sync::watch;

use super::exit::Exit;
use super::output::say;

/// What a signal does at present.
static PHASE: Mutex<Phase> = Mutex::new(Phase::Starting { interrupted: None });

enum Phase {
    /// Nothing goes on yet; the signal that came, if one did.
    Starting { interrupted: Option<i32> },
    /// Each moves the control one step towards the end.
    Listening {
        sender: watch::Sender<Interrupt>,
        announcement: &'static str,
    },
    /// The default action.
    Default,
}

/// Listens from now on; [`control`] or [`let_be`] later decide what a signal does.
///
/// A hang-up is listened for unless whoever started us has it ignored, as nohup(1) does. A write beyond the
/// limit of file sizes (`ulimit -f`) fails from now on like any other instead of ending the process.
pub(crate) fn listen() -> io::Result<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    let mut wanted = vec![SIGINT, SIGTERM];
    if !is_ignored(SIGHUP) {
        wanted.push(SIGHUP);
    }
    let mut signals = Signals::new(wanted)?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || signals.forever().for_each(on))?;
    Ok(())
}

fn on(signal: i32) {
    let mut phase = PHASE.lock().unwrap_or_else(PoisonError::into_inner);
    let message = match &mut *phase {
        Phase::Starting {
            interrupted: Some(_),
        } => std::process::exit(Exit::Interrupted as i32),
        Phase::Starting { interrupted } => {
            *interrupted = Some(signal);
            Some("ending as soon as everything is prepared; once more to stop at once")
        }
        Phase::Listening {
            sender,
            announcement,
        } => {
            let first = *sender.borrow() == Interrupt::None;
            sender.send_replace(if first {
                Interrupt::Drain
            } else {
                Interrupt::Abort
            });
            first.then_some(*announcement)
        }
        Phase::Default => {
            // Nothing can be done if it fails, and nothing is at stake.
            let _ = emulate_default_handler(signal);
            None
        }
    };
    // Said last, with nothing held: it may take a while.
    drop(phase);
    if let Some(message) = message {
        say(format_args!("interrupted: {message}"));
    }
}

/// What signals do to the control from now on: each moves it one step towards the end. The first one is
/// answered with `announcement` on stderr. One that came before counts, and so does one that came to a control before.
pub(crate) fn control(announcement: &'static str) -> watch::Receiver<Interrupt> {
    let mut phase = PHASE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Phase::Listening { sender, .. } = &*phase {
        return sender.subscribe();
    }
    let early = matches!(
        *phase,
        Phase::Starting {
            interrupted: Some(_)
        }
    );
    let (sender, receiver) = watch::channel(if early {
        Interrupt::Drain
    } else {
        Interrupt::None
    });
    *phase = Phase::Listening {
        sender,
        announcement,
    };
    receiver
}

/// Restores the default action of signals, also for one that has already come.
pub(crate) fn let_be() {
    let mut phase = PHASE.lock().unwrap_or_else(PoisonError::into_inner);
    let early = match *phase {
        Phase::Starting { interrupted } => interrupted,
        _ => None,
    };
    *phase = Phase::Default;
    drop(phase);
    if let Some(signal) = early {
        let _ = emulate_default_handler(signal);
    }
}

/// Whether a signal was ignored when we began, as far as the system says.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
