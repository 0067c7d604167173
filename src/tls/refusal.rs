//! Why a server refused a session, in words for its operator.

use std::io;

use rustls::{AlertDescription, CertificateError};

use super::classify::cert_fault;
use super::{Fault, TlsFault};
use crate::stats::{ServerCertFault, alert_text};

/// Why a server refused a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// One of a few kinds, by which refusals are counted and log lines limited.
    pub kind: &'static str,
    /// Details, possibly none. Not yet escaped.
    pub detail: String,
}

impl Refusal {
    /// The peer does not speak TLS.
    pub const NOT_TLS: &'static str = "not TLS";

    /// A refusal without details.
    pub fn new(kind: &'static str) -> Self {
        let detail = String::new();
        Self { kind, detail }
    }

    /// Of a handshake that failed after `received` bytes.
    pub(crate) fn of(fault: &Fault, received: u64) -> Self {
        let kind = match fault {
            Fault::Tls(tls) => by_tls(tls),
            Fault::NotTls(_) => Self::NOT_TLS,
            Fault::Flood(_) | Fault::LateRequest(_) | Fault::SpokeFirst(_) => VIOLATED,
            Fault::Eof if received == 0 => "closed before it sent anything",
            Fault::Eof => "closed during the handshake",
            Fault::Io(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                "reset during the handshake"
            }
            Fault::Io(_) => "the transport failed",
        };
        let detail = match fault {
            Fault::Tls(tls) => detail(tls),
            // The bytes may be a request with secrets in it.
            Fault::Eof | Fault::NotTls(_) => String::new(),
            other => other.to_string(),
        };
        Self { kind, detail }
    }
}

const VIOLATED: &str = "the TLS protocol was violated";

fn by_tls(tls: &TlsFault) -> &'static str {
    match &tls.error {
        rustls::Error::NoCertificatesPresented => "no client certificate",
        rustls::Error::InvalidCertificate(error) => client_cert(fault_of(tls, error)),
        rustls::Error::InvalidCertRevocationList(_) => BAD_LIST,
        rustls::Error::AlertReceived(alert) => by_client(*alert),
        rustls::Error::PeerIncompatible(_) => "no common TLS parameters",
        rustls::Error::NoApplicationProtocol => "no common ALPN protocol",
        _ => VIOLATED,
    }
}

fn detail(tls: &TlsFault) -> String {
    match &tls.error {
        rustls::Error::AlertReceived(alert) => format!("alert {}", alert_text((*alert).into())),
        rustls::Error::InvalidCertificate(error) => match client_cert(fault_of(tls, error)) {
            INVALID | BAD_LIST => tls.to_string(),
            _ => String::new(),
        },
        rustls::Error::NoCertificatesPresented | rustls::Error::NoApplicationProtocol => {
            String::new()
        }
        _ => tls.to_string(),
    }
}

fn fault_of(tls: &TlsFault, error: &CertificateError) -> ServerCertFault {
    tls.rejection()
        .map_or_else(|| cert_fault(error), |rejection| rejection.fault)
}

const INVALID: &str = "the client certificate is not valid";
const BAD_LIST: &str = "a revocation list of this server cannot be used";

fn client_cert(fault: ServerCertFault) -> &'static str {
    match fault {
        ServerCertFault::Expired => "the client certificate has expired",
        ServerCertFault::NotYetValid => "the client certificate is not valid yet",
        ServerCertFault::UnknownIssuer => "the client certificate is of an unknown issuer",
        ServerCertFault::Purpose => "the client certificate is not meant for clients",
        ServerCertFault::Revoked => "the client certificate is revoked",
        ServerCertFault::Signature => "a signature of the client does not verify",
        ServerCertFault::CrlExpired
        | ServerCertFault::CrlSignature
        | ServerCertFault::CrlUnusable => BAD_LIST,
        _ => INVALID,
    }
}

fn by_client(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::DecryptError => "the client rejected the server's certificate",
        _ => "the client gave up the handshake",
    }
}

#[cfg(test)]
mod tests {
    use rustls::PeerIncompatible;

    use super::*;

    #[test]
    fn reasons_are_words() {
        let tls = |error: rustls::Error| Fault::from(error);
        for (fault, received, words) in [
            (
                tls(CertificateError::Revoked.into()),
                900,
                "the client certificate is revoked",
            ),
            (
                tls(rustls::Error::NoCertificatesPresented),
                900,
                "no client certificate",
            ),
            (
                Fault::NotTls("GET /?secret HTTP/1.1".to_owned()),
                78,
                "not TLS",
            ),
            (Fault::Eof, 0, "closed before it sent anything"),
            (Fault::Eof, 9, "closed during the handshake"),
        ] {
            let refusal = Refusal::of(&fault, received);
            assert_eq!((refusal.kind, refusal.detail.as_str()), (words, ""));
        }
        let alert = tls(rustls::Error::AlertReceived(AlertDescription::UnknownCA));
        let refusal = Refusal::of(&alert, 900);
        assert_eq!(refusal.kind, "the client rejected the server's certificate");
        assert_eq!(refusal.detail, "alert unknown_ca");
        let version = tls(PeerIncompatible::Tls12NotOffered.into());
        assert_eq!(Refusal::of(&version, 100).kind, "no common TLS parameters");
    }
}
