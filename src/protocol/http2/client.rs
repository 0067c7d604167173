//! The client's side of an HTTP/2 session: rounds of concurrent requests, each answered to its last byte.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use h2::RecvStream;
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::HeaderMap;
use hyper::body::Bytes;

use super::held::Held;
use super::pump::{Ended, Pump, Turn};
use super::request::Prepared;
use super::{ABSENT, GOAWAY, PROTOCOL, RESET};
use crate::protocol::{Converse, Draws, MOST_UNASKED, Next, ProtocolError, Who, Wire};
use crate::stats::{AnswerCode, FailureClass, Stage};
use crate::text::first_line;

/// Largest list of response fields, in bytes as RFC 9113 section 6.5.2 counts them.
const HEAD_CAP: u32 = 64 * 1024;
/// Largest response body that is read, in bytes.
const BODY_CAP: u64 = 64 << 20;
/// The windows that are granted. Bodies are dropped as they come, so that they cost no memory.
const WINDOW: u32 = 1 << 20;
/// Bytes that the server may send in an exchange beside bodies: fields, settings, pings.
const OVERHEAD: u64 = 16 * 1024;
/// The same for every response.
const OVERHEAD_OF_ONE: u64 = 2 * HEAD_CAP as u64;
/// Most bytes of a body that are kept.
const EXCERPT_CAP: usize = 1024;

/// What is asked on every stream, and which answers are taken.
pub trait Ask: fmt::Debug {
    /// The request.
    fn prepared(&self) -> &Prepared;

    /// Whether the beginning of the body is needed to judge a response of this status.
    fn reads(&self, status: u16) -> bool;

    /// Judges a whole response.
    ///
    /// # Errors
    ///
    /// Fails with the class of an answer that is not taken.
    fn judge(&self, answer: &Answer) -> Result<(), ProtocolError>;
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub(in crate::protocol) status: u16,
    pub(in crate::protocol) fields: HeaderMap,
    pub(in crate::protocol) trailers: Option<HeaderMap>,
    /// Bytes of its body.
    pub(in crate::protocol) length: u64,
    /// The beginning of its body, where it is needed.
    pub(in crate::protocol) excerpt: Vec<u8>,
}

/// The state of a session.
#[derive(Debug)]
pub struct Session<'p, R> {
    request: &'p R,
    pub(super) state: State,
    proved: Option<Instant>,
    draws: Draws,
    /// Requests of an exchange.
    streams: usize,
}

/// On the heap, and made for the first exchange: most sessions speak something else.
#[derive(Debug)]
pub(super) enum State {
    Fresh,
    Live(Box<Live>),
    /// Nothing more is asked.
    Held(Box<Held>),
    Ended,
}

#[derive(Debug)]
pub(super) struct Live {
    pump: Pump,
    send: SendRequest<Bytes>,
    flows: Vec<Flow>,
}

/// One stream of a round.
#[derive(Debug)]
pub(super) enum Flow {
    /// To be opened; the server may limit how many are open at once (RFC 9113 section 5.1.2).
    Waiting,
    Asked(ResponseFuture),
    Answered(Box<Answer>, RecvStream),
    Done,
}

impl<'p, R: Ask> Session<'p, R> {
    pub(in crate::protocol) fn new(request: &'p R, who: Who<'_>) -> Self {
        Self {
            request,
            state: State::Fresh,
            proved: None,
            draws: who.draws,
            streams: who.streams.unwrap_or(request.prepared().streams),
        }
    }

    /// Makes the connection, and takes in what the server said before it was asked, which proves nothing.
    async fn begun<S: Wire>(&mut self, stream: &mut S) -> Result<&mut Live, ProtocolError> {
        if matches!(self.state, State::Fresh) {
            let (send, pump) = Pump::new(&settings()).map_err(|error| fault(&error))?;
            let flows = Vec::new();
            self.state = State::Live(Box::new(Live { pump, send, flows }));
            let live = self.live()?;
            live.pump.allow(MOST_UNASKED as u64);
            let settled = live.pump.settle(stream).await;
            settled.map_err(|ended| why(ended, live, Stage::Confirm))?;
        }
        self.live()
    }

    fn live(&mut self) -> Result<&mut Live, ProtocolError> {
        match &mut self.state {
            State::Live(live) => Ok(live),
            _ => Err(broken("the session has ended".to_owned())),
        }
    }

    /// Gives the connection of h2 up for one that can only be held. `None` if the server ended it.
    async fn held<S: Wire>(&mut self, stream: &mut S) -> Result<Option<&mut Held>, ProtocolError> {
        if !matches!(self.state, State::Held(_)) {
            let live = self.begun(stream).await?;
            live.flows = Vec::new();
            live.pump.allow(MOST_UNASKED as u64);
            match live.pump.rest(stream).await {
                Ok(()) => {}
                Err(Ended::Eof | Ended::InOrder) => return Ok(None),
                Err(ended) => return Err(why(ended, live, Stage::Hold)),
            }
            let held = Held::new(live.pump.allowance());
            self.state = State::Held(Box::new(held));
        }
        Ok(match &mut self.state {
            State::Held(held) => Some(held),
            _ => None,
        })
    }
}

