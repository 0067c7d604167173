//! The verdict: whether the server accepted us, how we know, and what to do if not.

use super::ProbePlan;
use super::report::{Check, Verdict, Verification};
use super::session::{End, Facts};
use super::status::Status;
use crate::pki::{CertInspect, name_text};
use crate::protocol::{ProtocolKind, refusal, status_line};
use crate::stats::{FailureClass, Proof, ServerCertFault, Stage, alert_text};
use crate::text::{UNTRUSTED_CAP, escape_untrusted};

/// The code point of TLS 1.2.
const TLS12: u16 = 0x0303;
/// The code point of the group secp256r1.
const SECP256R1: u16 = 0x0017;

/// A verdict with its words.
pub(super) struct Judged {
    pub verdict: Verdict,
    pub summary: String,
    pub advice: Vec<String>,
}

impl Judged {
    fn new(verdict: Verdict, summary: impl Into<String>) -> Self {
        Self {
            verdict,
            summary: summary.into(),
            advice: Vec::new(),
        }
    }

    fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice.push(advice.into());
        self
    }

    pub(crate) fn is_accepted(&self) -> bool {
        matches!(self.verdict, Verdict::Accepted { .. })
    }
}

/// Whether an HTTP status speaks of who asks, not of what is asked: 400 (nginx and a bad
/// certificate), 401, 403, 421 (RFC 9110 section 15.5.20), and nginx's own 495 and 496.
pub(super) fn refuses_client(status: u16) -> bool {
    matches!(status, 400 | 401 | 403 | 421 | 495 | 496)
}

/// Whether an unexpected HTTP status is about the request alone, so that the client itself is accepted. A
/// switch of protocols that nobody asked for (101) is about neither.
pub(crate) fn is_about_request(status: u16) -> bool {
    status >= 200 && !refuses_client(status)
}

pub(super) fn verdict(
    plan: &ProbePlan,
    facts: &Facts,
    verification: Option<&Verification>,
) -> Judged {
    let unsaid = plan.protocol.expects_no_status();
    match &facts.end {
        End::Answered if unsaid && refusal(&facts.answer).is_some() => refused_in_http(plan, facts),
        End::Answered => accepted(facts, Proof::ApplicationData, ""),
        End::Odd(FailureClass::HttpStatus(_), _) if refusal(&facts.answer).is_some() => {
            refused_in_http(plan, facts)
        }
        End::Odd(FailureClass::HttpStatus(status), message) if refuses_client(*status) => {
            let judged = refused_in_http(plan, facts);
            match message.split_once("; ") {
                // What the session shows about it.
                Some((_, remark)) => judged.advise(escape_untrusted(remark, UNTRUSTED_CAP)),
                None => judged,
            }
        }
        End::Odd(FailureClass::HttpStatus(status), _) if unsaid && is_about_request(*status) => {
            accepted(
                facts,
                Proof::ApplicationData,
                &format!("; HTTP {status} is about the request, not about the certificate"),
            )
            .advise("ask for a path that exists to see the server's usual answer")
        }
        End::Odd(class, message) => not_as_asked(*class, message),
        End::Proved(proof) => weakly_accepted(facts, *proof),
        End::Failed(class, message) => failed(plan, facts, *class, message, verification),
    }
}

/// An answer that is none of the expected ones.
fn not_as_asked(class: FailureClass, message: &str) -> Judged {
    let message = escape_untrusted(message, UNTRUSTED_CAP);
    let label = class.to_string();
    let judged = match class {
        FailureClass::HttpRedirect(_) => Judged::new(
            Verdict::Rejected { class: label },
            format!("redirected, not accepted: {message}"),
        ),
        FailureClass::Answer(fault, code) if fault.refuses(code) => Judged::new(
            Verdict::Rejected { class: label },
            format!(
                "rejected by the server in its protocol, after a complete TLS handshake: {message}"
            ),
        ),
        FailureClass::HttpStatus(_) => Judged::new(
            Verdict::Rejected { class: label },
            format!("rejected: {message}, which --expect-status does not list"),
        ),
        _ => Judged::new(
            Verdict::Unconfirmed { class: label },
            format!(
                "unconfirmed: the server answered, but not as asked, so its answer does not show \
                 whether it accepts this client: {message}"
            ),
        ),
    };
    judged.advise(class.advice())
}

