//! Maps what ended a session to the outcome class that is counted.

use std::io;

use nix::errno::Errno;
use rustls::{
    AlertDescription, CertRevocationListError, CertificateError, OtherError, PeerMisbehaved,
};

use super::Fault;
use crate::pki::TokenFailure;
use crate::stats::{FailureClass, IdentityTrouble, LocalResource, ServerCertFault, Stage};

/// Classifies an error of creating, binding or connecting a socket.
pub(super) fn classify_connect(error: &io::Error) -> FailureClass {
    if let Some(resource) = exhausted(error) {
        return FailureClass::Local(resource);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => FailureClass::ConnectRefused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            FailureClass::ConnectUnreachable
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            FailureClass::ConnectReset
        }
        io::ErrorKind::TimedOut => FailureClass::Unanswered(Stage::Connect),
        _ => FailureClass::ConnectOther,
    }
}

/// The exhausted resource of our host, if that is the error.
fn exhausted(error: &io::Error) -> Option<LocalResource> {
    match Errno::from_raw(error.raw_os_error()?) {
        Errno::EMFILE | Errno::ENFILE => Some(LocalResource::Files),
        Errno::EADDRNOTAVAIL | Errno::EADDRINUSE => Some(LocalResource::Ports),
        Errno::ENOMEM | Errno::ENOBUFS => Some(LocalResource::Memory),
        _ => None,
    }
}

/// Classifies what ended an established connection in `stage`.
pub(crate) fn classify_fault(fault: &Fault, stage: Stage) -> FailureClass {
    match fault {
        Fault::Tls(fault) => match fault.rejection() {
            Some(rejection) => FailureClass::ServerCert(rejection.fault),
            None => classify_tls(&fault.error, stage),
        },
        Fault::Flood(_) => FailureClass::Flood(stage),
        Fault::Eof => end_in(stage, FailureClass::Eof),
        Fault::Io(error) => classify_io(error, stage),
        Fault::NotTls(begin) if is_text(begin) => FailureClass::TlsPlainText,
        Fault::NotTls(_) => FailureClass::TlsProtocol,
        Fault::LateRequest(_) => FailureClass::TlsRenegotiation,
        Fault::SpokeFirst(_) => FailureClass::Unconfirmed,
    }
}

/// An end without an alert. Until the server is proved to accept us it is one class, whether a read or a write met
/// it.
fn end_in(stage: Stage, elsewhere: fn(Stage) -> FailureClass) -> FailureClass {
    match stage {
        Stage::Confirm => FailureClass::Unconfirmed,
        stage => elsewhere(stage),
    }
}

fn is_text(begin: &str) -> bool {
    let mut first = begin.chars().take(5);
    first.all(|c| matches!(c, ' '..='~' | '\r' | '\n' | '\t'))
}

fn classify_io(error: &io::Error, stage: Stage) -> FailureClass {
    if let Some(resource) = exhausted(error) {
        return FailureClass::Local(resource);
    }
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            end_in(stage, FailureClass::Reset)
        }
        io::ErrorKind::UnexpectedEof => end_in(stage, FailureClass::Eof),
        // The kernel's retransmissions timed out.
        io::ErrorKind::TimedOut => FailureClass::Unanswered(stage),
        // Not a socket error: rustls reports it for over-fragmented messages.
        io::ErrorKind::InvalidData => FailureClass::TlsProtocol,
        _ => FailureClass::Transport(stage),
    }
}

fn classify_tls(error: &rustls::Error, stage: Stage) -> FailureClass {
    match error {
        // rustls's own limits.
        rustls::Error::PeerMisbehaved(
            PeerMisbehaved::TooManyEmptyFragments
            | PeerMisbehaved::TooManyKeyUpdateRequests
            | PeerMisbehaved::TooManyRenegotiationRequests
            | PeerMisbehaved::TooManyWarningAlertsReceived,
        ) => FailureClass::Flood(stage),
        // An orderly close during the handshake.
        rustls::Error::AlertReceived(AlertDescription::CloseNotify) => {
            end_in(stage, FailureClass::Eof)
        }
        rustls::Error::AlertReceived(alert) => FailureClass::Alert((*alert).into()),
        rustls::Error::Other(OtherError(inner)) if inner.is::<TokenFailure>() => {
            FailureClass::Identity(IdentityTrouble::Token)
        }
        rustls::Error::InvalidCertificate(error) => FailureClass::ServerCert(cert_fault(error)),
        // Our list, not the server's fault, but its certificate cannot be verified.
        rustls::Error::InvalidCertRevocationList(error) => {
            FailureClass::ServerCert(list_fault(error))
        }
        _ => FailureClass::TlsProtocol,
    }
}

