//! Every way in which the hostile server misbehaves, where, and what a session that meets it is
//! called.

use shakedown::scenario::ProtocolKind::{self, Echo, Handshake, Http1, Mqtt};
use shakedown::scenario::TlsVersion::{self, Tls12, Tls13};

use super::frames::Frames;

/// A way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Behaviour {
    // Before the handshake is under way.
    /// Accepts and says nothing.
    Silent,
    /// Answers in HTTP without TLS.
    PlainHttp,
    /// A fatal alert instead of a `ServerHello`, by code.
    AlertFirst(u8),
    /// `close_notify` and FIN instead of a `ServerHello`.
    CloseNotifyFirst,
    /// `close_notify` instead of a `ServerHello`, and the connection left open.
    CloseNotifyStays,
    /// A record longer than RFC 8446 section 5.2 allows.
    OversizeRecord,
    /// A record of a type that does not exist.
    UnknownContentType,
    /// Handshake records without content, endlessly.
    EmptyHandshakeRecords,
    /// A handshake message that claims to have 16 MB.
    HugeMessage,
    /// A handshake message of 60,000 bytes, each in a record of its own.
    ByteRecords,
    /// A `ServerHello` of noise.
    GarbageServerHello,
    /// Two `HelloRetryRequest`s, one after the other.
    RetryTwice,
    /// A `HelloRetryRequest` for the group that was sent already.
    RetrySameGroup,
    /// A cipher suite that was not offered.
    UnofferedSuite,
    /// A protocol version that was not offered.
    UnofferedVersion,
    /// An ALPN protocol, although none was offered.
    UnofferedAlpn,
    /// More `ChangeCipherSpec` records than any middlebox needs.
    ChangeCipherSpecFlood,
    /// FIN after the `ClientHello`.
    EofFirst,
    /// RST after the `ClientHello`.
    ResetFirst,

    // In the server's flight.
    /// Silence after the `ServerHello`.
    StallAfterServerHello,
    /// Silence after half of the certificate flight.
    StallMidFlight,
    /// The flight in single bytes.
    DripFlight,
    /// FIN in the middle of the flight.
    EofMidFlight,
    /// RST in the middle of the flight.
    ResetMidFlight,
    /// FIN where the server's last flight of the handshake should be.
    EofAfterFlight,
    /// RST where the server's last flight of the handshake should be.
    ResetAfterFlight,
    /// A fatal alert after the `ServerHello`.
    AlertMidFlight,
    /// `ChangeCipherSpec` before the certificate (TLS 1.2).
    EarlyChangeCipherSpec,
    /// One bit flipped in an encrypted handshake record.
    BadMac,
    /// A chain of 62 certificates with 200 KB.
    LongChain,
    /// A certificate that is no certificate.
    GarbageCertificate,
    /// Control, escape and bidirectional characters in every name of the certificate.
    EvilNames,

    // After the handshake.
    /// No answer to the request.
    NoAnswer,
    /// No answer to the second request.
    NoSecondAnswer,
    /// FIN instead of an answer, without `close_notify`.
    EofAfterFinished,
    /// RST instead of an answer.
    ResetAfterFinished,
    /// `close_notify` instead of an answer.
    CloseNotifyAfterFinished,
    /// A record that nobody can decrypt.
    GarbageAfterFinished,
    /// A fatal alert with a code that has no name.
    UnknownAlert,
    /// A fatal alert and RST as soon as the handshake is complete.
    AlertAtOnce,
    /// A fatal alert and RST, with the request unread.
    AlertUnread,
    /// A fatal alert and RST, with the second request unread.
    SecondAlertUnread,
    /// A good answer ahead of the client's Finished (0.5-RTT), then a fatal alert.
    EarlyAnswer(Cut),
    /// The same, then FIN without an alert.
    EarlyAnswerAndEof,
    /// A request to renegotiate (TLS 1.2) or for a certificate (TLS 1.3), then a fatal alert.
    LateRequest,
    /// A good answer and a fatal alert in one piece.
    AlertBehindAnswer,
    /// The same, where a second request is still to come.
    AlertBehindFirstAnswer,
    /// Warning alerts without end.
    WarningFlood,
    /// Session tickets without end.
    TicketFlood,
    /// Session tickets of 60,000 bytes without end.
    HugeTickets,
    /// Key updates without end, each asking for one of ours.
    KeyUpdateFlood,
    /// Encrypted records without content, without end.
    EmptyRecords,
    /// `HelloRequest`s without end (TLS 1.2).
    RenegotiationFlood,
    /// Application data without end that nobody asked for.
    UnaskedData,
    /// A good answer, and then data without end.
    DataAfterAnswer,

    // In the protocol.
    /// The response head in single bytes.
    DripHead,
    /// A head of 1 MB.
    HugeHead,
    /// 20,000 header fields.
    ManyFields,
    /// Interim responses without end.
    EndlessInterim,
    /// A status line with escape sequences.
    EvilStatusLine,
    /// The status 000.
    NoStatus,
    /// 101, as if another protocol had been asked for.
    Switching,
    /// A redirect, as nginx rejects with `error_page 495 = URL`.
    Redirect,
    /// Half an answer, then FIN.
    HalfAnswer,
    /// Half an answer, then RST.
    HalfAnswerAndReset,
    /// An answer that says that the connection closes, to a client that will ask again.
    AnnouncedClose,
    /// A reason phrase and a body with bidirectional overrides and C1 controls in UTF-8.
    EvilReason,
    /// A `Content-Length` of 2^64 - 1.
    HugeContentLength,
    /// A chunk of 2^64 - 1 bytes.
    HugeChunk,
    /// Chunks of one byte, without end.
    TinyChunks,
    /// A body without length and without end.
    EndlessBody,
    /// A compressed body that would be a thousand times as long.
    GzipBomb,
    /// No ALPN protocol chosen, although some were offered.
    NoAlpn,
    /// An echo that is longer than what was sent.
    LongEcho,
    /// An echo of other bytes.
    WrongEcho,
    /// `CONNACK`s without end.
    EndlessConnacks,
    /// A `CONNACK` in single bytes.
    DripPacket,
    /// Half a `CONNACK`, then FIN.
    HalfPacket,
    /// A packet whose length has five bytes.
    LongLength,
    /// A packet of 256 MiB.
    HugePacket,
    /// A `PUBACK` for another message.
    OtherPuback,
    /// In HTTP/2.
    Frames(Frames),
}

