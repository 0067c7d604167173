//! Waiting for a due time with a precision far below a loopback handshake.
//!
//! tokio's timer ticks in milliseconds. On Linux the wait goes through a `timerfd` on the same
//! epoll, a kernel high-resolution timer; elsewhere tokio's timer has to do. Whatever is late all
//! the same is recorded as schedule lag by the caller.

use std::io;
use std::time::Instant;

#[cfg(target_os = "linux")]
pub use linux::Pacer;
#[cfg(not(target_os = "linux"))]
pub use portable::Pacer;

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::{AsFd, AsRawFd, RawFd};

    use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::{Instant, io};

    /// A timer of one worker.
    #[derive(Debug)]
    pub struct Pacer {
        timer: AsyncFd<Timer>,
    }

    #[derive(Debug)]
    struct Timer(TimerFd);

    impl AsRawFd for Timer {
        fn as_raw_fd(&self) -> RawFd {
            self.0.as_fd().as_raw_fd()
        }
    }

    impl Pacer {
        /// Creates the timer, and asks the kernel not to round this thread's timeouts (the default
        /// slack is 50 µs). Needs a tokio runtime with I/O.
        ///
        /// # Errors
        ///
        /// Fails if the system gives no timer.
        #[expect(
            deprecated,
            reason = "the safe constructor; its hazard, a descriptor closed while registered, \
                      cannot happen to a timer that owns its own"
        )]
        pub fn new() -> io::Result<Self> {
            // Without it waits are a little late, which the lag shows; so a refusal is no error.
            let _ = nix::sys::prctl::set_timerslack(1);
            let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
            let timer = Timer(TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?);
            Ok(Self {
                timer: AsyncFd::with_interest(timer, Interest::READABLE)?,
            })
        }

        /// Waits until `due`; returns at once if that has passed.
        ///
        /// # Errors
        ///
        /// Fails if the timer does.
        pub async fn wait_until(&self, due: Instant) -> io::Result<()> {
            loop {
                let left = due.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(());
                }
                let timer = &self.timer.get_ref().0;
                timer.set(Expiration::OneShot(left.into()), TimerSetTimeFlags::empty())?;
                // Setting the timer again resets its count, so it need not be read.
                self.timer.readable().await?.clear_ready();
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod portable {
    use super::{Instant, io};

    /// A timer of one worker, with tokio's resolution of 1 ms.
    #[derive(Debug)]
    pub struct Pacer;

    impl Pacer {
        /// Creates the timer.
        ///
        /// Never, here.
        pub(crate) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        /// Waits until `due`; returns at once if that has passed.
        ///
        /// Never, here.
        pub(crate) async fn wait_until(&self, due: Instant) -> io::Result<()> {
            if due > Instant::now() {
                tokio::time::sleep_until(due.into()).await;
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn never_returns_early() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let pacer = Pacer::new().unwrap();
            for micros in [0, 1, 50, 700, 1_500] {
                let due = Instant::now() + Duration::from_micros(micros);
                pacer.wait_until(due).await.unwrap();
                assert!(Instant::now() >= due, "{micros}");
            }
        });
    }
}
