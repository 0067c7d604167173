//! The matrix, expanded: cells, and the order in which their trials run.

use std::fmt;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AuthMode, EndKeys, IdentityFault, IdentitySection, Matrix, ProviderName, TlsVersion};
use crate::units::Ratio;

/// One point of the expanded matrix.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Its name, unique in the scenario: `tcp`, `tls`, `mtls`, with the version, key, group, chain,
    /// provider, revocation lists, exchanges and streams that are varied, `-resumed` with the percentage below 100, and the identity or fault
    /// behind a slash, as in `mtls1.3-rsa2048-ring-resumed50/expired`.
    pub name: String,
    /// Who is authenticated.
    pub auth: AuthMode,
    /// The TLS versions offered, none for plain TCP.
    pub versions: Vec<TlsVersion>,
    /// Where the client's cryptography comes from; none for plain TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
    /// Key algorithms of the embedded target's certificates on both sides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<EndKeys>,
    /// The only group that is offered; none where the scenario's list is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Intermediates in the embedded target's chains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<u8>,
    /// Whether both ends look certificates up in the embedded target's revocation lists.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub crl: bool,
    /// Exchanges per session; none where they are the same in all cells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchanges: Option<u32>,
    /// Streams of an exchange; none where they are the same in all cells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<u32>,
    /// The share of its sessions that is planned to be resumed; none where resumption is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Ratio>,
    /// Names of the identities presented, in turn by their shares; none where the scenario has but
    /// one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<String>,
    /// What is wrong with the certificate of the embedded target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_fault: Option<IdentityFault>,
}

impl Cell {
    /// The same point of the matrix without its name: equal for cells that differ in name alone.
    #[must_use]
    pub(crate) fn nameless(&self) -> Self {
        Self {
            name: String::new(),
            ..self.clone()
        }
    }
}

/// What every cell has where the matrix does not vary it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Common<'a> {
    pub auth: AuthMode,
    pub identities: &'a [IdentitySection],
    /// The shares of resumed sessions, a TLS cell each; none where resumption is off.
    pub resumed: &'a [Ratio],
    pub provider: ProviderName,
    /// Key algorithms and intermediates of the embedded target's certificates; none for a server elsewhere.
    pub minted: Option<(EndKeys, u8)>,
}

impl Matrix {
    /// Expands to cells, in the order written, without repetitions.
    pub(super) fn cells(&self, common: &Common<'_>) -> Vec<Cell> {
        let auths = if self.auth.is_empty() {
            &[common.auth][..]
        } else {
            &self.auth
        };
        let mut cells: Vec<Cell> = Vec::new();
        for &auth in auths {
            for base in self.of_auth(auth, common) {
                for share in shares(auth, common.resumed) {
                    let name = format!("{}{}", base.name, suffix(share));
                    let base = Cell {
                        name,
                        resumed: share,
                        ..base.clone()
                    };
                    let mut variants = self.variants(&base, common.identities);
                    variants.retain(|cell| cells.iter().all(|known| known.name != cell.name));
                    cells.extend(variants);
                }
            }
        }
        cells
    }

    /// The cells of one authentication mode by all that is varied but shares and identities. Names say what is
    /// varied and nothing else.
    fn of_auth(&self, auth: AuthMode, common: &Common<'_>) -> Vec<Cell> {
        let cells = self.of_tls(auth, common);
        let cells = vary(cells, &self.exchanges, "-x", |cell, count| {
            cell.exchanges = Some(*count);
        });
        vary(cells, &self.streams, "-s", |cell, count| {
            cell.streams = Some(*count);
        })
    }

    /// The cells of one authentication mode by what is varied about TLS.
    fn of_tls(&self, auth: AuthMode, common: &Common<'_>) -> Vec<Cell> {
        let plain = Cell {
            name: auth.label().to_owned(),
            auth,
            ..Cell::default()
        };
        if auth == AuthMode::None {
            return vec![plain];
        }
        let (keys, chain) = common.minted.unzip();
        let base = Cell {
            versions: vec![TlsVersion::Tls12, TlsVersion::Tls13],
            provider: Some(common.provider),
            keys,
            chain,
            ..plain
        };
        let cells = vary(vec![base], &self.tls, "", |cell, version| {
            cell.versions = vec![*version];
        });
        let cells = vary(cells, &self.key, "-", |cell, keys| cell.keys = Some(*keys));
        let groups: Vec<String> = self
            .group
            .iter()
            .map(|name| canonical_group(name))
            .collect();
        let cells = vary(cells, &groups, "-", |cell, group| {
            cell.group = Some(group.clone());
        });
        let cells = vary(cells, &self.chain, "-chain", |cell, length| {
            cell.chain = Some(*length);
        });
        let cells = vary(cells, &self.provider, "-", |cell, provider| {
            cell.provider = Some(*provider);
        });
        let lists: Vec<Lists> = self.crl.iter().copied().map(Lists).collect();
        vary(cells, &lists, "", |cell, lists| cell.crl = lists.0)
    }

