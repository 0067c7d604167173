//! What each server answers to each fault, as shakedown labels it: a table per family, and per server
//! what differs from its family. Exact, as seen with the versions of Debian 12; nothing is allowed
//! that was not seen. `docs/servers.md` is made from it.

use shakedown::scenario::IdentityFault::{
    self, BrokenSignature, ExpiredIntermediate, ExpiredLeaf, LongChain, MissingIntermediate,
    NameConstraint, NoDigitalSignature, None, NotACa, NotYetValid, PathLength, Revoked, Rsa1024,
    SelfSigned, UnknownCa, UnknownCritical, WrongEku, WrongName,
};
use shakedown::scenario::TlsVersion;

/// The answer of a server that lets the fault in: the session is ok.
pub const ACCEPTED: &str = "accepted";

/// The labels that may come, mostly one.
pub type Answer = &'static [&'static str];

/// A server of `scripts/servers`, and what is known about it.
pub struct Known {
    pub name: &'static str,
    /// The command that has to be installed.
    pub program: &'static str,
    /// `https`, or `tls` for a server that speaks no HTTP.
    pub scheme: &'static str,
    /// Whether it checks revocation lists (`--crl`).
    pub revocation: bool,
    /// Whether `scripts/servers logcount` can count its accepted requests.
    pub logs: bool,
    pub family: &'static Family,
    /// Where it differs from its family.
    pub differences: &'static [Difference],
}

/// Servers that answer alike.
pub struct Family {
    pub name: &'static str,
    /// How it tells a client that it is rejected.
    pub manner: &'static str,
    /// The answers under TLS 1.2 and 1.3. The first row that names the fault holds, and one without
    /// names holds for all.
    pub rows: &'static [(&'static [IdentityFault], Answer, Answer)],
    /// What differs from the right answers, and why.
    pub because: &'static [(&'static [IdentityFault], &'static str)],
}

/// One server's own answer under TLS 1.2 and 1.3.
pub struct Difference {
    pub fault: IdentityFault,
    pub tls12: Answer,
    pub tls13: Answer,
    pub why: &'static str,
}

/// Of two answers the one for a version.
fn of_version(version: TlsVersion, tls12: Answer, tls13: Answer) -> Answer {
    match version {
        TlsVersion::Tls12 => tls12,
        TlsVersion::Tls13 => tls13,
    }
}

impl Family {
    pub fn answer(&self, fault: IdentityFault, version: TlsVersion) -> Answer {
        let mut rows = self.rows.iter();
        let row = rows.find(|(faults, ..)| faults.is_empty() || faults.contains(&fault));
        let (_, tls12, tls13) = row.unwrap_or_else(|| panic!("{}: no row for {fault}", self.name));
        of_version(version, tls12, tls13)
    }

    pub fn why(&self, fault: IdentityFault) -> Option<&'static str> {
        let mut reasons = self.because.iter();
        let reason = reasons.find(|(faults, _)| faults.is_empty() || faults.contains(&fault));
        reason.map(|(_, why)| *why)
    }
}

impl Known {
    pub fn answer(&self, fault: IdentityFault, version: TlsVersion) -> Answer {
        match self.differences.iter().find(|d| d.fault == fault) {
            Some(own) => of_version(version, own.tls12, own.tls13),
            Option::None => self.family.answer(fault, version),
        }
    }

    /// Why the answer is not one of the [`right`] ones, if that is known.
    pub fn why(&self, fault: IdentityFault) -> Option<&'static str> {
        match self.differences.iter().find(|d| d.fault == fault) {
            Some(own) => Some(own.why),
            Option::None => self.family.why(fault),
        }
    }
}

/// What is known about a server.
pub fn known(name: &str) -> &'static Known {
    let found = SERVERS.iter().find(|known| known.name == name);
    found.unwrap_or_else(|| panic!("differences.rs has no {name}"))
}

