//! The matrix, expanded: cells, and the order in which their trials run.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AuthMode, IdentityFault, IdentitySection, Matrix, TlsVersion};
use crate::units::Ratio;

/// One point of the expanded matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Its name, unique in the scenario: `tcp`, `tls`, `mtls`, with the version if it is varied,
    /// `-resumed` with the percentage below 100, and the identity or fault behind a slash, as in
    /// `mtls1.3-resumed50/expired`.
    pub name: String,
    /// Who is authenticated.
    pub auth: AuthMode,
    /// The TLS versions offered, none for plain TCP.
    pub versions: Vec<TlsVersion>,
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

impl Matrix {
    /// Expands to cells, in the order written, without repetitions. `resumed` are the shares of
    /// resumed sessions, a TLS cell each; none where resumption is off.
    pub fn cells(
        &self,
        default_auth: AuthMode,
        identities: &[IdentitySection],
        resumed: &[Ratio],
    ) -> Vec<Cell> {
        let auths = if self.auth.is_empty() {
            &[default_auth][..]
        } else {
            &self.auth
        };
        let both = [TlsVersion::Tls12, TlsVersion::Tls13];
        let mut cells: Vec<Cell> = Vec::new();
        for &auth in auths {
            let choices: Vec<Vec<TlsVersion>> = match (auth, self.tls.len()) {
                (AuthMode::None, _) => vec![Vec::new()],
                (_, 0) => vec![both.to_vec()],
                _ => self.tls.iter().map(|v| vec![*v]).collect(),
            };
            for versions in choices {
                let name = match versions[..] {
                    [version] if self.tls.len() > 1 => format!("{}{version}", auth.label()),
                    _ => auth.label().to_owned(),
                };
                for share in shares(auth, resumed) {
                    let name = format!("{name}{}", suffix(share));
                    let mut variants = self.variants(&name, auth, &versions, identities);
                    variants.retain(|cell| cells.iter().all(|known| known.name != cell.name));
                    cells.extend(variants.into_iter().map(|cell| Cell {
                        resumed: share,
                        ..cell
                    }));
                }
            }
        }
        cells
    }

    /// The cells of one authentication mode and choice of versions: by identity, then by fault of
    /// the server.
    fn variants(
        &self,
        base: &str,
        auth: AuthMode,
        versions: &[TlsVersion],
        identities: &[IdentitySection],
    ) -> Vec<Cell> {
        let cell = |name, identities, server_fault| Cell {
            name,
            auth,
            versions: versions.to_vec(),
            resumed: None,
            identities,
            server_fault,
        };
        let mutual = auth == AuthMode::Mutual;
        let mut cells = Vec::new();
        for name in self.identity.iter().filter(|_| mutual) {
            cells.push(cell(format!("{base}/{name}"), vec![name.clone()], None));
        }
        if cells.is_empty() {
            let presented = identities.iter().filter(|_| mutual);
            let dealt = presented.map(|identity| identity.name.clone()).collect();
            cells.push(cell(base.to_owned(), dealt, None));
        }
        for fault in self.server_fault.iter().filter(|_| auth != AuthMode::None) {
            let name = format!("{base}/server-{fault}");
            cells.push(cell(name, Vec::new(), Some(*fault)));
        }
        cells
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
pub fn trial_order(cells: usize, rounds: usize, seed: u64) -> Vec<Vec<usize>> {
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

    fn names(matrix: &Matrix) -> Vec<String> {
        matrix
            .cells(AuthMode::Server, &[], &[])
            .into_iter()
            .map(|c| c.name)
            .collect()
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
        let cells = matrix.cells(AuthMode::Mutual, &identities, &[]);
        assert_eq!(cells[0].identities, [""; 0]);
        assert_eq!(
            (cells.len(), &cells[1].identities[..]),
            (2, &["good".to_owned(), "bad".to_owned()][..])
        );
        matrix.identity = vec!["good".to_owned(), "bad".to_owned()];
        matrix.server_fault = vec![IdentityFault::WrongName];
        let names: Vec<String> = matrix
            .cells(AuthMode::Mutual, &identities, &[])
            .into_iter()
            .map(|c| c.name)
            .collect();
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
        let cells = matrix.cells(AuthMode::Mutual, &[], &shares);
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
