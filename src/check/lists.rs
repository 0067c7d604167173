//! The rules for revocation lists.

use super::{Check, Finding};
use crate::pki::{CertInspect, lists_naming, next_update_of};

impl Check {
    /// What the lists say of a chain, and what is wrong with them for it. Without lists, nothing.
    pub(super) fn revocation(&self, certs: &[CertInspect<'_>]) -> Vec<Finding> {
        let mut found = Vec::new();
        if self.crls.is_empty() {
            return found;
        }
        for (number, cert) in certs.iter().enumerate() {
            if cert.is_self_issued() {
                continue;
            }
            let (own, issuer) = (cert.subject(), cert.issuer());
            if lists_naming(&self.crls, cert.issuer_der(), cert.serial()) {
                let cause = format!("{own} is revoked by {issuer}");
                let remedy = "replace it: servers that read this list refuse it";
                found.push(Finding::new("revoked", cause, remedy).shared(number > 0));
            }
            match next_update_of(&self.crls, cert.issuer_der()) {
                None => found.push(Finding::new(
                    "list-missing",
                    format!("there is no revocation list of {issuer}"),
                    "add that authority's list: servers that want one of every issuer refuse the chain",
                )
                .shared(true)),
                Some(at) => found.extend(self.list(&issuer, at)),
            }
        }
        found
    }

    /// A list that is over, or will be.
    fn list(&self, issuer: &str, next_update: i64) -> Option<Finding> {
        let stale = self.due(next_update)?;
        let (code, tense) = if stale {
            ("list-stale", "was")
        } else {
            ("list-expires-soon", "is")
        };
        let finding = Finding::new(
            code,
            format!(
                "the next revocation list of {issuer} {tense} due on {}",
                self.when(next_update)
            ),
            "fetch or publish the next list: servers refuse every certificate under a stale one",
        );
        Some(finding.shared(true))
    }
}