fn accepted(facts: &Facts, proof: Proof, note: &str) -> Judged {
    let words = match proof {
        Proof::ApplicationData => match status_line(&facts.answer) {
            Some((line, _)) => format!("application data, {line}"),
            None => "application data".to_owned(),
        },
        Proof::ServerFinished => "the server's TLS 1.2 Finished, which is weak".to_owned(),
        Proof::NewSessionTicket => "a NewSessionTicket, which is weak".to_owned(),
        Proof::OrderlyClose => "an orderly close, which is weak".to_owned(),
    };
    let who = match facts.observed {
        Some(observed) if observed.certificate_sent => "",
        Some(observed) if observed.certificate_requested => ", without a certificate",
        _ => ", as TLS without a client certificate: the server did not ask for one",
    };
    Judged::new(
        Verdict::Accepted { proof },
        format!("accepted (proof: {words}){who}{note}"),
    )
}

fn weakly_accepted(facts: &Facts, proof: Proof) -> Judged {
    let judged = accepted(facts, proof, "");
    let asked = facts.observed.is_some_and(|o| o.certificate_requested);
    if proof == Proof::ApplicationData || !asked {
        return judged;
    }
    judged.advise(
        "to be sure, let the server answer something: --protocol http1 (or https://host:port/path), \
         or echo; nginx completes the handshake with clients it then refuses in HTTP",
    )
}

fn refused_in_http(plan: &ProbePlan, facts: &Facts) -> Judged {
    let (line, status) =
        status_line(&facts.answer).unwrap_or_else(|| ("an HTTP error page".to_owned(), 400));
    let verdict = Verdict::Rejected {
        class: FailureClass::HttpStatus(status).to_string(),
    };
    let meaning = refusal(&facts.answer).map_or(String::new(), |meaning| format!(": {meaning}"));
    let judged = Judged::new(
        verdict,
        format!("rejected by the server in HTTP, after a complete TLS handshake: {line}{meaning}"),
    );
    let sent = facts.observed.is_some_and(|o| o.certificate_sent);
    let judged = match status {
        _ if refusal(&facts.answer).is_none() => judged.advise(
            "TLS itself went through; the status says that this client may not do this: see the \
             server's access rules and its error log",
        ),
        _ if sent => judged.advise(trusted_issuers(plan, facts)),
        _ => judged.advise("pass a client certificate with --cert and --key"),
    };
    judged.advise("the server's error log has its reason")
}

fn failed(
    plan: &ProbePlan,
    facts: &Facts,
    class: FailureClass,
    message: &str,
    verification: Option<&Verification>,
) -> Judged {
    let label = class.to_string();
    let message = escape_untrusted(message, UNTRUSTED_CAP);
    match class {
        FailureClass::Alert(code) => rejected(plan, facts, code),
        FailureClass::ServerCert(fault) => server_refused(facts, fault, &message, verification),
        _ if facts.finished.is_some() => Judged::new(
            Verdict::Unconfirmed { class: label },
            format!("unconfirmed: our handshake is complete, but {message}"),
        )
        .advise(unconfirmed_advice(plan, facts, class)),
        FailureClass::TlsProtocol => Judged::new(
            Verdict::Failed { class: label },
            format!("no handshake: {message}"),
        )
        .advise(
            "check that the port speaks TLS, and the versions, suites and groups of step 1 against \
             what the server is configured for",
        ),
        _ if facts.peer.is_none() => Judged::new(
            Verdict::Failed { class: label },
            format!("not connected: {message}"),
        )
        .advise(match class {
            FailureClass::ConnectOther => "check the host name, the address and the network",
            other => other.advice(),
        }),
        _ => Judged::new(
            Verdict::Failed { class: label },
            format!("no handshake: {message} ({class})"),
        )
        .advise(class.advice()),
    }
}

fn unconfirmed_advice(plan: &ProbePlan, facts: &Facts, class: FailureClass) -> String {
    let asked = facts.observed.is_some_and(|o| o.certificate_requested);
    match class {
        FailureClass::Unanswered(Stage::Confirm) => {
            "some servers delay a rejection by up to 30 s: try --timeout 40s; or the server does not \
             speak the protocol that was asked for"
                .to_owned()
        }
        _ if asked && plan.identity.is_none() => {
            "the server asked for a client certificate and got none: pass --cert and --key".to_owned()
        }
        FailureClass::Unconfirmed if plan.protocol.kind() != ProtocolKind::Handshake => {
            "the server's error log should say why".to_owned()
        }
        other => other.advice().to_owned(),
    }
}

