//! A fleet of the SVIDs that a SPIFFE agent gives this process.

use std::collections::HashSet;

use rustls_pki_types::CertificateDer;

use super::super::der::{Element, SEQUENCE, parse, shown};
use super::super::inspect::CertInspect;
use super::super::{Identity, PkiError};
use super::shared::share_issuers;
use super::{Fleet, Source, Stamp, few};
use crate::spiffe::{Agent, Answer, Svid};
use crate::stats::IdentityTrouble;

/// The agent, and which SVIDs it gave at first.
#[derive(Debug)]
pub(super) struct Svids {
    agent: Agent,
    /// By the index of the identity.
    known: Vec<Known>,
}

/// What an SVID is found by in later answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Known {
    id: String,
    hint: String,
}

impl Known {
    fn of(svid: &Svid) -> Self {
        Self {
            id: svid.id.clone(),
            hint: svid.hint.clone(),
        }
    }

    fn is(&self, svid: &Svid) -> bool {
        (&self.id, &self.hint) == (&svid.id, &svid.hint)
    }
}

impl Fleet {
    /// What the agent at an endpoint gives, or that of the environment where it is empty.
    ///
    /// Fails if it gives none.
    pub(super) fn of_agent(endpoint: &str) -> Result<Self, PkiError> {
        let agent = Agent::open(endpoint)?;
        let mut seen = HashSet::new();
        let answer = agent.newest();
        let known = answer.svids.iter().map(Known::of);
        let known: Vec<Known> = known.filter(|svid| seen.insert(svid.clone())).collect();
        let name = |svid: &Known| {
            if known.iter().filter(|other| other.id == svid.id).count() > 1 {
                shown(&format!("{} ({})", svid.id, svid.hint))
            } else {
                shown(&svid.id)
            }
        };
        let counted = few(known.iter().map(name).collect());
        Ok(Self {
            source: Source::Spiffe(Svids { agent, known }),
            counted,
        })
    }

    /// What servers are verified against by the source of the fleet: the bundle of its first SVID. Empty if it says
    /// nothing.
    ///
    /// Fails if the bundle does not parse.
    pub(crate) fn roots(&self) -> Result<Vec<CertificateDer<'static>>, PkiError> {
        match &self.source {
            Source::Spiffe(svids) => svids.bundle(),
            Source::Files(_) | Source::Minted(..) => Ok(Vec::new()),
        }
    }
}

impl Svids {
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Changes with every answer.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp::numbered(self.agent.newest().number)
    }

    /// An SVID as the agent gave it last.
    pub(super) fn load(&self, index: u32) -> Result<Identity, PkiError> {
        self.with(index, |svid| {
            let chain = certificates(&svid.chain).map_err(Wrong::certificate)?;
            let place = self.agent.socket();
            let name = shown(&svid.id);
            let loaded = Identity::of_der(name, place, chain, svid.key.clone());
            let mut identity = loaded.map_err(Wrong::pair)?;
            share_issuers(&mut identity.chain);
            Ok(identity)
        })
    }

    pub(super) fn serial(&self, index: u32) -> Result<Vec<u8>, PkiError> {
        self.with(index, |svid| {
            let chain = certificates(&svid.chain).map_err(Wrong::certificate)?;
            let leaf = chain.first().and_then(CertInspect::parse);
            Ok(leaf.map_or_else(Vec::new, |leaf| leaf.serial().to_vec()))
        })
    }

    fn bundle(&self) -> Result<Vec<CertificateDer<'static>>, PkiError> {
        self.with(0, |svid| {
            certificates(&svid.bundle).map_err(|cause| Wrong {
                cause: format!("of its bundle, {cause}"),
                trouble: IdentityTrouble::Unusable,
            })
        })
    }

    /// Reads something of an identity's SVID.
    fn with<T>(
        &self,
        index: u32,
        read: impl FnOnce(&Svid) -> Result<T, Wrong>,
    ) -> Result<T, PkiError> {
        let Answer { svids, .. } = self.agent.newest();
        let known = self.known.get(index as usize);
        let svid = svids
            .iter()
            .find(|svid| known.is_some_and(|known| known.is(svid)));
        let read = svid.map_or_else(|| Err(Wrong::gone()), read);
        read.map_err(|wrong| PkiError::Svid {
            socket: self.agent.socket().to_owned(),
            id: known.map_or_else(String::new, |known| shown(&known.id)),
            cause: wrong.cause,
            trouble: wrong.trouble,
        })
    }
}

/// Why an SVID cannot be used.
struct Wrong {
    cause: String,
    trouble: IdentityTrouble,
}

impl Wrong {
    fn certificate(cause: String) -> Self {
        Self {
            cause,
            trouble: IdentityTrouble::Unusable,
        }
    }

    fn gone() -> Self {
        Self {
            cause: "the agent no longer gives it".to_owned(),
            trouble: IdentityTrouble::Unreadable,
        }
    }

    /// What is wrong with certificate and key together, without a path, as there is no file.
    fn pair(error: PkiError) -> Self {
        let trouble = error.trouble();
        let cause = match error {
            PkiError::KeyMismatch { .. } => "its key does not match its certificate".to_owned(),
            PkiError::BadKey { cause, .. } => format!("its key: {cause}"),
            other => other.to_string(),
        };
        Self { cause, trouble }
    }
}

/// Certificates that follow each other in DER.
///
/// Fails with a clause if there is none, or one does not parse.
fn certificates(mut der: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut all = Vec::new();
    loop {
        let bad = |cause: &str| format!("certificate {} does not parse: {cause}", all.len() + 1);
        let element = Element::of(der, SEQUENCE).ok_or_else(|| bad("it is no whole sequence"))?;
        let (one, rest) = der.split_at(der.len() - element.rest.len());
        parse(one).map_err(|cause| bad(&cause))?;
        all.push(CertificateDer::from(one.to_vec()));
        if rest.is_empty() {
            return Ok(all);
        }
        der = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{Pki, PkiSpec};

    #[test]
    fn certificates_are_cut_where_each_ends() {
        let pki = Pki::mint(&PkiSpec::default()).unwrap();
        let chain = &pki.clients()[0].chain;
        let joined: Vec<u8> = chain.iter().flat_map(|der| der.to_vec()).collect();
        assert_eq!(certificates(&joined).unwrap(), *chain);
        for (wrong, why) in [
            (&joined[..joined.len() - 1], "certificate 2 does not parse"),
            (b"", "no whole sequence"),
            (b"\x30\x00", "certificate 1"),
        ] {
            let error = certificates(wrong).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
