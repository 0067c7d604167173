//! The server's side: any request is answered with a short text, a gRPC call as `grpc` does.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Bytes;
use tokio::io::AsyncWriteExt;

use super::super::{ProtocolError, Wire};

/// Streams of a session that are open at once.
const MOST_STREAMS: u32 = 128;
/// The windows that are granted.
const WINDOW: u32 = 1 << 20;
/// Largest list of request fields.
const HEAD_CAP: u32 = 64 * 1024;
/// Largest gRPC message that is sent back, with its prefix.
const MESSAGE_CAP: usize = 4 * 1024 * 1024 + 5;
/// What HTTP requests get.
const TEXT: &[u8] = b"ok\n";
/// The message of a health check that finds the service up: status SERVING.
const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];

/// Serves one session until the client closes it.
///
/// Fails if the stream does, or if the client breaks the protocol.
pub(in crate::protocol) async fn serve<S: Wire>(stream: &mut S) -> Result<(), ProtocolError> {
    let served = requests(stream).await;
    stream.shutdown().await?;
    served.map_err(|error| match error.into_io() {
        Some(error) => error.into(),
        None => io::Error::from(io::ErrorKind::InvalidData).into(),
    })
}

async fn requests<S: Wire>(stream: &mut S) -> Result<(), h2::Error> {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(MOST_STREAMS)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(HEAD_CAP);
    let mut connection = builder.handshake::<_, Bytes>(stream).await?;
    let mut calls = Vec::new();
    poll_fn(|cx| {
        loop {
            while let Poll::Ready(accepted) = connection.poll_accept(cx) {
                match accepted {
                    Some(Ok((request, respond))) => calls.push(Call::new(request, respond)),
                    Some(Err(error)) => return Poll::Ready(Err(error)),
                    None => return Poll::Ready(Ok(())),
                }
            }
            let before = calls.len();
            calls.retain_mut(|call| call.poll(cx).is_pending());
            if calls.len() == before {
                return Poll::Pending;
            }
            // The answers are written by the next turn.
        }
    })
    .await
}

/// A request whose body has not come whole yet.
struct Call {
    method: Method,
    /// What a gRPC call is answered with.
    kind: Kind,
    body: RecvStream,
    respond: SendResponse<Bytes>,
}

enum Kind {
    Plain,
    Health,
    /// The message so far.
    Echo(Vec<u8>),
}

impl Call {
    fn new(request: Request<RecvStream>, respond: SendResponse<Bytes>) -> Self {
        let (head, body) = request.into_parts();
        let content = head.headers.get(CONTENT_TYPE);
        let is_grpc = content.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        let kind = match head.uri.path() {
            _ if !is_grpc => Kind::Plain,
            "/grpc.health.v1.Health/Check" => Kind::Health,
            _ => Kind::Echo(Vec::new()),
        };
        Self {
            method: head.method,
            kind,
            body,
            respond,
        }
    }

    /// Reads the body and answers; ready once that is done or the stream is gone.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(data) = ready!(self.body.poll_data(cx)) {
            let Ok(data) = data else {
                return Poll::Ready(());
            };
            // Fails only for more than was received.
            let _ = self.body.flow_control().release_capacity(data.len());
            if let Kind::Echo(message) = &mut self.kind {
                if message.len() + data.len() > MESSAGE_CAP {
                    let _ = self.call(None, "8");
                    self.respond.send_reset(Reason::NO_ERROR);
                    return Poll::Ready(());
                }
                message.extend_from_slice(&data);
            }
        }
        // A stream that is gone cannot be answered.
        let _ = match std::mem::replace(&mut self.kind, Kind::Plain) {
            Kind::Plain => self.plain(),
            Kind::Health => self.call(Some(Bytes::from_static(SERVING)), "0"),
            Kind::Echo(message) => self.call(Some(message.into()), "0"),
        };
        Poll::Ready(())
    }

    fn plain(&mut self) -> Result<(), h2::Error> {
        let mut answer = Response::new(());
        let fields = answer.headers_mut();
        if [Method::CONNECT, Method::TRACE].contains(&self.method) {
            let allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
            fields.insert(ALLOW, HeaderValue::from_static(allowed));
            *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            return self.respond.send_response(answer, true).map(drop);
        }
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        fields.insert(CONTENT_LENGTH, HeaderValue::from(TEXT.len()));
        if self.method == Method::HEAD {
            return self.respond.send_response(answer, true).map(drop);
        }
        let mut body = self.respond.send_response(answer, false)?;
        body.send_data(Bytes::from_static(TEXT), true)
    }

    /// Answers a gRPC call; without a message in trailers alone.
    fn call(&mut self, message: Option<Bytes>, status: &'static str) -> Result<(), h2::Error> {
        let mut answer = Response::new(());
        let kind = HeaderValue::from_static("application/grpc");
        answer.headers_mut().insert(CONTENT_TYPE, kind);
        let status = HeaderValue::from_static(status);
        let Some(message) = message else {
            answer.headers_mut().insert("grpc-status", status);
            return self.respond.send_response(answer, true).map(drop);
        };
        let mut body = self.respond.send_response(answer, false)?;
        body.send_data(message, false)?;
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", status);
        body.send_trailers(trailers)
    }
}
