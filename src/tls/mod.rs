//! TLS on a TCP stream: configurations, the session driver, and the classes of failures.
//!
//! Drives rustls directly on the non-blocking socket, to see every byte, mark and alert. The data of a session is up
//! to `protocol`.

mod adapter;
mod capture;
mod chain;
mod classify;
mod client;
mod config;
mod confirm;
mod credential;
mod early;
mod fault;
mod grounds;
mod lists;
mod memory;
mod observe;
mod plain;
mod quota;
mod reason;
mod refusal;
mod reject;
mod resume;
mod revocable;
mod scheme;
mod seen;
mod server;
mod server_sessions;
mod session;
mod short_rsa;
mod sight;
mod signature;
mod socket;
mod spec;
mod stream;
mod switching;
mod trust;
mod verifier;
mod verify;
mod wording;

#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod provider_tests;
#[cfg(test)]
mod verify_tests;

pub(crate) use capture::alert_sent_for;
pub use capture::{HandshakeCapture, Offer};
pub(crate) use classify::classify_fault;
pub use client::ClientStream;
pub use config::ClientTls;
pub(crate) use config::check_offer;
pub use confirm::{Failure, explain, failure};
pub(crate) use confirm::{close_in_order, confirm_by_close, connect_failure, remarked, timed_out};
pub use fault::{Fault, TlsFault};
pub use memory::{MemoryEnd, MemorySession, session_in_memory};
pub use plain::PlainStream;
pub use quota::Flood;
pub use refusal::Refusal;
pub use reject::Rejection;
pub use resume::{SessionStore, StoreCounts, TicketUse};
pub use seen::{Finding, Judgement, Requested, Seen};
pub use server::{ServerAuth, ServerTls, ServerTlsSpec, TicketSupply};
pub use session::{Bytes, Marks, SessionStream};
pub use socket::Socket;
pub use spec::{ClientTlsSpec, ClientTrust, DEFAULT_GROUPS, ResumptionSpec, TlsConfigError};
pub use stream::TlsStream;
pub use switching::IdentitySwitch;
pub(crate) use trust::covers_name;
