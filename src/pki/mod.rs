//! Certificates and keys: minted for a test, loaded from disk, described for a report.
//!
//! [`Pki::mint`] makes a root, an intermediate, a server and any number of clients; [`Pki::write`] puts
//! them on disk; [`Identity::load`] and [`load_roots`] read what users bring; [`CertFacts`] describes one
//! certificate. This module must not know about sockets, sessions or load.

mod algorithm;
mod container;
mod error;
mod facts;
mod identity;
mod mint;
mod pem;
mod relate;
mod write;

#[cfg(test)]
mod handshake_tests;
#[cfg(test)]
mod load_tests;
#[cfg(test)]
mod mint_tests;

pub use algorithm::KeyAlgorithm;
pub use error::PkiError;
pub use facts::CertFacts;
pub use identity::{Identity, load_roots, parse_roots};
pub use mint::{Pki, PkiSpec};
pub use relate::{CertLinks, name_text};
pub use rustls_pki_types::CertificateDer;
