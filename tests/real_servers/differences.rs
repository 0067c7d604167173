//! What each server answers to each fault, as shakedown labels it: a table per family (`families`), and per server what
//! differs from its family. Exact, as seen; nothing is allowed that was not seen. `docs/servers.md` is made from it.

use shakedown::scenario::IdentityFault::{
    self, BrokenSignature, ExpiredIntermediate, ExpiredLeaf, LongChain, MissingIntermediate,
    NameConstraint, NoDigitalSignature, None, NotACa, NotYetValid, PathLength, Revoked, Rsa1024,
    SelfSigned, UnknownCa, UnknownCritical, WrongEku, WrongName,
};
use shakedown::scenario::TlsVersion;

use crate::counted::{
    DICOM, FIX, GRPC, HTTP, HTTP2, IMAP, LDAP, MLLP, MQTT, MYSQL, POSTGRES, POSTGRES_DIRECT, SMTP,
};
use crate::families::{
    ASYNCIO, DOVECOT, ERLANG, GNUTLS, GO, NGINX, NO_LIMIT, NODE, OPENSSL, SLAPD,
};
use crate::h2;
use crate::server::Server;
use crate::unproven;

/// The answer of a server that lets the fault in: the session is ok.
pub const ACCEPTED: &str = "accepted";

/// The labels that may come, mostly one.
pub type Answer = &'static [&'static str];

/// A server of `scripts/servers`, and what is known about it.
pub struct Known {
    pub name: &'static str,
    /// The command that has to be installed, or its path, in this repository where it is relative.
    pub program: &'static str,
    /// Whether it is spoken to after the handshake, which proves more.
    pub speaks: bool,
    /// Sections of the scenario that speaks to it, beside its URL.
    pub sections: &'static str,
    /// What it is spoken to in, over TLS.
    pub protocol: &'static str,
    /// Whether it checks revocation lists (`--crl`).
    pub revocation: bool,
    /// Whether `scripts/servers logcount` can count its accepted requests.
    pub logs: bool,
    /// What else is tried with a server that is started once, and leaves nothing in its log that counts.
    pub also: fn(&Server),
    /// How many sessions at once it serves without making one wait for another's end.
    pub at_once: u32,
    pub family: &'static Family,
    /// Where it differs from its family.
    pub differences: &'static [Difference],
}

/// Servers that answer alike.
pub struct Family {
    pub name: &'static str,
    /// How it tells a client that it is rejected.
    pub manner: &'static str,
    /// The first row that names a fault holds for it; one without names holds for all.
    pub rows: &'static [Row],
}

/// A family's answer to some faults under TLS 1.2 and 1.3.
pub struct Row {
    pub faults: &'static [IdentityFault],
    pub tls12: Answer,
    pub tls13: Answer,
    /// Why it is not one of the [`right`] ones; empty if it is.
    pub why: &'static str,
}

/// A row with one answer for both versions.
pub const fn row(faults: &'static [IdentityFault], answer: Answer, why: &'static str) -> Row {
    Row {
        faults,
        tls12: answer,
        tls13: answer,
        why,
    }
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

impl Row {
    pub fn answer(&self, version: TlsVersion) -> Answer {
        of_version(version, self.tls12, self.tls13)
    }
}

impl Family {
    pub fn row(&self, fault: IdentityFault) -> &Row {
        let mut rows = self.rows.iter();
        rows.find(|row| row.faults.is_empty() || row.faults.contains(&fault))
            .unwrap_or_else(|| panic!("{}: no row for {fault}", self.name))
    }
}

impl Known {
    fn own(&self, fault: IdentityFault) -> Option<&Difference> {
        self.differences.iter().find(|own| own.fault == fault)
    }

    pub fn answer(&self, fault: IdentityFault, version: TlsVersion) -> Answer {
        match self.own(fault) {
            Some(own) => of_version(version, own.tls12, own.tls13),
            Option::None => self.family.row(fault).answer(version),
        }
    }

    /// Why the answer is not one of the [`right`] ones; empty if it is.
    pub fn why(&self, fault: IdentityFault) -> &'static str {
        match self.own(fault) {
            Some(own) => own.why,
            Option::None => self.family.row(fault).why,
        }
    }
}