impl<R: Ask> Converse for Session<'_, R> {
    fn proved(&self) -> Option<Instant> {
        self.proved
    }

    async fn exchange<S: Wire>(&mut self, stream: &mut S) -> Result<Next, ProtocolError> {
        let request = self.request;
        let mut proved = self.proved;
        let mut draws = self.draws;
        let streams = self.streams;
        let stage = match proved {
            None => Stage::Confirm,
            Some(_) => Stage::FirstByte,
        };
        let live = self.begun(stream).await?;
        let Live { pump, send, flows } = live;
        flows.clear();
        flows.resize_with(streams, || Flow::Waiting);
        pump.allow(OVERHEAD + OVERHEAD_OF_ONE * streams as u64);
        let mut round = Round {
            request,
            send,
            flows,
            done: 0,
            proved: &mut proved,
            draws: &mut draws,
        };
        let ended = pump.run(stream, |cx, turn| round.poll(cx, turn)).await;
        let next = match ended {
            Ok(Ok(next)) => next,
            Ok(Err(error)) => return Err(live.explain(error)),
            Err(ended) => return Err(why(ended, live, stage)),
        };
        live.flows.clear();
        self.proved = proved;
        self.draws = draws;
        Ok(next)
    }

    async fn idle<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
        let live = self.begun(stream).await?;
        live.flows.shrink_to_fit();
        live.pump.shrink();
        live.pump.allow(MOST_UNASKED as u64);
        let never = |_: &mut Context<'_>, _: &mut Turn| Poll::<()>::Pending;
        match live.pump.run(stream, never).await {
            Ok(()) | Err(Ended::Eof | Ended::InOrder) => Ok(()),
            Err(ended) => Err(why(ended, live, Stage::Hold)),
        }
    }

    async fn hold<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
        match self.held(stream).await? {
            Some(held) => held.hold(stream).await,
            None => Ok(()),
        }
    }

    async fn end<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
        let live = match std::mem::replace(&mut self.state, State::Ended) {
            State::Live(live) => live,
            State::Held(mut held) => return held.leave(stream).await,
            State::Fresh | State::Ended => return Ok(()),
        };
        let Live {
            mut pump,
            send,
            flows,
        } = *live;
        // Without a handle left, h2 says GOAWAY.
        drop((send, flows));
        pump.allow(MOST_UNASKED as u64);
        let never = |_: &mut Context<'_>, _: &mut Turn| Poll::<()>::Pending;
        match pump.run(stream, never).await {
            Err(Ended::Io(error) | Ended::Unwritable(error)) => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Live {
    /// An error of a stream, unless the server does not speak HTTP/2 at all.
    fn explain(&self, error: ProtocolError) -> ProtocolError {
        let beginning = self.pump.beginning();
        if !beginning.starts_with(b"HTTP/") {
            return error;
        }
        ProtocolError::Answer {
            class: ABSENT.class(AnswerCode::None),
            message: format!(
                "the server answers in HTTP/1: \"{}\"",
                first_line(beginning)
            ),
        }
    }
}

/// The requests of an exchange.
struct Round<'r, R> {
    request: &'r R,
    send: &'r mut SendRequest<Bytes>,
    flows: &'r mut [Flow],
    /// How many are answered.
    done: usize,
    proved: &'r mut Option<Instant>,
    draws: &'r mut Draws,
}

impl<R: Ask> Round<'_, R> {
    /// Ready once all are answered, or one is not as it should be.
    fn poll(&mut self, cx: &mut Context<'_>, turn: &mut Turn) -> Poll<Result<Next, ProtocolError>> {
        let mut may_open = true;
        for flow in &mut *self.flows {
            if matches!(flow, Flow::Waiting) && may_open {
                match open(self.request.prepared(), self.draws, self.send, cx) {
                    Poll::Ready(Ok(response)) => *flow = Flow::Asked(response),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => may_open = false,
                }
            }
            match flow.poll(self.request, self.proved, cx, turn) {
                Poll::Pending => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(answer)) => {
                    *flow = Flow::Done;
                    self.done += 1;
                    if let Err(error) = self.request.judge(&answer) {
                        return Poll::Ready(Err(error));
                    }
                }
            }
        }
        if self.done < self.flows.len() {
            return Poll::Pending;
        }
        // A GOAWAY leaves the streams open that the server still answers, and lets none be opened.
        Poll::Ready(Ok(match self.send.poll_ready(cx) {
            Poll::Ready(Err(_)) => Next::Closes,
            _ => Next::Open,
        }))
    }
}

