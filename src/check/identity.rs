//! The rules for an identity: its certificates, and the path to an authority.

use super::{Check, Finding, Role};
use crate::pki::{CertFacts, CertInspect, CertificateDer, PathFault, path_to};

/// The fewest bits of an RSA key that verifiers take (CA/Browser Forum baseline requirements section 6.1.5).
const LEAST_RSA_BITS: usize = 2_048;

const RENEW: &str = "renew it: until then no peer should accept it";

impl Check {
    /// What is wrong with a chain, leaf first, in this role.
    pub fn chain(&self, chain: &[CertificateDer<'static>], role: Role) -> Vec<Finding> {
        let mut found = Vec::new();
        let certs: Vec<CertInspect<'_>> = chain.iter().filter_map(CertInspect::parse).collect();
        let Some(leaf) = certs.first() else {
            return vec![Finding::new(
                "unusable",
                "the chain has no certificate that parses",
                "export it again",
            )];
        };
        let mut dated = true;
        for (number, cert) in certs.iter().enumerate() {
            let before = found.len();
            let (from, to) = cert.validity_unix_s();
            let own = cert.subject();
            if from > self.now.unix_timestamp() {
                dated = false;
                let cause = format!("{own} is not valid before {}", self.when(from));
                found.push(Finding::new(
                    "not-yet-valid",
                    cause,
                    "check this machine's clock, or wait",
                ));
            }
            match self.due(to) {
                Some(true) => {
                    dated = false;
                    let cause = format!("{own} expired ({})", self.when(to));
                    found.push(Finding::new("expired", cause, RENEW));
                }
                Some(false) => {
                    let cause = format!("{own} expires soon ({})", self.when(to));
                    found.push(Finding::new(
                        "expires-soon",
                        cause,
                        "renew it before that day",
                    ));
                }
                None => {}
            }
            found.extend(weak(cert));
            for finding in &mut found[before..] {
                finding.shared = number > 0;
            }
        }
        found.extend(purpose(leaf, role));
        for above in certs.iter().skip(1) {
            if !above.authority().0 {
                let cause = format!(
                    "{} stands above the leaf and is no certificate authority",
                    above.subject()
                );
                found.push(Finding::new(
                    "wrong-order",
                    cause,
                    "put the leaf first, then its issuer, then that one's",
                ));
            }
        }
        found.extend(self.name(&chain[0], role));
        // A chain with a date that is over has no path, and is said so already.
        if let (Some(roots), true) = (&self.roots, dated) {
            let fault = path_to(chain, roots, role == Role::Server, self.now).err();
            found.extend(fault.and_then(|fault| no_path(leaf, &fault, &found)));
        }
        found.extend(self.revocation(&certs));
        found
    }

    fn name(&self, leaf: &CertificateDer<'static>, role: Role) -> Option<Finding> {
        if role == Role::Client || self.names.is_empty() {
            return None;
        }
        let covered = self
            .names
            .iter()
            .any(|name| crate::tls::covers_name(leaf, name));
        let held = CertFacts::parse(leaf).map_or_else(|_| Vec::new(), |facts| facts.san);
        let held = if held.is_empty() {
            "no name".to_owned()
        } else {
            held.join(", ")
        };
        (!covered).then(|| {
            Finding::new(
                "wrong-name",
                format!(
                    "the certificate holds {held}, not {}",
                    self.names.join(" or ")
                ),
                "have it issued for that name, or connect by one that it holds",
            )
        })
    }
}

/// Keys and signatures that verifiers refuse.
fn weak(cert: &CertInspect<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let key = cert.key();
    let bits = key
        .strip_prefix("RSA ")
        .and_then(|bits| bits.parse::<usize>().ok());
    let small = bits.is_some_and(|bits| bits < LEAST_RSA_BITS)
        || key == "EC P-192"
        || key.starts_with("DSA");
    if small {
        found.push(Finding::new(
            "weak-key",
            format!("{} has a key of {key}", cert.subject()),
            "make a key of EC P-256 or RSA 2048 and have a certificate issued for it",
        ));
    }
    // Nobody verifies the signature of a root on itself.
    if let Some(hash) = cert.weak_signature().filter(|_| !cert.is_self_issued()) {
        found.push(Finding::new(
            "weak-signature",
            format!("{} is signed with {hash}", cert.subject()),
            "have it issued again with SHA-256",
        ));
    }
    found
}

/// Usages that the peer will refuse (RFC 5280 sections 4.2.1.3 and 4.2.1.12).
fn purpose(leaf: &CertInspect<'_>, role: Role) -> Vec<Finding> {
    let mut found = Vec::new();
    let own = leaf.subject();
    let (lacks, usage) = match role {
        Role::Client => (leaf.lacks_client_auth(), "clientAuth"),
        Role::Server => (leaf.lacks_server_auth(), "serverAuth"),
    };
    if lacks {
        found.push(Finding::new(
            "wrong-purpose",
            format!("{own} has extended key usages without {usage}"),
            format!("have it issued with the extended key usage {usage}"),
        ));
    }
    if leaf.cannot_sign() {
        found.push(Finding::new(
            "wrong-usage",
            format!("the key usage of {own} has no digitalSignature, which TLS 1.3 signs with"),
            "have it issued with the key usage digitalSignature",
        ));
    }
    if leaf.authority().0 {
        found.push(Finding::new(
            "leaf-is-ca",
            format!(
                "{own} is a certificate authority, not a {}",
                match role {
                    Role::Client => "client",
                    Role::Server => "server",
                }
            ),
            "give the certificate that it issued, leaf first",
        ));
    }
    found
}

/// Why a chain does not lead to an authority, unless a finding says so already.
fn no_path(leaf: &CertInspect<'_>, fault: &PathFault, found: &[Finding]) -> Option<Finding> {
    let said = |codes: &[&str]| found.iter().any(|f| codes.contains(&f.code.as_str()));
    match fault {
        PathFault::Purpose if said(&["wrong-purpose", "leaf-is-ca"]) => None,
        PathFault::Signature if said(&["weak-signature", "weak-key"]) => None,
        PathFault::NoIssuer => Some(Finding::new(
            "no-path",
            format!(
                "{} was issued by {}, from which no path leads to the CA",
                leaf.subject(),
                leaf.issuer()
            ),
            "append the missing intermediates to the chain, leaf first, or give the CA that issued it",
        )),
        other => Some(Finding::new(
            "no-path",
            format!("{} does not lead to the CA: {other}", leaf.subject()),
            "look at the chain with `openssl verify -CAfile CA -untrusted CHAIN LEAF`",
        )),
    }
}
