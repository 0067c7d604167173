//! `PostgreSQL`'s protocol 3.0: start-up, certificate authentication, queries.
//!
//! The messages of a session are composed once. Of what comes only types and beginnings are kept. TLS is asked for by
//! `SSLRequest`, a [way in](crate::way), unless it begins at once.

mod reader;
mod request;
mod server;
mod tell;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncWriteExt, ReadBuf};

use self::reader::Reader;
pub(crate) use self::request::Request;
pub use self::request::SslNegotiation;
pub(super) use self::server::serve;
use super::{Converse, Next, ProtocolError, ProtocolKind, Scheme, Traits, Who, Wire};
use crate::stats::{AnswerCode, AnswerFault, FailureClass, Stage};
use crate::text::first_line;

/// Most bytes of one answer.
const ANSWER_CAP: usize = 64 << 20;
/// Most bytes that come while nothing is asked.
const UNASKED_CAP: usize = 256 * 1024;
/// Bytes that are read at once.
const PIECE: usize = 2048;

/// Taking leave.
const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];

/// The server does not let us in: class 28 of SQLSTATE.
const DENIED: &AnswerFault = &AnswerFault {
    label: "postgres",
    code: AnswerCode::Five(*b"28000"),
    refuses: &[AnswerCode::Five(*b"28000")],
    advice: "the server lets this certificate or user not in, and the example says why: check the user in the URL against the certificate's name, pg_hba.conf and pg_ident.conf",
};

/// Any other error.
const ERROR: &AnswerFault = &AnswerFault {
    label: "postgres",
    code: AnswerCode::Five(*b"42601"),
    refuses: &[],
    advice: "the server answered with an error, which the example quotes; SQLSTATE 3D000 is a wrong database, 53300 too few connections allowed, class 42 a wrong --query",
};

/// The certificate is not enough.
const METHOD: &AnswerFault = &AnswerFault {
    label: "postgres.auth",
    code: AnswerCode::None,
    refuses: &[],
    advice: "the server asks for more than a certificate, which is not supported: use the method cert in pg_hba.conf (hostssl … cert clientcert=verify-full)",
};

/// What came is not the protocol.
const PROTOCOL: &AnswerFault = &AnswerFault {
    label: "postgres.protocol",
    code: AnswerCode::None,
    refuses: &[],
    advice: "not PostgreSQL's protocol 3.0; the example says why",
};

pub(super) const TRAITS: Traits = Traits {
    label: "postgres",
    name: "PostgreSQL",
    schemes: &[
        Scheme {
            name: "postgres",
            port: Some(5432),
            tls: true,
            kind: ProtocolKind::Postgres,
        },
        Scheme {
            name: "postgresql",
            port: Some(5432),
            tls: true,
            kind: ProtocolKind::Postgres,
        },
    ],
    alpn: &["postgresql"],
    offers: &["postgresql"],
    server_may_speak_first: false,
    keys: &[
        "exchanges",
        "think",
        "every",
        "user",
        "database",
        "query",
        "sslnegotiation",
    ],
    faults: &[DENIED, ERROR, METHOD, PROTOCOL],
    tell: tell::tell,
};

/// One session.
#[derive(Debug)]
pub struct Conversation<'p> {
    request: &'p Request,
    reader: Reader,
    /// What came and was not yet read.
    input: Vec<u8>,
    /// Bytes of the answer so far.
    received: usize,
    /// When the server was ready for the first time.
    ready: Option<Instant>,
}

impl<'p> Conversation<'p> {
    pub(super) fn new(request: &'p Request, _: Who<'_>) -> Self {
        Self {
            request,
            reader: Reader::default(),
            input: Vec::new(),
            received: 0,
            ready: None,
        }
    }

    /// The type of the next message that came completely, if one did.
    fn next(&mut self) -> Result<Option<u8>, ProtocolError> {
        let mut rest = &self.input[..];
        let found = self.reader.feed(&mut rest).map_err(odd)?;
        let left = rest.len();
        self.input.drain(..self.input.len() - left);
        if self.input.is_empty() {
            // A held session needs no room.
            self.input = Vec::new();
        }
        Ok(found)
    }

    /// The type of the next message. Dropped at any time, it loses nothing.
    async fn message<S: Wire>(&mut self, stream: &mut S, cap: usize) -> Result<u8, ProtocolError> {
        loop {
            if let Some(kind) = self.next()? {
                return Ok(kind);
            }
            if self.received >= cap {
                return Err(odd(format!("over {} KiB in one answer", cap / 1024)));
            }
            // Held sessions wait here, so the room for it lives only as long as a poll.
            let received = poll_fn(|cx| {
                let mut piece = [MaybeUninit::uninit(); PIECE];
                let mut read = ReadBuf::uninit(&mut piece);
                ready!(Pin::new(&mut *stream).poll_read(cx, &mut read))?;
                self.input.extend_from_slice(read.filled());
                Poll::Ready(io::Result::Ok(read.filled().len()))
            })
            .await?;
            if received == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            self.received += received;
        }
    }

