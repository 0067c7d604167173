//! Why we reject a server's certificates: the classes that are counted as `server_cert.…`, and what to do about
//! each.

use crate::text::labelled;

labelled! {
    /// Why we rejected the server's certificate.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum ServerCertFault {
        /// It does not name the server that was asked for (RFC 9525).
        Name = "name",
        /// Its validity has ended.
        Expired = "expired",
        /// Its validity has not begun.
        NotYetValid = "not_yet_valid",
        /// No trusted root signed its chain.
        UnknownIssuer = "unknown_issuer",
        /// Its extended key usage does not allow server authentication.
        Purpose = "purpose",
        /// A revocation list names it.
        Revoked = "revoked",
        /// A signature in the chain or the handshake does not verify.
        Signature = "signature",
        /// The provider does not know an algorithm of the chain.
        UnsupportedAlgorithm = "unsupported_algorithm",
        /// The server presents a CA certificate as its own.
        CaAsLeaf = "ca_as_leaf",
        /// A certificate of the chain was issued by one that is no CA (RFC 5280 section 4.2.1.9).
        NotACa = "not_a_ca",
        /// More CAs stand below one than its path length allows (RFC 5280 section 4.2.1.9).
        PathLength = "path_length",
        /// A CA may not issue for such names (RFC 5280 section 4.2.1.10).
        NameConstraints = "name_constraints",
        /// A critical extension that is not processed here (RFC 5280 section 4.2).
        CriticalExtension = "critical_extension",
        /// The revocation list that applies is past its next update.
        CrlExpired = "crl_expired",
        /// The revocation list that applies is not signed by the issuer of the certificate.
        CrlSignature = "crl_signature",
        /// The revocation list that applies cannot be used for another reason.
        CrlUnusable = "crl_unusable",
        /// Anything else that makes it unusable.
        Other = "other",
    }
}

impl ServerCertFault {
    /// One sentence on what to do, for reports.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Name => {
                "connect by a name that the certificate holds, or pass one with --expected-name (a URI such as spiffe://… too)"
            }
            Self::Expired => "the server's certificate has expired; renew it",
            Self::NotYetValid => "the server's certificate is not valid yet; check both clocks",
            Self::UnknownIssuer => {
                "no root in --cacert signed the server's chain; pass its CA, or have the server send its intermediate"
            }
            Self::Purpose => {
                "the server's certificate is not meant for servers (extended key usage)"
            }
            Self::Revoked => {
                "a revocation list names a certificate of the server's chain: have it issued again"
            }
            Self::Signature => {
                "a signature does not verify: the chain is damaged, or the provider cannot use a key in it"
            }
            Self::UnsupportedAlgorithm => {
                "the provider does not verify such signatures; use another --provider, or have the certificate issued with a common algorithm"
            }
            Self::CaAsLeaf => {
                "pass this very certificate with --cacert to trust it as it is, or have the server use one with CA:FALSE"
            }
            Self::NotACa => {
                "have the chain issued by a CA (basicConstraints CA:TRUE); the server may send the wrong intermediate"
            }
            Self::PathLength => {
                "have the certificate issued by a CA higher up, or the CA issued again with a longer pathLen"
            }
            Self::NameConstraints => {
                "have the certificate issued for names that its CA may certify, or by another CA"
            }
            Self::CriticalExtension => {
                "have that certificate issued again with the extension not critical; a CA's may be passed with --cacert to trust it directly"
            }
            Self::CrlExpired => "fetch the authority's current revocation list, or drop --crlfile",
            Self::CrlSignature => {
                "fetch the list again from the authority that issued the chain, or drop --crlfile"
            }
            Self::CrlUnusable => {
                "have the authority sign its lists as the example message says, or drop --crlfile"
            }
            Self::Other => {
                "have the server's certificate issued again; `openssl x509 -text` shows it"
            }
        }
    }
}
