//! Ctrl-C and SIGTERM: the first ends the run in order, the second at once (invariant 7).

use std::io;
use std::sync::Arc;

use shakedown::load::Interrupt;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use tokio::sync::watch;

/// Lets a write beyond the limit of file sizes (`ulimit -f`) fail like any other, so that it can be
/// reported, instead of ending the process by a signal.
///
/// # Errors
///
/// Fails if the handler cannot be installed.
pub fn let_writes_fail() -> io::Result<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map(|_| ())
}

/// Listens for signals from now on; each moves the control one step towards the end. The first one
/// is answered with `announcement` on stderr.
///
/// # Errors
///
/// Fails if the handlers cannot be installed.
pub fn control(announcement: &'static str) -> io::Result<watch::Receiver<Interrupt>> {
    let (sender, receiver) = watch::channel(Interrupt::None);
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for _ in signals.forever() {
                let next = match *sender.borrow() {
                    Interrupt::None => {
                        eprintln!("interrupted: {announcement}");
                        Interrupt::Drain
                    }
                    Interrupt::Drain | Interrupt::Abort => Interrupt::Abort,
                };
                sender.send_replace(next);
            }
        })?;
    Ok(receiver)
}
