//! A minimal HTTP/1.1 responder for the embedded target: every request gets 200 and three bytes.

use httparse::{EMPTY_HEADER, Request, Status};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::ProtocolError;
use super::http1::read_sized;
use crate::stats::FailureClass;

const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nok\n";
const HEAD_RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\n";
/// Largest request head that is read, in bytes.
const HEAD_CAP: usize = 64 * 1024;

/// What the head of a request says.
struct Head {
    length: usize,
    body: u64,
    without_body: bool,
    close: bool,
}

pub(super) async fn serve<S>(stream: &mut S) -> Result<(), ProtocolError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = Vec::with_capacity(1024);
    loop {
        let head = loop {
            if let Some(head) = parse(&buffer)? {
                break head;
            }
            if buffer.len() > HEAD_CAP {
                return Err(bad("the request head is too long"));
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                stream.shutdown().await?;
                return Ok(());
            }
        };
        buffer.drain(..head.length);
        read_sized(head.body, stream, &mut buffer).await?;
        stream
            .write_all(if head.without_body {
                HEAD_RESPONSE
            } else {
                RESPONSE
            })
            .await?;
        stream.flush().await?;
        if head.close {
            stream.shutdown().await?;
            return Ok(());
        }
    }
}

fn bad(message: &str) -> ProtocolError {
    ProtocolError::Answer {
        class: FailureClass::HttpProtocol,
        message: message.to_owned(),
    }
}

fn parse(bytes: &[u8]) -> Result<Option<Head>, ProtocolError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut headers = [EMPTY_HEADER; 64];
    let mut request = Request::new(&mut headers);
    let Status::Complete(length) = request
        .parse(bytes)
        .map_err(|_| bad("not an HTTP/1.1 request"))?
    else {
        return Ok(None);
    };
    let find = |name: &str| {
        request
            .headers
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case(name))
            .map(|h| h.value)
    };
    let body = match find("content-length") {
        None => 0,
        Some(value) => std::str::from_utf8(value)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| bad("content-length is not a number"))?,
    };
    Ok(Some(Head {
        length,
        body,
        without_body: request.method == Some("HEAD"),
        close: find("connection").is_some_and(|v| v.eq_ignore_ascii_case(b"close")),
    }))
}
