//! Certificates looked at before they fail: what expires, does not lead to its authority, does not fit its key, its
//! name or its purpose, is revoked, or is weak.
//!
//! [`Check`] knows the rules, a [`Finding`] says what breaks one and what to do. Where certificates come from, files or
//! a server, is up to the caller. It makes no connections.

mod format;
mod identity;
mod lists;

pub use format::{CheckReport, junit, text};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::pki::{CertificateDer, CertificateRevocationListDer};

/// What an identity is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// To be presented to servers.
    Client,
    /// To be presented to clients.
    Server,
}

/// Something that is wrong, or will be soon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// A stable code of what is wrong.
    pub code: String,
    /// What is wrong, with the certificate or list that it is wrong with.
    pub cause: String,
    /// What to do.
    pub remedy: String,
    /// Whether it is about an issuer or a list, which others have in common. It is told once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
}

impl Finding {
    /// A finding of this code.
    pub fn new(code: &str, cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            cause: cause.into(),
            remedy: remedy.into(),
            shared: false,
        }
    }

    /// The same about an issuer or a list.
    fn shared(self, shared: bool) -> Self {
        Self { shared, ..self }
    }
}

/// What certificates are held against.
#[derive(Debug)]
pub struct Check {
    /// The authorities that peers trust; none skips the paths to them.
    pub roots: Option<Vec<CertificateDer<'static>>>,
    /// Revocation lists.
    pub crls: Vec<CertificateRevocationListDer<'static>>,
    /// Names of which a server's certificate needs one.
    pub names: Vec<String>,
    /// What expires before this is a finding.
    pub horizon: OffsetDateTime,
    /// The time of the check.
    pub now: OffsetDateTime,
}

impl Check {
    /// A check that counts what expires within `days`.
    pub fn new(days: u32) -> Self {
        let now = OffsetDateTime::now_utc();
        let horizon = now.checked_add(Duration::days(i64::from(days)));
        Self {
            roots: None,
            crls: Vec::new(),
            names: Vec::new(),
            horizon: horizon.unwrap_or(now),
            now,
        }
    }

    /// Whether a time is past, `Some(true)`, or will be before the horizon, `Some(false)`.
    fn due(&self, unix_s: i64) -> Option<bool> {
        if unix_s < self.now.unix_timestamp() {
            Some(true)
        } else {
            (unix_s < self.horizon.unix_timestamp()).then_some(false)
        }
    }

    /// A date with its distance in days.
    fn when(&self, unix_s: i64) -> String {
        let days = (unix_s - self.now.unix_timestamp()).div_euclid(86_400);
        let date = OffsetDateTime::from_unix_timestamp(unix_s).map_or_else(
            |_| "a time out of the calendar".to_owned(),
            |at| at.date().to_string(),
        );
        match days {
            0 => format!("{date}, today"),
            1.. => format!("{date}, in {days} d"),
            _ => format!("{date}, {} d ago", -days),
        }
    }
}