    /// A cell by identity, then by fault of the server.
    fn variants(&self, base: &Cell, identities: &[IdentitySection]) -> Vec<Cell> {
        let cell = |name, identities, server_fault| Cell {
            name,
            identities,
            server_fault,
            ..base.clone()
        };
        let mutual = base.auth == AuthMode::Mutual;
        let name = &base.name;
        let mut cells = Vec::new();
        for identity in self.identity.iter().filter(|_| mutual) {
            let one = vec![identity.clone()];
            cells.push(cell(format!("{name}/{identity}"), one, None));
        }
        if cells.is_empty() {
            let presented = identities.iter().filter(|_| mutual);
            let dealt = presented.map(|identity| identity.name.clone()).collect();
            cells.push(cell(name.clone(), dealt, None));
        }
        let tls = base.auth != AuthMode::None;
        for fault in self.server_fault.iter().filter(|_| tls) {
            let name = format!("{name}/server-{fault}");
            cells.push(cell(name, Vec::new(), Some(*fault)));
        }
        cells
    }
}

/// Every cell with every value, which is in its name where there is more than one; as they are without
/// a value.
fn vary<T: fmt::Display>(
    cells: Vec<Cell>,
    values: &[T],
    sign: &str,
    set: impl Fn(&mut Cell, &T),
) -> Vec<Cell> {
    if values.is_empty() {
        return cells;
    }
    let with = |cell: &Cell, value: &T| {
        let mut cell = cell.clone();
        if values.len() > 1 {
            cell.name = format!("{}{sign}{value}", cell.name);
        }
        set(&mut cell, value);
        cell
    };
    let each = cells.iter();
    each.flat_map(|cell| values.iter().map(|value| with(cell, value)))
        .collect()
}

/// What revocation lists add to a cell's name.
struct Lists(bool);

impl fmt::Display for Lists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "-crl" } else { "" })
    }
}

/// A group's name in the IANA registry, for the names that OpenSSL users know.
pub(crate) fn canonical_group(name: &str) -> String {
    match name.to_lowercase().as_str() {
        "p256" | "p-256" | "prime256v1" => "secp256r1".to_owned(),
        "p384" | "p-384" => "secp384r1".to_owned(),
        other => other.to_owned(),
    }
}

/// The shares of resumed sessions that cells of one authentication mode have.
fn shares(auth: AuthMode, resumed: &[Ratio]) -> Vec<Option<Ratio>> {
    if auth == AuthMode::None || resumed.is_empty() {
        vec![None]
    } else {
        resumed.iter().copied().map(Some).collect()
    }
}

/// What a share of resumed sessions adds to a cell's name.
fn suffix(share: Option<Ratio>) -> String {
    match share {
        None | Some(Ratio::ZERO) => String::new(),
        Some(Ratio::ONE) => "-resumed".to_owned(),
        Some(share) => format!("-resumed{}", f64::from(share.parts()) / 100.0),
    }
}