/// The answers that say what is wrong, or no less than that the certificate is (RFC 8446 section 6.2,
/// RFC 5246 section 7.2.2).
pub fn right(fault: IdentityFault) -> Answer {
    match fault {
        None => &["alert.handshake_failure", "alert.certificate_required"],
        UnknownCa | SelfSigned | MissingIntermediate | PathLength | NotACa | LongChain => &[
            "alert.unknown_ca",
            "alert.bad_certificate",
            "alert.certificate_unknown",
        ],
        ExpiredLeaf | ExpiredIntermediate | NotYetValid => &[
            "alert.certificate_expired",
            "alert.bad_certificate",
            "alert.certificate_unknown",
        ],
        WrongEku | NoDigitalSignature | UnknownCritical => &[
            "alert.unsupported_certificate",
            "alert.bad_certificate",
            "alert.certificate_unknown",
        ],
        Revoked => &[
            "alert.certificate_revoked",
            "alert.bad_certificate",
            "alert.certificate_unknown",
        ],
        BrokenSignature => &[
            "alert.decrypt_error",
            "alert.bad_certificate",
            "alert.certificate_unknown",
        ],
        Rsa1024 => &[
            "alert.insufficient_security",
            "alert.bad_certificate",
            "alert.certificate_unknown",
        ],
        NameConstraint => &["alert.bad_certificate", "alert.certificate_unknown"],
        WrongName => &[],
    }
}

const OPENSSL: Family = Family {
    name: "OpenSSL",
    manner: "An alert in the handshake: under TLS 1.2 before the client is done, under TLS 1.3 after it.",
    rows: &[
        (
            &[None],
            &["alert.handshake_failure"],
            &["alert.certificate_required"],
        ),
        (
            &[ExpiredLeaf, ExpiredIntermediate],
            &["alert.certificate_expired"],
            &["alert.certificate_expired"],
        ),
        (
            &[WrongEku, NoDigitalSignature],
            &["alert.unsupported_certificate"],
            &["alert.unsupported_certificate"],
        ),
        (
            &[NotYetValid, Rsa1024],
            &["alert.bad_certificate"],
            &["alert.bad_certificate"],
        ),
        (
            &[Revoked],
            &["alert.certificate_revoked"],
            &["alert.certificate_revoked"],
        ),
        (
            &[NameConstraint, UnknownCritical],
            &["alert.certificate_unknown"],
            &["alert.certificate_unknown"],
        ),
        (
            &[BrokenSignature],
            &["alert.decrypt_error"],
            &["alert.decrypt_error"],
        ),
        (&[], &["alert.unknown_ca"], &["alert.unknown_ca"]),
    ],
    because: &[],
};

const NGINX: Family = Family {
    name: "nginx",
    manner: "The handshake completes, and under TLS 1.3 two tickets are sent; then HTTP 400.",
    rows: &[(&[], &["http.status.400"], &["http.status.400"])],
    because: &[(&[], "it lets every client through TLS, and says no in HTTP")],
};

const NODE: Family = Family {
    name: "Node.js",
    manner: "OpenSSL's verdict is only looked at after the handshake, and the connection then cut.",
    rows: &[
        (
            &[None],
            &["alert.handshake_failure"],
            &["alert.certificate_required"],
        ),
        (&[LongChain], &[ACCEPTED], &[ACCEPTED]),
        // The one answer that depends on the build: seen with Debian's and with NodeSource's.
        (
            &[Rsa1024],
            &[ACCEPTED, "eof.handshake"],
            &[ACCEPTED, "eof.confirm", "reset.confirm"],
        ),
        (&[], &["eof.handshake"], &["eof.confirm", "reset.confirm"]),
    ],
    because: &[
        (&[LongChain], NO_LIMIT),
        (
            &[Rsa1024],
            "Node's own builds bring an OpenSSL at security level 1 and accept it; Debian's build does not",
        ),
        (&[], "it hangs up without an alert"),
    ],
};

