//! The nine steps of a mutual handshake, and which of them each entry of a ledger belongs to.

use super::{CryptoOp, Entry, Flight, Passage, Work};

/// One end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The one that connects.
    Client,
    /// The one that is connected to.
    Server,
}

/// A step of the handshake, from 1 to 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step(u8);

impl Step {
    /// All nine, in order.
    pub const ALL: [Self; 9] = [
        Self(1),
        Self(2),
        Self(3),
        Self(4),
        Self(5),
        Self(6),
        Self(7),
        Self(8),
        Self(9),
    ];

    /// The last one, protected data.
    pub const DATA: Self = Self(9);

    /// From 1 to 9.
    pub(crate) fn number(self) -> u8 {
        self.0
    }

    /// What happens in it.
    pub(crate) fn title(self) -> &'static str {
        match self.0 {
            1 => "ClientHello",
            2 => "ServerHello and server certificate",
            3 => "the client verifies the server",
            4 => "CertificateRequest",
            5 => "client certificate",
            6 => "key exchange and signatures",
            7 => "the server verifies the client",
            8 => "Finished",
            _ => "protected data",
        }
    }

    /// The step that an entry belongs to; none for what is no crypto operation, as rustls does not say
    /// which message it is at.
    ///
    /// An operation says more than the moment at which it happens, so most are told by what they are.
    /// Hash, key schedule and records run through the whole handshake: they are told by the passage.
    /// Steps 4 and 5 are messages that ride in other messages' records: they cost bytes, and in time
    /// only what rustls itself takes.
    pub(crate) fn of(end: End, entry: &Entry) -> Option<Self> {
        let Work::Crypto(op) = entry.work else {
            return None;
        };
        let number = match end {
            End::Client => client(op, entry.passage),
            End::Server => server(op, entry),
        };
        Some(Self(number))
    }

    /// The step that a flight of a client's handshake belongs to, given all of them: what we sent first is
    /// the `ClientHello` (two after a `HelloRetryRequest`), what we sent last ends with our Finished. What
    /// came in between is the server's flight, with its certificate; what came after, in TLS 1.2, its
    /// Finished.
    pub(crate) fn of_flight(flights: &[Flight], place: usize) -> Self {
        let first = flights.iter().position(|flight| flight.sent);
        let last = flights.iter().rposition(|flight| flight.sent);
        let finished = last.filter(|last| Some(*last) != first);
        let sent = flights.get(place).is_some_and(|flight| flight.sent);
        Self(match (sent, finished) {
            (true, Some(last)) if place == last => 8,
            (true, _) => 1,
            (false, Some(last)) if place > last => 8,
            (false, _) => 2,
        })
    }
}

#[expect(clippy::match_same_arms, reason = "each arm has a reason of its own")]
fn client(op: CryptoOp, passage: Passage) -> u8 {
    match (op, passage) {
        // The client's random, session id and key share. Under TLS 1.2 its key pair is made later, once
        // the server has chosen the group; it is the same work.
        (CryptoOp::Random | CryptoOp::KxStart, _) => 1,
        (CryptoOp::VerifyChain, _) => 3,
        // The shared secret, and what proves who is at its ends.
        (CryptoOp::KxComplete | CryptoOp::Sign | CryptoOp::VerifyTranscript, _) => 6,
        (_, Passage::Data) => 9,
        // The binder of a resumed session goes out with the ClientHello.
        (CryptoOp::Hash | CryptoOp::Kdf, Passage::Offer) => 1,
        // Early data.
        (CryptoOp::Seal, Passage::Offer) => 9,
        // The first keys, right after the shared secret.
        (CryptoOp::Kdf, Passage::Answer) => 6,
        (CryptoOp::Hash, Passage::Answer) => 2,
        // The server's encrypted flight: its certificate is most of it.
        (CryptoOp::Open, _) => 2,
        // What both Finished are made of; the flight that ends with ours carries our certificate.
        (CryptoOp::Hash | CryptoOp::Kdf, Passage::Proof) | (CryptoOp::Seal, _) => 8,
    }
}

#[expect(clippy::match_same_arms, reason = "each arm has a reason of its own")]
fn server(op: CryptoOp, entry: &Entry) -> u8 {
    let passage = entry.passage;
    match (op, passage) {
        // Tickets: looked into when the ClientHello offers one, issued once the client has finished.
        (CryptoOp::Open, _) if entry.algorithm.is_some() => 2,
        (CryptoOp::Seal, _) if entry.algorithm.is_some() => 9,
        // It chooses, completes the key exchange, and from there on everything is encrypted.
        (CryptoOp::Random, Passage::Data) => 9,
        (CryptoOp::KxStart | CryptoOp::KxComplete | CryptoOp::Random, _) => 2,
        (CryptoOp::Sign, _) => 6,
        (CryptoOp::VerifyChain | CryptoOp::VerifyTranscript, _) => 7,
        (_, Passage::Data) => 9,
        (CryptoOp::Hash | CryptoOp::Kdf | CryptoOp::Seal, Passage::Offer | Passage::Answer) => 2,
        // The client's flight, which ends with its Finished; the server's own Finished in TLS 1.2.
        (CryptoOp::Open | CryptoOp::Hash | CryptoOp::Kdf | CryptoOp::Seal, _) => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(end: End, op: CryptoOp, passage: Passage, algorithm: Option<&'static str>) -> u8 {
        let entry = Entry {
            work: Work::Crypto(op),
            algorithm,
            passage,
        };
        Step::of(end, &entry).unwrap().number()
    }

    #[test]
    fn every_operation_has_a_step_and_the_rest_has_none() {
        for end in [End::Client, End::Server] {
            for op in CryptoOp::ALL {
                for passage in Passage::ALL {
                    assert!((1..=9).contains(&step(end, op, passage, None)));
                }
            }
        }
        for work in [Work::Tls, Work::Socket, Work::Probe] {
            let entry = Entry {
                work,
                algorithm: None,
                passage: Passage::Proof,
            };
            assert_eq!(Step::of(End::Client, &entry), None);
        }
    }

    #[test]
    fn flights_are_told_by_their_order() {
        let steps = |directions: &[bool]| -> Vec<u8> {
            let flights: Vec<Flight> = (directions.iter())
                .map(|sent| Flight {
                    sent: *sent,
                    bytes: 1,
                })
                .collect();
            let all = 0..flights.len();
            all.map(|place| Step::of_flight(&flights, place).number())
                .collect()
        };
        let (out, back) = (true, false);
        assert_eq!(steps(&[out, back, out]), [1, 2, 8], "TLS 1.3");
        assert_eq!(steps(&[out, back, out, back]), [1, 2, 8, 8], "TLS 1.2");
        assert_eq!(
            steps(&[out, back, out, back, out]),
            [1, 2, 1, 2, 8],
            "retry"
        );
        assert_eq!(steps(&[out, back]), [1, 2], "it ended there");
    }

    #[test]
    fn the_same_operation_belongs_to_the_end_and_the_passage_it_happens_in() {
        use CryptoOp::{Open, Seal, VerifyTranscript};
        assert_eq!(step(End::Client, VerifyTranscript, Passage::Proof, None), 6);
        assert_eq!(step(End::Server, VerifyTranscript, Passage::Proof, None), 7);
        assert_eq!(step(End::Server, Seal, Passage::Answer, None), 2);
        assert_eq!(step(End::Server, Seal, Passage::Proof, Some("ticket")), 9);
        assert_eq!(step(End::Server, Open, Passage::Answer, Some("ticket")), 2);
        assert_eq!(step(End::Client, Open, Passage::Data, None), 9);
    }
}