impl Known {
    /// Whether it accepts each fault always or never, so that it is known how many sessions it accepts.
    pub fn is_certain(&self) -> bool {
        let rows = self.family.rows.iter().map(|row| [row.tls12, row.tls13]);
        let own = self.differences.iter().map(|own| [own.tls12, own.tls13]);
        let mut answers = rows.chain(own).flatten();
        answers.all(|answer| answer.len() == 1 || !answer.contains(&ACCEPTED))
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

/// The difference of servers on OpenSSL that have no setting for the depth of a chain.
const NO_DEPTH: Difference = Difference {
    fault: LongChain,
    tls12: &[ACCEPTED],
    tls13: &[ACCEPTED],
    why: NO_LIMIT,
};

/// The difference of `PostgreSQL`, which lets clients without a certificate through TLS.
const ASKS_IN_SQL: Difference = Difference {
    fault: None,
    tls12: &["postgres.28000"],
    tls13: &["postgres.28000"],
    why: "it asks for a certificate in TLS and demands it in its own protocol",
};

const SHORT_RSA: Difference = Difference {
    fault: Rsa1024,
    tls12: &[ACCEPTED],
    tls13: &[ACCEPTED],
    why: "its build brings an OpenSSL of its own, at security level 1",
};

/// Where `scripts/install-deps` puts the servers of Python packages.
const VENV: &str = "target/tools/venv/bin/python3";

/// A server that answers in HTTP, checks revocation lists, logs requests, and does all as OpenSSL does.
const ORDINARY: Known = Known {
    name: "",
    program: "",
    speaks: true,
    sections: "",
    protocol: HTTP,
    revocation: true,
    logs: true,
    also: |_| {},
    at_once: 3,
    family: &OPENSSL,
    differences: &[],
};

pub const SERVERS: [Known; 26] = [
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
        ..ORDINARY
    },
    Known {
        name: "dicom",
        program: VENV,
        protocol: DICOM,
        // An A-ASSOCIATE-RQ for Verification (C-ECHO), and A-ASSOCIATE-AC.
        sections: "[protocol]\nkind = \"framed\"\nframe = \"length:2:4\"\n\
                   data-file = \"tests/real_servers/associate.bin\"\nexpect-frame = \"^\\\\x02\"\n",
        differences: &[NO_DEPTH],
        ..ORDINARY
    },
    Known {
        name: "dovecot",
        program: "dovecot",
        protocol: IMAP,
        sections: "[way-in]\nstarttls = \"imap\"\n[protocol]\nkind = \"framed\"\nframe = \"line\"\n\
                   data = \"a AUTHENTICATE EXTERNAL =\\r\\n\"\nexpect-frame = \"^a OK\"\n",
        family: &DOVECOT,
        ..ORDINARY
    },
    Known {
        name: "envoy",
        program: "target/tools/venv/bin/envoy",
        protocol: HTTP2,
        sections: h2::HTTP2_ALONE,
        family: &h2::BORINGSSL,
        ..ORDINARY
    },
    Known {
        name: "etcd",
        program: "etcd",
        protocol: GRPC,
        family: &GO,
        differences: &[h2::ENDS_REVOKED],
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
        name: "grpcio",
        program: VENV,
        protocol: GRPC,
        revocation: false,
        family: &h2::GRPC_CORE,
        ..ORDINARY
    },
    Known {
        name: "h2-haproxy",
        program: "haproxy",
        protocol: HTTP2,
        sections: h2::BEHIND_A_HEADER,
        differences: &[NO_DEPTH],
        ..ORDINARY
    },
    Known {
        name: "h2-nginx",
        program: VENV,
        protocol: HTTP2,
        sections: h2::HTTP2_ALONE,
        family: &NGINX,
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
        name: "mariadb",
        program: "mariadbd",
        protocol: MYSQL,
        speaks: false,
        sections: "[way-in]\nstarttls = \"mysql\"\n",
        differences: &[
            NO_DEPTH,
            Difference {
                fault: None,
                tls12: &[ACCEPTED],
                tls13: &[ACCEPTED],
                why: "it demands a certificate in SQL, which is not spoken here",
            },
        ],
        ..ORDINARY
    },
    Known {
        name: "mllp",
        program: VENV,
        protocol: MLLP,
        sections: "[protocol]\nkind = \"framed\"\nframe = \"mllp\"\n\
                   data = \"MSH|^~\\\\&|LAB|A|HIS|B|20261130||ORU^R01|1|P|2.5\\r\"\n",
        family: &ASYNCIO,
        ..ORDINARY
    },
    Known {
        name: "mosquitto",
        program: "mosquitto",
        protocol: MQTT,
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
        at_once: 1,
        ..ORDINARY
    },
    Known {
        name: "postgresql-15",
        program: "/usr/lib/postgresql/15/bin/postgres",
        protocol: POSTGRES,
        differences: &[NO_DEPTH, ASKS_IN_SQL],
        ..ORDINARY
    },
    Known {
        name: "postgresql-18",
        program: "target/tools/postgresql-18/bin/postgres",
        protocol: POSTGRES_DIRECT,
        sections: "[protocol]\nsslnegotiation = \"direct\"\n",
        differences: &[NO_DEPTH, ASKS_IN_SQL, SHORT_RSA],
        also: unproven::of_postgresql,
        ..ORDINARY
    },
    Known {
        name: "python",
        program: "python3",
        differences: &[NO_DEPTH],
        ..ORDINARY
    },
    Known {
        name: "quickfix",
        program: "/usr/include/quickfix/SocketAcceptor.h",
        protocol: FIX,
        sections: "[protocol]\nkind = \"framed\"\nframe = \"fix\"\n\
                   data = \"8=FIX.4.4|35=A|49=C0|56=VENUE|98=0|108=30|\"\n",
        at_once: 1,
        differences: &[NO_DEPTH],
        ..ORDINARY
    },
    Known {
        name: "rabbitmq",
        program: "rabbitmq-server",
        protocol: MQTT,
        revocation: false,
        family: &ERLANG,
        also: unproven::of_rabbitmq,
        ..ORDINARY
    },
    Known {
        name: "slapd",
        program: "slapd",
        protocol: LDAP,
        speaks: false,
        sections: "[way-in]\nstarttls = \"ldap\"\n",
        family: &SLAPD,
        ..ORDINARY
    },
    Known {
        name: "smtp",
        program: VENV,
        protocol: SMTP,
        speaks: false,
        sections: "[way-in]\nstarttls = \"smtp\"\n",
        family: &ASYNCIO,
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
