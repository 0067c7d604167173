//! Handshakes whose instructions are counted: `scripts/ci-gate` runs it under valgrind, which counts inside
//! `counted_turn` and takes a reading at each `case_ends`. docs/anatomy.md says what the counts are and what they
//! cannot say. Certificates and keys are fixed.
//!
//! usage: instructions list | instructions HANDSHAKES [CASE]

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot run must stop at once"
)]

#[path = "../../support/pair.rs"]
#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod pair;

use std::hint::black_box;
use std::path::{Path, PathBuf};

use pair::{Case, Certificates, End, Pair};
use shakedown::pki::{CertificateDer, Identity, KeyAlgorithm, load_roots};
use shakedown::scenario::{ProviderName, TlsVersion};

/// Throw-away keys, fixed so that every count verifies the same chain.
const FOLDER: &str = "../throw-away-pki";
/// Handshakes before the first counted one, for one-time work.
const WARM_UP: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if arguments == ["list"] {
        cases().for_each(|(name, ..)| println!("{name}"));
        return;
    }
    // Without a number each case runs once.
    let handshakes = (arguments.first().and_then(|first| first.parse().ok())).unwrap_or(1);
    let only = arguments.get(1);
    let throwaway = Throwaway::load();
    for (name, case, end) in cases() {
        if only.is_none_or(|only| *only == name) {
            // Resumed ones are short, so random numbers weigh more.
            let handshakes = if case.resumed {
                4 * handshakes
            } else {
                handshakes
            };
            run(&throwaway, case, end, handshakes);
            case_ends(&name, handshakes);
        }
    }
}

/// Where the reading of a case is taken.
#[inline(never)]
fn case_ends(name: &str, handshakes: usize) {
    println!("{} {handshakes}", black_box(name));
}

/// Every case and end with its stable name.
fn cases() -> impl Iterator<Item = (String, Case, End)> {
    let versions = [TlsVersion::Tls12, TlsVersion::Tls13].into_iter();
    let kinds = [(false, false), (false, true), (true, false), (true, true)];
    versions
        .flat_map(move |version| kinds.map(|kind| (version, kind)))
        .map(|(version, (mutual, resumed))| Case {
            provider: ProviderName::AwsLcRs,
            version,
            mutual,
            key: KeyAlgorithm::EcdsaP256,
            resumed,
        })
        .flat_map(|case| {
            End::ALL.map(|(name, end)| (format!("handshake/{}/{name}", case.name()), case, end))
        })
}

fn run(throwaway: &Throwaway, case: Case, end: End, handshakes: usize) {
    let pair = Pair::new(throwaway.certificates(), case);
    pair.prime();
    for _ in 0..WARM_UP {
        pair.handshake();
    }
    for _ in 0..handshakes {
        pair.counted(end);
    }
}

/// The certificates of [`FOLDER`].
struct Throwaway {
    roots: Vec<CertificateDer<'static>>,
    server: Identity,
    client: Identity,
}

impl Throwaway {
    fn load() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
        let file = |name: &str| -> PathBuf { folder.join(name) };
        let load = |name: &str| {
            let key = file(&format!("{name}.key"));
            Identity::load(&file(&format!("{name}.pem")), Some(&key)).unwrap()
        };
        Self {
            roots: load_roots(&file("ca.pem")).unwrap(),
            server: load("server"),
            client: load("client-0"),
        }
    }

    fn certificates(&self) -> Certificates<'_> {
        Certificates {
            roots: &self.roots,
            server: &self.server,
            client: &self.client,
        }
    }
}
