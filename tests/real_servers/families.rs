//! The families of servers: what those on one TLS library answer to each fault.

use shakedown::scenario::IdentityFault::{
    BrokenSignature, ExpiredIntermediate, ExpiredLeaf, LongChain, MissingIntermediate,
    NameConstraint, NoDigitalSignature, None, NotYetValid, Revoked, Rsa1024, SelfSigned, UnknownCa,
    UnknownCritical, WrongEku,
};

use crate::differences::{ACCEPTED, Family, Row, row};

/// No certificate at all, and the alert that each version has for it.
pub const NO_CERTIFICATE: Row = Row {
    faults: &[None],
    tls12: &["alert.handshake_failure"],
    tls13: &["alert.certificate_required"],
    why: "",
};

pub const OPENSSL: Family = Family {
    name: "OpenSSL",
    manner: "An alert in the handshake: under TLS 1.2 before the client is done, under TLS 1.3 after it.",
    rows: &[
        NO_CERTIFICATE,
        row(
            &[ExpiredLeaf, ExpiredIntermediate],
            &["alert.certificate_expired"],
            "",
        ),
        row(&[NotYetValid, Rsa1024], &["alert.bad_certificate"], ""),
        row(
            &[WrongEku, NoDigitalSignature],
            &["alert.unsupported_certificate"],
            "",
        ),
        row(&[Revoked], &["alert.certificate_revoked"], ""),
        row(
            &[NameConstraint, UnknownCritical],
            &["alert.certificate_unknown"],
            "",
        ),
        row(&[BrokenSignature], &["alert.decrypt_error"], ""),
        row(&[], &["alert.unknown_ca"], ""),
    ],
};

pub const NGINX: Family = Family {
    name: "nginx",
    manner: "The handshake completes, and under TLS 1.3 two tickets are sent; then HTTP 400.",
    rows: &[row(
        &[],
        &["http.status.400"],
        "it lets every client through TLS, and says no in HTTP",
    )],
};

pub const DOVECOT: Family = Family {
    name: "Dovecot",
    manner: "The handshake completes; then `NO [ALERT] Client didn't present valid SSL certificate` to the login.",
    rows: &[
        row(&[LongChain], &[ACCEPTED], NO_LIMIT),
        row(
            &[BrokenSignature],
            &["frame.mismatch", "unconfirmed"],
            "OpenSSL's error stays in its queue, where a read that has to wait takes it for its own and hangs up",
        ),
        row(
            &[],
            &["frame.mismatch"],
            "it lets every client through TLS, and refuses the login",
        ),
    ],
};

pub const NODE: Family = Family {
    name: "Node.js",
    manner: "OpenSSL's verdict is only looked at after the handshake, and the connection then cut.",
    rows: &[
        NO_CERTIFICATE,
        row(&[LongChain], &[ACCEPTED], NO_LIMIT),
        // The one answer that depends on the build: seen with Debian's and with NodeSource's.
        Row {
            faults: &[Rsa1024],
            tls12: &[ACCEPTED, "eof.handshake"],
            tls13: &[ACCEPTED, "unconfirmed"],
            why: "builds with an OpenSSL of their own are at its security level 1 and accept it; \
                  Debian's is at level 2 and does not",
        },
        Row {
            faults: &[],
            tls12: &["eof.handshake"],
            tls13: &["unconfirmed"],
            why: "it hangs up without an alert",
        },
    ],
};

pub const GO: Family = Family {
    name: "Go",
    manner: "The alert bad_certificate in the handshake, for whatever reason.",
    rows: &[
        row(
            &[None],
            &["alert.bad_certificate"],
            "it has no alert of its own for this",
        ),
        row(
            &[NoDigitalSignature],
            &[ACCEPTED],
            "it looks at the extended key usage alone",
        ),
        row(&[Revoked], &[ACCEPTED], "it consults no revocation lists"),
        row(
            &[LongChain],
            &[ACCEPTED],
            "it sets no limit to the length of a chain",
        ),
        row(&[Rsa1024], &[ACCEPTED], "it takes RSA keys of 1024 bits"),
        row(&[], &["alert.bad_certificate"], ""),
    ],
};

pub const ERLANG: Family = Family {
    name: "Erlang",
    manner: "An alert in the handshake, with a choice of its own.",
    rows: &[
        NO_CERTIFICATE,
        row(
            &[ExpiredLeaf, ExpiredIntermediate, NotYetValid],
            &["alert.certificate_expired"],
            "",
        ),
        row(&[UnknownCa, MissingIntermediate], &["alert.unknown_ca"], ""),
        row(
            &[SelfSigned, NameConstraint, BrokenSignature],
            &["alert.bad_certificate"],
            "",
        ),
        row(&[UnknownCritical], &["alert.unsupported_certificate"], ""),
        row(
            &[NoDigitalSignature],
            &[ACCEPTED],
            "it looks at the extended key usage alone",
        ),
        row(
            &[Revoked],
            &[ACCEPTED],
            "RabbitMQ's settings have no revocation lists",
        ),
        row(&[Rsa1024], &[ACCEPTED], "it takes RSA keys of 1024 bits"),
        row(
            &[],
            &["alert.handshake_failure"],
            "it has this alert for whatever its callbacks find",
        ),
    ],
};

pub const ASYNCIO: Family = Family {
    name: "asyncio",
    manner: "OpenSSL's alert is never sent: Python's asyncio closes the connection first.",
    rows: &[
        row(&[LongChain], &[ACCEPTED], NO_LIMIT),
        Row {
            faults: &[],
            tls12: &["eof.handshake"],
            tls13: &["unconfirmed"],
            why: "it hangs up without an alert",
        },
    ],
};

pub const GNUTLS: Family = Family {
    name: "GnuTLS",
    manner: "The alert access_denied in the handshake, for whatever is wrong with the chain.",
    rows: &[
        Row {
            faults: &[None],
            tls12: &["alert.decode_error"],
            tls13: &["alert.certificate_required"],
            why: "under TLS 1.2 it calls the message with no certificate undecodable",
        },
        row(
            &[NoDigitalSignature],
            &["alert.internal_error"],
            "it sees the key usage at the handshake's signature, as an error of its own",
        ),
        row(
            &[WrongEku],
            &[ACCEPTED],
            "gnutls-serv does not ask GnuTLS to check what the certificate is for",
        ),
        row(
            &[Rsa1024],
            &[ACCEPTED],
            "the priority NORMAL takes RSA keys of 1024 bits",
        ),
        row(
            &[],
            &["alert.access_denied"],
            "gnutls-serv has one alert for whatever GnuTLS finds",
        ),
    ],
};

pub const SLAPD: Family = Family {
    name: "slapd",
    manner: "It verifies once the handshake is complete, and hangs up without an alert.",
    rows: &[
        Row {
            faults: &[None, NoDigitalSignature],
            tls12: &["eof.handshake"],
            tls13: &["unconfirmed"],
            why: "GnuTLS fails in the handshake, and its alert is not sent",
        },
        row(
            &[WrongEku],
            &[ACCEPTED],
            "it does not ask GnuTLS to check what the certificate is for",
        ),
        row(&[Rsa1024], &[ACCEPTED], "it takes RSA keys of 1024 bits"),
        row(&[], &["unconfirmed"], "it hangs up without an alert"),
    ],
};

/// Why a chain of any length is accepted.
pub const NO_LIMIT: &str =
    "it has no setting for the length of a chain, and OpenSSL's own limit is 100";
