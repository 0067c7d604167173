//! The client identities of a scenario: several, each a cell of its own or dealt out in a mix.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{Problem, refuse};
use super::{AuthMode, CertType, Expect, IdentityFault, IdentityFiles, Scenario, TokenUri};

/// Most identities of one scenario: each has a TLS configuration per worker.
const MOST: usize = 1_000;
/// Largest sum of the shares of a mix: the sessions after which it repeats itself.
const LONGEST_CYCLE: u64 = 10_000;

/// One of several client identities.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct IdentitySection {
    /// Its name in the matrix, in results and reports.
    pub name: String,
    /// Certificate chain, leaf first (PEM or DER).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// Private key, a file or a `pkcs11:` URI; looked for in `cert` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// What `cert` is. Its content decides; where that is something else, it is not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_type: Option<CertType>,
    /// A file whose first line is the password of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass_file: Option<PathBuf>,
    /// A variable of the environment that holds the password of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass_env: Option<String>,
    /// What is wrong with it. Against the embedded target it is minted with this fault; `none`
    /// presents no certificate. Unless `expect` says otherwise, its sessions must be rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<IdentityFault>,
    /// Its part of the sessions of a mix, in proportion to the others'; 1 unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<u32>,
    /// What must become of its sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

impl IdentitySection {
    /// What must become of its sessions, if that is said or follows from its fault.
    pub(crate) fn expectation(&self) -> Option<Expect> {
        let rejection = || self.fault.map(|_| Expect::rejection());
        self.expect.clone().or_else(rejection)
    }

    /// Its part of the sessions of a mix.
    pub(crate) fn share(&self) -> u32 {
        self.share.unwrap_or(1)
    }

    /// The files it is loaded from, if it is not minted.
    pub(crate) fn files(&self) -> Option<IdentityFiles> {
        self.cert.clone().map(|cert| IdentityFiles {
            cert,
            key: self.key.clone(),
            cert_type: self.cert_type,
            pass_file: self.pass_file.clone(),
            pass_env: self.pass_env.clone(),
            password: None,
        })
    }

    fn check(&self, remote: bool) -> Result<(), Problem> {
        let problem = |cause: String, remedy| Err(Problem::new("identities", cause, remedy));
        let name = &self.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || !name.chars().all(plain) {
            return problem(
                format!("{name:?} cannot be the name of an identity"),
                "use letters, digits, dashes, dots and underscores",
            );
        }
        let bare = self.fault == Some(IdentityFault::None);
        match (&self.cert, remote) {
            (Some(_), false) => {
                return problem(
                    format!("{name}: the embedded target trusts only what it mints itself"),
                    "drop cert and key and name a fault, or give target.url",
                );
            }
            (Some(_), true) if bare => {
                return problem(
                    format!("{name}: fault = \"none\" presents no certificate"),
                    "drop cert and key, or the fault",
                );
            }
            (None, true) if !bare => {
                return problem(
                    format!("{name}: there is no certificate"),
                    "give cert and key, as `shakedown pki new --faults` writes them",
                );
            }
            _ => {}
        }
        if self.key.is_some() && self.cert.is_none() {
            return problem(format!("{name}: there is a key without cert"), "give cert");
        }
        TokenUri::check(self.key.as_deref(), "identities")?;
        if self.fault == Some(IdentityFault::WrongName) {
            return problem(
                format!("{name}: a wrong name is a fault of servers"),
                "write it in matrix.server-fault",
            );
        }
        if self.share() == 0 {
            return problem(
                format!("{name}: with a share of 0 it would never be presented"),
                "write at least 1",
            );
        }
        if name.starts_with("server-") {
            return problem(
                format!("{name:?} looks like a cell of matrix.server-fault"),
                "give it a name that does not begin with server-",
            );
        }
        if self.expect.as_ref().is_some_and(Expect::is_split) {
            return problem(
                format!("{name}: a server accepts an identity or does not"),
                "write accept = 0 or 1; shares of a mix belong into [expect]",
            );
        }
        self.expect.iter().try_for_each(|e| e.check("identities"))
    }
}

