//! HTTP/1.1 as other people's clients speak it, served by hyper: chunked bodies, `Expect`, HTTP/1.0, and
//! what is malformed (RFC 9110, RFC 9112).
//!
//! Bodies are read and dropped. Nothing here is on the measured path.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, EXPECT, HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::protocol::Wire;

/// Largest request head that is read, in bytes.
pub(super) const HEAD_CAP: usize = 64 * 1024;
/// How long a client may take for a request's head, from its first byte. A session that has sent nothing
/// may stay open for as long as it likes: holding sessions is what load tests do.
pub(super) const HEAD_PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 60 });
/// Largest request body that is read, in bytes.
pub(super) const BODY_CAP: u64 = 1 << 30;
/// How long a client may send nothing in the middle of a body.
pub(super) const PATIENCE: Duration = HEAD_PATIENCE;
/// How long a client whose session we end may go on sending. Bytes that nobody reads make the kernel
/// reset the connection, and the client may lose the answer (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);

type Answer = Response<Full<Bytes>>;
/// Why a request is not served.
type Refusal = (StatusCode, &'static str);

/// Serves the rest of a session whose first bytes have been read already.
///
/// Fails if the stream does; a malformed request is answered instead.
pub(super) async fn serve<S: Wire>(stream: &mut S, received: Vec<u8>) -> io::Result<()> {
    let (read, write) = tokio::io::split(&mut *stream);
    let io = tokio::io::join(received.as_slice().chain(read), write);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .half_close(true)
        .max_buf_size(HEAD_CAP)
        .serve_connection(TokioIo::new(io), service_fn(answer));
    match connection.without_shutdown().await.map(drop) {
        // hyper answers malformed heads, but neither one that ends too early nor the preface of HTTP/2.
        Err(error) if error.is_incomplete_message() || error.is_parse_version_h2() => {
            let why = "the request ended before its head did";
            refuse(stream, StatusCode::BAD_REQUEST, why).await
        }
        _ => close(stream).await,
    }
}

/// Answers a request that is not to be served, and closes.
///
/// # Errors
///
/// Fails if the stream does.
pub(in crate::protocol) async fn refuse<S: Wire>(
    stream: &mut S,
    status: StatusCode,
    why: &str,
) -> io::Result<()> {
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{why}\n",
        why.len() + 1
    );
    stream.write_all(answer.as_bytes()).await?;
    close(stream).await
}

/// Ends our side, and reads what the client still sends until it ends its own.
async fn close<S: Wire>(stream: &mut S) -> io::Result<()> {
    stream.shutdown().await?;
    let mut scratch = [0; 4096];
    let drain = async { while stream.read(&mut scratch).await.is_ok_and(|read| read > 0) {} };
    // The time is up for a client that does not stop.
    let _ = timeout(LINGER, drain).await;
    Ok(())
}

async fn answer(request: Request<Incoming>) -> Result<Answer, Infallible> {
    let served = match check(&request) {
        Ok(()) => drop_body(request.into_body()).await,
        refused => refused,
    };
    Ok(match served {
        Ok(()) => text(StatusCode::OK, "ok\n".to_owned()),
        Err((status, why)) => {
            let mut answer = text(status, format!("{why}\n"));
            let headers = answer.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
            if status == StatusCode::METHOD_NOT_ALLOWED {
                let allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
                headers.insert(ALLOW, HeaderValue::from_static(allowed));
            }
            answer
        }
    })
}

fn text(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

/// What a server has to refuse and hyper leaves to it.
fn check(request: &Request<Incoming>) -> Result<(), Refusal> {
    let (method, headers) = (request.method(), request.headers());
    if [Method::CONNECT, Method::TRACE].contains(method) {
        return Err((
            StatusCode::METHOD_NOT_ALLOWED,
            "this method is not supported",
        ));
    }
    // RFC 9112 section 3.2: a path, a whole URI, or the asterisk of OPTIONS.
    let (uri, path) = (request.uri(), request.uri().path());
    if !(path.starts_with('/') && (uri.scheme().is_some() || uri.authority().is_none())
        || path == "*" && method == Method::OPTIONS)
    {
        return Err((StatusCode::BAD_REQUEST, "the target is not a path"));
    }
    check_host(request.version(), headers)?;
    check_codings(headers)?;
    match headers.get(EXPECT) {
        Some(expected) if !expected.as_bytes().eq_ignore_ascii_case(b"100-continue") => Err((
            StatusCode::EXPECTATION_FAILED,
            "the only expectation that can be met is 100-continue",
        )),
        _ => Ok(()),
    }
}

/// Exactly one valid host, or none in HTTP/1.0 (RFC 9112 section 3.2).
fn check_host(version: Version, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    let is_valid = |host: &HeaderValue| {
        let authority = Authority::try_from(host.as_bytes());
        host.is_empty() || authority.is_ok_and(|authority| !authority.as_str().contains('@'))
    };
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_valid(host) => Ok(()),
        (None, _) if version == Version::HTTP_10 => Ok(()),
        _ => Err((
            StatusCode::BAD_REQUEST,
            "exactly one valid host header is required",
        )),
    }
}

/// hyper has seen that the last coding is chunked; it would pass on the others undecoded.
fn check_codings(headers: &HeaderMap) -> Result<(), Refusal> {
    let values = headers.get_all(TRANSFER_ENCODING).iter();
    let mut codings = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let first = codings.next();
    match (first, codings.next()) {
        (None, _) | (Some(_), None) => Ok(()),
        _ => Err((
            StatusCode::NOT_IMPLEMENTED,
            "the only transfer coding is chunked",
        )),
    }
}

async fn drop_body(mut body: Incoming) -> Result<(), Refusal> {
    let too_large = (
        StatusCode::PAYLOAD_TOO_LARGE,
        "the body is larger than 1 GiB",
    );
    if body.size_hint().lower() > BODY_CAP {
        return Err(too_large);
    }
    let mut total = 0;
    loop {
        match timeout(PATIENCE, body.frame()).await {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(frame))) => total += frame.data_ref().map_or(0, Bytes::len) as u64,
            Ok(Some(Err(_))) => return Err((StatusCode::BAD_REQUEST, "the body is malformed")),
            Err(_) => return Err((StatusCode::REQUEST_TIMEOUT, "the body took too long")),
        }
        if total > BODY_CAP {
            return Err(too_large);
        }
    }
}
