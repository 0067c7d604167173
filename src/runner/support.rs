//! Which cells can be run: what the providers of both ends have, against what each cell takes. A
//! cell that cannot be run is skipped with its reason, never dropped and never replaced.

use std::collections::BTreeMap;

use super::RunError;
use super::minted::Minted;
use crate::crypto::{self, Capabilities, KeySupport, ProviderError, version_name};
use crate::pki::KeyAlgorithm;
use crate::record::{Pins, SkippedRecord};
use crate::scenario::{
    AuthMode, Cell, Checked, IdentityFault, ProviderName, TargetPlan, TlsVersion,
};
use crate::text::grouped;
use crate::tls::check_offer;

impl Selection {
    /// The suites that are offered; the provider's if empty.
    pub(crate) fn suites<'a>(&'a self, checked: &'a Checked) -> &'a [String] {
        if self.common_suites.is_empty() {
            &checked.scenario.tls.suites
        } else {
            &self.common_suites
        }
    }
}

/// What the providers of a run can do.
pub(super) struct Support {
    client: BTreeMap<ProviderName, Result<Capabilities, ProviderError>>,
    /// The embedded target's.
    target: Option<(ProviderName, Capabilities)>,
}

/// What a run offers, and what it leaves out.
#[derive(Debug)]
pub(super) struct Selection {
    pub skipped: Vec<SkippedRecord>,
    /// Suites that all compared providers have, if several are compared and the scenario names none.
    pub common_suites: Vec<String>,
}

impl Support {
    /// Asks the providers that cells name, and that of the embedded target.
    pub(crate) fn new(checked: &Checked, minted: Option<&Minted>) -> Result<Self, ProviderError> {
        let ask = |name: ProviderName| {
            let provider = crypto::provider(name)?;
            Ok(Capabilities::of(&provider, |key| {
                Some(minted?.sample(key)?.key.der()?.clone_key())
            }))
        };
        let named = checked.cells.iter().filter_map(|cell| cell.provider);
        let target = match &checked.target {
            TargetPlan::Embedded(settings) => Some((settings.provider, ask(settings.provider)?)),
            TargetPlan::Remote { .. } => None,
        };
        Ok(Self {
            client: named.map(|name| (name, ask(name))).collect(),
            target,
        })
    }

    /// Takes the cells out of `checked` that cannot be run.
    ///
    /// Fails if all that use TLS are.
    pub(crate) fn select(&self, checked: &mut Checked) -> Result<Selection, RunError> {
        let common_suites = if checked.scenario.tls.suites.is_empty() {
            self.common_suites()
        } else {
            Vec::new()
        };
        let mut skipped = Vec::new();
        for cell in std::mem::take(&mut checked.cells) {
            match self.unsupported(&cell, checked) {
                Some(reason) => skipped.push(SkippedRecord { cell, reason }),
                None => checked.cells.push(cell),
            }
        }
        let tls = |cell: &Cell| cell.auth != AuthMode::None;
        if !skipped.is_empty() && !checked.cells.iter().any(tls) {
            return Err(RunError::Unsupported(list(&skipped)));
        }
        Ok(Selection {
            skipped,
            common_suites,
        })
    }

    /// The first suite that all have for TLS 1.3, and for each kind of key of TLS 1.2, if several
    /// providers are compared.
    fn common_suites(&self) -> Vec<String> {
        let mut compared = self.client.values().filter_map(|can| can.as_ref().ok());
        let Some(first) = compared.next() else {
            return Vec::new();
        };
        let others: Vec<&Capabilities> = compared.collect();
        if others.is_empty() {
            return Vec::new();
        }
        let target = self.target.iter().map(|(_, can)| can);
        let all: Vec<&Capabilities> = others.into_iter().chain(target).collect();
        let common = || {
            let shared = first.suites.iter();
            shared.filter(|suite| all.iter().all(|can| can.has_suite(&suite.name)))
        };
        let kinds = [
            (TlsVersion::Tls13, "TLS_"),
            (TlsVersion::Tls12, "_ECDSA_"),
            (TlsVersion::Tls12, "_RSA_"),
        ];
        let found = kinds.into_iter().filter_map(|(version, kind)| {
            common().find(|suite| suite.version == version && suite.name.contains(kind))
        });
        found.map(|suite| suite.name.clone()).collect()
    }

