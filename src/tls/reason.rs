//! Why a chain was rejected, in one sentence: which certificate, what about it, and what was expected. Nothing is
//! decided here, and nothing of it runs unless a chain was rejected.

use rustls::pki_types::CertificateDer;
use rustls::{CertRevocationListError, CertificateError};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::classify::webpki_error;
use super::reject::{Grounds, SHORT_RSA, Subject, is_short_rsa, name_sentence, plain};
use super::signature::{Algorithms, Answer, NamedKey, signed_with};
use crate::crypto;
use crate::pki::{
    CertFacts, CertInspect, ListScope, Signed, lists_naming, name_text, newest_list_of,
};
use crate::scenario::ProviderName;
use crate::text::words;

/// One rejected chain.
pub(super) struct Case<'a> {
    pub grounds: &'a Grounds,
    /// The name that was sent to the server.
    pub sent: &'a str,
    pub chain: &'a [&'a CertificateDer<'a>],
    pub certs: Vec<Option<CertInspect<'a>>>,
    /// Seconds since 1970.
    pub now_s: i64,
}

impl Case<'_> {
    pub fn certificate(&self, error: &CertificateError) -> String {
        match error {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                self.name()
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => self.dates(),
            CertificateError::UnknownIssuer => self.unknown_issuer(),
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                self.purpose()
            }
            CertificateError::Revoked => self.revoked(),
            CertificateError::BadSignature => self.signature(),
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                self.algorithm()
            }
            CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => self.expired_list(),
            CertificateError::BadEncoding => self.encoding(),
            other => match webpki_error(other) {
                Some(error) => self.path(error),
                None => plain(&other.clone().into()),
            },
        }
    }

    fn path(&self, error: &webpki::Error) -> String {
        use webpki::Error as E;
        match error {
            E::CaUsedAsEndEntity => format!(
                "{} is a CA certificate (basicConstraints CA:TRUE), which {} presents as its own",
                self.who(0),
                self.peer()
            ),
            E::EndEntityUsedAsCa => self.which(
                |at| at > 0 && self.certs[at].as_ref().is_some_and(|c| !c.authority().0),
                |who| format!("{who} is no CA (basicConstraints CA:TRUE is missing), but a certificate below it names it as its issuer"),
                "a certificate of the chain was issued by one that is no CA",
            ),
            E::PathLenConstraintViolated => self.which(
                |at| self.below(at).is_some(),
                |who| format!("there are more CAs below {who} than its path length allows (basicConstraints pathlen)"),
                "there are more CAs below one of the chain than its path length allows",
            ),
            E::NameConstraintViolation => self.constraints(),
            E::UnsupportedCriticalExtension => self.critical(),
            E::UnsupportedCertVersion => self.which(
                |at| self.certs[at].as_ref().is_some_and(|c| c.version() != 3),
                |who| format!("{who} is not of version 3, as it has no extensions; have it issued with a subjectAltName"),
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
            | E::UnsupportedNameType => self.broken(&words(&format!("{error:?}"))),
            other => format!(
                "{} or one above it is not accepted: {}",
                self.who(0),
                words(&format!("{other:?}"))
            ),
        }
    }

    pub fn list(&self, error: &CertRevocationListError) -> String {
        let issuers = self.certs.iter().flatten();
        let listed = issuers
            .map(CertInspect::issuer_der)
            .find(|issuer| newest_list_of(&self.grounds.crls, issuer).is_some());
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
            other => format!("{list} cannot be used: {}", words(&format!("{other:?}"))),
        }
    }

    /// What a message calls a certificate: its number as sent, counted from 1, and its subject.
    fn who(&self, at: usize) -> String {
        match self.certs.get(at) {
            Some(Some(cert)) => format!("certificate {} ({})", at + 1, cert.subject()),
            _ => format!("certificate {}", at + 1),
        }
    }

    fn peer(&self) -> &'static str {
        match self.grounds.subject {
            Subject::Server(_) => "the server",
            Subject::Client => "the client",
        }
    }

    fn trust(&self) -> &'static str {
        match self.grounds.subject {
            Subject::Server(_) => "--cacert",
            Subject::Client => "the CA bundle for clients",
        }
    }

    /// The sentence about the first certificate for which something is so.
    fn which(
        &self,
        is: impl Fn(usize) -> bool,
        say: impl Fn(String) -> String,
        otherwise: &str,
    ) -> String {
        match (0..self.certs.len()).find(|at| is(*at)) {
            Some(at) => say(self.who(at)),
            None => otherwise.to_owned(),
        }
    }

    fn name(&self) -> String {
        let Subject::Server(wanted) = &self.grounds.subject else {
            return "the certificate is for another name".into();
        };
        let wanted = if wanted.is_empty() { self.sent } else { wanted };
        name_sentence(self.chain.first().copied(), wanted)
    }

    fn dates(&self) -> String {
        let found = (0..self.certs.len()).find_map(|at| {
            let (from, to) = self.certs[at].as_ref()?.validity_unix_s();
            if self.now_s > to {
                let days = (self.now_s - to) / 86_400;
                Some(format!(
                    "{} expired on {}, {} ago",
                    self.who(at),
                    date(to),
                    count_days(days)
                ))
            } else if self.now_s < from {
                Some(format!(
                    "{} is not valid before {}",
                    self.who(at),
                    date(from)
                ))
            } else {
                None
            }
        });
        found.unwrap_or_else(|| "a certificate of the chain is not valid at this time".into())
    }

    fn unknown_issuer(&self) -> String {
        let last = self.certs.len().saturating_sub(1);
        match self.certs.last() {
            Some(Some(cert)) if cert.subject_der() == cert.issuer_der() => format!(
                "{}, the last of the chain, is self-signed, and {} does not hold it",
                self.who(last),
                self.trust()
            ),
            Some(Some(cert)) => {
                let mut roots = self.grounds.roots.iter().filter_map(NamedKey::of);
                let held = roots.any(|root| root.subject_der == cert.issuer_der());
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
        let usage = match self.grounds.subject {
            Subject::Server(_) => "serverAuth",
            Subject::Client => "clientAuth",
        };
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
        let named = self.certs.iter().enumerate().find_map(|(at, cert)| {
            let cert = cert.as_ref()?;
            lists_naming(&self.grounds.crls, cert.issuer_der(), cert.serial())
                .then(|| (at, cert.issuer()))
        });
        match named {
            Some((at, issuer)) => format!(
                "{} is revoked by the revocation list of {issuer}",
                self.who(at)
            ),
            None => "a certificate of the chain is revoked".into(),
        }
    }

    fn expired_list(&self) -> String {
        let stale = self.certs.iter().flatten().find_map(|cert| {
            let (_, next_update) = newest_list_of(&self.grounds.crls, cert.issuer_der())?;
            (next_update <= self.now_s).then(|| (cert.issuer(), next_update))
        });
        match stale {
            Some((issuer, at)) => format!(
                "the revocation list of {issuer} is out of date: a new one was due on {}",
                date(at)
            ),
            None => "a revocation list is out of date".into(),
        }
    }

    /// Which signature does not verify, and whether another provider makes more of it.
    fn signature(&self) -> String {
        let found = self.signatures(self.grounds.algorithms, |answer| answer == Answer::Bad);
        let Some((at, issuer_key)) = found else {
            return "a signature in the chain does not verify".into();
        };
        let issuer = self.certs[at]
            .as_ref()
            .map_or_else(String::new, CertInspect::issuer);
        let others = self.others(at);
        let ending = if others.is_empty() && is_short_rsa(&issuer_key) {
            SHORT_RSA.to_owned()
        } else if others.is_empty() {
            "the certificate is damaged, or another authority of that name issued it".to_owned()
        } else {
            format!(
                "{} cannot use this key, but {others} can (--provider)",
                self.grounds.provider
            )
        };
        format!(
            "the signature of {} does not verify with the key of its issuer {issuer} ({issuer_key}): {ending}",
            self.who(at)
        )
    }

    /// Which algorithm is not supported, and which provider has it.
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

    /// The first certificate whose signature is such by every key of its issuer's name, and that key.
    fn signatures(
        &self,
        algorithms: &Algorithms,
        is: impl Fn(Answer) -> bool,
    ) -> Option<(usize, String)> {
        (0..self.chain.len()).find_map(|at| {
            let signed = Signed::parse(self.chain[at])?;
            let keys = self.issuer_keys(at);
            let (first, _) = keys.first()?;
            let all = keys
                .iter()
                .all(|(_, key)| is(signed_with(&signed, &key.spki_der, algorithms)));
            all.then(|| (at, first.clone()))
        })
    }

    /// The keys of those who bear the name of a certificate's issuer, each with its kind.
    fn issuer_keys(&self, at: usize) -> Vec<(String, NamedKey)> {
        let Some(Some(cert)) = self.certs.get(at) else {
            return Vec::new();
        };
        let roots = self.grounds.roots.iter();
        let sent = self.chain.iter().copied();
        roots
            .filter_map(|root| Some((CertInspect::parse(root)?.key(), NamedKey::of(root)?)))
            .chain(sent.filter_map(|c| Some((CertInspect::parse(c)?.key(), NamedKey::of(c)?))))
            .filter(|(_, key)| key.subject_der == cert.issuer_der())
            .collect()
    }

    /// The other providers of this build that verify a certificate's signature.
    fn others(&self, at: usize) -> String {
        let Some(signed) = Signed::parse(self.chain[at]) else {
            return String::new();
        };
        let keys = self.issuer_keys(at);
        let able = ProviderName::ALL.into_iter().filter(|name| {
            *name != self.grounds.provider
                && crypto::provider(*name).is_ok_and(|provider| {
                    let all = provider.signature_verification_algorithms.all;
                    keys.iter()
                        .any(|(_, key)| signed_with(&signed, &key.spki_der, all) == Answer::Good)
                })
        });
        able.map(ProviderName::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Whether a certificate is signed as it should be, and the lists of its issuer are not.
    pub fn has_foreign_list(&self) -> bool {
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
            let good = |signed: &Signed<'_>, key: &NamedKey| {
                signed_with(signed, &key.spki_der, algorithms) == Answer::Good
            };
            let issuer_key = keys.iter().find(|(_, key)| good(&signed, key));
            lists.peek().is_some()
                && issuer_key.is_some_and(|(_, key)| {
                    lists.all(|crl| !Signed::parse(crl).is_some_and(|list| good(&list, key)))
                })
        })
    }

    fn constraints(&self) -> String {
        let constraint = self
            .certs
            .iter()
            .enumerate()
            .skip(1)
            .find_map(|(at, cert)| {
                let said = cert.as_ref()?.name_constraints();
                (!said.is_empty()).then(|| format!("{}, which {said}", self.who(at)))
            });
        let root = || {
            self.grounds.roots.iter().find_map(|root| {
                let root = CertInspect::parse(root)?;
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

    fn critical(&self) -> String {
        let found = self.certs.iter().enumerate().find_map(|(at, cert)| {
            let extension = cert.as_ref()?.unprocessed_critical()?;
            Some(format!(
                "{} has a critical extension that is not processed here: {extension}",
                self.who(at)
            ))
        });
        found.unwrap_or_else(|| {
            "a certificate of the chain has a critical extension that is not processed here".into()
        })
    }

    fn encoding(&self) -> String {
        match self.certs.iter().position(Option::is_none) {
            Some(at) => format!("{} does not parse as X.509", self.who(at)),
            None => self.broken("an encoding is not DER"),
        }
    }

    fn broken(&self, what: &str) -> String {
        let found = self.certs.iter().enumerate().find_map(|(at, cert)| {
            let extension = cert.as_ref()?.broken_extension()?;
            Some(format!("{}: {extension}: {what}", self.who(at)))
        });
        found.unwrap_or_else(|| format!("a certificate of the chain is malformed: {what}"))
    }

    /// The path length of a CA that has more CAs below it.
    fn below(&self, at: usize) -> Option<u32> {
        let (is_ca, allowed) = self.certs.get(at)?.as_ref()?.authority();
        let cas_below = u32::try_from(at.saturating_sub(1)).ok()?;
        allowed.filter(|allowed| is_ca && cas_below > *allowed)
    }
}

/// A time as people write it; the number if it has no such form.
fn date(unix_s: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix_s)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{unix_s} s since 1970"))
}

fn count_days(days: i64) -> String {
    match days {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}
