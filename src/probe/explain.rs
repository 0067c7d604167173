//! From what a connection has shown to the report: each step's data, the verdict and what to do.

use time::OffsetDateTime;

use super::ProbePlan;
use super::chain::{self, ChainView};
use super::cost::Cost;
use super::report::{
    Answer, CertificateRequest, Check, ClientCertificate, ClientHello, FORMAT, Finished,
    KeyExchange, MAX_CA_NAMES, Network, ProbeReport, ServerHello, ServerVerifies,
};
use super::session::{End, Facts};
use super::status::Status;
use super::verdict;
use crate::crypto::{cipher_suite_name, group_name, scheme_name, version_name};
use crate::pki::{CertInspect, name_text};
use crate::protocol::{refusal, status_line};
use crate::stats::{FailureClass, OkKind, Proof, Stage, alert_text};
use crate::text::{UNTRUSTED_CAP, escape_untrusted};
use crate::tls::Finding;
use crate::units::format_ns;

/// Most characters of an unexpected answer that are shown.
const EXCERPT_CAP: usize = 60;
/// The code point of TLS 1.3.
const TLS13: u16 = 0x0304;

pub(super) fn report(plan: &ProbePlan, facts: &Facts, now: OffsetDateTime) -> ProbeReport {
    let view = ChainView::new(
        &facts.seen.chain,
        plan.roots.as_deref(),
        if plan.expected_names.is_empty() {
            plan.server_name.clone()
        } else {
            plan.expected_names.join(" or ")
        },
        now,
    );
    let judgement = facts.seen.judgement.as_ref();
    let verification = judgement.map(|j| {
        let mut verification = view.verification(j, facts.our_alert.map(alert_text));
        if !plan.superseded.is_empty() {
            verification.other.get_or_insert_with(|| {
                Check::new(Status::Warning, plan.superseded.join("; "))
                    .but("drop the old lists from the file")
            });
        }
        verification
    });
    let verdict = verdict::verdict(plan, facts, verification.as_ref());
    ProbeReport {
        format: FORMAT,
        accepted: verdict.is_accepted(),
        target: format!("{}:{}", bracketed(&plan.host), plan.port),
        server_name: plan.server_name.clone(),
        protocol: plan.protocol.kind().traits().label,
        network: Network {
            address: facts.peer.as_ref().map(ToString::to_string),
            way_in: way_in(plan, facts),
            failed: facts.failed_addresses.clone(),
        },
        client_hello: client_hello(facts),
        server_hello: server_hello(facts),
        server_chain: judgement.map(|j| view.chain_report(j)),
        certificate_request: certificate_request(facts),
        client_certificate: client_certificate(plan, facts, now),
        key_exchange: key_exchange(facts),
        server_verifies: server_verifies(facts),
        finished: facts.finished.map(|bytes| Finished {
            bytes_sent: bytes.sent,
            bytes_received: bytes.received,
        }),
        answer: answer(plan, facts),
        cost: facts.ledger.as_ref().map(Cost::of),
        summary: verdict.summary,
        advice: verdict.advice,
        verdict: verdict.verdict,
        verification,
        total_ms: u64::try_from(facts.elapsed.as_millis()).unwrap_or(u64::MAX),
    }
}

/// The way in, with the time that it took.
fn way_in(plan: &ProbePlan, facts: &Facts) -> Option<String> {
    if plan.way_in.is_silent() {
        return None;
    }
    let ns = u64::try_from(facts.way_in?.as_nanos()).unwrap_or(u64::MAX);
    Some(format!("{}: {}", plan.way_in, format_ns(ns)))
}

fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// Whether we refused the server's certificate or signature, which ends everything after step 3.
pub(super) fn we_refused(facts: &Facts) -> bool {
    matches!(facts.end, End::Failed(FailureClass::ServerCert(_), _))
}

fn client_hello(facts: &Facts) -> Option<ClientHello> {
    if !facts.begun {
        return None;
    }
    let offer = &facts.offer;
    let names = |codes: &[u16], name: fn(u16) -> String| codes.iter().map(|c| name(*c)).collect();
    Some(ClientHello {
        bytes: facts.hello_bytes,
        versions: names(&offer.versions, version_name),
        cipher_suites: names(&offer.suites, cipher_suite_name),
        groups: names(&offer.groups, group_name),
        signature_schemes: names(&offer.schemes, scheme_name),
        sni: offer.sni.clone(),
        alpn: offer.alpn.clone(),
    })
}

