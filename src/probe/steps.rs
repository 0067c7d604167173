//! The nine steps of a mutual handshake as titled lists of labelled lines, from a report alone.

use super::report::{
    Answer, CertificateRequest, ChainCert, Check, ClientCertificate, ClientHello, KeyExchange,
    ProbeReport, ServerChain, ServerHello, Verification,
};
use super::status::Status;
use super::step::{Mark, Step};
use crate::units::{count_days, counted};

/// All nine, in order.
pub(super) fn steps(report: &ProbeReport) -> [Step; 9] {
    let mut steps = [
        step(
            "ClientHello: what we offer",
            report.client_hello.as_ref(),
            client_hello,
        ),
        server_hello(report),
        step(
            "We verify the server's certificate",
            report.verification.as_ref(),
            verification,
        ),
        step(
            "CertificateRequest: does the server ask for our certificate?",
            report.certificate_request.as_ref(),
            certificate_request,
        ),
        step(
            "Certificate: what we show of ourselves",
            report.client_certificate.as_ref(),
            client_certificate,
        ),
        step(
            "Key exchange, and signatures that prove the keys",
            report.key_exchange.as_ref(),
            key_exchange,
        ),
        step(
            "The server verifies us",
            report.server_verifies.as_ref(),
            |step, found| {
                step.mark = found.status.into();
                step.say("", &found.detail);
            },
        ),
        step(
            "Finished: the handshake is complete for us",
            report.finished.as_ref(),
            |step, finished| {
                let (sent, received) = (finished.bytes_sent, finished.bytes_received);
                step.say(
                    "",
                    format!("ours is sent; {sent} bytes sent and {received} received so far"),
                );
            },
        ),
        step(
            "Protected data: what the server answers now",
            report.answer.as_ref(),
            answer,
        ),
    ];
    if let Some(cost) = &report.cost {
        cost.tell(&mut steps);
    }
    steps
}

/// A step; without `found` it was not reached.
fn step<T>(title: &'static str, found: Option<&T>, tell: impl FnOnce(&mut Step, &T)) -> Step {
    let mut step = Step::new(title, Mark::NotReached);
    if let Some(found) = found {
        step.mark = Mark::Ok;
        tell(&mut step, found);
    }
    step
}

fn or_none(list: &[String]) -> String {
    if list.is_empty() {
        "none".to_owned()
    } else {
        list.join(", ")
    }
}

fn client_hello(step: &mut Step, hello: &ClientHello) {
    step.say("versions", hello.versions.join(", "));
    step.say("cipher suites", hello.cipher_suites.join(", "));
    step.say("groups", hello.groups.join(", "));
    step.say("signatures", hello.signature_schemes.join(", "));
    step.say(
        "SNI",
        hello.sni.clone().unwrap_or_else(|| {
            "none: an address is never sent as a name (RFC 6066); some servers need --sni"
                .to_owned()
        }),
    );
    step.say("ALPN", or_none(&hello.alpn));
    step.say("size", format!("{} bytes", hello.bytes));
}

fn server_hello(report: &ProbeReport) -> Step {
    let title = "ServerHello: what the server chose, and its certificates";
    let mut step = step(title, report.server_hello.as_ref(), |step, hello| {
        choice(step, hello);
        if let Some(chain) = &report.server_chain {
            server_chain(step, chain);
        }
    });
    if report.server_hello.is_none() && report.client_hello.is_some() {
        step.mark = Mark::Fail;
        step.say("", format!("none came; {}", report.summary));
    }
    step
}

fn choice(step: &mut Step, hello: &ServerHello) {
    step.say("version", &hello.version);
    step.say("cipher suite", &hello.cipher_suite);
    let retry = if hello.hello_retry_request {
        ", after a HelloRetryRequest: one round trip more, as it did not like our first group"
    } else if hello.version == "TLSv1.3" {
        ", at once (no HelloRetryRequest)"
    } else {
        ""
    };
    let group = hello.group.as_deref().unwrap_or("not known yet");
    step.say("group", format!("{group}{retry}"));
    step.say("ALPN", hello.alpn.as_deref().unwrap_or("none"));
}

fn server_chain(step: &mut Step, chain: &ServerChain) {
    certificates(step, &chain.certificates, chain.count, chain.bytes);
    if chain.root_sent {
        step.judge(
            "root sent",
            Mark::Warn,
            "the chain contains a root; clients have it or do not trust it, so it only costs bytes",
        );
    }
    if chain.intermediate_missing {
        step.judge(
            "incomplete",
            Mark::Warn,
            "the server sent its own certificate alone, and no root we trust issued it: an intermediate \
             seems to be missing",
        );
    }
    if !chain.in_order {
        step.judge(
            "order",
            Mark::Warn,
            "each certificate should be issued by the next one, and is not; strict clients refuse that",
        );
    }
}