pub(super) fn cert_fault(error: &CertificateError) -> ServerCertFault {
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            ServerCertFault::Name
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ServerCertFault::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ServerCertFault::NotYetValid
        }
        CertificateError::UnknownIssuer => ServerCertFault::UnknownIssuer,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            ServerCertFault::Purpose
        }
        CertificateError::Revoked => ServerCertFault::Revoked,
        CertificateError::BadSignature => ServerCertFault::Signature,
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            ServerCertFault::UnsupportedAlgorithm
        }
        CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => ServerCertFault::CrlExpired,
        other => webpki_error(other).map_or(ServerCertFault::Other, path_fault),
    }
}

/// Whether a certificate's name is its only defect, as rustls verifies it last.
pub(super) fn is_about_the_name(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    )
}

/// An error of webpki that rustls passes on as it is.
pub(super) fn webpki_error(error: &CertificateError) -> Option<&webpki::Error> {
    match error {
        CertificateError::Other(OtherError(inner)) => inner.downcast_ref(),
        _ => None,
    }
}

fn path_fault(error: &webpki::Error) -> ServerCertFault {
    match error {
        webpki::Error::CaUsedAsEndEntity => ServerCertFault::CaAsLeaf,
        webpki::Error::EndEntityUsedAsCa => ServerCertFault::NotACa,
        webpki::Error::PathLenConstraintViolated => ServerCertFault::PathLength,
        webpki::Error::NameConstraintViolation => ServerCertFault::NameConstraints,
        webpki::Error::UnsupportedCriticalExtension => ServerCertFault::CriticalExtension,
        _ => ServerCertFault::Other,
    }
}

pub(super) fn list_fault(error: &CertRevocationListError) -> ServerCertFault {
    match error {
        CertRevocationListError::BadSignature => ServerCertFault::CrlSignature,
        _ => ServerCertFault::CrlUnusable,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn causes_are_told_apart() {
        let os = |errno: Errno| io::Error::from_raw_os_error(errno as i32);
        for (errno, class) in [
            (Errno::ECONNREFUSED, FailureClass::ConnectRefused),
            (Errno::ENETUNREACH, FailureClass::ConnectUnreachable),
            (Errno::ECONNRESET, FailureClass::ConnectReset),
            (Errno::ETIMEDOUT, FailureClass::Unanswered(Stage::Connect)),
            (Errno::EMFILE, FailureClass::Local(LocalResource::Files)),
            (
                Errno::EADDRNOTAVAIL,
                FailureClass::Local(LocalResource::Ports),
            ),
            (Errno::ENOBUFS, FailureClass::Local(LocalResource::Memory)),
            (Errno::EACCES, FailureClass::ConnectOther),
        ] {
            assert_eq!(classify_connect(&os(errno)), class);
        }
        let token = OtherError(Arc::new(TokenFailure("gone".to_owned())));
        let token = Fault::from(rustls::Error::Other(token));
        assert_eq!(
            classify_fault(&token, Stage::Handshake),
            FailureClass::Identity(IdentityTrouble::Token)
        );
        let alert = Fault::from(rustls::Error::AlertReceived(AlertDescription::UnknownCA));
        assert_eq!(
            classify_fault(&alert, Stage::Confirm),
            FailureClass::Alert(48)
        );
        let name = Fault::from(rustls::Error::from(CertificateError::NotValidForName));
        assert_eq!(
            classify_fault(&name, Stage::Handshake),
            FailureClass::ServerCert(ServerCertFault::Name)
        );
        let lost = Fault::Io(os(Errno::ETIMEDOUT));
        assert_eq!(
            classify_fault(&lost, Stage::Confirm),
            FailureClass::Unanswered(Stage::Confirm)
        );
        for end in [
            Fault::Eof,
            Fault::Io(os(Errno::EPIPE)),
            Fault::Io(os(Errno::ECONNRESET)),
            Fault::Io(io::ErrorKind::UnexpectedEof.into()),
        ] {
            let class = classify_fault(&end, Stage::Confirm);
            assert_eq!(class, FailureClass::Unconfirmed, "{end}");
            let label = classify_fault(&end, Stage::Handshake).to_string();
            assert!(label.ends_with(".handshake"), "{label}");
        }
    }
}
