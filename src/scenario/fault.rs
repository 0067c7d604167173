//! The ways in which an identity can be wrong, by the names that scenarios, files and reports use.
//! What each looks like as a certificate is in `pki`; here are only the words.

use crate::text::labelled;

labelled! {
    serde
    /// A defect of an identity: something a verifying peer must reject.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum IdentityFault {
        /// No certificate at all: the answer to a `CertificateRequest` is empty. Clients only.
        None = "none",
        /// Issued by an authority the peer does not trust.
        UnknownCa = "unknown-ca",
        /// Signed by its own key.
        SelfSigned = "self-signed",
        /// Sent without the intermediate between it and the root.
        MissingIntermediate = "missing-intermediate",
        /// The leaf has expired.
        ExpiredLeaf = "expired-leaf",
        /// The intermediate has expired.
        ExpiredIntermediate = "expired-intermediate",
        /// The leaf is not valid yet.
        NotYetValid = "not-yet-valid",
        /// The extended key usage is for the other side (RFC 5280 section 4.2.1.12).
        WrongEku = "wrong-eku",
        /// The key usage lacks `digitalSignature` (RFC 5280 section 4.2.1.3).
        NoDigitalSignature = "no-digital-signature",
        /// Named by a revocation list of its issuer (RFC 5280 section 5).
        Revoked = "revoked",
        /// Outside the names its issuer may sign for (RFC 5280 section 4.2.1.10).
        NameConstraint = "name-constraint",
        /// Below more authorities than one of them allows (RFC 5280 section 4.2.1.9).
        PathLength = "path-length",
        /// Issued by a certificate that is no authority.
        NotACa = "not-a-ca",
        /// Carries a critical extension that nobody knows (RFC 5280 section 4.2).
        UnknownCritical = "unknown-critical",
        /// The issuer's signature does not verify.
        BrokenSignature = "broken-signature",
        /// The key is RSA with a modulus of 1024 bits.
        Rsa1024 = "rsa1024",
        /// Sent with more intermediates than peers follow.
        LongChain = "long-chain",
        /// For another name than the one asked for (RFC 9525). Servers only.
        WrongName = "wrong-name",
    }
}

impl IdentityFault {
    /// What is wrong, as the end of a sentence about an identity.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::None => "is missing: it showed no certificate",
            Self::UnknownCa => "comes from an authority that is not trusted",
            Self::SelfSigned => "is signed by nobody but itself",
            Self::MissingIntermediate => {
                "was sent without the intermediate that links it to the root"
            }
            Self::ExpiredLeaf => "has expired",
            Self::ExpiredIntermediate => "hangs from an intermediate that has expired",
            Self::NotYetValid => "is not valid yet",
            Self::WrongEku => "is meant for the other side by its extended key usage",
            Self::NoDigitalSignature => "may not make signatures by its key usage",
            Self::Revoked => "is revoked",
            Self::NameConstraint => "has a name that its issuer may not sign for",
            Self::PathLength => "hangs from more authorities than one of them allows",
            Self::NotACa => "was issued by a certificate that is no authority",
            Self::UnknownCritical => "carries a critical extension that nobody knows",
            Self::BrokenSignature => "has a signature that does not verify",
            Self::Rsa1024 => "has an RSA key of 1024 bits",
            Self::LongChain => "hangs from a chain of more authorities than peers follow",
            Self::WrongName => "is for another name",
        }
    }

    /// What to change at a server that accepts a client with it.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::None => {
                "make the server require a certificate (nginx: ssl_verify_client on; haproxy: verify required)"
            }
            Self::UnknownCa | Self::SelfSigned => {
                "anyone can make such a certificate: the server verifies none, or trusts the wrong authorities"
            }
            Self::ExpiredLeaf | Self::ExpiredIntermediate | Self::NotYetValid => {
                "check the server's clock, and whether something tells it to ignore dates"
            }
            Self::Revoked => {
                "give the server a revocation list and reload it when it changes (nginx: ssl_crl; haproxy: crl-file); some servers cannot consult one"
            }
            Self::LongChain => {
                "limit the depth of chains if the server can (nginx: ssl_verify_depth); a long chain costs it CPU before it knows its client"
            }
            Self::Rsa1024 => {
                "refuse short keys (OpenSSL: security level 2); a key of 1024 bits can be broken and its owner impersonated"
            }
            Self::MissingIntermediate => {
                "the server completes chains from a store of its own; make sure that this is wanted"
            }
            Self::WrongEku
            | Self::NoDigitalSignature
            | Self::NameConstraint
            | Self::PathLength
            | Self::NotACa
            | Self::UnknownCritical
            | Self::BrokenSignature
            | Self::WrongName => {
                "the server's verification does not look at this (RFC 5280 section 6); docs/servers.md has other servers that do"
            }
        }
    }

    /// The faults a client can have.
    pub fn of_clients() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|f| *f != Self::WrongName)
    }

    /// The faults a server can have; without a certificate it serves nobody.
    pub fn of_servers() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|f| *f != Self::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_agree_in_display_and_serde() {
        for fault in IdentityFault::ALL {
            let json = serde_json::to_string(&fault).unwrap();
            assert_eq!(json, format!("\"{fault}\""));
            assert_eq!(serde_json::from_str::<IdentityFault>(&json).unwrap(), fault);
        }
    }
}
