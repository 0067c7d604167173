//! Which outcomes a scenario expects, so that a rejection can be the success.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::IdentityFault;
use super::error::{Problem, refuse};
use crate::protocol::{covers_any, is_refusal};
use crate::stats::{FailureClass, ServerCertFault, alert_code, covers, renamed};

/// What servers answer to a client whose certificate they reject: alerts that speak of certificates
/// (RFC 8446 section 6.2), the two general ones, a close without a word, HTTP's refusals, and redirects.
const REJECTIONS: [&str; 24] = [
    "alert.access_denied",
    "alert.bad_certificate",
    "alert.certificate_expired",
    "alert.certificate_required",
    "alert.certificate_revoked",
    "alert.certificate_unknown",
    "alert.decode_error",
    "alert.decrypt_error",
    "alert.handshake_failure",
    "alert.illegal_parameter",
    "alert.insufficient_security",
    "alert.internal_error",
    "alert.unknown_ca",
    "alert.unsupported_certificate",
    "eof",
    "http.status.400",
    "http.status.401",
    "http.status.403",
    "http.status.421",
    "http.status.495",
    "http.status.496",
    "http.redirect",
    "reset",
    "unconfirmed",
];

/// The outcomes that a set of sessions must have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Expect {
    /// The share that must be accepted, from 0 to 1: no less and no more. Between 0 and 1 it is for a
    /// mix, of whose identities those that are accepted must have exactly this part of the shares.
    /// If left out it is 0 where `alerts` or `outcomes` are given and 1 otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept: Option<f64>,
    /// Alerts that a rejected session may end with, by their names in RFC 8446 section 6.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<String>,
    /// Other outcomes that a rejected session may end with, by their labels or the part of a label
    /// before a dot: `eof`, `http.status.400`, `server_cert.expired`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<String>,
}

impl Expect {
    /// Every session is to be accepted.
    pub(crate) fn acceptance() -> Self {
        Self {
            accept: Some(1.0),
            ..Self::default()
        }
    }

    /// Every session is to be rejected by the server, in whatever way servers reject.
    pub(crate) fn rejection() -> Self {
        Self {
            accept: Some(0.0),
            ..Self::default()
        }
    }

    /// What this client is known to make of a server whose identity has this fault: it refuses every
    /// session, for the reason that docs/faults.md names.
    pub(crate) fn refusal(fault: IdentityFault) -> Self {
        use ServerCertFault as Cause;
        let causes: &[Cause] = match fault {
            IdentityFault::ExpiredLeaf | IdentityFault::ExpiredIntermediate => &[Cause::Expired],
            IdentityFault::NotYetValid => &[Cause::NotYetValid],
            IdentityFault::WrongEku => &[Cause::Purpose],
            IdentityFault::Revoked => &[Cause::Revoked],
            IdentityFault::WrongName => &[Cause::Name],
            IdentityFault::UnknownCa
            | IdentityFault::SelfSigned
            | IdentityFault::MissingIntermediate => &[Cause::UnknownIssuer],
            IdentityFault::BrokenSignature | IdentityFault::Rsa1024 => &[Cause::Signature],
            // webpki does not look at the key usage of leaves, so a client on rustls accepts it.
            IdentityFault::NoDigitalSignature => return Self::acceptance(),
            IdentityFault::NameConstraint => &[Cause::NameConstraints],
            IdentityFault::PathLength => &[Cause::PathLength],
            IdentityFault::NotACa => &[Cause::NotACa],
            IdentityFault::UnknownCritical => &[Cause::CriticalExtension],
            _ => &[Cause::Other],
        };
        let outcomes = causes
            .iter()
            .map(|c| FailureClass::ServerCert(*c).to_string());
        Self {
            accept: Some(0.0),
            alerts: Vec::new(),
            outcomes: outcomes.collect(),
        }
    }