fn server_hello(facts: &Facts) -> Option<ServerHello> {
    let observed = facts.observed?;
    Some(ServerHello {
        version: version_name(observed.version),
        cipher_suite: cipher_suite_name(observed.suite),
        group: (observed.group != 0).then(|| group_name(observed.group)),
        hello_retry_request: facts.kind == Some(OkKind::FullWithHelloRetryRequest),
        alpn: observed.alpn.map(|alpn| alpn.to_string()),
    })
}

/// A request that did not come is known only once something came that follows it.
fn certificate_request(facts: &Facts) -> Option<CertificateRequest> {
    match &facts.seen.requested {
        Some(requested) => Some(CertificateRequest {
            requested: true,
            ca_names: requested
                .ca_names
                .iter()
                .take(MAX_CA_NAMES)
                .map(|der| name_text(der))
                .collect(),
            ca_names_total: requested.ca_names.len(),
            signature_schemes: requested.schemes.iter().map(|c| scheme_name(*c)).collect(),
        }),
        None => facts.seen.judgement.as_ref().map(|_| CertificateRequest {
            requested: false,
            ca_names: Vec::new(),
            ca_names_total: 0,
            signature_schemes: Vec::new(),
        }),
    }
}

fn client_certificate(
    plan: &ProbePlan,
    facts: &Facts,
    now: OffsetDateTime,
) -> Option<ClientCertificate> {
    facts.seen.judgement.as_ref()?;
    if we_refused(facts) {
        return None;
    }
    let none = |why: &str| ClientCertificate {
        certificates: Vec::new(),
        bytes: 0,
        not_sent: Some(why.to_owned()),
        issuer_listed: None,
    };
    let sent = facts.observed.is_some_and(|o| o.certificate_sent);
    Some(match (&facts.seen.requested, &plan.identity) {
        (None, Some(_)) => none("the server did not ask, so --cert was not used"),
        (None, None) => none("the server did not ask"),
        (Some(_), None) => {
            none("the server asked, and no --cert was given: we answered with an empty Certificate")
        }
        (Some(_), Some(_)) if !sent => none(
            "our key fits none of the signature schemes that the server accepts: we answered with an \
             empty Certificate",
        ),
        (Some(requested), Some(identity)) => ClientCertificate {
            certificates: chain::certificates(&identity.chain, now),
            bytes: chain::total_bytes(&identity.chain),
            not_sent: None,
            issuer_listed: (!requested.ca_names.is_empty()).then(|| {
                let mut certs = identity.chain.iter().filter_map(CertInspect::parse);
                certs.any(|cert| requested.ca_names.iter().any(|ca| ca == cert.issuer_der()))
            }),
        },
    })
}

fn key_exchange(facts: &Facts) -> Option<KeyExchange> {
    let observed = facts.observed?;
    let signature = facts.seen.signature.as_ref()?;
    Some(KeyExchange {
        group: group_name(observed.group),
        server_scheme: (observed.server_scheme != 0).then(|| scheme_name(observed.server_scheme)),
        server_signature: match signature {
            Finding::Passed => Status::Passed,
            Finding::Failed { .. } => Status::Failed,
            Finding::NotChecked => Status::NotChecked,
        },
        client_scheme: (observed.client_scheme != 0).then(|| scheme_name(observed.client_scheme)),
    })
}