    /// Why a cell cannot be run; none if it can.
    fn unsupported(&self, cell: &Cell, checked: &Checked) -> Option<String> {
        let name = cell.provider?;
        let client = match self.client.get(&name)? {
            Ok(client) => client,
            Err(error) => return Some(error.to_string()),
        };
        let tls = &checked.scenario.tls;
        let groups = groups(cell, checked);
        if let Err(error) = check_offer(name, &groups, &tls.suites) {
            return Some(error.to_string());
        }
        if let Some(reason) = self.group(&groups, cell, client) {
            return Some(reason);
        }
        let (target_name, target) = self.target.as_ref()?;
        let keys = cell.keys?;
        let ends = [(name, client), (*target_name, target)];
        ends.into_iter().find_map(|(name, can)| {
            let as_server = key(can, keys.server, cell, |support| &support.server);
            let as_client = || key(can, keys.client, cell, |support| &support.client);
            let reason = as_server.or_else(|| {
                let mutual = cell.auth == AuthMode::Mutual;
                mutual.then(as_client).flatten()
            });
            reason.map(|reason| format!("{name} {reason}"))
        })
    }

    /// Why the groups of a cell cannot be used; none if one can.
    fn group(&self, groups: &[String], cell: &Cell, client: &Capabilities) -> Option<String> {
        if groups.is_empty() {
            return None;
        }
        let fits = |can: &Capabilities, version: &TlsVersion| {
            let known = groups.iter().filter_map(|name| can.group(name));
            let mut versions = known.map(|group| &group.versions);
            versions.any(|versions| versions.contains(version))
        };
        let list = groups.join(", ");
        if let Some(version) = cell.versions.iter().find(|v| !fits(client, v))
            && (cell.versions.len() == 1 || !cell.versions.iter().any(|v| fits(client, v)))
        {
            let version = version_name(version.code());
            return Some(format!("{list} cannot be used in {version}"));
        }
        let (name, target) = self.target.as_ref()?;
        let met = cell.versions.iter().any(|v| fits(target, v));
        (!met).then(|| format!("{name}, the provider of the target, has no group {list}"))
    }
}

/// The groups of a cell that are not the default ones, by their IANA names.
fn groups(cell: &Cell, checked: &Checked) -> Vec<String> {
    let listed = &checked.scenario.tls.groups;
    let names = match &cell.group {
        Some(group) => std::slice::from_ref(group),
        None => listed,
    };
    let canonical = |name: &String| crate::scenario::canonical_group(name);
    names.iter().map(canonical).collect()
}

/// What a provider lacks to use certificates of a key algorithm in every version of a cell.
fn key(
    can: &Capabilities,
    key: KeyAlgorithm,
    cell: &Cell,
    role: impl Fn(&KeySupport) -> &Vec<TlsVersion>,
) -> Option<String> {
    let versions = can.key(key).map(role)?;
    if versions.is_empty() {
        return Some(format!("has no {key} certificates"));
    }
    let missing = cell.versions.iter().find(|v| !versions.contains(v))?;
    let other = cell.versions.iter().any(|v| versions.contains(v));
    // One version of two is left to be negotiated.
    (!other).then(|| {
        let version = version_name(missing.code());
        format!("has {key} certificates, but not in {version}")
    })
}

/// What a cell's handshakes have to negotiate.
pub(super) fn pins(cell: &Cell, checked: &Checked, suites: &[String]) -> Pins {
    if cell.auth == AuthMode::None {
        return Pins::default();
    }
    let mut presented = checked.presented(cell);
    // One with a fault may have a key of another kind.
    let faulty = presented.any(|i| i.fault.is_some_and(|f| f != IdentityFault::None));
    let scheme = |key: KeyAlgorithm, sound: bool| sound.then(|| key.scheme().to_owned());
    let mutual = cell.auth == AuthMode::Mutual;
    Pins {
        provider: cell.provider.map(|name| name.to_string()),
        versions: cell
            .versions
            .iter()
            .map(|v| version_name(v.code()))
            .collect(),
        suites: suites.iter().map(|name| name.to_uppercase()).collect(),
        group: cell.group.clone(),
        server_signature: cell
            .keys
            .and_then(|keys| scheme(keys.server, cell.server_fault.is_none())),
        client_signature: cell
            .keys
            .and_then(|keys| scheme(keys.client, mutual && !faulty)),
    }
}

/// Every reason once, with the cells it is for.
fn list(skipped: &[SkippedRecord]) -> String {
    let all = skipped.iter();
    let reasons = grouped(all.map(|s| (s.reason.as_str(), s.cell.name.as_str())));
    let line = |(reason, cells): (&str, Vec<&str>)| format!("{}: {reason}", cells.join(", "));
    let lines: Vec<String> = reasons.into_iter().map(line).collect();
    lines.join("\n  ")
}
