//! The audit of a server as a scenario: every kind of client identity, good and faulty, in every TLS
//! version, each with what must become of it.

use std::path::Path;

use super::{AuthMode, Expect, IdentityFault, IdentitySection, Scenario, TlsVersion, Url};
use crate::units::Span;

/// The name of the identity that must be accepted.
const GOOD: &str = "valid";

const QUESTION: &str = "Which client certificates does this server accept that it should not?";

const READING: &str = "Every row is a client identity, every column a TLS version. `valid` must be \
accepted, or the rest says nothing: it shows that the server trusts the authority whose faulty \
certificates the other rows present. All other rows must be rejected; how servers say so differs \
(an alert, HTTP 400, a close without a word) and is shown. docs/faults.md tells what is wrong with \
each, and which servers are known to accept it.";

/// What to audit.
#[derive(Debug, Clone)]
pub struct Audit<'a> {
    /// The server's URL; `host:port` alone means `https://`.
    pub url: &'a str,
    /// A folder as `shakedown pki new --faults` writes it, of the authority that the server trusts.
    pub pki: &'a Path,
    /// The faults to present beside the good identity.
    pub faults: &'a [IdentityFault],
    /// Sessions per identity and version.
    pub repeats: u64,
    /// How long each stage of a session may take.
    pub timeout: Span,
}

impl Audit<'_> {
    /// The scenario that makes the audit.
    pub fn scenario(&self) -> Scenario {
        let mut scenario = Scenario {
            name: "audit".to_owned(),
            question: QUESTION.to_owned(),
            reading: READING.to_owned(),
            identities: self.identities(),
            ..Scenario::default()
        };
        scenario.target.url = Some(Url::or_https(self.url));
        scenario.tls.cacert = Some(self.pki.join("ca.pem"));
        scenario.load.sessions = Some(1);
        scenario.load.total = Some(self.repeats);
        scenario.workers.count = Some(1);
        let timeouts = &mut scenario.timeouts;
        for limit in [
            &mut timeouts.connect,
            &mut timeouts.way_in,
            &mut timeouts.handshake,
            &mut timeouts.confirm,
        ] {
            *limit = self.timeout;
        }
        scenario.matrix.auth = vec![AuthMode::Mutual];
        scenario.matrix.tls = vec![TlsVersion::Tls12, TlsVersion::Tls13];
        let names = scenario.identities.iter().map(|i| i.name.clone());
        scenario.matrix.identity = names.collect();
        scenario
    }

    fn identities(&self) -> Vec<IdentitySection> {
        let good = IdentitySection {
            name: GOOD.to_owned(),
            cert: Some(self.pki.join("client-0.pem")),
            key: Some(self.pki.join("client-0.key")),
            expect: Some(Expect::acceptance()),
            ..IdentitySection::default()
        };
        let faulty = self.faults.iter().map(|&fault| {
            let file = |end| {
                let name = format!("client-{fault}.{end}");
                (fault != IdentityFault::None).then(|| self.pki.join("faults").join(name))
            };
            IdentitySection {
                name: fault.to_string(),
                cert: file("pem"),
                key: file("key"),
                fault: Some(fault),
                ..IdentitySection::default()
            }
        });
        std::iter::once(good).chain(faulty).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scenario_of_an_audit_fits_together() {
        let audit = Audit {
            url: "localhost:8443",
            pki: Path::new("pki"),
            faults: &IdentityFault::of_clients().collect::<Vec<_>>(),
            repeats: 2,
            timeout: Span::secs(3),
        };
        let checked = audit.scenario().check("audit", "").unwrap();
        assert_eq!(
            checked.cells.len(),
            2 * (1 + IdentityFault::of_clients().count())
        );
        assert_eq!(checked.cells[0].name, "mtls1.2/valid");
        let few = Audit {
            faults: &[IdentityFault::ExpiredLeaf],
            ..audit
        };
        let names: Vec<_> = few
            .scenario()
            .identities
            .into_iter()
            .map(|i| i.name)
            .collect();
        assert_eq!(names, ["valid", "expired-leaf"]);
    }
}
