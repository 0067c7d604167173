//! Explains a rejected chain in one sentence: which certificate, its defect, and what was expected. Runs only after
//! a rejection and decides nothing.

use rustls::pki_types::CertificateDer;
use rustls::{CertRevocationListError, CertificateError};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::chain::Chain;
use super::classify::{cert_fault, webpki_error};
use super::grounds::{Grounds, Subject};
use super::signature::{Algorithms, Answer, signed_with};
use super::wording::{name_sentence, plain, variant};
use crate::crypto;
use crate::pki::{
    CertFacts, CertInspect, ListScope, Signed, lists_naming, name_text, next_update_of,
};
use crate::stats::ServerCertFault;
use crate::units::count_days;

/// One rejected chain.
pub(super) struct Case<'a> {
    grounds: &'a Grounds,
    /// The name that was sent to the server.
    sent: String,
    chain: Vec<&'a CertificateDer<'a>>,
    certs: Vec<Option<CertInspect<'a>>>,
    /// Seconds since 1970.
    now_s: i64,
}

impl<'a> Case<'a> {
    pub(crate) fn new(grounds: &'a Grounds, chain: &Chain<'a>) -> Self {
        Self {
            grounds,
            sent: chain
                .name
                .map_or_else(String::new, |name| name.to_str().into_owned()),
            chain: chain.certs().collect(),
            certs: chain.certs().map(CertInspect::parse).collect(),
            now_s: chain.now_unix_s(),
        }
    }

    pub(crate) fn certificate(&self, error: &CertificateError) -> String {
        match cert_fault(error) {
            ServerCertFault::Name => self.name(),
            ServerCertFault::Expired | ServerCertFault::NotYetValid => self.dates(),
            ServerCertFault::UnknownIssuer => self.unknown_issuer(),
            ServerCertFault::Purpose => self.purpose(),
            ServerCertFault::Revoked => self.revoked(),
            ServerCertFault::Signature => self.signature(),
            ServerCertFault::UnsupportedAlgorithm => self.algorithm(),
            ServerCertFault::CrlExpired => self.expired_list(),
            ServerCertFault::CaAsLeaf => format!(
                "{} is a CA certificate (basicConstraints CA:TRUE), which {} presents as its own",
                self.who(0),
                self.peer()
            ),
            ServerCertFault::NotACa => self.first(
                |at, cert| (at > 0 && !cert.authority().0).then(|| format!("{} is no CA (basicConstraints CA:TRUE is missing), but a certificate below it names it as its issuer", self.who(at))),
                "a certificate of the chain was issued by one that is no CA",
            ),
            ServerCertFault::PathLength => self.first(
                |at, cert| {
                    let (is_ca, allowed) = cert.authority();
                    let cas_below = u32::try_from(at.saturating_sub(1)).ok()?;
                    (is_ca && cas_below > allowed?).then(|| format!("there are more CAs below {} than its path length allows (basicConstraints pathlen)", self.who(at)))
                },
                "there are more CAs below one of the chain than its path length allows",
            ),
            ServerCertFault::NameConstraints => self.constraints(),
            ServerCertFault::CriticalExtension => self.first(
                |at, cert| Some(format!("{} has a critical extension that is not processed here: {}", self.who(at), cert.unprocessed_critical()?)),
                "a certificate of the chain has a critical extension that is not processed here",
            ),
            _ => match webpki_error(error) {
                Some(error) => self.path(error),
                None if *error == CertificateError::BadEncoding => self.encoding(),
                None => plain(&error.clone().into()),
            },
        }
    }