/// How the network cuts what a server sends ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cut {
    /// In one piece with the server's Finished.
    Whole,
    /// In the middle, the second part after a while.
    Middle,
    /// Behind the server's Finished, after a while.
    Apart,
}

/// One behaviour as one run meets it.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub behaviour: Behaviour,
    pub version: TlsVersion,
    pub protocol: ProtocolKind,
    /// What sessions may be called: classes, or `ok`.
    pub expect: &'static [&'static str],
    /// Sessions are held open, so that what comes meanwhile is met, too.
    pub hold: bool,
}

impl Case {
    /// Whether a stage's timeout is what ends these sessions.
    pub fn waits(&self) -> bool {
        self.expect
            .iter()
            .any(|class| class.starts_with("unanswered"))
    }

    /// Whether it takes two exchanges to meet it.
    pub fn asks_twice(&self) -> bool {
        let second = [
            Behaviour::NoSecondAnswer,
            Behaviour::SecondAlertUnread,
            Behaviour::AlertBehindFirstAnswer,
            Behaviour::AnnouncedClose,
        ];
        second.contains(&self.behaviour)
    }

    pub fn held(self) -> Self {
        Self { hold: true, ..self }
    }

    pub fn name(&self) -> String {
        let hold = if self.hold { ", held" } else { "" };
        format!(
            "{:?} (TLS {}, {:?}{hold})",
            self.behaviour, self.version, self.protocol
        )
    }
}

/// Every case.
pub fn cases() -> Vec<Case> {
    let mut cases = beginnings();
    cases.extend(flights());
    cases.extend(afterwards());
    cases.extend(answers());
    cases.extend(super::frames::cases());
    cases
}

pub fn case(
    behaviour: Behaviour,
    version: TlsVersion,
    protocol: ProtocolKind,
    expect: &'static [&'static str],
) -> Case {
    Case {
        behaviour,
        version,
        protocol,
        expect,
        hold: false,
    }
}

/// The same in both versions.
fn both(
    behaviour: Behaviour,
    protocol: ProtocolKind,
    expect: &'static [&'static str],
) -> [Case; 2] {
    [Tls12, Tls13].map(|version| case(behaviour, version, protocol, expect))
}