const GO: Family = Family {
    name: "Go",
    manner: "The alert bad_certificate in the handshake, for whatever reason.",
    rows: &[
        (
            &[NoDigitalSignature, LongChain, Rsa1024],
            &[ACCEPTED],
            &[ACCEPTED],
        ),
        (&[], &["alert.bad_certificate"], &["alert.bad_certificate"]),
    ],
    because: &[
        (&[None], "the Go of Debian 12 has one alert for all"),
        (
            &[NoDigitalSignature],
            "Go checks the extended key usage alone",
        ),
        (&[LongChain], "Go sets no limit to the length of a chain"),
        (&[Rsa1024], "Go takes RSA keys of 1024 bits"),
    ],
};

const GNUTLS: Family = Family {
    name: "GnuTLS",
    manner: "The alert access_denied in the handshake, for whatever is wrong with the chain.",
    rows: &[
        (
            &[None],
            &["alert.decode_error"],
            &["alert.certificate_required"],
        ),
        (
            &[NoDigitalSignature],
            &["alert.internal_error"],
            &["alert.internal_error"],
        ),
        (&[WrongEku, Rsa1024], &[ACCEPTED], &[ACCEPTED]),
        (&[], &["alert.access_denied"], &["alert.access_denied"]),
    ],
    because: &[
        (
            &[None],
            "under TLS 1.2 it calls the message with no certificate undecodable",
        ),
        (
            &[NoDigitalSignature],
            "it sees the key usage at the handshake's signature, as an error of its own",
        ),
        (
            &[WrongEku],
            "gnutls-serv does not ask GnuTLS to check what the certificate is for",
        ),
        (
            &[Rsa1024],
            "the priority NORMAL takes RSA keys of 1024 bits",
        ),
        (&[], "gnutls-serv has one alert for whatever GnuTLS finds"),
    ],
};

const NO_LIMIT: &str =
    "it has no setting for the length of a chain, and OpenSSL's own limit is 100";

/// The difference of servers on OpenSSL that have no setting for the depth of a chain.
const NO_DEPTH: Difference = Difference {
    fault: LongChain,
    tls12: &[ACCEPTED],
    tls13: &[ACCEPTED],
    why: NO_LIMIT,
};

/// A server that answers in HTTP, checks revocation lists, logs requests, and does all as OpenSSL does.
const ORDINARY: Known = Known {
    name: "",
    program: "",
    scheme: "https",
    revocation: true,
    logs: true,
    family: &OPENSSL,
    differences: &[],
};

pub const SERVERS: [Known; 11] = [
    Known {
        name: "apache2",
        program: "apache2",
        differences: &[Difference {
            fault: LongChain,
            tls12: &["alert.internal_error"],
            tls13: &["alert.internal_error"],
            why: "it counts the length itself (SSLVerifyDepth) and gives OpenSSL no reason",
        }],
        ..ORDINARY
    },
    Known {
        name: "caddy",
        program: "caddy",
        revocation: false,
        family: &GO,
        differences: &[Difference {
            fault: Revoked,
            tls12: &[ACCEPTED],
            tls13: &[ACCEPTED],
            why: "it has no setting for revocation lists",
        }],
        ..ORDINARY
    },
    Known {
        name: "gnutls-serv",
        program: "gnutls-serv",
        logs: false,
        family: &GNUTLS,
        ..ORDINARY
    },
    Known {
        name: "haproxy",
        program: "haproxy",
        differences: &[NO_DEPTH],
        ..ORDINARY
    },
    Known {
        name: "lighttpd",
        program: "lighttpd",
        ..ORDINARY
    },
    Known {
        name: "mosquitto",
        program: "mosquitto",
        scheme: "tls",
        logs: false,
        differences: &[NO_DEPTH],
        ..ORDINARY
    },
    Known {
        name: "nginx",
        program: "nginx",
        family: &NGINX,
        ..ORDINARY
    },
    Known {
        name: "node",
        program: "node",
        family: &NODE,
        ..ORDINARY
    },
    Known {
        name: "openssl",
        program: "openssl",
        logs: false,
        ..ORDINARY
    },
    Known {
        name: "python",
        program: "python3",
        differences: &[NO_DEPTH],
        ..ORDINARY
    },
    Known {
        name: "stunnel",
        program: "stunnel",
        logs: false,
        differences: &[NO_DEPTH],
        ..ORDINARY
    },
];
