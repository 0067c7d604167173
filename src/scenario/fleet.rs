//! A fleet: more client identities than a list holds, by index, each loaded when a session first presents it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{Problem, refuse};
use super::{KeyAlgorithm, LoadModel, Scenario, TargetPlan};
use crate::spiffe::{VARIABLE, unix_path};
use crate::units::{Span, as_text, format_count};

/// Most identities of a fleet: an index is a 32-bit number.
const MOST: u32 = 100_000_000;
/// Loaded identities of a worker unless it is said, some 40 MiB.
const USUAL_CACHE: usize = 16_384;

/// Many client identities by index.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct FleetSection {
    /// Certificates: a folder, or a pattern such as `pki/dev-*.pem`. The key of `x.pem` is `x.key` or `x-key.pem`
    /// beside it, or in the same file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<PathBuf>,
    /// A CSV file with the columns `cert`, `key`, `group` and `name`, of which only `cert` is needed. Its paths are
    /// those of its folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<PathBuf>,
    /// Minted when needed, the same each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mint: Option<MintSection>,
    /// The SVIDs that a SPIFFE agent gives this process, by its endpoint such as `unix:///run/spire/sockets/agent.sock`;
    /// if empty, that of the variable `SPIFFE_ENDPOINT_SOCKET`. Needs a build with the feature `spiffe`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spiffe: Option<String>,
    /// Which identity the next session presents.
    #[serde(skip_serializing_if = "Draw::is_usual")]
    pub draw: Draw,
    /// Most identities that each worker keeps loaded; 16384 unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<usize>,
}

/// Identities that are derived from a seed and their index, so that none is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MintSection {
    /// How many.
    pub count: u32,
    /// The certificate of the authority that signs them, and those above it but for the root; the embedded target
    /// brings its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The authority's private key; looked for in `ca` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_key: Option<PathBuf>,
    /// What keys and serial numbers are derived from; 1 unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Key algorithm: p256, p384 or ed25519; p256 unless set. Beside the embedded target, `target.embedded.key` says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyAlgorithm>,
    /// Intermediates below the authority, minted too; 0 unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<u8>,
    /// How long the certificates are valid from the start of the run; 24 hours unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validity: Option<Span>,
    /// The subject alternative name: `dns:`, `uri:`, `email:` or `ip:` and the name, in which `{index}` is the number
    /// of the identity; `dns:client-{index}` unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub san: Option<String>,
}

impl MintSection {
    /// This many, and nothing else said.
    fn of(count: u32) -> Self {
        Self {
            count,
            ca: None,
            ca_key: None,
            seed: None,
            key: None,
            chain: None,
            validity: None,
            san: None,
        }
    }
}

/// Which identity of a fleet the next session presents.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Draw {
    /// One after the other.
    #[default]
    RoundRobin,
    /// One after the other, of those that have no session open.
    Sticky,
    /// At random, the n-th with a frequency that falls as `n^-s` (Zipf's law): few are seen often, most rarely.
    Zipf(f64),
}

impl Draw {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl FromStr for Draw {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let exponent = |text: &str| text.parse().ok().filter(|s| (0.0..=10.0).contains(s));
        match (text, text.strip_prefix("zipf:")) {
            ("round-robin", _) => Ok(Self::RoundRobin),
            ("sticky", _) => Ok(Self::Sticky),
            (_, Some(s)) => exponent(s)
                .map(Self::Zipf)
                .ok_or_else(|| format!("{text:?}: the exponent is a number from 0 to 10")),
            _ => Err(format!(
                "{text:?} is no way to draw identities; write round-robin, sticky or zipf:1.1"
            )),
        }
    }
}

impl fmt::Display for Draw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoundRobin => f.write_str("round-robin"),
            Self::Sticky => f.write_str("sticky"),
            Self::Zipf(s) => write!(f, "zipf:{s}"),
        }
    }
}

as_text!(
    Draw,
    "Draw",
    "how identities are drawn: round-robin, sticky or zipf:EXPONENT"
);

impl fmt::Display for FleetSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.mint, self.manifest.as_ref().or(self.files.as_ref())) {
            _ if self.spiffe.is_some() => {
                let named = self.spiffe.as_deref().filter(|word| !word.is_empty());
                let endpoint = named.unwrap_or(VARIABLE);
                write!(f, "identities of the SPIFFE agent at {endpoint}")?;
            }
            (Some(mint), _) => {
                write!(
                    f,
                    "{} minted identities",
                    format_count(u64::from(mint.count))
                )?;
            }
            (None, Some(path)) => write!(f, "identities of {}", path.display())?,
            (None, None) => f.write_str("identities")?,
        }
        write!(f, ", drawn {}", self.draw)
    }
}

impl FleetSection {
    /// Most identities that each worker keeps loaded.
    pub(crate) fn cache(&self) -> usize {
        self.cache.unwrap_or(USUAL_CACHE)
    }

