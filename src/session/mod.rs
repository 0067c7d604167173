//! One session from connect to close, under load or alone. Acceptance is decided here and nowhere else.
//!
//! `connect` makes a connection, `enter` walks its way in, [`begin_tls`] begins TLS on it, and [`drive`] does the
//! rest, watched by an [`Observer`].

mod connect;
mod drive;
mod enter;
mod observer;

pub use connect::{Endpoint, begin_tls};
pub(crate) use connect::{Opened, connect, open, try_source};
pub use drive::{Course, drive};
pub(crate) use enter::enter;
pub use observer::{Observer, Release};
pub(crate) use observer::{SETTLES, stays};

use std::io;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use crate::tls::Failure;

/// The single-threaded runtime of one worker's trial, or of one thread of a server; dropping it drops every session.
pub(crate) fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
}

/// How a server hung up by itself on a client that asked nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Departure {
    /// In this session.
    Own(Failure),
    /// In an earlier one like it.
    Earlier,
}

/// Why a session is not ok.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The class that is counted, and an example message, not yet escaped.
    pub failure: Failure,
    /// Whether the server answered, but not as the protocol wants.
    pub answered: bool,
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            answered: false,
        }
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        broken.failure
    }
}
