//! Chooses the revocation lists for a chain. webpki consults only the first list that applies, so it is given the
//! newest of each scope; where several lists of one issuer apply, the chain is verified once with each.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::Error;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use super::chain::{Chain, Chains};
use super::classify::is_about_the_name;
use super::signature::{Algorithms, Answer, NamedKey, signed_with};
use super::spec::TlsConfigError;
use crate::pki::{CertInspect, ListScope, Signed};

/// A revocation list with its scope.
#[derive(Debug, Clone)]
struct Listed {
    der: CertificateRevocationListDer<'static>,
    scope: ListScope,
}

impl Listed {
    fn issuer(&self) -> &[u8] {
        &self.scope.issuer_der
    }
}

/// The lists that no newer one supersedes, each once; empty if one of them does not parse.
fn newest(crls: &[CertificateRevocationListDer<'static>]) -> Vec<Listed> {
    let listed = |der: &CertificateRevocationListDer<'static>| {
        let (der, scope) = (der.clone(), ListScope::parse(der)?);
        Some(Listed { der, scope })
    };
    let all: Option<Vec<Listed>> = crls.iter().map(listed).collect();
    let all = all.unwrap_or_default();
    let mut kept: Vec<Listed> = Vec::new();
    for list in &all {
        let old = all.iter().any(|other| other.scope.supersedes(&list.scope));
        if !old && kept.iter().all(|other| other.der != list.der) {
            kept.push(list.clone());
        }
    }
    kept
}

/// Makes a verifier of some lists.
type Build = Box<
    dyn Fn(Vec<CertificateRevocationListDer<'static>>) -> Result<Arc<dyn Chains>, TlsConfigError>
        + Send
        + Sync,
>;

/// Chooses the lists for each chain.
pub(super) struct ByChain {
    /// Empty where no issuer has several.
    lists: Vec<Listed>,
    roots: Vec<NamedKey>,
    algorithms: &'static Algorithms,
    build: Build,
    /// Keyed by the indexes of their lists.
    built: Mutex<BTreeMap<Vec<usize>, Arc<dyn Chains>>>,
    /// Has all current lists.
    all: Arc<dyn Chains>,
}

impl fmt::Debug for ByChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByChain")
            .field("lists", &self.lists.len())
            .finish_non_exhaustive()
    }
}

impl ByChain {
    /// Fails as `build` does.
    pub(crate) fn new(
        crls: &[CertificateRevocationListDer<'static>],
        roots: &[CertificateDer<'static>],
        algorithms: &'static Algorithms,
        build: Build,
    ) -> Result<Self, TlsConfigError> {
        let mut lists = newest(crls);
        let all = if lists.is_empty() {
            // Let the verifier report the unreadable list.
            build(crls.to_vec())?
        } else {
            build(lists.iter().map(|list| list.der.clone()).collect())?
        };
        let mut issuers: Vec<&[u8]> = lists.iter().map(Listed::issuer).collect();
        issuers.sort_unstable();
        if issuers.windows(2).all(|pair| pair[0] != pair[1]) {
            lists.clear();
        }
        Ok(Self {
            lists,
            roots: roots.iter().filter_map(NamedKey::of).collect(),
            algorithms,
            build,
            built: Mutex::default(),
            all,
        })
    }

    /// The verifiers that a chain has to pass, at least one.
    fn verifiers(&self, chain: &[&CertificateDer<'_>]) -> Result<Vec<Arc<dyn Chains>>, Error> {
        if self.lists.is_empty() {
            return Ok(vec![Arc::clone(&self.all)]);
        }
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        let selections = self.selections(chain).into_iter();
        selections
            .map(|selection| {
                if let Some(known) = built.get(&selection) {
                    return Ok(Arc::clone(known));
                }
                let lists = selection.iter().map(|at| self.lists[*at].der.clone());
                let verifier = (self.build)(lists.collect())
                    .map_err(|error| Error::General(error.to_string()))?;
                built.insert(selection, Arc::clone(&verifier));
                Ok(verifier)
            })
            .collect()
    }

    /// The indexes of the lists that are asked together: of each issuer one at a time.
    fn selections(&self, chain: &[&CertificateDer<'_>]) -> Vec<Vec<usize>> {
        let certs: Vec<_> = chain
            .iter()
            .filter_map(|cert| Some((CertInspect::parse(cert)?, Signed::parse(cert)?)))
            .collect();
        let mut by_issuer: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
        for (at, list) in self.lists.iter().enumerate() {
            let issuer = list.issuer();
            if certs.iter().any(|(cert, _)| cert.issuer_der() == issuer) {
                by_issuer.entry(issuer).or_default().push(at);
            }
        }
        let candidates: Vec<NamedKey> = chain.iter().filter_map(|c| NamedKey::of(c)).collect();
        for (issuer, lists) in by_issuer.iter_mut().filter(|(_, lists)| lists.len() > 1) {
            let issued: Vec<&Signed<'_>> = certs
                .iter()
                .filter(|(cert, _)| cert.issuer_der() == *issuer)
                .map(|(_, signed)| signed)
                .collect();
            let keys = self.roots.iter().chain(&candidates);
            let signers: Vec<&[u8]> = keys
                .filter(|key| key.subject_der == *issuer)
                .map(|key| key.spki_der.as_slice())
                .filter(|key| issued.iter().any(|signed| self.signed(signed, key)))
                .collect();
            self.narrow(lists, &signers);
        }
        let most = by_issuer.values().map(Vec::len).max().unwrap_or(0).max(1);
        let turn = |turn: usize| {
            let one = by_issuer
                .values()
                .filter_map(|lists| lists.get(turn % lists.len()));
            one.copied().collect()
        };
        (0..most).map(turn).collect()
    }

    /// Keeps the lists of one issuer that one of these keys signed, the newest of each scope. Where none
    /// did, all stay: the verifier then rejects the chain.
    fn narrow(&self, lists: &mut Vec<usize>, signers: &[&[u8]]) {
        let own = |at: &usize| {
            let signed = Signed::parse(&self.lists[*at].der);
            signed.is_some_and(|list| signers.iter().any(|key| self.signed(&list, key)))
        };
        let signed: Vec<usize> = lists.iter().copied().filter(own).collect();
        if signed.is_empty() {
            return;
        }
        let scope = |at: usize| &self.lists[at].scope;
        // Where two keys of one name signed in this chain, each keeps its own lists.
        let one_key = signers.len() == 1;
        let outdated = |at: usize| {
            let mut others = signed.iter();
            others.any(|other| {
                scope(*other).supersedes(scope(at)) || one_key && scope(*other).outdates(scope(at))
            })
        };
        *lists = signed.iter().copied().filter(|at| !outdated(*at)).collect();
    }

    fn signed(&self, signed: &Signed<'_>, spki_der: &[u8]) -> bool {
        signed_with(signed, spki_der, self.algorithms) == Answer::Good
    }
}

impl Chains for ByChain {
    fn verify(&self, chain: &Chain<'_>) -> Result<(), Error> {
        let certs: Vec<_> = chain.certs().collect();
        // A wrong name is forgiven where another is expected, so it must not hide what later lists say.
        let mut result = Ok(());
        for verifier in self.verifiers(&certs)? {
            match verifier.verify(chain) {
                Err(error) if !is_about_the_name(&error) => return Err(error),
                Err(error) => result = Err(error),
                Ok(()) => {}
            }
        }
        result
    }
}