    /// Reads the source of a fleet as it is written in one word: `mint:COUNT[,KEY=VALUE…]`, `spiffe[:ENDPOINT]`, a file
    /// that ends with `.csv`, or else a folder or pattern of certificates.
    ///
    /// # Errors
    ///
    /// Fails on a count or key that does not exist, or an endpoint that is no Unix socket.
    pub fn parse(word: &str) -> Result<Self, String> {
        let endpoint = word.strip_prefix("spiffe:");
        if endpoint.is_some() || word == "spiffe" {
            endpoint.map_or(Ok(PathBuf::new()), unix_path)?;
            return Ok(Self {
                spiffe: Some(endpoint.unwrap_or_default().to_owned()),
                ..Self::default()
            });
        }
        let Some(minted) = word.strip_prefix("mint:") else {
            let path = Some(PathBuf::from(word));
            let is_manifest = path
                .as_ref()
                .and_then(|path| path.extension())
                .is_some_and(|end| end.eq_ignore_ascii_case("csv"));
            return Ok(if is_manifest {
                Self {
                    manifest: path,
                    ..Self::default()
                }
            } else {
                Self {
                    files: path,
                    ..Self::default()
                }
            });
        };
        let (count, mut rest) = minted.split_once(',').unwrap_or((minted, ""));
        let count = count
            .parse()
            .map_err(|_| format!("{count:?} is no number of identities; write mint:50000"))?;
        let mut mint = MintSection::of(count);
        while !rest.is_empty() {
            let (pair, more) = rest.split_once(',').unwrap_or((rest, ""));
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            set(&mut mint, key, value).map_err(|why| format!("{pair:?}: {why}"))?;
            rest = more;
        }
        Ok(Self {
            mint: Some(mint),
            ..Self::default()
        })
    }

    fn check(&self, remote: bool) -> Result<(), Problem> {
        let sources = [
            self.files.is_some(),
            self.manifest.is_some(),
            self.mint.is_some(),
            self.spiffe.is_some(),
        ];
        refuse(
            sources.iter().filter(|given| **given).count() != 1,
            "fleet",
            "a fleet has one source of identities",
            "write one of files, manifest, mint and spiffe",
        )?;
        refuse(
            self.cache == Some(0),
            "fleet.cache",
            "without a loaded identity no session has one",
            "write at least 1",
        )?;
        let named = self.spiffe.as_deref().filter(|word| !word.is_empty());
        if let Some(Err(cause)) = named.map(unix_path) {
            let next = "write unix:///run/spire/sockets/agent.sock, say";
            return refuse(true, "fleet.spiffe", cause, next);
        }
        let Some(mint) = &self.mint else {
            return refuse(
                !remote,
                "fleet",
                "the embedded target trusts only what it mints itself",
                "write mint = { count = 1000 }, or give target.url",
            );
        };
        mint.check(remote)
    }
}

/// Sets one key of a fleet that is minted.
fn set(mint: &mut MintSection, key: &str, value: &str) -> Result<(), String> {
    let number = |_| "a number is wanted".to_owned();
    match key {
        "ca" => mint.ca = Some(value.into()),
        "ca-key" => mint.ca_key = Some(value.into()),
        "seed" => mint.seed = Some(value.parse().map_err(number)?),
        "key" => mint.key = Some(KeyAlgorithm::named(value).ok_or("write p256, p384 or ed25519")?),
        "chain" => mint.chain = Some(value.parse().map_err(number)?),
        "validity" => mint.validity = Some(value.parse().map_err(|e| format!("{e}"))?),
        "san" => mint.san = Some(value.to_owned()),
        _ => return Err("write ca, ca-key, seed, key, chain, validity or san".to_owned()),
    }
    Ok(())
}

impl MintSection {
    fn check(&self, remote: bool) -> Result<(), Problem> {
        refuse(
            self.count == 0 || self.count > MOST,
            "fleet.mint.count",
            format!("{} identities are none or more than {MOST}", self.count),
            format!("write 1 to {MOST}"),
        )?;
        let embedded = |key, given| {
            refuse(
                !remote && given,
                key,
                "the embedded target signs the fleet with its own authority",
                "drop it (target.embedded.key and target.embedded.chain say what it is), or give target.url",
            )
        };
        embedded("fleet.mint.ca", self.ca.is_some())?;
        embedded("fleet.mint.ca-key", self.ca_key.is_some())?;
        embedded("fleet.mint.key", self.key.is_some())?;
        embedded("fleet.mint.chain", self.chain.is_some())?;
        refuse(
            remote && self.ca.is_none(),
            "fleet.mint.ca",
            "there is no authority that the server trusts",
            "give ca and ca-key, as `shakedown pki new` writes them (intermediate.pem, intermediate.key)",
        )?;
        refuse(
            self.chain
                .is_some_and(|chain| chain > super::MOST_INTERMEDIATES),
            "fleet.mint.chain",
            "verifiers do not follow so many intermediates",
            format!("write 0 to {}", super::MOST_INTERMEDIATES),
        )?;
        refuse(
            self.validity.is_some_and(|span| span.0.as_secs() == 0),
            "fleet.mint.validity",
            "certificates are valid for whole seconds",
            "write at least 1s",
        )?;
        derivable("fleet.mint.key", self.key)?;
        let san = self.san.as_deref().unwrap_or_default();
        let kinds = ["dns:", "uri:", "email:", "ip:"];
        refuse(
            self.san.is_some() && !kinds.iter().any(|kind| san.starts_with(kind)),
            "fleet.mint.san",
            format!("{san:?} does not say what kind of name it is"),
            "write dns:NAME, uri:URI, email:ADDRESS or ip:ADDRESS, with {index} where the number goes",
        )
    }
}

