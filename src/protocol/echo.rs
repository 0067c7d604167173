//! Echo: what is sent comes back. The smallest proof that a server accepted a session.

use std::borrow::Cow;
use std::{fmt, io};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    Asked, Converse, Draws, Next, Problem, ProtocolError, ProtocolSection, Sizes, Traits, Who, Wire,
};
use crate::stats::{AnswerCode, AnswerFault};
use crate::units::ByteSize;

/// Size of one piece that is sent before its echo is read. It fits into any socket's buffers, so
/// that neither side waits for the other to read (the kernel's smallest default is 4 KiB).
const PIECE: usize = 4 * 1024;
/// The byte that is sent.
const FILL: u8 = b'e';

/// Payload in bytes unless a scenario says otherwise.
const USUAL_PAYLOAD: u64 = 64;

const MISMATCH: &AnswerFault = &AnswerFault {
    label: "echo.mismatch",
    code: AnswerCode::None,
    refuses: &[],
    advice: "the peer is not an echo server; use `shakedown serve`, or another --protocol",
};

pub(super) const TRAITS: Traits = Traits {
    label: "echo",
    name: "echo",
    schemes: &[],
    alpn: &[],
    offers: &[],
    server_may_speak_first: false,
    keys: &["exchanges", "think", "every", "payload"],
    faults: &[MISMATCH],
    tell: |_| None,
};

/// The payload of every exchange.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    sizes: Sizes,
    /// The largest.
    payload: usize,
}

impl Request {
    pub(crate) fn new(section: &ProtocolSection, _: Option<&Asked<'_>>) -> Result<Self, Problem> {
        let sizes = section.payload.unwrap_or(ByteSize(USUAL_PAYLOAD).into());
        let payload = sizes.within("protocol.payload", 1)?;
        Ok(Self { sizes, payload })
    }

    /// The first piece of an exchange; nothing where it differs from session to session.
    pub(crate) fn opening(&self) -> Cow<'_, [u8]> {
        match self.sizes.drawn() {
            None => Cow::Owned(vec![FILL; self.payload.min(PIECE)]),
            Some(_) => Cow::Borrowed(&[]),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "echo of {} bytes", self.sizes)
    }
}

/// The exchanges of one session.
#[derive(Debug)]
pub struct Conversation<'p> {
    request: &'p Request,
    draws: Draws,
    /// A buffer for a piece and its echo.
    scratch: Vec<u8>,
}

impl<'p> Conversation<'p> {
    pub(super) fn new(request: &'p Request, who: Who<'_>) -> Self {
        Self {
            request,
            draws: who.draws,
            scratch: Vec::new(),
        }
    }
}

impl Converse for Conversation<'_> {
    async fn exchange<S: Wire>(&mut self, stream: &mut S) -> Result<Next, ProtocolError> {
        let Self {
            request,
            draws,
            scratch,
        } = self;
        let drawn = request.sizes.drawn().map(|between| draws.next(between));
        let payload = drawn.unwrap_or(request.payload);
        let mut left = payload;
        while left > 0 {
            let piece = left.min(PIECE);
            scratch.clear();
            scratch.resize(piece, FILL);
            stream.write_all(scratch).await?;
            stream.flush().await?;
            // Room for one byte more than was sent, so that a surplus is seen.
            scratch.push(0);
            let mut back = 0;
            while back < piece {
                let before = payload - left + back;
                match stream.read(&mut scratch[back..]).await {
                    Ok(0) => {
                        return Err(broke_off(
                            io::ErrorKind::UnexpectedEof.into(),
                            before,
                            payload,
                        ));
                    }
                    Ok(received) => back += received,
                    Err(error) => return Err(broke_off(error, before, payload)),
                }
            }
            if back > piece {
                return Err(mismatch(format!("sent {piece} bytes, got back more")));
            }
            if scratch[..piece].iter().any(|byte| *byte != FILL) {
                return Err(mismatch(format!(
                    "sent {piece} bytes, got back \"{}\"",
                    String::from_utf8_lossy(&scratch[..piece.min(32)])
                )));
            }
            left -= piece;
        }
        Ok(Next::Open)
    }
}

/// Classifies the end of the stream after `back` bytes of the echo. Before the first, the session knows more.
fn broke_off(error: io::Error, back: usize, payload: usize) -> ProtocolError {
    let ended = matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    );
    if ended && back > 0 {
        mismatch(format!("the echo ended after {back} of {payload} bytes"))
    } else {
        error.into()
    }
}

fn mismatch(message: String) -> ProtocolError {
    ProtocolError::Answer {
        class: MISMATCH.class(AnswerCode::None),
        message,
    }
}

pub(super) async fn serve<S: Wire>(stream: &mut S) -> Result<(), ProtocolError> {
    let mut buffer = [0u8; 2048];
    loop {
        let received = stream.read(&mut buffer).await?;
        if received == 0 {
            stream.shutdown().await?;
            return Ok(());
        }
        stream.write_all(&buffer[..received]).await?;
        stream.flush().await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(payload: u64) -> Request {
        let payload = Some(ByteSize(payload).into());
        let section = ProtocolSection {
            payload,
            ..ProtocolSection::default()
        };
        Request::new(&section, None).unwrap()
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn large_payloads_do_not_block_either_side() {
        run(async {
            let (mut client, mut server) = tokio::io::duplex(4_096);
            let both = async {
                let request = request(100_000);
                let mut conversation = Conversation::new(&request, Who::default());
                conversation.exchange(&mut client).await.unwrap();
                drop(client);
            };
            let (result, ()) = tokio::join!(serve(&mut server), both);
            result.unwrap();
        });
    }

    #[test]
    fn a_wrong_answer_and_a_longer_one_are_a_failure_class() {
        for answer in [b"HTTP".as_slice(), b"eeeee"] {
            run(async {
                let (mut client, mut server) = tokio::io::duplex(1_000);
                server.write_all(answer).await.unwrap();
                let request = request(4);
                let error = Conversation::new(&request, Who::default())
                    .exchange(&mut client)
                    .await;
                let error = error.unwrap_err();
                let ProtocolError::Answer { class, .. } = error else {
                    panic!("{error}");
                };
                assert_eq!(class.to_string(), "echo.mismatch");
            });
        }
    }
}