/// What the handshake alone shows; the answer to our Finished belongs to step 9.
fn server_verifies(facts: &Facts) -> Option<ServerVerifies> {
    let observed = facts.observed?;
    let step = |status, detail: &str| {
        Some(ServerVerifies {
            status,
            detail: detail.to_owned(),
        })
    };
    if let (End::Failed(class, message), None, Some(Finding::Passed)) =
        (&facts.end, facts.finished, &facts.seen.signature)
    {
        let how = match class {
            FailureClass::Alert(code) => format!("the alert {}", alert_text(*code)),
            _ => escape_untrusted(message, UNTRUSTED_CAP),
        };
        return step(
            Status::Failed,
            &format!("instead of its Finished came: {how}"),
        );
    }
    facts.finished?;
    match (observed.certificate_requested, observed.version) {
        (false, _) => step(
            Status::NotChecked,
            "nothing: it asked for no certificate, so it does not know who we are (one-sided TLS)",
        ),
        (true, TLS13) => step(
            Status::NotChecked,
            "not known yet: under TLS 1.3 the client finishes before the server has looked at its \
             certificate; step 9 tells",
        ),
        (true, _) => step(
            Status::Passed,
            "its Finished came after our Certificate, so TLS went through (TLS 1.2); some servers, \
             like nginx, still refuse in HTTP",
        ),
    }
}

fn answer(plan: &ProbePlan, facts: &Facts) -> Option<Answer> {
    facts.finished?;
    let (status, detail, alert) = answer_text(plan, facts);
    Some(Answer {
        status,
        detail,
        http_status_line: status_line(&facts.answer).map(|(line, _)| line),
        told: (plan.protocol.kind().traits().tell)(&facts.answer),
        new_session_tickets: facts.tickets,
        orderly_close: facts.closed,
        alert,
    })
}

fn answer_text(plan: &ProbePlan, facts: &Facts) -> (Status, String, Option<String>) {
    let said = |status, text: &str| (status, text.to_owned(), None);
    let asked = facts.observed.is_some_and(|o| o.certificate_requested);
    let weak = if asked {
        Status::Warning
    } else {
        Status::Passed
    };
    let refuses = || refusal(&facts.answer).is_some();
    let unsaid = plan.protocol.expects_no_status();
    match &facts.end {
        End::Answered if unsaid && refuses() => said(
            Status::Failed,
            "application data, and it is a refusal (see the page)",
        ),
        End::Odd(FailureClass::HttpStatus(_), _) if refuses() => said(
            Status::Failed,
            "application data, and it is a refusal (see the HTTP status)",
        ),
        End::Answered => said(Status::Passed, "application data, as expected"),
        End::Odd(FailureClass::HttpStatus(status), _) => (
            if verdict::refuses_client(*status) {
                Status::Failed
            } else {
                Status::Warning
            },
            format!("application data: HTTP status {status}"),
            None,
        ),
        End::Odd(FailureClass::HttpRedirect(_), message) => (
            Status::Warning,
            format!(
                "application data, and it is a redirect: {}",
                escape_untrusted(message, UNTRUSTED_CAP)
            ),
            None,
        ),
        End::Odd(FailureClass::Answer(fault, code), message) if fault.refuses(*code) => (
            Status::Failed,
            format!(
                "application data, and it is a refusal: {}",
                escape_untrusted(message, UNTRUSTED_CAP)
            ),
            None,
        ),
        End::Odd(..) => (
            Status::Warning,
            format!(
                "application data, but not what was expected; it begins with \"{}\"",
                escape_untrusted(&String::from_utf8_lossy(&facts.answer), EXCERPT_CAP)
            ),
            None,
        ),
        End::Proved(Proof::ApplicationData) => said(Status::Passed, "application data"),
        End::Proved(Proof::ServerFinished) => said(
            weak,
            "its Finished (TLS 1.2), a weak proof: nothing was asked after it",
        ),
        End::Proved(Proof::NewSessionTicket) => said(
            weak,
            "a NewSessionTicket, a weak proof: nginx sends tickets to clients it rejects, too",
        ),
        End::Proved(Proof::OrderlyClose) => said(
            weak,
            "an orderly close in answer to ours (close_notify), a weak proof",
        ),
        End::Failed(FailureClass::Alert(code), _) => {
            let alert = alert_text(*code);
            (Status::Failed, format!("the alert {alert}"), Some(alert))
        }
        End::Failed(FailureClass::Unanswered(Stage::Confirm), message) => {
            (Status::Failed, format!("nothing: {message}"), None)
        }
        End::Failed(_, message) => (
            Status::Failed,
            escape_untrusted(message, UNTRUSTED_CAP),
            None,
        ),
    }
}