    /// Errors without a class of their own.
    fn path(&self, error: &webpki::Error) -> String {
        use webpki::Error as E;
        match error {
            E::UnsupportedCertVersion => self.first(
                |at, cert| (cert.version() != 3).then(|| format!("{} is not of version 3, as it has no extensions; have it issued with a subjectAltName", self.who(at))),
                "a certificate of the chain is not of version 3",
            ),
            E::SignatureAlgorithmMismatch => {
                "a certificate of the chain names two different algorithms for its signature".into()
            }
            E::MaximumPathDepthExceeded => format!(
                "the chain has more CAs between {} and a root than the 6 that are followed; {} sent {} certificates",
                self.who(0),
                self.peer(),
                self.chain.len()
            ),
            E::MaximumPathBuildCallsExceeded
            | E::MaximumSignatureChecksExceeded
            | E::MaximumNameConstraintComparisonsExceeded => format!(
                "looking for a way from {} to a root was given up: the {} certificates that {} sent and the trusted roots can be combined in too many ways; have it send its own chain only",
                self.who(0),
                self.chain.len(),
                self.peer()
            ),
            E::EmptyEkuExtension => "a certificate of the chain has an empty list of extended key usages (extKeyUsage)".into(),
            E::MalformedExtensions | E::ExtensionValueInvalid | E::MalformedNameConstraint
            | E::InvalidNetworkMaskConstraint | E::MalformedDnsIdentifier
            | E::UnsupportedNameType => self.broken(&variant(error)),
            other => format!("{} or one above it is not accepted: {}", self.who(0), variant(other)),
        }
    }

    pub(crate) fn list(&self, error: &CertRevocationListError) -> String {
        let issuers = self.certs.iter().flatten();
        let listed = issuers
            .map(CertInspect::issuer_der)
            .find(|issuer| next_update_of(&self.grounds.crls, issuer).is_some());
        let list = match listed {
            Some(issuer) => format!("the revocation list of {}", name_text(issuer)),
            None => "a revocation list".to_owned(),
        };
        match error {
            CertRevocationListError::BadSignature => format!(
                "{list} is not signed with the key that signed the certificate: it is damaged, or of another authority of the same name"
            ),
            CertRevocationListError::IssuerInvalidForCrl => format!(
                "{list} cannot be used: the key usage of that authority does not allow it to sign lists (cRLSign)"
            ),
            other => format!("{list} cannot be used: {}", variant(other)),
        }
    }

    /// A certificate's number as sent, counted from 1, and its subject.
    fn who(&self, at: usize) -> String {
        match self.certs.get(at) {
            Some(Some(cert)) => format!("certificate {} ({})", at + 1, cert.subject()),
            _ => format!("certificate {}", at + 1),
        }
    }