/// The order of trials: per round every cell once, in an order drawn anew, and every second round
/// the mirror image of the one before it, so that a drift of the machine falls on all cells alike
/// (ABBA).
pub(super) fn trial_order(cells: usize, rounds: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..cells).collect();
    (0..rounds)
        .map(|round| {
            if round % 2 == 0 {
                order.shuffle(&mut rng);
            } else {
                order.reverse();
            }
            order.clone()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMON: Common<'_> = Common {
        auth: AuthMode::Server,
        identities: &[],
        resumed: &[],
        provider: ProviderName::AwsLcRs,
        minted: None,
    };

    fn names(matrix: &Matrix) -> Vec<String> {
        let cells = matrix.cells(&COMMON).into_iter();
        cells.map(|c| c.name).collect()
    }

    #[test]
    fn expands_auth_by_version() {
        let auth = vec![AuthMode::None, AuthMode::Server, AuthMode::Mutual];
        let plain = Matrix {
            auth: auth.clone(),
            ..Matrix::default()
        };
        assert_eq!(names(&plain), ["tcp", "tls", "mtls"]);
        let one = Matrix {
            auth: auth.clone(),
            tls: vec![TlsVersion::Tls13],
            ..Matrix::default()
        };
        assert_eq!(names(&one), ["tcp", "tls", "mtls"]);
        let two = Matrix {
            auth,
            tls: vec![TlsVersion::Tls12, TlsVersion::Tls13],
            ..Matrix::default()
        };
        assert_eq!(
            names(&two),
            ["tcp", "tls1.2", "tls1.3", "mtls1.2", "mtls1.3"]
        );
        assert_eq!(names(&Matrix::default()), ["tls"]);
    }

    #[test]
    fn identities_are_cells_or_a_mix_and_faults_of_the_server_come_on_top() {
        let identities: Vec<IdentitySection> = ["good", "bad"]
            .map(|name| toml::from_str(&format!("name = \"{name}\"")).unwrap())
            .into();
        let mut matrix = Matrix {
            auth: vec![AuthMode::Server, AuthMode::Mutual],
            ..Matrix::default()
        };
        let common = Common {
            identities: &identities,
            ..COMMON
        };
        let cells = matrix.cells(&common);
        assert_eq!(cells[0].identities, [""; 0]);
        assert_eq!(
            (cells.len(), &cells[1].identities[..]),
            (2, &["good".to_owned(), "bad".to_owned()][..])
        );
        matrix.identity = vec!["good".to_owned(), "bad".to_owned()];
        matrix.server_fault = vec![IdentityFault::WrongName];
        let cells = matrix.cells(&common).into_iter();
        let names: Vec<String> = cells.map(|c| c.name).collect();
        assert_eq!(
            names,
            [
                "tls",
                "tls/server-wrong-name",
                "mtls/good",
                "mtls/bad",
                "mtls/server-wrong-name"
            ]
        );
    }

    #[test]
    fn shares_of_resumed_sessions_are_cells_of_tls_only() {
        let matrix = Matrix {
            auth: vec![AuthMode::None, AuthMode::Mutual],
            tls: vec![TlsVersion::Tls12, TlsVersion::Tls13],
            ..Matrix::default()
        };
        let shares = ["0", "0.5", "0.125", "1"].map(|share| share.parse().unwrap());
        let cells = matrix.cells(&Common {
            resumed: &shares,
            ..COMMON
        });
        let names: Vec<&str> = cells.iter().map(|cell| cell.name.as_str()).collect();
        assert_eq!(
            names[..5],
            [
                "tcp",
                "mtls1.2",
                "mtls1.2-resumed50",
                "mtls1.2-resumed12.5",
                "mtls1.2-resumed"
            ]
        );
        assert_eq!((cells.len(), cells[0].resumed), (9, None));
        assert_eq!(cells[3].resumed, Some(shares[2]));
    }

    #[test]
    fn keys_groups_chains_and_providers_are_cells_and_their_names_say_what_is_varied() {
        let keys = ["p256", "rsa2048+p256"].map(|keys| keys.parse().unwrap());
        let matrix = Matrix {
            auth: vec![AuthMode::None, AuthMode::Mutual],
            provider: vec![ProviderName::AwsLcRs, ProviderName::Ring],
            key: keys.into(),
            group: vec!["P-256".to_owned()],
            chain: vec![0, 3],
            ..Matrix::default()
        };
        let cells = matrix.cells(&Common {
            minted: Some((EndKeys::default(), 1)),
            ..COMMON
        });
        let names: Vec<&str> = cells.iter().map(|cell| cell.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "tcp",
                "mtls-p256-chain0-aws-lc-rs",
                "mtls-p256-chain0-ring",
                "mtls-p256-chain3-aws-lc-rs",
                "mtls-p256-chain3-ring",
                "mtls-rsa2048+p256-chain0-aws-lc-rs",
                "mtls-rsa2048+p256-chain0-ring",
                "mtls-rsa2048+p256-chain3-aws-lc-rs",
                "mtls-rsa2048+p256-chain3-ring",
            ]
        );
        assert_eq!((cells[0].provider, cells[0].chain), (None, None));
        let last = &cells[8];
        assert_eq!(last.group.as_deref(), Some("secp256r1"));
        assert_eq!(last.provider, Some(ProviderName::Ring));
        assert_eq!((last.keys, last.chain), (Some(keys[1]), Some(3)));
    }

    #[test]
    fn every_round_holds_every_cell_and_pairs_mirror() {
        let order = trial_order(3, 4, 7);
        for round in &order {
            let mut sorted = round.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2]);
        }
        let mut mirrored = order[1].clone();
        mirrored.reverse();
        assert_eq!(order[0], mirrored);
        assert_eq!(order, trial_order(3, 4, 7));
    }
}