    async fn send<S: Wire>(&mut self, stream: &mut S, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.received = 0;
        stream.write_all(bytes).await?;
        stream.flush().await?;
        Ok(())
    }

    /// Takes a message that answers nothing.
    fn unasked(&self, kind: u8) -> Result<(), ProtocolError> {
        match kind {
            b'E' => Err(self.error()),
            b'S' | b'N' | b'A' => Ok(()),
            other => Err(unexpected(other, "nothing")),
        }
    }

    /// The error that was read last.
    fn error(&self) -> ProtocolError {
        let error = reader::error(self.reader.body());
        let fault = if error.code.starts_with(b"28") {
            DENIED
        } else {
            ERROR
        };
        ProtocolError::Answer {
            class: fault.class(AnswerCode::Five(error.code)),
            message: error.message,
        }
    }
}

impl Converse for Conversation<'_> {
    fn begins_with_proof(&self) -> bool {
        true
    }

    fn proved(&self) -> Option<Instant> {
        self.ready
    }

    async fn begin<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
        self.send(stream, &self.request.startup).await?;
        let mut authenticated = false;
        loop {
            match self.message(stream, ANSWER_CAP).await? {
                b'R' => {
                    method(self.reader.body())?;
                    authenticated = true;
                }
                b'E' => return Err(self.error()),
                b'Z' if authenticated => {
                    self.ready = Some(Instant::now());
                    return Ok(());
                }
                // Parameters, the key for cancelling, notices, the version.
                b'S' | b'K' | b'N' | b'v' => {}
                other => return Err(unexpected(other, "start-up")),
            }
        }
    }

    async fn exchange<S: Wire>(&mut self, stream: &mut S) -> Result<Next, ProtocolError> {
        // What came before the query answers nothing.
        while let Some(kind) = self.next()? {
            self.unasked(kind)?;
        }
        let mut stale = self.reader.is_within();
        self.send(stream, &self.request.query).await?;
        let (mut complete, mut failed) = (false, None);
        loop {
            let kind = self.message(stream, ANSWER_CAP).await?;
            if std::mem::take(&mut stale) {
                self.unasked(kind)?;
                continue;
            }
            match kind {
                b'C' | b'I' => complete = true,
                b'E' => {
                    let error = self.error();
                    if reader::error(self.reader.body()).is_fatal {
                        return Err(error);
                    }
                    failed.get_or_insert(error);
                }
                b'Z' => {
                    return match failed {
                        Some(error) => Err(error),
                        None if complete => Ok(Next::Open),
                        None => Err(odd("the server is ready, and has not answered".to_owned())),
                    };
                }
                // Rows and their description, data of a COPY, what is told beside.
                b'T' | b'D' | b'H' | b'd' | b'c' | b'S' | b'N' | b'A' => {}
                other => return Err(unexpected(other, "a query")),
            }
        }
    }

    async fn idle<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
        self.received = 0;
        loop {
            match self.message(stream, UNASKED_CAP).await {
                Ok(kind) => self.unasked(kind)?,
                Err(ProtocolError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Ok(());
                }
                Err(ProtocolError::Answer { message, .. }) if self.received >= UNASKED_CAP => {
                    return Err(ProtocolError::Answer {
                        class: FailureClass::Flood(Stage::Hold),
                        message,
                    });
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn end<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
        self.send(stream, &TERMINATE).await
    }
}

/// Whether the server asks for nothing more.
fn method(body: &[u8]) -> Result<(), ProtocolError> {
    let Some(code) = body.first_chunk() else {
        return Err(odd(
            "an authentication request without its method".to_owned()
        ));
    };
    let asks = match u32::from_be_bytes(*code) {
        0 => return Ok(()),
        3 => "for a password in clear text",
        5 => "for an MD5 password",
        7 | 8 => "for GSSAPI",
        9 => "for SSPI",
        10 => "for SCRAM (SASL)",
        _ => "for another method",
    };
    Err(ProtocolError::Answer {
        class: METHOD.class(AnswerCode::None),
        message: format!("the server asks {asks}"),
    })
}

fn unexpected(kind: u8, asked: &str) -> ProtocolError {
    let kind = first_line(&[kind]);
    odd(format!("a message of type \"{kind}\" in answer to {asked}"))
}

fn odd(message: String) -> ProtocolError {
    ProtocolError::Answer {
        class: PROTOCOL.class(AnswerCode::None),
        message,
    }
}