fn beginnings() -> Vec<Case> {
    use Behaviour::*;
    let broken = &["tls.protocol"];
    let mut cases = vec![
        case(Silent, Tls13, Echo, &["unanswered.handshake"]),
        case(PlainHttp, Tls13, Http1, &["tls.plain_text"]),
        case(AlertFirst(40), Tls13, Echo, &["alert.handshake_failure"]),
        case(AlertFirst(70), Tls12, Echo, &["alert.protocol_version"]),
        case(AlertFirst(80), Tls13, Echo, &["alert.internal_error"]),
        case(AlertFirst(112), Tls12, Echo, &["alert.unrecognized_name"]),
        case(AlertFirst(200), Tls13, Echo, &["alert.200"]),
        case(CloseNotifyFirst, Tls13, Echo, &["eof.handshake"]),
        case(EmptyHandshakeRecords, Tls13, Echo, broken),
        case(ByteRecords, Tls12, Echo, broken),
        case(UnofferedAlpn, Tls12, Echo, broken),
        case(RetryTwice, Tls13, Echo, broken),
        case(RetrySameGroup, Tls13, Echo, broken),
        case(ChangeCipherSpecFlood, Tls13, Echo, broken),
    ];
    for behaviour in [
        OversizeRecord,
        UnknownContentType,
        HugeMessage,
        GarbageServerHello,
        UnofferedSuite,
        UnofferedVersion,
    ] {
        cases.extend(both(behaviour, Echo, broken));
    }
    cases.extend(both(CloseNotifyStays, Echo, &["eof.handshake"]));
    cases.extend(both(EofFirst, Echo, &["eof.handshake"]));
    cases.extend(both(ResetFirst, Echo, &["reset.handshake"]));
    cases
}

fn flights() -> Vec<Case> {
    use Behaviour::*;
    let stalled = &["unanswered.handshake"];
    let mut cases = vec![
        case(AlertMidFlight, Tls12, Echo, &["alert.internal_error"]),
        case(AlertMidFlight, Tls13, Echo, &["alert.internal_error"]),
        case(EarlyChangeCipherSpec, Tls12, Echo, &["tls.protocol"]),
        // In TLS 1.3 the client is done with its part by then.
        case(EofAfterFlight, Tls12, Echo, &["eof.handshake"]),
        case(ResetAfterFlight, Tls12, Echo, &["reset.handshake"]),
        case(EofAfterFlight, Tls13, Handshake, &["unconfirmed"]),
        case(ResetAfterFlight, Tls13, Echo, &["unconfirmed"]),
    ];
    for behaviour in [StallAfterServerHello, StallMidFlight, DripFlight] {
        cases.extend(both(behaviour, Http1, stalled));
    }
    cases.extend(both(EofMidFlight, Echo, &["eof.handshake"]));
    cases.extend(both(ResetMidFlight, Echo, &["reset.handshake"]));
    cases.extend(both(BadMac, Echo, &["tls.protocol"]));
    cases.extend(both(LongChain, Echo, &["tls.protocol"]));
    cases.extend(both(GarbageCertificate, Echo, &["server_cert.other"]));
    cases.extend(both(EvilNames, Http1, &["ok"]));
    cases
}