    /// The share that must be accepted, from 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        let rejects = !(self.alerts.is_empty() && self.outcomes.is_empty());
        self.accept.unwrap_or(if rejects { 0.0 } else { 1.0 })
    }

    /// Whether some identities are to be accepted and others not.
    pub(crate) fn is_split(&self) -> bool {
        self.share() > 0.0 && self.share() < 1.0
    }

    /// Whether a session may end with a failure of this label. Where rejections are expected and no
    /// set is given, whatever servers reject with will do.
    pub(crate) fn allows(&self, label: &str) -> bool {
        if self.alerts.is_empty() && self.outcomes.is_empty() {
            let rejects = REJECTIONS.iter().any(|r| covers(r, label)) || is_refusal(label);
            return self.share() < 1.0 && rejects;
        }
        let alert = label.strip_prefix("alert.");
        alert.is_some_and(|name| self.alerts.iter().any(|a| a == name))
            || self.outcomes.iter().any(|o| covers(o, label))
    }

    /// Refuses shares that are none, and names that no outcome has.
    pub(super) fn check(&self, key: &'static str) -> Result<(), Problem> {
        refuse(
            !(0.0..=1.0).contains(&self.share()),
            key,
            format!("accept = {} is no share", self.share()),
            "write a number from 0 to 1",
        )?;
        if let Some(name) = self.alerts.iter().find(|name| alert_code(name).is_none()) {
            return Err(Problem::new(
                key,
                format!("no alert is called {name:?}"),
                "write the name in RFC 8446 section 6, such as certificate_expired",
            ));
        }
        if let Some(label) = self.outcomes.iter().find(|label| !covers_any(label)) {
            return Err(Problem::new(
                key,
                format!("no outcome has the label {label:?}"),
                match renamed(label) {
                    Some(new) => format!("it is called {new:?} now"),
                    None => "docs/failures.md lists them, such as eof.handshake or http.status.400"
                        .to_owned(),
                },
            ));
        }
        let rejects = !(self.alerts.is_empty() && self.outcomes.is_empty());
        refuse(
            self.share() >= 1.0 && rejects,
            key,
            "all sessions are to be accepted, so the alerts and outcomes have no effect",
            "drop them, or write a smaller accept",
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expect(text: &str) -> Expect {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_set_alone_means_rejection() {
        let set = expect("alerts = [\"certificate_expired\"]\noutcomes = [\"eof\"]");
        assert!(set.share().abs() < f64::EPSILON);
        assert!(set.allows("alert.certificate_expired") && set.allows("eof.handshake"));
        assert!(!set.allows("alert.unknown_ca") && !set.allows("connect.refused"));
    }

    #[test]
    fn a_rejection_without_a_set_is_any_that_servers_make() {
        let any = expect("accept = 0");
        assert!(any.allows("alert.unknown_ca") && any.allows("http.status.400"));
        assert!(any.allows("reset.handshake") && any.allows("unconfirmed"));
        assert!(any.allows("http.redirect.302"));
        assert!(!any.allows("unanswered.confirm") && !any.allows("local.ports"));
        assert!(!Expect::acceptance().allows("alert.unknown_ca"));
        assert!(REJECTIONS.iter().all(|label| covers_any(label)));
    }

    #[test]
    fn what_cannot_be_met_is_refused() {
        for (text, cause) in [
            ("accept = 1.5", "accept = 1.5 is no share"),
            ("accept = nan", "accept = NaN is no share"),
            ("alerts = [\"expired\"]", "no alert is called \"expired\""),
            (
                "outcomes = [\"eof.confrim\"]",
                "no outcome has the label \"eof.confrim\"",
            ),
            (
                "accept = 1\noutcomes = [\"eof\"]",
                "all sessions are to be accepted, so the alerts and outcomes have no effect",
            ),
        ] {
            assert_eq!(expect(text).check("expect").unwrap_err().cause, cause);
        }
        let old = expect("outcomes = [\"timeout.confirm\"]").check("expect");
        assert_eq!(
            old.unwrap_err().remedy,
            "it is called \"unanswered.confirm\" now"
        );
        assert_eq!(
            expect("accept = 0.9\nalerts = [\"unknown_ca\"]").check("expect"),
            Ok(())
        );
    }
}
