//! What the handshake alone shows of servers that refuse in their own protocol, or say nothing: no false acceptance.
//! Only their protocol proves one.

use crate::server::{Server, installed};
use crate::verdicts::mint;

const IDENTITY: &str = "--cacert pki/ca.pem --cert pki/client-0.pem --key pki/client-0.key";
const CERTAIN: &str = "valid: the run did what was asked";
const VERSIONS: [&str; 2] = ["--tls-max 1.2", "--tlsv1.3"];

/// `PostgreSQL` 18 hangs up after the handshake on who begins TLS at once without its ALPN id, and waits for others.
pub fn of_postgresql(server: &Server) {
    for tls in VERSIONS {
        let run = format!("run tls://localhost:PORT {IDENTITY} {tls} -n 20 -c 4 -q -o u.json");
        let (status, said) = server.shakedown(&run);
        assert_eq!(status, 106, "{said}");
        assert!(said.contains("20 × unconfirmed"), "{said}");
        let probe = format!("probe tls://localhost:PORT {IDENTITY} {tls}");
        let (_, said) = server.shakedown(&probe);
        assert!(said.contains("verdict: unconfirmed"), "{said}");
        let (_, said) = server.shakedown(&format!("{run} --alpn postgresql"));
        assert!(!said.contains("unconfirmed"), "{said}");
        assert!(
            said.contains("weak-proof") && !said.contains(CERTAIN),
            "{said}"
        );
    }
}

/// `RabbitMQ` waits for a CONNECT, and answers a close with an end of the connection.
pub fn of_rabbitmq(server: &Server) {
    for tls in VERSIONS {
        let run = format!("run tls://localhost:PORT {IDENTITY} {tls} -n 40 -c 4 -q -o u.json");
        let (_, said) = server.shakedown(&run);
        let unproven = said.contains("weak-proof") || said.contains("40 × unconfirmed");
        assert!(unproven && !said.contains(CERTAIN), "{said}");
    }
}

/// What an audit needs to say so: the protocol.
#[test]
fn an_audit_speaks_framed_messages() {
    if !installed("mllp") {
        return;
    }
    let server = Server::start_in("mllp", &["--crl"], mint);
    let message = "MSH|^~\\&|LAB|A|HIS|B|20261130||ORU^R01|1|P|2.5\r";
    std::fs::write(server.pki().join("oru.hl7"), message).unwrap();
    let audit =
        "audit tls://localhost:PORT --pki pki --protocol framed --frame mllp --send pki/oru.hl7 -q";
    let (status, said) = server.shakedown(audit);
    assert_eq!(status, 99, "{said}");
    assert!(said.contains("34 of 36 as expected"), "{said}");
    assert!(
        said.contains("WRONGLY ACCEPTED: mtls1.2/long-chain, mtls1.3/long-chain"),
        "{said}"
    );
    assert!(!said.contains("weak-proof"), "{said}");
}
