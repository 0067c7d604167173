//! The matrix, expanded: cells, and the order in which their trials run.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AuthMode, Matrix, TlsVersion};

/// One point of the expanded matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Its name, unique in the scenario: `tcp`, `tls`, `mtls`, with the version if it is varied.
    pub name: String,
    /// Who is authenticated.
    pub auth: AuthMode,
    /// The TLS versions offered, none for plain TCP.
    pub versions: Vec<TlsVersion>,
}

impl Matrix {
    /// Expands to cells, in the order written, without repetitions.
    pub fn cells(&self, default_auth: AuthMode) -> Vec<Cell> {
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
                if cells.iter().all(|cell| cell.name != name) {
                    cells.push(Cell {
                        name,
                        auth,
                        versions,
                    });
                }
            }
        }
        cells
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
            .cells(AuthMode::Server)
            .into_iter()
            .map(|c| c.name)
            .collect()
    }

    #[test]
    fn expands_auth_by_version() {
        let auth = vec![AuthMode::None, AuthMode::Server, AuthMode::Mutual];
        let plain = Matrix {
            auth: auth.clone(),
            tls: vec![],
        };
        assert_eq!(names(&plain), ["tcp", "tls", "mtls"]);
        let one = Matrix {
            auth: auth.clone(),
            tls: vec![TlsVersion::Tls13],
        };
        assert_eq!(names(&one), ["tcp", "tls", "mtls"]);
        let two = Matrix {
            auth,
            tls: vec![TlsVersion::Tls12, TlsVersion::Tls13],
        };
        assert_eq!(
            names(&two),
            ["tcp", "tls1.2", "tls1.3", "mtls1.2", "mtls1.3"]
        );
        assert_eq!(names(&Matrix::default()), ["tls"]);
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
