//! Certificates for a reader: the facts of each, and how those of one chain hang together.

use time::OffsetDateTime;

use super::report::{ChainCert, MAX_CHAIN, ServerChain};
use crate::pki::{CertFacts, CertInspect, CertificateDer};
use crate::stats::ServerCertFault;
use crate::text::{UNTRUSTED_CAP, escape_untrusted};
use crate::tls::Judgement;

/// Most names that one sentence lists.
const MAX_NAMED: usize = 5;

/// What the checks are made of.
pub(super) struct ChainView<'a> {
    pub chain: &'a [CertificateDer<'static>],
    pub links: Vec<Option<CertInspect<'a>>>,
    /// What we trust; `None` without verification.
    pub roots: Option<&'a [CertificateDer<'static>]>,
    /// The names that the server's certificate may have, in words.
    pub wanted: String,
    pub now: OffsetDateTime,
}

/// The facts of certificates, at most [`MAX_CHAIN`].
pub(super) fn certificates(
    chain: &[CertificateDer<'static>],
    now: OffsetDateTime,
) -> Vec<ChainCert> {
    let shown = chain.iter().take(MAX_CHAIN);
    shown
        .map(|cert| match CertFacts::parse(cert) {
            Ok(facts) => ChainCert {
                days_left: Some(facts.days_left(now)),
                facts: Some(facts),
                unreadable: None,
            },
            Err(error) => ChainCert {
                facts: None,
                unreadable: Some(escape_untrusted(&error.to_string(), UNTRUSTED_CAP)),
                days_left: None,
            },
        })
        .collect()
}

/// Bytes of all certificates.
pub(super) fn total_bytes(chain: &[CertificateDer<'static>]) -> usize {
    chain.iter().map(|cert| cert.len()).sum()
}

impl<'a> ChainView<'a> {
    pub(crate) fn new(
        chain: &'a [CertificateDer<'static>],
        roots: Option<&'a [CertificateDer<'static>]>,
        wanted: String,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            links: chain.iter().map(CertInspect::parse).collect(),
            chain,
            roots,
            wanted,
            now,
        }
    }

    pub(crate) fn chain_report(&self, judgement: &Judgement) -> ServerChain {
        let after_leaf = self.links.iter().skip(1).flatten();
        ServerChain {
            certificates: certificates(self.chain, self.now),
            count: self.chain.len(),
            bytes: total_bytes(self.chain),
            root_sent: after_leaf.clone().any(CertInspect::is_self_issued),
            intermediate_missing: self.intermediate_missing(judgement),
            in_order: self.links.windows(2).all(|pair| match pair {
                [Some(this), Some(next)] => this.issuer_der() == next.subject_der(),
                _ => true,
            }),
        }
    }

    /// The issuer of the last certificate: the root, if the chain is complete.
    pub(crate) fn top_issuer(&self) -> String {
        match self.links.last() {
            Some(Some(links)) => links.issuer(),
            _ => "an unreadable certificate".to_owned(),
        }
    }

    /// Whether the server's own certificate is among those that are trusted.
    pub(crate) fn trusts_leaf(&self) -> bool {
        let roots = self.roots.unwrap_or_default();
        self.chain.first().is_some_and(|leaf| roots.contains(leaf))
    }

    pub(crate) fn trusts_top_by_name(&self) -> bool {
        let Some(Some(top)) = self.links.last() else {
            return false;
        };
        let mut roots = self.roots.unwrap_or_default().iter();
        roots.any(|root| {
            CertInspect::parse(root).is_some_and(|r| r.subject_der() == top.issuer_der())
        })
    }

    /// Whether the server sent its leaf alone and nothing we trust issued that: the usual sign of a
    /// forgotten intermediate. A longer chain ends, as it should, below its root.
    pub(crate) fn intermediate_missing(&self, judgement: &Judgement) -> bool {
        let unknown = judgement.issuer.fault() == Some(ServerCertFault::UnknownIssuer);
        let has_roots = self.roots.is_some_and(|roots| !roots.is_empty());
        let alone = matches!(&self.links[..], [Some(leaf)] if !leaf.is_self_issued());
        unknown && has_roots && alone && !self.trusts_top_by_name()
    }

    /// Whether the last certificate is a root of its own.
    pub(crate) fn ends_in_root(&self) -> bool {
        matches!(self.links.last(), Some(Some(top)) if top.is_self_issued())
    }

    pub(crate) fn root_names(&self) -> String {
        let names: Vec<String> = self
            .roots
            .unwrap_or_default()
            .iter()
            .filter_map(CertInspect::parse)
            .map(|root| root.subject())
            .collect();
        format!("it holds {}", listing(names.iter().map(String::as_str)))
    }
}

/// The first few of a list in one line, and how many more.
pub(super) fn listing<'s>(names: impl ExactSizeIterator<Item = &'s str>) -> String {
    let more = names.len().saturating_sub(MAX_NAMED);
    let text = names.take(MAX_NAMED).collect::<Vec<_>>().join(", ");
    match (text.is_empty(), more) {
        (true, _) => "nothing".to_owned(),
        (_, 0) => text,
        _ => format!("{text} and {more} more"),
    }
}