/// How many certificates there are, and each in two or three lines.
fn certificates(step: &mut Step, certs: &[ChainCert], count: usize, bytes: usize) {
    let all = counted(count as u64, "certificate");
    step.say("chain", format!("{all}, {bytes} bytes"));
    for (number, cert) in (1..).zip(certs) {
        let label = format!("{number}.");
        let Some(facts) = &cert.facts else {
            let why = cert.unreadable.as_deref().unwrap_or("it cannot be read");
            step.judge(label, Mark::Fail, why);
            continue;
        };
        step.say(
            label,
            format!("{}, issued by {}", facts.subject, facts.issuer),
        );
        let ca = if facts.is_ca { ", CA" } else { "" };
        let usage = match &facts.eku[..] {
            [] => String::new(),
            usages => format!(", for {}", usages.join(" ")),
        };
        let about = format!(
            "{}, signed with {}{ca}{usage}",
            facts.key, facts.signature_algorithm
        );
        step.say("", format!("{about}, {} bytes", facts.der_len));
        if !facts.san.is_empty() {
            step.say("", format!("names {}", facts.san.join(", ")));
        }
        let left = match cert.days_left {
            Some(days) if days < 0 => format!("expired {} ago", count_days(-days - 1)),
            Some(days) => format!("{} left", count_days(days)),
            None => "unknown".to_owned(),
        };
        step.say(
            "",
            format!("valid {} to {} ({left})", facts.not_before, facts.not_after),
        );
    }
    if count > certs.len() {
        step.say("", format!("and {} more", count - certs.len()));
    }
}

fn verification(step: &mut Step, found: &Verification) {
    let mut check = |label: &str, check: &Check| {
        step.judge(label, check.status.into(), &check.detail);
        if let Some(remedy) = &check.remedy {
            step.say("  to do", remedy);
        }
    };
    check("dates", &found.dates);
    check("issuer", &found.issuer);
    check("name", &found.name);
    if let Some(other) = &found.other {
        check("other", other);
    }
    if found.insecure {
        let text = "--insecure: whatever was found above, we went on";
        step.judge("verdict", Mark::Warn, text);
    } else if found.accepted {
        step.judge("verdict", Mark::Ok, "we accept the server");
    } else {
        let alert = found.alert_sent.as_ref();
        let alert = alert.map_or(String::new(), |alert| format!(", with the alert {alert}"));
        step.judge(
            "verdict",
            Mark::Fail,
            format!("we reject the server and end the handshake here{alert}"),
        );
    }
}

fn certificate_request(step: &mut Step, request: &CertificateRequest) {
    if !request.requested {
        step.mark = Mark::Info;
        let text = "no: this is one-sided TLS, the server does not ask who we are";
        return step.say("", text);
    }
    step.say("asks", "yes");
    let more = request
        .ca_names_total
        .saturating_sub(request.ca_names.len());
    if request.ca_names.is_empty() {
        step.say("accepts CAs", "it does not say (no list): any may do");
    }
    for (index, name) in request.ca_names.iter().enumerate() {
        step.say(if index == 0 { "accepts CAs" } else { "" }, name);
    }
    if more > 0 {
        step.say("", format!("and {more} more"));
    }
    step.say("signatures", or_none(&request.signature_schemes));
}

fn client_certificate(step: &mut Step, client: &ClientCertificate) {
    if let Some(why) = &client.not_sent {
        step.mark = Mark::Info;
        return step.say("", format!("none: {why}"));
    }
    certificates(
        step,
        &client.certificates,
        client.certificates.len(),
        client.bytes,
    );
    for (number, cert) in (1..).zip(&client.certificates) {
        if cert.days_left.is_some_and(|days| days < 0) {
            step.judge(
                "dates",
                Mark::Warn,
                format!("our certificate {number} has expired"),
            );
        }
    }
    match client.issuer_listed {
        Some(true) => step.judge("issuer", Mark::Ok, "among the CAs that the server listed"),
        Some(false) => step.judge(
            "issuer",
            Mark::Warn,
            "no issuer of this chain is among the CAs that the server listed: expect a rejection",
        ),
        None => step.say("issuer", "the server listed no CAs to compare with"),
    }
}

fn key_exchange(step: &mut Step, keys: &KeyExchange) {
    step.say("group", &keys.group);
    let scheme = keys.server_scheme.as_deref().unwrap_or("none");
    let proves = match keys.server_signature {
        Status::Failed => "does not verify: the server does not hold the certificate's key",
        _ => "verifies: the server holds the key of its certificate",
    };
    step.judge(
        "server signs",
        keys.server_signature.into(),
        format!("{scheme}; it {proves}"),
    );
    match &keys.client_scheme {
        Some(scheme) => step.say("we sign", scheme),
        None => step.say("we sign", "nothing, as we sent no certificate"),
    }
}

fn answer(step: &mut Step, answer: &Answer) {
    step.mark = answer.status.into();
    step.say("answer", &answer.detail);
    if let Some(told) = &answer.told {
        let http = answer.http_status_line.is_some();
        step.say(if http { "HTTP" } else { "says" }, told);
    }
    if answer.new_session_tickets > 0 {
        let count = answer.new_session_tickets.into();
        step.say("tickets", counted(count, "NewSessionTicket"));
    }
}
