//! Certificates and keys: minted for tests, loaded from disk, described for reports.
//!
//! [`Pki::mint`] makes a root, intermediates, a server and clients; [`Pki::mint_faults`] adds identities to be rejected;
//! [`Pki::write`] writes them to disk. [`Identity::load`], [`load_roots`] and [`load_crls`] read users' files;
//! [`CertFacts`] describes certificates. Knows no sockets, sessions or load.

mod algorithm;
mod brief;
mod container;
mod der;
mod error;
mod facts;
mod fault_authorities;
mod faults;
mod fleet;
mod identity;
mod inspect;
mod key;
mod mint;
mod path;
mod pem;
mod revocation;
mod short_rsa;
mod signed;
mod token;
mod trust;
mod unlock;
mod write;

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod handshake_tests;
#[cfg(test)]
mod load_tests;
#[cfg(test)]
mod mint_tests;
#[cfg(test)]
mod write_tests;

pub use crate::scenario::KeyAlgorithm;
pub use algorithm::throw_away_key;
pub(crate) use brief::brief_client;
pub use error::PkiError;
pub use facts::CertFacts;
pub use faults::Faults;
pub(crate) use fleet::{Edition, renewed};
pub use fleet::{Fleet, FleetMint, Revoker, Stamp, revoked_in};
pub use identity::{Identity, Key, load_roots, parse_certificates};
pub use inspect::CertInspect;
pub(crate) use inspect::name_text;
pub use key::KeyHeld;
pub(crate) use key::same_key;
pub use mint::{Pki, PkiSpec};
pub use path::PathFault;
pub(crate) use path::path_to;
pub use revocation::{ListScope, load_crls, parse_crls, superseded};
pub(crate) use revocation::{lists_naming, next_update_of};
pub use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
pub use short_rsa::ShortRsa;
pub(crate) use short_rsa::rsa_verifies_pss_sha256;
pub use signed::{Signed, Spki};
pub use token::TokenFailure;
pub(crate) use token::take_counts as take_token_counts;
pub(crate) use trust::Trust;