/// The server refused us with an alert.
fn rejected(plan: &ProbePlan, facts: &Facts, code: u8) -> Judged {
    let class = FailureClass::Alert(code);
    let alert = alert_text(code);
    let verdict = Verdict::Rejected {
        class: class.to_string(),
    };
    let Some(observed) = facts.observed else {
        return Judged::new(
            verdict,
            format!("rejected by the server: alert {alert} in answer to our ClientHello"),
        )
        .advise(hello_advice(facts, code));
    };
    let judged = Judged::new(verdict, format!("rejected by the server: alert {alert}"));
    let asked = observed.certificate_requested;
    if asked && !observed.certificate_sent {
        let first = if plan.identity.is_none() {
            "the server requires a client certificate and got none: pass --cert and --key"
        } else {
            "the server requires a client certificate and our key fits none of its signature \
             schemes: use one of another key type"
        };
        return judged.advise(first);
    }
    match code {
        // What says "I cannot build a path from your certificate": openssl, Go and others differ.
        42 | 46 | 48 if asked => judged.advise(trusted_issuers(plan, facts)),
        _ => judged.advise(class.advice()),
    }
}

fn hello_advice(facts: &Facts, code: u8) -> &'static str {
    let offers = |list: &[u16], code| list.contains(&code);
    let tls12_without_p256 =
        offers(&facts.offer.versions, TLS12) && !offers(&facts.offer.groups, SECP256R1);
    match code {
        // RFC 8422 section 4: the groups also bound the curves of ECDSA certificates.
        40 if tls12_without_p256 => {
            "under TLS 1.2 a server with an ECDSA certificate wants its curve among the groups, too: \
             try --curves x25519,secp256r1,secp384r1"
        }
        40 => {
            "the server found nothing acceptable in step 1: widen versions, --ciphers or --curves; \
             or it wants another --sni"
        }
        other => FailureClass::Alert(other).advice(),
    }
}

/// Which authority the server would have to trust, and which it says it does.
fn trusted_issuers(plan: &ProbePlan, facts: &Facts) -> String {
    let issuer = plan
        .identity
        .as_ref()
        .and_then(|identity| {
            identity
                .chain
                .iter()
                .filter_map(CertInspect::parse)
                .next_back()
        })
        .map_or_else(|| "its CA".to_owned(), |cert| cert.issuer());
    let listed = match &facts.seen.requested {
        Some(requested) if !requested.ca_names.is_empty() => {
            let names: Vec<String> = requested.ca_names.iter().map(|n| name_text(n)).collect();
            let names = super::chain::listing(names.iter().map(String::as_str));
            format!("; it says it accepts {names}")
        }
        _ => String::new(),
    };
    format!(
        "the server does not trust our chain, which leads to {issuer}{listed}: use a certificate of \
         its CA (with the intermediates in --cert), or add ours to its client CAs"
    )
}

/// We refused the server's certificate or signature.
fn server_refused(
    facts: &Facts,
    fault: ServerCertFault,
    message: &str,
    verification: Option<&Verification>,
) -> Judged {
    let class = FailureClass::ServerCert(fault);
    let checks: Vec<&Check> = verification
        .map(|v| {
            [&v.dates, &v.issuer, &v.name]
                .into_iter()
                .chain(&v.other)
                .collect()
        })
        .unwrap_or_default();
    let failed: Vec<&Check> = checks
        .into_iter()
        .filter(|check| check.status == Status::Failed)
        .collect();
    let why = match failed.first() {
        Some(check) => check.detail.clone(),
        None => message.to_owned(),
    };
    let alert = facts.our_alert.map_or(String::new(), |code| {
        format!("; we sent the alert {}", alert_text(code))
    });
    let mut judged = Judged::new(
        Verdict::ServerRefused {
            class: class.to_string(),
        },
        format!("we reject the server: {why}{alert}"),
    );
    for remedy in failed.iter().filter_map(|check| check.remedy.clone()) {
        judged = judged.advise(remedy);
    }
    if failed.is_empty() {
        return judged.advise(fault.advice());
    }
    let leaf = facts.seen.chain.first().and_then(CertInspect::parse);
    if leaf.is_none_or(|leaf| leaf.unprocessed_critical().is_some() || leaf.version() != 3) {
        return judged.advise(
            "this client cannot read that certificate at all, so that --insecure (-k) does not help; \
             the server needs another one",
        );
    }
    judged.advise("to go on all the same and see the other steps, pass --insecure (-k)")
}