    /// The words for a server's chain, or those for a client's.
    fn either(&self, server: &'static str, client: &'static str) -> &'static str {
        match self.grounds.subject {
            Subject::Server(_) => server,
            Subject::Client => client,
        }
    }

    fn peer(&self) -> &'static str {
        self.either("the server", "the client")
    }

    fn trust(&self) -> &'static str {
        self.either("--cacert", "the CA bundle for clients")
    }

    /// The first sentence that one of the certificates gives.
    fn first(
        &self,
        say: impl Fn(usize, &CertInspect<'_>) -> Option<String>,
        otherwise: &str,
    ) -> String {
        let mut certs = self.certs.iter().enumerate();
        let said = certs.find_map(|(at, cert)| say(at, cert.as_ref()?));
        said.unwrap_or_else(|| otherwise.to_owned())
    }

    fn name(&self) -> String {
        let Subject::Server(wanted) = &self.grounds.subject else {
            return "the certificate is for another name".into();
        };
        let wanted = if wanted.is_empty() {
            &self.sent
        } else {
            wanted
        };
        name_sentence(self.chain.first().copied(), wanted)
    }

    fn dates(&self) -> String {
        let out_of_date = |at, cert: &CertInspect<'_>| {
            let (from, to) = cert.validity_unix_s();
            let who = self.who(at);
            if self.now_s > to {
                let ago = count_days((self.now_s - to) / 86_400);
                Some(format!("{who} expired on {}, {ago} ago", date(to)))
            } else if self.now_s < from {
                Some(format!("{who} is not valid before {}", date(from)))
            } else {
                None
            }
        };
        self.first(
            out_of_date,
            "a certificate of the chain is not valid at this time",
        )
    }

    fn unknown_issuer(&self) -> String {
        let last = self.certs.len().saturating_sub(1);
        match self.certs.last() {
            Some(Some(cert)) if cert.is_self_issued() => format!(
                "{}, the last of the chain, is self-signed, and {} does not hold it",
                self.who(last),
                self.trust()
            ),
            Some(Some(cert)) => {
                let mut roots = self.grounds.roots.iter().filter_map(CertInspect::parse);
                let held = roots.any(|root| root.subject_der() == cert.issuer_der());
                let issuer = cert.issuer();
                if held {
                    format!(
                        "{} was issued by {issuer}, which {} holds, but no way through the chain leads there; the certificates that {} sent do not belong together",
                        self.who(last),
                        self.trust(),
                        self.peer()
                    )
                } else {
                    format!(
                        "{} was issued by {issuer}, which {} does not hold",
                        self.who(last),
                        self.trust()
                    )
                }
            }
            _ => format!("no root in {} signed the chain", self.trust()),
        }
    }

    fn purpose(&self) -> String {
        let usage = self.either("serverAuth", "clientAuth");
        let lacking = self.chain.iter().enumerate().find_map(|(at, cert)| {
            let eku = CertFacts::parse(cert).ok()?.eku;
            let lacks = !eku.is_empty() && eku.iter().all(|name| name != usage);
            lacks.then(|| (at, eku.join(", ")))
        });
        match lacking {
            Some((at, eku)) => format!(
                "{} is for {eku}, not for {usage} (extended key usage)",
                self.who(at)
            ),
            None => format!("the extended key usage of the chain does not allow {usage}"),
        }
    }

    fn revoked(&self) -> String {
        let revoked = |at, cert: &CertInspect<'_>| {
            let (issuer, who) = (cert.issuer(), self.who(at));
            lists_naming(&self.grounds.crls, cert.issuer_der(), cert.serial())
                .then(|| format!("{who} is revoked by the revocation list of {issuer}"))
        };
        self.first(revoked, "a certificate of the chain is revoked")
    }

    fn expired_list(&self) -> String {
        let stale = |_, cert: &CertInspect<'_>| {
            let next_update = next_update_of(&self.grounds.crls, cert.issuer_der())?;
            (next_update <= self.now_s).then(|| {
                format!(
                    "the revocation list of {} is out of date: a new one was due on {}",
                    cert.issuer(),
                    date(next_update)
                )
            })
        };
        self.first(stale, "a revocation list is out of date")
    }

    /// The signature that does not verify, and the providers that can verify it.
    fn signature(&self) -> String {
        let found = self.signatures(self.grounds.algorithms, |answer| answer == Answer::Bad);
        let Some((at, issuer_key)) = found else {
            return "a signature in the chain does not verify".into();
        };
        let issuer = self.certs[at]
            .as_ref()
            .map_or_else(String::new, CertInspect::issuer);
        let otherwise = "the certificate is damaged, or another authority of that name issued it";
        let ending = (self.grounds).why_bad(&issuer_key, &self.others(at), otherwise);
        format!(
            "the signature of {} does not verify with the key of its issuer {issuer} ({issuer_key}): {ending}",
            self.who(at)
        )
    }

    /// The unsupported algorithm, and the providers that support it.
    fn algorithm(&self) -> String {
        let found = self.signatures(self.grounds.algorithms, |answer| answer == Answer::Unknown);
        let Some((at, issuer_key)) = found else {
            return format!(
                "{} does not verify the signatures of this chain",
                self.grounds.provider
            );
        };
        let algorithm = CertFacts::parse(self.chain[at]).map_or_else(
            |_| "an unknown algorithm".to_owned(),
            |f| f.signature_algorithm,
        );
        let others = self.others(at);
        let ending = if others.is_empty() {
            "no provider of this build does".to_owned()
        } else {
            format!("{others} can (--provider)")
        };
        format!(
            "{} is signed with {algorithm} by a key of the kind {issuer_key}, which {} does not verify; {ending}",
            self.who(at),
            self.grounds.provider
        )
    }

    /// The first certificate for which `is` holds with every key of its issuer's name, and the kind of the first key.
    fn signatures(
        &self,
        algorithms: &Algorithms,
        is: impl Fn(Answer) -> bool,
    ) -> Option<(usize, String)> {
        (0..self.chain.len()).find_map(|at| {
            let signed = Signed::parse(self.chain[at])?;
            let keys = self.issuer_keys(at);
            let (first, _) = keys.first()?;
            let mut keys = keys.iter();
            let all = keys.all(|(_, key)| is(signed_with(&signed, key, algorithms)));
            all.then(|| (at, first.clone()))
        })
    }

    /// The keys of all certificates with the issuer's name, each with its kind.
    fn issuer_keys(&self, at: usize) -> Vec<(String, &[u8])> {
        let Some(Some(cert)) = self.certs.get(at) else {
            return Vec::new();
        };
        let key = |issuer: &CertInspect<'a>| {
            let named = issuer.subject_der() == cert.issuer_der();
            named.then(|| (issuer.key(), issuer.spki_der()))
        };
        let roots = self.grounds.roots.iter().filter_map(CertInspect::parse);
        let roots = roots.filter_map(|root| key(&root));
        roots
            .chain(self.certs.iter().flatten().filter_map(key))
            .collect()
    }

    /// The other providers of this build that verify a certificate's signature.
    fn others(&self, at: usize) -> String {
        let Some(signed) = Signed::parse(self.chain[at]) else {
            return String::new();
        };
        let keys = self.issuer_keys(at);
        crypto::others_that(self.grounds.provider, |provider| {
            let all = provider.signature_verification_algorithms.all;
            keys.iter()
                .any(|(_, key)| signed_with(&signed, key, all) == Answer::Good)
        })
    }

    /// Whether a certificate's signature verifies but no list of its issuer's does.
    pub(crate) fn has_foreign_list(&self) -> bool {
        let algorithms = self.grounds.algorithms;
        (0..self.chain.len()).any(|at| {
            let keys = self.issuer_keys(at);
            let (Some(signed), Some(Some(cert))) =
                (Signed::parse(self.chain[at]), self.certs.get(at))
            else {
                return false;
            };
            let issuer = cert.issuer_der();
            let mut lists = (self.grounds.crls.iter())
                .filter(|crl| ListScope::parse(crl).is_some_and(|scope| scope.issuer_der == issuer))
                .peekable();
            let good = |signed: &Signed<'_>, key: &[u8]| {
                signed_with(signed, key, algorithms) == Answer::Good
            };
            let issuer_key = keys.iter().find(|(_, key)| good(&signed, key));
            lists.peek().is_some()
                && issuer_key.is_some_and(|(_, key)| {
                    lists.all(|crl| !Signed::parse(crl).is_some_and(|list| good(&list, key)))
                })
        })
    }

    fn constraints(&self) -> String {
        let mut above = self.certs.iter().enumerate().skip(1);
        let constraint = above.find_map(|(at, cert)| {
            let said = cert.as_ref()?.name_constraints();
            (!said.is_empty()).then(|| format!("{}, which {said}", self.who(at)))
        });
        let root = || {
            let mut roots = self.grounds.roots.iter().filter_map(CertInspect::parse);
            roots.find_map(|root| {
                let said = root.name_constraints();
                (!said.is_empty()).then(|| format!("the root {}, which {said}", root.subject()))
            })
        };
        let by = constraint.or_else(root);
        let by = by.unwrap_or_else(|| "a CA above it".to_owned());
        format!(
            "{} has a name outside of the name constraints of {by}",
            self.who(0)
        )
    }

    fn encoding(&self) -> String {
        match self.certs.iter().position(Option::is_none) {
            Some(at) => format!("{} does not parse as X.509", self.who(at)),
            None => self.broken("an encoding is not DER"),
        }
    }

    fn broken(&self, what: &str) -> String {
        self.first(
            |at, cert| {
                Some(format!(
                    "{}: {}: {what}",
                    self.who(at),
                    cert.broken_extension()?
                ))
            },
            &format!("a certificate of the chain is malformed: {what}"),
        )
    }
}

/// RFC 3339, or the number if it is out of range.
fn date(unix_s: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix_s)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{unix_s} s since 1970"))
}
