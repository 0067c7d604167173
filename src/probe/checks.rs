//! Why each check of the server's certificate passed or failed, and what to do: dates, issuer, name.

use super::chain::{ChainView, certificates};
use super::report::{Check, Verification};
use super::status::Status;
use crate::pki::CertFacts;
use crate::stats::ServerCertFault;
use crate::text::{defuse, shell_quote};
use crate::tls::{Finding, Judgement};
use crate::units::count_days;

/// With fewer days left than this a certificate deserves a warning.
const SOON_DAYS: i64 = 14;

impl ChainView<'_> {
    pub(crate) fn verification(
        &self,
        judgement: &Judgement,
        alert: Option<String>,
    ) -> Verification {
        let verdict_fault = judgement.verdict.fault();
        let explained = [judgement.issuer.fault(), judgement.name.fault()].contains(&verdict_fault)
            || matches!(
                verdict_fault,
                Some(ServerCertFault::Expired | ServerCertFault::NotYetValid)
            );
        let other = match &judgement.verdict {
            Finding::Failed { fault, message } if !explained => {
                Some(Check::new(Status::Failed, defuse(message)).but(fault.advice()))
            }
            _ => None,
        };
        Verification {
            accepted: !matches!(judgement.verdict, Finding::Failed { .. }),
            insecure: self.roots.is_none(),
            dates: self.dates(verdict_fault),
            issuer: self.issuer(judgement),
            name: self.name(&judgement.name),
            other,
            alert_sent: alert,
        }
    }

    /// Whether every certificate is valid today. One that is not need not matter, if there is another
    /// way to a root: the verifier's decision tells.
    fn dates(&self, verdict: Option<ServerCertFault>) -> Check {
        let now_s = self.now.unix_timestamp();
        let certs = certificates(self.chain, self.now);
        let numbered = (1..).zip(certs.iter().zip(&self.links));
        let mut first_to_end: Option<(i64, String)> = None;
        for (number, (cert, links)) in numbered {
            let (Some(facts), Some(links)) = (&cert.facts, links) else {
                continue;
            };
            let days = facts.days_left(self.now);
            let (from, to) = links.validity_unix_s();
            let who = format!("certificate {number} ({})", facts.subject);
            let problem = if now_s > to {
                Some((
                    format!(
                        "{who} expired on {}, {} ago",
                        facts.not_after,
                        count_days(-days - 1)
                    ),
                    "have the server's operator renew it, or check this machine's clock",
                ))
            } else if now_s < from {
                Some((
                    format!("{who} is not valid before {}", facts.not_before),
                    "check the clock of this machine and of the one that issued the certificate",
                ))
            } else {
                None
            };
            if let Some((detail, remedy)) = problem {
                let matters = number == 1
                    || matches!(
                        verdict,
                        Some(ServerCertFault::Expired | ServerCertFault::NotYetValid)
                    );
                let status = if matters {
                    Status::Failed
                } else {
                    Status::Warning
                };
                return Check::new(status, detail).but(remedy);
            }
            if first_to_end.as_ref().is_none_or(|(least, _)| days < *least) {
                let until = format!("until {} ({} left)", facts.not_after, count_days(days));
                first_to_end = Some((days, until));
            }
        }
        match first_to_end {
            Some((days, until)) if days < SOON_DAYS => {
                let detail = format!("all valid today, but only {until}");
                Check::new(Status::Warning, detail).but("have it renewed soon")
            }
            Some((_, until)) => passed(format!("all valid today and {until}")),
            None => Check::new(Status::NotChecked, "no certificate could be read"),
        }
    }

    fn issuer(&self, judgement: &Judgement) -> Check {
        let top = self.top_issuer();
        match &judgement.issuer {
            Finding::Passed if self.trusts_leaf() => {
                passed("the certificate itself is in --cacert")
            }
            Finding::Passed => passed(format!("the chain leads to a trusted root: {top}")),
            Finding::NotChecked => Check::new(
                Status::NotChecked,
                "not checked (--insecure): anyone could have signed this chain",
            ),
            Finding::Failed {
                fault: ServerCertFault::UnknownIssuer,
                ..
            } => self.unknown_issuer(judgement, &top),
            Finding::Failed { fault, message } => {
                Check::new(Status::Failed, defuse(message)).but(fault.advice())
            }
        }
    }

    fn unknown_issuer(&self, judgement: &Judgement, top: &str) -> Check {
        let trusted = self.roots.unwrap_or_default();
        let (detail, remedy) = if trusted.is_empty() {
            (
                format!("no --cacert was given, so no issuer is trusted; this chain ends at {top}"),
                "pass --cacert with the CA you trust for this server (for a public server the \
                 system's bundle, often /etc/ssl/certs/ca-certificates.crt)"
                    .to_owned(),
            )
        } else if self.intermediate_missing(judgement) {
            (
                format!(
                    "the server sent its own certificate alone; it was issued by {top}, which \
                     --cacert does not hold ({})",
                    self.root_names()
                ),
                format!(
                    "if --cacert is this server's CA, the server has to send its intermediate {top} \
                     as well; else pass the right CA"
                ),
            )
        } else if self.trusts_top_by_name() {
            (
                format!(
                    "--cacert holds a root named {top}, but this chain is not signed with its key"
                ),
                "the CA was probably made anew under the same name: pass its current certificate \
                 with --cacert, or have the server's certificate issued again"
                    .to_owned(),
            )
        } else if self.ends_in_root() {
            (
                format!(
                    "the chain ends at its own root {top}, which --cacert does not hold ({})",
                    self.root_names()
                ),
                "pass that root with --cacert if you trust it".to_owned(),
            )
        } else {
            (
                format!(
                    "the chain leads to {top}, which --cacert does not hold ({})",
                    self.root_names()
                ),
                format!(
                    "pass the CA certificate of {top} with --cacert if you trust it; if that is an \
                     intermediate, the server should send it as well"
                ),
            )
        };
        Check::new(Status::Failed, detail).but(remedy)
    }

    fn name(&self, finding: &Finding) -> Check {
        let wanted = &self.wanted;
        match finding {
            Finding::Passed if self.roots.is_none() => passed(format!(
                "the certificate names {wanted} (not required: --insecure)"
            )),
            Finding::Passed => passed(format!("the certificate names {wanted}")),
            Finding::NotChecked => Check::new(Status::NotChecked, "not checked"),
            Finding::Failed { fault, message } => {
                // A failed check weighs less when we were told to accept anything.
                let status = match self.roots {
                    Some(_) => Status::Failed,
                    None => Status::Warning,
                };
                let check = Check::new(status, defuse(message));
                if *fault == ServerCertFault::Name {
                    check.but(self.name_remedy())
                } else {
                    check.but(fault.advice())
                }
            }
        }
    }

    fn name_remedy(&self) -> String {
        let names = match self.chain.first().map(CertFacts::parse) {
            Some(Ok(facts)) => facts.san,
            _ => Vec::new(),
        };
        let uri = names.iter().find_map(|name| name.strip_prefix("URI:"));
        match (suggested_name(&names), uri) {
            _ if names.is_empty() => "have it issued again with a subjectAltName".to_owned(),
            (Some(name), _) => format!(
                "if this is the server you want, connect by its name or pass --sni {}",
                shell_quote(name)
            ),
            (None, Some(uri)) => format!(
                "if this is the server you want, pass --expected-name {}",
                shell_quote(uri)
            ),
            (None, None) => {
                "connect by a name it holds, or pass one with --expected-name".to_owned()
            }
        }
    }
}

fn passed(detail: impl Into<String>) -> Check {
    Check::new(Status::Passed, detail)
}

/// The first DNS name or address that can be connected by.
fn suggested_name(names: &[String]) -> Option<&str> {
    names
        .iter()
        .filter_map(|name| name.strip_prefix("DNS:").or(name.strip_prefix("IP:")))
        .find(|name| !name.contains(['*', '\\', '…']))
}
