//! The cases: what changes between two sessions, what it means if the second resumes all the same,
//! and what to do about it.

use crate::text::labelled;

labelled! {
    serde
    /// What happens between gaining a ticket and offering it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Case {
        /// Nothing: the server resumes at all.
        Control = "control",
        /// The client would present another certificate now.
        OtherIdentity = "other-identity",
        /// The ticket is offered under another server name.
        OtherHost = "other-host",
        /// The client's certificate expires.
        Expired = "expired",
        /// The server's ticket keys are replaced.
        KeysRotated = "keys-rotated",
        /// The client's certificate is revoked.
        Revoked = "revoked",
        /// The server no longer trusts the certificate's authority.
        CaChanged = "ca-changed",
    }
}

impl Case {
    /// Whether a full handshake must be rejected after the change, which shows that it took effect.
    pub(super) fn must_reject(self) -> bool {
        matches!(self, Self::Expired | Self::Revoked | Self::CaChanged)
    }

    /// What the case asks, and what a session that resumes says.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Control => {
                "The same client offers its ticket at once. Unless this resumes, nothing does, and no \
                 other case can go wrong."
            }
            Self::OtherIdentity => {
                "A client gains a ticket as A and offers it when it would present B. A server has to \
                 keep A's identity with the ticket (RFC 8446 section 4.6.1), so what resumes is A's \
                 session; B was never asked for. That is as it should be, but who holds A's ticket \
                 and its secret is A."
            }
            Self::OtherHost => {
                "A ticket gained under one server name is offered under another. If it resumes, the \
                 rules for clients of the first host stand in for those of the second \
                 (CVE-2025-23419)."
            }
            Self::Expired => {
                "The certificate was valid when the session began and has expired since. If it resumes, \
                 a client stays in for as long as its tickets live, not its certificate."
            }
            Self::KeysRotated => {
                "The server's ticket keys were replaced. If an old ticket still resumes, the old keys \
                 are still in use, and rotating them shuts nobody out."
            }
            Self::Revoked => {
                "The certificate was revoked, and the server knows the list: a full handshake is \
                 rejected. If the ticket resumes, revocation does not end what was begun before it."
            }
            Self::CaChanged => {
                "The server no longer trusts the certificate's authority: a full handshake is \
                 rejected. If the ticket resumes, clients of the old authority stay in."
            }
        }
    }

    /// What to do where it resumes and should not.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Control | Self::OtherIdentity => {
                "bind what a client may do to the identity that the server has for the session"
            }
            Self::OtherHost => {
                "give every virtual host that verifies clients ticket keys and a session cache of its \
                 own, or switch resumption off for them; update the server"
            }
            Self::Expired => {
                "let tickets live shorter than you can bear an expired client, or switch resumption off \
                 where clients are verified"
            }
            Self::KeysRotated => "drop the old keys with the rotation, or restart the server",
            Self::Revoked | Self::CaChanged => {
                "replace the ticket keys and clear the session cache with every change of revocation \
                 lists and authorities, or switch resumption off where clients are verified"
            }
        }
    }
}
