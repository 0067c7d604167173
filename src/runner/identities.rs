//! The client identities of a run, loaded or minted once, and which of them a cell presents.

use crate::pki::{CertFacts, Identity, PkiError};
use crate::scenario::{AuthMode, Cell, IdentityFault, IdentitySection, Scenario};

/// One identity; without chain and key it answers a `CertificateRequest` with nothing.
pub(super) struct Presented {
    /// Its name in the scenario; empty for the only one.
    name: String,
    pub share: u32,
    pub identity: Option<Identity>,
}

/// All identities that cells of one client key present.
pub(super) struct Identities(Vec<Presented>);

impl Identities {
    /// Those of a scenario: each of its `identities` as `get` finds it, and the one that cells
    /// present which name none.
    pub(crate) fn new(
        scenario: &Scenario,
        only: Option<Identity>,
        get: impl Fn(&IdentitySection) -> Result<Option<Identity>, PkiError>,
    ) -> Result<Self, PkiError> {
        let mut all = vec![Presented {
            name: String::new(),
            share: 1,
            identity: only,
        }];
        for section in &scenario.identities {
            let bare = section.fault == Some(IdentityFault::None);
            all.push(Presented {
                name: section.name.clone(),
                share: section.share(),
                identity: if bare { None } else { get(section)? },
            });
        }
        Ok(Self(all))
    }

    /// Those that a cell presents, in the order of its names.
    pub(crate) fn of(&self, cell: &Cell) -> Vec<&Presented> {
        let only = [String::new()];
        let wanted = if cell.identities.is_empty() {
            &only[..]
        } else {
            &cell.identities
        };
        let find = |name: &String| self.0.iter().find(|known| known.name == *name);
        wanted.iter().filter_map(find).collect()
    }
}

/// The subject of the certificate, if mutual cells all present the same one. `of` has the identities of a
/// cell.
pub(super) fn subject<'a>(
    cells: &[Cell],
    of: impl Fn(&Cell) -> Option<&'a Identities>,
) -> Result<Option<String>, PkiError> {
    let mutual = cells.iter().filter(|cell| cell.auth == AuthMode::Mutual);
    let mut presented = mutual.flat_map(|cell| of(cell).map_or(Vec::new(), |all| all.of(cell)));
    let leaf = |presented: &'a Presented| presented.identity.as_ref()?.chain.first();
    let Some(first) = presented.next() else {
        return Ok(None);
    };
    if presented.any(|other| other.name != first.name || leaf(other) != leaf(first)) {
        return Ok(None);
    }
    leaf(first)
        .map(|leaf| Ok(CertFacts::parse(leaf)?.subject))
        .transpose()
}