/// Checks everything a scenario says of identities, faults and expectations.
pub(super) fn check(scenario: &Scenario, mutual: bool) -> Result<(), Problem> {
    let remote = scenario.target.url.is_some();
    let identities = &scenario.identities;
    let only = scenario.identity.as_ref();
    TokenUri::check(only.and_then(|files| files.key.as_deref()), "identity.key")?;
    refuse(
        !identities.is_empty() && scenario.identity.is_some(),
        "identity",
        "there are [[identities]] too",
        "make it one of them, or drop them",
    )?;
    refuse(
        identities.len() > MOST,
        "identities",
        format!("{} identities are more than {MOST}", identities.len()),
        "give fewer; sessions share them",
    )?;
    identities.iter().try_for_each(|i| i.check(remote))?;
    refuse(
        identities.iter().map(|i| u64::from(i.share())).sum::<u64>() > LONGEST_CYCLE,
        "identities",
        format!("the shares come to more than {LONGEST_CYCLE}"),
        "write smaller ones; only their proportions matter",
    )?;
    for (index, identity) in identities.iter().enumerate() {
        refuse(
            identities[..index].iter().any(|i| i.name == identity.name),
            "identities",
            format!("two are called {:?}", identity.name),
            "give each a name of its own",
        )?;
    }
    refuse(
        !identities.is_empty() && !mutual,
        "identities",
        "no cell would present them",
        "drop them, or write auth = [\"mutual\"]",
    )?;
    scenario.expect.iter().try_for_each(|e| e.check("expect"))?;
    matrix(scenario, mutual, remote)
}

fn matrix(scenario: &Scenario, mutual: bool, remote: bool) -> Result<(), Problem> {
    let matrix = &scenario.matrix;
    let known = |name: &String| scenario.identities.iter().any(|i| i.name == *name);
    if let Some(name) = matrix.identity.iter().find(|name| !known(name)) {
        return Err(Problem::new(
            "matrix.identity",
            format!("no identity is called {name:?}"),
            "name those of [[identities]]",
        ));
    }
    let unused = |i: &&IdentitySection| !matrix.identity.contains(&i.name);
    if !matrix.identity.is_empty()
        && let Some(identity) = scenario.identities.iter().find(unused)
    {
        return Err(Problem::new(
            "matrix.identity",
            format!(
                "identity {:?} is not in it and would never be presented",
                identity.name
            ),
            "add it, or drop it from [[identities]]",
        ));
    }
    let dealt = matrix.identity.is_empty() && scenario.identities.len() > 1;
    refuse(
        !dealt && scenario.expect.as_ref().is_some_and(Expect::is_split),
        "expect",
        "a share between 0 and 1 is for a mix, where sessions are dealt out among identities",
        "write accept = 0 or 1, or give several [[identities]] without matrix.identity",
    )?;
    refuse(
        !dealt && scenario.identities.iter().any(|i| i.share.is_some()),
        "identities",
        "a share has an effect only where sessions of one cell are dealt out among identities",
        "drop the share, or matrix.identity",
    )?;
    if matrix.server_fault.is_empty() {
        return Ok(());
    }
    refuse(
        remote,
        "matrix.server-fault",
        "only the embedded target can be given faults",
        "drop it, or target.url",
    )?;
    refuse(
        matrix.server_fault.contains(&IdentityFault::None),
        "matrix.server-fault",
        "a server without a certificate serves nobody",
        "drop \"none\"",
    )?;
    refuse(
        !mutual && !matrix.auth.contains(&AuthMode::Server),
        "matrix.server-fault",
        "no cell uses TLS",
        "add \"server\" or \"mutual\" to matrix.auth",
    )?;
    Ok(())
}