fn afterwards() -> Vec<Case> {
    use Behaviour::*;
    let flood = &["flood.confirm"];
    let flood_at_once = &["flood.handshake", "flood.confirm"];
    let mut cases = vec![
        case(TicketFlood, Tls13, Http1, flood),
        case(TicketFlood, Tls13, Handshake, flood),
        case(TicketFlood, Tls13, Handshake, flood).held(),
        case(KeyUpdateFlood, Tls13, Http1, flood),
        case(KeyUpdateFlood, Tls13, Handshake, flood),
        case(HugeTickets, Tls13, Http1, flood),
        case(HugeTickets, Tls13, Handshake, flood).held(),
        // These may come in one piece with the server's Finished.
        case(RenegotiationFlood, Tls12, Http1, flood_at_once),
        case(WarningFlood, Tls12, Http1, flood_at_once),
        // TLS 1.3 has no warnings: the first one ends the session (RFC 8446 section 6).
        case(WarningFlood, Tls13, Http1, &["alert.no_renegotiation"]),
        case(EmptyRecords, Tls13, Handshake, flood),
        case(EmptyRecords, Tls13, Handshake, flood).held(),
        case(UnaskedData, Tls13, Handshake, flood),
        case(UnaskedData, Tls13, Handshake, flood).held(),
        // The flood is either taken for the answer, or comes before the session can ask.
        case(
            UnaskedData,
            Tls12,
            Http1,
            &["http.protocol", "flood.confirm"],
        ),
        case(DataAfterAnswer, Tls13, Echo, &["ok"]),
        case(DataAfterAnswer, Tls12, Echo, &["ok"]).held(),
        case(DataAfterAnswer, Tls13, Http1, &["ok"]).held(),
    ];
    cases.extend(both(NoAnswer, Http1, &["unanswered.confirm"]));
    cases.extend(both(NoSecondAnswer, Http1, &["unanswered.first_byte"]));
    for behaviour in [
        EofAfterFinished,
        ResetAfterFinished,
        CloseNotifyAfterFinished,
    ] {
        cases.extend(both(behaviour, Http1, &["unconfirmed"]));
    }
    cases.extend(both(LateRequest, Http1, &["tls.renegotiation"]));
    cases.extend(both(GarbageAfterFinished, Http1, &["tls.protocol"]));
    cases.extend(both(UnknownAlert, Http1, &["alert.200"]));
    cases.extend(both(EmptyRecords, Http1, flood_at_once));
    cases.extend(alerts_with_resets());
    // How the network cuts the stream must make no difference: a rejection is a rejection.
    let denied = &["alert.access_denied"];
    for cut in [Cut::Whole, Cut::Middle, Cut::Apart] {
        for protocol in [Http1, Echo, Handshake] {
            cases.push(case(EarlyAnswer(cut), Tls13, protocol, denied));
        }
    }
    cases.push(case(EarlyAnswerAndEof, Tls13, Http1, &["unconfirmed"]));
    cases.push(case(EarlyAnswerAndEof, Tls13, Handshake, &["unconfirmed"]));
    cases.extend(both(AlertBehindAnswer, Http1, denied));
    cases.extend(both(AlertBehindFirstAnswer, Http1, denied));
    cases
}

/// Fatal alerts with a reset behind them: whichever of our reads or writes meets it, the alert counts.
pub fn alerts_with_resets() -> Vec<Case> {
    let denied = &["alert.access_denied"];
    let kinds = [
        Behaviour::AlertAtOnce,
        Behaviour::AlertUnread,
        Behaviour::SecondAlertUnread,
    ];
    kinds
        .into_iter()
        .flat_map(|behaviour| both(behaviour, Http1, denied))
        .collect()
}

fn answers() -> Vec<Case> {
    use Behaviour::*;
    let broken = &["http.protocol"];
    let mut cases = vec![
        case(Switching, Tls13, Http1, &["http.status.101"]),
        case(Redirect, Tls13, Http1, &["http.redirect.302"]),
        case(HalfAnswer, Tls13, Http1, &["http.cut_short"]),
        case(HalfAnswerAndReset, Tls13, Http1, &["http.cut_short"]),
        case(AnnouncedClose, Tls13, Http1, &["http.closed"]),
        case(EvilReason, Tls13, Http1, &["http.status.500"]),
        case(TinyChunks, Tls13, Http1, &["unanswered.confirm"]),
        case(
            EndlessBody,
            Tls13,
            Http1,
            &["http.protocol", "unanswered.confirm"],
        ),
        case(GzipBomb, Tls13, Http1, &["ok"]),
        case(NoAlpn, Tls13, Http1, &["ok"]),
        case(DripHead, Tls13, Http1, &["unanswered.confirm"]),
    ];
    for behaviour in [
        HugeHead,
        ManyFields,
        EndlessInterim,
        EvilStatusLine,
        NoStatus,
        HugeContentLength,
        HugeChunk,
    ] {
        cases.push(case(behaviour, Tls13, Http1, broken));
    }
    cases.extend(both(LongEcho, Echo, &["echo.mismatch"]));
    cases.extend(both(WrongEcho, Echo, &["echo.mismatch"]));
    cases.push(case(DripPacket, Tls13, Mqtt, &["unanswered.confirm"]));
    for behaviour in [
        EndlessConnacks,
        HalfPacket,
        LongLength,
        HugePacket,
        OtherPuback,
    ] {
        cases.extend(both(behaviour, Mqtt, &["mqtt.protocol"]));
    }
    cases
}
