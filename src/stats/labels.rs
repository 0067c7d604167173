//! The labels of failures the other way round: what people write to say which outcomes they expect.

use super::{FailureClass, IdentityTrouble, LocalResource, ServerCertFault, Stage, alert_name};

/// The stages a session can fail in.
const STAGES: [Stage; 5] = [
    Stage::Connect,
    Stage::WayIn,
    Stage::Handshake,
    Stage::Confirm,
    Stage::FirstByte,
];

/// The part that the labels of sessions without an answer have in common.
pub(super) const UNANSWERED: &str = "unanswered";

/// Whether a label of a failure is covered by `pattern`: the label itself, or the part of it before
/// one of its dots. `http.status` covers `http.status.400`, `eof` covers `eof.confirm`.
pub(crate) fn covers(pattern: &str, label: &str) -> bool {
    label
        .strip_prefix(pattern)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether `pattern` covers the label of any failure that every protocol can have.
pub(crate) fn covers_common(pattern: &str) -> bool {
    let code = |prefix| {
        let code: &str = pattern.strip_prefix(prefix)?;
        code.parse::<u16>().ok()
    };
    let status = matches!(code("http.status."), Some(100..=999))
        || matches!(code("http.redirect."), Some(300..=399));
    let alert = pattern.strip_prefix("alert.").is_some_and(|code| {
        code.parse::<u8>()
            .is_ok_and(|code| alert_name(code).is_none())
    });
    status
        || alert
        || FailureClass::common()
            .iter()
            .any(|class| covers(pattern, &class.to_string()))
}

/// What a label, or the part of one, that had another name in files of schema 1 is called now.
pub(crate) fn renamed(label: &str) -> Option<String> {
    if matches!(label, "eof.confirm" | "reset.confirm") {
        return Some("unconfirmed".to_owned());
    }
    let stage = label.strip_prefix("timeout")?;
    let new = format!("{UNANSWERED}{stage}");
    covers_common(&new).then_some(new)
}

impl FailureClass {
    /// Every class that a session of any protocol can have (the address is found before); of HTTP statuses one
    /// stands for all, of alerts those with a name are listed. Protocols add their own.
    pub(crate) fn common() -> Vec<Self> {
        let mut known = vec![
            Self::ConnectRefused,
            Self::ConnectUnreachable,
            Self::ConnectReset,
            Self::ConnectOther,
            Self::Local(LocalResource::Files),
            Self::Local(LocalResource::Ports),
            Self::Local(LocalResource::Memory),
            Self::TlsProtocol,
            Self::TlsPlainText,
            Self::TlsRenegotiation,
            Self::HttpStatus(400),
            Self::HttpRedirect(302),
            Self::HttpProtocol,
            Self::HttpCutShort,
            Self::HttpClosed,
            Self::Unconfirmed,
        ];
        known.extend(IdentityTrouble::ALL.map(Self::Identity));
        known.extend(ServerCertFault::ALL.map(Self::ServerCert));
        known.extend(STAGES.map(Self::Unanswered));
        for stage in STAGES.into_iter().filter(|s| *s != Stage::Connect) {
            known.extend([Self::Transport(stage), Self::Flood(stage)]);
            if stage != Stage::Confirm {
                // Before a proof such an end is `unconfirmed`.
                known.extend([Self::Eof(stage), Self::Reset(stage)]);
            }
        }
        let named = (0..=u8::MAX).filter(|code| alert_name(*code).is_some());
        known.extend(named.map(Self::Alert));
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_label_or_the_part_before_a_dot() {
        for (pattern, label) in [
            ("alert.unknown_ca", "alert.unknown_ca"),
            ("alert", "alert.unknown_ca"),
            ("http.status", "http.status.495"),
            ("eof", "eof.first_byte"),
        ] {
            assert!(
                covers(pattern, label) && covers_common(pattern),
                "{pattern}"
            );
        }
        assert!(!covers("alert.certificate", "alert.certificate_expired"));
        assert!(!covers("eof.handshake", "eof"));
        assert!(covers_common("http.status.495") && covers_common("alert.200"));
        assert!(covers_common("http.redirect.307") && covers_common("http.redirect"));
        for wrong in [
            "",
            "alerts",
            "alert.unknown",
            "http.status.4",
            "http.redirect.200",
            "eof.confirm",
            "resolve",
            "alert.48",
        ] {
            assert!(!covers_common(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_timeout_is_called_unanswered_now() {
        assert_eq!(
            renamed("timeout.confirm").as_deref(),
            Some("unanswered.confirm")
        );
        for label in ["eof.confirm", "reset.confirm"] {
            assert_eq!(renamed(label).as_deref(), Some("unconfirmed"));
        }
        assert_eq!(renamed("timeout").as_deref(), Some("unanswered"));
        for label in ["timeout.resolve", "timeouts", "unanswered.confirm", "eof"] {
            assert_eq!(renamed(label), None, "{label}");
        }
    }

    #[test]
    fn every_class_has_a_label_of_its_own_and_advice() {
        let known = FailureClass::common();
        let labels: std::collections::BTreeSet<String> =
            known.iter().map(ToString::to_string).collect();
        assert_eq!(labels.len(), known.len());
        assert!(known.iter().all(|class| !class.advice().is_empty()));
    }
}