/// Refuses keys that cannot be derived from a seed.
fn derivable(place: &'static str, key: Option<KeyAlgorithm>) -> Result<(), Problem> {
    let wrong = key.filter(|key| !key.is_derivable());
    refuse(
        wrong.is_some(),
        place,
        format!(
            "{} keys cannot be derived from a seed",
            wrong.map_or("", KeyAlgorithm::label)
        ),
        "write p256, p384 or ed25519, or give files",
    )
}

/// Checks a fleet against the rest of the scenario.
pub(super) fn check(
    scenario: &Scenario,
    target: &TargetPlan,
    mutual: bool,
    load: &LoadModel,
) -> Result<(), Problem> {
    let Some(fleet) = &scenario.fleet else {
        return Ok(());
    };
    let remote = matches!(target, TargetPlan::Remote { .. });
    fleet.check(remote)?;
    refuse(
        scenario.identity.is_some() || !scenario.identities.is_empty(),
        "fleet",
        "there is [identity] or [[identities]] too",
        "drop one of them",
    )?;
    refuse(
        !mutual,
        "fleet",
        "no cell would present it",
        "drop it, or write auth = [\"mutual\"]",
    )?;
    if let TargetPlan::Embedded(plan) = target {
        derivable("target.embedded.key", Some(plan.keys.client))?;
        let mut keys = scenario.matrix.key.iter();
        keys.try_for_each(|keys| derivable("matrix.key", Some(keys.client)))?;
    }
    let minted = fleet.mint.as_ref().map(|mint| u64::from(mint.count));
    if let (Draw::Sticky, LoadModel::Closed { .. }, Some(count)) = (fleet.draw, load, minted) {
        refuse(
            load.max_in_flight() > count,
            "fleet.draw",
            format!(
                "{} sessions at once are more than {count} identities, of which each has one",
                load.max_in_flight()
            ),
            "lower sessions, or write draw = \"round-robin\"",
        )?;
    }
    refuse(
        minted.is_some_and(|count| {
            !super::resumption::shares(scenario).is_empty() && count > fleet.cache() as u64
        }),
        "resumption",
        "tickets belong to loaded identities, and the fleet has more than cache holds",
        "raise fleet.cache to the size of the fleet, or drop [resumption]",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_names_a_source() {
        let parse = |word| FleetSection::parse(word).unwrap();
        assert_eq!(parse("pki/dev-*.pem").files, Some("pki/dev-*.pem".into()));
        assert_eq!(parse("fleet.CSV").manifest, Some("fleet.CSV".into()));
        assert_eq!(parse("spiffe").spiffe, Some(String::new()));
        let endpoint = "unix:///run/agent.sock";
        let agent = parse("spiffe:unix:///run/agent.sock");
        assert_eq!(agent.spiffe.as_deref(), Some(endpoint));
        assert!(
            agent
                .to_string()
                .ends_with("SPIFFE agent at unix:///run/agent.sock, drawn round-robin")
        );
        assert_eq!(parse("./spiffe").files, Some("./spiffe".into()));
        let minted = parse(
            "mint:5,ca=ca.pem,ca-key=ca.key,seed=7,key=ed25519,chain=1,validity=1h,san=uri:x/{index}",
        );
        let mint = minted.mint.unwrap();
        assert_eq!((mint.count, mint.seed, mint.chain), (5, Some(7), Some(1)));
        assert_eq!(mint.ca_key, Some("ca.key".into()));
        assert_eq!(mint.san.as_deref(), Some("uri:x/{index}"));
        assert_eq!(mint.validity, Some(Span::secs(3600)));
        for (wrong, why) in [
            ("mint:", "no number of identities"),
            ("mint:5,colour=red", "write ca, ca-key"),
            ("mint:5,seed=x", "a number is wanted"),
            ("mint:5,key=rsa9", "p256, p384 or ed25519"),
            ("spiffe:run/agent.sock", "no Unix socket"),
            ("spiffe:", "no Unix socket"),
        ] {
            let error = FleetSection::parse(wrong).unwrap_err();
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }

    #[test]
    fn draws_are_read_as_they_are_written() {
        for text in ["round-robin", "sticky", "zipf:1.1"] {
            let draw: Draw = text.parse().unwrap();
            assert_eq!(draw.to_string(), text);
        }
        for wrong in ["zipf:-1", "zipf:x", "zipf:NaN", "random"] {
            assert!(wrong.parse::<Draw>().is_err(), "{wrong}");
        }
    }
}