/// Opens a stream with the request, once the server lets us.
pub(super) fn open(
    prepared: &Prepared,
    draws: &mut Draws,
    send: &mut SendRequest<Bytes>,
    cx: &mut Context<'_>,
) -> Poll<Result<ResponseFuture, ProtocolError>> {
    if let Err(error) = ready!(send.poll_ready(cx)) {
        return Poll::Ready(Err(fault(&error)));
    }
    let (request, body) = prepared.request(draws);
    let opened = send.send_request(request, body.is_empty());
    Poll::Ready(match opened {
        Ok((response, mut upload)) => {
            // h2 keeps to the server's windows. An error here is the stream's, which the response tells.
            let _ = body.is_empty() || upload.send_data(body, true).is_ok();
            Ok(response)
        }
        Err(error) => Err(fault(&error)),
    })
}

impl Flow {
    /// Ready with the response once it is whole.
    pub(super) fn poll<R: Ask>(
        &mut self,
        request: &R,
        proved: &mut Option<Instant>,
        cx: &mut Context<'_>,
        turn: &mut Turn,
    ) -> Poll<Result<Answer, ProtocolError>> {
        if let Self::Asked(response) = self {
            let response = match ready!(Pin::new(response).poll(cx)) {
                Ok(response) => response,
                Err(error) => return Poll::Ready(Err(fault(&error))),
            };
            *proved = proved.or(turn.read_at);
            let (head, body) = response.into_parts();
            let answer = Answer {
                status: head.status.as_u16(),
                fields: head.headers,
                trailers: None,
                length: 0,
                excerpt: Vec::new(),
            };
            *self = Self::Answered(Box::new(answer), body);
        }
        let Self::Answered(answer, body) = self else {
            return Poll::Pending;
        };
        ready!(answer.poll_body(request, body, cx, turn))?;
        let Self::Answered(answer, _) = std::mem::replace(self, Self::Done) else {
            return Poll::Pending;
        };
        Poll::Ready(Ok(*answer))
    }
}

impl Answer {
    /// Reads the body and the trailers; ready at their end.
    fn poll_body<R: Ask>(
        &mut self,
        request: &R,
        body: &mut RecvStream,
        cx: &mut Context<'_>,
        turn: &mut Turn,
    ) -> Poll<Result<(), ProtocolError>> {
        let reads = request.reads(self.status);
        while let Some(data) = ready!(body.poll_data(cx)) {
            let data = match data {
                Ok(data) => data,
                Err(error) => return Poll::Ready(Err(fault(&error))),
            };
            self.length += data.len() as u64;
            turn.allowance += 2 * data.len() as u64;
            if reads {
                let room = EXCERPT_CAP.saturating_sub(self.excerpt.len());
                self.excerpt
                    .extend_from_slice(&data[..data.len().min(room)]);
            }
            if self.length > BODY_CAP {
                return Poll::Ready(Err(broken(
                    "the body is over shakedown's limit of 64 MiB".to_owned(),
                )));
            }
            // Fails only for more than was received.
            let _ = body.flow_control().release_capacity(data.len());
        }
        match ready!(body.poll_trailers(cx)) {
            Ok(trailers) => self.trailers = trailers,
            Err(error) => return Poll::Ready(Err(fault(&error))),
        }
        Poll::Ready(Ok(()))
    }
}

/// What this client grants and demands. Until the server's SETTINGS are known it opens one stream, since more could be
/// refused.
pub(super) fn settings() -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(1)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(HEAD_CAP);
    builder
}

/// Why an exchange cannot be completed.
fn why(ended: Ended, live: &Live, stage: Stage) -> ProtocolError {
    let cut_short = match &ended {
        Ended::Eof => true,
        Ended::Io(error) => matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
        ),
        _ => false,
    };
    let answered = |flow: &Flow| matches!(flow, Flow::Answered(..));
    match ended {
        _ if cut_short && live.flows.iter().any(answered) => ProtocolError::Answer {
            class: FailureClass::HttpCutShort,
            message: "the server ended the stream in the middle of a response".to_owned(),
        },
        Ended::Io(error) | Ended::Unwritable(error) => error.into(),
        Ended::Eof | Ended::InOrder => io::Error::from(io::ErrorKind::UnexpectedEof).into(),
        Ended::Broken(error) => live.explain(fault(&error)),
        Ended::Flood => ProtocolError::Answer {
            class: FailureClass::Flood(stage),
            message: "frames that nobody asked for".to_owned(),
        },
    }
}

/// The class of an error of h2.
fn fault(error: &h2::Error) -> ProtocolError {
    let code = AnswerCode::Number(error.reason().map_or(0, u32::from));
    let class = match (error.is_remote(), error.is_go_away(), error.is_reset()) {
        (true, true, _) => GOAWAY.class(code),
        (true, _, true) => RESET.class(code),
        _ => PROTOCOL.class(AnswerCode::None),
    };
    ProtocolError::Answer {
        class,
        message: format!("HTTP/2 {error}"),
    }
}

fn broken(message: String) -> ProtocolError {
    ProtocolError::Answer {
        class: PROTOCOL.class(AnswerCode::None),
        message,
    }
}
